/**
 * One Zstandard block: literals, then sequences of (literals to copy, match length, offset back).
 *
 * Reference: RFC 8878, 3.1.1.2 to 3.1.1.5
 */
import {
  bitsBefore,
  FseTable,
  type HuffmanTable,
  readFseTable,
  readHuffmanTable,
  singleSymbolTable,
} from './codec-zstd-entropy.js';
import { newZstdKernel, type SequenceTables, type ZstdKernel } from './zstd-kernel.js';

/** Most bytes of a block, compressed and not. */
export const MAX_BLOCK_BYTES = 131_072;

// Bits are read four bytes at a time, from up to 8 bytes before to 3 behind the block: the margins keep that inside.
const margin = 16;
/** Below this length a loop beats a call of `set` or `copyWithin`. */
const shortCopy = 48;
/** Loops copy up to 32 bytes at a time and may write behind the end: room for them. */
const overrun = 32;
const scratchBytes = MAX_BLOCK_BYTES + 2 * margin;
const literalsBytes = MAX_BLOCK_BYTES + overrun;

/**
 * What blocks of a frame share: the output so far, the last offsets, the last tables. One memory holds the block at hand, its
 * literals and the output, in this order: that of the kernel, where there is one.
 *
 * What a block opens to is a view of that memory, good until the next block.
 */
export class ZstdBlocks {
  readonly #kernel: ZstdKernel | undefined = newZstdKernel();
  /** Where the block at hand begins in memory, margin included. */
  readonly #base: number = this.#kernel?.start ?? 0;
  readonly #windowBytes: number;
  #scratch: Uint8Array;
  #view: DataView;
  #literals: Uint8Array;
  #literalsView: DataView;
  /** The window, and behind it what was decoded since it last moved. */
  #out: Uint8Array;
  #outView: DataView;
  #position = 0;
  #offsets: [number, number, number] = [1, 4, 8];
  #huffman: HuffmanTable | undefined;
  #literalLengths: FseTable | undefined;
  #matchLengths: FseTable | undefined;
  #offsetCodes: FseTable | undefined;

