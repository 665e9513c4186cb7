/**
 * Kernel (AssemblyScript): deflate data up to the end of a block that was flushed, which is where an empty stored block ends.
 *
 * It takes what `blockCodec` makes of gzip: a block refers to nothing before its start, and the last deflate block of a member holds
 * nothing. It says no more than that it found something else: then the member is read as any other one.
 *
 * Reference: RFC 1951
 */
import { copyMatch, makePatterns } from './copy-match';

/** Results below zero: another layout or damage, more room wanted, the end of the member. */
const OTHER: i32 = -1;
const ROOM: i32 = -2;
const END: i32 = -3;

/** First value of each code of length, from 257 on, and how many extra bits it has; the same of distances. */
const lengthBases: usize = memory.data<u16>([
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
]);
const lengthBits: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
]);
const distanceBases: usize = memory.data<u16>([
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
]);
/** In which order the lengths of the codes of lengths are told. */
const order: usize = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]);

/**
 * Tables of four bytes for each value of the next bits: how many of them the code has, what it is, and its value in the two upper
 * ones. Where codes are longer, the entry says at which place of the table those of the next bits are, and how many bits.
 */
const ENTRIES: u32 = 2048;
const symbolTable: usize = memory.data(2048 * 4, 16);
const distanceTable: usize = memory.data(2048 * 4, 16);
const SYMBOL_BITS: u32 = 10;
const DISTANCE_BITS: u32 = 8;
/** What an entry is, in its second byte: the low half counts extra bits. */
const LITERAL: u32 = 0x8000;
const LAST: u32 = 0x4000;
const LONGER: u32 = 0x2000;
const INVALID: u32 = 0x1000;

/** What a table is of: literals and lengths, distances, lengths of codes. */
const SYMBOLS: i32 = 0;
const DISTANCES: i32 = 1;
const LENGTHS: i32 = 2;

/** Lengths of codes, how many there are of each length, and the symbols in order of their codes. */
const lengths: usize = memory.data(320 + 16, 16);
const counts: usize = memory.data(16 * 2, 16);
const places: usize = memory.data(16 * 2, 16);
const sorted: usize = memory.data(320 * 2, 16);

/** Bits that were read: the lowest `bitCount` are not used yet. Those above are as they will be read again. */
let word: u64 = 0;
let bitCount: u32 = 0;
let next: usize = 0;
/** Where the input ends: up to 24 bytes of anything follow it. */
let inputEnd: usize = 0;

/** Where the caller's own memory begins. */
export function base(): usize {
  makePatterns();
  return (__heap_base + 15) & ~15;
}

/** Where the last call stopped reading. */
export function stoppedAt(): usize {
  return next;
}

/**
 * Opens a block. Bytes of content, which begin at `out`; else a result below zero. `end` is that of the input. Up to 320 bytes
 * behind the room are written over.
 */
export function open(start: usize, end: usize, out: usize, room: u32): i32 {
  const first = out;
  const limit = out + room;
  next = start;
  inputEnd = end;
  word = 0;
  bitCount = 0;
  while (true) {
    refill();
    const isLast = take(1) !== 0;
    const kind = take(2);
    if (kind === 0) {
      take(bitCount & 7);
      next -= bitCount >> 3;
      word = 0;
      bitCount = 0;
      if (next + 4 > end) return OTHER;
      const length: u32 = load<u16>(next);
      if ((length ^ load<u16>(next, 2)) !== 0xffff || isLast || next + 4 + length > end) return OTHER;
      next += 4;
      if (length === 0) return i32(out - first);
      if (out + length > limit) return ROOM;
      memory.copy(out, next, length);
      next += length;
      out += length;
      continue;
    }
    if (!(kind === 1 ? fixedTables() : kind === 2 && readTables())) return OTHER;
    const result = symbols(out, limit, first);
    if (result <= 1) return result === 0 ? OTHER : ROOM;
    if (isLast) {
      next -= bitCount >> 3;
      return result === first && next <= end ? END : OTHER;
    }
    out = result;
  }
}

function refill(): void {
  word |= load<u64>(next) << u64(bitCount);
  next += (63 - bitCount) >> 3;
  bitCount |= 56;
}

function take(width: u32): u32 {
  const value = u32(word) & ((1 << width) - 1);
  word >>= u64(width);
  bitCount -= width;
  return value;
}

