import { compareEvr, compareVersion, parseEvr } from '@distrokit/rpm';
import { expect, test } from 'vitest';
import { corpusPresent, type OracleEvr, versionOracle } from './corpus.js';
import { randomEvrPairs, randomVersionPairs, rpmVerdicts } from './random-versions.js';
import { recordConformance } from './recording.js';

test('orders 50,000 random pairs of versions as the installed rpm does', () => {
  const pairs = randomVersionPairs(50_000, 20_261_122);
  const verdicts = rpmVerdicts(pairs);
  expect(verdicts).toHaveLength(pairs.length);
  const counts = { '-1': 0, '0': 0, '1': 0 };
  pairs.forEach(([a, b], i) => {
    const ours = compareVersion(a, b);
    counts[ours]++;
    if (ours !== verdicts[i]) expect.fail(`${JSON.stringify([a, b])}: rpm says ${verdicts[i]}, we say ${ours}`);
  });
  // The generator must reach every answer, or the comparison above shows nothing.
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(1000);
});

test('orders 20,000 random pairs of EVRs as the installed rpm does', () => {
  const pairs = randomEvrPairs(20_000, 7);
  const verdicts = rpmVerdicts(pairs);
  pairs.forEach(([a, b], i) => {
    const ours = compareEvr(parseEvr(a), parseEvr(b));
    if (ours !== verdicts[i]) expect.fail(`${JSON.stringify([a, b])}: rpm says ${verdicts[i]}, we say ${ours}`);
  });
});

if (corpusPresent) {
  const oracle = versionOracle();

  test('orders every pair of versions of the corpus as rpm does', () => {
    expect(oracle.version.length).toBeGreaterThan(1000);
    for (const [a, b, verdict] of oracle.version) expect(compareVersion(a, b), `${a} ${b}`).toBe(verdict);
    recordConformance({
      what: 'pairs of versions in order',
      judge: 'rpm 4.18.0',
      cases: oracle.version.length,
      differences: 0,
    });
  });

  test('orders every pair of EVRs of the corpus as rpm does', () => {
    expect(oracle.evr.length).toBeGreaterThan(100);
    const evr = ([epoch, version, release]: OracleEvr) => ({ epoch: Number(epoch), version, release });
    for (const [a, b, verdict] of oracle.evr) expect(compareEvr(evr(a), evr(b)), `${a} ${b}`).toBe(verdict);
    recordConformance({
      what: 'pairs of EVRs in order',
      judge: 'rpm 4.18.0',
      cases: oracle.evr.length,
      differences: 0,
    });
  });
} else {
  test('cannot compare versions with the corpus: it is not beside this repository', () => {
    expect(corpusPresent).toBe(false);
  });
}
