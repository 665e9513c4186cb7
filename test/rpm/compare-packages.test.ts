import { comparePackages, type HeaderEntry, readPackage } from '@distrokit/rpm';
import { expect, test } from 'vitest';
import { INT16, int32, mainEntries, packageBytes, string, strings } from '../fixtures/package-bytes.js';

const int16 = (tag: number, ...values: number[]): HeaderEntry => ({
  tag,
  type: INT16,
  count: values.length,
  data: new Uint8Array(values.flatMap((value) => [value >> 8, value & 0xff])),
});

const filesOf = (mode: number, digest: string, user: string, time: number): HeaderEntry[] => [
  int32(1028, 5),
  int16(1030, mode),
  int32(1034, time),
  strings(1035, [digest]),
  strings(1036, ['']),
  int32(1037, 0),
  strings(1039, [user]),
  strings(1040, ['root']),
  int32(1116, 0),
  strings(1117, ['tool']),
  strings(1118, ['/usr/bin/']),
];

const read = (...entries: HeaderEntry[]) => {
  const replaced = new Set(entries.map(({ tag }) => tag));
  const kept = mainEntries().filter(({ tag }) => !replaced.has(tag));
  return readPackage(packageBytes({ main: [...kept, ...entries].sort((a, b) => a.tag - b.tag) }));
};

test('a package and itself differ in nothing', async () => {
  const pkg = await read(...filesOf(0o100755, 'aa'.repeat(16), 'root', 1));
  expect(await comparePackages(pkg, pkg)).toEqual({
    oldNevra: pkg.nevra,
    newNevra: pkg.nevra,
    tags: [],
    dependencies: {},
    files: { added: [], removed: [], changed: [] },
    scripts: { added: [], removed: [], changed: [] },
  });
});

test('build time, build host and file times are no change', async () => {
  const old = await read(int32(1006, 1), string(1007, 'one'), ...filesOf(0o100755, 'aa'.repeat(16), 'root', 1));
  const now = await read(int32(1006, 2), string(1007, 'two'), ...filesOf(0o100755, 'aa'.repeat(16), 'root', 2));
  expect(await comparePackages(old, now)).toMatchObject({ tags: [], files: { changed: [] } });
});

test('tags come with both values, an absent one undefined', async () => {
  const old = await read(string(1014, 'MIT'));
  const now = await read(string(1014, 'GPL-2.0-only'), string(1020, 'https://example.org'));
  expect((await comparePackages(old, now)).tags).toEqual([
    { tag: 'LICENSE', old: 'MIT', new: 'GPL-2.0-only' },
    { tag: 'URL', old: undefined, new: 'https://example.org' },
  ]);
});

test('dependencies are told by kind, as text', async () => {
  const requires = (version: string) => [int32(1048, 12), strings(1049, ['libc']), strings(1050, [version])];
  const { dependencies } = await comparePackages(await read(...requires('2.34')), await read(...requires('2.38')));
  expect(dependencies).toEqual({ requires: { added: ['libc >= 2.38'], removed: ['libc >= 2.34'] } });
});

test('files are told by what changed about them', async () => {
  const old = await read(...filesOf(0o100755, 'aa'.repeat(16), 'root', 1));
  const now = await read(...filesOf(0o104750, 'bb'.repeat(16), 'daemon', 1));
  expect((await comparePackages(old, now)).files).toEqual({
    added: [],
    removed: [],
    changed: [{ path: '/usr/bin/tool', aspects: ['permissions', 'content', 'user'] }],
  });
  expect((await comparePackages(old, await read())).files.removed).toEqual(['/usr/bin/tool']);
  expect((await comparePackages(await read(), old)).files.added).toEqual(['/usr/bin/tool']);
});

test('digests of two algorithms are not compared with each other', async () => {
  const old = await read(...filesOf(0o100755, 'aa'.repeat(16), 'root', 1));
  const now = await read(int32(5011, 8), ...filesOf(0o100755, 'bb'.repeat(32), 'root', 1));
  expect((await comparePackages(old, now)).files.changed).toEqual([]);
});

test('scriptlets are added, removed or changed by their kind', async () => {
  const old = await read(string(1023, 'echo pre'), string(1024, 'echo post'));
  const now = await read(string(1024, 'echo later'), string(1025, 'echo preun'));
  expect((await comparePackages(old, now)).scripts).toEqual({ added: ['preun'], removed: ['pre'], changed: ['post'] });
});
