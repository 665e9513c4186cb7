import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  BuildError,
  type Buildroot,
  buildPackage,
  buildrootLock,
  buildSourcePackage,
  chrootDriver,
  expandRoot,
  expandSpec,
  generateBuildRequires,
  hostBuildroot,
  materializeLock,
  mockLockOf,
  parseMockLock,
  podmanDriver,
  rpmbuildDriver,
} from '@distrokit/build';
import type { PackageRecord } from '@distrokit/repo';
import { createRepository, directoryFetcher, openRepositoryAt } from '@distrokit/repo/node';
import { memorySource } from '@distrokit/rpm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { scratchFolder } from '../build/fixture.js';
import { type MiniDistribution, makeMiniDistribution } from '../build/mini-distribution.js';

const run = promisify(execFile);
let scratch: Awaited<ReturnType<typeof scratchFolder>>;
let mini: MiniDistribution;
let records: PackageRecord[];
let own: string;

beforeAll(async () => {
  scratch = await scratchFolder();
  mini = await makeMiniDistribution(join(scratch.path, 'mini'));
  records = await packagesOf(mini.repository);
  own = join(scratch.path, 'own');
  await mkdir(own);
  await createRepository(own, { revision: '1', timestamp: new Date(0), compression: 'gz' });
}, 240_000);
afterAll(() => scratch.remove());

async function packagesOf(folder: string): Promise<PackageRecord[]> {
  const repository = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
  const found: PackageRecord[] = [];
  for await (const record of repository.packages({ files: true })) found.push(record);
  return found;
}

const root = (): Buildroot => ({
  root: {
    kind: 'repositories',
    repositories: [
      { id: 'mini', location: mini.repository, trust: 'unsigned' },
      { id: 'own', location: own, trust: 'unsigned' },
    ],
    packages: mini.buildPackages,
    releasever: '1',
  },
});
const driver = (folder = 'work') => chrootDriver({ workFolder: join(scratch.path, folder) });

/** Makes an SRPM on the host, so that the roots of this file are about building. */
async function srpmOf(name: string, spec: string[], files: Record<string, string>): Promise<Uint8Array> {
  const folder = join(scratch.path, 'sources', name);
  await mkdir(folder, { recursive: true });
  const head = [`Name: ${name}`, 'Version: 1', 'Release: 1%{?dist}', `Summary: ${name}`, 'License: MIT'];
  const text = [...head, ...Object.keys(files).map((file, at) => `Source${at}: ${file}`), ...spec];
  await writeFile(
    join(folder, `${name}.spec`),
    [...text, '%changelog', '* Wed Nov 01 2023 A Packager <p@example.org> - 1-1', '- First', ''].join('\n'),
  );
  for (const [file, content] of Object.entries(files)) await writeFile(join(folder, file), content);
  const host = rpmbuildDriver({ workFolder: join(scratch.path, 'srpm') });
  const { srpm } = await buildSourcePackage(folder, hostBuildroot, host);
  return new Uint8Array(await readFile(srpm.path));
}

const libgreet = () =>
  srpmOf(
    'libgreet',
    [
      ...[
        'BuildRequires: gcc',
        '%description',
        'A library.',
        '%package devel',
        'Summary: Headers',
        'Requires: %{name} = %{version}-%{release}',
        '%description devel',
        'Headers.',
      ],
      ...['%build', 'gcc -shared -fPIC -Wl,-soname,libgreet.so.1 -o libgreet.so.1 %{SOURCE0}'],
      ...[
        '%install',
        'install -D libgreet.so.1 %{buildroot}/usr/lib64/libgreet.so.1',
        'ln -s libgreet.so.1 %{buildroot}/usr/lib64/libgreet.so',
      ],
      ...[
        'install -D -m644 %{SOURCE1} %{buildroot}/usr/include/greet.h',
        '%files',
        '/usr/lib64/libgreet.so.1',
        '%files devel',
        '/usr/lib64/libgreet.so',
        '/usr/include/greet.h',
      ],
    ],
    { 'greet.c': 'const char *greet(void) { return "greetings"; }\n', 'greet.h': 'const char *greet(void);\n' },
  );
/** Mounts of this file's builds and of podman's run folders. Others come and go on a machine that is shared. */
async function ownMounts(): Promise<string[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  return lines.filter((line) => line.includes(scratch.path) || /\/tmp\/distrokit-[0-9a-f]{16}\b/.test(line));
}

const fault = async (building: Promise<unknown>): Promise<BuildError['fault']> => {
  const cause = await building.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (cause instanceof BuildError) return cause.fault;
  throw new Error('a BuildError was expected', { cause });
};

