/**
 * One document on its way into a store: hashed open, compressed, hashed again, named by its digest.
 *
 * Chunks are pushed; `write` waits while the compressor is behind, so that no more than a few chunks are in memory.
 */
import { type Abortable, compress, createHasher } from '@distrokit/rpm';
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

const joinBytes = 256 * 1024;

/** Writes one document. Use `write` any number of times, then `end`; or `abort`. */
export class DocumentWriter {
  readonly #channel = new Channel();
  readonly #openHasher: ReturnType<typeof createHasher>;
  readonly #done: Promise<RepomdRecord>;
  #openBytes = 0;
  #buffer = new Uint8Array(joinBytes);
  #joined = 0;

  /** `type` is the record's in repomd.xml; `fileName` comes without the ending of the compression. */
  constructor(store: RepositoryStore, type: string, fileName: string, options: DocumentOptions) {
    this.#openHasher = createHasher(options.checksum);
    this.#done = this.#run(store, type, fileName, options);
    // Whoever calls `end` or `write` hears of a failure; nobody else has to.
    this.#done.catch((error) => this.#channel.fail(error));
  }

  /** Resolves when there is room for the next chunk. The bytes are copied or hashed before this returns. */
  write(chunk: Uint8Array): Promise<void> | undefined {
    if (chunk.length === 0) return undefined;
    this.#openBytes += chunk.length;
    // Packages come in pieces of a few kilobytes: hashing and compressing each costs more in calls than in work.
    if (chunk.length > joinBytes - this.#joined) {
      const wait = this.#flush();
      if (chunk.length < joinBytes / 4) {
        this.#join(chunk);
        return wait;
      }
      this.#openHasher.update(chunk);
      return this.#channel.push(chunk.slice());
    }
    this.#join(chunk);
    return undefined;
  }

  #join(chunk: Uint8Array): void {
    this.#buffer.set(chunk, this.#joined);
    this.#joined += chunk.length;
  }

  #flush(): Promise<void> | undefined {
    if (this.#joined === 0) return undefined;
    const bytes = this.#buffer.subarray(0, this.#joined);
    this.#buffer = new Uint8Array(joinBytes);
    this.#joined = 0;
    this.#openHasher.update(bytes);
    return this.#channel.push(bytes);
  }

  /** Resolves with the record for repomd.xml when the document is durable. */
  end(): Promise<RepomdRecord> {
    this.#flush();
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
      compression === 'none'
        ? this.#channel
        : compress(this.#channel, { type: codecNames[compression], level: compressionLevel, signal });
    let sizeBytes = 0;
    let hex = '';
    const counted = async function* (): AsyncGenerator<Uint8Array, void, void> {
      for await (const chunk of compressed) {
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

const waterMarkBytes = 4 * 1024 * 1024;

/** A queue with an end: one side pushes and waits for room, the other side iterates. */
class Channel implements AsyncIterable<Uint8Array> {
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #closed = false;
  #failure: { readonly reason: unknown } | undefined;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  push(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure.reason;
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.length;
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
        for (const chunk of chunks) yield chunk;
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
