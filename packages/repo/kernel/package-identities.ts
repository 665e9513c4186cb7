/**
 * Kernel (AssemblyScript): what primary.xml says of the identity of packages, of a run of whole `<package>` elements.
 *
 * It takes elements as createrepo_c and this project lay them out, with texts that need no decoding. Whatever else it finds, it
 * leaves the run to the TypeScript twin (`identityOf` in ../src/package-identity.ts), and a test holds the two together.
 */

/** Where the next byte is looked at, and where the next one of the result goes: never beyond the former. */
let at: usize = 0;
let to: usize = 0;
let end: usize = 0;

/** Zeros behind what is looked at, so that no search leaves it. */
const SLACK: usize = 32;

/** Address of the run; the result takes its place. Memory has to have as much room again behind it, and 128 bytes. */
export function room(): usize {
  return (__heap_base + 15) & ~15;
}

/**
 * Texts of each package of the run of `length` bytes in the room, each with a NUL behind it: location, NEVRA with its epoch,
 * pkgid, type of its checksum, `xml:base` (empty: none), time of the file, size, bytes of the element. The result is their length;
 * −1 when the twin has to decide.
 */
export function identify(length: i32): i32 {
  const start = room();
  at = start;
  to = start;
  end = start + usize(length);
  memory.fill(end, 0, SLACK);
  while (at < end) if (!identifyOne()) return -1;
  return i32(to - start);
}

function identifyOne(): bool {
  const start = at;
  if (!skip('<package type="rpm">\n  <name>')) return false;
  const name = at;
  const nameEnd = textEnd(0x3c);
  if (!skip('</name>\n  <arch>')) return false;
  const arch = at;
  const archEnd = textEnd(0x3c);
  if (!skip('</arch>\n  <version epoch="')) return false;
  const epoch = at;
  const epochEnd = textEnd(0x22);
  if (!isDecimal(epoch, epochEnd) || !skip('" ver="')) return false;
  const version = at;
  const versionEnd = textEnd(0x22);
  if (!skip('" rel="')) return false;
  const release = at;
  const releaseEnd = textEnd(0x22);
  if (!skip('"/>') || !find('\n  <checksum type="')) return false;
  const type = at;
  const typeEnd = textEnd(0x22);
  if (typeEnd === type || !skip('" pkgid="YES">')) return false;
  const pkgid = at;
  const pkgidEnd = textEnd(0x3c);
  if (pkgidEnd === pkgid || !skip('</checksum>') || !find('\n  <time file="')) return false;
  const time = at;
  const timeEnd = textEnd(0x22);
  if (!isDecimal(time, timeEnd) || !skip('"') || !find('\n  <size package="')) return false;
  const size = at;
  const sizeEnd = textEnd(0x22);
  if (!isDecimal(size, sizeEnd) || !skip('"') || !find('\n  <location')) return false;
  let base = at;
  let baseEnd = at;
  if (skip(' xml:base="')) {
    base = at;
    baseEnd = textEnd(0x22);
    if (baseEnd === base || !skip('"')) return false;
  }
  if (!skip(' href="')) return false;
  const location = at;
  const locationEnd = textEnd(0x22);
  if (!skip('"') || !isWord(type, typeEnd) || !isHex(pkgid, pkgidEnd) || !skipToEnd()) return false;

  // What is written is shorter than what was read, but not in the same order: it is put together behind the run.
  const made = end + SLACK;
  let next = copy(made, location, locationEnd, 0);
  next = copy(next, name, nameEnd, 0x2d);
  next = copy(next, epoch, epochEnd, 0x3a);
  next = copy(next, version, versionEnd, 0x2d);
  next = copy(next, release, releaseEnd, 0x2e);
  next = copy(next, arch, archEnd, 0);
  next = copy(next, pkgid, pkgidEnd, 0);
  next = copy(next, type, typeEnd, 0);
  next = copy(next, base, baseEnd, 0);
  next = copy(next, time, timeEnd, 0);
  next = copy(next, size, sizeEnd, 0);
  next = decimal(next, u32(at - start));
  memory.copy(to, made, next - made);
  to += next - made;
  return true;
}

/** Steps over these characters, if they are next. */
function skip(text: string): bool {
  const units = changetype<usize>(text);
  const length = usize(text.length);
  for (let i: usize = 0; i < length; i++) if (u16(load<u8>(at + i)) !== load<u16>(units + (i << 1))) return false;
  at += length;
  return true;
}

/** Steps behind the next place of a mark that begins with a line break, two blanks and `<`, within the element. */
function find(mark: string): bool {
  const open = i8x16.splat(0x3c);
  while (at < end) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(at), open));
    if (found === 0) {
      at += 16;
      continue;
    }
    at += usize(ctz(found));
    // Texts hold no `<`: this is a tag.
    if (load<u8>(at - 1) === 0x0a && skip('</package>')) return false;
    at -= 3;
    if (skip(mark)) return true;
    at += 4;
  }
  return false;
}

/** Steps behind the end of the element, which begins a line. */
function skipToEnd(): bool {
  const lineBreak = i8x16.splat(0x0a);
  const open = i8x16.splat(0x3c);
  while (at < end) {
    const found = i8x16.bitmask(v128.and(i8x16.eq(v128.load(at), lineBreak), i8x16.eq(v128.load(at + 1), open)));
    if (found === 0) {
      at += 16;
      continue;
    }
    at += usize(ctz(found));
    if (skip('\n</package>\n')) return true;
    at++;
  }
  return false;
}

/** Steps to a byte. An entity, a byte beyond ASCII or a control character on the way stops it as well: what comes next is not found then. */
function textEnd(stop: u32): usize {
  const last = i8x16.splat(i8(stop));
  const ampersand = i8x16.splat(0x26);
  const blank = i8x16.splat(0x20);
  while (true) {
    const bytes = v128.load(at);
    // Signed: bytes beyond ASCII are negative.
    const ends = v128.or(i8x16.lt_s(bytes, blank), v128.or(i8x16.eq(bytes, last), i8x16.eq(bytes, ampersand)));
    const found = i8x16.bitmask(ends);
    if (found !== 0) {
      at += usize(ctz(found));
      return at;
    }
    at += 16;
  }
}

/** A number that is exact as a double. */
function isDecimal(from: usize, till: usize): bool {
  if (till === from || till - from > 15) return false;
  for (let i = from; i < till; i++) if (u32(load<u8>(i)) - 0x30 > 9) return false;
  return true;
}

function isHex(from: usize, till: usize): bool {
  for (let i = from; i < till; i++) {
    const byte = u32(load<u8>(i));
    if (byte - 0x30 > 9 && byte - 0x61 > 5) return false;
  }
  return true;
}

function isWord(from: usize, till: usize): bool {
  for (let i = from; i < till; i++) {
    const byte = u32(load<u8>(i));
    if (byte - 0x30 > 9 && (byte | 0x20) - 0x61 > 25 && byte !== 0x5f) return false;
  }
  return true;
}

/** Writes a number and a NUL. Where the next goes. */
function decimal(into: usize, value: u32): usize {
  let digits: usize = 1;
  for (let left = value; left > 9; left /= 10) digits++;
  store<u8>(into + digits, 0);
  for (let i = into + digits; i > into; value /= 10) store<u8>(--i, u8(0x30 + (value % 10)));
  return into + digits + 1;
}

/** Copies bytes and puts another behind them. Where the next goes. */
function copy(into: usize, from: usize, till: usize, behind: u32): usize {
  memory.copy(into, from, till - from);
  store<u8>(into + (till - from), u8(behind));
  return into + (till - from) + 1;
}
