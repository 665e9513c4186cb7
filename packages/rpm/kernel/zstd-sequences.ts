/**
 * The sequences of a block: kept as they are found, then written with three codes of finite-state entropy.
 *
 * Reference: RFC 8878, 3.1.1.3.2
 */
import {
  COUNTS_BYTES,
  costOf,
  firstState,
  MAX_SYMBOLS,
  makeShares,
  makeTable,
  SHARES_BYTES,
  suitableLog,
  TABLE_BYTES,
  writeShares,
} from './zstd-fse';

/** Most bytes that a block opens to. */
export const MAX_BLOCK_BYTES: usize = 131_072;
/** A sequence as it is kept: offset value, literal length | its code << 24, match length − 3 | its code << 24; four bytes each. */
export const SEQUENCE_BYTES: usize = 12;
/** Where sequences are kept. None has a match of less than four bytes. */
export const sequences: usize = memory.data(i32((MAX_BLOCK_BYTES / 4 + 1) * SEQUENCE_BYTES), 64);

const LITERAL_LENGTHS: usize = 0;
const OFFSETS: usize = 1;
const MATCH_LENGTHS: usize = 2;

/** Codes of short lengths, and the extra bits of each code. */
const literalCodes: usize = memory.data<u8>([
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 20, 20, 21, 21, 21, 21,
  22, 22, 22, 22, 22, 22, 22, 22, 23, 23, 23, 23, 23, 23, 23, 23, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24,
  24, 24, 24,
]);
const literalBits: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
]);
const matchCodes: usize = memory.data(128, 16);
const matchBits: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3,
  3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
]);
/** The shares of the tables that need no description, of 2^6, 2^5 and 2^6. */
const predefinedLiteralLengths: usize = memory.data<i16>([
  4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1,
]);
const predefinedOffsets: usize = memory.data<i16>([
  1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, 0, 0, 0,
]);
const predefinedMatchLengths: usize = memory.data<i16>([
  1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
]);

/** Of the three codes: how often each symbol is in the block, the shares of the table at hand, and that table. */
const counts: usize = memory.data(3 * 4 * 64, 16);
const shares: usize = memory.data(3 * 2 * 64, 16);
const tables: usize = memory.data(3 * (8 * 64 + 2 * 512), 16);
const newShares: usize = memory.data(2 * 64, 16);
/** The logarithm of the size of each table at hand, and whether a block may use it again: those that were described. */
const logs: usize = memory.data(3 * 4, 16);
const repeatable: usize = memory.data(3 * 4, 16);

/** To be called once. */
export function prepareSequences(): void {
  let code: usize = 0;
  for (let length: usize = 0; length < 128; length++) {
    // 32 codes of their own, then steps of 2 to 32, each from a multiple of itself.
    if (length < 32) code = length;
    else if (length < 40) code = 32 + ((length - 32) >> 1);
    else if (length < 48) code = 36 + ((length - 40) >> 2);
    else if (length < 64) code = 38 + ((length - 48) >> 3);
    else if (length < 96) code = 40 + ((length - 64) >> 4);
    else code = 42;
    store<u8>(matchCodes + length, u8(code));
  }
}

/** To be called before each frame. */
export function forgetTables(): void {
  memory.fill(repeatable, 0, 12);
}

/** To be called before each block. */
export function clearCounts(): void {
  memory.fill(counts, 0, 3 * COUNTS_BYTES);
}

/** Keeps a sequence; `offset` is its value as it is written: 1 to 3 for those used before, else three more than it is. */
export function keepSequence(at: usize, literalLength: u32, offset: u32, matchLength: u32): void {
  const match = matchLength - 3;
  const literalCode: u32 =
    literalLength < 64 ? u32(load<u8>(literalCodes + usize(literalLength))) : 50 - clz(literalLength);
  const matchCode: u32 = match < 128 ? u32(load<u8>(matchCodes + usize(match))) : 67 - clz(match);
  count(LITERAL_LENGTHS, literalCode);
  count(OFFSETS, 31 - clz(offset));
  count(MATCH_LENGTHS, matchCode);
  store<u32>(at, offset);
  store<u32>(at, literalLength | (literalCode << 24), 4);
  store<u32>(at, match | (matchCode << 24), 8);
}

