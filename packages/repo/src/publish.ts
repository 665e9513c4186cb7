/**
 * Publishing: a repository made elsewhere becomes the one that clients read, without a moment in which they meet parts
 * of both.
 *
 * The order is everything: packages, then documents (their names hold their digests, so nothing is overwritten), then
 * the signature, then repomd.xml, then the removal of what no kept generation names. Each step may be done twice.
 *
 * With a signature two files change, and no order of writing them helps a client that reads one before and one after:
 * it fails, and succeeds when it tries again. A publisher that dies between the two leaves that state until the next
 * publish or `revertRepository`.
 */
import { type Abortable, digestBytes, quote } from '@distrokit/rpm';
import { RepoError } from './errors.js';
import { type Fetcher, fetchBytes } from './fetcher.js';
import { readIdentities } from './fragments.js';
import type { PackageIdentity } from './package-identity.js';
import { parseRepomd, type Repomd } from './repomd.js';
import { type OpenRepositoryOptions, openRepository } from './repository.js';
import { type DuplicateCandidate, duplicate } from './repository-writer.js';
import { conflict, type RepositoryStore } from './store.js';

/** One step of a publish. Steps are done in order; done twice they do no harm. */
export type PublishStep =
  | { readonly task: 'copy-package' | 'copy-document'; readonly path: string }
  | { readonly task: 'write-generation' | 'write-signature' | 'write-repomd'; readonly path: string }
  | { readonly task: 'remove'; readonly path: string; readonly reason: string };

/** A published state that can be returned to. */
export interface Generation {
  /** Sorts by time: seconds since 1970 and the first digits of repomd.xml's digest. */
  readonly id: string;
  readonly publishedAt: Date;
  readonly repomd: Repomd;
  readonly signed: boolean;
}

/** What is there before a publish. */
export interface PublishedState {
  /** The store's version of repomd.xml; `null` when there is none. */
  readonly version: string | null;
  readonly repomd: Repomd | undefined;
  /** Newest last; the current one is among them when it was published by us. */
  readonly generations: readonly Generation[];
}

/** How long old generations stay readable. The longer of the two counts. */
export interface KeepGenerations {
  /** Generations before the new one. Default 2. */
  readonly count?: number;
  /** Those published within this time. Default one hour: clients that began before finish. */
  readonly ageMs?: number;
}

/** How to publish. */
export interface PublishOptions extends Abortable {
  /** Now. */
  readonly at: Date;
  /**
   * `repomd.xml.asc`, made over the very bytes of the staged repomd.xml: armored text, or bytes as they shall lie there.
   * Absent for an unsigned repository.
   */
  readonly signature?: string | Uint8Array;
  /** Locations of packages to copy from the staged repository when the store lacks them or has them in another size. */
  readonly packages?: readonly string[];
  readonly keep?: KeepGenerations;
  /**
   * The state that the staged repository was made from, by `publishedState` before its packages were read: whatever is
   * published between then and now is REPO_CONFLICT, and is not lost. Default: what is there when publishing begins.
   */
  readonly madeFrom?: Pick<PublishedState, 'version'>;
  /** Share of packages that may go at most; more is REPO_SHRUNK. Default 0.5. */
  readonly maxLossShare?: number;
  /**
   * A package whose NEVRA was published with other bytes: `refuse` is REPO_DUPLICATE_NEVRA with both digests; `replace`
   * writes over the file when it has the same location, which fails clients that hold the old repomd.xml. Default `refuse`.
   */
  readonly mutated?: 'refuse' | 'replace';
  /** Hears of each step before it is done. */
  readonly onStep?: (step: PublishStep) => void;
}

const repomdPath = 'repodata/repomd.xml';
const signaturePath = 'repodata/repomd.xml.asc';
const generationsFolder = 'repodata/generations';
const maxRepomdBytes = 16 * 1024 * 1024;
const utf8 = new TextEncoder();

/**
 * The steps from an old state to a new repository. Pure: it decides and does nothing.
 *
 * `present` are the paths that the store has.
 */
