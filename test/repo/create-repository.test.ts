import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { createRepository, openRepositoryAt, RepoError } from '@distrokit/repo/node';
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

const revision = '1700000000';
const timestamp = new Date(1_700_000_000_000);
const documents = ['primary', 'filelists', 'other'] as const;

let packages: TemporaryFolder;
beforeAll(() => {
  packages = temporaryFolder();
  buildPackages(packages.path, [
    richSpec,
    emptySpec,
    plainSpec('alpha', '1.0'),
    plainSpec('alpha', '1.1', ['beta >= 2']),
    plainSpec('beta', '2.0'),
  ]);
});
afterAll(() => packages.remove());

/** A copy of the packages, with the times of their files. */
function copy(): TemporaryFolder {
  const folder = temporaryFolder();
  cpSync(packages.path, folder.path, { recursive: true, preserveTimestamps: true });
  return folder;
}

function reference(folder: string, ...options: string[]): void {
  execFileSync(
    'createrepo_c',
    [
      '-q',
      '--no-database',
      '--simple-md-filenames',
      '--revision',
      revision,
      '--set-timestamp-to-revision',
      ...options,
      folder,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
}

describe('against createrepo_c on the same folder', () => {
  test('primary, filelists and other are the same bytes', async () => {
    const theirs = copy();
    reference(theirs.path);
    const ours = copy();
    const made = await createRepository(ours.path, { revision, timestamp, compression: 'gz', plainNames: true });
    expect(made.packages).toBe(10);
    for (const type of documents) {
      const name = `repodata/${type}.xml.gz`;
      expect(gunzipSync(readFileSync(join(ours.path, name))).toString()).toBe(
        gunzipSync(readFileSync(join(theirs.path, name))).toString(),
      );
    }
    theirs.remove();
    ours.remove();
  });

  test('uncompressed repositories with SHA-512, a base URL and a prefix are the same bytes, repomd.xml included', async () => {
    const theirs = copy();
    reference(
      theirs.path,
      '--checksum',
      'sha512',
      '--baseurl',
      'https://example.org/a?b&c',
      '--location-prefix',
      'os/Packages/',
      '--content',
      'binary',
      '--repo',
      'base',
      '--distro',
      'cpe:/o:example:9,Example 9',
    );
    const ours = copy();
    await createRepository(ours.path, {
      revision,
      timestamp,
      compression: 'none',
      checksum: 'sha512',
      plainNames: true,
      locationBase: 'https://example.org/a?b&c',
      locationPrefix: 'os/Packages/',
      tags: { content: ['binary'], repo: ['base'], distro: [{ name: 'Example 9', cpeId: 'cpe:/o:example:9' }] },
    });
    for (const type of documents) {
      expect(readFileSync(join(ours.path, `repodata/${type}.xml`), 'utf8')).toBe(
        gunzipSync(readFileSync(join(theirs.path, `repodata/${type}.xml.gz`))).toString(),
      );
    }
    // Without compression there is no open digest and nothing else to compare by: what is left must be the same.
    const skeleton = (path: string): string =>
      readFileSync(join(path, 'repodata/repomd.xml'), 'utf8')
        .replace(/ *<open-(checksum|size).*\n/g, '')
        .replace(/<checksum type="sha512">[0-9a-f]{128}/g, '<checksum type="sha512">')
        .replace(/<size>\d+/g, '<size>')
        .replaceAll('.xml.gz', '.xml');
    expect(skeleton(ours.path)).toBe(skeleton(theirs.path));
    theirs.remove();
    ours.remove();
  });

  test.each(['gz', 'xz', 'zst', 'none'] as const)(
    'dnf lists and resolves from our repository compressed as %s',
    async (compression) => {
      const folder = copy();
      await createRepository(folder.path, { revision, timestamp, compression });
      const dnf = (...args: string[]): string =>
        execFileSync(
          'dnf',
          [
            '-q',
            '--noplugins',
            '--setopt=reposdir=/dev/null',
            `--setopt=cachedir=${folder.path}/.cache`,
            `--setopt=logdir=${folder.path}`,
            `--installroot=${folder.path}/.root`,
            '--releasever=1',
            '--forcearch=x86_64',
            `--repofrompath=t,file://${folder.path}`,
            '--repo=t',
            'repoquery',
            ...args,
          ],
          { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
        );
      expect(dnf('--qf', '%{name}-%{evr}.%{arch}').trim().split('\n').sort()).toEqual([
        'alpha-1.0-1.noarch',
        'alpha-1.0-1.src',
        'alpha-1.1-1.noarch',
        'alpha-1.1-1.src',
        'beta-2.0-1.noarch',
        'beta-2.0-1.src',
        'empty-0-0.src',
        'empty-0-0.x86_64',
        'rich-3:1.2~rc1-4.el9.src',
        'rich-3:1.2~rc1-4.el9.x86_64',
      ]);
      expect(dnf('--whatprovides', '/usr/share/rich/naïve').trim()).toBe('rich-3:1.2~rc1-4.el9.x86_64');
      folder.remove();
    },
  );
});

describe('what stays in the folder', () => {
  test('a second run with other packages leaves the documents of the second run only', async () => {
    const folder = copy();
    await createRepository(folder.path, { revision: '1', timestamp });
    const { repomd } = await createRepository(folder.path, {
      revision: '2',
      timestamp,
      packages: readdirSync(folder.path).filter((name) => name.startsWith('alpha') && name.endsWith('.rpm')),
    });
    expect(readdirSync(join(folder.path, 'repodata')).sort()).toEqual(
      ['repomd.xml', ...repomd.records.map((record) => record.location.slice('repodata/'.length))].sort(),
    );
    folder.remove();
  });

  test('a damaged package is named, and the repository that was there stays as it was', async () => {
    const folder = copy();
    await createRepository(folder.path, { revision: '1', timestamp });
    const before = readdirSync(join(folder.path, 'repodata')).sort();
    const repomd = readFileSync(join(folder.path, 'repodata/repomd.xml'));
    writeFileSync(join(folder.path, 'beta-broken.rpm'), 'no package');
    const failure = await createRepository(folder.path, { revision: '2', timestamp }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RepoError);
    expect((failure as RepoError).fault).toEqual({
      code: 'REPO_BAD_PACKAGE',
      path: join(folder.path, 'beta-broken.rpm'),
    });
    expect(readdirSync(join(folder.path, 'repodata')).sort()).toEqual(before);
    expect(readFileSync(join(folder.path, 'repodata/repomd.xml'))).toEqual(repomd);
    folder.remove();
  });

  test('a pipe behind a symbolic link is no package, and nobody waits for it', async () => {
    const folder = copy();
    execFileSync('mkfifo', [join(folder.path, 'pipe')]);
    symlinkSync('pipe', join(folder.path, 'pipe.rpm'));
    const failure = await createRepository(folder.path, { revision, timestamp }).catch((error: unknown) => error);
    expect((failure as RepoError).fault).toEqual({ code: 'REPO_BAD_PACKAGE', path: join(folder.path, 'pipe.rpm') });
    folder.remove();
  });

  test('a damaged package can be left out, and is reported', async () => {
    const folder = copy();
    writeFileSync(join(folder.path, 'broken.rpm'), 'no package');
    const left: string[] = [];
    const made = await createRepository(folder.path, { revision, timestamp, onBadPackage: (path) => left.push(path) });
    expect(left).toEqual(['broken.rpm']);
    expect(made.packages).toBe(10);
    folder.remove();
  });
});

test('two packages with one NEVRA and other bytes are refused with both digests', async () => {
  const folder = copy();
  const bytes = readFileSync(join(folder.path, 'beta-2.0-1.noarch.rpm'));
  writeFileSync(join(folder.path, 'beta-again.rpm'), Buffer.concat([bytes, Buffer.from('x')]));
  const failure = await createRepository(folder.path, { revision, timestamp }).catch((error: unknown) => error);
  expect((failure as RepoError).fault).toMatchObject({
    code: 'REPO_DUPLICATE_NEVRA',
    nevra: 'beta-0:2.0-1.noarch',
    first: { location: 'beta-2.0-1.noarch.rpm' },
    second: { location: 'beta-again.rpm' },
  });
  expect(existsSync(join(folder.path, 'repodata/repomd.xml'))).toBe(false);
  folder.remove();
});

test('what was written is read again: every package with its files and changelogs', async () => {
  const folder = copy();
  await createRepository(folder.path, { revision, timestamp });
  const repository = await openRepositoryAt(folder.path, { verifyRepomd: 'unsigned' });
  expect(repository.revision).toBe(revision);
  const found = [];
  for await (const record of repository.packages({ files: true, changelogs: true })) found.push(record);
  expect(found).toHaveLength(10);
  const rich = found.find((record) => record.name === 'rich' && record.arch === 'x86_64');
  expect(rich).toMatchObject({
    epoch: 3,
    version: '1.2~rc1',
    vendor: 'Räksmörgås',
    fileTime,
    conflicts: [
      { name: 'enemy', relation: 'LT', epoch: '0', version: '2' },
      { name: 'enemy', relation: 'GT', epoch: '0', version: '3' },
    ],
    supplements: [{ name: '(a and b)' }],
  });
  expect(rich?.files).toContainEqual({ path: '/var/log/rich.log', type: 'ghost' });
  expect(rich?.files).toContainEqual({ path: '/usr/share/rich/a & b <c>', type: 'file' });
  expect(rich?.changelogs).toHaveLength(10);
  expect(rich?.changelogs.at(-1)?.text).toBe('- Change 0 & more <x>');
  folder.remove();
});
