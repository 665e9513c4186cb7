/**
 * What repeats: finds sequences in a block, with one table of the places where eight bytes were last seen and one for five.
 *
 * An entry is a place and nine bits of the hash that the slot does not tell: nearly all places where something else is are passed
 * over without a look at what is there, which is seldom in a cache. Small tables are faster for the same reason.
 *
 * Reference: RFC 8878, 3.1.1.5 (repeated offsets)
 */
import { clearCounts, keepSequence, MAX_BLOCK_BYTES, SEQUENCE_BYTES, sequences } from './zstd-sequences';

/** Most bytes of a window: a place is a number of so many bits, and nothing farther back can be told. */
export const WINDOW_LOG: u32 = 23;
const PLACES: u32 = 1 << WINDOW_LOG;
const PLACE_MASK: u32 = PLACES - 1;
/** The tables of frames of more than 1 MiB; others use a part of them, which stays in the cache of a core. */
const LONG_LOG: u32 = 17;
const SHORT_LOG: u32 = 16;
const TAG_BITS: u32 = 32 - WINDOW_LOG;
/** Bytes at the end of a block from which nothing is sought: what lies behind the block is not there yet. */
const MARGIN: usize = 8;
/** Any odd number whose bits are well mixed. */
const FACTOR: u64 = (0x9e3779b9 << 32) | 0x7f4a7c15;

const longTable: usize = memory.data(4 << LONG_LOG, 64);
const shortTable: usize = memory.data(4 << SHORT_LOG, 64);
/** Literals of the block at hand; vectors are written over their end. */
export const literals: usize = memory.data(i32(MAX_BLOCK_BYTES) + 64, 64);
/** Behind the last sequence of the block at hand. */
export let sequencesEnd: usize = 0;

/** Four times the number of the last slot of each table. */
let longMask: usize = 0;
let shortMask: usize = 0;
/** Added to an address it gives a place; those of earlier frames lie below those of this one. */
let shift: u32 = 0;
let highest: u32 = 0;

/** The offsets that the decoder has behind the last block, and behind the one at hand. The third one is not used. */
let offset1: usize = 0;
let offset2: usize = 0;
let newOffset1: usize = 0;
let newOffset2: usize = 0;

/** To be called before each frame, which will be at `from`. */
export function forgetMatches(from: usize, size: u32): void {
  // In a frame that is longer than places go, one place stands for several: still the same ones for the same frame.
  if (highest + min(size, PLACES) >= PLACES) {
    memory.fill(longTable, 0, 4 << LONG_LOG);
    memory.fill(shortTable, 0, 4 << SHORT_LOG);
    highest = 0;
  }
  // 0 is no place.
  shift = highest + 1 - u32(from);
  highest += min(size, PLACES);
  // A slot for eight bytes, and one for sixteen; 1,024 at least.
  const longLog = min<u32>(LONG_LOG, 28 - clz(size | 0x3fff));
  longMask = ((1 << longLog) - 1) << 2;
  shortMask = ((1 << (longLog + SHORT_LOG - LONG_LOG)) - 1) << 2;
  offset1 = 1;
  offset2 = 4;
}

/** The block with these sequences is what the decoder gets. */
export function acceptSequences(): void {
  offset1 = newOffset1;
  offset2 = newOffset2;
}

