import { expect, test } from 'vitest';
import { scratchFolder } from '../build/fixture.js';
import { longestHold, runStorm } from './farm-storm.js';

test('every task ends exactly once, whatever happens to workers, coordinators, the server and all clocks', async () => {
  const scratch = await scratchFolder();
  try {
    const report = await runStorm({ folder: scratch.path, tasks: 160, workers: 3, faults: 12, seed: 42 });
    expect(report.counts).toEqual({ done: 160 });
    expect(report.endings).toBe(160);
    expect(report.ended).toBe(160);
    expect(report.results).toEqual(report.tasks);
    expect(report.mixed).toEqual([]);
    expect(report.early).toEqual([]);
    // The faults have hit: every kind of them took place, tasks had to be done over, and results came both ways.
    expect(report.faults).toEqual({ kill: 2, stop: 2, redeliver: 2, crash: 2, coordinator: 2, clock: 2 });
    expect(report.takenBack).toBeGreaterThan(0);
    expect(report.repeated).toBeGreaterThan(0);
    expect(report.remote).toBeGreaterThan(0);
    // No task was held longer than its lease, but for the time in which nobody could look.
    expect(report.longestSilenceMs).toBeLessThan(longestHold(report));
  } finally {
    await scratch.remove();
  }
}, 300_000);
