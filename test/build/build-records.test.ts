import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type BuildResult,
  type Buildroot,
  buildPackage,
  buildSourcePackage,
  compareBuilds,
  compareNoarch,
  formatNsvca,
  hostBuildroot,
  moduleContext,
  moduleDistTag,
  moduleIdentity,
  moduleMacros,
  provenanceOf,
  rpmbuildDriver,
} from '@distrokit/build';
import { memorySource, type RpmPackage } from '@distrokit/rpm';
import { openPackage } from '@distrokit/rpm/node';
import type { SourceTree } from '@distrokit/source';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SpecParts, scratchFolder, sourceFolder } from './fixture.js';

let scratch: Awaited<ReturnType<typeof scratchFolder>>;
beforeAll(async () => {
  scratch = await scratchFolder();
});
afterAll(() => scratch.remove());

let builds = 0;
async function built(
  parts: SpecParts,
  buildroot: Buildroot = hostBuildroot,
): Promise<BuildResult & { readonly srpmSha256: string }> {
  builds += 1;
  const driver = rpmbuildDriver({ workFolder: join(scratch.path, 'work') });
  const source = await buildSourcePackage(
    await sourceFolder(scratch.path, `source-${builds}`, parts),
    hostBuildroot,
    driver,
  );
  const bytes = new Uint8Array(await readFile(source.srpm.path));
  return { ...(await buildPackage(memorySource(bytes), buildroot, driver)), srpmSha256: source.srpm.sha256 };
}

const script = (text: string, more: SpecParts = {}): SpecParts => ({
  preamble: 'BuildArch: noarch',
  build: 'true',
  check: 'true',
  install: `mkdir -p %{buildroot}/usr/share/doc\n${text}`,
  files: '/usr/share/doc/*',
  ...more,
});

async function noarch(parts: SpecParts): Promise<RpmPackage> {
  const result = await built(parts);
  const opened = await openPackage(result.packages[0]?.path ?? '');
  await opened[Symbol.asyncDispose]();
  return opened;
}

test('noarch builds that differ only in content and time are one package', async () => {
  const report = compareNoarch([
    { arch: 'x86_64', package: await noarch(script('echo one > %{buildroot}/usr/share/doc/a')) },
    { arch: 'aarch64', package: await noarch(script('echo another > %{buildroot}/usr/share/doc/a')) },
  ]);
  expect(report).toEqual({ ok: true, differences: [], incomplete: [] });
});

test('noarch builds with other files, modes, dependencies or scripts are not, and it says in what', async () => {
  const report = compareNoarch([
    {
      arch: 'x86_64',
      package: await noarch(
        script('echo > %{buildroot}/usr/share/doc/a; install -m755 /dev/null %{buildroot}/usr/share/doc/c'),
      ),
    },
    {
      arch: 'aarch64',
      package: await noarch(
        script('echo > %{buildroot}/usr/share/doc/b; install -m644 /dev/null %{buildroot}/usr/share/doc/c', {
          preamble: 'BuildArch: noarch\nRequires: glibc-aarch64',
          rest: '%post\necho done\n',
        }),
      ),
    },
  ]);
  expect(report.ok).toBe(false);
  expect(report.differences.map(({ what, item }) => (item === undefined ? what : `${what} ${item}`))).toEqual(
    expect.arrayContaining([
      'POSTIN',
      'file /usr/share/doc/a',
      'file /usr/share/doc/b',
      'file /usr/share/doc/c',
      'requires glibc-aarch64',
    ]),
  );
  const modes = report.differences.find(({ item }) => item === '/usr/share/doc/c');
  expect(modes?.values.map(({ arch, value }) => [arch, value.split(' ')[0]])).toEqual([
    ['aarch64', '100644'],
    ['x86_64', '100755'],
  ]);
});

test('a noarch package that one arch did not make is named; no builds are not an agreement', async () => {
  const one = await noarch(script('echo > %{buildroot}/usr/share/doc/a'));
  const other = await noarch(script('echo > %{buildroot}/usr/share/doc/a', { name: 'goodbye' }));
  const report = compareNoarch([
    { arch: 'x86_64', package: one },
    { arch: 'x86_64', package: other },
    { arch: 'aarch64', package: one },
  ]);
  expect(report).toMatchObject({ ok: false, incomplete: [{ package: 'goodbye-1.0-1.noarch', arches: ['x86_64'] }] });
  expect(compareNoarch([]).ok).toBe(false);
});