function count(kind: usize, symbol: u32): void {
  const at = counts + kind * COUNTS_BYTES + (usize(symbol) << 2);
  store<u32>(at, load<u32>(at) + 1);
}

/** Writes the section of the sequences up to `end`; the place behind it. */
export function writeSequences(end: usize, to: usize): usize {
  const total = u32((end - sequences) / SEQUENCE_BYTES);
  if (total < 128) {
    store<u8>(to++, u8(total));
  } else if (total < 0x7f00) {
    store<u8>(to, u8((total >> 8) + 128));
    store<u8>(to, u8(total), 1);
    to += 2;
  } else {
    store<u8>(to, 255);
    store<u16>(to, u16(total - 0x7f00), 1);
    to += 3;
  }
  if (total === 0) return to;
  const modes = to++;
  let mode: u32 = 0;
  chosen = to;
  mode |= chooseTable(LITERAL_LENGTHS, 36, total, 9, predefinedLiteralLengths, 6) << 6;
  mode |= chooseTable(OFFSETS, 32, total, 8, predefinedOffsets, 5) << 4;
  mode |= chooseTable(MATCH_LENGTHS, 53, total, 9, predefinedMatchLengths, 6) << 2;
  store<u8>(modes, u8(mode));
  return writeStream(end, chosen);
}

/** Behind what was written of tables. */
let chosen: usize = 0;

/** Makes the table of one code, writes what describes it, and says how that is called. */
function chooseTable(kind: usize, most: usize, total: u32, mostLog: u32, predefined: usize, predefinedLog: u32): u32 {
  const ofKind = counts + kind * COUNTS_BYTES;
  const current = shares + kind * SHARES_BYTES;
  const table = tables + kind * TABLE_BYTES;
  let symbols: usize = 0;
  let distinct: u32 = 0;
  for (let symbol: usize = 0; symbol < most; symbol++) {
    if (load<u32>(ofKind + (symbol << 2)) === 0) continue;
    distinct++;
    symbols = symbol + 1;
  }
  const to = chosen;
  if (distinct === 1) {
    memory.fill(current, 0, SHARES_BYTES);
    store<i16>(current + ((symbols - 1) << 1), 1);
    store<u32>(logs + (kind << 2), 0);
    makeTable(current, symbols, 0, table);
    store<u32>(repeatable + (kind << 2), 0);
    store<u8>(to, u8(symbols - 1));
    chosen = to + 1;
    return 1;
  }
  const log = suitableLog(total, distinct, mostLog);
  makeShares(ofKind, symbols, total, log, newShares);
  const end = writeShares(newShares, log, to);
  let cost = costOf(ofKind, symbols, newShares, log) + (u64(end - to) << 11);
  let mode: u32 = 2;
  if (symbols <= (kind === OFFSETS ? 29 : most)) {
    const other = costOf(ofKind, symbols, predefined, predefinedLog);
    if (other <= cost) {
      cost = other;
      mode = 0;
    }
  }
  if (load<u32>(repeatable + (kind << 2)) !== 0) {
    if (costOf(ofKind, symbols, current, load<u32>(logs + (kind << 2))) <= cost) return 3;
  }
  const used = mode === 0 ? predefinedLog : log;
  memory.fill(current, 0, SHARES_BYTES);
  if (mode === 0) memory.copy(current, predefined, most << 1);
  else memory.copy(current, newShares, symbols << 1);
  store<u32>(logs + (kind << 2), used);
  // Other tables are as short to give again as to repeat.
  store<u32>(repeatable + (kind << 2), u32(mode === 2));
  makeTable(current, mode === 0 ? most : symbols, used, table);
  if (mode === 2) chosen = end;
  return mode;
}

