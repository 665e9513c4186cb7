/**
 * `createRepository`: the repodata of a folder of packages.
 *
 * Reference: createrepo_c, src/createrepo_c.c (fill_pool), src/dumper_thread.c
 */
import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { directoryStore } from './directory-store.js';
import type { RepositoryChecksum } from './document-writer.js';
import { RepoError } from './errors.js';
import { fetchBytes } from './fetcher.js';
import { type PackageFileOptions, packageBuffer, renderPackageFile } from './package-file.js';
import type { PackageRecord } from './package-record.js';
import { type PackageEntry, PackageThreads, worthThreads } from './package-threads.js';
import { cachedRecord, type RecordCacheOptions } from './record-cache.js';
import { parseRepomd, type Repomd, type RepomdRecord } from './repomd.js';
import { openRepository, type Repository } from './repository.js';
import { type FormOptions, withForms } from './repository-forms.js';
import {
  checkRepositoryOptions,
  comparePackageOrder,
  DocumentSet,
  type DuplicateCandidate,
  type DuplicatePolicy,
  duplicate,
  type RenderedPackage,
  type RepositoryOptions,
  renderPackage,
  writeRendered,
} from './repository-writer.js';
import type { RepositoryStore } from './store.js';
import { identitiesOf, type KnownPackage, keepDocuments, rewriteDocuments } from './update-repository.js';

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
   * Worker threads that read packages while the calling thread orders, compresses and writes. More than there are
   * processors gain nothing; the machine is not asked. They start from 4,000 packages or 512 MiB of them, and not
   * where this package is bundled into other code. 0: none. Default 2.
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
  const { threads = 2 } = options;
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
    const updated = await updateFolder(folder, target, store, paths, options, repositoryOptions);
    if (updated !== undefined) return updated;
  }
  const before = options.keepOldDocuments === true ? undefined : await currentRepomd(store);
  const read = { ...options, checksum: repositoryOptions.checksum };
  const total = paths.length;
  let done = 0;
  let fromCache = 0;
  const rendered = async function* (): AsyncGenerator<RenderedPackage, void, void> {
    const reader = new PackageReader(folder, paths, read);
    try {
      for (const entry of paths) {
        options.signal?.throwIfAborted();
        let made: ReadPackage;
        try {
          made = await reader.next(entry);
        } catch (error) {
          if (options.onBadPackage === undefined || !(error instanceof RepoError)) throw error;
          options.onBadPackage(entry.path, error);
          continue;
        }
        done++;
        if (made.fromCache === true) fromCache++;
        if (made.record !== undefined) options.onPackage?.(made.record, done, total);
        yield made.rendered;
      }
    } finally {
      await reader.close();
    }
  };
  const policy = options.duplicates ?? 'reject';
  // Only when every file becomes a package is their number known before the first is written.
  const streams = options.onBadPackage === undefined && (policy === 'reject' || policy === 'keep');
  const repomdBytes = streams
    ? await streamRepository(rendered(), total, store, repositoryOptions, policy)
    : await collectRepository(rendered(), store, repositoryOptions);
  const repomd = parseRepomd(repomdBytes);
  if (before !== undefined) await removeOldDocuments(store, before, repomd);
  const { revision } = repomd;
  return { packages: done, packagesRead: done - fromCache, revision, repomd, repomdBytes, folder: target };
}

const maxThreads = 64;

type ReadOptions = CreateRepositoryOptions & { readonly checksum: RepositoryChecksum };

/** The record is there when `onPackage` wants it. */
interface ReadPackage {
  readonly record?: PackageRecord;
  readonly rendered: RenderedPackage;
  readonly fromCache?: boolean;
}

/** Packages of a folder one after the other, by threads where that pays. Call `next` for each entry in order. */
class PackageReader {
  readonly #folder: string;
  readonly #options: ReadOptions;
  readonly #threads: PackageThreads | undefined;
  readonly #buffer = packageBuffer();

  constructor(folder: string, entries: readonly PackageEntry[], options: ReadOptions) {
    this.#folder = folder;
    this.#options = options;
    const { threads = 2, onPackage, cache } = options;
    if (threads > 0 && cache === undefined && worthThreads(folder, entries)) {
      this.#threads = new PackageThreads(folder, entries, options, threads, onPackage !== undefined);
    }
  }

