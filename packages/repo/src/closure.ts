/**
 * Closure: whether the packages of a set find what they need in it, and which of them exclude each other.
 *
 * Requires are resolved against provides and files; rich ones against the whole set. This answers what
 * `dnf repoclosure` answers; whether a package can be installed together with all it pulls in is a solver's question.
 *
 * Reference: dnf-plugins-core, plugins/repoclosure.py; rpm, lib/depends.cc
 */
import {
  type Dependency,
  dependencyFlags,
  evaluateRichDependency,
  isRichDependency,
  parseRichDependency,
  rangesOverlap,
  richDependencyTerms,
} from '@distrokit/rpm';
import type { PackageRecord, RepositoryDependency } from './package-record.js';

/** What a set of packages lacks, and what in it excludes what. */
export interface ClosureReport {
  /** In the order of the packages and of their requires. */
  readonly unresolved: readonly UnresolvedRequirement[];
  readonly conflicts: readonly Exclusion[];
  /** By name and EVR of packages, as rpm reads obsoletes: provides do not count. */
  readonly obsoletes: readonly Exclusion[];
  /** Paths of files, not folders, that packages of several names hold. Their contents may be the same. */
  readonly sharedFiles: readonly { readonly path: string; readonly packages: readonly PackageRecord[] }[];
  /** Every requirement is resolved. Conflicts are no fault of a repository. */
  readonly ok: boolean;
}

/** A requirement that nothing in reach provides. */
export interface UnresolvedRequirement {
  readonly package: PackageRecord;
  /** As queries print it. */
  readonly requirement: string;
  readonly dependency: RepositoryDependency;
}

/** A package that excludes another one of the set. */
export interface Exclusion {
  readonly package: PackageRecord;
  readonly dependency: string;
  readonly excluded: PackageRecord;
}

/** What to look at, and what else is there. */
export interface ClosureOptions {
  /** Packages of other repositories that may be used. */
  readonly available?: readonly PackageRecord[];
  /** Only the requires of these packages. Default: all of the set. */
  readonly of?: readonly PackageRecord[];
}

/**
 * Looks for unresolved requires, conflicts, obsoletes and shared files. Records need all their files
 * (`packages({ files: true })`) for requirements by path outside of primary.
 *
 * Source packages are left out of the set they would be resolved from: nobody installs them.
 */
export function checkClosure(packages: readonly PackageRecord[], options: ClosureOptions = {}): ClosureReport {
  const set = new PackageSet([...packages, ...(options.available ?? [])].filter((record) => record.arch !== 'src'));
  const subjects = options.of ?? packages;
  const unresolved: UnresolvedRequirement[] = [];
  const verdicts = new Map<string, boolean>();
  for (const record of subjects) {
    for (const dependency of record.requires) {
      const text = formatRequirement(dependency);
      let resolved = verdicts.get(text);
      if (resolved === undefined) {
        resolved = set.resolves(dependency);
        verdicts.set(text, resolved);
      }
      if (!resolved) unresolved.push({ package: record, requirement: text, dependency });
    }
  }
  const conflicts: Exclusion[] = [];
  const obsoletes: Exclusion[] = [];
  if (options.of === undefined) {
    for (const record of packages) {
      if (record.arch === 'src') continue;
      for (const dependency of record.conflicts) {
        if (isRichDependency(dependency.name)) continue;
        for (const excluded of set.providersOf(plainDependency(dependency))) {
          if (excluded !== record)
            conflicts.push({ package: record, dependency: formatRequirement(dependency), excluded });
        }
      }
      for (const dependency of record.obsoletes) {
        for (const excluded of set.named(plainDependency(dependency))) {
          if (excluded !== record && excluded.name !== record.name) {
            obsoletes.push({ package: record, dependency: formatRequirement(dependency), excluded });
          }
        }
      }
    }
  }
  const sharedFiles = options.of === undefined ? set.sharedFiles(packages) : [];
  return { unresolved, conflicts, obsoletes, sharedFiles, ok: unresolved.length === 0 };
}

