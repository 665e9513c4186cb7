/**
 * Is the noarch package the same on every arch?
 *
 * Only one of them is published, so they must agree in everything an installed system depends on. Koji's measure:
 * the descriptive tags, the main scriptlets, the dependencies, and every file but for its size, digest, time and
 * link count (which compilers of documentation and bytecode are known to vary).
 *
 * Reference: koji, koji/rpmdiff.py (ignore `S5TN`), hub check_noarch_rpms
 */

import type { PackageFile } from '@distrokit/rpm';
import {
  dependencies,
  dependencyFlagNames,
  fileList,
  formatDependency,
  formatNevra,
  type RpmPackage,
} from '@distrokit/rpm';

/** A noarch package and the arch of the machine that built it. */
export interface NoarchBuild {
  readonly arch: string;
  readonly package: RpmPackage;
}

/** One thing in which two noarch builds of one package differ. */
export interface NoarchDifference {
  /** NEVRA of the package. */
  readonly package: string;
  /** A header tag, a kind of dependency, or `file`. */
  readonly what: string;
  /** The path, or the dependency; absent for tags. */
  readonly item?: string;
  /** What each of the two has; `none` when it is absent. */
  readonly values: readonly [
    { readonly arch: string; readonly value: string },
    { readonly arch: string; readonly value: string },
  ];
}

/** The answer. `ok` when there was at least one build, and no two builds of a package differ. */
export interface NoarchReport {
  readonly ok: boolean;
  readonly differences: readonly NoarchDifference[];
  /** Packages that some of the arches made and others did not: NEVRA and the arches that did. */
  readonly incomplete: readonly { readonly package: string; readonly arches: readonly string[] }[];
}

/** Compares the noarch packages that several arches made of one source, each with the first of its NEVRA. Throws RPM_BAD_FILE_LIST. */
export function compareNoarch(builds: readonly NoarchBuild[]): NoarchReport {
  const byName = new Map<string, NoarchBuild[]>();
  for (const build of [...builds].sort((a, b) => (a.arch < b.arch ? -1 : 1))) {
    if (build.package.nevra.arch !== 'noarch')
      throw new TypeError(`"builds": ${formatNevra(build.package.nevra)} is no noarch package`);
    const name = formatNevra(build.package.nevra);
    byName.set(name, [...(byName.get(name) ?? []), build]);
  }
  const arches = [...new Set(builds.map((build) => build.arch))];
  const differences: NoarchDifference[] = [];
  const incomplete: { readonly package: string; readonly arches: readonly string[] }[] = [];
  for (const [name, [first, ...others]] of byName) {
    if (first === undefined) continue;
    if (others.length + 1 < arches.length)
      incomplete.push({ package: name, arches: [first, ...others].map((build) => build.arch) });
    const expected = facts(first.package);
    for (const other of others) {
      const found = facts(other.package);
      for (const key of [...new Set([...expected.keys(), ...found.keys()])].sort()) {
        const [mine, theirs] = [expected.get(key) ?? 'none', found.get(key) ?? 'none'];
        if (mine === theirs) continue;
        const [what = '', ...item] = key.split(' ');
        const values = [
          { arch: first.arch, value: mine },
          { arch: other.arch, value: theirs },
        ] as const;
        differences.push(
          item.length === 0 ? { package: name, what, values } : { package: name, what, item: item.join(' '), values },
        );
      }
    }
  }
  return { ok: builds.length > 0 && differences.length === 0 && incomplete.length === 0, differences, incomplete };
}

const comparedTags = [
  'NAME',
  'SUMMARY',
  'DESCRIPTION',
  'LICENSE',
  'GROUP',
  'URL',
  'PREIN',
  'POSTIN',
  'PREUN',
  'POSTUN',
] as const;
const comparedDependencies = ['provides', 'requires', 'conflicts', 'obsoletes'] as const;

/** What must agree, as `what` or `what item` → value. */
function facts(pkg: RpmPackage): Map<string, string> {
  const found = new Map<string, string>();
  for (const tag of comparedTags) {
    const value = pkg.header.get(tag);
    if (value !== undefined) found.set(tag, JSON.stringify(value));
  }
  for (const kind of comparedDependencies) {
    for (const each of dependencies(pkg.header, kind)) {
      found.set(`${kind} ${formatDependency(each)}`, dependencyFlagNames(each.flags).join(' ') || 'plain');
    }
  }
  for (const file of fileList(pkg.header)) found.set(`file ${file.path}`, describe(file));
  return found;
}

function describe(file: PackageFile): string {
  const { mode, flags, user, group, linkTarget, deviceNumber, capabilities, verify } = file;
  return [mode.toString(8), user, group, `flags=${flags}`, `verify=${verify}`, linkTarget, deviceNumber, capabilities]
    .join(' ')
    .trimEnd();
}
