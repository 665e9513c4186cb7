/** A worker of `rpm-digests.ts`: checks its share of the packages and says how many are right. Plain JavaScript: a worker knows no TypeScript. */
import { parentPort, workerData } from 'node:worker_threads';
import { checkDigests } from '@distrokit/rpm';
import { openPackage } from '@distrokit/rpm/node';

const { paths, legacy } = workerData;
let right = 0;
for (const path of paths) {
  const pkg = await openPackage(path);
  const { ok, payload } = await checkDigests(pkg, { payload: true, legacy });
  pkg.close();
  if (ok && payload.sha256?.status === 'verified') right += 1;
}
parentPort?.postMessage(right);
