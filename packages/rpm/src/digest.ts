/**
 * Digests of a package: which there are, what each covers, whether it is right.
 *
 * Reference: rpm, docs/manual/signatures_digests.md; lib/rpmvs.cc (rpmvfyitems)
 */
import type { Abortable } from './byte-source.js';
import {
  createHasher,
  type Digest,
  type DigestAlgorithm,
  digestAlgorithmOf,
  digestBytes,
  type Hasher,
  toHex,
} from './hasher.js';
import type { RpmPackage } from './package.js';
import { payloadArchive } from './payload.js';

/** The answer about one digest. */
export type DigestStatus =
  | { readonly status: 'verified' | 'not-present' | 'not-checked' }
  | { readonly status: 'mismatch'; readonly expected: Digest; readonly actual: Digest };

/** Answers by hash function. A function that the package's format does not use is absent. */
export type DigestStatuses = Readonly<Partial<Record<DigestAlgorithm, DigestStatus>>>;

/** What `checkDigests` found. */
export interface DigestReport {
  /** Over the main header: SHA1, SHA256, SHA3_256 of the signature header. */
  readonly header: DigestStatuses;
  /** Over the payload as stored; `md5` covers header and payload together (v3 and v4). */
  readonly payload: DigestStatuses;
  /** Over the uncompressed payload. Checked only where there is no digest over the stored payload. */
  readonly archive: DigestStatuses;
  /**
   * No mismatch AND at least one header digest of SHA-256 or SHA3-256 verified. Nothing present is not ok, and
   * neither is a package with no better header digest than SHA-1, or MD5 alone. Says nothing about signatures.
   */
  readonly ok: boolean;
}

/** Options of `checkDigests`. */
export interface CheckDigestsOptions extends Abortable {
  /** Also read the payload. Default false: payload digests are then 'not-checked'. */
  readonly payload?: boolean;
  /**
   * Whether the MD5 over header and payload is checked with the payload. Default true. It counts for nothing beside a
   * SHA-256 and takes twice its time: false leaves it 'not-checked' where the payload has a better digest.
   */
  readonly legacy?: boolean;
}

/**
 * Compares every digest that the package carries with what it covers. A wrong digest is an answer, not an error.
 *
 * Throws what reading and decompressing the payload throws.
 */
export async function checkDigests(pkg: RpmPackage, options: CheckDigestsOptions = {}): Promise<DigestReport> {
  const header = checkHeaderDigests(pkg);
  const expected = expectedPayloadDigests(pkg);
  const archiveExpected = expectedArchiveDigests(pkg);
  const payload: Partial<Record<DigestAlgorithm, DigestStatus>> = {};
  const archive: Partial<Record<DigestAlgorithm, DigestStatus>> = {};
  for (const [algorithm, hex] of expected) payload[algorithm] = hex === undefined ? absent : unchecked;
  for (const [algorithm, hex] of archiveExpected) archive[algorithm] = hex === undefined ? absent : unchecked;
  if (options.payload) {
    const better = expected.some(([algorithm, hex]) => algorithm !== 'md5' && hex !== undefined);
    const wanted =
      options.legacy === false && better ? expected.filter(([algorithm]) => algorithm !== 'md5') : expected;
    await hashPayload(pkg, wanted, payload, options);
    // A digest of the stored payload that is wrong needs no second opinion, and a damaged payload may not decompress.
    const decided = Object.entries(payload).some(([name, { status }]) => name !== 'md5' && status !== 'not-present');
    if (!decided && archiveExpected.some(([, hex]) => hex !== undefined)) {
      await hashArchive(pkg, archiveExpected, archive, options);
    }
  }
  const all = [...Object.values(header), ...Object.values(payload), ...Object.values(archive)];
  const anchored = header.sha256?.status === 'verified' || header['sha3-256']?.status === 'verified';
  return { header, payload, archive, ok: anchored && !all.some(({ status }) => status === 'mismatch') };
}

const absent: DigestStatus = { status: 'not-present' };
const unchecked: DigestStatus = { status: 'not-checked' };

type Expected = readonly (readonly [DigestAlgorithm, string | undefined])[];

function checkHeaderDigests(pkg: RpmPackage): DigestStatuses {
  const signature = pkg.signatureHeader;
  const expected: [DigestAlgorithm, string | undefined][] = [];
  if (pkg.format !== 6 || signature.has('SHA1')) expected.push(['sha1', signature.get('SHA1')]);
  expected.push(['sha256', signature.get('SHA256')]);
  if (pkg.format === 6 || signature.has('SHA3_256')) expected.push(['sha3-256', signature.get('SHA3_256')]);
  const covered = pkg.header.immutableBytes();
  const statuses: Partial<Record<DigestAlgorithm, DigestStatus>> = {};
  for (const [algorithm, hex] of expected) {
    statuses[algorithm] = hex === undefined ? absent : compare(algorithm, hex, digestBytes(algorithm, covered));
  }
  return statuses;
}

