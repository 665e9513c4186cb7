/**
 * One process of the farm that `build-farm.test.ts` torments: `worker` or `coordinator`.
 *
 *     node --import tsx build-farm-process.ts ROLE URL FOLDER NAME CLOCK_OFFSET_MS
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openFarm, startWorker } from '@distrokit/build';

const [role, url = '', folder = '', name = '', offset = '0'] = process.argv.slice(2);
// A machine whose clock is wrong: nothing in the farm may care.
const trueNow = Date.now;
Date.now = () => trueNow() + Number(offset);

// Away for a moment while the server restarts: every promise of the farm that rejects is awaited somewhere, or ends the process here.
const farm = await openFarm({ store: { kind: 'postgres', url }, folder, leaseMs: 2_000, window: 24 });
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
if (role === 'coordinator') {
  console.log('ready');
  await farm.run({ signal: stop.signal, intervalMs: 50 });
} else {
  const worker = startWorker(farm, {
    name,
    queues: ['x86_64', 'noarch'],
    slots: 4,
    pollMs: 30,
    work: async (task) => {
      const { ms } = task.payload as { readonly ms: number };
      const mark = `${task.id} ${task.attempt} ${name} ${process.pid}`;
      await writeFile(join(task.folder, 'one.rpm'), mark);
      await sleep(ms, undefined, { signal: task.signal });
      // Half of the work is in the first file: a result that mixes two attempts would show here.
      await writeFile(join(task.folder, 'two.rpm'), await readFile(join(task.folder, 'one.rpm')));
      return mark;
    },
  });
  console.log('ready');
  await new Promise((resolve) => stop.signal.addEventListener('abort', resolve));
  await worker.drain();
}
await farm[Symbol.asyncDispose]();
