/**
 * ELF facts: ours in this process against one `readelf -dW --dyn-syms` over the same files in the same run.
 *
 * readelf prints text and we build records, and its process has to start: the ratio says what a caller would pay for either.
 * Rounds alternate; the ratio is the median of the pairwise ratios of wall time (below 1: ours is faster).
 *
 *     node --import tsx bench/rpm-elf.ts [files = 200] [rounds = 7]
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { decodeElf, isElf } from '@distrokit/rpm';

const count = Number(process.argv[2] ?? 200);
const rounds = Number(process.argv[3] ?? 7);
const files = execFileSync('find', ['/usr/lib', '-name', '*.so.*', '-type', 'f', '-size', '-20M'], { encoding: 'utf8' })
  .split('\n')
  .filter((path) => path !== '' && isElf(readFileSync(path)))
  .slice(0, count);

const ratios: number[] = [];
const ours: number[] = [];
let symbols = 0;
for (let round = 0; round <= rounds; round++) {
  symbols = 0;
  const mine = timed(() => {
    for (const path of files) {
      const { exported, imported } = decodeElf(readFileSync(path));
      symbols += exported.length + imported.length;
    }
  });
  const peer = timed(() => {
    execFileSync('readelf', ['-dW', '--dyn-syms', ...files], {
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 1 << 30,
    });
  });
  // The first round warms both up.
  if (round === 0) continue;
  ratios.push(mine / peer);
  ours.push(mine);
}
console.log(
  `ELF: ${files.length} files, ${symbols} symbols, ratio ${median(ratios).toFixed(2)}, ${median(ours).toFixed(0)} ms`,
);

function timed(task: () => void): number {
  const start = performance.now();
  task();
  return performance.now() - start;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