/** Literals and matches up to the end of a deflate block. Where the content then ends; 0 for other data, 1 for more room wanted. */
function symbols(out: usize, limit: usize, first: usize): usize {
  let bits = word;
  let count = bitCount;
  let at = next;
  const stop = inputEnd + 8;
  while (true) {
    if (at > stop) return 0;
    if (out > limit) return 1;
    bits |= load<u64>(at) << u64(count);
    at += (63 - count) >> 3;
    count |= 56;
    let entry = load<u32>(symbolTable + ((usize(bits) & 1023) << 2));
    if ((entry & LITERAL) !== 0) {
      bits >>= u64(entry & 0xff);
      count -= entry & 0xff;
      store<u8>(out++, u8(entry >> 16));
      entry = load<u32>(symbolTable + ((usize(bits) & 1023) << 2));
      if ((entry & LITERAL) !== 0) {
        bits >>= u64(entry & 0xff);
        count -= entry & 0xff;
        store<u8>(out++, u8(entry >> 16));
        entry = load<u32>(symbolTable + ((usize(bits) & 1023) << 2));
      }
      // A length and a distance take 48 bits.
      bits |= load<u64>(at) << u64(count);
      at += (63 - count) >> 3;
      count |= 56;
    }
    if ((entry & LONGER) !== 0) {
      bits >>= 10;
      count -= SYMBOL_BITS;
      entry = load<u32>(symbolTable + (((entry >> 16) + (u32(bits) & ((1 << (entry & 0xff)) - 1))) << 2));
    }
    bits >>= u64(entry & 0xff);
    count -= entry & 0xff;
    if ((entry & (LITERAL | LAST | INVALID)) !== 0) {
      if ((entry & LITERAL) !== 0) {
        store<u8>(out++, u8(entry >> 16));
        continue;
      }
      if ((entry & INVALID) !== 0) return 0;
      word = bits;
      bitCount = count;
      next = at;
      return out;
    }
    let extra = (entry >> 8) & 15;
    const length = (entry >> 16) + (u32(bits) & ((1 << extra) - 1));
    bits >>= u64(extra);
    count -= extra;
    entry = load<u32>(distanceTable + ((usize(bits) & 255) << 2));
    if ((entry & LONGER) !== 0) {
      bits >>= 8;
      count -= DISTANCE_BITS;
      entry = load<u32>(distanceTable + (((entry >> 16) + (u32(bits) & ((1 << (entry & 0xff)) - 1))) << 2));
    }
    if ((entry & INVALID) !== 0) return 0;
    bits >>= u64(entry & 0xff);
    count -= entry & 0xff;
    extra = (entry >> 8) & 15;
    const distance = usize((entry >> 16) + (u32(bits) & ((1 << extra) - 1)));
    bits >>= u64(extra);
    count -= extra;
    if (distance > out - first) return 0;
    copyMatch(out, distance, length);
    out += length;
  }
}

function fixedTables(): bool {
  memory.fill(lengths, 8, 144);
  memory.fill(lengths + 144, 9, 112);
  memory.fill(lengths + 256, 7, 24);
  memory.fill(lengths + 280, 8, 8);
  if (!makeTable(lengths, 288, symbolTable, SYMBOL_BITS, SYMBOLS)) return false;
  memory.fill(lengths, 5, 32);
  return makeTable(lengths, 32, distanceTable, DISTANCE_BITS, DISTANCES);
}

/** Reads the description of both tables. */
function readTables(): bool {
  refill();
  const symbolCount = take(5) + 257;
  const distanceCount = take(5) + 1;
  const told = take(4) + 4;
  if (symbolCount > 286 || distanceCount > 30) return false;
  memory.fill(lengths, 0, 19);
  for (let i: u32 = 0; i < told; i++) {
    if ((i & 7) === 0) refill();
    store<u8>(lengths + load<u8>(order + i), u8(take(3)));
  }
  // Until distances have theirs.
  if (!makeTable(lengths, 19, distanceTable, 7, LENGTHS)) return false;
  const all = symbolCount + distanceCount;
  for (let i: u32 = 0; i < all; ) {
    refill();
    if (next > inputEnd + 8) return false;
    const entry = load<u32>(distanceTable + ((usize(word) & 127) << 2));
    take(entry & 0xff);
    const code = entry >> 16;
    let repeated: u32 = 0;
    let times: u32 = 1;
    if (code < 16) {
      repeated = code;
    } else if (code === 16) {
      if (i === 0) return false;
      repeated = load<u8>(lengths + i - 1);
      times = 3 + take(2);
    } else {
      times = code === 17 ? 3 + take(3) : 11 + take(7);
    }
    if (i + times > all) return false;
    memory.fill(lengths + i, u8(repeated), times);
    i += times;
  }
  return (
    makeTable(lengths, symbolCount, symbolTable, SYMBOL_BITS, SYMBOLS) &&
    makeTable(lengths + symbolCount, distanceCount, distanceTable, DISTANCE_BITS, DISTANCES)
  );
}

