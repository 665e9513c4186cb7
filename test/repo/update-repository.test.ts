import { cpSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CreatedRepository,
  type CreateRepositoryOptions,
  createRepository,
  directoryStore,
  memoryStore,
  openRepository,
  type PackageRecord,
  packagePaths,
  recordFromFile,
  updateRepository,
  writeRepository,
} from '@distrokit/repo/node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  buildPackages,
  emptySpec,
  fileTime,
  plainSpec,
  richSpec,
  type TemporaryFolder,
  temporaryFolder,
} from './fixture-packages.js';

const timestamp = new Date(1_700_000_000_000);
const base = { revision: '1', timestamp, compression: 'none', plainNames: true } as const;

let packages: TemporaryFolder;
beforeAll(() => {
  packages = temporaryFolder();
  buildPackages(packages.path, [
    richSpec,
    emptySpec,
    plainSpec('alpha', '1.0'),
    plainSpec('alpha', '1.1'),
    plainSpec('beta', '2.0'),
  ]);
});
afterAll(() => packages.remove());

function copy(): TemporaryFolder {
  const folder = temporaryFolder();
  cpSync(packages.path, folder.path, { recursive: true, preserveTimestamps: true });
  return folder;
}

function documents(folder: string): string[] {
  return ['primary', 'filelists', 'other', 'repomd'].map((type) =>
    readFileSync(join(folder, `repodata/${type}.xml`), 'utf8'),
  );
}

/** The same folder made anew and updated: the documents must be the same bytes. */
async function bothWays(folder: string, options: Partial<CreateRepositoryOptions> = {}): Promise<CreatedRepository> {
  const updated = await createRepository(folder, { ...base, ...options, update: true });
  const now = documents(folder);
  const fresh = temporaryFolder();
  await createRepository(folder, { ...base, ...options, outputFolder: fresh.path });
  expect(now).toEqual(documents(fresh.path));
  fresh.remove();
  return updated;
}

describe('createRepository with update', () => {
  test('reads nothing when nothing changed, and what was added, changed or moved when something did', async () => {
    const folder = copy();
    await createRepository(folder.path, base);
    expect(await bothWays(folder.path)).toMatchObject({ packages: 10, packagesRead: 0 });
    rmSync(join(folder.path, 'alpha-1.0-1.noarch.rpm'));
    expect(await bothWays(folder.path)).toMatchObject({ packages: 9, packagesRead: 0 });
    cpSync(join(packages.path, 'alpha-1.0-1.noarch.rpm'), join(folder.path, 'alpha-1.0-1.noarch.rpm'), {
      preserveTimestamps: true,
    });
    expect(await bothWays(folder.path)).toMatchObject({ packages: 10, packagesRead: 1 });
    utimesSync(join(folder.path, 'beta-2.0-1.noarch.rpm'), fileTime, new Date(fileTime.getTime() + 5000));
    expect(await bothWays(folder.path)).toMatchObject({ packages: 10, packagesRead: 1 });
    rmSync(join(folder.path, 'beta-2.0-1.noarch.rpm'));
    cpSync(join(packages.path, 'beta-2.0-1.noarch.rpm'), join(folder.path, 'source', 'beta-2.0-1.noarch.rpm'), {
      preserveTimestamps: true,
    });
    expect(await bothWays(folder.path)).toMatchObject({ packages: 10, packagesRead: 1 });
    folder.remove();
  });

  test('goes from nothing to something and back', async () => {
    const folder = copy();
    await createRepository(folder.path, { ...base, packages: [] });
    expect(await bothWays(folder.path)).toMatchObject({ packages: 10, packagesRead: 10 });
    expect(await bothWays(folder.path, { packages: [] })).toMatchObject({ packages: 0, packagesRead: 0 });
    folder.remove();
  });

  test('reads everything when the documents that are there are damaged, or made with another digest or base', async () => {
    const folder = copy();
    await createRepository(folder.path, base);
    const path = join(folder.path, 'repodata/filelists.xml');
    writeFileSync(path, readFileSync(path, 'utf8').replace('</filelists>', '</filelists> '));
    rmSync(join(folder.path, 'alpha-1.0-1.noarch.rpm'));
    expect(await bothWays(folder.path)).toMatchObject({ packages: 9, packagesRead: 9 });
    expect(await bothWays(folder.path, { checksum: 'sha512' })).toMatchObject({ packagesRead: 9 });
    expect(await bothWays(folder.path, { checksum: 'sha512', locationBase: 'https://example.org/' })).toMatchObject({
      packagesRead: 9,
    });
    expect(await bothWays(folder.path, { checksum: 'sha512', locationBase: 'https://example.org/' })).toMatchObject({
      packagesRead: 0,
    });
    folder.remove();
  });

  test('turns documents into another compression without reading packages, and keeps documents of other types', async () => {
    const folder = copy();
    const own = { type: 'x-own', fileName: 'own.txt', bytes: new TextEncoder().encode('own') };
    await createRepository(folder.path, { revision: '1', timestamp, compression: 'gz', extraDocuments: [own] });
    const made = await createRepository(folder.path, { revision: '2', timestamp, compression: 'zst', update: true });
    expect(made.packagesRead).toBe(0);
    expect(made.repomd.records.map((record) => record.location.replace(/^repodata\/[0-9a-f]+-/, ''))).toEqual([
      'primary.xml.zst',
      'filelists.xml.zst',
      'other.xml.zst',
      'own.txt.gz',
    ]);
    const repository = await openRepository(directoryStore(folder.path), { verifyRepomd: 'unsigned' });
    for await (const chunk of repository.document('x-own')) expect(new TextDecoder().decode(chunk)).toBe('own');
    folder.remove();
  });

  test('refuses an added package that has the NEVRA of one that stays', async () => {
    const folder = copy();
    await createRepository(folder.path, base);
    writeFileSync(
      join(folder.path, 'zz.rpm'),
      Buffer.concat([readFileSync(join(folder.path, 'alpha-1.0-1.noarch.rpm')), Buffer.from('x')]),
    );
    await expect(createRepository(folder.path, { ...base, update: true })).rejects.toMatchObject({
      fault: {
        code: 'REPO_DUPLICATE_NEVRA',
        first: { location: 'alpha-1.0-1.noarch.rpm' },
        second: { location: 'zz.rpm' },
      },
    });
    folder.remove();
  });

  test('over a repository that names one location twice, as merged ones do, counts what it writes', async () => {
    const folder = copy();
    const location = 'beta-2.0-1.noarch.rpm';
    const beta = await recordFromFile(join(folder.path, location), location, { checksum: 'sha256' });
    const twice = [beta, { ...beta, locationBase: 'https://example.org/' }];
    const options = { ...base, checksum: 'sha256', duplicates: 'keep' } as const;
    await writeRepository(twice, directoryStore(folder.path), options);
    expect(documents(folder.path)[0]).toContain('packages="2"');
    await bothWays(folder.path, { packages: [location] });
    expect(documents(folder.path)[0]).toContain('packages="1"');
    folder.remove();
  });

  test('with a policy that chooses among packages of one NEVRA, chooses as writing everything does', async () => {
    const folder = copy();
    const options = { ...base, duplicates: 'firstSeen' } as const;
    await createRepository(folder.path, options);
    const twin = readFileSync(join(folder.path, 'beta-2.0-1.noarch.rpm'));
    writeFileSync(join(folder.path, 'aaa.rpm'), Buffer.concat([twin, Buffer.from('x')]));
    await bothWays(folder.path, options);
    expect(documents(folder.path)[0]).toContain('href="aaa.rpm"');
    expect(documents(folder.path)[0]).not.toContain('href="beta-2.0-1.noarch.rpm"');
    folder.remove();
  });
});