export function planPublish(
  old: PublishedState,
  next: {
    readonly repomd: Repomd;
    readonly id: string;
    readonly packages: readonly string[];
    readonly signed: boolean;
  },
  present: ReadonlySet<string>,
  options: { readonly at: Date; readonly keep?: KeepGenerations | undefined },
): PublishStep[] {
  const steps: PublishStep[] = [];
  for (const path of next.packages) if (!present.has(path)) steps.push({ task: 'copy-package', path });
  for (const { location } of next.repomd.records) {
    if (!present.has(location)) steps.push({ task: 'copy-document', path: location });
  }
  steps.push({ task: 'write-generation', path: `${generationsFolder}/${next.id}.xml` });
  if (next.signed) steps.push({ task: 'write-signature', path: signaturePath });
  steps.push({ task: 'write-repomd', path: repomdPath });
  const oldest = options.at.getTime() - (options.keep?.ageMs ?? 3_600_000);
  const before = old.generations.filter((generation) => generation.id !== next.id);
  const newest = before.slice(Math.max(0, before.length - (options.keep?.count ?? 2)));
  const kept = before.filter((generation) => newest.includes(generation) || generation.publishedAt.getTime() >= oldest);
  const named = new Set(next.repomd.records.map((record) => record.location));
  for (const generation of kept) for (const record of generation.repomd.records) named.add(record.location);
  // What was published by other means has no generation of its own; its documents stay for this once.
  if (old.repomd !== undefined) for (const record of old.repomd.records) named.add(record.location);
  if (!next.signed && present.has(signaturePath)) {
    steps.push({ task: 'remove', path: signaturePath, reason: 'the repository is no longer signed' });
  }
  for (const generation of before) {
    if (kept.includes(generation)) continue;
    for (const { location } of generation.repomd.records) {
      if (!named.has(location) && present.has(location)) {
        named.add(location);
        steps.push({ task: 'remove', path: location, reason: `only generation ${generation.id} named it` });
      }
    }
    for (const ending of ['.xml.asc', '.xml']) {
      const path = `${generationsFolder}/${generation.id}${ending}`;
      if (present.has(path)) steps.push({ task: 'remove', path, reason: 'the generation is no longer kept' });
    }
  }
  return steps;
}

/**
 * Publishes a staged repository. Resolves with the steps that were done.
 *
 * Throws REPO_CONFLICT when another publisher was faster (what it published stays), REPO_SHRUNK, REPO_DUPLICATE_NEVRA, and
 * what reading the staged repository and writing to the store throw. Until repomd.xml is written clients read the old repository.
 */
export async function publishRepository(
  staged: Fetcher,
  store: RepositoryStore,
  options: PublishOptions,
): Promise<readonly PublishStep[]> {
  const { signal, at } = options;
  const abortable = signal === undefined ? {} : { signal };
  const signature = typeof options.signature === 'string' ? utf8.encode(options.signature) : options.signature;
  const repomdBytes = await fetchBytes(staged, repomdPath, { maxBytes: maxRepomdBytes, ...abortable });
  const repomd = parseRepomd(repomdBytes);
  const signatureVersion = (await store.stat(signaturePath, abortable))?.version ?? null;
  const old = await publishedState(store, abortable);
  const repomdVersion = options.madeFrom === undefined ? old.version : options.madeFrom.version;
  if (old.version !== repomdVersion) throw conflict(repomdPath, repomdVersion, old.version);
  const changed = await comparePackages(staged, store, old, options);
  const present = new Map<string, number>();
  for await (const file of store.list('', abortable)) present.set(file.path, file.sizeBytes);
  // A file of another size under the same name is not the file: it is written anew.
  for (const record of repomd.records) {
    if (record.sizeBytes !== undefined && present.get(record.location) !== record.sizeBytes) {
      present.delete(record.location);
    }
  }
  for (const path of options.packages ?? []) {
    const sizeBytes = changed.sizes.get(path);
    if (changed.replaced.has(path) || (sizeBytes !== undefined && present.get(path) !== sizeBytes))
      present.delete(path);
  }
  const next = {
    repomd,
    id: generationId(at, repomdBytes),
    packages: options.packages ?? [],
    signed: signature !== undefined,
  };
  const steps = planPublish(old, next, new Set(present.keys()), { at, keep: options.keep });
  for (const step of steps) {
    signal?.throwIfAborted();
    options.onStep?.(step);
    switch (step.task) {
      case 'copy-package':
      case 'copy-document':
        await store.write(step.path, staged.fetch(step.path, { maxBytes: Number.MAX_SAFE_INTEGER, ...abortable }), {
          cache: 'immutable',
          ...abortable,
        });
        break;
      case 'write-generation':
        if (signature !== undefined) await store.write(`${step.path}.asc`, signature, abortable);
        await store.write(step.path, repomdBytes, abortable);
        break;
      case 'write-signature':
        await store.write(step.path, signature as Uint8Array, {
          cache: 'revalidate',
          ifVersion: signatureVersion,
          ...abortable,
        });
        break;
      case 'write-repomd':
        await writeRepomd(store, repomdBytes, repomdVersion, abortable);
        break;
      case 'remove':
        await store.remove(step.path, abortable);
    }
  }
  return steps;
}

