/**
 * Blocks of packages as compressed XML: what the threads of `createRepository` make, the calling one included.
 */
import { join } from 'node:path';
import type { BlockCodec } from '@distrokit/rpm';
import { compressBlock, type DocumentBlock } from './document-writer.js';
import type { PackageRecord, RepositoryDependencyKind } from './package-record.js';
import { PackageRenderer, type RenderOptions } from './package-renderer.js';
import type { KernelPieces } from './xml-kernel.js';

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

/** What is said of the packages of a block in the making; see `RenderedBlock`. */
interface BlockFacts {
  nevras: string;
  pkgids: string;
  readonly buildTimes: Float64Array;
  readonly lengths: Uint32Array;
  readonly records: PackageRecord[];
}

/** Renders one block at a time. */
export class BlockRenderer {
  /** The folder, with a slash behind it. */
  readonly #root: string;
  readonly #codec: BlockCodec | undefined;
  readonly #renderer: PackageRenderer;
  readonly #memory = new BlockMemory();
  readonly #open = [new OpenBlock(this.#memory), new OpenBlock(this.#memory), new OpenBlock(this.#memory)] as const;
  #skipped: SkippedDependency[] = [];

  /** Without a codec blocks are not compressed. */
  constructor({ folder, options, withRecords, withSkipped }: BlockOptions, codec: BlockCodec | undefined) {
    this.#root = join(folder, '/');
    this.#codec = codec;
    const onSkippedDependency = (...dependency: SkippedDependency): void => void this.#skipped.push(dependency);
    this.#renderer = new PackageRenderer({ ...options, ...(withSkipped ? { onSkippedDependency } : {}) }, withRecords);
  }

  /** Never rejects: whoever reads a block again that could not be read has the error itself. */
  async render(entries: readonly PackageEntry[]): Promise<RenderedBlock> {
    const facts: BlockFacts = {
      nevras: '',
      pkgids: '',
      buildTimes: new Float64Array(entries.length),
      lengths: new Uint32Array(entries.length * 3),
      records: [],
    };
    let documents: readonly DocumentBlock[] = [];
    this.#skipped = [];
    for (const document of this.#open) document.begin();
    try {
      for (let at = this.#gather(entries, 0, facts); at < entries.length; at = this.#gather(entries, at, facts)) {
        await this.#renderAlone(entries[at] as PackageEntry, at, facts);
        at++;
      }
      documents = this.#open.map((document): DocumentBlock => {
        const open = document.end();
        return { open, compressed: this.#codec === undefined ? [] : compressBlock(this.#codec, open) };
      });
    } catch {
      this.#skipped = [];
      this.#renderer.gathered();
    }
    return { ...facts, skipped: this.#skipped, documents };
  }

  /** Renders packages from `at` on, as long as they can be gathered: where it stopped. */
  #gather(entries: readonly PackageEntry[], at: number, facts: BlockFacts): number {
    const renderer = this.#renderer;
    const { buildTimes, lengths } = facts;
    for (; at < entries.length; at++) {
      const { path, location } = entries[at] as PackageEntry;
      const pkgid = renderer.gather(this.#root + path, location);
      if (pkgid === undefined) break;
      const { last } = renderer;
      lengths[at * 3] = last[0] as number;
      lengths[at * 3 + 1] = last[1] as number;
      lengths[at * 3 + 2] = last[2] as number;
      buildTimes[at] = (last[3] as number) * 1000;
      facts.pkgids += `${pkgid}\0`;
      if (renderer.isFull) facts.nevras += this.#collect();
    }
    facts.nevras += this.#collect();
    return at;
  }

  async #renderAlone({ path, location }: PackageEntry, at: number, facts: BlockFacts): Promise<void> {
    const { record, rendered } = await this.#renderer.renderAlone(this.#root + path, location);
    this.#add(rendered);
    facts.lengths.set([rendered.primary.length, rendered.filelists.length, rendered.other.length], at * 3);
    facts.buildTimes[at] = rendered.buildTime;
    facts.nevras += `${rendered.nevra}\0`;
    facts.pkgids += `${rendered.pkgid}\0`;
    if (record !== undefined) facts.records.push(record);
  }

  /** What the renderer has gathered goes into the block. Its NEVRAs. */
  #collect(): string {
    const { nevras, ...pieces } = this.#renderer.gathered();
    this.#add(pieces);
    return nevras;
  }

  #add({ primary, filelists, other }: KernelPieces): void {
    this.#open[0].add(primary);
    this.#open[1].add(filelists);
    this.#open[2].add(other);
  }

  /** Takes memory of open documents back: nothing may view it any more. */
  reuse(buffers: readonly ArrayBuffer[]): void {
    for (const buffer of buffers) this.#memory.giveBack(buffer);
  }

  close(): void {
    this.#renderer.close();
  }
}

/** Open bytes of one document of a block. */
class OpenBlock {
  readonly #memory: BlockMemory;
  #bytes: Uint8Array<ArrayBuffer> = nothing;
  #filled = 0;

  constructor(memory: BlockMemory) {
    this.#memory = memory;
  }

  begin(): void {
    this.#bytes = nothing;
    this.#filled = 0;
  }

  add(piece: Uint8Array): void {
    const end = this.#filled + piece.length;
    if (end > this.#bytes.length) {
      const before = this.#bytes;
      this.#bytes = this.#memory.take(end);
      if (this.#filled > 0) {
        this.#bytes.set(before.subarray(0, this.#filled));
        this.#memory.giveBack(before.buffer);
      }
    }
    this.#bytes.set(piece, this.#filled);
    this.#filled = end;
  }

  end(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#filled);
  }
}

const nothing = new Uint8Array(0);
const leastBytes = 16 * 1024;
/** Three documents of a few blocks on their way. More that lies idle is let go. */
const mostSpare = 24;

/** Memory of blocks that comes back: new memory costs more than what is written into it. In few sizes, so that it fits again. */
class BlockMemory {
  readonly #spare: ArrayBuffer[] = [];

  take(bytes: number): Uint8Array<ArrayBuffer> {
    let size = leastBytes;
    while (size < bytes) size *= 2;
    const at = this.#spare.findIndex(({ byteLength }) => byteLength >= size);
    const [spare] = at < 0 ? [] : this.#spare.splice(at, 1);
    return new Uint8Array(spare ?? new ArrayBuffer(size));
  }

  giveBack(buffer: ArrayBuffer): void {
    this.#spare.push(buffer);
    if (this.#spare.length > mostSpare) this.#spare.shift();
  }
}
