import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ByteSource, rangeSource } from '@distrokit/rpm';
import { afterEach, expect, test } from 'vitest';

const content = new Uint8Array(600_000).map((_, i) => (i * 7 + (i >> 8)) & 0xff);

interface Served {
  readonly url: string;
  readonly requests: { readonly range: string | undefined; readonly ifRange: string | undefined }[];
  /** Body bytes that were handed to the connection. */
  bytes: number;
}

let close: (() => void) | undefined;
afterEach(() => close?.());

/** A server on loopback; `answer` may take over, else ranges are honoured. */
async function serve(
  answer?: (request: IncomingMessage, response: ServerResponse, count: number) => boolean,
  etag = '"one"',
): Promise<Served> {
  const served = { url: '', requests: [] as Served['requests'], bytes: 0 };
  const server = createServer((request, response) => {
    const range = request.headers.range;
    served.requests.push({ range, ifRange: request.headers['if-range'] as string | undefined });
    const write = response.write.bind(response);
    response.write = ((chunk: Uint8Array) => {
      served.bytes += chunk.length;
      return write(chunk);
    }) as typeof response.write;
    if (answer?.(request, response, served.requests.length)) return;
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
    if (from === undefined || Number(from) >= content.length) {
      response.writeHead(range === undefined ? 200 : 416, { 'content-range': `bytes */${content.length}` });
      response.end();
      return;
    }
    const last = Math.min(Number(to), content.length - 1);
    response.writeHead(206, { 'content-range': `bytes ${from}-${last}/${content.length}`, etag });
    response.write(content.subarray(Number(from), last + 1));
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close = () => {
    server.closeAllConnections();
    server.close();
  };
  served.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a.rpm?token=secret`;
  return served;
}

const whole = (served: Served) => (_: IncomingMessage, response: ServerResponse) => {
  response.writeHead(200, { etag: '"one"' });
  for (let i = 0; i < content.length; i += 10_000) response.write(content.subarray(i, i + 10_000));
  response.end();
  return served !== undefined;
};

async function same(source: ByteSource, offset: number, length: number): Promise<void> {
  const bytes = await source.read(offset, length);
  expect(Buffer.compare(bytes, content.subarray(offset, offset + length))).toBe(0);
}

test('the three reads of a header are three requests and fetch nothing twice', async () => {
  const served = await serve();
  const source = rangeSource(fetch, served.url);
  await same(source, 0, 112);
  await same(source, 96, 5000);
  await same(source, 5080, 40_000);
  expect(served.requests.map(({ range }) => range)).toEqual(['bytes=0-1023', 'bytes=1024-5095', 'bytes=5096-45079']);
  expect(served.bytes).toBe(45_080);
  expect(source.sizeBytes).toBe(content.length);
});

test('reads within what was fetched cost no request', async () => {
  const served = await serve();
  const source = rangeSource(fetch, served.url);
  await same(source, 1000, 3000);
  await same(source, 1500, 10);
  await same(source, 3999, 1);
  expect(served.requests).toHaveLength(1);
});

test('large reads in a row are answered from growing requests', async () => {
  const served = await serve();
  const source = rangeSource(fetch, served.url);
  const step = 131_072;
  for (let offset = 0; offset < content.length; offset += step) await same(source, offset, step);
  expect(served.requests.map(({ range }) => range)).toEqual([
    'bytes=0-131071',
    'bytes=131072-393215',
    'bytes=393216-599999',
  ]);
});

test('a read at the end gives what is there, and one behind it nothing', async () => {
  const served = await serve();
  const source = rangeSource(fetch, served.url);
  expect(await source.read(700_000, 10)).toHaveLength(0);
  expect(source.sizeBytes).toBe(content.length);
  await same(source, 599_990, 100);
  expect(await source.read(600_000, 10)).toHaveLength(0);
  expect(served.requests).toHaveLength(2);
});

test('a server that ignores ranges still answers, from a bounded read of the start', async () => {
  const served: Served = await serve((request, response) => whole(served)(request, response));
  const source = rangeSource(fetch, served.url);
  await same(source, 0, 112);
  await same(source, 96, 5000);
  await same(source, 5080, 40_000);
  expect(served.requests).toHaveLength(1);
  await same(source, 300_000, 1000);
  expect(served.requests.map(({ range }) => range)).toEqual(['bytes=0-1023', undefined]);
  await same(source, 599_000, 5000);
  expect(source.sizeBytes).toBe(content.length);
});

test('refuses to download a whole file for bytes far behind', async () => {
  const served: Served = await serve((request, response) => whole(served)(request, response));
  const source = rangeSource(fetch, served.url, { maxPrefixBytes: 100_000 });
  await same(source, 0, 112);
  await expect(source.read(99_000, 2000)).rejects.toMatchObject({ code: 'RPM_SOURCE_FAILED' });
});

test('a file that changes between two reads is an error, not a mixture', async () => {
  const served = await serve((_, response, count) => {
    if (count === 1) return false;
    response.writeHead(200, { etag: '"two"' });
    response.end(new Uint8Array(100));
    return true;
  });
  const source = rangeSource(fetch, served.url);
  await source.read(0, 112);
  await expect(source.read(5000, 2000)).rejects.toMatchObject({
    code: 'RPM_SOURCE_FAILED',
    fault: { wanted: expect.stringContaining('one'), found: '"\\"two\\""' },
  });
  expect(served.requests[1]?.ifRange).toBe('"one"');
});

test('a weak ETag is compared but not sent as a condition', async () => {
  const served = await serve(undefined, 'W/"one"');
  const source = rangeSource(fetch, served.url);
  await source.read(0, 112);
  await same(source, 5000, 2000);
  expect(served.requests[1]?.ifRange).toBeUndefined();
});

test.each([
  ['a failing status', (response: ServerResponse) => response.writeHead(503).end('busy')],
  [
    'another range than asked for',
    (response: ServerResponse) => response.writeHead(206, { 'content-range': 'bytes 5-9/100' }).end('hello'),
  ],
  ['no Content-Range', (response: ServerResponse) => response.writeHead(206).end('hello')],
  [
    'a body shorter than announced',
    (response: ServerResponse) => response.writeHead(206, { 'content-range': 'bytes 0-99/100' }).end('hello'),
  ],
  [
    'a body longer than announced',
    (response: ServerResponse) => response.writeHead(206, { 'content-range': 'bytes 0-3/4' }).end('hello'),
  ],
  [
    'a range that stops early',
    (response: ServerResponse) => response.writeHead(206, { 'content-range': 'bytes 0-4/100' }).end('hello'),
  ],
  ['a broken connection', (response: ServerResponse) => response.destroy()],
])('%s is a typed error that keeps the query string to itself', async (_, answer) => {
  const served = await serve((__, response) => {
    answer(response);
    return true;
  });
  const error = await rangeSource(fetch, served.url)
    .read(0, 112)
    .catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'RPM_SOURCE_FAILED' });
  expect(String(error) + JSON.stringify((error as { fault: unknown }).fault)).not.toContain('secret');
});

test('an aborted read ends with the reason of the signal', async () => {
  const served = await serve(() => true);
  const controller = new AbortController();
  const reason = new Error('enough');
  const reading = rangeSource(fetch, served.url).read(0, 112, { signal: controller.signal });
  controller.abort(reason);
  await expect(reading).rejects.toBe(reason);
});