test('a lock brings the same root back offline, and the same bytes out of it; a changed package does not pass', async () => {
  const srpm = await libgreet();
  const first = await buildPackage(memorySource(srpm), root(), driver());
  const sources = [
    { location: mini.repository, repository: await openRepositoryAt(mini.repository, { verifyRepomd: 'unsigned' }) },
  ];
  const lock = await buildrootLock('x86_64', first.rootPackages ?? [], sources);
  expect(lock.packages.map((each) => each.name).sort()).toEqual(
    (first.rootPackages ?? []).map((each) => each.name).sort(),
  );

  const folder = join(scratch.path, 'locked');
  await materializeLock(lock, folder, directoryFetcher);
  const again = await buildPackage(memorySource(srpm), { root: { kind: 'lock', lock, folder } }, driver());
  expect(again.packages.map((pkg) => pkg.sha256)).toEqual(first.packages.map((pkg) => pkg.sha256));
  expect(again.rootPackages).toEqual(first.rootPackages);

  const mock = parseMockLock(JSON.stringify(mockLockOf(lock)));
  expect(mock.packages).toEqual(lock.packages.map(({ sha256: _sha256, sizeBytes: _sizeBytes, ...rest }) => rest));
  await materializeLock(
    { ...mock, packages: mock.packages.slice(0, 3) },
    join(scratch.path, 'by-md5'),
    directoryFetcher,
  );

  const [some, other] = lock.packages;
  if (some === undefined || other === undefined) throw new Error('a root has packages');
  const swapped = { ...lock, packages: [{ ...some, url: other.url, sizeBytes: other.sizeBytes ?? 0 }] };
  expect(await fault(materializeLock(swapped, join(scratch.path, 'swapped'), directoryFetcher))).toMatchObject({
    code: 'BUILD_LOCK_MISMATCH',
  });
  const { sha256: _sha256, sizeBytes: _sizeBytes, ...bare } = some;
  const swappedMock = { ...lock, packages: [{ ...bare, url: other.url }] };
  expect(await fault(materializeLock(swappedMock, join(scratch.path, 'swapped-md5'), directoryFetcher))).toMatchObject({
    code: 'BUILD_LOCK_MISMATCH',
  });
  const smaller = { ...lock, packages: lock.packages.filter((each) => each.name !== 'libc6') };
  const more = await fault(
    buildPackage(memorySource(srpm), { root: { kind: 'lock', lock: smaller, folder } }, driver()),
  );
  expect(more).toMatchObject({
    code: 'BUILD_LOCK_MISMATCH',
    missing: [],
    unexpected: [expect.stringMatching(/^libc6-/)],
    changed: [],
  });
}, 240_000);

test('a source that generates BuildRequires gets them, round by round', async () => {
  const srpm = await srpmOf(
    'rounds',
    [
      ...[
        'BuildArch: noarch',
        '%description',
        'Wants more.',
        '%generate_buildrequires',
        'echo patch',
        'if test -x /usr/bin/patch; then echo bc; fi',
      ],
      ...[
        '%build',
        'test -x /usr/bin/patch',
        '%install',
        'mkdir -p %{buildroot}/srv',
        'touch %{buildroot}/srv/rounds',
        '%files',
        '/srv/rounds',
      ],
    ],
    {},
  );
  const spec = root();
  if (spec.root.kind !== 'repositories') throw new Error(spec.root.kind);
  const few: Buildroot = { root: { ...spec.root, packages: spec.root.packages.filter((name) => name !== 'patch') } };
  const wanted = await fault(buildPackage(memorySource(srpm), few, driver()));
  // The first round installs patch; the second asks for bc, which this distribution does not have.
  expect(wanted).toMatchObject({ code: 'BUILD_ROOT_FAILED', failureClass: 'missing-build-requires' });
  if (wanted.code === 'BUILD_ROOT_FAILED') expect(wanted.lastLogLines.join('\n')).toContain('bc');
}, 120_000);

test('says which BuildRequires a source generates: all of them, or as far as the repositories reach', async () => {
  const spec = root();
  if (spec.root.kind !== 'repositories') throw new Error(spec.root.kind);
  const few: Buildroot = {
    root: { ...spec.root, packages: spec.root.packages.filter((name) => !['patch', 'cpio'].includes(name)) },
  };
  const generating = (second: string): Promise<Uint8Array> =>
    srpmOf(
      `asks-for-${second}`,
      [
        ...[
          'BuildArch: noarch',
          'BuildRequires: gcc',
          '%description',
          'Asks.',
          '%generate_buildrequires',
          'echo patch',
        ],
        ...[`if test -x /usr/bin/patch; then echo ${second}; fi`, '%files'],
      ],
      {},
    );
  expect(await generateBuildRequires(memorySource(await generating('cpio')), few, driver())).toEqual({
    buildRequires: ['cpio', 'gcc', 'patch'],
    complete: true,
  });
  expect(await generateBuildRequires(memorySource(await generating('bc')), few, driver())).toEqual({
    buildRequires: ['bc', 'gcc', 'patch'],
    complete: false,
  });
  // Nothing is built and nothing stays but logs.
  expect((await readdir(join(scratch.path, 'work'))).filter((name) => !name.startsWith('result'))).toEqual([]);
}, 240_000);

