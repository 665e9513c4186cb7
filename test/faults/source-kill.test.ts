/** kill -9 in the middle of a fetch: every file under a listed name is right, and the next run completes the folder. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fetchSources, formatSources, httpLookaside, readSourceTree } from '@distrokit/source';
import { afterAll, beforeAll, expect, test } from 'vitest';

const blobs = new Map(Array.from({ length: 40 }, (_, i) => [`f${i}.tar`, Buffer.alloc(50_000 + i, `blob ${i} `)]));
const entries = [...blobs].map(([file, bytes]) => ({
  file,
  digest: { algorithm: 'sha256', hex: createHash('sha256').update(bytes).digest('hex') } as const,
}));
let root: string;
let server: Server;
let base: string;
let slow = true;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'source-kill-'));
  writeFileSync(join(root, 'sources'), formatSources(entries));
  // Each answer comes in pieces, so that a kill falls into the middle of several.
  server = createServer((request, response) => {
    const bytes = blobs.get(request.url!.slice(1))!;
    const step = slow ? 10_000 : bytes.length;
    const send = (from: number): void => {
      if (from >= bytes.length) response.end();
      else response.write(bytes.subarray(from, from + step), () => setTimeout(send, slow ? 5 : 0, from + step));
    };
    send(0);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(root, { recursive: true, force: true });
});

for (const afterFiles of [1, 9, 25]) {
  test(`killed after ${afterFiles} files, it leaves only right files, and the next run brings the rest`, async () => {
    slow = true;
    const directory = join(root, `out-${afterFiles}`);
    const script = fileURLToPath(new URL('./source-fetch-child.ts', import.meta.url));
    const args = ['--import', 'tsx', script, `${base}/{file}`, join(root, 'sources'), directory];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let seen = 0;
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (text: Buffer) => {
        seen += text.toString().split('\n').length - 1;
        if (seen >= afterFiles) child.kill('SIGKILL');
      });
      child.on('close', () => resolve());
    });
    expect(child.signalCode).toBe('SIGKILL');
    const left = readdirSync(directory).filter((name) => !name.startsWith('.fetch-'));
    expect(left.length).toBeGreaterThanOrEqual(afterFiles);
    expect(left.length).toBeLessThan(blobs.size);
    for (const name of left) expect(readFileSync(join(directory, name)).equals(blobs.get(name)!), name).toBe(true);

    slow = false;
    const fetched = await fetchSources(entries, httpLookaside({ template: `${base}/{file}`, fetch }), directory);
    expect(fetched.filter((file) => file.where === 'directory').length).toBe(left.length);
    for (const [name, bytes] of blobs) expect(readFileSync(join(directory, name)).equals(bytes), name).toBe(true);
    writeFileSync(join(directory, 'x.spec'), 'Name: x\n');
    const tree = await readSourceTree(directory, { origin: { kind: 'directory', where: 'x', terms: 'own' }, ref: 'x' });
    expect(tree.files).toHaveLength(blobs.size + 1);
  });
}
