/**
 * Blocks: matches are kept with the literals before them, and written in the shortest of the three ways that there are.
 *
 * Reference: RFC 1951, 3.2.3 to 3.2.7
 */
import { makeCodes, makeLengths } from './deflate-code';

/** A sequence: literals before the match in the low half; above them distance − 1 (15 bits), its code (5), length (9). */
const SEQUENCE_BYTES: usize = 8;
const MAX_SEQUENCES: usize = 12_288;
/** Room that `keepMatch` writes to. */
export const SEQUENCES_BYTES: usize = MAX_SEQUENCES * SEQUENCE_BYTES;
const MAX_STORED: usize = 65_535;

const END_OF_BLOCK: usize = 256;
const LITERALS: usize = 286;
const DISTANCES: usize = 30;

/** The code of each length less 257, and of each code its first length and its extra bits. */
const lengthCodes: usize = memory.data(259, 16);
const lengthBases: usize = memory.data<u16>([
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
]);
const lengthBits: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
]);
/** In which order the lengths of the codes of lengths are told. */
const order: usize = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]);

/** How often each literal, each length, and each code is in the block. */
const counts: usize = memory.data(4 * 288, 16);
const lengthCounts: usize = memory.data(4 * 260, 16);
const distanceCounts: usize = memory.data(4 * 32, 16);
/** Lengths of codes; of the fixed ones, those of distances begin at 288. */
const lengths: usize = memory.data(288, 16);
const fixedLengths: usize = memory.data(320, 16);
const distanceLengths: usize = memory.data(32, 16);
/** As `makeCodes` fills them. */
const codes: usize = memory.data(4 * 288, 16);
const distanceCodes: usize = memory.data(4 * 32, 16);
/** For each length its code with its extra bits | how many bits these are << 24. */
const writtenLengths: usize = memory.data(4 * 260, 16);
/** Lengths of codes up to the last of literals, and then of distances. */
const allLengths: usize = memory.data(320, 16);
/** How the lengths of codes are told: symbol | extra bits << 8, two bytes each; how often each symbol, its code. */
const told: usize = memory.data(2 * 320, 16);
const toldCounts: usize = memory.data(4 * 20, 16);
const toldLengths: usize = memory.data(20, 16);
const toldCodes: usize = memory.data(4 * 20, 16);

let sequences: usize = 0;
let sequencesEnd: usize = 0;
/** Where the content of the block begins. */
let content: usize = 0;

/** Where the next bits go; the lowest `bitCount` of `word` are not written yet. */
let out: usize = 0;
let word: u64 = 0;
let bitCount: u32 = 0;

/** To be called once: `room` is where sequences are kept. */
export function prepareBlocks(room: usize): void {
  sequences = room;
  for (let code: usize = 0; code < 29; code++) {
    const first: usize = load<u16>(lengthBases + (code << 1));
    // The last length has a code of its own, which comes last.
    for (let i: usize = 0; i < 1 << usize(load<u8>(lengthBits + code)); i++)
      store<u8>(lengthCodes + first + i, u8(code));
  }
  for (let symbol: usize = 0; symbol < 288; symbol++) {
    store<u8>(fixedLengths + symbol, symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8);
  }
  memory.fill(fixedLengths + 288, 5, 32);
}

/** To be called first: where bits are written. */
export function startBits(to: usize): void {
  out = to;
  word = 0;
  bitCount = 0;
}

/** To be called before the matches of a block whose content begins at `from`. */
export function beginBlock(from: usize): void {
  content = from;
  sequencesEnd = sequences;
  memory.fill(counts, 0, 4 * 288);
  memory.fill(lengthCounts, 0, 4 * 260);
  memory.fill(distanceCounts, 0, 4 * 32);
}

/** Whether the block has to end. */
export function isFull(): bool {
  return sequencesEnd === sequences + SEQUENCES_BYTES;
}

/** Keeps a match, and the literals from `anchor` on before it. */
export function keepMatch(anchor: usize, at: usize, length: u32, distance: u32): void {
  countLiterals(anchor, at);
  const from = distance - 1;
  let code = from;
  if (from > 3) {
    const bits = 30 - clz(from);
    code = 2 * bits + (from >> bits);
  }
  add(lengthCounts, usize(length));
  add(distanceCounts, usize(code));
  store<u32>(sequencesEnd, u32(at - anchor));
  store<u32>(sequencesEnd, from | (code << 15) | (length << 20), 4);
  sequencesEnd += SEQUENCE_BYTES;
}

function countLiterals(from: usize, end: usize): void {
  for (; from < end; from++) add(counts, usize(load<u8>(from)));
}

