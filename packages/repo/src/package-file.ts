/**
 * A package file for repodata: one open, one pass. The first bytes give the headers, all bytes give the digest.
 *
 * Synchronous on purpose: the thread has nothing else to do, and waiting for each read costs more than reading.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type ByteSource, createHasher, quote, readPackage } from '@distrokit/rpm';
import { RepoError } from './errors.js';
import { encodeHeaderFiles } from './header-files.js';
import { HeaderTexts } from './header-texts.js';
import {
  type PackageFileFacts,
  type PackageHeaders,
  type PackageRecord,
  type RecordOptions,
  recordFromPackage,
  recordWithoutFiles,
} from './package-record.js';
import { assertUtf8Texts, type TextPolicy } from './package-text.js';
import { type RenderedPackage, renderPackage } from './repository-writer.js';

/** How to read package files. */
export interface PackageFileOptions extends RecordOptions {
  /** Of the whole file. */
  readonly checksum: 'sha256' | 'sha512';
  /** Texts that are not UTF-8: `latin1` reads them as createrepo_c does, `refuse` throws REPO_BAD_TEXT. Default `latin1`. */
  readonly invalidUtf8?: 'latin1' | 'refuse';
}

// Fits the second-level cache, and holds the headers of nearly every package.
const chunkBytes = 256 * 1024;

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
  const { pkg, facts } = await readPackageFile(path, location, options, locationBase);
  return recordFromPackage(pkg, facts, options);
}

/**
 * A package file as repodata, with its record. The record has no files where they went into XML without becoming
 * objects: then `filesComplete` is false.
 *
 * `buffer` (`packageBuffer()`) is written over by each call: one call at a time. Not exported from the door. Throws
 * what `recordFromFile` throws.
 */
export async function renderPackageFile(
  path: string,
  location: string,
  options: PackageFileOptions & { readonly textPolicy?: TextPolicy },
  locationBase: string | undefined,
  buffer: Uint8Array,
): Promise<{ readonly record: PackageRecord; readonly rendered: RenderedPackage }> {
  const { pkg, facts } = await readPackageFile(path, location, options, locationBase, buffer);
  const policy = options.textPolicy ?? 'refuse';
  const texts = new HeaderTexts(pkg.header);
  const files = options.fileDigests === true ? undefined : encodeHeaderFiles(texts);
  if (files === undefined) {
    const record = recordFromPackage(pkg, facts, options);
    return { record, rendered: renderPackage(record, policy) };
  }
  const record = recordWithoutFiles(pkg, facts, options, () => files.primaryPaths, texts);
  return { record, rendered: renderPackage(record, policy, files) };
}

/** Room for the first bytes of a package, which hold its headers; made once for many packages. */
export function packageBuffer(): Uint8Array {
  return new Uint8Array(chunkBytes);
}

async function readPackageFile(
  path: string,
  location: string,
  options: PackageFileOptions,
  locationBase: string | undefined,
  buffer?: Uint8Array,
): Promise<{ readonly pkg: PackageHeaders; readonly facts: PackageFileFacts }> {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (cause) {
    throw badPackage(path, cause);
  }
  try {
    const facts = fstatSync(file);
    const hasher = createHasher(options.checksum);
    const first = (buffer ?? new Uint8Array(Math.min(chunkBytes, facts.size))).subarray(0, facts.size);
    let read = readFully(file, first, 0);
    hasher.update(first.subarray(0, read));
    const pkg = await readPackage(sourceOver(file, first.subarray(0, read), facts.size));
    if (read === chunkBytes) {
      // The headers may still view the first chunk.
      const chunk = new Uint8Array(chunkBytes);
      for (let length = read; length > 0; ) {
        length = readFully(file, chunk, read);
        read += length;
        hasher.update(chunk.subarray(0, length));
      }
    }
    if (options.invalidUtf8 === 'refuse') assertUtf8Texts(pkg.header, location);
    return {
      pkg,
      facts: {
        pkgid: { algorithm: options.checksum, hex: hasher.digest() },
        location,
        ...(locationBase === undefined ? {} : { locationBase }),
        sizeBytes: read,
        fileTime: new Date(Math.floor(facts.mtimeMs / 1000) * 1000),
      },
    };
  } catch (cause) {
    if (cause instanceof RepoError) throw cause;
    throw badPackage(path, cause);
  } finally {
    closeSync(file);
  }
}

function readFully(file: number, into: Uint8Array, position: number): number {
  let length = 0;
  while (length < into.length) {
    const got = readSync(file, into, length, into.length - length, position + length);
    if (got === 0) break;
    length += got;
  }
  return length;
}

/** Serves headers from the first chunk; reads again only where a header is longer. */
function sourceOver(file: number, first: Uint8Array, sizeBytes: number): ByteSource {
  return {
    sizeBytes,
    async read(offset, length) {
      if (offset + length <= first.length || first.length < chunkBytes) return first.subarray(offset, offset + length);
      const bytes = new Uint8Array(Math.max(0, Math.min(length, sizeBytes - offset)));
      return bytes.subarray(0, readFully(file, bytes, offset));
    },
  };
}

function badPackage(path: string, cause: unknown): RepoError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new RepoError({ code: 'REPO_BAD_PACKAGE', path }, `${quote(path, 200)}: an RPM package wanted: ${reason}`, {
    cause,
  });
}
