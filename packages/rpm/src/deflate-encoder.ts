/**
 * The WebAssembly kernel that makes blocks of deflate data: the way of a block through it.
 *
 * Reference: RFC 1951
 */
import { wasm } from './deflate-encoder-wasm.js';
import { type EncoderExports, EncoderKernel } from './encoder-kernel.js';

interface Exports extends EncoderExports {
  compress(from: number, size: number, to: number): number;
}

/** Bytes behind the input that the kernel clears and reads. */
const margin = 64;
/** No block of deflate data but the last is of less content. */
const blockBytes = 32_768;

/** One memory, which grows with the longest input: that input, and behind it room for what it becomes. */
export class DeflateEncoder {
  readonly #kernel = new EncoderKernel<Exports>(wasm, 'gzip');

  /**
   * Raw deflate data that ends on a byte, with an empty stored block which is not the last, in memory of its own. The same bytes
   * give the same data.
   *
   * Throws RPM_NO_CODEC when there is no memory for it.
   */
  compress(open: Uint8Array): Uint8Array {
    const { length } = open;
    const { exports, start: from } = this.#kernel;
    const to = from + length + margin;
    // What does not shrink is stored, with a head for each block.
    const memory = this.#kernel.memory(to + length + 12 * (Math.ceil(length / blockBytes) + 1) + margin);
    memory.set(open, from);
    return memory.slice(to, exports.compress(from, length, to));
  }
}

let encoder: DeflateEncoder | undefined;

/** The encoder of this thread, made at the first call. Throws RPM_NO_CODEC where there can be none. */
export function deflateEncoder(): DeflateEncoder {
  encoder ??= new DeflateEncoder();
  return encoder;
}
