/**
 * Everything repodata needs from one RPM package, as a plain record: a package is read once in its life.
 *
 * A record comes from a package's headers (`recordFromPackage`), from existing repodata (`openRepository`) or from
 * JSON (`parseRecord`).
 */
import { type Digest, quote } from '@distrokit/rpm';
import { RepoError } from './errors.js';

/** How a dependency compares; absent when any version will do. */
export type RepositoryRelation = 'LT' | 'LE' | 'EQ' | 'GE' | 'GT';

/** A dependency as primary.xml holds it. `epoch`, `version`, `release` mean something with `relation` only. */
export interface RepositoryDependency {
  readonly name: string;
  readonly relation?: RepositoryRelation;
  /** As written: `0`, `00` and `2` are different texts. */
  readonly epoch?: string;
  readonly version?: string;
  readonly release?: string;
  /** Needed while scriptlets run. Requires only. */
  readonly pre?: boolean;
}

/** A path of the package. `file` is everything that is neither a directory nor %ghost. */
export interface RepositoryFile {
  readonly path: string;
  readonly type: 'file' | 'dir' | 'ghost';
  /** Hexadecimal, in filelists-ext only; absent or empty where the header has none. */
  readonly digest?: string;
}

/** One changelog entry. The author's line as written, with the version that people append to it. */
export interface RepositoryChangelog {
  readonly author: string;
  readonly date: Date;
  readonly text: string;
}

/** The eight lists of dependencies, in the order primary.xml keeps them. */
export const repositoryDependencyKinds = [
  'provides',
  'requires',
  'conflicts',
  'obsoletes',
  'suggests',
  'enhances',
  'recommends',
  'supplements',
] as const;

/** A list of dependencies. */
export type RepositoryDependencyKind = (typeof repositoryDependencyKinds)[number];

/** One package of a repository. */
export interface PackageRecord extends Readonly<Record<RepositoryDependencyKind, readonly RepositoryDependency[]>> {
  readonly name: string;
  /** Absent counts as 0, and is written as 0. */
  readonly epoch?: number;
  readonly version: string;
  readonly release: string;
  /** `src` for every source package: repodata does not know `nosrc`. */
  readonly arch: string;
  /** Digest of the package file; joins the three documents. */
  readonly pkgid: Digest;
  /** Path or URL relative to `locationBase`, or to the repository's root. */
  readonly location: string;
  /** `xml:base`: where `location` starts, when not at the repository's root. */
  readonly locationBase?: string;
  readonly summary: string;
  readonly description: string;
  readonly packager: string;
  readonly url: string;
  readonly license: string;
  readonly vendor: string;
  readonly group: string;
  readonly buildHost: string;
  /** File name of the SRPM; empty in a source package. */
  readonly sourceRpm: string;
  /** Last change of the package file. */
  readonly fileTime: Date;
  readonly buildTime: Date;
  readonly sizeBytes: number;
  readonly installedBytes: number;
  /** Uncompressed payload; 0 where the package does not say. */
  readonly archiveBytes: number;
  /** Bytes from the start of the file; `end` is the payload's first byte. */
  readonly headerRange: { readonly start: number; readonly end: number };
  /** All of them in header order, or those that primary.xml names: see `filesComplete`. */
  readonly files: readonly RepositoryFile[];
  /** False when the record was read without filelists. Such a record cannot be written. */
  readonly filesComplete: boolean;
  /** Oldest first. */
  readonly changelogs: readonly RepositoryChangelog[];
  /** False when the record was read without other. Such a record cannot be written. */
  readonly changelogsComplete: boolean;
}

/** What the header does not know about its file. */
export interface PackageFileFacts {
  readonly pkgid: Digest;
  readonly location: string;
  readonly locationBase?: string;
  readonly sizeBytes: number;
  readonly fileTime: Date;
}

/** Options of `recordFromPackage`. */
export interface RecordOptions {
  /** Newest changelog entries to keep; createrepo_c keeps 10. `Infinity` for all. Default 10. */
  readonly changelogLimit?: number;
  /** Also keep the files' digests, for filelists-ext. Default false. */
  readonly fileDigests?: boolean;
  /** Hears of a dependency that is left out because its version has an epoch that is no number. */
  readonly onSkippedDependency?: (kind: RepositoryDependencyKind, name: string, evr: string) => void;
}
/** Whether primary.xml names this file: below `/etc/`, `bin/` anywhere in the path, or `/usr/lib/sendmail`. */
export function isPrimaryPath(path: string): boolean {
  return path.startsWith('/etc/') || path.includes('bin/') || path === '/usr/lib/sendmail';
}
/** One line of JSON without line breaks: for a cache or a sidecar beside the package. */
export function formatRecord(record: PackageRecord): string {
  return JSON.stringify(record);
}

/** What `formatRecord` wrote. Throws REPO_BAD_VALUE. */
export function parseRecord(json: string): PackageRecord {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw badRecord('the whole', 'JSON', json, cause);
  }
  const record = value as Record<string, unknown>;
  if (typeof value !== 'object' || value === null) throw badRecord('the whole', 'an object', json);
  for (const name of recordTexts) {
    if (typeof record[name] !== 'string') throw badRecord(name, 'a string', String(record[name]));
  }
  for (const name of ['sizeBytes', 'installedBytes', 'archiveBytes']) {
    if (!Number.isSafeInteger(record[name])) throw badRecord(name, 'a whole number', String(record[name]));
  }
  for (const name of [...repositoryDependencyKinds, 'files', 'changelogs']) {
    if (!Array.isArray(record[name])) throw badRecord(name, 'a list', String(record[name]));
  }
  const time = (name: string, found: unknown): Date => {
    const date = new Date(String(found));
    if (Number.isNaN(date.getTime())) throw badRecord(name, 'a date', String(found));
    return date;
  };
  const range = record.headerRange as { start?: unknown; end?: unknown } | undefined;
  if (!Number.isSafeInteger(range?.start) || !Number.isSafeInteger(range?.end)) {
    throw badRecord('headerRange', 'start and end', String(range));
  }
  const pkgid = record.pkgid as { hex?: unknown } | undefined;
  if (typeof pkgid?.hex !== 'string') throw badRecord('pkgid', 'a digest', String(pkgid));
  const changelogs = record.changelogs as readonly RepositoryChangelog[];
  return {
    ...(value as PackageRecord),
    fileTime: time('fileTime', record.fileTime),
    buildTime: time('buildTime', record.buildTime),
    changelogs: changelogs.map((entry) => ({ ...entry, date: time('changelogs', entry.date) })),
  };
}

const recordTexts = [
  'name',
  'version',
  'release',
  'arch',
  'location',
  'summary',
  'description',
  'packager',
  'url',
  'license',
  'vendor',
  'group',
  'buildHost',
  'sourceRpm',
] as const;
function badRecord(what: string, wanted: string, found: string, cause?: unknown): RepoError {
  return new RepoError(
    { code: 'REPO_BAD_VALUE', document: 'package record', what, wanted, found: found.slice(0, 80) },
    `package record: ${what}: ${wanted} wanted, found ${quote(found)}`,
    cause === undefined ? undefined : { cause },
  );
}

/** @internal A shape in the making. */
export type Writable<Shape> = { -readonly [Key in keyof Shape]: Shape[Key] };
