/**
 * A farm under everything that can happen to it, on a real PostgreSQL server with processes of its own: workers and
 * coordinators are killed, workers are stopped for longer than their lease and go on, tasks are delivered twice, builds hang, the
 * server crashes and restarts, and clocks jump by an hour, the server's too.
 *
 * `build-farm.test.ts` runs a small one, `scripts/farm-campaign.ts` a large one; both ask the report the same questions.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmod, mkdir, readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { directoryResults, type FarmEvent, openFarm, resultReceiver } from '@distrokit/build';
import { startPostgres } from '../build/postgres.js';

/** How large a storm is. */
export interface Storm {
  /** An empty folder. */
  readonly folder: string;
  readonly tasks: number;
  /** Worker processes with four slots each; every second one shares no folder with the farm. */
  readonly workers: number;
  /** Faults, one after the other as the work goes on. */
  readonly faults: number;
  readonly seed: number;
  readonly say?: (line: string) => void;
}

/** What was left when it was over. */
export interface StormReport {
  readonly counts: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<FaultKind, number>>;
  /** Times that tasks ended, and tasks that ended. */
  readonly endings: number;
  readonly ended: number;
  /** Names of published results, sorted; and of the tasks. */
  readonly results: readonly string[];
  readonly tasks: readonly string[];
  /** Sentences about results that are not of one attempt of their own task, or not what the farm says. */
  readonly mixed: readonly string[];
  /** Tasks that began before what they need had ended. */
  readonly early: readonly string[];
  /** Tasks that took more than one attempt, and those that were taken from a silent worker. */
  readonly repeated: number;
  readonly takenBack: number;
  /** How long the worker of a task that was taken back had been silent at most, by the server's clock, jumps of it left out. */
  readonly longestSilenceMs: number;
  /** The longest time in which this process, which coordinates beside the others and is not killed, could not look: the server was away, or the machine busy. */
  readonly longestGapMs: number;
  /** Results that came over HTTP. */
  readonly remote: number;
  readonly seconds: number;
}

const faultKinds = ['kill', 'stop', 'redeliver', 'crash', 'coordinator', 'clock'] as const;
type FaultKind = (typeof faultKinds)[number];

/** The longest that a silent worker may have held a task: its lease and a look, as long as the looks of that run were apart. */
export function longestHold(report: StormReport): number {
  return 2 * (stormLeaseMs + report.longestGapMs);
}

/** The lease of the processes in `build-farm-process.ts`. */
export const stormLeaseMs = 2_000;
const script = fileURLToPath(new URL('build-farm-process.ts', import.meta.url));

