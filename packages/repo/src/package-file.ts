/**
 * A package file for repodata: one open, one pass. The first bytes give the headers, all bytes give the digest.
 *
 * Synchronous on purpose: the thread has nothing else to do, and waiting for each read costs more than reading.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import {
  type ByteSource,
  createHasher,
  decodeHeaderIntro,
  digestBytes,
  LEAD_BYTES,
  quote,
  RpmError,
  readPackage,
  signaturePadding,
} from '@distrokit/rpm';
import { RepoError } from './errors.js';
import type { PackageFileFacts, PackageRecord, RecordOptions } from './package-record.js';
import { assertUtf8Texts } from './package-text.js';
import { type PackageHeaders, recordFromPackage } from './record-from-package.js';

/** How to read package files. */
export interface PackageFileOptions extends RecordOptions {
  /** Of the whole file. */
  readonly checksum: 'sha256' | 'sha512';
  /** Texts that are not UTF-8: `latin1` reads them as createrepo_c does, `refuse` throws REPO_BAD_TEXT. Default `latin1`. */
  readonly invalidUtf8?: 'latin1' | 'refuse';
}

/**
 * The record of a package file. `location` is what primary.xml shall say.
 *
 * Throws REPO_BAD_PACKAGE with the reason as `cause`, REPO_BAD_TEXT.
 */
export async function recordFromFile(
  path: string,
  location: string,
  options: PackageFileOptions,
  locationBase?: string,
): Promise<PackageRecord> {
  const { pkg, facts } = await readPackageFile(path, location, options, locationBase, new Uint8Array(chunkBytes));
  return asPackage(path, () => recordFromPackage(pkg, facts, options));
}

/** What `make` makes of a package's header. Throws REPO_BAD_PACKAGE for a header whose values are beyond it. */
export function asPackage<Made>(path: string, make: () => Made): Made {
  try {
    return make();
  } catch (cause) {
    if (cause instanceof RpmError) throw badPackage(path, cause);
    throw cause;
  }
}

/** What is read at once: fits the second-level cache, and holds the headers of nearly every package. */
export const chunkBytes: number = 256 * 1024;
const introBytes = 16;
/** How package files are opened. A pipe in the place of one would keep us waiting for somebody who writes into it. */
export const readFlags: number = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** Where bytes go that are only hashed. One for all files of the thread: nothing keeps a view of it. */
let hashed: Uint8Array | undefined;

/**
 * The headers of a package file, with what of the file is not in them. The headers are views of `room` where it is long
 * enough for them: it holds the file's first bytes when this resolves, and belongs to nobody else until then.
 *
 * Throws REPO_BAD_PACKAGE, REPO_BAD_TEXT.
 */
export async function readPackageFile(
  path: string,
  location: string,
  options: PackageFileOptions,
  locationBase: string | undefined,
  room: Uint8Array,
): Promise<{ readonly pkg: PackageHeaders; readonly facts: PackageFileFacts }> {
  let file: number;
  try {
    file = openSync(path, readFlags);
  } catch (cause) {
    throw badPackage(path, cause);
  }
  try {
    const { mtimeMs, size } = fstatSync(file);
    let filled = readFully(file, room, 0, Math.min(chunkBytes, size));
    const end = headerEnd(room.subarray(0, filled));
    if (end > filled && end <= room.length) filled += readFully(file, room, filled, end);
    const first = room.subarray(0, filled);
    const pkg = await readPackage(end <= room.length ? first : longHeaders(file, size));
    if (options.invalidUtf8 === 'refuse') assertUtf8Texts(pkg.header, location);
    const { checksum } = options;
    const { hex, sizeBytes } =
      filled < size ? digestOf(file, first, checksum) : { hex: digestBytes(checksum, first), sizeBytes: filled };
    return {
      pkg,
      facts: {
        pkgid: { algorithm: checksum, hex },
        location,
        ...(locationBase === undefined ? {} : { locationBase }),
        sizeBytes,
        fileTime: new Date(Math.floor(mtimeMs / 1000) * 1000),
      },
    };
  } catch (cause) {
    if (cause instanceof RepoError) throw cause;
    throw badPackage(path, cause);
  } finally {
    closeSync(file);
  }
}

/** Where the headers say that they end; 0 when these bytes are too few to tell. */
function headerEnd(bytes: Uint8Array): number {
  if (bytes.length < LEAD_BYTES + introBytes) return 0;
  const signature = decodeHeaderIntro(bytes.subarray(LEAD_BYTES), 'signature').totalBytes;
  const start = LEAD_BYTES + signature + signaturePadding(signature);
  if (bytes.length < start + introBytes) return start + introBytes;
  return start + decodeHeaderIntro(bytes.subarray(start), 'main').totalBytes;
}

/** The digest of a file whose first bytes are in memory, and how long it was. */
export function digestOf(
  file: number,
  first: Uint8Array,
  checksum: PackageFileOptions['checksum'],
): { readonly hex: string; readonly sizeBytes: number } {
  const hasher = createHasher(checksum);
  hasher.update(first);
  hashed ??= new Uint8Array(chunkBytes);
  let sizeBytes = first.length;
  for (;;) {
    const length = readFrom(file, hashed, 0, hashed.length, sizeBytes);
    if (length === 0) return { hex: hasher.digest(), sizeBytes };
    sizeBytes += length;
    hasher.update(hashed.subarray(0, length));
  }
}

/** Bytes `from` to `to` of a file into the same bytes of `into`: how many there were. */
export function readFully(file: number, into: Uint8Array, from: number, to: number): number {
  return readFrom(file, into, from, to, from);
}

function readFrom(file: number, into: Uint8Array, from: number, to: number, position: number): number {
  let length = 0;
  while (from + length < to) {
    const got = readSync(file, into, from + length, to - from - length, position + length);
    if (got === 0) break;
    length += got;
  }
  return length;
}

/** For headers that do not fit the room. */
function longHeaders(file: number, sizeBytes: number): ByteSource {
  return {
    sizeBytes,
    async read(offset, length) {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, sizeBytes - offset)));
      return bytes.subarray(0, readFrom(file, bytes, 0, bytes.length, offset));
    },
  };
}

function badPackage(path: string, cause: unknown): RepoError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new RepoError({ code: 'REPO_BAD_PACKAGE', path }, `${quote(path, 200)}: an RPM package wanted: ${reason}`, {
    cause,
  });
}
