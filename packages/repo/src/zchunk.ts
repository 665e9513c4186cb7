/**
 * zchunk: a document in chunks with a digest each, so that a client fetches those it does not have.
 *
 * Lead (magic, digest type, header size, header digest), preface (data digest, flags, compression), index (digest and
 * two lengths of each chunk, the dictionary first), number of signatures, then the chunks. Integers are seven bits a
 * byte, lowest first; the last byte has its high bit set.
 *
 * Reference: zchunk, zchunk_format.txt; createrepo_c, src/createrepo_c.c (--zck)
 */
import { compressBytes, createHasher, decompressBytes, quote, RpmError } from '@distrokit/rpm';
import { RepoError } from './errors.js';
import { tooLarge } from './fetcher.js';

const magic = [0, 0x5a, 0x43, 0x4b, 0x31];
const sha256Bytes = 32;
const chunkDigestBytes = 16;
/** Numbers of the format: digest of the whole SHA-256, of chunks the first 16 bytes of SHA-512, compression zstd. */
const sha256Type = 1;
const sha512Of128Type = 3;
const zstdType = 2;

/** A document in its zchunk form, with what repomd.xml says of its header. */
export interface ZchunkFile {
  readonly bytes: Uint8Array;
  readonly headerSizeBytes: number;
  readonly headerDigest: string;
}

/** Whether these first bytes are those of a zchunk file. */
export function isZchunk(bytes: Uint8Array): boolean {
  return magic.every((byte, at) => bytes[at] === byte);
}

/** Compresses the pieces of a document, each into a chunk of its own. `level` as for zstd, default 3. */
export async function encodeZchunk(pieces: readonly Uint8Array[], level?: number): Promise<ZchunkFile> {
  const chunks: Uint8Array[] = [];
  const index: Uint8Array[] = [compactInteger(sha512Of128Type), compactInteger(pieces.length + 1)];
  // No dictionary.
  index.push(new Uint8Array(chunkDigestBytes), compactInteger(0), compactInteger(0));
  const dataHasher = createHasher('sha256');
  for (const piece of pieces) {
    const chunk = await compressBytes(piece, { type: 'zstd', level });
    dataHasher.update(chunk);
    chunks.push(chunk);
    index.push(chunkDigest(chunk), compactInteger(chunk.length), compactInteger(piece.length));
  }
  const indexBytes = joined(index);
  const rest = joined([
    fromHex(dataHasher.digest()),
    compactInteger(0),
    compactInteger(zstdType),
    compactInteger(indexBytes.length),
    indexBytes,
    compactInteger(0),
  ]);
  const lead = joined([new Uint8Array(magic), compactInteger(sha256Type), compactInteger(rest.length)]);
  const headerDigest = headerDigestOf(lead, rest);
  const header = joined([lead, fromHex(headerDigest), rest]);
  return { bytes: joined([header, ...chunks]), headerSizeBytes: header.length, headerDigest };
}

/**
 * The document within a zchunk file as createrepo_c and this package write it: SHA-256, zstd, no dictionary.
 *
 * Every digest is checked before what it covers is believed. Throws REPO_BAD_COMPRESSION; REPO_TOO_LARGE when the chunks
 * announce more than `maxBytes`.
 */
export async function* decodeZchunk(
  document: string,
  bytes: Uint8Array,
  maxBytes: number,
): AsyncGenerator<Uint8Array, void, void> {
  const bad = (wanted: string, cause?: unknown): RepoError =>
    new RepoError(
      { code: 'REPO_BAD_COMPRESSION', document, compression: 'zchunk' },
      `${quote(document)}: a sound zchunk file wanted: ${wanted}`,
      cause === undefined ? undefined : { cause },
    );
  let at = magic.length;
  const integer = (): number => {
    let value = 0;
    for (let shift = 0; shift < 49; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) throw bad('an integer before the end of the file');
      value += (byte & 0x7f) * 2 ** shift;
      if (byte >= 0x80) return value;
    }
    throw bad('an integer of at most 49 bits');
  };
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw bad(`${length} bytes at ${at}`);
    at += length;
    return bytes.subarray(at - length, at);
  };
  if (!isZchunk(bytes)) throw bad('the magic bytes');
  if (integer() !== sha256Type) throw bad('SHA-256 as digest of the whole');
  const headerLength = integer();
  const lead = bytes.subarray(0, at);
  const headerDigest = take(sha256Bytes);
  const rest = take(headerLength);
  const data = bytes.subarray(at);
  if (!equal(fromHex(headerDigestOf(lead, rest)), headerDigest)) throw bad('a header with the digest of its lead');
  at -= headerLength;
  const dataDigest = take(sha256Bytes);
  if (integer() !== 0) throw bad('no optional features');
  if (integer() !== zstdType) throw bad('zstd as compression');
  integer();
  if (integer() !== sha512Of128Type) throw bad('SHA-512/128 as digest of chunks');
  const count = integer();
  // Each chunk takes at least this much of the header: a larger count is a lie that would cost memory.
  if (count < 1 || count > headerLength / (chunkDigestBytes + 2))
    throw bad('as many chunks as the header has room for');
  const chunks: { readonly digest: Uint8Array; readonly stored: number; readonly open: number }[] = [];
  let open = 0;
  for (let number = 0; number < count; number++) {
    const chunk = { digest: take(chunkDigestBytes), stored: integer(), open: integer() };
    open += chunk.open;
    chunks.push(chunk);
  }
  if (open > maxBytes) throw tooLarge(document, maxBytes);
  if (chunks[0]?.stored !== 0) throw bad('no dictionary');
  const hasher = createHasher('sha256');
  hasher.update(data);
  if (!equal(fromHex(hasher.digest()), dataDigest)) throw bad('chunks with the digest of the header');
  at = bytes.length - data.length;
  for (const chunk of chunks.slice(1)) {
    const stored = take(chunk.stored);
    if (!equal(chunkDigest(stored), chunk.digest)) throw bad('a chunk with the digest of the index');
    let piece: Uint8Array;
    try {
      piece = await decompressBytes(stored, 'zstd', { maxBytes: chunk.open });
    } catch (cause) {
      if (!(cause instanceof RpmError)) throw cause;
      throw bad('chunks of zstd as long as announced', cause);
    }
    if (piece.length !== chunk.open) throw bad(`a chunk of ${chunk.open} bytes, found ${piece.length}`);
    yield piece;
  }
  if (at !== bytes.length) throw bad('nothing after the last chunk');
}

function headerDigestOf(lead: Uint8Array, rest: Uint8Array): string {
  const hasher = createHasher('sha256');
  hasher.update(lead);
  hasher.update(rest);
  return hasher.digest();
}

function chunkDigest(bytes: Uint8Array): Uint8Array {
  const hasher = createHasher('sha512');
  hasher.update(bytes);
  return fromHex(hasher.digest()).subarray(0, chunkDigestBytes);
}

function compactInteger(value: number): Uint8Array {
  const out: number[] = [];
  let left = value;
  for (; left > 0x7f; left = Math.floor(left / 128)) out.push(left % 128);
  out.push(left + 0x80);
  return new Uint8Array(out);
}

function fromHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = Number.parseInt(hex.slice(at * 2, at * 2 + 2), 16);
  return bytes;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