/** Finds the sequences of a block; its literals go to `literals`. The end of them. */
export function findSequences(from: usize, end: usize, frame: usize): usize {
  clearCounts();
  let sequence = sequences;
  let literal = literals;
  const add = shift;
  const longSlots = longMask;
  const shortSlots = shortMask;
  let rep1 = offset1;
  let rep2 = offset2;
  let anchor = from;
  // The first offset of a frame is 1.
  let at = from === frame ? from + 1 : from;
  const limit = end - from > MARGIN ? end - MARGIN : from;
  let step: usize = 1;
  let stop = stopFor(at, step);
  while (at < limit) {
    const word = load<u64>(at);
    const place = (u32(at) + add) & PLACE_MASK;
    const longMark = longMarkOf(word);
    const longAt = slotOf(longMark, longSlots);
    const longEntry = place | (longMark << WINDOW_LOG);
    const longFound = load<u32>(longAt, longTable);
    store<u32>(longAt, longEntry, longTable);
    const shortMark = shortMarkOf(word);
    const shortAt = slotOf(shortMark, shortSlots);
    const shortEntry = place | (shortMark << WINDOW_LOG);
    const shortFound = load<u32>(shortAt, shortTable);
    store<u32>(shortAt, shortEntry, shortTable);
    let next: usize = 0;
    let value: u32 = 1;
    if (load<u32>(at + 1) === load<u32>(at + 1 - rep1)) {
      at++;
      next = at + 4 + lengthOf(at + 4, at + 4 - rep1, end);
    } else {
      // 0 less one is beyond every reach.
      const reach = at - frame;
      let offset = usize((longEntry - longFound) & PLACE_MASK);
      if ((longFound ^ longEntry) < PLACES && offset - 1 < reach && load<u64>(at - offset) === word) {
        next = at + 8 + lengthOf(at + 8, at + 8 - offset, end);
      } else {
        offset = usize((shortEntry - shortFound) & PLACE_MASK);
        if ((shortFound ^ shortEntry) >= PLACES || offset - 1 >= reach || load<u32>(at - offset) !== u32(word)) {
          at += step;
          if (at >= stop) stop = stopFor(at, ++step);
          continue;
        }
        // Eight bytes from the next one on are better than five from this one.
        const nextWord = load<u64>(at + 1);
        const mark = longMarkOf(nextWord);
        const nextAt = slotOf(mark, longSlots);
        const entry = ((place + 1) & PLACE_MASK) | (mark << WINDOW_LOG);
        const found = load<u32>(nextAt, longTable);
        store<u32>(nextAt, entry, longTable);
        const other = usize((entry - found) & PLACE_MASK);
        if ((found ^ entry) < PLACES && other - 1 < reach && load<u64>(at + 1 - other) === nextWord) {
          at++;
          offset = other;
        }
        next = at + 4 + lengthOf(at + 4, at + 4 - offset, end);
      }
      at -= min(sameBefore(at, at - offset), min(at - anchor, at - offset - frame));
      value = u32(offset) + 3;
      rep2 = rep1;
      rep1 = offset;
    }
    for (;;) {
      const literalLength = at - anchor;
      v128.store(literal, v128.load(anchor));
      if (literalLength > 16) copyLong(anchor, literal, literalLength);
      literal += literalLength;
      keepSequence(sequence, u32(literalLength), value, u32(next - at));
      sequence += SEQUENCE_BYTES;
      anchor = next;
      if (anchor >= limit) break;
      enterLong(at + 1, add, longSlots);
      enterLong(anchor - 2, add, longSlots);
      enterLong(anchor - 1, add, longSlots);
      enterShort(anchor - 1, add, shortSlots);
      at = anchor;
      // Without literals the second offset is the nearest to write.
      if (load<u32>(at) !== load<u32>(at - rep2) || rep2 > at - frame) break;
      next = at + 4 + lengthOf(at + 4, at + 4 - rep2, end);
      const offset = rep2;
      rep2 = rep1;
      rep1 = offset;
      value = 1;
      enterLong(at, add, longSlots);
      enterShort(at, add, shortSlots);
    }
    at = anchor;
    step = 1;
    stop = stopFor(at, step);
  }
  newOffset1 = rep1;
  newOffset2 = rep2;
  sequencesEnd = sequence;
  copyLong(anchor, literal, end - anchor);
  return literal + (end - anchor);
}

/** Where steps become longer: the longer nothing is found, the less is looked at. A digest in hexadecimal is passed in twos and threes. */
function stopFor(at: usize, step: usize): usize {
  return at + (step < 3 ? step << 4 : 512);
}

/** The number of a slot, and below it a tag. */
function longMarkOf(word: u64): u32 {
  return u32((word * FACTOR) >> (64 - LONG_LOG - TAG_BITS));
}

/** Of the first five bytes. */
function shortMarkOf(word: u64): u32 {
  return u32(((word << 24) * FACTOR) >> (64 - SHORT_LOG - TAG_BITS));
}

/** Four times the slot. */
function slotOf(mark: u32, mask: usize): usize {
  return usize(mark >> (TAG_BITS - 2)) & mask;
}

function enterLong(at: usize, add: u32, mask: usize): void {
  const mark = longMarkOf(load<u64>(at));
  store<u32>(slotOf(mark, mask), ((u32(at) + add) & PLACE_MASK) | (mark << WINDOW_LOG), longTable);
}

function enterShort(at: usize, add: u32, mask: usize): void {
  const mark = shortMarkOf(load<u64>(at));
  store<u32>(slotOf(mark, mask), ((u32(at) + add) & PLACE_MASK) | (mark << WINDOW_LOG), shortTable);
}

/** How many bytes at two places are the same, up to `end`; up to 64 behind it are read. Of repodata, three in four end before. */
function lengthOf(at: usize, other: usize, end: usize): usize {
  const differs = ~(same32(at, other) | (same32(at + 32, other + 32) << 32));
  if (differs !== 0) return min(usize(ctz(differs)), end - at);
  return 64 + longLength(at + 64, other + 64, end);
}

function longLength(at: usize, other: usize, end: usize): usize {
  const from = at;
  while (at < end) {
    const same = u32(same32(at, other));
    if (same !== 0xffffffff) {
      at += usize(ctz(~same));
      break;
    }
    at += 32;
    other += 32;
  }
  return min(at, end) - from;
}

/** A bit for each of 32 bytes that is the same. */
function same32(at: usize, other: usize): u64 {
  const low = i8x16.bitmask(i8x16.eq(v128.load(at), v128.load(other)));
  const high = i8x16.bitmask(i8x16.eq(v128.load(at, 16), v128.load(other, 16)));
  return u64(u32(low) | (u32(high) << 16));
}

/** How many bytes in front of two places are the same, of 16. */
function sameBefore(at: usize, other: usize): usize {
  const same = i8x16.bitmask(i8x16.eq(v128.load(at - 16), v128.load(other - 16)));
  return usize(clz(~(same << 16)));
}

function copyLong(from: usize, to: usize, length: usize): void {
  for (let i: usize = 0; i < length; i += 16) v128.store(to + i, v128.load(from + i));
}
