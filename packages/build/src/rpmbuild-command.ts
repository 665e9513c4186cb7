/**
 * The rpmbuild command line: the same for every driver that ends in rpmbuild.
 *
 * What decides about bytes is fixed here: the clock, the host name, file times, locale, time zone.
 * Nothing of the caller's environment or home is read.
 *
 * Reference: rpmbuild(8); rpm, macros.in; reproducible-builds.org, SOURCE_DATE_EPOCH
 */
import { macroArguments } from './buildroot.js';
import type { BuildTask } from './driver.js';
import { buildPath } from './tool.js';

/** Folders of one build, as the build sees them. */
export interface BuildFolders {
  readonly topdir: string;
  readonly home: string;
  readonly tmp: string;
}

/** What rpmbuild is to be told beyond the task. */
export interface RpmbuildOptions {
  /** Path of rpmbuild as the build sees it. */
  readonly rpmbuild: string;
  readonly folders: BuildFolders;
  /** Path of the SRPM or of the spec as the build sees it. */
  readonly input: string;
  /** Folder of sources as the build sees it, for a source task. */
  readonly sourceFolder?: string;
  /** Name of another arch to build for. */
  readonly target?: string | undefined;
  readonly checkBuildRequires: boolean;
  /** Macros of the driver itself, after its own folders. */
  readonly macros?: Readonly<Record<string, string>>;
}

/** The words of the rpmbuild call for a task. Throws TypeError for a macro that must not be set. */
export function rpmbuildArgv(task: BuildTask, options: RpmbuildOptions): string[] {
  const { folders } = options;
  const own: Record<string, string> = {
    _topdir: folders.topdir,
    _tmppath: folders.tmp,
    _buildhost: task.buildroot.buildHost ?? 'build.invalid',
    use_source_date_epoch_as_buildtime: '1',
    clamp_mtime_to_source_date_epoch: '1',
    ...(options.sourceFolder === undefined ? {} : { _sourcedir: options.sourceFolder }),
    ...options.macros,
  };
  return [
    options.rpmbuild,
    ...(task.kind === 'source' ? ['-bs'] : ['--rebuild']),
    // Making an SRPM compiles nothing, so nothing needs to be installed for it.
    ...(options.checkBuildRequires && task.kind === 'binary' ? [] : ['--nodeps']),
    ...(options.target === undefined ? [] : ['--target', `${options.target}-linux`]),
    ...Object.entries(own).flatMap(([name, value]) => ['--define', `${name} ${value}`]),
    ...macroArguments(task.buildroot.macros ?? {}),
    options.input,
  ];
}

/** The whole environment of a build. */
export function buildEnvironment(
  task: BuildTask,
  folders: BuildFolders,
): Record<string, string> & { readonly HOME: string; readonly PATH: string } {
  return {
    HOME: folders.home,
    LC_ALL: 'C.UTF-8',
    PATH: buildPath,
    SOURCE_DATE_EPOCH: String(Math.floor(task.sourceDate.getTime() / 1000)),
    TERM: 'dumb',
    TMPDIR: folders.tmp,
    TZ: 'UTC',
  };
}
