/**
 * Kernel (AssemblyScript): the loops of a Zstandard block: Huffman literals, tables of sequences, sequences.
 *
 * Descriptions of tables are read by the TypeScript twin (`../src/codec-zstd-block.ts`), which also runs the same loops where
 * there is no kernel, and again where the kernel found a fault: it says no more than that there is one.
 *
 * Reference: RFC 8878, 3.1.1.3.1.6 (four streams), 3.1.1.3.2.1 (sequences), 3.1.1.5 (repeated offsets), 4.1.1 (tables)
 */

import { copyMatch, makePatterns } from './copy-match';

const FAULT: i32 = -1;

/** Last three offsets, then the place in the output behind the last sequence. */
const state: usize = memory.data(16, 16);
/** First value and number of extra bits of each code, of literal lengths and of match lengths. */
const literalLengths: usize = memory.data<u32>([
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 28, 32, 40, 48, 64, 128, 256, 512, 1024,
  2048, 4096, 8192, 16384, 32768, 65536,
]);
const literalBits: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
]);
const matchLengths: usize = memory.data<u32>([
  3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33,
  34, 35, 37, 39, 41, 43, 47, 51, 59, 67, 83, 99, 131, 259, 515, 1027, 2051, 4099, 8195, 16387, 32771, 65539,
]);
const matchBits: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3,
  3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
]);
/** Probabilities of the symbols of the table to be made, two bytes each: filled by the caller. */
const counts: usize = memory.data(2 * 64, 16);
/** How many states of each symbol were numbered, two bytes each; then the symbol of each state. */
const numbered: usize = memory.data(2 * 64, 16);
const symbols: usize = memory.data(512, 16);

/** Where the caller's own memory begins. */
export function base(): usize {
  makePatterns();
  return (__heap_base + 15) & ~15;
}

/** Address of the three offsets and the place, in four bytes each. */
export function stateAt(): usize {
  return state;
}

/** Address of the probabilities that `sequenceTable` reads. */
export function countsAt(): usize {
  return counts;
}

/**
 * Four streams of literals, each from its end to its start: `entries` are symbol | length << 8 for each value of the next `log`
 * bits. The first three give `quarter` symbols, the last what is left. 0, or −1 for a fault. Up to eight bytes before a stream are
 * read.
 */
export function fourStreams(
  entries: usize,
  log: u32,
  start1: usize,
  start2: usize,
  start3: usize,
  start4: usize,
  end: usize,
  to: usize,
  quarter: usize,
  toEnd: usize,
): i32 {
  let position1 = endMark(start1, start2);
  let position2 = endMark(start2, start3);
  let position3 = endMark(start3, start4);
  let position4 = endMark(start4, end);
  if (position1 < 0 || position2 < 0 || position3 < 0 || position4 < 0) return FAULT;
  const to2 = to + quarter;
  const to3 = to2 + quarter;
  const to4 = to3 + quarter;
  const mask = (1 << log) - 1;
  let done: usize = 0;
  // Five symbols of at most 11 bits from each word of at least 57; what one stream waits for, another one has.
  for (; to4 + done + 5 <= toEnd; done += 5) {
    const byte1 = ((position1 + 7) >> 3) - 8;
    const byte2 = ((position2 + 7) >> 3) - 8;
    const byte3 = ((position3 + 7) >> 3) - 8;
    const byte4 = ((position4 + 7) >> 3) - 8;
    const word1 = load<u64>(usize(byte1));
    const word2 = load<u64>(usize(byte2));
    const word3 = load<u64>(usize(byte3));
    const word4 = load<u64>(usize(byte4));
    let left1 = u32(position1 - (byte1 << 3));
    let left2 = u32(position2 - (byte2 << 3));
    let left3 = u32(position3 - (byte3 << 3));
    let left4 = u32(position4 - (byte4 << 3));
    for (let i: usize = 0; i < 5; i++) {
      const entry1: u32 = load<u16>(entries + ((usize(word1 >> u64(left1 - log)) & mask) << 1));
      const entry2: u32 = load<u16>(entries + ((usize(word2 >> u64(left2 - log)) & mask) << 1));
      const entry3: u32 = load<u16>(entries + ((usize(word3 >> u64(left3 - log)) & mask) << 1));
      const entry4: u32 = load<u16>(entries + ((usize(word4 >> u64(left4 - log)) & mask) << 1));
      store<u8>(to + done + i, u8(entry1));
      store<u8>(to2 + done + i, u8(entry2));
      store<u8>(to3 + done + i, u8(entry3));
      store<u8>(to4 + done + i, u8(entry4));
      left1 -= entry1 >> 8;
      left2 -= entry2 >> 8;
      left3 -= entry3 >> 8;
      left4 -= entry4 >> 8;
    }
    position1 = (byte1 << 3) + i64(left1);
    position2 = (byte2 << 3) + i64(left2);
    position3 = (byte3 << 3) + i64(left3);
    position4 = (byte4 << 3) + i64(left4);
    if (
      i32(position1 < i64(start1) << 3) |
      i32(position2 < i64(start2) << 3) |
      i32(position3 < i64(start3) << 3) |
      i32(position4 < i64(start4) << 3)
    ) {
      return FAULT;
    }
  }
  return (
    rest(entries, log, position1, start1, to + done, to2) |
    rest(entries, log, position2, start2, to2 + done, to3) |
    rest(entries, log, position3, start3, to3 + done, to4) |
    rest(entries, log, position4, start4, to4 + done, toEnd)
  );
}

