/**
 * What changed between two repositories: packages, what they depend on, their files, advisories, and the change that
 * must not happen: other bytes under the same NEVRA.
 *
 * Reference: dnf-plugins-core, plugins/repodiff.py, whose added, removed, upgraded and downgraded these are
 */
import { compareEvr, formatNevra } from '@distrokit/rpm';
import { formatRequirement } from './closure.js';
import { type PackageRecord, type RepositoryDependencyKind, repositoryDependencyKinds } from './package-record.js';
import type { Advisory } from './updateinfo.js';

/** One side of a comparison. */
export interface RepositoryContents {
  readonly packages: readonly PackageRecord[];
  readonly advisories?: readonly Advisory[];
}

/** What changed. Packages are compared by name and arch; of several builds the newest speaks for them. */
export interface RepositoryComparison {
  readonly added: readonly PackageRecord[];
  readonly removed: readonly PackageRecord[];
  readonly upgraded: readonly PackageChange[];
  readonly downgraded: readonly PackageChange[];
  /** The same NEVRA with another digest: some client will meet a file that is not what its metadata says. */
  readonly mutated: readonly PackageChange[];
  /** Sum of the packages' sizes after, less that before. */
  readonly sizeChangeBytes: number;
  readonly addedAdvisories: readonly string[];
  readonly removedAdvisories: readonly string[];
}

/** A package before and after. */
export interface PackageChange {
  readonly before: PackageRecord;
  readonly after: PackageRecord;
  /** Dependencies that came and went, by list. */
  readonly dependencies: Readonly<
    Partial<
      Record<RepositoryDependencyKind, { readonly added: readonly string[]; readonly removed: readonly string[] }>
    >
  >;
  readonly addedFiles: readonly string[];
  readonly removedFiles: readonly string[];
}

/** Compares two repositories. Lists are ordered by NEVRA. */
export function compareRepositories(before: RepositoryContents, after: RepositoryContents): RepositoryComparison {
  const old = newestBuilds(before.packages);
  const now = newestBuilds(after.packages);
  const added: PackageRecord[] = [];
  const removed: PackageRecord[] = [];
  const upgraded: PackageChange[] = [];
  const downgraded: PackageChange[] = [];
  for (const key of [...new Set([...old.keys(), ...now.keys()])].sort()) {
    const [from, to] = [old.get(key), now.get(key)];
    if (from === undefined) added.push(to as PackageRecord);
    else if (to === undefined) removed.push(from);
    else {
      const order = compareEvr(from, to);
      if (order < 0) upgraded.push(changeOf(from, to));
      else if (order > 0) downgraded.push(changeOf(from, to));
    }
  }
  const known = new Map(
    before.packages.map((record) => [formatNevra({ ...record, epoch: record.epoch ?? 0 }), record]),
  );
  const mutated: PackageChange[] = [];
  for (const record of after.packages) {
    const twin = known.get(formatNevra({ ...record, epoch: record.epoch ?? 0 }));
    if (
      twin !== undefined &&
      (twin.pkgid.hex !== record.pkgid.hex || twin.pkgid.algorithm !== record.pkgid.algorithm)
    ) {
      mutated.push(changeOf(twin, record));
    }
  }
  const ids = (contents: RepositoryContents): string[] => (contents.advisories ?? []).map((advisory) => advisory.id);
  const sum = (contents: RepositoryContents): number =>
    contents.packages.reduce((total, record) => total + record.sizeBytes, 0);
  return {
    added,
    removed,
    upgraded,
    downgraded,
    mutated,
    sizeChangeBytes: sum(after) - sum(before),
    ...difference(ids(before), ids(after), 'addedAdvisories', 'removedAdvisories'),
  };
}

function newestBuilds(records: readonly PackageRecord[]): Map<string, PackageRecord> {
  const newest = new Map<string, PackageRecord>();
  for (const record of records) {
    const key = `${record.name}\0${record.arch}`;
    const before = newest.get(key);
    if (before === undefined || compareEvr(before, record) < 0) newest.set(key, record);
  }
  return newest;
}

function changeOf(before: PackageRecord, after: PackageRecord): PackageChange {
  const dependencies: Partial<Record<RepositoryDependencyKind, { added: string[]; removed: string[] }>> = {};
  for (const kind of repositoryDependencyKinds) {
    const found = difference(
      before[kind].map(formatRequirement),
      after[kind].map(formatRequirement),
      'added',
      'removed',
    );
    if (found.added.length + found.removed.length > 0) dependencies[kind] = found;
  }
  const paths = (record: PackageRecord): string[] => record.files.map((file) => file.path);
  return { before, after, dependencies, ...difference(paths(before), paths(after), 'addedFiles', 'removedFiles') };
}

function difference<Added extends string, Removed extends string>(
  before: readonly string[],
  after: readonly string[],
  added: Added,
  removed: Removed,
): Record<Added | Removed, string[]> {
  const [old, now] = [new Set(before), new Set(after)];
  const result = {
    [added]: [...now].filter((text) => !old.has(text)),
    [removed]: [...old].filter((text) => !now.has(text)),
  };
  return result as Record<Added | Removed, string[]>;
}
