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
    `<tr class="${escapeHtml(kind)}">${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`;
  const patches = comparison.patches.map((patch) =>
    row(
      [
        relation(patch.relation),
        side(patch.a),
        side(patch.b),
        patch.relation === 'rebased' ? `${Math.round(patch.similarity * 100)} %` : '',
      ],
      patch.relation,
    ),
  );
  const sources = comparison.sources.map((source) => row([relation(source.relation), source.file], source.relation));
  const list = (found: readonly string[]): string => (found.length === 0 ? 'none' : found.map(escapeHtml).join(', '));
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(a)} and ${escapeHtml(b)}</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 } td, th { border-bottom: 1px solid #8886; padding: .2rem .8rem; text-align: left }
.only-a td:first-child, .only-b td:first-child { font-weight: bold } .same { opacity: .6 }
pre { overflow-x: auto; border: 1px solid #8886; padding: 1rem }
</style>
<h1>${escapeHtml(a)} and ${escapeHtml(b)}</h1>
<p>${escapeHtml(a)} has ${escapeHtml(evr.a ?? 'an unknown version')}, ${escapeHtml(b)} has ${escapeHtml(evr.b ?? 'an unknown version')}. Newer: ${escapeHtml(newer(comparison))}.</p>
<h2>Patches</h2>
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
<pre>${comparison.specDiff === '' ? 'the same' : escapeHtml(comparison.specDiff)}</pre>
</html>
`;
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
