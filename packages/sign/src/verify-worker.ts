/**
 * A thread of `verifyPackageFiles`: takes the next batch of files, verifies each, hands over the reports.
 *
 * Compiled into a file of its own beside the doors; not a door.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Keyring } from './keyring.js';
import { verifyPackageFile } from './package-file.js';
import type { VerificationReport } from './report.js';
import { BATCH_FILES, takeBatch, type VerifiedBatch, type VerifyTask } from './verify-packages.js';

const { paths, keys, options, next } = workerData as VerifyTask;
const keyring = Keyring.from(...keys);

for (let start = takeBatch(next); start < paths.length; start = takeBatch(next)) {
  const reports: (VerificationReport | undefined)[] = [];
  for (const path of paths.slice(start, start + BATCH_FILES)) {
    // The caller reads a file again that cannot be read here, and has the error itself.
    reports.push(await verifyPackageFile(path, keyring, options).catch(() => undefined));
  }
  parentPort?.postMessage({ start, reports } satisfies VerifiedBatch);
}
