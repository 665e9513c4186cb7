/**
 * Files that go up in parts: to s3rver, and to the bucket of the tests for conditions and for what goes wrong.
 */
import { createHash } from 'node:crypto';
import { fetchBytes, type RepositoryStore, type S3FetchFunction, s3Store } from '@distrokit/repo/node';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type SignedBucket, signedBucket } from '../repo/s3-server.js';
import { type S3Server, startS3rver } from '../repo/s3rver.js';
import { at, utf8 } from './staged-repository.js';

const mebibyte = 1024 * 1024;
const partBytes = 5 * mebibyte;
/** Two parts and a bit, no two mebibytes the same. */
const content = Buffer.concat(Array.from({ length: 11 }, (_, index) => Buffer.alloc(mebibyte, `${index} of many `)));

async function* stream(bytes: Uint8Array, chunkBytes = 1_000_000): AsyncGenerator<Uint8Array, void, void> {
  // One buffer for all chunks, as a reader of files may do.
  const buffer = new Uint8Array(chunkBytes);
  for (let start = 0; start < bytes.length; start += chunkBytes) {
    const chunk = bytes.subarray(start, start + chunkBytes);
    buffer.set(chunk);
    yield buffer.subarray(0, chunk.length);
  }
}

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const read = (store: RepositoryStore, path: string): Promise<Uint8Array> =>
  fetchBytes(store, path, { maxBytes: 100 * mebibyte });

let s3rver: S3Server;
let own: SignedBucket;
beforeAll(async () => {
  s3rver = await startS3rver();
  own = await signedBucket();
});
afterAll(async () => {
  await Promise.all([s3rver.close(), own.close()]);
});
beforeEach(() => {
  own.requests.length = 0;
  own.intercept = undefined;
});

const ownStore = (fetcher: S3FetchFunction = fetch): RepositoryStore =>
  s3Store({ ...own, region: 'x-1', partBytes, fetch: fetcher, at: () => at(0) });

test('a large package goes to a server process in parts, and is not there before the last', async () => {
  const bodies: number[] = [];
  const counted: S3FetchFunction = (url, init) => {
    if (init.method === 'PUT') bodies.push(init.body?.length ?? 0);
    return fetch(url, init);
  };
  const store = s3Store({ ...s3rver.place, prefix: 'large', partBytes, fetch: counted });
  const watched = async function* (): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of stream(content)) {
      expect(await store.stat('Packages/large.rpm')).toBeUndefined();
      yield chunk;
    }
  };
  await store.write('Packages/large.rpm', watched(), { cache: 'immutable' });
  expect(bodies).toEqual([partBytes, partBytes, mebibyte]);
  expect(digest(await read(store, 'Packages/large.rpm'))).toBe(digest(content));
  expect((await store.stat('Packages/large.rpm'))?.sizeBytes).toBe(content.length);
});

test('a file of exactly one part goes in one request, one byte more in two parts, an empty one in one', async () => {
  const store = ownStore();
  for (const [length, tasks] of [
    [partBytes, ['PUT']],
    [partBytes + 1, ['POST', 'PUT', 'PUT', 'POST']],
    [0, ['PUT']],
  ] as const) {
    own.requests.length = 0;
    await store.write('sized', stream(content.subarray(0, length)));
    expect(own.requests).toEqual(tasks.map((method) => `${method} sized`));
    expect(digest(await read(store, 'sized'))).toBe(digest(content.subarray(0, length)));
  }
});

test('a document that is named by its digest goes in parts under its name', async () => {
  const store = ownStore();
  const hash = createHash('sha256');
  const hashed = async function* (): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of stream(content)) {
      hash.update(chunk);
      yield chunk;
    }
  };
  let name = '';
  await store.write(() => {
    name = `repodata/${hash.digest('hex')}-filelists.xml.zst`;
    return name;
  }, hashed());
  expect(name).toContain(digest(content));
  expect(digest(await read(store, name))).toBe(digest(content));
  expect(own.requests.filter((line) => line.startsWith('PUT'))).toHaveLength(3);
});

