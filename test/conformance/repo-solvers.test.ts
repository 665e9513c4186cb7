/**
 * Repodata of ours and of createrepo_c for the same packages, in the eyes of libsolv and dnf.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { createRepository, openRepositoryAt, repomdRecord } from '@distrokit/repo/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildPackages, emptySpec, plainSpec, richSpec, temporaryFolder } from '../repo/fixture-packages.js';

const top = temporaryFolder();
const ours = join(top.path, 'ours');
const theirs = join(top.path, 'theirs');

beforeAll(async () => {
  mkdirSync(ours);
  buildPackages(ours, [
    richSpec,
    emptySpec,
    plainSpec('base', '1.0'),
    plainSpec('base', '2.0'),
    plainSpec('needs-base', '1', ['base >= 1.5']),
    plainSpec('needs-newer-base', '1', ['base > 3.0']),
    plainSpec('needs-one-of', '1', ['(absent or needs-base)']),
    plainSpec('needs-broken', '1', ['needs-newer-base']),
  ]);
  cpSync(ours, theirs, { recursive: true, preserveTimestamps: true });
  execFileSync('createrepo_c', ['--quiet', '--no-database', theirs]);
  await createRepository(ours, { revision: '1', timestamp: new Date('2026-02-03T04:05:06Z'), compression: 'gz' });
}, 120_000);

afterAll(() => top.remove());

async function documentPath(folder: string, type: string): Promise<string> {
  const repository = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
  return join(folder, repomdRecord(repository.repomd, type).location);
}

async function dumpedSolv(folder: string): Promise<string> {
  const primary = gunzipSync(readFileSync(await documentPath(folder, 'primary')));
  const solv = execFileSync('rpmmd2solv', [], { input: primary, stdio: ['pipe', 'pipe', 'pipe'] });
  const path = join(top.path, 'primary.solv');
  writeFileSync(path, solv);
  const dumped = execFileSync('dumpsolv', [path], { encoding: 'utf8', maxBuffer: 2 ** 26 });
  // How long libsolv took is no part of what it read.
  return dumped.replaceAll(/took \d+ ms/g, 'took some time');
}

test('libsolv makes the same solv file of our primary as of that of createrepo_c', async () => {
  const expected = await dumpedSolv(theirs);
  expect(expected).toContain('solvable:name: rich');
  expect(expected).toContain('solvable:requires:');
  expect(await dumpedSolv(ours)).toBe(expected);
});

test('installcheck finds the same packages uninstallable, for the same reasons, in our primary and in that of createrepo_c', async () => {
  const verdict = async (folder: string) => {
    const { status, stdout } = spawnSync('installcheck', ['x86_64:noarch', await documentPath(folder, 'primary')], {
      encoding: 'utf8',
    });
    return { status, lines: stdout.split('\n').sort() };
  };
  const expected = await verdict(theirs);
  expect(expected.status).toBe(1);
  expect(expected.lines).toContain("can't install needs-newer-base-1-1.noarch:");
  expect(expected.lines).toContain("can't install needs-broken-1-1.noarch:");
  expect(expected.lines).not.toContain("can't install needs-one-of-1-1.noarch:");
  expect(await verdict(ours)).toEqual(expected);
});

function repoquery(folder: string, what: string): string[] {
  const cache = join(top.path, `cache-${folder === ours ? 'ours' : 'theirs'}`);
  const out = execFileSync(
    'dnf',
    [
      '--quiet',
      '--setopt=reposdir=/dev/null',
      `--setopt=cachedir=${cache}`,
      '--setopt=keepcache=0',
      `--repofrompath=judged,file://${folder}`,
      '--repo=judged',
      '--nogpgcheck',
      'repoquery',
      ...what.split(' '),
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 2 ** 26 },
  );
  return out.trim().split('\n');
}

test.each([
  ['--requires', 'rich', 'before-install'],
  ['--requires', '*', '(absent or needs-base)'],
  ['--provides', '*', 'bundled(thing) = 1:2.0-3'],
  ['--conflicts', 'rich', 'enemy < 2'],
  ['--obsoletes', 'rich', 'ancestor <= 1.0-1'],
  ['--recommends', 'rich', 'friend'],
  ['--list', '*', '/usr/share/rich/naïve'],
])(
  'the answer of dnf repoquery %s to %s is the same on our repository and on that of createrepo_c',
  (question, name, contained) => {
    const what = `${question} ${name}`;
    const expected = repoquery(theirs, what);
    expect(expected).toContain(contained);
    expect(repoquery(ours, what)).toEqual(expected);
  },
);

test('dnf finds the owner of a file that only filelists names, in our repository as in that of createrepo_c', () => {
  const expected = repoquery(theirs, '--whatprovides /usr/share/base/version');
  expect(expected).toEqual(['base-0:1.0-1.noarch', 'base-0:2.0-1.noarch']);
  expect(repoquery(ours, '--whatprovides /usr/share/base/version')).toEqual(expected);
});
