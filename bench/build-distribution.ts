/** A made-up distribution with the shape of a real one, the same in every run: for the benchmarks of planning and of the farm. */
import type { BuildNode } from '@distrokit/build';

/** A fixed sequence of numbers below `limit`: the same distribution in every run. */
export function sequence(seed: number): (limit: number) => number {
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
