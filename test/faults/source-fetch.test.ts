/** A store that truncates, lies about ranges, redirects to a web page, serves stale halves, stalls; a disk that is full. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  directoryLookaside,
  fetchSources,
  httpLookaside,
  type Lookaside,
  orderedLookaside,
  type SourceEntry,
} from '@distrokit/source';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

const blob = Buffer.alloc(300_000, 'the right bytes ');
const other = Buffer.alloc(300_000, 'the wrong bytes ');
const entryOf = (file: string, bytes: Buffer): SourceEntry => ({
  file,
  digest: { algorithm: 'sha512', hex: createHash('sha512').update(bytes).digest('hex') },
});
const entry = entryOf('blob.tar.gz', blob);

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
let server: Server;
let base: string;
let root: string;
let directory: string;
let answer: Answer = () => undefined;
let ranges: (string | undefined)[] = [];

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'source-faults-'));
  server = createServer((request, response) => {
    ranges.push(request.headers.range);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(root, { recursive: true, force: true });
});
beforeEach(() => {
  directory = mkdtempSync(join(root, 'out-'));
  ranges = [];
});
afterEach(() => {
  // Whatever happened: a listed name is right or absent, and nothing else is left.
  for (const name of readdirSync(directory)) {
    expect(name).toBe('blob.tar.gz');
    expect(readFileSync(join(directory, name)).equals(blob)).toBe(true);
  }
});

const store = (template = `${base}/{hex}/{file}`): Lookaside => httpLookaside({ template, fetch });
const failure = async (lookaside: Lookaside = store()): Promise<unknown> =>
  fetchSources([entry], lookaside, directory).then(
    () => 'fetched',
    (error: unknown) => error,
  );

/** Honest about ranges, but drops the connection after `maxBytes` of each answer. */
function flaky(maxBytes: number, etag: string | (() => string)): Answer {
  return (request, response) => {
    const tag = typeof etag === 'string' ? etag : etag();
    const from =
      request.headers['if-range'] === tag ? Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0;
    const rest = blob.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, {
      etag: tag,
      'content-length': rest.length,
      ...(from > 0 ? { 'content-range': `bytes ${from}-${blob.length - 1}/${blob.length}` } : {}),
    });
    if (rest.length <= maxBytes) response.end(rest);
    else response.write(rest.subarray(0, maxBytes), () => setTimeout(() => response.destroy(), 20));
  };
}

test('continues a blob that broke off where it broke off', async () => {
  answer = flaky(120_000, '"v1"');
  const [fetched] = await fetchSources([entry], store(), directory);
  expect(fetched).toMatchObject({ sizeBytes: blob.length, where: `${base}/${entry.digest.hex}/blob.tar.gz` });
  expect(fetched?.digest).toEqual(entry.digest);
  expect(readFileSync(join(directory, 'blob.tar.gz')).equals(blob)).toBe(true);
  expect(ranges.length).toBe(3);
  expect(ranges.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(range ?? ''))).toBe(true);
});

test('begins again when the blob changed between two halves', async () => {
  let version = 0;
  const half = flaky(120_000, () => `"v${version++}"`);
  const whole = flaky(Number.POSITIVE_INFINITY, '"last"');
  answer = (request, response) => (version < 2 ? half : whole)(request, response);
  await fetchSources([entry], store(), directory);
  expect(readFileSync(join(directory, 'blob.tar.gz')).equals(blob)).toBe(true);
});

test('does not put together halves that carry one validator and different bytes', async () => {
  answer = (request, response) => {
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (from > 0) {
      response.writeHead(206, { etag: '"same"', 'content-range': `bytes ${from}-${blob.length - 1}/${blob.length}` });
      response.end(other.subarray(from));
    } else if (ranges.length === 1) {
      response.writeHead(200, { etag: '"same"', 'content-length': blob.length });
      response.write(blob.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 20));
    } else response.end(blob);
  };
  await fetchSources([entry], store(), directory);
  expect(ranges.map((range) => range !== undefined)).toEqual([false, true, false]);
});

test('refuses an answer with another range than asked for', async () => {
  answer = (request, response) => {
    if (request.headers.range === undefined) {
      response.writeHead(200, { etag: '"v"', 'content-length': blob.length });
      response.write(blob.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 20));
    } else {
      response.writeHead(206, { etag: '"v"', 'content-range': `bytes 0-${blob.length - 1}/${blob.length}` });
      response.end(blob);
    }
  };
  expect(await failure()).toMatchObject({
    code: 'SOURCE_NOT_FOUND',
    fault: { tried: [{}, { why: 'HTTP 206 with another range than asked for' }] },
  });
});