/** One stream of literals, as one of `fourStreams`. */
export function oneStream(entries: usize, log: u32, start: usize, end: usize, to: usize, toEnd: usize): i32 {
  const position = endMark(start, end);
  return position < 0 ? FAULT : rest(entries, log, position, start, to, toEnd);
}

/** The bit address of a stream's end mark, the highest one bit of its last byte; negative without one. */
function endMark(start: usize, end: usize): i64 {
  const last: u32 = load<u8>(end - 1);
  if (end <= start || last === 0) return FAULT;
  return ((i64(end) - 1) << 3) + i64(31 - clz(last));
}

/** The literals up to `toEnd`, which must use up their stream. */
function rest(entries: usize, log: u32, position: i64, start: usize, to: usize, toEnd: usize): i32 {
  const first = i64(start) << 3;
  const mask = (1 << log) - 1;
  while (to < toEnd) {
    const byte = ((position + 7) >> 3) - 8;
    const word = load<u64>(usize(byte));
    const left = u32(position - (byte << 3));
    const entry: u32 = load<u16>(entries + ((usize(word >> u64(left - log)) & mask) << 1));
    store<u8>(to++, u8(entry));
    position -= i64(entry >> 8);
    if (position < first) return FAULT;
  }
  return position === first ? 0 : FAULT;
}

/**
 * Makes a table of 2^log states from the probabilities of `count` symbols, which add up to it. `kind`: 0 literal lengths, 1
 * offsets, 2 match lengths. A state has eight bytes: what to add to its bits for the next state (2), how many bits those are (1),
 * how many extra bits its value has (1), the value without them (4).
 */
export function sequenceTable(table: usize, log: u32, count: usize, kind: i32): void {
  const size: u32 = 1 << log;
  let high = size - 1;
  for (let symbol: usize = 0; symbol < count; symbol++) {
    const share = i32(load<i16>(counts + (symbol << 1)));
    if (share === -1) store<u8>(symbols + usize(high--), u8(symbol));
    store<u16>(numbered + (symbol << 1), u16(share < 0 ? 1 : share));
  }
  const step = (size >> 1) + (size >> 3) + 3;
  let position: u32 = 0;
  for (let symbol: usize = 0; symbol < count; symbol++) {
    for (let left = i32(load<i16>(counts + (symbol << 1))); left > 0; left--) {
      store<u8>(symbols + usize(position), u8(symbol));
      do position = (position + step) & (size - 1);
      while (position > high);
    }
  }
  for (let at: u32 = 0; at < size; at++) {
    const symbol: usize = load<u8>(symbols + usize(at));
    const next: u32 = load<u16>(numbered + (symbol << 1));
    store<u16>(numbered + (symbol << 1), u16(next + 1));
    const width = log - (31 - clz(next));
    const entry = table + (usize(at) << 3);
    store<u16>(entry, u16((next << width) - size));
    store<u8>(entry, u8(width), 2);
    if (kind === 1) {
      store<u8>(entry, u8(symbol), 3);
      store<u32>(entry, 1 << u32(symbol), 4);
    } else {
      store<u8>(entry, load<u8>((kind === 0 ? literalBits : matchBits) + symbol), 3);
      store<u32>(entry, load<u32>((kind === 0 ? literalLengths : matchLengths) + (symbol << 2)), 4);
    }
  }
}

/**
 * Runs `count` sequences. `out` is where output goes and may not pass `limit`; matches reach back to `windowStart`. How many
 * literals were used, or −1 for a fault: then the offsets are as before. Up to 8 bytes before the sequences are read, and 16 behind
 * the literals; up to 29 behind the output are written over.
 */
