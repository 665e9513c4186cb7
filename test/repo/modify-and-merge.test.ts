import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createRepository,
  directoryStore,
  filterRepository,
  formatComps,
  formatUpdateinfo,
  memoryStore,
  mergeRepositories,
  modifyRepository,
  openRepository,
  openRepositoryAt,
  type Repository,
  splitRepository,
} from '@distrokit/repo/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildPackages, plainSpec, type TemporaryFolder, temporaryFolder } from './fixture-packages.js';

const timestamp = new Date(1_700_000_000_000);
const options = { revision: '7', timestamp, compression: 'gz', checksum: 'sha256' } as const;
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

const comps = formatComps({
  groups: [
    {
      id: 'tools',
      name: { '': 'Tools', de: 'Werkzeuge' },
      description: { '': 'Tools & more' },
      isDefault: true,
      userVisible: true,
      packages: [{ name: 'alpha', type: 'mandatory' }],
    },
  ],
  categories: [],
  environments: [],
  langpacks: [],
});
const updateinfo = formatUpdateinfo([
  {
    id: 'EX-2026:1',
    type: 'security',
    from: 'a@example.org',
    status: 'final',
    version: '1',
    title: 'alpha update',
    issued: timestamp,
    severity: 'Important',
    references: [{ type: 'cve', id: 'CVE-2026-0001', href: 'https://example.org/CVE-2026-0001' }],
    collections: [
      {
        shortName: 'ex',
        name: 'Example',
        packages: [
          { name: 'alpha', epoch: 0, version: '1.1', release: '1', arch: 'noarch', fileName: 'alpha-1.1-1.noarch.rpm' },
        ],
      },
    ],
  },
]);
const modules = `---
document: modulemd
version: 2
data:
  name: thing
  stream: 1.10
  version: 20260101
  context: abcdef
  arch: x86_64
  summary: A thing
  description: A thing in a stream
  license:
    module: [MIT]
  profiles:
    default:
      rpms: [beta]
  artifacts:
    rpms:
    - beta-0:2.0-1.noarch
...
`;

let packages: TemporaryFolder;
beforeAll(() => {
  packages = temporaryFolder();
  buildPackages(packages.path, [plainSpec('alpha', '1.0'), plainSpec('alpha', '1.1'), plainSpec('beta', '2.0')]);
});
afterAll(() => packages.remove());

function copy(): TemporaryFolder {
  const folder = temporaryFolder();
  cpSync(packages.path, folder.path, { recursive: true, preserveTimestamps: true });
  return folder;
}

