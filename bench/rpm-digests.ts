/**
 * All digests of large packages: ours in two threads against `rpm -K --nosignature`, over the same files in the same run.
 *
 * rpm checks MD5 and SHA-1 too; the second line leaves them out on our side, since they count for nothing. Files are in the
 * page cache. Rounds alternate; the ratio is the median of the pairwise ratios of wall time (below 1: ours is faster).
 *
 *     node --import tsx bench/rpm-digests.ts [packages = 600 | folder] [rounds = 5]
 */
import './plain-environment.js';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { median } from './c-peer.js';
import { machinePackages } from './machine-packages.js';

const threads = 2;

async function ours(paths: readonly string[], legacy: boolean): Promise<number> {
  const started = performance.now();
  const shares = Array.from({ length: threads }, (_, share) => paths.filter((__, i) => i % threads === share));
  const right = await Promise.all(
    shares.map(
      (share) =>
        new Promise<number>((resolve, reject) => {
          const worker = new Worker(new URL('./digest-worker.mjs', import.meta.url), {
            workerData: { paths: share, legacy },
          });
          worker.once('message', resolve);
          worker.once('error', reject);
        }),
    ),
  );
  const total = right.reduce((sum, count) => sum + count, 0);
  if (total !== paths.length) throw new Error(`${total} of ${paths.length} packages are right`);
  return performance.now() - started;
}

function rpm(paths: readonly string[]): number {
  const started = performance.now();
  execFileSync('rpm', ['-K', '--nosignature', ...paths], { stdio: 'ignore' });
  return performance.now() - started;
}

const subject = process.argv[2] ?? '600';
const rounds = Number(process.argv[3] ?? 5);
const paths = existsSync(subject)
  ? readdirSync(subject)
      .filter((name) => name.endsWith('.rpm'))
      .map((name) => join(subject, name))
  : await machinePackages(join(tmpdir(), 'distrokit-bench-digests'), Number(subject), 64 << 20);
for (const [name, legacy] of [
  ['with MD5 and SHA-1', true],
  ['without MD5', false],
] as const) {
  await ours(paths, legacy);
  const results: { readonly ours: number; readonly rpm: number }[] = [];
  for (let round = 0; round < rounds; round++) results.push({ rpm: rpm(paths), ours: await ours(paths, legacy) });
  const ratio = median(results.map((each) => each.ours / each.rpm));
  const [mine, theirs] = [median(results.map((each) => each.ours)), median(results.map((each) => each.rpm))];
  console.log(
    `rpm-digests ${name}: ours ${mine.toFixed(0)} ms, rpm -K ${theirs.toFixed(0)} ms, ratio ${ratio.toFixed(2)} (${paths.length} packages, ${threads} threads, ${rounds} rounds)`,
  );
}
