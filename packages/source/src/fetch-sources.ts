/**
 * From a list and a store to files on disk: every blob verified before it gets its own name.
 *
 * A blob is written into a scratch folder beside its place, hashed on the way, and renamed only when every listed
 * digest matched. Whatever fails, a file under a listed name is whole and right, or not there.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, type FileHandle, lstat, mkdir, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Abortable, type Digest, type DigestAlgorithm, quote } from '@distrokit/rpm';
import { SourceError, type TriedPlace } from './errors.js';
import { pathInside } from './file-name.js';
import {
  directoryLookaside,
  type Lookaside,
  type LookasideBlob,
  networkWord,
  orderedLookaside,
  systemWord,
} from './lookaside.js';
import type { SourceEntry } from './sources-file.js';

/** What arrived, or was already there. */
export interface FetchedSource {
  readonly file: string;
  /** The strongest digest over the bytes. Never an older one: a file that is listed by MD5 or SHA-1 alone gets its sha256. */
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** URL or path that gave the bytes; `directory` for a file that was already in place and right. */
  readonly where: string;
}

/** Limits and progress of a fetch. */
export interface FetchSourcesOptions extends Abortable {
  /** Default 4. */
  readonly maxConcurrent?: number | undefined;
  /** Ceiling on one blob. Default 16 GiB. */
  readonly maxBytes?: number | undefined;
  /** How often a blob that broke off is continued or begun again at the same store. Default 2. */
  readonly maxRetries?: number | undefined;
  /**
   * Folder in which verified blobs are kept by digest for the next fetch; asked before the store, and written after.
   * What lies in it is verified like everything else, and replaced where it is wrong.
   */
  readonly cache?: string | undefined;
  /** Hears of each file as it gets its name. */
  readonly onFetched?: ((fetched: FetchedSource) => void) | undefined;
}

const defaultMaxBytes = 16 * 2 ** 30;
const writeBytes = 1 << 20;

/**
 * Fetches every listed file into `directory`, which is created when missing; several run at a time.
 *
 * A file gets its own name only after all digests listed for it matched. A file that is already there and right is
 * kept without asking the store; one that is there and wrong is replaced once the right bytes have arrived.
 * Resolves with one record per file, in the order of the list.
 *
 * Throws SOURCE_BAD_FILENAME before anything is fetched, SOURCE_NOT_FOUND when no store has the blob,
 * SOURCE_DIGEST_MISMATCH, SOURCE_LIMIT, SOURCE_WRITE_FAILED (a full disk). The first failure stops the other fetches;
 * files that already have their name stay, since each is right by itself.
 */
export async function fetchSources(
  entries: readonly SourceEntry[],
  lookaside: Lookaside,
  directory: string,
  options: FetchSourcesOptions = {},
): Promise<readonly FetchedSource[]> {
  const maxConcurrent = options.maxConcurrent ?? 4;
  if (!Number.isInteger(maxConcurrent) || maxConcurrent < 1) {
    throw new RangeError(`"maxConcurrent" must be a positive whole number, not ${maxConcurrent}`);
  }
  options.signal?.throwIfAborted();
  const groups = groupByFile(entries);
  for (const [file] of groups) pathInside(directory, file);
  if (groups.length === 0) return [];

  const stop = new AbortController();
  const abort = (): void => stop.abort(options.signal?.reason);
  options.signal?.addEventListener('abort', abort, { once: true });
  const { cache } = options;
  const stores =
    cache === undefined
      ? lookaside
      : orderedLookaside([directoryLookaside(cache, { pattern: cachePattern }), lookaside]);
  const scratch = await makeScratch(directory);
  const results = new Array<FetchedSource>(groups.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < groups.length; index = next++) {
      stop.signal.throwIfAborted();
      const [file, wanted] = groups[index]!;
      const task = {
        file,
        wanted,
        directory,
        scratch: join(scratch, String(index)),
        lookaside: stores,
        signal: stop.signal,
      };
      const fetched = (await findInPlace(task)) ?? (await fetchOne(task, options));
      if (options.cache !== undefined && fetched.where !== 'directory') await keep(task, options.cache, fetched.where);
      results[index] = fetched;
      options.onFetched?.(fetched);
    }
  };
  try {
    const workers = Array.from({ length: Math.min(maxConcurrent, groups.length) }, () =>
      worker().catch((error: unknown) => {
        stop.abort(error);
        throw error;
      }),
    );
    // All must have stopped before the scratch folder goes, or one would write into nothing.
    await Promise.allSettled(workers);
    if (stop.signal.aborted) throw stop.signal.reason;
    return results;
  } finally {
    options.signal?.removeEventListener('abort', abort);
    await rm(scratch, { recursive: true, force: true });
  }
}

