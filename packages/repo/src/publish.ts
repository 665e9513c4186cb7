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
import { parseRepomd, type Repomd } from './repomd.js';
import { type OpenRepositoryOptions, openRepository } from './repository.js';
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
  /** Share of packages that may go at most; more is REPO_SHRUNK. Default 0.5. */
  readonly maxLossShare?: number;
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
 * Throws REPO_CONFLICT when another publisher was faster (what it published stays), REPO_SHRUNK, and what reading the
 * staged repository and writing to the store throw. Until repomd.xml is written clients read the old repository.
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
  const repomdVersion = (await store.stat(repomdPath, abortable))?.version ?? null;
  const signatureVersion = (await store.stat(signaturePath, abortable))?.version ?? null;
  const old = await publishedState(store, abortable);
  await refuseLoss(staged, store, old, options);
  const present = new Map<string, number>();
  for await (const file of store.list('', abortable)) present.set(file.path, file.sizeBytes);
  // A file of another size under the same name is not the file: it is written anew.
  for (const record of repomd.records) {
    if (record.sizeBytes !== undefined && present.get(record.location) !== record.sizeBytes) {
      present.delete(record.location);
    }
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
  return { repomd: current === undefined ? undefined : parseRepomd(current), generations };
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

async function refuseLoss(
  staged: Fetcher,
  store: RepositoryStore,
  old: PublishedState,
  options: PublishOptions,
): Promise<void> {
  const allowedShare = options.maxLossShare ?? 0.5;
  if (!(allowedShare >= 0 && allowedShare <= 1)) throw new RangeError('"maxLossShare" must be from 0 to 1');
  if (old.repomd === undefined || allowedShare === 1) return;
  let before: number;
  try {
    before = await countPackages(store, options);
  } catch (error) {
    // An old repository that cannot be read is no measure, and no reason to keep it.
    if (error instanceof RepoError) return;
    throw error;
  }
  const after = await countPackages(staged, options);
  if (before > 0 && (before - after) / before > allowedShare) {
    throw new RepoError(
      { code: 'REPO_SHRUNK', before, after, allowedShare },
      `the new repository has ${after} packages, the old one ${before}: more than ${Math.round(allowedShare * 100)} % would go`,
    );
  }
}

async function countPackages(fetcher: Fetcher, { signal }: Abortable): Promise<number> {
  const abortable = signal === undefined ? {} : { signal };
  const repository = await openRepository(fetcher, { verifyRepomd: 'unsigned', ...abortable });
  let count = 0;
  for await (const _ of readIdentities(repository.document('primary', abortable))) count++;
  return count;
}

async function optionalBytes(store: Fetcher, path: string, options: Abortable): Promise<Uint8Array | undefined> {
  try {
    return await fetchBytes(store, path, { maxBytes: maxRepomdBytes, ...options });
  } catch (error) {
    if (error instanceof RepoError && error.code === 'REPO_NOT_FOUND') return undefined;
    throw error;
  }
}