function add(table: usize, symbol: usize): void {
  const at = table + (symbol << 2);
  store<u32>(at, load<u32>(at) + 1);
}

/** Writes the block, whose last literals are from `anchor` to `end`. */
export function endBlock(anchor: usize, end: usize): void {
  if (end === content) return;
  countLiterals(anchor, end);
  store<u32>(counts + (END_OF_BLOCK << 2), 1);
  let extra: u64 = 0;
  for (let length: usize = 3; length < 259; length++) {
    const count = load<u32>(lengthCounts + (length << 2));
    const code = usize(load<u8>(lengthCodes + length));
    const at = counts + ((257 + code) << 2);
    store<u32>(at, load<u32>(at) + count);
    extra += u64(count) * u64(load<u8>(lengthBits + code));
  }
  for (let code: usize = 4; code < DISTANCES; code++) {
    extra += u64(load<u32>(distanceCounts + (code << 2))) * u64((code >> 1) - 1);
  }
  makeLengths(counts, LITERALS, 15, lengths);
  makeLengths(distanceCounts, DISTANCES, 15, distanceLengths);
  const size = end - content;
  const headBits = tellLengths();
  const dynamicBits = extra + headBits + cost(lengths, distanceLengths);
  const fixedBits = extra + cost(fixedLengths, fixedLengths + 288);
  const storedBits = (u64(size) << 3) + 40 * u64((size + MAX_STORED - 1) / MAX_STORED);
  if (storedBits <= min(dynamicBits, fixedBits)) {
    writeStored(end);
    return;
  }
  if (fixedBits <= dynamicBits) {
    put(1 << 1, 3);
    makeCodes(fixedLengths, 288, codes);
    makeCodes(fixedLengths + 288, DISTANCES, distanceCodes);
  } else {
    put(2 << 1, 3);
    putLengths();
    makeCodes(lengths, LITERALS, codes);
    makeCodes(distanceLengths, DISTANCES, distanceCodes);
  }
  writeSequences(end);
}

function cost(ofLiterals: usize, ofDistances: usize): u64 {
  let bits: u64 = 0;
  for (let symbol: usize = 0; symbol < LITERALS; symbol++) {
    bits += u64(load<u32>(counts + (symbol << 2))) * u64(load<u8>(ofLiterals + symbol));
  }
  for (let code: usize = 0; code < DISTANCES; code++) {
    bits += u64(load<u32>(distanceCounts + (code << 2))) * u64(load<u8>(ofDistances + code));
  }
  return bits;
}

let literalTotal: usize = 0;
let distanceTotal: usize = 0;
let toldEnd: usize = 0;
let toldTotal: usize = 0;

/** Decides how the lengths of codes are told; how many bits that takes. */
function tellLengths(): u64 {
  literalTotal = LITERALS;
  while (literalTotal > 257 && load<u8>(lengths + literalTotal - 1) === 0) literalTotal--;
  distanceTotal = DISTANCES;
  while (distanceTotal > 1 && load<u8>(distanceLengths + distanceTotal - 1) === 0) distanceTotal--;
  memory.copy(allLengths, lengths, literalTotal);
  memory.copy(allLengths + literalTotal, distanceLengths, distanceTotal);
  const end = allLengths + literalTotal + distanceTotal;
  memory.fill(toldCounts, 0, 4 * 20);
  toldEnd = told;
  for (let at = allLengths; at < end; ) {
    const length = u32(load<u8>(at));
    let next = at + 1;
    while (next < end && u32(load<u8>(next)) === length) next++;
    let run = u32(next - at);
    at = next;
    if (length === 0) {
      for (; run >= 11; run -= min(run, 138)) tell(18, min(run, 138) - 11);
      if (run >= 3) {
        tell(17, run - 3);
        run = 0;
      }
    } else {
      tell(length, 0);
      run--;
      for (; run >= 3; run -= min(run, 6)) tell(16, min(run, 6) - 3);
    }
    for (; run > 0; run--) tell(length, 0);
  }
  makeLengths(toldCounts, 19, 7, toldLengths);
  toldTotal = 19;
  while (load<u8>(toldLengths + usize(load<u8>(order + toldTotal - 1))) === 0) toldTotal--;
  let bits = 14 + 3 * u64(toldTotal);
  for (let symbol: usize = 0; symbol < 19; symbol++) {
    const width = u64(load<u8>(toldLengths + symbol)) + (symbol < 16 ? 0 : toldBits(u32(symbol)));
    bits += u64(load<u32>(toldCounts + (symbol << 2))) * width;
  }
  return bits;
}

function toldBits(symbol: u32): u32 {
  return symbol === 16 ? 2 : symbol === 17 ? 3 : 7;
}

