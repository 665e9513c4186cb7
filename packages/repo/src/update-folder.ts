/**
 * `createRepository` with `update`: packages that have not changed come from the documents that are there.
 *
 * Reference: createrepo_c, src/createrepo_c.c (--update, --skip-stat)
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { PackageEntry } from './block-renderer.js';
import type { CreateRepositoryOptions } from './create-repository.js';
import { RepoError } from './errors.js';
import { readAll } from './folder-packages.js';
import type { PackageIdentity } from './package-identity.js';
import type { Repomd } from './repomd.js';
import { openRepository, type Repository } from './repository.js';
import { comparePackageOrder, type RepositoryOptions } from './repository-writer.js';
import type { RepositoryStore } from './store.js';
import {
  arePackagesInOrder,
  checkDuplicates,
  type KnownPackages,
  keepDocuments,
  readKnown,
  rewriteDocuments,
} from './update-repository.js';

/** What an update left. */
export interface UpdatedFolder {
  readonly packages: number;
  /** Packages that were read; the others came from the cache or the old documents. */
  readonly packagesRead: number;
  readonly repomdBytes: Uint8Array;
  /** The repomd.xml of before. */
  readonly before: Repomd;
}

/**
 * Updates the repository of a folder; `paths` are its packages in order. Undefined when there is no repository that can be
 * updated: then nothing has changed.
 */
export async function updateFolder(
  folder: string,
  store: RepositoryStore,
  paths: readonly PackageEntry[],
  options: CreateRepositoryOptions,
  repositoryOptions: RepositoryOptions,
): Promise<UpdatedFolder | undefined> {
  let repository: Repository;
  let old: KnownPackages;
  try {
    repository = await openRepository(store, { verifyRepomd: 'unsigned' });
    old = await readKnown(repository, repositoryOptions);
  } catch (error) {
    // Absent, damaged or laid out by another tool: then everything is read.
    if (error instanceof RepoError) return undefined;
    throw error;
  }
  const { stays, fresh } = compareFolder(folder, paths, old.packages, options, repositoryOptions);
  const staying = old.packages.filter((_, at) => stays[at]);
  // Said now: nearly all packages of a list in disorder are fresh, and would be read twice.
  const isChanged = fresh.length > 0 || staying.length < old.packages.length;
  if (isChanged && !arePackagesInOrder(old.packages)) return undefined;
  const { rendered: added, fromCache } = await readAll(
    folder,
    fresh,
    options,
    repositoryOptions,
    staying.length,
    paths.length,
  );
  try {
    checkDuplicates(staying, added, repositoryOptions);
  } catch (error) {
    // Which of two packages stays is decided where both are at hand.
    if ((options.duplicates ?? 'reject') !== 'reject') return undefined;
    throw error;
  }
  const count = staying.length + added.length;
  let repomdBytes: Uint8Array;
  try {
    if (added.length === 0 && staying.length === old.packages.length) {
      repomdBytes = await keepDocuments(store, repository, repositoryOptions);
    } else {
      repomdBytes = await rewriteDocuments(store, repository, old, { stays, added }, repositoryOptions);
    }
  } catch (error) {
    if (error instanceof RepoError && unusable.has(error.code)) return undefined;
    throw error;
  }
  return { packages: count, packagesRead: added.length - fromCache, repomdBytes, before: repository.repomd };
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

/** Of the packages of before whether each stays, and which packages have to be read. Both lists are in order, so one pass sees it. */
function compareFolder(
  folder: string,
  paths: readonly PackageEntry[],
  known: readonly PackageIdentity[],
  { locationBase }: CreateRepositoryOptions,
  { checksum }: RepositoryOptions,
): { readonly stays: readonly boolean[]; readonly fresh: readonly PackageEntry[] } {
  const stays = new Array<boolean>(known.length).fill(false);
  const fresh: PackageEntry[] = [];
  const root = join(folder, '/');
  let at = 0;
  for (const entry of paths) {
    let before = known[at];
    while (before !== undefined && before.location !== entry.location && comparePackageOrder(before, entry) < 0) {
      before = known[++at];
    }
    const isKnown = before?.checksumType === checksum && before.locationBase === locationBase;
    if (before?.location === entry.location && isKnown && isSameFile(before, root + entry.path)) {
      stays[at++] = true;
    } else {
      fresh.push(entry);
    }
  }
  return { stays, fresh };
}

function isSameFile({ sizeBytes, fileTime }: PackageIdentity, path: string): boolean {
  const facts = statSync(path, { throwIfNoEntry: false });
  return facts !== undefined && facts.size === sizeBytes && Math.floor(facts.mtimeMs / 1000) === fileTime;
}
