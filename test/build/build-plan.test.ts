import { BuildError, type BuildFault, type BuildNode, planBuild } from '@distrokit/build';
import { expect, test } from 'vitest';

const nothing = (): boolean => false;
const only =
  (...names: string[]) =>
  (dependency: string): boolean =>
    names.includes(dependency);

const source = (name: string, buildRequires: string[] = [], rest: Partial<BuildNode> = {}): BuildNode => ({
  name,
  buildRequires,
  provides: [`${name} = 1-1`, `${name}-devel = 1-1`],
  ...rest,
});

function faultOf(planning: () => unknown): BuildFault {
  try {
    planning();
  } catch (cause) {
    if (cause instanceof BuildError) return cause.fault;
    throw cause;
  }
  throw new Error('a BuildError was expected');
}

test('builds a source after what its BuildRequires name, and the rest at once', () => {
  const plan = planBuild(
    [source('app', ['lib-devel >= 1', 'tool']), source('lib'), source('tool', ['lib-devel']), source('other')],
    nothing,
  );
  expect(plan.waves).toEqual([['lib', 'other'], ['tool'], ['app']]);
  expect(plan.cycles).toEqual([]);
  expect(plan.rebuild).toEqual([]);
});

test('waits for what the needed packages require at run time, and says through which', () => {
  const plan = planBuild(
    [
      source('app', ['lib-devel']),
      {
        name: 'lib',
        buildRequires: [],
        packages: [
          { name: 'lib-devel', provides: [], requires: ['lib', 'zlib(x86-64)'] },
          { name: 'lib', provides: [] },
        ],
      },
      { name: 'zlib', buildRequires: ['make'], packages: [{ name: 'zlib', provides: ['zlib(x86-64) = 1-1'] }] },
    ],
    only('make'),
  );
  expect(plan.waves).toEqual([['lib', 'zlib'], ['app']]);
  expect(plan.needs('app')).toEqual([
    { node: 'app', on: 'lib', dependency: 'lib-devel', through: ['lib-devel'] },
    { node: 'app', on: 'zlib', dependency: 'lib-devel', through: ['lib-devel', 'zlib'] },
  ]);
  expect(plan.dependents(['zlib'])).toEqual(['app']);
});

test('packages that require each other are no cycle', () => {
  const plan = planBuild(
    [
      { name: 'glibc', buildRequires: [], packages: [{ name: 'glibc', provides: [], requires: ['glibc-common'] }] },
      { name: 'common', buildRequires: [], packages: [{ name: 'glibc-common', provides: [], requires: ['glibc'] }] },
      source('app', ['glibc']),
    ],
    nothing,
  );
  expect(plan.waves).toEqual([['common', 'glibc'], ['app']]);
  expect(plan.cycles).toEqual([]);
});

test.each<[string, string[][]]>([
  ['(one or two)', [['one', 'two'], ['app']]],
  ['(one and two)', [['one', 'two'], ['app']]],
  ['(one with two)', [['one', 'two'], ['app']]],
  ['(one if two)', [['one', 'two'], ['app']]],
  ['(absent if two)', [['app', 'one', 'two']]],
  ['(absent unless two else one)', [['one', 'two'], ['app']]],
  ['/usr/bin/one', [['one', 'two'], ['app']]],
  ['one >= 2', []],
])('takes the dependency %s apart', (dependency, waves) => {
  const nodes = [
    source('app', [dependency]),
    source('one', [], { provides: ['one = 1-1', '/usr/bin/one'] }),
    source('two'),
  ];
  if (waves.length === 0) expect(faultOf(() => planBuild(nodes, nothing)).code).toBe('BUILD_UNRESOLVED');
  else {
    const [first, ...rest] = planBuild(nodes, nothing).waves;
    // `with` needs one of its sides first; which other sources share the wave is not its matter.
    expect([[...(first ?? [])].filter((id) => id !== 'two' || waves[0]?.includes('two')), ...rest]).toEqual(waves);
  }
});

