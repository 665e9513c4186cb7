import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ClientProfile,
  type CreateRepositoryOptions,
  createRepository,
  memoryStore,
  openRepository,
  openRepositoryAt,
  packagePaths,
  recordFromFile,
  repositoryProfiles,
  writeRepository,
  zchunkDocuments,
} from '@distrokit/repo/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildPackages, plainSpec, richSpec, type TemporaryFolder, temporaryFolder } from './fixture-packages.js';

const timestamp = new Date(1_700_000_000_000);
const comps = {
  type: 'group',
  fileName: 'comps.xml',
  bytes: new TextEncoder().encode('<?xml version="1.0"?>\n<comps><group><id>g</id><name>G</name></group></comps>\n'),
};
const common = { revision: '1', timestamp, extraDocuments: [comps] };

let packages: TemporaryFolder;
beforeAll(() => {
  packages = temporaryFolder();
  buildPackages(packages.path, [richSpec, plainSpec('alpha', '1.0'), plainSpec('beta', '2.0')]);
});
afterAll(() => packages.remove());

async function made(options: Partial<CreateRepositoryOptions>): Promise<TemporaryFolder> {
  const folder = temporaryFolder();
  cpSync(packages.path, folder.path, { recursive: true, preserveTimestamps: true });
  await createRepository(folder.path, { ...common, ...options });
  return folder;
}