test('refuses a part where the whole was asked for', async () => {
  answer = (_, response) => response.writeHead(206, { 'content-range': 'bytes 0-9/10' }).end(blob);
  expect(await failure()).toMatchObject({ fault: { tried: [{ why: 'HTTP 206 for a request of the whole blob' }] } });
});

test('says how much arrived when every try is cut short', async () => {
  answer = (_, response) => {
    response.writeHead(200, { 'content-length': blob.length });
    response.write(blob.subarray(0, 1000), () => setTimeout(() => response.destroy(), 20));
  };
  const error = await failure();
  expect(error).toMatchObject({ code: 'SOURCE_NOT_FOUND', fault: { file: 'blob.tar.gz' } });
  expect((error as { fault: { tried: unknown[] } }).fault.tried).toHaveLength(3);
});

test('takes a short answer without a length for wrong bytes, not for the blob', async () => {
  answer = (_, response) => {
    response.write(blob.subarray(0, 1000));
    response.end();
  };
  expect(await failure()).toMatchObject({ code: 'SOURCE_DIGEST_MISMATCH', fault: { sizeBytes: 1000 } });
});

test('follows a redirect to a web page no further than its type', async () => {
  answer = (request, response) => {
    if (request.url === '/login') response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>');
    else response.writeHead(302, { location: '/login' }).end();
  };
  expect(await failure()).toMatchObject({ fault: { tried: [{ why: 'a web page in place of the blob' }] } });
});

test('says what was wanted and found when the bytes are wrong', async () => {
  answer = (_, response) => response.end(other);
  expect(await failure()).toMatchObject({
    code: 'SOURCE_DIGEST_MISMATCH',
    fault: {
      where: `${base}/${entry.digest.hex}/blob.tar.gz`,
      wanted: entry.digest,
      found: entryOf('x', other).digest,
    },
  });
});

test('asks the next store after wrong bytes, and names every store when none is right', async () => {
  answer = (request, response) => response.end(request.url?.startsWith('/bad') ? other : blob);
  const [fetched] = await fetchSources(
    [entry],
    orderedLookaside([store(`${base}/bad/{file}`), store(`${base}/good/{file}`)]),
    directory,
  );
  expect(fetched?.where).toBe(`${base}/good/blob.tar.gz`);
  rmSync(join(directory, 'blob.tar.gz'));
  answer = (request, response) => response.writeHead(request.url?.startsWith('/a') ? 404 : 503).end();
  const stores = [store(`${base}/a/{file}`), directoryLookaside(join(root, 'none')), store(`${base}/b/{file}`)];
  expect(await failure(orderedLookaside(stores))).toMatchObject({
    code: 'SOURCE_NOT_FOUND',
    fault: { tried: [{ why: 'HTTP 404' }, { why: 'no such file' }, { why: 'HTTP 503' }] },
  });
});

test('stops at the ceiling, not after it', async () => {
  let sent = 0;
  answer = (_, response) => {
    const more = (): void => {
      if (response.destroyed || sent > 50_000_000) return;
      sent += blob.length;
      response.write(blob, more);
    };
    more();
  };
  const error = await fetchSources([entry], store(), directory, { maxBytes: 1_000_000 }).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: 'SOURCE_LIMIT', fault: { limit: 1_000_000 } });
  expect(sent).toBeLessThan(50_000_000);
});

test('stops at once when it is aborted, with the signal’s own reason', async () => {
  answer = (_, response) => {
    response.writeHead(200, { 'content-length': blob.length });
    response.write(blob.subarray(0, 1000));
    abort.abort(new Error('enough'));
  };
  const abort = new AbortController();
  await expect(fetchSources([entry], store(), directory, { signal: abort.signal })).rejects.toThrow('enough');
});

test('a server that is not there is a reason with its address', async () => {
  const error = await failure(httpLookaside({ template: 'http://127.0.0.1:1/{file}', fetch }));
  expect(error).toMatchObject({
    code: 'SOURCE_NOT_FOUND',
    fault: { tried: [{ where: 'http://127.0.0.1:1/blob.tar.gz' }] },
  });
});

test('a full disk leaves neither the file nor a part of it', async () => {
  const small = join(root, 'small');
  mkdirSync(small);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small]);
  try {
    const from = join(root, 'full-store');
    mkdirSync(from);
    writeFileSync(join(from, 'blob.tar.gz'), blob);
    await expect(fetchSources([entry], directoryLookaside(from), small)).rejects.toMatchObject({
      code: 'SOURCE_WRITE_FAILED',
      fault: { found: 'ENOSPC', file: 'blob.tar.gz', directory: small },
    });
    expect(readdirSync(small)).toEqual([]);
  } finally {
    execFileSync('umount', [small]);
  }
});
