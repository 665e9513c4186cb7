/**
 * What the farm itself costs: tasks per second against slots on both stores and against worker processes, time until a lost task is
 * done over, and how long a mass rebuild of 25,000 sources on 4 arches would take with given machines (simulated, from a real plan).
 *
 *     node --import tsx bench/build-farm.ts
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Farm, type FarmStore, openFarm, planBuild, startWorker } from '@distrokit/build';
import { startPostgres } from '../test/build/postgres.js';
import { sequence, syntheticDistribution } from './build-distribution.js';

const scratch = await mkdtemp(join(tmpdir(), 'distrokit-bench-farm-'));
await chmod(scratch, 0o755);
const server = await startPostgres(join(scratch, 'postgres'));
try {
  await measure('PGlite', { kind: 'pglite' }, join(scratch, 'pglite'));
  await measure('PostgreSQL', { kind: 'postgres', url: server.url }, join(scratch, 'pg'));
  for (const count of [1, 2, 4, 8]) await measureProcesses(server.url, join(scratch, 'processes'), count);
} finally {
  await server.stop();
  await rm(scratch, { recursive: true, force: true });
}
simulate();

async function measure(name: string, store: FarmStore, folder: string): Promise<void> {
  const farm = await openFarm({ store, folder, leaseMs: 2_000, window: 64 });
  const stop = new AbortController();
  const coordination = farm.run({ signal: stop.signal, intervalMs: 50 });
  for (const slots of [1, 4, 16])
    console.log(`${name}, ${slots} slots: ${(await throughput(farm, slots)).toFixed(0)} empty tasks per second`);
  console.log(
    `${name}, lost worker: done over ${(await recovery(farm)).toFixed(0)} ms after its last sign of life (lease 2000 ms)`,
  );
  stop.abort();
  await coordination;
  await backlog(farm, name);
  await farm[Symbol.asyncDispose]();
}

/** Worker processes of four slots each: empty tasks per second, and how long after a kill -9 the tasks of one are begun again. */
async function measureProcesses(url: string, folder: string, count: number): Promise<void> {
  const farm = await openFarm({ store: { kind: 'postgres', url }, folder, leaseMs: 2_000, window: 64 });
  const stop = new AbortController();
  const coordination = farm.run({ signal: stop.signal, intervalMs: 50 });
  const script = fileURLToPath(new URL('../test/faults/build-farm-process.ts', import.meta.url));
  const children: ChildProcess[] = await Promise.all(
    Array.from({ length: count }, async (_, at) => {
      const argv = ['--import', 'tsx', script, 'worker', url, folder, `p${count}-${at}`];
      const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(child.stdout, 'data');
      return child;
    }),
  );
  const work = (prefix: string, tasks: number, ms: number) =>
    farm.submit(
      Array.from({ length: tasks }, (_, at) => ({
        id: `${prefix}-${count}-${at}`,
        queue: 'x86_64',
        payload: { ms, hangs: false },
      })),
    );
  const started = performance.now();
  await work('many', 400, 0);
  await farm.idle();
  const perSecond = (400 * 1_000) / (performance.now() - started);

  // As many long tasks as there are slots: the killed process holds four of them.
  await work('long', count * 4, 1_500);
  while (((await farm.counts()).running ?? 0) < count * 4) await sleep(10);
  const [victim] = children;
  victim?.kill('SIGKILL');
  const killed = performance.now();
  let again = 0;
  const reading = new AbortController();
  // With one process nobody is left to begin again: then another is started when the lease has ended.
  if (count === 1) {
    const argv = ['--import', 'tsx', script, 'worker', url, folder, `p${count}-next`];
    children.push(spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'inherit'] }));
  }
  for await (const event of farm.events({ signal: reading.signal, intervalMs: 20 })) {
    if (event.task.startsWith(`long-${count}-`) && event.state === 'running' && event.attempt === 2) again += 1;
    if (again === 4) reading.abort();
  }
  const recoveryMs = performance.now() - killed;
  await farm.idle();
  console.log(
    `PostgreSQL, ${count} worker processes of 4 slots: ${perSecond.toFixed(0)} empty tasks per second; all tasks of a killed one begun again after ${recoveryMs.toFixed(0)} ms (lease 2000 ms)`,
  );
  for (const child of children) child.kill('SIGKILL');
  stop.abort();
  await coordination;
  await farm[Symbol.asyncDispose]();
}

