/**
 * Sources in a bucket: against an S3-compatible server process of the registry (s3rver), and against `signedBucket`, which
 * checks every signature over what came by wire.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, openAsBlob, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  directoryLookaside,
  fetchSources,
  orderedLookaside,
  type S3LookasideFetch,
  type S3LookasideOptions,
  type SourceEntry,
  s3Lookaside,
} from '@distrokit/source';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SignedBucket, signedBucket } from '../repo/s3-server.js';
import { type S3Server, startS3rver } from '../repo/s3rver.js';

let root: string;
let server: S3Server;
let bucket: SignedBucket;
let places: Readonly<Record<string, Omit<S3LookasideOptions, 'fetch'>>>;
const blob = (text: string): Blob => new Blob([text]);
const entryOf = (file: string, text: string, algorithm: 'sha512' | 'md5' = 'sha512'): SourceEntry => ({
  file,
  digest: { algorithm, hex: createHash(algorithm).update(text).digest('hex') },
});
const newFolder = (): string => mkdtempSync(join(root, 'out-'));

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'source-s3-'));
  server = await startS3rver();
  bucket = await signedBucket();
  const { bucketUrl, credentials } = bucket;
  const at = (): Date => new Date('2026-11-28T00:00:00Z');
  places = { s3rver: server.place, 'a bucket that checks signatures': { bucketUrl, credentials, region: 'x-1', at } };
});
afterAll(async () => {
  await server.close();
  await bucket.close();
  rmSync(root, { recursive: true, force: true });
});

const name = "we!rd 'name' (1)+~*.tar.gz";
for (const [which, pattern] of [
  ['s3rver', '/{hex}'],
  ['a bucket that checks signatures', '/{hex}'],
  ['a bucket that checks signatures', '/repo/pkgs/{name}/{file}/{algorithm}/{hex}/{file}'],
] as const) {
  test(`puts sources into ${which} as ${pattern} once, and gets them back verified`, async () => {
    const store = s3Lookaside({ ...places[which]!, fetch, prefix: 'sources/a+b', pattern, name: 'hello' });
    const entries = [entryOf(name, 'archive'), entryOf('SOURCES/old.tar', 'old', 'md5')];
    const source = join(root, 'archive');
    writeFileSync(source, 'archive');
    expect(await store.put(entries[0]!, await openAsBlob(source))).toBe('stored');
    expect(await store.put(entries[1]!, blob('old'))).toBe('stored');
    expect(await store.put(entries[0]!, blob('archive'))).toBe('present');
    const out = newFolder();
    const fetched = await fetchSources(entries, store, out);
    expect(fetched.map(({ file, sizeBytes }) => [file, sizeBytes])).toEqual([
      [name, 7],
      ['SOURCES/old.tar', 3],
    ]);
    expect(readFileSync(join(out, name), 'utf8')).toBe('archive');
  });
}

test('puts nothing whose bytes have another digest, and does not replace a blob of another size', async () => {
  const store = s3Lookaside({ ...places.s3rver!, fetch, pattern: '/{file}' });
  const before = entryOf('x', 'good');
  await expect(store.put(before, blob('bad'))).rejects.toMatchObject({ code: 'SOURCE_DIGEST_MISMATCH' });
  await expect(fetchSources([before], store, newFolder())).rejects.toMatchObject({
    code: 'SOURCE_NOT_FOUND',
    fault: { tried: [{ where: `${places.s3rver!.bucketUrl}/x`, why: 'HTTP 404' }] },
  });
  await store.put(before, blob('good'));
  await expect(store.put(entryOf('x', 'longer'), blob('longer'))).rejects.toMatchObject({
    code: 'SOURCE_WRITE_FAILED',
    fault: { found: 'another blob, of 4 bytes' },
  });
  expect(await fetchSources([before], store, newFolder())).toHaveLength(1);
});

test('a bucket is one store among others, and wrong bytes in it are not taken', async () => {
  const entry = entryOf('archive.tar', 'right');
  const first = s3Lookaside({ ...places.s3rver!, fetch, pattern: '/wrong' });
  await first.put(entryOf('archive.tar', 'wrong'), blob('wrong'));
  await expect(fetchSources([entry], first, newFolder())).rejects.toMatchObject({ code: 'SOURCE_DIGEST_MISMATCH' });
  const folder = newFolder();
  writeFileSync(join(folder, 'archive.tar'), 'right');
  const [fetched] = await fetchSources([entry], orderedLookaside([first, directoryLookaside(folder)]), newFolder());
  expect(fetched!.where).toBe(join(folder, 'archive.tar'));
});

test('continues a blob that broke off, by a signed request for the rest', async () => {
  const text = 'x'.repeat(300_000);
  const entry = entryOf('big.tar', text);
  const ranges: (string | undefined)[] = [];
  const breaking: S3LookasideFetch = async (url, init) => {
    const response = await fetch(url, init);
    if (init.method !== 'GET') return response;
    ranges.push(init.headers.range);
    if (ranges.length > 1) return response;
    let left = 100_000;
    const cut = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        controller.enqueue(chunk.subarray(0, left));
        left -= chunk.length;
        if (left <= 0) controller.error(new Error('broke off'));
      },
    });
    return new Response(response.body!.pipeThrough(cut), response);
  };
  const store = s3Lookaside({ ...places.s3rver!, fetch: breaking });
  await store.put(entry, blob(text));
  const out = newFolder();
  const [fetched] = await fetchSources([entry], store, out);
  expect(fetched!.sizeBytes).toBe(300_000);
  expect(ranges).toHaveLength(2);
  expect(ranges[1]).toMatch(/^bytes=[1-9]\d*-$/);
  expect(readdirSync(out)).toEqual(['big.tar']);
});

test('a refused signature names the place and the status, and no secret', async () => {
  const place = places['a bucket that checks signatures']!;
  const secretAccessKey = 'hunter2hunter2';
  const store = s3Lookaside({
    ...place,
    fetch,
    credentials: async () => ({ accessKeyId: 'AKIDTEST', secretAccessKey, sessionToken: 'tokentoken' }),
  });
  const entry = entryOf('x.tar', 'x');
  const attempts = [store.put(entry, blob('x')), fetchSources([entry], store, newFolder())];
  for (const attempt of attempts) {
    const error = await attempt.then(() => undefined).catch((e: unknown) => e);
    const said = `${String(error)} ${JSON.stringify(error)}`;
    expect(said).toContain('HTTP 403');
    expect(said).not.toMatch(/hunter2|tokentoken|AKIDTEST/);
  }
});

test('refuses an address that is none, or that carries credentials', () => {
  for (const bucketUrl of ['bucket', 'ftp://x/y', 'https://me:secret@host/bucket', 'https://host/bucket?x=1']) {
    expect(() => s3Lookaside({ ...places.s3rver!, fetch, bucketUrl }), bucketUrl).toThrow(RangeError);
  }
  expect(() => s3Lookaside({ ...places.s3rver!, fetch, prefix: '../x' })).toThrow(
    expect.objectContaining({ code: 'SOURCE_BAD_FILENAME' }),
  );
});