test('names who wants what nobody has', () => {
  const nodes = [
    source('app', ['lib-devel', 'nowhere >= 3']),
    { name: 'lib', buildRequires: [], packages: [{ name: 'lib-devel', provides: [], requires: ['gone'] }] },
  ];
  expect(faultOf(() => planBuild(nodes, nothing))).toEqual({
    code: 'BUILD_UNRESOLVED',
    unresolved: [
      { node: 'app', dependency: 'nowhere >= 3' },
      { node: 'lib', dependency: 'gone', package: 'lib-devel' },
    ],
  });
  expect(planBuild(nodes, only('nowhere >= 3', 'gone')).waves).toEqual([['lib'], ['app']]);
});

test('a cycle that nobody can begin is named, with what to leave out', () => {
  const nodes = [source('gcc', ['glibc-devel']), source('glibc', ['gcc', 'kernel-devel']), source('kernel')];
  const fault = faultOf(() => planBuild(nodes, nothing));
  expect(fault).toEqual({
    code: 'BUILD_CYCLE',
    cycles: [
      {
        members: ['gcc', 'glibc'],
        path: ['gcc', 'glibc', 'gcc'],
        breaks: [{ node: 'gcc', dependency: 'glibc-devel', providers: ['glibc'], available: false }],
      },
    ],
  });
  expect(() => planBuild(nodes, nothing)).toThrow('gcc → glibc → gcc');
});

test('a broken cycle is built again when everything is there', () => {
  const nodes = [
    source('gcc', ['glibc-devel']),
    source('glibc', ['gcc', 'kernel-devel']),
    source('kernel'),
    source('app', ['gcc']),
  ];
  const plan = planBuild(nodes, nothing, { cycles: 'break' });
  expect(plan.waves).toEqual([
    ['gcc', 'kernel'],
    ['app', 'glibc'],
  ]);
  expect(plan.bootstrap).toEqual([{ node: 'gcc', without: ['glibc-devel'] }]);
  expect(plan.rebuild).toEqual([['gcc'], ['glibc']]);
});

test('a cycle is broken where a repository has what is missing', () => {
  const nodes = [source('gcc', ['glibc-devel']), source('glibc', ['gcc', 'kernel-devel']), source('kernel')];
  const plan = planBuild(nodes, only('gcc'));
  expect(plan.waves).toEqual([['kernel'], ['glibc'], ['gcc']]);
  expect(plan.bootstrap).toEqual([]);
  expect(plan.cycles[0]?.breaks).toEqual([{ node: 'glibc', dependency: 'gcc', providers: ['gcc'], available: true }]);
});

test('a source that needs itself is a cycle of one', () => {
  expect(faultOf(() => planBuild([source('ocaml', ['ocaml'])], nothing))).toMatchObject({
    code: 'BUILD_CYCLE',
    cycles: [{ members: ['ocaml'], path: ['ocaml', 'ocaml'] }],
  });
  expect(planBuild([source('ocaml', ['ocaml'])], only('ocaml')).waves).toEqual([['ocaml']]);
});

test('what is built already is not planned and nobody waits for it', () => {
  const nodes = [source('app', ['tool']), source('tool', ['lib']), source('lib', ['app'])];
  expect(planBuild(nodes, nothing, { built: new Set(['tool']) }).waves).toEqual([['app'], ['lib']]);
});

test('sources of different arches do not see each other, noarch packages are seen by all', () => {
  const nodes = [
    source('lib', [], { arch: 'x86_64' }),
    source('app', ['lib-devel'], { arch: 'x86_64' }),
    source('app', ['lib-devel', 'docs'], { arch: 'aarch64' }),
    source('docs', ['lib-devel'], { arch: 'x86_64', noarch: true }),
  ];
  const plan = planBuild(nodes, only('lib-devel'));
  expect(plan.waves).toEqual([['lib.x86_64'], ['app.x86_64', 'docs.x86_64'], ['app.aarch64']]);
});

test('refuses two sources of one name, and an id it does not know', () => {
  expect(() => planBuild([source('a'), source('a')], nothing)).toThrow(TypeError);
  expect(() => planBuild([source('a')], nothing).needs('b')).toThrow(RangeError);
});

test('plans a chain that is longer than the stack is deep', () => {
  const nodes = Array.from({ length: 30_000 }, (_, at) => source(`s${at}`, at === 0 ? [] : [`s${at - 1}`]));
  expect(planBuild(nodes, nothing).waves).toHaveLength(30_000);
});
