/** Headers of remote packages: how many requests and bytes they cost, over real packages and a real server. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type RpmPackage, rangeSource, readPackage } from '@distrokit/rpm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { corpusBytes, corpusPath, corpusPresent, corpusRpms, hasPackageOracle } from './corpus.js';

let requests = 0;
let bodyBytes = 0;
let honoursRanges = true;
const server = createServer((request, response) => {
  requests++;
  const bytes = readFileSync(corpusPath(decodeURIComponent(request.url!.slice(1))));
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
  const part = honoursRanges ? bytes.subarray(Number(from), Number(to) + 1) : bytes;
  bodyBytes += part.length;
  const range = { 'content-range': `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}` };
  response.writeHead(honoursRanges ? 206 : 200, { etag: `"${bytes.length}"`, ...(honoursRanges ? range : {}) });
  response.end(part);
});
let origin = '';
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const urlOf = (rpm: string) => `${origin}/${rpm.split('/').map(encodeURIComponent).join('/')}`;

async function sameHeaders(pkg: RpmPackage, rpm: string): Promise<boolean> {
  const local = await readPackage(corpusBytes(rpm));
  const [a, b] = [local, pkg].map(({ signatureHeader, header }) => [signatureHeader.bytes(), header.bytes()]);
  return a!.every((bytes, i) => Buffer.compare(bytes, b![i]!) === 0);
}

if (!corpusPresent) {
  test('remote headers of the corpus are not read: there is no corpus beside the repository', () => {
    expect(corpusRpms()).toEqual([]);
  });
} else {
  const packages = corpusRpms().filter(hasPackageOracle);

  test('a remote header costs at most three requests and 1.2 times its bytes', async () => {
    honoursRanges = true;
    const costly: string[] = [];
    let [allRequests, allBytes, headerBytes] = [0, 0, 0];
    for (const rpm of packages) {
      [requests, bodyBytes] = [0, 0];
      const pkg = await readPackage(rangeSource(fetch, urlOf(rpm)));
      expect(await sameHeaders(pkg, rpm), rpm).toBe(true);
      const { end } = pkg.headerRange;
      if (requests > 3 || bodyBytes > 1.2 * end) costly.push(`${rpm}: ${requests} requests, ${bodyBytes} for ${end}`);
      allRequests += requests;
      allBytes += bodyBytes;
      headerBytes += end;
    }
    expect(costly).toEqual([]);
    expect(allRequests / packages.length).toBeLessThan(2.8);
    expect(allBytes / headerBytes).toBeLessThan(1.02);
  });

  test('a server that ignores ranges costs one request for most packages, and the same header comes out', async () => {
    honoursRanges = false;
    for (const rpm of packages.filter((_, i) => i % 10 === 0)) {
      requests = 0;
      const pkg = await readPackage(rangeSource(fetch, urlOf(rpm)));
      expect(await sameHeaders(pkg, rpm), rpm).toBe(true);
      expect(requests, rpm).toBeLessThanOrEqual(pkg.headerRange.end < 256 * 1024 ? 1 : 3);
    }
  });
}
