/**
 * The lock of a buildroot: exactly which packages a build saw, where they lie, and their digests.
 *
 * `buildrootLock` makes one from a finished build, `materializeLock` brings its packages into a folder and checks
 * every byte, and a buildroot of kind `lock` is made from that folder alone. mock's `buildroot_lock.json` is
 * written and read; it names packages by the MD5 of header and payload, so its packages are checked by that.
 *
 * Reference: mock, docs/buildroot-lock-schema-1.1.0.json; docs/feature-hermetic-builds.md
 */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fetcher, PackageRecord, Repository } from '@distrokit/repo';
import { createRepository } from '@distrokit/repo/node';
import { type Abortable, formatNevra, type Nevra, quote, readPackage } from '@distrokit/rpm';
import { BuildError } from './errors.js';

/** One package of the root that a build ran in, as rpm's database has it. */
export interface RootPackage extends Nevra {
  readonly license: string;
  /** MD5 of header and payload, hexadecimal: the identity that rpm's database keeps. */
  readonly sigmd5: string;
}

/** A package of a lock: what it is and where it lies. */
export interface LockedPackage extends RootPackage {
  /** Repository location joined with the package's own. */
  readonly url: string;
  /** Of the whole file, hexadecimal. Absent in a lock that came from mock. */
  readonly sha256?: string;
  readonly sizeBytes?: number;
}

/** The packages of a root, sorted by NEVRA. */
export interface BuildrootLock {
  readonly arch: string;
  readonly packages: readonly LockedPackage[];
}

/** A repository that locked packages are looked up in, with the word for where it is. */
export interface LockSource {
  readonly location: string;
  readonly repository: Repository;
}

/**
 * The lock of a root: each package found in the repositories it came from, the first that has it.
 *
 * Throws BUILD_LOCK_MISMATCH when a package of the root is in none of them.
 */
export async function buildrootLock(
  arch: string,
  rootPackages: readonly RootPackage[],
  sources: readonly LockSource[],
  options: Abortable = {},
): Promise<BuildrootLock> {
  const wanted = new Map(rootPackages.map((each) => [identity(each), each]));
  const found = new Map<string, LockedPackage>();
  for (const { location, repository } of sources) {
    for await (const record of repository.packages(options)) {
      const key = identity(record);
      const root = wanted.get(key);
      if (root === undefined || found.has(key)) continue;
      found.set(key, {
        ...root,
        url: joinUrl(record.locationBase ?? location, record.location),
        ...(record.pkgid.algorithm === 'sha256' ? { sha256: record.pkgid.hex } : {}),
        sizeBytes: record.sizeBytes,
      });
    }
  }
  const missing = [...wanted.keys()].filter((key) => !found.has(key)).sort();
  if (missing.length > 0) throw mismatch({ missing, unexpected: [], changed: [] }, 'in no repository');
  return { arch, packages: [...found.values()].sort((a, b) => compareText(identity(a), identity(b))) };
}

/** Ceiling on one package of a root. */
const maxPackageBytes = 16 * 1024 ** 3;

/**
 * Brings the packages of a lock into a folder, each under its file name, and checks it: SHA-256 and size where the lock
 * has them, else the MD5 that mock keeps. The folder becomes a repository of exactly these packages.
 * `fetcherOf` answers for a URL's part before the file name.
 *
 * Throws BUILD_LOCK_MISMATCH (`changed`: other content) and what the fetcher throws.
 */
export async function materializeLock(
  lock: BuildrootLock,
  folder: string,
  fetcherOf: (base: string) => Fetcher,
  options: Abortable = {},
): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const each of lock.packages) {
    options.signal?.throwIfAborted();
    const slash = each.url.lastIndexOf('/');
    const name = each.url.slice(slash + 1);
    if (slash < 0 || name === '' || name.startsWith('.'))
      throw badDocument('lock', quote(identity(each)), 'a url that ends in a file name', quote(each.url));
    const maxBytes = each.sizeBytes ?? maxPackageBytes;
    const bytes = await collectBytes(fetcherOf(each.url.slice(0, slash)).fetch(name, { ...options, maxBytes }));
    const problem = await contentProblem(each, bytes);
    if (problem !== undefined) throw mismatch({ missing: [], unexpected: [], changed: [identity(each)] }, problem);
    await writeFile(join(folder, name), bytes);
  }
  await createRepository(folder, { revision: 'lock', timestamp: new Date(0), compression: 'gz' });
}

/** Throws BUILD_LOCK_MISMATCH unless a root holds exactly the packages of a lock, by identity and content. */
export function assertLocked(lock: BuildrootLock, rootPackages: readonly RootPackage[]): void {
  const there = new Map(rootPackages.map((each) => [identity(each), each]));
  const locked = new Map(lock.packages.map((each) => [identity(each), each]));
  const missing = [...locked.keys()].filter((key) => !there.has(key)).sort();
  const unexpected = [...there.keys()].filter((key) => !locked.has(key)).sort();
  const changed = [...locked]
    .filter(([key, each]) => there.has(key) && there.get(key)?.sigmd5 !== each.sigmd5)
    .map(([key]) => key);
  if (missing.length + unexpected.length + changed.length > 0) {
    throw mismatch({ missing, unexpected, changed: changed.sort() }, 'the root is another one');
  }
}

