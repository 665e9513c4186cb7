/**
 * Dependencies: a name, a relation, an EVR and flags, in nine kinds; and when one satisfies another.
 *
 * A header keeps each kind as three parallel arrays. Weak kinds (recommends, suggests, supplements, enhances) are
 * hints for solvers. A name that begins with `(` is a rich dependency: see `rich-dependency.ts`.
 *
 * Reference: rpm, docs/manual/dependencies.md; include/rpm/rpmds.h; lib/rpmds.cc; rpmio/rpmver.cc (rpmverOverlap)
 */
import { quote, RpmError } from './errors.js';
import { compareVersion, epochEnd, formatEvr } from './evr.js';
import type { Header } from './header.js';
import { isSourceHeader } from './package.js';
import type { MainTags } from './tags.js';

/** What a package may say about others. `order` only orders a transaction. */
export type DependencyKind =
  | 'provides'
  | 'requires'
  | 'conflicts'
  | 'obsoletes'
  | 'recommends'
  | 'suggests'
  | 'supplements'
  | 'enhances'
  | 'order';

/** All kinds, in the order of the first tag numbers. */
export const dependencyKinds: readonly DependencyKind[] = [
  'provides',
  'requires',
  'conflicts',
  'obsoletes',
  'order',
  'recommends',
  'suggests',
  'supplements',
  'enhances',
];

/** How a dependency's EVR bounds what it is about; the empty string when it names no EVR. */
export type Relation = '' | '<' | '<=' | '=' | '>=' | '>';

/** One dependency as stored. */
export interface Dependency {
  readonly name: string;
  /** Bits of `dependencyFlags`, the relation's among them. */
  readonly flags: number;
  /** `[epoch:]version[-release]` as stored, not checked; the empty string when there is none. */
  readonly evr: string;
}

/** The bits of a dependency's flags. */
export const dependencyFlags = {
  less: 0x2,
  greater: 0x4,
  equal: 0x8,
  posttrans: 0x20,
  /** PreReq of old packages. */
  prereq: 0x40,
  pretrans: 0x80,
  /** Wanted by a scriptlet's interpreter line. */
  interp: 0x100,
  pre: 0x200,
  post: 0x400,
  preun: 0x800,
  postun: 0x1000,
  verify: 0x2000,
  /** Found by a generator, not written by a person. */
  findRequires: 0x4000,
  findProvides: 0x8000,
  triggerIn: 0x10000,
  triggerUn: 0x20000,
  triggerPostun: 0x40000,
  missingOk: 0x80000,
  preuntrans: 0x100000,
  postuntrans: 0x200000,
  /** About a feature of rpm itself. */
  rpmlib: 0x1000000,
  triggerPrein: 0x2000000,
  keyring: 0x4000000,
  config: 0x10000000,
  meta: 0x20000000,
} as const;

/** The name of one bit of a dependency's flags. */
export type DependencyFlag = keyof typeof dependencyFlags;

/**
 * The dependencies of one kind, in stored order.
 *
 * A package without a region (v3) gets the provide of itself that later packages state, as rpm adds it.
 * Throws RPM_BAD_DEPENDENCY when the three arrays differ in length.
 */
export function dependencies(header: Header<MainTags>, kind: DependencyKind): readonly Dependency[] {
  const prefix = tagPrefixes[kind];
  const list = dependencyTriplets(header, `${prefix}NAME`, `${prefix}FLAGS`, `${prefix}VERSION`);
  if (kind !== 'provides' || header.region !== undefined || isSourceHeader(header)) return list;
  const self = selfProvide(header);
  if (self === undefined || list.some((d) => d.flags === self.flags && d.name === self.name && d.evr === self.evr)) {
    return list;
  }
  return [...list, self];
}

/** Names of the bits set in `flags`, in bit order. Bits without a name are left out. */
export function dependencyFlagNames(flags: number): readonly DependencyFlag[] {
  return (Object.keys(dependencyFlags) as DependencyFlag[]).filter((name) => (flags & dependencyFlags[name]) !== 0);
}

/** The relation that the flags hold. `<` and `>` together mean nothing to rpm: the empty string. */
export function relationOf(flags: number): Relation {
  return relations[(flags >> 1) & 7] ?? '';
}

/** The flag bits of a relation. */
export function relationFlags(relation: Relation): number {
  return relations.indexOf(relation) << 1;
}

/** `name`, or `name relation evr`. Flags other than the relation do not show. */
export function formatDependency(dependency: Dependency): string {
  const relation = relationOf(dependency.flags);
  return relation === '' ? dependency.name : `${dependency.name} ${relation} ${dependency.evr}`;
}

/**
 * `name` or `name relation evr`; `==`, `=<` and `=>` are read like `=`, `<=` and `>=`. A rich dependency is taken
 * whole, unparsed. Throws RPM_BAD_DEPENDENCY.
 */
export function parseDependency(text: string): Dependency {
  const trimmed = text.trim();
  if (trimmed.startsWith('(')) return { name: trimmed, flags: 0, evr: '' };
  const words = trimmed.split(/\s+/);
  const [name = '', operator, evr] = words;
  if (name !== '' && words.length === 1) return { name, flags: 0, evr: '' };
  const relation = operator === undefined ? undefined : parseRelation(operator);
  if (name === '' || words.length !== 3 || relation === undefined || evr === undefined) {
    const wanted = 'name, or name relation evr';
    throw new RpmError(
      { code: 'RPM_BAD_DEPENDENCY', tag: 'dependency', wanted, found: text },
      `dependency: ${wanted} wanted, found ${quote(text)}`,
    );
  }
  return { name, flags: relationFlags(relation), evr };
}

