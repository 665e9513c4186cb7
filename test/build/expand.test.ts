import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  BuildError,
  type Buildroot,
  buildSourcePackage,
  expandSpec,
  generateBuildRequires,
  hostBuildroot,
  mockDriver,
  planArches,
  rpmbuildDriver,
  sourceNode,
} from '@distrokit/build';
import { memorySource } from '@distrokit/rpm';
import { fileSource } from '@distrokit/rpm/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { scratchFolder } from './fixture.js';

const run = promisify(execFile);
let scratch: Awaited<ReturnType<typeof scratchFolder>>;
beforeAll(async () => {
  scratch = await scratchFolder();
});
afterAll(() => scratch.remove());

const driver = (isolation: 'namespace' | 'none' = 'namespace') =>
  rpmbuildDriver({ workFolder: join(scratch.path, 'work'), isolation });

/** Everything that only running the macros tells: shell, Lua, conditions on the arch, a loop, a list in a file. */
const spec = `%global answer %(echo $((6 * 7)))
%global word %{lua: print(string.rep("ab", 2))}
%bcond_without docs
Name: expanded
Epoch: 2
Version: 1.%{answer}
Release: 3%{?dist}
Summary: It's "quoted"
License: MIT
Source0: %{name}-%{version}.txt
Source1: extra.inc
Patch0: fix-%{word}.patch
ExclusiveArch: %{ix86} x86_64 aarch64
BuildRequires: gcc >= %{answer}
BuildRequires: (alpha or beta), /usr/bin/tool
%ifarch aarch64
BuildRequires: only-on-arm
%endif
%if %{with docs}
BuildRequires: docs-tool
%endif
BuildConflicts: bad < 2
%include %{SOURCE1}
%description
%{word}
%package -n lib%{name}
Summary: A library
Provides: bundled(thing) = %{answer}
Requires: %{name} = %{epoch}:%{version}-%{release}
%description -n lib%{name}
A library.
%package without-files
Summary: Never made
%description without-files
Nothing.
%package docs
Summary: Texts
BuildArch: noarch
%description docs
Texts.
%files
%files -n lib%{name}
%files docs
`;

async function folderOf(text = spec): Promise<string> {
  const folder = join(scratch.path, `source-${(await readdir(scratch.path)).length}`);
  await mkdir(folder);
  await writeFile(join(folder, 'expanded.spec'), text);
  await writeFile(join(folder, 'expanded-1.42.txt'), '');
  await writeFile(join(folder, 'extra.inc'), 'BuildRequires: from-include\n');
  await writeFile(join(folder, 'fix-abab.patch'), '');
  return folder;
}

const rpmspec = async (folder: string, ...words: string[]): Promise<string> =>
  (await run('rpmspec', [...words, '--define', `_sourcedir ${folder}`, join(folder, 'expanded.spec')])).stdout;
const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');

async function faultOf(expanding: Promise<unknown>): Promise<BuildError['fault']> {
  const cause = await expanding.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (cause instanceof BuildError) return cause.fault;
  throw new Error('a BuildError was expected', { cause });
}

test.each(['x86_64', 'aarch64', 'i686'])('says of a spec for %s what rpmspec says', async (arch) => {
  const folder = await folderOf();
  const target = ['--target', `${arch}-linux`];
  const expansion = await expandSpec(folder, { ...hostBuildroot, arch }, driver());
  expect(expansion.text).toBe(await rpmspec(folder, '--parse', ...target));
  expect(expansion.buildRequires).toEqual(linesOf(await rpmspec(folder, '-q', '--buildrequires', ...target)).sort());
  expect(expansion.buildRequires.includes('only-on-arm')).toBe(arch === 'aarch64');
  expect(expansion.buildConflicts).toEqual(linesOf(await rpmspec(folder, '-q', '--buildconflicts', ...target)));
  const names = await rpmspec(folder, '-q', '--builtrpms', ...target, '--qf', '%{NAME} %{EPOCH} %{VERSION} %{ARCH}\n');
  expect(expansion.packages.map((pkg) => `${pkg.name} ${pkg.epoch} ${pkg.version} ${pkg.arch}`)).toEqual(
    linesOf(names),
  );
  const provides = await rpmspec(folder, '-q', '--builtrpms', ...target, '--qf', '[%{PROVIDENEVRS}\n]');
  expect(expansion.packages.flatMap((pkg) => pkg.provides)).toEqual(linesOf(provides));
  const requires = await rpmspec(folder, '-q', '--builtrpms', ...target, '--qf', '[%{REQUIRENEVRS}\n]');
  expect(expansion.packages.flatMap((pkg) => pkg.requires)).toEqual(linesOf(requires));
});

