/**
 * Bringing up a new arch: from a seed of foreign packages to a distribution that builds itself.
 *
 * Three passes. `seed`: everything is built in order, with the seed where a cycle or a gap leaves no choice.
 * `own`: everything again, with the packages of the first pass; now nothing of ours was made by a stranger's
 * compiler. `proof`: everything once more, in roots of own packages only; what comes out must equal what the second
 * pass made, and the result hosts itself.
 */
import type { BuildNode } from './build-graph.js';
import { type BuildPlan, planBuild, type Unresolved } from './build-plan.js';
import { BuildError } from './errors.js';

/** One pass over all sources. */
export interface BootstrapPass {
  readonly name: 'seed' | 'own' | 'proof';
  /** Where packages of the root come from, the first that has one wins. */
  readonly roots: readonly ('own' | 'previous pass' | 'seed')[];
  readonly waves: readonly (readonly string[])[];
}

/** How an arch is brought up. */
export interface BootstrapPlan {
  readonly passes: readonly BootstrapPass[];
  readonly seed: BuildPlan;
  /** What the seed lends for good: no source makes it, so the result does not host itself. Empty is the aim. */
  readonly foreign: readonly Unresolved[];
}

/** Plans the passes. `seed` answers for the foreign packages. Throws as `planBuild` for what not even the seed has. */
export function planBootstrap(nodes: readonly BuildNode[], seed: (dependency: string) => boolean): BootstrapPlan {
  const first = planBuild(nodes, seed, { cycles: 'break' });
  const foreign = unresolvedOf(nodes);
  // With the packages of the pass before at hand nobody waits: one wave.
  const all = [first.waves.flat().sort()];
  return {
    passes: [
      { name: 'seed', roots: ['own', 'seed'], waves: [...first.waves, ...first.rebuild] },
      { name: 'own', roots: foreign.length === 0 ? ['previous pass'] : ['previous pass', 'seed'], waves: all },
      { name: 'proof', roots: foreign.length === 0 ? ['previous pass'] : ['previous pass', 'seed'], waves: all },
    ],
    seed: first,
    foreign,
  };
}

function unresolvedOf(nodes: readonly BuildNode[]): readonly Unresolved[] {
  try {
    planBuild(nodes, () => false, { cycles: 'break' });
    return [];
  } catch (cause) {
    if (cause instanceof BuildError && cause.fault.code === 'BUILD_UNRESOLVED') return cause.fault.unresolved;
    throw cause;
  }
}
