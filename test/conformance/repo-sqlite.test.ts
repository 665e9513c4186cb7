/**
 * Our databases beside those that sqliterepo_c makes of the same documents, read by Python's sqlite3.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import {
  addDatabases,
  createRepository,
  directoryStore,
  openRepositoryAt,
  type PackageRecord,
  updateRepository,
  writeRepository,
} from '@distrokit/repo/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildPackages, emptySpec, plainSpec, richSpec, temporaryFolder } from '../repo/fixture-packages.js';

const top = temporaryFolder();
const ours = join(top.path, 'ours');
const theirs = join(top.path, 'theirs');
const work = join(top.path, 'work');
const timestamp = new Date('2026-02-03T04:05:06Z');
const options = { timestamp, compression: 'gz', checksum: 'sha256' } as const;
const types = ['primary', 'filelists', 'other'];

const rootSpec = `Name: root
Version: 1
Release: 1
Summary: s
License: MIT
Packager: P <p@example.org>
%description
%install
mkdir -p %{buildroot}/deep/er
touch %{buildroot}/top %{buildroot}/deep/er/x
%files
/top
/deep
`;

beforeAll(async () => {
  mkdirSync(ours);
  buildPackages(ours, [richSpec, emptySpec, rootSpec, plainSpec('plain', '1', ['other >= 2'])]);
  await createRepository(ours, { revision: '1', ...options, locationBase: 'https://example.org/base/' });
  // A package that leaves every text empty that may be empty.
  const records: PackageRecord[] = [];
  const made = await openRepositoryAt(ours, { verifyRepomd: 'unsigned' });
  for await (const record of made.packages({ files: true, changelogs: true })) records.push(record);
  const empty = records.find(({ name, arch }) => name === 'empty' && arch === 'x86_64') as PackageRecord;
  const texts = ['summary', 'description', 'packager', 'url', 'license', 'vendor', 'group', 'buildHost', 'sourceRpm'];
  const blank = Object.fromEntries(texts.map((field) => [field, '']));
  const pkgid = { algorithm: 'sha256', hex: '0'.repeat(64) } as const;
  records.push({ ...empty, ...blank, name: 'blank', location: 'blank.rpm', pkgid });
  await writeRepository(records, directoryStore(ours), { revision: '1', ...options });
  cpSync(ours, theirs, { recursive: true });
  execFileSync('sqliterepo_c', ['--quiet', '--compress-type', 'gz', `${theirs}/`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await addDatabases(directoryStore(ours), { ...options, workFolder: work });
}, 120_000);

afterAll(() => top.remove());

async function databasePaths(folder: string): Promise<string[]> {
  const { repomd } = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
  return types.map((type) => {
    const record = repomd.records.find((candidate) => candidate.type === `${type}_db`);
    expect(record?.databaseVersion).toBe(10);
    const path = join(top.path, `${folder === ours ? 'ours' : 'theirs'}-${type}.sqlite`);
    writeFileSync(path, gunzipSync(readFileSync(join(folder, record?.location ?? ''))));
    return path;
  });
}

async function dumped(folder: string): Promise<{ readonly check: string; readonly rows: Record<string, unknown[]> }[]> {
  const script = fileURLToPath(new URL('./dump-sqlite.py', import.meta.url));
  const out = execFileSync('/usr/bin/python3', [script, ...(await databasePaths(folder))], { encoding: 'utf8' });
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('schema and rows of the three databases are those of sqliterepo_c', async () => {
  const expected = await dumped(theirs);
  expect(expected.map(({ check }) => check)).toEqual(['ok', 'ok', 'ok']);
  expect(expected[0]?.rows.packages).toHaveLength(9);
  expect(expected[0]?.rows.requires?.length).toBeGreaterThan(5);
  expect(expected[1]?.rows.filelist?.length).toBeGreaterThan(5);
  expect(expected[2]?.rows.changelog?.length).toBeGreaterThan(5);
  expect(await dumped(ours)).toEqual(expected);
});

test('the same documents give the same bytes of databases, and nothing is left in the work folder', async () => {
  const before = (await databasePaths(ours)).map((path) => readFileSync(path));
  await addDatabases(directoryStore(ours), { ...options, workFolder: work });
  expect((await databasePaths(ours)).map((path) => readFileSync(path))).toEqual(before);
  expect(readdirSync(work)).toEqual([]);
});

test('an update takes databases out that no longer fit', async () => {
  const folder = join(top.path, 'updated');
  cpSync(ours, folder, { recursive: true });
  const store = directoryStore(folder);
  await updateRepository(store, { remove: ['empty-0-0.x86_64.rpm'] }, { ...options, revision: '2' });
  const { repomd } = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
  expect(repomd.records.map(({ type }) => type)).toEqual(types);
});

test('a repository that cannot be read leaves repomd.xml and the work folder as they were', async () => {
  const folder = join(top.path, 'damaged');
  cpSync(ours, folder, { recursive: true });
  const store = directoryStore(folder);
  const { repomd, repomdBytes } = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
  const other = repomd.records.find(({ type }) => type === 'other');
  writeFileSync(join(folder, other?.location ?? ''), 'damaged');
  await expect(addDatabases(store, { ...options, workFolder: work })).rejects.toMatchObject({ name: 'RepoError' });
  expect(new Uint8Array(readFileSync(join(folder, 'repodata', 'repomd.xml')))).toEqual(new Uint8Array(repomdBytes));
  expect(readdirSync(work)).toEqual([]);
});
