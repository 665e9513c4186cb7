/**
 * The graph behind a plan: which source has to be built before which, and through what.
 *
 * Two kinds of vertex. A source needs packages (BuildRequires); a package needs its own source to be built,
 * and other packages to be installed (Requires). Cycles among packages alone are normal; a cycle through a
 * source is what a plan has to break.
 *
 * A rich dependency is taken apart into what is needed for certain, what is one of several, and what only
 * matters when something else is there. File dependencies are met by provides that are paths.
 */
import {
  type Dependency,
  formatDependency,
  isRichDependency,
  parseDependency,
  parseRichDependency,
  type RichTerm,
  rangesOverlap,
  richDependencyTerms,
} from '@distrokit/rpm';

/** A binary package as the planner sees it. */
export interface PlanPackage {
  readonly name: string;
  /** `name`, `name = evr`, or a path. The package's own name is provided without being listed. */
  readonly provides: readonly string[];
  readonly requires?: readonly string[];
}

/** One source on one arch: what it needs and what it makes. */
export interface BuildNode {
  /** Name of the source, unique within its arch. */
  readonly name: string;
  /** Sources of different arches do not see each other. Absent: all in one. */
  readonly arch?: string;
  /** Its packages are noarch: sources of every arch see them. */
  readonly noarch?: boolean;
  /** Plain, rich and file dependencies, as in the header. */
  readonly buildRequires: readonly string[];
  /** What its packages provide, when nobody says which package provides what. */
  readonly provides?: readonly string[];
  /** Its packages; their Requires decide what else has to be there before they can be installed in a root. */
  readonly packages?: readonly PlanPackage[];
}

/** What a dependency comes down to among the packages of the plan. */
export interface Resolution {
  readonly text: string;
  /** Vertices of packages that satisfy it. */
  readonly providers: readonly number[];
  /** Part of an `if` or `unless`: it orders, and is never missing. */
  readonly optional: boolean;
  /** Alternatives in plain form, for asking what else has them. */
  readonly plain: readonly Dependency[];
}

/** The graph. Vertices `0 … sources-1` are sources sorted by id, then come packages. */
export interface BuildGraph {
  readonly ids: readonly string[];
  readonly nodes: readonly BuildNode[];
  readonly packageNames: readonly string[];
  /** Source of each package. */
  readonly sourceOf: readonly number[];
  /** What each source needs, sorted by text. */
  readonly buildNeeds: readonly (readonly Resolution[])[];
  /** What each package needs to be installed. */
  readonly runtimeNeeds: readonly (readonly Resolution[])[];
  /** Vertices that vertex `v` waits for: `targets[starts[v] … starts[v + 1])`. A source for packages, a package for its source and packages. */
  readonly starts: Int32Array;
  readonly targets: Int32Array;
}

/** `name`, or `name.arch` for a node with an arch. */
export function nodeId(node: BuildNode): string {
  return node.arch === undefined ? node.name : `${node.name}.${node.arch}`;
}

/** Builds the graph. The order of `nodes` and of what they list does not matter. Throws TypeError for two nodes with one id. */
export function buildGraph(input: readonly BuildNode[]): BuildGraph {
  const nodes = input
    .map((node) => ({ node, id: nodeId(node) }))
    .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  const ids = nodes.map(({ id }) => id);
  for (const [index, id] of ids.entries()) {
    if (id === ids[index + 1]) throw new TypeError(`"nodes": two nodes are called ${JSON.stringify(id)}`);
  }
  const sources = nodes.length;
  const packageNames: string[] = [];
  const sourceOf: number[] = [];
  const requires: (readonly string[])[] = [];
  const index = new ProvideIndex();
  for (const [source, { node }] of nodes.entries()) {
    for (const made of packagesOf(node)) {
      const vertex = sources + packageNames.length;
      packageNames.push(made.name);
      sourceOf.push(source);
      requires.push(made.requires ?? []);
      index.add(node, vertex, made);
    }
  }
  const buildNeeds = nodes.map(({ node }) => index.resolve(node, node.buildRequires));
  const runtimeNeeds = requires.map((texts, at) => {
    if (texts.length === 0) return [];
    const source = sourceOf[at] as number;
    return index.resolve(nodes[source]?.node as BuildNode, texts);
  });
  return {
    ids,
    nodes: nodes.map(({ node }) => node),
    packageNames,
    sourceOf,
    buildNeeds,
    runtimeNeeds,
    ...edgesOf(sourceOf, buildNeeds, runtimeNeeds),
  };
}

