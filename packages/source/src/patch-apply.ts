/**
 * A unified diff applied to files: context must match line by line, at the place that is named or the nearest one.
 *
 * No fuzz: where the context differs, the patch does not fit. Names are read without their first part, as `patch -p1` does.
 * Of git's own kinds of change, renames, copies, empty files and binary files are made too; modes are not.
 *
 * Reference: POSIX patch; GNU diffutils, unified format; gitformat-diff
 */
import { createHash } from 'node:crypto';
import { quote } from '@distrokit/rpm';
import { SourceError } from './errors.js';
import { checkRelativePath } from './file-name.js';
import { applyBinaryHunk, type BinaryHunk, readBinaryHunk } from './git-binary-patch.js';
import type { TreeFiles } from './modification.js';

interface Hunk {
  readonly start: number;
  /** Lines with their sign. */
  readonly lines: readonly string[];
}

interface FilePatch {
  before: string | undefined;
  after: string | undefined;
  readonly hunks: Hunk[];
  binary?: BinaryHunk;
  /** Ids of the content before and after, from git's index line. */
  ids?: readonly [string, string];
  /** The file that it was made from stays. */
  copy?: boolean;
  /** git says something about the file besides its lines: a change even without hunks. */
  whole?: boolean;
}

/** Files after a patch. Throws SOURCE_NOT_APPLIED, naming file and hunk, and SOURCE_BAD_FILENAME for a path that leads out. */
export function applyPatch(files: TreeFiles, patch: string, where: string, prefix = ''): TreeFiles {
  const out = new Map(files);
  const changes = readPatch(patch);
  if (changes.length === 0) throw notApplied(where, 'patch', 'a unified diff', 'none');
  for (const change of changes) {
    const { before, after } = change;
    const from = before === undefined ? undefined : prefix + before;
    const to = after === undefined ? undefined : prefix + after;
    for (const path of [from, to]) if (path !== undefined) checkRelativePath(path);
    const old = from === undefined ? undefined : (out.get(from) ?? (to === undefined ? undefined : out.get(to)));
    if (from !== undefined && !old) throw notApplied(where, from, 'a file of that name', 'none');
    const makes = from === undefined || (change.whole && from !== to);
    if (makes && to !== undefined && out.has(to)) throw notApplied(where, to, 'no file yet', 'one');
    const path = to ?? from ?? '';
    const content = old ?? new Uint8Array();
    const next = change.binary
      ? applyBinary(change, change.binary, content, where, path)
      : change.hunks.length === 0
        ? content
        : Buffer.from(applyHunks(Buffer.from(content).toString('latin1'), change.hunks, where, path), 'latin1');
    if (from !== undefined && from !== to && !change.copy) out.delete(from);
    if (to !== undefined) out.set(to, next);
  }
  return out;
}

function applyBinary({ ids }: FilePatch, hunk: BinaryHunk, old: Uint8Array, where: string, path: string): Uint8Array {
  const fits = (bytes: Uint8Array, id: string | undefined): boolean =>
    id === undefined || /^0+$/.test(id) || blobId(bytes, id.length) === id;
  if (!fits(old, ids?.[0])) throw notApplied(where, path, 'the content that the patch was made for', 'another');
  const next = applyBinaryHunk(hunk, old);
  if (!next || !fits(next, ids?.[1])) throw notApplied(where, path, 'a binary change that fits', 'one that does not');
  return next;
}

/** As git names a file's content: SHA-1, or SHA-256 in repositories of that kind. */
function blobId(bytes: Uint8Array, digits: number): string {
  return createHash(digits === 40 ? 'sha1' : 'sha256')
    .update(`blob ${bytes.length}\0`)
    .update(bytes)
    .digest('hex');
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
  const files: FilePatch[] = [];
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  // A section of git's is open until its `---` line, or until what it says is whole without one.
  let git: FilePatch | undefined;
  let offset = 0;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    offset += line.length;
    if (line.startsWith('diff --git ')) {
      git = gitSection(line);
      files.push(git);
      continue;
    }
    if (line.startsWith('--- ') && lines[i + 1]?.startsWith('+++ ')) {
      const names = { before: nameOf(line), after: nameOf(lines[i + 1]!) };
      if (git) Object.assign(git, names);
      else files.push({ ...names, hunks: [] });
      git = undefined;
      offset += lines[++i]!.length;
      continue;
    }
    if (git && line.trimEnd() === 'GIT binary patch') {
      const hunk = readBinaryHunk(Buffer.from(text, 'latin1'), offset);
      if (!hunk) return [];
      git.binary = hunk;
      while (offset < hunk.end && i + 1 < lines.length) offset += lines[++i]!.length;
      git = undefined;
      continue;
    }
    if (git) readGitLine(git, line);
    const range = /^@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@/.exec(line);
    const file = files.at(-1);
    if (!range || !file || git) continue;
    let old = Number(range[2] ?? 1);
    let next = Number(range[3] ?? 1);
    const hunk: string[] = [];
    while ((old > 0 || next > 0) && i + 1 < lines.length) {
      const row = lines[++i]!;
      offset += row.length;
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
  return files.filter((file) => file.hunks.length > 0 || file.binary !== undefined || file.whole);
}

/** `a/x b/x`; names that differ are said again by lines of their own. */
function gitSection(line: string): FilePatch {
  const match = /^diff --git "?[^/]*\/(.*?)"? "?[^/]*\/\1"?\r?\n?$/.exec(line);
  return { before: match?.[1], after: match?.[1], hunks: [] };
}

function readGitLine(file: FilePatch, line: string): void {
  const match = /^(new file mode|deleted file mode|rename from|rename to|copy from|copy to|index) ([^\r\n]*)/.exec(
    line,
  );
  if (!match) return;
  const [, word = '', value = ''] = match;
  const ids = word === 'index' ? /^([0-9a-f]{40}|[0-9a-f]{64})\.\.([0-9a-f]{40,64})/.exec(value) : undefined;
  if (ids) file.ids = [ids[1]!, ids[2]!];
  if (word === 'index') return;
  file.whole = true;
  if (word === 'new file mode') file.before = undefined;
  else if (word === 'deleted file mode') file.after = undefined;
  else if (word.endsWith('from')) file.before = value;
  else file.after = value;
  if (word.startsWith('copy')) file.copy = true;
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
