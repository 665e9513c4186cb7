/**
 * A root of a newer Debian, for judges that the Debian of this machine has in older releases only: rpm 6, dnf5, zypper,
 * createrepo_c 1.2, libsolv 0.7.40.
 *
 * Made with the package manager in half a minute, and kept for the next run. Needs root, mmdebstrap and an apt mirror.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';

const judgesOfPackages = [
  'rpm',
  'librpm-sequoia-1',
  'sq',
  'sqv',
  'gosop',
  'dnf5',
  'zypper',
  'createrepo-c',
  'libsolv-tools',
] as const;

/** What a program said and how it ended. */
export interface Outcome {
  readonly status: number | null;
  readonly text: string;
}

/** Starts a program and waits for it. `text` is what it wrote on both channels. */
export function run(program: string, args: readonly string[], input?: string): Outcome {
  const done = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...(input ? { input } : {}) });
  return { status: done.status, text: `${done.stdout ?? ''}${done.stderr ?? ''}` };
}

/** A made root. `path` is its place on this machine. */
export interface NewerDebian {
  readonly path: string;
  /** Starts a program of the root, with the root as `/`. */
  run(...args: string[]): Outcome;
}

/**
 * The root at a path with these packages of Debian, made when it is not there. Prints the versions of its tools.
 *
 * Ends the process with status 2 where there can be none.
 */
export function newerDebian(
  path: string = '/var/cache/distrokit/newer-debian',
  tools: readonly string[] = judgesOfPackages,
  suite: 'sid' | 'trixie' = 'sid',
): NewerDebian {
  const root: NewerDebian = { path, run: (...args) => run('chroot', [path, ...args]) };
  const versions = (): Outcome => root.run('dpkg-query', '-W', ...tools);
  if (versions().status !== 0) make(path, tools, suite);
  const { status, text } = versions();
  if (status !== 0) unavailable(text);
  console.log(
    text
      .trim()
      .replace(/\t/g, ' ')
      .replace(/\s*\n\s*/g, ', '),
  );
  return root;
}

function make(path: string, tools: readonly string[], suite: string): void {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  const listed = run('apt-get', ['indextargets', '--format', '$(ORIGIN) $(LABEL) $(REPO_URI)']).text;
  const mirror = /^Debian Debian (\S+)$/m.exec(listed)?.[1];
  if (!mirror || run('mmdebstrap', ['--version']).status !== 0) {
    unavailable('this needs mmdebstrap and an apt mirror of Debian');
  }
  const made = run('mmdebstrap', [
    '--mode=root',
    '--variant=apt',
    `--include=${tools.join()}`,
    '--aptopt=Apt::Install-Recommends "false"',
    '--aptopt=Acquire::Check-Valid-Until "false"',
    suite,
    path,
    `deb ${mirror} ${suite} main`,
  ]);
  if (made.status === 0) return;
  rmSync(path, { recursive: true, force: true });
  unavailable(made.text);
}

function unavailable(text: string): never {
  console.error(`no judge: ${text.trim().split('\n').slice(-3).join('\n')}`);
  process.exit(2);
}
