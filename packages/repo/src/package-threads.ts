/**
 * Package files into XML on worker threads: each takes the next batch of packages from a shared counter, the caller
 * gets the packages in order.
 *
 * A thread that cannot read a package says only that: the caller reads it again and has the error, with its cause and
 * class, that it would have had without threads. Threads stay a few batches ahead of the caller and then sleep, so
 * memory does not grow with the repository.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { PackageFileOptions } from './package-file.js';
import type { PackageRecord, RepositoryDependencyKind } from './package-record.js';
import type { TextPolicy } from './package-text.js';
import type { RenderedPackage } from './repository-writer.js';

/** A package file and what primary.xml calls it. */
export interface PackageEntry {
  /** Relative to the folder. */
  readonly path: string;
  readonly location: string;
}

/** What decides a package's XML. */
export interface RenderOptions extends PackageFileOptions {
  readonly textPolicy?: TextPolicy;
  readonly locationBase?: string;
}

/** All that a thread is told, at its start. */
export interface ThreadTask {
  readonly folder: string;
  readonly entries: readonly PackageEntry[];
  readonly options: Omit<RenderOptions, 'onSkippedDependency'>;
  readonly withRecords: boolean;
  readonly withSkipped: boolean;
  /** `nextBatch`, `batchesTaken`. */
  readonly state: Int32Array<SharedArrayBuffer>;
}

/** A thread's answer. Packages that it could not read are undefined. */
export interface ThreadBatch {
  readonly index: number;
  readonly packages: readonly (ThreadPackage | undefined)[];
  /** The three documents of each package, one after the other. */
  readonly bytes: Uint8Array;
}

/** One package of a batch. */
export interface ThreadPackage extends Pick<RenderedPackage, 'nevra' | 'location' | 'pkgid' | 'buildTime'> {
  readonly lengths: readonly [primary: number, filelists: number, other: number];
  readonly record?: PackageRecord;
  readonly skipped?: readonly SkippedDependency[];
}

/** Arguments of `onSkippedDependency`. */
export type SkippedDependency = readonly [kind: RepositoryDependencyKind, name: string, evr: string];

/** A package that a thread has read; the record only where it was asked for. */
export interface ThreadResult {
  readonly record?: PackageRecord;
  readonly rendered: RenderedPackage;
}

/** Places in `ThreadTask.state`. */
export const nextBatch = 0;
export const batchesTaken = 1;
/** Packages in a batch: enough that a message costs little beside them, few enough that both threads end together. */
export const batchPackages = 16;
/** Batches that threads may be ahead of the caller. */
export const batchesAhead = 16;

// Beside the compiled module. Where sources run as they are there is no such file, and no threads.
const workerUrl = new URL('./worker.js', import.meta.url);

/** Threads at work on a list of packages. Call `next` once for each, in order; `close` in any case. */
export class PackageThreads {
  readonly #workers: readonly Worker[];
  readonly #state: Int32Array<SharedArrayBuffer>;
  readonly #onSkipped: RenderOptions['onSkippedDependency'];
  readonly #batches = new Map<number, ThreadBatch>();
  #batch: ThreadBatch | undefined;
  #at = 0;
  #offset = 0;
  #taken = 0;
  #failure: { readonly reason: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(
    folder: string,
    entries: readonly PackageEntry[],
    options: RenderOptions,
    threads: number,
    withRecords: boolean,
  ) {
    this.#state = new Int32Array(new SharedArrayBuffer(8));
    this.#onSkipped = options.onSkippedDependency;
    const { checksum, invalidUtf8, changelogLimit, fileDigests, textPolicy, locationBase } = options;
    const task: ThreadTask = {
      folder,
      entries: entries.map(({ path, location }) => ({ path, location })),
      options: {
        checksum,
        ...(invalidUtf8 === undefined ? {} : { invalidUtf8 }),
        ...(changelogLimit === undefined ? {} : { changelogLimit }),
        ...(fileDigests === undefined ? {} : { fileDigests }),
        ...(textPolicy === undefined ? {} : { textPolicy }),
        ...(locationBase === undefined ? {} : { locationBase }),
      },
      withRecords,
      withSkipped: this.#onSkipped !== undefined,
      state: this.#state,
    };
    // Loaders and flags of the process are for its own modules, and some of them refuse a thread.
    const start = (): Worker => new Worker(workerUrl, { workerData: task, execArgv: [] });
    const workers: Worker[] = [];
    this.#workers = workers;
    try {
      while (workers.length < threads) workers.push(start());
    } catch (error) {
      // The machine allows no more threads: those that began would wait for ever.
      for (const worker of workers) void worker.terminate();
      throw error;
    }
    for (const worker of this.#workers) {
      worker.on('message', (batch: ThreadBatch) => {
        this.#batches.set(batch.index, batch);
        this.#wake?.();
      });
      worker.on('error', (reason) => {
        this.#failure ??= { reason };
        this.#wake?.();
      });
    }
  }

  /** The next package; undefined when a thread could not read it. Rejects when a thread failed altogether. */
  async next(): Promise<ThreadResult | undefined> {
    const batch = this.#batch ?? (await this.#nextBatch());
    const found = batch.packages[this.#at];
    let result: ThreadResult | undefined;
    if (found !== undefined) {
      const { lengths, record, skipped, ...identity } = found;
      const [primary, filelists, other] = lengths.map((length) => {
        this.#offset += length;
        return batch.bytes.subarray(this.#offset - length, this.#offset);
      }) as [Uint8Array, Uint8Array, Uint8Array];
      for (const dependency of skipped ?? []) this.#onSkipped?.(...dependency);
      result = { ...(record === undefined ? {} : { record }), rendered: { ...identity, primary, filelists, other } };
    }
    this.#at++;
    if (this.#at === batch.packages.length) this.#batch = undefined;
    return result;
  }

  /** Ends the threads, whatever they do. Resolves when they are gone. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  async #nextBatch(): Promise<ThreadBatch> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.reason;
      const batch = this.#batches.get(this.#taken);
      if (batch !== undefined) {
        this.#batches.delete(this.#taken);
        this.#taken++;
        Atomics.store(this.#state, batchesTaken, this.#taken);
        Atomics.notify(this.#state, batchesTaken);
        this.#batch = batch;
        this.#at = 0;
        this.#offset = 0;
        return batch;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

// Each thread compiles the code anew. For two that is up to a second of processor time: as much as 3,000 packages take.
const manyPackages = 4000;
const manyBytes = 512 * 1024 * 1024;

/** Whether threads save more than their start costs: from 4,000 packages, or 512 MiB in several. */
export function worthThreads(folder: string, entries: readonly PackageEntry[]): boolean {
  if (entries.length <= batchPackages || !existsSync(workerUrl)) return false;
  if (entries.length >= manyPackages) return true;
  let sizeBytes = 0;
  for (const { path } of entries) sizeBytes += sizeOf(join(folder, path));
  return sizeBytes >= manyBytes;
}

/** 0 for what cannot be looked at: whoever reads it will say so. */
function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}
