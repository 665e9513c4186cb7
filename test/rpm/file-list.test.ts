import {
  fileFlagNames,
  fileFlags,
  fileList,
  filePaths,
  fileTypeOf,
  type HeaderEntry,
  hardlinkSets,
  isGhost,
  readPackage,
} from '@distrokit/rpm';
import { expect, test } from 'vitest';
import { INT16, int32, int64, mainEntries, packageBytes, strings } from '../fixtures/package-bytes.js';

const header = async (...entries: readonly HeaderEntry[]) =>
  (await readPackage(packageBytes({ main: mainEntries(...entries) }))).header;

function int16(tag: number, ...values: readonly number[]): HeaderEntry {
  const data = new Uint8Array(values.length * 2);
  for (const [i, value] of values.entries()) new DataView(data.buffer).setUint16(i * 2, value);
  return { tag, type: INT16, count: values.length, data };
}

const paths = [int32(1116, 0, 1, 0), strings(1117, ['a', 'b', '..']), strings(1118, ['/usr/', '/etc/'])];

test('joins folders and names as stored, and normalizes nothing', async () => {
  expect(filePaths(await header(...paths))).toEqual(['/usr/a', '/etc/b', '/usr/..']);
});

test('reads the whole paths of the oldest packages', async () => {
  expect(filePaths(await header(strings(1027, ['/usr/a', '/etc/b'])))).toEqual(['/usr/a', '/etc/b']);
});

test('is empty where there are none', async () => {
  const empty = await header();
  expect(filePaths(empty)).toEqual([]);
  expect(fileList(empty)).toEqual([]);
});

test('prefers sizes of 64 bits, and reads beyond 4 GiB', async () => {
  const sizes = [int32(1028, 1, 2, 3), int64(5008, 5n * 2n ** 30n, 2n, 3n)];
  expect(fileList(await header(...paths, ...sizes)).map(({ sizeBytes }) => sizeBytes)).toEqual([5 * 2 ** 30, 2, 3]);
});

test('takes digests for MD5 where the package does not say', async () => {
  const digests = strings(1035, ['d41d8cd98f00b204e9800998ecf8427e', '', '']);
  expect(fileList(await header(...paths, digests)).map(({ digest }) => digest)).toEqual([
    { algorithm: 'md5', hex: 'd41d8cd98f00b204e9800998ecf8427e' },
    undefined,
    undefined,
  ]);
});

test('tells the type of a file by its mode', () => {
  expect([0o100644, 0o040755, 0o120777, 0o020666, 0o060660, 0o010600, 0o140777, 0].map(fileTypeOf)).toEqual([
    'regular',
    'directory',
    'symlink',
    'character device',
    'block device',
    'fifo',
    'socket',
    'unknown',
  ]);
});

test('names the flags of a file', () => {
  expect(fileFlagNames(fileFlags.config | fileFlags.noReplace | fileFlags.ghost)).toEqual([
    'config',
    'noReplace',
    'ghost',
  ]);
  expect([isGhost({ flags: 64 }), isGhost({ flags: 1 })]).toEqual([true, false]);
});

test('takes regular files of one device and inode for one file, but never ghosts and directories', async () => {
  const facts = [
    int32(1116, 0, 0, 0, 0, 0),
    strings(1117, ['a', 'b', 'c', 'd', 'e']),
    strings(1118, ['/']),
    int16(1030, 0o100644, 0o100644, 0o100644, 0o040755, 0o100644),
    int32(1037, 0, 0, 64, 0, 0),
    int32(1095, 1, 1, 1, 1, 2),
    int32(1096, 7, 7, 7, 7, 7),
  ];
  const sets = hardlinkSets(fileList(await header(...facts)));
  expect(sets.map((set) => set.map(({ path }) => path))).toEqual([['/a', '/b']]);
});

test.each([
  ['a folder number that no folder has', [int32(1116, 0, 2, 0), paths[1]!, paths[2]!], 'DIRINDEXES'],
  ['fewer folder numbers than names', [int32(1116, 0, 1), paths[1]!, paths[2]!], 'DIRINDEXES'],
  ['fewer sizes than paths', [...paths, int32(1028, 1)], 'FILESIZES'],
  ['more owners than paths', [...paths, strings(1039, ['a', 'b', 'c', 'd'])], 'FILEUSERNAME'],
  ['a digest of an unknown algorithm', [...paths, strings(1035, ['00', '', '']), int32(5011, 99)], 'FILEDIGESTALGO'],
])('refuses %s', async (_, entries, tag) => {
  const broken = await header(...entries);
  expect(() => fileList(broken)).toThrow(
    expect.objectContaining({ code: 'RPM_BAD_FILE_LIST', fault: expect.objectContaining({ tag }) }),
  );
});
