/**
 * Fetching 1,000 source archives from a server of this machine: ours against `curl --parallel` followed by `sha512sum -c`,
 * which together do what `fetchSources` does. Rounds alternate; the ratio is the median of the pairwise ratios of time
 * (below 1: ours is faster). Also prints by how much our memory grew.
 *
 *     node --import tsx bench/source-fetch.ts [blobs = 1000] [rounds = 5]
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchSources, httpLookaside, type SourceEntry } from '@distrokit/source';

const count = Number(process.argv[2] ?? 1000);
const rounds = Number(process.argv[3] ?? 5);
const root = mkdtempSync(join(tmpdir(), 'bench-source-'));
const store = join(root, 'store');
mkdirSync(store);

/** Most sources are small, a few are large: 4 KiB to 4 MiB, 64 KiB in the middle. */
const entries: SourceEntry[] = Array.from({ length: count }, (_, i) => {
  const bytes = Buffer.alloc(4096 * 2 ** ((i * 7) % 11), `blob ${i} `);
  const file = `source-${i}.tar.gz`;
  writeFileSync(join(store, file), bytes);
  return { file, digest: { algorithm: 'sha512', hex: createHash('sha512').update(bytes).digest('hex') } };
});

/** A process of its own, so that its work is nobody's time but the server's. */
const program = `
const http = require('node:http'), fs = require('node:fs'), path = require('node:path');
http.createServer((request, response) => {
  fs.createReadStream(path.join(process.argv[1], path.basename(request.url))).on('error', () => response.writeHead(404).end()).pipe(response);
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
`;
const server: ChildProcess = spawn(process.execPath, ['-e', program, store], { stdio: ['ignore', 'pipe', 'inherit'] });
const port = await new Promise<string>((resolve) =>
  server.stdout!.once('data', (line) => resolve(String(line).trim())),
);
const base = `http://127.0.0.1:${port}`;

async function ours(directory: string): Promise<void> {
  const lookaside = httpLookaside({ template: `${base}/{file}`, fetch });
  await fetchSources(entries, lookaside, directory, { maxConcurrent: 8 });
}

const config = join(root, 'curl.config');
const list = join(root, 'sha512');
writeFileSync(config, entries.map(({ file }) => `url = "${base}/${file}"\noutput = "${file}"\n`).join(''));
writeFileSync(list, entries.map(({ file, digest }) => `${digest.hex}  ${file}\n`).join(''));
/** Its user and system time in milliseconds. */
function curl(directory: string): number {
  const words = `curl --silent --no-progress-meter --fail --parallel --parallel-max 8 --config ${config}`;
  // The shell's own times, then those of its children: minutes, seconds; user, system.
  const check = `sha512sum --check --quiet --strict ${list}`;
  const { status, stderr } = spawnSync('sh', ['-ec', `${words}; ${check}; times >&2`], {
    cwd: directory,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`the peer failed: ${stderr}`);
  const seconds = [...stderr.matchAll(/(\d+)m([\d.]+)s/g)].map((match) => Number(match[1]) * 60 + Number(match[2]));
  return 1000 * (seconds.at(-1)! + seconds.at(-2)!);
}

try {
  const ratios: number[] = [];
  const cpuRatios: number[] = [];
  let peak = 0;
  for (let round = 0; round < rounds; round++) {
    const folders = ['ours', 'curl'].map((name) => join(root, `${name}-${round}`));
    for (const folder of folders) mkdirSync(folder);
    const before = process.memoryUsage().rss;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss - before);
    }, 5);
    let started = performance.now();
    const used = process.cpuUsage();
    await ours(folders[0]!);
    const own = performance.now() - started;
    const { user, system } = process.cpuUsage(used);
    clearInterval(watch);
    started = performance.now();
    const peerCpu = curl(folders[1]!);
    const peer = performance.now() - started;
    ratios.push(own / peer);
    cpuRatios.push((user + system) / 1000 / peerCpu);
    console.log(`round ${round + 1}: ours ${own.toFixed(0)} ms, curl and sha512sum ${peer.toFixed(0)} ms`);
    execFileSync('diff', ['-rq', folders[0]!, folders[1]!]);
    for (const folder of folders) rmSync(folder, { recursive: true });
  }
  const bytes = entries.reduce((sum, _, i) => sum + 4096 * 2 ** ((i * 7) % 11), 0);
  console.log(
    `${count} blobs, ${(bytes / 2 ** 20).toFixed(0)} MiB; memory grew by at most ${(peak / 2 ** 20).toFixed(0)} MiB`,
  );
  const median = (values: number[]): string => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!.toFixed(2);
  console.log(`ratio ${median(ratios)}, of processor time ${median(cpuRatios)}`);
} finally {
  server.kill();
  rmSync(root, { recursive: true, force: true });
}
