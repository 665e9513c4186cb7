import { execFile } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  BuildError,
  type Buildroot,
  buildPackage,
  buildSourcePackage,
  compareNoarch,
  hostBuildroot,
  rpmbuildDriver,
} from '@distrokit/build';
import { formatNevra, memorySource } from '@distrokit/rpm';
import { openPackage } from '@distrokit/rpm/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SpecParts, scratchFolder, sourceFolder } from './fixture.js';

const run = promisify(execFile);
let scratch: Awaited<ReturnType<typeof scratchFolder>>;
beforeAll(async () => {
  scratch = await scratchFolder();
});
afterAll(() => scratch.remove());

const driver = () => rpmbuildDriver({ workFolder: join(scratch.path, 'work') });
const forArch = (arch: string, macros: Readonly<Record<string, string>> = {}): Buildroot => ({
  ...hostBuildroot,
  arch,
  macros,
});
const compiling: SpecParts = { build: '%{__cc} -g -O2 -o hello %{_builddir}/hello.c', check: 'true' };

let folders = 0;
async function srpmOf(parts: SpecParts): Promise<Uint8Array> {
  folders += 1;
  const folder = await sourceFolder(scratch.path, `source-${folders}`, parts);
  const { srpm } = await buildSourcePackage(folder, hostBuildroot, driver());
  return readFile(srpm.path);
}
async function faultOf(building: Promise<unknown>): Promise<BuildError['fault']> {
  const cause = await building.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (cause instanceof BuildError) return cause.fault;
  throw new Error('a BuildError was expected', { cause });
}

test('a cross build makes programs of the other machine, and the result says that it was one', async () => {
  const srpm = await srpmOf(compiling);
  const result = await buildPackage(memorySource(srpm), forArch('aarch64'), driver());
  expect(result.foreign).toBe('cross');
  expect(result.packages.map((pkg) => formatNevra(pkg.nevra))).toEqual(['hello-1.0-1.aarch64']);
  const path = result.packages[0]?.path ?? '';
  const provides = (await run('rpm', ['-qp', '--nosignature', '--provides', path])).stdout;
  expect(provides).toContain('hello(aarch-64) = 1.0-1');
  const out = join(scratch.path, 'out');
  await mkdir(out);
  await run('sh', ['-c', `rpm2cpio '${path}' | cpio -id --quiet`], { cwd: out });
  const { stdout } = await run('readelf', ['--file-header', '--dynamic', join(out, 'usr/bin/hello')]);
  expect(stdout).toMatch(/Machine:\s+AArch64/);
  const again = await buildPackage(memorySource(srpm), forArch('aarch64'), driver());
  expect(again.packages[0]?.sha256).toBe(result.packages[0]?.sha256);
});

test('where no compiler makes programs for an arch the driver refuses before it builds', async () => {
  const fault = await faultOf(buildPackage(memorySource(await srpmOf(compiling)), forArch('s390x'), driver()));
  expect(fault).toMatchObject({
    code: 'BUILD_DRIVER_UNUSABLE',
    wanted: 'a cross compiler for s390x (s390x-linux-gnu-gcc, or the macro __cc)',
  });
});

test('programs of this machine in a package for another do not pass, although rpmbuild says nothing', async () => {
  // Without stripping nothing of rpmbuild looks at the machine of a file.
  const preamble = '%global __os_install_post %{nil}';
  const srpm = await srpmOf({ ...compiling, preamble, build: 'gcc -o hello %{_builddir}/hello.c' });
  const fault = await faultOf(buildPackage(memorySource(srpm), forArch('aarch64'), driver()));
  expect(fault).toMatchObject({ code: 'BUILD_FAILED', exitStatus: 0, failureClass: 'bad-package-content' });
  const building = buildPackage(memorySource(srpm), forArch('aarch64'), driver());
  await expect(building).rejects.toThrow(/hello-1\.0-1\.aarch64\.rpm is not for aarch64: .*x86-64/);
});

test('a package without programs needs no compiler and is the same wherever it was built', async () => {
  const noarch = await srpmOf({
    preamble: 'BuildArch: noarch',
    build: 'true',
    install: 'install -D -m 644 %{SOURCE0} %{buildroot}/usr/share/hello.c',
    check: 'true',
    files: '/usr/share/hello.c',
  });
  const here = await buildPackage(memorySource(noarch), hostBuildroot, driver());
  const there = await buildPackage(memorySource(noarch), forArch('s390x'), driver());
  await using one = await openPackage(here.packages[0]?.path ?? '');
  await using two = await openPackage(there.packages[0]?.path ?? '');
  expect(
    compareNoarch([
      { arch: 'x86_64', package: one },
      { arch: 's390x', package: two },
    ]),
  ).toEqual({ ok: true, differences: [], incomplete: [] });
});

test('a noarch package that depends on the machine that built it is found out', async () => {
  const noarch = await srpmOf({
    preamble: 'BuildArch: noarch',
    build: 'true',
    install: 'mkdir -p %{buildroot}/usr/share/hello-%{machine}',
    check: 'true',
    files: '/usr/share/hello-*',
  });
  const builds = await Promise.all(
    ['x86_64', 's390x'].map(async (arch) => {
      const { packages } = await buildPackage(
        memorySource(noarch),
        forArch(arch, { machine: arch }),
        rpmbuildDriver({ workFolder: join(scratch.path, `work-${arch}`) }),
      );
      return { arch, package: await openPackage(packages[0]?.path ?? '') };
    }),
  );
  const report = compareNoarch(builds);
  for (const { package: pkg } of builds) await pkg[Symbol.asyncDispose]();
  expect(report.ok).toBe(false);
  expect(report.differences.map((each) => [each.what, each.item])).toEqual([
    ['file', '/usr/share/hello-s390x'],
    ['file', '/usr/share/hello-x86_64'],
  ]);
});
