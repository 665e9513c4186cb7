import { type HeaderEntry, readPackage, scriptlets, triggers } from '@distrokit/rpm';
import { expect, test } from 'vitest';
import { int32, mainEntries, packageBytes, string, strings } from '../fixtures/package-bytes.js';

const header = async (...entries: readonly HeaderEntry[]) =>
  (await readPackage(packageBytes({ main: mainEntries(...entries) }))).header;

const noFlags = { expand: false, queryFormat: false, critical: false };

test('reads a scriptlet with interpreter, arguments and flags', async () => {
  const found = scriptlets(await header(string(1023, 'exit 0'), strings(1085, ['/bin/sh', '-e']), int32(5020, 1 | 4)));
  expect(found).toEqual([
    {
      kind: 'pre',
      interpreter: ['/bin/sh', '-e'],
      body: 'exit 0',
      flags: { expand: true, queryFormat: false, critical: true },
    },
  ]);
});

test('reads a program that is stored as a plain string, and one that runs without a body', async () => {
  expect(scriptlets(await header(string(1088, '/sbin/ldconfig')))).toEqual([
    { kind: 'postun', interpreter: ['/sbin/ldconfig'], flags: noFlags },
  ]);
});

test('runs a body without a program with the shell', async () => {
  expect(scriptlets(await header(string(1024, 'true')))[0]?.interpreter).toEqual(['/bin/sh']);
});

/** Two triggers; the conditions of the first lie apart. */
const trigger = {
  scripts: strings(1065, ['one', 'two']),
  names: strings(1066, ['a', 'b', 'c']),
  versions: strings(1067, ['', '1', '']),
  senses: int32(1068, 1 << 16, 1 << 17, (1 << 16) | 8),
  indexes: int32(1069, 0, 1, 0),
  programs: strings(1092, ['/bin/sh', '<lua>']),
};

test('gathers the conditions of each trigger', async () => {
  const found = triggers(await header(...Object.values(trigger)));
  expect(found).toMatchObject([
    { family: 'package', event: 'in', body: 'one', conditions: [{ name: 'a' }, { name: 'c', flags: 65544 }] },
    { family: 'package', event: 'un', body: 'two', interpreter: ['<lua>'], conditions: [{ name: 'b', evr: '1' }] },
  ]);
  expect(found[0]).not.toHaveProperty('priority');
});

test.each([
  ['a condition that points behind the last script', { indexes: int32(1069, 0, 1, 2) }, 'TRIGGERINDEX'],
  ['a script that nothing fires', { indexes: int32(1069, 0, 0, 0) }, 'TRIGGERINDEX'],
  ['fewer indexes than conditions', { indexes: int32(1069, 0, 1) }, 'TRIGGERINDEX'],
  ['a condition without an event', { senses: int32(1068, 8, 1 << 17, 8) }, 'TRIGGERFLAGS'],
  ['fewer programs than scripts', { programs: strings(1092, ['/bin/sh']) }, 'TRIGGERSCRIPTPROG'],
])('refuses %s', async (_, changes, tag) => {
  const broken = await header(...Object.values({ ...trigger, ...changes }));
  expect(() => triggers(broken)).toThrow(
    expect.objectContaining({ code: 'RPM_BAD_SCRIPTLET', fault: expect.objectContaining({ tag }) }),
  );
});

test('refuses conditions without as many versions', async () => {
  const broken = await header(...Object.values({ ...trigger, versions: strings(1067, ['']) }));
  expect(() => triggers(broken)).toThrow(expect.objectContaining({ code: 'RPM_BAD_DEPENDENCY' }));
});
