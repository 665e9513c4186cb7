/**
 * Kernel (AssemblyScript): makes raw deflate data, about as dense as level 6 of zlib and in less time, the same on every machine.
 *
 * What it makes refers to nothing before its start and ends on a byte, with an empty stored block: it may be followed by more.
 *
 * Reference: RFC 1951
 */
import { endOnByte, prepareBlocks, SEQUENCES_BYTES, startBits } from './deflate-blocks';
import { comparedVectors, findMatches, prepareMatches, TABLES_BYTES } from './deflate-matches';

/** Bytes in front of the input that belong to nobody. */
const MARGIN: usize = 64;

/** Makes the tables ready, to be called once. Where the caller's own memory begins. */
export function base(): usize {
  const tables = (__heap_base + 63) & ~63;
  const sequences = tables + TABLES_BYTES;
  prepareMatches(tables);
  prepareBlocks(sequences);
  return sequences + SEQUENCES_BYTES + MARGIN;
}

/**
 * Compresses `size` bytes; the place behind what is written at `to`. That is at most five bytes for each 16 KiB that are begun, and
 * ten, more than `size`; up to 8 behind it are written over. 32 bytes behind the input are cleared first.
 */
export function compress(from: usize, size: usize, to: usize): usize {
  memory.fill(from + size, 0, 32);
  startBits(to);
  findMatches(from, from + size);
  return endOnByte();
}

/** How many vectors of 16 bytes the last call compared: the work that depends on what is in the input. */
export function work(): u32 {
  return comparedVectors();
}
