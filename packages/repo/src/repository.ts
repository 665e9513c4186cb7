/**
 * Reading a repository: repomd.xml first, then its documents, moved in step with constant memory.
 */
import { type Abortable, quote } from '@distrokit/rpm';
import { type DocumentLimits, fetchDocument, openDocument } from './document-reader.js';
import { RepoError } from './errors.js';
import { type Fetcher, fetchBytes } from './fetcher.js';
import { FilelistsDecoder, type PackageFiles, readFilelistsLines } from './filelists.js';
import { OtherDecoder, type PackageChangelogs, readOtherLines } from './other.js';
import { type GoOn, PackageWindow, type ReadLines } from './package-lines.js';
import type { Writable } from './package-record.js';
import { PrimaryDecoder, readPrimaryLines } from './primary.js';
import { parseRepomd, type Repomd, type RepomdRecord, repomdRecord } from './repomd.js';
import type { RepositoryPackage } from './repository-writer.js';
import { type Advisory, readUpdateinfo } from './updateinfo.js';
import { type XmlHandler, XmlReader } from './xml.js';

/** A repository whose repomd.xml has been read. */
export interface Repository {
  readonly revision: string;
  readonly repomd: Repomd;
  /** repomd.xml as it came. */
  readonly repomdBytes: Uint8Array;
  /**
   * The packages in the order of the documents. Memory does not grow with the repository.
   *
   * A document's digest is known when it ends: an error may come after packages. Act on them when the loop has ended.
   * Texts of a package share memory with its neighbours: copy those you keep for long.
   */
  packages(options?: PackageReadOptions): AsyncIterable<RepositoryPackage>;
  /** The advisories, from updateinfo; none where the repository has no such document. Digests as above. */
  advisories(options?: DocumentLimits): AsyncIterable<Advisory>;
  /** The bytes of any document, decompressed. Digests as above. Throws REPO_MISSING_RECORD. */
  document(type: string, options?: DocumentLimits): AsyncIterable<Uint8Array>;
  /** The bytes of any document as they lie in the repository. Digests as above. Throws REPO_MISSING_RECORD. */
  storedDocument(type: string, options?: DocumentLimits): AsyncIterable<Uint8Array>;
}

/** How much of each package to read. */
export interface PackageReadOptions extends DocumentLimits {
  /** All files, from filelists; else those that primary names. Default false. */
  readonly files?: boolean;
  /** Changelogs, from other. Default false. */
  readonly changelogs?: boolean;
}

/** How to open a repository. */
export interface OpenRepositoryOptions extends Abortable {
  /**
   * Called with repomd.xml before one byte of it is believed; throws to refuse. 'unsigned' must be said aloud.
   * The signature is `repomd.xml.asc`, as it lies there.
   */
  readonly verifyRepomd: 'unsigned' | ((repomd: Uint8Array, signature: Uint8Array) => Promise<void>);
}

const maxRepomdBytes = 16 * 1024 * 1024;
const maxSignatureBytes = 1024 * 1024;

/**
 * Opens a repository: reads repomd.xml and, unless 'unsigned', has its signature verified.
 *
 * Throws REPO_NOT_FOUND, REPO_TOO_LARGE, REPO_BAD_XML, REPO_BAD_VALUE, and whatever `verifyRepomd` throws.
 */
export async function openRepository(fetcher: Fetcher, options: OpenRepositoryOptions): Promise<Repository> {
  const { verifyRepomd, signal } = options;
  if (verifyRepomd !== 'unsigned' && typeof verifyRepomd !== 'function') {
    throw new TypeError(`"verifyRepomd" must be a function or 'unsigned'`);
  }
  const abortable = signal === undefined ? {} : { signal };
  const bytes = await fetchBytes(fetcher, 'repodata/repomd.xml', { maxBytes: maxRepomdBytes, ...abortable });
  if (verifyRepomd !== 'unsigned') {
    const signature = await fetchBytes(fetcher, 'repodata/repomd.xml.asc', {
      maxBytes: maxSignatureBytes,
      ...abortable,
    });
    await verifyRepomd(bytes, signature);
  }
  return repositoryOf(fetcher, parseRepomd(bytes), bytes, abortable);
}

/** A repository by a repomd.xml that is known already, wherever it lies. */
export function repositoryOf(
  fetcher: Fetcher,
  repomd: Repomd,
  repomdBytes: Uint8Array,
  abortable: Abortable,
): Repository {
  const bounded = (limits: DocumentLimits | undefined): DocumentLimits => ({ ...abortable, ...limits });
  return {
    revision: repomd.revision,
    repomd,
    repomdBytes,
    packages: (read) => readPackages(fetcher, repomd, { ...bounded(read), ...read }),
    advisories: (limits) => readAdvisories(fetcher, repomd, bounded(limits)),
    document: (type, limits) => openDocument(fetcher, repomdRecord(repomd, type), bounded(limits)),
    storedDocument: (type, limits) => fetchDocument(fetcher, repomdRecord(repomd, type), bounded(limits)),
  };
}

async function* readAdvisories(
  fetcher: Fetcher,
  repomd: Repomd,
  options: DocumentLimits,
): AsyncGenerator<Advisory, void, void> {
  const record = repomd.records.find((candidate) => candidate.type === 'updateinfo');
  if (record !== undefined) yield* readUpdateinfo(openDocument(fetcher, record, options), record.location);
}