async function throughput(farm: Farm, slots: number): Promise<number> {
  const count = 300;
  await using _worker = startWorker(farm, {
    name: 'bench',
    queues: [`slots${slots}`],
    slots,
    pollMs: 10,
    work: async () => 1,
  });
  const started = performance.now();
  await farm.submit(Array.from({ length: count }, (_, at) => ({ id: `t${slots}-${at}`, queue: `slots${slots}` })));
  await farm.idle();
  return (count * 1_000) / (performance.now() - started);
}

async function recovery(farm: Farm): Promise<number> {
  await farm.submit([{ id: 'lost', queue: 'lost' }]);
  let claim = await farm.claim('lost', 'ghost');
  while (claim === undefined) {
    await sleep(10);
    claim = await farm.claim('lost', 'ghost');
  }
  const started = performance.now();
  await using _worker = startWorker(farm, {
    name: 'living',
    queues: ['lost'],
    slots: 1,
    pollMs: 10,
    work: async () => 1,
  });
  await farm.idle();
  return performance.now() - started;
}

/** One round of coordination while very many tasks wait. */
async function backlog(farm: Farm, name: string): Promise<void> {
  const count = 100_000;
  const started = performance.now();
  for (let at = 0; at < count; at += 10_000) {
    await farm.submit(
      Array.from({ length: 10_000 }, (_, i) => ({ id: `b-${at + i}`, queue: 'backlog', tenant: `t${i % 10}` })),
    );
  }
  const submitted = performance.now() - started;
  const begun = performance.now();
  await farm.coordinate();
  const round = performance.now() - begun;
  console.log(
    `${name}, backlog: 100,000 tasks handed in in ${(submitted / 1_000).toFixed(1)} s; one round of coordination over them ${round.toFixed(0)} ms`,
  );
}

/** List scheduling of a plan by virtual time: who is ready first starts first, one build per slot. */
function simulate(): void {
  const arches = ['aarch64', 'ppc64le', 's390x', 'x86_64'];
  const nodes = syntheticDistribution(25_000, arches);
  const host = new Set(['gcc', 'make']);
  const plan = planBuild(nodes, (dependency) => host.has(dependency), { cycles: 'break' });
  const next = sequence(3);
  // Most builds take minutes, a few take hours: median about 2.5 minutes, one in a thousand over three hours.
  const minutes = new Map(
    nodes.map((node) => [`${node.name}.${node.arch}`, 1 + 1.5 / (1 - next(1_000) / 1_001) ** 0.72]),
  );
  const needs = new Map(plan.waves.flat().map((id) => [id, plan.needs(id).map((need) => need.on)]));
  const critical = new Map<string, number>();
  for (const id of plan.waves.flat()) {
    const before = Math.max(0, ...(needs.get(id) ?? []).map((on) => critical.get(on) ?? 0));
    critical.set(id, before + (minutes.get(id) as number));
  }
  const total = [...minutes.values()].reduce((sum, each) => sum + each, 0);
  console.log(
    `simulation: ${minutes.size} builds, ${(total / 60).toFixed(0)} machine hours, longest chain ${(Math.max(...critical.values()) / 60).toFixed(1)} h, ${plan.waves.length} waves`,
  );
  for (const slots of [16, 64, 256, 1_024]) {
    const free = new Map(arches.map((arch) => [arch, Array.from({ length: slots }, () => 0)]));
    const end = new Map<string, number>();
    for (const id of plan.waves.flat()) {
      const ready = Math.max(0, ...(needs.get(id) ?? []).map((on) => end.get(on) ?? 0));
      const machines = free.get(id.slice(id.lastIndexOf('.') + 1)) as number[];
      let best = 0;
      for (let at = 1; at < machines.length; at += 1)
        if ((machines[at] as number) < (machines[best] as number)) best = at;
      const start = Math.max(ready, machines[best] as number);
      machines[best] = start + (minutes.get(id) as number);
      end.set(id, machines[best] as number);
    }
    console.log(`simulation: ${slots} slots per arch: ${(Math.max(...end.values()) / 60).toFixed(1)} h`);
  }
}
