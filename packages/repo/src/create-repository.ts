/**
 * `createRepository`: the repodata of a folder of packages.
 *
 * Reference: createrepo_c, src/createrepo_c.c (fill_pool), src/dumper_thread.c
 */
import type { PackageEntry } from './block-renderer.js';
import { directoryStore } from './directory-store.js';
import { documentCodec, type RepositoryChecksum } from './document-writer.js';
import { RepoError } from './errors.js';
import { fetchBytes } from './fetcher.js';
import { packagePaths, readAll, readOptions } from './folder-packages.js';
import { NevraIndex } from './nevra-index.js';
import type { PackageFileOptions } from './package-file.js';
import { PackageReader } from './package-reader.js';
import type { PackageRecord } from './package-record.js';
import type { RecordCacheOptions } from './record-cache.js';
import { parseRepomd, type Repomd, type RepomdRecord } from './repomd.js';
import { type FormOptions, withForms } from './repository-forms.js';
import {
  checkRepositoryOptions,
  comparePackageOrder,
  DocumentSet,
  type RepositoryOptions,
  writeRendered,
} from './repository-writer.js';
import type { RepositoryStore } from './store.js';
import { updateFolder } from './update-folder.js';

/** How to make a repository of a folder. Time and revision are arguments: the clock is not read. */
export interface CreateRepositoryOptions
  extends Omit<RepositoryOptions, 'compression' | 'checksum'>,
    Omit<PackageFileOptions, 'checksum'>,
    FormOptions {
  /** Default: as the profile says, or `zst`. */
  readonly compression?: RepositoryOptions['compression'];
  /** Of packages and documents. Default `sha256`. */
  readonly checksum?: RepositoryChecksum;
  /** Where `repodata/` is written. Default: the folder itself. */
  readonly outputFolder?: string;
  /** Paths of packages relative to the folder. Default: every `*.rpm` below it, symbolic links to files included. */
  readonly packages?: readonly string[];
  /** Put before each location, for instance `Packages/`. */
  readonly locationPrefix?: string;
  /** `xml:base` of every package, where the packages do not lie at the repository's root. */
  readonly locationBase?: string;
  /** A file that is no package, or holds text that XML cannot carry: the default throws; to leave it out, take note here. */
  readonly onBadPackage?: (path: string, error: RepoError) => void;
  /**
   * Take packages whose location, size and time are those of the repository that is there from its documents, without
   * reading them. Where those documents cannot be used so, all packages are read. Default false.
   */
  readonly update?: boolean;
  /**
   * Worker threads beside the calling one, which works as they do and also orders and writes. More threads than there are
   * processors gain nothing; the machine is not asked. They start from 2,000 packages or 256 MiB of them, and not
   * where this package is bundled into other code. 0: none. Default 1.
   */
  readonly threads?: number;
  /** Takes records from this folder, and keeps there those of packages that are read. Then no threads are used. */
  readonly cache?: RecordCacheOptions;
  /** Hears of each package when it has been read. The record may be without files: see `filesComplete`. */
  readonly onPackage?: (record: PackageRecord, done: number, total: number) => void;
  /** Keep the documents of the repository that was there before. Default false: what its repomd.xml named is deleted. */
  readonly keepOldDocuments?: boolean;
}

/** What was made. */
export interface CreatedRepository {
  /** Packages in the repository. */
  readonly packages: number;
  /** Packages that were read; the others came from the cache or from the documents that were there. */
  readonly packagesRead: number;
  readonly revision: string;
  readonly repomd: Repomd;
  /** repomd.xml as written, ready to sign. */
  readonly repomdBytes: Uint8Array;
  /** Absolute or as given: the folder that holds `repodata/`. */
  readonly folder: string;
}

/**
 * Makes the repodata of a folder of packages.
 *
 * Documents first, repomd.xml last: until then, and after any error, the folder holds the old repository.
 *
 * Throws REPO_BAD_PACKAGE, REPO_BAD_TEXT, REPO_DUPLICATE_NEVRA, REPO_STORE_FAILED.
 */
