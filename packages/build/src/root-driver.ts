/**
 * Builds in roots: each in a root of its own, made from given repositories with dnf, entered through a sandbox,
 * thrown away afterwards. What the chroot and the podman driver share.
 *
 * The root is filled first (base packages, then what the source wants, in rounds when a spec generates
 * BuildRequires); after that nothing comes in any more: no network, no process and no file of the machine.
 *
 * Reference: dnf(8); rpmbuild(8); mock, docs (order of steps)
 */
import { cp, mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type Abortable, dependencies, isCompatibleArch, type RpmPackage } from '@distrokit/rpm';
import { openPackage } from '@distrokit/rpm/node';
import { claimFolder, movePackages, removeFolder } from './build-folder.js';
import { assertLocked, type RootPackage } from './buildroot-lock.js';
import { type CommandOutcome, runCommand } from './command.js';
import {
  type BuildDriver,
  type BuildTask,
  type DriverOptions,
  type DriverOutcome,
  type DriverReport,
  expansionFiles,
} from './driver.js';
import { BuildError } from './errors.js';
import { addBuildRequires, makeRoot, parseRootPackages, type RootContext, rootQueryFormat } from './root-maker.js';
import {
  type BuildFolders,
  buildEnvironment,
  type RpmbuildOptions,
  rpmbuildArgv,
  rpmspecArgv,
} from './rpmbuild-command.js';
import { insideFolder } from './sandbox.js';
import { buildPath, findTool } from './tool.js';

/** One command inside a root. */
export interface InsideCommand {
  /** Path of the root file system; it may be changed. */
  readonly root: string;
  /** The build's own folder, with `tmp` and `vartmp`. */
  readonly folder: string;
  /** What appears as `insideFolder`. */
  readonly work: string;
  readonly hostName: string;
  readonly env: Readonly<Record<string, string>>;
  readonly argv: readonly string[];
}

/** A way into a root. */
export interface RootEntrance {
  readonly name: string;
  readonly isolation: 'namespace' | 'container';
  /** Names and versions of the tools. Throws BUILD_TOOL_MISSING and BUILD_DRIVER_UNUSABLE. */
  tools(ask: (argv: readonly string[]) => Promise<CommandOutcome>, folder: string): Promise<readonly string[]>;
  /** The words that run a command inside. */
  enter(command: InsideCommand): Promise<string[]>;
  /** Ends what a command may have left running outside of its process group. */
  leave(folder: string, run: (argv: readonly string[]) => Promise<unknown>): Promise<void>;
}

/** rpmbuild's status when generated BuildRequires are not installed yet. */
const wantsMore = 11;
/** Rounds in which a spec may come up with further BuildRequires. */
const maxRounds = 10;