test('a condition is that of the whole: of two uploads in parts onto one version, the second to end is refused and given up', async () => {
  const store = ownStore();
  const version = await store.write('contended', utf8('old'));
  const write = (fill: string) =>
    store.write('contended', stream(Buffer.alloc(6 * mebibyte, fill)), { ifVersion: version });
  const outcomes = await Promise.allSettled([write('a'), write('b')]);
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  expect(failed?.reason).toMatchObject({ code: 'REPO_CONFLICT', fault: { path: 'contended' } });
  expect((await store.stat('contended'))?.sizeBytes).toBe(6 * mebibyte);
  await expect(store.write('contended', stream(content), { ifVersion: null })).rejects.toMatchObject({
    code: 'REPO_CONFLICT',
  });
  expect(own.uploads.size).toBe(0);
});

/** Every request of an upload in three parts, and how it may go wrong. */
const failures: readonly [
  what: string,
  method: string,
  nth: number,
  answer: readonly [number, string] | undefined,
  found: string,
][] = [
  ['a refusal to begin', 'POST', 1, [403, '<Error><Code>AccessDenied</Code></Error>'], 'status 403 (AccessDenied)'],
  ['a beginning without a name', 'POST', 1, [200, '<InitiateMultipartUploadResult/>'], 'an upload without a name'],
  [
    'no room for a part',
    'PUT',
    2,
    [507, '<Error><Code>InsufficientStorage</Code></Error>'],
    'status 507 (InsufficientStorage)',
  ],
  ['a part without ETag', 'PUT', 3, [200, ''], 'an answer without ETag'],
  [
    'an end that fails after its status',
    'POST',
    2,
    [200, '<Error><Code>InternalError</Code></Error>'],
    'status 200 (InternalError)',
  ],
  ['an end without ETag', 'POST', 2, [200, '<CompleteMultipartUploadResult/>'], 'an answer without ETag'],
  ['a connection that is lost amid the parts', 'PUT', 2, undefined, 'no answer'],
];
test.each(failures)('%s (%s %i) leaves the old file and no open upload', async (_, method, nth, answer, found) => {
  await ownStore().write('kept', utf8('old'));
  let seen = 0;
  own.intercept = (asked) => (asked === method && ++seen === nth ? answer : undefined);
  let sent = 0;
  const losing: S3FetchFunction = (url, init) => {
    if (answer === undefined && init.method === method && ++sent === nth) throw new TypeError('connection lost');
    return fetch(url, init);
  };
  await expect(ownStore(losing).write('kept', stream(content))).rejects.toMatchObject({
    fault: { code: 'REPO_STORE_FAILED', path: 'kept', task: 'write', found },
  });
  own.intercept = undefined;
  expect(own.uploads.size).toBe(0);
  expect(await read(ownStore(), 'kept')).toEqual(utf8('old'));
});

test('a source that fails, a caller that gives up and a file beyond the ceiling leave no open upload', async () => {
  const failing = async function* (): AsyncGenerator<Uint8Array, void, void> {
    yield* stream(content);
    throw new Error('the disk is gone');
  };
  await expect(ownStore().write('never', failing())).rejects.toThrow('the disk is gone');
  const controller = new AbortController();
  const leaving = async function* (): AsyncGenerator<Uint8Array, void, void> {
    yield* stream(content);
    controller.abort(new Error('enough'));
    yield content;
  };
  const { signal } = controller;
  await expect(ownStore().write('never', leaving(), { signal })).rejects.toThrow('enough');
  const limited = s3Store({
    ...own,
    region: 'x-1',
    partBytes,
    maxFileBytes: content.length - 1,
    fetch,
    at: () => at(0),
  });
  await expect(limited.write('never', stream(content))).rejects.toMatchObject({
    fault: { code: 'REPO_TOO_LARGE', limitBytes: content.length - 1 },
  });
  expect(own.uploads.size).toBe(0);
  expect(own.requests.filter((line) => line === 'DELETE never')).toHaveLength(3);
  expect(await ownStore().stat('never')).toBeUndefined();
});

test('parts of a size that the protocol does not have are refused', () => {
  for (const wrong of [partBytes - 1, 5 * 1024 ** 3 + 1, 0, 5.5e6 + 0.5, Number.NaN]) {
    expect(() => s3Store({ ...own, region: 'x-1', fetch, at: () => at(0), partBytes: wrong })).toThrow(RangeError);
  }
});
