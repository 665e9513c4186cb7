/**
 * Making and updating repodata, against createrepo_c over the same folder in the same run: that of this Debian, and that of a
 * newer one where a root of it is at hand (`scripts/newer-debian.ts`).
 *
 * Whole processes on both sides, start included; one case is a library call in a process that runs already. Files are in the
 * page cache. Ours is the compiled package. Rounds alternate; the ratio is the median of the pairwise ratios of time (below 1:
 * ours is faster). Where both write gzip, primary, filelists and other are compared byte for byte; but not with a newer
 * createrepo_c, whose library no longer writes attributes beyond ASCII as character references.
 *
 *     node --import tsx bench/repo-create.ts [folder | packages = 3000] [rounds = 5]
 */
import './plain-environment.js';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { CreateRepositoryOptions } from '@distrokit/repo/node';
import { median } from './c-peer.js';
import { machinePackages } from './machine-packages.js';

const script = fileURLToPath(new URL('create-process.mjs', import.meta.url));
const compiled = new URL('../packages/repo/dist/node.js', import.meta.url).href;
const { createRepository, packagePaths } = (await import(compiled)) as typeof import('@distrokit/repo/node');

const [subject = '3000', roundsText = '5'] = process.argv.slice(2);
const rounds = Number(roundsText);
const work = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'distrokit-bench-'));

/** A createrepo_c. `inside` is what it calls a path of the working folder. */
interface Peer {
  readonly version: string;
  readonly command: readonly string[];
  readonly inside: (path: string) => string;
}

interface Case {
  readonly title: string;
  readonly ours: Partial<CreateRepositoryOptions>;
  readonly theirs: readonly string[];
  /** Done before each run of either side. */
  readonly before?: () => void;
  /** In this process, which has made repodata before. */
  readonly inProcess?: boolean;
}

const newerRoot = '/var/cache/distrokit/newer-debian';
const mounts: string[] = [];
try {
  const folder = existsSync(subject) ? subject : join(work, 'packages');
  if (folder !== subject) await machinePackages(folder, Number(subject), 8192);
  const few = join(work, 'few');
  mkdirSync(few);
  const paths = (await packagePaths(folder)).sort();
  for (const path of paths.slice(0, 20)) cpSync(join(folder, path), join(few, path), { preserveTimestamps: true });
  for (const peer of peers(folder)) {
    console.log(
      `${paths.length} packages, createrepo_c ${peer.version}, Node ${process.versions.node}, load ${loadavg()[0]?.toFixed(1)}`,
    );
    for (const each of casesFor(peer, folder, paths)) await compare(peer, folder, each);
    await compare(peer, few, { title: '20 packages, as a command', ours: {}, theirs: [] });
    await compare(peer, few, { title: '20 packages, as a call', ours: {}, theirs: [], inProcess: true });
  }
} finally {
  for (const mount of mounts.reverse()) spawnSync('umount', [mount]);
  rmSync(work, { recursive: true, force: true });
}

function* peers(folder: string): Generator<Peer> {
  const versionOf = (command: readonly string[]): string =>
    /\d+\.\d+\.\d+/.exec(
      execFileSync(command[0] as string, [...command.slice(1), '--version'], { encoding: 'utf8' }),
    )?.[0] ?? '';
  const here = ['createrepo_c'];
  yield { version: versionOf(here), command: here, inside: (path) => path };
  if (!existsSync(join(newerRoot, 'usr/bin/createrepo_c'))) return;
  for (const place of new Set([work, folder])) {
    mkdirSync(join(newerRoot, place), { recursive: true });
    execFileSync('mount', ['--bind', place, join(newerRoot, place)]);
    mounts.push(join(newerRoot, place));
  }
  const there = ['chroot', newerRoot, 'createrepo_c'];
  yield { version: versionOf(there), command: there, inside: (path) => path };
}