describe('updateRepository', () => {
  let records: PackageRecord[];
  const options = { revision: '2', timestamp, compression: 'gz', checksum: 'sha256', plainNames: true } as const;
  beforeAll(async () => {
    records = [];
    for (const path of await packagePaths(packages.path)) {
      records.push(await recordFromFile(join(packages.path, path), path, { checksum: 'sha256' }));
    }
  });

  test('gives the bytes that writing all packages gives, without a package on disk', async () => {
    for (const [at, subject] of records.entries()) {
      const others = records.filter((_, index) => index !== at);
      const without = memoryStore();
      await writeRepository(others, without, options);
      const all = memoryStore();
      await writeRepository(records, all, options);
      const added = memoryStore();
      await writeRepository(others, added, { ...options, revision: '1' });
      await updateRepository(added, { add: [subject] }, options);
      expect(added.files).toEqual(all.files);
      await updateRepository(added, { remove: [subject.location, 'never/there.rpm'] }, options);
      expect(added.files).toEqual(without.files);
    }
  });

  test('puts a package in the place of the one at its location', async () => {
    const store = memoryStore();
    await writeRepository(records, store, options);
    const subject = { ...(records[0] as PackageRecord), summary: 'another' };
    await updateRepository(store, { add: [subject] }, options);
    const fresh = memoryStore();
    await writeRepository([subject, ...records.slice(1)], fresh, options);
    expect(store.files).toEqual(fresh.files);
  });

  test('writes repomd.xml alone when there is nothing to change', async () => {
    const store = memoryStore();
    await writeRepository(records, store, options);
    const written: string[] = [];
    const watching: typeof store = {
      ...store,
      write: (path, data, write) => {
        written.push(typeof path === 'string' ? path : 'a document');
        return store.write(path, data, write);
      },
    };
    await updateRepository(watching, {}, { ...options, revision: '3' });
    expect(written).toEqual(['repodata/repomd.xml']);
  });

  test('any order of the packages gives the same bytes', async () => {
    const store = memoryStore();
    await writeRepository(records, store, options);
    const shuffled = memoryStore();
    await writeRepository(
      [...records].sort((a, b) => (a.pkgid.hex < b.pkgid.hex ? -1 : 1)),
      shuffled,
      options,
    );
    expect(shuffled.files).toEqual(store.files);
  });
});
