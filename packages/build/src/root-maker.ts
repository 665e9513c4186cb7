/**
 * Makes the root file system of a build with dnf, from given repositories and nothing else.
 *
 * dnf gets a configuration of its own: no repository, plugin, cache or variable of this machine takes part. What it
 * prints goes into the build's log.
 *
 * Reference: dnf.conf(5); dnf-plugins-core, builddep
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { quote } from '@distrokit/rpm';
import { BuildLogClassifier } from './build-log.js';
import type { RootOrigin, RootRepository } from './buildroot.js';
import type { RootPackage } from './buildroot-lock.js';
import { type CommandOutcome, runCommand } from './command.js';
import { BuildError } from './errors.js';
import { buildPath, findTool } from './tool.js';

/** What every step of making a root is told. */
export interface RootContext {
  /** The build's own folder; holds `home`, and receives `root`. */
  readonly folder: string;
  readonly arch: string;
  /** True when the machine does not run this arch by itself. */
  readonly foreign: boolean;
  readonly logPath: string;
  readonly maxLogBytes: number;
  readonly onLine: ((line: string) => void) | undefined;
  readonly signal: AbortSignal | undefined;
  /** Time that is left, asked anew for each step. */
  readonly timeLeft: () => number | undefined;
}

/** A step that ended, or the outcome of the one that did not end well. */
export type RootStep = { readonly ok: true } | { readonly ok: false; readonly outcome: CommandOutcome };

/** Fills `root` with the packages every build has. Throws BUILD_ROOT_FAILED when dnf says no. */
export async function makeRoot(origin: Exclude<RootOrigin, { kind: 'host' }>, context: RootContext): Promise<RootStep> {
  const repositories: readonly RootRepository[] =
    origin.kind === 'lock' ? [{ id: 'lock', location: origin.folder, trust: 'unsigned' }] : origin.repositories;
  const home = join(context.folder, 'home');
  await mkdir(join(context.folder, 'root'), { recursive: true });
  await writeFile(join(context.folder, 'dnf.conf'), dnfConfiguration(repositories, context.folder));
  // Debian keeps rpm's database in HOME; in a root it belongs where every rpm looks for it.
  await writeFile(join(home, '.rpmmacros'), '%_dbpath /var/lib/rpm\n');
  const packages =
    origin.kind === 'lock'
      ? origin.lock.packages.map(({ name, version, release, arch }) => `${name}-${version}-${release}.${arch}`)
      : origin.packages;
  return dnf(['install', '--', ...packages], origin.kind === 'lock' ? 'lock' : origin.releasever, context);
}

/** Adds what a source package wants. */
export async function addBuildRequires(releasever: string, srpmPath: string, context: RootContext): Promise<RootStep> {
  return dnf(['--enableplugin=builddep', 'builddep', '--srpm', srpmPath], releasever, context);
}

/** The packages of a root, from what `rpm -qa --qf` with `rootQueryFormat` printed inside it. */
export function parseRootPackages(lines: readonly string[]): RootPackage[] {
  const packages: RootPackage[] = [];
  for (const line of lines) {
    const [name, epoch, version, release, arch, sigmd5, license] = line.split('\t');
    if (
      name === undefined ||
      version === undefined ||
      release === undefined ||
      arch === undefined ||
      license === undefined
    )
      continue;
    // Keys are packages of rpm's database, and of nothing else.
    if (name === 'gpg-pubkey') continue;
    const known = { name, version, release, arch, sigmd5: sigmd5 ?? '', license };
    packages.push(epoch === '(none)' ? known : { ...known, epoch: Number(epoch) });
  }
  return packages.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** One line per package of a root. */
export const rootQueryFormat = '%{NAME}\\t%{EPOCH}\\t%{VERSION}\\t%{RELEASE}\\t%{ARCH}\\t%{SIGMD5}\\t%{LICENSE}\\n';

async function dnf(words: readonly string[], releasever: string, context: RootContext): Promise<RootStep> {
  const { folder } = context;
  const timeoutMs = context.timeLeft();
  const classifier = new BuildLogClassifier();
  const outcome = await runCommand({
    argv: [
      await findTool('dnf'),
      ...['--assumeyes', '--config', join(folder, 'dnf.conf'), '--installroot', join(folder, 'root')],
      ...['--releasever', releasever, '--disableplugin=*', ...(context.foreign ? ['--forcearch', context.arch] : [])],
      ...words,
    ],
    env: { HOME: join(folder, 'home'), PATH: buildPath, LC_ALL: 'C.UTF-8', TZ: 'UTC' },
    cwd: folder,
    logPath: context.logPath,
    maxOutputBytes: context.maxLogBytes,
    onLine: (line) => {
      classifier.add(line);
      context.onLine?.(line);
    },
    signal: context.signal,
    timeoutMs,
  });
  if (outcome.ending !== 'exited') return { ok: false, outcome };
  if (outcome.exitStatus === 0) return { ok: true };
  const { failureClass, line } = classifier.failure();
  throw new BuildError(
    { code: 'BUILD_ROOT_FAILED', failureClass, exitStatus: outcome.exitStatus, lastLogLines: outcome.lastLines },
    `buildroot: dnf ended with ${outcome.exitStatus}: ${(line ?? outcome.lastLines.at(-1) ?? '').trim().slice(0, 300)}`,
  );
}

/** dnf's whole configuration; with `folder` everything dnf keeps lies below it. Throws TypeError for a repository that cannot be written down. */
export function dnfConfiguration(repositories: readonly RootRepository[], folder?: string): string {
  const lines = [
    '[main]',
    'reposdir=/dev/null',
    'varsdir=/dev/null',
    'gpgcheck=1',
    'install_weak_deps=0',
    'best=1',
    'keepcache=0',
    'metadata_expire=0',
    ...(folder === undefined
      ? []
      : [
          `cachedir=${folder}/cache`,
          `persistdir=${folder}/persist`,
          `logdir=${folder}`,
          `pluginconfpath=${folder}/plugins`,
        ]),
  ];
  for (const { id, location, trust } of repositories) {
    if (!/^[A-Za-z0-9][\w.-]*$/.test(id) || id === 'main')
      throw new TypeError(`"repositories": ${quote(id)} is no repository id`);
    const url = isAbsolute(location) ? `file://${encodeURI(location)}` : location;
    if (!/^(?:file|https?|ftp):\/\/\S+$/.test(url))
      throw new TypeError(`"repositories": ${quote(location)} is neither an absolute path nor a URL`);
    lines.push(`[${id}]`, `name=${id}`, `baseurl=${url}`, 'enabled=1');
    if (trust === 'unsigned') lines.push('gpgcheck=0', 'repo_gpgcheck=0');
    else {
      for (const file of trust.keyFiles)
        if (!isAbsolute(file) || /\s/.test(file))
          throw new TypeError(`"keyFiles": ${quote(file)} is no absolute path without white space`);
      lines.push('gpgcheck=1', 'repo_gpgcheck=1', `gpgkey=${trust.keyFiles.map((file) => `file://${file}`).join(' ')}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
