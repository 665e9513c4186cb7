/**
 * Bytes of a file on disk.
 *
 * Reference: node:fs
 */
import { closeSync, fstatSync, openSync, read, readSync } from 'node:fs';
import { type Abortable, type ByteSource, checkRange } from './byte-source.js';
import { RpmError } from './errors.js';

/** A source that holds a file open: close it, or declare it with `using`. */
export interface FileSource extends ByteSource, Disposable {
  readonly sizeBytes: number;
  /** Closes the file. Later reads throw RPM_SOURCE_FAILED; closing twice does nothing. */
  close(): void;
}

// A thread switch costs fifteen times what a short read from the page cache does, so those are made at once, 64 KiB
// ahead: a package's three header reads become one or two system calls.
const windowBytes = 64 * 1024;
const shortReadBytes = 32 * 1024;

/**
 * Opens a file. Reads of up to 32 KiB are synchronous, longer ones run on Node's thread pool.
 *
 * Throws RPM_SOURCE_FAILED with the operating system's error as `cause`.
 */
export function fileSource(path: string): FileSource {
  return openFile(path);
}

/** @internal `fileSource` with what only this package uses. */
export function openFile(path: string): OpenFile {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) throw new Error('not a regular file');
    return new OpenFile(path, descriptor, stat.size);
  } catch (cause) {
    if (descriptor !== undefined) closeSync(descriptor);
    throw failed(path, 'a file that can be read', cause);
  }
}

/** Where `peek` puts what it reads: one place for all files, so that opening many packages does not fill memory. */
const peeked: Uint8Array = new Uint8Array(windowBytes);

/** @internal */
export class OpenFile implements FileSource {
  readonly sizeBytes: number;
  readonly #path: string;
  #descriptor: number | undefined;
  #windowStart = 0;
  #window: Uint8Array = new Uint8Array(0);

  constructor(path: string, descriptor: number, sizeBytes: number) {
    this.#path = path;
    this.#descriptor = descriptor;
    this.sizeBytes = sizeBytes;
  }

  async read(offset: number, length: number, options?: Abortable): Promise<Uint8Array> {
    options?.signal?.throwIfAborted();
    checkRange(offset, length);
    const descriptor = this.#descriptor;
    if (descriptor === undefined) throw failed(this.#path, 'an open file', new Error('closed'));
    // The size bounds the allocation: a length may come from a hostile header.
    const wanted = Math.min(length, Math.max(0, this.sizeBytes - offset));
    if (wanted === 0) return new Uint8Array(0);
    const start = offset - this.#windowStart;
    if (start >= 0 && start + wanted <= this.#window.length) return this.#window.subarray(start, start + wanted);
    if (wanted <= shortReadBytes) {
      // A window of its own each time: views of the last one may still be in use.
      this.#window = this.#readNow(descriptor, offset, Math.min(windowBytes, this.sizeBytes - offset));
      this.#windowStart = offset;
      return this.#window.subarray(0, wanted);
    }
    return this.#readLater(descriptor, offset, wanted);
  }

  /** The first 64 KiB, or all of a shorter file, in memory that the next call for any file overwrites. */
  peek(): Uint8Array {
    if (this.#descriptor === undefined) throw failed(this.#path, 'an open file', new Error('closed'));
    try {
      return peeked.subarray(0, readSync(this.#descriptor, peeked, 0, windowBytes, 0));
    } catch (cause) {
      throw failed(this.#path, 'the first bytes', cause);
    }
  }

  close(): void {
    if (this.#descriptor === undefined) return;
    closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #readNow(descriptor: number, offset: number, length: number): Uint8Array {
    // Not zeroed first: every byte that is handed out has been read.
    const bytes = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    try {
      while (filled < length) {
        const got = readSync(descriptor, bytes, filled, length - filled, offset + filled);
        if (got === 0) break;
        filled += got;
      }
    } catch (cause) {
      throw failed(this.#path, `${length} bytes from offset ${offset}`, cause);
    }
    return new Uint8Array(bytes.buffer, bytes.byteOffset, filled);
  }

  async #readLater(descriptor: number, offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    while (filled < length) {
      const got = await new Promise<number>((resolve, reject) => {
        read(descriptor, bytes, filled, length - filled, offset + filled, (cause, count) => {
          if (cause) reject(failed(this.#path, `${length} bytes from offset ${offset}`, cause));
          else resolve(count);
        });
      });
      if (got === 0) break;
      filled += got;
    }
    return new Uint8Array(bytes.buffer, bytes.byteOffset, filled);
  }
}

function failed(path: string, wanted: string, cause: unknown): RpmError {
  const found = cause instanceof Error ? cause.message : 'an unknown failure';
  return new RpmError(
    { code: 'RPM_SOURCE_FAILED', source: path, wanted, found },
    `${path}: ${wanted} wanted: ${found}`,
    { cause },
  );
}
