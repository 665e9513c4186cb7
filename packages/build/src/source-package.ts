/**
 * From a spec and its sources to an SRPM, with `rpmbuild -bs`.
 *
 * rpmbuild reads the spec, and reading a spec runs code (`%(…)`, Lua): therefore this happens behind a
 * driver like any other build.
 *
 * Reference: rpmbuild(8); rpm, build/parseChangelog.c (date forms)
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { quote } from '@distrokit/rpm';
import { type BuildOptions, type BuildResult, type BuiltPackage, badSource, runTask } from './build-package.js';
import type { Buildroot } from './buildroot.js';
import type { BuildDriver } from './driver.js';

/** An SRPM that was made, and how. */
export interface SourcePackageResult extends Omit<BuildResult, 'packages'> {
  readonly srpm: BuiltPackage;
}

/**
 * Makes the SRPM of a folder that holds one spec and its sources: all in one folder, or in `SPECS` and `SOURCES`.
 *
 * The time in the SRPM is `buildroot.sourceDate`, else the newest changelog entry of the spec. Throws BUILD_BAD_SOURCE for a
 * folder without exactly one spec, or a spec without a date; otherwise as `buildPackage`.
 */
export async function buildSourcePackage(
  folder: string,
  buildroot: Buildroot,
  driver: BuildDriver,
  options: BuildOptions = {},
): Promise<SourcePackageResult> {
  const started = performance.now();
  const { specPath, sourceFolder, sourceDate } = await findSpec(folder, buildroot);
  if (sourceDate === undefined) {
    throw badSource(
      `spec ${quote(basename(specPath))}`,
      'a changelog entry or "sourceDate"',
      'neither: the SRPM would carry the time of day',
    );
  }
  const { packages, ...result } = await runTask(
    { kind: 'source', specPath, sourceFolder, buildroot, sourceDate },
    undefined,
    driver,
    options,
    started,
  );
  return { ...result, srpm: packages[0] as BuiltPackage };
}

/** The one spec of a folder, where its sources lie, and its time: the buildroot's, else its newest changelog entry. Throws BUILD_BAD_SOURCE. */
export async function findSpec(
  folder: string,
  buildroot: Buildroot,
): Promise<{ readonly specPath: string; readonly sourceFolder: string; readonly sourceDate: Date | undefined }> {
  const specFolder = (await isFolder(join(folder, 'SPECS'))) ? join(folder, 'SPECS') : folder;
  const sourceFolder = (await isFolder(join(folder, 'SOURCES'))) ? join(folder, 'SOURCES') : folder;
  const specs = (await readdir(specFolder)).filter((name) => name.endsWith('.spec')).sort();
  const [spec] = specs;
  if (spec === undefined || specs.length > 1) {
    throw badSource(
      'source folder',
      'exactly one spec',
      specs.length === 0 ? 'none' : specs.map((name) => quote(name)).join(', '),
    );
  }
  const specPath = join(specFolder, spec);
  const sourceDate = buildroot.sourceDate ?? newestChangelogDate(await readFile(specPath, 'latin1'));
  return { specPath, sourceFolder, sourceDate };
}

/** The date of the first changelog entry, at noon as rpm has it, or at its own time; undefined when there is none to read. */
export function newestChangelogDate(spec: string): Date | undefined {
  const changelog = /^%changelog[ \t]*$/im.exec(spec);
  if (changelog === null) return undefined;
  const entry =
    /^\*\s+\w{3}\s+(?<month>\w{3})\s+(?<day>\d{1,2})\s+(?:(?<hours>\d{2}):(?<minutes>\d{2}):(?<seconds>\d{2})\s+\w+\s+)?(?<year>\d{4})\b/m.exec(
      spec.slice(changelog.index),
    );
  const { month, day, hours, minutes, seconds, year } = entry?.groups ?? {};
  const number = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'].indexOf(
    month ?? '',
  );
  if (number < 0) return undefined;
  return new Date(
    Date.UTC(Number(year), number, Number(day), Number(hours ?? 12), Number(minutes ?? 0), Number(seconds ?? 0)),
  );
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
}
