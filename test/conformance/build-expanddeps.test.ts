/** What a root needs, as obs-build's `expanddeps` expands it: where it gives an answer it must be ours, where it does not we must not guess. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expandRoot, type RootCandidate, type RootPreferences } from '@distrokit/build';
import type { RepositoryDependency } from '@distrokit/repo';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { scratchFolder } from '../build/fixture.js';

const run = promisify(execFile);
let scratch: Awaited<ReturnType<typeof scratchFolder>>;
beforeAll(async () => {
  scratch = await scratchFolder();
});
afterAll(() => scratch.remove());

const operators = { LT: '<', LE: '<=', EQ: '=', GE: '>=', GT: '>' } as const;
const textOf = ({ name, relation, version, release }: RepositoryDependency): string =>
  relation === undefined
    ? name
    : `${name} ${operators[relation]} ${version}${release === undefined ? '' : `-${release}`}`;

/** The repository as obs-build writes it down: one line a list, `I:` last. */
function depfile(candidates: readonly RootCandidate[]): string {
  return candidates
    .flatMap((pkg) => {
      const line = (letter: string, words: readonly string[]): string[] =>
        words.length === 0 ? [] : [`${letter}:${pkg.name}.${pkg.arch}-1/1/1: ${words.join(' ')}`];
      const evr = `${pkg.version}-${pkg.release}`;
      return [
        ...line('F', [`/repo/${pkg.name}.rpm`]),
        ...line('P', [...pkg.provides.map(textOf), `${pkg.name} = ${evr}`, ...pkg.files.map(({ path }) => path)]),
        ...line('R', pkg.requires.map(textOf)),
        ...line('C', pkg.conflicts.map(textOf)),
        ...line('O', pkg.obsoletes.map(textOf)),
        ...line('r', pkg.recommends.map(textOf)),
        ...line('s', pkg.supplements.map(textOf)),
        ...line('I', [`${pkg.name}-${evr} 1`]),
      ];
    })
    .join('\n');
}

