import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Farm, type FarmEvent, openFarm } from '@distrokit/build';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { scratchFolder } from '../build/fixture.js';
import { type PostgresServer, startPostgres } from '../build/postgres.js';

const taskCount = 500;
let scratch: Awaited<ReturnType<typeof scratchFolder>>;
let server: PostgresServer;
let farm: Farm;
beforeAll(async () => {
  scratch = await scratchFolder();
  await promisify(execFile)('chmod', ['755', scratch.path]);
  server = await startPostgres(join(scratch.path, 'postgres'));
  farm = await openFarm({
    store: { kind: 'postgres', url: server.url },
    folder: join(scratch.path, 'farm'),
    leaseMs: 2_000,
  });
});
afterAll(async () => {
  await farm[Symbol.asyncDispose]();
  await server.stop();
  await scratch.remove();
});

const script = fileURLToPath(new URL('build-farm-process.ts', import.meta.url));
const running = new Set<ChildProcess>();

/** Starts a process of the farm, and another whenever it dies, until `closing`. */
function keepAlive(
  role: 'worker' | 'coordinator',
  name: string,
  offsetMs: number,
  closing: AbortSignal,
): { readonly current: () => ChildProcess } {
  let child: ChildProcess;
  let born = 0;
  const begin = (): void => {
    born += 1;
    const argv = [
      '--import',
      'tsx',
      script,
      role,
      server.url,
      join(scratch.path, 'farm'),
      `${name}-${born}`,
      String(offsetMs),
    ];
    child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'inherit'] });
    running.add(child);
    child.once('exit', () => {
      running.delete(child);
      if (!closing.aborted) setTimeout(begin, 100);
    });
  };
  begin();
  return { current: () => child };
}

/** The same faults in every run. */
function sequence(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

test('500 tasks each end exactly once, whatever happens to workers, coordinators and the server', async () => {
  const next = sequence(42);
  const tasks = Array.from({ length: taskCount }, (_, at) => ({
    id: `task-${at}`,
    queue: at % 5 === 0 ? 'noarch' : 'x86_64',
    tenant: `tenant-${at % 3}`,
    needs: at < 50 ? [] : [...new Set([`task-${next(at)}`, `task-${next(at)}`])],
    payload: { ms: 20 + next(300) },
    maxAttempts: 1_000,
  }));
  await farm.submit(tasks);
  const closing = new AbortController();
  const workers = [0, 3_600_000, -3_600_000].map((offset, at) =>
    keepAlive('worker', `worker${at}`, offset, closing.signal),
  );
  const coordinator = keepAlive('coordinator', 'coordinator', 0, closing.signal);

  const faults = { killed: 0, paused: 0, crashed: 0, redelivered: 0 };
  const done = async (): Promise<number> =>
    (await farm.counts().catch(() => ({}) as Awaited<ReturnType<Farm['counts']>>)).done ?? 0;
  // Faults come by progress and not by the clock: a slow machine must get somewhere between two of them.
  for (let round = 0; round < 12; round += 1) {
    while ((await done()) < round * 35 + 10) await sleep(100);
    const victim = (workers[next(workers.length)] as (typeof workers)[number]).current();
    if (round % 4 === 0) {
      victim.kill('SIGKILL');
      faults.killed += 1;
    } else if (round % 4 === 1) {
      // Hung for longer than its lease; what it then hands in comes too late.
      victim.kill('SIGSTOP');
      setTimeout(() => victim.kill('SIGCONT'), 3_500);
      faults.paused += 1;
    } else if (round % 4 === 2) {
      await redeliver();
      faults.redelivered += 1;
      if (round === 6) coordinator.current().kill('SIGKILL');
    } else {
      await server.crash();
      faults.crashed += 1;
    }
  }
  await farm.idle();
  expect(await farm.counts()).toEqual({ done: taskCount });
  closing.abort();
  for (const child of running) {
    child.kill('SIGCONT');
    child.kill('SIGKILL');
  }

  const events: FarmEvent[] = [];
  const reading = new AbortController();
  setTimeout(() => reading.abort(), 20_000);
  let endings = 0;
  for await (const event of farm.events({ signal: reading.signal })) {
    events.push(event);
    if (event.state === 'done') endings += 1;
    if (endings === taskCount) setTimeout(() => reading.abort(), 1_000);
  }
  const ends = events.filter((event) => event.state === 'done').map((event) => event.task);
  expect(ends).toHaveLength(taskCount);
  expect(new Set(ends).size).toBe(taskCount);
  expect((await readdir(join(scratch.path, 'farm', 'results'))).sort()).toEqual(tasks.map((task) => task.id).sort());

  let repeated = 0;
  for (const task of tasks) {
    const status = await farm.task(task.id);
    const folder = farm.resultFolder(task.id);
    const one = await readFile(join(folder, 'one.rpm'), 'utf8');
    expect(one).toBe(await readFile(join(folder, 'two.rpm'), 'utf8'));
    expect(status).toMatchObject({ state: 'done', result: one });
    expect(one.split(' ')[0]).toBe(task.id);
    if ((status?.attempt ?? 0) > 1) repeated += 1;
    const endOf = (id: string): bigint =>
      events.find((event) => event.task === id && event.state === 'done')?.seq ?? 0n;
    const begun = events.find((event) => event.task === task.id && event.state === 'running')?.seq ?? 0n;
    for (const need of task.needs) expect(endOf(need) < begun).toBe(true);
  }
  // The faults have hit: some tasks had to be done over, and every kind of fault took place.
  expect(repeated).toBeGreaterThan(0);
  expect(faults).toEqual({ killed: 3, paused: 3, crashed: 3, redelivered: 3 });
}, 300_000);

/** Puts what is handed out back among the waiting, behind the engine's back. */
async function redeliver(): Promise<void> {
  const psql = [
    '-d',
    server.url,
    '-qc',
    "update distrokit.task set state = 'waiting' where state = 'queued' and hashtext(id) % 2 = 0",
  ];
  await promisify(execFile)('psql', psql);
}
