/**
 * What the WebAssembly kernels that compress have in common: how they are made, and memory that grows with the longest input.
 *
 * They have no twin: who has no WebAssembly can do without a level, but not with two encoders of it, whose bytes differ.
 */
import { RpmError } from './errors.js';
import { wasmBytes } from './wasm-bytes.js';

/** What such a kernel has besides. */
export interface EncoderExports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  /** Where memory begins that is the caller's. */
  base(): number;
}

const pageBytes = 65_536;

/** A kernel and its memory. */
export class EncoderKernel<Exports extends EncoderExports> {
  readonly exports: Exports;
  /** Where the input goes. */
  readonly start: number;
  readonly #compressor: 'gzip' | 'zstd';
  #memory: Uint8Array;

  /** Throws RPM_NO_CODEC: no WebAssembly, no vectors in it, no memory, or a page that forbids it. */
  constructor(wasm: string, compressor: 'gzip' | 'zstd') {
    this.#compressor = compressor;
    try {
      const module = new WebAssembly.Module(wasmBytes(wasm));
      this.exports = new WebAssembly.Instance(module).exports as unknown as Exports;
    } catch (cause) {
      throw noEncoder(compressor, 'it needs WebAssembly with vectors', cause);
    }
    this.#memory = new Uint8Array(this.exports.memory.buffer);
    this.start = this.exports.base();
  }

  /** Memory of at least so many bytes; what lies in it stays. Throws RPM_NO_CODEC when there is none to be had. */
  memory(bytes: number): Uint8Array {
    const { memory } = this.exports;
    const missing = bytes - this.#memory.length;
    if (missing <= 0) return this.#memory;
    try {
      memory.grow(Math.ceil(missing / pageBytes));
    } catch (cause) {
      throw noEncoder(this.#compressor, 'there is no memory for it', cause);
    }
    this.#memory = new Uint8Array(memory.buffer);
    return this.#memory;
  }
}

function noEncoder(compressor: string, reason: string, cause: unknown): RpmError {
  return new RpmError(
    { code: 'RPM_NO_CODEC', compressor, task: 'compress' },
    `no codec here to compress ${compressor}: ${reason}`,
    { cause },
  );
}
