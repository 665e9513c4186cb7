import { LeaseWatch } from '@distrokit/build';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const claim = (beats: number, token = 'a', id = 'task') => ({ id, token, beats });
const ids = (claims: readonly { readonly id: string }[]): string[] => claims.map((each) => each.id);

test('a count that stands still for longer than a lease is silent; one that goes on is not', () => {
  const watch = new LeaseWatch(1_000);
  for (let now = 0; now <= 1_000; now += 100) expect(watch.look([claim(3)], now)).toEqual([]);
  expect(ids(watch.look([claim(3)], 1_100))).toEqual(['task']);
  expect(watch.look([claim(4)], 1_200)).toEqual([]);
  for (let now = 1_300; now < 9_000; now += 100) expect(watch.look([claim(now)], now)).toEqual([]);
});

test('another holder begins with a whole lease', () => {
  const watch = new LeaseWatch(1_000);
  for (let now = 0; now <= 900; now += 100) watch.look([claim(0)], now);
  for (let now = 1_000; now <= 2_000; now += 100) expect(watch.look([claim(0, 'b')], now)).toEqual([]);
  expect(ids(watch.look([claim(0, 'b')], 2_100))).toEqual(['task']);
});

test('time in which nobody looked is no silence: a restart of the server takes nothing from the living', () => {
  const watch = new LeaseWatch(1_000);
  for (let now = 0; now <= 500; now += 100) watch.look([claim(5)], now);
  // Away for an hour; the worker could not be heard meanwhile, and is a third of a lease later.
  expect(watch.look([claim(5)], 3_600_500)).toEqual([]);
  expect(watch.look([claim(5)], 3_600_700)).toEqual([]);
  expect(watch.look([claim(6)], 3_600_800)).toEqual([]);
});

test('a clock that goes back is no silence either', () => {
  const watch = new LeaseWatch(1_000);
  watch.look([claim(5)], 10_000);
  expect(watch.look([claim(5)], 0)).toEqual([]);
});

test('looked at often enough, the silent are found after a lease and within a look, the living never', () => {
  const looks = fc.array(fc.integer({ min: 1, max: 250 }), { minLength: 40, maxLength: 200 });
  fc.assert(
    fc.property(looks, fc.nat(3_000), (gaps, diesAt) => {
      const leaseMs = 1_000;
      const watch = new LeaseWatch(leaseMs);
      let now = 0;
      let found: number | undefined;
      for (const gap of gaps) {
        now += gap;
        // It renews three times within a lease, until it dies.
        const beats = Math.floor(Math.min(now, diesAt) / (leaseMs / 3));
        const silent = watch.look([claim(beats)], now);
        if (silent.length > 0) {
          found = now;
          break;
        }
      }
      const lastBeat = Math.floor(diesAt / (leaseMs / 3)) * (leaseMs / 3);
      if (found !== undefined) {
        expect(found).toBeGreaterThan(lastBeat + leaseMs);
        // Two looks: the one that saw the last beat, and the one after the lease.
        expect(found).toBeLessThanOrEqual(lastBeat + leaseMs + 500);
      } else expect(now).toBeLessThanOrEqual(lastBeat + leaseMs + 500);
    }),
    { numRuns: 2_000 },
  );
});
