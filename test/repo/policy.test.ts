import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  checkClosure,
  compareRepositories,
  createRepository,
  openRepositoryAt,
  type PackageRecord,
  planRetention,
  repomdRecord,
} from '@distrokit/repo/node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildPackages, plainSpec, type TemporaryFolder, temporaryFolder } from './fixture-packages.js';

const timestamp = new Date(1_700_000_000_000);
const nvra = (record: PackageRecord): string => `${record.name}-${record.version}-${record.release}.${record.arch}`;

let before: TemporaryFolder;
let after: TemporaryFolder;
let old: PackageRecord[];
let now: PackageRecord[];

async function recordsOf(folder: string): Promise<PackageRecord[]> {
  const repository = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
  const records: PackageRecord[] = [];
  for await (const record of repository.packages({ files: true, changelogs: true })) records.push(record);
  return records;
}

function dnf(folder: string, command: string, ...args: string[]): string {
  mkdirSync(join(folder, '.root'), { recursive: true });
  const common = [
    '--setopt=reposdir=/dev/null',
    `--setopt=cachedir=${folder}/.cache`,
    `--setopt=logdir=${folder}`,
    `--setopt=persistdir=${folder}/.persist`,
    `--installroot=${folder}/.root`,
    '--releasever=9',
    '--forcearch=x86_64',
    `--repofrompath=old,file://${before.path}`,
    `--repofrompath=new,file://${after.path}`,
  ];
  try {
    return execFileSync('dnf', ['-q', command, ...common, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    // repoclosure leaves with 1 when something is unresolved.
    const { status, stdout, stderr } = error as { status: number; stdout: string; stderr: string };
    if (status === 1 && command === 'repoclosure') return stdout;
    throw new Error(stderr, { cause: error });
  }
}

beforeAll(async () => {
  before = temporaryFolder();
  after = temporaryFolder();
  const common = [
    plainSpec('stays', '1', ['/usr/share/lib/version', '(lib if other)', 'lib >= 1']),
    plainSpec('lib', '1.0'),
    plainSpec('broken', '1', [
      'nothing-provides-this',
      'lib >= 9',
      '/opt/none',
      '(absent or missing)',
      '(absent if stays)',
      '(absent if missing)',
    ]),
  ];
  const oldOnly = [plainSpec('goes', '1'), plainSpec('moves', '2.0'), plainSpec('falls', '3')];
  const newOnly = [
    plainSpec('comes', '1'),
    plainSpec('moves', '10.0', ['lib']),
    plainSpec('falls', '2'),
    plainSpec('lib', '1.1'),
    plainSpec('lib', '1.10'),
    plainSpec('enemy', '1').replace('%description', 'Conflicts: lib < 1.1\nObsoletes: stays <= 1\n%description'),
  ];
  buildPackages(before.path, [...common, ...oldOnly]);
  buildPackages(after.path, newOnly);
  // What is in both is one build, copied.
  for (const name of readdirSync(before.path).filter((file) => /^(stays|lib|broken)-/.test(file))) {
    cpSync(join(before.path, name), join(after.path, name), { preserveTimestamps: true });
  }
  for (const folder of [before, after])
    await createRepository(folder.path, { revision: '1', timestamp, compression: 'gz' });
  old = await recordsOf(before.path);
  now = await recordsOf(after.path);
});
afterAll(() => {
  before.remove();
  after.remove();
});

describe('closure', () => {
  test.each(['old', 'new'])('finds unresolved what dnf repoclosure finds in %s', (side) => {
    const theirs = new Set<string>();
    let subject = '';
    for (const line of dnf(side === 'old' ? before.path : after.path, 'repoclosure', `--repo=${side}`).split('\n')) {
      const name = /^package: (\S+) from /.exec(line)?.[1];
      if (name !== undefined) subject = name;
      else if (/^ {4}\S/.test(line)) theirs.add(`${subject} ${line.trim()}`);
    }
    const records = (side === 'old' ? old : now).filter((record) => record.arch !== 'src');
    const ours = checkClosure(records).unresolved.map((entry) => `${nvra(entry.package)} ${entry.requirement}`);
    // A condition that cannot hold asks for nothing; dnf 4 looks for a package that provides the whole expression.
    expect(theirs.delete('broken-1-1.noarch (absent if missing)')).toBe(true);
    expect(new Set(ours)).toEqual(theirs);
    expect(ours.length).toBeGreaterThan(3);
  });

  test.each(['old', 'new'])("finds unresolved what libsolv's installcheck finds in %s", async (side) => {
    const folder = side === 'old' ? before.path : after.path;
    const { repomd } = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
    const primary = join(folder, repomdRecord(repomd, 'primary').location);
    const { stdout } = spawnSync('installcheck', ['x86_64:noarch', primary], { encoding: 'utf8' });
    const theirs = new Set(
      [...stdout.matchAll(/nothing provides (.+) needed by (\S+)$/gm)].map(([, what, who]) => `${who} ${what}`),
    );
    // It reads primary alone, which does not name this file.
    expect(theirs.delete('stays-1-1.noarch /usr/share/lib/version')).toBe(true);
    const records = (side === 'old' ? old : now).filter((record) => record.arch !== 'src');
    const ours = checkClosure(records).unresolved.map((entry) => `${nvra(entry.package)} ${entry.requirement}`);
    // libsolv writes `or` as `|`, and may leave out the package that a condition asks about; dnf repoclosure may not.
    const found = new Set(ours.map((line) => line.replace('(absent or missing)', 'absent | missing')));
    expect(found.delete('broken-1-1.noarch (absent if stays)')).toBe(true);
    expect(found).toEqual(theirs);
  });

  test('names who excludes whom, and which paths have several owners', () => {
    const binaries = now.filter((record) => record.arch !== 'src');
    const report = checkClosure(binaries);
    expect(report.conflicts.map((entry) => [nvra(entry.package), entry.dependency, nvra(entry.excluded)])).toEqual([
      ['enemy-1-1.noarch', 'lib < 1.1', 'lib-1.0-1.noarch'],
    ]);
    expect(report.obsoletes.map((entry) => [entry.package.name, entry.excluded.name])).toEqual([['enemy', 'stays']]);
    expect(report.sharedFiles).toEqual([]);
    const twin = { ...(binaries[0] as PackageRecord), name: 'twin' };
    expect(checkClosure([...binaries, twin]).sharedFiles.map((entry) => entry.path)).toEqual(
      twin.files.filter((file) => file.type === 'file').map((file) => file.path),
    );
  });

  test('packages of another repository count when they are given', () => {
    const stays = old.filter((record) => record.name === 'stays' && record.arch !== 'src');
    expect(checkClosure(stays).ok).toBe(false);
    expect(checkClosure(stays, { available: old }).ok).toBe(true);
  });
});

test.each([1, 2])('keeping the newest %i lets go what dnf repomanage calls old', (newest) => {
  const binaries = now.filter((record) => record.arch !== 'src');
  const theirs = dnf(after.path, 'repomanage', '--old', `--keep=${newest}`, '-s', after.path).trim().split(/\s+/);
  const verdicts = planRetention(binaries, { newest });
  const gone = verdicts.filter((verdict) => !verdict.keep).map((verdict) => verdict.record.location);
  expect(gone.sort()).toEqual(
    theirs
      .filter((path) => path !== '' && !path.includes('/source/'))
      .map((path) => path.slice(path.lastIndexOf('/') + 1))
      .sort(),
  );
  expect(verdicts.every((verdict) => verdict.reason !== '')).toBe(true);
});

test('retention by time counts from the arrival, and closed retention keeps what is needed', () => {
  const binaries = now.filter((record) => record.arch !== 'src');
  const at = new Date('2027-01-01T00:00:00Z');
  const arrivedAt = (record: PackageRecord): Date =>
    new Date(record.name === 'comes' ? '2026-12-31T00:00:00Z' : '2020-01-01T00:00:00Z');
  const byTime = planRetention(binaries, { arrivedWithinMs: 2 * 86_400_000 }, { at, arrivedAt });
  expect(byTime.filter((verdict) => verdict.keep).map((verdict) => verdict.record.name)).toEqual(['comes']);
  expect(() => planRetention(binaries, { arrivedWithinMs: 1 })).toThrow(TypeError);
  const closed = planRetention(
    binaries,
    { arrivedWithinMs: 1, always: (record) => record.name === 'moves', closed: true },
    { at, arrivedAt: () => new Date(0) },
  );
  expect(closed.filter((verdict) => verdict.keep).map((verdict) => [nvra(verdict.record), verdict.reason])).toEqual([
    ['lib-1.10-1.noarch', 'moves-10.0-1 needs lib'],
    ['moves-10.0-1.noarch', 'always'],
  ]);
});

test('comparison finds what dnf repodiff finds, dependencies and other bytes besides', () => {
  const report = dnf(after.path, 'repodiff', '--repo-old', 'old', '--repo-new', 'new');
  const listed = (heading: RegExp): string[] => [...report.matchAll(heading)].map((match) => match[1] as string).sort();
  const binary = (records: readonly PackageRecord[]): PackageRecord[] =>
    records.filter((record) => record.arch !== 'src');
  const found = compareRepositories({ packages: binary(old) }, { packages: binary(now) });
  expect(found.added.map(nvra)).toEqual(listed(/^Added package {2}: (\S+)$/gm).map((name) => `${name}.noarch`));
  // dnf 4 also calls removed what is the same build in both.
  const unchanged = new Set(
    binary(old)
      .filter((record) => now.some((other) => other.pkgid.hex === record.pkgid.hex))
      .map(nvra),
  );
  const removed = (names: readonly string[]): string[] => names.filter((name) => !unchanged.has(name));
  expect(found.removed.map(nvra)).toEqual(
    removed(listed(/^Removed package: (\S+)$/gm).map((name) => `${name}.noarch`)),
  );
  const pairs = (changes: readonly { before: PackageRecord; after: PackageRecord }[]) =>
    changes.map(
      (change) => `${change.before.name}-${change.before.version}-1 -> ${change.after.name}-${change.after.version}-1`,
    );
  const theirs = [...report.matchAll(/^\s*(\S+) +-> +(\S+)\s*$/gm)].map((match) => `${match[1]} -> ${match[2]}`);
  expect([...pairs(found.upgraded), ...pairs(found.downgraded)].sort(), report).toEqual(theirs.sort());
  const moves = found.upgraded.find((change) => change.after.name === 'moves');
  expect(moves?.dependencies.requires).toEqual({ added: ['lib'], removed: [] });
  expect(moves?.dependencies.provides).toEqual({ added: ['moves = 10.0-1'], removed: ['moves = 2.0-1'] });
  expect(found.mutated).toEqual([]);
  const mutant = { ...(old[0] as PackageRecord), pkgid: { algorithm: 'sha256', hex: 'f'.repeat(64) } } as const;
  expect(
    compareRepositories({ packages: old }, { packages: [mutant] }).mutated.map((change) => nvra(change.after)),
  ).toEqual([nvra(mutant)]);
});
