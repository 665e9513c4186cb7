/**
 * Macro expansion: what a spec says once its macros are run, and which BuildRequires its own scripts add.
 *
 * Reading a spec runs code (`%(…)`, Lua, `%generate_buildrequires`). Therefore it happens behind a driver, in a root,
 * without network, and never in this process. What comes back is text from a stranger: it is parsed under ceilings.
 *
 * Reference: rpmspec(8); rpm, docs/manual/buildprocess.md, docs/manual/dynamic_build_dependencies.md
 */
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Abortable,
  type ByteSource,
  dependencies,
  type Evr,
  formatDependency,
  formatNevra,
  type Nevra,
  quote,
  type RpmPackage,
  readPackage,
} from '@distrokit/rpm';
import { openPackage } from '@distrokit/rpm/node';
import type { ArchWords } from './arch-plan.js';
import { claimFolder, removeFolder } from './build-folder.js';
import { badSource, copySource, sourceDateOf, watchTask } from './build-package.js';
import type { Buildroot } from './buildroot.js';
import { type BuildDriver, type BuildTask, type DriverReport, expansionFiles } from './driver.js';
import { BuildError } from './errors.js';
import { generatesBuildRequires } from './root-driver.js';
import { findSpec } from './source-package.js';

/** Time and listener of an expansion. */
export interface ExpandOptions extends Abortable {
  /** Default 5 minutes: a spec that thinks longer is not reading itself. */
  readonly timeoutMs?: number;
  /** Each line that rpmspec or the spec's scripts print, warnings too. */
  readonly onLog?: (line: string) => void;
}

/** A package that a spec would make. */
export interface ExpandedPackage extends Nevra {
  /** What the spec says; what rpmbuild finds in the files comes on top. */
  readonly provides: readonly string[];
  readonly requires: readonly string[];
}

/** A spec once its macros are run, for one arch. */
export interface SpecExpansion extends ArchWords {
  readonly name: string;
  readonly evr: Evr;
  /** The spec without macros and with only the branches taken, as `rpmspec --parse` prints it. */
  readonly text: string;
  /** As written down, sorted; see `generatesBuildRequires`. */
  readonly buildRequires: readonly string[];
  readonly buildConflicts: readonly string[];
  /** The spec adds BuildRequires while it is built: ask `generateBuildRequires` for all of them. */
  readonly generatesBuildRequires: boolean;
  /** File names of `Source` and `Patch` lines. */
  readonly sources: readonly string[];
  readonly patches: readonly string[];
  /** Packages with a `%files` section, for this arch. */
  readonly packages: readonly ExpandedPackage[];
  readonly driver: DriverReport;
}

const defaultTimeoutMs = 300_000;
/** Ceiling on each document that an expansion leaves. The largest spec of Fedora is under 3 MiB. */
const maxExpansionBytes = 32 * 2 ** 20;
/** rpmbuild's status when what a spec generates is not installed. */
const wantsMore = 11;

/**
 * Expands the one spec of a folder (as for `buildSourcePackage`) in a buildroot, for the buildroot's arch and with its macros.
 *
 * Throws BUILD_FAILED for a spec that rpm refuses, BUILD_TIMEOUT, BUILD_LIMIT, BUILD_BAD_SOURCE, BUILD_BAD_DOCUMENT, and
 * BUILD_DRIVER_UNUSABLE where the driver has no sealed root: mock, and rpmbuild without namespaces.
 */
export async function expandSpec(
  folder: string,
  buildroot: Buildroot,
  driver: BuildDriver,
  options: ExpandOptions = {},
): Promise<SpecExpansion> {
  // What a spec says does not depend on the day: any date will do where there is none.
  const { specPath, sourceFolder, sourceDate = new Date(0) } = await findSpec(folder, buildroot);
  const task: BuildTask = { kind: 'expand', specPath, sourceFolder, buildroot, sourceDate };
  return watchTask(task, driver, { timeoutMs: defaultTimeoutMs, ...options }, async (watched) => {
    try {
      const file = (name: string): Promise<string> => readLimited(join(watched.folder, name));
      const text = await file(expansionFiles.spec);
      const source = fieldsOf(await file(expansionFiles.source), expansionFiles.source);
      const packages = fieldsOf(await file(expansionFiles.packages), expansionFiles.packages);
      return { ...sourceOf(source, text), text, packages: packagesOf(packages), driver: watched.outcome.report };
    } finally {
      await removeFolder(watched.folder);
    }
  });
}

/** BuildRequires of a source, those that its own scripts add included. */
export interface GeneratedBuildRequires {
  /** Sorted, without `rpmlib(…)`. */
  readonly buildRequires: readonly string[];
  /**
   * False: the repositories do not have all of them, and a spec may want more once they do. Ask again when packages
   * have appeared.
   */
  readonly complete: boolean;
}

/**
 * Runs `%generate_buildrequires` of an SRPM round by round: what a round asks for is installed before the next.
 *
 * A source that generates nothing is answered from its header, and starts nothing. Needs a driver that fills its roots (chroot,
 * podman). Throws BUILD_ROOT_FAILED when what is written down cannot be installed, else as `buildPackage`.
 */
