/**
 * The rpmbuild command line: the same for every driver that ends in rpmbuild.
 *
 * What decides about bytes is fixed here: the clock, the host name, file times, locale, time zone.
 * Nothing of the caller's environment or home is read.
 *
 * Reference: rpmbuild(8); rpm, macros.in; reproducible-builds.org, SOURCE_DATE_EPOCH
 */
import { macroArguments } from './buildroot.js';
import { type BuildTask, expansionFiles } from './driver.js';
import { buildPath } from './tool.js';

/** Folders of one build, as the build sees them. */
export interface BuildFolders {
  readonly topdir: string;
  readonly home: string;
  readonly tmp: string;
}

/** What rpmbuild is to be told beyond the task. */
export interface RpmbuildOptions {
  /** Path of rpmbuild, or of rpmspec for an expansion, as the build sees it. */
  readonly rpmbuild: string;
  readonly folders: BuildFolders;
  /** Path of the SRPM or of the spec as the build sees it. */
  readonly input: string;
  /** Folder of sources as the build sees it, where the input is a spec. */
  readonly sourceFolder?: string;
  /** Name of another arch to build for. */
  readonly target?: string | undefined;
  readonly checkBuildRequires: boolean;
  /** Macros of the driver itself, after its own folders. */
  readonly macros?: Readonly<Record<string, string>>;
}

/** The words of the rpmbuild call for a task. Throws TypeError for a macro that must not be set. */
export function rpmbuildArgv(task: BuildTask, options: RpmbuildOptions): string[] {
  const mode = { binary: '--rebuild', source: '-bs', requires: '-rr', expand: '-bp' }[task.kind];
  return [
    options.rpmbuild,
    mode,
    // Making an SRPM compiles nothing, so nothing needs to be installed for it.
    ...(options.checkBuildRequires && task.kind !== 'source' ? [] : ['--nodeps']),
    ...macroWords(task, options),
    options.input,
  ];
}

/** One query of rpmspec, and the file below the build's folder that it is written to. */
interface SpecQuestion {
  readonly words: readonly string[];
  readonly file: string;
}

/** What an `expand` task asks: fields end in a line end, and begin with a word and a tab. */
const specQuestions: readonly SpecQuestion[] = [
  { words: ['--parse'], file: expansionFiles.spec },
  {
    words: [
      '--query',
      '--srpm',
      '--queryformat',
      'nevr\t%{NAME}\t%{EPOCH}\t%{VERSION}\t%{RELEASE}\n[requires\t%{REQUIRENEVRS}\n][conflicts\t%{CONFLICTNEVRS}\n]' +
        '[buildarch\t%{BUILDARCHS}\n][exclusivearch\t%{EXCLUSIVEARCH}\n][excludearch\t%{EXCLUDEARCH}\n]' +
        '[source\t%{SOURCE}\n][patch\t%{PATCH}\n]',
    ],
    file: expansionFiles.source,
  },
  {
    words: [
      '--query',
      '--builtrpms',
      '--queryformat',
      'package\t%{NAME}\t%{EPOCH}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\n[provides\t%{PROVIDENEVRS}\n][requires\t%{REQUIRENEVRS}\n]',
    ],
    file: expansionFiles.packages,
  },
];

/**
 * The words that expand a spec: a shell that calls rpmspec once for each question, its answers in files of `answers`, so that
 * warnings do not mix with them.
 */
export function rpmspecArgv(task: BuildTask, answers: string, options: RpmbuildOptions): string[] {
  const calls = specQuestions.map(
    ({ words, file }) =>
      `${[options.rpmbuild, ...words, ...macroWords(task, options), options.input].map(shellWord).join(' ')} > ${shellWord(`${answers}/${file}`)}`,
  );
  return ['/bin/sh', '-c', calls.join(' && ')];
}

function shellWord(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** The macros of a task, as words for rpmbuild and rpmspec alike. */
function macroWords(task: BuildTask, options: RpmbuildOptions): string[] {
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
    ...(options.target === undefined ? [] : ['--target', `${options.target}-linux`]),
    ...Object.entries(own).flatMap(([name, value]) => ['--define', `${name} ${value}`]),
    ...macroArguments(task.buildroot.macros ?? {}),
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