/** All edges in two flat arrays: a plan of a whole distribution has millions, and looks at each several times. */
function edgesOf(
  sourceOf: readonly number[],
  buildNeeds: readonly (readonly Resolution[])[],
  runtimeNeeds: readonly (readonly Resolution[])[],
): { readonly starts: Int32Array; readonly targets: Int32Array } {
  const sources = buildNeeds.length;
  const starts = new Int32Array(sources + runtimeNeeds.length + 1);
  const targets: number[] = [];
  for (const [vertex, needs] of buildNeeds.entries()) {
    for (const need of needs) for (const provider of need.providers) targets.push(provider);
    starts[vertex + 1] = targets.length;
  }
  for (const [at, needs] of runtimeNeeds.entries()) {
    const source = sourceOf[at] as number;
    targets.push(source);
    for (const { providers } of needs) {
      // Installing takes one provider: the one of the same source, else the first in the order of names.
      const own =
        providers.length < 2 ? undefined : providers.find((provider) => sourceOf[provider - sources] === source);
      const chosen = own ?? providers[0];
      if (chosen !== undefined && chosen !== sources + at) targets.push(chosen);
    }
    starts[sources + at + 1] = targets.length;
  }
  return { starts, targets: Int32Array.from(targets) };
}

/** What a dependency consists of: groups of alternatives, each needed for certain or only under a condition. */
export function dependencyGroups(
  text: string,
): readonly { readonly plain: readonly Dependency[]; readonly optional: boolean }[] {
  if (!isRichDependency(text)) return [{ plain: [parsePlain(text)], optional: false }];
  return groupsOf(parseRichDependency(text), false);
}

function groupsOf(
  term: RichTerm,
  optional: boolean,
): { readonly plain: readonly Dependency[]; readonly optional: boolean }[] {
  if (!('operator' in term)) return [{ plain: [term], optional }];
  switch (term.operator) {
    case 'and':
      return term.terms.flatMap((each) => groupsOf(each, optional));
    case 'or':
      return [{ plain: richDependencyTerms(term), optional }];
    case 'with':
      // One package has to satisfy all sides. Any provider of the first side orders well enough.
      return groupsOf(term.terms[0], optional);
    case 'without':
      return groupsOf(term.term, optional);
    default:
      return [term.term, ...(term.otherwise === undefined ? [] : [term.otherwise])].flatMap((each) =>
        groupsOf(each, true),
      );
  }
}

function packagesOf(node: BuildNode): readonly PlanPackage[] {
  const listed = node.packages ?? [];
  if (node.provides === undefined) return listed;
  return [...listed, { name: node.name, provides: node.provides }];
}

interface Provide {
  readonly vertex: number;
  readonly dependency: Dependency;
}

const everyArch = '';

/** Who provides what, per arch. Each text is resolved once per arch. */
class ProvideIndex {
  readonly #byArch = new Map<string, Map<string, Provide[]>>();
  readonly #resolved = new Map<string, Map<string, readonly Resolution[]>>();

  add(node: BuildNode, vertex: number, made: PlanPackage): void {
    const arch = node.noarch === true ? everyArch : (node.arch ?? everyArch);
    const names = this.#byArch.get(arch) ?? new Map<string, Provide[]>();
    this.#byArch.set(arch, names);
    let named = false;
    for (const text of made.provides) {
      const dependency = parsePlain(text);
      named ||= dependency.name === made.name;
      push(names, dependency.name, { vertex, dependency });
    }
    if (!named) push(names, made.name, { vertex, dependency: { name: made.name, flags: 0, evr: '' } });
  }

  resolve(node: BuildNode, texts: readonly string[]): readonly Resolution[] {
    const arch = node.arch ?? everyArch;
    const cache = this.#resolved.get(arch) ?? new Map<string, readonly Resolution[]>();
    this.#resolved.set(arch, cache);
    const needs: Resolution[] = [];
    for (const text of texts.length < 2 ? texts : [...new Set(texts)].sort()) {
      if (text.startsWith('rpmlib(')) continue;
      const found = cache.get(text) ?? this.#resolveText(arch, text);
      cache.set(text, found);
      needs.push(...found);
    }
    return needs;
  }

  #resolveText(arch: string, text: string): readonly Resolution[] {
    return dependencyGroups(text).map(({ plain, optional }) => ({
      text,
      plain,
      optional,
      providers: [...new Set(plain.flatMap((dependency) => this.#providers(arch, dependency)))].sort((a, b) => a - b),
    }));
  }

  #providers(arch: string, dependency: Dependency): number[] {
    const found = this.#byArch.get(arch)?.get(dependency.name) ?? [];
    const shared = arch === everyArch ? [] : (this.#byArch.get(everyArch)?.get(dependency.name) ?? []);
    return [...found, ...shared]
      .filter((provide) => rangesOverlap(provide.dependency, dependency))
      .map((provide) => provide.vertex);
  }
}

/** Most dependencies are a bare word; only the others are worth a parser. */
function parsePlain(text: string): Dependency {
  return text.includes(' ') ? parseDependency(text) : { name: text, flags: 0, evr: '' };
}

/** A dependency as text, for asking a repository. */
export function plainText(dependency: Dependency): string {
  return formatDependency(dependency);
}

function push<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}
