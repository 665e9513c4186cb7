/**
 * Torments a farm on a real PostgreSQL server: 500 tasks, several worker processes, a fault every few tasks. Every task must end exactly
 * once, with the files of one attempt, and be held by no silent worker for longer than its lease.
 *
 *   node --import tsx scripts/farm-campaign.ts [tasks] [workers] [faults] [seed]     default 500 6 48 1
 *
 * The last result stands in docs/benchmarks.md.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { longestHold, runStorm } from '../test/faults/farm-storm.js';

const [tasks = 500, workers = 6, faults = 48, seed = 1] = process.argv.slice(2).map(Number);
const folder = await mkdtemp(join(tmpdir(), 'distrokit-campaign-farm-'));
try {
  const report = await runStorm({ folder, tasks, workers, faults, seed, say: (line) => console.log(line) });
  const { results, tasks: ids, ...numbers } = report;
  console.log(numbers);
  const wrong = [
    ...(report.counts.done === tasks ? [] : [`${report.counts.done} of ${tasks} done`]),
    ...(report.endings === tasks && report.ended === tasks
      ? []
      : [`${report.endings} endings of ${report.ended} tasks`]),
    ...(JSON.stringify(results) === JSON.stringify(ids) ? [] : ['results and tasks differ']),
    ...report.mixed,
    ...report.early,
    ...(report.longestSilenceMs < longestHold(report) ? [] : [`held for ${report.longestSilenceMs} ms`]),
  ];
  console.log(wrong.length === 0 ? 'every task ended exactly once' : wrong.join('\n'));
  process.exitCode = wrong.length === 0 ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