/** `name`, or `name >= 1:2-3` as queries print it. */
export function formatRequirement(dependency: RepositoryDependency): string {
  const { name, relation } = dependency;
  return relation === undefined ? name : `${name} ${signs[relation]} ${evrOf(dependency)}`;
}

const signs = { LT: '<', LE: '<=', EQ: '=', GE: '>=', GT: '>' } as const;

const flagsOf = {
  LT: dependencyFlags.less,
  LE: dependencyFlags.less | dependencyFlags.equal,
  EQ: dependencyFlags.equal,
  GE: dependencyFlags.greater | dependencyFlags.equal,
  GT: dependencyFlags.greater,
} as const;

function evrOf({ epoch, version, release }: RepositoryDependency): string {
  const start = epoch === undefined || epoch === '0' ? '' : `${epoch}:`;
  return `${start}${version ?? ''}${release === undefined ? '' : `-${release}`}`;
}

function plainDependency(dependency: RepositoryDependency): Dependency {
  const { name, relation } = dependency;
  return {
    name,
    flags: relation === undefined ? 0 : flagsOf[relation],
    evr: relation === undefined ? '' : evrOf(dependency),
  };
}

/** Provides, files and names of a set, each under its own word. Not exported from the door. */
export class PackageSet {
  readonly #provides = new Map<string, { readonly provide: Dependency; readonly record: PackageRecord }[]>();
  readonly #files = new Map<string, PackageRecord[]>();
  readonly #names = new Map<string, PackageRecord[]>();

  constructor(records: readonly PackageRecord[]) {
    for (const record of records) {
      for (const dependency of record.provides) {
        const provide = plainDependency(dependency);
        push(this.#provides, provide.name, { provide, record });
      }
      for (const file of record.files) push(this.#files, file.path, record);
      push(this.#names, record.name, record);
    }
  }

  resolves(requirement: RepositoryDependency): boolean {
    if (!isRichDependency(requirement.name)) return this.providersOf(plainDependency(requirement)).size > 0;
    return evaluateRichDependency(parseRichDependency(requirement.name), (dependency) => this.providersOf(dependency));
  }

  /** Packages that a requirement could be about: providers of it, or of any term of a rich one. */
  candidatesFor(requirement: RepositoryDependency): PackageRecord[] {
    const plain = isRichDependency(requirement.name)
      ? richDependencyTerms(parseRichDependency(requirement.name))
      : [plainDependency(requirement)];
    return plain.flatMap((dependency) => [...this.providersOf(dependency)]);
  }

  providersOf(dependency: Dependency): Set<PackageRecord> {
    const found = new Set<PackageRecord>();
    for (const { provide, record } of this.#provides.get(dependency.name) ?? []) {
      if (rangesOverlap(provide, dependency)) found.add(record);
    }
    if (dependency.name.startsWith('/')) for (const record of this.#files.get(dependency.name) ?? []) found.add(record);
    return found;
  }

  named(dependency: Dependency): PackageRecord[] {
    return (this.#names.get(dependency.name) ?? []).filter((record) => {
      const evr = `${record.epoch ?? 0}:${record.version}-${record.release}`;
      return rangesOverlap({ name: record.name, flags: dependencyFlags.equal, evr }, dependency);
    });
  }

  sharedFiles(among: readonly PackageRecord[]): { path: string; packages: PackageRecord[] }[] {
    const shared: { path: string; packages: PackageRecord[] }[] = [];
    const set = new Set(among);
    for (const [path, holders] of this.#files) {
      const packages = holders.filter((record) => set.has(record));
      if (new Set(packages.map((record) => record.name)).size < 2) continue;
      const type = packages[0]?.files.find((file) => file.path === path)?.type;
      if (type === 'file') shared.push({ path, packages });
    }
    return shared;
  }
}

function push<Value>(map: Map<string, Value[]>, key: string, value: Value): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