/** What a store holds: its repomd.xml and the generations that can be returned to, oldest first. */
export async function publishedState(store: RepositoryStore, options: Abortable = {}): Promise<PublishedState> {
  // Before the bytes: what is written in between then counts as another publisher's.
  const version = (await store.stat(repomdPath, options))?.version ?? null;
  const current = await optionalBytes(store, repomdPath, options);
  const generations: Generation[] = [];
  const paths: string[] = [];
  for await (const file of store.list(generationsFolder, options)) paths.push(file.path);
  for (const path of paths) {
    const id = /\/(\d+-[0-9a-f]{16})\.xml$/.exec(path)?.[1];
    if (id === undefined) continue;
    generations.push({
      id,
      publishedAt: new Date(Number(id.split('-')[0]) * 1000),
      repomd: parseRepomd(await fetchBytes(store, path, { maxBytes: maxRepomdBytes, ...options })),
      signed: paths.includes(`${path}.asc`),
    });
  }
  generations.sort((a, b) => (a.id < b.id ? -1 : 1));
  return { version, repomd: current === undefined ? undefined : parseRepomd(current), generations };
}

/**
 * Makes a kept generation the current one again. Its repomd.xml and signature come back byte for byte.
 *
 * Throws REPO_NOT_FOUND when it is not kept, REPO_CONFLICT.
 */
export async function revertRepository(store: RepositoryStore, id: string, options: Abortable = {}): Promise<void> {
  const version = (await store.stat(repomdPath, options))?.version ?? null;
  const path = `${generationsFolder}/${id}.xml`;
  const repomd = await fetchBytes(store, path, { maxBytes: maxRepomdBytes, ...options });
  const signature = await optionalBytes(store, `${path}.asc`, options);
  for (const { location } of parseRepomd(repomd).records) {
    if ((await store.stat(location, options)) === undefined) {
      throw new RepoError(
        { code: 'REPO_NOT_FOUND', href: location },
        `generation ${quote(id)}: ${quote(location)} is no longer there`,
      );
    }
  }
  if (signature !== undefined) await store.write(signaturePath, signature, { cache: 'revalidate', ...options });
  await writeRepomd(store, repomd, version, options);
  if (signature === undefined) await store.remove(signaturePath, options);
}

/** What `verifyPublished` found. */
export interface PublishedCheck {
  readonly revision: string;
  readonly documents: number;
  /** Packages that primary names; 0 when packages were not looked at. */
  readonly packages: number;
}

/**
 * Reads a repository back as a client does: signature, repomd.xml, every document with its digests, and with
 * `packages` that every package is there in its size (its digest is not taken).
 *
 * Throws the first thing that is wrong.
 */
export async function verifyPublished(
  published: Fetcher & Partial<Pick<RepositoryStore, 'stat'>>,
  options: OpenRepositoryOptions & { readonly packages?: boolean },
): Promise<PublishedCheck> {
  const repository = await openRepository(published, options);
  const { signal } = options;
  const abortable = signal === undefined ? {} : { signal };
  for (const { type, location } of repository.repomd.records) {
    const zchunk = location.endsWith('.zck');
    const bytes = zchunk ? repository.storedDocument(type, abortable) : repository.document(type, abortable);
    for await (const _ of bytes) signal?.throwIfAborted();
  }
  let packages = 0;
  if (options.packages === true) {
    for await (const record of repository.packages(abortable)) {
      packages++;
      if (record.locationBase !== undefined || published.stat === undefined) continue;
      const found = await published.stat(record.location, abortable);
      if (found?.sizeBytes !== record.sizeBytes) {
        throw new RepoError(
          { code: 'REPO_NOT_FOUND', href: record.location },
          `${quote(record.location)}: ${record.sizeBytes} bytes wanted, found ${found?.sizeBytes ?? 'no file'}`,
        );
      }
    }
  }
  return { revision: repository.revision, documents: repository.repomd.records.length, packages };
}

