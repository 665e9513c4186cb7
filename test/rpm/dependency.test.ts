import { execFileSync } from 'node:child_process';
import {
  type Dependency,
  dependencyFlagNames,
  dependencyFlags,
  formatDependency,
  parseDependency,
  relationFlags,
  relationOf,
  satisfies,
} from '@distrokit/rpm';
import { expect, test } from 'vitest';

test.each([
  ['foo', { name: 'foo', flags: 0, evr: '' }],
  ['foo = 1:2.0-3', { name: 'foo', flags: 8, evr: '1:2.0-3' }],
  ['foo  >=  1.0', { name: 'foo', flags: 12, evr: '1.0' }],
  ['foo < 2', { name: 'foo', flags: 2, evr: '2' }],
  ['libc.so.6(GLIBC_2.4)(64bit)', { name: 'libc.so.6(GLIBC_2.4)(64bit)', flags: 0, evr: '' }],
  ['(a if b)', { name: '(a if b)', flags: 0, evr: '' }],
])('reads %s', (text, dependency) => {
  expect(parseDependency(text)).toEqual(dependency);
});

test.each([
  ['foo == 1', 'foo = 1'],
  ['foo => 1', 'foo >= 1'],
  ['foo =< 1', 'foo <= 1'],
])('reads %s as %s', (text, written) => {
  expect(formatDependency(parseDependency(text))).toBe(written);
});

test.each(['', 'foo =', 'foo 1.0', '= 1.0', 'foo <> 1', 'foo = 1 2'])('refuses %j with RPM_BAD_DEPENDENCY', (text) => {
  expect(() => parseDependency(text)).toThrow(expect.objectContaining({ code: 'RPM_BAD_DEPENDENCY' }));
});

test('turns relations into flag bits and back', () => {
  for (const relation of ['', '<', '<=', '=', '>=', '>'] as const) {
    expect(relationOf(relationFlags(relation))).toBe(relation);
  }
});

test('names flags', () => {
  const { pre, post, equal, rpmlib } = dependencyFlags;
  expect(dependencyFlagNames(pre | post | equal | rpmlib)).toEqual(['equal', 'pre', 'post', 'rpmlib']);
});

test('finds that names decide first, and a missing EVR on either side takes all', () => {
  const meets = (provided: string, required: string): boolean =>
    satisfies(parseDependency(provided), parseDependency(required));
  expect(meets('foo = 1', 'bar')).toBe(false);
  expect(meets('foo', 'foo > 9')).toBe(true);
  expect(meets('foo = 1', 'foo')).toBe(true);
});

test('decides for all pairs of relations and EVRs as rpm does', () => {
  const evrs = ['1', '1.0', '1.0-1', '1.0-2', '1.1-1', '0:1.0', '0:1.0-1', '1:1.0', '1:0.5-1', '1.0~rc1-1', '1.0^a-1'];
  const relations = ['<', '<=', '=', '>=', '>'] as const;
  const all: Dependency[] = [{ name: 'foo', flags: 0, evr: '' }];
  for (const evr of evrs) {
    for (const relation of relations) all.push({ name: 'foo', flags: relationFlags(relation), evr });
  }
  const script = `
import json, rpm, sys
deps = [rpm.ds((n, f, v), rpm.RPMTAG_PROVIDENAME) for n, f, v in json.load(sys.stdin)]
print("".join("1" if a.Search(b) >= 0 else "0" for a in deps for b in deps))`;
  const input = JSON.stringify(all.map((d) => [d.name, d.flags, d.evr]));
  const verdicts = execFileSync('/usr/bin/python3', ['-c', script], { input, encoding: 'utf8' }).trim();
  expect(verdicts).toHaveLength(all.length ** 2);
  const differences: string[] = [];
  all.forEach((a, i) => {
    all.forEach((b, j) => {
      const rpm = verdicts[i * all.length + j] === '1';
      if (satisfies(a, b) !== rpm) differences.push(`${formatDependency(a)} ~ ${formatDependency(b)}: rpm ${rpm}`);
    });
  });
  expect(differences).toEqual([]);
  expect(new Set(verdicts)).toEqual(new Set(['0', '1']));
});
