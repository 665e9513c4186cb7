/**
 * Kernel (AssemblyScript): the content of a whole Zstandard frame that lies in memory, for which there is room.
 *
 * The loops are those of `zstd-block.ts`; here are the descriptions of blocks and tables. It says no more than that there is a
 * fault, or something that is allowed but that no encoder writes: then the TypeScript twin (`ZstdBlocks` in
 * ../src/codec-zstd-block.ts) decides.
 *
 * Reference: RFC 8878, 3.1.1.2 to 3.1.1.5, 4.1, 4.2
 */
import { base as blockBase, countsAt, fourStreams, oneStream, sequences, sequenceTable, stateAt } from './zstd-block';

const FAULT: i32 = -1;
const MAX_BLOCK_BYTES: u32 = 131_072;

/** Tables of sequences: the predefined ones, then those of the frame. A state has eight bytes, a table at most 512 states. */
const TABLE_BYTES: usize = 4096;
const predefined: usize = memory.data(3 * 4096, 16);
const described: usize = memory.data(3 * 4096, 16);
/** Address and log of the tables that the next block may repeat, two words for each kind; address 0: none. */
const last: usize = memory.data(3 * 8, 16);
/** Symbol | length << 8 for each value of the next bits, at most 11 of them. */
const huffman: usize = memory.data(4096, 16);
const weights: usize = memory.data(256, 16);
const literalsRoom: usize = memory.data(131_072 + 64, 16);

/** Probabilities of the predefined tables: literal lengths, offsets, match lengths. */
const literalLengthShares: usize = memory.data<i16>([
  4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1,
]);
const offsetShares: usize = memory.data<i16>([
  1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1,
]);
const matchLengthShares: usize = memory.data<i16>([
  1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
]);

let huffmanLog: u32 = 0;
/** Where a description ended. */
let next: usize = 0;
let tableLog: u32 = 0;
/** Literals of the block at hand. */
let literals: usize = 0;
let literalCount: u32 = 0;

/** Where the caller's own memory begins: the frame, with 16 bytes of anything before and behind it, and the content, with 64 behind it. */
export function base(): usize {
  const start = blockBase();
  makePredefined(0, literalLengthShares, 36, 6);
  makePredefined(1, offsetShares, 29, 5);
  makePredefined(2, matchLengthShares, 53, 6);
  return start;
}

function makePredefined(kind: i32, shares: usize, count: usize, log: u32): void {
  memory.copy(countsAt(), shares, count << 1);
  sequenceTable(predefined + usize(kind) * TABLE_BYTES, log, count, kind);
}

/** Decodes the blocks from `at` to `end` to `out`. Bytes of content, which are at most `room`; −1 when the twin has to decide. */
export function decode(at: usize, end: usize, windowBytes: u32, out: usize, room: u32): i32 {
  const first = out;
  const outEnd = out + usize(room);
  const maxBlock = min(MAX_BLOCK_BYTES, max(windowBytes, 1024));
  memory.fill(last, 0, 3 * 8);
  huffmanLog = 0;
  store<u32>(stateAt(), 1);
  store<u32>(stateAt(), 4, 4);
  store<u32>(stateAt(), 8, 8);
  for (let isLast = false; !isLast; ) {
    if (at + 3 > end) return FAULT;
    const head = u32(load<u16>(at)) | (u32(load<u8>(at, 2)) << 16);
    at += 3;
    isLast = (head & 1) !== 0;
    const kind = (head >> 1) & 3;
    const length = head >> 3;
    const stored = usize(kind === 1 ? 1 : length);
    if (kind === 3 || length > maxBlock || at + stored > end) return FAULT;
    if (kind === 2) {
      const window = usize(max(i64(first), i64(out) - i64(windowBytes)));
      out = block(at, at + stored, out, min(out + MAX_BLOCK_BYTES, outEnd), window);
      if (out === 0) return FAULT;
    } else {
      if (out + length > outEnd) return FAULT;
      if (kind === 0) memory.copy(out, at, length);
      else memory.fill(out, load<u8>(at), length);
      out += length;
    }
    at += stored;
  }
  return at === end ? i32(out - first) : FAULT;
}

