/**
 * Making and updating repodata, against createrepo_c over the same folder in the same run: all documents anew (our default,
 * and gzip against its gzip), and an update in which nothing or one package in a hundred changed.
 *
 * Ours is a library call in a process that runs already, theirs is a process, as people use them. Files are in the page
 * cache. Ours is the compiled package, since only that has a file its threads can start with; they work from 4,000
 * packages. Rounds alternate; the ratio is the median of the pairwise ratios of time (below 1: ours is faster). Our primary,
 * filelists and other are compared with theirs byte for byte.
 *
 *     node --import tsx bench/repo-create.ts [folder | packages = 2000] [rounds = 5]
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { median } from './c-peer.js';
import { machinePackages } from './machine-packages.js';

const compiled = new URL('../packages/repo/dist/node.js', import.meta.url).href;
const { createRepository, packagePaths } = (await import(compiled)) as typeof import('@distrokit/repo/node');

const [subject = '2000', roundsText = '5'] = process.argv.slice(2);
const rounds = Number(roundsText);
const work = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'distrokit-bench-'));
try {
  const folder = existsSync(subject) ? subject : join(work, 'packages');
  if (folder !== subject) await machinePackages(folder, Number(subject), 8192);
  await run(folder);
} finally {
  rmSync(work, { recursive: true, force: true });
}

async function run(folder: string): Promise<void> {
  const paths = await packagePaths(folder);
  const version = execFileSync('createrepo_c', ['--version'], { encoding: 'utf8' }).trim();
  console.log(
    `repodata of ${paths.length} packages, against createrepo_c ${version}, load ${loadavg()[0]?.toFixed(1)}`,
  );
  const changed = paths.filter((_, index) => index % 100 === 0);
  let second = 1_700_000_000;
  const touch = (): void => {
    second++;
    for (const path of changed) utimesSync(join(folder, path), second, second);
  };
  await compare(folder, 'all anew, ours zstd 3, theirs gzip', 'zst', []);
  await compare(folder, 'the same, ours without threads', 'zst', [], undefined, false, 0);
  await compare(folder, 'all anew, gzip 6 on both sides', 'gz', []);
  await compare(folder, 'all anew, theirs with its defaults (gzip and sqlite)', 'zst', [], () => undefined, true);
  await compare(folder, 'update, nothing changed', 'gz', ['--update']);
  await compare(folder, 'update, one in a hundred changed', 'gz', ['--update'], touch);
}

async function compare(
  folder: string,
  title: string,
  compression: 'gz' | 'zst',
  options: readonly string[],
  before: () => void = () => undefined,
  defaults = false,
  threads = 2,
): Promise<void> {
  const [ours, theirs] = [join(work, 'ours'), join(work, 'theirs')];
  for (const path of [ours, theirs]) {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path);
  }
  const ratios: number[] = [];
  const times: [number[], number[]] = [[], []];
  for (let round = -1; round < rounds; round++) {
    before();
    const start = performance.now();
    await createRepository(folder, {
      revision: '1',
      timestamp: new Date(1000),
      outputFolder: ours,
      compression,
      plainNames: true,
      duplicates: 'keep',
      update: options.includes('--update'),
      threads,
    });
    const middle = performance.now();
    const more = defaults ? [] : ['--no-database', '--simple-md-filenames'];
    execFileSync('createrepo_c', ['-q', ...more, ...options, '-o', theirs, folder], {
      stdio: ['ignore', 'ignore', 'ignore'],
    });
    const end = performance.now();
    // The first round warms up.
    if (round < 0) continue;
    ratios.push((middle - start) / (end - middle));
    times[0].push(middle - start);
    times[1].push(end - middle);
  }
  const [our, their] = times.map((list) => `${Math.round(median(list))} ms`);
  console.log(`  ${title}: ours ${our}, theirs ${their}, ratio ${median(ratios).toFixed(2)}`);
  if (compression === 'gz') {
    for (const type of ['primary', 'filelists', 'other']) {
      const name = readdirSync(join(theirs, 'repodata')).find((file) => file.endsWith(`${type}.xml.gz`)) ?? '';
      const same = gunzipSync(readFileSync(join(theirs, 'repodata', name))).equals(
        gunzipSync(readFileSync(join(ours, 'repodata', `${type}.xml.gz`))),
      );
      if (!same) throw new Error(`${type} differs from that of createrepo_c`);
    }
  }
}