async function* readPackages(
  fetcher: Fetcher,
  repomd: Repomd,
  options: PackageReadOptions,
): AsyncGenerator<RepositoryPackage, void, void> {
  const primaryRecord = repomdRecord(repomd, 'primary');
  const filelistsRecord = options.files === true ? repomdRecord(repomd, 'filelists') : undefined;
  const otherRecord = options.changelogs === true ? repomdRecord(repomd, 'other') : undefined;
  const primary = new Elements<RepositoryPackage>(fetcher, primaryRecord, options, PrimaryDecoder, readPrimaryLines);
  const filelists =
    filelistsRecord &&
    new Elements<PackageFiles>(fetcher, filelistsRecord, options, FilelistsDecoder, readFilelistsLines);
  const other =
    otherRecord && new Elements<PackageChangelogs>(fetcher, otherRecord, options, OtherDecoder, readOtherLines);
  try {
    for (let index = 0; ; index++) {
      const record = primary.shift() ?? (await primary.next());
      const files = filelists && (filelists.shift() ?? (await filelists.next()));
      const changelogs = other && (other.shift() ?? (await other.next()));
      if (record === undefined) {
        if (files !== undefined) throw outOfStep('filelists', index, undefined, files);
        if (changelogs !== undefined) throw outOfStep('other', index, undefined, changelogs);
        return;
      }
      if (filelists !== undefined && files?.pkgid.toLowerCase() !== record.pkgid.hex) {
        throw outOfStep('filelists', index, record, files);
      }
      if (other !== undefined && changelogs?.pkgid.toLowerCase() !== record.pkgid.hex) {
        throw outOfStep('other', index, record, changelogs);
      }
      // Nobody else has the record yet, and a copy costs as much as reading one.
      const whole: Writable<RepositoryPackage> = record;
      if (files !== undefined) {
        whole.files = files.files;
        whole.filesComplete = true;
      }
      if (changelogs !== undefined) {
        whole.changelogs = changelogs.changelogs;
        whole.changelogsComplete = true;
      }
      yield whole;
    }
  } finally {
    await Promise.all([primary.close(), filelists?.close(), other?.close()]);
  }
}

type DecoderClass<Item> = new (document: string, emit: (item: Item) => void) => XmlHandler;

/** The package elements of one document, a chunk's worth at a time: by lines while they are laid out so, then as XML. */
class Elements<Item> {
  readonly #document: string;
  readonly #chunks: AsyncGenerator<Uint8Array, void, void>;
  readonly #decoder: XmlHandler;
  #window: PackageWindow<Item> | undefined;
  #reader: XmlReader | undefined;
  #ready: Item[] = [];
  #at = 0;
  #ended = false;

  constructor(
    fetcher: Fetcher,
    record: RepomdRecord,
    options: DocumentLimits,
    decoder: DecoderClass<Item>,
    read: ReadLines<Item>,
  ) {
    this.#document = record.location;
    this.#chunks = openDocument(fetcher, record, { ...options, lent: true });
    this.#decoder = new decoder(record.location, (item) => this.#ready.push(item));
    this.#window = new PackageWindow(read);
  }

  /** The next element if it is there already. */
  shift(): Item | undefined {
    return this.#ready[this.#at] === undefined ? undefined : this.#ready[this.#at++];
  }

  /** The next element, or undefined at the end of the document. */
  async next(): Promise<Item | undefined> {
    while (this.#at === this.#ready.length && !this.#ended) {
      this.#ready = [];
      this.#at = 0;
      const { done, value } = await this.#chunks.next();
      if (done !== true) this.#write(value);
      else {
        if (this.#window !== undefined) this.#goOn(this.#window.end(this.#ready));
        this.#reader?.end();
        this.#ended = true;
      }
    }
    return this.shift();
  }

  #write(chunk: Uint8Array): void {
    if (this.#window !== undefined) {
      const other = this.#window.write(chunk, this.#ready);
      if (other !== undefined) this.#goOn(other);
      return;
    }
    for (let at = 0; at < chunk.length; at += sliceBytes) this.#reader?.write(chunk.subarray(at, at + sliceBytes));
  }

  #goOn({ root, offset, bytes }: GoOn): void {
    this.#window = undefined;
    this.#reader = new XmlReader(this.#document, this.#decoder, {}, root === undefined ? undefined : { root, offset });
    this.#write(bytes);
  }

  async close(): Promise<void> {
    await this.#chunks.return();
  }
}

// Short pieces keep the memory that texts of one package hold on to small.
const sliceBytes = 65_536;

function outOfStep(
  document: string,
  index: number,
  wanted: RepositoryPackage | undefined,
  found: { readonly pkgid: string; readonly name: string } | undefined,
): RepoError {
  const want = wanted === undefined ? 'the end' : `${wanted.name} (${wanted.pkgid.hex})`;
  const got = found === undefined ? 'the end' : `${found.name} (${found.pkgid})`;
  return new RepoError(
    { code: 'REPO_OUT_OF_STEP', document, index, wanted: want, found: got },
    `${document}: package ${index} of primary is ${quote(want, 200)}, found ${quote(got, 200)}`,
  );
}
