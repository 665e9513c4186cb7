/**
 * The WebAssembly kernel that makes frames of Zstandard: its memory, and the way of a frame through it.
 *
 * It has no twin: who has no WebAssembly can do without zstd, but not with two encoders of one level, whose bytes differ.
 *
 * Reference: RFC 8878, 3.1.1
 */
import { RpmError } from './errors.js';
import { wasmBytes } from './wasm-bytes.js';
import { wasm } from './zstd-encoder-wasm.js';

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  base(): number;
  beginFrame(from: number, size: number, to: number): number;
  writeBlock(from: number, size: number, isLast: number, to: number): number;
}

const blockBytes = 131_072;
/** What a block may write behind its place before it is cut to its length, and a header. */
const overrun = 524_288 + 64;
const pageBytes = 65_536;

/** One memory, which grows with the longest frame: that frame, and behind it room for what it becomes. */
export class ZstdEncoder {
  readonly #exports: Exports;
  readonly #start: number;
  #memory: Uint8Array;

  constructor(exports: Exports) {
    this.#exports = exports;
    this.#memory = new Uint8Array(exports.memory.buffer);
    this.#start = exports.base();
  }

  /**
   * One frame with its content size and no checksum, in memory of its own. The same bytes give the same frame.
   *
   * Throws RPM_NO_CODEC when there is no memory for it.
   */
  compress(open: Uint8Array): Uint8Array {
    const { beginFrame, writeBlock } = this.#exports;
    const { length } = open;
    const from = this.#start;
    const to = from + length + 64;
    // Three bytes of head for each block that does not shrink.
    this.#reserve(to + length + 3 * (length / blockBytes + 1) + overrun);
    const memory = this.#memory;
    let end = beginFrame(from, length, to);
    let at = 0;
    do {
      // Block by block, so that the kernel finds in the cache what is put there.
      const block = open.subarray(at, at + blockBytes);
      memory.set(block, from + at);
      end = writeBlock(from + at, block.length, at + blockBytes >= length ? 1 : 0, end);
      at += blockBytes;
    } while (at < length);
    return memory.slice(to, end);
  }

  #reserve(bytes: number): void {
    const { memory } = this.#exports;
    const missing = bytes - memory.buffer.byteLength;
    if (missing <= 0) return;
    try {
      memory.grow(Math.ceil(missing / pageBytes));
    } catch (cause) {
      throw noEncoder('there is no memory for it', cause);
    }
    this.#memory = new Uint8Array(memory.buffer);
  }
}

let encoder: ZstdEncoder | undefined;

/** The encoder of this thread, made at the first call. Throws RPM_NO_CODEC where there can be none. */
export function zstdEncoder(): ZstdEncoder {
  try {
    if (encoder === undefined) {
      const module = new WebAssembly.Module(wasmBytes(wasm));
      encoder = new ZstdEncoder(new WebAssembly.Instance(module).exports as unknown as Exports);
    }
    return encoder;
  } catch (cause) {
    // No WebAssembly, no vectors in it, no memory, or a page that forbids it.
    throw noEncoder('it needs WebAssembly with vectors', cause);
  }
}

function noEncoder(reason: string, cause: unknown): RpmError {
  return new RpmError(
    { code: 'RPM_NO_CODEC', compressor: 'zstd', task: 'compress' },
    `no codec here to compress zstd: ${reason}`,
    { cause },
  );
}
