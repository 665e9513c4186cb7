/**
 * Everything repodata needs from one RPM package, as a plain record: a package is read once in its life.
 *
 * A record comes from a package's headers (`recordFromPackage`), from existing repodata (`openRepository`) or from
 * JSON (`parseRecord`). What the three documents leave out of the header is left out here too, by createrepo_c's rules:
 * they are in `recordFromPackage`.
 *
 * Reference: createrepo_c, src/parsehdr.c (cr_package_from_header), src/misc.c (cr_str_to_evr, cr_compare_dependency)
 */
import {
  compareVersion,
  type Digest,
  type Header,
  isSourceHeader,
  type MainTags,
  quote,
  type RpmPackage,
} from '@distrokit/rpm';
import { RepoError } from './errors.js';
import { HeaderTexts, type TextTag } from './header-texts.js';

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

/**
 * The record of a package, by createrepo_c's rules:
 *
 * - requires leave out `rpmlib(…)`, what the package provides by the same name, relation and version, its own files of
 *   primary (`isPrimaryPath`), and a repetition of the last entry of that name; of the `libc.so.6(GLIBC_…)` only the
 *   highest stays, at the end;
 * - `pre` is set for requires of %pre, %post and the old PreReq;
 * - a dependency whose version has an epoch that is no number is left out (`onSkippedDependency`);
 * - old SUSE weak dependencies count as recommends, suggests, supplements, enhances;
 * - changelog entries of the same second are moved apart by one second each.
 *
 * Throws RPM_TAG_TYPE for a v3 header with impossible types, RPM_BAD_FILE_LIST for indexes that point nowhere.
 */
export function recordFromPackage(
  pkg: PackageHeaders,
  facts: PackageFileFacts,
  options: RecordOptions = {},
): PackageRecord {
  const files = filesOf(pkg.header, options.fileDigests === true);
  const primaryPaths = (): ReadonlySet<string> =>
    new Set(files.map((file) => file.path).filter((path) => isPrimaryPath(path)));
  return { ...recordWithoutFiles(pkg, facts, options, primaryPaths), files, filesComplete: true };
}

/** What of a package a record is made from. */
export type PackageHeaders = Pick<RpmPackage, 'header' | 'signatureHeader' | 'headerRange' | 'format'>;

