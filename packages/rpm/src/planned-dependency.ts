/**
 * All dependencies of a package to be written: what the manifest says, checked, and what every package states by itself.
 *
 * Reference: rpm, build/parsePreamble.cc (addPackageProvides), build/parseScript.cc, build/parseReqs.cc, build/pack.cc
 */
import { isa } from './arch.js';
import { compareBytewise } from './byte-order.js';
import {
  type Dependency,
  type DependencyKind,
  dependencyFlags,
  dependencyKinds,
  parseDependency,
  relationOf,
} from './dependency.js';
import { quote, RpmError } from './errors.js';
import { formatEvr } from './evr.js';
import type { PackageManifest } from './package-manifest.js';
import { formatRichDependency, isRichDependency, parseRichDependency } from './rich-dependency.js';
import { type FeatureFacts, rpmlibRequires } from './rpmlib-feature.js';
import type { Scriptlet, ScriptletKind, Trigger } from './scriptlet.js';

/** Dependencies by kind, each kind sorted and without repetition. */
export type PlannedDependencies = Readonly<Record<DependencyKind, readonly Dependency[]>>;

/** What dependencies follow from, beside the manifest's own. */
export type DependencyFacts = Omit<FeatureFacts, 'isSource' | 'dependencies' | 'scripts'> & {
  readonly scriptlets: readonly Scriptlet[];
  readonly triggers: readonly Trigger[];
  /** Some file is marked as configuration. */
  readonly hasConfig: boolean;
};

/**
 * Adds the provide of the package itself and of its configuration, requires of scripts' interpreters, and `rpmlib(…)`
 * features. Throws RPM_BAD_DEPENDENCY on a dependency that rpm would not read back.
 */
export function planDependencies(manifest: PackageManifest, facts: DependencyFacts): PlannedDependencies {
  const isSource = manifest.source !== undefined;
  const lists = Object.fromEntries(
    dependencyKinds.map((kind) => [
      kind,
      (manifest.dependencies?.[kind] ?? []).map((each) => checkedDependency(each, kind)),
    ]),
  ) as Record<DependencyKind, Dependency[]>;

  const self = { flags: dependencyFlags.equal, evr: formatEvr(manifest) };
  const suffix = isSource ? undefined : isa(manifest.arch);
  const own: Dependency[] = [{ ...self, name: manifest.name }];
  if (suffix !== undefined) own.push({ ...self, name: `${manifest.name}(${suffix})` });
  if (facts.hasConfig && !isSource) {
    const config = { ...self, name: `config(${manifest.name})`, flags: self.flags | dependencyFlags.config };
    own.push(config);
    lists.requires.push(config);
  }
  for (const { kind, interpreter } of facts.scriptlets)
    addInterpreter(lists.requires, interpreter, scriptletFlags[kind]);
  for (const { interpreter } of facts.triggers) addInterpreter(lists.requires, interpreter, 0);

  // A source package's own version is no version that anyone depends on to build it.
  const stated = [...Object.values(lists).flat(), ...(isSource ? [] : own)];
  const scripts = [...facts.scriptlets, ...facts.triggers];
  lists.requires.push(...rpmlibRequires({ ...facts, isSource, dependencies: stated, scripts }));
  lists.provides.push(...own);
  return Object.fromEntries(
    Object.entries(lists).map(([kind, list]) => [kind, sortedDependencies(list)]),
  ) as unknown as PlannedDependencies;
}

/** A dependency as record, rich ones in rpm's own spelling. Throws RPM_BAD_DEPENDENCY. */
export function checkedDependency(given: Dependency | string, kind?: DependencyKind): Dependency {
  const dependency = typeof given === 'string' ? parseDependency(given) : given;
  const { name, flags, evr } = dependency;
  if (isRichDependency(name)) {
    if (evr !== '' || relationOf(flags) !== '') throw badDependency(name, 'a rich dependency without EVR of its own');
    return { name: formatRichDependency(parseRichDependency(name, kind)), flags, evr };
  }
  if (name === '' || /[\s\0]/.test(name)) throw badDependency(name, 'a name without white space');
  const versioned = relationOf(flags) !== '';
  if (versioned !== (evr !== '')) throw badDependency(`${name} ${evr}`, 'a relation and an EVR, or neither');
  if (versioned && !/^(\d+:)?[A-Za-z0-9._+~^]+(-[A-Za-z0-9._+~^]+)?$/.test(evr)) {
    throw badDependency(`${name} ${evr}`, '[epoch:]version[-release]');
  }
  return dependency;
}

/** By name, then EVR, then flags; each once. */
export function sortedDependencies<Row extends Dependency>(list: readonly Row[]): readonly Row[] {
  const sorted = [...list].sort(compareDependencies);
  return sorted.filter((each, i) => i === 0 || compareDependencies(sorted[i - 1] as Row, each) !== 0);
}

/** By name, then EVR, then flags: the order in which rpm stores them. */
export function compareDependencies(a: Dependency, b: Dependency): number {
  return compareBytewise(a.name, b.name) || compareBytewise(a.evr, b.evr) || a.flags - b.flags;
}

const scriptletFlags: Readonly<Record<ScriptletKind, number>> = {
  pretrans: dependencyFlags.pretrans,
  pre: dependencyFlags.pre,
  post: dependencyFlags.post,
  preun: dependencyFlags.preun,
  postun: dependencyFlags.postun,
  posttrans: dependencyFlags.posttrans,
  preuntrans: dependencyFlags.preuntrans,
  postuntrans: dependencyFlags.postuntrans,
  verify: dependencyFlags.verify,
};

function addInterpreter(requires: Dependency[], interpreter: readonly string[], flags: number): void {
  const [program] = interpreter;
  // rpm's own interpreters, such as <lua>, are features of rpm.
  if (program === undefined || program.startsWith('<')) return;
  requires.push({ name: program, flags: flags | dependencyFlags.interp, evr: '' });
}

function badDependency(found: string, wanted: string): RpmError {
  return new RpmError(
    { code: 'RPM_BAD_DEPENDENCY', tag: 'dependency', wanted, found },
    `dependency ${quote(found)}: ${wanted} wanted`,
  );
}
