/**
 * Git repositories: the only file that knows simple-git and so may start a process.
 *
 * Addresses and refs are checked before git sees them, user text is never an option, the user's and the system's git
 * configuration are not read, and only the wanted transports are allowed. What was checked out is compared with what was
 * asked for.
 *
 * Reference: git-fetch(1), git(1) (GIT_ALLOW_PROTOCOL); simple-git 4
 */
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type Abortable, quote } from '@distrokit/rpm';
import type { SimpleGit } from 'simple-git';
import { SourceError } from './errors.js';
import { decodeGitTag, type GitTagVerifier, unverifiedTag } from './git-tag.js';

/** How git may reach a repository. */
export interface GitOptions extends Abortable {
  /** Also take a repository of this machine (`file:` URL or absolute path). Default false: a URL from input could name any folder. */
  readonly allowFile?: boolean | undefined;
  /** Also take plain `http:` and `git:`, which nobody signs for. Default false. */
  readonly allowInsecure?: boolean | undefined;
  /** Variables that git and its transports need besides `PATH`: `SSH_AUTH_SOCK`, `https_proxy`, … Names with `GIT_` are refused. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** Without output for so long, git is stopped. Default 120000. */
  readonly timeoutMs?: number | undefined;
}

/** What a repository offers under one name. */
export interface GitRef {
  /** Full name: `refs/heads/c9s`, `refs/tags/imports/c9/bash-5.1.8-6.el9`. */
  readonly name: string;
  /** The commit; of an annotated tag the commit it points to. */
  readonly commit: string;
}

const defaultTimeoutMs = 120_000;
const commitPattern = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/**
 * Checks out one ref of a repository into an empty or new folder, without history. Resolves with the full commit.
 *
 * `ref` is a branch, a tag, a full ref name or a full commit; a commit is compared with what was checked out. Submodules
 * are not followed, hooks do not run, and nothing of the repository's own is executed. The folder keeps no `.git`.
 *
 * Throws SOURCE_BAD_URL and SOURCE_BAD_REF before git runs, SOURCE_GIT_FAILED with git's last line after.
 */
export async function checkoutGit(
  url: string,
  ref: string,
  directory: string,
  options: GitOptions = {},
): Promise<string> {
  const { commit } = await checkoutRef(url, ref, directory, options, async (_git, found) => {
    if (commitPattern.test(ref) && found !== ref) throw gitFailed(url, 'check the commit', ref, found);
  });
  return commit;
}

/** A tag that was checked out. */
export interface CheckedOutTag {
  readonly commit: string;
  /** The committer's time, for archives of the tree. */
  readonly committedAt: Date;
  /** Id of the tag object; undefined of a lightweight tag. */
  readonly tagObject: string | undefined;
}

/**
 * Checks out a tag as {@link checkoutGit} does, once `verify` has accepted the signature in the tag object. The verifier
 * is asked before any file is written, and gets the bytes that git signs; a tag object that was made under another name
 * is refused, so that an old release cannot be served as a new one. `'unsigned'` takes any tag, a lightweight one too.
 *
 * Throws SOURCE_UNVERIFIED when there is no signature, or the verifier's error as its `cause`; else as `checkoutGit`.
 */
export async function checkoutGitTag(
  url: string,
  tag: string,
  directory: string,
  options: GitOptions & { readonly verify: 'unsigned' | GitTagVerifier },
): Promise<CheckedOutTag> {
  const { verify } = options;
  if (verify !== 'unsigned' && typeof verify !== 'function')
    throw new TypeError('"verify" must be a function or \'unsigned\'');
  return checkoutRef(url, `refs/tags/${tag}`, directory, options, async (git, commit, fetched) => {
    if (fetched === commit) {
      if (verify !== 'unsigned') throw unverifiedTag(tag, 'a tag object with a signature', 'a lightweight tag');
      return;
    }
    const size = Number(await run(url, 'measure the tag', options, () => git.raw(['cat-file', '-s', fetched])));
    if (!(size <= maxTagBytes)) {
      throw new SourceError(
        { code: 'SOURCE_LIMIT', what: 'bytes of a git tag', limit: maxTagBytes, found: size },
        `git tag ${quote(tag, 200)}: more than ${maxTagBytes} bytes`,
      );
    }
    const bytes = await run(url, 'read the tag', options, () => git.binaryCatFile(['tag', fetched]));
    const decoded = decodeGitTag(tag, bytes);
    if (decoded.commit !== commit) throw unverifiedTag(tag, `a tag of the commit ${commit}`, decoded.commit);
    if (verify === 'unsigned') return;
    if (!decoded.signature) throw unverifiedTag(tag, 'a signature', 'none');
    try {
      await verify(decoded.payload, decoded.signature);
    } catch (cause) {
      options.signal?.throwIfAborted();
      throw unverifiedTag(tag, 'a good signature', cause instanceof Error ? cause.message : String(cause), cause);
    }
  });
}

