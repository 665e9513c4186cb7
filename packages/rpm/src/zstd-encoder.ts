/**
 * The WebAssembly kernel that makes frames of Zstandard: the way of a frame through it.
 *
 * Reference: RFC 8878, 3.1.1
 */
import { type EncoderExports, EncoderKernel } from './encoder-kernel.js';
import { wasm } from './zstd-encoder-wasm.js';

interface Exports extends EncoderExports {
  beginFrame(from: number, size: number, to: number): number;
  writeBlock(from: number, size: number, isLast: number, to: number): number;
}

const blockBytes = 131_072;
/** What a block may write behind its place before it is cut to its length, and a header. */
const overrun = 524_288 + 64;

/** One memory, which grows with the longest frame: that frame, and behind it room for what it becomes. */
export class ZstdEncoder {
  readonly #kernel = new EncoderKernel<Exports>(wasm, 'zstd');

  /**
   * One frame with its content size and no checksum, in memory of its own. The same bytes give the same frame.
   *
   * Throws RPM_NO_CODEC when there is no memory for it.
   */
  compress(open: Uint8Array): Uint8Array {
    const { beginFrame, writeBlock } = this.#kernel.exports;
    const { length } = open;
    const from = this.#kernel.start;
    const to = from + length + 64;
    // Three bytes of head for each block that does not shrink.
    const memory = this.#kernel.memory(to + length + 3 * (length / blockBytes + 1) + overrun);
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
}

let encoder: ZstdEncoder | undefined;

/** The encoder of this thread, made at the first call. Throws RPM_NO_CODEC where there can be none. */
export function zstdEncoder(): ZstdEncoder {
  encoder ??= new ZstdEncoder();
  return encoder;
}
