/**
 * Changing a repository by a few packages: what stays is copied as bytes, neither parsed nor formatted again.
 *
 * The result is what `writeRepository` makes of the same packages, byte for byte when open.
 */

import { blockEnds, RepositoryBlocks, readBlockIdentities } from './document-blocks.js';
import { documentCodec } from './document-writer.js';
import { checkPkgid, cutPieces, readFragments, readIdentities } from './fragments.js';
import type { PackageIdentity } from './package-identity.js';
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
  const old = await readKnown(repository, options);
  const known = old.packages;
  const stays = known.filter((old) => !gone.has(old.location));
  checkDuplicates(stays, added, options);
  if (added.length === 0 && stays.length === known.length) return keepDocuments(store, repository, options);
  return rewriteDocuments(
    store,
    repository,
    old,
    { stays: (location) => !gone.has(location), count: stays.length + added.length, added },
    options,
  );
}

/** The packages of a repository, and where its documents have blocks of their own: which are in each. */
export interface KnownPackages {
  readonly packages: readonly PackageIdentity[];
  readonly blocks: readonly (readonly PackageIdentity[])[] | undefined;
}

/** Reads primary. Throws REPO_BAD_VALUE when it is laid out in another way than ours. */
export async function readKnown(repository: Repository, options: RepositoryOptions): Promise<KnownPackages> {
  const records = threeRecords(repository);
  if (options.compression === 'zst' && records.every((record) => isOfKind(record, options))) {
    const blocks = await readBlockIdentities(repository, signalOf(options));
    if (blocks !== undefined) return { packages: blocks.flat(), blocks };
  }
  const packages: PackageIdentity[] = [];
  for await (const identity of readIdentities(repository.document('primary', signalOf(options)))) {
    packages.push(identity);
  }
  return { packages, blocks: undefined };
}

/** Whether packages are in our order: by file name, then by folder. `once`: each location once. */
export function arePackagesInOrder(packages: readonly PackageIdentity[], once: boolean): boolean {
  let before: PackageIdentity | undefined;
  for (const each of packages) {
    const order = before === undefined ? -1 : comparePackageOrder(before, each);
    if (order > 0 || (once && order === 0)) return false;
    before = each;
  }
  return true;
}

/** What goes into documents that are made anew. `added` is in order. */
export interface DocumentChanges {
  readonly stays: (location: string) => boolean;
  readonly count: number;
  readonly added: readonly RenderedPackage[];
}

/**
 * Writes the three documents from old pieces and new packages, merged in order. Blocks in which nothing changes are copied.
 *
 * Throws REPO_BAD_VALUE when the old packages are not in order, and what reading and writing throw.
 */
export async function rewriteDocuments(
  store: RepositoryStore,
  repository: Repository,
  known: KnownPackages,
  changes: DocumentChanges,
  options: RepositoryOptions,
): Promise<Uint8Array> {
  if (!arePackagesInOrder(known.packages, false)) {
    throw badValue('primary.xml', 0, 'order of packages', 'by file name, then by folder', 'another');
  }
  const kept = withKept(repository, options);
  const set = new DocumentSet(store, changes.count, kept, await documentCodec(kept));
  const merge = new Merge(set, changes);
  const { blocks } = known;
  const ends = blocks && blockEnds(blocks);
  try {
    if (blocks === undefined || ends === undefined) await mergePieces(merge, repository, options);
    else await mergeBlocks(merge, blocks, ends.lastEnds, repository, options);
    await merge.addUpTo(undefined);
    return await set.finish();
  } catch (error) {
    await set.abort(error);
    throw error;
  }
}

/** Old packages and new ones on their way into the documents. */
class Merge {
  readonly set: DocumentSet;
  readonly #changes: DocumentChanges;
  #at = 0;

  constructor(set: DocumentSet, changes: DocumentChanges) {
    this.set = set;
    this.#changes = changes;
  }

