/**
 * Repositories in a bucket: against an S3-compatible server process of the registry (s3rver), and against a bucket of
 * the test's own for what s3rver does not do. s3rver 3.7.1 takes any signature of version 4 and passes over If-Match
 * and If-None-Match; `signedBucket` checks the one and honours the others.
 */
import {
  fetchBytes,
  openRepository,
  publishedState,
  publishRepository,
  RepoError,
  type RepositoryStore,
  revertRepository,
  type S3FetchFunction,
  type S3StoreOptions,
  s3Store,
  updateRepository,
  writeRepository,
} from '@distrokit/repo/node';
import { signS3Request } from '@distrokit/rpm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SignedBucket, signedBucket } from '../repo/s3-server.js';
import { type S3Server, startS3rver } from '../repo/s3rver.js';
import { at, locations, look, options, record, stage, utf8 } from './staged-repository.js';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Counts the bytes of bodies that come and go, by method and path. */
function counting(): { readonly fetch: S3FetchFunction; readonly bytes: Map<string, number> } {
  const bytes = new Map<string, number>();
  const count = (method: string, url: string, length: number): void => {
    const key = `${method} ${decodeURIComponent(new URL(url).pathname)}`;
    bytes.set(key, (bytes.get(key) ?? 0) + length);
  };
  return {
    bytes,
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      if (init.method === 'PUT') count('PUT', url, init.body?.length ?? 0);
      if (init.method === 'HEAD') count('HEAD', url, 0);
      if (init.method !== 'GET' || response.body === null) return response;
      count('GET', url, 0);
      const counter = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          count('GET', url, chunk.length);
          controller.enqueue(chunk);
        },
      });
      return new Response(response.body.pipeThrough(counter), response);
    },
  };
}

let server: S3Server;
let s3rver: Omit<S3StoreOptions, 'fetch'>;
let own: SignedBucket;
let signed: S3StoreOptions;
beforeAll(async () => {
  server = await startS3rver();
  s3rver = server.place;
  own = await signedBucket(3);
  signed = { fetch, bucketUrl: own.bucketUrl, region: 'x-1', credentials: own.credentials, at: () => at(0) };
});
afterAll(async () => {
  await server.close();
  await own.close();
});

