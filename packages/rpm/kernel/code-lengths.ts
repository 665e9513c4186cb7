/**
 * Lengths of Huffman codes, none longer than allowed. Part of the kernels that compress.
 *
 * Reference: A. Moffat and J. Katajainen, In-place calculation of minimum-redundancy codes, 1995
 */

/** Depth of a tree over counts whose sum fits 32 bits. */
export const MAX_DEPTH: usize = 64;

/** Symbols that occur, the rarest first: count << bits of a symbol | symbol. For the caller to fill. */
export const sorted: usize = memory.data(4 * 288, 16);
/** Weights and links of the tree, as it is built in place; free between calls. */
export const tree: usize = memory.data(4 * 288, 16);
/** How many codes there are of each length. */
export const lengthCounts: usize = memory.data(4 * 64, 16);

/** Counts in `lengthCounts` the codes of each length for the first symbols of `sorted`, of which there are at least two. */
export function countLengths(distinct: usize, symbolBits: u32, most: u32): void {
  countDepths(distinct, symbolBits);
  limitDepths(most);
}

/** Counts in `lengthCounts` the leaves of each depth of the best tree over `sorted`. */
function countDepths(distinct: usize, symbolBits: u32): void {
  const end = distinct << 2;
  let leaf: usize = 0;
  let root: usize = 0;
  // A node has its weight until it gets a parent, whose place it has then.
  for (let next: usize = 0; next < end - 4; next += 4) {
    let weight: u32 = 0;
    for (let child = 0; child < 2; child++) {
      if (leaf >= end || (root < next && load<u32>(tree + root) < load<u32>(sorted + leaf) >> symbolBits)) {
        weight += load<u32>(tree + root);
        store<u32>(tree + root, u32(next));
        root += 4;
      } else {
        weight += load<u32>(sorted + leaf) >> symbolBits;
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