function expectedPayloadDigests(pkg: RpmPackage): Expected {
  const { header, signatureHeader } = pkg;
  const expected: [DigestAlgorithm, string | undefined][] = [];
  if (pkg.format !== 6) {
    const md5Bytes = signatureHeader.get('MD5');
    expected.push(['md5', md5Bytes && toHex(md5Bytes)]);
  }
  expected.push([payloadAlgorithm(pkg), header.get('PAYLOADSHA256')?.[0]]);
  if (pkg.format === 6 || header.has('PAYLOADSHA512')) expected.push(['sha512', header.get('PAYLOADSHA512')]);
  if (pkg.format === 6 || header.has('PAYLOADSHA3_256')) expected.push(['sha3-256', header.get('PAYLOADSHA3_256')]);
  return expected;
}

function expectedArchiveDigests(pkg: RpmPackage): Expected {
  const { header } = pkg;
  const expected: [DigestAlgorithm, string | undefined][] = [
    [payloadAlgorithm(pkg), header.get('PAYLOADSHA256ALT')?.[0]],
  ];
  if (pkg.format === 6 || header.has('PAYLOADSHA512ALT')) expected.push(['sha512', header.get('PAYLOADSHA512ALT')]);
  if (pkg.format === 6 || header.has('PAYLOADSHA3_256ALT')) {
    expected.push(['sha3-256', header.get('PAYLOADSHA3_256ALT')]);
  }
  return expected;
}

/** PAYLOADSHA256ALGO may name another function in v4; rpm itself only ever wrote SHA-256. */
function payloadAlgorithm(pkg: RpmPackage): DigestAlgorithm {
  return digestAlgorithmOf(pkg.header.get('PAYLOADSHA256ALGO') ?? 8) ?? 'sha256';
}

async function hashPayload(
  pkg: RpmPackage,
  expected: Expected,
  statuses: Partial<Record<DigestAlgorithm, DigestStatus>>,
  options: Abortable,
): Promise<void> {
  const hashers = hashersFor(expected);
  // The MD5 of v3 and v4 covers the header as well.
  hashers.get('md5')?.update(pkg.header.bytes());
  const update = (chunk: Uint8Array): void => {
    for (const hasher of hashers.values()) hasher.update(chunk);
  };
  const { source, headerRange } = pkg;
  if (source.readNow === undefined) for await (const chunk of pkg.payload(options)) update(chunk);
  else await readAllNow(source.readNow.bind(source), headerRange.end, update, options);
  judge(expected, hashers, statuses);
}

// Fits the second-level cache of a processor.
const chunkBytes = 256 * 1024;
/** After so many bytes others get their turn: some ten milliseconds. */
const turnBytes = 32 << 20;
/** One for all: nothing keeps what was read into it. */
let chunk: Uint8Array | undefined;

async function readAllNow(
  readNow: (into: Uint8Array, offset: number) => number,
  start: number,
  update: (chunk: Uint8Array) => void,
  { signal }: Abortable,
): Promise<void> {
  chunk ??= new Uint8Array(chunkBytes);
  let turn = turnBytes;
  for (let offset = start; ; ) {
    signal?.throwIfAborted();
    const length = readNow(chunk, offset);
    update(length < chunk.length ? chunk.subarray(0, length) : chunk);
    if (length < chunk.length) return;
    offset += length;
    if (offset - start < turn) continue;
    turn += turnBytes;
    await new Promise((resolve) => setTimeout(resolve));
  }
}

async function hashArchive(
  pkg: RpmPackage,
  expected: Expected,
  statuses: Partial<Record<DigestAlgorithm, DigestStatus>>,
  options: Abortable,
): Promise<void> {
  const hashers = hashersFor(expected);
  for await (const chunk of payloadArchive(pkg, { ...options, lent: true })) {
    for (const hasher of hashers.values()) hasher.update(chunk);
  }
  judge(expected, hashers, statuses);
}

function hashersFor(expected: Expected): Map<DigestAlgorithm, Hasher> {
  const hashers = new Map<DigestAlgorithm, Hasher>();
  for (const [algorithm, hex] of expected) if (hex !== undefined) hashers.set(algorithm, createHasher(algorithm));
  return hashers;
}

function judge(
  expected: Expected,
  hashers: ReadonlyMap<DigestAlgorithm, Hasher>,
  statuses: Partial<Record<DigestAlgorithm, DigestStatus>>,
): void {
  for (const [algorithm, hex] of expected) {
    const hasher = hashers.get(algorithm);
    if (hex !== undefined && hasher) statuses[algorithm] = compare(algorithm, hex, hasher.digest());
  }
}

function compare(algorithm: DigestAlgorithm, expected: string, actual: string): DigestStatus {
  if (expected.toLowerCase() === actual) return { status: 'verified' };
  return { status: 'mismatch', expected: { algorithm, hex: expected }, actual: { algorithm, hex: actual } };
}
