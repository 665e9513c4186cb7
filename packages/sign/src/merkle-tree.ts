/**
 * A Merkle tree over a growing list: root, proof that an entry is in it, proof that it only grew. Pure.
 *
 * Reference: RFC 6962, section 2.1; RFC 9162, section 2.1 for checking proofs
 */
import { equalBytes } from './bytes.js';
import { digestOf, SHA256 } from './hash.js';

const LEAF = new Uint8Array([0]);
const NODE = new Uint8Array([1]);

/** SHA-256 of an entry as a leaf. */
export function leafHash(entry: Uint8Array): Uint8Array {
  return digestOf(SHA256, LEAF, entry);
}

/** The root over leaf hashes; of none it is the hash of nothing. */
export function rootHash(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return digestOf(SHA256);
  return subtree(leaves, 0, leaves.length);
}

/**
 * The hashes that lead from one leaf to the root.
 *
 * Throws RangeError when there is no such leaf.
 */
export function inclusionProof(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (!(Number.isInteger(index) && index >= 0 && index < leaves.length)) {
    throw new RangeError(`"index" must be below ${leaves.length}, not ${index}`);
  }
  const path: Uint8Array[] = [];
  let [start, end] = [0, leaves.length];
  while (end - start > 1) {
    const middle = start + largestPowerBelow(end - start);
    if (index < middle) {
      path.push(subtree(leaves, middle, end));
      end = middle;
    } else {
      path.push(subtree(leaves, start, middle));
      start = middle;
    }
  }
  return path.reverse();
}

/** Whether `proof` shows that the leaf lies at `index` in the tree of `size` leaves with this root. */
export function verifyInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false;
  let [position, last] = [index, size - 1];
  let hash = leaf;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (position % 2 === 1 || position === last) {
      hash = digestOf(SHA256, NODE, sibling, hash);
      while (position % 2 === 0 && position !== 0) {
        position = Math.floor(position / 2);
        last = Math.floor(last / 2);
      }
    } else {
      hash = digestOf(SHA256, NODE, hash, sibling);
    }
    position = Math.floor(position / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && equalBytes(hash, root);
}

/**
 * The hashes that show that the first `oldSize` leaves are still the first ones.
 *
 * Throws RangeError when there are fewer leaves.
 */
export function consistencyProof(leaves: readonly Uint8Array[], oldSize: number): Uint8Array[] {
  if (!(Number.isInteger(oldSize) && oldSize >= 0 && oldSize <= leaves.length)) {
    throw new RangeError(`"oldSize" must be at most ${leaves.length}, not ${oldSize}`);
  }
  if (oldSize === 0 || oldSize === leaves.length) return [];
  const path: Uint8Array[] = [];
  let [start, end, size] = [0, leaves.length, oldSize];
  // Whether what is left of the old tree is a whole subtree that the reader knows: then its hash is not repeated.
  let whole = true;
  while (size !== end - start) {
    const half = largestPowerBelow(end - start);
    if (size <= half) {
      path.push(subtree(leaves, start + half, end));
      end = start + half;
    } else {
      path.push(subtree(leaves, start, start + half));
      start += half;
      size -= half;
      whole = false;
    }
  }
  if (!whole) path.push(subtree(leaves, start, end));
  return path.reverse();
}

/** Whether `proof` shows that the tree of `oldSize` leaves is the beginning of that of `newSize`. */
export function verifyConsistency(
  oldSize: number,
  newSize: number,
  oldRoot: Uint8Array,
  newRoot: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!Number.isSafeInteger(oldSize) || !Number.isSafeInteger(newSize) || oldSize < 0 || oldSize > newSize)
    return false;
  if (oldSize === newSize) return proof.length === 0 && equalBytes(oldRoot, newRoot);
  // Anything grows out of nothing.
  if (oldSize === 0) return proof.length === 0 && equalBytes(oldRoot, rootHash([]));
  const path = isPowerOfTwo(oldSize) ? [oldRoot, ...proof] : [...proof];
  let [position, last] = [oldSize - 1, newSize - 1];
  while (position % 2 === 1) {
    position = Math.floor(position / 2);
    last = Math.floor(last / 2);
  }
  const first = path.shift();
  if (!first) return false;
  let [oldHash, newHash] = [first, first];
  for (const sibling of path) {
    if (last === 0) return false;
    if (position % 2 === 1 || position === last) {
      oldHash = digestOf(SHA256, NODE, sibling, oldHash);
      newHash = digestOf(SHA256, NODE, sibling, newHash);
      while (position % 2 === 0 && position !== 0) {
        position = Math.floor(position / 2);
        last = Math.floor(last / 2);
      }
    } else {
      newHash = digestOf(SHA256, NODE, newHash, sibling);
    }
    position = Math.floor(position / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && equalBytes(oldHash, oldRoot) && equalBytes(newHash, newRoot);
}

/** From the leaves up, level by level: a list of a million entries needs no deep recursion. */
function subtree(leaves: readonly Uint8Array[], start: number, end: number): Uint8Array {
  let level = leaves.slice(start, end);
  while (level.length > 1) {
    const next: Uint8Array[] = [];
    for (let i = 0; i + 1 < level.length; i += 2) next.push(digestOf(SHA256, NODE, level[i]!, level[i + 1]!));
    // A lone node at the end rises as it is: that is the same as splitting at powers of two.
    if (level.length % 2 === 1) next.push(level.at(-1)!);
    level = next;
  }
  return level[0]!;
}

function largestPowerBelow(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

function isPowerOfTwo(value: number): boolean {
  return (value & (value - 1)) === 0;
}
