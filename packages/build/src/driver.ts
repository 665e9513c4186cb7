/**
 * A driver: the one interface behind which builds run, whatever runs them.
 *
 * A driver is probed before it accepts work, so that a missing tool or a kernel that refuses
 * namespaces is found before a queue of builds is, and so that a result can say how it was made.
 */
import type { Abortable } from '@distrokit/rpm';
import type { Buildroot } from './buildroot.js';
import type { RootPackage } from './buildroot-lock.js';

/** Runs builds. Implementations: `rpmbuildDriver`, `chrootDriver`, `mockDriver`, `podmanDriver`. */
export interface BuildDriver {
  readonly name: string;
  /** Folder that holds this driver's builds, and below it their results. */
  readonly workFolder: string;
  /**
   * What this driver can do on this machine. Cheap enough to be called before each build.
   *
   * Throws BUILD_TOOL_MISSING and BUILD_DRIVER_UNUSABLE.
   */
  probe(options?: Abortable): Promise<DriverReport>;
  /** Runs one task. A build that fails is an outcome, not an error; an abort rejects with the signal's reason. */
  run(task: BuildTask, options: DriverOptions): Promise<DriverOutcome>;
}

/** What a driver found on this machine. */
export interface DriverReport {
  readonly driver: string;
  /** Names and versions of the tools, for instance `rpmbuild 4.18.0`. */
  readonly tools: readonly string[];
  /** The arch that packages are built for when nothing else is said. */
  readonly arch: string;
  /** What stands between a build and the machine. `none`: the build can reach the network and every file of its user. */
  readonly isolation: 'namespace' | 'container' | 'none';
  /** Whether BuildRequires are looked up before a build. A host that is not managed by rpm cannot know. */
  readonly buildRequires: 'installed' | 'checked' | 'ignored';
}

/** One thing to build. Paths are absolute. */
export type BuildTask =
  | {
      readonly kind: 'binary';
      readonly srpmPath: string;
      readonly buildroot: Buildroot;
      readonly sourceDate: Date;
    }
  | {
      readonly kind: 'source';
      readonly specPath: string;
      /** Folder with the sources and patches that the spec names. */
      readonly sourceFolder: string;
      readonly buildroot: Buildroot;
      readonly sourceDate: Date;
    }
  | {
      /** Nothing is built: rpmspec reads the spec, and what it says is left as `expansionFiles`. */
      readonly kind: 'expand';
      readonly specPath: string;
      readonly sourceFolder: string;
      readonly buildroot: Buildroot;
      readonly sourceDate: Date;
    }
  | {
      /** Up to `%generate_buildrequires`, in rounds; the last source package of these is left, status 11 when it still wants more. */
      readonly kind: 'requires';
      readonly srpmPath: string;
      readonly buildroot: Buildroot;
      readonly sourceDate: Date;
    };

/** What an `expand` task leaves: the spec without macros, what the source says, what its packages say. */
export const expansionFiles = { spec: 'expanded.spec', source: 'source.txt', packages: 'packages.txt' } as const;

/** Where a task's results go, and what it may use. */
export interface DriverOptions extends Abortable {
  /** An existing, empty folder. What the task makes is put there, nothing else. */
  readonly resultFolder: string;
  readonly logPath: string;
  readonly timeoutMs?: number | undefined;
  readonly maxLogBytes: number;
  readonly onLog?: ((line: string) => void) | undefined;
}

/** How a task ended. */
export interface DriverOutcome {
  readonly report: DriverReport;
  readonly ending: 'exited' | 'timeout' | 'too-much-output';
  readonly exitStatus: number | null;
  readonly signal: string | null;
  readonly logBytes: number;
  readonly lastLogLines: readonly string[];
  /** The command line as it was run, for people who want to repeat it. */
  readonly command: readonly string[];
  /** Set when packages were built for an arch that the machine runs only through an emulator or a cross compiler. */
  readonly foreign?: 'emulated' | 'cross';
  /** The packages of the root the build ran in, where the driver made the root. */
  readonly rootPackages?: readonly RootPackage[];
}
