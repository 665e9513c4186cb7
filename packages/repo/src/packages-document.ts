/**
 * One of the three documents of packages in the making: its head, its packages or whole blocks of them, its tail.
 */
import type { BlockCodec } from '@distrokit/rpm';
import { type DocumentBlock, type DocumentOptions, DocumentWriter } from './document-writer.js';
import { filelistsHead, filelistsTail } from './filelists.js';
import { otherHead, otherTail } from './other.js';
import { primaryHead, primaryTail } from './primary.js';
import type { RepomdRecord } from './repomd.js';
import type { RepositoryStore } from './store.js';

/** The types of their records, in the order of repomd.xml. */
export const documentTypes = ['primary', 'filelists', 'other'] as const;

export type DocumentType = (typeof documentTypes)[number];

const frames = {
  primary: { head: primaryHead, tail: primaryTail },
  filelists: { head: filelistsHead, tail: filelistsTail },
  other: { head: otherHead, tail: otherTail },
} as const;
const utf8 = new TextEncoder();

/** Use `write`, `endBlock` and `writeBlock` as those of a `DocumentWriter`, then `end`; or `abort`. */
export class PackagesDocument {
  readonly #type: DocumentType;
  readonly #writer: DocumentWriter;

  /** Begins a document of so many packages. `codec` and `spare` as a `DocumentWriter` takes them. */
  constructor(
    store: RepositoryStore,
    type: DocumentType,
    packages: number,
    options: DocumentOptions,
    codec: BlockCodec | undefined,
    spare: Uint8Array[],
  ) {
    this.#type = type;
    this.#writer = new DocumentWriter(store, type, `${type}.xml`, options, codec, spare);
    this.#writer.write(utf8.encode(frames[type].head(packages)));
    // The number of packages is in the head: apart, so that it alone changes with it.
    void this.#writer.endBlock();
  }

  write(elements: Uint8Array): Promise<void> | undefined {
    return this.#writer.write(elements);
  }

  endBlock(): Promise<void> | undefined {
    return this.#writer.endBlock();
  }

  writeBlock(block: DocumentBlock): Promise<void> | undefined {
    return this.#writer.writeBlock(block);
  }

  /** Resolves with the record for repomd.xml when the document is durable. */
  async end(): Promise<RepomdRecord> {
    await this.#writer.endBlock();
    this.#writer.write(utf8.encode(frames[this.#type].tail));
    return this.#writer.end();
  }

  abort(reason: unknown): Promise<void> {
    return this.#writer.abort(reason);
  }
}
