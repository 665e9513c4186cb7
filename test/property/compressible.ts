/** Bytes to compress, made from a seed: what repeats in every distance and length, noise of every alphabet, runs. */

/** A generator of whole numbers below 2^32: xorshift, so that campaigns over millions of inputs are not spent in it. */
export function randomFrom(seed: number): () => number {
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

/** Bytes of so many kinds, in no order. */
export function noise(length: number, symbols = 256, seed = 1): Uint8Array {
  const random = randomFrom(seed);
  return new Uint8Array(length).map(() => random() % symbols);
}

/** Lines as filelists have them. */
export function text(length: number): Uint8Array {
  const random = randomFrom(5);
  const lines: string[] = [];
  for (let bytes = 0; bytes < length; bytes += lines.at(-1)?.length as number) {
    lines.push(`  <file type="dir">/usr/share/doc/package-${random() % 300}/part-${random() % 7000}</file>\n`);
  }
  return Buffer.from(lines.join('')).subarray(0, length);
}

/** Some input of at most `most` bytes. Lengths are of every order, and often next to the ends of blocks of 128 KiB. */
export function compressible(seed: number, most: number): Uint8Array {
  const random = randomFrom(seed);
  const below = (limit: number): number => random() % limit;
  /** From 0 to 2^bits, each order of size as often as another. */
  const anySize = (bits: number): number => below(1 << below(bits + 1));
  let length = anySize(Math.ceil(Math.log2(most)));
  if (below(6) === 0) length = (1 + below(Math.max(1, most >> 17))) * 131_072 + below(40) - 20;
  length = Math.min(most, length);
  const bytes = new Uint8Array(length);
  // Some inputs are made of few kinds of parts only.
  const kinds = 1 + below(63);
  const longest = 1 + below(18);
  let at = 0;
  let distance = 1;
  while (at < length) {
    const kind = below(6);
    if ((kinds & (1 << kind)) === 0) continue;
    const end = Math.min(length, at + 1 + anySize(longest));
    if (kind === 0) {
      // Noise of an alphabet; few symbols are frequent.
      const first = below(256);
      const symbols = 1 + anySize(8);
      const skewed = below(2) === 0;
      for (; at < end; at++) bytes[at] = first + (skewed ? below(1 + below(symbols)) : below(symbols));
    } else if (kind === 1) {
      bytes.fill(below(256), at, end);
      at = end;
    } else if (kind === 2) {
      // Copies of what is anywhere before, which may overlap themselves.
      distance = 1 + anySize(23);
      const from = Math.max(0, at - distance);
      for (let i = from; at < end; ) bytes[at++] = bytes[i++] as number;
    } else if (kind === 3) {
      // The same distance again, or next to it.
      const from = Math.max(0, at - distance - below(2));
      for (let i = from; at < end; ) bytes[at++] = bytes[i++] as number;
    } else if (kind === 4) {
      // Lines that differ in a number.
      const word = `<file name="${below(50)}/usr/share/${below(20)}">`;
      for (; at < end; )
        for (const letter of `${word}${below(1000)}\n`) if (at < length) bytes[at++] = letter.charCodeAt(0);
    } else {
      // Short copies with a byte between them.
      for (; at < end; ) {
        const from = Math.max(0, at - 1 - anySize(12));
        for (let i = from, last = Math.min(end, at + 3 + below(8)); at < last; ) bytes[at++] = bytes[i++] as number;
        if (at < end) bytes[at++] = below(256);
      }
    }
  }
  return bytes;
}
