/**
 * How long it takes to plan a mass rebuild: 25,000 sources on 4 arches, with cycles like a real distribution's.
 *
 * There is no peer that plans from BuildRequires at this size on this machine; the yardstick is the same run's time to
 * read the input once (every dependency text looked at), which no planner can undercut.
 *
 *     node --import tsx bench/build-plan.ts [sources]
 */
import { planBuild } from '@distrokit/build';
import { syntheticDistribution } from './build-distribution.js';

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
