/**
 * A thread of `PackageThreads`: takes the next unit of packages, reads, renders and compresses it, hands it over.
 *
 * Compiled into a file of its own beside the doors; not a door.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { blockCodec } from '@distrokit/rpm';
import { BlockRenderer, type PackageEntry } from './block-renderer.js';
import { nextUnit, type ThreadTask, type ThreadUnit, unitEntries, unitsTaken } from './package-threads.js';

const task = workerData as ThreadTask;
const { compression } = task;
const renderer = new BlockRenderer(task, compression && (await blockCodec(compression.type, compression.level)));
const allEntries = entriesOf(task);

for (;;) {
  const index = Atomics.add(task.state, nextUnit, 1);
  const entries = unitEntries(allEntries, task, index);
  if (entries === undefined) break;
  let taken = Atomics.load(task.state, unitsTaken);
  while (index >= taken + task.unitsAhead) {
    Atomics.wait(task.state, unitsTaken, taken);
    taken = Atomics.load(task.state, unitsTaken);
  }
  takeBack();
  const unit: ThreadUnit = { index, ...(await renderer.render(entries)) };
  parentPort?.postMessage(
    unit,
    unit.documents.map((document) => document.open.buffer as ArrayBuffer),
  );
}

/** Memory that came back since the last unit. */
function takeBack(): void {
  if (parentPort === null) return;
  for (;;) {
    const received = receiveMessageOnPort(parentPort) as { readonly message: readonly ArrayBuffer[] } | undefined;
    if (received === undefined) return;
    renderer.reuse(received.message);
  }
}

function entriesOf({ paths, locations }: ThreadTask): PackageEntry[] {
  const places = locations.split('\0');
  return paths
    .split('\0')
    .slice(0, -1)
    .map((path, at) => ({ path, location: places[at] as string }));
}
