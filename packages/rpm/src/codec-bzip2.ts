/**
 * bzip2, decoded: the payloads of Red Hat 9, SUSE 9 and Mandriva, and old repository documents.
 *
 * One block (900,000 bytes before run lengths) is decoded at a time, so memory does not grow with the stream.
 *
 * Reference: bzip2 1.0.8, compress.c and decompress.c
 */

/** A block's symbols are at most 900,001, each at most 20 bits, behind tables of less than 200 KB. */
const maxBlockInputBytes = 2_500_000;
const outputChunkBytes = 262_144;
const runA = 0;
const runB = 1;
const groupSize = 50;
const maxCodeLength = 20;
const lookupBits = 10;

/** Decompresses every stream of a chain and checks each CRC. What follows the last stream and is no other is an error, thrown after the data. */
export async function* decodeBzip2(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const reader = new BitReader(input);
  for (let streams = 0; ; streams++) {
    await reader.fill(4);
    if (streams > 0 && reader.atEnd()) return;
    const level = reader.blockLevel();
    if (level === undefined) throw new Error('no bzip2 magic');
    const decoder = new BlockDecoder(reader, level * 100_000);
    let streamCrc = 0;
    for (;;) {
      await reader.fill(maxBlockInputBytes);
      const high = reader.bits(24);
      const low = reader.bits(24);
      if (high === 0x177245 && low === 0x385090) break;
      if (high !== 0x314159 || low !== 0x265359) throw new Error('no block where one must begin');
      const blockCrc = reader.word();
      yield* decoder.block(blockCrc);
      streamCrc = (blockCrc ^ ((streamCrc << 1) | (streamCrc >>> 31))) >>> 0;
    }
    if (reader.word() !== streamCrc) throw new Error('wrong checksum of the stream');
    reader.alignToByte();
  }
}

/** Bits, most significant first, over a stream of which a stretch is held in memory. */
class BitReader {
  readonly #input: AsyncIterator<Uint8Array>;
  #bytes: Uint8Array = new Uint8Array(0);
  #position = 0;
  #ended = false;
  #word = 0;
  #have = 0;

  constructor(input: AsyncIterable<Uint8Array>) {
    this.#input = input[Symbol.asyncIterator]();
  }

