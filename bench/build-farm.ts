/**
 * What the farm itself costs: tasks per second against slots on both stores, time until a lost task is done over, and how
 * long a mass rebuild of 25,000 sources on 4 arches would take with given machines (simulated, from a real plan).
 *
 *     node --import tsx bench/build-farm.ts
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Farm, type FarmStore, openFarm, planBuild, startWorker } from '@distrokit/build';
import { startPostgres } from '../test/build/postgres.js';
import { sequence, syntheticDistribution } from './build-distribution.js';

const scratch = await mkdtemp(join(tmpdir(), 'distrokit-bench-farm-'));
await chmod(scratch, 0o755);
const server = await startPostgres(join(scratch, 'postgres'));
try {
  await measure('PGlite', { kind: 'pglite' }, join(scratch, 'pglite'));
  await measure('PostgreSQL', { kind: 'postgres', url: server.url }, join(scratch, 'pg'));
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
