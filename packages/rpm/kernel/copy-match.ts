/**
 * Part of kernels that decompress: copying what was written a distance before.
 */

/** For each distance below 16, from which of the last bytes the next sixteen come when they repeat at that distance. */
const patterns: usize = memory.data(16 * 16, 16);

/** Once, before anything is copied. */
export function makePatterns(): void {
  for (let distance: usize = 1; distance < 16; distance++) {
    for (let i: usize = 0; i < 16; i++) store<u8>(patterns + distance * 16 + i, u8(i % distance));
  }
}

/** Copies bytes from `offset` back, which may lie in what is being written. Up to 29 more are written over. */
export function copyMatch(to: usize, offset: usize, length: usize): void {
  const from = to - offset;
  if (offset >= 16) {
    // Most are shorter than 32 bytes, but how much shorter no processor can foresee.
    v128.store(to, v128.load(from));
    v128.store(to + 16, v128.load(from + 16));
    for (let i: usize = 32; i < length; i += 16) v128.store(to + i, v128.load(from + i));
  } else {
    const pattern = i8x16.swizzle(v128.load(from), v128.load(patterns + (offset << 4)));
    const step = 16 - (16 % offset);
    for (let i: usize = 0; i < length; i += step) v128.store(to + i, pattern);
  }
}
