/**
 * The payload of a package to be written: planned files → archive → compressed bytes, with the facts that the header
 * needs about them.
 *
 * The header comes first in the file but tells the digest of the compressed payload. So the payload is made before it
 * and kept while it is small; one that is too big is made a second time, with the same bytes.
 *
 * Reference: rpm, lib/rpmfi.cc (rpmfiArchiveWriteHeader), build/pack.cc (writeRPM)
 */
import type { Abortable } from './byte-source.js';
import { type CompressOptions, compress } from './codec.js';
import { type CpioInput, type NewcHeader, type StrippedHeader, writeCpio } from './cpio.js';
import { RpmError } from './errors.js';
import { isGhost } from './file-list.js';
import { createHasher, type DigestAlgorithm, type Hasher } from './hasher.js';
import type { PlannedFile } from './planned-file.js';

/** What reading a file's content told about it. */
export interface FileFacts {
  /** SHA-256, lower-case hexadecimal. */
  readonly sha256: string;
  /** 1 for a 32-bit ELF file, 2 for a 64-bit one, 0 for the rest. */
  readonly color: number;
}

/** Size and digests of some bytes. */
export interface StreamFacts {
  readonly sizeBytes: number;
  readonly digests: Readonly<Partial<Record<DigestAlgorithm, string>>>;
}

/** A payload that was made once. */
export interface MadePayload {
  /** Facts of each file with content, by index. */
  readonly files: ReadonlyMap<number, FileFacts>;
  /** The archive before compression. */
  readonly archive: StreamFacts;
  /** As stored. */
  readonly compressed: StreamFacts;
  /** The bytes as stored. Throws RPM_SOURCE_FAILED when content has changed since they were made. */
  bytes(): AsyncIterable<Uint8Array>;
}

/** How a payload is made. */
export interface PayloadOptions extends Abortable {
  readonly compression: Pick<CompressOptions, 'type' | 'level'>;
  /** Entries name files of the header by number: v6, and v4 when a file is 4 GiB or larger. */
  readonly stripped: boolean;
  /** Names begin with `./`, as in binary packages. */
  readonly dotted: boolean;
  /** Digests over the archive and over the payload as stored. */
  readonly algorithms: readonly DigestAlgorithm[];
}

/** Compressed bytes that are kept in memory; a bigger payload is made twice. */
const KEPT_BYTES = 64 << 20;

/** Makes a payload. Throws what contents and codecs throw. */
export async function makePayload(files: readonly PlannedFile[], options: PayloadOptions): Promise<MadePayload> {
  const facts = new Map<number, FileFacts>();
  const archive = new Meter(options.algorithms);
  const compressed = new Meter(options.algorithms);
  let kept: Uint8Array[] | undefined = [];
  const once = archive.watch(joined(writeCpio(archiveEntries(files, facts, options))));
  for await (const chunk of compressed.watch(compress(once, { ...options.compression, signal: options.signal }))) {
    if (compressed.sizeBytes > KEPT_BYTES) kept = undefined;
    kept?.push(chunk);
  }
  const made = compressed.facts();
  const again = async function* (): AsyncGenerator<Uint8Array> {
    const meter = new Meter(options.algorithms);
    const second = joined(writeCpio(archiveEntries(files, new Map(), options)));
    yield* meter.watch(compress(second, { ...options.compression, signal: options.signal }));
    const found = meter.facts();
    if (found.sizeBytes === made.sizeBytes && found.digests.sha256 === made.digests.sha256) return;
    throw new RpmError(
      { code: 'RPM_SOURCE_FAILED', source: 'content of a file', wanted: 'the same bytes twice', found: 'other bytes' },
      'payload: the content of a file changed while the package was written',
    );
  };
  const keptChunks = kept;
  const replay = async function* (): AsyncGenerator<Uint8Array> {
    if (keptChunks !== undefined) yield* keptChunks;
  };
  return {
    files: facts,
    archive: archive.facts(),
    compressed: made,
    bytes: keptChunks === undefined ? again : replay,
  };
}

/** Counts and hashes what passes. */
class Meter {
  sizeBytes = 0;
  readonly #hashers: readonly (readonly [DigestAlgorithm, Hasher])[];

  constructor(algorithms: readonly DigestAlgorithm[]) {
    this.#hashers = algorithms.map((algorithm) => [algorithm, createHasher(algorithm)] as const);
  }

