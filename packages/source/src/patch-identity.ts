/**
 * Whether two patches are the same change, whatever they are called and wherever they were made.
 *
 * A patch is read as hunks per file. Names of patch files, numbers of lines, dates, index lines, mail headers and the
 * order of files do not matter. Three identities, each weaker than the one before: the whole diff with its context, the
 * changed lines per file, and how many changed lines two patches share.
 *
 * Reference: unified diff format, GNU diffutils; git-patch-id(1)
 */
import { createHash } from 'node:crypto';
import { SourceError } from './errors.js';

/** The identities of one patch. */
export interface PatchIdentity {
  /** sha256 over files and hunks with context, without numbers. Equal: the same patch. */
  readonly exact: string;
  /** sha256 over files and changed lines only. Equal: the same change in other surroundings. */
  readonly changes: string;
  /** Files it changes, without the first path part, sorted. */
  readonly files: readonly string[];
  /** Hashes of the changed lines with their files, for {@link patchSimilarity}. */
  readonly lines: readonly string[];
}

const maxBytes = 64 * 2 ** 20;

/**
 * Reads a patch. One without any hunk (a binary patch, an empty file) is identified by its bytes.
 * Throws SOURCE_LIMIT above 64 MiB.
 */
export function patchIdentity(bytes: Uint8Array): PatchIdentity {
  if (bytes.length > maxBytes) {
    throw new SourceError(
      { code: 'SOURCE_LIMIT', what: 'bytes of a patch', limit: maxBytes, found: bytes.length },
      `patch: ${bytes.length} bytes, at most ${maxBytes} are read`,
    );
  }
  const files = readHunks(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1'));
  if (files.size === 0) {
    const whole = sha256([Buffer.from(bytes).toString('latin1')]);
    return { exact: whole, changes: whole, files: [], lines: [whole] };
  }
  const names = [...files.keys()].sort();
  const exact = names.flatMap((name) => [`file ${name}`, ...files.get(name)!.flatMap((hunk) => ['@@', ...hunk])]);
  const changed = names.map(
    (name) =>
      [
        name,
        files
          .get(name)!
          .flat()
          .filter((line) => !line.startsWith(' ')),
      ] as const,
  );
  return {
    exact: sha256(exact),
    changes: sha256(changed.flatMap(([name, lines]) => [`file ${name}`, ...lines])),
    files: names,
    lines: changed.flatMap(([name, lines]) =>
      lines.filter((line) => line.length > 1).map((line) => `${name}\0${line}`),
    ),
  };
}

/** Share of changed lines that two patches have in common, 0 to 1; each line counts as often as it occurs. */
export function patchSimilarity(a: PatchIdentity, b: PatchIdentity): number {
  if (a.changes === b.changes) return 1;
  const total = a.lines.length + b.lines.length;
  if (total === 0) return 0;
  const left = new Map<string, number>();
  for (const line of a.lines) left.set(line, (left.get(line) ?? 0) + 1);
  let common = 0;
  for (const line of b.lines) {
    const count = left.get(line) ?? 0;
    if (count === 0) continue;
    left.set(line, count - 1);
    common++;
  }
  return (2 * common) / total;
}

/** Hunks by file; a hunk is its lines with their signs, context included. */
function readHunks(text: string): Map<string, string[][]> {
  const files = new Map<string, string[][]>();
  const lines = text.split('\n');
  let hunks: string[][] | undefined;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    if (line.startsWith('--- ') && lines[i + 1]?.startsWith('+++ ')) {
      const name = fileName(line.slice(4), lines[i + 1]!.slice(4));
      hunks = files.get(name) ?? [];
      files.set(name, hunks);
      i++;
      continue;
    }
    const range = /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@/.exec(line);
    if (!range || !hunks) continue;
    // The counts say where a hunk ends: a removed line may itself begin with `-- `.
    let old = Number(range[1] ?? 1);
    let next = Number(range[2] ?? 1);
    const hunk: string[] = [];
    while ((old > 0 || next > 0) && i + 1 < lines.length) {
      const row = lines[++i]!.replace(/\r$/, '');
      const sign = row === '' ? ' ' : row[0];
      if (sign === '\\') continue;
      if (sign !== ' ' && sign !== '-' && sign !== '+') {
        i--;
        break;
      }
      if (sign !== '+') old--;
      if (sign !== '-') next--;
      hunk.push(row === '' ? ' ' : row.trimEnd() === '' ? sign : row);
    }
    hunks.push(hunk);
  }
  for (const [name, found] of files) if (found.length === 0) files.delete(name);
  return files;
}

/** The changed file, without time, quotes and the first path part, which says only how the diff was made. */
function fileName(before: string, after: string): string {
  const clean = (text: string): string =>
    text
      .replace(/\t.*$/, '')
      .replace(/\r$/, '')
      .trim()
      .replace(/^"(.*)"$/, '$1');
  const name = clean(after) === '/dev/null' ? clean(before) : clean(after);
  const slash = name.indexOf('/');
  return slash < 0 ? name : name.slice(slash + 1);
}

function sha256(lines: readonly string[]): string {
  return createHash('sha256').update(lines.join('\n'), 'latin1').digest('hex');
}
