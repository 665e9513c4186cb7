/**
 * Records of packages in a folder, so that a package is read once in its life: one file for each, found by what the
 * file system says of the package.
 *
 * A package is taken for the one that was read when name, size, time (nanoseconds) and inode are those of then. Who can
 * write to the cache decides what repodata says of the packages.
 */
import { mkdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { digestBytes, quote } from '@distrokit/rpm';
import { RepoError } from './errors.js';
import { storeFailed } from './fetcher.js';
import { type PackageFileOptions, recordFromFile } from './package-file.js';
import { formatRecord, type PackageRecord, parseRecord } from './package-record.js';

/** Where records are kept. */
export interface RecordCacheOptions {
  /** Made when the first record is kept. Never emptied: entries of packages that are gone stay. */
  readonly folder: string;
  /** Hears of an entry that is damaged. It is not believed: the package is read, and the entry written anew. */
  readonly onIgnored?: (path: string, error: RepoError) => void;
}

/** A record, and whether its package was read for it. */
export interface CachedRecord {
  readonly record: PackageRecord;
  readonly fromCache: boolean;
}

const maxEntryBytes = 256 * 1024 * 1024;

/**
 * The record of a package file, from the cache or from the file; then it is kept.
 *
 * Not kept are records with something left out (`onSkippedDependency`), since that would be heard only once.
 *
 * Throws what `recordFromFile` throws, and REPO_STORE_FAILED when the cache cannot be written.
 */
export async function cachedRecord(
  cache: RecordCacheOptions,
  path: string,
  location: string,
  options: PackageFileOptions,
  locationBase?: string,
): Promise<CachedRecord> {
  const before = await factsOf(path, options);
  if (before !== undefined) {
    const record = await load(cache, before);
    if (record !== undefined) {
      const { locationBase: _, ...rest } = record;
      const place = { location, ...(locationBase === undefined ? {} : { locationBase }) };
      return { record: { ...rest, ...place }, fromCache: true };
    }
  }
  let skipped = false;
  const hearing: PackageFileOptions = {
    ...options,
    onSkippedDependency: (kind, name, evr) => {
      skipped = true;
      options.onSkippedDependency?.(kind, name, evr);
    },
  };
  const record = await recordFromFile(path, location, hearing, locationBase);
  // What was replaced while it was read is not known by the facts of before.
  if (!skipped && before !== undefined && (await factsOf(path, options))?.key === before.key) {
    await keep(cache, before, record);
  }
  return { record, fromCache: false };
}

interface Facts {
  /** All that decides the record. */
  readonly key: string;
  readonly sizeBytes: number;
  readonly fileTime: number;
}

async function factsOf(path: string, options: PackageFileOptions): Promise<Facts | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  if (found === undefined) return undefined;
  const { checksum, invalidUtf8 = 'latin1', fileDigests = false, changelogLimit = 10 } = options;
  const { size, mtimeNs, ino } = found;
  return {
    key: ['record-1', checksum, invalidUtf8, fileDigests, changelogLimit, size, mtimeNs, ino, basename(path)].join(' '),
    sizeBytes: Number(size),
    fileTime: Math.floor(Number(found.mtimeMs) / 1000) * 1000,
  };
}

function entryPath(cache: RecordCacheOptions, { key }: Facts): string {
  return join(cache.folder, `${digestBytes('sha256', utf8.encode(key))}.json`);
}

const utf8 = new TextEncoder();

async function load(cache: RecordCacheOptions, facts: Facts): Promise<PackageRecord | undefined> {
  const path = entryPath(cache, facts);
  let bytes: Uint8Array;
  try {
    const { size } = await stat(path);
    if (size > maxEntryBytes) throw damaged(path, `at most ${maxEntryBytes} bytes`, `${size}`);
    bytes = await readFile(path);
  } catch (cause) {
    const missing = (cause as { readonly code?: unknown }).code === 'ENOENT';
    const error = cause instanceof RepoError ? cause : storeFailed(path, 'read', 'an entry that cannot be read', cause);
    if (!missing) cache.onIgnored?.(path, error);
    return undefined;
  }
  try {
    return parseEntry(path, bytes, facts);
  } catch (error) {
    if (!(error instanceof RepoError)) throw error;
    cache.onIgnored?.(path, error);
    return undefined;
  }
}

/** First line: digest of the rest. Second: the key. Third: the record. Throws REPO_BAD_VALUE, REPO_CHECKSUM. */
function parseEntry(path: string, bytes: Uint8Array, facts: Facts): PackageRecord {
  const wanted = new TextDecoder().decode(bytes.subarray(0, 64));
  const found = digestBytes('sha256', bytes.subarray(65));
  if (wanted !== found) {
    throw new RepoError(
      { code: 'REPO_CHECKSUM', document: path, algorithm: 'sha256', wanted: quote(wanted), found },
      `${quote(path, 200)}: SHA-256 ${quote(wanted)} wanted, found ${found}`,
    );
  }
  const [key, json = ''] = new TextDecoder().decode(bytes.subarray(65)).split('\n');
  if (key !== facts.key) throw damaged(path, facts.key, key ?? '');
  const record = parseRecord(json);
  if (record.sizeBytes !== facts.sizeBytes || record.fileTime.getTime() !== facts.fileTime) {
    throw damaged(path, `${facts.sizeBytes} bytes of ${facts.fileTime}`, `${record.sizeBytes} of ${+record.fileTime}`);
  }
  return record;
}

let parts = 0;

async function keep(cache: RecordCacheOptions, facts: Facts, record: PackageRecord): Promise<void> {
  const path = entryPath(cache, facts);
  const body = `${facts.key}\n${formatRecord(record)}`;
  const part = `${path}.${process.pid}-${++parts}.part`;
  try {
    await mkdir(cache.folder, { recursive: true });
    await writeFile(part, `${digestBytes('sha256', utf8.encode(body))}\n${body}`);
    await rename(part, path);
  } catch (cause) {
    await unlink(part).catch(() => undefined);
    throw storeFailed(path, 'write', String((cause as { readonly code?: unknown }).code ?? 'unknown'), cause);
  }
}

function damaged(document: string, wanted: string, found: string): RepoError {
  return new RepoError(
    { code: 'REPO_BAD_VALUE', document, what: 'entry', wanted, found: found.slice(0, 80) },
    `${quote(document, 200)}: ${quote(wanted, 200)} wanted, found ${quote(found)}`,
  );
}