/** One compressed block. Where its content ends; 0 for a fault. */
function block(at: usize, end: usize, out: usize, limit: usize, window: usize): usize {
  if (!readLiterals(at, end)) return 0;
  at = next;
  if (at >= end) return 0;
  let count: u32 = load<u8>(at);
  if (count === 255) {
    count = u32(load<u16>(at, 1)) + 0x7f00;
    at += 3;
  } else if (count >= 128) {
    count = ((count - 128) << 8) + load<u8>(at, 1);
    at += 2;
  } else {
    at += 1;
  }
  let used: u32 = 0;
  if (count === 0) {
    if (at !== end) return 0;
  } else {
    const modes: u32 = load<u8>(at++);
    if (at > end || (modes & 3) !== 0) return 0;
    next = at;
    // The order of descriptions is that of the kinds.
    if (!readTable(0, modes >> 6, end, 9, 35)) return 0;
    if (!readTable(1, (modes >> 4) & 3, end, 8, 31)) return 0;
    if (!readTable(2, (modes >> 2) & 3, end, 9, 52)) return 0;
    if (next >= end) return 0;
    const done = sequences(
      count,
      next,
      end,
      literals,
      literalCount,
      out,
      limit,
      window,
      load<u32>(last),
      load<u32>(last, 4),
      load<u32>(last, 8),
      load<u32>(last, 12),
      load<u32>(last, 16),
      load<u32>(last, 20),
    );
    if (done < 0) return 0;
    used = u32(done);
    out = load<u32>(stateAt(), 12);
  }
  const left = literalCount - used;
  if (out + left > limit) return 0;
  memory.copy(out, literals + used, left);
  return out + left;
}

/** The table that a block uses for a kind of code. */
function readTable(kind: i32, mode: u32, end: usize, maxLog: u32, maxSymbol: u32): bool {
  const slot = last + (usize(kind) << 3);
  const own = described + usize(kind) * TABLE_BYTES;
  if (mode === 3) return load<u32>(slot) !== 0;
  if (mode === 0) {
    store<u32>(slot, u32(predefined + usize(kind) * TABLE_BYTES));
    store<u32>(slot, kind === 1 ? 5 : 6, 4);
    return true;
  }
  let count: u32;
  if (mode === 1) {
    const symbol: u32 = load<u8>(next);
    if (next >= end || symbol > maxSymbol) return false;
    next++;
    memory.fill(countsAt(), 0, symbol << 1);
    store<u16>(countsAt() + (symbol << 1), 1);
    count = symbol + 1;
    tableLog = 0;
  } else {
    count = readShares(end, maxLog, maxSymbol);
    if (count === 0) return false;
  }
  sequenceTable(own, tableLog, count, kind);
  store<u32>(slot, u32(own));
  store<u32>(slot, tableLog, 4);
  return true;
}

/** Reads the description of a table at `next` as probabilities. How many; 0 for a fault. */
function readShares(end: usize, maxLog: u32, maxSymbol: u32): u32 {
  let bit = u64(next) << 3;
  const endBit = u64(end) << 3;
  tableLog = (u32(load<u8>(next)) & 15) + 5;
  bit += 4;
  if (tableLog > maxLog || bit > endBit) return 0;
  const shares = countsAt();
  let count: u32 = 0;
  for (let left: i32 = 1 << tableLog; left > 0; ) {
    // Values up to left + 1, in the fewest bits: small ones need one bit less.
    const most = u32(left) + 1;
    const width = 32 - clz(most);
    const short: u32 = (1 << width) - 1 - most;
    let value = bitsAt(bit) & ((1 << (width - 1)) - 1);
    if (value >= short) {
      value = bitsAt(bit) & ((1 << width) - 1);
      if (value >= u32(1) << (width - 1)) value -= short;
      bit++;
    }
    bit += width - 1;
    if (bit > endBit || count > maxSymbol) return 0;
    const share = i32(value) - 1;
    store<i16>(shares + (count++ << 1), i16(share));
    left -= share < 0 ? 1 : share;
    if (left < 0) return 0;
    if (share !== 0) continue;
    for (let repeat: u32 = 3; repeat === 3; ) {
      repeat = bitsAt(bit) & 3;
      bit += 2;
      if (bit > endBit || count + repeat > maxSymbol + 1) return 0;
      for (let i: u32 = 0; i < repeat; i++) store<i16>(shares + (count++ << 1), 0);
    }
  }
  next = usize((bit + 7) >> 3);
  return count;
}

/** At least 25 bits from a bit address on. */
function bitsAt(bit: u64): u32 {
  return load<u32>(usize(bit >> 3)) >> u32(bit & 7);
}