  /** Holds `wanted` bytes ahead, or all that is left. */
  async fill(wanted: number): Promise<void> {
    if (this.#ended || this.#bytes.length - this.#position >= wanted) return;
    const parts = [this.#bytes.subarray(this.#position)];
    let length = parts[0]!.length;
    // Twice as much as asked for: each byte is then moved once or twice, not once a block.
    while (length < 2 * wanted) {
      const next = await this.#input.next();
      if (next.done) {
        this.#ended = true;
        break;
      }
      parts.push(next.value);
      length += next.value.length;
    }
    const joined = new Uint8Array(length);
    let end = 0;
    for (const part of parts) {
      joined.set(part, end);
      end += part.length;
    }
    this.#bytes = joined;
    this.#position = 0;
  }

  /** True when nothing is left; meant for a byte border, behind `fill`. */
  atEnd(): boolean {
    return this.#position >= this.#bytes.length;
  }

  /** Takes the four bytes `BZh1` … `BZh9`; undefined when something else or nothing is there. */
  blockLevel(): number | undefined {
    const [b, z, h, digit] = this.#bytes.subarray(this.#position, this.#position + 4);
    if (b !== 0x42 || z !== 0x5a || h !== 0x68 || digit === undefined || digit < 0x31 || digit > 0x39) return undefined;
    this.#position += 4;
    return digit - 0x30;
  }

  /** At most 24 bits. */
  bits(count: number): number {
    while (this.#have < count) {
      if (this.#position >= this.#bytes.length) throw new Error('unexpected end of file');
      this.#word = (this.#word << 8) | this.#bytes[this.#position++]!;
      this.#have += 8;
    }
    this.#have -= count;
    return (this.#word >>> this.#have) & ((1 << count) - 1);
  }

  word(): number {
    return ((this.bits(16) << 16) | this.bits(16)) >>> 0;
  }

  /** One symbol of a prefix code. */
  symbol(code: PrefixCode): number {
    while (this.#have < maxCodeLength && this.#position < this.#bytes.length) {
      this.#word = (this.#word << 8) | this.#bytes[this.#position++]!;
      this.#have += 8;
    }
    const word = this.#word;
    const have = this.#have;
    if (have >= lookupBits) {
      const found = code.lookup[(word >>> (have - lookupBits)) & ((1 << lookupBits) - 1)]!;
      if (found !== 0) {
        this.#have = have - (found & 31);
        return found >>> 5;
      }
    }
    for (let length = code.least; length <= code.most; length++) {
      if (length > have) throw new Error('unexpected end of file');
      const value = (word >>> (have - length)) & ((1 << length) - 1);
      if (value > code.limit[length]!) continue;
      this.#have = have - length;
      const index = value - code.base[length]!;
      if (index < 0 || index >= code.symbols.length) break;
      return code.symbols[index]!;
    }
    throw new Error('a code that stands for no symbol');
  }

  alignToByte(): void {
    this.#position -= this.#have >>> 3;
    this.#have = 0;
  }
}

/** A canonical prefix code: by length the largest code, and what to subtract from a code to index `symbols`. */
interface PrefixCode {
  readonly least: number;
  readonly most: number;
  readonly limit: Int32Array;
  readonly base: Int32Array;
  readonly symbols: Uint16Array;
  /** For the next ten bits: symbol << 5 | length; 0 where the code is longer. */
  readonly lookup: Uint16Array;
}

function prefixCode(lengths: Uint8Array): PrefixCode {
  const counts = new Int32Array(maxCodeLength + 2);
  for (const length of lengths) counts[length]!++;
  let least = 1;
  while (counts[least] === 0) least++;
  let most = maxCodeLength;
  while (counts[most] === 0) most--;
  const symbols = new Uint16Array(lengths.length);
  const limit = new Int32Array(maxCodeLength + 2).fill(-1);
  const base = new Int32Array(maxCodeLength + 2);
  const lookup = new Uint16Array(1 << lookupBits);
  let code = 0;
  let index = 0;
  for (let length = least; length <= most; length++) {
    base[length] = code - index;
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      if (lengths[symbol] !== length) continue;
      symbols[index++] = symbol;
      if (length <= lookupBits) {
        const first = code << (lookupBits - length);
        lookup.fill((symbol << 5) | length, first, first + (1 << (lookupBits - length)));
      }
      code++;
    }
    limit[length] = code - 1;
    code <<= 1;
  }
  return { least, most, limit, base, symbols, lookup };
}

class BlockDecoder {
  readonly #reader: BitReader;
  /** Low byte: the block after move-to-front. Upper 24 bits: the links of the inverse Burrows-Wheeler transform. */
  readonly #links: Uint32Array;

  constructor(reader: BitReader, blockBytes: number) {
    this.#reader = reader;
    this.#links = new Uint32Array(blockBytes);
  }

  /** The bytes of one block, behind its magic and its CRC. */
  *block(wantedCrc: number): Generator<Uint8Array, void, void> {
    const reader = this.#reader;
    if (reader.bits(1) === 1) throw new Error('a randomised block (bzip2 before 0.9.5)');
    const origin = reader.bits(24);
    const count = this.#readSymbols();
    if (origin >= count) throw new Error('the block begins outside itself');
    yield* this.#expand(origin, count, wantedCrc);
  }

  /** Prefix codes and move-to-front undone; leaves the bytes linked in the order of the sorted rotations. */
  #readSymbols(): number {
    const reader = this.#reader;
    const used = usedBytes(reader);
    if (used.length === 0) throw new Error('a block that uses no byte');
    const { codes, selectors } = readCodes(reader, used.length + 2);

    const links = this.#links;
    const front = used.slice();
    const starts = new Uint32Array(257);
    const endOfBlock = used.length + 1;
    let count = 0;
    let runLength = 0;
    let runWeight = 1;
    for (let group = 0; ; group++) {
      if (group >= selectors.length) throw new Error('more symbols than selectors');
      const code = codes[selectors[group]!]!;
      for (let i = 0; i < groupSize; i++) {
        const symbol = reader.symbol(code);
        if (symbol === runA || symbol === runB) {
          // Checked here: a long run of runs overflows before it is used.
          if (runWeight > links.length) throw new Error('a run longer than the block');
          runLength += symbol === runA ? runWeight : 2 * runWeight;
          runWeight *= 2;
          continue;
        }
        if (runLength > 0) {
          if (count + runLength > links.length) throw new Error('a run longer than the block');
          const byte = front[0]!;
          links.fill(byte, count, count + runLength);
          starts[byte + 1]! += runLength;
          count += runLength;
          runLength = 0;
          runWeight = 1;
        }
        if (symbol === endOfBlock) {
          this.#link(count, starts);
          return count;
        }
        if (count >= links.length) throw new Error('more bytes than the block holds');
        const byte = front[symbol - 1]!;
        front.copyWithin(1, 0, symbol - 1);
        front[0] = byte;
        links[count++] = byte;
        starts[byte + 1]!++;
      }
    }
  }

  #link(count: number, starts: Uint32Array): void {
    const links = this.#links;
    for (let byte = 1; byte < 257; byte++) starts[byte]! += starts[byte - 1]!;
    for (let i = 0; i < count; i++) {
      const byte = links[i]! & 0xff;
      const at = starts[byte]!;
      starts[byte] = at + 1;
      links[at]! |= i << 8;
    }
  }

  /** Follows the links and undoes the outer run lengths: four equal bytes are followed by a count of more. */
  *#expand(origin: number, count: number, wantedCrc: number): Generator<Uint8Array, void, void> {
    const links = this.#links;
    let out = new Uint8Array(outputChunkBytes);
    let filled = 0;
    let crc = -1;
    let link = links[origin]! >>> 8;
    let previous = -1;
    let equal = 0;
    for (let left = count; left > 0; left--) {
      const entry = links[link]!;
      const byte = entry & 0xff;
      link = entry >>> 8;
      let copies = 1;
      let value = byte;
      if (equal === 4) {
        copies = byte;
        value = previous;
        equal = 0;
        previous = -1;
      } else if (byte === previous) {
        equal++;
      } else {
        previous = byte;
        equal = 1;
      }
      for (; copies > 0; copies--) {
        crc = (crc << 8) ^ crcTable[(crc >>> 24) ^ value]!;
        out[filled++] = value;
        if (filled < outputChunkBytes) continue;
        yield out;
        out = new Uint8Array(outputChunkBytes);
        filled = 0;
      }
    }
    if (filled > 0) yield out.subarray(0, filled);
    if (~crc >>> 0 !== wantedCrc) throw new Error('wrong checksum of a block');
  }
}