  async *watch(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.sizeBytes += chunk.length;
      for (const [, hasher] of this.#hashers) hasher.update(chunk);
      yield chunk;
    }
  }

  facts(): StreamFacts {
    const digests = Object.fromEntries(this.#hashers.map(([algorithm, hasher]) => [algorithm, hasher.digest()]));
    return { sizeBytes: this.sizeBytes, digests };
  }
}

/**
 * In rpm's order: files with one name by index, then each hard-link set, whose content follows its last name.
 */
async function* archiveEntries(
  files: readonly PlannedFile[],
  facts: Map<number, FileFacts>,
  options: PayloadOptions,
): AsyncGenerator<CpioInput> {
  const carried = files.filter((file) => !isGhost(file));
  const single = carried.filter((file) => file.links === undefined);
  const firsts = carried.filter((file) => file.links?.[0] === file.index);
  for (const file of single) yield entry(file, true, facts, options);
  for (const first of firsts) {
    const members = first.links ?? [];
    for (const index of members) {
      const isLast = index === members.at(-1);
      yield entry(files[index] as PlannedFile, isLast, facts, options);
      const found = isLast ? facts.get(index) : undefined;
      if (found) for (const member of members) facts.set(member, found);
    }
  }
}

const TYPE_MASK = 0o170000;
const SYMLINK = 0o120000;

function entry(
  file: PlannedFile,
  withContent: boolean,
  facts: Map<number, FileFacts>,
  options: PayloadOptions,
): CpioInput {
  if ((file.mode & TYPE_MASK) === SYMLINK) {
    const target = new TextEncoder().encode(file.linkTarget);
    return { header: entryHeader(file, target.length, options), data: target };
  }
  if (file.content === undefined || !withContent) return { header: entryHeader(file, 0, options) };
  const data = examined(file.content.chunks(options), file.index, facts);
  return { header: entryHeader(file, file.content.sizeBytes, options), data };
}

function entryHeader(file: PlannedFile, sizeBytes: number, options: PayloadOptions): NewcHeader | StrippedHeader {
  if (options.stripped) return { kind: 'stripped', fileIndex: file.index, sizeBytes };
  return {
    kind: 'newc',
    name: options.dotted ? `.${file.path}` : file.path,
    inode: file.inode,
    mode: file.mode,
    uid: 0,
    gid: 0,
    linkCount: file.links?.length ?? 1,
    modifiedSeconds: file.modifiedSeconds,
    sizeBytes,
    deviceMajor: 0,
    deviceMinor: 0,
    targetDeviceMajor: file.deviceNumber >> 8,
    targetDeviceMinor: file.deviceNumber & 0xff,
  };
}

/** Passes content on and notes its digest and whether it is an ELF file. */
async function* examined(
  chunks: AsyncIterable<Uint8Array>,
  index: number,
  facts: Map<number, FileFacts>,
): AsyncGenerator<Uint8Array> {
  const hasher = createHasher('sha256');
  const start: number[] = [];
  for await (const chunk of chunks) {
    for (let i = 0; start.length < 5 && i < chunk.length; i++) start.push(chunk[i] as number);
    hasher.update(chunk);
    yield chunk;
  }
  facts.set(index, { sha256: hasher.digest(), color: elfColor(start) });
}

function elfColor(start: readonly number[]): number {
  const isElf = start[0] === 0x7f && start[1] === 0x45 && start[2] === 0x4c && start[3] === 0x46;
  const width = start[4];
  return isElf && (width === 1 || width === 2) ? width : 0;
}

const JOINED_BYTES = 256 << 10;

/** The same bytes in fewer chunks: an archive of small files comes in pieces of a hundred bytes. */
async function* joined(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let buffer = new Uint8Array(JOINED_BYTES);
  let filled = 0;
  for await (const chunk of chunks) {
    if (filled + chunk.length > buffer.length && filled > 0) {
      yield buffer.subarray(0, filled);
      buffer = new Uint8Array(JOINED_BYTES);
      filled = 0;
    }
    if (chunk.length >= buffer.length) {
      // A copy: the chunk may be memory of its source, and is kept until the header is written.
      yield chunk.slice();
      continue;
    }
    buffer.set(chunk, filled);
    filled += chunk.length;
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}
