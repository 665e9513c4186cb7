/**
 * The rpmbuild driver: builds on this machine, with this machine's compilers.
 *
 * Where the kernel allows it the build runs in new namespaces: the machine read-only, no network, homes
 * hidden. Where it does not, the build has the rights of the user who started it, and the report says so.
 * BuildRequires are checked when rpm manages this machine; Debian's rpm database is empty, so there
 * they are not.
 *
 * Reference: rpmbuild(8); bwrap(1)
 */
import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Abortable, isCompatibleArch } from '@distrokit/rpm';
import { openPackage } from '@distrokit/rpm/node';
import { claimFolder, removeFolder } from './build-folder.js';
import { runCommand } from './command.js';
import { crossCompiler, crossMacros } from './cross-build.js';
import type { BuildDriver, BuildTask, DriverOptions, DriverOutcome, DriverReport } from './driver.js';
import { BuildError } from './errors.js';
import { collectResults, unusable } from './root-driver.js';
import {
  type BuildFolders,
  buildEnvironment,
  type RpmbuildOptions,
  rpmbuildArgv,
  rpmspecArgv,
} from './rpmbuild-command.js';
import { insideFolder, sandboxArgv } from './sandbox.js';
import { buildPath, findTool } from './tool.js';

/** Where and how the rpmbuild driver works. */
export interface RpmbuildDriverOptions {
  /** Folder for builds and their results. Made when needed; as large as the largest build. */
  readonly workFolder: string;
  /**
   * `namespace`: throw BUILD_DRIVER_UNUSABLE where the kernel refuses. `none`: build with the rights of the caller.
   * Default: namespaces where the kernel allows them, else none; `DriverReport.isolation` says which.
   */
  readonly isolation?: 'namespace' | 'none';
}

/** A driver that builds on this machine. Starts nothing before `probe` or `run`. */
export function rpmbuildDriver(options: RpmbuildDriverOptions): BuildDriver {
  const name = 'rpmbuild';
  const { workFolder } = options;

  // What the last probe found: a build need not ask the machine again.
  let found: DriverReport | undefined;
  const probe = async ({ signal }: Abortable = {}): Promise<DriverReport> => {
    const rpmbuild = await findTool('rpmbuild');
    const rpm = await findTool('rpm');
    const isolation = options.isolation ?? ((await refusal(workFolder, signal)) === undefined ? 'namespace' : 'none');
    if (options.isolation === 'namespace') {
      await findTool('bwrap');
      const refused = await refusal(workFolder, signal);
      if (refused !== undefined) throw unusable(name, 'new namespaces for a build', refused);
    }
    const ask = asker(workFolder, signal);
    const version = await ask([rpmbuild, '--version']);
    const arch = await ask([rpm, '--eval', '%{_target_cpu}']);
    if (version.exitStatus !== 0 || arch.exitStatus !== 0) {
      throw unusable(name, 'an rpmbuild that runs', [...version.lastLines, ...arch.lastLines].join(' '));
    }
    const managed = await ask([rpm, '--query', '--quiet', 'rpm']);
    found = {
      driver: name,
      tools: [`rpmbuild ${(version.lastLines[0] ?? '').replace(/^RPM version /, '')}`],
      arch: arch.lastLines[0] ?? '',
      isolation,
      buildRequires: managed.exitStatus === 0 ? 'checked' : 'ignored',
    };
    return found;
  };

  const run = async (task: BuildTask, runOptions: DriverOptions): Promise<DriverOutcome> => {
    const { root, arch } = task.buildroot;
    if (root.kind !== 'host') throw unusable(name, 'a buildroot of kind host', root.kind);
    if (task.kind === 'requires') throw unusable(name, 'a driver whose root can be added to', 'this machine itself');
    const report = found ?? (await probe(runOptions));
    if (task.kind === 'expand' && report.isolation === 'none')
      throw unusable(name, 'new namespaces, since reading a spec runs its code', 'isolation none');
    const foreign = arch !== undefined && arch !== report.arch && !isCompatibleArch(arch, report.arch);
    const cross = foreign && task.kind === 'binary' ? await crossTools(task, arch) : {};
    const folder = await claimFolder(workFolder, 'build');
    try {
      const inside = report.isolation === 'namespace' ? insideFolder : folder;
      const folders: BuildFolders = {
        topdir: `${inside}/top`,
        home: `${inside}/home`,
        tmp: report.isolation === 'namespace' ? '/var/tmp' : `${inside}/tmp`,
      };
      for (const made of ['top', 'home', 'tmp', 'tmp/build', 'vartmp'])
        await mkdir(join(folder, made), { recursive: true });
      const shown: (readonly [string, string])[] = [];
      const show = (outside: string, at: string): string => {
        if (report.isolation === 'none') return outside;
        shown.push([outside, `${insideFolder}/${at}`]);
        return `${insideFolder}/${at}`;
      };
      const input =
        task.kind === 'binary'
          ? { input: show(task.srpmPath, 'input.src.rpm') }
          : specInput(task.specPath, task.sourceFolder, show);
      const options: RpmbuildOptions = {
        rpmbuild: await findTool(task.kind === 'expand' ? 'rpmspec' : 'rpmbuild'),
        folders,
        ...input,
        target: arch === undefined || arch === report.arch ? undefined : arch,
        checkBuildRequires: report.buildRequires === 'checked',
        macros: cross,
      };
      const argv = task.kind === 'expand' ? rpmspecArgv(task, inside, options) : rpmbuildArgv(task, options);
      const env = buildEnvironment(task, folders);
      const command =
        report.isolation === 'none'
          ? argv
          : sandboxArgv(
              {
                bwrap: await findTool('bwrap'),
                root: { path: '/', writable: false },
                folder,
                work: folder,
                hidden: await existing(['/root', '/home']),
                shown,
                hostName: task.buildroot.buildHost ?? 'build.invalid',
                env,
              },
              argv,
            );
      const outcome = await runCommand({
        argv: command,
        env: { ...env, HOME: join(folder, 'home') },
        cwd: folder,
        logPath: runOptions.logPath,
        timeoutMs: runOptions.timeoutMs,
        maxOutputBytes: runOptions.maxLogBytes,
        onLine: runOptions.onLog,
        signal: runOptions.signal,
      });
      if (outcome.ending === 'exited' && outcome.exitStatus === 0) await collectResults(task, folder, runOptions);
      return {
        report,
        ending: outcome.ending,
        exitStatus: outcome.exitStatus,
        signal: outcome.signal,
        logBytes: outcome.outputBytes,
        lastLogLines: outcome.lastLines,
        command,
        ...(foreign && task.kind === 'binary' ? { foreign: 'cross' as const } : {}),
      };
    } finally {
      await removeFolder(folder);
    }
  };

  return { name, workFolder, probe, run };
}