/** The bytes that occur in the block, ascending: 16 flags for ranges of 16 bytes, then 16 flags for each range in use. */
function usedBytes(reader: BitReader): Uint8Array {
  const ranges = reader.bits(16);
  const used: number[] = [];
  for (let range = 0; range < 16; range++) {
    if ((ranges & (0x8000 >> range)) === 0) continue;
    const flags = reader.bits(16);
    for (let i = 0; i < 16; i++) if ((flags & (0x8000 >> i)) !== 0) used.push(range * 16 + i);
  }
  return Uint8Array.from(used);
}

function readCodes(
  reader: BitReader,
  symbolCount: number,
): { readonly codes: readonly PrefixCode[]; readonly selectors: Uint8Array } {
  const codeCount = reader.bits(3);
  const selectorCount = reader.bits(15);
  if (codeCount < 2 || codeCount > 6 || selectorCount === 0) throw new Error('an impossible number of codes');
  const order = [0, 1, 2, 3, 4, 5];
  const selectors = new Uint8Array(selectorCount);
  for (let i = 0; i < selectorCount; i++) {
    let place = 0;
    while (reader.bits(1) === 1) if (++place >= codeCount) throw new Error('a selector of a code that does not exist');
    const [code] = order.splice(place, 1);
    order.unshift(code!);
    selectors[i] = code!;
  }
  const codes: PrefixCode[] = [];
  for (let i = 0; i < codeCount; i++) {
    const lengths = new Uint8Array(symbolCount);
    let length = reader.bits(5);
    for (let symbol = 0; symbol < symbolCount; symbol++) {
      for (;;) {
        if (length < 1 || length > maxCodeLength) throw new Error('a code of impossible length');
        if (reader.bits(1) === 0) break;
        length += reader.bits(1) === 0 ? 1 : -1;
      }
      lengths[symbol] = length;
    }
    codes.push(prefixCode(lengths));
  }
  return { codes, selectors };
}

const crcTable: Int32Array = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let i = 0; i < 8; i++) crc = (crc << 1) ^ (crc < 0 ? 0x04c11db7 : 0);
  return crc;
});
