/**
 * The compressions of payloads and of repository documents: detect, decompress, compress, each with a ceiling.
 *
 * Reference: rpm, rpmio/rpmio.cc (gzdio, bzdio, xzdio, lzdio, zstdio).
 */
import type { Abortable } from './byte-source.js';
import { decodeBzip2 } from './codec-bzip2.js';
import { decodeGzip, encodeGzip } from './codec-gzip.js';
import { lzmaDecoder, xzDecoder, xzEncoder } from './codec-xz.js';
import { decodeZstd, encodeZstd } from './codec-zstd.js';
import { RpmError } from './errors.js';
import { MAX_PAYLOAD_BYTES, MAX_PAYLOAD_RATIO } from './limits.js';

/** A compression by the name that PAYLOADCOMPRESSOR gives it; `none` where that tag is absent. */
export type Compression = 'gzip' | 'xz' | 'lzma' | 'zstd' | 'bzip2' | 'none';

/** Ceilings on what comes out of a decompressor. */
export interface DecompressOptions extends Abortable {
  /** Most bytes that may come out. Default 64 GiB: give the size that the header or the record announces. */
  readonly maxBytes?: number | undefined;
  /** Most bytes out for each byte in, looked at beyond the first 64 MiB out. Default 10,000. */
  readonly maxRatio?: number | undefined;
  /** A chunk may be a view of memory that is written over when the next one is asked for. Default false. */
  readonly lent?: boolean;
}

/** How to compress. */
export interface CompressOptions extends Abortable {
  readonly type: 'gzip' | 'xz' | 'zstd' | 'none';
  /** gzip and xz 0 to 9 (default 6), zstd 1 to 22 (default 3). */
  readonly level?: number | undefined;
}

// See MAX_PAYLOAD_RATIO.
const ratioFreeBytes = 64 << 20;

/**
 * The compression that these first bytes announce, `none` for anything unknown. Six bytes decide; lzma needs thirteen.
 *
 * Bare lzma has no magic: it is recognised by a plausible properties byte, dictionary size and content size.
 */
export function detectCompression(bytes: Uint8Array): Compression {
  const starts = (...magic: readonly number[]) => magic.every((byte, i) => bytes[i] === byte);
  if (starts(0x1f, 0x8b)) return 'gzip';
  if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return 'xz';
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return 'zstd';
  // A skippable zstd frame.
  if (bytes.length >= 4 && (bytes[0]! & 0xf0) === 0x50 && bytes[1] === 0x2a && bytes[2] === 0x4d && bytes[3] === 0x18) {
    return 'zstd';
  }
  if (starts(0x42, 0x5a, 0x68) && bytes[3]! >= 0x31 && bytes[3]! <= 0x39) return 'bzip2';
  return looksLikeLzma(bytes) ? 'lzma' : 'none';
}

/**
 * Decompresses a stream. Every gzip member, xz stream, zstd frame and bzip2 stream of a chain is read.
 *
 * Damage is thrown after the bytes before it were handed out, and so is rubbish behind the last frame: a reader that
 * knows where its archive ends never meets it.
 *
 * Throws RPM_BAD_PAYLOAD with the number of compressed bytes read so far, RPM_LIMIT at a ceiling (not after it),
 * RPM_NO_CODEC. Errors of `input` come through unchanged. Digests are not checked here.
 */
export async function* decompress(
  input: AsyncIterable<Uint8Array>,
  type: Compression,
  options: DecompressOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const maxBytes = ceiling('maxBytes', options.maxBytes ?? MAX_PAYLOAD_BYTES);
  const maxRatio = ceiling('maxRatio', options.maxRatio ?? MAX_PAYLOAD_RATIO);
  const counted = new CountedInput(input, options.signal);
  const decode = await decoderFor(type, options.lent === true);
  let bytesOut = 0;
  try {
    for await (const chunk of decode(counted)) {
      options.signal?.throwIfAborted();
      bytesOut += chunk.length;
      if (bytesOut > maxBytes) throw limit('decompressed bytes', maxBytes, bytesOut);
      if (bytesOut > ratioFreeBytes && bytesOut > maxRatio * counted.bytes) {
        throw limit('decompressed bytes for each compressed byte', maxRatio, Math.floor(bytesOut / counted.bytes));
      }
      yield chunk;
    }
  } catch (error) {
    if (counted.failure !== undefined) throw counted.failure.error;
    options.signal?.throwIfAborted();
    if (error instanceof RpmError) throw error;
    throw new RpmError(
      {
        code: 'RPM_BAD_PAYLOAD',
        section: 'payload',
        offset: counted.bytes,
        wanted: `a sound ${type} stream`,
        found: error instanceof Error ? error.message : 'an unknown failure',
      },
      `payload: the ${type} stream is damaged within its first ${counted.bytes} bytes`,
      { cause: error },
    );
  }
}

