import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BuildError, buildPackage, buildSourcePackage, hostBuildroot, rpmbuildDriver } from '@distrokit/build';
import { formatNevra, memorySource } from '@distrokit/rpm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SpecParts, scratchFolder, sourceFolder } from './fixture.js';

const run = promisify(execFile);
const modes = ['namespace', 'none'] as const;
let scratch: Awaited<ReturnType<typeof scratchFolder>>;
beforeAll(async () => {
  scratch = await scratchFolder();
});
afterAll(() => scratch.remove());

const driver = (isolation: 'namespace' | 'none' = 'namespace', folder: string = isolation) =>
  rpmbuildDriver({ workFolder: join(scratch.path, 'work', folder), isolation });

let folders = 0;
async function srpmOf(parts: SpecParts): Promise<Uint8Array> {
  folders += 1;
  const folder = await sourceFolder(scratch.path, `source-${folders}`, parts);
  const { srpm } = await buildSourcePackage(folder, hostBuildroot, driver());
  return readFileSync(srpm.path);
}

async function faultOf(building: Promise<unknown>): Promise<BuildError['fault']> {
  const error = await building.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  if (!(error instanceof BuildError)) throw new Error('a BuildError was expected', { cause: error });
  return error.fault;
}

const query = async (path: string, format: string): Promise<string> =>
  (await run('rpm', ['-qp', '--nosignature', '--qf', format, path])).stdout;

test.each(modes)('builds an SRPM that rpm accepts and whose program runs (isolation %s)', async (mode) => {
  const srpm = await srpmOf({});
  const lines: string[] = [];
  const result = await buildPackage(memorySource(srpm), hostBuildroot, driver(mode), {
    onLog: (line) => lines.push(line),
  });
  expect(formatNevra(result.source)).toBe('hello-1.0-1.src');
  const [pkg] = result.packages;
  if (pkg === undefined) throw new Error('no package');
  expect(formatNevra(pkg.nevra)).toBe(`hello-1.0-1.${result.driver.arch}`);
  expect((await run('rpmkeys', ['-K', '--nosignature', pkg.path])).stdout).toContain('digests OK');
  expect(await query(pkg.path, '%{BUILDTIME} %{BUILDHOST} %{SOURCERPM}')).toBe(
    `${Date.UTC(2023, 10, 1, 12) / 1000} build.invalid hello-1.0-1.src.rpm`,
  );
  expect(result.driver.isolation).toBe(mode);
  expect(lines).toContain('hello');
  expect(readFileSync(result.logPath, 'utf8')).toBe(`${lines.join('\n')}\n`);
  expect(result.timings.sections.map((section) => section.name)).toEqual(
    expect.arrayContaining(['prep', 'build', 'install', 'check']),
  );
});

test.each(modes)('building twice gives the same bytes (isolation %s)', async (mode) => {
  const srpm = await srpmOf({});
  const first = await buildPackage(memorySource(srpm), hostBuildroot, driver(mode));
  const second = await buildPackage(memorySource(srpm), hostBuildroot, driver(mode));
  expect(second.packages.map((pkg) => pkg.sha256)).toEqual(first.packages.map((pkg) => pkg.sha256));
});

test('a sandboxed build does not depend on where it works', async () => {
  const srpm = await srpmOf({});
  const first = await buildPackage(memorySource(srpm), hostBuildroot, driver('namespace', 'here'));
  const second = await buildPackage(memorySource(srpm), hostBuildroot, driver('namespace', 'a/longer/way/there'));
  expect(second.packages.map((pkg) => pkg.sha256)).toEqual(first.packages.map((pkg) => pkg.sha256));
});

test('the SRPM of two equal folders is the same', async () => {
  expect(Buffer.compare(await srpmOf({}), await srpmOf({}))).toBe(0);
});