interface Task {
  readonly file: string;
  readonly wanted: readonly SourceEntry[];
  readonly directory: string;
  readonly scratch: string;
  readonly lookaside: Lookaside;
  readonly signal: AbortSignal;
}

function groupByFile(entries: readonly SourceEntry[]): [string, SourceEntry[]][] {
  const groups = new Map<string, SourceEntry[]>();
  for (const entry of entries) {
    const group = groups.get(entry.file);
    if (group) group.push(entry);
    else groups.set(entry.file, [entry]);
  }
  return [...groups];
}

const cachePattern = '{algorithm}/{hex}';

/** Copies a verified file into the cache, under the digest by which it is looked for. */
async function keep(task: Task, cache: string, where: string): Promise<void> {
  const { algorithm, hex } = strongest(task.wanted).digest;
  const target = join(cache, algorithm, hex);
  if (where === target) return;
  try {
    await mkdir(join(cache, algorithm), { recursive: true });
    const part = await mkdtemp(join(cache, algorithm, '.part-'));
    try {
      await copyFile(pathInside(task.directory, task.file), join(part, 'blob'));
      await rename(join(part, 'blob'), target);
    } finally {
      await rm(part, { recursive: true, force: true });
    }
  } catch (error) {
    throw writeFailed(task.file, cache, error);
  }
}

/** The strongest digest addresses the blob where a store is addressed by digest. */
function strongest(wanted: readonly SourceEntry[]): SourceEntry {
  return [...wanted].sort((a, b) => b.digest.hex.length - a.digest.hex.length)[0]!;
}

async function findInPlace(task: Task): Promise<FetchedSource | undefined> {
  const path = pathInside(task.directory, task.file);
  const stats = await lstat(path).catch(() => undefined);
  if (!stats?.isFile()) return undefined;
  const digests = new DigestSet(task.wanted);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18, signal: task.signal })) {
    digests.update(chunk as Uint8Array);
  }
  const { digest, mismatch } = digests.finish();
  return mismatch ? undefined : { file: task.file, digest, sizeBytes: stats.size, where: 'directory' };
}

async function fetchOne(task: Task, options: FetchSourcesOptions): Promise<FetchedSource> {
  const limit = options.maxBytes ?? defaultMaxBytes;
  const retries = options.maxRetries ?? 2;
  const tried: TriedPlace[] = [];
  const refused = new Set<string>();
  const breaks = new Map<string, number>();
  let wrong: SourceError | undefined;
  let part = new Part(task, limit);
  try {
    const entry = strongest(task.wanted);
    for (;;) {
      task.signal.throwIfAborted();
      const request = { signal: task.signal, refused, offsetBytes: part.sizeBytes, validator: part.validator };
      const answer = await task.lookaside.fetch(entry, request);
      if (!('bytes' in answer)) {
        tried.push(...answer.filter(({ where }) => !refused.has(where)));
        break;
      }
      const { where } = answer;
      if (refused.has(where)) {
        await closeQuietly(answer.bytes);
        break;
      }
      const resumed = answer.offsetBytes > 0;
      const broke = await part.take(answer);
      if (broke !== undefined) {
        tried.push({ where, why: broke });
        const count = (breaks.get(where) ?? 0) + 1;
        breaks.set(where, count);
        if (count > retries) refused.add(where);
        continue;
      }
      const { digest, mismatch } = part.finish();
      if (!mismatch) {
        await part.place();
        return { file: task.file, digest, sizeBytes: part.sizeBytes, where };
      }
      // Two halves that do not belong together are the resume's fault, not the store's: ask it once more for the whole.
      if (!resumed) {
        refused.add(where);
        wrong ??= mismatchError(task, answer, mismatch, part.sizeBytes);
      }
      tried.push({ where, why: `${mismatch.found.algorithm} differs` });
      await part.discard();
      part = new Part(task, limit);
    }
  } finally {
    await part.discard();
  }
  throw wrong ?? notFound(task.file, tried);
}

