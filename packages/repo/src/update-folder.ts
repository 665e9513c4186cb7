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
import type { Repomd } from './repomd.js';
import { openRepository, type Repository } from './repository.js';
import { type DuplicateCandidate, duplicate, type RepositoryOptions } from './repository-writer.js';
import type { RepositoryStore } from './store.js';
import {
  type KnownPackage,
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
  const known = old.packages;
  const byLocation = new Map(known.map((each) => [each.location, each]));
  const stays = new Set<string>();
  const fresh: PackageEntry[] = [];
  for (const entry of paths) {
    const before = byLocation.get(entry.location);
    if (before !== undefined && isUnchanged(before, join(folder, entry.path), options, repositoryOptions)) {
      stays.add(entry.location);
    } else fresh.push(entry);
  }
  const { rendered: added, fromCache } = await readAll(
    folder,
    fresh,
    options,
    repositoryOptions,
    stays.size,
    paths.length,
  );
  if ((options.duplicates ?? 'reject') === 'reject') {
    const seen = new Map<string, DuplicateCandidate>();
    for (const each of known) if (stays.has(each.location)) seen.set(each.nevra, { ...each, buildTime: 0 });
    for (const item of added) {
      const twin = seen.get(item.nevra);
      if (twin !== undefined) throw duplicate(twin, item);
      seen.set(item.nevra, item);
    }
  }
  const count = stays.size + added.length;
  const unchanged = added.length === 0 && stays.size === known.length;
  let repomdBytes: Uint8Array;
  try {
    repomdBytes = unchanged
      ? await keepDocuments(store, repository, repositoryOptions)
      : await rewriteDocuments(
          store,
          repository,
          old,
          { stays: (location) => stays.has(location), count, added },
          repositoryOptions,
        );
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
