/**
 * The kernel that turns headers into XML writes what the code without it writes, whatever the header holds. Records are made
 * without the kernel, so whoever asks for them (`onPackage`) keeps it out.
 */
import { mkdtempSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRepository } from '@distrokit/repo/node';
import type { HeaderEntry } from '@distrokit/rpm';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { INT16, int32, int64, packageBytes, STRING_ARRAY } from '../fixtures/package-bytes.js';
import { temporaryFolder } from '../repo/fixture-packages.js';

const top = temporaryFolder();
afterAll(() => top.remove());

/** The three documents of packages with these headers, and the errors of those that are left out. */
async function documents(folder: string, withKernel: boolean, changelogLimit: number): Promise<unknown> {
  const errors: unknown[] = [];
  const made = await createRepository(folder, {
    revision: '1',
    timestamp: new Date(0),
    compression: 'none',
    plainNames: true,
    duplicates: 'keep',
    locationPrefix: 'Packages/ü/',
    changelogLimit,
    onBadPackage: (path, error) => errors.push([path, error.code, error.message]),
    ...(withKernel ? {} : { onPackage: () => undefined }),
  });
  const texts = ['primary', 'filelists', 'other'].map((type) =>
    readFileSync(join(folder, 'repodata', `${type}.xml`), 'latin1').split('\n'),
  );
  return { packages: made.packages, errors, texts };
}

/** How many of the packages could be written. */
async function expectSame(headers: readonly (readonly HeaderEntry[])[], changelogLimit = 10): Promise<number> {
  const folder = mkdtempSync(join(top.path, 'packages-'));
  for (const [at, main] of headers.entries()) {
    const path = join(folder, `${String(at).padStart(4, '0')}&.rpm`);
    writeFileSync(path, packageBytes({ main: [...main].sort((a, b) => a.tag - b.tag) }));
    utimesSync(path, 1_700_000_000, 1_700_000_000);
  }
  const kernel = (await documents(folder, true, changelogLimit)) as { readonly packages: number };
  expect(kernel).toEqual(await documents(folder, false, changelogLimit));
  return kernel.packages;
}

/** Strings of bytes that need not be UTF-8. */
function latin1(tag: number, values: readonly string[], type = STRING_ARRAY): HeaderEntry {
  return { tag, type, count: values.length, data: Buffer.from(values.map((value) => `${value}\0`).join(''), 'latin1') };
}

function int16(tag: number, values: readonly number[]): HeaderEntry {
  const data = Buffer.alloc(values.length * 2);
  for (const [at, value] of values.entries()) data.writeUInt16BE(value, at * 2);
  return { tag, type: INT16, count: values.length, data };
}

const bytesOf = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
/** Characters that XML escapes, cannot carry, or that take two to four bytes; then bytes that are no UTF-8. */
const pieces = ['a', 'Z', '7', ' ', '  ', '&', '<', '>', '"', "'", ']]>', '\t', '\n', '\r', '/', '-', ':', '.'];
const beyond = ['é', 'ß', '€', '한', '😀', '\u0085', '\ud7ff', '\ue000', '\ufffd', '\ufeff'].map(bytesOf);
const bad = [
  '\x01',
  '\x1f',
  '\x7f',
  bytesOf('\uffff'),
  '\x80',
  '\xc3',
  '\xe2\x82',
  '\xed\xa0\x80',
  '\xf5\x80\x80\x80',
  '\xc0\xaf',
];
const anyText = (weights: readonly [number, number, number]): fc.Arbitrary<string> =>
  fc
    .array(
      fc.oneof(
        { weight: weights[0], arbitrary: fc.constantFrom(...pieces) },
        { weight: weights[1], arbitrary: fc.constantFrom(...beyond) },
        { weight: weights[2], arbitrary: fc.constantFrom(...bad) },
      ),
      { maxLength: 40 },
    )
    .map((parts) => parts.join(''));
const text = fc.oneof({ weight: 6, arbitrary: anyText([8, 1, 0]) }, { weight: 1, arbitrary: anyText([20, 1, 1]) });

