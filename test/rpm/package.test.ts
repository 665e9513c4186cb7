import { checkDigests, digestBytes, readPackage } from '@distrokit/rpm';
import { expect, test } from 'vitest';
import { bin, int32, mainEntries, packageBytes, string, strings } from '../fixtures/package-bytes.js';

test('reads NEVRA, keeping an absent epoch absent', async () => {
  expect((await readPackage(packageBytes())).nevra).toEqual({
    name: 'hello',
    version: '1.0',
    release: '1',
    arch: 'noarch',
  });
  const withEpoch = await readPackage(packageBytes({ main: mainEntries(int32(1003, 0)) }));
  expect(withEpoch.nevra.epoch).toBe(0);
});

test('a source package has the arch src, or nosrc when a source is left out', async () => {
  const source = await readPackage(packageBytes({ main: mainEntries(int32(1106, 1)) }));
  expect([source.isSource, source.nevra.arch]).toEqual([true, 'src']);
  const without = await readPackage(packageBytes({ main: mainEntries(int32(1106, 1), int32(1051, 0)) }));
  expect(without.nevra.arch).toBe('nosrc');
});

test('the format is 6 when RPMFORMAT says so, else 4 with a region', async () => {
  expect((await readPackage(packageBytes())).format).toBe(4);
  expect((await readPackage(packageBytes({ main: mainEntries(int32(5114, 6)) }))).format).toBe(6);
});

test('reads the headers in three reads and never the payload', async () => {
  const bytes = packageBytes({ payload: new Uint8Array(100_000) });
  const reads: [number, number][] = [];
  const pkg = await readPackage({
    read: async (offset, length) => {
      reads.push([offset, length]);
      return bytes.subarray(offset, offset + length);
    },
  });
  expect(reads.length).toBe(3);
  expect(Math.max(...reads.map(([offset, length]) => offset + length))).toBe(pkg.headerRange.end);
});

test('gives the payload as stored', async () => {
  const payload = Uint8Array.from({ length: 600_000 }, (_, i) => i % 251);
  const pkg = await readPackage(packageBytes({ payload }));
  const chunks: Uint8Array[] = [];
  for await (const chunk of pkg.payload()) chunks.push(chunk);
  expect(Buffer.concat(chunks).equals(payload)).toBe(true);
});

test('hears of what the reference tolerates: an unsorted index, a duplicate, padding that is not zero', async () => {
  const heard: unknown[] = [];
  const onDeviation = (deviation: unknown) => heard.push(deviation);
  const [name, ...rest] = mainEntries(strings(1047, ['hello'])) as [ReturnType<typeof string>];
  const bytes = packageBytes({ main: [...rest, name, name] });
  const pkg = await readPackage(bytes);
  expect(pkg.headerRange.start - pkg.signatureRange.end).toBeGreaterThan(0);
  bytes[pkg.signatureRange.end] = 1;
  await readPackage(bytes, { onDeviation });
  expect(heard).toEqual([
    { code: 'RPM_NONZERO_PADDING', section: 'signature header' },
    { code: 'RPM_UNSORTED_INDEX', section: 'header', tag: 1000 },
    { code: 'RPM_DUPLICATE_TAG', section: 'header', tag: 1000 },
  ]);
});

test('a missing name is told when NEVRA is asked for', async () => {
  const pkg = await readPackage(packageBytes({ main: mainEntries().filter(({ tag }) => tag !== 1000) }));
  expect(() => pkg.nevra).toThrow(expect.objectContaining({ code: 'RPM_BAD_HEADER' }));
});

test('a negative ceiling is the caller’s mistake', async () => {
  await expect(readPackage(packageBytes(), { maxHeaderBytes: -1 })).rejects.toThrow(RangeError);
});

test('a header past the caller’s ceiling is refused before it is read', async () => {
  await expect(readPackage(packageBytes(), { maxHeaderBytes: 20 })).rejects.toMatchObject({ code: 'RPM_LIMIT' });
});

test('an aborted read rejects with the signal’s reason', async () => {
  const reason = new Error('enough');
  await expect(readPackage(packageBytes(), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test('header digests that are right make the report ok, without reading the payload', async () => {
  const report = await checkDigests(await readPackage(packageBytes()));
  expect(report.header).toEqual({ sha1: { status: 'verified' }, sha256: { status: 'verified' } });
  expect(report.payload).toEqual({ md5: { status: 'not-present' }, sha256: { status: 'not-present' } });
  expect(report.ok).toBe(true);
});

test('a wrong header digest is an answer that shows both', async () => {
  const bytes = packageBytes();
  bytes[bytes.length - 20] = (bytes[bytes.length - 20] as number) ^ 1;
  const before = await checkDigests(await readPackage(packageBytes()));
  const report = await checkDigests(await readPackage(bytes));
  expect(before.ok).toBe(true);
  expect(report.header.sha256).toMatchObject({ status: 'mismatch', expected: { algorithm: 'sha256' } });
  expect(report.ok).toBe(false);
});

test('a package with no digest better than SHA-1 is not ok', async () => {
  const report = await checkDigests(await readPackage(packageBytes({ signature: [string(269, '0'.repeat(40))] })));
  expect(report.header.sha256).toEqual({ status: 'not-present' });
  expect(report.ok).toBe(false);
});

test('MD5 is left out when it is not asked for and there is something better', async () => {
  const payload = new TextEncoder().encode('payload');
  const main = mainEntries(strings(5092, [digestBytes('sha256', payload)]), int32(5093, 8));
  const pkg = await readPackage(packageBytes({ main, payload, signature: [bin(1004, new Uint8Array(16))] }));
  const all = await checkDigests(pkg, { payload: true });
  const strong = await checkDigests(pkg, { payload: true, legacy: false });
  expect(all.payload).toMatchObject({ md5: { status: 'mismatch' }, sha256: { status: 'verified' } });
  expect(strong.payload).toEqual({ md5: { status: 'not-checked' }, sha256: { status: 'verified' } });
});

test('MD5 is checked all the same when there is nothing better', async () => {
  const pkg = await readPackage(packageBytes({ signature: [bin(1004, new Uint8Array(16))] }));
  const report = await checkDigests(pkg, { payload: true, legacy: false });
  expect(report.payload.md5).toMatchObject({ status: 'mismatch' });
});