/**
 * Whether a clone on this machine has a commit in one of its branches or tags: a link to one that it has not leads to
 * something that was withdrawn. Takes full and shortened names of commits. The clone is only read; `scratch` is a folder for
 * what git wants of its own.
 *
 * Throws SOURCE_BAD_REF for what is no name of a commit, SOURCE_GIT_FAILED for what is no clone.
 */
export async function hasGitCommit(
  clone: string,
  commit: string,
  options: Abortable & { readonly scratch: string },
): Promise<boolean> {
  if (!/^[0-9a-f]{7,64}$/.test(commit)) {
    throw new SourceError(
      { code: 'SOURCE_BAD_REF', text: commit, wanted: 'the name of a commit' },
      `git commit ${quote(commit, 200)}: wanted 7 to 64 hexadecimal digits`,
    );
  }
  const scratch = await mkdtemp(join(options.scratch, 'git-'));
  try {
    const ask = (...args: string[]): Promise<string> =>
      run(clone, 'look for a commit', options, async () => (await openGit(scratch, options, clone)).raw(args));
    await ask('rev-parse', '--git-dir');
    const [found = ''] = (await ask('rev-list', '--no-walk', '--ignore-missing', commit, '--')).split('\n');
    if (!commitPattern.test(found)) return false;
    return (await ask('for-each-ref', '--count=1', `--contains=${found}`)).trim() !== '';
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

const maxTagBytes = 1 << 20;

async function checkoutRef(
  url: string,
  ref: string,
  directory: string,
  options: GitOptions,
  /** Throws to refuse. `fetched` is what the ref names: the commit, or an annotated tag's object. */
  judge: (git: SimpleGit, commit: string, fetched: string) => Promise<void>,
): Promise<CheckedOutTag> {
  checkGitUrl(url, options);
  checkGitRef(ref);
  await mkdir(directory, { recursive: true });
  if ((await readdir(directory)).length > 0) {
    throw new SourceError(
      { code: 'SOURCE_BAD_TREE', where: directory, wanted: 'an empty folder', found: 'files' },
      `git checkout: ${quote(directory, 200)} is not empty`,
    );
  }
  const scratch = await mkdtemp(join(directory, '.git-'));
  const work = join(scratch, 'work');
  try {
    const git = await openGit(scratch, options);
    await run(url, 'prepare', options, () => git.raw(['init', '--quiet', '.']));
    // The machine's template may bring hooks.
    await rm(join(work, '.git', 'hooks'), { recursive: true, force: true });
    await run(url, `fetch ${quote(ref)}`, options, () =>
      git.raw(['fetch', '--quiet', '--depth=1', '--no-tags', '--no-recurse-submodules', '--', url, ref]),
    );
    const read = (name: string): Promise<string> =>
      run(url, 'read the commit', options, () => git.raw(['rev-parse', name])).then((text) => text.trim());
    const fetched = await read('FETCH_HEAD');
    const commit = await read('FETCH_HEAD^{commit}');
    if (!commitPattern.test(commit)) throw gitFailed(url, 'check the commit', ref, commit);
    await judge(git, commit, fetched);
    const seconds = await run(url, 'read the commit', options, () => git.raw(['show', '-s', '--format=%ct', commit]));
    await run(url, 'check out', options, () => git.raw(['checkout', '--quiet', '--force', '--detach', commit]));
    await rm(join(work, '.git'), { recursive: true, force: true });
    // Nothing shows in the folder before everything is there.
    for (const name of await readdir(work)) await rename(join(work, name), join(directory, name));
    const tagObject = fetched === commit ? undefined : fetched;
    return { commit, committedAt: new Date(Number(seconds) * 1000), tagObject };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** All branches and tags of a repository, without fetching any. Throws as {@link checkoutGit} does. */
export async function listGitRefs(url: string, options: GitOptions & { readonly scratch: string }): Promise<GitRef[]> {
  checkGitUrl(url, options);
  const scratch = await mkdtemp(join(options.scratch, 'git-'));
  try {
    const git = await openGit(scratch, options);
    const listing = await run(url, 'list refs', options, () =>
      git.raw(['ls-remote', '--quiet', '--heads', '--tags', '--', url]),
    );
    const refs = new Map<string, string>();
    for (const line of listing.split('\n')) {
      const [commit = '', name = ''] = line.split('\t');
      if (!commitPattern.test(commit)) continue;
      // `name^{}` follows its tag and says which commit the tag object points to.
      refs.set(name.replace(/\^\{\}$/, ''), commit);
    }
    return [...refs].map(([name, commit]) => ({ name, commit }));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Throws SOURCE_BAD_URL for an address that git could take as an option, a command or a wrong transport. */
export function checkGitUrl(url: string, options: GitOptions = {}): void {
  const schemes = [
    'https',
    'ssh',
    ...(options.allowInsecure ? ['http', 'git'] : []),
    ...(options.allowFile ? ['file'] : []),
  ];
  const bad = (wanted: string): SourceError =>
    new SourceError(
      { code: 'SOURCE_BAD_URL', text: redact(url), wanted },
      `git address ${quote(redact(url), 200)}: wanted ${wanted}`,
    );
  if (/[\u0000-\u0020\u007f]/.test(url)) throw bad('no blanks or control characters');
  if (url.includes('::')) throw bad('a URL, not a remote helper');
  if (options.allowFile && url.startsWith('/')) return;
  const match = /^([a-z]+):\/\/([^/]*)(\/.*)?$/.exec(url);
  if (!match || !schemes.includes(match[1]!))
    throw bad(`a URL that begins with ${schemes.map((s) => `${s}://`).join(', ')}`);
  // ssh would take a host that begins with a dash for an option.
  const host = (match[2] ?? '').replace(/^[^@]*@/, '');
  if (host.startsWith('-') || (match[2] ?? '').startsWith('-')) throw bad('a host that does not begin with -');
  if (match[1] !== 'file' && host === '') throw bad('a host');
}

/** Throws SOURCE_BAD_REF for a name that git would not take as one plain ref. */
export function checkGitRef(ref: string): void {
  const parts = ref.split('/');
  const bad =
    ref === '' ||
    ref.length > 1000 ||
    /^[-+]/.test(ref) ||
    ref === '@' ||
    /[\u0000-\u0020\u007f~^:?*[\\]/.test(ref) ||
    /\.\.|@\{|\/\/|\.$/.test(ref) ||
    parts.some((part) => part === '' || part.startsWith('.') || part.endsWith('.lock'));
  if (bad) {
    throw new SourceError(
      { code: 'SOURCE_BAD_REF', text: ref, wanted: 'a branch, a tag or a full commit' },
      `git ref ${quote(ref, 200)}: wanted a branch, a tag or a full commit`,
    );
  }
}

/** Works in `scratch/work`, or in a clone that is there. */
async function openGit(scratch: string, options: GitOptions, clone?: string): Promise<SimpleGit> {
  const protocols = [
    'https',
    'ssh',
    ...(options.allowInsecure ? ['http', 'git'] : []),
    ...(options.allowFile ? ['file'] : []),
  ];
  const own: Record<string, string> = {
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_ALLOW_PROTOCOL: protocols.join(':'),
    // A folder that is no clone must not stand for one above it.
    ...(clone === undefined ? {} : { GIT_CEILING_DIRECTORIES: dirname(resolve(clone)) }),
  };
  for (const name of Object.keys(options.environment ?? {})) {
    if (/^GIT_/i.test(name)) throw new TypeError(`"environment" must not set ${name}`);
  }
  const work = join(scratch, 'work');
  // A home of its own: no configuration, hook or helper of the user can take part, nor a file of the repository.
  const home = join(scratch, 'home');
  for (const folder of [work, home]) await mkdir(folder, { recursive: true });
  // Not loaded with this package: most of what it does needs no git.
  const { simpleGit } = await import('simple-git');
  const git = simpleGit({
    baseDir: clone ?? work,
    maxConcurrentProcesses: 1,
    timeout: { block: options.timeoutMs ?? defaultTimeoutMs },
    allowEnvironment: Object.keys(own),
    ...(options.signal ? { abort: options.signal } : {}),
  });
  return git.env({
    PATH: '/usr/local/bin:/usr/bin:/bin',
    LC_ALL: 'C.UTF-8',
    HOME: home,
    ...options.environment,
    ...own,
  });
}

async function run<T>(url: string, task: string, options: Abortable, action: () => PromiseLike<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    options.signal?.throwIfAborted();
    throw gitFailed(url, task, 'success', lastLine(error), error);
  }
}

function gitFailed(url: string, task: string, wanted: string, found: string, cause?: unknown): SourceError {
  return new SourceError(
    { code: 'SOURCE_GIT_FAILED', repository: redact(url), task, wanted, found },
    `git: cannot ${task} from ${quote(redact(url), 200)}: wanted ${wanted}, found ${quote(found, 300)}`,
    { cause },
  );
}

function lastLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return redact(lines.find((line) => line.startsWith('fatal:')) ?? lines.at(-1) ?? 'no message');
}

/** User names and passwords in addresses must not reach a message. */
function redact(text: string): string {
  return text.replace(/([a-z]+:\/\/)[^/@\s]*@/gi, '$1');
}
