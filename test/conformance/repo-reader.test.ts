/**
 * Repositories of the corpus as we read them, beside what createrepo_c's own reader makes of them.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  memoryStore,
  openRepository,
  openRepositoryAt,
  type PackageRecord,
  parseRepomd,
  type Repository,
  type RepositoryDependency,
  repositoryDependencyKinds,
  writeRepository,
} from '@distrokit/repo/node';
import { expect, test } from 'vitest';
import { corpusBytes, corpusPath, corpusPresent, corpusRpms } from './corpus.js';

/** Whole repositories whose digests are right: others are damaged on purpose, or cut down to a part. */
const whole = [
  'modulemd-tools/rpmrepo',
  'modulemd-tools/merge',
  'suse-rmt/dummy_repo_with_src',
  'suse-rmt/dummy_product',
  'pungi/cockpit',
  'pungi/repo-krb5-lookaside',
  'mock-test-data',
  'librepo/repo_yum_01',
  'librepo/repo_yum_02',
  'libdnf/advisories',
  'libdnf/hawkey-yum',
  'libdnf/modules-all-s390x',
  'createrepo_c/repo_00',
  'createrepo_c/repo_02',
  'createrepo_c/repo_03',
  'createrepo_c/repo_04',
  'createrepo_c/repo_koji_01',
  'createrepo_c/repo_with_additional_metadata',
  'dnf/drpm',
  'dnf/rpm',
  'createrepo-agent/populated/x86_64',
];

if (!corpusPresent) {
  test('the corpus is absent: repositories are not compared with what the reference reads', () => {
    expect(corpusRpms()).toEqual([]);
  });
} else {
  const reference = new Map<string, unknown>();
  const script = fileURLToPath(new URL('./read-repodata.py', import.meta.url));
  const lines = execFileSync('/usr/bin/python3', [script, ...whole.map((name) => corpusPath('repodata', name))], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
  for (const [index, line] of lines.split('\n').entries()) reference.set(whole[index] as string, JSON.parse(line));

  // dnf/rpm lists three packages under one digest; createrepo_c's callbacks then give each the files of all.
  test.each(whole.filter((name) => name !== 'dnf/rpm'))('%s is read as createrepo_c reads it', async (name) => {
    const repository = await openRepositoryAt(corpusPath('repodata', name), { verifyRepomd: 'unsigned' });
    expect(await described(repository)).toEqual(reference.get(name));
  });

  test.each(whole)('%s, written and read again, is the same', async (name) => {
    const first = await openRepositoryAt(corpusPath('repodata', name), { verifyRepomd: 'unsigned' });
    const before = await records(first);
    const store = memoryStore();
    await writeRepository(before, store, {
      revision: '1',
      timestamp: new Date(0),
      compression: 'gz',
      checksum: 'sha256',
      duplicates: 'keep',
    });
    const again = await openRepository(store, { verifyRepomd: 'unsigned' });
    const byPlace = (a: PackageRecord, b: PackageRecord): number => (a.location < b.location ? -1 : 1);
    expect((await records(again)).sort(byPlace)).toEqual([...before].sort(byPlace));
  });

  test('every repomd.xml of the corpus is read, or refused with a typed error', () => {
    const paths = readdirSync(corpusPath('repodata'), { recursive: true, encoding: 'utf8' }).filter((path) =>
      /repomd[^/]*\.xml$/.test(path),
    );
    const refused: string[] = [];
    for (const path of paths) {
      try {
        expect(typeof parseRepomd(corpusBytes('repodata', path)).revision).toBe('string');
      } catch (error) {
        refused.push(`${path}: ${(error as { code?: string }).code}`);
      }
    }
    expect(paths.length).toBeGreaterThan(50);
    expect(refused.sort()).toEqual(refusedRepomds);
  });

  test('documents that were damaged on purpose are refused with the document and the place', async () => {
    const folder = corpusPath('repodata', 'createrepo_c', 'repo_01');
    const repository = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
    await expect(records(repository)).rejects.toMatchObject({ code: 'REPO_TOO_LARGE' });
  });
}

/** Not repomd.xml at all, or without what a record needs. */
const refusedRepomds: readonly string[] = ['createrepo_c/modified_repo_files/missing_type-repomd.xml: REPO_BAD_VALUE'];

async function records(repository: Repository): Promise<PackageRecord[]> {
  const all: PackageRecord[] = [];
  for await (const record of repository.packages({ files: true, changelogs: true })) all.push(record);
  return all;
}

async function described(repository: Repository): Promise<unknown> {
  const dependency = (d: RepositoryDependency) => [
    d.name,
    d.relation ?? '',
    d.epoch ?? '',
    d.version ?? '',
    d.release ?? '',
    d.pre === true,
  ];
  return {
    revision: repository.revision,
    records: repository.repomd.records.map((r) => [r.type, r.location, r.checksum.hex]).sort(byText),
    packages: (await records(repository)).map((p) => ({
      pkgid: p.pkgid.hex,
      name: p.name,
      epoch: p.epoch ?? 0,
      version: p.version,
      release: p.release,
      arch: p.arch,
      summary: p.summary,
      description: p.description,
      url: p.url,
      packager: p.packager,
      license: p.license,
      vendor: p.vendor,
      group: p.group,
      buildHost: p.buildHost,
      sourceRpm: p.sourceRpm,
      location: p.location,
      locationBase: p.locationBase ?? '',
      fileTime: p.fileTime.getTime() / 1000,
      buildTime: p.buildTime.getTime() / 1000,
      sizes: [p.sizeBytes, p.installedBytes, p.archiveBytes],
      headerRange: [p.headerRange.start, p.headerRange.end],
      dependencies: Object.fromEntries(repositoryDependencyKinds.map((kind) => [kind, p[kind].map(dependency)])),
      files: p.files.map((file) => [file.path, file.type]),
      changelogs: p.changelogs.map((entry) => [entry.author, entry.date.getTime() / 1000, entry.text]),
    })),
  };
}

function byText(a: readonly string[], b: readonly string[]): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}
