/**
 * The chroot driver: each build in a root of its own, made from given repositories with dnf, entered through
 * bubblewrap, thrown away afterwards.
 *
 * The root is filled first (base packages, then what the source wants, in rounds when a spec generates
 * BuildRequires); after that nothing comes in any more: no network, no process and no file of the machine.
 * bubblewrap keeps every mount in a namespace that ends with the build, so there is none to leave behind.
 *
 * Reference: bwrap(1); dnf(8); rpmbuild(8); mock, docs (order of steps)
 */
import { cp, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Abortable, dependencies, isCompatibleArch } from '@distrokit/rpm';
import { openPackage } from '@distrokit/rpm/node';
import { claimFolder, movePackages, removeFolder } from './build-folder.js';
import { assertLocked, type RootPackage } from './buildroot-lock.js';
import { type CommandOutcome, runCommand } from './command.js';
import type { BuildDriver, BuildTask, DriverOptions, DriverOutcome, DriverReport } from './driver.js';
import { BuildError } from './errors.js';
import { addBuildRequires, makeRoot, parseRootPackages, type RootContext, rootQueryFormat } from './root-maker.js';
import { type BuildFolders, buildEnvironment, rpmbuildArgv } from './rpmbuild-command.js';
import { insideFolder, sandboxArgv } from './sandbox.js';
import { buildPath, findTool } from './tool.js';

/** Where the chroot driver works. */
export interface ChrootDriverOptions {
  /** Folder for roots, builds and their results. */
  readonly workFolder: string;
}

/** rpmbuild's status when generated BuildRequires are not installed yet. */
const wantsMore = 11;
/** Rounds in which a spec may come up with further BuildRequires. */
const maxRounds = 10;

