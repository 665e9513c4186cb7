/**
 * The xz container, decoded in pure code over `lzma-decoder.ts`: streams, blocks, LZMA2 chunks, checks.
 *
 * Filters other than LZMA2 (branch converters) are refused: rpm does not use them.
 *
 * Reference: https://tukaani.org/xz/xz-file-format.txt; LZMA2 as in xz, src/liblzma/lzma/lzma2_decoder.c
 */
import { Crc64, crc32 } from './crc.js';
import { createHasher, toHex } from './hasher.js';
import { LzmaDecoder, RangeDecoder } from './lzma-decoder.js';

const MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
const STREAM_HEADER_BYTES = 12;
const LZMA2_FILTER = 0x21;
/** Bytes of a check by its id; the others are unassigned. */
const checkBytes: Readonly<Record<number, number>> = { 0: 0, 1: 4, 4: 8, 10: 32 };

/**
 * The decompressed bytes of every stream of an xz file, in chunks. Memory is the dictionary, whatever the output.
 *
 * Throws Error on damage, a wrong check, an unknown filter or check, and input that ends too early.
 */
export function* decodeXz(input: Uint8Array): Generator<Uint8Array, void, undefined> {
  const reader = new XzReader(input);
  do {
    yield* decodeStream(reader);
    reader.skipStreamPadding();
  } while (!reader.ended);
}

function* decodeStream(reader: XzReader): Generator<Uint8Array, void, undefined> {
  const header = reader.take(STREAM_HEADER_BYTES);
  if (MAGIC.some((byte, i) => header[i] !== byte)) throw new Error('xz: not an xz stream');
  const flags = header.subarray(6, 8);
  if (crc32(flags) !== littleEndian(header, 8)) throw new Error('xz: the stream header is damaged');
  const check = flags[1] as number;
  const checkLength = checkBytes[check];
  if (flags[0] !== 0 || checkLength === undefined) throw new Error(`xz: a check of unknown kind ${check}`);
  const records: { readonly unpadded: number; readonly size: number }[] = [];
  while (reader.peek() !== 0) {
    const start = reader.at;
    const dictionary = readBlockHeader(reader);
    const hash = checkOf(check);
    let size = 0;
    for (const chunk of decodeLzma2(reader, dictionary)) {
      size += chunk.length;
      hash.update(chunk);
      yield chunk;
    }
    const unpadded = reader.at - start + checkLength;
    reader.skipZeros((4 - ((reader.at - start) % 4)) % 4);
    const stored = toHex(reader.take(checkLength));
    if (stored !== hash.digest()) throw new Error('xz: the check of a block is wrong');
    records.push({ unpadded, size });
  }
  readIndex(reader, records);
  const footer = reader.take(STREAM_HEADER_BYTES);
  const sound =
    crc32(footer.subarray(4, 10)) === littleEndian(footer, 0) &&
    footer[8] === flags[0] &&
    footer[9] === flags[1] &&
    footer[10] === 0x59 &&
    footer[11] === 0x5a;
  if (!sound) throw new Error('xz: the stream footer is damaged');
}

/** The dictionary size of the block that begins here. */
function readBlockHeader(reader: XzReader): number {
  const length = ((reader.peek() as number) + 1) * 4;
  const header = reader.take(length);
  if (crc32(header.subarray(0, length - 4)) !== littleEndian(header, length - 4)) {
    throw new Error('xz: a block header is damaged');
  }
  const fields = new XzReader(header.subarray(1, length - 4));
  const flags = fields.take(1)[0] as number;
  if ((flags & 0x40) !== 0) fields.variableNumber();
  if ((flags & 0x80) !== 0) fields.variableNumber();
  const filter = fields.variableNumber();
  if ((flags & 0x03) !== 0 || filter !== LZMA2_FILTER) throw new Error(`xz: filter ${filter} is not supported`);
  if (fields.variableNumber() !== 1) throw new Error('xz: LZMA2 wants one byte of properties');
  const bits = fields.take(1)[0] as number;
  if (bits > 40) throw new Error(`xz: an LZMA2 dictionary of kind ${bits}`);
  return bits === 40 ? 0xffff_ffff : (2 | (bits & 1)) * 2 ** (Math.floor(bits / 2) + 11);
}