/** The literals of a block: where they are, and how many. */
function readLiterals(at: usize, end: usize): bool {
  if (at >= end) return false;
  const word = load<u32>(at);
  const format = (word >> 2) & 3;
  if ((word & 3) < 2) {
    const count = format === 1 ? (word >> 4) & 0xfff : format === 3 ? (word >> 4) & 0xfffff : (word & 0xff) >> 3;
    const from = at + (format === 1 ? 2 : format === 3 ? 3 : 1);
    next = from + usize((word & 3) === 0 ? count : 1);
    if (count > MAX_BLOCK_BYTES || next > end) return false;
    literalCount = count;
    literals = from;
    if ((word & 3) === 1) {
      literals = literalsRoom;
      memory.fill(literals, load<u8>(from), count);
    }
    return true;
  }
  const sizeBits: u32 = format < 2 ? 10 : format === 2 ? 14 : 18;
  const mask: u32 = (1 << sizeBits) - 1;
  const head = load<u64>(at);
  const count: u32 = u32(head >> 4) & mask;
  let from = at + (format < 2 ? 3 : format === 2 ? 4 : 5);
  next = from + (u32(head >> u64(4 + sizeBits)) & mask);
  if (count > MAX_BLOCK_BYTES || next > end) return false;
  const after = next;
  if ((word & 3) === 2) {
    if (!readHuffman(from, after)) return false;
    from = next;
  }
  if (huffmanLog === 0) return false;
  next = after;
  literals = literalsRoom;
  literalCount = count;
  if (format === 0) return oneStream(huffman, huffmanLog, from, after, literals, literals + count) === 0;
  const quarter: u32 = (count + 3) >> 2;
  if (after - from < 10 || quarter * 3 > count) return false;
  const start1 = from + 6;
  const start2 = start1 + load<u16>(from);
  const start3 = start2 + load<u16>(from, 2);
  const start4 = start3 + load<u16>(from, 4);
  if (start4 > after) return false;
  const to = literals;
  return fourStreams(huffman, huffmanLog, start1, start2, start3, start4, after, to, quarter, to + count) === 0;
}

/** Reads the description of a Huffman table; `next` is then behind it. */
function readHuffman(at: usize, end: usize): bool {
  if (at >= end) return false;
  const head: u32 = load<u8>(at++);
  let count: u32;
  if (head >= 128) {
    count = head - 127;
    next = at + ((count + 1) >> 1);
    if (next > end) return false;
    for (let i: u32 = 0; i < count; i++) {
      const pair: u32 = load<u8>(at + (i >> 1));
      store<u8>(weights + i, u8((i & 1) === 0 ? pair >> 4 : pair & 15));
    }
  } else {
    const after = at + head;
    if (after > end) return false;
    next = at;
    count = readWeights(after);
    if (count === 0) return false;
    next = after;
  }
  return makeHuffman(count);
}

/** Weights as a stream of two states in turn, from the description of their table at `next` on. How many; 0 for a fault. */
function readWeights(end: usize): u32 {
  // A table of weights that names values beyond any weight is left to the twin.
  const shares = readShares(end, 6, 15);
  if (shares === 0 || next >= end) return 0;
  const log = tableLog;
  // Literals come later.
  const table = literalsRoom;
  sequenceTable(table, log, shares, 1);
  const final: u32 = load<u8>(end - 1);
  if (final === 0) return 0;
  const first = i64(next) << 3;
  let bit = ((i64(end) - 1) << 3) + i64(31 - clz(final)) - log;
  let state = backBits(bit, log, first);
  bit -= log;
  let other = backBits(bit, log, first);
  if (bit < first) return 0;
  for (let count: u32 = 0; count < 254; count++) {
    const entry = table + (state << 3);
    store<u8>(weights + count, load<u8>(entry, 3));
    const width: u32 = load<u8>(entry, 2);
    if (bit - first < i64(width)) {
      store<u8>(weights + count + 1, load<u8>(table + (other << 3), 3));
      return count + 2;
    }
    bit -= width;
    state = other;
    other = u32(load<u16>(entry)) + backBits(bit, width, first);
  }
  return 0;
}

/** `width` bits from a bit address on, at most 6; zeros below the first one. */
function backBits(bit: i64, width: u32, first: i64): u32 {
  const mask = (1 << width) - 1;
  if (bit >= first) return bitsAt(u64(bit)) & mask;
  const missing = first - bit;
  return missing >= i64(width) ? 0 : (bitsAt(u64(first)) << u32(missing)) & mask;
}

/** Makes the table of literals from `count` weights; that of the last symbol is what is missing to a power of two. */
function makeHuffman(count: u32): bool {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const weight: u32 = load<u8>(weights + i);
    if (weight > 11) return false;
    if (weight > 0) sum += 1 << (weight - 1);
  }
  if (sum === 0) return false;
  const log: u32 = 32 - clz(sum);
  const missing: u32 = (1 << log) - sum;
  if (log > 11 || (missing & (missing - 1)) !== 0) return false;
  store<u8>(weights + count, u8(32 - clz(missing)));
  let to = huffman;
  for (let weight: u32 = 1; weight <= log; weight++) {
    const length = (log + 1 - weight) << 8;
    for (let symbol: u32 = 0; symbol <= count; symbol++) {
      if (u32(load<u8>(weights + symbol)) !== weight) continue;
      for (const end = to + (1 << weight); to < end; to += 2) store<u16>(to, u16(symbol | length));
    }
  }
  huffmanLog = log;
  return true;
}