/** The bytes of one blob so far: a file without a name of its own, and the digests over it. */
class Part {
  sizeBytes = 0;
  validator: string | undefined;
  #digests: DigestSet;
  #handle: FileHandle | undefined;
  readonly #task: Task;
  readonly #limit: number;

  constructor(task: Task, limit: number) {
    this.#task = task;
    this.#limit = limit;
    this.#digests = new DigestSet(task.wanted);
  }

  /** Adds a blob's bytes. Returns why it broke off, or undefined when it ended as announced. */
  async take(blob: LookasideBlob): Promise<string | undefined> {
    const { file, scratch, signal } = this.#task;
    if (blob.offsetBytes !== this.sizeBytes) await this.#restart();
    this.validator = blob.validator;
    if ((blob.sizeBytes ?? 0) > this.#limit) {
      await closeQuietly(blob.bytes);
      throw tooLarge(file, this.#limit, blob.sizeBytes ?? 0);
    }
    this.#handle ??= await this.#disk(() => open(scratch, 'w', 0o644));
    const handle = this.#handle;
    const iterator = blob.bytes[Symbol.asyncIterator]();
    const pending: Uint8Array[] = [];
    let pendingBytes = 0;
    const flush = async (): Promise<void> => {
      if (pendingBytes === 0) return;
      const start = this.sizeBytes - pendingBytes;
      const chunks = pending.splice(0);
      pendingBytes = 0;
      await this.#disk(() => writeAll(handle, chunks, start));
    };
    try {
      for (;;) {
        let step: IteratorResult<Uint8Array>;
        try {
          step = await iterator.next();
        } catch (error) {
          signal.throwIfAborted();
          await flush();
          return networkWord(error);
        }
        if (step.done) break;
        const chunk = step.value;
        if (this.sizeBytes + chunk.length > this.#limit) {
          throw tooLarge(file, this.#limit, this.sizeBytes + chunk.length);
        }
        this.#digests.update(chunk);
        this.sizeBytes += chunk.length;
        pending.push(chunk);
        pendingBytes += chunk.length;
        // The network gives small pieces; the disk likes larger ones.
        if (pendingBytes >= writeBytes) await flush();
      }
      await flush();
    } finally {
      await iterator.return?.().catch(() => undefined);
    }
    if (blob.sizeBytes !== undefined && this.sizeBytes < blob.sizeBytes) {
      return `ended after ${this.sizeBytes} of ${blob.sizeBytes} bytes`;
    }
    return undefined;
  }

  finish(): Digested {
    return this.#digests.finish();
  }

  /**
   * Gives the file its own name. Not forced to the disk first: a file that a power cut emptied does not match its digest,
   * and the next fetch replaces it.
   */
  async place(): Promise<void> {
    const { directory, file, scratch } = this.#task;
    const target = pathInside(directory, file);
    await this.#disk(async () => {
      await this.#handle?.close();
      this.#handle = undefined;
      await makeParents(directory, file);
      await rename(scratch, target);
    });
  }

  async discard(): Promise<void> {
    await this.#handle?.close().catch(() => undefined);
    this.#handle = undefined;
    await rm(this.#task.scratch, { force: true }).catch(() => undefined);
  }

  async #restart(): Promise<void> {
    this.sizeBytes = 0;
    this.#digests = new DigestSet(this.#task.wanted);
    if (this.#handle) await this.#disk(() => this.#handle!.truncate(0));
  }

  async #disk<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw error instanceof SourceError ? error : writeFailed(this.#task.file, this.#task.directory, error);
    }
  }
}

const digestOrder: readonly DigestAlgorithm[] = ['md5', 'sha1', 'sha256', 'sha512'];

interface DigestMismatch {
  readonly wanted: Digest;
  readonly found: Digest;
}

interface Digested {
  /** The strongest one. */
  readonly digest: Digest;
  readonly mismatch: DigestMismatch | undefined;
}

/** All listed digests of one file at once; sha256 too when only older ones are listed. */
class DigestSet {
  readonly #hashes = new Map<DigestAlgorithm, Hash>();
  readonly #wanted: readonly SourceEntry[];