test('a sandboxed build sees no network, no home, no key agent and cannot write to the machine', async () => {
  const srpm = await srpmOf({
    check: [
      'ls -A /root /home /run | grep . | grep -v : && exit 1',
      'grep -v "lo:" /proc/net/dev | grep ":" && exit 1',
      'touch /usr/mark 2>/dev/null && exit 1',
      'test "$(hostname)" = build.invalid',
      'test "$(ls -d /proc/[0-9]* | wc -l)" -lt 12',
      'env | grep -c . ; env | grep -i "agent\\|gnupg\\|ssh" && exit 1',
      'echo sealed',
    ].join('\n'),
  });
  const lines: string[] = [];
  await buildPackage(memorySource(srpm), hostBuildroot, driver(), { onLog: (line) => lines.push(line) });
  expect(lines).toContain('sealed');
});

test('sets the macros of the buildroot, and its clock and host name', async () => {
  const srpm = await srpmOf({});
  const result = await buildPackage(
    memorySource(srpm),
    {
      ...hostBuildroot,
      macros: { vendor: 'Example {of} braces', packager: '' },
      sourceDate: new Date('2020-02-02T02:02:02Z'),
      buildHost: 'builder.example',
    },
    driver(),
  );
  const [pkg] = result.packages;
  expect(await query(pkg?.path ?? '', '%{VENDOR}|%{BUILDTIME}|%{BUILDHOST}')).toBe(
    `Example {of} braces|${Date.UTC(2020, 1, 2, 2, 2, 2) / 1000}|builder.example`,
  );
});

test.each([
  ['_topdir', '/tmp'],
  ['_gpg_name', 'someone'],
  ['_dbpath', '/var/lib/rpm'],
  ['two words', 'x'],
  ['vendor', 'two\nlines'],
  ['vendor', 'open {'],
])('refuses the macro %j with the value %j', async (name, value) => {
  const srpm = await srpmOf({});
  const building = buildPackage(memorySource(srpm), { ...hostBuildroot, macros: { [name]: value } }, driver());
  await expect(building).rejects.toThrow(TypeError);
});

test('a compile error is BUILD_FAILED with exit status, class, last lines and the log', async () => {
  const srpm = await srpmOf({ build: 'gcc -c no-such-file.c' });
  const fault = await faultOf(buildPackage(memorySource(srpm), hostBuildroot, driver()));
  expect(fault).toMatchObject({
    code: 'BUILD_FAILED',
    driver: 'rpmbuild',
    exitStatus: 1,
    signal: null,
    failureClass: 'build-failed',
  });
  if (fault.code !== 'BUILD_FAILED') throw new Error(fault.code);
  expect(fault.lastLogLines.join('\n')).toContain('no-such-file.c');
  expect(readFileSync(fault.logPath, 'utf8')).toContain('no-such-file.c');
});

test.each<[string, SpecParts, string]>([
  ['a failing %check', { check: 'echo "error: File not found: /x"; false' }, 'check-failed'],
  ['a failing %install', { install: 'false' }, 'install-failed'],
  ['a failing %prep', { prep: 'false' }, 'prep-failed'],
  ['a file that %files names and nobody installed', { files: '/usr/bin/hello\n/usr/bin/missing' }, 'missing-files'],
  ['a file that %files forgot', { files: '' }, 'unpackaged-files'],
  ['a program in a noarch package', { preamble: 'BuildArch: noarch' }, 'bad-package-content'],
  ['an excluded arch', { preamble: 'ExclusiveArch: s390' }, 'arch-excluded'],
  ['a full disk', { build: 'echo "cc1: error: No space left on device"; false' }, 'out-of-disk'],
])('%s is found in the log', async (_what, parts, failureClass) => {
  const srpm = await srpmOf(parts);
  const fault = await faultOf(buildPackage(memorySource(srpm), hostBuildroot, driver()));
  expect(fault).toMatchObject({ code: 'BUILD_FAILED', failureClass });
});

const processesWith = (mark: string): string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(mark);
    } catch {
      return false;
    }
  });

test.each(modes)(
  'a build that runs out of time leaves no process, not even one that left its group (isolation %s)',
  async (mode) => {
    const mark = `7${mode === 'none' ? 1 : 2}.25`;
    const srpm = await srpmOf({ build: `setsid sleep ${mark} &\nsleep ${mark} &\nsleep ${mark}` });
    const fault = await faultOf(buildPackage(memorySource(srpm), hostBuildroot, driver(mode), { timeoutMs: 1_500 }));
    expect(fault).toMatchObject({ code: 'BUILD_TIMEOUT', timeoutMs: 1_500 });
    expect(processesWith(mark)).toEqual([]);
    expect(existsSync(join(scratch.path, 'work', mode, 'build'))).toBe(false);
  },
);

