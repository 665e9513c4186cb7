/** Digests of every package of the corpus: our statuses against what `rpmkeys -Kv` of rpm 4.18 printed. */
import { checkDigests, type DigestReport, type DigestStatus, readPackage } from '@distrokit/rpm';
import { expect, test } from 'vitest';
import { corpusBytes, corpusPresent, unreadablePackages, verifyOracle } from './corpus.js';
import { recordConformance } from './recording.js';

/** rpm's name of a digest → where it stands in our report. */
const places: Readonly<Record<string, (report: DigestReport) => DigestStatus | undefined>> = {
  'Header SHA1 digest': ({ header }) => header.sha1,
  'Header SHA256 digest': ({ header }) => header.sha256,
  'MD5 digest': ({ payload }) => payload.md5,
  'Payload SHA256 digest': ({ payload }) => payload.sha256,
  'Payload SHA256 ALT digest': ({ archive }) => archive.sha256,
};

const meaning: Readonly<Record<string, DigestStatus['status']>> = {
  OK: 'verified',
  BAD: 'mismatch',
  NOTFOUND: 'not-present',
};

if (!corpusPresent) {
  test('the corpus is not beside this checkout: digests are not compared with rpmkeys', () => {
    expect(corpusPresent).toBe(false);
  });
} else {
  test('each digest that rpmkeys calls OK is verified, each that it calls BAD is a mismatch', async () => {
    const refused = unreadablePackages();
    let compared = 0;
    let unchecked = 0;
    for (const [path, { noKeys }] of Object.entries(verifyOracle())) {
      // rpmkeys looks at digests of packages that rpm cannot load.
      if (path in refused || noKeys.lines.some((line) => line.startsWith('error:'))) continue;
      const report = await checkDigests(await readPackage(corpusBytes(path)), { payload: true });
      for (const line of noKeys.lines) {
        const [, name, verdict] = /^(.* digest): (OK|BAD|NOTFOUND)/.exec(line) ?? [];
        if (name === undefined) continue;
        const place = places[name];
        expect(place, name).toBeDefined();
        // A digest over the stored payload decides; the one over the archive would need all of it decompressed.
        const decided = report.payload.sha256?.status !== 'not-present';
        const expected =
          name.includes('ALT') && decided && verdict !== 'NOTFOUND' ? 'not-checked' : meaning[verdict as string];
        expect({ path, line, status: place?.(report)?.status }).toEqual({ path, line, status: expected });
        compared += 1;
        if (expected === 'not-checked') unchecked += 1;
      }
    }
    expect(compared).toBeGreaterThan(1500);
    recordConformance({
      what: 'digests of packages',
      judge: 'rpmkeys 4.18.0',
      cases: compared,
      differences: unchecked,
    });
  });
}
