import { planArches } from '@distrokit/build';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const el10 = ['x86_64', 'x86_64_v2', 'aarch64', 'ppc64le', 's390x'];

test('a source without words is built on every wanted arch, in the given order', () => {
  expect(planArches({}, ['i686', 'x86_64', 'i686'])).toEqual({
    build: ['i686', 'x86_64'],
    excluded: [],
    noarchOn: [],
    noarchAnywhere: false,
  });
});

test('says for each arch that is left out which tag did it', () => {
  const plan = planArches({ exclusiveArchs: ['x86_64', 'aarch64', 's390x'], excludeArchs: ['s390x'] }, [
    'aarch64',
    'ppc64le',
    's390x',
  ]);
  expect(plan.build).toEqual(['aarch64']);
  expect(plan.excluded).toEqual([
    { arch: 'ppc64le', by: 'ExclusiveArch', words: ['x86_64', 'aarch64', 's390x'] },
    { arch: 's390x', by: 'ExcludeArch', words: ['s390x'] },
  ]);
});

test('x86_64_v2 is allowed and barred with x86_64, and x86_64 not with x86_64_v2', () => {
  expect(planArches({ exclusiveArchs: ['x86_64'] }, el10).build).toEqual(['x86_64', 'x86_64_v2']);
  expect(planArches({ excludeArchs: ['x86_64'] }, el10).build).toEqual(['aarch64', 'ppc64le', 's390x']);
  expect(planArches({ excludeArchs: ['x86_64_v2'] }, el10).build).toEqual(['x86_64', 'aarch64', 'ppc64le', 's390x']);
  expect(planArches({ buildArchs: ['x86_64'] }, el10).build).toEqual(['x86_64', 'x86_64_v2']);
});

test('one member of ix86 in ExclusiveArch allows another; a family macro names them all', () => {
  expect(planArches({ exclusiveArchs: ['i386'] }, ['i686', 'x86_64']).build).toEqual(['i686']);
  expect(planArches({ exclusiveArchs: ['%{ix86}', 'aarch64'] }, ['i686', 'x86_64', 'aarch64']).build).toEqual([
    'i686',
    'aarch64',
  ]);
  expect(planArches({ excludeArchs: ['%ix86', '%{?power64}'] }, ['i686', 'x86_64', 'ppc64le']).build).toEqual([
    'x86_64',
  ]);
  expect(planArches({ excludeArchs: ['i386'] }, ['i686']).build).toEqual(['i686']);
});

test('a noarch source is built once, on any wanted arch', () => {
  expect(planArches({ buildArchs: ['noarch'] }, ['x86_64', 'aarch64'])).toEqual({
    build: ['noarch'],
    excluded: [
      { arch: 'x86_64', by: 'BuildArch', words: ['noarch'] },
      { arch: 'aarch64', by: 'BuildArch', words: ['noarch'] },
    ],
    noarchOn: ['x86_64', 'aarch64'],
    noarchAnywhere: true,
  });
});

test('a noarch source with ExclusiveArch is built on one of those arches only', () => {
  const plan = planArches({ buildArchs: ['noarch'], exclusiveArchs: ['aarch64', 's390x', 'noarch'] }, [
    'x86_64',
    'aarch64',
  ]);
  expect(plan).toMatchObject({ build: ['noarch'], noarchOn: ['aarch64'], noarchAnywhere: false });
});

test('a noarch source that no wanted arch may build is left out with the reason', () => {
  const plan = planArches({ buildArchs: ['noarch'], excludeArchs: ['x86_64'] }, ['x86_64', 'x86_64_v2']);
  expect(plan).toMatchObject({ build: [], noarchOn: [], noarchAnywhere: false });
  expect(plan.excluded).toContainEqual({ arch: 'noarch', by: 'ExcludeArch', words: ['x86_64'] });
});

test('noarch in ExcludeArch bars the noarch build', () => {
  const plan = planArches({ buildArchs: ['noarch'], excludeArchs: ['noarch'] }, ['x86_64']);
  expect(plan.build).toEqual([]);
  expect(plan.excluded).toContainEqual({ arch: 'noarch', by: 'ExcludeArch', words: ['noarch'] });
});

test('an arch that the source names and nobody wants is not built', () => {
  const plan = planArches({ buildArchs: ['i586', 'i686', 'sparc64'] }, ['i686', 'x86_64']);
  expect(plan.build).toEqual(['i586', 'i686']);
  expect(plan.excluded).toContainEqual({ arch: 'sparc64', by: 'targets', words: ['i686', 'x86_64'] });
});

/** Koji's two functions word for word, on arches that are their own families. */
function koji(
  tag: readonly string[],
  build: readonly string[],
  exclusive: readonly string[],
  exclude: readonly string[],
) {
  let list = build.length > 0 ? [...build] : [...tag];
  if (exclusive.length > 0) list = list.filter((arch) => exclusive.includes(arch));
  if (exclude.length > 0) list = list.filter((arch) => !exclude.includes(arch));
  if (!exclude.includes('noarch') && (build.includes('noarch') || exclusive.includes('noarch'))) list.push('noarch');
  const kept = [...new Set(list.filter((arch) => arch === 'noarch' || tag.includes(arch)))];
  let on = [...tag];
  if (exclusive.length > 0) on = on.filter((arch) => exclusive.includes(arch));
  if (exclude.length > 0) on = on.filter((arch) => !exclude.includes(arch));
  return { kept, on };
}

test('agrees with Koji for every combination of words', () => {
  const arches = ['x86_64', 'aarch64', 'ppc64le', 's390x', 'riscv64'];
  const words = fc.uniqueArray(fc.constantFrom(...arches, 'noarch'), { maxLength: 4 });
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.constantFrom(...arches), { minLength: 1 }),
      words,
      words,
      words,
      (tag, build, exclusive, exclude) => {
        const theirs = koji(tag, build, exclusive, exclude);
        const plan = planArches({ buildArchs: build, exclusiveArchs: exclusive, excludeArchs: exclude }, tag);
        // Where no machine is left for the noarch task Koji fails the whole build; the plan leaves that task out.
        const kept = theirs.on.length === 0 ? theirs.kept.filter((arch) => arch !== 'noarch') : theirs.kept;
        expect([...plan.build].sort()).toEqual([...kept].sort());
        if (plan.build.includes('noarch')) {
          expect(plan.noarchOn).toEqual(theirs.on);
          expect(plan.noarchAnywhere).toBe(theirs.on.length === tag.length);
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

test('every wanted arch is either built or excluded with a reason', () => {
  const word = fc.constantFrom(
    'x86_64',
    'x86_64_v2',
    'x86_64_v3',
    'i386',
    'i686',
    'aarch64',
    'noarch',
    '%{ix86}',
    '%{nonsense}',
  );
  const words = fc.array(word, { maxLength: 4 });
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.constantFrom('x86_64', 'x86_64_v2', 'i686', 'aarch64')),
      words,
      words,
      words,
      (targets, a, b, c) => {
        const plan = planArches({ buildArchs: a, exclusiveArchs: b, excludeArchs: c }, targets);
        for (const arch of targets) {
          const reasons = plan.excluded.filter((each) => each.arch === arch).length;
          expect(plan.build.filter((each) => each === arch).length + reasons).toBe(1);
        }
      },
    ),
  );
});
