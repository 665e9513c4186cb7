/**
 * The first bytes of a package, wherever they lie in memory: whether they are lead, signature header and header without fault.
 * Part of the kernels that read packages.
 *
 * It only says yes. Whatever it doubts (a fault, a v3 package, a dribble, an unsorted index) goes to the TypeScript twin,
 * which decides and names the fault: `decodeLead`, `decodeRegion`, `checkEntries`, `checkSignatureMerge`. What the twin
 * refuses is never accepted here; a test holds both against the same damaged packages.
 *
 * Reference: rpm, lib/header.cc (hdrblobVerifyRegion, hdrblobVerifyInfo), lib/package.cc (headerMergeLegacySigs)
 */

export const LEAD_BYTES: usize = 96;
const INTRO_BYTES: usize = 16;
const ENTRY_BYTES: usize = 16;
const TRAILER_BYTES: u32 = 16;
const MAX_SIGNATURE_ENTRIES: u32 = 32;
const MAX_SIGNATURE_DATA_BYTES: u32 = 64 << 20;
const MAX_HEADER_ENTRIES: u32 = 0xffff;
const MAX_HEADER_DATA_BYTES: u32 = 0x0fff_ffff;
const MAX_ENTRY_VALUES: u32 = 0x0fff_ffff;
const HEADERSIGNATURES: u32 = 62;
const HEADERIMMUTABLE: u32 = 63;
const TYPE_INT32: u32 = 4;
const TYPE_INT64: u32 = 5;
const TYPE_STRING: u32 = 6;
const TYPE_BIN: u32 = 7;
const TYPE_STRING_ARRAY: u32 = 8;
const TYPE_I18NSTRING: u32 = 9;

/** Expected type by tag number in a main header, 0 where none is: filled by the caller before the first check. */
const KNOWN_TAGS: u32 = 8192;
const knownTypes: usize = memory.data(8192, 16);

/** Which of three tags stood in the signature header that may stand in one of the two only. */
const PAYLOADSIZE_SEEN: u32 = 1;
const FILESIGNATURES_SEEN: u32 = 2;
const FILESIGNATURELENGTH_SEEN: u32 = 4;
let signatureSeen: u32 = 0;

/** Address of the table of expected types: a byte for each tag number below 8192. */
export function typeTable(): usize {
  return knownTypes;
}

/** Byte of the package where the header begins that was found sound last. */
export let headerStart: usize = 0;

/**
 * Checks the first `available` bytes of a package, from `start` on. The result is the byte where the header ends; or, as a
 * negative number, how many bytes have to be there for an answer; or 0 when the twin has to decide.
 */
export function soundHeaders(start: usize, available: usize): i32 {
  if (available < LEAD_BYTES + INTRO_BYTES) return 0;
  const major = load<u8>(start + 4);
  if (be32(start) !== 0xedabeedb || (major !== 3 && major !== 4) || be16(start + 78) !== 5) return 0;

  const signature = start + LEAD_BYTES;
  const signatureBytes = structureBytes(signature, MAX_SIGNATURE_ENTRIES, MAX_SIGNATURE_DATA_BYTES);
  if (signatureBytes === 0) return 0;
  const headerOffset = LEAD_BYTES + ((signatureBytes + 7) & ~7);
  if (available < headerOffset + INTRO_BYTES) return -i32(headerOffset + INTRO_BYTES);
  const header = start + headerOffset;
  const headerBytes = structureBytes(header, MAX_HEADER_ENTRIES, MAX_HEADER_DATA_BYTES);
  if (headerBytes === 0) return 0;
  const end = headerOffset + headerBytes;
  if (available < end) return -i32(end);

  signatureSeen = 0;
  headerStart = headerOffset;
  return checkStructure(signature, true) && checkStructure(header, false) ? i32(end) : 0;
}

/** Intro, index and store; 0 when the intro is not that of a header within the ceilings. */
function structureBytes(at: usize, maxEntries: u32, maxDataBytes: u32): usize {
  if (be32(at) !== 0x8eade801 || load<u32>(at + 4) !== 0) return 0;
  const entryCount = be32(at + 8);
  const dataBytes = be32(at + 12);
  if (entryCount < 1 || entryCount > maxEntries || dataBytes > maxDataBytes) return 0;
  return INTRO_BYTES + usize(entryCount) * ENTRY_BYTES + usize(dataBytes);
}