export function sequences(
  count: u32,
  start: usize,
  end: usize,
  literals: usize,
  literalCount: u32,
  out: usize,
  limit: usize,
  windowStart: usize,
  llTable: usize,
  llLog: u32,
  ofTable: usize,
  ofLog: u32,
  mlTable: usize,
  mlLog: u32,
): i32 {
  const first = i64(start) << 3;
  let bit = endMark(start, end);
  if (bit < 0) return FAULT;
  let offset1 = load<u32>(state);
  let offset2 = load<u32>(state, 4);
  let offset3 = load<u32>(state, 8);
  let from = literals;
  const literalsEnd = literals + usize(literalCount);

  // The next 57 to 64 bits, of which `left` are not read yet.
  let byte = ((bit + 7) >> 3) - 8;
  let word = load<u64>(usize(byte));
  let left = u32(bit - (byte << 3)) - llLog;
  let llState = llTable + (bits(word, left, llLog) << 3);
  left -= ofLog;
  let ofState = ofTable + (bits(word, left, ofLog) << 3);
  left -= mlLog;
  let mlState = mlTable + (bits(word, left, mlLog) << 3);

  for (let remaining = count; ; ) {
    bit = (byte << 3) + i64(left);
    if (bit < first) return FAULT;
    byte = ((bit + 7) >> 3) - 8;
    word = load<u64>(usize(byte));
    left = u32(bit - (byte << 3));
    const ofWidth: u32 = load<u8>(ofState, 3);
    const mlWidth: u32 = load<u8>(mlState, 3);
    const llWidth: u32 = load<u8>(llState, 3);
    left -= ofWidth;
    let offset = load<u32>(ofState, 4) + bits(word, left, ofWidth);
    // An offset of at most 31 bits, then lengths of at most 16 each and states of at most 9, 9 and 8.
    if (ofWidth + mlWidth + llWidth > 57 - 26) {
      bit = (byte << 3) + i64(left);
      if (bit < first) return FAULT;
      byte = ((bit + 7) >> 3) - 8;
      word = load<u64>(usize(byte));
      left = u32(bit - (byte << 3));
    }
    left -= mlWidth;
    const matchLength = load<u32>(mlState, 4) + bits(word, left, mlWidth);
    left -= llWidth;
    const literalLength = load<u32>(llState, 4) + bits(word, left, llWidth);

    if (offset > 3) {
      offset -= 3;
      offset3 = offset2;
      offset2 = offset1;
      offset1 = offset;
    } else {
      // 1 to 3: an offset used before; without literals the first is of no use, and 3 means the first less one.
      const which = offset - u32(literalLength !== 0);
      if (which === 0) {
        offset = offset1;
      } else {
        offset = which === 1 ? offset2 : which === 2 ? offset3 : offset1 - 1;
        if (which !== 1) offset3 = offset2;
        offset2 = offset1;
        offset1 = offset;
      }
    }

    const match = out + literalLength;
    // An offset of 0 becomes the greatest one.
    if (
      i32(from + literalLength > literalsEnd) |
      i32(match + matchLength > limit) |
      i32(offset - 1 >= match - windowStart)
    ) {
      return FAULT;
    }
    v128.store(out, v128.load(from));
    for (let i: usize = 16; i < literalLength; i += 16) v128.store(out + i, v128.load(from + i));
    from += literalLength;
    copyMatch(match, offset, matchLength);
    out = match + matchLength;

    if (--remaining === 0) break;
    // 16 + 16 bits of lengths and 26 of states are 58 behind an offset with many bits.
    if (mlWidth + llWidth > 57 - 26) {
      bit = (byte << 3) + i64(left);
      if (bit < first) return FAULT;
      byte = ((bit + 7) >> 3) - 8;
      word = load<u64>(usize(byte));
      left = u32(bit - (byte << 3));
    }
    let width: u32 = load<u8>(llState, 2);
    left -= width;
    llState = llTable + ((u32(load<u16>(llState)) + bits(word, left, width)) << 3);
    width = load<u8>(mlState, 2);
    left -= width;
    mlState = mlTable + ((u32(load<u16>(mlState)) + bits(word, left, width)) << 3);
    width = load<u8>(ofState, 2);
    left -= width;
    ofState = ofTable + ((u32(load<u16>(ofState)) + bits(word, left, width)) << 3);
  }
  if ((byte << 3) + i64(left) !== first) return FAULT;
  store<u32>(state, offset1);
  store<u32>(state, offset2, 4);
  store<u32>(state, offset3, 8);
  store<u32>(state, u32(out), 12);
  return i32(from - literals);
}

/** `width` bits of a word, at most 31, above the lowest `from`. */
function bits(word: u64, from: u32, width: u32): u32 {
  return u32(word >> u64(from)) & ((1 << width) - 1);
}
