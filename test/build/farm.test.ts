import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  BuildError,
  type BuildNode,
  type Farm,
  openFarm,
  planBuild,
  planTasks,
  startWorker,
  TaskLost,
  type WorkerTask,
} from '@distrokit/build';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { scratchFolder } from './fixture.js';

let scratch: Awaited<ReturnType<typeof scratchFolder>>;
let farm: Farm;
const stop = new AbortController();
let coordination: Promise<void>;
beforeAll(async () => {
  scratch = await scratchFolder();
  farm = await openFarm({ store: { kind: 'pglite' }, folder: join(scratch.path, 'farm'), leaseMs: 1_500, window: 2 });
  coordination = farm.run({ signal: stop.signal, intervalMs: 50 });
});
afterAll(async () => {
  stop.abort();
  await coordination;
  await farm[Symbol.asyncDispose]();
  await scratch.remove();
});

let queues = 0;
/** A queue of its own, so that tests do not take each other's tasks. */
const newQueue = (): string => {
  queues += 1;
  return `q${queues}`;
};
const worker = (queue: string, work: (task: WorkerTask) => Promise<unknown>, slots = 1) =>
  startWorker(farm, {
    name: `worker-${queue}-${Math.floor(performance.now())}`,
    queues: [queue],
    slots,
    work,
    pollMs: 20,
  });
const statesOf = async (...ids: string[]): Promise<unknown[]> =>
  Promise.all(ids.map(async (id) => (await farm.task(id))?.state));
async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await sleep(30);
}
async function claimed(queue: string): Promise<NonNullable<Awaited<ReturnType<Farm['claim']>>>> {
  for (;;) {
    const claim = await farm.claim(queue, 'ghost');
    if (claim !== undefined) return claim;
    await sleep(30);
  }
}
const ended = (id: string) =>
  until(async () => ['done', 'failed', 'cancelled'].includes((await farm.task(id))?.state ?? ''));

test('runs a plan in its order, publishes each result once, keeps what was said', async () => {
  const queue = newQueue();
  const node = (name: string, ...buildRequires: string[]): BuildNode => ({ name, buildRequires, provides: [name] });
  const plan = planBuild([node('app', 'tool', 'lib'), node('tool', 'lib'), node('lib')], () => false);
  const order: string[] = [];
  await using _worker = worker(queue, async (task) => {
    order.push(task.id);
    task.onLog(`building ${task.id}`);
    await writeFile(join(task.folder, 'package.rpm'), task.id);
    return { built: task.id };
  });
  await farm.submit(
    planTasks(
      plan,
      () => queue,
      (name) => `plan-${name}`,
    ),
  );
  await farm.submit(
    planTasks(
      plan,
      () => queue,
      (name) => `plan-${name}`,
    ),
  );
  await ended('plan-app');
  expect(order).toEqual(['plan-lib', 'plan-tool', 'plan-app']);
  expect(await farm.task('plan-app')).toMatchObject({
    state: 'done',
    attempt: 1,
    result: { built: 'plan-app' },
    failure: null,
  });
  expect(await readFile(join(farm.resultFolder('plan-tool'), 'package.rpm'), 'utf8')).toBe('plan-tool');
  expect(await farm.log('plan-lib')).toEqual(['building plan-lib']);
  expect(readdirSync(join(scratch.path, 'farm', 'attempts'))).toEqual([]);
});

test('a compile error is not tried again and takes along what needs it; a full disk is', async () => {
  const queue = newQueue();
  let tries = 0;
  const failed = (failureClass: 'build-failed' | 'out-of-disk') =>
    new BuildError(
      { code: 'BUILD_FAILED', driver: 'x', exitStatus: 1, signal: null, failureClass, lastLogLines: [], logPath: '' },
      `it was ${failureClass}`,
    );
  await using _worker = worker(queue, async (task) => {
    if (task.id === 'compile') throw failed('build-failed');
    tries += 1;
    if (tries === 1) throw failed('out-of-disk');
    return tries;
  });
  await farm.submit([
    { id: 'compile', queue },
    { id: 'after-compile', queue, needs: ['compile'] },
    { id: 'after-that', queue, needs: ['after-compile'] },
    { id: 'disk', queue },
  ]);
  await ended('disk');
  await ended('after-that');
  expect(await farm.task('compile')).toMatchObject({
    state: 'failed',
    attempt: 1,
    failure: 'build-failed',
    message: 'it was build-failed',
  });
  expect(await farm.task('after-that')).toMatchObject({ state: 'failed', attempt: 0, failure: 'dependency-failed' });
  expect(await farm.task('disk')).toMatchObject({ state: 'done', attempt: 2, result: 2 });
  await farm.submit([{ id: 'late', queue, needs: ['compile'] }]);
  expect(await farm.task('late')).toMatchObject({ state: 'failed', failure: 'dependency-failed' });
});