/** A relation in any spelling rpm reads, or undefined. */
export function parseRelation(text: string): Exclude<Relation, ''> | undefined {
  return spellings.get(text);
}

/**
 * Whether what is provided satisfies what is required: the names are equal, and one of the two names no EVR or the
 * two ranges overlap.
 *
 * Releases count only where both have one, so that `foo >= 1.0` takes `foo = 1.0-3`, and `foo > 1.0` does not.
 * Rich dependencies are equal only to themselves here: see `evaluateRichDependency`. Never throws.
 */
export function satisfies(provided: Dependency, required: Dependency): boolean {
  return provided.name === required.name && rangesOverlap(provided, required);
}

/** The half of `satisfies` about EVRs. For callers that found the provide by its name. */
export function rangesOverlap(a: Dependency, b: Dependency): boolean {
  if ((a.flags & senseMask) === 0 || (b.flags & senseMask) === 0 || a.evr === '' || b.evr === '') return true;
  const x = splitEvr(a.evr);
  const y = splitEvr(b.evr);
  let sense = compareEpochs(x.epoch, y.epoch) || compareVersion(x.version, y.version);
  if (sense === 0) {
    if (x.release !== '' && y.release !== '') sense = compareVersion(x.release, y.release);
    else if (x.release !== '' && (b.flags & dependencyFlags.equal) !== 0) return true;
    else if (y.release !== '' && (a.flags & dependencyFlags.equal) !== 0) return true;
  }
  const { less, greater } = dependencyFlags;
  if (sense < 0) return (a.flags & greater) !== 0 || (b.flags & less) !== 0;
  if (sense > 0) return (a.flags & less) !== 0 || (b.flags & greater) !== 0;
  return (a.flags & b.flags & senseMask) !== 0;
}

/**
 * Three parallel arrays as records: also what triggers are made of. An absent flag or version array counts as empty
 * values. Throws RPM_BAD_DEPENDENCY when the arrays differ in length.
 */
export function dependencyTriplets(
  header: Header<MainTags>,
  nameTag: TagOf<readonly string[]>,
  flagsTag: TagOf<readonly number[]>,
  versionTag: TagOf<readonly string[]>,
): readonly Dependency[] {
  const names = header.get(nameTag);
  if (names === undefined) return [];
  const flags = header.get(flagsTag);
  const versions = header.get(versionTag);
  for (const [tag, values] of [
    [flagsTag, flags],
    [versionTag, versions],
  ] as const) {
    if (values !== undefined && values.length !== names.length) {
      throw new RpmError(
        { code: 'RPM_BAD_DEPENDENCY', tag, wanted: `${names.length} values`, found: String(values.length) },
        `header: ${names.length} values of ${tag} wanted, one for each ${nameTag}, found ${values.length}`,
      );
    }
  }
  return names.map((name, i) => ({ name, flags: flags?.[i] ?? 0, evr: versions?.[i] ?? '' }));
}

/** Names of tags whose values have this type. */
export type TagOf<Value> = { [Name in keyof MainTags]: MainTags[Name] extends Value ? Name : never }[keyof MainTags];

const senseMask = dependencyFlags.less | dependencyFlags.greater | dependencyFlags.equal;

/** By the three relation bits. */
const relations: readonly (Relation | undefined)[] = ['', '<', '>', undefined, '=', '<=', '>=', undefined];

const spellings: ReadonlyMap<string, Exclude<Relation, ''>> = new Map([
  ['<', '<'],
  ['<=', '<='],
  ['=<', '<='],
  ['=', '='],
  ['==', '='],
  ['>=', '>='],
  ['=>', '>='],
  ['>', '>'],
]);

const tagPrefixes = {
  provides: 'PROVIDE',
  requires: 'REQUIRE',
  conflicts: 'CONFLICT',
  obsoletes: 'OBSOLETE',
  recommends: 'RECOMMEND',
  suggests: 'SUGGEST',
  supplements: 'SUPPLEMENT',
  enhances: 'ENHANCE',
  order: 'ORDER',
} as const;

function selfProvide(header: Header<MainTags>): Dependency | undefined {
  const name = header.get('NAME');
  const version = header.get('VERSION');
  const release = header.get('RELEASE');
  const epoch = header.get('EPOCH');
  if (name === undefined || version === undefined || release === undefined) return undefined;
  const evr = formatEvr(epoch === undefined ? { version, release } : { epoch, version, release });
  return { name, flags: dependencyFlags.equal, evr };
}

/** Unlike `parseEvr`, takes whatever a header holds. */
function splitEvr(text: string): { readonly epoch: string; readonly version: string; readonly release: string } {
  const colon = epochEnd(text);
  const dash = text.lastIndexOf('-');
  const start = colon + 1;
  return {
    epoch: colon < 0 ? '' : text.slice(0, colon),
    version: dash < start ? text.slice(start) : text.slice(start, dash),
    release: dash < start ? '' : text.slice(dash + 1),
  };
}

function compareEpochs(a: string, b: string): -1 | 0 | 1 {
  return a === b ? 0 : compareVersion(a === '' ? '0' : a, b === '' ? '0' : b);
}
