/**
 * A folder of sources as a record: every file with its digest and where it came from.
 */
import { createHash, hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Abortable, quote } from '@distrokit/rpm';
import { retirementFile } from './dist-git-layout.js';
import { SourceError } from './errors.js';
import type { Origin, SourceFile, SourceTree } from './origin.js';
import { readSmallFile } from './small-file.js';
import { parseSpec, type Spec } from './spec.js';
import type { SpecEnvironment } from './spec-macro.js';

/** What is known about a folder besides its files. */
export interface ReadTreeOptions extends Abortable {
  readonly origin: Origin;
  /** The pinned identity of where it came from. */
  readonly ref: string;
  /** Path of the spec where there is more than one. */
  readonly spec?: string | undefined;
  /** Files that came from elsewhere than `origin`, by path. */
  readonly from?: ReadonlyMap<string, Origin> | undefined;
  /** For the EVR: what `%{?dist}` and the like stand for. */
  readonly environment?: SpecEnvironment | undefined;
}

const maxFiles = 200_000;
const maxSpecBytes = 64 * 2 ** 20;
/** After so many files other work gets its turn. */
const filesPerTurn = 256;

/**
 * Reads a folder: the files below it (no `.git`, no folder of a fetch in progress), the spec and its NEVR.
 *
 * The spec is the only `*.spec` at the root, else the only one in `SPECS/`. Symbolic links and special files are refused:
 * an SRPM cannot carry them faithfully, and a link could lead out. Throws SOURCE_BAD_TREE, and SOURCE_RETIRED for a
 * package that its branch has given up.
 */
export async function readSourceTree(directory: string, options: ReadTreeOptions): Promise<SourceTree> {
  const paths = await listFiles(directory);
  if (paths.includes(retirementFile)) throw await retired(directory);
  const spec = options.spec ?? findSpec(directory, paths);
  if (!paths.includes(spec)) throw badTree(directory, `the spec ${quote(spec)}`, 'no such file');
  const files = await mapFiles(paths, (path): SourceFile | Promise<SourceFile> => {
    options.signal?.throwIfAborted();
    const place = `${directory}/${path}`;
    const from = options.from?.get(path) ?? options.origin;
    const small = readSmallFile(place);
    if (small) return { path, sha256: hash('sha256', small, 'hex'), sizeBytes: small.length, from };
    return digestFile(place, options).then((digested) => ({ path, ...digested, from }));
  });
  const parsed = parseSpec(await readSpecText(join(directory, spec)));
  const nevr = parsed.nevr(options.environment);
  return { origin: options.origin, ref: options.ref, directory, files, spec, nevr };
}

/** The spec of a tree. */
export async function readTreeSpec(tree: SourceTree): Promise<Spec> {
  return parseSpec(await readSpecText(join(tree.directory, tree.spec)));
}

/** Path of the spec among the paths of a tree. Throws SOURCE_BAD_TREE when there is none, or more than one. */
export function findSpec(where: string, paths: readonly string[]): string {
  for (const pattern of [/^[^/]+\.spec$/, /^SPECS\/[^/]+\.spec$/]) {
    const found = paths.filter((path) => pattern.test(path));
    if (found.length === 1) return found[0]!;
    if (found.length > 1) throw badTree(where, 'one spec', found.slice(0, 5).join(', '));
  }
  throw badTree(where, 'a spec at the root or in SPECS/', 'none');
}

/** Results in the order of the items, a few at a time: a disk answers several questions as fast as one. */
export async function mapFiles<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Result | Promise<Result>,
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) {
      if (i % filesPerTurn === filesPerTurn - 1) await new Promise((resolve) => setImmediate(resolve));
      const result = work(items[i]!);
      // What is there already need not be waited for.
      results[i] = result instanceof Promise ? await result : result;
    }
  };
  await Promise.all(Array.from({ length: Math.min(16, items.length) }, worker));
  return results;
}

/** sha256 and size of a large file, read in pieces. */
async function digestFile(path: string, options: Abortable = {}): Promise<{ sha256: string; sizeBytes: number }> {
  const { signal } = options;
  const digest = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18, ...(signal ? { signal } : {}) })) {
    digest.update(chunk as Uint8Array);
    sizeBytes += (chunk as Uint8Array).length;
  }
  return { sha256: digest.digest('hex'), sizeBytes };
}

async function readSpecText(path: string): Promise<string> {
  const { size } = await lstat(path);
  if (size > maxSpecBytes) {
    throw new SourceError(
      { code: 'SOURCE_LIMIT', what: 'bytes of a spec', limit: maxSpecBytes, found: size },
      `spec ${quote(path, 200)}: ${size} bytes, at most ${maxSpecBytes} are read`,
    );
  }
  return decodeSpec(await readFile(path));
}

/** UTF-8 where it is that, else Latin-1: old specs are in no encoding of their own, and each byte must survive. */
export function decodeSpec(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  }
}

async function listFiles(directory: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (folder: string, prefix: string): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = prefix + entry.name;
      if (entry.name === '.git' || (prefix === '' && /^\.(fetch|git)-/.test(entry.name))) continue;
      if (entry.isDirectory()) await visit(join(folder, entry.name), `${path}/`);
      else if (entry.isFile()) found.push(path);
      else throw badTree(directory, 'plain files and folders', `${quote(path)}, which is neither`);
      if (found.length > maxFiles) {
        throw new SourceError(
          { code: 'SOURCE_LIMIT', what: 'files of a source tree', limit: maxFiles, found: found.length },
          `source tree ${quote(directory, 200)}: more than ${maxFiles} files`,
        );
      }
    }
  };
  await visit(directory, '');
  return found.sort((a, b) => (a < b ? -1 : 1));
}

async function retired(directory: string): Promise<SourceError> {
  const { bytesRead, buffer } = await readStart(join(directory, retirementFile));
  const [reason = ''] = buffer.toString('utf8', 0, bytesRead).trim().split('\n');
  return new SourceError(
    { code: 'SOURCE_RETIRED', where: directory, reason: reason.trim() },
    `source tree ${quote(directory, 200)}: the package is retired: ${quote(reason.trim(), 300)}`,
  );
}

async function readStart(path: string): Promise<{ readonly bytesRead: number; readonly buffer: Buffer }> {
  const file = await open(path);
  try {
    return await file.read(Buffer.alloc(4096), 0, 4096, 0);
  } finally {
    await file.close();
  }
}

function badTree(where: string, wanted: string, found: string): SourceError {
  return new SourceError(
    { code: 'SOURCE_BAD_TREE', where, wanted, found },
    `source tree ${quote(where, 200)}: wanted ${wanted}, found ${found}`,
  );
}
