/**
 * LZMA, decoded in pure code: for payloads where liblzma is not at hand, as in a browser. No kept library decodes there
 * what rpm writes (xz with SHA-256 checks, bare lzma), in pieces and with a ceiling.
 *
 * Reference: LZMA specification (Igor Pavlov, public domain); https://tukaani.org/xz/lzma-file-format.txt
 */

const LZMA_HEADER_BYTES = 13;
const LEAST_MATCH = 2;
const END_MARK = 0xffff_ffff;
const chunkBytes = 64 * 1024;
/** `xz -9` uses 64 MiB; the reference reader gives up above 100 MiB. */
const maxDictionaryBytes = 100 << 20;

/**
 * A bare lzma stream, decompressed in chunks. Memory is the dictionary, whatever the output.
 *
 * Throws Error on damage, a dictionary above 100 MiB, and input that ends too early.
 */
export function* decodeLzma(input: Uint8Array): Generator<Uint8Array, void, undefined> {
  if (input.length < LZMA_HEADER_BYTES) throw new Error('lzma: the stream ends within its header');
  const view = new DataView(input.buffer, input.byteOffset, input.length);
  const sizeKnown = view.getUint32(5, true) !== 0xffff_ffff || view.getUint32(9, true) !== 0xffff_ffff;
  const size = sizeKnown ? view.getUint32(9, true) * 2 ** 32 + view.getUint32(5, true) : Number.POSITIVE_INFINITY;
  const decoder = new LzmaDecoder(Math.min(Math.max(view.getUint32(1, true), 4096), Math.max(size, 1)));
  decoder.reset(view.getUint8(0));
  yield* decoder.decode(new RangeDecoder(input, LZMA_HEADER_BYTES), size);
  yield* decoder.flush();
}

/** The state of one LZMA stream: dictionary, probabilities, last distances. */
export class LzmaDecoder {
  readonly #window: Uint8Array;
  /** Where in the window the next byte goes, and the first byte that was not given out. */
  #at = 0;
  #given = 0;
  /** Bytes since the dictionary was last reset. */
  #written = 0;
  #literalContextBits = 0;
  #literalPositionMask = 0;
  #positionMask = 0;
  #state = 0;
  #rep: [number, number, number, number] = [0, 0, 0, 0];
  #literals: Uint16Array = new Uint16Array(0);
  #isMatch: Uint16Array = new Uint16Array(0);
  #isRepeat: Uint16Array = new Uint16Array(0);
  #isRepeat0Long: Uint16Array = new Uint16Array(0);
  #repeatIndex: readonly Uint16Array[] = [];
  #matchLength = new LengthDecoder();
  #repeatLength = new LengthDecoder();
  #distances = new DistanceDecoder();
  #properties = 0;

  /** Throws Error on a dictionary above 100 MiB. */
  constructor(dictionaryBytes: number) {
    if (dictionaryBytes > maxDictionaryBytes) throw new Error(`lzma: a dictionary of ${dictionaryBytes} bytes`);
    this.#window = new Uint8Array(dictionaryBytes);
  }

  /** Fresh probabilities and distances; new properties where they are given. Throws Error on impossible ones. */
  reset(properties: number = this.#properties): void {
    if (properties >= 9 * 5 * 5) throw new Error(`lzma: properties below 225 wanted, found ${properties}`);
    this.#properties = properties;
    const literalPositionBits = Math.floor(properties / 9) % 5;
    this.#literalContextBits = properties % 9;
    this.#literalPositionMask = (1 << literalPositionBits) - 1;
    this.#positionMask = (1 << Math.floor(properties / 45)) - 1;
    this.#literals = probabilities(0x300 << (this.#literalContextBits + literalPositionBits));
    this.#isMatch = probabilities(12 << 4);
    this.#isRepeat = probabilities(12);
    this.#isRepeat0Long = probabilities(12 << 4);
    this.#repeatIndex = [probabilities(12), probabilities(12), probabilities(12)];
    this.#matchLength = new LengthDecoder();
    this.#repeatLength = new LengthDecoder();
    this.#distances = new DistanceDecoder();
    this.#state = 0;
    this.#rep = [0, 0, 0, 0];
  }

