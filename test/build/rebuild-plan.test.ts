import { type PreviousBuild, planBootstrap, planRebuild, type RebuildNode } from '@distrokit/build';
import { expect, test } from 'vitest';

const node = (name: string, buildRequires: string[] = [], sourceDigest = 'same'): RebuildNode => ({
  name,
  buildRequires,
  sourceDigest,
  packages: [{ name, provides: [`${name} = 1`] }],
});
const built = (...names: string[]) => new Map(names.map((name) => [name, { sourceDigest: 'same' }]));
const nothing = (): boolean => false;
const chain = [node('lib'), node('tool', ['lib']), node('app', ['tool']), node('other')];

test.each([
  ['local', [['lib']], [['lib', { kind: 'source' }]]],
  [
    'direct',
    [['lib'], ['tool']],
    [
      ['lib', { kind: 'source' }],
      ['tool', { kind: 'meta', on: ['lib'] }],
    ],
  ],
  [
    'transitive',
    [['lib'], ['tool'], ['app']],
    [
      ['app', { kind: 'meta', on: ['tool'] }],
      ['lib', { kind: 'source' }],
      ['tool', { kind: 'meta', on: ['lib'] }],
    ],
  ],
] as const)('a changed source reaches %s', (reach, waves, reasons) => {
  const nodes = [node('lib', [], 'changed'), ...chain.slice(1)];
  const result = planRebuild(nodes, nothing, built('lib', 'tool', 'app', 'other'), { reach });
  expect(result.plan.waves).toEqual(waves);
  expect([...result.reasons]).toEqual(reasons);
});

test('tells new, failed and forced builds apart', () => {
  const previous = new Map<string, PreviousBuild>([
    ...built('tool', 'other'),
    ['app', { sourceDigest: 'same', failed: true }],
  ]);
  const result = planRebuild(chain, nothing, previous, { reach: 'local', forced: new Set(['other']) });
  expect([...result.reasons]).toEqual([
    ['app', { kind: 'failed' }],
    ['lib', { kind: 'new' }],
    ['other', { kind: 'forced' }],
  ]);
});

test('a package that changed in a repository rebuilds what is built with it', () => {
  const nodes = [node('a', ['gcc']), node('b', ['a']), node('c', ['make'])];
  const result = planRebuild(nodes, () => true, built('a', 'b', 'c'), {
    reach: 'transitive',
    changedOutside: (dependency) => dependency === 'gcc',
  });
  expect([...result.reasons]).toEqual([
    ['a', { kind: 'meta', on: ['gcc'] }],
    ['b', { kind: 'meta', on: ['a'] }],
  ]);
});

test('nothing changed, nothing to build', () => {
  const result = planRebuild(chain, nothing, built('lib', 'tool', 'app', 'other'), { reach: 'transitive' });
  expect(result.plan.waves).toEqual([]);
  expect(result.reasons.size).toBe(0);
});

test('a new arch is brought up in three passes, and what it never makes itself is named', () => {
  const nodes = [node('gcc', ['glibc']), node('glibc', ['gcc']), node('app', ['gcc', 'firmware'])];
  const plan = planBootstrap(nodes, (dependency) => ['gcc', 'glibc', 'firmware'].includes(dependency));
  expect(plan.passes.map((pass) => [pass.name, pass.waves])).toEqual([
    ['seed', [['gcc'], ['app', 'glibc']]],
    ['own', [['app', 'gcc', 'glibc']]],
    ['proof', [['app', 'gcc', 'glibc']]],
  ]);
  expect(plan.seed.cycles[0]?.breaks).toEqual([
    { node: 'gcc', dependency: 'glibc', providers: ['glibc'], available: true },
  ]);
  expect(plan.foreign).toEqual([{ node: 'app', dependency: 'firmware' }]);
  expect(planBootstrap(nodes.slice(0, 2), () => true).foreign).toEqual([]);
});