function* decodeLzma2(reader: XzReader, dictionaryBytes: number): Generator<Uint8Array, void, undefined> {
  const decoder = new LzmaDecoder(dictionaryBytes);
  let needsDictionary = true;
  let needsProperties = true;
  for (;;) {
    const control = reader.take(1)[0] as number;
    if (control === 0) break;
    if (control > 2 && control < 0x80) throw new Error(`xz: an LZMA2 chunk of kind ${control}`);
    const resetsDictionary = control === 1 || control >= 0xe0;
    if (needsDictionary && !resetsDictionary) throw new Error('xz: the first LZMA2 chunk does not begin a dictionary');
    if (resetsDictionary) decoder.resetDictionary();
    needsDictionary = false;
    if (control <= 2) {
      yield* decoder.store(reader.take(reader.bigEndian16() + 1));
      continue;
    }
    const size = ((control & 0x1f) << 16) + reader.bigEndian16() + 1;
    const compressed = reader.bigEndian16() + 1;
    const reset = (control >> 5) & 3;
    if (reset >= 2) {
      decoder.reset(reader.take(1)[0] as number);
      needsProperties = false;
    } else if (needsProperties) {
      throw new Error('xz: an LZMA2 chunk without properties');
    } else if (reset === 1) {
      decoder.reset();
    }
    const range = new RangeDecoder(reader.take(compressed), 0);
    yield* decoder.decode(range, size);
    if (!range.finished || !range.exhausted) throw new Error('xz: bytes that no LZMA2 chunk accounts for');
  }
  yield* decoder.flush();
}

/** The index repeats what the blocks were: an attacker must not show it another file. */
function readIndex(reader: XzReader, records: readonly { readonly unpadded: number; readonly size: number }[]): void {
  const start = reader.at;
  reader.take(1);
  const sound =
    reader.variableNumber() === records.length &&
    records.every(({ unpadded, size }) => reader.variableNumber() === unpadded && reader.variableNumber() === size);
  reader.skipZeros((4 - ((reader.at - start) % 4)) % 4);
  const crc = crc32(reader.between(start, reader.at));
  if (!sound || crc !== littleEndian(reader.take(4), 0)) throw new Error('xz: the index does not fit the blocks');
}

interface BlockCheck {
  update(bytes: Uint8Array): void;
  /** Hexadecimal, in the order of the bytes in the file. */
  digest(): string;
}

function checkOf(kind: number): BlockCheck {
  if (kind === 10) return createHasher('sha256');
  if (kind === 4) {
    const crc = new Crc64();
    return { update: (bytes) => crc.update(bytes), digest: () => toHex(crc.bytes()) };
  }
  if (kind === 1) {
    let crc = 0;
    const bytes = new Uint8Array(4);
    return {
      update: (chunk) => {
        crc = crc32(chunk, crc);
      },
      digest: () => {
        new DataView(bytes.buffer).setUint32(0, crc, true);
        return toHex(bytes);
      },
    };
  }
  return { update: () => undefined, digest: () => '' };
}

function littleEndian(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(at, true);
}

class XzReader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get ended(): boolean {
    return this.at >= this.#bytes.length;
  }

  peek(): number {
    const byte = this.#bytes[this.at];
    if (byte === undefined) throw new Error('xz: the stream ends too early');
    return byte;
  }

  take(length: number): Uint8Array {
    if (this.at + length > this.#bytes.length) throw new Error('xz: the stream ends too early');
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  between(start: number, end: number): Uint8Array {
    return this.#bytes.subarray(start, end);
  }

  bigEndian16(): number {
    const [high, low] = this.take(2) as unknown as [number, number];
    return (high << 8) | low;
  }

  /** Seven bits a byte, the lowest first, nine bytes at most. */
  variableNumber(): number {
    let value = 0;
    for (let i = 0; i < 9; i++) {
      const byte = this.take(1)[0] as number;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if ((byte & 0x80) === 0) {
        if (byte === 0 && i > 0) break;
        return value;
      }
    }
    throw new Error('xz: a number that is too long');
  }

  skipZeros(count: number): void {
    if (this.take(count).some((byte) => byte !== 0)) throw new Error('xz: padding that is not zero');
  }

  /** Streams may be followed by zeros, four at a time. */
  skipStreamPadding(): void {
    while (!this.ended && this.peek() === 0) this.skipZeros(4);
  }
}