/** Decompresses a whole buffer. As `decompress`; give `maxBytes`, since the result is held in memory. */
export async function decompressBytes(
  bytes: Uint8Array,
  type: Compression,
  options: DecompressOptions & { readonly maxBytes: number },
): Promise<Uint8Array> {
  return collect(decompress(once(bytes), type, { ...options, lent: false }));
}

/**
 * Compresses a stream: one gzip member without time and name, one xz stream, zstd frames of 8 MiB.
 *
 * Same input and level, same bytes, however the input is cut into chunks. gzip made in a browser differs from gzip made
 * by Node. Throws RPM_NO_CODEC where xz has no encoder (browsers, or `lzma-native` not installed).
 */
export async function* compress(
  input: AsyncIterable<Uint8Array>,
  options: CompressOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const encode = await encoderFor(options);
  for await (const chunk of encode(new CountedInput(input, options.signal))) {
    options.signal?.throwIfAborted();
    yield chunk;
  }
}

/** Compresses a whole buffer. As `compress`. */
export async function compressBytes(bytes: Uint8Array, options: CompressOptions): Promise<Uint8Array> {
  return collect(compress(once(bytes), options));
}

type Coder = (input: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

async function decoderFor(type: Compression, lent: boolean): Promise<Coder> {
  switch (type) {
    case 'none':
      return (input) => input;
    case 'gzip':
      return decodeGzip;
    case 'zstd':
      return (input) => decodeZstd(input, lent);
    case 'bzip2':
      return decodeBzip2;
    case 'xz':
      return xzDecoder();
    case 'lzma':
      return lzmaDecoder();
    default:
      throw new TypeError(`"type" must be a compression, not ${String(type)}`);
  }
}

async function encoderFor({ type, level }: CompressOptions): Promise<Coder> {
  switch (type) {
    case 'none':
      return (input) => input;
    case 'gzip': {
      const checked = levelIn(level ?? 6, 0, 9);
      return (input) => encodeGzip(input, checked);
    }
    case 'zstd': {
      const checked = levelIn(level ?? 3, 1, 22);
      return (input) => encodeZstd(input, checked);
    }
    case 'xz':
      return (await xzEncoder(levelIn(level ?? 6, 0, 9))) ?? noCodec(type, 'compress');
    default:
      throw new TypeError(`"type" must be gzip, xz, zstd or none, not ${String(type)}`);
  }
}

/** Counts what a coder has taken, and remembers when it was the input that failed. */
class CountedInput implements AsyncIterable<Uint8Array> {
  bytes = 0;
  failure: { readonly error: unknown } | undefined;
  readonly #input: AsyncIterable<Uint8Array>;
  readonly #signal: AbortSignal | undefined;

  constructor(input: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined) {
    this.#input = input;
    this.#signal = signal;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    try {
      for await (const chunk of this.#input) {
        this.#signal?.throwIfAborted();
        this.bytes += chunk.length;
        yield chunk;
      }
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }
}

function looksLikeLzma(bytes: Uint8Array): boolean {
  if (bytes.length < 13 || bytes[0]! >= 9 * 5 * 5) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 13);
  const dictionary = view.getUint32(1, true);
  // Encoders write 2^n or 2^n + 2^(n-1), nothing below 4 KiB.
  const top = 31 - Math.clz32(dictionary);
  const plausible =
    dictionary === 0xffffffff || (top >= 12 && (dictionary & (dictionary - 1) & ~(1 << (top - 1))) === 0);
  const size = view.getBigUint64(5, true);
  return plausible && (size === 0xffffffffffffffffn || size < 1n << 38n);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield bytes;
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    length += chunk.length;
  }
  if (chunks.length === 1) return chunks[0]!;
  const bytes = new Uint8Array(length);
  let position = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, position);
    position += chunk.length;
  }
  return bytes;
}

function noCodec(compressor: Compression, task: 'compress' | 'decompress'): never {
  throw new RpmError(
    { code: 'RPM_NO_CODEC', compressor, task },
    `no codec here to ${task} ${compressor}: the optional package lzma-native is not installed`,
  );
}

function limit(what: string, most: number, found: number): RpmError {
  return new RpmError({ code: 'RPM_LIMIT', what, limit: most, found }, `payload: more than ${most} ${what}`);
}

function ceiling(name: string, value: number): number {
  if (!(value >= 0)) throw new RangeError(`"${name}" must be a number that is not negative, not ${value}`);
  return value;
}

/** Throws RangeError for a level that the codec does not have. */
export function levelIn(level: number, least: number, most: number): number {
  if (!Number.isInteger(level) || level < least || level > most) {
    throw new RangeError(`"level" must be a whole number from ${least} to ${most}, not ${level}`);
  }
  return level;
}
