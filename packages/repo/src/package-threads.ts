/**
 * Package files into compressed XML on several threads: each takes the next unit of packages from a shared counter, the calling
 * one too whenever it would wait; the caller gets blocks in order.
 *
 * A unit is a block. Where blocks are few, units are parts of them, so that all threads have work to the end; the calling one
 * puts them together and compresses them.
 *
 * A thread that cannot read a package says only that: the caller reads the block again and has the error, with its cause
 * and class, that it would have had without threads. Threads stay a few units ahead of the caller and then sleep, so
 * memory does not grow with the repository.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type BlockCodec, blockCodec } from '@distrokit/rpm';
import {
  type BlockOptions,
  BlockRenderer,
  joinBlocks,
  type PackageEntry,
  type RenderedBlock,
} from './block-renderer.js';
import type { BlockCompression } from './document-writer.js';
import { endsOfUnits } from './package-blocks.js';
import type { RenderOptions } from './package-renderer.js';

/** All that a thread is told, at its start. */
export interface ThreadTask extends BlockOptions {
  /** Paths and locations of all packages, each with a NUL behind it: one text travels faster than many objects. */
  readonly paths: string;
  readonly locations: string;
  /** How units are compressed; undefined: not at all. */
  readonly compression: BlockCompression | undefined;
  /** How many packages there are up to the end of each unit. */
  readonly unitEnds: Uint32Array;
  /** Units that threads may be ahead of the caller. */
  readonly unitsAhead: number;
  /** `nextUnit`, `unitsTaken`. */
  readonly state: Int32Array<SharedArrayBuffer>;
}

/** A thread's answer. */
export interface ThreadUnit extends RenderedBlock {
  readonly index: number;
}

/** The packages of a unit; undefined behind the last one. */
export function unitEntries(
  entries: readonly PackageEntry[],
  { unitEnds }: ThreadTask,
  index: number,
): readonly PackageEntry[] | undefined {
  return index < unitEnds.length ? entries.slice(unitEnds[index - 1] ?? 0, unitEnds[index]) : undefined;
}

/** Places in `ThreadTask.state`. */
export const nextUnit = 0;
export const unitsTaken = 1;

/** From so many blocks on, a thread that waits at the end waits for one of many. */
const manyBlocks = 64;
/** Units that fewer blocks are cut into, more or less: few enough that a message each costs nothing. */
const usualUnits = 128;

// Beside the compiled module. Where sources run as they are there is no such file, and no threads.
const workerUrl = new URL('./worker.js', import.meta.url);

/** Threads at work on a list of packages, in the blocks of `endsOfBlocks`. Call `next` once for each; `close` in any case. */
export class PackageThreads {
  readonly #task: ThreadTask;
  readonly #entries: readonly PackageEntry[];
  /** How many units each block has that is still to come, last first. */
  readonly #unitsOfBlocks: number[];
  /** Of blocks that are put together here. */
  readonly #compression: BlockCompression | undefined;
  readonly #isCut: boolean;
  readonly #onSkipped: RenderOptions['onSkippedDependency'];
  readonly #workers: readonly Worker[];
  /** Units by index. */
  readonly #ready = new Map<number, LentUnit>();
  #own: BlockRenderer | undefined;
  #codec: BlockCodec | undefined;
  #lent: LentUnit | undefined;
  #taken = 0;
  #failure: { readonly reason: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(
    folder: string,
    entries: readonly PackageEntry[],
    ends: readonly number[],
    options: RenderOptions,
    threads: number,
    withRecords: boolean,
    compression: BlockCompression | undefined,
  ) {
    this.#onSkipped = options.onSkippedDependency;
    this.#entries = entries;
    this.#isCut = ends.length < manyBlocks;
    const unitPackages = this.#isCut ? Math.ceil(entries.length / usualUnits) : entries.length;
    this.#unitsOfBlocks = ends.map((end, at) => Math.ceil((end - (ends[at - 1] ?? 0)) / unitPackages)).reverse();
    this.#compression = compression;
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
      compression: this.#isCut ? undefined : compression,
      unitEnds: Uint32Array.from(endsOfUnits(ends, unitPackages)),
      unitsAhead: this.#isCut ? 24 : 6,
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
      worker.on('message', ({ index, ...block }: ThreadUnit) => {
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
    const units: LentUnit[] = [];
    for (let left = this.#unitsOfBlocks.pop() ?? 0; left > 0; left--) units.push(await this.#nextUnit());
    const block = this.#isCut ? await this.#joined(units) : units[0]?.block;
    if (block === undefined || block.documents.length === 0) return undefined;
    for (const dependency of block.skipped) this.#onSkipped?.(...dependency);
    this.#lent = this.#isCut ? undefined : units[0];
    return block;
  }

  /** Gives the memory of the block that `next` gave last back to its thread. Nothing may view its open bytes any more. */
  giveBack(): void {
    if (this.#lent !== undefined) giveBack(this.#lent);
    this.#lent = undefined;
  }

  async #joined(units: readonly LentUnit[]): Promise<RenderedBlock | undefined> {
    const { type, level } = this.#compression ?? {};
    if (type !== undefined && level !== undefined) this.#codec ??= await blockCodec(type, level);
    const parts = units.map(({ block }) => block);
    const block = joinBlocks(parts, this.#codec);
    for (const unit of units) giveBack(unit);
    return block;
  }

  async #nextUnit(): Promise<LentUnit> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.reason;
      const found = this.#ready.get(this.#taken);
      if (found !== undefined) {
        this.#ready.delete(this.#taken);
        this.#taken++;
        const { state } = this.#task;
        Atomics.store(state, unitsTaken, this.#taken);
        Atomics.notify(state, unitsTaken);
        return found;
      }
      if (await this.#renderOne()) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Ends the threads, whatever they do. Resolves when they are gone. */
  async close(): Promise<void> {
    this.#own?.close();
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  /** Renders a unit on the calling thread, unless others have brought the one that is waited for, or all are taken. */
  async #renderOne(): Promise<boolean> {
    // Messages of the others are heard between turns only.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#ready.has(this.#taken) || this.#failure !== undefined) return true;
    const { state, compression, unitsAhead } = this.#task;
    const claim = Atomics.load(state, nextUnit);
    // Twice as far as the others: all that it can do besides is wait for the one that has a long unit.
    if (claim >= this.#task.unitEnds.length || claim >= this.#taken + 2 * unitsAhead) return false;
    const index = Atomics.add(state, nextUnit, 1);
    const entries = unitEntries(this.#entries, this.#task, index);
    if (entries === undefined) return false;
    this.#own ??= new BlockRenderer(this.#task, compression && (await blockCodec(compression.type, compression.level)));
    this.#ready.set(index, { block: await this.#own.render(entries), lender: this.#own });
    return true;
  }
}

/** A unit, and who gets its memory back. */
interface LentUnit {
  readonly block: RenderedBlock;
  readonly lender: Worker | BlockRenderer;
}

function giveBack({ block, lender }: LentUnit): void {
  const buffers = block.documents.map(({ open }) => open.buffer as ArrayBuffer);
  if (lender instanceof BlockRenderer) lender.reuse(buffers);
  else lender.postMessage(buffers, buffers);
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
