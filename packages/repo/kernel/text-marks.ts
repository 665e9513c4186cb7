/**
 * Kernel (AssemblyScript): where a text has bytes that a reader of XML has to do something about.
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
