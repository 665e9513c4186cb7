/**
 * Kernel (AssemblyScript): where a text of repodata has bytes that a reader of XML has to do something about, and where the paths of
 * its files are.
 *
 * Those are `&`, `]`, control characters but line breaks, and all beyond ASCII. What has to be done is for the reader to say: see
 * `PackageLines` in ../src/package-lines.ts.
 */

/** Address of the text; there is room for `textBytes`. Positions follow behind it. */
export function room(): usize {
  return (__heap_base + 15) & ~15;
}

/**
 * Writes the positions of those bytes among the first `length` of the text, in order, as 32-bit numbers from `positions` on, and
 * behind them one that is larger than any. `positions` is a multiple of 4; there is room for one number for each byte, and one
 * more. The text may be followed by anything for 16 bytes.
 */
export function marks(length: u32, positions: usize): void {
  const text = room();
  const low = i8x16.splat(0x20);
  const lineBreak = i8x16.splat(0x0a);
  const ampersand = i8x16.splat(0x26);
  const bracket = i8x16.splat(0x5d);
  let to = positions;
  for (let at: u32 = 0; at < length; at += 16) {
    const bytes = v128.load(text + usize(at));
    // Signed: bytes beyond ASCII are negative, so below the space too.
    const special = v128.or(
      v128.andnot(i8x16.lt_s(bytes, low), i8x16.eq(bytes, lineBreak)),
      v128.or(i8x16.eq(bytes, ampersand), i8x16.eq(bytes, bracket)),
    );
    let mask = u32(i8x16.bitmask(special));
    if (length - at < 16) mask &= (1 << (length - at)) - 1;
    for (; mask !== 0; mask &= mask - 1) {
      store<u32>(to, at + ctz(mask));
      to += 4;
    }
  }
  store<u32>(to, u32.MAX_VALUE);
}

/**
 * Elements of files that follow each other from byte `from` on, each on a line of its own with so many blanks before it, up to the
 * first that is anything else or holds one of those bytes. For each writes two 32-bit numbers from `into` on: where its path begins,
 * and where it ends, with 0 for a file, 1 for a folder, 2 for a ghost in the two highest bits. How many.
 */
export function files(from: u32, length: u32, blanks: u32, into: usize): u32 {
  const text = room();
  const end = text + usize(length);
  const ampersand = i8x16.splat(0x26);
  const bracket = i8x16.splat(0x5d);
  const open = i8x16.splat(0x3c);
  const low = i8x16.splat(0x20);
  let to = into;
  for (let at = text + usize(from); ; to += 8) {
    if (at + 32 > end || load<u16>(at) !== 0x2020 || (blanks === 4 && load<u16>(at, 2) !== 0x2020)) break;
    at += usize(blanks);
    // `<file`
    if (load<u32>(at) !== 0x6c69663c || load<u8>(at, 4) !== 0x65) break;
    let type: u32 = 0;
    if (load<u8>(at, 5) === 0x3e) {
      at += 6;
    } else if (load<u32>(at, 5) !== 0x70797420) {
      // ` typ`
      break;
    } else if (load<u32>(at, 9) === 0x64223d65 && load<u32>(at, 13) === 0x3e227269) {
      // `e="dir">`
      type = 1;
      at += 17;
    } else if (load<u32>(at, 9) === 0x67223d65 && load<u32>(at, 13) === 0x74736f68 && load<u16>(at, 17) === 0x3e22) {
      // `e="ghost">`
      type = 2;
      at += 19;
    } else {
      break;
    }
    const start = at;
    let found: i32 = 0;
    for (; at < end; at += 16) {
      const bytes = v128.load(at);
      const special = v128.or(
        v128.or(i8x16.lt_s(bytes, low), i8x16.eq(bytes, open)),
        v128.or(i8x16.eq(bytes, ampersand), i8x16.eq(bytes, bracket)),
      );
      found = i8x16.bitmask(special);
      if (found !== 0) break;
    }
    if (found === 0) break;
    at += usize(ctz(found));
    // `</file>` and a line break
    if (at + 8 > end || load<u32>(at) !== 0x69662f3c || load<u32>(at, 4) !== 0x0a3e656c) break;
    store<u32>(to, u32(start - text));
    store<u32>(to, u32(at - text) | (type << 30), 4);
    at += 8;
  }
  return u32((to - into) >> 3);
}
