/**
 * The literals of a block: raw, one byte repeated, or with a Huffman code, new or that of the block before.
 *
 * Reference: RFC 8878, 3.1.1.3.1, 4.2
 */
import { countLengths, lengthCounts, sorted, tree } from './code-lengths';
import { COUNTS_BYTES, costOf, firstState, MAX_SYMBOLS, makeShares, makeTable, writeShares } from './zstd-fse';

const MAX_BITS: u32 = 11;
/** Below this many literals a code costs more than it brings. */
const MIN_LITERALS: u32 = 48;

/** How often each byte is among the literals: four counts, then their sum in the first. */
const counts: usize = memory.data(4 * 4 * 256, 16);
/** Of each byte its code | length << 16, of the code at hand and of a new one. */
const codes: usize = memory.data(4 * 256, 16);
const newCodes: usize = memory.data(4 * 256, 16);
/** All bytes, in the order in which the last block had them: nearly that of this one. */
const order: usize = memory.data(256, 16);
/** A byte in `sorted`. */
const BYTE_BITS: u32 = 8;
/** The next code of each length. */
const nextCodes: usize = memory.data(4 * 16, 16);
const weights: usize = memory.data(256, 16);
const weightCounts: usize = memory.data(4 * 64, 16);
const weightShares: usize = memory.data(2 * 64, 16);
const weightTable: usize = memory.data(8 * 64 + 2 * 512, 16);

let repeatable: bool = false;
/** The longest code of the new one. */
let longest: u32 = 0;

/** To be called once. */
export function prepareLiterals(): void {
  for (let byte: usize = 0; byte < 256; byte++) store<u8>(order + byte, u8(byte));
}

/** To be called before each frame. */
export function forgetCode(): void {
  repeatable = false;
}

/** Writes the section of literals; the place behind it. */
export function writeLiterals(from: usize, size: u32, to: usize): usize {
  if (size < MIN_LITERALS && !repeatable) return writeRaw(from, size, to);
  countLiterals(from, size);
  const distinct = sortCounts();
  if (distinct === 1) {
    const end = writeHead(1, size, to);
    store<u8>(end, load<u8>(from));
    return end + 1;
  }
  const wide: usize = size < 1024 ? 3 : size < 16_384 ? 4 : 5;
  const jumps: usize = size < 256 ? 0 : 6;
  const describedTo = to + wide;
  let end: usize = 0;
  let bytes: u32 = u32.MAX_VALUE;
  let kind: u32 = 2;
  if (size >= MIN_LITERALS) {
    makeCode(distinct);
    end = writeCode(describedTo);
    if (end !== 0) bytes = u32(end - describedTo) + costOfCode(newCodes);
  }
  if (repeatable) {
    const again = costOfCode(codes);
    if (again <= bytes) {
      bytes = again;
      end = describedTo;
      kind = 3;
    }
  }
  // Worth its while only where something is gained.
  if (bytes > size || bytes + u32(wide) + u32(jumps) + 4 >= size) return writeRaw(from, size, to);
  if (kind === 2) {
    memory.copy(codes, newCodes, 4 * 256);
    repeatable = true;
  }
  let format: u32 = 0;
  if (jumps === 0) {
    end = writeStream(from, from + usize(size), end);
  } else {
    format = u32(wide) - 2;
    const quarter = usize((size + 3) >> 2);
    const table = end;
    end = writeStream(from, from + quarter, table + 6);
    store<u16>(table, u16(end - table - 6));
    let start = end;
    end = writeStream(from + quarter, from + 2 * quarter, start);
    store<u16>(table, u16(end - start), 2);
    start = end;
    end = writeStream(from + 2 * quarter, from + 3 * quarter, start);
    store<u16>(table, u16(end - start), 4);
    end = writeStream(from + 3 * quarter, from + usize(size), end);
  }
  const sizeBits: u64 = wide === 3 ? 10 : wide === 4 ? 14 : 18;
  const head = u64(kind | (format << 2) | (size << 4)) | (u64(end - describedTo) << (4 + sizeBits));
  store<u16>(to, u16(head));
  store<u8>(to, u8(head >> 16), 2);
  if (wide > 3) store<u8>(to, u8(head >> 24), 3);
  if (wide > 4) store<u8>(to, u8(head >> 32), 4);
  return end;
}

function writeRaw(from: usize, size: u32, to: usize): usize {
  const end = writeHead(0, size, to);
  memory.copy(end, from, size);
  return end + usize(size);
}

