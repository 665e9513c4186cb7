/**
 * Cycles of a build graph: found, and broken where it costs least.
 *
 * In each strongly connected part that holds a source, the source with the fewest needs inside the part is built
 * first without them; what the repositories already have counts less than what nobody has. Then the rest of
 * the part is looked at again. Equal costs are settled by name, so the answer does not depend on any order.
 *
 * Reference: Tarjan, Depth-first search and linear graph algorithms, 1972; obs-build, PBuild/Depsort.pm
 */
import type { BuildGraph, Resolution } from './build-graph.js';

/** An edge that a plan leaves out so that it can begin. */
export interface BrokenEdge {
  /** The source that is built without waiting. */
  readonly node: string;
  /** What it would wait for. */
  readonly dependency: string;
  /** Sources that make it. */
  readonly providers: readonly string[];
  /** True when a repository has it meanwhile; false when the build has to do without it (a bootstrap build). */
  readonly available: boolean;
}

/** A part of the graph in which everything waits for everything. */
export interface BuildCycle {
  /** Sources, sorted. */
  readonly members: readonly string[];
  /** One way around, first source repeated at the end. */
  readonly path: readonly string[];
  /** Edges to leave out: after that the part has an order. */
  readonly breaks: readonly BrokenEdge[];
}

/** Which needs of which source are left out. */
export type Cuts = ReadonlyMap<number, ReadonlySet<Resolution>>;

/** Vertices that a vertex waits for, those behind cut needs left out. A vertex may stand in it twice. */
export function successors(graph: BuildGraph, vertex: number, cuts: Cuts): ArrayLike<number> & Iterable<number> {
  const cut = vertex < graph.ids.length ? cuts.get(vertex) : undefined;
  if (cut === undefined) return graph.targets.subarray(graph.starts[vertex], graph.starts[vertex + 1]);
  return (graph.buildNeeds[vertex] as readonly Resolution[])
    .filter((need) => !cut.has(need))
    .flatMap((need) => need.providers);
}

/** Breaks every cycle of the graph. `available` says whether a repository has what a source needs. */
export function breakCycles(
  graph: BuildGraph,
  available: (need: Resolution, vertex: number) => boolean,
): { readonly cycles: readonly BuildCycle[]; readonly cuts: Cuts } {
  const cuts = new Map<number, Set<Resolution>>();
  const cycles: BuildCycle[] = [];
  const all = Int32Array.from({ length: graph.ids.length + graph.packageNames.length }, (_, vertex) => vertex);
  for (const part of components(graph, all, cuts)) {
    const members = part.filter((vertex) => vertex < graph.ids.length);
    if (members.length === 0 || !isCyclic(graph, part, cuts)) continue;
    const path = wayAround(graph, part, cuts);
    const breaks: BrokenEdge[] = [];
    const open = [part];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      breaks.push(...cutOne(graph, next, cuts, available));
      for (const rest of components(graph, Int32Array.from(next), cuts)) {
        if (rest.some((vertex) => vertex < graph.ids.length) && isCyclic(graph, rest, cuts)) open.push(rest);
      }
    }
    breaks.sort((a, b) => compareText(a.node, b.node) || compareText(a.dependency, b.dependency));
    cycles.push({ members: members.map((vertex) => graph.ids[vertex] as string).sort(), path, breaks });
  }
  cycles.sort((a, b) => compareText(a.members[0] ?? '', b.members[0] ?? ''));
  return { cycles, cuts };
}

/**
 * Strongly connected components within a set of vertices, each after those it waits for. Without recursion:
 * a chain of sources can be longer than the stack is deep.
 */