/** `recordFromPackage` for a caller that has the files in another form. Not exported from the door. */
export function recordWithoutFiles(
  pkg: PackageHeaders,
  facts: PackageFileFacts,
  options: RecordOptions,
  primaryPaths: () => ReadonlySet<string>,
  texts: HeaderTexts = new HeaderTexts(pkg.header),
): PackageRecord {
  const header = pkg.header;
  const text = (tag: TextTag): string => texts.text(tag) ?? '';
  const epoch = header.get('EPOCH');
  const nevra = {
    name: text('NAME'),
    ...(epoch === undefined ? {} : { epoch }),
    version: text('VERSION'),
    release: text('RELEASE'),
    arch: header.has('SOURCERPM') ? text('ARCH') : 'src',
  };
  const signature = pkg.signatureHeader;
  return {
    ...nevra,
    pkgid: facts.pkgid,
    location: facts.location,
    ...(facts.locationBase === undefined ? {} : { locationBase: facts.locationBase }),
    summary: text('SUMMARY'),
    description: text('DESCRIPTION'),
    packager: text('PACKAGER'),
    url: text('URL'),
    license: text('LICENSE'),
    vendor: text('VENDOR'),
    group: text('GROUP'),
    buildHost: text('BUILDHOST'),
    sourceRpm: text('SOURCERPM'),
    fileTime: facts.fileTime,
    buildTime: new Date((header.get('BUILDTIME') ?? 0) * 1000),
    sizeBytes: facts.sizeBytes,
    installedBytes: header.get('LONGSIZE') ?? header.get('SIZE') ?? 0,
    archiveBytes: header.get('ARCHIVESIZE') ?? signature.get('LONGARCHIVESIZE') ?? signature.get('PAYLOADSIZE') ?? 0,
    headerRange: pkg.headerRange,
    ...dependenciesOf(texts, pkg.format === 3 && !isSourceHeader(header), primaryPaths, options.onSkippedDependency),
    files: [],
    filesComplete: false,
    changelogs: changelogsOf(texts, options.changelogLimit ?? 10),
    changelogsComplete: true,
  };
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

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const FILE_GHOST = 1 << 6;

function filesOf(header: Header<MainTags>, withDigests: boolean): readonly RepositoryFile[] {
  const texts = new HeaderTexts(header);
  const modes = header.get('FILEMODES') ?? [];
  const flags = header.get('FILEFLAGS') ?? [];
  const digests = withDigests ? header.get('FILEDIGESTS') : undefined;
  const names = texts.list('BASENAMES');
  const old = names === undefined ? texts.list('OLDFILENAMES') : undefined;
  const folders = texts.list('DIRNAMES') ?? [];
  const indexes = header.get('DIRINDEXES') ?? [];
  const count = Math.min(names?.length ?? old?.length ?? 0, modes.length, flags.length);
  const files = new Array<RepositoryFile>(count);
  for (let at = 0; at < count; at++) {
    const path =
      names === undefined ? (old as readonly string[])[at] : `${folders[indexes[at] ?? -1] ?? ''}${names[at]}`;
    const type =
      ((modes[at] as number) & S_IFMT) === S_IFDIR
        ? 'dir'
        : ((flags[at] as number) & FILE_GHOST) !== 0
          ? 'ghost'
          : 'file';
    const digest = digests?.[at];
    files[at] = digest === undefined ? { path: path as string, type } : { path: path as string, type, digest };
  }
  return files;
}

const SENSE_PREREQ = 1 << 6;
const SENSE_SCRIPT_PRE = 1 << 9;
const SENSE_SCRIPT_POST = 1 << 10;
const SENSE_PRE = SENSE_PREREQ | SENSE_SCRIPT_PRE | SENSE_SCRIPT_POST;
const SENSE_STRONG = 1 << 27;
const SENSE_EQUAL = 8;

const relations: Readonly<Record<number, RepositoryRelation>> = { 2: 'LT', 4: 'GT', 8: 'EQ', 10: 'LE', 12: 'GE' };

type DependencyTag =
  | 'PROVIDE'
  | 'REQUIRE'
  | 'CONFLICT'
  | 'OBSOLETE'
  | 'SUGGEST'
  | 'ENHANCE'
  | 'RECOMMEND'
  | 'SUPPLEMENT'
  | 'OLDSUGGESTS'
  | 'OLDENHANCES';

/** A row of a header's dependency triple. */
type Row = readonly [name: string, flags: number, evr: string];

function rowsOf(texts: HeaderTexts, tag: DependencyTag): Row[] {
  const names = texts.list(`${tag}NAME`) ?? [];
  const versions = texts.list(`${tag}VERSION`);
  const flags = texts.header.get(`${tag}FLAGS`);
  if (versions === undefined || flags === undefined) return [];
  const rows: Row[] = [];
  const count = Math.min(names.length, versions.length, flags.length);
  for (let at = 0; at < count; at++) rows.push([names[at] as string, flags[at] as number, versions[at] as string]);
  return rows;
}

type Lists = Record<RepositoryDependencyKind, RepositoryDependency[]>;

function dependenciesOf(
  texts: HeaderTexts,
  needsSelfProvide: boolean,
  ownPrimaryPaths: () => ReadonlySet<string>,
  onSkipped: RecordOptions['onSkippedDependency'],
): Lists {
  const lists: Lists = {
    provides: [],
    requires: [],
    conflicts: [],
    obsoletes: [],
    suggests: [],
    enhances: [],
    recommends: [],
    supplements: [],
  };
  const add = (kind: RepositoryDependencyKind, row: Row): void => {
    const dependency = dependencyOf(row);
    if (dependency === undefined) onSkipped?.(kind, row[0], row[2]);
    else if (dependency.name !== '') lists[kind].push(dependency);
  };
  const provides = rowsOf(texts, 'PROVIDE');
  if (needsSelfProvide) addSelfProvide(texts.header, provides);
  for (const row of provides) add('provides', row);
  for (const row of rowsOf(texts, 'CONFLICT')) add('conflicts', row);
  for (const row of rowsOf(texts, 'OBSOLETE')) add('obsoletes', row);
  requiresOf(texts, provides, ownPrimaryPaths, lists, onSkipped);
  for (const row of rowsOf(texts, 'SUGGEST')) add('suggests', row);
  for (const row of rowsOf(texts, 'ENHANCE')) add('enhances', row);
  for (const row of rowsOf(texts, 'RECOMMEND')) add('recommends', row);
  for (const row of rowsOf(texts, 'SUPPLEMENT')) add('supplements', row);
  for (const row of rowsOf(texts, 'OLDSUGGESTS')) add((row[1] & SENSE_STRONG) !== 0 ? 'recommends' : 'suggests', row);
  for (const row of rowsOf(texts, 'OLDENHANCES')) add((row[1] & SENSE_STRONG) !== 0 ? 'supplements' : 'enhances', row);
  return lists;
}

/**
 * rpm 3 packages do not say that they provide themselves; rpm adds it, also when the first provide says so already
 * (its search gives 0 for the first place, which it takes for "not found").
 */
function addSelfProvide(header: Header<MainTags>, provides: Row[]): void {
  const name = header.get('NAME');
  const epoch = header.get('EPOCH');
  if (name === undefined) return;
  const evr = `${epoch === undefined ? '' : `${epoch}:`}${header.get('VERSION')}-${header.get('RELEASE')}`;
  if (provides.length === 0 && header.has('PROVIDENAME')) {
    for (const old of header.get('PROVIDENAME') ?? []) provides.push([old, 0, '']);
  }
  if (provides.findIndex((row) => row[0] === name && row[1] === SENSE_EQUAL && row[2] === evr) > 0) return;
  provides.push([name, SENSE_EQUAL, evr]);
}

function requiresOf(
  texts: HeaderTexts,
  provides: readonly Row[],
  ownPrimaryPaths: () => ReadonlySet<string>,
  lists: Lists,
  onSkipped: RecordOptions['onSkippedDependency'],
): void {
  const rows = rowsOf(texts, 'REQUIRE');
  if (rows.length === 0) return;
  const provided = new Set<string>();
  for (const row of provides) if (dependencyOf(row) !== undefined) provided.add(keyOf(row));
  let paths: ReadonlySet<string> | undefined;
  const last = new Map<string, string>();
  let libc: RepositoryDependency | undefined;
  for (const row of rows) {
    const [name, flags] = row;
    if (name.startsWith('rpmlib(')) continue;
    if (name.startsWith('/') && isPrimaryPath(name)) {
      paths ??= ownPrimaryPaths();
      if (paths.has(name)) continue;
    }
    const key = keyOf(row);
    if (provided.has(key)) continue;
    const pre = (flags & SENSE_PRE) !== 0;
    const seen = `${key}\0${pre}`;
    if (last.get(name) === seen) continue;
    const dependency = dependencyOf(row, pre);
    if (dependency === undefined) {
      onSkipped?.('requires', name, row[2]);
      continue;
    }
    if (name.startsWith('libc.so.6')) {
      if (libc === undefined || isHigherLibc(libc.name, name)) libc = dependency;
      continue;
    }
    if (name !== '') lists.requires.push(dependency);
    last.set(name, seen);
  }
  if (libc !== undefined) lists.requires.push(libc);
}

function keyOf([name, flags, evr]: Row): string {
  return `${name}\0${relations[flags & 0xf] ?? ''}\0${evr}`;
}

/** Undefined when the version has an epoch that is no number. */
function dependencyOf([name, flags, evr]: Row, pre = false): RepositoryDependency | undefined {
  const relation = relations[flags & 0xf];
  // Built field by field: a repository has twenty of these for each package.
  const dependency: Writable<RepositoryDependency> = { name };
  if (evr !== '') {
    const colon = evr.indexOf(':');
    let epoch = '0';
    if (colon > 0) {
      epoch = evr.slice(0, colon);
      if (!/^\s*[+-]?[0-9]+$/.test(epoch)) return undefined;
    }
    if (relation !== undefined) {
      const dash = evr.indexOf('-', colon + 1);
      const version = evr.slice(colon + 1, dash < 0 ? evr.length : dash);
      dependency.relation = relation;
      dependency.epoch = epoch;
      if (version !== '') dependency.version = version;
      if (dash >= 0 && dash < evr.length - 1) dependency.release = evr.slice(dash + 1);
    }
  } else if (relation !== undefined) {
    dependency.relation = relation;
    dependency.epoch = '0';
  }
  if (pre) dependency.pre = true;
  return dependency;
}

type Writable<Shape> = { -readonly [Key in keyof Shape]: Shape[Key] };

/** Whether `b` wants a newer libc than `a`: `libc.so.6(GLIBC_2.34)(64bit)`; a name without a version wants the least. */
function isHigherLibc(a: string, b: string): boolean {
  const version = (name: string): string | undefined => /\(GLIBC_([^)]*)\)/.exec(name)?.[1];
  const before = version(a);
  const after = version(b);
  if (after === undefined) return false;
  return before === undefined || compareVersion(before, after) < 0;
}