/** Runs a storm to its end. */
export async function runStorm(storm: Storm): Promise<StormReport> {
  const { folder, say = () => {} } = storm;
  await chmod(folder, 0o755);
  const started = performance.now();
  const server = await startPostgres(join(folder, 'postgres'), { clock: true });
  const shared = join(folder, 'farm');
  const farm = await openFarm({ store: { kind: 'postgres', url: server.url }, folder: shared, leaseMs: stormLeaseMs });
  const results = directoryResults(shared);
  const receiver = createServer(resultReceiver(farm, results));
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const receiverUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  const closing = new AbortController();
  const running = new Set<ChildProcess>();
  try {
    const next = sequence(storm.seed);
    const tasks = Array.from({ length: storm.tasks }, (_, at) => ({
      id: `task-${at}`,
      queue: at % 5 === 0 ? 'noarch' : 'x86_64',
      tenant: `tenant-${at % 3}`,
      needs: at < storm.tasks / 10 ? [] : [...new Set([`task-${next(at)}`, `task-${next(at)}`])],
      payload: { ms: 20 + next(300), hangs: at % 40 === 7 },
      timeoutMs: 5_000,
      maxAttempts: 1_000,
    }));
    await farm.submit(tasks);

    /** Starts a process of the farm, and another whenever it dies. */
    const keepAlive = (role: string, name: string, own: string): { readonly current: () => ChildProcess } => {
      let child: ChildProcess;
      let born = 0;
      const begin = (): void => {
        born += 1;
        const argv = ['--import', 'tsx', script, role, server.url, own, `${name}-${born}`, receiverUrl];
        child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'inherit'] });
        running.add(child);
        child.once('exit', () => {
          running.delete(child);
          if (!closing.signal.aborted) setTimeout(begin, 100);
        });
      };
      begin();
      return { current: () => child };
    };
    const workers: { readonly current: () => ChildProcess }[] = [];
    for (let at = 0; at < storm.workers; at += 1) {
      const remote = at % 2 === 1;
      const own = remote ? join(folder, `machine${at}`) : shared;
      await mkdir(own, { recursive: true });
      workers.push(keepAlive(remote ? 'remote' : 'worker', `${remote ? 'remote' : 'worker'}${at}`, own));
    }
    let lastLook = performance.now();
    let longestGapMs = 0;
    const looking = (async () => {
      while (!closing.signal.aborted) {
        const looked = await farm.coordinate().then(
          () => true,
          () => false,
        );
        if (looked) {
          longestGapMs = Math.max(longestGapMs, performance.now() - lastLook);
          lastLook = performance.now();
        }
        await sleep(50);
      }
    })();
    const coordinators = [keepAlive('coordinator', 'a', shared), keepAlive('coordinator', 'b', shared)];

    const faults = Object.fromEntries(faultKinds.map((kind) => [kind, 0])) as Record<FaultKind, number>;
    const done = async (): Promise<number> => (await farm.counts().catch(() => ({ done: 0 }))).done ?? 0;
    const clocks = [3_600, -3_600, 0];
    // Faults come by progress and not by the clock: a slow machine must get somewhere between two of them.
    for (let round = 0; round < storm.faults; round += 1) {
      const wanted = Math.floor(((round + 0.3) * storm.tasks * 0.9) / storm.faults);
      while ((await done()) < wanted) await sleep(100);
      const kind = faultKinds[round % faultKinds.length] as FaultKind;
      faults[kind] += 1;
      say(`${((performance.now() - started) / 1_000).toFixed(0)} s, ${await done()} done: ${kind}`);
      const victim = (workers[next(workers.length)] as (typeof workers)[number]).current();
      if (kind === 'kill') victim.kill('SIGKILL');
      else if (kind === 'stop') {
        // Hung for longer than its lease; what it then hands in comes too late.
        victim.kill('SIGSTOP');
        setTimeout(() => victim.kill('SIGCONT'), stormLeaseMs * 2 + 1_500);
      } else if (kind === 'redeliver') await redeliver(server.url);
      else if (kind === 'crash') await server.crash();
      else if (kind === 'coordinator')
        (coordinators[next(2)] as (typeof coordinators)[number]).current().kill('SIGKILL');
      else await server.setClock(clocks[(faults.clock - 1) % clocks.length] as number);
    }
    await farm.idle();
    closing.abort();
    await looking;
    const seconds = (performance.now() - started) / 1_000;

    const events = await eventsOf(farm);
    const first = (task: string, state: FarmEvent['state']): bigint =>
      events.find((event) => event.task === task && event.state === state)?.seq ?? -1n;
    const mixed: string[] = [];
    const early: string[] = [];
    let repeated = 0;
    let remote = 0;
    for (const { id, needs } of tasks) {
      const status = await farm.task(id);
      if ((status?.attempt ?? 0) > 1) repeated += 1;
      const read = (name: string): Promise<string> =>
        readFile(join(results.resultFolder(id), name), 'utf8').catch(String);
      const [one, two] = await Promise.all([read('one.rpm'), read('two.rpm')]);
      if (one !== two || one !== status?.result || one.split(' ')[0] !== id)
        mixed.push(`${id}: ${one} | ${two} | ${String(status?.result)}`);
      if (one.includes(' remote')) remote += 1;
      for (const need of needs) if (!(first(need, 'done') < first(id, 'running'))) early.push(`${id} before ${need}`);
    }
    const ends = events.filter((event) => ['done', 'failed', 'cancelled'].includes(event.state));
    const silences = events.flatMap((event) => (event.silentMs === null ? [] : [event.silentMs]));
    return {
      counts: await farm.counts(),
      faults,
      endings: ends.length,
      ended: new Set(ends.map((event) => event.task)).size,
      results: (await readdir(join(shared, 'results'))).sort(),
      tasks: tasks.map((task) => task.id).sort(),
      mixed,
      early,
      repeated,
      takenBack: silences.length,
      // The server's own clock is one of those that jump: what it then measures is an hour off, to either side.
      longestSilenceMs: Math.max(0, ...silences.filter((ms) => ms < 1_800_000)),
      longestGapMs,
      remote,
      seconds,
    };
  } finally {
    closing.abort();
    for (const child of running) {
      child.kill('SIGCONT');
      child.kill('SIGKILL');
    }
    receiver.closeAllConnections();
    receiver.close();
    await farm[Symbol.asyncDispose]();
    await server.stop();
  }
}

/** The same faults in every run. */
function sequence(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

async function eventsOf(farm: Awaited<ReturnType<typeof openFarm>>): Promise<FarmEvent[]> {
  const events: FarmEvent[] = [];
  const reading = new AbortController();
  // Everything has ended: what is not there at once does not come.
  let quiet = setTimeout(() => reading.abort(), 2_000);
  for await (const event of farm.events({ signal: reading.signal })) {
    events.push(event);
    clearTimeout(quiet);
    quiet = setTimeout(() => reading.abort(), 2_000);
  }
  return events;
}

/** Puts what is handed out back among the waiting, behind the engine's back. */
async function redeliver(url: string): Promise<void> {
  const statement = "update distrokit.task set state = 'waiting' where state = 'queued' and hashtext(id) % 2 = 0";
  await promisify(execFile)('psql', ['-d', url, '-qc', statement]);
}
