import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareAbi, comparePackages, decodeElf } from '@distrokit/rpm';
import { openPackage } from '@distrokit/rpm/node';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'abi-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Build {
  readonly code: string;
  readonly versions?: string;
  readonly soname?: string;
  readonly options?: readonly string[];
}

const base = 'int foo(void) { return 1; } int bar(void) { return 2; } int v = 3;';
const builds: Readonly<Record<string, Build>> = {
  base: { code: base },
  'function removed': { code: 'int foo(void) { return 1; } int v = 3;' },
  'function added': { code: `${base} int baz(void) { return 4; }` },
  'function renamed': { code: base.replace('bar', 'barbar') },
  'function made static': { code: base.replace('int bar', 'static int bar') },
  'function made hidden': { code: `__attribute__((visibility("hidden"))) ${base}` },
  'function made weak': { code: base.replace('int bar', '__attribute__((weak)) int bar') },
  'variable removed': { code: base.replace('int v = 3;', '') },
  'variable added': { code: `${base} int w = 4;` },
  'function made a variable': { code: base.replace('int bar(void) { return 2; }', 'int bar = 2;') },
  'body changed': { code: base.replace('return 2', 'return 22') },
  'soname changed': { code: base, soname: 'libx.so.2' },
  'soname removed': { code: base, soname: '' },
  versioned: { code: base, versions: 'V1 { global: foo; bar; v; local: *; };' },
  'moved to another version': {
    code: base,
    versions: 'V1 { global: foo; v; local: *; }; V2 { global: bar; } V1;',
  },
  'version renamed': { code: base, versions: 'W1 { global: foo; bar; v; local: *; };' },
  'new default beside the old version': {
    code: `int foo(void) { return 1; } int bar1(void) { return 1; } int bar2(void) { return 2; } int v = 3;
      __asm__(".symver bar1,bar@V1"); __asm__(".symver bar2,bar@@V2");`,
    versions: 'V1 { global: foo; v; bar; local: *; }; V2 { global: bar; } V1;',
  },
  '32 bits': { code: base, options: ['-m32'] },
};

const libraries = new Map<string, string>();
for (const [name, { code, versions, soname = 'libx.so.1', options = [] }] of Object.entries(builds)) {
  const stem = join(folder, name.replaceAll(' ', '-'));
  writeFileSync(`${stem}.c`, code);
  writeFileSync(`${stem}.map`, versions ?? '');
  const linker = [soname && `-Wl,-soname,${soname}`, versions && `-Wl,--version-script=${stem}.map`].filter(Boolean);
  execFileSync('gcc', [
    '-shared',
    '-fPIC',
    '-nostdlib',
    ...options,
    ...(linker as string[]),
    '-o',
    `${stem}.so`,
    `${stem}.c`,
  ]);
  libraries.set(name, `${stem}.so`);
}

/** abidiff's status: 4 for a change, 8 more for an incompatible one. */
function judge(old: string, now: string): number {
  const { status, stderr } = spawnSync('abidiff', [old, now], { encoding: 'utf8' });
  if (status === null || (status & 3) !== 0) throw new Error(`abidiff ${old} ${now}: ${status} ${stderr}`);
  return status;
}

/** `changed` is our own finding: without debug information abidiff does not look at sizes and types of symbols. */
const statuses = { same: [0], added: [4], changed: [0, 4], incompatible: [12] } as const;

test.each([...libraries.keys()].flatMap((old) => [...libraries.keys()].map((now) => [old, now] as const)))(
  'from "%s" to "%s" the verdict is abidiff’s',
  (oldName, newName) => {
    const [old, now] = [libraries.get(oldName)!, libraries.get(newName)!];
    const report = compareAbi(decodeElf(readFileSync(old)), decodeElf(readFileSync(now)));
    expect(statuses[report.verdict], JSON.stringify(report)).toContain(judge(old, now));
  },
);

test('names what is gone, what is new and what moved', () => {
  const compare = (old: string, now: string) =>
    compareAbi(decodeElf(readFileSync(libraries.get(old)!)), decodeElf(readFileSync(libraries.get(now)!)));
  expect(compare('base', 'function renamed')).toMatchObject({
    verdict: 'incompatible',
    removed: [{ name: 'bar' }],
    added: [{ name: 'barbar' }],
  });
  expect(compare('base', 'soname changed')).toMatchObject({
    soname: { old: 'libx.so.1', new: 'libx.so.2' },
    removed: [],
  });
  expect(compare('versioned', 'moved to another version')).toMatchObject({
    removed: [{ name: 'bar', version: 'V1' }],
    added: [],
    addedVersions: ['V2'],
  });
  expect(compare('base', '32 bits').machine).toEqual({ old: 'x86_64', new: 'i386' });
});