test('cancelling stops the work and everything that needs it', async () => {
  const queue = newQueue();
  let reason: unknown;
  await using _worker = worker(queue, async (task) => {
    await new Promise((_resolve, reject) => {
      task.signal.addEventListener('abort', () => {
        reason = task.signal.reason;
        reject(task.signal.reason as Error);
      });
    });
  });
  await farm.submit([
    { id: 'endless', queue },
    { id: 'after-endless', queue, needs: ['endless'] },
  ]);
  await until(async () => (await farm.task('endless'))?.state === 'running');
  expect(await farm.cancel('endless')).toBe(true);
  await until(() => reason !== undefined);
  expect(reason).toBeInstanceOf(TaskLost);
  expect(await statesOf('endless', 'after-endless')).toEqual(['cancelled', 'cancelled']);
  expect(await farm.cancel('endless')).toBe(false);
  expect(existsSync(farm.resultFolder('endless'))).toBe(false);
});

test('a worker that falls silent loses its task, and its late result is refused', async () => {
  const queue = newQueue();
  await farm.submit([{ id: 'silent', queue }]);
  const first = await claimed(queue);
  const folder = await farm.attemptFolder(first);
  await writeFile(join(folder, 'package.rpm'), 'of the ghost');
  await using _worker = worker(queue, async (task) => writeFile(join(task.folder, 'package.rpm'), 'of the living'));
  await ended('silent');
  expect(await farm.publish(first, folder, 'late')).toBe(false);
  expect(await farm.task('silent')).toMatchObject({ state: 'done', attempt: 2 });
  expect(await readFile(join(farm.resultFolder('silent'), 'package.rpm'), 'utf8')).toBe('of the living');
});

test('a worker that dies between publishing and saying so has published', async () => {
  const queue = newQueue();
  await farm.submit([{ id: 'halfway', queue }]);
  const claim = await claimed(queue);
  const folder = await farm.attemptFolder(claim);
  await writeFile(join(folder, 'package.rpm'), 'first');
  const { finish } = farm.store;
  farm.store.finish = async () => false;
  await farm.publish(claim, folder, { by: 'ghost' });
  farm.store.finish = finish;
  let worked = 0;
  await using _worker = worker(queue, async () => {
    worked += 1;
  });
  await ended('halfway');
  expect(worked).toBe(0);
  expect(await farm.task('halfway')).toMatchObject({ state: 'done', attempt: 2, result: { by: 'ghost' } });
});

test('what one worker has claimed no other can', async () => {
  const queue = newQueue();
  await farm.submit([{ id: 'taken', queue }]);
  const claim = await claimed(queue);
  expect(await farm.store.claim('taken', 'another')).toBeUndefined();
  expect(await farm.claim(queue, 'another')).toBeUndefined();
  await farm.cancel('taken');
  expect(await farm.store.renew('taken', claim.token)).toBe(false);
});

test('a flood of one tenant delays the single task of another by no more than the window', async () => {
  const queue = newQueue();
  await farm.submit(Array.from({ length: 200 }, (_, at) => ({ id: `flood-${at}`, queue, tenant: 'a' })));
  await until(async () => (await farm.task('flood-0'))?.state === 'queued');
  await farm.submit([{ id: 'single', queue, tenant: 'b' }]);
  const order: string[] = [];
  await using _worker = worker(queue, async (task) => {
    order.push(task.id);
  });
  await ended('single');
  // Two were handed out before the single task came; after those it is its turn.
  expect(order.indexOf('single')).toBeLessThanOrEqual(3);
  for (let at = 0; at < 200; at += 1) await farm.cancel(`flood-${at}`);
});

test('within a tenant the more urgent task comes first', async () => {
  const queue = newQueue();
  await farm.submit([
    { id: 'low-1', queue },
    { id: 'low-2', queue },
    { id: 'low-3', queue },
    { id: 'low-4', queue },
    { id: 'high', queue, priority: 9 },
  ]);
  const order: string[] = [];
  await using _worker = worker(queue, async (task) => {
    order.push(task.id);
  });
  await ended('low-4');
  expect(order.indexOf('high')).toBeLessThanOrEqual(2);
});

test('draining finishes what runs and takes nothing new', async () => {
  const queue = newQueue();
  const one = worker(queue, async () => {
    await sleep(400);
    return 'finished';
  });
  await farm.submit([
    { id: 'running-drain', queue },
    { id: 'waiting-drain', queue },
  ]);
  await until(async () => (await farm.task('running-drain'))?.state === 'running');
  await one.drain();
  expect(await farm.task('running-drain')).toMatchObject({ state: 'done', result: 'finished' });
  expect((await farm.task('waiting-drain'))?.state).toBe('queued');
  await farm.cancel('waiting-drain');
});

