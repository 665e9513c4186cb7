/**
 * The main header of a package in the kernel's memory: where the values of a tag lie.
 *
 * `soundHeaders` has looked at it: a region that fills the structure, known tags of their type, values within the store. So
 * nothing is checked again here.
 */

export const TYPE_INT32: u32 = 4;
export const TYPE_STRING: u32 = 6;
export const TYPE_I18NSTRING: u32 = 9;

const INTRO_BYTES: usize = 16;
const ENTRY_BYTES: usize = 16;
const FIRST_TAG: u32 = 1000;
const TAGS: u32 = 200;
const FIRST_NEW_TAG: u32 = 5000;
const NEW_TAGS: u32 = 100;

/** Address of the index entry of each tag from 1000 to 1199 and from 5000 to 5099; 0 where there is none. */
const entries: usize = memory.data(300 * 4, 16);
let storeStart: usize = 0;

/** Notes where each tag's entry is; of two entries with one tag the first counts. */
export function indexHeader(header: usize): void {
  memory.fill(entries, 0, (TAGS + NEW_TAGS) * 4);
  const index = header + INTRO_BYTES;
  storeStart = index + usize(be32(header + 8)) * ENTRY_BYTES;
  for (let entry = storeStart - ENTRY_BYTES; entry >= index; entry -= ENTRY_BYTES) {
    const slot = slotOf(be32(entry));
    if (slot !== 0) store<u32>(slot, u32(entry));
  }
}

/** Where the index entry of a tag is noted, 0 for a tag of no interest. */
function slotOf(tag: u32): usize {
  if (tag - FIRST_TAG < TAGS) return entries + usize(tag - FIRST_TAG) * 4;
  if (tag - FIRST_NEW_TAG < NEW_TAGS) return entries + usize(TAGS + tag - FIRST_NEW_TAG) * 4;
  return 0;
}

export function has(tag: u32): bool {
  return load<u32>(slotOf(tag)) !== 0;
}

/** Number of values; 0 when the tag is absent. */
export function countOf(tag: u32): u32 {
  const entry = usize(load<u32>(slotOf(tag)));
  return entry === 0 ? 0 : be32(entry + 12);
}

/** Address of the first value; 0 when the tag is absent. */
export function dataOf(tag: u32): usize {
  const entry = usize(load<u32>(slotOf(tag)));
  return entry === 0 ? 0 : storeStart + usize(be32(entry + 8));
}

/** Address of the first text; that of an empty one when the tag is absent. */
export function textOf(tag: u32): usize {
  const data = dataOf(tag);
  return data === 0 ? emptyText : data;
}

/** The first INT32 value, or 0. */
export function int32Of(tag: u32): u32 {
  const data = dataOf(tag);
  return data === 0 ? 0 : be32(data);
}

/** A NUL, with more of them up to the length of a vector. */
export const emptyText: usize = memory.data(16, 16);

/** Big-endian, as everything in a header. */
export function be32(at: usize): u32 {
  return bswap(load<u32>(at));
}

/** Big-endian. */
export function be16(at: usize): u32 {
  return u32(bswap(load<u16>(at)));
}

/** Big-endian. */
export function be64(at: usize): u64 {
  return bswap(load<u64>(at));
}