  /** Whether these packages, the next old ones, all stay and no new one comes between them. */
  isUntouched(packages: readonly PackageIdentity[]): boolean {
    const fresh = this.#changes.added[this.#at];
    const last = packages.at(-1);
    if (fresh !== undefined && last !== undefined && comparePackageOrder(fresh, last) <= 0) return false;
    return packages.every(({ location }) => this.#changes.stays(location));
  }

  /** Whether no new package is left. */
  get isAtEnd(): boolean {
    return this.#at === this.#changes.added.length;
  }

  /** Adds the next old package if it stays, after the new ones that come before it. */
  async addOld(piece: Parameters<DocumentSet['add']>[0]): Promise<void> {
    if (!this.#changes.stays(piece.location)) return;
    await this.addUpTo(piece);
    const pending = this.set.add(piece);
    if (pending !== undefined) await pending;
  }

  /** Adds the new packages that come before an old one; all that are left without one. */
  async addUpTo(old: { readonly location: string } | undefined): Promise<void> {
    for (let fresh = this.#changes.added[this.#at]; fresh !== undefined; fresh = this.#changes.added[this.#at]) {
      if (old !== undefined && comparePackageOrder(fresh, old) > 0) return;
      this.#at++;
      const pending = this.set.add(fresh);
      if (pending !== undefined) await pending;
    }
  }
}

async function mergePieces(merge: Merge, repository: Repository, options: RepositoryOptions): Promise<void> {
  const document = (type: string): AsyncIterable<Uint8Array> => repository.document(type, signalOf(options));
  for await (const piece of readFragments(document('primary'), document('filelists'), document('other'))) {
    await merge.addOld(piece);
  }
}

async function mergeBlocks(
  merge: Merge,
  blocks: readonly (readonly PackageIdentity[])[],
  lastEnds: boolean,
  repository: Repository,
  options: RepositoryOptions,
): Promise<void> {
  const source = new RepositoryBlocks(repository, signalOf(options));
  try {
    for (const [at, packages] of blocks.entries()) {
      const block = await source.next(packages[0]?.pkgid ?? '');
      // A last block that others would join is one no more.
      const ends = at < blocks.length - 1 || lastEnds || merge.isAtEnd;
      if (ends && merge.set.atBlockStart && merge.isUntouched(packages)) {
        await merge.set.addBlock(block);
        continue;
      }
      const [primary, filelists, other] = block.documents.map(({ open }) => cutPieces('a block', open));
      for (const [n, { location, pkgid }] of packages.entries()) {
        const pieces = { primary: primary?.[n], filelists: filelists?.[n], other: other?.[n] };
        if (!isWhole(pieces))
          throw badValue('filelists.xml', 0, 'packages of a block', 'as many as in primary', 'fewer');
        checkPkgid('filelists.xml', pieces.filelists, pkgid);
        checkPkgid('other.xml', pieces.other, pkgid);
        await merge.addOld({ location, ...pieces });
      }
    }
    await source.end();
  } finally {
    await source.close();
  }
}

type Pieces = Readonly<Record<'primary' | 'filelists' | 'other', Uint8Array>>;

function isWhole(pieces: { readonly [Name in keyof Pieces]: Uint8Array | undefined }): pieces is Pieces {
  return pieces.primary !== undefined && pieces.filelists !== undefined && pieces.other !== undefined;
}

function threeRecords(repository: Repository): RepomdRecord[] {
  return ['primary', 'filelists', 'other'].map((type) => repomdRecord(repository.repomd, type));
}

/** Nothing changed: repomd.xml is written anew, with the documents as they lie there, if they are of the kind asked for. */
export async function keepDocuments(
  store: RepositoryStore,
  repository: Repository,
  options: RepositoryOptions,
): Promise<Uint8Array> {
  const records = threeRecords(repository);
  const sizes = await Promise.all(records.map(async (record) => (await store.stat(record.location))?.sizeBytes));
  if (records.every((record, at) => isOfKind(record, options) && sizes[at] === record.sizeBytes)) {
    return finishRepository(store, records, withKept(repository, options));
  }
  const known = await readKnown(repository, options);
  return rewriteDocuments(
    store,
    repository,
    known,
    { stays: () => true, count: known.packages.length, added: [] },
    options,
  );
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

/** Throws REPO_DUPLICATE_NEVRA when new packages have the NEVRA of each other or of one that stays, unless all are to be kept. */
export function checkDuplicates(
  stays: readonly PackageIdentity[],
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

function signalOf(options: RepositoryOptions): { readonly signal?: AbortSignal } {
  return options.signal === undefined ? {} : { signal: options.signal };
}
