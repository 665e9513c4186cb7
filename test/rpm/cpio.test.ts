import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CpioInput, encodeCpioTrailer, type NewcHeader, readCpio, writeCpio } from '@distrokit/rpm';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'cpio-'));
afterAll(() => rmSync(folder, { recursive: true }));

const plain: NewcHeader = {
  kind: 'newc',
  name: './file',
  inode: 1,
  mode: 0o100644,
  uid: 0,
  gid: 0,
  linkCount: 1,
  modifiedSeconds: 1_700_000_000,
  sizeBytes: 0,
  deviceMajor: 0,
  deviceMinor: 1,
  targetDeviceMajor: 0,
  targetDeviceMinor: 0,
};
const ascii = (text: string) => new TextEncoder().encode(text);

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}

async function* pieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += length) yield bytes.subarray(i, i + length);
}

async function entriesOf(bytes: Uint8Array, length = bytes.length, options?: Parameters<typeof readCpio>[1]) {
  const entries: { name: string | number; sizeBytes: number; content: string }[] = [];
  for await (const entry of readCpio(pieces(bytes, length), options)) {
    const content = Buffer.from(await bytesOf(entry.data())).toString('latin1');
    entries.push({ name: entry.kind === 'newc' ? entry.name : entry.fileIndex, sizeBytes: entry.sizeBytes, content });
  }
  return entries;
}

async function codeOf(task: Promise<unknown>): Promise<string> {
  return task.then(
    () => 'no error',
    (error: { code: string }) => error.code,
  );
}

test('cpio lists and unpacks what we write', async () => {
  const inputs: CpioInput[] = [
    { header: { ...plain, name: './a', sizeBytes: 5 }, data: ascii('hello') },
    { header: { ...plain, name: './folder', mode: 0o040755, inode: 2 } },
    { header: { ...plain, name: './folder/long-name-of-odd-length', inode: 3, sizeBytes: 8 }, data: ascii('12345678') },
    { header: { ...plain, name: './link', mode: 0o120777, inode: 4, sizeBytes: 1 }, data: ascii('a') },
  ];
  const archive = await bytesOf(writeCpio(inputs));
  const listing = execFileSync('cpio', ['-it', '--quiet'], { input: archive, encoding: 'utf8' });
  expect(listing.split('\n').filter(Boolean)).toEqual([
    './a',
    './folder',
    './folder/long-name-of-odd-length',
    './link',
  ]);
  const target = join(folder, 'unpacked');
  mkdirSync(target);
  execFileSync('cpio', ['-idm', '--quiet'], { input: archive, cwd: target });
  expect(execFileSync('cat', ['a', 'folder/long-name-of-odd-length', 'link'], { cwd: target, encoding: 'utf8' })).toBe(
    'hello12345678hello',
  );
  expect(archive.length % 4).toBe(0);
});

test('reads what cpio writes, in chunks of any length', async () => {
  const source = join(folder, 'source');
  mkdirSync(join(source, 'sub'), { recursive: true });
  writeFileSync(join(source, 'one'), 'one');
  writeFileSync(join(source, 'sub', 'two'), 'x'.repeat(1001));
  writeFileSync(join(source, 'empty'), '');
  const archive = execFileSync('cpio', ['-o', '-H', 'newc', '--quiet'], {
    cwd: source,
    input: 'one\nsub\nsub/two\nempty\n',
  });
  const wanted = [
    { name: 'one', sizeBytes: 3, content: 'one' },
    { name: 'sub', sizeBytes: 0, content: '' },
    { name: 'sub/two', sizeBytes: 1001, content: 'x'.repeat(1001) },
    { name: 'empty', sizeBytes: 0, content: '' },
  ];
  for (const length of [1, 3, 7, 109, 110, 113, 4096]) expect(await entriesOf(archive, length)).toEqual(wanted);
});

test('reads the kind with checksums and takes upper-case digits', async () => {
  const archive = await bytesOf(writeCpio([{ header: { ...plain, sizeBytes: 0xab }, data: new Uint8Array(0xab) }]));
  archive.set(ascii('070702'), 0);
  archive.set(ascii('000000AB'), 6 + 6 * 8);
  expect(await entriesOf(archive)).toMatchObject([{ name: './file', sizeBytes: 0xab }]);
});

