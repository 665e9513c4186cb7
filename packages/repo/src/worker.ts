/**
 * A thread of `PackageThreads`: takes the next batch of packages, reads and renders each, hands over the bytes.
 *
 * Compiled into a file of its own beside the doors; not a door.
 */
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { packageBuffer, renderPackageFile } from './package-file.js';
import {
  batchesAhead,
  batchesTaken,
  batchPackages,
  nextBatch,
  type PackageEntry,
  type SkippedDependency,
  type ThreadBatch,
  type ThreadPackage,
  type ThreadTask,
} from './package-threads.js';

const task = workerData as ThreadTask;
const buffer = packageBuffer();

for (;;) {
  const index = Atomics.add(task.state, nextBatch, 1);
  const entries = task.entries.slice(index * batchPackages, (index + 1) * batchPackages);
  if (entries.length === 0) break;
  let taken = Atomics.load(task.state, batchesTaken);
  while (index >= taken + batchesAhead) {
    Atomics.wait(task.state, batchesTaken, taken);
    taken = Atomics.load(task.state, batchesTaken);
  }
  const batch = await renderBatch(index, entries);
  parentPort?.postMessage(batch, [batch.bytes.buffer as ArrayBuffer]);
}

async function renderBatch(index: number, entries: readonly PackageEntry[]): Promise<ThreadBatch> {
  const packages: (ThreadPackage | undefined)[] = [];
  const pieces: Uint8Array[] = [];
  for (const { path, location } of entries) {
    const skipped: SkippedDependency[] = [];
    const options = {
      ...task.options,
      ...(task.withSkipped
        ? { onSkippedDependency: (...dependency: SkippedDependency) => skipped.push(dependency) }
        : {}),
    };
    try {
      const { record, rendered } = await renderPackageFile(
        join(task.folder, path),
        location,
        options,
        options.locationBase,
        buffer,
      );
      const { primary, filelists, other, ...identity } = rendered;
      pieces.push(primary, filelists, other);
      packages.push({
        ...identity,
        lengths: [primary.length, filelists.length, other.length],
        ...(task.withRecords ? { record } : {}),
        ...(skipped.length === 0 ? {} : { skipped }),
      });
    } catch {
      // The caller reads this package again and has the error itself.
      packages.push(undefined);
    }
  }
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return { index, packages, bytes };
}
