/**
 * Compares our order of versions with the installed rpm's over many random pairs; exits 1 at the first difference.
 *
 * node --import tsx scripts/evr-campaign.ts [pairs = 1000000] [seed = 1]
 */
import { compareVersion } from '@distrokit/rpm';
import { randomVersionPairs, rpmVerdicts } from '../test/conformance/random-versions.js';

const total = Number(process.argv[2] ?? 1_000_000);
const seed = Number(process.argv[3] ?? 1);
const batch = 100_000;

for (let done = 0; done < total; done += batch) {
  const pairs = randomVersionPairs(Math.min(batch, total - done), seed + done);
  const verdicts = rpmVerdicts(pairs);
  pairs.forEach(([a, b], i) => {
    const ours = compareVersion(a, b);
    if (ours !== verdicts[i]) {
      console.error(`${JSON.stringify([a, b])}: rpm says ${verdicts[i]}, we say ${ours}`);
      process.exit(1);
    }
  });
}
console.log(`${total} pairs, seed ${seed}: all as rpm says`);
