/**
 * Many package files verified with one report: what `verifyPackageFile` says of each, on several threads where that pays.
 *
 * The calling thread works as well: all take the next batch from a counter that they share. A file that a thread could not
 * read is read again by the caller, so that the error is the same whoever met it; so is the work of a thread that failed.
 */
import { existsSync, statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Keyring } from './keyring.js';
import { verifyPackageFile } from './package-file.js';
import { checkVerifyOptions, type VerifyPackageOptions } from './package-verification.js';
import type { VerificationReport } from './report.js';

/** Options of `verifyPackageFiles`. */
export interface VerifyFilesOptions extends VerifyPackageOptions {
  /**
   * Worker threads that verify beside the calling one, as many as there is work for: one costs as much to start as 100 MiB
   * take. More than there are processors gain nothing. 0 to 64; default 1.
   */
  readonly threads?: number;
  /** Hears of each package when it is known, in no fixed order. */
  readonly onResult?: (result: VerifyResult) => void;
}

/** What was found about one file. `verified`: its report is ok. */
export type VerifyResult =
  | { readonly path: string; readonly status: 'verified' | 'not-verified'; readonly report: VerificationReport }
  // It cannot be opened, or is no whole package.
  | { readonly path: string; readonly status: 'unreadable'; readonly code: string; readonly reason: string };

/** What was found about all files, in the order of the paths. */
export interface VerifyReport {
  readonly results: readonly VerifyResult[];
  /** At least one package, and every one verified. */
  readonly ok: boolean;
}

/** @internal All that a thread is told, at its start. */
export interface VerifyTask {
  readonly paths: readonly string[];
  readonly keys: readonly (string | Uint8Array)[];
  readonly options: VerifyPackageOptions;
  /** One number: the next batch. */
  readonly next: Int32Array<SharedArrayBuffer>;
}

/** @internal A thread's answer; `undefined` for a file that it could not read. */
export interface VerifiedBatch {
  /** Place of the first file among the paths. */
  readonly start: number;
  readonly reports: readonly (VerificationReport | undefined)[];
}

/** @internal The place of the first path of the next batch: few files, so that all threads end together. */
export function takeBatch(next: Int32Array<SharedArrayBuffer>): number {
  return Atomics.add(next, 0, 1) * BATCH_FILES;
}

/** @internal */
export const BATCH_FILES = 8;

// Beside the compiled module. Where sources run as they are there is no such file, and no threads.
const workerUrl = new URL('./verify-worker.js', import.meta.url);

// A thread costs some 60 ms of processor time, as much as 100 MiB or 250 small files take.
const THREAD_COST_BYTES = 96 * 1024 * 1024;
const FILE_COST_BYTES = 384 * 1024;
const MAX_THREADS = 64;

/**
 * Verifies package files: for each the report that `verifyPackageFile` gives with the same options. A file that cannot be
 * read stops no other: it is in the report. Without `payload: true` only headers are verified.
 *
 * Throws TypeError as `verifyPackage` does, RangeError on a wrong number of threads; aborting rejects with the signal's
 * reason.
 */
export async function verifyPackageFiles(
  paths: readonly string[],
  keyring: Keyring,
  options: VerifyFilesOptions,
): Promise<VerifyReport> {
  const { onResult, threads = 1, ...verifyOptions } = options ?? {};
  if (!Number.isSafeInteger(threads) || threads < 0 || threads > MAX_THREADS) {
    throw new RangeError(`"threads" must be 0 to ${MAX_THREADS}, not ${String(threads)}`);
  }
  const { signal, ...plainOptions } = checkVerifyOptions(verifyOptions as VerifyPackageOptions);
  const results: (VerifyResult | undefined)[] = paths.map(() => undefined);
  const keep = (index: number, result: VerifyResult): void => {
    results[index] = result;
    onResult?.(result);
  };
  const next = new Int32Array(new SharedArrayBuffer(4));
  const task: VerifyTask = { paths, keys: keyring.sources, options: plainOptions, next };
  const workers = new Threads(Math.min(threads, threadsWorth(paths, plainOptions)), task, ({ start, reports }) => {
    for (const [i, report] of reports.entries()) if (report) keep(start + i, resultOf(paths[start + i]!, report));
  });
  const verifyHere = async (index: number): Promise<void> =>
    keep(index, await verifyOne(paths[index]!, keyring, { ...plainOptions, ...(signal ? { signal } : {}) }));
  try {
    for (let start = takeBatch(next); start < paths.length; start = takeBatch(next)) {
      for (let index = start; index < Math.min(start + BATCH_FILES, paths.length); index++) await verifyHere(index);
      // Threads are heard, and other work of this process gets a turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
    await workers.end(signal);
  } finally {
    await workers.close();
  }
  for (const [index, result] of results.entries()) if (!result) await verifyHere(index);
  const all = results as VerifyResult[];
  return { results: all, ok: all.length > 0 && all.every(({ status }) => status === 'verified') };
}

function resultOf(path: string, report: VerificationReport): VerifyResult {
  return { path, status: report.ok ? 'verified' : 'not-verified', report };
}

async function verifyOne(path: string, keyring: Keyring, options: VerifyPackageOptions): Promise<VerifyResult> {
  try {
    return resultOf(path, await verifyPackageFile(path, keyring, options));
  } catch (error) {
    options.signal?.throwIfAborted();
    const { code, name, message } = error as { code?: string; name: string; message: string };
    return { path, status: 'unreadable', code: code ?? name, reason: message };
  }
}

/** How many threads beside the calling one save more than their start costs. */
function threadsWorth(paths: readonly string[], { payload }: VerifyPackageOptions): number {
  if (paths.length <= BATCH_FILES || !existsSync(workerUrl)) return 0;
  let cost = paths.length * FILE_COST_BYTES;
  // A file that cannot be looked at costs nothing; whoever reads it will say why.
  if (payload) for (const path of paths) cost += statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  return Math.floor(cost / THREAD_COST_BYTES);
}

/** Threads at work on a task. Call `end` to wait for the last batch, `close` in any case. */
class Threads {
  readonly #workers: Worker[] = [];
  readonly #ended: Promise<void>[] = [];

  constructor(count: number, task: VerifyTask, onBatch: (batch: VerifiedBatch) => void) {
    for (let i = 0; i < count; i++) {
      // Loaders and flags of the process are for its own modules, and some of them refuse a thread.
      const worker = new Worker(workerUrl, { workerData: task, execArgv: [] });
      worker.on('message', onBatch);
      this.#workers.push(worker);
      // A thread that fails, or cannot start, leaves its files to the caller.
      this.#ended.push(
        new Promise((resolve) => {
          worker.on('error', () => resolve());
          worker.on('exit', () => resolve());
        }),
      );
    }
  }

  async end(signal: AbortSignal | undefined): Promise<void> {
    let stop: (() => void) | undefined;
    const aborted = new Promise<void>((resolve) => {
      stop = resolve;
      signal?.addEventListener('abort', resolve as () => void, { once: true });
    });
    await Promise.race([Promise.all(this.#ended), ...(signal ? [aborted] : [])]);
    if (stop) signal?.removeEventListener('abort', stop);
    signal?.throwIfAborted();
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