/** The head of literals that are raw or one byte repeated. */
function writeHead(kind: u32, size: u32, to: usize): usize {
  if (size < 32) {
    store<u8>(to, u8(kind | (size << 3)));
    return to + 1;
  }
  if (size < 4096) {
    store<u16>(to, u16(kind | (1 << 2) | (size << 4)));
    return to + 2;
  }
  store<u32>(to, kind | (3 << 2) | (size << 4));
  return to + 3;
}

function countLiterals(from: usize, size: u32): void {
  memory.fill(counts, 0, 4 * 4 * 256);
  const end = from + usize(size);
  // Four counts: a byte that comes twice in a row would else wait for itself.
  for (; from + 8 <= end; from += 8) {
    const word = load<u64>(from);
    add(0, usize(word & 0xff));
    add(1, usize((word >> 8) & 0xff));
    add(2, usize((word >> 16) & 0xff));
    add(3, usize((word >> 24) & 0xff));
    add(0, usize((word >> 32) & 0xff));
    add(1, usize((word >> 40) & 0xff));
    add(2, usize((word >> 48) & 0xff));
    add(3, usize(word >> 56));
  }
  for (; from < end; from++) add(0, usize(load<u8>(from)));
  for (let at = counts; at < counts + 1024; at += 16) {
    const one = i32x4.add(v128.load(at), v128.load(at, 1024));
    v128.store(at, i32x4.add(one, i32x4.add(v128.load(at, 2048), v128.load(at, 3072))));
  }
}

function add(which: usize, byte: usize): void {
  const at = counts + (which << 10) + (byte << 2);
  store<u32>(at, load<u32>(at) + 1);
}

/** Fills `sorted`; how many bytes occur. */
function sortCounts(): usize {
  let distinct: usize = 0;
  let absent: usize = 0;
  for (let i: usize = 0; i < 256; i++) {
    const byte: usize = load<u8>(order + i);
    const count = load<u32>(counts + (byte << 2));
    if (count === 0) {
      // For the next order, behind those that occur; `tree` is not in use yet.
      store<u8>(tree + absent++, u8(byte));
      continue;
    }
    const item = (count << BYTE_BITS) | u32(byte);
    let at = sorted + (distinct++ << 2);
    for (; at > sorted && load<u32>(at - 4) > item; at -= 4) store<u32>(at, load<u32>(at - 4));
    store<u32>(at, item);
  }
  for (let i: usize = 0; i < distinct; i++) store<u8>(order + i, load<u8>(sorted + (i << 2)));
  memory.copy(order + distinct, tree, absent);
  return distinct;
}

/** Makes `newCodes` for the bytes of `sorted`: the least lengths, cut to 11 bits. */
function makeCode(distinct: usize): void {
  countLengths(distinct, BYTE_BITS, MAX_BITS);
  longest = MAX_BITS;
  while (load<u32>(lengthCounts + (usize(longest) << 2)) === 0) longest--;
  let code: u32 = 0;
  for (let length = longest; length > 0; length--) {
    store<u32>(nextCodes + (usize(length) << 2), code);
    code = (code + load<u32>(lengthCounts + (usize(length) << 2))) >> 1;
  }
  memory.fill(newCodes, 0, 4 * 256);
  let length: u32 = longest;
  let left = load<u32>(lengthCounts + (usize(length) << 2));
  for (let i: usize = 0; i < distinct; i++) {
    while (left === 0) left = load<u32>(lengthCounts + (usize(--length) << 2));
    left--;
    store<u32>(newCodes + (usize(load<u8>(sorted + (i << 2))) << 2), length << 16);
  }
  for (let at = newCodes; at < newCodes + 4 * 256; at += 4) {
    const length = load<u32>(at) >> 16;
    if (length === 0) continue;
    const next = nextCodes + (usize(length) << 2);
    store<u16>(at, u16(load<u32>(next)));
    store<u32>(next, load<u32>(next) + 1);
  }
}

/** Bytes that the literals take with these codes; all ones where one has none. */
function costOfCode(code: usize): u32 {
  let bits: u32 = 0;
  for (let byte: usize = 0; byte < 256; byte++) {
    const count = load<u32>(counts + (byte << 2));
    const length = load<u32>(code + (byte << 2)) >> 16;
    if (count !== 0 && length === 0) return u32.MAX_VALUE;
    bits += count * length;
  }
  return (bits + 7) >> 3;
}

