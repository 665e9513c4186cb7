import { expandRoot, type RootCandidate } from '@distrokit/build';
import type { RepositoryDependency } from '@distrokit/repo';
import fc from 'fast-check';
import { expect, test } from 'vitest';

/** `name`, or `name >= version`. */
function dependency(text: string): RepositoryDependency {
  const [name = '', operator, version] = text.startsWith('(') ? [text] : text.split(' ');
  if (operator === undefined || version === undefined) return { name };
  const relation = ({ '=': 'EQ', '>=': 'GE', '<': 'LT' } as const)[operator as '=' | '>=' | '<'];
  return { name, relation, epoch: '0', version };
}

interface Parts {
  readonly version?: string;
  readonly provides?: string[];
  readonly requires?: string[];
  readonly conflicts?: string[];
  readonly obsoletes?: string[];
  readonly recommends?: string[];
  readonly supplements?: string[];
  readonly files?: string[];
}

const pkg = (name: string, parts: Parts = {}): RootCandidate => {
  const list = (texts: readonly string[] | undefined): RepositoryDependency[] => (texts ?? []).map(dependency);
  return {
    name,
    version: parts.version ?? '1',
    release: '1',
    arch: 'x86_64',
    provides: list(parts.provides),
    requires: list(parts.requires),
    conflicts: list(parts.conflicts),
    obsoletes: list(parts.obsoletes),
    recommends: list(parts.recommends),
    supplements: list(parts.supplements),
    files: (parts.files ?? []).map((path) => ({ path })),
  };
};

const names = (candidates: RootCandidate[], wanted: string[], preferences = {}): string[] | unknown => {
  const result = expandRoot(candidates, wanted, preferences);
  return result.ok ? result.packages.map((each) => each.name) : result.problems;
};

test('follows requires, files and versions to the end', () => {
  const candidates = [
    pkg('gcc', { requires: ['cpp = 1', '/usr/bin/ld', 'rpmlib(CompressedFileNames) <= 3.0.4-1'] }),
    pkg('cpp', { requires: ['libc >= 2'] }),
    pkg('binutils', { files: ['/usr/bin/ld'] }),
    pkg('glibc', { provides: ['libc = 2.36'] }),
    pkg('unrelated'),
  ];
  expect(names(candidates, ['gcc'])).toEqual(['binutils', 'cpp', 'gcc', 'glibc']);
});

test('lists a choice instead of deciding it; a preference decides', () => {
  const candidates = [
    pkg('app', { requires: ['mta'] }),
    pkg('exim', { provides: ['mta'] }),
    pkg('postfix', { provides: ['mta'] }),
  ];
  expect(names(candidates, ['app'])).toEqual([
    { kind: 'choice', dependency: 'mta', wantedBy: 'app-1-1.x86_64', candidates: ['exim', 'postfix'] },
  ]);
  expect(names(candidates, ['app'], { prefer: ['postfix', 'exim'] })).toEqual(['app', 'postfix']);
  expect(names(candidates, ['app'], { avoid: ['postfix'] })).toEqual(['app', 'exim']);
  expect(names(candidates, ['app'], { exclude: ['exim'] })).toEqual(['app', 'postfix']);
  expect(names(candidates, ['app'], { ignore: ['mta'] })).toEqual(['app']);
  expect(names(candidates, ['app', 'exim'])).toEqual(['app', 'exim']);
});

test('a package that bears the wanted name is taken before others that provide it', () => {
  expect(names([pkg('make'), pkg('bmake', { provides: ['make'] })], ['make'])).toEqual(['make']);
});

test('a recommendation and a supplement settle a choice', () => {
  const base = [pkg('exim', { provides: ['mta'] }), pkg('postfix', { provides: ['mta'] })];
  expect(names([...base, pkg('app', { requires: ['mta'], recommends: ['postfix'] })], ['app'])).toEqual([
    'app',
    'postfix',
  ]);
  const supplementing = [
    pkg('exim', { provides: ['mta'], supplements: ['app'] }),
    pkg('postfix', { provides: ['mta'] }),
  ];
  expect(names([...supplementing, pkg('app', { requires: ['mta'] })], ['app'])).toEqual(['app', 'exim']);
});