function tell(symbol: u32, extra: u32): void {
  add(toldCounts, usize(symbol));
  store<u16>(toldEnd, u16(symbol | (extra << 8)));
  toldEnd += 2;
}

function putLengths(): void {
  put(u32(literalTotal) - 257, 5);
  put(u32(distanceTotal) - 1, 5);
  put(u32(toldTotal) - 4, 4);
  for (let i: usize = 0; i < toldTotal; i++) put(load<u8>(toldLengths + usize(load<u8>(order + i))), 3);
  makeCodes(toldLengths, 19, toldCodes);
  for (let at = told; at < toldEnd; at += 2) {
    const symbol = u32(load<u8>(at));
    const code = load<u32>(toldCodes + (usize(symbol) << 2));
    put(code & 0xffff, code >> 24);
    if (symbol >= 16) put(u32(load<u8>(at, 1)), toldBits(symbol));
  }
}

/** Writes at most 32 bits. */
function put(bits: u32, width: u32): void {
  word |= u64(bits) << u64(bitCount);
  bitCount += width;
  store<u64>(out, word);
  out += usize(bitCount >> 3);
  word >>= u64(bitCount & ~7);
  bitCount &= 7;
}

function writeStored(end: usize): void {
  for (let at = content; at < end; ) {
    const size = min(end - at, MAX_STORED);
    putStored(u32(size));
    memory.copy(out, at, size);
    out += size;
    at += size;
  }
}

/** The head of a stored block. */
function putStored(size: u32): void {
  put(0, 3);
  if (bitCount > 0) put(0, 8 - bitCount);
  put(size | (~size << 16), 32);
}

/** Ends with an empty stored block; the place behind it. */
export function endOnByte(): usize {
  putStored(0);
  return out;
}

/** Writes sequences, and the literals up to `end`, with the codes at hand. */
function writeSequences(end: usize): void {
  for (let length: usize = 3; length < 259; length++) {
    const code = usize(load<u8>(lengthCodes + length));
    const entry = load<u32>(codes + ((257 + code) << 2));
    const first = u32(load<u16>(lengthBases + (code << 1)));
    const width = u32(load<u8>(lengthBits + code)) << 24;
    store<u32>(writtenLengths + (length << 2), entry + (((u32(length) - first) << (entry >> 24)) | width));
  }
  let to = out;
  let bits = word;
  let count = bitCount;
  let from = content;
  for (let at = sequences; at < sequencesEnd; at += SEQUENCE_BYTES) {
    let left = load<u32>(at);
    // Three codes of at most 15 bits beside 7 that were left.
    for (; left >= 3; left -= 3) {
      const one = load<u32>(codes + (usize(load<u8>(from)) << 2));
      const two = load<u32>(codes + (usize(load<u8>(from, 1)) << 2));
      const three = load<u32>(codes + (usize(load<u8>(from, 2)) << 2));
      from += 3;
      bits |= u64(one & 0xffff) << u64(count);
      count += one >> 24;
      bits |= u64(two & 0xffff) << u64(count);
      count += two >> 24;
      bits |= u64(three & 0xffff) << u64(count);
      count += three >> 24;
      store<u64>(to, bits);
      to += usize(count >> 3);
      bits >>= u64(count & ~7);
      count &= 7;
    }
    for (; left > 0; left--) {
      const one = load<u32>(codes + (usize(load<u8>(from++)) << 2));
      bits |= u64(one & 0xffff) << u64(count);
      count += one >> 24;
    }
    if (count > 15) {
      store<u64>(to, bits);
      to += usize(count >> 3);
      bits >>= u64(count & ~7);
      count &= 7;
    }
    // 20 bits of a length and 28 of a distance.
    const match = load<u32>(at, 4);
    from += usize(match >> 20);
    const length = load<u32>(writtenLengths + (usize(match >> 20) << 2));
    bits |= u64(length & 0xffffff) << u64(count);
    count += length >> 24;
    const code = (match >> 15) & 31;
    const distance = load<u32>(distanceCodes + (usize(code) << 2));
    bits |= u64(distance & 0xffff) << u64(count);
    count += distance >> 24;
    const width = code < 4 ? 0 : (code >> 1) - 1;
    bits |= u64(match & ((1 << width) - 1)) << u64(count);
    count += width;
    store<u64>(to, bits);
    to += usize(count >> 3);
    bits >>= u64(count & ~7);
    count &= 7;
  }
  out = to;
  word = bits;
  bitCount = count;
  for (; from < end; from++) {
    const one = load<u32>(codes + (usize(load<u8>(from)) << 2));
    put(one & 0xffff, one >> 24);
  }
  const last = load<u32>(codes + (END_OF_BLOCK << 2));
  put(last & 0xffff, last >> 24);
}
