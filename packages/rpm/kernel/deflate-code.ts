/**
 * Huffman codes of limited length, as deflate numbers them.
 *
 * Reference: RFC 1951, 3.2.2
 */
import { countLengths, lengthCounts, MAX_DEPTH, sorted } from './code-lengths';

/** A symbol in `sorted`. */
const SYMBOL_BITS: u32 = 9;

/** The next code of each length. */
const nextCodes: usize = memory.data(4 * 16, 16);

/** Fills `lengths`, a byte for each symbol: 0 for those with a count of 0. At least two symbols get a code. */
export function makeLengths(counts: usize, symbols: usize, most: u32, lengths: usize): void {
  memory.fill(lengths, 0, symbols);
  const distinct = sortCounts(counts, symbols);
  if (distinct < 2) {
    // One bit all the same, and none of its values without a meaning.
    const only: usize = distinct === 0 ? 0 : usize(load<u32>(sorted) & 511);
    store<u8>(lengths + only, 1);
    store<u8>(lengths + usize(only === 0), 1);
    return;
  }
  countLengths(distinct, SYMBOL_BITS, most);
  let length: usize = MAX_DEPTH - 1;
  let left: u32 = 0;
  for (let i: usize = 0; i < distinct; i++) {
    while (left === 0) left = load<u32>(lengthCounts + (length-- << 2));
    left--;
    store<u8>(lengths + usize(load<u32>(sorted + (i << 2)) & 511), u8(length + 1));
  }
}

/** Fills `codes`, four bytes for each symbol: its code as it is written, the first bit lowest | length << 24. */
export function makeCodes(lengths: usize, symbols: usize, codes: usize): void {
  memory.fill(lengthCounts, 0, 4 * 16);
  for (let symbol: usize = 0; symbol < symbols; symbol++) {
    const at = lengthCounts + (usize(load<u8>(lengths + symbol)) << 2);
    store<u32>(at, load<u32>(at) + 1);
  }
  store<u32>(lengthCounts, 0);
  let code: u32 = 0;
  for (let length: usize = 1; length < 16; length++) {
    code = (code + load<u32>(lengthCounts + ((length - 1) << 2))) << 1;
    store<u32>(nextCodes + (length << 2), code);
  }
  for (let symbol: usize = 0; symbol < symbols; symbol++) {
    const length = u32(load<u8>(lengths + symbol));
    const next = nextCodes + (usize(length) << 2);
    const code = load<u32>(next);
    store<u32>(next, code + 1);
    store<u32>(codes + (symbol << 2), length === 0 ? 0 : (reversed(code) >> (16 - length)) | (length << 24));
  }
}

/** Sixteen bits from the last to the first. */
function reversed(bits: u32): u32 {
  bits = ((bits & 0x5555) << 1) | ((bits >> 1) & 0x5555);
  bits = ((bits & 0x3333) << 2) | ((bits >> 2) & 0x3333);
  bits = ((bits & 0x0f0f) << 4) | ((bits >> 4) & 0x0f0f);
  return ((bits & 0xff) << 8) | (bits >> 8);
}

/** Fills `sorted`; how many symbols occur. */
function sortCounts(counts: usize, symbols: usize): usize {
  let distinct: usize = 0;
  for (let symbol: usize = 0; symbol < symbols; symbol++) {
    const count = load<u32>(counts + (symbol << 2));
    if (count !== 0) store<u32>(sorted + (distinct++ << 2), (count << SYMBOL_BITS) | u32(symbol));
  }
  // Shell's sort, with few gaps for few symbols.
  for (let gap: usize = distinct > 60 ? 4 * 57 : distinct > 25 ? 4 * 23 : 4 * 10; gap > 0; ) {
    for (let place = sorted + gap; place < sorted + (distinct << 2); place += 4) {
      const item = load<u32>(place);
      let at = place;
      for (; at >= sorted + gap && load<u32>(at - gap) > item; at -= gap) store<u32>(at, load<u32>(at - gap));
      store<u32>(at, item);
    }
    gap = gap === 4 * 57 ? 4 * 23 : gap === 4 * 23 ? 4 * 10 : gap === 4 * 10 ? 4 * 4 : gap === 4 * 4 ? 4 : 0;
  }
  return distinct;
}
