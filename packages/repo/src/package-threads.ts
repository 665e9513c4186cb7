/**
 * Package files into compressed XML on several threads: each takes the next block of packages from a shared counter, the calling
 * one too whenever it would wait; the caller gets the blocks in order.
 *
 * A thread that cannot read a package says only that: the caller reads the block again and has the error, with its cause
 * and class, that it would have had without threads. Threads stay a few blocks ahead of the caller and then sleep, so
 * memory does not grow with the repository.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { blockCodec } from '@distrokit/rpm';
import { type BlockOptions, BlockRenderer, type PackageEntry, type RenderedBlock } from './block-renderer.js';
import { cutBlocks } from './package-blocks.js';
import type { RenderOptions } from './package-renderer.js';

/** All that a thread is told, at its start. */
export interface ThreadTask extends BlockOptions {
  /** Paths and locations of all packages, each with a NUL behind it: one text travels faster than many objects. */
  readonly paths: string;
  readonly locations: string;
  /** How the blocks are compressed; undefined: not at all. */
  readonly compression: { readonly type: 'gzip' | 'zstd'; readonly level: number } | undefined;
  /** `nextBlock`, `blocksTaken`. */
  readonly state: Int32Array<SharedArrayBuffer>;
}

/** A thread's answer. */
export interface ThreadBlock extends RenderedBlock {
  readonly index: number;
}

/** Places in `ThreadTask.state`. */
export const nextBlock = 0;
export const blocksTaken = 1;
/** Blocks that threads may be ahead of the caller. */
export const blocksAhead = 6;

// Beside the compiled module. Where sources run as they are there is no such file, and no threads.
const workerUrl = new URL('./worker.js', import.meta.url);

/** Threads at work on a list of packages, in the blocks of `cutBlocks`. Call `next` once for each; `close` in any case. */
export class PackageThreads {
  readonly #task: ThreadTask;
  readonly #entries: readonly (readonly PackageEntry[])[];
  readonly #onSkipped: RenderOptions['onSkippedDependency'];
  readonly #workers: readonly Worker[];
  /** Blocks by index, each with its way back for its memory. */
  readonly #ready = new Map<number, { readonly block: RenderedBlock; readonly lender: Worker | BlockRenderer }>();
  #own: BlockRenderer | undefined;
  #lender: Worker | BlockRenderer | undefined;
  #taken = 0;
  #failure: { readonly reason: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(
    folder: string,
    entries: readonly PackageEntry[],
    options: RenderOptions,
    threads: number,
    withRecords: boolean,
    compression: ThreadTask['compression'],
  ) {
    this.#onSkipped = options.onSkippedDependency;
    this.#entries = cutBlocks(entries);
    const { checksum, invalidUtf8, changelogLimit, fileDigests, textPolicy, locationBase } = options;
    this.#task = {
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
      state: new Int32Array(new SharedArrayBuffer(8)),
    };
    // Loaders and flags of the process are for its own modules, and some of them refuse a thread.
    const start = (): Worker => new Worker(workerUrl, { workerData: this.#task, execArgv: [] });
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
      worker.on('message', ({ index, ...block }: ThreadBlock) => {
        this.#ready.set(index, { block, lender: worker });
        this.#wake?.();
      });
      worker.on('error', (reason) => {
        this.#failure ??= { reason };
        this.#wake?.();
      });
    }
  }

  /** The next block; undefined when a thread could not read all of it. Rejects when a thread failed altogether. */
  async next(): Promise<RenderedBlock | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.reason;
      const found = this.#ready.get(this.#taken);
      if (found !== undefined) {
        this.#ready.delete(this.#taken);
        this.#taken++;
        const { state } = this.#task;
        Atomics.store(state, blocksTaken, this.#taken);
        Atomics.notify(state, blocksTaken);
        const { block, lender } = found;
        for (const dependency of block.skipped) this.#onSkipped?.(...dependency);
        if (block.documents.length === 0) return undefined;
        this.#lender = lender;
        return block;
      }
      if (await this.#renderOne()) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Gives the memory of the block that `next` gave last back to its thread. Nothing may view its open bytes any more. */
  giveBack({ documents }: RenderedBlock): void {
    const buffers = documents.map(({ open }) => open.buffer as ArrayBuffer);
    if (this.#lender instanceof BlockRenderer) this.#lender.reuse(buffers);
    else this.#lender?.postMessage(buffers, buffers);
  }

  /** Ends the threads, whatever they do. Resolves when they are gone. */
  async close(): Promise<void> {
    this.#own?.close();
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  /** Renders a block on the calling thread, unless others have brought the one that is waited for, or all are taken. */
  async #renderOne(): Promise<boolean> {
    // Messages of the others are heard between turns only.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#ready.has(this.#taken) || this.#failure !== undefined) return true;
    const { state, compression } = this.#task;
    const claim = Atomics.load(state, nextBlock);
    if (claim >= this.#entries.length || claim >= this.#taken + blocksAhead) return false;
    const index = Atomics.add(state, nextBlock, 1);
    const entries = this.#entries[index];
    if (entries === undefined) return false;
    this.#own ??= new BlockRenderer(this.#task, compression && (await blockCodec(compression.type, compression.level)));
    this.#ready.set(index, { block: await this.#own.render(entries), lender: this.#own });
    return true;
  }
}

// A thread compiles the code anew: as much processor time as 1,000 packages take.
const manyPackages = 2000;
const manyBytes = 256 * 1024 * 1024;

/** Whether threads save more than their start costs: from 2,000 packages, or 256 MiB in several. */
export function worthThreads(folder: string, entries: readonly PackageEntry[]): boolean {
  if (entries.length < 16 || !existsSync(workerUrl)) return false;
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
