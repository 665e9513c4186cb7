/**
 * Package files into compressed XML on worker threads: each takes the next block of packages from a shared counter, the
 * caller gets the blocks in order.
 *
 * A thread that cannot read a package says only that: the caller reads the block again and has the error, with its cause
 * and class, that it would have had without threads. Threads stay a few blocks ahead of the caller and then sleep, so
 * memory does not grow with the repository.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { DocumentBlock } from './document-writer.js';
import type { PackageRecord, RepositoryDependencyKind } from './package-record.js';
import type { RenderOptions } from './package-renderer.js';

/** A package file and what primary.xml calls it. */
export interface PackageEntry {
  /** Relative to the folder. */
  readonly path: string;
  readonly location: string;
}

/** All that a thread is told, at its start. */
export interface ThreadTask {
  readonly folder: string;
  /** Paths and locations of all packages, each with a NUL behind it: one text travels faster than many objects. */
  readonly paths: string;
  readonly locations: string;
  readonly options: Omit<RenderOptions, 'onSkippedDependency'>;
  /** How the blocks are compressed; undefined: not at all. */
  readonly compression: { readonly type: 'gzip' | 'zstd'; readonly level: number } | undefined;
  readonly withRecords: boolean;
  readonly withSkipped: boolean;
  /** `nextBlock`, `blocksTaken`. */
  readonly state: Int32Array<SharedArrayBuffer>;
}

/** A thread's answer: a block, or that one of its packages could not be read (then there are no documents). */
export interface ThreadBlock {
  readonly index: number;
  /** Of each package, with a NUL behind it: few values travel faster than many objects. */
  readonly nevras: string;
  readonly pkgids: string;
  readonly buildTimes: Float64Array;
  /** Bytes of each package in primary, filelists, other. */
  readonly lengths: Uint32Array;
  /** Where records were asked for. */
  readonly records: readonly PackageRecord[];
  readonly skipped: readonly SkippedDependency[];
  /** Primary, filelists, other. */
  readonly documents: readonly DocumentBlock[];
}

/** Arguments of `onSkippedDependency`. */
export type SkippedDependency = readonly [kind: RepositoryDependencyKind, name: string, evr: string];

/** Places in `ThreadTask.state`. */
export const nextBlock = 0;
export const blocksTaken = 1;
/** Blocks that threads may be ahead of the caller. */
export const blocksAhead = 6;

// Beside the compiled module. Where sources run as they are there is no such file, and no threads.
const workerUrl = new URL('./worker.js', import.meta.url);

/** Threads at work on a list of packages, in the blocks of `cutBlocks`. Call `next` once for each; `close` in any case. */
export class PackageThreads {
  readonly #workers: readonly Worker[];
  readonly #state: Int32Array<SharedArrayBuffer>;
  readonly #onSkipped: RenderOptions['onSkippedDependency'];
  readonly #blocks = new Map<number, { readonly block: ThreadBlock; readonly worker: Worker }>();
  #taken = 0;
  #failure: { readonly reason: unknown } | undefined;
  #wake: (() => void) | undefined;
  #lender: Worker | undefined;

  constructor(
    folder: string,
    entries: readonly PackageEntry[],
    options: RenderOptions,
    threads: number,
    withRecords: boolean,
    compression: ThreadTask['compression'],
  ) {
    this.#state = new Int32Array(new SharedArrayBuffer(8));
    this.#onSkipped = options.onSkippedDependency;
    const { checksum, invalidUtf8, changelogLimit, fileDigests, textPolicy, locationBase } = options;
    const task: ThreadTask = {
      folder,
      paths: entries.map(({ path }) => `${path}\0`).join(''),
      locations: entries.map(({ location }) => `${location}\0`).join(''),
      options: {
        checksum,
        ...(invalidUtf8 === undefined ? {} : { invalidUtf8 }),
        ...(changelogLimit === undefined ? {} : { changelogLimit }),
        ...(fileDigests === undefined ? {} : { fileDigests }),
        ...(textPolicy === undefined ? {} : { textPolicy }),
        ...(locationBase === undefined ? {} : { locationBase }),
      },
      compression,
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
      worker.on('message', (block: ThreadBlock) => {
        this.#blocks.set(block.index, { block, worker });
        this.#wake?.();
      });
      worker.on('error', (reason) => {
        this.#failure ??= { reason };
        this.#wake?.();
      });
    }
  }

  /** The next block; undefined when a thread could not read all of it. Rejects when a thread failed altogether. */
  async next(): Promise<ThreadBlock | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.reason;
      const found = this.#blocks.get(this.#taken);
      if (found !== undefined) {
        this.#blocks.delete(this.#taken);
        this.#taken++;
        Atomics.store(this.#state, blocksTaken, this.#taken);
        Atomics.notify(this.#state, blocksTaken);
        const { block, worker } = found;
        for (const dependency of block.skipped) this.#onSkipped?.(...dependency);
        if (block.documents.length === 0) return undefined;
        this.#lender = worker;
        return block;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Gives the memory of the block that `next` gave last back to its thread. Nothing may view its open bytes any more. */
  giveBack({ documents }: ThreadBlock): void {
    const buffers = documents.map(({ open }) => open.buffer as ArrayBuffer);
    this.#lender?.postMessage(buffers, buffers);
  }

  /** Ends the threads, whatever they do. Resolves when they are gone. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

// Each thread compiles the code anew. For two that is up to a second of processor time: as much as 3,000 packages take.
const fewPackages = 16;
const manyPackages = 4000;
const manyBytes = 512 * 1024 * 1024;

/** Whether threads save more than their start costs: from 4,000 packages, or 512 MiB in several. */
export function worthThreads(folder: string, entries: readonly PackageEntry[]): boolean {
  if (entries.length < fewPackages || !existsSync(workerUrl)) return false;
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