test('stripped entries come back by number with the sizes of the header', async () => {
  const sizes = [3, 0, 2 ** 32 + 1];
  const archive = await bytesOf(
    writeCpio([
      { header: { kind: 'stripped', fileIndex: 1, sizeBytes: 0 } },
      { header: { kind: 'stripped', fileIndex: 0, sizeBytes: 3 }, data: ascii('abc') },
    ]),
  );
  expect(Buffer.from(archive.subarray(0, 14)).toString()).toBe('07070X00000001');
  expect(await entriesOf(archive, 5, { strippedSize: (index) => sizes[index] })).toEqual([
    { name: 1, sizeBytes: 0, content: '' },
    { name: 0, sizeBytes: 3, content: 'abc' },
  ]);
  expect(await codeOf(entriesOf(archive))).toBe('RPM_BAD_PAYLOAD');
});

test('passes over content that nobody reads', async () => {
  const archive = await bytesOf(
    writeCpio([
      { header: { ...plain, sizeBytes: 1000 }, data: new Uint8Array(1000) },
      { header: { ...plain, name: './last', sizeBytes: 2 }, data: ascii('ok') },
    ]),
  );
  const names: string[] = [];
  for await (const entry of readCpio(pieces(archive, 100))) if (entry.kind === 'newc') names.push(entry.name);
  expect(names).toEqual(['./file', './last']);
});

test('ends at the trailer and does not look behind it', async () => {
  const archive = Buffer.concat([await bytesOf(writeCpio([])), Buffer.from('rubbish')]);
  expect(await entriesOf(archive)).toEqual([]);
});

test('an archive cut anywhere is truncated, with the offset of the cut', async () => {
  const archive = await bytesOf(writeCpio([{ header: { ...plain, sizeBytes: 5 }, data: ascii('hello') }]));
  for (let length = 0; length < archive.length - 1; length++) {
    const cut = archive.subarray(0, length);
    // The padding of the trailer is not needed to know it.
    if (length >= archive.length - 3) continue;
    const error = await entriesOf(cut).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'RPM_TRUNCATED', fault: { section: 'payload', offset: length } });
  }
});

test.each([
  ['an unknown magic', '070707', 0],
  ['a size that is no number', 'zzzzzzzz', 6 + 6 * 8],
  ['a name of no bytes', '00000000', 6 + 11 * 8],
  ['a name longer than 4096 bytes', '00001001', 6 + 11 * 8],
  ['a checksum that is no number', '        ', 6 + 12 * 8],
  ['a name without NUL', 'xxxxxxx', 110],
])('refuses %s', async (_, text, offset) => {
  const archive = await bytesOf(writeCpio([{ header: plain }]));
  archive.set(ascii(text), offset);
  expect(await codeOf(entriesOf(archive))).toBe('RPM_BAD_PAYLOAD');
});

test('refuses more entries than the caller allows', async () => {
  const archive = await bytesOf(writeCpio([{ header: plain }, { header: plain }]));
  expect(await entriesOf(archive, 10, { maxEntries: 2 })).toHaveLength(2);
  expect(await codeOf(entriesOf(archive, 10, { maxEntries: 1 }))).toBe('RPM_LIMIT');
});

test('refuses to write content that is longer or shorter than announced', async () => {
  const write = (data: Uint8Array) => codeOf(bytesOf(writeCpio([{ header: { ...plain, sizeBytes: 3 }, data }])));
  expect(await write(ascii('ab'))).toBe('RPM_BAD_PAYLOAD');
  expect(await write(ascii('abcd'))).toBe('RPM_BAD_PAYLOAD');
  expect(await write(ascii('abc'))).toBe('no error');
});

test('refuses to write what the format cannot hold', async () => {
  const write = (header: NewcHeader) => codeOf(bytesOf(writeCpio([{ header }])));
  expect(await write({ ...plain, sizeBytes: 2 ** 32 })).toBe('RPM_LIMIT');
  expect(await write({ ...plain, name: '' })).toBe('RPM_BAD_PATH');
  expect(await write({ ...plain, name: 'a\0b' })).toBe('RPM_BAD_PATH');
  expect(await write({ ...plain, name: 'x'.repeat(4096) })).toBe('RPM_BAD_PATH');
});

test('the trailer is the one that rpm writes', () => {
  expect(Buffer.from(encodeCpioTrailer()).toString('latin1')).toBe(
    `070701${'0'.repeat(32)}00000001${'0'.repeat(48)}0000000b00000000TRAILER!!!\0\0\0\0`,
  );
});

test('an aborted reading ends with the reason', async () => {
  const archive = await bytesOf(writeCpio([{ header: plain }, { header: plain }]));
  const controller = new AbortController();
  const reason = new Error('enough');
  const reading = (async () => {
    for await (const entry of readCpio(pieces(archive, 10), { signal: controller.signal })) {
      expect(entry.offset).toBe(0);
      controller.abort(reason);
    }
  })();
  await expect(reading).rejects.toBe(reason);
});
