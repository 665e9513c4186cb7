/**
 * How long it takes to plan a mass rebuild: 25,000 sources on 4 arches, with cycles like a real distribution's.
 *
 * There is no peer that plans from BuildRequires at this size on this machine; the yardstick is the same run's time to
 * read the input once (every dependency text looked at), which no planner can undercut.
 *
 *     node --import tsx bench/build-plan.ts [sources]
 */
import { type BuildNode, planBuild } from '@distrokit/build';

/** A fixed sequence of numbers below `limit`: the same distribution in every run. */
function sequence(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** Sources with three packages each; most needs go to the same few hundred, a few point forward and close cycles. */
export function syntheticDistribution(count: number, arches: readonly string[]): BuildNode[] {
  const nodes: BuildNode[] = [];
  for (const arch of arches) {
    const next = sequence(arch.length);
    for (let at = 0; at < count; at += 1) {
      const popular = (): number => Math.floor((next(1_000) / 1_000) ** 4 * at);
      const any = (): number => next(Math.max(1, at));
      const forward = at > 0 && next(200) === 0 ? [`lib${Math.min(count - 1, at + 1 + next(50))}-devel`] : [];
      const needs = Array.from({ length: 12 }, (_, i) => `lib${i < 8 ? popular() : any()}-devel`);
      nodes.push({
        name: `source${at}`,
        arch,
        buildRequires:
          at === 0 ? ['gcc', 'make'] : ['gcc', 'make', ...needs, ...forward, `pkgconfig(lib${any()}) >= 1.0`],
        packages: [
          {
            name: `lib${at}`,
            provides: [`lib${at} = 1.0-1`, `lib${at}.so.1()(64bit)`],
            requires: at === 0 ? [] : [`lib${popular()}.so.1()(64bit)`, `lib${any()}`],
          },
          {
            name: `lib${at}-devel`,
            provides: [`lib${at}-devel = 1.0-1`, `pkgconfig(lib${at}) = 1.0`],
            requires: [`lib${at} = 1.0-1`],
          },
          { name: `tools${at}`, provides: [`/usr/bin/tool${at}`], requires: [`lib${at}.so.1()(64bit)`] },
        ],
      });
    }
  }
  return nodes;
}

const count = Number(process.argv[2] ?? 25_000);
const arches = ['aarch64', 'ppc64le', 's390x', 'x86_64'];
const nodes = syntheticDistribution(count, arches);
const host = new Set(['gcc', 'make']);
const time = <Value>(work: () => Value): [Value, number] => {
  const started = performance.now();
  const value = work();
  return [value, performance.now() - started];
};
const [dependencies, readMs] = time(() => {
  const seen = new Map<string, number>();
  for (const node of nodes) {
    for (const text of node.buildRequires) seen.set(text, (seen.get(text) ?? 0) + 1);
    for (const pkg of node.packages ?? [])
      for (const text of [...pkg.provides, ...(pkg.requires ?? [])]) seen.set(text, (seen.get(text) ?? 0) + 1);
  }
  return [...seen.values()].reduce((sum, each) => sum + each, 0);
});
const [plan, planMs] = time(() => planBuild(nodes, (dependency) => host.has(dependency), { cycles: 'break' }));
const [reached, dependentsMs] = time(() => plan.dependents(['source0.x86_64']).length);
console.log(`sources × arches      ${count} × ${arches.length}`);
console.log(`dependency texts      ${dependencies}`);
console.log(
  `cycles, largest       ${plan.cycles.length}, ${Math.max(0, ...plan.cycles.map((cycle) => cycle.members.length))}`,
);
console.log(`waves                 ${plan.waves.length}`);
console.log(`plan                  ${planMs.toFixed(0)} ms`);
console.log(`reading input once    ${readMs.toFixed(0)} ms (ratio ${(planMs / readMs).toFixed(1)})`);
console.log(`reverse closure       ${dependentsMs.toFixed(0)} ms, ${reached} sources`);
console.log(`memory                ${(process.memoryUsage().rss / 1024 ** 2).toFixed(0)} MiB`);