  constructor(windowBytes: number) {
    this.#windowBytes = windowBytes;
    const start = this.#base + scratchBytes + literalsBytes;
    const buffer = this.#kernel?.reserve(start) ?? new ArrayBuffer(start);
    [this.#scratch, this.#literals, this.#out] = this.#parts(buffer, 0);
    [this.#view, this.#literalsView, this.#outView] = [this.#scratch, this.#literals, this.#out].map(viewOf) as [
      DataView,
      DataView,
      DataView,
    ];
  }

  #parts(buffer: ArrayBuffer, outBytes: number): [scratch: Uint8Array, literals: Uint8Array, out: Uint8Array] {
    const literals = this.#base + scratchBytes;
    return [
      new Uint8Array(buffer, this.#base, scratchBytes),
      new Uint8Array(buffer, literals, literalsBytes),
      new Uint8Array(buffer, literals + literalsBytes, outBytes),
    ];
  }

  /** A stored block. */
  raw(bytes: Uint8Array): Uint8Array {
    this.#reserve(bytes.length);
    this.#out.set(bytes, this.#position);
    this.#position += bytes.length;
    return this.#out.subarray(this.#position - bytes.length, this.#position);
  }

  /** A block of one byte repeated. */
  run(byte: number, length: number): Uint8Array {
    this.#reserve(length);
    this.#out.fill(byte, this.#position, this.#position + length);
    this.#position += length;
    return this.#out.subarray(this.#position - length, this.#position);
  }

  /** A compressed block. Throws plain errors: the caller knows the offset. */
  compressed(block: Uint8Array): Uint8Array {
    this.#reserve(MAX_BLOCK_BYTES);
    const start = this.#position;
    this.#scratch.set(block, margin);
    // What an earlier block left behind must not look like data.
    this.#scratch.fill(0, margin + block.length, margin + block.length + margin);
    const end = margin + block.length;
    const literals = this.#readLiterals(margin, end);
    this.#runSequences(literals.next, end, literals.count);
    return this.#out.subarray(start, this.#position);
  }

  /** Room for `length` more bytes: grows up to twice the window, then moves the window to the front. */
  #reserve(length: number): void {
    const needed = this.#position + length + overrun;
    if (needed <= this.#out.length) return;
    const most = 2 * Math.max(this.#windowBytes, MAX_BLOCK_BYTES) + MAX_BLOCK_BYTES + overrun;
    if (needed <= most) {
      this.#grow(Math.min(most, Math.max(needed, 2 * this.#out.length, 1 << 20)));
      return;
    }
    this.#out.copyWithin(0, this.#position - this.#windowBytes, this.#position);
    this.#position = this.#windowBytes;
  }

  /** Makes the output so long. The kernel's memory grows in place. */
  #grow(outBytes: number): void {
    const before = [this.#scratch, this.#literals, this.#out.subarray(0, this.#position)] as const;
    const bytes = this.#base + scratchBytes + literalsBytes + outBytes;
    const buffer = this.#kernel?.reserve(bytes) ?? new ArrayBuffer(bytes);
    const parts = this.#parts(buffer, outBytes);
    if (this.#kernel === undefined) for (const [at, part] of parts.entries()) part.set(before[at] as Uint8Array);
    [this.#scratch, this.#literals, this.#out] = parts;
    [this.#view, this.#literalsView, this.#outView] = parts.map(viewOf) as [DataView, DataView, DataView];
  }

  #readLiterals(start: number, end: number): { readonly count: number; readonly next: number } {
    const bytes = this.#scratch;
    const b0 = bytes[start]!;
    const kind = b0 & 3;
    const format = (b0 >> 2) & 3;
    const word = this.#view.getUint32(start, true);
    if (kind < 2) {
      const headBytes = format === 1 ? 2 : format === 3 ? 3 : 1;
      const count = format === 1 ? (word >>> 4) & 0xfff : format === 3 ? (word >>> 4) & 0xfffff : b0 >> 3;
      const from = start + headBytes;
      const next = from + (kind === 0 ? count : 1);
      if (count > MAX_BLOCK_BYTES || next > end) throw new Error('literals that end behind the block');
      if (kind === 0) this.#literals.set(bytes.subarray(from, next));
      else this.#literals.fill(bytes[from]!, 0, count);
      return { count, next };
    }
    const sizeBits = format < 2 ? 10 : format === 2 ? 14 : 18;
    const headBytes = format < 2 ? 3 : format === 2 ? 4 : 5;
    const mask = (1 << sizeBits) - 1;
    const count = (word >>> 4) & mask;
    const high = this.#view.getUint32(start + 1, true);
    // 4 + sizeBits bits in, at most 40 in all: too many for one 32-bit word.
    const compressedBytes = (format === 3 ? high >>> 14 : word >>> (4 + sizeBits)) & mask;
    let from = start + headBytes;
    const next = from + compressedBytes;
    if (count > MAX_BLOCK_BYTES || next > end) throw new Error('literals that end behind the block');
    if (kind === 2) {
      const described = readHuffmanTable(bytes, from, next);
      this.#huffman = described.table;
      from = described.next;
    }
    const table = this.#huffman;
    if (table === undefined) throw new Error('literals without a Huffman table');
    const literalsAt = this.#base + scratchBytes;
    const address = (place: number): number => this.#base + place;
    if (format === 0) {
      if (this.#kernel?.huffman(table, [address(from)], address(next), literalsAt, literalsAt + count) !== true) {
        this.#readHuffman(table, from, next, 0, count);
      }
      return { count, next };
    }
    if (next - from < 10) throw new Error('four streams in too few bytes');
    const quarter = (count + 3) >> 2;
    if (3 * quarter > count) throw new Error('four streams of too few literals');
    const starts = [from + 6];
    for (let stream = 0; stream < 3; stream++) {
      starts.push(starts[stream]! + this.#view.getUint16(from + 2 * stream, true));
    }
    const known = starts[3]! <= next;
    if (
      known &&
      this.#kernel?.huffman(table, starts.map(address), address(next), literalsAt, literalsAt + count) === true
    ) {
      return { count, next };
    }
    for (const [stream, start] of starts.entries()) {
      const end = starts[stream + 1] ?? next;
      if (end > next) throw new Error('a stream that ends behind the literals');
      this.#readHuffman(table, start, end, stream * quarter, stream === 3 ? count : (stream + 1) * quarter);
    }
    return { count, next };
  }

  /** One Huffman stream, read from its end to its start. */
  #readHuffman(table: HuffmanTable, start: number, end: number, from: number, to: number): void {
    const { log, entries } = table;
    const view = this.#view;
    const literals = this.#literals;
    const mask = (1 << log) - 1;
    let position = bitsBefore(this.#scratch, start, end);
    const first = start * 8;
    let at = from;
    // Two symbols of at most 11 bits from each word of at least 25.
    for (const last = to - 1; at < last; at += 2) {
      const byte = ((position + 7) >> 3) - 4;
      const word = view.getUint32(byte, true);
      const left = position - byte * 8;
      const one = entries[(left >= log ? word >>> (left - log) : word << (log - left)) & mask]!;
      const rest = left - (one >> 8);
      const two = entries[(word >>> (rest - log)) & mask]!;
      literals[at] = one;
      literals[at + 1] = two;
      position -= (one >> 8) + (two >> 8);
      if (position < first) throw new Error('a Huffman stream that ends early');
    }
    if (at < to) {
      const byte = ((position + 7) >> 3) - 4;
      const one = entries[(view.getUint32(byte, true) >>> (position - byte * 8 - log)) & mask]!;
      literals[at] = one;
      position -= one >> 8;
    }
    if (position !== first) throw new Error('a Huffman stream of another length than its literals');
  }

  #readTable(
    mode: number,
    kind: SequenceCode,
    previous: FseTable | undefined,
    start: number,
    end: number,
  ): { readonly table: FseTable; readonly next: number } {
    switch (mode) {
      case 0:
        return { table: kind.predefined, next: start };
      case 1: {
        const symbol = this.#scratch[start]!;
        if (start >= end || symbol > kind.maxSymbol) throw new Error('a code that does not exist');
        return { table: singleSymbolTable(symbol), next: start + 1 };
      }
      case 2:
        return readFseTable(this.#scratch, start, end, kind.maxLog, kind.maxSymbol);
      default:
        if (previous === undefined) throw new Error('a table repeated before it was given');
        return { table: previous, next: start };
    }
  }

  #runSequences(start: number, end: number, literalCount: number): void {
    const bytes = this.#scratch;
    if (start >= end) throw new Error('a block without sequences');
    const b0 = bytes[start]!;
    let next = start + 1;
    let count = b0;
    if (b0 === 255) {
      count = bytes[next]! + (bytes[next + 1]! << 8) + 0x7f00;
      next += 2;
    } else if (b0 >= 128) {
      count = ((b0 - 128) << 8) + bytes[next]!;
      next += 1;
    }
    if (count === 0) {
      if (next !== end) throw new Error('bytes behind a block of literals');
      this.#appendLiterals(0, literalCount);
      return;
    }
    const modes = bytes[next++]!;
    if (next > end || (modes & 3) !== 0) throw new Error('reserved bits in the table modes');
    const lengths = this.#readTable(modes >> 6, literalLengthCode, this.#literalLengths, next, end);
    const offsets = this.#readTable((modes >> 4) & 3, offsetCode, this.#offsetCodes, lengths.next, end);
    const matches = this.#readTable((modes >> 2) & 3, matchLengthCode, this.#matchLengths, offsets.next, end);
    this.#literalLengths = lengths.table;
    this.#offsetCodes = offsets.table;
    this.#matchLengths = matches.table;
    const used =
      this.#kernelSequences(count, [lengths.table, offsets.table, matches.table], matches.next, end, literalCount) ??
      this.#copySequences(count, matches.next, end, literalCount);
    this.#appendLiterals(used, literalCount);
  }

  /** Undefined without a kernel, and where it met a fault: then nothing has changed but bytes behind the output. */
  #kernelSequences(
    count: number,
    tables: SequenceTables,
    start: number,
    end: number,
    literalCount: number,
  ): number | undefined {
    const kernel = this.#kernel;
    if (kernel === undefined) return undefined;
    const literals = this.#base + scratchBytes;
    const out = literals + literalsBytes;
    kernel.offsets = this.#offsets;
    const done = kernel.sequences(
      count,
      tables,
      { start: this.#base + start, end: this.#base + end },
      { start: literals, count: literalCount },
      {
        start: out + this.#position,
        limit: out + this.#position + MAX_BLOCK_BYTES,
        windowStart: out + Math.max(0, this.#position - this.#windowBytes),
      },
    );
    if (done === undefined) return undefined;
    this.#offsets = kernel.offsets;
    this.#position = done.position - out;
    return done.used;
  }

  /** All sequences; returns how many literals they used. The one hot loop of the decoder, hence its length. */
  #copySequences(count: number, start: number, end: number, literalCount: number): number {
    const view = this.#view;
    const literals = this.#literals;
    const literalsView = this.#literalsView;
    const out = this.#out;
    const outView = this.#outView;
    const { symbols: llSymbols, bits: llBits, bases: llBases } = this.#literalLengths!.states;
    const { symbols: ofSymbols, bits: ofBits, bases: ofBases } = this.#offsetCodes!.states;
    const { symbols: mlSymbols, bits: mlBits, bases: mlBases } = this.#matchLengths!.states;
    const [llLog, ofLog, mlLog] = [this.#literalLengths!.log, this.#offsetCodes!.log, this.#matchLengths!.log];
    const { bases: llStarts, bits: llExtra } = literalLengthCode;
    const { bases: mlStarts, bits: mlExtra } = matchLengthCode;
    const first = start * 8;
    const limit = this.#position + MAX_BLOCK_BYTES;
    const windowStart = Math.max(0, this.#position - this.#windowBytes);
    let [offset1, offset2, offset3] = this.#offsets;
    let bit = bitsBefore(this.#scratch, start, end) - llLog;
    let ll = bit < first ? 0 : (view.getUint32(bit >> 3, true) >>> (bit & 7)) & ((1 << llLog) - 1);
    bit -= ofLog;
    let of = bit < first ? 0 : (view.getUint32(bit >> 3, true) >>> (bit & 7)) & ((1 << ofLog) - 1);
    bit -= mlLog;
    let ml = bit < first ? 0 : (view.getUint32(bit >> 3, true) >>> (bit & 7)) & ((1 << mlLog) - 1);
    if (bit < first) throw new Error('sequences that end early');
    let position = this.#position;
    let used = 0;

    for (let sequence = 0; sequence < count; sequence++) {
      const ofCode = ofSymbols[of]!;
      let offset: number;
      // A word holds 25 bits at any bit position.
      if (ofCode <= 25) {
        bit -= ofCode;
        if (bit < first) throw new Error('sequences that end early');
        offset = (1 << ofCode) + ((view.getUint32(bit >> 3, true) >>> (bit & 7)) & ((1 << ofCode) - 1));
      } else {
        bit -= ofCode;
        if (bit < first) throw new Error('sequences that end early');
        const low = (view.getUint32(bit >> 3, true) >>> (bit & 7)) & 0xffff;
        const upper = bit + 16;
        const high = (view.getUint32(upper >> 3, true) >>> (upper & 7)) & ((1 << (ofCode - 16)) - 1);
        offset = 2 ** ofCode + high * 0x10000 + low;
      }
      const mlCode = mlSymbols[ml]!;
      const mlWidth = mlExtra[mlCode]!;
      const llCode = llSymbols[ll]!;
      const llWidth = llExtra[llCode]!;
      bit -= mlWidth;
      let matchLength = mlStarts[mlCode]!;
      if (mlWidth > 0) matchLength += (view.getUint32(bit >> 3, true) >>> (bit & 7)) & ((1 << mlWidth) - 1);
      bit -= llWidth;
      let literalLength = llStarts[llCode]!;
      if (llWidth > 0) literalLength += (view.getUint32(bit >> 3, true) >>> (bit & 7)) & ((1 << llWidth) - 1);
      if (bit < first) throw new Error('sequences that end early');

      if (offset > 3) {
        offset -= 3;
        offset3 = offset2;
        offset2 = offset1;
        offset1 = offset;
      } else {
        // 1 to 3: an offset used before; without literals the first is of no use, and 3 means the first less one.
        const which = literalLength === 0 ? offset : offset - 1;
        if (which === 0) {
          offset = offset1;
        } else {
          offset = which === 1 ? offset2 : which === 2 ? offset3 : offset1 - 1;
          if (which !== 1) offset3 = offset2;
          offset2 = offset1;
          offset1 = offset;
        }
      }

      const literalEnd = used + literalLength;
      const matchEnd = position + literalLength + matchLength;
      if (literalEnd > literalCount) throw new Error('sequences that use more literals than there are');
      if (matchEnd > limit) throw new Error('a block of more than 128 KiB');
      if (literalLength < shortCopy) {
        for (let i = 0; i < literalLength; i += 4) {
          outView.setUint32(position + i, literalsView.getUint32(used + i, true), true);
        }
      } else {
        out.set(literals.subarray(used, literalEnd), position);
      }
      position += literalLength;
      used = literalEnd;
      let from = position - offset;
      if (offset === 0 || from < windowStart) throw new Error('a match before the window');
      if (offset < 4) {
        while (position < matchEnd) out[position++] = out[from++]!;
      } else if (matchLength < shortCopy || offset < matchLength) {
        for (; position < matchEnd; position += 4, from += 4) {
          outView.setUint32(position, outView.getUint32(from, true), true);
        }
      } else {
        out.copyWithin(position, from, from + matchLength);
      }
      position = matchEnd;

      if (sequence + 1 === count) break;
      let width = llBits[ll]!;
      bit -= width;
      ll = llBases[ll]! + ((view.getUint32(bit >> 3, true) >>> (bit & 7)) & ((1 << width) - 1));
      width = mlBits[ml]!;
      bit -= width;
      ml = mlBases[ml]! + ((view.getUint32(bit >> 3, true) >>> (bit & 7)) & ((1 << width) - 1));
      width = ofBits[of]!;
      bit -= width;
      of = ofBases[of]! + ((view.getUint32(bit >> 3, true) >>> (bit & 7)) & ((1 << width) - 1));
      if (bit < first) throw new Error('sequences that end early');
    }
    if (bit !== first) throw new Error('bits behind the last sequence');
    this.#offsets = [offset1, offset2, offset3];
    this.#position = position;
    return used;
  }

  #appendLiterals(from: number, to: number): void {
    if (this.#position + to - from > this.#out.length - overrun) throw new Error('a block of more than 128 KiB');
    this.#out.set(this.#literals.subarray(from, to), this.#position);
    this.#position += to - from;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A code of sequences: where each symbol's values begin, and how many extra bits choose among them. */
interface SequenceCode {
  readonly bases: Uint32Array;
  readonly bits: Uint8Array;
  readonly maxSymbol: number;
  readonly maxLog: number;
  readonly predefined: FseTable;
}

function sequenceCode(first: number, bits: readonly number[], maxLog: number, predefined: FseTable): SequenceCode {
  const bases = new Uint32Array(bits.length);
  let base = first;
  for (const [symbol, width] of bits.entries()) {
    bases[symbol] = base;
    base += 2 ** width;
  }
  return { bases, bits: Uint8Array.from(bits), maxSymbol: bits.length - 1, maxLog, predefined };
}

const zeros = (count: number): number[] => new Array<number>(count).fill(0);
const ones = (count: number): number[] => new Array<number>(count).fill(1);
const rare = (count: number): number[] => new Array<number>(count).fill(-1);
const twos = (count: number): number[] => new Array<number>(count).fill(2);

const literalLengthCode: SequenceCode = sequenceCode(
  0,
  [...zeros(16), 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
  9,
  new FseTable([4, 3, ...twos(11), 1, 1, 1, ...twos(9), 3, 2, ...ones(5), ...rare(4)], 6),
);
const matchLengthCode: SequenceCode = sequenceCode(
  3,
  [...zeros(32), 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
  9,
  new FseTable([1, 4, 3, ...twos(6), ...ones(37), ...rare(7)], 6),
);
const offsetCode: SequenceCode = {
  bases: new Uint32Array(0),
  bits: new Uint8Array(0),
  maxSymbol: 31,
  maxLog: 8,
  predefined: new FseTable([...ones(6), 2, 2, 2, ...ones(15), ...rare(5)], 5),
};