/** A driver that builds in roots made from repositories or from a lock. */
export function rootDriver(workFolder: string, entrance: RootEntrance): BuildDriver {
  const { name } = entrance;

  // What the last probe found: a build need not ask the machine again.
  let found: DriverReport | undefined;
  const probe = async ({ signal }: Abortable = {}): Promise<DriverReport> => {
    const dnf = await findTool('dnf');
    const rpm = await findTool('rpm');
    const folder = await claimFolder(workFolder, 'probe');
    try {
      const ask = async (argv: readonly string[]): Promise<CommandOutcome> =>
        runCommand({
          argv,
          env: { HOME: folder, PATH: buildPath, LC_ALL: 'C.UTF-8' },
          cwd: folder,
          maxOutputBytes: 65_536,
          timeoutMs: 60_000,
          signal,
        });
      const tools = await entrance.tools(ask, folder);
      const arch = await ask([rpm, '--eval', '%{_target_cpu}']);
      const dnfVersion = await ask([dnf, '--version']);
      found = {
        driver: name,
        tools: [`dnf ${dnfVersion.lastLines[0] ?? ''}`, ...tools],
        arch: arch.lastLines[0] ?? '',
        isolation: entrance.isolation,
        buildRequires: 'installed',
      };
      return found;
    } finally {
      await removeFolder(folder);
    }
  };

  const run = async (task: BuildTask, runOptions: DriverOptions): Promise<DriverOutcome> => {
    const { buildroot } = task;
    const origin = buildroot.root;
    if (origin.kind === 'host') throw unusable(name, 'a buildroot from repositories or a lock', 'the host itself');
    const report = found ?? (await probe(runOptions));
    const arch = buildroot.arch ?? report.arch;
    const foreign = await foreignness(name, arch, report.arch);
    const started = performance.now();
    const timeLeft = (): number | undefined =>
      runOptions.timeoutMs === undefined
        ? undefined
        : Math.max(1, runOptions.timeoutMs - (performance.now() - started));
    const folder = await claimFolder(workFolder, 'build');
    try {
      for (const made of ['home', 'tmp/build', 'vartmp', 'build/top', 'build/home'])
        await mkdir(join(folder, made), { recursive: true });
      const context: RootContext = {
        folder,
        arch,
        foreign: foreign !== undefined,
        logPath: runOptions.logPath,
        maxLogBytes: runOptions.maxLogBytes,
        onLine: runOptions.onLog,
        signal: runOptions.signal,
        timeLeft,
      };
      const ended = (
        outcome: CommandOutcome,
        command: readonly string[],
        rootPackages?: readonly RootPackage[],
      ): DriverOutcome => ({
        report,
        ending: outcome.ending,
        exitStatus: outcome.exitStatus,
        signal: outcome.signal,
        logBytes: outcome.outputBytes,
        lastLogLines: outcome.lastLines,
        command,
        ...(foreign === undefined ? {} : { foreign }),
        ...(rootPackages === undefined ? {} : { rootPackages }),
      });
      const made = await makeRoot(origin, context);
      if (!made.ok) return ended(made.outcome, ['dnf']);
      const root = new Root(folder, task, context, entrance);
      if (task.kind === 'source' || task.kind === 'expand') {
        await cp(task.sourceFolder, join(folder, 'build', 'sources'), { recursive: true });
        await cp(task.specPath, join(folder, 'build', 'input.spec'));
      } else {
        await cp(task.srpmPath, join(folder, 'build', 'input.src.rpm'));
        if (origin.kind === 'repositories') {
          const added = await addBuildRequires(origin.releasever, task.srpmPath, context);
          if (!added.ok) return ended(added.outcome, ['dnf']);
          const generated = await addGenerated(root, origin.releasever, task, context);
          if (generated !== undefined) return ended(generated, ['rpmbuild', '-rr']);
        }
      }
      const rootPackages = await root.packages();
      if (origin.kind === 'lock') assertLocked(origin.lock, rootPackages);
      const argv = root.argv(arch === report.arch ? undefined : arch);
      const outcome = await root.run(argv, true);
      const well = outcome.exitStatus === 0 || (task.kind === 'requires' && outcome.exitStatus === wantsMore);
      if (outcome.ending === 'exited' && well) await collectResults(task, join(folder, 'build'), runOptions);
      return ended(outcome, argv, rootPackages);
    } finally {
      await removeFolder(folder);
    }
  };

  return { name, workFolder, probe, run };
}

/** A filled root and the build in it. */
class Root {
  readonly #folder: string;
  readonly #task: BuildTask;
  readonly #context: RootContext;
  readonly #folders: BuildFolders = { topdir: `${insideFolder}/top`, home: `${insideFolder}/home`, tmp: '/var/tmp' };

  readonly #entrance: RootEntrance;

  constructor(folder: string, task: BuildTask, context: RootContext, entrance: RootEntrance) {
    this.#entrance = entrance;
    this.#folder = folder;
    this.#task = task;
    this.#context = context;
  }

  argv(target: string | undefined, task: BuildTask = this.#task): string[] {
    const options: RpmbuildOptions = {
      rpmbuild: task.kind === 'expand' ? '/usr/bin/rpmspec' : '/usr/bin/rpmbuild',
      folders: this.#folders,
      ...('specPath' in task
        ? { input: `${insideFolder}/input.spec`, sourceFolder: `${insideFolder}/sources` }
        : { input: `${insideFolder}/input.src.rpm` }),
      target,
      checkBuildRequires: true,
    };
    return task.kind === 'expand' ? rpmspecArgv(task, insideFolder, options) : rpmbuildArgv(task, options);
  }

