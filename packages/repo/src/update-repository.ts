/**
 * Changing a repository by a few packages: what stays is copied as bytes, neither parsed nor formatted again.
 *
 * The result is what `writeRepository` makes of the same packages, byte for byte when open.
 */
import { type PackageFragments, readFragments, readIdentities } from './fragments.js';
import type { PackageRecord } from './package-record.js';
import { type RepomdRecord, repomdRecord } from './repomd.js';
import { openRepository, type Repository } from './repository.js';
import {
  checkRepositoryOptions,
  comparePackageOrder,
  DocumentSet,
  duplicate,
  finishRepository,
  type RenderedPackage,
  type RepositoryOptions,
  renderPackage,
} from './repository-writer.js';
import type { RepositoryStore } from './store.js';
import { badValue } from './xml-values.js';

/** What to change. A package that is added takes the place of the one at its location. */
export interface RepositoryChanges {
  readonly add?: readonly PackageRecord[];
  /** Locations of packages to take out. One that is not there is no error. */
  readonly remove?: readonly string[];
}

/**
 * Adds packages to a repository and takes packages out of it, without reading one that stays. Resolves with
 * repomd.xml's bytes, ready to sign.
 *
 * Documents of other types stay. Files of the old repository stay too, for readers of the old repomd.xml.
 *
 * Throws REPO_DUPLICATE_NEVRA when an added package has the NEVRA of one that stays, REPO_BAD_VALUE when the old
 * documents are not laid out as createrepo_c lays them out, and what reading and writing throw.
 */
export async function updateRepository(
  store: RepositoryStore,
  changes: RepositoryChanges,
  options: RepositoryOptions,
): Promise<Uint8Array> {
  checkRepositoryOptions(options);
  const { signal } = options;
  const repository = await openRepository(store, {
    verifyRepomd: 'unsigned',
    ...(signal === undefined ? {} : { signal }),
  });
  const added = (changes.add ?? []).map((record) => renderPackage(record, options.textPolicy ?? 'refuse'));
  added.sort(comparePackageOrder);
  const gone = new Set([...(changes.remove ?? []), ...added.map((item) => item.location)]);
  const known = await identitiesOf(repository, options);
  const stays = known.filter((old) => !gone.has(old.location));
  checkDuplicates(stays, added, options);
  if (added.length === 0 && stays.length === known.length) return keepDocuments(store, repository, options);
  return rewriteDocuments(
    store,
    repository,
    {
      stays: (location) => !gone.has(location),
      count: stays.length + added.length,
      added: iterate(added),
    },
    options,
  );
}

/** What is known of an old package without its pieces. */
export interface KnownPackage {
  readonly nevra: string;
  readonly location: string;
  readonly locationBase: string | undefined;
  readonly pkgid: string;
  readonly checksumType: string;
  readonly fileTime: number;
  readonly sizeBytes: number;
}

/** The packages of primary. Throws REPO_BAD_VALUE when it is laid out or ordered in another way than ours. */
export async function identitiesOf(repository: Repository, options: RepositoryOptions): Promise<KnownPackage[]> {
  const known: KnownPackage[] = [];
  let before: KnownPackage | undefined;
  for await (const { primary: _, ...identity } of readIdentities(repository.document('primary', signalOf(options)))) {
    if (before !== undefined && comparePackageOrder(before, identity) > 0) {
      throw badValue('primary.xml', 0, 'order of packages', 'by file name, then by folder', identity.location);
    }
    known.push(identity);
    before = identity;
  }
  return known;
}

/** What goes into documents that are made anew. `added` comes in order. */
export interface DocumentChanges {
  readonly stays: (location: string) => boolean;
  readonly count: number;
  readonly added: AsyncIterable<RenderedPackage>;
}

/** Writes the three documents from old pieces and new packages, merged in order. */
export async function rewriteDocuments(
  store: RepositoryStore,
  repository: Repository,
  changes: DocumentChanges,
  options: RepositoryOptions,
): Promise<Uint8Array> {
  const document = (type: string): AsyncIterable<Uint8Array> => repository.document(type, signalOf(options));
  const old = readFragments(document('primary'), document('filelists'), document('other'));
  const added = changes.added[Symbol.asyncIterator]();
  const set = new DocumentSet(store, changes.count, withKept(repository, options));
  try {
    let fresh = await added.next();
    const addUpTo = async (piece: PackageFragments | undefined): Promise<void> => {
      while (fresh.done !== true && (piece === undefined || comparePackageOrder(fresh.value, piece) <= 0)) {
        const pending = set.add(fresh.value);
        if (pending !== undefined) await pending;
        fresh = await added.next();
      }
    };
    for await (const piece of old) {
      if (!changes.stays(piece.location)) continue;
      if (fresh.done !== true) await addUpTo(piece);
      const pending = set.add(piece);
      if (pending !== undefined) await pending;
    }
    await addUpTo(undefined);
    return await set.finish();
  } catch (error) {
    await Promise.all([set.abort(error), added.return?.()]);
    throw error;
  }
}

/** Nothing changed: repomd.xml is written anew, with the documents as they lie there, if they are of the kind asked for. */
export async function keepDocuments(
  store: RepositoryStore,
  repository: Repository,
  options: RepositoryOptions,
): Promise<Uint8Array> {
  const records = ['primary', 'filelists', 'other'].map((type) => repomdRecord(repository.repomd, type));
  const sizes = await Promise.all(records.map(async (record) => (await store.stat(record.location))?.sizeBytes));
  if (records.every((record, at) => isOfKind(record, options) && sizes[at] === record.sizeBytes)) {
    return finishRepository(store, records, withKept(repository, options));
  }
  const none: AsyncIterable<RenderedPackage> = iterate([]);
  const count = (await identitiesOf(repository, options)).length;
  return rewriteDocuments(store, repository, { stays: () => true, count, added: none }, options);
}

function isOfKind(record: RepomdRecord, options: RepositoryOptions): boolean {
  const ending = options.compression === 'none' ? '.xml' : `.xml.${options.compression}`;
  const plain = /^repodata\/[a-z]+\.xml/.test(record.location);
  return (
    record.location.endsWith(ending) &&
    record.checksum.algorithm === options.checksum &&
    plain === (options.plainNames === true) &&
    record.locationBase === undefined
  );
}

/** The three are made anew and their other forms would no longer fit; everything else stays. */
function withKept(repository: Repository, options: RepositoryOptions): RepositoryOptions {
  const others = repository.repomd.records.filter(
    (record) => !/^(primary|filelists|other|filelists-ext)(_db|_zck|_gz|_xz|_zst)?$/.test(record.type),
  );
  return {
    ...options,
    tags: options.tags ?? repository.repomd.tags,
    keepRecords: [...(options.keepRecords ?? []), ...others],
  };
}

function checkDuplicates(
  stays: readonly KnownPackage[],
  added: readonly RenderedPackage[],
  options: RepositoryOptions,
): void {
  if (options.duplicates === 'keep') return;
  const wanted = new Map<string, RenderedPackage>();
  for (const item of added) {
    const twin = wanted.get(item.nevra);
    if (twin !== undefined) throw duplicate(twin, item);
    wanted.set(item.nevra, item);
  }
  for (const old of stays) {
    const twin = wanted.get(old.nevra);
    if (twin !== undefined) throw duplicate({ ...old, buildTime: 0 }, twin);
  }
}

async function* iterate<Item>(items: readonly Item[]): AsyncGenerator<Item, void, void> {
  yield* items;
}

function signalOf(options: RepositoryOptions): { readonly signal?: AbortSignal } {
  return options.signal === undefined ? {} : { signal: options.signal };
}
