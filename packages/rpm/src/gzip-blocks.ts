/**
 * The blocks of a gzip member that `blockCodec` made, which lies in memory: where each ends, and its content.
 *
 * By a WebAssembly kernel (`../kernel/deflate-block.ts`), which sees where a block ends as it opens it. There is no other way to tell
 * for sure: what looks like an end may be data.
 *
 * Reference: RFC 1951, 3.2.4; RFC 1952, 2.3
 */

import { wasm } from './deflate-block-wasm.js';
import { wasmBytes } from './wasm-bytes.js';

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  base(): number;
  stoppedAt(): number;
  open(start: number, end: number, out: number, room: number): number;
}

const headBytes = 10;
const tailBytes = 8;
const pageBytes = 65_536;
/** Bytes behind the input that the kernel may read, and behind the content that it may write over. */
const margin = 384;
const roomWanted = -2;
const memberEnd = -3;

/** Opens one block after the other. */
export class GzipBlockReader {
  readonly #stream: Uint8Array;
  readonly #maxOpenBytes: number;
  readonly #kernel: Exports;
  readonly #input: number;
  readonly #out: number;
  #room = 1 << 20;
  #offset = headBytes;

  /** Throws where there is no WebAssembly, or not enough memory. */
  constructor(stream: Uint8Array, maxOpenBytes: number) {
    this.#stream = stream;
    this.#maxOpenBytes = maxOpenBytes;
    module ??= new WebAssembly.Module(wasmBytes(wasm));
    this.#kernel = new WebAssembly.Instance(module).exports as unknown as Exports;
    this.#input = this.#kernel.base();
    this.#out = this.#input + stream.length + margin;
    this.#reserve();
    new Uint8Array(this.#kernel.memory.buffer, this.#input, stream.length).set(stream);
    const sound = [0x1f, 0x8b, 8, 0].every((byte, at) => stream[at] === byte);
    if (!sound || stream.length < headBytes + tailBytes) throw new Error('no gzip member without a name');
  }

  /** The next block, its content a view that is good until the next call; undefined at the end. Throws plain errors. */
  next(): { readonly stored: Uint8Array; readonly open: Uint8Array } | undefined {
    const end = this.#stream.length - tailBytes;
    const kernel = this.#kernel;
    for (;;) {
      const length = kernel.open(this.#input + this.#offset, this.#input + end, this.#out, this.#room);
      const offset = kernel.stoppedAt() - this.#input;
      if (length >= 0) {
        const stored = this.#stream.subarray(this.#offset, offset);
        this.#offset = offset;
        return { stored, open: new Uint8Array(kernel.memory.buffer, this.#out, length) };
      }
      if (length === memberEnd && offset === end) return undefined;
      if (length !== roomWanted || this.#room >= this.#maxOpenBytes) throw new Error('no block that ends by itself');
      this.#room *= 2;
      this.#reserve();
    }
  }

  #reserve(): void {
    const { memory } = this.#kernel;
    const missing = this.#out + this.#room + margin - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / pageBytes));
  }
}

let module: WebAssembly.Module | undefined;
