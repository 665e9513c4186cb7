/**
 * The WebAssembly kernel that makes blocks of deflate data: its memory, and the way of a block through it.
 *
 * It has no twin: two encoders of one level would make other bytes on other machines.
 *
 * Reference: RFC 1951
 */
import { wasm } from './deflate-encoder-wasm.js';
import { RpmError } from './errors.js';
import { wasmBytes } from './wasm-bytes.js';

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  base(): number;
  compress(from: number, size: number, to: number): number;
}

/** Bytes behind the input that the kernel clears and reads. */
const margin = 64;
/** No block of deflate data but the last is of less content. */
const blockBytes = 32_768;
const pageBytes = 65_536;

/** One memory, which grows with the longest input: that input, and behind it room for what it becomes. */
export class DeflateEncoder {
  readonly #exports: Exports;
  readonly #start: number;
  #memory: Uint8Array;

  constructor(exports: Exports) {
    this.#exports = exports;
    this.#memory = new Uint8Array(exports.memory.buffer);
    this.#start = exports.base();
  }

  /**
   * Raw deflate data that ends on a byte, with an empty stored block which is not the last, in memory of its own. The same bytes
   * give the same data.
   *
   * Throws RPM_NO_CODEC when there is no memory for it.
   */
  compress(open: Uint8Array): Uint8Array {
    const { length } = open;
    const from = this.#start;
    const to = from + length + margin;
    // What does not shrink is stored, with a head for each block.
    this.#reserve(to + length + 12 * (Math.ceil(length / blockBytes) + 1) + margin);
    const memory = this.#memory;
    memory.set(open, from);
    return memory.slice(to, this.#exports.compress(from, length, to));
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

let encoder: DeflateEncoder | undefined;

/** The encoder of this thread, made at the first call. Throws RPM_NO_CODEC where there can be none. */
export function deflateEncoder(): DeflateEncoder {
  try {
    if (encoder === undefined) {
      const module = new WebAssembly.Module(wasmBytes(wasm));
      encoder = new DeflateEncoder(new WebAssembly.Instance(module).exports as unknown as Exports);
    }
    return encoder;
  } catch (cause) {
    // No WebAssembly, no vectors in it, no memory, or a page that forbids it.
    throw noEncoder('it needs WebAssembly with vectors', cause);
  }
}

function noEncoder(reason: string, cause: unknown): RpmError {
  return new RpmError(
    { code: 'RPM_NO_CODEC', compressor: 'gzip', task: 'compress' },
    `no codec here to compress gzip: ${reason}`,
    { cause },
  );
}
