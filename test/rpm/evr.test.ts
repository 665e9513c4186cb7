import { compareEvr, compareVersion, formatEvr, parseEvr, RpmError } from '@distrokit/rpm';
import { expect, test } from 'vitest';

/** rpm's published cases: left, right, result. The reverse negates. */
const published = `
1.0 1.0 0 | 1.0 2.0 -1 | 2.0 2.0.1 -1 | 2.0.1a 2.0.1a 0 | 2.0.1a 2.0.1 1 | 5.5p1 5.5p2 -1 | 5.5p1 5.5p10 -1
10xyz 10.1xyz -1 | xyz10 xyz10.1 -1 | xyz.4 8 -1 | xyz.4 2 -1 | 5.5p2 5.6p1 -1 | 5.6p1 6.5p1 -1 | 6.0.rc1 6.0 1
10b2 10a1 1 | 10a2 10b2 -1 | 1.0a 1.0aa -1 | 1.0aa 1.0aa 0 | 10.0001 10.1 0 | 10.0001 10.0039 -1 | 4.999.9 5.0 -1
20101121 20101122 -1 | 2_0 2.0 0 | a a 0 | a+ a_ 0 | +a _a 0 | +_ +_ 0 | _+ +_ 0 | + _ 0
1.0~rc1 1.0~rc1 0 | 1.0~rc1 1.0 -1 | 1.0~rc1 1.0~rc2 -1 | 1.0~rc1~git123 1.0~rc1 -1
1.0^ 1.0 1 | 1.0^git1 1.0 1 | 1.0^git1 1.0^git2 -1 | 1.0^git1 1.01 -1 | 1.0^20160101 1.0.1 -1
1.0^20160101^git1 1.0^20160101^git1 0 | 1.0^20160102 1.0^20160101^git1 1
1.0~rc1^git1 1.0~rc1 1 | 1.0^git1 1.0^git1~pre 1
1b.fc17 1.fc17 -1 | 1.fc17 1g.fc17 -1 | 1.1.α 1.1.β 0 | 1.0. 1.0 0 | 1..0 1.0 0 | 0 00 0 | 1.0.0 1.0 1
1.xyz 1.0 -1 | 1.f 1c.f 1 | 2.0.1 2.0^20150825 1 | 1.0~ 1.0 -1 | 1.0~^1 1.0~ 1 | 1^~1 1 1`
  .trim()
  .split(/[|\n]/)
  .map((line) => line.trim().split(' ') as [string, string, string]);

test.each(published)('orders %s and %s as %s, and the reverse the other way round', (a, b, result) => {
  expect(compareVersion(a, b)).toBe(Number(result));
  expect(compareVersion(b, a) + Number(result)).toBe(0);
});

test('compares numbers of any length without losing digits', () => {
  expect(compareVersion('1.99999999999999999999998', '1.99999999999999999999999')).toBe(-1);
  expect(compareVersion('0000000000000000000000001', '1')).toBe(0);
});

test('keeps an absent epoch absent, and compares it as 0', () => {
  expect(parseEvr('1.0-1')).toEqual({ version: '1.0', release: '1' });
  expect('epoch' in parseEvr('1.0-1')).toBe(false);
  expect(parseEvr('0:1.0-1')).toEqual({ epoch: 0, version: '1.0', release: '1' });
  expect(compareEvr(parseEvr('1.0-1'), parseEvr('0:1.0-1'))).toBe(0);
  expect(compareEvr(parseEvr('1:0.1-1'), parseEvr('9.9-9'))).toBe(1);
});

test('lets the epoch decide before the version, and the version before the release', () => {
  expect(compareEvr(parseEvr('1:1-1'), parseEvr('2:0-0'))).toBe(-1);
  expect(compareEvr(parseEvr('1.1-1'), parseEvr('1.0-2'))).toBe(1);
  expect(compareEvr(parseEvr('1.0-1.el9'), parseEvr('1.0-1.el9_2'))).toBe(-1);
});

test.each([
  ['1.0', { version: '1.0', release: '' }],
  ['1.0-1-2', { version: '1.0-1', release: '2' }],
  [':1.0-1', { epoch: 0, version: '1.0', release: '1' }],
  ['a:1.0-1', { version: 'a:1.0', release: '1' }],
  ['4294967295:1-1', { epoch: 4294967295, version: '1', release: '1' }],
])('reads %s', (text, evr) => {
  expect(parseEvr(text)).toEqual(evr);
});

test.each(['1.0', '1.0-1', '0:1.0-1', '7:1~rc1^x-0.1.el9'])('writes %s as it was read', (text) => {
  expect(formatEvr(parseEvr(text))).toBe(text);
});

test.each(['', '1:', '-1', '1:-1', '4294967296:1-1'])('refuses %j with RPM_BAD_EVR', (text) => {
  expect(() => parseEvr(text)).toThrow(RpmError);
  expect(() => parseEvr(text)).toThrow(expect.objectContaining({ code: 'RPM_BAD_EVR' }));
});
