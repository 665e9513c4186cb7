/**
 * The order of a build: waves in which everything may run at once, cycles and how to break them.
 *
 * A source stands in the first wave after everything that has to be installed for it is built: its
 * BuildRequires, and what their packages require in turn. The plan depends on what is in it, not on the order in
 * which it was handed over.
 */
import type { Dependency } from '@distrokit/rpm';
import { type BuildCycle, breakCycles, type Cuts, components, successors } from './build-cycle.js';
import { type BuildGraph, type BuildNode, buildGraph, nodeId, plainText, type Resolution } from './build-graph.js';
import { BuildError } from './errors.js';

/** What is known and wanted beyond the sources themselves. */
export interface PlanOptions {
  /**
   * Where a cycle can only be broken by building without something that nobody has: `throw` BUILD_CYCLE, or `break` it
   * as suggested. Default `throw`. Cycles that repositories resolve are broken either way.
   */
  readonly cycles?: 'throw' | 'break';
  /** Ids of sources that are built already: they are not planned, and nobody waits for them. */
  readonly built?: ReadonlySet<string>;
  /**
   * Where something is in no source's packages and in no repository: `throw` BUILD_UNRESOLVED, or `defer` the sources that wait
   * for it. Default `throw`. What packages provide is often known only once they are built: `defer`, build, and plan again.
   */
  readonly unresolved?: 'throw' | 'defer';
}

/** Why one source waits for another. */
export interface BuildNeed {
  readonly node: string;
  /** The source it waits for. */
  readonly on: string;
  /** The BuildRequires behind it. */
  readonly dependency: string;
  /** Packages from the one that satisfies it to the one that `on` makes; the later are Requires of the earlier. */
  readonly through: readonly string[];
}

/** A source that is built without something that its cycle does not let it have. */
export interface BootstrapBuild {
  readonly node: string;
  readonly without: readonly string[];
}

/** An order of builds. */
export interface BuildPlan {
  /** Ids, sorted; a wave may begin when the one before it has ended. */
  readonly waves: readonly (readonly string[])[];
  readonly cycles: readonly BuildCycle[];
  /** Sources of the waves that are built without something, to be built again by `rebuild`. */
  readonly bootstrap: readonly BootstrapBuild[];
  /** Members of broken cycles once more, with everything there. Empty when nothing was left out. */
  readonly rebuild: readonly (readonly string[])[];
  /** Sources left out with `unresolved: 'defer'`: what nobody has, or only another deferred source. Sorted. */
  readonly deferred: readonly Unresolved[];
  /** What a source waits for, one entry per source waited for, sorted. Throws RangeError for an unknown id. */
  needs(id: string): readonly BuildNeed[];
  /** Every source that waits for one of these, directly or not, sorted. */
  dependents(ids: Iterable<string>): readonly string[];
}

/** Something that neither the plan nor a repository has. */
export interface Unresolved {
  readonly node: string;
  readonly dependency: string;
  /** The package that requires it; absent when it is a BuildRequires. */
  readonly package?: string;
}

/**
 * Plans the build of sources.
 *
 * `available` answers for what lies in repositories, for plain dependencies only; rich ones are taken apart first.
 * Throws BUILD_UNRESOLVED (who wants what, unless deferred), BUILD_CYCLE (the cycle, and what to leave out), RPM_BAD_DEPENDENCY.
 */
export function planBuild(
  nodes: readonly BuildNode[],
  available: (dependency: string) => boolean,
  options: PlanOptions = {},
): BuildPlan {
  const built = options.built ?? new Set<string>();
  const known =
    built.size === 0 ? nodes : nodes.map((node) => (built.has(nodeId(node)) ? { ...node, buildRequires: [] } : node));
  const has = availability(available);
  let graph = buildGraph(known);
  const unresolved = findUnresolved(graph, has);
  let deferred: readonly Unresolved[] = [];
  if (unresolved.length > 0) {
    if (options.unresolved !== 'defer') throw unresolvedError(unresolved);
    deferred = findDeferred(graph, has);
    const left = new Set(deferred.map(({ node }) => node));
    graph = buildGraph(known.filter((node) => !left.has(nodeId(node))));
  }
  const { cycles, cuts } = breakCycles(graph, (need) => has(need));
  const bootstrap = bootstrapBuilds(cycles);
  if (bootstrap.length > 0 && options.cycles !== 'break') throw cycleError(cycles);
  return {
    waves: wavesOf(graph, cuts, built),
    cycles,
    bootstrap,
    rebuild: bootstrap.length === 0 ? [] : rebuildWaves(graph, cuts, cycles),
    deferred,
    needs: (id) => needsOf(graph, cuts, id),
    dependents: (ids) => dependentsOf(graph, ids),
  };
}

