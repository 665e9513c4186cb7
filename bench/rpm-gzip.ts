/**
 * Compressing the blocks of repodata with gzip, level 6: ours against Node's zlib and against the command `gzip`, in the same run.
 *
 * The documents of a folder of packages are cut after every 96 packages, as `createRepository` does on average. Each round runs every
 * side in a new process and counts processor time of all its threads, from the first call that loads an encoder to the last block, and
 * then for all blocks once more. The command reads its blocks as files, makes a whole member of each and is counted whole. Ratios are
 * medians of the pairwise ones (below 1: ours takes less).
 *
 *     node --import tsx bench/rpm-gzip.ts [folder | packages = 2000] [rounds = 5]
 */
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

const self = fileURLToPath(import.meta.url);
if (process.argv[2] === '--once') await once(process.argv[3] as string, process.argv[4] as string);
else await compare(process.argv[2] ?? '2000', Number(process.argv[3] ?? 5));

/** What a process of one side says: milliseconds of processor time, twice, and bytes. */
interface Outcome {
  readonly first: number;
  readonly again: number;
  readonly bytes: number;
}

async function once(side: string, folder: string): Promise<void> {
  const blocks = readdirSync(folder)
    .sort()
    .map((name) => readFileSync(join(folder, name)));
  const start = process.cpuUsage();
  const compress = side === 'ours' ? (await blockCodec('gzip', 6))?.compress : byZlib;
  if (compress === undefined) throw new Error('no encoder');
  let bytes = 0;
  for (const block of blocks) bytes += compress(block).length;
  const first = milliseconds(process.cpuUsage(start));
  const middle = process.cpuUsage();
  for (const block of blocks) compress(block);
  console.log(JSON.stringify({ first, again: milliseconds(process.cpuUsage(middle)), bytes } satisfies Outcome));
}

function byZlib(block: Uint8Array): Uint8Array {
  const chunkSize = Math.max(16_384, block.length >> 2);
  return deflateRawSync(block, { level: 6, finishFlush: constants.Z_SYNC_FLUSH, chunkSize });
}

function milliseconds({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1000;
}

async function compare(subject: string, rounds: number): Promise<void> {
  const work = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'bench-gzip-'));
  try {
    const folder = existsSync(subject) ? subject : join(work, 'packages');
    if (folder !== subject) await machinePackages(folder, Number(subject), 1024);
    const blocks = join(work, 'blocks');
    const bytes = await writeBlocks(folder, join(work, 'repository'), blocks);
    const all: Record<'ours' | 'zlib' | 'command', Outcome[]> = { ours: [], zlib: [], command: [] };
    for (let round = 0; round < rounds; round++) {
      for (const side of ['ours', 'zlib'] as const) {
        const told = execFileSync(process.execPath, ['--import', 'tsx', self, '--once', side, blocks], {
          encoding: 'utf8',
        });
        all[side].push(JSON.parse(told) as Outcome);
      }
      all.command.push(runCommand(blocks, join(work, 'compressed')));
    }
    const ratio = (time: 'first' | 'again', peer: readonly Outcome[]): string =>
      median(all.ours.map((mine, round) => mine[time] / (peer[round] as Outcome)[time])).toFixed(2);
    const size = (peer: readonly Outcome[]): string =>
      ((all.ours[0] as Outcome).bytes / (peer[0] as Outcome).bytes).toFixed(3);
    const [first, again] = (['first', 'again'] as const).map((time) =>
      Math.round(median(all.ours.map((one) => one[time]))),
    );
    console.log(
      `gzip 6 of ${readdirSync(blocks).length} blocks, ${(bytes / 1e6).toFixed(1)} MB: ${first} ms, once more ${again} ms, ${((all.ours[0] as Outcome).bytes / 1e6).toFixed(2)} MB`,
    );
    console.log(
      `  zlib of Node: ratio ${ratio('first', all.zlib)}, once more ${ratio('again', all.zlib)}, size ${size(all.zlib)}`,
    );
    console.log(`  the command gzip: ratio ${ratio('first', all.command)}, size ${size(all.command)}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
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

function runCommand(blocks: string, into: string): Outcome {
  cpSync(blocks, into, { recursive: true });
  const script = `TIMEFORMAT='%U %S'; time gzip -6 -n "$0"/*`;
  const { stderr } = spawnSync('bash', ['-c', script, into], { encoding: 'utf8' });
  const time = stderr
    .trim()
    .split(' ')
    .reduce((sum, part) => sum + 1000 * Number(part), 0);
  const bytes = readdirSync(into).reduce((sum, name) => sum + statSync(join(into, name)).size, 0);
  rmSync(into, { recursive: true });
  return { first: time, again: time, bytes };
}
