/**
 * Repositories in a bucket: against an S3-compatible server process of the registry (s3rver), and against a bucket of
 * the test's own for what s3rver does not do. s3rver 3.7.1 takes any signature of version 4 and passes over If-Match
 * and If-None-Match; `signedBucket` checks the one and honours the others.
 */
import {
  fetchBytes,
  memoryStore,
  openRepository,
  type PackageRecord,
  parseRecord,
  publishedState,
  publishRepository,
  RepoError,
  type RepositoryStore,
  revertRepository,
  type S3FetchFunction,
  type S3StoreOptions,
  s3Store,
  updateRepository,
  verifyPublished,
  writeRepository,
} from '@distrokit/repo/node';
import { signS3Request } from '@distrokit/rpm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SignedBucket, signedBucket } from '../repo/s3-server.js';
import { type S3Server, startS3rver } from '../repo/s3rver.js';

const at = (seconds: number): Date => new Date(1_800_000_000_000 + seconds * 1000);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function record(name: string): PackageRecord {
  const words = ['summary', 'description', 'packager', 'url', 'license', 'vendor', 'group', 'buildHost', 'sourceRpm'];
  const lists = ['provides', 'requires', 'conflicts', 'obsoletes', 'suggests', 'enhances', 'recommends', 'supplements'];
  return parseRecord(
    JSON.stringify({
      ...Object.fromEntries(words.map((word) => [word, ''])),
      ...Object.fromEntries([...lists, 'files', 'changelogs'].map((list) => [list, []])),
      name,
      version: '1',
      release: '1',
      arch: 'noarch',
      pkgid: { algorithm: 'sha256', hex: Buffer.from(name.padEnd(32, '.')).toString('hex').slice(0, 64) },
      location: `Packages/${name}-1-1.noarch.rpm`,
      fileTime: at(0),
      buildTime: at(0),
      sizeBytes: 7,
      installedBytes: 0,
      archiveBytes: 0,
      headerRange: { start: 0, end: 0 },
      filesComplete: true,
      changelogsComplete: true,
    }),
  );
}

const options = (revision: number) =>
  ({ revision: String(revision), timestamp: at(revision), compression: 'gz', checksum: 'sha256' }) as const;
const locations = (names: readonly string[]): string[] => names.map((name) => record(name).location);

async function stage(revision: number, names: readonly string[]): Promise<ReturnType<typeof memoryStore>> {
  const store = memoryStore();
  for (const location of locations(names)) await store.write(location, utf8('package'));
  await writeRepository(names.map(record), store, options(revision));
  return store;
}

async function look(store: RepositoryStore): Promise<string> {
  const found = await verifyPublished(store, { verifyRepomd: 'unsigned', packages: true });
  return `${found.revision}:${found.packages}`;
}

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

test('adding one package to 1,200 in a bucket reads none of them', async () => {
  const names = Array.from({ length: 1200 }, (_, index) => `p${index}`);
  const counter = counting();
  const store = s3Store({ ...s3rver, fetch: counter.fetch, prefix: 'many/x86_64' });
  for (const location of locations(names)) await store.write(location, utf8('package'), { cache: 'immutable' });
  await writeRepository(names.map(record), store, options(1));
  counter.bytes.clear();
  const added = record('gcc-c++');
  await store.write(added.location, utf8('package'));
  await updateRepository(store, { add: [added] }, options(2));
  const touched = [...counter.bytes].filter(([key]) => key.includes('/Packages/'));
  expect(touched).toEqual([[`PUT /bucket/many/x86_64/${added.location}`, 7]]);
  const documents = (await openRepository(store, { verifyRepomd: 'unsigned' })).repomd.records;
  for (const { location } of documents) {
    expect(counter.bytes.get(`PUT /bucket/many/x86_64/${location}`)).toBeGreaterThan(0);
  }
  let listed = 0;
  for await (const file of store.list('Packages')) listed += file.sizeBytes === 7 ? 1 : 0;
  expect(listed).toBe(1201);
  let read = 0;
  for await (const found of (await openRepository(store, { verifyRepomd: 'unsigned' })).packages()) {
    if (found.name === added.name) expect(found.location).toBe(added.location);
    read++;
  }
  expect(read).toBe(1201);
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

test('of two publishers to one bucket one wins and the other hears of it', async () => {
  const store = s3Store({ ...signed, prefix: 'two' });
  await publishRepository(await stage(1, ['a']), store, { at: at(1), packages: locations(['a']) });
  const [one, two] = [await stage(2, ['a', 'b']), await stage(3, ['a', 'c'])];
  const outcomes = await Promise.allSettled([
    publishRepository(one, store, { at: at(2), packages: locations(['a', 'b']) }),
    publishRepository(two, store, { at: at(2), packages: locations(['a', 'c']) }),
  ]);
  const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
  expect(failed).toHaveLength(1);
  expect(failed[0]?.reason).toMatchObject({ code: 'REPO_CONFLICT', fault: { path: 'repodata/repomd.xml' } });
  expect(await look(store)).toBe(outcomes[0]?.status === 'fulfilled' ? '2:2' : '3:2');
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
