import {
  checkDigests,
  decodeMainHeader,
  encodeHeader,
  formatNevra,
  HEADERIMMUTABLE,
  type HeaderEntry,
  RpmError,
  readPackage,
} from '@distrokit/rpm';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bin, int32, int64, mainEntries, packageBytes, string, strings } from '../fixtures/package-bytes.js';

const word = fc.string({ unit: 'grapheme', maxLength: 12 }).map((value) => value.replaceAll('\0', ''));
/** Tags above every table, so that each may have any type. */
const entry: fc.Arbitrary<HeaderEntry> = fc.integer({ min: 10_000, max: 20_000 }).chain((tag) =>
  fc.oneof(
    word.map((value) => string(tag, value)),
    fc.array(word, { minLength: 1, maxLength: 5 }).map((values) => strings(tag, values)),
    fc.array(fc.nat(), { minLength: 1, maxLength: 5 }).map((values) => int32(tag, ...values)),
    fc
      .array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 1, maxLength: 3 })
      .map((values) => int64(tag, ...values)),
    fc.uint8Array({ minLength: 1, maxLength: 20 }).map((value) => bin(tag, value)),
  ),
);

test('decoding gives back the entries that were encoded, and encoding them again the bytes', () => {
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 12 }), fc.boolean(), (entries, sealed) => {
      const options = sealed ? { regionTag: HEADERIMMUTABLE } : {};
      const bytes = encodeHeader(entries, options);
      const contents = decodeMainHeader(bytes).contents();
      expect(contents).toEqual(entries);
      expect(encodeHeader(contents, options)).toEqual(bytes);
    }),
  );
});

/** Reads everything; the answer, or the code of the typed error. Anything else is thrown on. */
async function answer(bytes: Uint8Array): Promise<string> {
  try {
    const pkg = await readPackage(bytes);
    await checkDigests(pkg, { payload: true });
    return formatNevra(pkg.nevra);
  } catch (error) {
    if (error instanceof RpmError) return error.code;
    throw error;
  }
}

const fixture = packageBytes({ main: mainEntries(strings(1047, ['hello']), int32(1112, 8), strings(1113, ['1.0-1'])) });

test('any truncation ends in a typed error', async () => {
  for (let length = 0; length < fixture.length; length++) {
    expect(await answer(fixture.slice(0, length))).toMatch(/^RPM_/);
  }
});

test('any single changed byte ends in an answer or a typed error', async () => {
  for (let at = 0; at < fixture.length; at++) {
    for (const change of [0x01, 0x80, 0xff]) {
      const bytes = fixture.slice();
      bytes[at] = (bytes[at] as number) ^ change;
      expect(typeof (await answer(bytes))).toBe('string');
    }
  }
});

test('a source that hands out its bytes in any place of memory gives the same answer', async () => {
  const shifted = new Uint8Array(fixture.length + 13);
  shifted.set(fixture, 13);
  expect(await answer(shifted.subarray(13))).toBe(await answer(fixture));
});