/**
 * The macros of a cross compiler, unless the buildroot names one or the source compiles nothing. Throws BUILD_DRIVER_UNUSABLE when
 * there is no compiler for the arch: rpmbuild would pack programs of this machine.
 */
async function crossTools(
  task: BuildTask & { readonly kind: 'binary' },
  arch: string,
): Promise<Readonly<Record<string, string>>> {
  if (task.buildroot.macros?.__cc !== undefined) return {};
  await using source = await openPackage(task.srpmPath);
  const buildArchs = source.header.get('BUILDARCHS') ?? [];
  if (buildArchs.length > 0 && buildArchs.every((each) => each === 'noarch')) return {};
  const macros = await crossMacros(arch);
  if (macros === undefined)
    throw unusable('rpmbuild', `a cross compiler for ${arch} (${crossCompiler(arch)}, or the macro __cc)`, 'none');
  return macros;
}

/** A spec that lies in the folder of its sources is shown once, with it. */
function specInput(
  specPath: string,
  sourceFolder: string,
  show: (outside: string, at: string) => string,
): { readonly input: string; readonly sourceFolder: string } {
  const sources = show(sourceFolder, 'sources');
  const specFolder = dirname(specPath) === sourceFolder ? sources : show(dirname(specPath), 'specs');
  return { input: join(specFolder, specPath.slice(dirname(specPath).length)), sourceFolder: sources };
}

/** Why this machine makes no namespaces for a build; undefined when it does. */
async function refusal(workFolder: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  let bwrap: string;
  try {
    bwrap = await findTool('bwrap');
  } catch (cause) {
    if (cause instanceof BuildError) return cause.message;
    throw cause;
  }
  const folder = await claimFolder(workFolder, 'probe');
  try {
    for (const made of ['tmp', 'tmp/build', 'vartmp']) await mkdir(join(folder, made));
    const argv = sandboxArgv(
      {
        bwrap,
        root: { path: '/', writable: false },
        folder,
        work: folder,
        hidden: await existing(['/root', '/home']),
        shown: [],
        hostName: 'build.invalid',
        env: { PATH: buildPath },
      },
      [await findTool('sh'), '-c', 'exit 0'],
    );
    const outcome = await runCommand({
      argv,
      env: { HOME: folder, PATH: buildPath },
      cwd: folder,
      maxOutputBytes: 65_536,
      timeoutMs: 30_000,
      signal,
    });
    return outcome.exitStatus === 0 ? undefined : outcome.lastLines.join(' ');
  } finally {
    await removeFolder(folder);
  }
}

/** Runs small questions in a home of their own. */
function asker(workFolder: string, signal: AbortSignal | undefined) {
  return async (argv: readonly string[]) => {
    const home = await claimFolder(workFolder, 'probe');
    try {
      const env = { HOME: home, PATH: buildPath, LC_ALL: 'C.UTF-8' };
      return await runCommand({ argv, env, cwd: home, maxOutputBytes: 65_536, timeoutMs: 30_000, signal });
    } finally {
      await removeFolder(home);
    }
  };
}

async function existing(folders: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const folder of folders) {
    if (
      await stat(folder).then(
        (entry) => entry.isDirectory(),
        () => false,
      )
    )
      found.push(folder);
  }
  return found;
}
