/**
 * Which of two versions is newer, as rpm's own comparison (vercmp) says. The same as `compareVersion` of @distrokit/rpm,
 * over bytes.
 *
 * Reference: rpm, rpmio/rpmvercmp.cc
 */

const SEPARATOR: u32 = 0;
const END: u32 = 1;
const LETTER: u32 = 2;
const DIGIT: u32 = 3;
const TILDE: u32 = 4;
const CARET: u32 = 5;

/** −1, 0 or 1. Each version is the bytes from its start up to its end. */
export function compareVersion(a: usize, endA: usize, b: usize, endB: usize): i32 {
  while (true) {
    while (a < endA && kindAt(a, endA) === SEPARATOR) a++;
    while (b < endB && kindAt(b, endB) === SEPARATOR) b++;
    const kindA = kindAt(a, endA);
    const kindB = kindAt(b, endB);
    if (kindA !== kindB) {
      if (kindA === TILDE) return -1;
      if (kindB === TILDE) return 1;
      if (kindA === CARET) return kindB === END ? 1 : -1;
      if (kindB === CARET) return kindA === END ? -1 : 1;
      return kindA > kindB ? 1 : -1;
    }
    if (kindA === END) return 0;
    if (kindA === TILDE || kindA === CARET) {
      a++;
      b++;
      continue;
    }
    if (kindA === DIGIT) {
      while (a < endA && load<u8>(a) === 0x30) a++;
      while (b < endB && load<u8>(b) === 0x30) b++;
    }
    let order: i32 = 0;
    while (true) {
      const inA = kindAt(a, endA) === kindA;
      const inB = kindAt(b, endB) === kindA;
      if (!inA || !inB) {
        // Of two numbers the longer is greater, and so is the word that goes on.
        if (kindA === DIGIT && inA !== inB) return inA ? 1 : -1;
        if (order !== 0) return order;
        if (inA !== inB) return inA ? 1 : -1;
        break;
      }
      if (order === 0) order = i32(load<u8>(a)) - i32(load<u8>(b));
      if (order !== 0) order = order < 0 ? -1 : 1;
      a++;
      b++;
    }
  }
}

function kindAt(at: usize, end: usize): u32 {
  if (at >= end) return END;
  const byte: u32 = load<u8>(at);
  if (byte - 0x30 < 10) return DIGIT;
  if ((byte | 0x20) - 0x61 < 26) return LETTER;
  return byte === 0x7e ? TILDE : byte === 0x5e ? CARET : SEPARATOR;
}
