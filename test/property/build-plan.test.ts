import { type BuildNode, planBuild } from '@distrokit/build';
import fc from 'fast-check';
import { expect, test } from 'vitest';

/** Random sources; each makes a library with its devel package and may need any of the others, itself included. */
const sources = fc
  .integer({ min: 1, max: 14 })
  .chain((count) => {
    const other = fc.integer({ min: 0, max: count - 1 });
    return fc.array(fc.record({ needs: fc.array(other, { maxLength: 3 }), runs: fc.array(other, { maxLength: 2 }) }), {
      minLength: count,
      maxLength: count,
    });
  })
  .map((rows) =>
    rows.map(
      ({ needs, runs }, at): BuildNode => ({
        name: `s${at}`,
        buildRequires: needs.map((need) => `lib${need}-devel`),
        packages: [
          { name: `lib${at}`, provides: [`lib${at} = 1`], requires: runs.map((run) => `lib${run}`) },
          { name: `lib${at}-devel`, provides: [], requires: [`lib${at}`] },
        ],
      }),
    ),
  );

const present = fc
  .uniqueArray(fc.integer({ min: 0, max: 13 }), { maxLength: 5 })
  .map((seed) => new Set(seed.map((at) => `lib${at}-devel`)));

test('a shuffled input gives the same plan', () => {
  fc.assert(
    fc.property(sources, present, fc.infiniteStream(fc.nat()), (nodes, seed, random) => {
      const shuffle = <Item>(items: readonly Item[]): Item[] =>
        items
          .map((item) => ({ item, key: random.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ item }) => item);
      const shuffled = shuffle(nodes).map((node) => ({
        ...node,
        buildRequires: shuffle(node.buildRequires),
        packages: (node.packages ?? []).map((pkg) => ({ ...pkg, requires: shuffle(pkg.requires ?? []) })),
      }));
      const has = (dependency: string): boolean => seed.has(dependency);
      const { needs, dependents, ...one } = planBuild(nodes, has, { cycles: 'break' });
      const { needs: _needs, dependents: _dependents, ...two } = planBuild(shuffled, has, { cycles: 'break' });
      expect(two).toEqual(one);
      expect(nodes.map((node) => needs(node.name).map((need) => need.on))).toEqual(
        nodes.map((node) => _needs(node.name).map((need) => need.on)),
      );
      expect(dependents(['s0'])).toEqual(_dependents(['s0']));
    }),
    { numRuns: 500 },
  );
});

test('carrying out a plan, no build lacks anything but what the plan says it does', () => {
  fc.assert(
    fc.property(sources, present, (nodes, seed) => {
      const plan = planBuild(nodes, (dependency) => seed.has(dependency), { cycles: 'break' });
      const packages = new Map(
        nodes.flatMap((node) =>
          (node.packages ?? []).map((pkg) => [pkg.name, { source: node.name, requires: pkg.requires ?? [] }]),
        ),
      );
      const broken = new Map(
        plan.cycles.flatMap((cycle) => cycle.breaks).map((edge) => [`${edge.node} ${edge.dependency}`, edge]),
      );
      const built = new Set<string>();
      const installable = (name: string, seen = new Set<string>()): boolean => {
        if (seen.has(name)) return true;
        seen.add(name);
        const pkg = packages.get(name);
        return pkg !== undefined && built.has(pkg.source) && pkg.requires.every((each) => installable(each, seen));
      };
      const carryOut = (waves: readonly (readonly string[])[], complete: boolean): void => {
        for (const wave of waves) {
          for (const id of wave) {
            const node = nodes.find((each) => each.name === id);
            for (const need of node?.buildRequires ?? []) {
              const edge = broken.get(`${id} ${need}`);
              if (edge === undefined || complete) expect([id, need, installable(need)]).toEqual([id, need, true]);
              else expect(edge.available).toBe(seed.has(need));
            }
          }
          for (const id of wave) built.add(id);
        }
      };
      carryOut(plan.waves, false);
      expect([...built].sort()).toEqual(nodes.map((node) => node.name).sort());
      carryOut(plan.rebuild, true);
      expect(plan.rebuild.length > 0).toBe(plan.bootstrap.length > 0);
    }),
    { numRuns: 500 },
  );
});

test('a plan without cycles has no breaks, and every wave could not begin earlier', () => {
  fc.assert(
    fc.property(sources, (nodes) => {
      // Needs that point backwards only: no cycle is possible.
      const acyclic = nodes.map((node, at) => ({
        ...node,
        buildRequires: node.buildRequires.filter((need) => Number(/\d+/.exec(need)?.[0]) < at),
        packages: (node.packages ?? []).map((pkg) => ({
          ...pkg,
          requires: (pkg.requires ?? []).filter((each) => Number(/\d+/.exec(each)?.[0]) <= at),
        })),
      }));
      const plan = planBuild(acyclic, () => false);
      expect(plan.cycles).toEqual([]);
      const waveOf = new Map(plan.waves.flatMap((wave, at) => wave.map((id) => [id, at] as const)));
      for (const node of acyclic) {
        const last = Math.max(-1, ...plan.needs(node.name).map((need) => waveOf.get(need.on) ?? Number.NaN));
        expect(waveOf.get(node.name)).toBe(last + 1);
      }
    }),
    { numRuns: 300 },
  );
});

test('planned again as packages appear, everything is built that can be, and nothing too early', () => {
  fc.assert(
    fc.property(sources, present, fc.uniqueArray(fc.nat(13)), (truth, seed, late) => {
      const has = (dependency: string): boolean => seed.has(dependency);
      // Of some sources nobody knows beforehand what they make.
      const unknown = new Set(late.map((at) => `s${at}`));
      let nodes = truth.map((node) => (unknown.has(node.name) ? { ...node, packages: [] } : node));
      const built = new Set<string>();
      const truthOf = new Map(truth.map((node) => [node.name, node]));
      const sourceOf = (pkg: string): string => `s${/\d+/.exec(pkg)?.[0]}`;
      const installable = (name: string, seen = new Set<string>()): boolean => {
        if (has(name) || seen.has(name)) return true;
        seen.add(name);
        const pkg = truthOf.get(sourceOf(name))?.packages?.find((each) => each.name === name);
        return (
          pkg !== undefined &&
          built.has(sourceOf(name)) &&
          (pkg.requires ?? []).every((each) => installable(each, seen))
        );
      };
      for (;;) {
        const plan = planBuild(nodes, has, { built, unresolved: 'defer', cycles: 'break' });
        const planned = new Set(plan.waves.flat());
        const deferred = new Set(plan.deferred.map((each) => each.node));
        expect([...planned, ...deferred, ...built].sort()).toEqual(truth.map((node) => node.name).sort());
        const without = new Map(plan.bootstrap.map((each) => [each.node, new Set(each.without)]));
        const [wave] = plan.waves;
        if (wave === undefined) {
          // What is left waits for something that nobody makes, or for another that does.
          for (const { node, dependency } of plan.deferred)
            expect([node, dependency, installable(dependency)]).toEqual([node, dependency, false]);
          break;
        }
        for (const id of wave) {
          for (const need of truthOf.get(id)?.buildRequires ?? []) {
            if (without.get(id)?.has(need) !== true) expect([id, need, installable(need)]).toEqual([id, need, true]);
          }
        }
        for (const id of wave) built.add(id);
        nodes = nodes.map((node) => (built.has(node.name) ? (truthOf.get(node.name) as BuildNode) : node));
      }
    }),
    { numRuns: 500 },
  );
});
