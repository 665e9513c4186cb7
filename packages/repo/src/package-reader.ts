/**
 * Packages of a folder in order, as XML: read by threads where that pays, else by the calling thread.
 */
import { join } from 'node:path';
import type { PackageEntry, RenderedBlock } from './block-renderer.js';
import { blockCompression, type DocumentOptions } from './document-writer.js';
import { endsOfBlocks } from './package-blocks.js';
import type { PackageRecord } from './package-record.js';
import { PackageRenderer, type RenderedFile, type RenderOptions } from './package-renderer.js';
import { PackageThreads, worthThreads } from './package-threads.js';
import { cachedRecord, type RecordCacheOptions } from './record-cache.js';
import { type RenderedPackage, type RepositoryBlock, renderPackage } from './repository-writer.js';

/** How to read packages. */
export interface ReadOptions extends RenderOptions {
  /** Most threads to use; none where the packages are few. */
  readonly threads: number;
  readonly withRecords: boolean;
  readonly cache?: RecordCacheOptions;
  /** How blocks are compressed, for a caller that takes them whole. */
  readonly blocks?: Pick<DocumentOptions, 'compression' | 'compressionLevel'>;
}

/** A package that was read. */
export interface ReadPackage extends RenderedFile {
  readonly fromCache?: boolean;
}

/** A block that a thread has read: its part of the three documents, and its packages. */
export interface ReadBlock extends RepositoryBlock {
  readonly entries: readonly PackageEntry[];
  /** Of each package. */
  readonly nevras: readonly string[];
  readonly pkgids: readonly string[];
  /** Of each package, where records were asked for. */
  readonly records: readonly PackageRecord[];
}

/** Reads a list of packages. Call `nextBlock` for each of `ends`, or `next` for each entry, in order; `close` in any case. */
export class PackageReader {
  /** Where blocks end: how many entries there are up to the end of each. */
  readonly ends: readonly number[];
  readonly #folder: string;
  readonly #entries: readonly PackageEntry[];
  readonly #options: ReadOptions;
  readonly #threads: PackageThreads | undefined;
  /** For what no thread reads. */
  #renderer: PackageRenderer | undefined;
  /** Blocks that threads have brought, or are to bring next. */
  #blocks = 0;
  /** Packages of a block that a thread has read, last first, where `next` is called. */
  #ready: ReadPackage[] = [];
  /** Entries of the block at hand that this thread has to read itself. */
  #own = 0;

  constructor(folder: string, entries: readonly PackageEntry[], options: ReadOptions) {
    this.#folder = folder;
    this.#entries = entries;
    this.#options = options;
    this.ends = endsOfBlocks(entries);
    const { threads, cache, withRecords, blocks } = options;
    if (threads > 0 && cache === undefined && worthThreads(folder, entries)) {
      this.#threads = new PackageThreads(
        folder,
        entries,
        this.ends,
        options,
        threads,
        withRecords,
        blocks && blockCompression(blocks),
      );
    }
  }

  /**
   * Hands the next block over where threads read it: its memory is theirs again when `use` resolves. False where `next` has to be
   * called for each of its entries.
   */
  async nextBlock(use: (block: ReadBlock) => Promise<unknown> | undefined): Promise<boolean> {
    const found = await this.#fromThreads();
    if (found === undefined) return false;
    const { block, entries } = found;
    const { nevras, pkgids, records, documents } = block;
    await use({ entries, nevras: nevras.split('\0'), pkgids: pkgids.split('\0'), records, documents });
    // What is not compressed here is still on its way into the store as it is.
    if (this.#options.blocks && blockCompression(this.#options.blocks) !== undefined) this.#threads?.giveBack();
    return true;
  }

  async #fromThreads(): Promise<
    { readonly block: RenderedBlock; readonly entries: readonly PackageEntry[] } | undefined
  > {
    const end = this.ends[this.#blocks];
    if (this.#threads === undefined || end === undefined) return undefined;
    const entries = this.#entries.slice(this.ends[this.#blocks - 1] ?? 0, end);
    this.#blocks++;
    const block = await this.#threads.next();
    if (block !== undefined) return { block, entries };
    this.#own = entries.length;
    return undefined;
  }

  /**
   * The next package. Its pieces may be views of memory that the next call overwrites.
   *
   * Throws what `recordFromFile` throws, REPO_BAD_TEXT.
   */
  async next({ path, location }: PackageEntry): Promise<ReadPackage> {
    if (this.#threads !== undefined) {
      if (this.#own === 0 && this.#ready.length === 0) {
        const found = await this.#fromThreads();
        if (found !== undefined) this.#ready = packagesOf(found.block, found.entries).reverse();
      }
      const ready = this.#ready.pop();
      if (ready !== undefined) return ready;
      this.#own--;
    }
    const file = join(this.#folder, path);
    const { cache, locationBase, textPolicy = 'refuse', withRecords } = this.#options;
    if (cache !== undefined) {
      const { record, fromCache } = await cachedRecord(cache, file, location, this.#options, locationBase);
      return { record, rendered: renderPackage(record, textPolicy), fromCache };
    }
    this.#renderer ??= new PackageRenderer(this.#options, withRecords);
    return this.#renderer.render(file, location);
  }

  async close(): Promise<void> {
    this.#renderer?.close();
    this.#renderer = undefined;
    await this.#threads?.close();
  }
}

/** The packages of a block, each with its own pieces: views. */
function packagesOf(block: RenderedBlock, entries: readonly PackageEntry[]): ReadPackage[] {
  const nevras = block.nevras.split('\0');
  const pkgids = block.pkgids.split('\0');
  const places = [0, 0, 0];
  return entries.map(({ location }, at) => {
    const [primary, filelists, other] = block.documents.map(({ open }, n) => {
      const start = places[n] as number;
      places[n] = start + (block.lengths[at * 3 + n] as number);
      return open.subarray(start, places[n]);
    });
    const [nevra, pkgid, buildTime] = [nevras[at], pkgids[at], block.buildTimes[at]];
    const rendered = { nevra, location, pkgid, buildTime, primary, filelists, other } as RenderedPackage;
    const record = block.records[at];
    return record === undefined ? { rendered } : { record, rendered };
  });
}