function changelogsOf(texts: HeaderTexts, limit: number): readonly RepositoryChangelog[] {
  const times = texts.header.get('CHANGELOGTIME') ?? [];
  const names = texts.list('CHANGELOGNAME', limit) ?? [];
  const bodies = texts.list('CHANGELOGTEXT', limit) ?? [];
  const count = Math.min(times.length, names.length, bodies.length, Math.max(0, limit));
  // Newest first in the header, oldest first in the document. Of entries with one time the older ones move ahead,
  // so that clients that sort by time keep the order.
  const seconds: number[] = [];
  let lastTime = 0;
  for (let at = 0; at < count; at++) {
    const time = times[at] as number;
    seconds.push(time);
    if (time !== lastTime) {
      lastTime = time;
      continue;
    }
    let moved = time;
    for (let before = at - 1; before >= 0 && seconds[before] === moved; before--) {
      moved++;
      seconds[before] = moved;
    }
  }
  const entries: RepositoryChangelog[] = [];
  for (let at = count - 1; at >= 0; at--) {
    entries.push({
      author: (names[at] as string).replace(/ +$/, ''),
      date: new Date((seconds[at] as number) * 1000),
      text: bodies[at] as string,
    });
  }
  return entries;
}

function badRecord(what: string, wanted: string, found: string, cause?: unknown): RepoError {
  return new RepoError(
    { code: 'REPO_BAD_VALUE', document: 'package record', what, wanted, found: found.slice(0, 80) },
    `package record: ${what}: ${wanted} wanted, found ${quote(found)}`,
    cause === undefined ? undefined : { cause },
  );
}