/** mock's document, version 1.1.0. */
export interface MockLock {
  readonly version: '1.1.0';
  readonly buildroot: {
    readonly rpms: readonly {
      readonly name: string;
      readonly epoch: string | null;
      readonly version: string;
      readonly release: string;
      readonly arch: string;
      readonly license: string;
      readonly sigmd5: string;
      readonly signature: string | null;
      readonly url: string;
    }[];
  };
  readonly config: { readonly target_arch: string; readonly [name: string]: unknown };
}

/** A lock as mock writes it, ready for `JSON.stringify`. Signatures and the bootstrap root are not known here. */
export function mockLockOf(lock: BuildrootLock): MockLock {
  const rpms = lock.packages.map(({ name, epoch, version, release, arch, license, sigmd5, url }) => ({
    name,
    epoch: epoch === undefined ? null : String(epoch),
    version,
    release,
    arch,
    license,
    sigmd5,
    signature: null,
    url,
  }));
  return { version: '1.1.0', buildroot: { rpms }, config: { target_arch: lock.arch } };
}

/** Reads mock's `buildroot_lock.json`, 1.0.0 or 1.1.0. Throws BUILD_BAD_DOCUMENT with the place of the fault. */
export function parseMockLock(text: string): BuildrootLock {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw badDocument('buildroot_lock.json', 'the document', 'JSON', quote(text.slice(0, 40)));
  }
  const root = record(json, 'the document');
  const version = textOf(root.version, 'version');
  if (!/^1\.[01]\.0$/.test(version))
    throw badDocument('buildroot_lock.json', 'version', '1.0.0 or 1.1.0', quote(version));
  const rpms = record(root.buildroot, 'buildroot').rpms;
  if (!Array.isArray(rpms)) throw badDocument('buildroot_lock.json', 'buildroot.rpms', 'a list', typeof rpms);
  const packages = rpms.map((each: unknown, at): LockedPackage => {
    const where = `buildroot.rpms[${at}]`;
    const rpm = record(each, where);
    const epoch = rpm.epoch;
    if (
      epoch !== null &&
      !(typeof epoch === 'string' && /^\d+$/.test(epoch)) &&
      !(typeof epoch === 'number' && Number.isSafeInteger(epoch) && epoch >= 0)
    ) {
      throw badDocument('buildroot_lock.json', `${where}.epoch`, 'a number or null', quote(String(epoch)));
    }
    const word = (name: string): string => textOf(rpm[name], `${where}.${name}`);
    const known = {
      name: word('name'),
      version: word('version'),
      release: word('release'),
      arch: word('arch'),
      license: word('license'),
      sigmd5: word('sigmd5'),
      url: word('url'),
    };
    return epoch === null ? known : { ...known, epoch: Number(epoch) };
  });
  const config = record(root.config, 'config');
  return {
    arch: textOf(config.target_arch, 'config.target_arch'),
    packages: packages.sort((a, b) => compareText(identity(a), identity(b))),
  };
}

async function contentProblem(locked: LockedPackage, bytes: Uint8Array): Promise<string | undefined> {
  if (locked.sizeBytes !== undefined && bytes.length !== locked.sizeBytes) {
    return `${locked.sizeBytes} bytes wanted, ${bytes.length} found`;
  }
  if (locked.sha256 !== undefined) {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return sha256 === locked.sha256 ? undefined : `SHA-256 ${locked.sha256} wanted, ${sha256} found`;
  }
  // What the package says of itself is not enough: the digest is computed over what is there.
  const pkg = await readPackage(bytes);
  const md5 = createHash('md5').update(bytes.subarray(pkg.headerRange.start)).digest('hex');
  return md5 === locked.sigmd5 ? undefined : `MD5 ${locked.sigmd5} wanted, ${md5} found`;
}

function identity(pkg: Nevra | PackageRecord): string {
  const { name, version, release, arch, epoch } = pkg;
  // Epoch 0 and no epoch are one identity; repodata writes 0 for both.
  return formatNevra(
    epoch === undefined || epoch === 0 ? { name, version, release, arch } : { name, epoch, version, release, arch },
  );
}

async function collectBytes(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

function joinUrl(base: string, location: string): string {
  return `${base.replace(/\/+$/, '')}/${location}`;
}

function record(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badDocument('buildroot_lock.json', where, 'an object', value === null ? 'null' : typeof value);
  }
  return value as Readonly<Record<string, unknown>>;
}

function textOf(value: unknown, where: string): string {
  if (typeof value !== 'string')
    throw badDocument('buildroot_lock.json', where, 'a text', value === null ? 'null' : typeof value);
  return value;
}

function badDocument(document: string, where: string, wanted: string, found: string): BuildError {
  return new BuildError(
    { code: 'BUILD_BAD_DOCUMENT', document, where, wanted, found },
    `${document}: ${where}: ${wanted} wanted, found ${found}`,
  );
}

function mismatch(
  fault: {
    readonly missing: readonly string[];
    readonly unexpected: readonly string[];
    readonly changed: readonly string[];
  },
  why: string,
): BuildError {
  const all = [
    ...fault.missing.map((each) => `-${each}`),
    ...fault.unexpected.map((each) => `+${each}`),
    ...fault.changed.map((each) => `≠${each}`),
  ];
  return new BuildError(
    { code: 'BUILD_LOCK_MISMATCH', ...fault },
    `buildroot lock: ${why}: ${all.slice(0, 5).join(', ')}${all.length > 5 ? `, and ${all.length - 5} more` : ''}`,
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