  async next({ path, location }: PackageEntry): Promise<ReadPackage> {
    const found = await this.#threads?.next();
    if (found !== undefined) return found;
    const { cache, locationBase, textPolicy = 'refuse' } = this.#options;
    if (cache !== undefined) {
      const file = join(this.#folder, path);
      const { record, fromCache } = await cachedRecord(cache, file, location, this.#options, locationBase);
      return { record, rendered: renderPackage(record, textPolicy), fromCache };
    }
    return renderPackageFile(
      join(this.#folder, path),
      location,
      this.#options,
      this.#options.locationBase,
      this.#buffer,
    );
  }

  async close(): Promise<void> {
    await this.#threads?.close();
  }
}

/** The update of a folder's repository; undefined when there is none that can be updated. */
async function updateFolder(
  folder: string,
  target: string,
  store: RepositoryStore,
  paths: readonly PackageEntry[],
  options: CreateRepositoryOptions,
  repositoryOptions: RepositoryOptions,
): Promise<CreatedRepository | undefined> {
  let repository: Repository;
  let known: KnownPackage[];
  try {
    repository = await openRepository(store, { verifyRepomd: 'unsigned' });
    known = await identitiesOf(repository, repositoryOptions);
  } catch (error) {
    // Absent, damaged or laid out by another tool: then everything is read.
    if (error instanceof RepoError) return undefined;
    throw error;
  }
  const byLocation = new Map(known.map((old) => [old.location, old]));
  const stays = new Set<string>();
  const fresh: PackageEntry[] = [];
  for (const entry of paths) {
    const old = byLocation.get(entry.location);
    if (old !== undefined && isUnchanged(old, join(folder, entry.path), options, repositoryOptions)) {
      stays.add(entry.location);
    } else fresh.push(entry);
  }
  const read = { ...options, checksum: repositoryOptions.checksum };
  const seen = new Map<string, DuplicateCandidate>();
  const rejects = (options.duplicates ?? 'reject') === 'reject';
  if (rejects) for (const old of known) if (stays.has(old.location)) seen.set(old.nevra, { ...old, buildTime: 0 });
  const added: RenderedPackage[] = [];
  const reader = new PackageReader(folder, fresh, read);
  let fromCache = 0;
  try {
    for (const entry of fresh) {
      options.signal?.throwIfAborted();
      try {
        const made = await reader.next(entry);
        const { record, rendered: item } = made;
        const twin = rejects ? seen.get(item.nevra) : undefined;
        if (twin !== undefined) throw duplicate(twin, item);
        seen.set(item.nevra, item);
        added.push(item);
        if (made.fromCache === true) fromCache++;
        if (record !== undefined) options.onPackage?.(record, stays.size + added.length, paths.length);
      } catch (error) {
        if (options.onBadPackage === undefined || !(error instanceof RepoError)) throw error;
        options.onBadPackage(entry.path, error);
      }
    }
  } finally {
    await reader.close();
  }
  const count = stays.size + added.length;
  const unchanged = added.length === 0 && stays.size === known.length;
  const items = async function* (): AsyncGenerator<RenderedPackage, void, void> {
    yield* added;
  };
  let repomdBytes: Uint8Array;
  try {
    repomdBytes = unchanged
      ? await keepDocuments(store, repository, repositoryOptions)
      : await rewriteDocuments(
          store,
          repository,
          { stays: (location) => stays.has(location), count, added: items() },
          repositoryOptions,
        );
  } catch (error) {
    if (error instanceof RepoError && unusable.has(error.code)) return undefined;
    throw error;
  }
  const repomd = parseRepomd(repomdBytes);
  if (options.keepOldDocuments !== true) await removeOldDocuments(store, repository.repomd, repomd);
  return {
    packages: count,
    packagesRead: added.length - fromCache,
    revision: repomd.revision,
    repomd,
    repomdBytes,
    folder: target,
  };
}

/** Faults of the old documents. They were not what repomd.xml says, so none of their pieces is used. */
const unusable: ReadonlySet<string> = new Set([
  'REPO_BAD_VALUE',
  'REPO_BAD_COMPRESSION',
  'REPO_CHECKSUM',
  'REPO_MISSING_RECORD',
  'REPO_NOT_FOUND',
  'REPO_TOO_LARGE',
]);

function isUnchanged(
  old: KnownPackage,
  path: string,
  options: CreateRepositoryOptions,
  { checksum }: RepositoryOptions,
): boolean {
  if (old.checksumType !== checksum || old.locationBase !== options.locationBase) return false;
  const facts = statSync(path, { throwIfNoEntry: false });
  return facts !== undefined && facts.size === old.sizeBytes && Math.floor(facts.mtimeMs / 1000) === old.fileTime;
}

async function streamRepository(
  packages: AsyncIterable<RenderedPackage>,
  total: number,
  store: RepositoryStore,
  options: RepositoryOptions,
  duplicates: DuplicatePolicy,
): Promise<Uint8Array> {
  const seen = new Map<string, DuplicateCandidate>();
  const set = new DocumentSet(store, total, options);
  try {
    for await (const { nevra, location, pkgid, buildTime, ...chunks } of packages) {
      if (duplicates === 'reject') {
        const candidate = { nevra, location, pkgid, buildTime };
        const first = seen.get(nevra);
        if (first !== undefined) throw duplicate(first, candidate);
        seen.set(nevra, candidate);
      }
      const pending = set.add(chunks);
      if (pending !== undefined) await pending;
    }
    return await set.finish();
  } catch (error) {
    await set.abort(error);
    throw error;
  }
}

async function collectRepository(
  packages: AsyncIterable<RenderedPackage>,
  store: RepositoryStore,
  options: RepositoryOptions,
): Promise<Uint8Array> {
  const all: RenderedPackage[] = [];
  for await (const item of packages) all.push(item);
  return writeRendered(all, store, options);
}

/** Every `*.rpm` below a folder, relative to it with `/` between the parts; `repodata` folders are passed over. */
export async function packagePaths(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.name.endsWith('.rpm') && (entry.isFile() || entry.isSymbolicLink()))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'));
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
