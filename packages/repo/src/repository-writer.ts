/**
 * Writing a repository: the three documents, whatever else it carries, and repomd.xml last.
 *
 * Data files get names that hold their digest, so a reader that began with the old repomd.xml finds the old files.
 * The same packages and arguments give the same bytes, in whatever order the packages come.
 *
 * Reference: createrepo_c, src/createrepo_c.c, src/dumper_thread.c
 */
import { type BlockCodec, formatNevra, quote } from '@distrokit/rpm';
import { type DocumentBlock, type DocumentOptions, DocumentWriter, documentCodec } from './document-writer.js';
import { RepoError } from './errors.js';
import { encodeFilelists } from './filelists.js';
import type { HeaderFiles } from './header-files.js';
import { encodeOther } from './other.js';
import { BlockCutter } from './package-blocks.js';
import type { PackageRecord } from './package-record.js';
import type { TextPolicy } from './package-text.js';
import { type DocumentType, documentTypes, PackagesDocument } from './packages-document.js';
import { encodePrimary } from './primary.js';
import { formatRepomd, noTags, type RepomdRecord, type RepomdTags, sortRepomdRecords } from './repomd.js';
import { type Repository, repositoryOf } from './repository.js';
import type { RepositoryStore } from './store.js';

/** A package of a repository, as `Repository.packages` gives it and `writeRepository` takes it. */
export type RepositoryPackage = PackageRecord;

/**
 * What to do when two packages have the same NEVRA: `reject` throws REPO_DUPLICATE_NEVRA, `newestBuild` keeps the one
 * built last (of equal ones that with the greater pkgid), `firstSeen` keeps the first in the order given, `keep` keeps
 * both, as createrepo_c does.
 */
export type DuplicatePolicy = 'reject' | 'newestBuild' | 'firstSeen' | 'keep';

/** A document beside the three: comps, updateinfo, modules, productid or one of your own. */
export interface ExtraDocument {
  /** The record's type in repomd.xml, for instance `group` or `updateinfo`. */
  readonly type: string;
  /** File name without the ending of a compression, for instance `comps.xml`. */
  readonly fileName: string;
  readonly bytes: Uint8Array;
  /** Default: that of the repository. Old yum wants `group` as `none`. */
  readonly compression?: DocumentOptions['compression'];
  /** What the record says beyond that, for sqlite and zchunk documents. */
  readonly facts?: Partial<
    Pick<RepomdRecord, 'databaseVersion' | 'openChecksum' | 'openSizeBytes' | 'headerChecksum' | 'headerSizeBytes'>
  >;
}

/**
 * Makes documents from the three when these have been written and repomd.xml has not: their other forms, such as
 * `zchunkDocuments`, or one of your own. `written` has the three records.
 */
export type DerivedDocuments = (written: Repository, options: DocumentOptions) => Promise<readonly ExtraDocument[]>;

/** What a repository says of itself. */
export interface RepositoryOptions extends DocumentOptions {
  readonly revision: string;
  readonly tags?: RepomdTags;
  readonly extraDocuments?: readonly ExtraDocument[];
  readonly derivedDocuments?: readonly DerivedDocuments[];
  /** Records of files that are already in the store; they come through untouched. */
  readonly keepRecords?: readonly RepomdRecord[];
  /** Default `reject`. */
  readonly duplicates?: DuplicatePolicy;
  /** Default `refuse`. */
  readonly textPolicy?: TextPolicy;
}

/**
 * Writes a repository. Resolves with repomd.xml's bytes, ready to sign.
 *
 * Packages are written in createrepo_c's order: by file name, then by location. All of them are held in memory as XML
 * until the last has come; `createRepository` in `./node` does not hold them.
 *
 * Throws REPO_DUPLICATE_NEVRA, REPO_BAD_TEXT, REPO_CONFLICT, REPO_STORE_FAILED; TypeError for a record that was read
 * without filelists or other. After an error repomd.xml is the old one.
 */
export async function writeRepository(
  packages: AsyncIterable<RepositoryPackage> | Iterable<RepositoryPackage>,
  store: RepositoryStore,
  options: RepositoryOptions,
): Promise<Uint8Array> {
  checkRepositoryOptions(options);
  const policy = options.textPolicy ?? 'refuse';
  const rendered: RenderedPackage[] = [];
  for await (const record of packages) {
    options.signal?.throwIfAborted();
    rendered.push(renderPackage(record, policy));
  }
  return writeRendered(rendered, store, options);
}

/** `writeRepository` for packages that are XML already. */
export async function writeRendered(
  rendered: readonly RenderedPackage[],
  store: RepositoryStore,
  options: RepositoryOptions,
): Promise<Uint8Array> {
  const kept = resolveDuplicates(rendered, options.duplicates ?? 'reject');
  kept.sort(comparePackageOrder);
  const set = new DocumentSet(store, kept.length, options, await documentCodec(options));
  try {
    for (const item of kept) {
      const pending = set.add(item);
      if (pending !== undefined) await pending;
    }
    return await set.finish();
  } catch (error) {
    await set.abort(error);
    throw error;
  }
}