/** A driver that builds in roots made from repositories or from a lock. */
export function chrootDriver(options: ChrootDriverOptions): BuildDriver {
  const name = 'chroot';
  const { workFolder } = options;

  const probe = async ({ signal }: Abortable = {}): Promise<DriverReport> => {
    const dnf = await findTool('dnf');
    const bwrap = await findTool('bwrap');
    const rpm = await findTool('rpm');
    const home = await claimFolder(workFolder, 'probe');
    try {
      const ask = async (argv: readonly string[]): Promise<CommandOutcome> =>
        runCommand({
          argv,
          env: { HOME: home, PATH: buildPath, LC_ALL: 'C.UTF-8' },
          cwd: home,
          maxOutputBytes: 65_536,
          timeoutMs: 60_000,
          signal,
        });
      const sealed = await ask([
        bwrap,
        '--ro-bind',
        '/',
        '/',
        '--dev',
        '/dev',
        '--proc',
        '/proc',
        '--unshare-all',
        '--',
        await findTool('sh'),
        '-c',
        'exit 0',
      ]);
      if (sealed.exitStatus !== 0) throw unusable('new namespaces for a build', sealed.lastLines.join(' '));
      const arch = await ask([rpm, '--eval', '%{_target_cpu}']);
      const dnfVersion = await ask([dnf, '--version']);
      const bwrapVersion = await ask([bwrap, '--version']);
      return {
        driver: name,
        tools: [`dnf ${dnfVersion.lastLines[0] ?? ''}`, bwrapVersion.lastLines[0] ?? ''],
        arch: arch.lastLines[0] ?? '',
        isolation: 'namespace',
        buildRequires: 'installed',
      };
    } finally {
      await removeFolder(home);
    }
  };

  const run = async (task: BuildTask, runOptions: DriverOptions): Promise<DriverOutcome> => {
    const { buildroot } = task;
    const origin = buildroot.root;
    if (origin.kind === 'host') throw unusable('a buildroot from repositories or a lock', 'the host itself');
    const report = await probe(runOptions);
    const arch = buildroot.arch ?? report.arch;
    const foreign = await foreignness(arch, report.arch);
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
      const root = new Root(folder, task, context);
      if (task.kind === 'source') {
        await cp(task.sourceFolder, join(folder, 'build', 'sources'), { recursive: true });
        await cp(task.specPath, join(folder, 'build', 'input.spec'));
      } else {
        await cp(task.srpmPath, join(folder, 'build', 'input.src.rpm'));
        if (origin.kind === 'repositories') {
          const added = await addBuildRequires(origin.releasever, task.srpmPath, context);
          if (!added.ok) return ended(added.outcome, ['dnf']);
          const generated = await addGenerated(root, origin.releasever, task.srpmPath, context);
          if (generated !== undefined) return ended(generated, ['rpmbuild', '-rr']);
        }
      }
      const rootPackages = await root.packages();
      if (origin.kind === 'lock') assertLocked(origin.lock, rootPackages);
      const argv = root.rpmbuildArgv(arch === report.arch ? undefined : arch);
      const outcome = await root.run(argv, true);
      if (outcome.ending === 'exited' && outcome.exitStatus === 0) {
        await movePackages(
          join(folder, 'build', 'top', task.kind === 'source' ? 'SRPMS' : 'RPMS'),
          runOptions.resultFolder,
        );
      }
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

  constructor(folder: string, task: BuildTask, context: RootContext) {
    this.#folder = folder;
    this.#task = task;
    this.#context = context;
  }

  rpmbuildArgv(target: string | undefined): string[] {
    const source = this.#task.kind === 'source';
    return rpmbuildArgv(this.#task, {
      rpmbuild: '/usr/bin/rpmbuild',
      folders: this.#folders,
      input: `${insideFolder}/input.${source ? 'spec' : 'src.rpm'}`,
      ...(source ? { sourceFolder: `${insideFolder}/sources` } : {}),
      target,
      checkBuildRequires: true,
    });
  }

  /** Runs a program inside; `logged` when people want to see it. */
  async run(argv: readonly string[], logged: boolean, onLine?: (line: string) => void): Promise<CommandOutcome> {
    const context = this.#context;
    const env = buildEnvironment(this.#task, this.#folders);
    return runCommand({
      argv: sandboxArgv(
        {
          bwrap: await findTool('bwrap'),
          root: { path: join(this.#folder, 'root'), writable: true },
          folder: this.#folder,
          work: join(this.#folder, 'build'),
          hidden: [],
          shown: [],
          hostName: this.#task.buildroot.buildHost ?? 'build.invalid',
          env,
        },
        argv,
      ),
      env: { HOME: join(this.#folder, 'home'), PATH: buildPath },
      cwd: this.#folder,
      logPath: logged ? context.logPath : undefined,
      maxOutputBytes: context.maxLogBytes,
      onLine: logged ? context.onLine : onLine,
      signal: context.signal,
      timeoutMs: context.timeLeft(),
    });
  }

  async packages(): Promise<RootPackage[]> {
    const lines: string[] = [];
    const outcome = await this.run(['/usr/bin/rpm', '-qa', '--qf', rootQueryFormat], false, (line) => lines.push(line));
    if (outcome.exitStatus !== 0) throw unusable('a root with rpm and rpmbuild', outcome.lastLines.join(' '));
    return parseRootPackages(lines);
  }
}

/** Installs what the spec generates, until it wants nothing more. The outcome of the round that failed, if one did. */
async function addGenerated(
  root: Root,
  releasever: string,
  srpmPath: string,
  context: RootContext,
): Promise<CommandOutcome | undefined> {
  await using source = await openPackage(srpmPath);
  if (!dependencies(source.header, 'requires').some(({ name }) => name === 'rpmlib(DynamicBuildRequires)'))
    return undefined;
  for (let round = 0; round < maxRounds; round += 1) {
    const argv = root.rpmbuildArgv(undefined).map((word) => (word === '--rebuild' ? '-rr' : word));
    const outcome = await root.run(argv, true);
    if (outcome.ending !== 'exited' || (outcome.exitStatus !== 0 && outcome.exitStatus !== wantsMore)) return outcome;
    if (outcome.exitStatus === 0) return undefined;
    const made = join(context.folder, `generated-${round}`);
    await mkdir(made);
    await movePackages(join(context.folder, 'build', 'top', 'SRPMS'), made);
    for (const file of await readdir(made)) {
      const added = await addBuildRequires(releasever, join(made, file), context);
      if (!added.ok) return added.outcome;
    }
  }
  throw unusable(`generated BuildRequires that end within ${maxRounds} rounds`, 'a spec that wants more every time');
}

/** How an arch that is not the machine's own is run; undefined when it runs by itself. Throws BUILD_DRIVER_UNUSABLE when it does not run. */
async function foreignness(arch: string, machine: string): Promise<'emulated' | undefined> {
  if (arch === machine || isCompatibleArch(arch, machine)) return undefined;
  const handler = `/proc/sys/fs/binfmt_misc/qemu-${arch}`;
  const enabled = await readFile(handler, 'utf8').then(
    (text) => text.startsWith('enabled'),
    () => false,
  );
  if (enabled) return 'emulated';
  throw unusable(`a machine that runs ${arch}`, `${machine}, and no emulator registered at ${handler}`);
}

function unusable(wanted: string, found: string): BuildError {
  return new BuildError(
    { code: 'BUILD_DRIVER_UNUSABLE', driver: 'chroot', wanted, found: found.slice(0, 500) },
    `driver chroot: ${wanted} wanted, found: ${found.slice(0, 500)}`,
  );
}