export async function createRepository(folder: string, given: CreateRepositoryOptions): Promise<CreatedRepository> {
  const options = withForms(given.outputFolder ?? folder, given);
  const repositoryOptions: RepositoryOptions = {
    ...options,
    compression: options.compression ?? 'zst',
    checksum: options.checksum ?? 'sha256',
  };
  checkRepositoryOptions(repositoryOptions);
  const { threads = 1 } = options;
  if (!Number.isSafeInteger(threads) || threads < 0 || threads > maxThreads) {
    throw new RangeError(`"threads" must be 0 to ${maxThreads}, not ${String(threads)}`);
  }
  const target = options.outputFolder ?? folder;
  const store = directoryStore(target);
  const paths = (options.packages ?? (await packagePaths(folder))).map((path) => ({
    path,
    location: `${options.locationPrefix ?? ''}${path}`,
  }));
  paths.sort(comparePackageOrder);
  if (options.update === true) {
    const updated = await updateFolder(folder, store, paths, options, repositoryOptions);
    if (updated !== undefined) return finished(target, store, options, updated);
  }
  const before = options.keepOldDocuments === true ? undefined : await currentRepomd(store);
  const policy = options.duplicates ?? 'reject';
  // Only when every file becomes a package is their number known before the first is written.
  const streams = options.onBadPackage === undefined && (policy === 'reject' || policy === 'keep');
  const made = streams
    ? await streamFolder(folder, paths, store, options, repositoryOptions)
    : await collectFolder(folder, paths, store, options, repositoryOptions);
  return finished(target, store, options, { ...made, before });
}

const maxThreads = 64;

type FolderResult = Pick<CreatedRepository, 'packages' | 'packagesRead' | 'repomdBytes'>;

/** Writes packages as they are read, whole blocks where threads read them. */
async function streamFolder(
  folder: string,
  entries: readonly PackageEntry[],
  store: RepositoryStore,
  options: CreateRepositoryOptions,
  repositoryOptions: RepositoryOptions,
): Promise<FolderResult> {
  const total = entries.length;
  let packages = 0;
  let fromCache = 0;
  const known = repositoryOptions.duplicates === 'keep' ? undefined : new NevraIndex();
  const reader = new PackageReader(folder, entries, readOptions(options, repositoryOptions, true));
  const set = new DocumentSet(store, total, repositoryOptions, await documentCodec(repositoryOptions));
  try {
    let start = 0;
    for (const end of reader.ends) {
      options.signal?.throwIfAborted();
      const blockEntries = entries.slice(start, end);
      start = end;
      const byThread = await reader.nextBlock((block) => {
        known?.add(block.nevras, block.pkgids, block.entries);
        for (const [at, record] of block.records.entries()) options.onPackage?.(record, packages + at + 1, total);
        packages += block.entries.length;
        return set.addBlock(block);
      });
      if (byThread) continue;
      for (const entry of blockEntries) {
        options.signal?.throwIfAborted();
        const made = await reader.next(entry);
        known?.add([made.rendered.nevra], [made.rendered.pkgid], [entry]);
        packages++;
        if (made.fromCache === true) fromCache++;
        if (made.record !== undefined) options.onPackage?.(made.record, packages, total);
        await set.add(made.rendered);
      }
    }
    return { packages, packagesRead: packages - fromCache, repomdBytes: await set.finish() };
  } catch (error) {
    await set.abort(error);
    throw error;
  } finally {
    await reader.close();
  }
}

/** Reads all packages that can be read, then writes them. */
async function collectFolder(
  folder: string,
  entries: readonly PackageEntry[],
  store: RepositoryStore,
  options: CreateRepositoryOptions,
  repositoryOptions: RepositoryOptions,
): Promise<FolderResult> {
  const { rendered, fromCache } = await readAll(folder, entries, options, repositoryOptions, 0, entries.length);
  const repomdBytes = await writeRendered(rendered, store, repositoryOptions);
  return { packages: rendered.length, packagesRead: rendered.length - fromCache, repomdBytes };
}

/** Takes away what the new repomd.xml no longer names. */
async function finished(
  folder: string,
  store: RepositoryStore,
  { keepOldDocuments }: CreateRepositoryOptions,
  { packages, packagesRead, repomdBytes, before }: FolderResult & { readonly before: Repomd | undefined },
): Promise<CreatedRepository> {
  const repomd = parseRepomd(repomdBytes);
  if (before !== undefined && keepOldDocuments !== true) await removeOldDocuments(store, before, repomd);
  return { packages, packagesRead, revision: repomd.revision, repomd, repomdBytes, folder };
}

async function currentRepomd(store: RepositoryStore): Promise<Repomd | undefined> {
  try {
    return parseRepomd(await fetchBytes(store, 'repodata/repomd.xml', { maxBytes: 16 * 1024 * 1024 }));
  } catch (error) {
    // No repository yet, or one that is beyond reading: nothing of it is known, so nothing of it is deleted.
    if (error instanceof RepoError) return undefined;
    throw error;
  }
}

/** Deletes what the old repomd.xml named in `repodata/` and the new one does not. */
async function removeOldDocuments(store: RepositoryStore, before: Repomd, now: Repomd): Promise<void> {
  const own = (record: RepomdRecord): boolean => /^repodata\/[^/]+$/.test(record.location) && !record.locationBase;
  const kept = new Set(now.records.map((record) => record.location));
  for (const record of before.records) {
    if (own(record) && !kept.has(record.location)) await store.remove(record.location);
  }
}