/** A package as the three documents hold it, with what is needed to order it and to find its doubles. */
export interface RenderedPackage {
  readonly nevra: string;
  readonly location: string;
  readonly pkgid: string;
  readonly buildTime: number;
  readonly primary: Uint8Array;
  readonly filelists: Uint8Array;
  readonly other: Uint8Array;
}

/** Throws REPO_BAD_TEXT; TypeError for a record that was read without filelists or other. */
export function renderPackage(record: PackageRecord, policy: TextPolicy, files?: HeaderFiles): RenderedPackage {
  if ((files === undefined && !record.filesComplete) || !record.changelogsComplete) {
    throw new TypeError(
      `"packages": the record of ${quote(record.name)} was read without ${record.filesComplete ? 'changelogs' : 'files'}`,
    );
  }
  return {
    nevra: formatNevra({ ...record, epoch: record.epoch ?? 0 }),
    location: record.location,
    pkgid: record.pkgid.hex,
    buildTime: record.buildTime.getTime(),
    primary: bytesOf(encodePrimary(record, policy, files?.primary)),
    filelists: bytesOf(encodeFilelists(record, policy, files?.filelists)),
    other: bytesOf(encodeOther(record, policy)),
  };
}

const utf8 = new TextEncoder();

/** Node's own encoder is several times as fast for long strings as the one that browsers have too. */
function bytesOf(text: string): Uint8Array {
  return typeof Buffer === 'function' ? Buffer.from(text) : utf8.encode(text);
}

/** Applies a policy; the result is a new array in the order of the input. Throws REPO_DUPLICATE_NEVRA. */
export function resolveDuplicates<Item extends DuplicateCandidate>(
  items: readonly Item[],
  policy: DuplicatePolicy,
): Item[] {
  if (policy === 'keep') return [...items];
  const chosen = new Map<string, Item>();
  for (const item of items) {
    const before = chosen.get(item.nevra);
    if (before === undefined) chosen.set(item.nevra, item);
    else if (policy === 'reject') throw duplicate(...inOrder(before, item));
    else if (policy === 'newestBuild' && isNewer(item, before)) chosen.set(item.nevra, item);
  }
  return [...chosen.values()];
}

/** What is needed to find and to judge doubles. */
export interface DuplicateCandidate {
  readonly nevra: string;
  readonly location: string;
  readonly pkgid: string;
  readonly buildTime: number;
}

function isNewer(item: DuplicateCandidate, before: DuplicateCandidate): boolean {
  return (
    item.buildTime > before.buildTime ||
    (item.buildTime === before.buildTime &&
      (item.pkgid > before.pkgid || (item.pkgid === before.pkgid && item.location < before.location)))
  );
}

/** The same message whichever came first. */
function inOrder<Item extends DuplicateCandidate>(a: Item, b: Item): [Item, Item] {
  return comparePackageOrder(a, b) <= 0 ? [a, b] : [b, a];
}

/** One of two packages with one NEVRA. */
export type PackageTwin = Pick<DuplicateCandidate, 'nevra' | 'location' | 'pkgid'>;

/** REPO_DUPLICATE_NEVRA */
export function duplicate(first: PackageTwin, second: PackageTwin): RepoError {
  const side = ({ location, pkgid }: PackageTwin) => ({ location, pkgid });
  return new RepoError(
    { code: 'REPO_DUPLICATE_NEVRA', nevra: first.nevra, first: side(first), second: side(second) },
    `${quote(first.nevra)}: one package wanted, found two: ${quote(first.location)} (${first.pkgid}) and ${quote(second.location)} (${second.pkgid})`,
  );
}

/** createrepo_c's order: by the last part of the location, then by the folders before it, as bytes. */
export function comparePackageOrder(a: { readonly location: string }, b: { readonly location: string }): number {
  const left = a.location.lastIndexOf('/');
  const right = b.location.lastIndexOf('/');
  return (
    compareParts(a.location, left + 1, a.location.length, b.location, right + 1, b.location.length) ||
    compareParts(a.location, 0, Math.max(0, left), b.location, 0, Math.max(0, right))
  );
}

/** The order of UTF-8 bytes: UTF-16 units differ where surrogates meet U+E000 and above. */
export function compareCodePoints(a: string, b: string): number {
  return compareParts(a, 0, a.length, b, 0, b.length);
}

/** Parts of texts, from a place to another, without cutting them out. */
function compareParts(a: string, aStart: number, aEnd: number, b: string, bStart: number, bEnd: number): number {
  const length = Math.min(aEnd - aStart, bEnd - bStart);
  for (let at = 0; at < length; at++) {
    const left = a.charCodeAt(aStart + at);
    const right = b.charCodeAt(bStart + at);
    if (left === right) continue;
    if (left >= 0xd800 && right >= 0xd800) {
      const leftHigh = left <= 0xdfff;
      if (leftHigh !== right <= 0xdfff) return leftHigh ? 1 : -1;
    }
    return left - right;
  }
  return aEnd - aStart - (bEnd - bStart);
}

