/**
 * The dependencies of a package as primary.xml holds them: which of the header's are left out, and in what order.
 *
 * The kernel does the same: `../kernel/dependencies.ts`.
 *
 * Reference: createrepo_c, src/parsehdr.c (cr_package_from_header), src/misc.c (cr_str_to_evr, cr_compare_dependency)
 */
import { compareVersion, type Header, type MainTags } from '@distrokit/rpm';
import type { HeaderTexts } from './header-texts.js';
import {
  isPrimaryPath,
  type RecordOptions,
  type RepositoryDependency,
  type RepositoryDependencyKind,
  type RepositoryRelation,
  type Writable,
} from './package-record.js';

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

/**
 * The eight lists of dependencies. `needsSelfProvide` is for rpm 3, which does not say that a package provides itself; `ownPrimaryPaths`
 * are the package's files that primary names.
 */
export function dependenciesOf(
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

/** Whether `b` wants a newer libc than `a`: `libc.so.6(GLIBC_2.34)(64bit)`; a name without a version wants the least. */
function isHigherLibc(a: string, b: string): boolean {
  const version = (name: string): string | undefined => /\(GLIBC_([^)]*)\)/.exec(name)?.[1];
  const before = version(a);
  const after = version(b);
  if (after === undefined) return false;
  return before === undefined || compareVersion(before, after) < 0;
}
