/**
 * A real dnf installs the packages into an empty root, both signature checks on, and the installed program runs there.
 */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Abortable } from '@distrokit/rpm';
import { filePaths } from '@distrokit/rpm';
import { openPackage } from '@distrokit/rpm/node';
import { StepFailure } from './failure.js';

/** What dnf is to do. */
export interface InstallOptions extends Abortable {
  /** Folder for the root, dnf's caches and its configuration. */
  readonly work: string;
  /** Repository id → folder. */
  readonly repositories: Readonly<Record<string, string>>;
  /** NEVRAs. */
  readonly packages: readonly string[];
  /** Armored public key. */
  readonly key: string;
  readonly logPath: string;
  readonly onLog: (line: string) => void;
}

/** A `.repo` file for a folder, with both checks on. */
export function repoFile(id: string, folder: string, key: string): string {
  return `[${id}]
name=${id}
baseurl=file://${folder}
enabled=1
gpgcheck=1
repo_gpgcheck=1
gpgkey=file://${key}
`;
}

/** Installs into `work/root`. Resolves with what is installed, as rpm names it. */
export async function installWithDnf(options: InstallOptions): Promise<string[]> {
  const { work } = options;
  const root = join(work, 'root');
  const home = join(work, 'home');
  const repos = join(work, 'repos.d');
  for (const folder of [root, home, repos]) await mkdir(folder, { recursive: true });
  // Debian's rpm keeps its database below HOME; an RPM distribution has it here.
  await writeFile(join(work, 'dnf.conf'), '[main]\n');
  await writeFile(join(home, '.rpmmacros'), '%_dbpath /var/lib/rpm\n');
  for (const [id, folder] of Object.entries(options.repositories)) {
    await writeFile(join(repos, `${id}.repo`), repoFile(id, folder, options.key));
  }
  const dnf = [
    ...[
      'dnf',
      '--assumeyes',
      '--noplugins',
      `--config=${join(work, 'dnf.conf')}`,
      `--installroot=${root}`,
      '--releasever=9',
    ],
    ...[`--setopt=reposdir=${repos}`, `--setopt=cachedir=${join(work, 'dnf-cache')}`, `--setopt=logdir=${work}`],
    ...['--setopt=install_weak_deps=0', '--setopt=persistdir=/var/lib/dnf', 'install', ...options.packages],
  ];
  const environment = { ...process.env, HOME: home, LC_ALL: 'C.UTF-8' };
  const log = createWriteStream(options.logPath);
  try {
    await run(asRoot(dnf), environment, options, (line) => {
      log.write(`${line}\n`);
      options.onLog(line);
    });
  } finally {
    log.end();
  }
  const query = ['rpm', '--root', root, '--query', '--all', '--qf', '%{nevra}\\n'];
  const lines: string[] = [];
  await run(asRoot(query), environment, options, (line) => lines.push(line));
  return lines.filter((line) => !line.startsWith('gpg-pubkey') && !line.startsWith('host-files')).sort();
}

/** Runs the first program of the packages that is in the root, with `--version`. Undefined when there is none. */
export async function runInstalled(
  root: string,
  packages: readonly string[],
  options: Abortable & { readonly expect: string | undefined },
): Promise<{ readonly command: string; readonly output: string } | undefined> {
  const program = await firstProgram(packages);
  if (program === undefined) return undefined;
  const command = [program, '--version'];
  const lines: string[] = [];
  const argv = process.getuid?.() === 0 ? ['chroot', root, ...command] : asRoot(['chroot', root, ...command]);
  await run(argv, { PATH: process.env.PATH, LC_ALL: 'C' }, options, (line) => lines.push(line));
  const output = lines.join('\n');
  if (options.expect !== undefined && !output.includes(options.expect)) {
    throw new StepFailure(`${program}: printed ${JSON.stringify(output)}, ${JSON.stringify(options.expect)} wanted`);
  }
  return { command: command.join(' '), output };
}

async function firstProgram(packages: readonly string[]): Promise<string | undefined> {
  const programs: string[] = [];
  for (const path of packages) {
    await using pkg = await openPackage(path);
    if (pkg.isSource) continue;
    const modes = pkg.header.get('FILEMODES') ?? [];
    for (const [i, file] of filePaths(pkg.header).entries()) {
      const mode = modes[i] ?? 0;
      if (/^\/usr\/(s?bin)\/[^/]+$/.test(file) && (mode & 0o170000) === 0o100000 && (mode & 0o111) !== 0)
        programs.push(file);
    }
  }
  return programs.sort()[0];
}

/** dnf and chroot want root: a user gets one of his own in a new namespace. */
function asRoot(argv: readonly string[]): string[] {
  return process.getuid?.() === 0 ? [...argv] : ['unshare', '--map-root-user', '--mount', ...argv];
}

const keptLines = 20;

/** Runs a command to its end. A status other than 0 throws with its last lines. */
async function run(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  { signal }: Abortable,
  onLine: (line: string) => void,
): Promise<void> {
  const [command = '', ...rest] = argv;
  const last: string[] = [];
  const child = spawn(command, rest, { env, stdio: ['ignore', 'pipe', 'pipe'], ...(signal ? { signal } : {}) });
  const ended = new Promise<number | string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, killedBy) => resolve(code ?? String(killedBy)));
  });
  const hear = (line: string): void => {
    last.push(line);
    if (last.length > keptLines) last.shift();
    onLine(line);
  };
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', hear);
  const status = await ended;
  if (status !== 0) throw new StepFailure(`${argv.slice(0, 2).join(' ')} ended with ${status}`, { lines: last });
}