async function textOf(folder: string, type: string): Promise<string> {
  const repository = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
  const chunks: Uint8Array[] = [];
  for await (const chunk of repository.document(type)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** `type file` of each record, digests left out. */
async function listed(folder: string): Promise<string[]> {
  const { repomd } = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
  return repomd.records.map(({ type, location }) => `${type} ${location.replace(/^repodata\/[0-9a-f]{64}-/, '')}`);
}

const three = (ending: string): string[] =>
  ['primary', 'filelists', 'other'].map((type) => `${type} ${type}.xml.${ending}`);
const databases = ['primary', 'filelists', 'other'].map((type) => `${type}_db ${type}.sqlite.gz`);

test.each<[ClientProfile, string[]]>([
  ['el7', [...three('gz'), ...databases, 'group comps.xml']],
  ['el8', [...three('gz'), 'group comps.xml.gz']],
  ['el9+', [...three('zst'), 'group comps.xml.zst']],
  ['fedora', [...three('zst'), 'group comps.xml.zst']],
  ['zypper', [...three('gz'), 'group comps.xml.gz']],
])('%s gets the documents that its clients read, and dnf reads them too', async (profile, expected) => {
  const folder = await made({ profile });
  expect(await listed(folder.path)).toEqual(expected);
  const words = [
    '--quiet',
    '--noplugins',
    '--setopt=reposdir=/dev/null',
    `--setopt=cachedir=${folder.path}/.cache`,
    `--setopt=logdir=${folder.path}`,
    `--repofrompath=judged,file://${folder.path}`,
    '--repo=judged',
    '--nogpgcheck',
  ];
  const dnf = (...args: string[]): string =>
    execFileSync('dnf', [...words, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  expect(dnf('repoquery', '--whatprovides', '/usr/share/beta/version')).toBe('beta-0:2.0-1.noarch\n');
  expect(dnf('repoquery', '--list', 'alpha.noarch')).toBe('/usr/share/alpha\n/usr/share/alpha/version\n');
  folder.remove();
});

test('what is chosen by an option of its own is left as chosen', async () => {
  const kept = { ...comps, compression: 'xz' } as const;
  const folder = await made({ profile: 'el7', compression: 'none', databases: false, extraDocuments: [kept] });
  expect(await listed(folder.path)).toEqual([
    'primary primary.xml',
    'filelists filelists.xml',
    'other other.xml',
    'group comps.xml.xz',
  ]);
  folder.remove();
  await expect(made({ profile: 'el6' as ClientProfile })).rejects.toThrow(TypeError);
});

test('all forms go into one repomd.xml, hold the same packages, and leave nothing else behind', async () => {
  const folder = await made({ profile: 'el7', zchunk: true, filelistsExt: true });
  const records = await listed(folder.path);
  const forms = ['primary', 'filelists', 'other'].map((type) => `${type}_zck ${type}.xml.zck`);
  expect(records).toEqual([
    ...three('gz'),
    ...databases,
    ...forms,
    'filelists-ext filelists-ext.xml.gz',
    'group comps.xml',
  ]);
  expect(readdirSync(join(folder.path, 'repodata'))).toHaveLength(records.length + 1);
  for (const type of ['primary', 'filelists', 'other']) {
    expect(await textOf(folder.path, `${type}_zck`)).toBe(await textOf(folder.path, type));
  }
  const ext = await textOf(folder.path, 'filelists-ext');
  const plain = ext.replace(/ *<checksum type="sha256"\/>\n/g, '').replace(/ hash="[0-9a-f]{64}"/g, '');
  expect(plain).toBe(
    (await textOf(folder.path, 'filelists'))
      .replaceAll('filelists xmlns', 'filelists-ext xmlns')
      .replace('metadata/filelists"', 'metadata/filelists-ext"')
      .replace('</filelists>', '</filelists-ext>'),
  );
  expect(ext.match(/hash="/g)?.length).toBeGreaterThan(8);
  folder.remove();
});

test('an update makes the forms anew for the packages that are there now', async () => {
  const folder = await made({ zchunk: true, filelistsExt: true });
  rmSync(join(folder.path, 'beta-2.0-1.noarch.rpm'));
  copyFileSync(join(packages.path, 'alpha-1.0-1.noarch.rpm'), join(folder.path, 'other-name.rpm'));
  rmSync(join(folder.path, 'alpha-1.0-1.noarch.rpm'));
  await createRepository(folder.path, { ...common, revision: '2', update: true, zchunk: true, filelistsExt: true });
  const primary = await textOf(folder.path, 'primary');
  expect(primary).toContain('<location href="other-name.rpm"/>');
  expect(primary).not.toContain('beta-2.0-1.noarch.rpm');
  expect(await textOf(folder.path, 'primary_zck')).toBe(primary);
  expect((await textOf(folder.path, 'filelists-ext')).match(/<package /g)).toHaveLength(5);
  folder.remove();
});

test('of two packages with one NEVRA filelists-ext has the one that the policy left in', async () => {
  const folder = temporaryFolder();
  cpSync(join(packages.path, 'beta-2.0-1.noarch.rpm'), join(folder.path, 'a.rpm'));
  cpSync(join(packages.path, 'beta-2.0-1.noarch.rpm'), join(folder.path, 'b.rpm'));
  await createRepository(folder.path, { ...common, duplicates: 'firstSeen', filelistsExt: true });
  expect((await textOf(folder.path, 'filelists-ext')).match(/<package /g)).toHaveLength(1);
  folder.remove();
});

test('documents derived from records that came from anywhere are written before repomd.xml, which is written once', async () => {
  const paths = await packagePaths(packages.path);
  const records = await Promise.all(
    paths.map((path) => recordFromFile(join(packages.path, path), path, { checksum: 'sha256' })),
  );
  const store = memoryStore();
  const written: string[] = [];
  const watched: typeof store = {
    ...store,
    write: (path, data, options) => {
      written.push(typeof path === 'string' ? path : 'a document');
      return store.write(path, data, options);
    },
  };
  await writeRepository(records, watched, {
    ...repositoryProfiles.fedora.documents,
    revision: '1',
    timestamp,
    derivedDocuments: [
      zchunkDocuments,
      async ({ repomd }) => [{ type: 'x-count', fileName: 'count', bytes: new Uint8Array(repomd.records.length) }],
    ],
  });
  expect(written).toEqual([...Array.from({ length: 7 }, () => 'a document'), 'repodata/repomd.xml']);
  const { repomd } = await openRepository(store, { verifyRepomd: 'unsigned' });
  expect(repomd.records.map(({ type }) => type).slice(3)).toEqual([
    'primary_zck',
    'filelists_zck',
    'other_zck',
    'x-count',
  ]);
  expect(repomd.records.at(-1)?.openSizeBytes).toBe(3);
});