/** Writes the description of the new codes: weights of all bytes but the last; 0 where they cannot be described. */
function writeCode(to: usize): usize {
  let last: usize = 255;
  while (load<u32>(newCodes + (last << 2)) === 0) last--;
  memory.fill(weightCounts, 0, COUNTS_BYTES);
  let symbols: usize = 0;
  let distinct: u32 = 0;
  for (let byte: usize = 0; byte < last; byte++) {
    const length = load<u32>(newCodes + (byte << 2)) >> 16;
    const weight: usize = length === 0 ? 0 : usize(longest + 1 - length);
    store<u8>(weights + byte, u8(weight));
    const at = weightCounts + (weight << 2);
    const count = load<u32>(at);
    store<u32>(at, count + 1);
    if (count === 0) distinct++;
    symbols = max(symbols, weight + 1);
  }
  const plain: usize = last <= 128 ? (last + 1) >> 1 : 128;
  if (distinct > 1 && last > 2) {
    // 64 states are most that may be.
    const log: u32 = last > 64 ? 6 : 5;
    makeShares(weightCounts, symbols, u32(last), log, weightShares);
    const cost = usize(costOf(weightCounts, symbols, weightShares, log) >> 11);
    if (cost < plain) {
      makeTable(weightShares, symbols, log, weightTable);
      const end = writeWeights(last, log, writeShares(weightShares, log, to + 1));
      const length = end - to - 1;
      if (length < plain && length < 128) {
        store<u8>(to, u8(length));
        return end;
      }
    }
  }
  if (last > 128) return 0;
  store<u8>(to, u8(127 + last));
  store<u8>(weights + last, 0);
  for (let i: usize = 0; i < plain; i++) {
    store<u8>(to + 1 + i, u8((load<u8>(weights + 2 * i) << 4) | load<u8>(weights + 2 * i + 1)));
  }
  return to + 1 + plain;
}

/** Weights in two streams of states that take turns, the last first. */
function writeWeights(count: usize, log: u32, to: usize): usize {
  let at = count - 1;
  // Of the symbol to write next, and of the one behind it.
  let state = firstState(weightTable, usize(load<u8>(weights + at - 1)));
  let other = firstState(weightTable, usize(load<u8>(weights + at)));
  at--;
  let word: u64 = 0;
  let bits: u32 = 0;
  while (at > 0) {
    at--;
    // The one that is two before `other`.
    const entry = load<u64>(weightTable + (usize(load<u8>(weights + at)) << 3));
    const width = (other + u32(entry)) >> 16;
    word |= u64(other & ((1 << width) - 1)) << u64(bits);
    bits += width;
    const next: u32 = load<u16>(weightTable + (MAX_SYMBOLS << 3) + (usize((other >> width) + u32(entry >> 32)) << 1));
    other = state;
    state = next;
    store<u64>(to, word);
    to += usize(bits >> 3);
    word >>= u64(bits & ~7);
    bits &= 7;
  }
  // `state` is that of the first weight and is read first.
  word |= u64(other & ((1 << log) - 1)) << u64(bits);
  bits += log;
  word |= u64(state & ((1 << log) - 1)) << u64(bits);
  bits += log;
  word |= u64(1) << u64(bits);
  store<u64>(to, word);
  return to + usize((bits + 8) >> 3);
}

/** One stream, the last literal first; the place behind it. */
function writeStream(from: usize, end: usize, to: usize): usize {
  let word: u64 = 0;
  let bits: u32 = 0;
  // Five codes of at most 11 bits beside 7 that were left.
  for (; from + 5 <= end; end -= 5) {
    const one = load<u32>(codes + (usize(load<u8>(end - 1)) << 2));
    const two = load<u32>(codes + (usize(load<u8>(end - 2)) << 2));
    const three = load<u32>(codes + (usize(load<u8>(end - 3)) << 2));
    const four = load<u32>(codes + (usize(load<u8>(end - 4)) << 2));
    const five = load<u32>(codes + (usize(load<u8>(end - 5)) << 2));
    word |= u64(one & 0xffff) << u64(bits);
    bits += one >> 16;
    word |= u64(two & 0xffff) << u64(bits);
    bits += two >> 16;
    word |= u64(three & 0xffff) << u64(bits);
    bits += three >> 16;
    word |= u64(four & 0xffff) << u64(bits);
    bits += four >> 16;
    word |= u64(five & 0xffff) << u64(bits);
    bits += five >> 16;
    store<u64>(to, word);
    to += usize(bits >> 3);
    word >>= u64(bits & ~7);
    bits &= 7;
  }
  while (end > from) {
    const code = load<u32>(codes + (usize(load<u8>(--end)) << 2));
    word |= u64(code & 0xffff) << u64(bits);
    bits += code >> 16;
  }
  word |= u64(1) << u64(bits);
  store<u64>(to, word);
  return to + usize((bits + 8) >> 3);
}
