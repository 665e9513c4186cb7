/**
 * dnf as the judge of a repository that we made, signed and published: with gpgcheck and repo_gpgcheck it installs from
 * the good one and refuses each damaged one.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createRepository,
  directoryFetcher,
  directoryStore,
  openRepositoryAt,
  packagePaths,
  publishRepository,
  repomdRecord,
  verifyPublished,
} from '@distrokit/repo/node';
import { type GeneratedKey, generateKey, Keyring, memorySigner, repomdVerifier, signDetached } from '@distrokit/sign';
import { signPackageFile } from '@distrokit/sign/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildPackages, plainSpec, temporaryFolder } from '../repo/fixture-packages.js';

const createdAt = new Date('2026-01-01T00:00:00Z');
const signedAt = new Date('2026-02-03T00:00:00Z');
const top = temporaryFolder();
const published = join(top.path, 'published');
const keyPath = join(top.path, 'key.asc');
let ours: GeneratedKey;
let stranger: GeneratedKey;

beforeAll(async () => {
  [ours, stranger] = await Promise.all(
    ['Ours <ours@example.com>', 'Stranger <stranger@example.com>'].map((userId) =>
      generateKey({ userId, kind: 'rsa3072', createdAt }),
    ) as [Promise<GeneratedKey>, Promise<GeneratedKey>],
  );
  writeFileSync(keyPath, ours.publicKey);
  const staged = join(top.path, 'staged');
  mkdirSync(staged);
  buildPackages(staged, [plainSpec('base', '1.0'), plainSpec('needs-base', '1', ['base >= 1'])]);
  const signer = await memorySigner(ours.privateKey);
  const packages = await packagePaths(staged);
  for (const path of packages) await signPackageFile(join(staged, path), signer, { signedAt });
  const { repomdBytes } = await createRepository(staged, { revision: '1', timestamp: signedAt, compression: 'gz' });
  await publishRepository(directoryFetcher(staged), directoryStore(published), {
    at: signedAt,
    packages,
    signature: await signDetached(repomdBytes, signer, { signedAt }),
  });
}, 120_000);

afterAll(() => top.remove());

let attempts = 0;

/** Installs into an empty root, with a cache that is empty too. */
function install(repository: string, name: string): { readonly status: number | null; readonly text: string } {
  const work = join(top.path, `attempt-${attempts++}`);
  mkdirSync(work);
  // Debian's rpm keeps its database in the home folder unless told otherwise.
  writeFileSync(join(work, '.rpmmacros'), '%_dbpath /var/lib/rpm\n');
  writeFileSync(
    join(work, 'dnf.conf'),
    `[main]
gpgcheck=1
reposdir=/dev/null
plugins=0
cachedir=${work}/cache
logdir=${work}
persistdir=${work}/persist
[judged]
name=judged
baseurl=file://${repository}
gpgcheck=1
repo_gpgcheck=1
gpgkey=file://${keyPath}
`,
  );
  const done = spawnSync(
    'dnf',
    ['-y', '-c', join(work, 'dnf.conf'), `--installroot=${work}/root`, '--releasever=9', 'install', name],
    { encoding: 'utf8', env: { ...process.env, HOME: work, LC_ALL: 'C.UTF-8' } },
  );
  const installed = spawnSync('rpm', ['--root', join(work, 'root'), '--dbpath', '/var/lib/rpm', '-qa'], {
    encoding: 'utf8',
  });
  const text = `${done.stdout}${done.stderr}\ninstalled: ${installed.stdout.trim().split('\n').sort().join(' ')}`;
  rmSync(work, { recursive: true, force: true });
  return { status: done.status, text };
}

test('dnf with gpgcheck and repo_gpgcheck installs from a repository that was signed and published', () => {
  const { status, text } = install(published, 'needs-base');
  expect(status, text).toBe(0);
  // The key that the repository names was imported on the way; rpm lists it as a package.
  expect(text).toMatch(/installed: base-1\.0-1\.noarch (gpg-pubkey-\S+ )?needs-base-1-1\.noarch/);
});

/** Turns one bit of a file over; a place counts from the end when it is negative. */
function flip(path: string, place: number): void {
  const bytes = readFileSync(path);
  const at = place < 0 ? bytes.length + place : place;
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(path, bytes);
}

const repomdPath = (folder: string): string => join(folder, 'repodata/repomd.xml');

async function documentOf(folder: string, type: string): Promise<string> {
  const { repomd } = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
  return join(folder, repomdRecord(repomd, type).location);
}

/** Replaces the signature over repomd.xml, and makes repomd.xml anew when the packages changed. */
async function resign(folder: string, key: GeneratedKey, anew = false): Promise<void> {
  if (anew) await createRepository(folder, { revision: '2', timestamp: signedAt, compression: 'gz' });
  const signature = await signDetached(readFileSync(repomdPath(folder)), await memorySigner(key.privateKey), {
    signedAt,
  });
  writeFileSync(`${repomdPath(folder)}.asc`, signature);
}

/** `metadata`: our own client refuses it as well. It takes no digest of packages, so the others are rpm's and dnf's to find. */
type Damage = [what: string, part: 'metadata' | 'package', damage: (folder: string) => unknown, said: RegExp];
const base = (folder: string): string => join(folder, 'base-1.0-1.noarch.rpm');
const damages: Damage[] = [
  [
    'a repomd.xml with a blank more',
    'metadata',
    (folder) => writeFileSync(repomdPath(folder), ' ', { flag: 'a' }),
    /repomd\.xml GPG signature verification error: Bad GPG signature/,
  ],
  ['no signature', 'metadata', (folder) => rmSync(`${repomdPath(folder)}.asc`), /repomd\.xml\.asc/],
  [
    'a signature of another key',
    'metadata',
    (folder) => resign(folder, stranger),
    /repomd\.xml GPG signature verification error: (Signing key not found|Bad GPG signature)/,
  ],
  [
    'a primary with one bit turned over',
    'metadata',
    async (folder) => flip(await documentOf(folder, 'primary'), -9),
    /[Cc]hecksum/,
  ],
  ['a payload with one bit turned over', 'package', (folder) => flip(base(folder), -5), /incorrect checksum/],
  ['a header with one bit turned over', 'package', (folder) => flip(base(folder), 5000), /incorrect checksum/],
  [
    'a package that another key signed, listed in metadata that ours signed',
    'package',
    async (folder) => {
      await signPackageFile(base(folder), await memorySigner(stranger.privateKey), { signedAt });
      await resign(folder, ours, true);
    },
    /base-1\.0-1\.noarch\.rpm is not (correctly )?(signed|installed)|GPG check FAILED/i,
  ],
];

test.each(damages)(
  'dnf with gpgcheck and repo_gpgcheck installs nothing from a repository with %s (%s)',
  async (_, part, damage, said) => {
    const folder = join(top.path, 'damaged');
    rmSync(folder, { recursive: true, force: true });
    cpSync(published, folder, { recursive: true, preserveTimestamps: true });
    await damage(folder);
    const { status, text } = install(folder, 'needs-base');
    expect(status, text).not.toBe(0);
    expect(text).toMatch(said);
    expect(text).not.toMatch(/installed: .*base/);
    const verifyRepomd = repomdVerifier(Keyring.from(ours.publicKey), { at: signedAt });
    const own = verifyPublished(directoryFetcher(folder), { verifyRepomd });
    if (part === 'metadata') await expect(own).rejects.toThrow();
    else await own;
  },
);
