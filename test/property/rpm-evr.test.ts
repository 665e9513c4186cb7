import {
  compareEvr,
  compareNevra,
  compareVersion,
  type Evr,
  formatEvr,
  formatNevra,
  type Nevra,
  parseEvr,
  parseNevra,
} from '@distrokit/rpm';
import fc from 'fast-check';
import { expect, test } from 'vitest';

/** Short strings over few characters: close to each other, where an order goes wrong first. */
const near = fc
  .array(fc.constantFrom('0', '1', '9', 'a', 'b', 'Z', '~', '^', '.', '_', 'é'), { maxLength: 7 })
  .map((parts) => parts.join(''));
const part = fc
  .array(fc.constantFrom('0', '1', '12', 'a', 'rc', '~', '^', '.', '_', '+'), { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join(''));
const evr: fc.Arbitrary<Evr> = fc.record(
  { epoch: fc.nat({ max: 0xffff_ffff }), version: part, release: part },
  { requiredKeys: ['version', 'release'] },
);
const name = fc
  .array(fc.constantFrom('a', 'B', '0', '-', '.', '+', '_'), { minLength: 1, maxLength: 8 })
  .map((parts) => `n${parts.join('')}`);
const nevra: fc.Arbitrary<Nevra> = fc
  .tuple(evr, name, fc.constantFrom('x86_64', 'noarch', 'src'))
  .map(([rest, packageName, arch]) => ({ ...rest, name: packageName, arch }));

test('the order of versions is total: equal to itself, the reverse reversed, and transitive', () => {
  fc.assert(
    fc.property(near, near, near, (a, b, c) => {
      expect(compareVersion(a, a)).toBe(0);
      expect(compareVersion(a, b) + compareVersion(b, a)).toBe(0);
      const [x, y, z] = [a, b, c].sort(compareVersion) as [string, string, string];
      expect(compareVersion(x, y)).toBeLessThanOrEqual(0);
      expect(compareVersion(y, z)).toBeLessThanOrEqual(0);
      // The sort only asked some pairs: the one it need not have asked must agree.
      expect(compareVersion(x, z)).toBeLessThanOrEqual(0);
    }),
    { numRuns: 5000 },
  );
});

test('no string makes the comparison of versions throw', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      expect([-1, 0, 1]).toContain(compareVersion(a, b));
    }),
  );
});

test('writing and reading an EVR gives it back, and equal text compares as equal', () => {
  fc.assert(
    fc.property(evr, (value) => {
      expect(parseEvr(formatEvr(value))).toEqual(value);
      expect(compareEvr(value, parseEvr(formatEvr(value)))).toBe(0);
    }),
  );
});

test('writing and reading a NEVRA gives it back', () => {
  fc.assert(
    fc.property(nevra, (value) => {
      expect(parseNevra(formatNevra(value))).toEqual(value);
    }),
  );
});

test('a list sorted by NEVRA does not depend on the order it came in', () => {
  fc.assert(
    fc.property(fc.array(nevra, { maxLength: 12 }), (list) => {
      const sorted = [...list].sort(compareNevra).map(formatNevra);
      expect([...list].reverse().sort(compareNevra).map(formatNevra)).toEqual(sorted);
    }),
  );
});
