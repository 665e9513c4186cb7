/**
 * Several repositories in one, a part of one, one in several parts.
 *
 * Reference: createrepo_c, src/mergerepo_c.c
 */
import { formatNvra } from '@distrokit/rpm';
import { type Comps, formatComps, mergeComps, parseComps } from './comps.js';
import { concatenated } from './fetcher.js';
import { formatModules, type ModuleDocument, mergeModules, parseModules } from './modules.js';
import type { PackageReadOptions, Repository } from './repository.js';
import {
  type ExtraDocument,
  type RepositoryOptions,
  type RepositoryPackage,
  writeRepository,
} from './repository-writer.js';
import type { RepositoryStore } from './store.js';
import {
  type Advisory,
  type AdvisoryPackage,
  filterAdvisories,
  formatUpdateinfo,
  mergeAdvisories,
} from './updateinfo.js';

/** A repository to merge. */
export interface MergeSource {
  readonly repository: Repository;
  /** `xml:base` for packages that have none: where this repository's packages lie, seen from the new one. */
  readonly locationBase?: string;
}

/**
 * One repository of several: packages, comps, advisories and modules. `duplicates` decides between packages of one
 * NEVRA; sources come in the order given. Documents of other types are left out: which of two should it be?
 *
 * Resolves with repomd.xml's bytes. Throws what `writeRepository` and reading throw.
 */
export async function mergeRepositories(
  sources: readonly MergeSource[],
  store: RepositoryStore,
  options: RepositoryOptions,
): Promise<Uint8Array> {
  const packages = async function* (): AsyncGenerator<RepositoryPackage, void, void> {
    for (const { repository, locationBase } of sources) {
      for await (const record of repository.packages(everything(options))) {
        yield record.locationBase !== undefined || locationBase === undefined ? record : { ...record, locationBase };
      }
    }
  };
  const comps: Comps[] = [];
  const modules: ModuleDocument[][] = [];
  const advisories: Advisory[][] = [];
  for (const { repository } of sources) {
    const group = await documentBytes(repository, 'group');
    if (group !== undefined) comps.push(parseComps(group));
    const streams = await documentBytes(repository, 'modules');
    if (streams !== undefined) modules.push(parseModules(streams));
    const list: Advisory[] = [];
    for await (const advisory of repository.advisories()) list.push(advisory);
    advisories.push(list);
  }
  const extraDocuments = [...(options.extraDocuments ?? [])];
  if (comps.length > 0) extraDocuments.push(document('group', 'comps.xml', formatComps(mergeComps(...comps))));
  if (modules.length > 0)
    extraDocuments.push(document('modules', 'modules.yaml', formatModules(mergeModules(...modules))));
  const merged = mergeAdvisories(...advisories);
  if (merged.length > 0) extraDocuments.push(document('updateinfo', 'updateinfo.xml', formatUpdateinfo(merged)));
  return writeRepository(packages(), store, { ...options, extraDocuments });
}

/**
 * A repository of the packages that `keep` lets through, with the advisories of those packages. Comps, modules and
 * documents of other types come along as they are.
 */
export async function filterRepository(
  repository: Repository,
  keep: (record: RepositoryPackage) => boolean,
  store: RepositoryStore,
  options: RepositoryOptions,
): Promise<Uint8Array> {
  const [repomd] = await splitRepository(repository, (record) => (keep(record) ? [0] : []), [store], options);
  return repomd as Uint8Array;
}

/**
 * One repository in several: `choose` names the parts (indexes into `stores`) that a package goes into, none or many.
 *
 * All packages are held in memory. Resolves with the repomd.xml of each part.
 */
export async function splitRepository(
  repository: Repository,
  choose: (record: RepositoryPackage) => readonly number[],
  stores: readonly RepositoryStore[],
  options: RepositoryOptions,
): Promise<Uint8Array[]> {
  const parts = stores.map((): RepositoryPackage[] => []);
  for await (const record of repository.packages(everything(options))) {
    for (const index of choose(record)) {
      const part = parts[index];
      if (part === undefined) throw new RangeError(`"choose" must give indexes below ${stores.length}, not ${index}`);
      part.push(record);
    }
  }
  const others: ExtraDocument[] = [];
  for (const record of repository.repomd.records) {
    if (own.test(record.type)) continue;
    const bytes = await documentBytes(repository, record.type);
    if (bytes !== undefined) others.push(document(record.type, plainName(record.location), bytes));
  }
  const advisories: Advisory[] = [];
  for await (const advisory of repository.advisories()) advisories.push(advisory);
  const written: Uint8Array[] = [];
  for (const [index, store] of stores.entries()) {
    const part = parts[index] ?? [];
    const names = new Set(part.map((record) => formatNvra(record)));
    const kept = filterAdvisories(advisories, (pkg: AdvisoryPackage) => names.has(formatNvra(pkg)));
    const extraDocuments = [...(options.extraDocuments ?? []), ...others];
    if (kept.length > 0) extraDocuments.push(document('updateinfo', 'updateinfo.xml', formatUpdateinfo(kept)));
    written.push(await writeRepository(part, store, { ...options, extraDocuments }));
  }
  return written;
}

/** The three, their databases and zchunk forms, second forms of others: all of these are made anew. */
const own = /^(primary|filelists|other|filelists-ext|updateinfo)(_db|_zck)?$|_(db|zck|gz|xz|zst)$/;

function everything(options: RepositoryOptions): PackageReadOptions {
  return { files: true, changelogs: true, ...(options.signal === undefined ? {} : { signal: options.signal }) };
}

/** Undefined when the repository has no such document. */
async function documentBytes(repository: Repository, type: string): Promise<Uint8Array | undefined> {
  if (!repository.repomd.records.some((record) => record.type === type)) return undefined;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of repository.document(type)) {
    chunks.push(chunk);
    length += chunk.length;
  }
  return concatenated(chunks, length);
}

function document(type: string, fileName: string, content: string | Uint8Array): ExtraDocument {
  return { type, fileName, bytes: typeof content === 'string' ? new TextEncoder().encode(content) : content };
}

/** The file name without folder, digest and compression. */
function plainName(location: string): string {
  return location
    .slice(location.lastIndexOf('/') + 1)
    .replace(/^[0-9a-f]{32,128}-/, '')
    .replace(/\.(gz|xz|zst|bz2)$/, '');
}
