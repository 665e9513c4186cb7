/**
 * What repeats: finds sequences in a block, with one table of the places where eight bytes were last seen and one for five.
 *
 * Reference: RFC 8878, 3.1.1.5 (repeated offsets)
 */
import { clearSequences, keepSequence } from './zstd-sequences';

/** How far back a match may lie. */
export const WINDOW_LOG: u32 = 23;
const LONG_LOG: u32 = 17;
const SHORT_LOG: u32 = 16;
/** Room for the two tables. */
export const TABLES_BYTES: usize = (4 << LONG_LOG) + (4 << SHORT_LOG);
/** Bytes at the end of a block from which nothing is sought: what lies behind the block is not there yet. */
const MARGIN: usize = 8;
/** Any odd number whose bits are well mixed. */
const FACTOR: u64 = (0x9e3779b9 << 32) | 0x7f4a7c15;

let longTable: usize = 0;
let shortTable: usize = 0;
/** Added to an address it gives a place; those of earlier frames lie below those of this one, so that tables need no clearing. */
let shift: u32 = 0;
let lowest: u32 = 0;
let highest: u32 = 0;

/** The offsets that the decoder has behind the last block, and behind the one at hand. */
let offset1: u32 = 0;
let offset2: u32 = 0;
let offset3: u32 = 0;
let newOffset1: u32 = 0;
let newOffset2: u32 = 0;
let newOffset3: u32 = 0;

/** Where the next literal goes. */
let literalsEnd: usize = 0;

/** To be called once: `room` is where the tables are, all zeros. */
export function prepareTables(room: usize): void {
  longTable = room;
  shortTable = room + (4 << LONG_LOG);
}

/** To be called before each frame, which will be at `from`. */
export function forgetMatches(from: usize, size: u32): void {
  if (highest + size < highest) {
    memory.fill(longTable, 0, TABLES_BYTES);
    highest = 0;
  }
  // 0 is no place.
  lowest = highest + 1;
  highest += size;
  shift = lowest - u32(from);
  offset1 = 1;
  offset2 = 4;
  offset3 = 8;
}

/** The block with these sequences is what the decoder gets. */
export function acceptSequences(): void {
  offset1 = newOffset1;
  offset2 = newOffset2;
  offset3 = newOffset3;
}

/** Finds the sequences of a block; its literals go to `literals`, behind which up to 32 bytes are written over. Their end. */
export function findSequences(from: usize, end: usize, frame: usize, literals: usize): usize {
  clearSequences();
  literalsEnd = literals;
  const add = shift;
  // For all of the block, so that its last byte does not reach back too far either.
  const low = end - frame > 1 << WINDOW_LOG ? u32(end) + add - (1 << WINDOW_LOG) : lowest;
  let rep1 = offset1;
  let rep2 = offset2;
  let rep3 = offset3;
  let anchor = from;
  // The first offset of a frame is 1.
  let at = from === frame ? from + 1 : from;
  const limit = end - from > MARGIN ? end - MARGIN : from;
  while (at < limit) {
    const word = load<u64>(at);
    const longAt = longSlot(word);
    const shortAt = shortSlot(word);
    const longPlace = load<u32>(longAt);
    const shortPlace = load<u32>(shortAt);
    store<u32>(longAt, u32(at) + add);
    store<u32>(shortAt, u32(at) + add);
    let length: usize = 0;
    if (load<u32>(at + 1) === load<u32>(at + 1 - rep1)) {
      at++;
      length = 4 + lengthOf(at + 4, at + 4 - rep1, end);
      copyLiterals(anchor, at);
      keepSequence(u32(at - anchor), 1, u32(length));
    } else {
      let other = usize(longPlace - add);
      if (longPlace >= low && load<u64>(other) === word) {
        length = 8 + lengthOf(at + 8, other + 8, end);
      } else {
        other = usize(shortPlace - add);
        if (shortPlace < low || load<u32>(other) !== u32(word)) {
          // The longer nothing is found, the less is looked at.
          at += 1 + ((at - anchor) >> 8);
          continue;
        }
        const next = load<u64>(at + 1);
        const nextAt = longSlot(next);
        const place = load<u32>(nextAt);
        store<u32>(nextAt, u32(at) + 1 + add);
        const behind = usize(place - add);
        if (place >= low && load<u64>(behind) === next) {
          at++;
          other = behind;
          length = 8 + lengthOf(at + 8, other + 8, end);
        } else {
          length = 4 + lengthOf(at + 4, other + 4, end);
        }
      }
      while (at > anchor && other > frame && load<u8>(at - 1) === load<u8>(other - 1)) {
        at--;
        other--;
        length++;
      }
      copyLiterals(anchor, at);
      const offset = u32(at - other);
      keepSequence(u32(at - anchor), offset + 3, u32(length));
      rep3 = rep2;
      rep2 = rep1;
      rep1 = offset;
    }
    at += length;
    anchor = at;
    if (at >= limit) break;
    store<u32>(longSlot(load<u64>(at - 2)), u32(at) - 2 + add);
    store<u32>(shortSlot(load<u64>(at - 1)), u32(at) - 1 + add);
    // Without literals the second offset is the nearest to write.
    while (at < limit && usize(rep2) <= at - frame && load<u32>(at) === load<u32>(at - rep2)) {
      length = 4 + lengthOf(at + 4, at + 4 - rep2, end);
      const offset = rep2;
      rep2 = rep1;
      rep1 = offset;
      const word = load<u64>(at);
      store<u32>(longSlot(word), u32(at) + add);
      store<u32>(shortSlot(word), u32(at) + add);
      keepSequence(0, 1, u32(length));
      at += length;
      anchor = at;
    }
  }
  newOffset1 = rep1;
  newOffset2 = rep2;
  newOffset3 = rep3;
  copyLiterals(anchor, end);
  return literalsEnd;
}

function longSlot(word: u64): usize {
  return longTable + (usize((word * FACTOR) >> (64 - LONG_LOG)) << 2);
}

/** Of the first five bytes. */
function shortSlot(word: u64): usize {
  return shortTable + (usize(((word << 24) * FACTOR) >> (64 - SHORT_LOG)) << 2);
}

/** How many bytes at two places are the same, up to `end`; up to 16 behind it are read. */
function lengthOf(at: usize, other: usize, end: usize): usize {
  const from = at;
  while (at < end) {
    const same = i8x16.bitmask(i8x16.eq(v128.load(at), v128.load(other)));
    if (same !== 0xffff) {
      at += usize(ctz(~same));
      break;
    }
    at += 16;
    other += 16;
  }
  return min(at, end) - from;
}

function copyLiterals(from: usize, end: usize): void {
  const to = literalsEnd;
  const length = end - from;
  v128.store(to, v128.load(from));
  for (let i: usize = 16; i < length; i += 16) v128.store(to + i, v128.load(from + i));
  literalsEnd = to + length;
}
