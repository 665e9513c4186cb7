/**
 * Bytes of a file on disk.
 *
 * Reference: node:fs
 */
import { closeSync, constants, fstatSync, openSync, read, readSync } from 'node:fs';
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

/** A pipe in the place of a file would keep the opener waiting for somebody who writes into it. */
const readFlags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * Opens a file. Reads of up to 32 KiB are synchronous, longer ones run on Node's thread pool.
 *
 * Throws RPM_SOURCE_FAILED with the operating system's error as `cause`.
 */
export function fileSource(path: string): FileSource {
  const file = openFile(path);
  try {
    // Looked up now, so that a folder is refused here and not by the first read.
    void file.sizeBytes;
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/** @internal `fileSource` without a look at the size, for a caller that may not need it. */
export function openFile(path: string): OpenFile {
  try {
    return new OpenFile(path, openSync(path, readFlags));
  } catch (cause) {
    throw failed(path, 'a file that can be read', cause);
  }
}

const nothing = new Uint8Array(0);

/** @internal */
export class OpenFile implements FileSource {
  readonly #path: string;
  #descriptor: number | undefined;
  #sizeBytes: number | undefined;
  #windowStart = 0;
  #window: Uint8Array = nothing;

  constructor(path: string, descriptor: number) {
    this.#path = path;
    this.#descriptor = descriptor;
  }

  get sizeBytes(): number {
    this.#sizeBytes ??= this.#lookUpSize();
    return this.#sizeBytes;
  }

  async read(offset: number, length: number, options?: Abortable): Promise<Uint8Array> {
    options?.signal?.throwIfAborted();
    checkRange(offset, length);
    const descriptor = this.#open();
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

  /** Through the page cache of the thread that asks: a hand-over to Node's pool costs more than hashing what it brings. */
  readNow(into: Uint8Array, offset: number): number {
    const descriptor = this.#open();
    let filled = 0;
    try {
      while (filled < into.length) {
        const got = readSync(descriptor, into, filled, into.length - filled, offset + filled);
        if (got === 0) break;
        filled += got;
      }
    } catch (cause) {
      throw failed(this.#path, `${into.length} bytes from offset ${offset}`, cause);
    }
    return filled;
  }

  /** Reads the file from `from` to `to` into the same places of `into`; says where what was read ends. */
  readInto(into: Uint8Array, from: number, to: number): number {
    const descriptor = this.#open();
    let end = from;
    try {
      while (end < to) {
        const got = readSync(descriptor, into, end, to - end, end);
        end += got;
        // A short first read is nearly always a short file, and a second one would only say so.
        if (got === 0 || from === 0) break;
      }
    } catch (cause) {
      throw failed(this.#path, `${to - from} bytes from offset ${from}`, cause);
    }
    return end;
  }

  close(): void {
    if (this.#descriptor === undefined) return;
    closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #lookUpSize(): number {
    try {
      const stat = fstatSync(this.#open());
      if (!stat.isFile()) throw new Error('not a regular file');
      return stat.size;
    } catch (cause) {
      throw failed(this.#path, 'a file that can be read', cause);
    }
  }

  #open(): number {
    if (this.#descriptor === undefined) throw failed(this.#path, 'an open file', new Error('closed'));
    return this.#descriptor;
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