test('a variable that grows is reported: programs have copied it at its old size', () => {
  const stem = join(folder, 'grown');
  writeFileSync(`${stem}.c`, base.replace('int v = 3', 'long v[9] = {3}'));
  execFileSync('gcc', ['-shared', '-fPIC', '-nostdlib', '-Wl,-soname,libx.so.1', '-o', `${stem}.so`, `${stem}.c`]);
  const report = compareAbi(decodeElf(readFileSync(libraries.get('base')!)), decodeElf(readFileSync(`${stem}.so`)));
  expect(report).toMatchObject({ verdict: 'changed', changed: [{ old: { sizeBytes: 4 }, new: { sizeBytes: 72 } }] });
});

/** A package of one library, built by rpmbuild. */
function packageOf(name: string, release: string): string {
  const top = join(folder, `top-${release}`);
  mkdirSync(top);
  const spec = join(top, 'x.spec');
  const library = builds[name]!.soname ?? 'libx.so.1';
  writeFileSync(
    spec,
    [
      ...['Name: x', 'Version: 1', `Release: ${release}`, 'Summary: x', 'License: MIT', 'AutoReqProv: no'],
      ...['%description', 'x', '%install', 'mkdir -p %{buildroot}/usr/lib64'],
      `cp ${libraries.get(name)} %{buildroot}/usr/lib64/${library}`,
      `ln -s ${library} %{buildroot}/usr/lib64/libx.so`,
      ...(release === '1' ? [] : ['%post', 'echo new']),
      ...['%files', '/usr/lib64/*'],
    ].join('\n'),
  );
  execFileSync('rpmbuild', ['-bb', '--define', `_topdir ${top}`, '--define', 'debug_package %{nil}', spec], {
    stdio: 'pipe',
  });
  return join(top, 'RPMS', 'x86_64', `x-1-${release}.x86_64.rpm`);
}

test('packages: the libraries’ verdicts are abipkgdiff’s, and the rest of the difference is named', async () => {
  const old = packageOf('base', '1');
  const wanted = { 'body changed': 'same', 'function added': 'added', 'function removed': 'incompatible' } as const;
  for (const [i, [name, verdict]] of Object.entries(wanted).entries()) {
    const now = packageOf(name, String(i + 2));
    // Without a provide of its soname it takes a library for private.
    const { status } = spawnSync('abipkgdiff', ['--private-dso', old, now]);
    expect(statuses[verdict], name).toContain(status);
    using oldPackage = await openPackage(old);
    using newPackage = await openPackage(now);
    const report = await comparePackages(oldPackage, newPackage, { payload: true });
    expect(report.libraries, name).toHaveLength(1);
    expect(report.libraries![0]!.abi!.verdict, name).toBe(verdict);
    expect(report.files).toEqual({
      added: [],
      removed: [],
      changed: [{ path: '/usr/lib64/libx.so.1', aspects: expect.arrayContaining(['content']) }],
    });
    expect(report.tags.map(({ tag }) => tag)).toEqual(['RELEASE', 'SOURCERPM']);
    expect(report.scripts).toEqual({ added: ['post'], removed: [], changed: [] });
    expect(report.dependencies.provides?.removed).toEqual(['x = 1-1', 'x(x86-64) = 1-1']);
  }
});

test('a library with a new soname and path is gone and new', async () => {
  using oldPackage = await openPackage(packageOf('base', '8'));
  using newPackage = await openPackage(packageOf('soname changed', '9'));
  const { libraries: found, files } = await comparePackages(oldPackage, newPackage, { payload: true });
  expect(found).toEqual([
    { soname: 'libx.so.1', oldPath: '/usr/lib64/libx.so.1' },
    { soname: 'libx.so.2', newPath: '/usr/lib64/libx.so.2' },
  ]);
  expect(files.changed).toEqual([{ path: '/usr/lib64/libx.so', aspects: ['link target'] }]);
});