test('signatures are those of the published examples', async () => {
  const credentials = {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  };
  const when = { region: 'us-east-1', at: new Date('2013-05-24T00:00:00Z') };
  const nothing = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
  const ask = async (method: string, url: string, headers: Record<string, string>, bodySha256: string) =>
    (await signS3Request({ method, url: new URL(url), headers, bodySha256 }, credentials, when)).authorization;
  const host = 'https://examplebucket.s3.amazonaws.com';
  expect(await ask('GET', `${host}/test.txt`, { range: 'bytes=0-9' }, nothing)).toMatch(
    /Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41$/,
  );
  expect(await ask('GET', `${host}/?max-keys=2&prefix=J`, {}, nothing)).toMatch(
    /Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7$/,
  );
  expect(
    await ask(
      'PUT',
      `${host}/test%24file.text`,
      { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
      '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
    ),
  ).toMatch(/Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd$/);
});

test('adding one package to 5,000 in a bucket reads none of them, and of the rest what the old documents hold', async () => {
  const names = Array.from({ length: 5000 }, (_, index) => `p${index}`);
  const counter = counting();
  const store = s3Store({ ...s3rver, fetch: counter.fetch, prefix: 'many/x86_64' });
  const inFolder = (name: string) => record(name, 'Packages/');
  // One in ten lies there: a request for one that does not would be counted all the same.
  const there = names.filter((_, index) => index % 10 === 0);
  await Promise.all(there.map((name) => store.write(inFolder(name).location, utf8('package'), { cache: 'immutable' })));
  await writeRepository(names.map(inFolder), store, options(1));
  const before = (await openRepository(store, { verifyRepomd: 'unsigned' })).repomd.records;
  counter.bytes.clear();
  const added = inFolder('gcc-c++');
  await store.write(added.location, utf8('package'));
  await updateRepository(store, { add: [added] }, options(2));
  const touched = [...counter.bytes].filter(([key]) => key.includes('/Packages/'));
  expect(touched).toEqual([[`PUT /bucket/many/x86_64/${added.location}`, 7]]);
  const read = (path: string): number => counter.bytes.get(`GET /bucket/many/x86_64/${path}`) ?? 0;
  const documents = before.reduce((sum, { location }) => sum + read(location), 0);
  expect(documents).toBeGreaterThan(0);
  // Primary twice: once for who is there, once to be copied.
  const stored = before.reduce((sum, { type, sizeBytes }) => sum + (sizeBytes ?? 0) * (type === 'primary' ? 2 : 1), 0);
  expect(documents).toBeLessThanOrEqual(stored);
  const all = [...counter.bytes].filter(([key]) => key.startsWith('GET ')).reduce((sum, [, bytes]) => sum + bytes, 0);
  expect(all).toBeLessThan(documents + 10_000);
  let listed = 0;
  for await (const file of store.list('Packages')) listed += file.sizeBytes === 7 ? 1 : 0;
  expect(listed).toBe(501);
  let found = 0;
  for await (const { name, location } of (await openRepository(store, { verifyRepomd: 'unsigned' })).packages()) {
    if (name === added.name) expect(location).toBe(added.location);
    found++;
  }
  expect(found).toBe(5001);
});

test('a repository is published to a server process, read back, and reverted byte for byte', async () => {
  const store = s3Store({ ...s3rver, fetch, prefix: 'published' });
  const first = await stage(1, ['a', 'b']);
  await publishRepository(first, store, { at: at(1), signature: utf8('one'), packages: locations(['a', 'b']) });
  expect(await look(store)).toBe('1:2');
  const second = await stage(2, ['a', 'b', 'c']);
  await publishRepository(second, store, { at: at(2), signature: utf8('two'), packages: locations(['a', 'b', 'c']) });
  expect(await look(store)).toBe('2:3');
  await revertRepository(store, (await publishedState(store)).generations[0]?.id ?? '');
  expect(await look(store)).toBe('1:2');
  expect(await fetchBytes(store, 'repodata/repomd.xml', { maxBytes: 10_000 })).toEqual(
    first.files.get('repodata/repomd.xml'),
  );
  expect(text(await fetchBytes(store, 'repodata/repomd.xml.asc', { maxBytes: 10 }))).toBe('one');
});

test('with the connection lost at any change, clients read the old repository or the new one', async () => {
  for (let changes = 0; ; changes++) {
    const prefix = `lost-${changes}`;
    const store = s3Store({ ...signed, prefix });
    for (const revision of [1, 2, 3]) {
      await publishRepository(await stage(revision, ['a', 'b']), store, {
        at: at(revision * 10_000),
        packages: locations(['a', 'b']),
        keep: { count: 1 },
      });
    }
    let left = changes;
    const dying = s3Store({
      ...signed,
      prefix,
      fetch: async (url, init) => {
        if ((init.method === 'PUT' || init.method === 'DELETE') && left-- <= 0) throw new TypeError('connection lost');
        return fetch(url, init);
      },
    });
    const staged = await stage(4, ['b', 'c']);
    const publish = { at: at(40_000), packages: locations(['b', 'c']), keep: { count: 1 } };
    const outcome = await publishRepository(staged, dying, publish).catch((error: unknown) => error);
    expect(['3:2', '4:2']).toContain(await look(store));
    await publishRepository(staged, store, publish);
    expect(await look(store)).toBe('4:2');
    if (!(outcome instanceof Error)) {
      expect(changes).toBeGreaterThan(6);
      break;
    }
    expect(outcome).toMatchObject({ code: 'REPO_STORE_FAILED' });
  }
});

test('names with every sign arrive, and say how long they may be kept', async () => {
  const store = s3Store({ ...signed, prefix: '/odd names/' });
  const name = "Packages/g++ ~^(1)!*'&=?#%41-ü.rpm";
  await store.write(name, utf8('x'), { cache: 'immutable' });
  const listed: string[] = [];
  for await (const file of store.list('')) listed.push(file.path);
  expect(listed).toEqual([name]);
  expect(text(await fetchBytes(store, name, { maxBytes: 1 }))).toBe('x');
  const sent = own.headers.get(`PUT odd names/${name}`);
  expect(sent?.['cache-control']).toBe('public, max-age=31536000, immutable');
});

test('a refusal says what was refused, and never who asked', async () => {
  const secretAccessKey = 'not-the-secret-of-this-bucket';
  const credentials = { ...own.credentials, secretAccessKey };
  const store = s3Store({ ...signed, credentials: async () => credentials });
  const refused: [string, () => Promise<unknown>][] = [
    ['write', () => store.write('x', utf8('x'))],
    ['read', () => fetchBytes(store, 'x', { maxBytes: 1 })],
    ['list', () => store.list('')[Symbol.asyncIterator]().next()],
    ['delete', () => store.remove('x')],
  ];
  for (const [task, attempt] of refused) {
    const error = await attempt().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(RepoError);
    expect((error as RepoError).fault).toMatchObject({
      code: 'REPO_STORE_FAILED',
      task,
      found: 'status 403 (SignatureDoesNotMatch)',
    });
    const all = `${(error as Error).stack} ${JSON.stringify(error)} ${String((error as Error).cause)}`;
    for (const secret of [secretAccessKey, String(own.credentials.sessionToken)]) expect(all).not.toContain(secret);
  }
  const broken = s3Store({ ...signed, credentials: { ...credentials, sessionToken: 'line\nbreak' } });
  await expect(broken.stat('x')).rejects.toThrow(/^"credentials.sessionToken" must be a word of printable ASCII$/);
});

test('hostile and broken answers are typed errors', async () => {
  const answering = (make: () => Response): RepositoryStore =>
    s3Store({ ...signed, fetch: async () => make(), maxFileBytes: 10 });
  const first = (store: RepositoryStore) => store.list('a')[Symbol.asyncIterator]().next();
  const page = (inside: string) => () => new Response(`<ListBucketResult>${inside}</ListBucketResult>`);
  const entry = (key: string) =>
    `<Contents><Key>${key}</Key><LastModified>2020-01-01T00:00:00Z</LastModified><ETag>"x"</ETag><Size>1</Size></Contents>`;
  const again = '<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>';
  await expect(first(answering(page(entry('b/x'))))).rejects.toMatchObject({ code: 'REPO_STORE_FAILED' });
  await expect(first(answering(page(again)))).rejects.toMatchObject({ fault: { found: 'the same page again' } });
  await expect(first(answering(page('<IsTruncated>true</IsTruncated>')))).rejects.toMatchObject({
    code: 'REPO_STORE_FAILED',
  });
  await expect(first(answering(() => new Response('<!DOCTYPE x><x/>')))).rejects.toMatchObject({
    code: 'REPO_BAD_XML',
  });
  expect((await first(answering(page(entry('a/../../x'))))).done).toBe(true);
  await expect(answering(() => new Response('')).write('x', utf8('x'))).rejects.toMatchObject({
    fault: { code: 'REPO_STORE_FAILED', found: 'an answer without ETag' },
  });
  await expect(answering(() => new Response('')).write('x', new Uint8Array(11))).rejects.toMatchObject({
    code: 'REPO_TOO_LARGE',
  });
  const moved = () => new Response(null, { status: 307, headers: { location: 'http://127.0.0.1:1/' } });
  await expect(answering(moved).stat('x')).rejects.toMatchObject({ fault: { found: 'status 307' } });
  for (const bucketUrl of ['bucket', 'ftp://host/b', 'https://user:word@host/b', 'https://host/b?x=1']) {
    expect(() => s3Store({ ...signed, bucketUrl })).toThrow(RangeError);
  }
});
