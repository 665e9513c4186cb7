/**
 * The three documents of a repository that we wrote, block by block: stored and open. What an update copies without compressing
 * it again.
 *
 * Only zst documents have blocks that can be told apart. See `package-blocks.ts` for where they end.
 */
import { type Abortable, RpmError, readZstdBlocks } from '@distrokit/rpm';
import type { DocumentBlock } from './document-writer.js';
import { blockBytes } from './document-writer.js';
import { RepoError } from './errors.js';
import { concatenated } from './fetcher.js';
import { checkPkgid, identitiesOf } from './fragments.js';
import { BlockCutter } from './package-blocks.js';
import type { PackageIdentity } from './package-identity.js';
import type { Repository } from './repository.js';
import type { RepositoryBlock } from './repository-writer.js';
import { badValue } from './xml-values.js';

/** The packages of primary by block, as they are compressed; undefined when blocks hold anything else. Throws what reading throws, REPO_BAD_VALUE. */
export async function readBlockIdentities(
  repository: Repository,
  options: Abortable,
): Promise<readonly (readonly PackageIdentity[])[] | undefined> {
  const blocks: PackageIdentity[][] = [];
  let place: 'head' | 'packages' | 'tail' = 'head';
  for await (const { open } of storedBlocks(repository, 'primary', options)) {
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

/** Whether blocks end where ours do, and if so whether the last one ends by itself. */
export function blockEnds(blocks: readonly (readonly PackageIdentity[])[]): { readonly lastEnds: boolean } | undefined {
  const cutter = new BlockCutter();
  let lastEnds = true;
  for (const identities of blocks) {
    if (!lastEnds) return undefined;
    for (const [at, { location }] of identities.entries()) {
      lastEnds = cutter.endsAfter(location);
      if (lastEnds && at < identities.length - 1) return undefined;
    }
  }
  return { lastEnds };
}

/** The blocks of packages of all three documents in step. Call `next` for each block of primary, then `end`. */
export class RepositoryBlocks {
  readonly #sources: readonly BlockSource[];

  constructor(repository: Repository, options: Abortable) {
    this.#sources = ['primary', 'filelists', 'other'].map((type) => new BlockSource(repository, type, options));
  }

  /** The block that begins with this package. Throws REPO_BAD_VALUE when another comes, and what reading throws. */
  async next(pkgid: string): Promise<RepositoryBlock> {
    return { documents: await Promise.all(this.#sources.map((source) => source.next(pkgid))) };
  }

  /** Reads the documents to their end, where their digests are checked. */
  async end(): Promise<void> {
    for (const source of this.#sources) await source.end();
  }

  /** Gives up. */
  async close(): Promise<void> {
    for (const source of this.#sources) await source.close();
  }
}

class BlockSource {
  readonly #document: string;
  readonly #blocks: AsyncGenerator<StoredBlock, void, void>;
  #begun = false;

  constructor(repository: Repository, type: string, options: Abortable) {
    this.#document = `${type}.xml`;
    this.#blocks = storedBlocks(repository, type, options);
  }

  async next(pkgid: string): Promise<DocumentBlock> {
    if (!this.#begun) await this.#part();
    this.#begun = true;
    const open: Uint8Array[] = [];
    const compressed: Uint8Array[] = [];
    let length = 0;
    // A long block is stored in parts of this size, and a shorter one at its end.
    do {
      const part = await this.#part();
      open.push(part.open);
      compressed.push(part.stored);
      length += part.open.length;
    } while (open.at(-1)?.length === blockBytes);
    const block = { open: concatenated(open, length), compressed };
    if (this.#document !== 'primary.xml') checkPkgid(this.#document, block.open, pkgid);
    return block;
  }

  async end(): Promise<void> {
    while ((await this.#blocks.next()).done !== true);
  }

  async close(): Promise<void> {
    await this.#blocks.return();
  }

  async #part(): Promise<StoredBlock> {
    const { done, value } = await this.#blocks.next();
    if (done === true) throw badValue(this.#document, 0, 'block', 'one for each of primary', 'the end');
    return value;
  }
}

interface StoredBlock {
  readonly stored: Uint8Array;
  readonly open: Uint8Array;
}

async function* storedBlocks(
  repository: Repository,
  type: string,
  options: Abortable,
): AsyncGenerator<StoredBlock, void, void> {
  try {
    yield* readZstdBlocks(repository.storedDocument(type, options));
  } catch (cause) {
    if (!(cause instanceof RpmError)) throw cause;
    throw new RepoError(
      { code: 'REPO_BAD_COMPRESSION', document: type, compression: 'zstd' },
      `${type}: sound zstd blocks wanted: ${cause.message}`,
      { cause },
    );
  }
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  for (let at = 0; at < text.length; at++) if (bytes[at] !== text.charCodeAt(at)) return false;
  return true;
}