let runs = 0;
/** The names that expanddeps installs, or what it says instead. */
async function judge(
  candidates: readonly RootCandidate[],
  wanted: readonly string[],
  preferences: RootPreferences,
): Promise<readonly string[] | string> {
  runs += 1;
  const deps = join(scratch.path, `deps-${runs}`);
  const conf = join(scratch.path, `conf-${runs}`);
  const files = new Map<string, string[]>();
  for (const pkg of candidates)
    for (const { path } of pkg.files) files.set(path, [...(files.get(path) ?? []), pkg.name]);
  await writeFile(deps, `${depfile(candidates)}\n`);
  await writeFile(
    conf,
    [
      ...(preferences.prefer ?? []).map((name) => `Prefer: ${name}`),
      ...(preferences.avoid ?? []).map((name) => `Prefer: -${name}`),
      ...(preferences.ignore ?? []).map((name) => `Ignore: ${name}`),
      ...[...files].map(([path, names]) => `FileProvides: ${path} ${names.join(' ')}`),
      '',
    ].join('\n'),
  );
  const argv = ['--dist', conf, '--archpath', 'x86_64', '--configdir', scratch.path, '--depfile', deps, ...wanted];
  const env = { PATH: '/usr/bin:/bin', BUILD_DIR: '/usr/lib/obs-build' };
  const { stdout, stderr } = await run('/usr/lib/obs-build/expanddeps', argv, { env }).catch(
    (cause: { readonly stdout: string; readonly stderr: string }) => cause,
  );
  if (!stdout.includes('\npreinstall:') && !stdout.startsWith('preinstall:')) return stderr;
  return stdout
    .split('\n')
    .flatMap((line) => /^(\S+) \/repo\//.exec(line)?.[1] ?? [])
    .sort();
}

function dependency(text: string): RepositoryDependency {
  const [name = '', operator, version] = text.startsWith('(') ? [text] : text.split(' ');
  if (operator === undefined || version === undefined) return { name };
  const relation = ({ '=': 'EQ', '>=': 'GE', '<': 'LT' } as const)[operator as '=' | '>=' | '<'];
  return { name, relation, epoch: '0', version };
}

type Parts = Partial<
  Record<'provides' | 'requires' | 'conflicts' | 'obsoletes' | 'recommends' | 'supplements', string[]>
> & {
  readonly files?: string[];
};
const pkg = (name: string, parts: Parts = {}): RootCandidate => {
  const list = (texts: readonly string[] | undefined): RepositoryDependency[] => (texts ?? []).map(dependency);
  return {
    name,
    version: '1',
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
const ours = (
  candidates: RootCandidate[],
  wanted: string[],
  preferences: RootPreferences,
): readonly string[] | string => {
  const result = expandRoot(candidates, wanted, preferences);
  return result.ok ? result.packages.map((each) => each.name) : JSON.stringify(result.problems);
};

const mtas = [
  pkg('app', { requires: ['mta'] }),
  pkg('exim', { provides: ['mta'] }),
  pkg('postfix', { provides: ['mta'] }),
];
test.each<[string, RootCandidate[], string[], RootPreferences, string[] | 'no answer']>([
  ['follows requires', [pkg('a', { requires: ['b >= 1'] }), pkg('b')], ['a'], {}, ['a', 'b']],
  ['does not choose', mtas, ['app'], {}, 'no answer'],
  ['prefers', mtas, ['app'], { prefer: ['postfix', 'exim'] }, ['app', 'postfix']],
  ['avoids', mtas, ['app'], { avoid: ['postfix'] }, ['app', 'exim']],
  ['ignores', mtas, ['app'], { ignore: ['mta'] }, ['app']],
  ['takes what was asked for', mtas, ['app', 'exim'], {}, ['app', 'exim']],
  ['takes the namesake', [pkg('make'), pkg('bmake', { provides: ['make'] })], ['make'], {}, ['make']],
  ['misses', [pkg('a', { requires: ['b >= 2'] }), pkg('b')], ['a'], {}, 'no answer'],
  ['sees a conflict', [pkg('a', { conflicts: ['b'] }), pkg('b')], ['a', 'b'], {}, 'no answer'],
  [
    'goes round a conflict',
    [pkg('app', { requires: ['mta'], conflicts: ['exim'] }), ...mtas.slice(1)],
    ['app'],
    {},
    ['app', 'postfix'],
  ],
  [
    'hears a recommendation',
    [pkg('app', { requires: ['mta'], recommends: ['postfix'] }), ...mtas.slice(1)],
    ['app'],
    {},
    ['app', 'postfix'],
  ],
  [
    'finds a file',
    [pkg('a', { requires: ['/usr/bin/ld'] }), pkg('ld', { files: ['/usr/bin/ld'] })],
    ['a'],
    {},
    ['a', 'ld'],
  ],
  ['and', [pkg('a', { requires: ['(b and c)'] }), pkg('b'), pkg('c')], ['a'], {}, ['a', 'b', 'c']],
  ['or', [pkg('a', { requires: ['(b or c)'] }), pkg('b')], ['a'], {}, ['a', 'b']],
  ['or of two', [pkg('a', { requires: ['(b or c)'] }), pkg('b'), pkg('c')], ['a'], {}, 'no answer'],
  ['if not', [pkg('a', { requires: ['(b if c)'] }), pkg('b'), pkg('c')], ['a'], {}, ['a']],
  ['if', [pkg('a', { requires: ['(b if c)', 'c'] }), pkg('b'), pkg('c')], ['a'], {}, ['a', 'b', 'c']],
  ['unless', [pkg('a', { requires: ['(b unless c)'] }), pkg('b'), pkg('c')], ['a'], {}, ['a', 'b']],
])('%s as expanddeps does', async (_what, candidates, wanted, preferences, expected) => {
  const theirs = await judge(candidates, wanted, preferences);
  expect(typeof theirs === 'string' ? 'no answer' : theirs).toEqual(expected);
  const mine = ours(candidates, wanted, preferences);
  expect(typeof mine === 'string' ? 'no answer' : mine).toEqual(expected);
});

/** Where we answer and the expanddeps of Debian 12 does not. */
const differences: readonly {
  readonly what: string;
  readonly why: string;
  readonly candidates: RootCandidate[];
  readonly mine: string[];
}[] = [
  {
    what: 'a supplement',
    why: 'obs-build 20210120 reads supplements and does not yet act on them; later ones (Build/Expand.pm, pass 5) do',
    candidates: [
      pkg('app', { requires: ['mta'] }),
      pkg('exim', { provides: ['mta'], supplements: ['app'] }),
      pkg('postfix', { provides: ['mta'] }),
    ],
    mine: ['app', 'exim'],
  },
];
test.each(differences)('$what settles a choice here and not there: $why', async ({ candidates, mine }) => {
  expect(await judge(candidates, ['app'], {})).toContain('have choice for mta');
  expect(ours(candidates, ['app'], {})).toEqual(mine);
});

test('120 random repositories: the same roots, and no answer where expanddeps has none', async () => {
  const name = fc.integer({ min: 0, max: 9 }).map((at) => `p${at}`);
  const virtual = fc.constantFrom('v0', 'v1', 'v2');
  const universe = fc
    .array(
      fc.record({
        requires: fc.array(fc.oneof(name, virtual), { maxLength: 3 }),
        provides: fc.array(virtual, { maxLength: 1 }),
        conflicts: fc.array(fc.oneof({ weight: 1, arbitrary: name }, { weight: 3, arbitrary: fc.constant('nobody') }), {
          maxLength: 1,
        }),
        recommends: fc.array(name, { maxLength: 1 }),
      }),
      { minLength: 10, maxLength: 10 },
    )
    .map((rows) => rows.map((row, at) => pkg(`p${at}`, row)));
  const cases = fc.sample(
    fc.tuple(universe, fc.uniqueArray(name, { minLength: 1, maxLength: 3 }), fc.uniqueArray(name, { maxLength: 3 })),
    { numRuns: 120, seed: 7 },
  );
  let answers = 0;
  for (const [candidates, wanted, prefer] of cases) {
    const theirs = await judge(candidates, wanted, { prefer });
    const mine = ours(candidates, wanted, { prefer });
    const shown = { wanted, prefer, repository: depfile(candidates), theirs, mine };
    if (typeof theirs === 'string') expect({ ...shown, answer: typeof mine }).toEqual({ ...shown, answer: 'string' });
    else {
      answers += 1;
      expect({ ...shown, mine }).toEqual({ ...shown, mine: theirs });
    }
  }
  // Both kinds of case must occur, or nothing was compared.
  expect(answers).toBeGreaterThan(20);
  expect(answers).toBeLessThan(100);
}, 180_000);