export function components(graph: BuildGraph, within: Int32Array, cuts: Cuts): number[][] {
  const total = graph.ids.length + graph.packageNames.length;
  const whole = within.length === total;
  // Position in `within`, or -1: a part of a large graph must not cost the size of the whole.
  const places = whole ? undefined : new Map(Array.from(within, (vertex, place) => [vertex, place]));
  const placeOf = (vertex: number): number => (places === undefined ? vertex : (places.get(vertex) ?? -1));
  const index = new Int32Array(within.length).fill(-1);
  const low = new Int32Array(within.length);
  const onStack = new Uint8Array(within.length);
  const stack: number[] = [];
  const result: number[][] = [];
  let entered = 0;
  for (let root = 0; root < within.length; root += 1) {
    if (index[root] !== -1) continue;
    const calls: { readonly place: number; readonly next: ArrayLike<number>; at: number }[] = [];
    const enter = (place: number): void => {
      index[place] = entered;
      low[place] = entered;
      entered += 1;
      stack.push(place);
      onStack[place] = 1;
      calls.push({ place, next: successors(graph, within[place] as number, cuts), at: 0 });
    };
    enter(root);
    for (let call = calls.at(-1); call !== undefined; call = calls.at(-1)) {
      const target = call.next[call.at];
      if (target !== undefined) {
        call.at += 1;
        const place = placeOf(target);
        if (place === -1) continue;
        if (index[place] === -1) enter(place);
        else if (onStack[place] === 1) low[call.place] = Math.min(low[call.place] as number, index[place] as number);
        continue;
      }
      calls.pop();
      const mine = low[call.place] as number;
      const parent = calls.at(-1);
      if (parent !== undefined) low[parent.place] = Math.min(low[parent.place] as number, mine);
      if (mine !== index[call.place]) continue;
      const part: number[] = [];
      for (let place = stack.pop(); place !== undefined; place = stack.pop()) {
        onStack[place] = 0;
        part.push(within[place] as number);
        if (place === call.place) break;
      }
      result.push(part.length === 1 ? part : part.sort((a, b) => a - b));
    }
  }
  return result;
}

/** One vertex alone is a cycle only when it waits for itself. */
function isCyclic(graph: BuildGraph, part: readonly number[], cuts: Cuts): boolean {
  const [only] = part;
  return part.length > 1 || (only !== undefined && Array.from(successors(graph, only, cuts)).includes(only));
}

/** Cuts every need of the cheapest source that leads back into the part. */
function cutOne(
  graph: BuildGraph,
  part: readonly number[],
  cuts: Map<number, Set<Resolution>>,
  available: (need: Resolution, vertex: number) => boolean,
): BrokenEdge[] {
  const inside = new Set(part);
  let best: { readonly vertex: number; readonly needs: readonly Resolution[]; readonly missing: number } | undefined;
  for (const vertex of part) {
    if (vertex >= graph.ids.length) continue;
    const cut = cuts.get(vertex);
    const needs = (graph.buildNeeds[vertex] as readonly Resolution[]).filter(
      (need) => cut?.has(need) !== true && need.providers.some((provider) => inside.has(provider)),
    );
    if (needs.length === 0) continue;
    const missing = needs.filter((need) => !isSpare(need, inside) && !available(need, vertex)).length;
    // Vertices come in the order of their names: the first of equals stays.
    if (
      best === undefined ||
      missing < best.missing ||
      (missing === best.missing && needs.length < best.needs.length)
    ) {
      best = { vertex, needs, missing };
    }
  }
  // A cyclic part that holds a source always has one: a package alone waits for packages and its source only.
  if (best === undefined) return [];
  const { vertex, needs } = best;
  const cut = cuts.get(vertex) ?? new Set<Resolution>();
  cuts.set(vertex, cut);
  const sources = graph.ids.length;
  return needs.map((need) => {
    cut.add(need);
    const providers = new Set(
      need.providers.map((provider) => graph.ids[graph.sourceOf[provider - sources] as number] as string),
    );
    return {
      node: graph.ids[vertex] as string,
      dependency: need.text,
      providers: [...providers].sort(),
      available: isSpare(need, inside) || available(need, vertex),
    };
  });
}

/** Nobody misses this need when it is cut: it is conditional, or something outside of the part provides it too. */
function isSpare(need: Resolution, inside: ReadonlySet<number>): boolean {
  return need.optional || need.providers.some((provider) => !inside.has(provider));
}

/** The shortest way from the first source of a part back to it, as the names of the sources on it. */
function wayAround(graph: BuildGraph, part: readonly number[], cuts: Cuts): string[] {
  const inside = new Set(part);
  const start = part.find((vertex) => vertex < graph.ids.length) as number;
  const from = new Map<number, number>();
  const queue = [start];
  for (let at = 0; at < queue.length; at += 1) {
    const vertex = queue[at] as number;
    for (const target of successors(graph, vertex, cuts)) {
      if (target === start) {
        const way = [start];
        for (let back: number | undefined = vertex; back !== undefined; back = from.get(back))
          if (back < graph.ids.length) way.push(back);
        return way.reverse().map((each) => graph.ids[each] as string);
      }
      if (inside.has(target) && !from.has(target) && target !== start) {
        from.set(target, vertex);
        queue.push(target);
      }
    }
  }
  return [graph.ids[start] as string];
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
