/**
 * One process of the farm that `farm-storm.ts` torments: `worker`, `remote` (a worker that sends results over HTTP) or
 * `coordinator`.
 *
 *     node --import tsx build-farm-process.ts ROLE DATABASE FOLDER NAME RECEIVER
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { httpResults, openFarm, startWorker } from '@distrokit/build';

const [role, url = '', folder = '', name = '', receiver = ''] = process.argv.slice(2);
// A machine whose clock jumps an hour forth and back: nothing in the farm may care.
const trueNow = Date.now;
let jumps = name.length;
setInterval(() => {
  jumps += 1;
}, 700).unref();
Date.now = () => trueNow() + [0, 3_600_000, -3_600_000][jumps % 3]!;

const open = () =>
  openFarm({
    store: { kind: 'postgres', url },
    folder,
    leaseMs: 2_000,
    window: 24,
    ...(role === 'remote'
      ? { results: httpResults({ url: receiver, fetch: (target, init) => fetch(target, init as RequestInit) }) }
      : {}),
  });
// A process that begins while the server restarts waits for it.
let opened = await open().catch(() => undefined);
for (; opened === undefined; opened = await open().catch(() => undefined)) await sleep(100);
const farm = opened;
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
      const { ms, hangs } = task.payload as { readonly ms: number; readonly hangs: boolean };
      const mark = `${task.id} ${task.attempt} ${name} ${process.pid}`;
      await writeFile(join(task.folder, 'one.rpm'), mark);
      // A build that hangs and hears no signal: its time ends, and the next attempt fares better.
      if (hangs && task.attempt === 1) await new Promise(() => {});
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
