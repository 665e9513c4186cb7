/**
 * Kernel (AssemblyScript): makes frames of Zstandard, about as dense as level 3 of the reference and in less time.
 *
 * A frame is begun, then gets its blocks of 128 KiB in order, each as soon as its bytes are in memory: behind those of the block
 * before, so that all of a frame is one piece. Nothing else of earlier frames counts: the same bytes give the same frame.
 *
 * Reference: RFC 8878, 3.1.1
 */
import { prepareLogarithms } from './zstd-fse';
import { forgetCode, prepareLiterals, writeLiterals } from './zstd-literals';
import { acceptSequences, findSequences, forgetMatches, literals, sequencesEnd, WINDOW_LOG } from './zstd-matches';
import { forgetTables, prepareSequences, writeSequences } from './zstd-sequences';

/** Bytes in front of a frame that belong to nobody. */
const MARGIN: usize = 64;

let frame: usize = 0;

/** Makes the tables ready, to be called once. Where the caller's own memory begins. */
export function base(): usize {
  prepareSequences();
  prepareLogarithms();
  prepareLiterals();
  return ((__heap_base + 63) & ~63) + MARGIN;
}

/** Begins a frame of `size` bytes, which will be at `from`. Writes its header; the place behind it. */
export function beginFrame(from: usize, size: u32, to: usize): usize {
  frame = from;
  forgetTables();
  forgetCode();
  forgetMatches(from, size);
  store<u32>(to, 0xfd2fb528);
  // The window is the content, up to the 8 MiB that every decoder should have.
  if (size < 256) {
    store<u8>(to, 0x20, 4);
    store<u8>(to, u8(size), 5);
    return to + 6;
  }
  if (size < 65_536 + 256) {
    store<u8>(to, 0x60, 4);
    store<u16>(to, u16(size - 256), 5);
    return to + 7;
  }
  if (size <= 1 << WINDOW_LOG) {
    store<u8>(to, 0xa0, 4);
    store<u32>(to, size, 5);
    return to + 9;
  }
  store<u8>(to, 0x80, 4);
  store<u8>(to, u8((WINDOW_LOG - 10) << 3), 5);
  store<u32>(to, size, 6);
  return to + 10;
}

/**
 * Writes the next block of a frame: at most 128 KiB, and less only if it is the last. The place behind it. Up to 512 KiB behind
 * `to` are written over, however short the block becomes.
 */
export function writeBlock(from: usize, size: usize, isLast: u32, to: usize): usize {
  const body = to + 3;
  let kind: u32 = 2;
  let end = body + size;
  if (size > 0) {
    const literalsEnd = findSequences(from, from + size, frame);
    end = writeSequences(sequencesEnd, writeLiterals(literals, u32(literalsEnd - literals), body));
  }
  if (end - body < size) {
    acceptSequences();
  } else {
    // The decoder sees neither offsets nor tables.
    kind = 0;
    forgetTables();
    forgetCode();
    memory.copy(body, from, size);
    end = body + size;
  }
  const head = isLast | (kind << 1) | (u32(end - body) << 3);
  store<u16>(to, u16(head));
  store<u8>(to, u8(head >> 16), 2);
  return end;
}