test('macros of the buildroot decide, and what comes out leads to arches and to a place in a plan', async () => {
  const buildroot: Buildroot = { ...hostBuildroot, macros: { dist: '.el10', _without_docs: '1' } };
  const expansion = await expandSpec(await folderOf(), buildroot, driver());
  expect(expansion).toMatchObject({
    name: 'expanded',
    evr: { epoch: 2, version: '1.42', release: '3.el10' },
    buildRequires: ['(alpha or beta)', '/usr/bin/tool', 'from-include', 'gcc >= 42'],
    generatesBuildRequires: false,
    sources: expect.arrayContaining(['expanded-1.42.txt', 'extra.inc']),
    patches: ['fix-abab.patch'],
  });
  expect(planArches(expansion, ['i686', 's390x', 'aarch64']).build).toEqual(['i686', 'aarch64']);
  const node = sourceNode(expansion, 'x86_64');
  expect(node).toMatchObject({ name: 'expanded', arch: 'x86_64', buildRequires: expansion.buildRequires });
  expect(node.packages?.map((pkg) => pkg.name)).toEqual(['expanded', 'libexpanded', 'expanded-docs']);
  expect(node.packages?.[1]?.provides).toContain('bundled(thing) = 42');
});

test('what a spec runs while it is read sees no network, cannot write to the machine, and leaves nothing', async () => {
  const proof = '/var/lib/distrokit-expand-proof';
  const interfaces = '%(tail -n +3 /proc/net/dev | tr -d " " | cut -d: -f1)';
  const seen = `${interfaces} %(ls -A /root | wc -l) %(touch ${proof} 2>/dev/null && echo wrote || echo refused)`;
  const folder = await folderOf(spec.replace('Summary: It\'s "quoted"', `Summary: ${seen}`));
  const expansion = await expandSpec(folder, hostBuildroot, driver());
  expect(/^Summary: (.*)$/m.exec(expansion.text)?.[1]).toBe('lo 0 refused');
  expect(existsSync(proof)).toBe(false);
  expect((await readdir(join(scratch.path, 'work'))).filter((name) => !name.startsWith('result'))).toEqual([]);
});

test('a spec that rpm refuses is BUILD_FAILED with its line; one that does not end is ended', async () => {
  const bad = await faultOf(expandSpec(await folderOf('Name: bad\n%if\n'), hostBuildroot, driver()));
  expect(bad).toMatchObject({ code: 'BUILD_FAILED', failureClass: 'bad-spec' });
  if (bad.code === 'BUILD_FAILED') expect(bad.lastLogLines.join('\n')).toContain('line 2');
  const slow = await folderOf(`%(sleep 97.25)\n${spec}`);
  expect(await faultOf(expandSpec(slow, hostBuildroot, driver(), { timeoutMs: 500 }))).toMatchObject({
    code: 'BUILD_TIMEOUT',
  });
  await expect(run('pgrep', ['-f', 'sleep 97.25'])).rejects.toMatchObject({ code: 1 });
});

test('an expansion as long as a disk is refused at its ceiling', async () => {
  const bomb = await folderOf(`${spec}%changelog\n%{lua: for i = 1, 40 do print(string.rep("x", 1048576)) end}\n`);
  const fault = await faultOf(expandSpec(bomb, { ...hostBuildroot, sourceDate: new Date(0) }, driver()));
  expect(fault).toMatchObject({ code: 'BUILD_LIMIT', what: 'bytes of an expanded spec', limit: 32 * 2 ** 20 });
});

test('without a sealed root nothing is expanded', async () => {
  const folder = await folderOf();
  expect(await faultOf(expandSpec(folder, hostBuildroot, driver('none')))).toMatchObject({
    code: 'BUILD_DRIVER_UNUSABLE',
    driver: 'rpmbuild',
  });
  const mock = mockDriver({ workFolder: join(scratch.path, 'mock'), program: '/bin/true' });
  const root = { kind: 'repositories', repositories: [], packages: [], releasever: '1' } as const;
  expect(await faultOf(expandSpec(folder, { root }, mock))).toMatchObject({ code: 'BUILD_DRIVER_UNUSABLE' });
});

test('a source that generates nothing is answered from its header; one that does needs a root to add to', async () => {
  const plain = await buildSourcePackage(
    await folderOf(`${spec}%changelog\n* Wed Nov 01 2023 A <a@b> - 1-1\n- x\n`),
    hostBuildroot,
    driver(),
  );
  expect(await generateBuildRequires(await fileSource(plain.srpm.path), hostBuildroot, driver())).toEqual({
    buildRequires: ['(alpha or beta)', '/usr/bin/tool', 'docs-tool', 'from-include', 'gcc >= 42'],
    complete: true,
  });
  const generating = await buildSourcePackage(
    await folderOf(`${spec}%generate_buildrequires\necho more\n%changelog\n* Wed Nov 01 2023 A <a@b> - 1-1\n- x\n`),
    hostBuildroot,
    driver(),
  );
  expect(
    await faultOf(generateBuildRequires(await fileSource(generating.srpm.path), hostBuildroot, driver())),
  ).toMatchObject({
    code: 'BUILD_DRIVER_UNUSABLE',
  });
  await expect(generateBuildRequires(memorySource(new Uint8Array(10)), hostBuildroot, driver())).rejects.toThrow();
});
