/**
 * The order of strings by their UTF-8 bytes: what `strcmp` gives, and so what rpm sorts files and dependencies by.
 *
 * JavaScript compares UTF-16 units, which puts characters beyond U+FFFF before U+E000 to U+FFFF.
 */
export function compareBytewise(a: string, b: string): -1 | 0 | 1 {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) < rank(y) ? -1 : 1;
  }
  return a.length === b.length ? 0 : a.length < b.length ? -1 : 1;
}

/** A UTF-16 unit's place in the order of code points: surrogates after all others. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