function casesFor(peer: Peer, folder: string, paths: readonly string[]): Case[] {
  const isNewer = !peer.version.startsWith('0.');
  const changed = paths.filter((_, index) => index % 100 === 0);
  let second = 1_700_000_000;
  const touch = (some: readonly string[]) => (): void => {
    second++;
    for (const path of some) utimesSync(join(folder, path), second, second);
  };
  const plain = isNewer ? [] : ['--no-database'];
  const gzip = [...plain, '--general-compress-type', 'gz'];
  const all: Case[] = [
    { title: 'all anew, ours zstd 3, theirs with its defaults', ours: {}, theirs: [] },
    ...(isNewer ? [] : [{ title: 'the same, theirs without sqlite', ours: {}, theirs: plain }]),
    { title: 'the same, ours without threads', ours: { threads: 0 }, theirs: plain },
    { title: 'the same, theirs with 2 workers', ours: {}, theirs: [...plain, '--workers', '2'] },
    { title: 'all anew, gzip 6 on both sides', ours: { compression: 'gz' }, theirs: gzip },
    { title: 'update, nothing changed', ours: { update: true }, theirs: [...plain, '--update'] },
    {
      title: 'update, one package changed',
      ours: { update: true },
      theirs: [...plain, '--update'],
      before: touch(paths.slice(0, 1)),
    },
    {
      title: 'update, one in a hundred changed',
      ours: { update: true },
      theirs: [...plain, '--update'],
      before: touch(changed),
    },
    {
      title: 'the same, gzip on both sides',
      ours: { update: true, compression: 'gz' },
      theirs: [...gzip, '--update'],
      before: touch(changed),
    },
  ];
  if (!isNewer) return all;
  return [...all, { title: 'all anew, zstd 10 on both sides', ours: { compressionLevel: 10 }, theirs: [] }];
}

async function compare(peer: Peer, folder: string, { title, ours, theirs, before, inProcess }: Case): Promise<void> {
  const [mine, other] = [join(work, 'ours'), join(work, 'theirs')];
  for (const path of [mine, other]) {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path);
  }
  const options = { outputFolder: mine, plainNames: true, duplicates: 'keep', ...ours } as const;
  const ratios: number[] = [];
  const times: [number[], number[]] = [[], []];
  let memory = '';
  for (let round = -1; round < rounds; round++) {
    before?.();
    const start = performance.now();
    if (inProcess) await createRepository(folder, { revision: '1', timestamp: new Date(1000), ...options });
    else
      memory = execFileSync(process.execPath, [script, folder, JSON.stringify(options)], { encoding: 'utf8' }).trim();
    const middle = performance.now();
    const [command = '', ...first] = peer.command;
    const more = [...theirs, '--simple-md-filenames', '-o', peer.inside(other), peer.inside(folder)];
    execFileSync(command, [...first, '-q', ...more], { stdio: ['ignore', 'ignore', 'ignore'] });
    const end = performance.now();
    // The first round warms up, and makes what an update begins with.
    if (round < 0) continue;
    ratios.push((middle - start) / (end - middle));
    times[0].push(middle - start);
    times[1].push(end - middle);
  }
  const [our, their] = times.map((list) => `${Math.round(median(list))} ms`);
  const peak = inProcess ? '' : `, our peak ${memory} MiB`;
  const sizes = [mine, other].map(documentBytes);
  const size = `, size ${((sizes[0] as number) / (sizes[1] as number)).toFixed(2)} of theirs`;
  console.log(`  ${title}: ours ${our}, theirs ${their}, ratio ${median(ratios).toFixed(2)}${peak}${size}`);
  if (ours.compression === 'gz' && peer.version.startsWith('0.')) compareDocuments(mine, other);
}

/** Of the three documents. */
function documentBytes(folder: string): number {
  return readdirSync(join(folder, 'repodata'))
    .filter((name) => /(primary|filelists|other)\.xml/.test(name))
    .reduce((sum, name) => sum + statSync(join(folder, 'repodata', name)).size, 0);
}

function compareDocuments(mine: string, other: string): void {
  for (const type of ['primary', 'filelists', 'other']) {
    const [a, b] = [mine, other].map((folder) => gunzipSync(readFileSync(join(folder, `repodata/${type}.xml.gz`))));
    if (a === undefined || b === undefined || !a.equals(b))
      throw new Error(`${type} differs from that of createrepo_c`);
  }
}