/** Asks each plain dependency once. A need is available when one of its alternatives is. */
function availability(available: (dependency: string) => boolean): (need: Resolution) => boolean {
  const asked = new Map<string, boolean>();
  const ask = (dependency: Dependency): boolean => {
    const text = plainText(dependency);
    const answer = asked.get(text) ?? available(text);
    asked.set(text, answer);
    return answer;
  };
  return (need) => need.plain.some(ask);
}

/** BuildRequires nobody has, and Requires nobody has of packages that a root in this plan would hold. */
function findUnresolved(graph: BuildGraph, has: (need: Resolution) => boolean): Unresolved[] {
  const result: Unresolved[] = [];
  const sources = graph.ids.length;
  const missing = (need: Resolution): boolean => need.providers.length === 0 && !need.optional && !has(need);
  const seen = new Set<number>();
  const queue: number[] = [];
  const visit = (need: Resolution): void => {
    for (const provider of need.providers) {
      if (!seen.has(provider)) {
        seen.add(provider);
        queue.push(provider);
      }
    }
  };
  for (const [vertex, needs] of graph.buildNeeds.entries()) {
    for (const need of needs) {
      if (missing(need)) result.push({ node: graph.ids[vertex] as string, dependency: need.text });
      visit(need);
    }
  }
  for (let vertex = queue.pop(); vertex !== undefined; vertex = queue.pop()) {
    for (const need of graph.runtimeNeeds[vertex - sources] as readonly Resolution[]) {
      if (missing(need)) {
        const node = graph.ids[graph.sourceOf[vertex - sources] as number] as string;
        result.push({ node, dependency: need.text, package: graph.packageNames[vertex - sources] as string });
      }
      visit(need);
    }
  }
  return result.sort(
    (a, b) =>
      compareText(a.node, b.node) ||
      compareText(a.package ?? '', b.package ?? '') ||
      compareText(a.dependency, b.dependency),
  );
}

/**
 * Sources that cannot be built with what is known: a BuildRequires has no provider that can be installed, or only such of
 * sources that cannot be built either. Whoever waits for them is found by going backwards, once along each edge.
 */
function findDeferred(graph: BuildGraph, has: (need: Resolution) => boolean): Unresolved[] {
  const sources = graph.ids.length;
  const total = sources + graph.packageNames.length;
  const needsAt = (vertex: number): readonly Resolution[] =>
    (vertex < sources ? graph.buildNeeds[vertex] : graph.runtimeNeeds[vertex - sources]) ?? [];
  const lost = new Uint8Array(total);
  const waiting: number[][] = Array.from({ length: total }, () => []);
  for (const [at, source] of graph.sourceOf.entries()) waiting[source]?.push(sources + at);
  const unmet = (need: Resolution): boolean =>
    !need.optional && need.providers.every((provider) => lost[provider] === 1) && !has(need);
  const queue: number[] = [];
  const lose = (vertex: number): void => {
    if (lost[vertex] === 1) return;
    lost[vertex] = 1;
    queue.push(vertex);
  };
  for (let vertex = 0; vertex < total; vertex += 1) {
    for (const need of needsAt(vertex)) {
      for (const provider of need.providers) waiting[provider]?.push(vertex);
      if (unmet(need)) lose(vertex);
    }
  }
  for (let vertex = queue.pop(); vertex !== undefined; vertex = queue.pop()) {
    for (const next of waiting[vertex] ?? []) {
      if (graph.sourceOf[next - sources] === vertex || needsAt(next).some(unmet)) lose(next);
    }
  }
  return graph.ids.flatMap((node, vertex) => {
    if (lost[vertex] !== 1) return [];
    const missing = new Set(
      needsAt(vertex)
        .filter(unmet)
        .map((need) => need.text),
    );
    return [...missing].sort().map((dependency): Unresolved => ({ node, dependency }));
  });
}

/** Each source in the wave after the last of those it waits for. */
function wavesOf(graph: BuildGraph, cuts: Cuts, built: ReadonlySet<string>): string[][] {
  const sources = graph.ids.length;
  const total = sources + graph.packageNames.length;
  const wave = new Int32Array(total);
  const waves: string[][] = [];
  const all = Int32Array.from({ length: total }, (_, vertex) => vertex);
  // Components come after what they wait for. One of several vertices is packages only: they share a wave.
  for (const part of components(graph, all, cuts)) {
    let first = 0;
    for (const vertex of part) {
      for (const target of successors(graph, vertex, cuts)) {
        const own = target < sources && !built.has(graph.ids[target] as string) ? 1 : 0;
        first = Math.max(first, (wave[target] as number) + own);
      }
    }
    for (const vertex of part) {
      wave[vertex] = first;
      if (vertex >= sources || built.has(graph.ids[vertex] as string)) continue;
      while (waves.length <= first) waves.push([]);
      waves[first]?.push(graph.ids[vertex] as string);
    }
  }
  for (const each of waves) each.sort();
  return waves;
}