export async function generateBuildRequires(
  srpm: ByteSource,
  buildroot: Buildroot,
  driver: BuildDriver,
  options: ExpandOptions = {},
): Promise<GeneratedBuildRequires> {
  const source = await readPackage(srpm, options.signal === undefined ? {} : { signal: options.signal });
  if (source.nevra.arch !== 'src' && source.nevra.arch !== 'nosrc')
    throw badSource('SRPM', 'a source package', `${formatNevra(source.nevra)}, a binary package`);
  if (!generatesBuildRequires(source)) return { buildRequires: buildRequiresOf(source), complete: true };
  const folder = await claimFolder(driver.workFolder, 'input');
  try {
    const srpmPath = join(folder, 'input.src.rpm');
    await copySource(srpm, srpmPath, options.signal);
    const sourceDate = buildroot.sourceDate ?? sourceDateOf(source);
    const task: BuildTask = { kind: 'requires', srpmPath, buildroot, sourceDate };
    const watched = { timeoutMs: defaultTimeoutMs, ...options };
    return await watchTask(
      task,
      driver,
      watched,
      async ({ folder: made, outcome }) => {
        try {
          const [file] = (await readdir(made)).filter((name) => name.endsWith('.rpm'));
          if (file === undefined) throw badSource('build', 'a source package with all BuildRequires', 'none');
          await using pkg = await openPackage(join(made, file));
          return { buildRequires: buildRequiresOf(pkg), complete: outcome.exitStatus === 0 };
        } finally {
          await removeFolder(made);
        }
      },
      [0, wantsMore],
    );
  } finally {
    await removeFolder(folder);
  }
}

/** BuildRequires in the header of an SRPM, sorted, without `rpmlib(…)`. Those of the arch on which the SRPM was made. */
export function buildRequiresOf(srpm: RpmPackage): string[] {
  const texts = dependencies(srpm.header, 'requires')
    .filter(({ name }) => !name.startsWith('rpmlib('))
    .map(formatDependency);
  return [...new Set(texts)].sort();
}

type Field = readonly [word: string, ...values: string[]];

/** Lines of a word and values between tabs, as the query formats write them. */
function fieldsOf(text: string, document: string): Field[] {
  return text.split('\n').flatMap((line, at): Field[] => {
    if (line === '') return [];
    const [word = '', ...values] = line.split('\t');
    // A value with a line end in it would read as a field of its own.
    if (!fieldWords.has(word) || values.length === 0) {
      throw new BuildError(
        { code: 'BUILD_BAD_DOCUMENT', document, where: `line ${at + 1}`, wanted: 'a field', found: quote(line) },
        `${document}: line ${at + 1}: a field wanted, found ${quote(line)}`,
      );
    }
    return [[word, ...values]];
  });
}

const fieldWords: ReadonlySet<string> = new Set([
  ...['nevr', 'package', 'provides', 'requires', 'conflicts', 'buildarch', 'exclusivearch', 'excludearch'],
  ...['source', 'patch'],
]);

function sourceOf(fields: readonly Field[], text: string): Omit<SpecExpansion, 'text' | 'packages' | 'driver'> {
  const of = (word: string): string[] =>
    fields.filter(([each]) => each === word).map(([, ...values]) => values.join('\t'));
  const [nevr] = fields.filter(([word]) => word === 'nevr');
  const [, name = '', epoch = '', version = '', release = ''] = nevr ?? [];
  return {
    name,
    evr: evrOf(epoch, version, release),
    buildRequires: of('requires')
      .filter((each) => !each.startsWith('rpmlib('))
      .sort(),
    buildConflicts: of('conflicts').sort(),
    generatesBuildRequires: /^%generate_buildrequires\b/m.test(text),
    sources: of('source'),
    patches: of('patch'),
    buildArchs: of('buildarch'),
    exclusiveArchs: of('exclusivearch'),
    excludeArchs: of('excludearch'),
  };
}

function packagesOf(fields: readonly Field[]): ExpandedPackage[] {
  const packages: { nevra: Nevra; provides: string[]; requires: string[] }[] = [];
  for (const [word, first = '', ...rest] of fields) {
    const last = packages.at(-1);
    if (word === 'package') {
      const [epoch = '', version = '', release = '', arch = ''] = rest;
      packages.push({ nevra: { name: first, ...evrOf(epoch, version, release), arch }, provides: [], requires: [] });
    } else if (word === 'provides') last?.provides.push(first);
    else if (word === 'requires' && !first.startsWith('rpmlib(')) last?.requires.push(first);
  }
  return packages.map(({ nevra, ...rest }) => ({ ...nevra, ...rest }));
}

function evrOf(epoch: string, version: string, release: string): Evr {
  return epoch === '(none)' ? { version, release } : { epoch: Number(epoch), version, release };
}

async function readLimited(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (size > maxExpansionBytes) {
      throw new BuildError(
        { code: 'BUILD_LIMIT', what: 'bytes of an expanded spec', limit: maxExpansionBytes, found: size },
        `expansion: longer than ${maxExpansionBytes} bytes`,
      );
    }
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