/** Makes a table for codes of these lengths, looked up by `root` bits. False for codes that leave something out, or are too many. */
function makeTable(lengths: usize, symbolCount: u32, table: usize, root: u32, kind: i32): bool {
  memory.fill(counts, 0, 32);
  for (let i: u32 = 0; i < symbolCount; i++) {
    const count = counts + (usize(load<u8>(lengths + i)) << 1);
    store<u16>(count, load<u16>(count) + 1);
  }
  let left: i32 = 1;
  let most: u32 = 0;
  let place: u32 = 0;
  for (let length: u32 = 1; length < 16; length++) {
    const count: u32 = load<u16>(counts + (length << 1));
    left = (left << 1) - i32(count);
    if (left < 0) return false;
    if (count > 0) most = length;
    store<u16>(places + (length << 1), u16(place));
    place += count;
  }
  if (left !== 0) return false;
  for (let i: u32 = 0; i < symbolCount; i++) {
    const length: u32 = load<u8>(lengths + i);
    if (length === 0) continue;
    const at = places + (length << 1);
    store<u16>(sorted + (usize(load<u16>(at)) << 1), u16(i));
    store<u16>(at, load<u16>(at) + 1);
  }
  let code: u32 = 0;
  let part: u32 = 0;
  let partBits = root;
  let used: u32 = 1 << root;
  let prefix: u32 = u32.MAX_VALUE;
  for (let n: u32 = 0; n < place; n++) {
    const symbol: u32 = load<u16>(sorted + (n << 1));
    const length: u32 = load<u8>(lengths + symbol);
    const drop = length > root ? root : 0;
    if (drop > 0 && (code & ((1 << root) - 1)) !== prefix) {
      // Codes that begin alike follow each other: as many bits as the longest of them has.
      prefix = code & ((1 << root) - 1);
      part = used;
      partBits = length - root;
      let room: i32 = 1 << partBits;
      for (; partBits + root < most; partBits++, room <<= 1) {
        room -= i32(load<u16>(counts + ((partBits + root) << 1)));
        if (room <= 0) break;
      }
      used += 1 << partBits;
      if (used > ENTRIES) return false;
      store<u32>(table + (prefix << 2), (part << 16) | LONGER | partBits);
    }
    const entry = entryOf(symbol, kind) | (length - drop);
    for (let at = code >> drop; at < u32(1) << partBits; at += 1 << (length - drop)) {
      store<u32>(table + ((part + at) << 2), entry);
    }
    const count = counts + (length << 1);
    store<u16>(count, load<u16>(count) - 1);
    // The next code, of which the first bit is the lowest.
    let bit: u32 = 1 << (length - 1);
    while ((code & bit) !== 0) bit >>= 1;
    code = bit === 0 ? 0 : (code & (bit - 1)) + bit;
  }
  return true;
}

function entryOf(symbol: u32, kind: i32): u32 {
  if (kind === LENGTHS) return symbol << 16;
  if (kind === DISTANCES) {
    if (symbol > 29) return INVALID;
    return (u32(load<u16>(distanceBases + (symbol << 1))) << 16) | ((symbol < 2 ? 0 : (symbol >> 1) - 1) << 8);
  }
  if (symbol < 256) return (symbol << 16) | LITERAL;
  if (symbol === 256) return LAST;
  if (symbol > 285) return INVALID;
  const at = symbol - 257;
  return (u32(load<u16>(lengthBases + (at << 1))) << 16) | (u32(load<u8>(lengthBits + at)) << 8);
}
