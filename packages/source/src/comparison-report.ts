/**
 * A comparison of two sources for people: as text, and as one HTML page without anything from outside.
 */
import type { ComparedPatch, SourceComparison } from './compare-sources.js';

const words: Readonly<Record<string, string>> = {
  same: 'same',
  changed: 'changed',
  renumbered: 'renumbered',
  context: 'context only',
  rebased: 'rebased',
};

/** Plain text: versions, then only what differs, then how much is the same. Ends with a newline. */
export function formatComparison(comparison: SourceComparison): string {
  const { a, b, evr, cves } = comparison;
  const lines = [
    `${a}: ${evr.a ?? 'unknown version'}`,
    `${b}: ${evr.b ?? 'unknown version'}`,
    `newer: ${newer(comparison)}`,
    '',
  ];
  const relation = (word: string): string =>
    word === 'only-a' ? `only ${a}` : word === 'only-b' ? `only ${b}` : (words[word] ?? word);
  lines.push(`patches: ${counts(comparison.patches.map((patch) => relation(patch.relation)))}`);
  for (const patch of comparison.patches) {
    if (patch.relation !== 'same') lines.push(`  ${relation(patch.relation)}: ${patchName(patch)}`);
  }
  lines.push(`sources: ${counts(comparison.sources.map((source) => relation(source.relation)))}`);
  for (const source of comparison.sources) {
    if (source.relation !== 'same') lines.push(`  ${relation(source.relation)}: ${source.file}`);
  }
  lines.push(`CVEs in both: ${cves.both.length}`);
  if (cves.onlyA.length > 0) lines.push(`CVEs only ${a}: ${cves.onlyA.join(', ')}`);
  if (cves.onlyB.length > 0) lines.push(`CVEs only ${b}: ${cves.onlyB.join(', ')}`);
  lines.push(comparison.specDiff === '' ? 'specs: same' : 'specs: differ');
  return `${lines.map(printable).join('\n')}\n`;
}

/** One HTML page. Every text from the sources is escaped; nothing is loaded and no script runs. */
export function comparisonHtml(comparison: SourceComparison): string {
  const { a, b, evr, cves } = comparison;
  const relation = (word: string): string =>
    word === 'only-a' ? `only ${a}` : word === 'only-b' ? `only ${b}` : (words[word] ?? word);
  const row = (cells: readonly string[], kind: string): string =>
    `<tr class="${escapeHtml(kind)}">${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  const sideHtml = (patch: ComparedPatch['a']): string =>
    patch ? `<small>Patch${patch.number}</small> ${escapeHtml(patch.file)}` : '';
  const patches = comparison.patches.map((patch) =>
    row(
      [
        escapeHtml(relation(patch.relation)),
        sideHtml(patch.a),
        sideHtml(patch.b),
        patch.relation === 'rebased' ? `${Math.round(patch.similarity * 100)} %` : '',
      ],
      patch.relation,
    ),
  );
  const sources = comparison.sources.map((source) =>
    row([escapeHtml(relation(source.relation)), escapeHtml(source.file)], source.relation),
  );
  const list = (found: readonly string[]): string => (found.length === 0 ? 'none' : found.map(escapeHtml).join(', '));
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(a)} and ${escapeHtml(b)}</title>
<style>
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; overflow-wrap: anywhere }
table { border-collapse: collapse; margin: 1rem 0 } td, th { border-bottom: 1px solid #8886; padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top }
td:first-child { min-width: 6rem } small { opacity: .7 }
.only-a td:first-child, .only-b td:first-child, .changed td:first-child { font-weight: bold } .same { opacity: .7 }
pre { border: 1px solid #8886; overflow-x: auto; padding: 1rem } ins, del { text-decoration: none }
ins { background: #2da44e33 } del { background: #cf222e33 }
</style>
<h1>${escapeHtml(a)} and ${escapeHtml(b)}</h1>
<p>${escapeHtml(a)} has ${escapeHtml(evr.a ?? 'an unknown version')}, ${escapeHtml(b)} has ${escapeHtml(evr.b ?? 'an unknown version')}. Newer: ${escapeHtml(newer(comparison))}.</p>
<h2>Patches</h2>
<p>${escapeHtml(counts(comparison.patches.map((patch) => relation(patch.relation))))}.</p>
<table>
<tr><th>relation</th><th>${escapeHtml(a)}</th><th>${escapeHtml(b)}</th><th>in common</th></tr>
${patches.join('\n')}
</table>
<h2>Sources</h2>
<table>
<tr><th>relation</th><th>file</th></tr>
${sources.join('\n')}
</table>
<h2>CVEs</h2>
<p>Both: ${list(cves.both)}.<br>Only ${escapeHtml(a)}: ${list(cves.onlyA)}.<br>Only ${escapeHtml(b)}: ${list(cves.onlyB)}.</p>
<h2>Specs</h2>
${comparison.specDiff === '' ? '<p>They are the same.</p>' : `<pre>${diffHtml(comparison.specDiff)}</pre>`}
</html>
`;
}

/** A unified diff with its lines marked as added and removed. */
function diffHtml(diff: string): string {
  return diff
    .split('\n')
    .map((line, i) => {
      // The two lines at the top name the files.
      const mark = i < 2 ? undefined : line.startsWith('+') ? 'ins' : line.startsWith('-') ? 'del' : undefined;
      return mark === undefined ? escapeHtml(line) : `<${mark}>${escapeHtml(line)}</${mark}>`;
    })
    .join('\n');
}

/** Text for HTML and SVG, in content and in quoted attributes. */
export function escapeHtml(text: string): string {
  return printable(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

function newer(comparison: SourceComparison): string {
  const { order } = comparison.evr;
  if (order === undefined) return 'unknown';
  return order === 0 ? 'neither' : order > 0 ? comparison.a : comparison.b;
}

function counts(kinds: readonly string[]): string {
  const found = new Map<string, number>();
  for (const kind of kinds) found.set(kind, (found.get(kind) ?? 0) + 1);
  return found.size === 0 ? 'none' : [...found].map(([kind, count]) => `${count} ${kind}`).join(', ');
}

function patchName(patch: ComparedPatch): string {
  if (!patch.a || !patch.b) return side(patch.a ?? patch.b);
  const share = patch.relation === 'rebased' ? ` (${Math.round(patch.similarity * 100)} % in common)` : '';
  return `${side(patch.a)} and ${side(patch.b)}${share}`;
}

function side(patch: { readonly file: string; readonly number: number } | undefined): string {
  return patch ? `Patch${patch.number} ${patch.file}` : '';
}

/** Without control characters: a file name must not steer a terminal. */
function printable(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd');
}