test('a conflict takes a candidate out, or is named', () => {
  const candidates = [
    pkg('app', { requires: ['mta'], conflicts: ['exim'] }),
    pkg('exim', { provides: ['mta'] }),
    pkg('postfix', { provides: ['mta'] }),
  ];
  expect(names(candidates, ['app'])).toEqual(['app', 'postfix']);
  expect(names([pkg('a', { conflicts: ['b'] }), pkg('b')], ['a', 'b'])).toEqual([
    { kind: 'conflict', dependency: 'b', wantedBy: 'the root', with: 'a' },
  ]);
  expect(names([pkg('a', { obsoletes: ['b < 2'] }), pkg('b'), pkg('c', { requires: ['b'] })], ['a', 'c'])).toEqual([
    { kind: 'conflict', dependency: 'b', wantedBy: 'c-1-1.x86_64', with: 'a' },
  ]);
});

test('names what nothing provides, and who wants it', () => {
  expect(names([pkg('app', { requires: ['lib >= 2'] }), pkg('lib')], ['app', '/bin/none'])).toEqual([
    { kind: 'nothing-provides', dependency: '/bin/none', wantedBy: 'the root' },
    { kind: 'nothing-provides', dependency: 'lib >= 2', wantedBy: 'app-1-1.x86_64' },
  ]);
});

test.each<[string, string[]]>([
  ['(b and c)', ['a', 'b', 'c']],
  ['(b or missing)', ['a', 'b']],
  ['(b if c)', ['a']],
  ['(b if a)', ['a', 'b']],
  ['(b if missing else c)', ['a', 'c']],
  ['(b unless a else c)', ['a', 'c']],
  ['(virtual with c)', ['a', 'c']],
  ['(virtual without c)', ['a', 'b']],
])('reads the rich dependency %s', (rich, expected) => {
  const candidates = [
    pkg('a', { requires: [rich] }),
    pkg('b', { provides: ['virtual'] }),
    pkg('c', { provides: ['virtual'] }),
  ];
  expect(names(candidates, ['a'])).toEqual(expected);
});

test('a condition that comes true later wakes its dependency', () => {
  const candidates = [pkg('a', { requires: ['(z if c)', 'b'] }), pkg('b', { requires: ['c'] }), pkg('c'), pkg('z')];
  expect(names(candidates, ['a'])).toEqual(['a', 'b', 'c', 'z']);
});

test('of several versions the newest counts', () => {
  const result = expandRoot([pkg('a', { version: '1.10' }), pkg('a', { version: '1.9' })], ['a']);
  expect(result).toMatchObject({ ok: true, packages: [{ version: '1.10' }] });
});

test('an expansion is closed, free of conflicts and the same for shuffled input', () => {
  const name = fc.integer({ min: 0, max: 9 }).map((at) => `p${at}`);
  const universe = fc
    .array(
      fc.record({
        requires: fc.array(name, { maxLength: 3 }),
        provides: fc.array(fc.constantFrom('v0', 'v1'), { maxLength: 1 }),
        conflicts: fc.array(name, { maxLength: 1 }),
        virtual: fc.array(fc.constantFrom('v0', 'v1'), { maxLength: 1 }),
      }),
      { minLength: 10, maxLength: 10 },
    )
    .map((rows) => rows.map((row, at) => pkg(`p${at}`, { ...row, requires: [...row.requires, ...row.virtual] })));
  fc.assert(
    fc.property(
      universe,
      fc.array(name, { minLength: 1, maxLength: 3 }),
      fc.array(name),
      (candidates, wanted, prefer) => {
        const result = expandRoot(candidates, wanted, { prefer });
        expect(expandRoot([...candidates].reverse(), [...wanted].reverse(), { prefer })).toEqual(result);
        if (!result.ok) return;
        const has = (text: string): boolean =>
          result.packages.some((each) => each.name === text || each.provides.some((provide) => provide.name === text));
        for (const each of result.packages) {
          for (const required of each.requires)
            expect([each.name, required.name, has(required.name)]).toEqual([each.name, required.name, true]);
          for (const refused of each.conflicts)
            expect(refused.name === each.name || !result.packages.some((other) => other.name === refused.name)).toBe(
              true,
            );
        }
        for (const text of wanted) expect(has(text)).toBe(true);
      },
    ),
    { numRuns: 1_000 },
  );
});