test.each(modes)('an aborted build rejects with the reason and leaves nothing (isolation %s)', async (mode) => {
  const mark = `8${mode === 'none' ? 1 : 2}.25`;
  const srpm = await srpmOf({ build: `setsid sleep ${mark} &\nsleep ${mark}` });
  const stop = new AbortController();
  const reason = new Error('not wanted any more');
  const folder = `abort-${mode}`;
  const building = buildPackage(memorySource(srpm), hostBuildroot, driver(mode, folder), {
    signal: stop.signal,
    onLog: (line) => {
      if (line.includes('Executing(%build)')) setTimeout(() => stop.abort(reason), 200);
    },
  });
  await expect(building).rejects.toBe(reason);
  expect(processesWith(mark)).toEqual([]);
  expect(readdirSync(join(scratch.path, 'work', folder))).toEqual([]);
});

test.each(modes)(
  'a build that leaves a process behind ends when rpmbuild ends, and the process with it (isolation %s)',
  async (mode) => {
    const mark = `9${mode === 'none' ? 1 : 2}.25`;
    const srpm = await srpmOf({ check: `setsid sleep ${mark} & true` });
    const result = await buildPackage(memorySource(srpm), hostBuildroot, driver(mode));
    expect(result.packages).toHaveLength(1);
    expect(processesWith(mark)).toEqual([]);
  },
);

test('a build that talks without end is ended at the ceiling', async () => {
  const srpm = await srpmOf({ build: 'yes' });
  const fault = await faultOf(buildPackage(memorySource(srpm), hostBuildroot, driver(), { maxLogBytes: 100_000 }));
  expect(fault).toMatchObject({ code: 'BUILD_LIMIT', what: 'log bytes', limit: 100_000 });
});

test('what the listener throws ends the build', async () => {
  const srpm = await srpmOf({ build: 'sleep 61' });
  const reason = new Error('listener');
  const building = buildPackage(memorySource(srpm), hostBuildroot, driver(), {
    onLog: () => {
      throw reason;
    },
  });
  await expect(building).rejects.toBe(reason);
});

test('refuses a binary package where an SRPM is wanted', async () => {
  const built = await buildPackage(memorySource(await srpmOf({})), hostBuildroot, driver());
  const binary = readFileSync(built.packages[0]?.path ?? '');
  expect(await faultOf(buildPackage(memorySource(binary), hostBuildroot, driver()))).toMatchObject({
    code: 'BUILD_BAD_SOURCE',
    what: 'SRPM',
  });
});

test('refuses a source folder without exactly one spec, and a spec without a date', async () => {
  const folder = await sourceFolder(scratch.path, 'bad-source');
  await rename(join(folder, 'hello.spec'), join(folder, 'hello.txt'));
  expect(await faultOf(buildSourcePackage(folder, hostBuildroot, driver()))).toMatchObject({
    code: 'BUILD_BAD_SOURCE',
    found: 'none',
  });
  await writeFile(join(folder, 'a.spec'), 'Name: a\n');
  await writeFile(join(folder, 'b.spec'), 'Name: b\n');
  expect(await faultOf(buildSourcePackage(folder, hostBuildroot, driver()))).toMatchObject({
    code: 'BUILD_BAD_SOURCE',
    found: '"a.spec", "b.spec"',
  });
  await rm(join(folder, 'b.spec'));
  expect(await faultOf(buildSourcePackage(folder, hostBuildroot, driver()))).toMatchObject({
    code: 'BUILD_BAD_SOURCE',
    what: 'spec "a.spec"',
  });
});

test('a probe says what the machine has', async () => {
  const report = await driver().probe();
  expect(report).toMatchObject({ driver: 'rpmbuild', isolation: 'namespace' });
  expect(report.tools[0]).toBe(
    `rpmbuild ${(await run('rpmbuild', ['--version'])).stdout.replace('RPM version ', '').trim()}`,
  );
  expect(report.arch).toBe((await run('rpm', ['--eval', '%{_target_cpu}'])).stdout.trim());
});
