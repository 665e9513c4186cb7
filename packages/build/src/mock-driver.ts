/**
 * The mock driver: hands builds to mock, with a configuration rendered from the buildroot.
 *
 * mock wants a user in the group `mock`, and refuses plain root; it makes and removes the root itself.
 *
 * Reference: mock(1); mock, docs/index.md
 */
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '@distrokit/rpm';
import { claimFolder, movePackages, removeFolder } from './build-folder.js';
import { parseMockLock, type RootPackage } from './buildroot-lock.js';
import { runCommand } from './command.js';
import type { BuildDriver, BuildTask, DriverOptions, DriverOutcome, DriverReport } from './driver.js';
import { formatMockConfig, mockConfigOf } from './mock-config.js';
import { unusable } from './root-driver.js';
import { buildPath, findTool } from './tool.js';

/** Where mock is and where it works. */
export interface MockDriverOptions {
  readonly workFolder: string;
  /** Absolute path of mock. Default: found like every tool. */
  readonly program?: string;
}

/** A driver that builds with mock. */
export function mockDriver(options: MockDriverOptions): BuildDriver {
  const name = 'mock';
  const { workFolder } = options;
  const program = async (): Promise<string> => options.program ?? (await findTool('mock'));

  // What the last probe found: a build need not ask the machine again.
  let found: DriverReport | undefined;
  const probe = async ({ signal }: Abortable = {}): Promise<DriverReport> => {
    const mock = await program();
    const home = await claimFolder(workFolder, 'probe');
    try {
      const env = { HOME: home, PATH: buildPath, LC_ALL: 'C.UTF-8' };
      const ask = { env, cwd: home, maxOutputBytes: 65_536, timeoutMs: 60_000, signal };
      const version = await runCommand({ ...ask, argv: [mock, '--version'] });
      if (version.exitStatus !== 0) throw unusable(name, 'a mock that runs', version.lastLines.join(' '));
      const arch = await runCommand({ ...ask, argv: [await findTool('rpm'), '--eval', '%{_target_cpu}'] });
      found = {
        driver: name,
        tools: [`mock ${version.lastLines.at(-1) ?? ''}`],
        arch: arch.lastLines[0] ?? '',
        isolation: 'container',
        buildRequires: 'installed',
      };
      return found;
    } finally {
      await removeFolder(home);
    }
  };

  const run = async (task: BuildTask, runOptions: DriverOptions): Promise<DriverOutcome> => {
    if (task.buildroot.root.kind !== 'repositories')
      throw unusable(name, 'a buildroot from repositories', task.buildroot.root.kind);
    if (task.kind === 'expand' || task.kind === 'requires')
      throw unusable(
        name,
        'a driver that only reads a spec (rpmbuild, chroot or podman)',
        `a task of kind ${task.kind}`,
      );
    const report = found ?? (await probe(runOptions));
    const arch = task.buildroot.arch ?? report.arch;
    const folder = await claimFolder(workFolder, 'build');
    try {
      const results = join(folder, 'results');
      for (const made of ['results', 'home']) await mkdir(join(folder, made));
      const configPath = join(folder, 'distrokit.cfg');
      await writeFile(configPath, formatMockConfig(mockConfigOf(task.buildroot, arch, task.sourceDate)));
      const argv = [
        await program(),
        ...['--root', configPath, '--resultdir', results, '--calculate-build-dependencies', '--no-bootstrap-chroot'],
        ...(task.kind === 'binary'
          ? ['--rebuild', task.srpmPath]
          : ['--buildsrpm', '--spec', task.specPath, '--sources', task.sourceFolder]),
      ];
      const outcome = await runCommand({
        argv: argv.filter((word) => task.kind === 'binary' || word !== '--calculate-build-dependencies'),
        env: { HOME: join(folder, 'home'), PATH: buildPath, LC_ALL: 'C.UTF-8', TZ: 'UTC' },
        cwd: folder,
        logPath: runOptions.logPath,
        timeoutMs: runOptions.timeoutMs,
        maxOutputBytes: runOptions.maxLogBytes,
        onLine: runOptions.onLog,
        signal: runOptions.signal,
      });
      // mock writes what rpmbuild said into files of its own; the class of a failure is found in them.
      for (const log of ['root.log', 'build.log']) {
        const text = await readFile(join(results, log), 'utf8').catch(() => '');
        for (const line of text.split('\n')) if (line !== '') runOptions.onLog?.(line);
      }
      if (outcome.ending === 'exited' && outcome.exitStatus === 0) {
        // mock leaves the SRPM it rebuilt beside the packages.
        const source = join(folder, 'source');
        await mkdir(source);
        await movePackages(results, source);
        await keepKind(source, runOptions.resultFolder, task.kind);
      }
      const lock = await readFile(join(results, 'buildroot_lock.json'), 'utf8').catch(() => undefined);
      const rootPackages: readonly RootPackage[] | undefined =
        lock === undefined ? undefined : parseMockLock(lock).packages;
      return {
        report,
        ending: outcome.ending,
        exitStatus: outcome.exitStatus,
        signal: outcome.signal,
        logBytes: outcome.outputBytes,
        lastLogLines: outcome.lastLines,
        command: argv,
        ...(rootPackages === undefined ? {} : { rootPackages }),
      };
    } finally {
      await removeFolder(folder);
    }
  };

  return { name, workFolder, probe, run };
}

async function keepKind(from: string, to: string, kind: BuildTask['kind']): Promise<void> {
  for (const file of await readdir(from)) {
    if (/\.(?:no)?src\.rpm$/.test(file) === (kind === 'source')) await rename(join(from, file), join(to, file));
  }
}