/** Members of cycles in the order of the first pass: their cut needs are met by what that pass made. */
function rebuildWaves(graph: BuildGraph, cuts: Cuts, cycles: readonly BuildCycle[]): string[][] {
  const members = new Set(
    cycles.filter((cycle) => cycle.breaks.some((each) => !each.available)).flatMap((cycle) => cycle.members),
  );
  return wavesOf(graph, cuts, new Set())
    .map((wave) => wave.filter((id) => members.has(id)))
    .filter((wave) => wave.length > 0);
}

function bootstrapBuilds(cycles: readonly BuildCycle[]): BootstrapBuild[] {
  const without = new Map<string, string[]>();
  for (const edge of cycles.flatMap((cycle) => cycle.breaks)) {
    if (!edge.available) without.set(edge.node, [...(without.get(edge.node) ?? []), edge.dependency]);
  }
  return [...without].map(([node, texts]) => ({ node, without: texts })).sort((a, b) => compareText(a.node, b.node));
}

function needsOf(graph: BuildGraph, cuts: Cuts, id: string): BuildNeed[] {
  const start = vertexOf(graph, id);
  const sources = graph.ids.length;
  const found = new Map<number, BuildNeed>();
  const cut = cuts.get(start);
  for (const need of graph.buildNeeds[start] as readonly Resolution[]) {
    if (cut?.has(need) === true) continue;
    const from = new Map<number, number | undefined>(need.providers.map((provider) => [provider, undefined]));
    for (const vertex of from.keys()) {
      const on = graph.sourceOf[vertex - sources] as number;
      if (on !== start && !found.has(on)) {
        const through: string[] = [];
        for (let back: number | undefined = vertex; back !== undefined; back = from.get(back)) {
          through.unshift(graph.packageNames[back - sources] as string);
        }
        found.set(on, { node: id, on: graph.ids[on] as string, dependency: need.text, through });
      }
      for (const target of successors(graph, vertex, cuts)) {
        if (target >= sources && !from.has(target)) from.set(target, vertex);
      }
    }
  }
  return [...found.values()].sort((a, b) => compareText(a.on, b.on));
}

function dependentsOf(graph: BuildGraph, ids: Iterable<string>): string[] {
  const total = graph.ids.length + graph.packageNames.length;
  const none: Cuts = new Map();
  const waiting: number[][] = Array.from({ length: total }, () => []);
  for (let vertex = 0; vertex < total; vertex += 1) {
    for (const target of successors(graph, vertex, none)) waiting[target]?.push(vertex);
  }
  const start = [...ids].map((id) => vertexOf(graph, id));
  const seen = new Set<number>();
  const queue = [...start];
  for (let vertex = queue.pop(); vertex !== undefined; vertex = queue.pop()) {
    for (const next of waiting[vertex] ?? []) {
      if (!seen.has(next)) {
        seen.add(next);
        queue.push(next);
      }
    }
  }
  return [...seen]
    .filter((vertex) => vertex < graph.ids.length)
    .map((vertex) => graph.ids[vertex] as string)
    .sort();
}

function vertexOf(graph: BuildGraph, id: string): number {
  let low = 0;
  let high = graph.ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((graph.ids[middle] as string) < id) low = middle + 1;
    else high = middle;
  }
  if (graph.ids[low] !== id) throw new RangeError(`"id": the plan has no source ${JSON.stringify(id)}`);
  return low;
}

function unresolvedError(unresolved: readonly Unresolved[]): BuildError {
  const [first] = unresolved;
  const who = first?.package === undefined ? first?.node : `${first.package} (of ${first.node})`;
  const more = unresolved.length === 1 ? '' : `, and ${unresolved.length - 1} more`;
  return new BuildError(
    { code: 'BUILD_UNRESOLVED', unresolved },
    `plan: ${who} wants ${first?.dependency}, which no source makes and no repository has${more}`,
  );
}

function cycleError(cycles: readonly BuildCycle[]): BuildError {
  const hard = cycles.filter((cycle) => cycle.breaks.some((each) => !each.available));
  const [first] = hard;
  const edge = first?.breaks.find((each) => !each.available);
  const more = hard.length === 1 ? '' : `; ${hard.length - 1} more cycles`;
  return new BuildError(
    { code: 'BUILD_CYCLE', cycles: hard },
    `plan: ${first?.path.join(' → ')} is a cycle; it can begin with ${edge?.node} built without ${edge?.dependency}${more}`,
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