test('a spec is expanded with the macros of its root, not of this machine', async () => {
  const folder = join(scratch.path, 'sources', 'with-dist');
  await mkdir(folder, { recursive: true });
  const text = ['Name: with-dist', 'Version: 1', 'Release: 1%{?dist}', 'Summary: x', 'License: MIT'];
  await writeFile(
    join(folder, 'with-dist.spec'),
    [...text, '%description', '%(test -e /usr/bin/dpkg && echo machine || echo root)', '%files', ''].join('\n'),
  );
  const expansion = await expandSpec(folder, root(), driver());
  expect(expansion.evr).toEqual({ version: '1', release: '1.mini1' });
  expect(expansion.text).toContain('%description\nroot\n');
  expect(expansion.driver).toMatchObject({ driver: 'chroot', isolation: 'namespace' });
}, 120_000);

test('inside a root there is no network, no other process, and nothing of the machine; afterwards no mount is left', async () => {
  expect(await ownMounts()).toEqual([]);
  const srpm = await srpmOf(
    'sealed',
    [
      ...[
        'BuildArch: noarch',
        '%description',
        'Looks around.',
        '%build',
        'grep -v "lo:" /proc/net/dev | grep ":" && exit 1',
      ],
      ...[
        'test ! -e /usr/bin/dpkg',
        'test ! -e /usr/bin/node',
        'test "$(ls -d /proc/[0-9]* | wc -l)" -lt 12',
        'test "$(hostname)" = build.invalid',
      ],
      ...['setsid sleep 93.75 & sleep 93.75', '%files'],
    ],
    {},
  );
  const stop = new AbortController();
  const reason = new Error('seen enough');
  const building = buildPackage(memorySource(srpm), root(), driver('aborted'), {
    signal: stop.signal,
    onLog: (line) => {
      if (line.includes('sleep 93.75')) setTimeout(() => stop.abort(reason), 300);
    },
  });
  await expect(building).rejects.toBe(reason);
  expect(await ownMounts()).toEqual([]);
  expect(await readdir(join(scratch.path, 'aborted'))).toEqual([]);
  await expect(run('pgrep', ['-f', 'sleep 93.75'])).rejects.toMatchObject({ code: 1 });
}, 120_000);

test('refuses an arch that this machine does not run, and a package nobody has', async () => {
  const srpm = await libgreet();
  expect(await fault(buildPackage(memorySource(srpm), { ...root(), arch: 'sparc64' }, driver()))).toMatchObject({
    code: 'BUILD_DRIVER_UNUSABLE',
  });
  const spec = root();
  if (spec.root.kind !== 'repositories') throw new Error(spec.root.kind);
  const more: Buildroot = { root: { ...spec.root, packages: ['no-such-package'] } };
  expect(await fault(buildPackage(memorySource(srpm), more, driver()))).toMatchObject({
    code: 'BUILD_ROOT_FAILED',
    failureClass: 'missing-build-requires',
  });
});

test('expands a root to the very packages that dnf installs', async () => {
  const expansion = expandRoot(records, mini.buildPackages, { ignore: [] });
  if (!expansion.ok) throw new Error(JSON.stringify(expansion.problems));
  const result = await buildPackage(memorySource(await libgreet()), root(), driver());
  expect(expansion.packages.map((each) => each.name)).toEqual(result.rootPackages?.map((each) => each.name));
}, 120_000);

test('a container gives the bytes that bubblewrap gives, and an aborted one is gone', async () => {
  const srpm = await libgreet();
  const podman = podmanDriver({ workFolder: join(scratch.path, 'podman'), runtime: 'runc' });
  expect(await podman.probe()).toMatchObject({ driver: 'podman', isolation: 'container' });
  const contained = await buildPackage(memorySource(srpm), root(), podman);
  const sandboxed = await buildPackage(memorySource(srpm), root(), driver());
  expect(contained.packages.map((pkg) => pkg.sha256)).toEqual(sandboxed.packages.map((pkg) => pkg.sha256));

  const slow = await srpmOf(
    'slow',
    ['BuildArch: noarch', '%description', 'Waits.', '%build', 'sleep 94.75', '%files'],
    {},
  );
  const fault94 = await fault(buildPackage(memorySource(slow), root(), podman, { timeoutMs: 15_000 }));
  expect(fault94).toMatchObject({ code: 'BUILD_TIMEOUT' });
  await expect(run('pgrep', ['-f', 'sleep 94.75'])).rejects.toMatchObject({ code: 1 });
  expect(await ownMounts()).toEqual([]);
}, 240_000);
