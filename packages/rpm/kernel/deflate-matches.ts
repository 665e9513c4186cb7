/**
 * What repeats: finds matches of 4 to 258 bytes within 32 KiB.
 *
 * One table says where four bytes were last seen, another one the last four places of eight bytes. A match that is longer than one
 * at hand is sought by the last eight bytes that it must have, which are rarer than its first. No byte takes more than
 * `MOST_COMPARED` comparisons of 258 bytes, whatever the input.
 *
 * Reference: RFC 1951, 2.2, 3.2.5
 */
import { beginBlock, endBlock, isFull, keepMatch } from './deflate-blocks';

const WINDOW: u32 = 32_768;
const MAX_LENGTH: usize = 258;
/** Literals in a row that end a block. */
const MAX_LITERALS: usize = 32_768;
const NEAR_LOG: u32 = 15;
const ROW_LOG: u32 = 13;
/** Room for the two tables. */
export const TABLES_BYTES: usize = (2 << NEAR_LOG) + (8 << ROW_LOG);
/** How many places with the same first eight bytes are looked at, how often a longer match is sought, among how many places. */
const FIRST_PLACES: i32 = 2;
const LONGER_MATCHES: i32 = 4;
const LONGER_PLACES: i32 = 4;
/** Any odd numbers whose bits are well mixed. */
const NEAR_FACTOR: u32 = 0x9e3779b1;
const ROW_FACTOR: u64 = (0x9e3779b9 << 32) | 0x7f4a7c15;

/** Places are counted from the start of the input, by their lowest 16 bits: what is found there is compared, so no harm in old ones. */
let nearTable: usize = 0;
let rows: usize = 0;

/** What `seek` has found. */
let foundLength: usize = 0;
let foundDistance: u32 = 0;
/** Vectors that were compared. */
let compared: u32 = 0;

/** To be called once: `room` is where the tables are. */
export function prepareMatches(room: usize): void {
  nearTable = room;
  rows = room + (2 << NEAR_LOG);
}

/** How many vectors of 16 bytes the last call of `findMatches` compared. */
export function comparedVectors(): u32 {
  return compared;
}

/** Finds the matches of the input and writes it as blocks. Up to 32 bytes behind it are read and have to be zeros. */
export function findMatches(from: usize, end: usize): void {
  memory.fill(nearTable, 0, TABLES_BYTES);
  compared = 0;
  beginBlock(from);
  let anchor = from;
  let at = from;
  const limit = end - from > 3 ? end - 3 : from;
  while (at < limit) {
    if (!seek(at, from, end, 3)) {
      // The longer nothing is found, the less is looked at.
      at += 1 + ((at - anchor) >> 9);
      if (at - anchor >= MAX_LITERALS) {
        at = min(at, end);
        endBlock(anchor, at);
        beginBlock(at);
        anchor = at;
      }
      continue;
    }
    let length = foundLength;
    let distance = foundDistance;
    let next = at + 1;
    while (length < MAX_LENGTH && next < limit) {
      const isLonger = seek(next++, from, end, length);
      if (!isLonger) break;
      at = next - 1;
      length = foundLength;
      distance = foundDistance;
    }
    const back = at - distance;
    let before: usize = 0;
    const most = min(min(at - anchor, back - from), MAX_LENGTH - length);
    while (before < most && load<u8>(at - before - 1) === load<u8>(back - before - 1)) before++;
    at -= before;
    length += before;
    keepMatch(anchor, at, u32(length), distance);
    at += length;
    anchor = at;
    for (; next < at; next++) keepPlace(next, from);
    if (isFull()) {
      endBlock(at, at);
      beginBlock(at);
    }
  }
  endBlock(anchor, end);
}

function keepPlace(at: usize, from: usize): void {
  const word = load<u64>(at);
  const place = u32(at - from);
  const row = rowOf(word);
  store<u16>(nearOf(word), u16(place));
  store<u64>(row, (load<u64>(row) << 16) | u64(place & 0xffff));
}

/** Of the first four bytes. */
function nearOf(word: u64): usize {
  return nearTable + (usize((u32(word) * NEAR_FACTOR) >> (32 - NEAR_LOG)) << 1);
}

function rowOf(word: u64): usize {
  return rows + (usize((word * ROW_FACTOR) >> (64 - ROW_LOG)) << 3);
}

/** Seeks a match that is longer than `length`, which is at least 3; keeps the place. */
function seek(at: usize, from: usize, end: usize, length: usize): bool {
  const word = load<u64>(at);
  const place = u32(at - from);
  const near = nearOf(word);
  const row = rowOf(word);
  const nearPlace = u32(load<u16>(near));
  let places = load<u64>(row);
  store<u16>(near, u16(place));
  store<u64>(row, (places << 16) | u64(place & 0xffff));
  const most = min(end - at, MAX_LENGTH);
  const farthest = min(place, WINDOW);
  let found: u32 = 0;
  if (length < 8) {
    for (let i = 0; i < FIRST_PLACES; i++) {
      const distance = (place - u32(places)) & 0xffff;
      if (distance - 1 >= farthest) break;
      places >>= 16;
      if (load<u64>(at - distance) !== word) continue;
      const same = lengthOf(at, at - distance, most);
      if (same <= length) continue;
      length = same;
      found = distance;
    }
    if (length < 8) {
      const distance = (place - nearPlace) & 0xffff;
      if (distance - 1 < farthest && load<u32>(at - distance) === u32(word)) {
        const same = lengthOf(at, at - distance, most);
        if (same > length) {
          length = same;
          found = distance;
        }
      }
    }
  }
  for (let i = 0; i < LONGER_MATCHES && length >= 8 && length < most; i++) {
    const ahead = at + length - 7;
    const last = load<u64>(ahead);
    const aheadPlace = u32(ahead - from);
    const before = length;
    places = load<u64>(rowOf(last));
    for (let j = 0; j < LONGER_PLACES; j++) {
      const distance = (aheadPlace - u32(places)) & 0xffff;
      if (distance - 1 >= farthest) break;
      places >>= 16;
      if (load<u64>(at - distance) !== word || load<u64>(ahead - distance) !== last) continue;
      const same = lengthOf(at, at - distance, most);
      if (same <= length) continue;
      length = same;
      found = distance;
      break;
    }
    if (length === before) break;
  }
  foundLength = length;
  foundDistance = found;
  return found !== 0;
}

/** How many bytes at two places are the same, up to `most`; up to 15 behind them are read. */
function lengthOf(at: usize, other: usize, most: usize): usize {
  let length: usize = 0;
  while (length < most) {
    const same = i8x16.bitmask(i8x16.eq(v128.load(at + length), v128.load(other + length)));
    compared++;
    if (same !== 0xffff) return min(length + usize(ctz(~same)), most);
    length += 16;
  }
  return most;
}
