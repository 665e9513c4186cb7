import {
  decodeHeaderIntro,
  decodeMainHeader,
  decodeSignatureHeader,
  encodeHeader,
  HEADERIMMUTABLE,
  HEADERSIGNATURES,
  type HeaderEntry,
  signaturePadding,
} from '@distrokit/rpm';
import { expect, test } from 'vitest';
import {
  bin,
  I18NSTRING,
  int32,
  int64,
  joined,
  mainEntries,
  STRING,
  string,
  strings,
} from '../fixtures/package-bytes.js';

const main = (...more: HeaderEntry[]) =>
  decodeMainHeader(encodeHeader(mainEntries(...more), { regionTag: HEADERIMMUTABLE }));

test('gives each kind of tag the value of its type', () => {
  const header = main(
    int32(1009, 7),
    int32(1028, 1, 0xffff_ffff),
    bin(1146, Uint8Array.of(1, 2)),
    int64(5008, 5_000_000_000n),
    int64(5009, 9n),
    strings(1047, ['hello', 'hello(x86-64)']),
  );
  expect(header.get('NAME')).toBe('hello');
  expect(header.get('SIZE')).toBe(7);
  expect(header.get('FILESIZES')).toEqual([1, 0xffff_ffff]);
  expect(header.get('SOURCEPKGID')).toEqual(Uint8Array.of(1, 2));
  expect(header.get('LONGFILESIZES')).toEqual([5_000_000_000]);
  expect(header.get('LONGSIZE')).toBe(9);
  expect(header.get('PROVIDENAME')).toEqual(['hello', 'hello(x86-64)']);
});

test('an absent tag is undefined, a name that no table knows is the caller’s mistake', () => {
  const header = main();
  expect(header.get('EPOCH')).toBeUndefined();
  expect(header.has('EPOCH')).toBe(false);
  expect(() => header.get('NOSUCHTAG' as 'NAME')).toThrow(TypeError);
});

test('a 64-bit number past 2^53 − 1 is refused as number and given raw as bigint', () => {
  const header = main(int64(5009, 2n ** 53n));
  expect(() => header.get('LONGSIZE')).toThrow(expect.objectContaining({ code: 'RPM_LIMIT' }));
  expect(header.value(5009)).toEqual([2n ** 53n]);
});

test('text that is not UTF-8 is read as Latin-1, its bytes stay reachable', () => {
  // "café" in ISO-8859-1 beside a valid UTF-8 string.
  const data = joined(Uint8Array.of(0x63, 0x61, 0x66, 0xe9, 0), new TextEncoder().encode('café\0'));
  const header = main({ tag: 1081, type: 8, count: 2, data });
  expect(header.get('CHANGELOGNAME')).toEqual(['café', 'café']);
  expect(header.rawTexts('CHANGELOGNAME')?.[0]).toEqual(Uint8Array.of(0x63, 0x61, 0x66, 0xe9));
});

test('translations go by the locale table; the plain value is the untranslated one', () => {
  const entries = mainEntries(strings(100, ['C', 'de'])).map((entry) =>
    entry.tag === 1004 ? strings(1004, ['A greeting', 'Ein Gruß'], I18NSTRING) : entry,
  );
  const header = decodeMainHeader(encodeHeader(entries, { regionTag: HEADERIMMUTABLE }));
  expect(header.get('SUMMARY')).toBe('A greeting');
  expect([...header.translations('SUMMARY')]).toEqual([
    ['C', 'A greeting'],
    ['de', 'Ein Gruß'],
  ]);
  expect([...main().translations('SUMMARY')]).toEqual([['C', 'A greeting']]);
});

test('the region of a main header is the header itself, without a copy', () => {
  const header = main();
  expect(header.immutableBytes()).toBe(header.bytes());
});

test('a dribble of a signature header replaces the region’s value and stays outside the immutable bytes', () => {
  const sealed = encodeHeader([string(269, 'aa')], { regionTag: HEADERSIGNATURES });
  const bytes = encodeHeader([string(269, 'aa'), string(269, 'bb')], { regionTag: HEADERSIGNATURES, regionEntries: 1 });
  const header = decodeSignatureHeader(bytes);
  expect(header.get('SHA1')).toBe('bb');
  expect(header.immutableBytes()).toEqual(sealed);
});

test('a header without region is read as v3, where types are not checked until asked for', () => {
  const header = decodeMainHeader(encodeHeader([{ ...string(1000, 'x'), type: STRING }, int32(1044, 1)]));
  expect(header.region).toBeUndefined();
  expect(header.get('NAME')).toBe('x');
  expect(() => header.get('SOURCERPM')).toThrow(expect.objectContaining({ code: 'RPM_TAG_TYPE' }));
});

test('encoding aligns values and pads with zeros', () => {
  const bytes = encodeHeader([string(1000, 'a'), int32(1003, 1)]);
  const store = bytes.subarray(16 + 2 * 16);
  expect(store).toEqual(Uint8Array.of(0x61, 0, 0, 0, 0, 0, 0, 1));
});

test('a signature header is padded to a multiple of 8', () => {
  expect([16, 17, 23, 24].map(signaturePadding)).toEqual([0, 7, 1, 0]);
});

test('the intro tells how much there is to read', () => {
  expect(decodeHeaderIntro(encodeHeader([int32(1003, 1)]), 'main')).toEqual({
    entryCount: 1,
    dataBytes: 4,
    totalBytes: 36,
  });
});
