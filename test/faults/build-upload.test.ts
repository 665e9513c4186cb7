/** Workers without a common file system: results over HTTP, through a network that tears, repeats and falsifies. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type DirectoryResults,
  directoryResults,
  type Farm,
  type FinishedAttempt,
  httpResults,
  openFarm,
  type ResultStore,
  resultReceiver,
  startWorker,
} from '@distrokit/build';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { scratchFolder } from '../build/fixture.js';

let scratch: Awaited<ReturnType<typeof scratchFolder>>;
let farm: Farm;
let results: DirectoryResults;
let client: ResultStore;
let server: Server;
let url: string;
const stop = new AbortController();
let coordination: Promise<void>;
/** What the network does to a request before the receiver has it; true: it is lost. */
let fault: (request: IncomingMessage) => 'pass' | 'tear' | 'falsify' | 'lose answer' = () => 'pass';
let requests: string[] = [];

beforeAll(async () => {
  scratch = await scratchFolder();
  results = directoryResults(join(scratch.path, 'receiver'));
  // The farm's own folder is the worker's: nothing of it is the receiver's.
  const folder = join(scratch.path, 'worker');
  const late: ResultStore = {
    upload: (...words) => client.upload(...words),
    publish: (...words) => client.publish(...words),
    published: (...words) => client.published(...words),
  };
  farm = await openFarm({ store: { kind: 'pglite' }, folder, results: late, leaseMs: 1_500, window: 4 });
  const receive = resultReceiver(farm, results, { maxFileBytes: 2 ** 20 });
  server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url?.split('?')[0]}`);
    const kind = fault(request);
    if (kind === 'tear') {
      // Some bytes arrive, then the connection is gone.
      request.once('data', () => request.destroy());
      if (request.method !== 'PUT') request.destroy();
      receive(request, response);
    } else if (kind === 'falsify') {
      const { method, url: target, headers } = request;
      receive({ method, url: target, headers, [Symbol.asyncIterator]: () => falsified(request) }, response);
    } else if (kind === 'lose answer') {
      receive(request, {
        writeHead: () => {},
        end: () => request.socket.destroy(),
      });
    } else receive(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = httpResults({ url, fetch: (target, init) => fetch(target, init as RequestInit) });
  coordination = farm.run({ signal: stop.signal, intervalMs: 30 });
});
afterAll(async () => {
  stop.abort();
  await coordination;
  await farm[Symbol.asyncDispose]();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await scratch.remove();
});
beforeEach(() => {
  fault = () => 'pass';
  requests = [];
});

async function* falsified(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    const copy = Uint8Array.from(chunk);
    copy[0] = (copy[0] ?? 0) ^ 1;
    yield copy;
  }
}

const work = (queue: string, content: (task: string) => string, slots = 1) =>
  startWorker(farm, {
    name: `worker-${queue}`,
    queues: [queue],
    slots,
    pollMs: 20,
    work: async (task) => {
      await mkdir(join(task.folder, 'logs'));
      await writeFile(join(task.folder, 'package.rpm'), content(task.id));
      await writeFile(join(task.folder, 'logs', 'build.log'), `attempt ${task.attempt}`);
      return task.attempt;
    },
  });
async function ended(id: string): Promise<void> {
  while (!['done', 'failed', 'cancelled'].includes((await farm.task(id))?.state ?? '')) await sleep(30);
}
async function claimed(queue: string): Promise<NonNullable<Awaited<ReturnType<Farm['claim']>>>> {
  for (;;) {
    const claim = await farm.claim(queue, 'ghost');
    if (claim !== undefined) return claim;
    await sleep(30);
  }
}
async function attemptOf(queue: string, content: string): Promise<FinishedAttempt> {
  await farm.submit([{ id: queue, queue }]);
  const claim = await claimed(queue);
  const folder = await farm.attemptFolder(claim);
  await writeFile(join(folder, 'package.rpm'), content);
  return { task: claim.id, attempt: claim.attempt, token: claim.token, folder, result: content };
}
const refusal = (why: string) => ({ fault: { code: 'BUILD_RESULT_REFUSED', why } });
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const big = 'x'.repeat(300_000);

test('a result reaches the receiver whole, with its digests, and leaves nothing with the worker', async () => {
  await using _worker = work('plain', (task) => `${task}${big}`);
  await farm.submit([{ id: 'plain-task', queue: 'plain' }]);
  await ended('plain-task');
  expect(await readFile(join(results.resultFolder('plain-task'), 'package.rpm'), 'utf8')).toBe(`plain-task${big}`);
  expect(await farm.result('plain-task')).toEqual({
    task: 'plain-task',
    attempt: 1,
    result: 1,
    files: [
      { path: 'logs/build.log', sizeBytes: 9, sha256: sha256('attempt 1') },
      { path: 'package.rpm', sizeBytes: big.length + 10, sha256: sha256(`plain-task${big}`) },
    ],
  });
  expect(existsSync(farm.resultFolder('plain-task'))).toBe(false);
  // The worker clears up after the task has ended.
  while ((await readdir(join(scratch.path, 'worker', 'attempts'))).length > 0) await sleep(20);
  expect(await readdir(join(scratch.path, 'receiver', 'uploads'))).toEqual([]);
});

test('an upload that breaks off is sent again; what arrived is not, and no half of a file has its name', async () => {
  let torn = 0;
  fault = (request) => {
    if (request.method !== 'PUT' || request.url?.includes('package.rpm') !== true || torn === 2) return 'pass';
    torn += 1;
    return 'tear';
  };
  await using _worker = work('torn', () => big);
  await farm.submit([{ id: 'torn-task', queue: 'torn' }]);
  await ended('torn-task');
  expect(torn).toBe(2);
  expect(await farm.task('torn-task')).toMatchObject({ state: 'done', attempt: 1 });
  expect(await readFile(join(results.resultFolder('torn-task'), 'package.rpm'), 'utf8')).toBe(big);
  expect(await readdir(results.resultFolder('torn-task'))).toEqual(['farm-result.json', 'logs', 'package.rpm']);
  // The log came first and through: it was sent once, the package three times.
  expect(requests.filter((each) => each === 'PUT /file')).toHaveLength(4);
});

test('bytes that change under way are refused by their digest and sent again', async () => {
  let falsifying = 1;
  fault = (request) => (request.method === 'PUT' && falsifying-- > 0 ? 'falsify' : 'pass');
  await using _worker = work('falsified', () => big);
  await farm.submit([{ id: 'falsified-task', queue: 'falsified' }]);
  await ended('falsified-task');
  expect(falsifying).toBeLessThan(0);
  expect(await farm.task('falsified-task')).toMatchObject({ state: 'done', attempt: 1 });
  expect(await readFile(join(results.resultFolder('falsified-task'), 'package.rpm'), 'utf8')).toBe(big);
});

test('a publication whose answer is lost has taken place, once', async () => {
  let losing = 1;
  fault = (request) => (request.url?.startsWith('/publish') === true && losing-- > 0 ? 'lose answer' : 'pass');
  await using _worker = work('lost', () => 'once');
  await farm.submit([{ id: 'lost-task', queue: 'lost' }]);
  await ended('lost-task');
  expect(await farm.task('lost-task')).toMatchObject({ state: 'done', attempt: 1, result: 1 });
  // It was asked for again, and answered that it stands.
  expect(requests.filter((each) => each === 'POST /publish')).toHaveLength(2);
  expect((await farm.result('lost-task'))?.attempt).toBe(1);
});

test('uploads and publications may be repeated, also both at once', async () => {
  const attempt = await attemptOf('repeated', big);
  await Promise.all([client.upload(attempt), client.upload(attempt), client.upload(attempt)]);
  const answers = await Promise.all([client.publish(attempt), client.publish(attempt)]);
  expect(answers.filter((each) => each)).toHaveLength(1);
  expect(await readFile(join(results.resultFolder('repeated'), 'package.rpm'), 'utf8')).toBe(big);
  await farm.cancel('repeated');
});

test('what a fenced worker sends late is refused: files, publication, and not even a part of it stays', async () => {
  const late = await attemptOf('fenced', 'of the ghost');
  await using _worker = work('fenced', () => 'of the living');
  await ended('fenced');
  await expect(client.upload(late)).rejects.toMatchObject(refusal('fenced'));
  await expect(client.publish(late)).rejects.toMatchObject(refusal('fenced'));
  expect(await readFile(join(results.resultFolder('fenced'), 'package.rpm'), 'utf8')).toBe('of the living');
  expect(await readdir(join(scratch.path, 'receiver', 'uploads'))).toEqual([]);
  expect(await farm.result('fenced')).toMatchObject({ attempt: 2, result: 2 });
});

test('what is sent without a token, with another task’s token or for another attempt is refused', async () => {
  const attempt = await attemptOf('own', 'mine');
  const other = await attemptOf('other', 'yours');
  for (const wrong of [
    { ...attempt, token: '' },
    { ...attempt, token: other.token },
    { ...attempt, attempt: 2 },
    { ...attempt, token: "' or 1=1 --" },
  ]) {
    await expect(client.upload(wrong)).rejects.toMatchObject(refusal('fenced'));
    await expect(client.publish(wrong)).rejects.toMatchObject(refusal('fenced'));
  }
  await farm.cancel('own');
  await farm.cancel('other');
});

test.each([
  ['a path that leads out', { path: '../../escape' }, 400],
  ['an absolute path', { path: '/etc/escape' }, 400],
  ['a path with a NUL', { path: 'a\0b' }, 400],
  ['the name of the manifest', { path: 'farm-result.json' }, 400],
  ['an empty path', { path: '' }, 400],
  ['a size that is none', { size: '-1' }, 400],
  ['a digest that is none', { sha256: 'f00' }, 400],
  ['a file over the ceiling', { size: String(2 ** 20 + 1) }, 413],
  ['more bytes than announced', { size: '3' }, 422],
  ['fewer bytes than announced', { size: '300' }, 422],
  ['a task id that is a path', { task: '../x' }, 400],
])('refuses %s', async (_what, changed, status) => {
  const attempt = await attemptOf(`hostile-${_what.replaceAll(/\W/g, '')}`, 'content');
  const query = {
    task: attempt.task,
    attempt: '1',
    path: 'package.rpm',
    size: '7',
    sha256: sha256('content'),
    ...changed,
  };
  const answer = await fetch(`${url}/file?${new URLSearchParams(query)}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${attempt.token}` },
    body: 'content',
  });
  expect(answer.status).toBe(status);
  expect(await readdir(join(scratch.path, 'receiver', 'uploads')).catch(() => [])).not.toContain('escape');
  await expect(stat('/etc/escape')).rejects.toThrow();
  const upload = join(scratch.path, 'receiver', 'uploads', `${attempt.task}.1`);
  expect(await readdir(upload).catch(() => [])).toEqual([]);
  await farm.cancel(attempt.task);
});

test('a manifest that lists what was not sent, or is none, publishes nothing', async () => {
  const attempt = await attemptOf('unsent', 'content');
  await expect(client.publish(attempt)).rejects.toMatchObject(refusal('missing'));
  const answer = await fetch(`${url}/publish?task=unsent&attempt=1`, {
    method: 'POST',
    headers: { authorization: `Bearer ${attempt.token}` },
    body: '{"task":"unsent","attempt":1,"files":[{"path":"../x","sizeBytes":1,"sha256":"00"}]}',
  });
  expect(answer.status).toBe(400);
  expect(await results.published('unsent')).toBeUndefined();
  await farm.cancel('unsent');
});

test('40 tasks through a network that loses every third request each end once and whole', async () => {
  let count = 0;
  fault = () => {
    count += 1;
    return count % 3 === 0 ? (count % 2 === 0 ? 'tear' : 'lose answer') : 'pass';
  };
  await using _worker = work('storm', (task) => `${task}${big}`, 4);
  const ids = Array.from({ length: 40 }, (_, at) => `storm-${at}`);
  await farm.submit(ids.map((id) => ({ id, queue: 'storm', maxAttempts: 50 })));
  for (const id of ids) await ended(id);
  fault = () => 'pass';
  for (const id of ids) {
    expect([id, (await farm.task(id))?.state]).toEqual([id, 'done']);
    const listed = await farm.result(id);
    expect(listed?.files.map((file) => file.path)).toEqual(['logs/build.log', 'package.rpm']);
    for (const file of listed?.files ?? []) {
      const bytes = await readFile(join(results.resultFolder(id), file.path), 'utf8');
      expect([id, file.path, sha256(bytes)]).toEqual([id, file.path, file.sha256]);
    }
  }
}, 120_000);

test('a folder on another file system is filled file by file', async () => {
  const far = await mkdtemp('/dev/shm/distrokit-results-');
  try {
    const store = directoryResults(far);
    const folder = join(scratch.path, 'near');
    await mkdir(join(folder, 'logs'), { recursive: true });
    await writeFile(join(folder, 'package.rpm'), big);
    await writeFile(join(folder, 'logs', 'build.log'), 'said');
    expect((await stat(folder)).dev).not.toBe((await stat(far)).dev);
    const attempt = { task: 'far', attempt: 1, token: '', folder, result: 1 };
    await store.upload(attempt);
    expect(await store.published('far')).toBeUndefined();
    expect(await store.publish(attempt)).toBe(true);
    expect(await store.publish(attempt)).toBe(false);
    expect(await readFile(join(store.resultFolder('far'), 'package.rpm'), 'utf8')).toBe(big);
    expect((await store.published('far'))?.files).toHaveLength(2);
  } finally {
    await rm(far, { recursive: true });
  }
});
