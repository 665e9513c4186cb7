/**
 * One document on its way into a store: hashed open, compressed, hashed again, named by its digest.
 *
 * gz and zst documents are made of blocks that are compressed for themselves. Chunks are pushed; `write` waits while the store
 * is behind, so that no more than a few chunks are in memory.
 */
import { type Abortable, type BlockCodec, type BlockStream, blockCodec, compress, createHasher } from '@distrokit/rpm';
import { concatenated } from './fetcher.js';
import type { RepomdRecord } from './repomd.js';
import type { RepositoryStore } from './store.js';

/** How documents are compressed, by the ending of their file names. */
export type DocumentCompression = 'gz' | 'xz' | 'zst' | 'none';

/** Digests that repomd.xml may use here. Older ones are read, not written. */
export type RepositoryChecksum = 'sha256' | 'sha512';

/** What all documents of a repository have in common. */
export interface DocumentOptions extends Abortable {
  readonly timestamp: Date;
  readonly checksum: RepositoryChecksum;
  readonly compression: DocumentCompression;
  /** gz and xz 0 to 9 (default 6), zst 1 to 22 (default 3). */
  readonly compressionLevel?: number;
  /** Leave the digest out of file names. Readers of the old repository then fail while a new one is written. Default false. */
  readonly plainNames?: boolean;
}

/** Codec names by file name ending. */
export const codecNames = { gz: 'gzip', xz: 'xz', zst: 'zstd', none: 'none' } as const;

/** What `blockCodec` takes. */
export interface BlockCompression {
  readonly type: 'gzip' | 'zstd';
  readonly level: number;
}

/** Open bytes of a block, and what they compress to: of `blockBytes` each, the last of what is left. */
export interface DocumentBlock {
  readonly open: Uint8Array;
  readonly compressed: readonly Uint8Array[];
}

const joinBytes = 256 * 1024;
/** Longer blocks are cut, so that a document of one piece is not compressed as one. */
export const blockBytes: number = 8 << 20;

/** How a document's blocks are compressed; undefined where the document is compressed as one stream (xz), or not at all. */
export function blockCompression({
  compression,
  compressionLevel,
}: Pick<DocumentOptions, 'compression' | 'compressionLevel'>): BlockCompression | undefined {
  if (compression === 'gz') return { type: 'gzip', level: compressionLevel ?? 6 };
  return compression === 'zst' ? { type: 'zstd', level: compressionLevel ?? 3 } : undefined;
}

/** The codec that makes a document's blocks; undefined where there are none. */
export async function documentCodec(options: DocumentOptions): Promise<BlockCodec | undefined> {
  const blocks = blockCompression(options);
  return blocks && blockCodec(blocks.type, blocks.level);
}

/** Compresses the bytes of one block as every writer does it. */
export function compressBlock(codec: BlockCodec, open: Uint8Array): Uint8Array[] {
  const compressed: Uint8Array[] = [];
  for (let at = 0; at < open.length; at += blockBytes) {
    compressed.push(codec.compress(open.subarray(at, at + blockBytes)));
  }
  return compressed;
}

/** Writes one document. Use `write`, `endBlock` and `writeBlock` any number of times, then `end`; or `abort`. */
export class DocumentWriter {
  readonly #channel = new Channel();
  readonly #openHasher: ReturnType<typeof createHasher>;
  readonly #codec: BlockCodec | undefined;
  readonly #stream: BlockStream | undefined;
  readonly #done: Promise<RepomdRecord>;
  #openBytes = 0;
  /** Bytes of the block in the making, or those that are on their way together. */
  #buffer: Uint8Array = new Uint8Array(joinBytes);
  #filled = 0;
  readonly #spare: Uint8Array[];

  /**
   * `type` is the record's in repomd.xml; `fileName` comes without the ending of the compression. `codec` is `documentCodec`'s. `spare`
   * is memory that was used before, which several writers may have in common: new memory costs more than what is written into it.
   */
  constructor(
    store: RepositoryStore,
    type: string,
    fileName: string,
    options: DocumentOptions,
    codec: BlockCodec | undefined,
    spare: Uint8Array[] = [],
  ) {
    this.#spare = spare;
    this.#openHasher = createHasher(options.checksum);
    this.#codec = codec;
    this.#stream = codec?.stream();
    this.#done = this.#run(store, type, fileName, options);
    // Whoever calls `end` or `write` hears of a failure; nobody else has to.
    this.#done.catch((error) => this.#channel.fail(error));
    if (this.#stream !== undefined && this.#stream.head.length > 0) this.#channel.push(this.#stream.head);
  }

  /** Adds bytes to the block. They are copied before this returns; it may resolve when there is room for more. */
  write(chunk: Uint8Array): Promise<void> | undefined {
    const limit = this.#codec === undefined ? joinBytes : blockBytes;
    let wait: Promise<void> | undefined;
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + limit - this.#filled);
      this.#reserve(this.#filled + part.length);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === limit) wait = this.#flush();
    }
    return wait;
  }

  /** What was written since the last block ended is a block: it is compressed for itself. */
  endBlock(): Promise<void> | undefined {
    return this.#codec === undefined ? undefined : this.#flush();
  }