/** A region that fills the structure, then entries in ascending order that account for every byte of the store. */
function checkStructure(at: usize, isSignature: bool): bool {
  const entryCount = be32(at + 8);
  const dataBytes = be32(at + 12);
  const index = at + INTRO_BYTES;
  const store = index + usize(entryCount) * ENTRY_BYTES;
  const storeEnd = store + usize(dataBytes);
  const regionTag = isSignature ? HEADERSIGNATURES : HEADERIMMUTABLE;
  if (dataBytes < TRAILER_BYTES) return false;
  const trailerStart = dataBytes - TRAILER_BYTES;
  const trailer = store + usize(trailerStart);
  if (!isRegionEntry(index, regionTag) || be32(index + 8) !== trailerStart) return false;
  if (!isRegionEntry(trailer, regionTag) || be32(trailer + 8) !== 0 - entryCount * u32(ENTRY_BYTES)) return false;

  let end: u32 = 0;
  let laidOut: u32 = 0;
  let previousTag: u32 = 99;
  for (let entry = index + ENTRY_BYTES; entry < store; entry += ENTRY_BYTES) {
    const tag = be32(entry);
    const type = be32(entry + 4);
    const offset = be32(entry + 8);
    const count = be32(entry + 12);
    if (tag <= previousTag || tag > 0x7fff_ffff) return false;
    previousTag = tag;
    if (type < 1 || type > 9) return false;
    const alignment: u32 = type === 3 ? 2 : type === TYPE_INT32 ? 4 : type === TYPE_INT64 ? 8 : 1;
    if (offset < end || offset > trailerStart || (offset & (alignment - 1)) !== 0) return false;
    // The count is checked against the store before it is multiplied: `size` is at most 8.
    if (count < 1 || count > dataBytes || (type !== TYPE_BIN && count > MAX_ENTRY_VALUES)) return false;
    const isText = type === TYPE_STRING || type === TYPE_STRING_ARRAY || type === TYPE_I18NSTRING;
    if (isSignature ? !mayMergeSignature(tag, type, count) : !mayMergeHeader(tag, type, isText)) return false;
    if (isText) {
      if (type === TYPE_STRING && count !== 1) return false;
      const textEnd = endOfTexts(store + usize(offset), storeEnd, count);
      if (textEnd === 0) return false;
      end = u32(textEnd - store);
    } else {
      const size: u32 = type === TYPE_BIN ? 1 : alignment;
      const wide = u64(offset) + u64(count) * u64(size);
      if (wide > u64(trailerStart)) return false;
      end = u32(wide);
    }
    if (end > trailerStart) return false;
    laidOut = ((laidOut + alignment - 1) & ~(alignment - 1)) + (end - offset);
  }
  return laidOut + TRAILER_BYTES === dataBytes;
}

function isRegionEntry(at: usize, tag: u32): bool {
  return be32(at) === tag && be32(at + 4) === TYPE_BIN && be32(at + 12) === TRAILER_BYTES;
}

/** Tags of the signature header that rpm merges into the main one must have their one type and count. */
function mayMergeSignature(tag: u32, type: u32, count: u32): bool {
  switch (tag) {
    case 1000:
    case 277:
      return type === TYPE_INT32 && count === 1;
    case 1007:
      signatureSeen |= PAYLOADSIZE_SEEN;
      return type === TYPE_INT32 && count === 1;
    case 275:
      signatureSeen |= FILESIGNATURELENGTH_SEEN;
      return type === TYPE_INT32 && count === 1;
    case 274:
      signatureSeen |= FILESIGNATURES_SEEN;
      return type === TYPE_STRING_ARRAY && count <= 1 << 24;
    case 276:
      return type === TYPE_STRING_ARRAY && count <= 1 << 24;
    case 1004:
      return type === TYPE_BIN && count === 16;
    case 1002:
    case 1005:
    case 267:
    case 268:
      return type === TYPE_BIN && count <= 1 << 24;
    case 269:
    case 273:
      return type === TYPE_STRING && count === 1;
    case 270:
    case 271:
      return type === TYPE_INT64 && count === 1;
    default:
      return true;
  }
}

/** A tag with the type rpm expects, and none that belongs into the signature header. */
function mayMergeHeader(tag: u32, type: u32, isText: bool): bool {
  switch (tag) {
    case 257:
    case 259:
    case 261:
    case 262:
    case 267:
    case 268:
    case 269:
    case 270:
    case 271:
    case 273:
    case 276:
    case 277:
      return false;
    case 1046:
      if ((signatureSeen & PAYLOADSIZE_SEEN) !== 0) return false;
      break;
    case 5090:
      if ((signatureSeen & FILESIGNATURES_SEEN) !== 0) return false;
      break;
    case 5091:
      if ((signatureSeen & FILESIGNATURELENGTH_SEEN) !== 0) return false;
      break;
  }
  if (tag >= KNOWN_TAGS) return true;
  const known = u32(load<u8>(knownTypes + usize(tag)));
  if (known === 0 || known === type) return true;
  return isText && (known === TYPE_STRING || known === TYPE_STRING_ARRAY || known === TYPE_I18NSTRING);
}

/** The address after the last NUL of `count` strings, or 0 when the store ends before: sixteen bytes at a time. */
function endOfTexts(start: usize, end: usize, count: u32): usize {
  let at = start;
  let left = count;
  while (at < end) {
    let zeros = u32(i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(0))));
    if (at + 16 > end) zeros &= (1 << u32(end - at)) - 1;
    const found = popcnt(zeros);
    if (found >= left) {
      while (--left > 0) zeros &= zeros - 1;
      return at + usize(ctz(zeros)) + 1;
    }
    left -= found;
    at += 16;
  }
  return 0;
}

function be32(at: usize): u32 {
  return bswap(load<u32>(at));
}

function be16(at: usize): u32 {
  return u32(bswap(load<u16>(at)));
}