  constructor(wanted: readonly SourceEntry[]) {
    this.#wanted = wanted;
    const listed = new Set(wanted.map((entry) => entry.digest.algorithm));
    // The strongest last. Computing one that nobody asked for would cost half as much again.
    const algorithms = digestOrder.filter((algorithm) => listed.has(algorithm));
    if (!algorithms.some((algorithm) => algorithm.startsWith('sha') && algorithm !== 'sha1')) algorithms.push('sha256');
    for (const algorithm of algorithms) this.#hashes.set(algorithm, createHash(algorithm));
  }

  update(chunk: Uint8Array): void {
    for (const hash of this.#hashes.values()) hash.update(chunk);
  }

  finish(): Digested {
    const found = new Map([...this.#hashes].map(([algorithm, hash]) => [algorithm, hash.digest('hex')]));
    const wrong = this.#wanted.find(({ digest }) => found.get(digest.algorithm) !== digest.hex.toLowerCase());
    const mismatch = wrong && {
      wanted: wrong.digest,
      found: { algorithm: wrong.digest.algorithm, hex: found.get(wrong.digest.algorithm)! },
    };
    const [algorithm, hex] = [...found].at(-1)!;
    return { digest: { algorithm, hex }, mismatch };
  }
}

async function makeScratch(directory: string): Promise<string> {
  try {
    await mkdir(directory, { recursive: true });
    return await mkdtemp(join(directory, '.fetch-'));
  } catch (error) {
    throw writeFailed('.fetch-', directory, error);
  }
}

/** Creates the folders above `file`, one by one: a link among them would lead out of `directory`. */
async function makeParents(directory: string, file: string): Promise<void> {
  const parent = dirname(file);
  if (parent === '.') return;
  let path = directory;
  for (const part of parent.split('/')) {
    path = join(path, part);
    const stats = await lstat(path).catch(() => undefined);
    if (!stats)
      await mkdir(path).catch((error) => (systemWord(error) === 'EEXIST' ? undefined : Promise.reject(error)));
    else if (!stats.isDirectory()) {
      throw new SourceError(
        { code: 'SOURCE_BAD_FILENAME', file, wanted: 'a path through real folders' },
        `file name ${quote(file)} is refused: ${quote(path, 200)} is no folder`,
      );
    }
  }
}

async function writeAll(handle: FileHandle, chunks: Uint8Array[], position: number): Promise<void> {
  let at = position;
  while (chunks.length > 0) {
    let { bytesWritten } = await handle.writev(chunks, at);
    at += bytesWritten;
    while (chunks.length > 0 && bytesWritten >= chunks[0]!.length) bytesWritten -= chunks.shift()!.length;
    if (bytesWritten > 0) chunks[0] = chunks[0]!.subarray(bytesWritten);
  }
}

async function closeQuietly(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  await bytes[Symbol.asyncIterator]()
    .return?.()
    .catch(() => undefined);
}

function notFound(file: string, tried: readonly TriedPlace[]): SourceError {
  const reasons = tried.map(({ where, why }) => `; ${quote(where, 200)}: ${why}`).join('');
  return new SourceError(
    { code: 'SOURCE_NOT_FOUND', file, tried },
    `source ${quote(file)} could not be fetched${reasons === '' ? ': no store to ask' : reasons}`,
  );
}

function mismatchError(task: Task, blob: LookasideBlob, mismatch: DigestMismatch, sizeBytes: number): SourceError {
  const { wanted, found } = mismatch;
  return new SourceError(
    { code: 'SOURCE_DIGEST_MISMATCH', file: task.file, where: blob.where, wanted, found, sizeBytes },
    `source ${quote(task.file)} from ${quote(blob.where, 200)}: wanted ${wanted.algorithm} ${wanted.hex}, ` +
      `found ${found.hex} (${sizeBytes} bytes)`,
  );
}

function tooLarge(file: string, limit: number, found: number): SourceError {
  return new SourceError(
    { code: 'SOURCE_LIMIT', what: 'bytes of one source', limit, found },
    `source ${quote(file)}: more than ${limit} bytes (${found} so far)`,
  );
}

function writeFailed(file: string, directory: string, cause: unknown): SourceError {
  const found = systemWord(cause);
  return new SourceError(
    { code: 'SOURCE_WRITE_FAILED', file, directory, found },
    `source ${quote(file)} could not be written into ${quote(directory, 200)}: ${found}`,
    { cause },
  );
}
