/**
 * Compressing the blocks of repodata with zstd, level 3, and with gzip, level 6: ours against the library (zstd compiled to WebAssembly,
 * `@bokuweb/zstd-wasm`; Node's zlib) and against the command, in the same run.
 *
 * The documents of a folder of packages are cut after every 96 packages, as `createRepository` does on average. Each round runs every
 * side in a new process and counts processor time of all its threads, since that is what compressing costs where threads make
 * repodata: from the first call that loads an encoder to the last block, and then for all blocks once more. The command reads its
 * blocks as files and is counted whole. Ratios are medians of the pairwise ones (below 1: ours takes less).
 *
 *     node --import tsx bench/rpm-blocks.ts [folder | packages = 2000] [rounds = 5]
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
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants, deflateRawSync } from 'node:zlib';
import { createRepository } from '@distrokit/repo/node';
import { blockCodec } from '@distrokit/rpm';
import { median } from './c-peer.js';
import { machinePackages } from './machine-packages.js';

/** A codec, its level, and its peers. */
interface Case {
  readonly type: 'zstd' | 'gzip';
  readonly level: number;
  readonly library: string;
  readonly compressor: () => Promise<(block: Uint8Array) => Uint8Array>;
  /** Makes the folder in which the command leaves its files. */
  readonly before: (blocks: string, into: string) => void;
  /** Compresses the files of `$0` into `$1`, or those of `$1` where they are. */
  readonly command: string;
}

const cases: readonly Case[] = [
  {
    type: 'zstd',
    level: 3,
    library: '@bokuweb/zstd-wasm',
    compressor: async () => {
      const { compress, init } = await import('@bokuweb/zstd-wasm');
      await init();
      return (block) => compress(block, 3);
    },
    before: (_, into) => mkdirSync(into),
    command: 'zstd -3 -T1 -q --no-check --output-dir-flat "$1" "$0"/*',
  },
  {
    type: 'gzip',
    level: 6,
    library: 'zlib of Node',
    compressor: async () => (block) =>
      deflateRawSync(block, {
        level: 6,
        finishFlush: constants.Z_SYNC_FLUSH,
        chunkSize: Math.max(16_384, block.length >> 2),
      }),
    before: (blocks, into) => cpSync(blocks, into, { recursive: true }),
    command: 'gzip -6 -n "$1"/*',
  },
];

const self = fileURLToPath(import.meta.url);
if (process.argv[2] === '--once') await once(...(process.argv.slice(3) as [string, string, string]));
else await compareAll(process.argv[2] ?? '2000', Number(process.argv[3] ?? 5));

/** What a process of one side says: milliseconds of processor time, twice, and bytes. */
interface Outcome {
  readonly first: number;
  readonly again: number;
  readonly bytes: number;
}

async function once(type: string, side: string, folder: string): Promise<void> {
  const each = cases.find((one) => one.type === type) as Case;
  const blocks = readdirSync(folder)
    .sort()
    .map((name) => readFileSync(join(folder, name)));
  const start = process.cpuUsage();
  const compress = side === 'ours' ? (await blockCodec(each.type, each.level))?.compress : await each.compressor();
  if (compress === undefined) throw new Error('no encoder');
  let bytes = 0;
  for (const block of blocks) bytes += compress(block).length;
  const first = milliseconds(process.cpuUsage(start));
  const middle = process.cpuUsage();
  for (const block of blocks) compress(block);
  console.log(JSON.stringify({ first, again: milliseconds(process.cpuUsage(middle)), bytes } satisfies Outcome));
}

function milliseconds({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1000;
}

async function compareAll(subject: string, rounds: number): Promise<void> {
  const work = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'bench-blocks-'));
  try {
    const folder = existsSync(subject) ? subject : join(work, 'packages');
    if (folder !== subject) await machinePackages(folder, Number(subject), 1024);
    const blocks = join(work, 'blocks');
    const bytes = await writeBlocks(folder, join(work, 'repository'), blocks);
    console.log(`${readdirSync(blocks).length} blocks, ${(bytes / 1e6).toFixed(1)} MB`);
    for (const each of cases) compare(each, blocks, join(work, 'compressed'), rounds);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function compare(each: Case, blocks: string, into: string, rounds: number): void {
  const all: Record<'ours' | 'library' | 'command', Outcome[]> = { ours: [], library: [], command: [] };
  for (let round = 0; round < rounds; round++) {
    for (const side of ['ours', 'library'] as const) {
      const words = ['--import', 'tsx', self, '--once', each.type, side, blocks];
      all[side].push(JSON.parse(execFileSync(process.execPath, words, { encoding: 'utf8' })) as Outcome);
    }
    all.command.push(runCommand(each, blocks, into));
  }
  const ratio = (time: 'first' | 'again', peer: readonly Outcome[]): string =>
    median(all.ours.map((mine, round) => mine[time] / (peer[round] as Outcome)[time])).toFixed(2);
  const size = (peer: readonly Outcome[]): string =>
    ((all.ours[0] as Outcome).bytes / (peer[0] as Outcome).bytes).toFixed(3);
  const [first, again] = (['first', 'again'] as const).map((time) =>
    Math.round(median(all.ours.map((one) => one[time]))),
  );
  console.log(`${each.type} ${each.level}: ${first} ms, once more ${again} ms`);
  console.log(
    `  ${each.library}: ratio ${ratio('first', all.library)}, once more ${ratio('again', all.library)}, size ${size(all.library)}`,
  );
  console.log(`  the command: ratio ${ratio('first', all.command)}, size ${size(all.command)}`);
}

/** Writes each block as a file; how many bytes they are. */
async function writeBlocks(folder: string, repository: string, into: string): Promise<number> {
  await createRepository(folder, {
    ...{ outputFolder: repository, compression: 'none', plainNames: true, duplicates: 'keep' },
    ...{ revision: '1', timestamp: new Date(1000) },
  });
  mkdirSync(into);
  let bytes = 0;
  for (const type of ['primary', 'filelists', 'other']) {
    const packages = readFileSync(join(repository, `repodata/${type}.xml`), 'latin1').split(/(?<=<\/package>\n)/);
    for (let at = 0; at < packages.length; at += 96) {
      const block = Buffer.from(packages.slice(at, at + 96).join(''), 'latin1');
      bytes += block.length;
      writeFileSync(join(into, `${type}-${String(at).padStart(6, '0')}`), block);
    }
  }
  return bytes;
}

function runCommand({ before, command }: Case, blocks: string, into: string): Outcome {
  before(blocks, into);
  const { status, stderr } = spawnSync('bash', ['-c', `TIMEFORMAT='%U %S'; time ${command}`, blocks, into], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
  const time = stderr
    .trim()
    .split(' ')
    .reduce((sum, part) => sum + 1000 * Number(part), 0);
  const bytes = readdirSync(into).reduce((sum, name) => sum + statSync(join(into, name)).size, 0);
  rmSync(into, { recursive: true });
  return { first: time, again: time, bytes };
}