/** One block of the three documents: primary, filelists, other. */
export interface RepositoryBlock {
  readonly documents: readonly DocumentBlock[];
}

/** The three documents and repomd.xml in the making. Call `add` or `addBlock` in order, then `finish`, or `abort`. */
export class DocumentSet {
  readonly #store: RepositoryStore;
  readonly #options: RepositoryOptions;
  readonly #cutter = new BlockCutter();
  readonly #documents: readonly PackagesDocument[];

  /** Begins the documents of so many packages. `codec` is `documentCodec`'s for these options. */
  constructor(store: RepositoryStore, packages: number, options: RepositoryOptions, codec: BlockCodec | undefined) {
    this.#store = store;
    this.#options = options;
    const spare: Uint8Array[] = [];
    this.#documents = documentTypes.map((type) => new PackagesDocument(store, type, packages, options, codec, spare));
  }

  /** Appends a package to each document. Resolves when there is room for more. */
  add(item: Pick<RenderedPackage, 'location' | DocumentType>): Promise<unknown> | undefined {
    const room = together(
      this.#documents.map((document, at) => document.write(item[documentTypes[at] as DocumentType])),
    );
    return this.#cutter.endsAfter(item.location)
      ? (together(this.#documents.map((document) => document.endBlock())) ?? room)
      : room;
  }

  /** Appends a whole block, as `endsOfBlocks` ends them; nothing may have been added since the last one ended. */
  addBlock(block: RepositoryBlock): Promise<unknown> | undefined {
    return together(block.documents.map((part, at) => (this.#documents[at] as PackagesDocument).writeBlock(part)));
  }

  /** Ends the documents, adds the others, writes repomd.xml. Resolves with its bytes. */
  async finish(): Promise<Uint8Array> {
    const records = await Promise.all(this.#documents.map((document) => document.end()));
    return finishRepository(this.#store, records, this.#options);
  }

  async abort(reason: unknown): Promise<void> {
    await Promise.all(this.#documents.map((document) => document.abort(reason)));
  }
}

function together(waits: readonly (Promise<void> | undefined)[]): Promise<unknown> | undefined {
  const some = waits.filter((wait) => wait !== undefined);
  return some.length === 0 ? undefined : Promise.all(some);
}

/** Writes the other documents, then repomd.xml. Resolves with its bytes. */
export async function finishRepository(
  store: RepositoryStore,
  records: readonly RepomdRecord[],
  options: RepositoryOptions,
): Promise<Uint8Array> {
  const all = [...records];
  for (const extra of options.extraDocuments ?? []) all.push(await writeExtraDocument(store, extra, options));
  const { revision, tags = noTags, derivedDocuments = [], signal } = options;
  const abortable = signal === undefined ? {} : { signal };
  const written = repositoryOf(store, { revision, tags, records }, new Uint8Array(), abortable);
  for (const derive of derivedDocuments) {
    for (const extra of await derive(written, options)) all.push(await writeExtraDocument(store, extra, options));
  }
  const types = new Set(all.map((record) => record.type));
  for (const record of options.keepRecords ?? []) if (!types.has(record.type)) all.push(record);
  const bytes = utf8.encode(formatRepomd({ revision, tags, records: sortRepomdRecords(all) }));
  await store.write('repodata/repomd.xml', bytes, { cache: 'revalidate', ...abortable });
  return bytes;
}

/** Writes one document beside the three. Resolves with its record for repomd.xml. */
export async function writeExtraDocument(
  store: RepositoryStore,
  extra: ExtraDocument,
  options: DocumentOptions,
): Promise<RepomdRecord> {
  const own = { ...options, compression: extra.compression ?? options.compression };
  const writer = new DocumentWriter(store, extra.type, extra.fileName, own, await documentCodec(own));
  await writer.write(extra.bytes);
  return { ...(await writer.end()), ...extra.facts };
}

/** Throws TypeError or RangeError on a missing or impossible option. */
export function checkRepositoryOptions(options: RepositoryOptions): void {
  if (typeof options.revision !== 'string' || options.revision === '') throw new TypeError('"revision" must be a word');
  if (!(options.timestamp instanceof Date) || Number.isNaN(options.timestamp.getTime())) {
    throw new TypeError('"timestamp" must be a date');
  }
  if (!['gz', 'xz', 'zst', 'none'].includes(options.compression)) {
    throw new TypeError(`"compression" must be gz, xz, zst or none, not ${String(options.compression)}`);
  }
  if (options.checksum !== 'sha256' && options.checksum !== 'sha512') {
    throw new TypeError(`"checksum" must be sha256 or sha512, not ${String(options.checksum)}`);
  }
}