test('a task that is over its time is ended as a timeout and tried again; a hung one gives its slot back', async () => {
  const queue = newQueue();
  const tries: string[] = [];
  await using _worker = worker(queue, async (task) => {
    tries.push(`${task.id} ${task.attempt}`);
    if (task.id === 'slow') await sleep(60_000, undefined, { signal: task.signal });
    // Hears no signal, as a process in the kernel's hands.
    if (task.id === 'hung') await new Promise(() => {});
    return 'well';
  });
  await farm.submit([
    { id: 'hung', queue, timeoutMs: 200, maxAttempts: 1, priority: 9 },
    { id: 'slow', queue, timeoutMs: 200, maxAttempts: 2, priority: 5 },
    { id: 'quick', queue, timeoutMs: 60_000 },
  ]);
  await Promise.all([ended('hung'), ended('slow'), ended('quick')]);
  expect(await farm.task('hung')).toMatchObject({ state: 'failed', failure: 'timeout', attempt: 1 });
  expect(await farm.task('slow')).toMatchObject({ state: 'failed', failure: 'timeout', attempt: 2 });
  expect(await farm.task('quick')).toMatchObject({ state: 'done', result: 'well' });
  expect(tries.filter((each) => each.startsWith('slow'))).toEqual(['slow 1', 'slow 2']);
});

test('a task is held no longer than its lease by a worker that is not heard of', async () => {
  const queue = newQueue();
  await farm.submit([{ id: 'held', queue }]);
  await claimed(queue);
  await until(async () => (await farm.task('held'))?.state !== 'running');
  const taken: number[] = [];
  const reading = new AbortController();
  for await (const event of farm.events({ signal: reading.signal })) {
    if (event.task === 'held' && event.silentMs !== null) {
      taken.push(event.silentMs);
      reading.abort();
    }
  }
  expect(taken).toHaveLength(1);
  expect(taken[0]).toBeGreaterThanOrEqual(farm.leaseMs - 50);
  // One lease, and what a busy machine needs to look again.
  expect(taken[0]).toBeLessThan(farm.leaseMs * 2);
  await farm.cancel('held');
});

test('what was published lists its files with their digests', async () => {
  const queue = newQueue();
  await using _worker = worker(queue, async (task) => {
    await mkdir(join(task.folder, 'logs'));
    await writeFile(join(task.folder, 'logs', 'build.log'), 'said\n');
    await writeFile(join(task.folder, 'a.rpm'), 'package');
    return 7;
  });
  await farm.submit([{ id: 'listed', queue }]);
  await ended('listed');
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
  expect(await farm.result('listed')).toEqual({
    task: 'listed',
    attempt: 1,
    result: 7,
    files: [
      { path: 'a.rpm', sizeBytes: 7, sha256: sha256('package') },
      { path: 'logs/build.log', sizeBytes: 5, sha256: sha256('said\n') },
    ],
  });
  expect(await farm.result('nobody')).toBeUndefined();
});

test('tells every change in its order', async () => {
  const queue = newQueue();
  await using _worker = worker(queue, async () => 'x');
  await farm.submit([
    { id: 'parent-events', queue },
    { id: 'child-events', queue, needs: ['parent-events'] },
  ]);
  await ended('child-events');
  const seen: string[] = [];
  const reading = new AbortController();
  for await (const event of farm.events({ signal: reading.signal })) {
    if (event.task.endsWith('-events')) seen.push(`${event.task.replace('-events', '')} ${event.state}`);
    if (event.task === 'child-events' && event.state === 'done') reading.abort();
  }
  expect(seen.filter((line) => line.startsWith('parent'))).toEqual([
    'parent waiting',
    'parent queued',
    'parent running',
    'parent done',
  ]);
  expect(seen.filter((line) => line.startsWith('child'))).toEqual([
    'child blocked',
    'child waiting',
    'child queued',
    'child running',
    'child done',
  ]);
});

test('refuses ids that are no names, needs that nobody knows, and a task named twice', async () => {
  for (const id of ['../x', '', 'a b', '.hidden'])
    await expect(farm.submit([{ id, queue: 'q' }])).rejects.toThrow(TypeError);
  await expect(farm.submit([{ id: 'orphan', queue: 'q', needs: ['nobody'] }])).rejects.toThrow('nobody');
  await expect(
    farm.submit([
      { id: 'double', queue: 'q' },
      { id: 'double', queue: 'q' },
    ]),
  ).rejects.toThrow(TypeError);
  expect(await farm.task('orphan')).toBeUndefined();
});

test('a folder that another process has open is refused; one that a dead process left is taken', async () => {
  const folder = join(scratch.path, 'pglite');
  const other = spawn('sleep', ['60']);
  const stat = readFileSync(`/proc/${other.pid}/stat`, 'utf8');
  await writeFile(`${folder}.lock`, `${other.pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}\n`);
  const opening = openFarm({ store: { kind: 'pglite', folder }, folder: join(scratch.path, 'other') });
  await expect(opening).rejects.toMatchObject({ fault: { code: 'BUILD_STORE_LOCKED', pid: other.pid } });
  other.kill('SIGKILL');
  await new Promise((resolve) => other.once('exit', resolve));
  const opened = await openFarm({ store: { kind: 'pglite', folder }, folder: join(scratch.path, 'other') });
  await opened.submit([{ id: 'kept', queue: 'q' }]);
  await opened[Symbol.asyncDispose]();
  expect(existsSync(`${folder}.lock`)).toBe(false);
  const again = await openFarm({ store: { kind: 'pglite', folder }, folder: join(scratch.path, 'other') });
  expect((await again.task('kept'))?.state).toBe('waiting');
  await again[Symbol.asyncDispose]();
});
