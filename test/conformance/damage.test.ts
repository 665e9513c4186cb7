/**
 * Every package of the corpus, cut off anywhere and changed anywhere: an answer or a typed error that says where. A
 * sample of places in this run, spread evenly; `scripts/fuzz-campaign.ts` is the long one.
 */
import { checkDigests, fileList, RpmError, readPackage } from '@distrokit/rpm';
import { expect, test } from 'vitest';
import { corpusBytes, corpusPresent, corpusRpms } from './corpus.js';

/** Reads headers, files and header digests; returns what happened. Anything but an RpmError is thrown on. */
async function read(bytes: Uint8Array): Promise<RpmError | undefined> {
  try {
    const pkg = await readPackage(bytes);
    fileList(pkg.header);
    await checkDigests(pkg);
    return undefined;
  } catch (error) {
    if (error instanceof RpmError) return error;
    throw error;
  }
}

if (!corpusPresent) {
  test('the corpus is not beside this checkout: its packages are not damaged', () => {
    expect(corpusPresent).toBe(false);
  });
} else {
  const places = 24;

  test('a package that ends within its headers is refused with section, offset, wanted and found', async () => {
    let refused = 0;
    for (const path of corpusRpms()) {
      const bytes = corpusBytes(path);
      const end = await readPackage(bytes).then(
        (pkg) => pkg.headerRange.end,
        () => 0,
      );
      for (let i = 0; i < places && end > 0; i++) {
        const length = Math.floor((end * i) / places);
        const error = await read(bytes.subarray(0, length));
        expect({ path, length, code: error?.code }).toEqual({ path, length, code: 'RPM_TRUNCATED' });
        expect(error?.fault).toMatchObject({ wantedBytes: expect.any(Number), gotBytes: expect.any(Number) });
        expect(error?.fault).toHaveProperty('section');
        expect(error?.fault).toHaveProperty('offset');
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(10_000);
  });

  test('a changed byte ends in an answer or a typed error with its place', async () => {
    let refused = 0;
    for (const path of corpusRpms()) {
      const bytes = corpusBytes(path);
      const end = await readPackage(bytes).then(
        (pkg) => pkg.headerRange.end,
        () => bytes.length,
      );
      for (let i = 0; i < places; i++) {
        const at = Math.floor((end * (i + 0.5)) / places);
        const damaged = Uint8Array.from(bytes);
        damaged[at] = (damaged[at] as number) ^ 0xff;
        const error = await read(damaged);
        if (error === undefined) continue;
        expect(error.message).toMatch(/wanted|ends|needs/);
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(1_000);
  });
}
