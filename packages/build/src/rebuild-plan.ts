/**
 * What has to be built again, and why: the source changed, something it is built with changed, the last try
 * failed, or somebody asks for it.
 *
 * Reference: obs-build, PBuild/Checker.pm (reasons: new build, source change, meta change, forced)
 */
import { type BuildNode, nodeId } from './build-graph.js';
import { type BuildPlan, type PlanOptions, planBuild } from './build-plan.js';

/** A source with the identity of its content. */
export interface RebuildNode extends BuildNode {
  /** Digest of spec, sources and patches, in any form that changes with them. */
  readonly sourceDigest: string;
}

/** What is known of the last build of a source. */
export interface PreviousBuild {
  readonly sourceDigest: string;
  readonly failed?: boolean;
}

/** Why a source is built. `on`: the sources or outside dependencies that changed, sorted. */
export type RebuildReason =
  | { readonly kind: 'new' | 'source' | 'failed' | 'forced' }
  | { readonly kind: 'meta'; readonly on: readonly string[] };

/** What decides about rebuilding. */
export interface RebuildOptions extends PlanOptions {
  /**
   * How far a change reaches: `local` rebuilds only what changed itself, `direct` also what names it in BuildRequires,
   * `transitive` also what waits for those.
   */
  readonly reach: 'local' | 'direct' | 'transitive';
  readonly forced?: ReadonlySet<string>;
  /** Whether what a repository has for a BuildRequires is another package than last time. Not asked when `reach` is `local`. */
  readonly changedOutside?: (dependency: string) => boolean;
}

/** A plan of those sources that need building, and the reason for each. */
export interface RebuildPlan {
  readonly plan: BuildPlan;
  /** By id, in the order of ids. */
  readonly reasons: ReadonlyMap<string, RebuildReason>;
}

/** Plans a rebuild. Sources without a reason count as built. Throws as `planBuild`. */
export function planRebuild(
  nodes: readonly RebuildNode[],
  available: (dependency: string) => boolean,
  previous: ReadonlyMap<string, PreviousBuild>,
  options: RebuildOptions,
): RebuildPlan {
  const byId = new Map(nodes.map((node) => [nodeId(node), node]));
  const found = new Map<string, RebuildReason>();
  for (const [id, node] of byId) {
    const last = previous.get(id);
    if (options.forced?.has(id) === true) found.set(id, { kind: 'forced' });
    else if (last === undefined) found.set(id, { kind: 'new' });
    else if (last.sourceDigest !== node.sourceDigest) found.set(id, { kind: 'source' });
    else if (last.failed === true) found.set(id, { kind: 'failed' });
  }
  if (options.reach !== 'local') {
    const whole = planBuild(nodes, available, { ...options, cycles: 'break' });
    const changed = new Map<string, Set<string>>();
    const mark = (id: string, on: string): void => {
      if (found.has(id)) return;
      changed.set(id, (changed.get(id) ?? new Set()).add(on));
    };
    for (const [id, node] of byId) {
      for (const dependency of node.buildRequires)
        if (options.changedOutside?.(dependency) === true) mark(id, dependency);
    }
    const needs = new Map([...byId.keys()].map((id) => [id, whole.needs(id)]));
    const waiting = new Map<string, string[]>();
    for (const [id, list] of needs) {
      for (const need of list) {
        // Reached through another package's Requires is not direct.
        if (options.reach === 'direct' && need.through.length > 1) continue;
        waiting.set(need.on, [...(waiting.get(need.on) ?? []), id]);
      }
    }
    const queue = [...found.keys(), ...changed.keys()];
    const direct = options.reach === 'direct' ? queue.length : Number.POSITIVE_INFINITY;
    for (let at = 0; at < queue.length && at < direct; at += 1) {
      const id = queue[at] as string;
      for (const next of waiting.get(id) ?? []) {
        if (!found.has(next) && !changed.has(next)) queue.push(next);
        mark(next, id);
      }
    }
    for (const [id, on] of changed) found.set(id, { kind: 'meta', on: [...on].sort() });
  }
  const built = new Set([...byId.keys()].filter((id) => !found.has(id)));
  const reasons = new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    plan: planBuild(nodes, available, { ...options, built: new Set([...built, ...(options.built ?? [])]) }),
    reasons,
  };
}
