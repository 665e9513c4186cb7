/**
 * The bytes of a package file for one pass from its start to its end: synchronous reads of 256 KiB into one buffer.
 *
 * A read through Node's thread pool takes longer than the read itself, and a buffer of its own for every read spends more
 * time on fresh memory than on hashing. So buffers go back to a stock and are used again, for this file and the next ones.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { Abortable, ByteSource } from '@distrokit/rpm';

/** What is read at a time: with more, hashing would find it in main memory instead of the processor's own. */
const WINDOW_BYTES = 256 * 1024;
/** Reads after which other work of this process gets a turn: some 10 ms. */
const READS_IN_A_ROW = 64;
/** Buffers that are kept: more files than this at a time allocate anew. */
const KEPT_BUFFERS = 8;

const stock: Uint8Array[] = [];

/** An open package file. Close it in any case. */
export class PackageSource implements ByteSource {
  readonly sizeBytes: number;
  readonly #file: number;
  readonly #buffer: Uint8Array;
  #start = 0;
  #length = 0;
  #reads = 0;
  #passing = false;

  /** Throws what opening the file throws. */
  constructor(path: string) {
    this.#file = openSync(path, 'r');
    try {
      this.sizeBytes = fstatSync(this.#file).size;
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
    // Not zeroed first: only what was read is handed out.
    this.#buffer = stock.pop() ?? new Uint8Array(Buffer.allocUnsafeSlow(WINDOW_BYTES).buffer);
  }

  /** From now on a read gives a view of the buffer, good until the next read: the bytes are hashed and forgotten. */
  pass(): void {
    this.#passing = true;
  }

  async read(offset: number, length: number, options?: Abortable): Promise<Uint8Array> {
    options?.signal?.throwIfAborted();
    // The size is known: an absurd length from a hostile header does not become an absurd buffer.
    const wanted = Math.max(0, Math.min(length, this.sizeBytes - offset));
    if (wanted > this.#buffer.length) return this.#fill(new Uint8Array(wanted), 0, offset, wanted);
    const held = this.#start + this.#length - offset;
    if (offset < this.#start || held < wanted) {
      this.#reads++;
      if (this.#reads % READS_IN_A_ROW === 0) await new Promise((resolve) => setImmediate(resolve));
      // What is held already moves to the front: memory is faster than the file.
      const kept = offset >= this.#start && held > 0 ? held : 0;
      if (kept > 0) this.#buffer.copyWithin(0, this.#length - kept, this.#length);
      this.#start = offset;
      this.#length = this.#fill(this.#buffer, kept, offset, this.#buffer.length).length;
    }
    const at = offset - this.#start;
    const end = Math.min(at + wanted, this.#length);
    return this.#passing ? this.#buffer.subarray(at, end) : this.#buffer.slice(at, end);
  }

  close(): void {
    closeSync(this.#file);
    if (stock.length < KEPT_BUFFERS) stock.push(this.#buffer);
  }

  /** Reads the bytes from `offset` on into `target`, of which `done` are there. Fewer than `wanted` only at the end. */
  #fill(target: Uint8Array, done: number, offset: number, wanted: number): Uint8Array {
    let filled = done;
    while (filled < wanted) {
      const count = readSync(this.#file, target, filled, wanted - filled, offset + filled);
      if (count === 0) break;
      filled += count;
    }
    return target.subarray(0, filled);
  }
}
