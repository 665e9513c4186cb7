/** Headers that lie. Each is a few bytes with the reason beside it; rpm's own verdict is in the conformance tests. */
import {
  decodeMainHeader,
  decodeSignatureHeader,
  encodeHeader,
  HEADERIMMUTABLE,
  HEADERSIGNATURES,
  RpmError,
  readPackage,
} from '@distrokit/rpm';
import { expect, test } from 'vitest';
import { bin, int32, joined, mainEntries, packageBytes, string } from '../fixtures/package-bytes.js';

/** A sealed main header whose bytes a test then damages. Layout: intro 16, index 16 each, store. */
function sealed(change: (view: DataView, bytes: Uint8Array) => void): Uint8Array {
  const bytes = encodeHeader([string(1000, 'hello'), int32(1009, 7)], { regionTag: HEADERIMMUTABLE });
  change(new DataView(bytes.buffer), bytes);
  return bytes;
}

const code = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof RpmError) return error.code;
    throw error;
  }
  return 'accepted';
};

test('count × size that overflows 32 bits is refused before anything is allocated', () => {
  // SIZE with 0x40000001 values: × 4 wraps to 4, which would fit.
  const bytes = sealed((view) => view.setUint32(16 + 2 * 16 + 12, 0x4000_0001));
  expect(code(() => decodeMainHeader(bytes))).toBe('RPM_BAD_ENTRY');
});

test('entry and data counts past the ceilings are refused from the intro alone', () => {
  const entries = sealed((view) => view.setUint32(8, 0x10000)).subarray(0, 16);
  const data = sealed((view) => view.setUint32(12, 0x1000_0000)).subarray(0, 16);
  expect(code(() => decodeMainHeader(entries))).toBe('RPM_LIMIT');
  expect(code(() => decodeMainHeader(data))).toBe('RPM_LIMIT');
  expect(code(() => decodeSignatureHeader(sealed((view) => view.setUint32(8, 33)).subarray(0, 16)))).toBe('RPM_LIMIT');
});

test('a negative offset does not read before the store', () => {
  expect(code(() => decodeMainHeader(sealed((view) => view.setInt32(16 + 16 + 8, -4))))).toBe('RPM_BAD_ENTRY');
});

test('a region trailer of INT32_MIN is refused', () => {
  const at = 16 + 3 * 16 + 12;
  expect(code(() => decodeMainHeader(sealed((view) => view.setInt32(at + 8, -0x8000_0000))))).toBe('RPM_BAD_REGION');
});

test('an entry outside the region of a main header, believed but not signed, is refused', () => {
  const bytes = encodeHeader([string(1000, 'hello'), string(1001, '1')], {
    regionTag: HEADERIMMUTABLE,
    regionEntries: 1,
  });
  expect(code(() => decodeMainHeader(bytes))).toBe('RPM_BAD_REGION');
});

test('an entry that overlaps the region trailer is refused', () => {
  // SIZE moved onto the trailer's 16 bytes.
  const bytes = sealed((view) => view.setInt32(16 + 2 * 16 + 8, 12));
  expect(code(() => decodeMainHeader(bytes))).toBe('RPM_BAD_ENTRY');
});

test('a string without its NUL inside the store is refused', () => {
  const bytes = encodeHeader([{ ...string(1000, 'hello'), data: new TextEncoder().encode('hello') }]);
  expect(code(() => decodeMainHeader(bytes))).toBe('RPM_BAD_ENTRY');
});

test('bytes that no entry accounts for are refused: something could hide there', () => {
  const bytes = encodeHeader([{ ...string(1000, 'hi'), data: new TextEncoder().encode('hi\0hidden\0') }]);
  expect(code(() => decodeMainHeader(bytes))).toBe('RPM_BAD_REGION');
});

test('overlapping entries are refused', () => {
  const bytes = encodeHeader([string(1000, 'hello'), string(1001, 'world')]);
  new DataView(bytes.buffer).setInt32(16 + 16 + 8, 2);
  expect(code(() => decodeMainHeader(bytes))).toBe('RPM_BAD_ENTRY');
});

test('a known tag with another type is refused in a sealed header', () => {
  const bytes = encodeHeader([int32(1000, 1)], { regionTag: HEADERIMMUTABLE });
  expect(code(() => decodeMainHeader(bytes))).toBe('RPM_BAD_ENTRY');
});

test('a signature tag smuggled into the main header is refused (CVE-2021-3421)', async () => {
  const bytes = packageBytes({ main: mainEntries(bin(268, Uint8Array.of(1, 2, 3))) });
  await expect(readPackage(bytes)).rejects.toMatchObject({ code: 'RPM_BAD_ENTRY', fault: { tag: 268 } });
});

test('a signature tag of the wrong type or count is refused', async () => {
  const bytes = packageBytes({ signature: [bin(1004, new Uint8Array(15))] });
  await expect(readPackage(bytes)).rejects.toMatchObject({ code: 'RPM_BAD_ENTRY', fault: { tag: 1004 } });
});

test('a package with itself appended is read as the first one alone', async () => {
  const bytes = packageBytes({ payload: Uint8Array.of(1, 2, 3) });
  const pkg = await readPackage(joined(bytes, bytes));
  expect(pkg.headerRange.end).toBe(bytes.length - 3);
});

test('a region tag of the other header is no region', () => {
  const bytes = encodeHeader([string(1000, 'hello')], { regionTag: HEADERSIGNATURES });
  expect(code(() => decodeMainHeader(bytes))).toBe('RPM_BAD_ENTRY');
});
