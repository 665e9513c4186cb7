/**
 * A document of a repository that we wrote, block by block: stored and open. What an update copies without compressing it again.
 *
 * zst documents have them, and gz documents. See `package-blocks.ts` for where they end.
 */
import { type Abortable, RpmError, type StoredBlock, type StoredBlocks, storedBlocks } from '@distrokit/rpm';
import { blockBytes, type DocumentBlock } from './document-writer.js';
import { RepoError } from './errors.js';
import { concatenated } from './fetcher.js';
import { elementEnd, elementStart, identitiesOf } from './fragments.js';
import type { PackageIdentity } from './package-identity.js';
import type { RepomdRecord } from './repomd.js';
import type { Repository } from './repository.js';
import { badValue } from './xml-values.js';

/** Longer documents are not held in memory. */
const maxStoredBytes = 256 << 20;

/** Whether a document can be taken by blocks. */
export function isOfBlocks({ sizeBytes }: RepomdRecord): boolean {
  return sizeBytes !== undefined && sizeBytes <= maxStoredBytes;
}

/** The bytes of a document as they lie in the repository, in one piece, after their digest was checked. */
export async function storedBytes(repository: Repository, type: string, options: Abortable): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of repository.storedDocument(type, options)) {
    chunks.push(chunk);
    length += chunk.length;
  }
  return concatenated(chunks, length);
}

/** How a document is compressed that has blocks. */
export type BlockType = 'gzip' | 'zstd';

/** The packages of a stored primary by block; undefined when it has no blocks, or others. Throws REPO_BAD_VALUE. */
export function blockIdentities(
  stored: Uint8Array,
  compression: BlockType,
): readonly (readonly PackageIdentity[])[] | undefined {
  const blocks: PackageIdentity[][] = [];
  let place: 'head' | 'packages' | 'tail' = 'head';
  const source = storedBlocks(compression, stored);
  for (let open = nextOf(source); open !== undefined; open = nextOf(source)) {
    if (place === 'tail' || open.length >= blockBytes) return undefined;
    if (place === 'head') {
      if (startsWith(open, '<package ')) return undefined;
      place = 'packages';
    } else if (startsWith(open, '</')) {
      place = 'tail';
    } else {
      if (!startsWith(open, '<package ')) return undefined;
      blocks.push(identitiesOf(open));
    }
  }
  return place === 'tail' ? blocks : undefined;
}

/** What is damaged has no blocks either: who reads it in another way hears of it. */
function nextOf(source: StoredBlocks): Uint8Array | undefined {
  try {
    return source.next()?.open;
  } catch (error) {
    if (error instanceof RpmError) return undefined;
    throw error;
  }
}

/** The blocks of packages of one document, whose packages are given. Ask for them in order; some may be left out. */
export class BlockSource {
  readonly #type: string;
  readonly #blocks: readonly (readonly PackageIdentity[])[];
  readonly #opened: OpenBlocks;
  #at = -1;
  #block: DocumentBlock = { open: new Uint8Array(0), compressed: [] };
  /** A package of the block whose place was looked for last, and that place. */
  #known = { package: 0, start: 0 };

  constructor(
    type: string,
    stored: Uint8Array,
    compression: BlockType,
    blocks: readonly (readonly PackageIdentity[])[],
  ) {
    this.#type = type;
    this.#blocks = blocks;
    this.#opened = new OpenBlocks(type, stored, compression);
    this.#next();
  }

  /** A block. Its open bytes are a view, good until another block is asked for. Throws REPO_BAD_VALUE when it begins with another package. */
  block(at: number): DocumentBlock {
    if (at === this.#at) return this.#block;
    while (this.#at < at) {
      this.#block = this.#next();
      this.#at++;
    }
    this.#known = { package: 0, start: 0 };
    const first = this.#blocks[at]?.[0];
    if (first !== undefined && !startsWith(this.#block.open, this.#tag(first))) throw this.#otherPackage(first);
    return this.#block;
  }

  /** The elements of packages `from` to `to` of a block, a view as well. Ask for them in order. Throws REPO_BAD_VALUE. */
  run(at: number, from: number, to: number): Uint8Array {
    const { open } = this.block(at);
    const start = this.#startOf(at, from);
    return open.subarray(start, this.#startOf(at, to));
  }

  /** Where a package begins; behind the last one, the end of the block. */
  #startOf(at: number, wanted: number): number {
    const { open } = this.#block;
    const packages = this.#blocks[at] ?? [];
    const known = this.#known;
    let { start } = known;
    if (this.#type === 'primary') {
      for (let n = known.package; n < wanted; n++) start += packages[n]?.elementBytes ?? 0;
    } else if (wanted === packages.length) {
      start = elementEnd(open, this.#startOf(at, wanted - 1));
      if (start !== open.length) throw this.#otherPackage(packages[wanted - 1]);
      return start;
    } else {
      const subject = packages[wanted] as PackageIdentity;
      // A file that lies there twice has the same digest twice.
      for (let n = known.package + 1; n <= wanted; n++) {
        if (packages[n]?.pkgid === subject.pkgid) start = elementStart(open, this.#tag(subject), start + 1);
        if (start < 0) throw this.#otherPackage(subject);
      }
    }
    this.#known = { package: wanted, start };
    return start;
  }

  #tag({ pkgid }: PackageIdentity): string {
    return this.#type === 'primary' ? '<package ' : `<package pkgid="${pkgid}" `;
  }

  #next(): DocumentBlock {
    const block = this.#opened.next();
    if (block === undefined) throw badValue(`${this.#type}.xml`, 0, 'block', 'one for each of primary', 'the end');
    return block;
  }

  #otherPackage(wanted: PackageIdentity | undefined): RepoError {
    return badValue(`${this.#type}.xml`, 0, 'package/@pkgid', wanted?.pkgid ?? 'none', 'another');
  }
}

/** The blocks of a stored document: the head, those of packages, the tail. */
class OpenBlocks {
  readonly #type: string;
  readonly #compression: BlockType;
  readonly #parts: StoredBlocks;

  constructor(type: string, stored: Uint8Array, compression: BlockType) {
    this.#type = type;
    this.#compression = compression;
    this.#parts = storedBlocks(compression, stored);
  }

  /** The next block; its open bytes are a view, good until the one after it is asked for. */
  next(): DocumentBlock | undefined {
    const first = this.#part();
    if (first === undefined) return undefined;
    if (first.open.length !== blockBytes) return { open: first.open, compressed: [first.stored] };
    // A long block is stored in parts of this size, and a shorter one at its end.
    const open = [first.open.slice()];
    const compressed = [first.stored];
    let length = blockBytes;
    for (let part = this.#part(); part !== undefined; part = this.#part()) {
      open.push(part.open.slice());
      compressed.push(part.stored);
      length += part.open.length;
      if (part.open.length !== blockBytes) break;
    }
    return { open: concatenated(open, length), compressed };
  }

  #part(): StoredBlock | undefined {
    try {
      return this.#parts.next();
    } catch (cause) {
      if (!(cause instanceof RpmError)) throw cause;
      throw new RepoError(
        { code: 'REPO_BAD_COMPRESSION', document: this.#type, compression: this.#compression },
        `${this.#type}: sound ${this.#compression} blocks wanted: ${cause.message}`,
        { cause },
      );
    }
  }
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  for (let at = 0; at < text.length; at++) if (bytes[at] !== text.charCodeAt(at)) return false;
  return true;
}
