/**
 * Writing XML: markup as it is, texts with what XML wants escaped, sixteen bytes at a time.
 *
 * Everything is written to the document that `openDocument` named. A text that XML cannot carry, or that is not UTF-8, and a
 * document that outgrows its room raise `doubt`: then nothing of the package counts, and the TypeScript twin decides.
 *
 * Reference: libxml2's escapes as createrepo_c uses them; see `escapeText` and `escapeAttribute` in ../src/xml.ts
 */

/** Where the next byte goes. */
export let to: usize = 0;
let limit: usize = 0;
/** Set once something has to be left to the twin. */
export let doubt: bool = false;

/** A text writes at most this much between two looks at the limit. */
const SLACK: usize = 64;

export function beginPackage(): void {
  doubt = false;
}

export function raiseDoubt(): void {
  doubt = true;
}

/** Everything goes from `start` on, and ends before `end`. */
export function openDocument(start: usize, end: usize): void {
  to = start;
  limit = end - SLACK;
}

/** Takes back what was written after `place`. */
export function rewind(place: usize): void {
  to = place;
}

/** Markup that stands in the kernel's own memory, as UTF-16: sixteen units at a time, of which each is ASCII. */
export function markup(text: string): void {
  const units = changetype<usize>(text);
  const length = text.length;
  if (to + usize(length) >= limit) {
    doubt = true;
    return;
  }
  for (let i = 0; i < length; i += 16) {
    const from = units + (usize(i) << 1);
    v128.store(to + usize(i), i8x16.narrow_i16x8_u(v128.load(from), v128.load(from, 16)));
  }
  to += usize(length);
}

/** Bytes as they are: written by the caller or by this kernel, so sound. */
export function raw(from: usize, length: usize): void {
  if (to + length + 16 >= limit) {
    doubt = true;
    return;
  }
  for (let i: usize = 0; i < length; i += 16) v128.store(to + i, v128.load(from + i));
  to += length;
}

/** A whole number in digits. */
export function decimal(value: u64): void {
  if (to >= limit) {
    doubt = true;
    return;
  }
  let digits: usize = 1;
  for (let rest = value; rest >= 10; rest /= 10) digits++;
  let rest = value;
  for (let at = to + digits; at > to; rest /= 10) store<u8>(--at, u8(0x30 + (rest % 10)));
  to += digits;
}

/** The text at `from`, as content of an element. Its end, where the NUL is. */
export function text(from: usize): usize {
  return write(from, usize.MAX_VALUE, false, false);
}

/** The text at `from`, as content of an element, without `/` in it. Its end, where the NUL is. */
export function name(from: usize): usize {
  return write(from, usize.MAX_VALUE, false, true);
}

/** The text at `from`, as the value of an attribute. Its end, where the NUL is. */
export function attribute(from: usize): usize {
  return write(from, usize.MAX_VALUE, true, false);
}

/** The text from `from` to `end` or its NUL, as the value of an attribute. */
export function attributePart(from: usize, end: usize): void {
  write(from, end, true, false);
}

function write(from: usize, end: usize, isAttribute: bool, isName: bool): usize {
  const low = i8x16.splat(0x20);
  const two = i8x16.splat(2);
  const four = i8x16.splat(4);
  const greater = i8x16.splat(0x3e);
  const ampersand = i8x16.splat(0x26);
  const slash = i8x16.splat(0x2f);
  while (true) {
    if (to >= limit) {
      doubt = true;
      return from;
    }
    const bytes = v128.load(from);
    // Signed: bytes beyond ASCII are negative, so below the space too. `<` and `>` differ in one bit, `"` and `&` as well.
    let special = v128.or(i8x16.lt_s(bytes, low), i8x16.eq(v128.or(bytes, two), greater));
    special = v128.or(special, i8x16.eq(isAttribute ? v128.or(bytes, four) : bytes, ampersand));
    if (isName) special = v128.or(special, i8x16.eq(bytes, slash));
    v128.store(to, bytes);
    const mask = i8x16.bitmask(special);
    const plain: usize = mask === 0 ? 16 : usize(ctz(mask));
    if (from + plain >= end) {
      to += end - from;
      return end;
    }
    from += plain;
    to += plain;
    if (mask === 0) continue;
    const byte = load<u8>(from);
    if (byte === 0) return from;
    if (byte >= 0x80) {
      from = beyondAscii(from, isAttribute);
      if (from === 0) return 0;
      continue;
    }
    writeEscaped(byte, isAttribute);
    from++;
  }
}

function writeEscaped(byte: u32, isAttribute: bool): void {
  if (byte === 0x26) markup('&amp;');
  else if (byte === 0x3c) markup('&lt;');
  else if (byte === 0x3e) markup('&gt;');
  else if (byte === 0x0d) markup('&#13;');
  else if (byte === 0x22) markup('&quot;');
  else if (byte === 0x0a && isAttribute) markup('&#10;');
  else if (byte === 0x09 && isAttribute) markup('&#9;');
  else if (byte === 0x0a || byte === 0x09) {
    store<u8>(to, u8(byte));
    to++;
  } else {
    // A control character, or a `/` where none may be.
    doubt = true;
  }
}

/** One character of two to four bytes, or doubt. Where the next one begins. */
function beyondAscii(from: usize, isAttribute: bool): usize {
  const first: u32 = load<u8>(from);
  let length: usize = 2;
  let least: u32 = 0x80;
  let code = first & 0x1f;
  if (first >= 0xf0) {
    length = 4;
    least = 0x10000;
    code = first & 7;
  } else if (first >= 0xe0) {
    length = 3;
    least = 0x800;
    code = first & 0xf;
  }
  for (let i: usize = 1; i < length; i++) {
    const next: u32 = load<u8>(from + i);
    if ((next & 0xc0) !== 0x80) {
      doubt = true;
      return 0;
    }
    code = (code << 6) | (next & 0x3f);
  }
  const surrogate = code >= 0xd800 && code <= 0xdfff;
  if (first < 0xc2 || first > 0xf4 || code < least || code > 0x10ffff || surrogate || (code | 1) === 0xffff) {
    doubt = true;
    return 0;
  }
  if (isAttribute) {
    markup('&#x');
    let digits = 0;
    for (let rest = code; rest !== 0; rest >>= 4) digits++;
    for (let i = digits - 1; i >= 0; i--) {
      const digit = (code >> (u32(i) * 4)) & 0xf;
      store<u8>(to, u8(digit + (digit < 10 ? 0x30 : 0x37)));
      to++;
    }
    markup(';');
  } else {
    for (let i: usize = 0; i < length; i++) store<u8>(to + i, load<u8>(from + i));
    to += length;
  }
  return from + length;
}

/** The byte after the NUL of a text. */
export function afterText(from: usize): usize {
  let at = from;
  let zeros = i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(0)));
  while (zeros === 0) {
    at += 16;
    zeros = i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(0)));
  }
  return at + usize(ctz(zeros)) + 1;
}
