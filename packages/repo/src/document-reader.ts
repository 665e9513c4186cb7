/**
 * One document on its way out of a repository: fetched up to its announced size, its digest taken on the way,
 * decompressed up to its announced open size, that digest taken too.
 *
 * The digests are known at the end of the document only: what was read before is provisional until then.
 */
import {
  type Abortable,
  createHasher,
  type Digest,
  decompress,
  detectCompression,
  quote,
  RpmError,
} from '@distrokit/rpm';
import { RepoError } from './errors.js';
import { concatenated, type Fetcher, tooLarge } from './fetcher.js';
import type { RepomdRecord } from './repomd.js';
import { decodeZchunk, isZchunk } from './zchunk.js';

/** Ceilings for documents whose record does not say how large they are. */
export interface DocumentLimits extends Abortable {
  /** Bytes of a document as fetched, where its record has no size. Default 1 GiB. */
  readonly maxBytes?: number;
  /** Bytes of a document when open, where its record has no open size. Default 64 GiB. */
  readonly maxOpenBytes?: number;
}

/** For who is done with a chunk before asking for the next one. */
export interface OpenDocumentOptions extends DocumentLimits {
  /** As `decompress` takes it. */
  readonly lent?: boolean;
}

const defaultMaxBytes = 2 ** 30;
const defaultMaxOpenBytes = 2 ** 36;

/**
 * The bytes of a document as they lie in the repository. Throws REPO_CHECKSUM at the end, REPO_TOO_LARGE at the limit.
 */
export async function* fetchDocument(
  fetcher: Fetcher,
  record: RepomdRecord,
  options: DocumentLimits = {},
): AsyncGenerator<Uint8Array, void, void> {
  const maxBytes = record.sizeBytes ?? options.maxBytes ?? defaultMaxBytes;
  const hasher = createHasher(record.checksum.algorithm);
  let bytes = 0;
  const href = record.locationBase === undefined ? record.location : joined(record.locationBase, record.location);
  for await (const chunk of fetcher.fetch(href, { maxBytes, ...signalOf(options) })) {
    hasher.update(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(record.location, maxBytes);
    yield chunk;
  }
  checkDigest(record.location, record.checksum, hasher.digest());
}

/**
 * The bytes of a document, decompressed by what its first bytes say (names lie).
 *
 * Throws REPO_CHECKSUM at the end, REPO_TOO_LARGE at the limit, REPO_BAD_COMPRESSION.
 */
export async function* openDocument(
  fetcher: Fetcher,
  record: RepomdRecord,
  options: OpenDocumentOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const stored = fetchDocument(fetcher, record, options);
  const { head, chunks } = await detected(stored);
  const type = detectCompression(head);
  const maxOpenBytes = record.openSizeBytes ?? options.maxOpenBytes ?? defaultMaxOpenBytes;
  const expected = record.openChecksum;
  const hasher = expected === undefined ? undefined : createHasher(expected.algorithm);
  let bytes = 0;
  const opened = isZchunk(head)
    ? openZchunk(record.location, chunks, maxOpenBytes)
    : decompress(chunks, type, { maxBytes: maxOpenBytes, lent: options.lent === true, ...signalOf(options) });
  try {
    for await (const chunk of opened) {
      bytes += chunk.length;
      hasher?.update(chunk);
      yield chunk;
    }
  } catch (cause) {
    if (!(cause instanceof RpmError)) throw cause;
    if (cause.code === 'RPM_LIMIT') throw tooLarge(record.location, maxOpenBytes);
    throw new RepoError(
      { code: 'REPO_BAD_COMPRESSION', document: record.location, compression: type },
      `${quote(record.location)}: sound ${type} data wanted, found a damaged stream after ${bytes} bytes`,
      { cause },
    );
  }
  if (expected !== undefined && hasher !== undefined) checkDigest(record.location, expected, hasher.digest());
}

/** A zchunk file is held in memory: its index stands before its chunks, and its digest is checked before either. */
async function* openZchunk(
  document: string,
  stored: AsyncIterable<Uint8Array>,
  maxOpenBytes: number,
): AsyncGenerator<Uint8Array, void, void> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of stored) {
    parts.push(part);
    length += part.length;
  }
  yield* decodeZchunk(document, concatenated(parts, length), maxOpenBytes);
}

async function detected(
  stored: AsyncIterable<Uint8Array>,
): Promise<{ readonly head: Uint8Array; readonly chunks: AsyncIterable<Uint8Array> }> {
  const iterator = stored[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let length = 0;
  while (length < 16) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    first.push(value);
    length += value.length;
  }
  const head = new Uint8Array(Math.min(length, 16));
  let at = 0;
  for (const chunk of first) {
    const part = chunk.subarray(0, head.length - at);
    head.set(part, at);
    at += part.length;
  }
  const chunks = async function* (): AsyncGenerator<Uint8Array, void, void> {
    try {
      yield* first;
      for (;;) {
        const { done, value } = await iterator.next();
        if (done === true) return;
        yield value;
      }
    } finally {
      await iterator.return?.();
    }
  };
  return { head, chunks: chunks() };
}

function checkDigest(document: string, expected: Digest, found: string): void {
  if (expected.hex === found) return;
  throw new RepoError(
    { code: 'REPO_CHECKSUM', document, algorithm: expected.algorithm, wanted: expected.hex, found },
    `${quote(document)}: ${expected.algorithm} ${expected.hex} wanted, found ${found}`,
  );
}

function joined(base: string, location: string): string {
  return base.endsWith('/') ? base + location : `${base}/${location}`;
}

function signalOf(options: Abortable): Abortable {
  return options.signal === undefined ? {} : { signal: options.signal };
}