function dnf(folder: string, ...args: string[]): string {
  mkdirSync(join(folder, '.root'), { recursive: true });
  const common = [
    '-q',
    '--noplugins',
    '--setopt=reposdir=/dev/null',
    `--setopt=cachedir=${folder}/.cache`,
    `--setopt=logdir=${folder}`,
    `--setopt=persistdir=${folder}/.persist`,
    '--setopt=module_platform_id=platform:el9',
    `--installroot=${folder}/.root`,
    '--releasever=9',
    '--forcearch=x86_64',
    `--repofrompath=t,file://${folder}`,
    '--repo=t',
  ];
  return execFileSync('dnf', [...common, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

async function names(repository: Repository): Promise<string[]> {
  const found: string[] = [];
  for await (const record of repository.packages()) found.push(`${record.name}-${record.version}.${record.arch}`);
  return found;
}

test('dnf sees the group, the advisory and the module that were added', async () => {
  const folder = copy();
  await createRepository(folder.path, { revision: '7', timestamp, compression: 'gz' });
  await modifyRepository(directoryStore(folder.path), {
    ...options,
    add: [
      { type: 'group', fileName: 'comps.xml', bytes: utf8(comps), compression: 'none' },
      { type: 'updateinfo', fileName: 'updateinfo.xml', bytes: utf8(updateinfo) },
      { type: 'modules', fileName: 'modules.yaml', bytes: utf8(modules) },
    ],
  });
  expect(dnf(folder.path, 'group', 'info', 'tools')).toMatch(
    /Description: Tools & more\n Mandatory Packages:\n {3}alpha/,
  );
  expect(dnf(folder.path, 'module', 'list')).toMatch(/thing\s+1\.10\s+default\s+A thing/);
  dnf(folder.path, '-y', '--nogpgcheck', 'install', 'alpha-1.0');
  expect(dnf(folder.path, 'updateinfo', 'list', '--with-cve')).toMatch(
    /CVE-2026-0001 +Important\/Sec\. +alpha-1\.1-1\.noarch/,
  );
  folder.remove();
});

test('records are those of modifyrepo_c, for known types and for any other, and unknown ones stay untouched', async () => {
  const theirs = copy();
  execFileSync('createrepo_c', [
    '-q',
    '--no-database',
    '--simple-md-filenames',
    '--revision',
    '7',
    '--set-timestamp-to-revision',
    theirs.path,
  ]);
  const ours = copy();
  cpSync(join(theirs.path, 'repodata'), join(ours.path, 'repodata'), { recursive: true });
  const sources = temporaryFolder();
  for (const [type, name, content] of [
    ['group', 'comps.xml', comps],
    ['updateinfo', 'updateinfo.xml', updateinfo],
    ['modules', 'modules.yaml', modules],
    ['productid', 'productid', 'a certificate'],
    ['x-own', 'own.txt', 'anything'],
  ] as const) {
    writeFileSync(join(sources.path, name), content);
    execFileSync(
      'modifyrepo_c',
      [
        '--mdtype',
        type,
        '--simple-md-filenames',
        '--no-compress',
        join(sources.path, name),
        join(theirs.path, 'repodata'),
      ],
      { stdio: 'ignore' },
    );
    await modifyRepository(directoryStore(ours.path), {
      ...options,
      compression: 'none',
      plainNames: true,
      add: [{ type, fileName: name, bytes: utf8(content) }],
    });
  }
  const records = async (path: string) => {
    const { repomd } = await openRepositoryAt(path, { verifyRepomd: 'unsigned' });
    return repomd.records
      .map(({ type, location, checksum, sizeBytes, openChecksum }) => ({
        type,
        location,
        checksum,
        sizeBytes,
        openChecksum,
      }))
      .sort((a, b) => (a.type < b.type ? -1 : 1));
  };
  expect(await records(ours.path)).toEqual(await records(theirs.path));
  await modifyRepository(directoryStore(ours.path), { ...options, remove: ['x-own', 'productid'] });
  execFileSync('modifyrepo_c', ['--remove', 'own.txt', '--mdtype', 'x-own', join(theirs.path, 'repodata')], {
    stdio: 'ignore',
  });
  execFileSync('modifyrepo_c', ['--remove', 'productid', '--mdtype', 'productid', join(theirs.path, 'repodata')], {
    stdio: 'ignore',
  });
  expect(await records(ours.path)).toEqual(await records(theirs.path));
  for (const folder of [theirs, ours, sources]) folder.remove();
});

test('a repomd.xml that another publisher replaced meanwhile is not overwritten', async () => {
  const store = memoryStore();
  const folder = copy();
  await createRepository(folder.path, { revision: '1', timestamp });
  for (const name of readdirSync(join(folder.path, 'repodata'))) {
    await store.write(`repodata/${name}`, readFileSync(join(folder.path, 'repodata', name)));
  }
  const racing = {
    ...store,
    write: async (...[path, data, write]: Parameters<typeof store.write>) => {
      if (typeof path !== 'string') await store.write('repodata/repomd.xml', utf8('another'));
      return store.write(path, data, write);
    },
  };
  await expect(
    modifyRepository(racing, { ...options, add: [{ type: 'x', fileName: 'x', bytes: utf8('x') }] }),
  ).rejects.toMatchObject({ code: 'REPO_CONFLICT', fault: { path: 'repodata/repomd.xml' } });
  expect(store.files.get('repodata/repomd.xml')).toEqual(utf8('another'));
  folder.remove();
});

test('merged repositories hold what mergerepo_c keeps, and say where each package lies', async () => {
  const one = copy();
  const two = copy();
  const all = readdirSync(packages.path).filter((name) => name.endsWith('.rpm'));
  await createRepository(one.path, {
    revision: '1',
    timestamp,
    compression: 'gz',
    packages: all.filter((name) => name.startsWith('alpha')),
  });
  await createRepository(two.path, {
    revision: '1',
    timestamp,
    compression: 'gz',
    packages: all.filter((name) => !name.startsWith('alpha-1.0')),
  });
  const merged = temporaryFolder();
  execFileSync(
    'mergerepo_c',
    ['--all', '--no-database', '--repo', `file://${one.path}`, '--repo', `file://${two.path}`, '-o', merged.path],
    { stdio: 'ignore' },
  );
  const sources = [];
  for (const folder of [one, two]) {
    sources.push({
      repository: await openRepositoryAt(folder.path, { verifyRepomd: 'unsigned' }),
      locationBase: `file://${folder.path}`,
    });
  }
  const store = memoryStore();
  await mergeRepositories(sources, store, { ...options, duplicates: 'firstSeen' });
  const ours = await openRepository(store, { verifyRepomd: 'unsigned' });
  const theirs = await openRepositoryAt(merged.path, { verifyRepomd: 'unsigned' });
  const described = async (repository: Repository) => {
    const found = new Set<string>();
    for await (const record of repository.packages())
      found.add(`${record.name}-${record.version}.${record.arch} ${record.pkgid.hex}`);
    return [...found].sort();
  };
  expect(await described(ours)).toEqual(await described(theirs));
  for await (const record of ours.packages()) {
    expect(record.locationBase).toBe(`file://${record.name === 'alpha' ? one.path : two.path}`);
  }
  await expect(mergeRepositories(sources, memoryStore(), options)).rejects.toMatchObject({
    code: 'REPO_DUPLICATE_NEVRA',
  });
  for (const folder of [one, two, merged]) folder.remove();
});

test('a part of a repository has the advisories of its packages, and other documents as they were', async () => {
  const folder = copy();
  await createRepository(folder.path, {
    revision: '1',
    timestamp,
    extraDocuments: [
      { type: 'updateinfo', fileName: 'updateinfo.xml', bytes: utf8(updateinfo) },
      { type: 'x-own', fileName: 'own.txt', bytes: utf8('anything') },
    ],
  });
  const repository = await openRepositoryAt(folder.path, { verifyRepomd: 'unsigned' });
  const store = memoryStore();
  await filterRepository(repository, (record) => record.name === 'beta', store, options);
  const part = await openRepository(store, { verifyRepomd: 'unsigned' });
  expect(await names(part)).toEqual(['beta-2.0.noarch', 'beta-2.0.src']);
  expect(part.repomd.records.map((record) => record.type)).toEqual(['primary', 'filelists', 'other', 'x-own']);
  const stores = [memoryStore(), memoryStore()];
  await splitRepository(repository, (record) => [record.arch === 'src' ? 1 : 0], stores, options);
  const [binary, source] = await Promise.all(stores.map((each) => openRepository(each, { verifyRepomd: 'unsigned' })));
  expect(await names(binary as Repository)).toEqual(['alpha-1.0.noarch', 'alpha-1.1.noarch', 'beta-2.0.noarch']);
  expect(await names(source as Repository)).toEqual(['alpha-1.0.src', 'alpha-1.1.src', 'beta-2.0.src']);
  expect(binary?.repomd.records.some((record) => record.type === 'updateinfo')).toBe(true);
  expect(source?.repomd.records.some((record) => record.type === 'updateinfo')).toBe(false);
  folder.remove();
});