  /**
   * Adds a block that is compressed already, by `compressBlock` or in another document of the same codec. Its bytes are kept: they
   * may not change any more. A document without blocks takes the open bytes alone.
   */
  writeBlock({ open, compressed }: DocumentBlock): Promise<void> | undefined {
    let wait = this.#flush();
    this.#hash(open);
    if (this.#codec === undefined) return this.#channel.push(open);
    for (const part of compressed) wait = this.#channel.push(part);
    return wait;
  }

  #reserve(length: number): void {
    if (length <= this.#buffer.length) return;
    const longer = new Uint8Array(Math.max(length, this.#buffer.length * 2));
    longer.set(this.#buffer.subarray(0, this.#filled));
    this.#buffer = longer;
  }

  #flush(): Promise<void> | undefined {
    if (this.#filled === 0) return undefined;
    const open = this.#buffer.subarray(0, this.#filled);
    this.#filled = 0;
    this.#hash(open);
    if (this.#codec !== undefined && this.#codec.compressLater === undefined) {
      return this.#channel.push(this.#codec.compress(open));
    }
    // What is compressed elsewhere keeps its memory until that is done.
    const taken = this.#buffer;
    const compressed = this.#codec?.compressLater?.(open);
    const giveBack = (): void => void this.#spare.push(taken);
    compressed?.then(giveBack, giveBack);
    this.#buffer = this.#spare.pop() ?? new Uint8Array(taken.length);
    return this.#channel.push(compressed ?? open, open.length);
  }

  #hash(open: Uint8Array): void {
    this.#openHasher.update(open);
    this.#openBytes += open.length;
    this.#stream?.update(open);
  }

  /** Resolves with the record for repomd.xml when the document is durable. */
  end(): Promise<RepomdRecord> {
    try {
      this.#flush();
      if (this.#stream !== undefined) this.#channel.push(this.#stream.tail());
    } catch {
      // The store has failed: `done` says so.
    }
    this.#channel.close();
    return this.#done;
  }

  /** Gives up: the store keeps nothing of this document. */
  async abort(reason: unknown): Promise<void> {
    this.#channel.fail(reason);
    await this.#done.catch(() => undefined);
  }

  async #run(store: RepositoryStore, type: string, fileName: string, options: DocumentOptions): Promise<RepomdRecord> {
    const { checksum, compression, compressionLevel, signal } = options;
    const hasher = createHasher(checksum);
    const name = compression === 'none' ? fileName : `${fileName}.${compression}`;
    const compressed =
      compression === 'none' || this.#codec !== undefined
        ? this.#channel
        : compress(this.#channel, { type: codecNames[compression], level: compressionLevel, signal });
    let sizeBytes = 0;
    let hex = '';
    const counted = async function* (): AsyncGenerator<Uint8Array, void, void> {
      for await (const chunk of joined(compressed)) {
        hasher.update(chunk);
        sizeBytes += chunk.length;
        yield chunk;
      }
      hex = hasher.digest();
    };
    let location = '';
    const path = (): string => {
      location = `repodata/${options.plainNames === true ? '' : `${hex}-`}${name}`;
      return location;
    };
    const cache = options.plainNames === true ? 'revalidate' : 'immutable';
    await store.write(path, counted(), { cache, ...(signal === undefined ? {} : { signal }) });
    const record: RepomdRecord = {
      type,
      location,
      checksum: { algorithm: checksum, hex },
      timestamp: options.timestamp,
      sizeBytes,
    };
    if (compression === 'none') return record;
    return {
      ...record,
      openChecksum: { algorithm: checksum, hex: this.#openHasher.digest() },
      openSizeBytes: this.#openBytes,
    };
  }
}

/** Short chunks together: a store is asked less often. */
async function* joined(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    length += chunk.length;
    if (length < joinBytes) continue;
    yield concatenated(parts, length);
    parts = [];
    length = 0;
  }
  if (length > 0) yield concatenated(parts, length);
}

const waterMarkBytes = 4 * 1024 * 1024;

/** A queue with an end: one side pushes and waits for room, the other side iterates. What is still to come is waited for. */
class Channel implements AsyncIterable<Uint8Array> {
  #queue: (Uint8Array | Promise<Uint8Array>)[] = [];
  #queuedBytes = 0;
  #closed = false;
  #failure: { readonly reason: unknown } | undefined;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  push(chunk: Uint8Array): Promise<void> | undefined;
  push(chunk: Uint8Array | Promise<Uint8Array>, weight: number): Promise<void> | undefined;
  push(
    chunk: Uint8Array | Promise<Uint8Array>,
    weight: number = (chunk as Uint8Array).length,
  ): Promise<void> | undefined {
    // Whoever iterates meets a failure; until then nobody has asked.
    if (chunk instanceof Promise) chunk.catch(() => undefined);
    if (this.#failure !== undefined) throw this.#failure.reason;
    this.#queue.push(chunk);
    this.#queuedBytes += weight;
    this.#wake();
    if (this.#queuedBytes < waterMarkBytes) return undefined;
    return new Promise<void>((resolve) => {
      this.#wakeWriter = resolve;
    }).then(() => {
      if (this.#failure !== undefined) throw this.#failure.reason;
    });
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  fail(reason: unknown): void {
    this.#failure ??= { reason };
    this.#wake();
    this.#wakeWriter?.();
    this.#wakeWriter = undefined;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.reason;
      if (this.#queue.length > 0) {
        const chunks = this.#queue;
        this.#queue = [];
        this.#queuedBytes = 0;
        this.#wakeWriter?.();
        this.#wakeWriter = undefined;
        for (const chunk of chunks) yield await chunk;
      } else if (this.#closed) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve;
        });
      }
    }
  }

  #wake(): void {
    this.#wakeReader?.();
    this.#wakeReader = undefined;
  }
}
