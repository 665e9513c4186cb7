/**
 * Kernel (AssemblyScript): the two loops of a Zstandard block, Huffman literals and sequences.
 *
 * Tables are read and laid into memory by the TypeScript twin (`../src/codec-zstd-block.ts`), which also runs the same loops
 * where there is no kernel, and again where the kernel found a fault: it says no more than that there is one.
 *
 * Reference: RFC 8878, 3.1.1.3.1.6 (four streams), 3.1.1.3.2.1 (sequences), 3.1.1.5 (repeated offsets)
 */

const FAULT: i32 = -1;
/** A table: symbols, then bits, then bases of two bytes, each for 512 states. */
const TABLE_BITS: usize = 512;
const TABLE_BASES: usize = 1024;

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

/** Where the caller's own memory begins. */
export function base(): usize {
  return (__heap_base + 15) & ~15;
}

/** Address of the three offsets and the place, in four bytes each. */
export function stateAt(): usize {
  return state;
}

/**
 * One stream of literals from its end to its start: `entries` are symbol | length << 8 for each value of the next `log` bits.
 * 0, or −1 for a fault. Up to eight bytes before `start` are read.
 */
export function huffman(entries: usize, log: u32, start: usize, end: usize, to: usize, toEnd: usize): i32 {
  const last: u32 = load<u8>(end - 1);
  if (end <= start || last === 0) return FAULT;
  const mask = (1 << log) - 1;
  const first = u64(start) << 3;
  let position = ((u64(end) - 1) << 3) + u64(31 - clz(last));
  // Five symbols of at most 11 bits from each word of at least 57.
  while (to + 5 <= toEnd) {
    const byte = ((position + 7) >> 3) - 8;
    const word = load<u64>(usize(byte));
    let left = u32(position - (byte << 3));
    for (let i: usize = 0; i < 5; i++) {
      const entry: u32 = load<u16>(entries + ((usize(word >> u64(left - log)) & mask) << 1));
      store<u8>(to + i, u8(entry));
      left -= entry >> 8;
    }
    to += 5;
    position = (byte << 3) + u64(left);
    if (position < first) return FAULT;
  }
  while (to < toEnd) {
    const byte = ((position + 7) >> 3) - 8;
    const word = load<u64>(usize(byte));
    const left = u32(position - (byte << 3));
    const entry: u32 = load<u16>(entries + ((usize(word >> u64(left - log)) & mask) << 1));
    store<u8>(to++, u8(entry));
    position -= u64(entry >> 8);
    if (position < first) return FAULT;
  }
  return position === first ? 0 : FAULT;
}

/**
 * Runs `count` sequences. `out` is where output goes and may not pass `limit`; matches reach back to `windowStart`. How many
 * literals were used, or −1 for a fault: then the offsets are as before. Up to 16 bytes behind the output are written over.
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
  const last: u32 = load<u8>(end - 1);
  if (end <= start || last === 0) return FAULT;
  const first = i64(start) << 3;
  let bit = ((i64(end) - 1) << 3) + i64(31 - clz(last));
  let offset1 = load<u32>(state);
  let offset2 = load<u32>(state, 4);
  let offset3 = load<u32>(state, 8);
  bit -= llLog;
  let llState = bitsAt(bit, llLog);
  bit -= ofLog;
  let ofState = bitsAt(bit, ofLog);
  bit -= mlLog;
  let mlState = bitsAt(bit, mlLog);
  if (bit < first) return FAULT;
  let from = literals;
  const literalsEnd = literals + usize(literalCount);

  for (let left = count; left > 0; left--) {
    const ofCode: u32 = load<u8>(ofTable + usize(ofState));
    const mlCode: usize = load<u8>(mlTable + usize(mlState));
    const llCode: usize = load<u8>(llTable + usize(llState));
    bit -= ofCode;
    if (bit < first) return FAULT;
    let offset = u64(1) << ofCode;
    offset += bitsAt(bit, ofCode);
    const mlWidth: u32 = load<u8>(matchBits + mlCode);
    bit -= mlWidth;
    const llWidth: u32 = load<u8>(literalBits + llCode);
    if (bit - llWidth < first) return FAULT;
    const matchLength = usize(load<u32>(matchLengths + (mlCode << 2)) + bitsAt(bit, mlWidth));
    bit -= llWidth;
    const literalLength = usize(load<u32>(literalLengths + (llCode << 2)) + bitsAt(bit, llWidth));

    if (offset > 3) {
      offset -= 3;
      offset3 = offset2;
      offset2 = offset1;
      offset1 = u32(offset);
    } else {
      // 1 to 3: an offset used before; without literals the first is of no use, and 3 means the first less one.
      const which = u32(offset) - u32(literalLength !== 0);
      if (which === 0) {
        offset = offset1;
      } else {
        offset = which === 1 ? offset2 : which === 2 ? offset3 : offset1 - 1;
        if (which !== 1) offset3 = offset2;
        offset2 = offset1;
        offset1 = u32(offset);
      }
    }

    if (from + literalLength > literalsEnd || out + literalLength + matchLength > limit) return FAULT;
    for (let i: usize = 0; i < literalLength; i += 16) v128.store(out + i, v128.load(from + i));
    out += literalLength;
    from += literalLength;
    if (offset === 0 || offset > u64(out - windowStart)) return FAULT;
    copyMatch(out, usize(offset), matchLength);
    out += matchLength;

    if (left === 1) break;
    let width: u32 = load<u8>(llTable + usize(llState), TABLE_BITS);
    bit -= width;
    llState = u32(load<u16>(llTable + (usize(llState) << 1), TABLE_BASES)) + bitsAt(bit, width);
    width = load<u8>(mlTable + usize(mlState), TABLE_BITS);
    bit -= width;
    mlState = u32(load<u16>(mlTable + (usize(mlState) << 1), TABLE_BASES)) + bitsAt(bit, width);
    width = load<u8>(ofTable + usize(ofState), TABLE_BITS);
    bit -= width;
    ofState = u32(load<u16>(ofTable + (usize(ofState) << 1), TABLE_BASES)) + bitsAt(bit, width);
    if (bit < first) return FAULT;
  }
  if (bit !== first) return FAULT;
  store<u32>(state, offset1);
  store<u32>(state, offset2, 4);
  store<u32>(state, offset3, 8);
  store<u32>(state, u32(out), 12);
  return i32(from - literals);
}

/** `width` bits, at most 32, from a bit address on. The caller sees to it that they lie within a few bytes of the block. */
function bitsAt(bit: i64, width: u32): u32 {
  const word = load<u64>(usize(bit >> 3)) >> u64(bit & 7);
  return u32(word & ((u64(1) << width) - 1));
}

/** Bytes from `offset` back, which may lie in what is being written. */
function copyMatch(to: usize, offset: usize, length: usize): void {
  const from = to - offset;
  if (offset >= 16) {
    for (let i: usize = 0; i < length; i += 16) v128.store(to + i, v128.load(from + i));
  } else if (offset >= 8) {
    for (let i: usize = 0; i < length; i += 8) store<u64>(to + i, load<u64>(from + i));
  } else if (offset === 1) {
    memory.fill(to, load<u8>(from), length);
  } else {
    for (let i: usize = 0; i < length; i++) store<u8>(to + i, load<u8>(from + i));
  }
}
