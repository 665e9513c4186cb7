/**
 * Changing a repository by a few packages: what stays is copied as bytes, neither parsed nor formatted again.
 *
 * The result is what `writeRepository` makes of the same packages, byte for byte when open.
 */

import type { Abortable } from '@distrokit/rpm';
import { type BlockType, blockIdentities, isOfBlocks, storedBytes } from './document-blocks.js';
import { blockCompression, documentCodec } from './document-writer.js';
import { readFragments, readIdentities } from './fragments.js';
import type { PackageIdentity } from './package-identity.js';
import type { PackageRecord } from './package-record.js';
import { documentTypes } from './packages-document.js';
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
import { rewriteByBlocks } from './update-documents.js';
import { planBlocks } from './update-plan.js';
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
  const stays = known.map(({ location }) => !gone.has(location));
  const staying = known.filter((_, at) => stays[at]);
  checkDuplicates(staying, added, options);
  if (added.length === 0 && staying.length === known.length) return keepDocuments(store, repository, options);
  return rewriteDocuments(store, repository, old, { stays, added }, options);
}

/** The packages of a repository. */
export interface KnownPackages {
  readonly packages: readonly PackageIdentity[];
  /** Where its documents have blocks of their own: which packages are in each, and primary as it is stored. */
  readonly byBlock:
    | { readonly blocks: Blocks; readonly compression: BlockType; readonly primary: Uint8Array }
    | undefined;
}

type Blocks = readonly (readonly PackageIdentity[])[];

/** Reads primary. Throws REPO_BAD_VALUE when it is laid out in another way than ours. */
export async function readKnown(repository: Repository, options: RepositoryOptions): Promise<KnownPackages> {
  const records = threeRecords(repository);
  const compression = blockCompression(options)?.type;
  if (compression !== undefined && records.every((record) => isOfKind(record, options) && isOfBlocks(record))) {
    const primary = await storedBytes(repository, 'primary', signalOf(options));
    const blocks = blockIdentities(primary, compression);
    if (blocks !== undefined) return { packages: blocks.flat(), byBlock: { blocks, compression, primary } };
  }
  const packages: PackageIdentity[] = [];
  for await (const identity of readIdentities(repository.document('primary', signalOf(options)))) {
    packages.push(identity);
  }
  return { packages, byBlock: undefined };
}

/** Whether packages are in our order: by file name, then by folder. */
export function arePackagesInOrder(packages: readonly PackageIdentity[]): boolean {
  let before: PackageIdentity | undefined;
  for (const each of packages) {
    if (before !== undefined && comparePackageOrder(before, each) > 0) return false;
    before = each;
  }
  return true;
}

/** What goes into documents that are made anew. */
export interface DocumentChanges {
  /** For each known package whether it stays. */
  readonly stays: readonly boolean[];
  /** In order. */
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
  { packages, byBlock }: KnownPackages,
  changes: DocumentChanges,
  options: RepositoryOptions,
): Promise<Uint8Array> {
  if (!arePackagesInOrder(packages)) {
    throw badValue('primary.xml', 0, 'order of packages', 'by file name, then by folder', 'another');
  }
  const kept = withKept(repository, options);
  const count = changes.stays.filter((stays) => stays).length + changes.added.length;
  const codec = await documentCodec(kept);
  if (byBlock !== undefined && codec !== undefined) {
    const { blocks, compression, primary } = byBlock;
    // All digests are checked before a byte is written.
    const filelists = await storedBytes(repository, 'filelists', signalOf(options));
    const other = await storedBytes(repository, 'other', signalOf(options));
    const planned = planBlocks(blocks, changes.stays, changes.added);
    const task = { stored: { primary, filelists, other }, compression, blocks, planned, packages: count };
    return finishRepository(store, await rewriteByBlocks(store, task, kept, codec), kept);
  }
  const set = new DocumentSet(store, count, kept, codec);
  try {
    await mergePieces(set, repository, changes, signalOf(options));
    return await set.finish();
  } catch (error) {
    await set.abort(error);
    throw error;
  }
}

/** All three documents in step, package by package. */
async function mergePieces(
  set: DocumentSet,
  repository: Repository,
  { stays, added }: DocumentChanges,
  options: Abortable,
): Promise<void> {
  const document = (type: string): AsyncIterable<Uint8Array> => repository.document(type, options);
  let fresh = 0;
  const addUpTo = async (old: PackageIdentity | undefined): Promise<void> => {
    for (let next = added[fresh]; next !== undefined; next = added[++fresh]) {
      if (old !== undefined && comparePackageOrder(next, old) > 0) return;
      await set.add(next);
    }
  };
  let known = 0;
  for await (const piece of readFragments(document('primary'), document('filelists'), document('other'))) {
    if (!stays[known++]) continue;
    if (fresh < added.length) await addUpTo(piece);
    const pending = set.add(piece);
    if (pending !== undefined) await pending;
  }
  await addUpTo(undefined);
}

function threeRecords(repository: Repository): RepomdRecord[] {
  return documentTypes.map((type) => repomdRecord(repository.repomd, type));
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
  return rewriteDocuments(store, repository, known, { stays: known.packages.map(() => true), added: [] }, options);
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
    if (twin !== undefined) throw duplicate(old, twin);
  }
}

function signalOf(options: RepositoryOptions): Abortable {
  return options.signal === undefined ? {} : { signal: options.signal };
}
