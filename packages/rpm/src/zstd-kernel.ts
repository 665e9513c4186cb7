/**
 * The WebAssembly kernel that runs the loops of a Zstandard block: its memory, which holds the decoder's buffers.
 *
 * One for each decoder, since the window lives in it. It says no more than that there is a fault: then, and where there is no
 * WebAssembly, `codec-zstd-block.ts` runs the same loops over the same memory.
 */
import type { FseTable, HuffmanTable } from './codec-zstd-entropy.js';
import { wasmBytes } from './wasm-bytes.js';
import { wasm } from './zstd-block-wasm.js';

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  base(): number;
  stateAt(): number;
  countsAt(): number;
  oneStream(entries: number, log: number, start: number, end: number, to: number, toEnd: number): number;
  fourStreams(
    entries: number,
    log: number,
    start1: number,
    start2: number,
    start3: number,
    start4: number,
    end: number,
    to: number,
    quarter: number,
    toEnd: number,
  ): number;
  sequenceTable(table: number, log: number, count: number, kind: number): void;
  sequences(
    count: number,
    start: number,
    end: number,
    literals: number,
    literalCount: number,
    out: number,
    limit: number,
    windowStart: number,
    llTable: number,
    llLog: number,
    ofTable: number,
    ofLog: number,
    mlTable: number,
    mlLog: number,
  ): number;
}

/** The tables of sequences, in the order in which a block gives them. */
export type SequenceTables = readonly [literalLengths: FseTable, offsets: FseTable, matchLengths: FseTable];

const pageBytes = 65_536;
const huffmanBytes = 4096;
const sequenceTableBytes = 4096;

/** Decoding loops over one memory. */
export class ZstdKernel {
  /** Where the decoder's own buffers begin in the memory. */
  readonly start: number;
  readonly #exports: Exports;
  readonly #tables: number;
  readonly #laid: (FseTable | HuffmanTable | undefined)[] = [];

  constructor(exports: Exports) {
    this.#exports = exports;
    this.#tables = exports.base();
    this.start = this.#tables + huffmanBytes + 3 * sequenceTableBytes;
    this.reserve(this.start);
    this.offsets = [1, 4, 8];
  }

  /** The memory, after it has grown to at least so many bytes. Views of what it was before are of no use any more. */
  reserve(bytes: number): ArrayBuffer {
    const { memory } = this.#exports;
    const missing = bytes - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / pageBytes));
    return memory.buffer;
  }

  get offsets(): [number, number, number] {
    const state = this.#state();
    return [state[0] as number, state[1] as number, state[2] as number];
  }

  set offsets(offsets: readonly [number, number, number]) {
    this.#state().set(offsets);
  }

  /**
   * Literals of one stream, or of four, which begin at `starts`; the last ends at `end`. False when they have a fault. All places
   * are addresses.
   */
  huffman(table: HuffmanTable, starts: readonly number[], end: number, to: number, toEnd: number): boolean {
    if (this.#laid[3] !== table) {
      new Uint16Array(this.#exports.memory.buffer, this.#tables, table.entries.length).set(table.entries);
      this.#laid[3] = table;
    }
    const [first, second, third, fourth] = starts as [number, number, number, number];
    const { oneStream, fourStreams } = this.#exports;
    const quarter = (toEnd - to + 3) >> 2;
    const fault =
      starts.length === 1
        ? oneStream(this.#tables, table.log, first, end, to, toEnd)
        : fourStreams(this.#tables, table.log, first, second, third, fourth, end, to, quarter, toEnd);
    return fault === 0;
  }

  /** All sequences of a block. Undefined when they have a fault; else the literals used, and where the output then ends. */
  sequences(
    count: number,
    tables: SequenceTables,
    input: { readonly start: number; readonly end: number },
    literals: { readonly start: number; readonly count: number },
    output: { readonly start: number; readonly limit: number; readonly windowStart: number },
  ): { readonly used: number; readonly position: number } | undefined {
    const [ll, of, ml] = tables.map((table, at) => this.#lay(table, at)) as [number, number, number];
    const used = this.#exports.sequences(
      count,
      input.start,
      input.end,
      literals.start,
      literals.count,
      output.start,
      output.limit,
      output.windowStart,
      ll,
      tables[0].log,
      of,
      tables[1].log,
      ml,
      tables[2].log,
    );
    return used < 0 ? undefined : { used, position: this.#state()[3] as number };
  }

  #lay(table: FseTable, at: number): number {
    const address = this.#tables + huffmanBytes + at * sequenceTableBytes;
    if (this.#laid[at] === table) return address;
    const { probabilities, log } = table;
    new Int16Array(this.#exports.memory.buffer, this.#exports.countsAt()).set(probabilities);
    this.#exports.sequenceTable(address, log, probabilities.length, at);
    this.#laid[at] = table;
    return address;
  }

  #state(): Uint32Array {
    return new Uint32Array(this.#exports.memory.buffer, this.#exports.stateAt(), 4);
  }
}

let module: WebAssembly.Module | undefined;

/** A kernel with a memory of its own; undefined where there can be none. */
export function newZstdKernel(): ZstdKernel | undefined {
  try {
    module ??= new WebAssembly.Module(wasmBytes(wasm));
    return new ZstdKernel(new WebAssembly.Instance(module).exports as unknown as Exports);
  } catch {
    // No WebAssembly, no vectors in it, no address space for one more, or a page that forbids it.
    return undefined;
  }
}
