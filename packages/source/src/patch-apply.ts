/**
 * A unified diff applied to files: context must match line by line, at the place that is named or the nearest one.
 *
 * No fuzz: where the context differs, the patch does not fit. Names are read without their first part, as `patch -p1` does.
 *
 * Reference: POSIX patch; GNU diffutils, unified format
 */
import { quote } from '@distrokit/rpm';
import { SourceError } from './errors.js';
import { checkRelativePath } from './file-name.js';
import type { TreeFiles } from './modification.js';

interface Hunk {
  readonly start: number;
  /** Lines with their sign. */
  readonly lines: readonly string[];
}

interface FilePatch {
  readonly before: string | undefined;
  readonly after: string | undefined;
  readonly hunks: readonly Hunk[];
}

/** Files after a patch. Throws SOURCE_NOT_APPLIED, naming file and hunk, and SOURCE_BAD_FILENAME for a path that leads out. */
export function applyPatch(files: TreeFiles, patch: string, where: string, prefix = ''): TreeFiles {
  const out = new Map(files);
  const changes = readPatch(patch);
  if (changes.length === 0) throw notApplied(where, 'patch', 'a unified diff', 'none');
  for (const { before, after, hunks } of changes) {
    const from = before === undefined ? undefined : prefix + before;
    const to = after === undefined ? undefined : prefix + after;
    for (const path of [from, to]) if (path !== undefined) checkRelativePath(path);
    const old = from === undefined ? undefined : (out.get(from) ?? (to === undefined ? undefined : out.get(to)));
    if (from !== undefined && !old) throw notApplied(where, from, 'a file of that name', 'none');
    if (from === undefined && to !== undefined && out.has(to)) throw notApplied(where, to, 'no file yet', 'one');
    const text = applyHunks(old ? Buffer.from(old).toString('latin1') : '', hunks, where, to ?? from ?? '');
    if (from !== undefined && from !== to) out.delete(from);
    if (to !== undefined) out.set(to, Buffer.from(text, 'latin1'));
  }
  return out;
}

function applyHunks(text: string, hunks: readonly Hunk[], where: string, path: string): string {
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const out: string[] = [];
  let at = 0;
  let shift = 0;
  for (const [index, hunk] of hunks.entries()) {
    const wanted = hunk.lines.filter((line) => line[0] !== '+').map((line) => line.slice(1));
    const place = findLines(lines, wanted, at, Math.max(0, hunk.start - 1 + shift));
    if (place < 0) {
      throw notApplied(where, path, `the context of hunk ${index + 1} near line ${hunk.start}`, 'other lines');
    }
    shift = place - Math.max(0, hunk.start - 1);
    out.push(...lines.slice(at, place), ...hunk.lines.filter((line) => line[0] !== '-').map((line) => line.slice(1)));
    at = place + wanted.length;
  }
  return [...out, ...lines.slice(at)].join('');
}

function findLines(lines: readonly string[], wanted: readonly string[], from: number, near: number): number {
  const fits = (at: number): boolean => at >= from && wanted.every((line, i) => lines[at + i] === line);
  const last = lines.length - wanted.length;
  for (let distance = 0; distance <= Math.max(near, lines.length); distance++) {
    if (near + distance <= last && fits(near + distance)) return near + distance;
    if (near - distance >= 0 && near - distance <= last && fits(near - distance)) return near - distance;
  }
  return -1;
}

function readPatch(text: string): FilePatch[] {
  const files: { before: string | undefined; after: string | undefined; hunks: Hunk[] }[] = [];
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    if (line.startsWith('--- ') && lines[i + 1]?.startsWith('+++ ')) {
      files.push({ before: nameOf(line), after: nameOf(lines[i + 1]!), hunks: [] });
      i++;
      continue;
    }
    const range = /^@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@/.exec(line);
    const file = files.at(-1);
    if (!range || !file) continue;
    let old = Number(range[2] ?? 1);
    let next = Number(range[3] ?? 1);
    const hunk: string[] = [];
    while ((old > 0 || next > 0) && i + 1 < lines.length) {
      const row = lines[++i]!;
      const sign = row === '\n' ? ' ' : row[0];
      if (sign === '\\') continue;
      if (sign !== ' ' && sign !== '-' && sign !== '+') return [];
      if (sign !== '+') old--;
      if (sign !== '-') next--;
      hunk.push(row === '\n' ? ' \n' : row);
      // A line without a newline is announced by the line after it.
      if (lines[i + 1]?.startsWith('\\')) hunk[hunk.length - 1] = hunk.at(-1)!.replace(/\n$/, '');
    }
    // An empty old range names the line before the place.
    const start = Number(range[1]) + (range[2] === '0' ? 1 : 0);
    file.hunks.push({ start, lines: hunk });
  }
  return files.filter((file) => file.hunks.length > 0);
}

function nameOf(line: string): string | undefined {
  const name = line.slice(4).replace(/\t.*$/, '').trimEnd();
  if (name === '/dev/null') return undefined;
  return name.includes('/') ? name.slice(name.indexOf('/') + 1) : name;
}

function notApplied(where: string, target: string, wanted: string, found: string): SourceError {
  return new SourceError(
    { code: 'SOURCE_NOT_APPLIED', where, target, wanted, found },
    `${where} on ${quote(target, 200)}: wanted ${wanted}, found ${found}`,
  );
}
