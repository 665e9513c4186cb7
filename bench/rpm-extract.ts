/**
 * Extracting packages: ours in this process against `rpm2cpio | cpio -idm`, in the same run, in memory
 * (`/dev/shm`) where there is such a place: on a disk both wait for the journal.
 *
 * Packages are built by rpmbuild from shared libraries and headers of this machine, one for each compression. Rounds
 * alternate; the ratio is the median of the pairwise ratios of wall time (below 1: ours is faster). Then the peak memory of
 * a fresh process that extracts the package, and one with four times its content: equal means that memory does not grow
 * with the payload.
 *
 *     node --import tsx bench/rpm-extract.ts [megabytes = 64] [rounds = 5]
 */
import './plain-environment.js';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { extractPackage } from '@distrokit/rpm/node';

const self = fileURLToPath(import.meta.url);
if (process.argv[2] === '--once') {
  await extractPackage(process.argv[3]!, process.argv[4]!);
  console.log(process.resourceUsage().maxRSS);
} else {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'bench-extract-'));
  try {
    await compare(folder, Number(process.argv[2] ?? 64), Number(process.argv[3] ?? 5));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function compare(folder: string, megabytes: number, rounds: number): Promise<void> {
  const content = join(folder, 'content');
  const large = join(folder, 'large');
  collect(content, megabytes * 1e6);
  collect(large, 4 * megabytes * 1e6);
  for (const [name, payload] of [
    ['gzip', 'w6.gzdio'],
    ['zstd', 'w3.zstdio'],
    ['zstd 19', 'w19.zstdio'],
  ] as const) {
    const path = build(folder, content, payload);
    const bytes = Number(execFileSync('rpm', ['-qp', '--qf', '%{LONGSIZE}', path], { encoding: 'utf8' }));
    const ratios: number[] = [];
    const ours: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      const mine = await timed(folder, (into) => extractPackage(path, into));
      const peer = await timed(folder, (into) => {
        mkdirSync(into);
        execFileSync('bash', ['-c', 'rpm2cpio "$1" | cpio -idm --quiet', 'bash', path], { cwd: into });
      });
      // The first round warms both up.
      if (round === 0) continue;
      ratios.push(mine / peer);
      ours.push(mine);
    }
    const speed = bytes / 1000 / median(ours);
    console.log(
      `${name}: ${(bytes / 1e6).toFixed(0)} MB, ratio ${median(ratios).toFixed(2)}, ${speed.toFixed(0)} MB/s`,
    );
    if (name === 'zstd 19') continue;
    const larger = build(folder, large, payload);
    console.log(
      `${name}: peak memory ${peakMegabytes(folder, path)} MB, with four times the content ${peakMegabytes(folder, larger)} MB`,
    );
  }
}

/** Copies libraries, the largest first, and some thousand headers. */
function collect(into: string, bytes: number): void {
  mkdirSync(into);
  let left = bytes;
  const add = (paths: readonly string[]): void => {
    for (const path of paths) {
      const { size } = statSync(path);
      if (size > left) continue;
      left -= size;
      copyFileSync(path, join(into, `${left}-${basename(path)}`));
    }
  };
  const below = (root: string, depth: string): string[] =>
    execFileSync('find', [root, '-maxdepth', depth, '-type', 'f'], { encoding: 'utf8' })
      .split('\n')
      .filter(Boolean)
      .sort();
  add(below('/usr/include', '9').slice(0, 3000));
  const libraries = below('/usr/lib', '2').filter((path) => path.includes('.so'));
  while (left > bytes / 20) add(libraries);
}

function build(folder: string, content: string, payload: string): string {
  const top = join(folder, `${payload}-${basename(content)}`);
  mkdirSync(top);
  const spec = join(top, 'bench.spec');
  writeFileSync(
    spec,
    [
      ...[
        'Name: bench',
        'Version: 1',
        'Release: 1',
        'Summary: x',
        'License: MIT',
        'AutoReqProv: no',
        'BuildArch: noarch',
      ],
      ...[`%define _binary_payload ${payload}`, '%global __os_install_post %{nil}', '%description', 'x', '%install'],
      ...['mkdir -p %{buildroot}/srv/bench', `cp -a ${content}/. %{buildroot}/srv/bench/`, '%files', '/srv/bench'],
    ].join('\n'),
  );
  const options = [`_topdir ${top}`, '_binaries_in_noarch_packages_terminate_build 0'].flatMap((option) => [
    '--define',
    option,
  ]);
  execFileSync('rpmbuild', ['-bb', ...options, spec], { stdio: 'pipe' });
  return join(top, 'RPMS', 'noarch', readdirSync(join(top, 'RPMS', 'noarch'))[0]!);
}

async function timed(folder: string, task: (into: string) => unknown): Promise<number> {
  const into = join(folder, 'into');
  const start = performance.now();
  await task(into);
  const milliseconds = performance.now() - start;
  rmSync(into, { recursive: true });
  return milliseconds;
}

function peakMegabytes(folder: string, path: string): string {
  const into = join(folder, 'into');
  const output = execFileSync(process.execPath, ['--import', 'tsx', self, '--once', path, into], { encoding: 'utf8' });
  rmSync(into, { recursive: true });
  return (Number(output) / 1024).toFixed(0);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