const dependencyName = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.constantFrom(
      ...[
        'a',
        'b',
        'lib.so.1()(64bit)',
        'rpmlib(PayloadIsZstd)',
        '/bin/sh',
        '/etc/a',
        '/usr/lib/sendmail',
        '/usr/share/x',
      ],
      ...[
        'libc.so.6()(64bit)',
        'libc.so.6(GLIBC_2.34)(64bit)',
        'libc.so.6(GLIBC_2.4)(64bit)',
        'libc.so.6(GLIBC_ABI_DT_RELR)',
      ],
      ...['libc.so.6(GLIBC_2.2.5', '(a if b)', bytesOf('ü'), '/usr/bin/x', '/opt/bin/y/z', 'x"&<'],
    ),
  },
  { weight: 1, arbitrary: text },
);
const dependencyVersion = fc.constantFrom(
  '',
  '',
  '1',
  '1.0-1',
  '0:1.0-1',
  '2:1-1.el9',
  '1-',
  '-1',
  ':1',
  '1:',
  '1:2:3',
  'x:1',
  '1~rc1^2-3',
  '00:1',
);
const dependencyFlags = fc.constantFrom(0, 2, 4, 6, 8, 10, 12, 14, 0x40, 0x208, 0x408, 0x100000c, 0x8000008);
const dependencies = (nameTag: number, versionTag: number, flagsTag: number): fc.Arbitrary<HeaderEntry[]> =>
  fc.array(fc.tuple(dependencyName, dependencyVersion, dependencyFlags), { maxLength: 12 }).map((rows) =>
    rows.length === 0
      ? []
      : [
          latin1(
            nameTag,
            rows.map(([name]) => name),
          ),
          latin1(
            versionTag,
            rows.map(([, version]) => version),
          ),
          int32(flagsTag, ...rows.map(([, , flags]) => flags)),
        ],
  );

const folderNames = [
  '/',
  '/etc/',
  '/usr/bin/',
  '/usr/lib/',
  '/opt/bin/y/',
  '/usr/share/&/',
  '/cabin/',
  bytesOf('/ö/'),
  '',
  '/no-slash',
];
const files: fc.Arbitrary<HeaderEntry[]> = fc
  .tuple(
    fc.array(fc.constantFrom(...folderNames), { minLength: 1, maxLength: 5 }),
    fc.array(
      fc.record({
        name: fc.oneof(fc.constantFrom('sendmail', 'x', 'z', 'a', 'sh', 'bin', '', 'a/b'), text),
        folder: fc.integer({ min: 0, max: 5 }),
        mode: fc.constantFrom(0o100644, 0o040755, 0o120777),
        flags: fc.constantFrom(0, 1, 64, 65),
      }),
      { maxLength: 20 },
    ),
  )
  .map(([folders, list]) =>
    list.length === 0
      ? []
      : [
          latin1(
            1117,
            list.map(({ name }) => name),
          ),
          latin1(1118, folders),
          // Now and then an index that points nowhere.
          int32(1116, ...list.map(({ folder }) => (folder === 5 ? folders.length : folder % folders.length))),
          int16(
            1030,
            list.map(({ mode }) => mode),
          ),
          int32(1037, ...list.map(({ flags }) => flags)),
        ],
  );

const changelog: fc.Arbitrary<HeaderEntry[]> = fc
  .array(fc.tuple(fc.constantFrom(0, 5, 5, 6, 1_700_000_000, 0xffff_ffff), text, text), { maxLength: 14 })
  .map((entries) =>
    entries.length === 0
      ? []
      : [
          int32(1080, ...entries.map(([time]) => time)),
          latin1(
            1081,
            entries.map(([, author]) => `${author}  `),
          ),
          latin1(
            1082,
            entries.map(([, , body]) => body),
          ),
        ],
  );

const optionalTexts: fc.Arbitrary<HeaderEntry[]> = fc
  .tuple(
    ...[1004, 1005, 1007, 1011, 1014, 1015, 1016, 1020, 1044].map((tag) =>
      fc.option(text.map((value) => latin1(tag, [value], 6))),
    ),
  )
  .map((entries) => entries.filter((entry) => entry !== null));

