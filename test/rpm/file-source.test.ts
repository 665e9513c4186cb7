import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileSource, openPackage } from '@distrokit/rpm/node';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'file-source-'));
afterAll(() => rmSync(folder, { recursive: true }));
const content = new Uint8Array(200_000).map((_, i) => (i * 7 + (i >> 8)) & 0xff);
const path = join(folder, 'file');
writeFileSync(path, content);

test('gives the bytes asked for, short and long, in any order', async () => {
  using source = fileSource(path);
  expect(source.sizeBytes).toBe(content.length);
  for (const [offset, length] of [
    [0, 112],
    [96, 5000],
    [5000, 100_000],
    [150_000, 40_000],
    [10, 1],
    [199_999, 1],
    [0, 200_000],
  ] as const) {
    expect(Buffer.compare(await source.read(offset, length), content.subarray(offset, offset + length))).toBe(0);
  }
});

test('an earlier result stays as it was when more is read', async () => {
  using source = fileSource(path);
  const first = await source.read(0, 1000);
  await source.read(100_000, 1000);
  expect(Buffer.compare(first, content.subarray(0, 1000))).toBe(0);
});

test('gives fewer bytes at the end, none behind it, and allocates for no more than the file has', async () => {
  using source = fileSource(path);
  expect(await source.read(199_000, 2 ** 50)).toHaveLength(1000);
  expect(await source.read(50_000, Number.MAX_SAFE_INTEGER - 50_000)).toHaveLength(150_000);
  expect(await source.read(200_000, 10)).toHaveLength(0);
  expect(await source.read(2 ** 40, 10)).toHaveLength(0);
});

test('a missing file and a folder are typed errors with a cause', () => {
  for (const wrong of [join(folder, 'missing'), folder]) {
    expect(() => fileSource(wrong)).toThrowError(
      expect.objectContaining({ code: 'RPM_SOURCE_FAILED', cause: expect.any(Error) }),
    );
  }
});

test('a pipe is a typed error: nobody waits for what it may bring', async () => {
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  await expect(openPackage(pipe)).rejects.toMatchObject({ code: 'RPM_SOURCE_FAILED' });
});

test('a closed source refuses to read', async () => {
  const source = fileSource(path);
  source.close();
  source.close();
  await expect(source.read(0, 1)).rejects.toMatchObject({ code: 'RPM_SOURCE_FAILED' });
});

test('an aborted read does not happen', async () => {
  using source = fileSource(path);
  const reason = new Error('enough');
  await expect(source.read(0, 1, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test('refuses offsets and lengths that are no whole numbers', async () => {
  using source = fileSource(path);
  await expect(source.read(-1, 1)).rejects.toThrow(RangeError);
  await expect(source.read(0, 1.5)).rejects.toThrow(RangeError);
});