function generationId(at: Date, repomd: Uint8Array): string {
  const seconds = String(Math.floor(at.getTime() / 1000)).padStart(12, '0');
  return `${seconds}-${digestBytes('sha256', repomd).slice(0, 16)}`;
}

async function writeRepomd(
  store: RepositoryStore,
  bytes: Uint8Array,
  version: string | null,
  options: Abortable,
): Promise<void> {
  const current = (await store.stat(repomdPath, options))?.version ?? null;
  if (current !== version) throw conflict(repomdPath, version, current);
  await store.write(repomdPath, bytes, { cache: 'revalidate', ifVersion: version, ...options });
}

/** What publishing has to know of packages one by one. */
interface PackageChanges {
  /** Of the packages to copy, by location. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Locations whose package was published with other bytes. */
  readonly replaced: ReadonlySet<string>;
}

/** Holds the new packages against the published ones. Throws REPO_SHRUNK, REPO_DUPLICATE_NEVRA. */
async function comparePackages(
  staged: Fetcher,
  store: RepositoryStore,
  old: PublishedState,
  options: PublishOptions,
): Promise<PackageChanges> {
  const { maxLossShare: allowedShare = 0.5, mutated = 'refuse' } = options;
  if (!(allowedShare >= 0 && allowedShare <= 1)) throw new RangeError('"maxLossShare" must be from 0 to 1');
  if (mutated !== 'refuse' && mutated !== 'replace') throw new TypeError('"mutated" must be refuse or replace');
  const published = old.repomd === undefined ? undefined : await publishedPackages(store, options);
  const copied = new Set(options.packages);
  const sizes = new Map<string, number>();
  const replaced = new Set<string>();
  let after = 0;
  for await (const { nevra, location, locationBase, pkgid, sizeBytes } of identities(staged, options)) {
    after++;
    if (copied.has(location)) sizes.set(location, sizeBytes);
    const before = published?.byNevra.get(nevra);
    // Of several that were published under one NEVRA it may be any; another kind of digest cannot be compared.
    if (before === undefined || before.some((one) => one.pkgid === pkgid || one.pkgid.length !== pkgid.length))
      continue;
    if (mutated === 'refuse') throw duplicate(before[0] as PublishedPackage, { nevra, location, pkgid });
    if (locationBase === undefined) replaced.add(location);
  }
  const before = published?.count ?? 0;
  if (before > 0 && (before - after) / before > allowedShare) {
    throw new RepoError(
      { code: 'REPO_SHRUNK', before, after, allowedShare },
      `the new repository has ${after} packages, the old one ${before}: more than ${Math.round(allowedShare * 100)} % would go`,
    );
  }
  return { sizes, replaced };
}

type PublishedPackage = DuplicateCandidate;

/** Undefined for an old repository that cannot be read: it is no measure, and no reason to keep it. */
async function publishedPackages(
  store: RepositoryStore,
  options: Abortable,
): Promise<{ readonly count: number; readonly byNevra: ReadonlyMap<string, readonly PublishedPackage[]> } | undefined> {
  const byNevra = new Map<string, PublishedPackage[]>();
  let count = 0;
  try {
    for await (const { nevra, location, pkgid } of identities(store, options)) {
      count++;
      const one = { nevra, location, pkgid, buildTime: 0 };
      const others = byNevra.get(nevra);
      if (others === undefined) byNevra.set(nevra, [one]);
      else others.push(one);
    }
  } catch (error) {
    if (error instanceof RepoError) return undefined;
    throw error;
  }
  return { count, byNevra };
}

async function* identities(fetcher: Fetcher, { signal }: Abortable): AsyncGenerator<PackageIdentity, void, void> {
  const abortable = signal === undefined ? {} : { signal };
  const repository = await openRepository(fetcher, { verifyRepomd: 'unsigned', ...abortable });
  yield* readIdentities(repository.document('primary', abortable));
}

async function optionalBytes(store: Fetcher, path: string, options: Abortable): Promise<Uint8Array | undefined> {
  try {
    return await fetchBytes(store, path, { maxBytes: maxRepomdBytes, ...options });
  } catch (error) {
    if (error instanceof RepoError && error.code === 'REPO_NOT_FOUND') return undefined;
    throw error;
  }
}
