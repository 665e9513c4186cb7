import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cachedRecord, createRepository, type RepoError, recordFromFile } from '@distrokit/repo/node';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { buildPackages, emptySpec, fileTime, richSpec, temporaryFolder } from './fixture-packages.js';

const packages = temporaryFolder();
const work = temporaryFolder();
const cacheFolder = join(work.path, 'cache');
const options = { revision: '1', timestamp: new Date(0) };
beforeAll(() => buildPackages(packages.path, [richSpec, emptySpec]));
beforeEach(() => rmSync(cacheFolder, { recursive: true, force: true }));
afterAll(() => {
  packages.remove();
  work.remove();
});

let made = 0;
async function create(cache?: { folder: string; onIgnored?: (path: string, error: RepoError) => void }) {
  const outputFolder = join(work.path, `out-${++made}`);
  return createRepository(packages.path, { ...options, outputFolder, ...(cache === undefined ? {} : { cache }) });
}

const entries = (): string[] => readdirSync(cacheFolder).map((name) => join(cacheFolder, name));

test('a package is read once, and the repository is the same byte for byte', async () => {
  const plain = await create();
  const first = await create({ folder: cacheFolder });
  expect(first.packagesRead).toBe(first.packages);
  const second = await create({ folder: cacheFolder });
  expect(second.packages).toBe(plain.packages);
  expect(second.packagesRead).toBe(0);
  expect(first.repomdBytes).toEqual(plain.repomdBytes);
  expect(second.repomdBytes).toEqual(plain.repomdBytes);
});

test('a package that moved to another folder is known; one that changed or was replaced is read', async () => {
  const { packages: count } = await create({ folder: cacheFolder });
  const name = readdirSync(packages.path).find((entry) => entry.startsWith('empty')) ?? '';
  const path = join(packages.path, name);
  mkdirSync(join(packages.path, 'moved'), { recursive: true });
  renameSync(path, join(packages.path, 'moved', name));
  const moved = await create({ folder: cacheFolder });
  expect(moved.packagesRead).toBe(0);
  expect(moved.repomdBytes).toEqual((await create()).repomdBytes);
  renameSync(join(packages.path, 'moved', name), path);
  utimesSync(path, fileTime, new Date(fileTime.getTime() + 1));
  expect((await create({ folder: cacheFolder })).packagesRead).toBe(1);
  // The same size and time in another file.
  writeFileSync(`${path}.new`, readFileSync(path));
  utimesSync(`${path}.new`, fileTime, fileTime);
  renameSync(`${path}.new`, path);
  expect((await create({ folder: cacheFolder })).packagesRead).toBe(1);
  expect((await create({ folder: cacheFolder })).packagesRead).toBe(0);
  expect(moved.packages).toBe(count);
});

test('a damaged entry is reported, not believed, and written anew', async () => {
  const plain = await create();
  const damages: ((bytes: Buffer, other: Buffer) => Buffer)[] = [
    (bytes) => Buffer.from(bytes.toString('latin1').replace('MIT', 'BSD'), 'latin1'),
    (bytes) => bytes.subarray(0, bytes.length - 10),
    () => Buffer.alloc(0),
    (_bytes, other) => other,
  ];
  for (const damage of damages) {
    await create({ folder: cacheFolder });
    const [path = '', other = ''] = entries();
    const damaged = damage(readFileSync(path), readFileSync(other));
    expect(damaged).not.toEqual(readFileSync(path));
    writeFileSync(path, damaged);
    const ignored: string[] = [];
    const cache = {
      folder: cacheFolder,
      onIgnored: (entry: string, error: RepoError) => ignored.push(`${entry} ${error.code}`),
    };
    const again = await create(cache);
    expect(ignored).toEqual([expect.stringMatching(/ REPO_(CHECKSUM|BAD_VALUE)$/)]);
    expect(ignored[0]?.startsWith(path)).toBe(true);
    expect(again.packagesRead).toBe(1);
    expect(again.repomdBytes).toEqual(plain.repomdBytes);
    expect((await create(cache)).packagesRead).toBe(0);
    expect(ignored).toHaveLength(1);
  }
});

test('other options are other records', async () => {
  const path = join(packages.path, readdirSync(packages.path).find((entry) => entry.startsWith('rich')) ?? '');
  const cache = { folder: cacheFolder };
  for (const asked of [
    { checksum: 'sha256' },
    { checksum: 'sha512' },
    { checksum: 'sha256', changelogLimit: 1 },
    { checksum: 'sha256', fileDigests: true },
  ] as const) {
    const wanted = await recordFromFile(path, 'x/rich.rpm', asked, 'https://example.org/');
    const first = await cachedRecord(cache, path, 'elsewhere.rpm', asked);
    expect(first.fromCache).toBe(false);
    const second = await cachedRecord(cache, path, 'x/rich.rpm', asked, 'https://example.org/');
    expect(second).toEqual({ record: wanted, fromCache: true });
    expect(second.record.sizeBytes).toBe(statSync(path).size);
  }
});

test('an update asks the cache for what is new', async () => {
  const cache = { folder: cacheFolder };
  await create(cache);
  const outputFolder = join(work.path, 'updated');
  const two = readdirSync(packages.path).filter((name) => name.endsWith('.rpm'));
  await createRepository(packages.path, { ...options, outputFolder, packages: two.slice(0, 1) });
  const updated = await createRepository(packages.path, {
    ...options,
    outputFolder,
    packages: two,
    update: true,
    cache,
  });
  expect(updated.packages).toBe(two.length);
  expect(updated.packagesRead).toBe(0);
});