test('two builds with equal bytes are a reproduction; others are explained by tag and by file', async () => {
  const parts = script('date -u +%%N > %{buildroot}/usr/share/doc/time; echo fixed > %{buildroot}/usr/share/doc/fixed');
  const one = await built(parts);
  const two = await built(parts, { ...hostBuildroot, buildHost: 'another.invalid' });
  expect(await compareBuilds(one.packages, one.packages)).toEqual({ ok: true, differences: [] });
  const report = await compareBuilds(one.packages, two.packages);
  expect(report.ok).toBe(false);
  const [difference] = report.differences;
  expect(difference).toMatchObject({ package: 'hello-1.0-1.noarch.rpm', kind: 'content' });
  expect(difference?.tags).toContainEqual({ tag: 'BUILDHOST', first: '"build.invalid"', second: '"another.invalid"' });
  expect(difference?.files.map(({ path }) => path)).toEqual(['/usr/share/doc/time']);
  expect(difference?.files[0]?.what).toContain('content');
  expect(await compareBuilds(one.packages, [])).toMatchObject({ ok: false, differences: [{ kind: 'only-first' }] });
  expect((await compareBuilds([], [])).ok).toBe(false);
});

test('the record of a build names sources with their terms, the root, the driver and the results', async () => {
  const result = await built({}, { ...hostBuildroot, macros: { vendor: 'Example' } });
  const from = (terms: 'public' | 'subscription') => ({
    kind: 'dist-git' as const,
    where: 'https://git.example.org/hello',
    terms,
  });
  const source: SourceTree = {
    origin: from('public'),
    ref: 'a'.repeat(40),
    directory: '/nowhere',
    spec: 'hello.spec',
    nevr: undefined,
    files: [
      { path: 'hello.spec', sha256: '1'.repeat(64), sizeBytes: 1, from: from('public') },
      { path: 'hello.c', sha256: '2'.repeat(64), sizeBytes: 1, from: from('subscription') },
    ],
  };
  const record = provenanceOf(result, {
    source,
    srpmSha256: result.srpmSha256,
    builderId: 'https://builder.example.org/1',
  });
  expect(record.subject).toEqual(
    result.packages.map((pkg) => ({ name: 'hello-1.0-1.x86_64.rpm', digest: { sha256: pkg.sha256 } })),
  );
  expect(record.terms).toBe('subscription');
  expect(record.buildDefinition.externalParameters).toEqual({
    source: 'hello-1.0-1.src',
    arch: 'x86_64',
    macros: { vendor: 'Example' },
    sourceDateEpoch: Date.UTC(2023, 10, 1, 12) / 1000,
    buildHost: 'build.invalid',
  });
  expect(record.buildDefinition.resolvedDependencies.slice(0, 3).map(({ name, digest }) => [name, digest])).toEqual([
    ['hello-1.0-1.src.rpm', { sha256: result.srpmSha256 }],
    ['hello.spec', { sha256: '1'.repeat(64) }],
    ['hello.c', { sha256: '2'.repeat(64) }],
  ]);
  expect(record.runDetails.metadata).toEqual({});
  expect(JSON.parse(JSON.stringify(record))).toEqual(record);
});

const dependencies = {
  buildRequires: { platform: 'el9', perl: '5.32' },
  requires: { platform: ['el9'], 'perl-é': [] },
};

test('a module context is what Python computes from the same dependencies', () => {
  const program = `import json, hashlib, sys
d = json.load(sys.stdin)
h = lambda t: hashlib.sha1(t.encode()).hexdigest()
print(h(h(json.dumps(dict(sorted(d["buildRequires"].items())), sort_keys=True)) + ":" + h(json.dumps(d["requires"], sort_keys=True)))[:8])`;
  const expected = execFileSync('python3', ['-c', program], { input: JSON.stringify(dependencies) })
    .toString()
    .trim();
  expect(moduleContext(dependencies)).toBe(expected);
  expect(moduleContext({ ...dependencies, requires: {} })).not.toBe(expected);
});

test('a module build has an identity, a dist tag, and macros that rpmbuild puts into its packages', async () => {
  const identity = moduleIdentity({
    ...dependencies,
    name: 'nodejs',
    stream: '20',
    versionPrefix: '90600',
    builtAt: new Date('2026-11-22T03:04:05.6Z'),
    arch: 'x86_64',
  });
  expect(formatNsvca(identity)).toBe(`nodejs:20:9060020261122030405:${moduleContext(dependencies)}:x86_64`);
  const dist = moduleDistTag(identity, { prefix: 'el9.6.0', index: 7 });
  expect(dist).toMatch(/^\.module_el9\.6\.0\+7\+[0-9a-f]{8}$/);
  const result = await built({}, { ...hostBuildroot, macros: moduleMacros(identity, dist) });
  await using opened = await openPackage(result.packages[0]?.path ?? '');
  expect(opened.header.get('MODULARITYLABEL')).toBe(`nodejs:20:9060020261122030405:${identity.context}`);
});
