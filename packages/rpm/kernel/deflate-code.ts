/**
 * Huffman codes of limited length.
 *
 * Reference: RFC 1951, 3.2.2; A. Moffat and J. Katajainen, In-place calculation of minimum-redundancy codes, 1995
 */

/** Depth of a tree over counts whose sum fits 32 bits. */
const MAX_DEPTH: usize = 64;

/** Symbols that occur, the rarest first: count << 9 | symbol; then the weights and links of the tree, as it is built in place. */
const sorted: usize = memory.data(4 * 288, 16);
const tree: usize = memory.data(4 * 288, 16);
/** How many codes there are of each length, and the next code of each. */
const lengthCounts: usize = memory.data(4 * 64, 16);
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
  countDepths(distinct);
  limitDepths(most);
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
    if (count !== 0) store<u32>(sorted + (distinct++ << 2), (count << 9) | u32(symbol));
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

/** Counts in `lengthCounts` the leaves of each depth of the best tree over `sorted`. */
function countDepths(distinct: usize): void {
  const end = distinct << 2;
  let leaf: usize = 0;
  let root: usize = 0;
  // A node has its weight until it gets a parent, whose place it has then.
  for (let next: usize = 0; next < end - 4; next += 4) {
    let weight: u32 = 0;
    for (let child = 0; child < 2; child++) {
      if (leaf >= end || (root < next && load<u32>(tree + root) < load<u32>(sorted + leaf) >> 9)) {
        weight += load<u32>(tree + root);
        store<u32>(tree + root, u32(next));
        root += 4;
      } else {
        weight += load<u32>(sorted + leaf) >> 9;
        leaf += 4;
      }
    }
    store<u32>(tree + next, weight);
  }
  memory.fill(lengthCounts, 0, 4 * MAX_DEPTH);
  let node = end - 8;
  store<u32>(tree + node, 0);
  let free: u32 = 1;
  for (let depth: u32 = 0; free > 0; depth++) {
    // Of the nodes of this depth some have children, and the others are leaves.
    let inner: u32 = 0;
    while (node !== usize(-4) && load<u32>(tree + node) === depth) {
      inner++;
      node -= 4;
      if (node !== usize(-4)) store<u32>(tree + node, load<u32>(tree + usize(load<u32>(tree + node))) + 1);
    }
    store<u32>(lengthCounts + (usize(depth) << 2), free - inner);
    free = 2 * inner;
  }
}

/** No code longer than allowed: two of the longest become one, and a shorter one two. */
function limitDepths(most: u32): void {
  for (let length: usize = MAX_DEPTH - 1; length > usize(most); length--) {
    addTo(usize(most), i32(load<u32>(lengthCounts + (length << 2))));
    store<u32>(lengthCounts + (length << 2), 0);
  }
  let excess: i32 = -(1 << most);
  for (let length: u32 = 1; length <= most; length++) {
    excess += i32(load<u32>(lengthCounts + (usize(length) << 2)) << (most - length));
  }
  for (; excess > 0; excess--) {
    let length = usize(most) - 1;
    while (load<u32>(lengthCounts + (length << 2)) === 0) length--;
    addTo(length, -1);
    addTo(length + 1, 2);
    addTo(usize(most), -1);
  }
}

function addTo(length: usize, change: i32): void {
  const at = lengthCounts + (length << 2);
  store<u32>(at, load<u32>(at) + u32(change));
}