/** The sequences themselves, the last one first: the stream is read backwards. */
function writeStream(end: usize, to: usize): usize {
  const llTable = tables;
  const ofTable = tables + TABLE_BYTES;
  const mlTable = tables + 2 * TABLE_BYTES;
  let at = end - SEQUENCE_BYTES;
  let offset = load<u32>(at);
  let literalLength = load<u32>(at, 4);
  let matchLength = load<u32>(at, 8);
  let ofCode = 31 - clz(offset);
  let llState = firstState(llTable, usize(literalLength >> 24));
  let ofState = firstState(ofTable, usize(ofCode));
  let mlState = firstState(mlTable, usize(matchLength >> 24));
  let word: u64 = 0;
  let bits: u32 = 0;
  for (;;) {
    const llWidth: u32 = load<u8>(literalBits + usize(literalLength >> 24));
    const mlWidth: u32 = load<u8>(matchBits + usize(matchLength >> 24));
    // 7 bits that were left, 26 of states and 30 more are what a word holds that is shifted by less than its width.
    if (llWidth + mlWidth + ofCode > 30) {
      store<u64>(to, word);
      to += usize(bits >> 3);
      word >>= u64(bits & ~7);
      bits &= 7;
    }
    word |= u64(literalLength & ((1 << llWidth) - 1)) << u64(bits);
    bits += llWidth;
    word |= u64(matchLength & ((1 << mlWidth) - 1)) << u64(bits);
    bits += mlWidth;
    word |= u64(offset & ((1 << ofCode) - 1)) << u64(bits);
    bits += ofCode;
    store<u64>(to, word);
    to += usize(bits >> 3);
    word >>= u64(bits & ~7);
    bits &= 7;
    if (at === sequences) break;
    at -= SEQUENCE_BYTES;
    offset = load<u32>(at);
    literalLength = load<u32>(at, 4);
    matchLength = load<u32>(at, 8);
    ofCode = 31 - clz(offset);

    const ofEntry = load<u64>(ofTable + (usize(ofCode) << 3));
    const mlEntry = load<u64>(mlTable + (usize(matchLength >> 24) << 3));
    const llEntry = load<u64>(llTable + (usize(literalLength >> 24) << 3));
    const ofBits = (ofState + u32(ofEntry)) >> 16;
    word |= u64(ofState & ((1 << ofBits) - 1)) << u64(bits);
    bits += ofBits;
    ofState = load<u16>(ofTable + (MAX_SYMBOLS << 3) + (usize((ofState >> ofBits) + u32(ofEntry >> 32)) << 1));
    const mlBits = (mlState + u32(mlEntry)) >> 16;
    word |= u64(mlState & ((1 << mlBits) - 1)) << u64(bits);
    bits += mlBits;
    mlState = load<u16>(mlTable + (MAX_SYMBOLS << 3) + (usize((mlState >> mlBits) + u32(mlEntry >> 32)) << 1));
    const llBits = (llState + u32(llEntry)) >> 16;
    word |= u64(llState & ((1 << llBits) - 1)) << u64(bits);
    bits += llBits;
    llState = load<u16>(llTable + (MAX_SYMBOLS << 3) + (usize((llState >> llBits) + u32(llEntry >> 32)) << 1));
  }
  const mlLog = load<u32>(logs, 8);
  word |= u64(mlState & ((1 << mlLog) - 1)) << u64(bits);
  bits += mlLog;
  const ofLog = load<u32>(logs, 4);
  word |= u64(ofState & ((1 << ofLog) - 1)) << u64(bits);
  bits += ofLog;
  const llLog = load<u32>(logs);
  word |= u64(llState & ((1 << llLog) - 1)) << u64(bits);
  bits += llLog;
  // The end mark.
  word |= u64(1) << u64(bits);
  store<u64>(to, word);
  return to + usize((bits + 8) >> 3);
}
