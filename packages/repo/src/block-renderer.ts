/**
 * Blocks of packages as compressed XML: what the threads of `createRepository` make, the calling one included.
 */
import { join } from 'node:path';
import type { BlockCodec } from '@distrokit/rpm';
import { compressBlock, type DocumentBlock } from './document-writer.js';
import type { PackageRecord, RepositoryDependencyKind } from './package-record.js';
import { PackageRenderer, type RenderOptions } from './package-renderer.js';

/** A package file and what primary.xml calls it. */
export interface PackageEntry {
  /** Relative to the folder. */
  readonly path: string;
  readonly location: string;
}

/** Arguments of `onSkippedDependency`. */
export type SkippedDependency = readonly [kind: RepositoryDependencyKind, name: string, evr: string];

/** A block, or that one of its packages could not be read (then there are no documents). */
export interface RenderedBlock {
  /** Of each package, with a NUL behind it: few values travel between threads faster than many objects. */
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

/** One block of parts that follow each other; undefined when one of them could not be read. Copied: the memory of parts is free again. */
export function joinBlocks(parts: readonly RenderedBlock[], codec: BlockCodec | undefined): RenderedBlock | undefined {
  if (parts.some(({ documents }) => documents.length === 0)) return undefined;
  return {
    nevras: parts.map(({ nevras }) => nevras).join(''),
    pkgids: parts.map(({ pkgids }) => pkgids).join(''),
    buildTimes: Float64Array.from(parts.flatMap(({ buildTimes }) => [...buildTimes])),
    lengths: Uint32Array.from(parts.flatMap(({ lengths }) => [...lengths])),
    records: parts.flatMap(({ records }) => records),
    skipped: parts.flatMap(({ skipped }) => skipped),
    documents: [0, 1, 2].map((n): DocumentBlock => {
      const pieces = parts.map(({ documents }) => (documents[n] as DocumentBlock).open);
      const open = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const piece of pieces) {
        open.set(piece, at);
        at += piece.length;
      }
      return { open, compressed: codec === undefined ? [] : compressBlock(codec, open) };
    }),
  };
}

/** What decides about blocks. */
export interface BlockOptions {
  readonly folder: string;
  readonly options: Omit<RenderOptions, 'onSkippedDependency'>;
  readonly withRecords: boolean;
  readonly withSkipped: boolean;
}

/** Renders one block at a time. */
export class BlockRenderer {
  readonly #folder: string;
  readonly #codec: BlockCodec | undefined;
  readonly #renderer: PackageRenderer;
  readonly #open = [new OpenBlock(), new OpenBlock(), new OpenBlock()] as const;
  #skipped: SkippedDependency[] = [];

  /** Without a codec blocks are not compressed. */
  constructor({ folder, options, withRecords, withSkipped }: BlockOptions, codec: BlockCodec | undefined) {
    this.#folder = folder;
    this.#codec = codec;
    const onSkippedDependency = (...dependency: SkippedDependency): void => void this.#skipped.push(dependency);
    this.#renderer = new PackageRenderer({ ...options, ...(withSkipped ? { onSkippedDependency } : {}) }, withRecords);
  }

  /** Never rejects: whoever reads a block again that could not be read has the error itself. */
  async render(entries: readonly PackageEntry[]): Promise<RenderedBlock> {
    const buildTimes = new Float64Array(entries.length);
    const lengths = new Uint32Array(entries.length * 3);
    const records: PackageRecord[] = [];
    let nevras = '';
    let pkgids = '';
    let documents: readonly DocumentBlock[] = [];
    this.#skipped = [];
    for (const document of this.#open) document.begin();
    try {
      for (const [at, { path, location }] of entries.entries()) {
        const { record, rendered } = await this.#renderer.render(join(this.#folder, path), location);
        const pieces = [rendered.primary, rendered.filelists, rendered.other] as const;
        for (const [n, piece] of pieces.entries()) {
          this.#open[n]?.add(piece);
          lengths[at * 3 + n] = piece.length;
        }
        buildTimes[at] = rendered.buildTime;
        nevras += `${rendered.nevra}\0`;
        pkgids += `${rendered.pkgid}\0`;
        if (record !== undefined) records.push(record);
      }
      documents = this.#open.map((document): DocumentBlock => {
        const open = document.end();
        return { open, compressed: this.#codec === undefined ? [] : compressBlock(this.#codec, open) };
      });
    } catch {
      this.#skipped = [];
    }
    return { nevras, pkgids, buildTimes, lengths, records, skipped: this.#skipped, documents };
  }

  /** Takes memory of open documents back: nothing may view it any more. */
  reuse(buffers: readonly ArrayBuffer[]): void {
    for (const [n, buffer] of buffers.entries()) this.#open[n]?.reuse(buffer);
  }

  close(): void {
    this.#renderer.close();
  }
}

/** Open bytes of one document of a block. */
class OpenBlock {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #filled = 0;
  /** A block is as large as the one before, more or less. */
  #usual = 256 * 1024;
  /** Memory that came back: new memory costs more than what is written into it. */
  readonly #spare: ArrayBuffer[] = [];

  begin(): void {
    const spare = this.#spare.pop();
    this.#bytes = spare === undefined ? new Uint8Array(this.#usual) : new Uint8Array(spare);
    this.#filled = 0;
  }

  add(piece: Uint8Array): void {
    const end = this.#filled + piece.length;
    if (end > this.#bytes.length) {
      const longer = new Uint8Array(Math.ceil(end * 1.5));
      longer.set(this.#bytes.subarray(0, this.#filled));
      this.#bytes = longer;
    }
    this.#bytes.set(piece, this.#filled);
    this.#filled = end;
  }

  end(): Uint8Array<ArrayBuffer> {
    this.#usual = Math.ceil(this.#filled * 1.5);
    return this.#bytes.subarray(0, this.#filled);
  }

  reuse(buffer: ArrayBuffer): void {
    this.#spare.push(buffer);
  }
}