  /** Runs a program inside; `logged` when people want to see it. */
  async run(argv: readonly string[], logged: boolean, onLine?: (line: string) => void): Promise<CommandOutcome> {
    const context = this.#context;
    const folder = this.#folder;
    const outside = { env: { HOME: join(folder, 'home'), PATH: buildPath }, cwd: folder };
    const entered = await this.#entrance.enter({
      root: join(folder, 'root'),
      folder,
      work: join(folder, 'build'),
      hostName: this.#task.buildroot.buildHost ?? 'build.invalid',
      env: buildEnvironment(this.#task, this.#folders),
      argv,
    });
    try {
      return await runCommand({
        ...outside,
        argv: entered,
        logPath: logged ? context.logPath : undefined,
        maxOutputBytes: context.maxLogBytes,
        onLine: logged ? context.onLine : onLine,
        signal: context.signal,
        timeoutMs: context.timeLeft(),
      });
    } finally {
      await this.#entrance.leave(folder, (words) =>
        runCommand({ ...outside, argv: words, maxOutputBytes: 65_536, timeoutMs: 60_000 }),
      );
    }
  }

  /** The driver's name, for messages. */
  get name(): string {
    return this.#entrance.name;
  }

  async packages(): Promise<RootPackage[]> {
    const lines: string[] = [];
    const outcome = await this.run(['/usr/bin/rpm', '-qa', '--qf', rootQueryFormat], false, (line) => lines.push(line));
    if (outcome.exitStatus !== 0)
      throw unusable(this.name, 'a root with rpm and rpmbuild', outcome.lastLines.join(' '));
    return parseRootPackages(lines);
  }
}

/** Moves what a task made out of the build's folder, which must be on the file system of the result folder. */
export async function collectResults(task: BuildTask, folder: string, options: DriverOptions): Promise<void> {
  if (task.kind === 'expand') {
    for (const file of Object.values(expansionFiles))
      await rename(join(folder, file), join(options.resultFolder, file));
  } else await movePackages(join(folder, 'top', task.kind === 'binary' ? 'RPMS' : 'SRPMS'), options.resultFolder);
}

/**
 * Installs what the spec generates, until it wants nothing more. The outcome of the round that failed, if one did.
 * A task that only asks what is wanted also ends well where a root cannot have it.
 */
async function addGenerated(
  root: Root,
  releasever: string,
  task: BuildTask & { readonly srpmPath: string },
  context: RootContext,
): Promise<CommandOutcome | undefined> {
  await using source = await openPackage(task.srpmPath);
  if (!generatesBuildRequires(source)) return undefined;
  for (let round = 0; round < maxRounds; round += 1) {
    const outcome = await root.run(root.argv(undefined, { ...task, kind: 'requires' }), true);
    if (outcome.ending !== 'exited' || (outcome.exitStatus !== 0 && outcome.exitStatus !== wantsMore)) return outcome;
    if (outcome.exitStatus === 0) return undefined;
    const made = join(context.folder, `generated-${round}`);
    await mkdir(made);
    await movePackages(join(context.folder, 'build', 'top', 'SRPMS'), made);
    for (const file of await readdir(made)) {
      try {
        const added = await addBuildRequires(releasever, join(made, file), context);
        if (!added.ok) return added.outcome;
      } catch (cause) {
        if (task.kind === 'requires' && isMissing(cause)) return undefined;
        throw cause;
      }
    }
  }
  throw unusable(
    root.name,
    `generated BuildRequires that end within ${maxRounds} rounds`,
    'a spec that wants more every time',
  );
}

/** Whether the spec of a source package has `%generate_buildrequires`: rpmbuild writes down that it must be understood. */
export function generatesBuildRequires(source: RpmPackage): boolean {
  return dependencies(source.header, 'requires').some(({ name }) => name === 'rpmlib(DynamicBuildRequires)');
}

function isMissing(cause: unknown): boolean {
  return (
    cause instanceof BuildError &&
    cause.fault.code === 'BUILD_ROOT_FAILED' &&
    cause.fault.failureClass === 'missing-build-requires'
  );
}

/** How an arch that is not the machine's own is run; undefined when it runs by itself. Throws BUILD_DRIVER_UNUSABLE when it does not run. */
async function foreignness(driver: string, arch: string, machine: string): Promise<'emulated' | undefined> {
  if (arch === machine || isCompatibleArch(arch, machine)) return undefined;
  const handler = `/proc/sys/fs/binfmt_misc/qemu-${arch}`;
  const enabled = await readFile(handler, 'utf8').then(
    (text) => text.startsWith('enabled'),
    () => false,
  );
  if (enabled) return 'emulated';
  throw unusable(driver, `a machine that runs ${arch}`, `${machine}, and no emulator registered at ${handler}`);
}

/** A driver that cannot work here. */
export function unusable(driver: string, wanted: string, found: string): BuildError {
  return new BuildError(
    { code: 'BUILD_DRIVER_UNUSABLE', driver, wanted, found: found.slice(0, 500) },
    `driver ${driver}: ${wanted} wanted, found: ${found.slice(0, 500)}`,
  );
}