  /** Forgets the dictionary: no match may reach behind this point. */
  resetDictionary(): void {
    this.#written = 0;
  }

  /** Bytes that were stored as they are; they become part of the dictionary. */
  *store(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
    for (let from = 0; from < bytes.length; ) {
      const part = bytes.subarray(from, from + this.#window.length - this.#at);
      this.#window.set(part, this.#at);
      this.#at += part.length;
      this.#written += part.length;
      from += part.length;
      yield* this.#full();
    }
  }

  /** `size` bytes, or up to the end mark when it is infinite. Throws Error on damage. */
  *decode(range: RangeDecoder, size: number): Generator<Uint8Array, void, undefined> {
    const window = this.#window;
    const end = this.#written + size;
    let state = this.#state;
    let [rep0, rep1, rep2, rep3] = this.#rep;
    while (this.#written < end) {
      const position = this.#written & this.#positionMask;
      if (range.bit(this.#isMatch, (state << 4) + position) === 0) {
        const previous = this.#written === 0 ? 0 : this.#byteAt(0);
        const context =
          ((this.#written & this.#literalPositionMask) << this.#literalContextBits) +
          (previous >> (8 - this.#literalContextBits));
        window[this.#at] = range.literal(this.#literals, 0x300 * context, state >= 7 ? this.#byteAt(rep0) : -1);
        state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
        this.#at += 1;
        this.#written += 1;
        yield* this.#full();
        continue;
      }
      let length = 1;
      if (range.bit(this.#isRepeat, state) === 0) {
        [rep3, rep2, rep1] = [rep2, rep1, rep0];
        length = this.#matchLength.decode(range, position);
        rep0 = this.#distances.decode(range, length);
        state = state < 7 ? 7 : 10;
        if (rep0 === END_MARK) {
          // Where the size is known, an end mark comes too early.
          if (end !== Number.POSITIVE_INFINITY || !range.finished)
            throw new Error('lzma: an end mark in the wrong place');
          break;
        }
        length += LEAST_MATCH;
      } else {
        let single = false;
        const [index0, index1, index2] = this.#repeatIndex as [Uint16Array, Uint16Array, Uint16Array];
        if (range.bit(index0, state) === 0) {
          single = range.bit(this.#isRepeat0Long, (state << 4) + position) === 0;
        } else if (range.bit(index1, state) === 0) {
          [rep0, rep1] = [rep1, rep0];
        } else if (range.bit(index2, state) === 0) {
          [rep0, rep1, rep2] = [rep2, rep0, rep1];
        } else {
          [rep0, rep1, rep2, rep3] = [rep3, rep0, rep1, rep2];
        }
        if (!single) length = this.#repeatLength.decode(range, position) + LEAST_MATCH;
        state = single ? (state < 7 ? 9 : 11) : state < 7 ? 8 : 11;
      }
      if (rep0 >= this.#written || rep0 >= window.length) throw new Error('lzma: a match before the first byte');
      if (length > end - this.#written) throw new Error('lzma: more bytes than announced');
      this.#written += length;
      for (; length > 0; length--) {
        window[this.#at] = this.#byteAt(rep0);
        this.#at += 1;
        if (this.#at === window.length) yield* this.#full();
      }
      yield* this.#full();
    }
    this.#state = state;
    this.#rep = [rep0, rep1, rep2, rep3];
  }

  /** What was decoded and not given out yet. */
  *flush(): Generator<Uint8Array, void, undefined> {
    if (this.#at > this.#given) yield this.#window.slice(this.#given, this.#at);
    this.#given = this.#at;
  }

  /** Gives out a chunk when there is one, or when the window is at its end. */
  *#full(): Generator<Uint8Array, void, undefined> {
    const atEnd = this.#at === this.#window.length;
    if (!atEnd && this.#at - this.#given < chunkBytes) return;
    yield* this.flush();
    if (atEnd) this.#at = this.#given = 0;
  }

  #byteAt(distance: number): number {
    const at = this.#at - distance - 1;
    return this.#window[at >= 0 ? at : at + this.#window.length] as number;
  }
}

/** Eleven-bit probabilities, all even at the start. */
function probabilities(count: number): Uint16Array {
  return new Uint16Array(count).fill(1024);
}

/** The range coder: bits out of bytes, by probabilities that learn. */
export class RangeDecoder {
  readonly #input: Uint8Array;
  #at: number;
  #range = 0xffff_ffff;
  #code = 0;

  constructor(input: Uint8Array, start: number) {
    this.#input = input;
    this.#at = start + 1;
    if (input[start] !== 0) throw new Error('lzma: the stream does not begin with a zero byte');
    for (let i = 0; i < 4; i++) this.#code = ((this.#code << 8) | this.#next()) >>> 0;
  }

  /** Whether nothing is left in the code, as at an end mark. */
  get finished(): boolean {
    return this.#code === 0;
  }

  /** Whether every byte of the input has been taken. */
  get exhausted(): boolean {
    return this.#at === this.#input.length;
  }

  bit(model: Uint16Array, index: number): number {
    const probability = model[index] as number;
    const bound = (this.#range >>> 11) * probability;
    let bit = 0;
    if (this.#code < bound) {
      this.#range = bound;
      model[index] = probability + ((2048 - probability) >> 5);
    } else {
      this.#range -= bound;
      this.#code -= bound;
      model[index] = probability - (probability >> 5);
      bit = 1;
    }
    if (this.#range < 0x100_0000) this.#refill();
    return bit;
  }

  /** Bits of even odds, the highest first. */
  direct(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      this.#range >>>= 1;
      const bit = this.#code >= this.#range ? 1 : 0;
      if (bit === 1) this.#code -= this.#range;
      if (this.#range < 0x100_0000) this.#refill();
      value = value * 2 + bit;
    }
    return value;
  }

  /** A number of `bits` bits, the highest first. */
  tree(model: Uint16Array, start: number, bits: number): number {
    let node = 1;
    for (let i = 0; i < bits; i++) node = (node << 1) | this.bit(model, start + node);
    return node - (1 << bits);
  }

  /** A number of `bits` bits, the lowest first. */
  reverseTree(model: Uint16Array, start: number, bits: number): number {
    let node = 1;
    let value = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.bit(model, start + node);
      node = (node << 1) | bit;
      value |= bit << i;
    }
    return value;
  }

  /** A byte; `match` is the byte at the last distance after a match, else −1. */
  literal(model: Uint16Array, start: number, match: number): number {
    let node = 1;
    let matched = match;
    while (matched >= 0 && node < 0x100) {
      const expected = (matched >> 7) & 1;
      matched = (matched << 1) & 0xff;
      const bit = this.bit(model, start + ((1 + expected) << 8) + node);
      node = (node << 1) | bit;
      if (bit !== expected) break;
    }
    while (node < 0x100) node = (node << 1) | this.bit(model, start + node);
    return node & 0xff;
  }

  #refill(): void {
    this.#range = (this.#range << 8) >>> 0;
    this.#code = ((this.#code << 8) | this.#next()) >>> 0;
  }

  #next(): number {
    const byte = this.#input[this.#at];
    if (byte === undefined) throw new Error('lzma: the stream ends too early');
    this.#at += 1;
    return byte;
  }
}

class LengthDecoder {
  readonly #choice = probabilities(2);
  readonly #low = probabilities(16 << 3);
  readonly #middle = probabilities(16 << 3);
  readonly #high = probabilities(256);

  /** Two less than the length. */
  decode(range: RangeDecoder, position: number): number {
    if (range.bit(this.#choice, 0) === 0) return range.tree(this.#low, position << 3, 3);
    if (range.bit(this.#choice, 1) === 0) return 8 + range.tree(this.#middle, position << 3, 3);
    return 16 + range.tree(this.#high, 0, 8);
  }
}

class DistanceDecoder {
  readonly #slots = probabilities(4 << 6);
  readonly #special = probabilities(128);
  readonly #align = probabilities(16);

  /** One less than the distance; 2^32 − 1 is the end mark. */
  decode(range: RangeDecoder, length: number): number {
    const slot = range.tree(this.#slots, Math.min(length, 3) << 6, 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const base = ((2 | (slot & 1)) << bits) >>> 0;
    if (slot < 14) return base + range.reverseTree(this.#special, base - slot, bits);
    return base + range.direct(bits - 4) * 16 + range.reverseTree(this.#align, 0, 4);
  }
}