const numbers: fc.Arbitrary<HeaderEntry[]> = fc
  .tuple(
    fc.option(fc.constantFrom(0, 1, 0xffff_ffff).map((value) => int32(1003, value))),
    fc.option(fc.constantFrom(0, 1_700_000_000).map((value) => int32(1006, value))),
    fc.option(fc.constantFrom(0, 0xffff_ffff).map((value) => int32(1009, value))),
    fc.option(fc.constantFrom(7n, 2n ** 40n, 2n ** 53n - 1n, 2n ** 53n).map((value) => int64(5009, value))),
    fc.option(fc.constantFrom(0, 99).map((value) => int32(1046, value))),
  )
  .map((entries) => entries.filter((entry) => entry !== null));

test('whatever a header holds, the kernel writes the bytes and gives the errors of the code without it', async () => {
  const header = fc
    .tuple(
      fc.tuple(text, text, text, text),
      optionalTexts,
      numbers,
      dependencies(1047, 1113, 1112),
      dependencies(1049, 1050, 1048),
      fc.oneof(dependencies(1054, 1055, 1053), dependencies(1090, 1115, 1114), dependencies(5046, 5047, 5048)),
      fc.oneof(dependencies(5049, 5050, 5051), dependencies(5052, 5053, 5054), dependencies(5055, 5056, 5057)),
      files,
      changelog,
    )
    .map(([[name, version, release, arch], ...rest]) => [
      ...[name, version, release].map((value, at) => latin1(1000 + at, [value || 'x'], 6)),
      latin1(1022, [arch || 'noarch'], 6),
      ...rest.flat(),
    ]);
  let written = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(header, { minLength: 40, maxLength: 40 }),
      fc.constantFrom(10, 0, 3),
      async (headers, limit) => {
        written += await expectSame(headers, limit);
      },
    ),
    { numRuns: 30, seed: 20_261_128, endOnFailure: true },
  );
  expect(written).toBeGreaterThan(400);
});

test('a header of two megabytes and paths longer than any buffer are written alike', async () => {
  const names = Array.from({ length: 40_000 }, (_, at) => `a-name-that-is-rather-long-for-a-file-${at}`);
  const large = [
    latin1(1000, ['large'], 6),
    latin1(1001, ['1'], 6),
    latin1(1002, ['1'], 6),
    latin1(1004, ['s'.repeat(300_000)], 9),
    latin1(1022, ['noarch'], 6),
    latin1(1044, ['large-1-1.src.rpm'], 6),
    int16(
      1030,
      names.map(() => 0o100644),
    ),
    int32(1037, ...names.map(() => 0)),
    int32(1116, ...names.map((_, at) => at % 2)),
    latin1(1117, names),
    latin1(1118, ['/usr/bin/', `/${'x'.repeat(4000)}/`]),
  ];
  expect(await expectSame([large])).toBe(1);
});

test('a header that asks for each of its many files takes no longer than one that does not', async () => {
  // As many as the room of the kernel holds. Looks through all files for each would take minutes.
  const count = 60_000;
  const names = Array.from({ length: count }, (_, at) => at.toString(36));
  const hostile = [
    latin1(1000, ['hostile'], 6),
    latin1(1001, ['1'], 6),
    latin1(1002, ['1'], 6),
    latin1(1022, ['noarch'], 6),
    int16(
      1030,
      names.map(() => 0o100644),
    ),
    int32(1037, ...names.map(() => 0)),
    int32(1048, ...names.map(() => 0)),
    latin1(
      1049,
      names.map((name) => `/bin/${name}`),
    ),
    latin1(
      1050,
      names.map(() => ''),
    ),
    int32(1116, ...names.map(() => 0)),
    latin1(1117, names),
    latin1(1118, ['/bin/']),
  ];
  expect(await expectSame(Array.from({ length: 12 }, () => hostile))).toBe(12);
}, 60_000);
