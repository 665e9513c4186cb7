/**
 * Dist-git: one git repository per package, a branch per release, archives in a lookaside store.
 *
 * `fetchDistGit` brings a ref of such a repository and every blob it lists into a folder.
 */
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { quote } from '@distrokit/rpm';
import { detectLayout } from './dist-git-layout.js';
import { SourceError } from './errors.js';
import { fetchSources } from './fetch-sources.js';
import { checkoutGit, type GitOptions } from './git.js';
import type { Lookaside } from './lookaside.js';
import type { Origin, SourceTree, Terms } from './origin.js';
import { readSourceTree } from './source-tree.js';
import { parseSources, type SourceEntry } from './sources-file.js';
import type { SpecEnvironment } from './spec-macro.js';

/** Where a package's dist-git lies and which state of it is wanted. */
export interface DistGit {
  /** `https:` or `ssh:`; `file:` only with `allowFile`. */
  readonly url: string;
  /** Branch, tag or full commit. */
  readonly ref: string;
  /** Under which terms the repository may be used. Default `unknown`. */
  readonly terms?: Terms | undefined;
  /** For instance `centos-stream`. */
  readonly distribution?: string | undefined;
}

/** How the blobs and the EVR are to be found. */
export interface FetchDistGitOptions extends GitOptions {
  /** Default 4. */
  readonly maxConcurrent?: number | undefined;
  /** Ceiling on one blob. Default 16 GiB. */
  readonly maxBytes?: number | undefined;
  /** Terms of the blobs. Default: those of the repository. */
  readonly lookasideTerms?: Terms | undefined;
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** For the NEVR of the tree: what `%{?dist}` and the like stand for. */
  readonly specEnvironment?: SpecEnvironment | undefined;
}

/**
 * Checks out a ref into an empty folder and fetches every blob it lists, each verified. The tree's `ref` is the commit.
 *
 * Throws what `checkoutGit` and `fetchSources` throw, SOURCE_RETIRED for a branch that gave the package up, and
 * SOURCE_BAD_TREE for a tree without a spec, with two lists, or with links. On failure the folder is empty again.
 */
export async function fetchDistGit(
  distGit: DistGit,
  lookaside: Lookaside,
  directory: string,
  options: FetchDistGitOptions = {},
): Promise<SourceTree> {
  await assertEmpty(directory);
  const scratch = await mkdtemp(join(directory, '.fetch-'));
  try {
    const work = join(scratch, 'tree');
    const commit = await checkoutGit(distGit.url, distGit.ref, work, options);
    const origin: Origin = {
      kind: 'dist-git',
      where: distGit.url.replace(/\/\/[^/@]*@/, '//'),
      terms: distGit.terms ?? 'unknown',
      ...(distGit.distribution === undefined ? {} : { distribution: distGit.distribution }),
    };
    const fetched = await fetchSources(await listedSources(work), lookaside, work, options);
    const from = new Map(
      fetched.map(({ file, where }): [string, Origin] => [
        file,
        where === 'directory'
          ? origin
          : { ...origin, kind: 'lookaside', where, terms: options.lookasideTerms ?? origin.terms },
      ]),
    );
    const { specEnvironment: environment, signal } = options;
    const tree = await readSourceTree(work, { origin, ref: commit, from, environment, signal });
    // A tree without its archives must not be taken for one: everything shows at once.
    for (const name of await readdir(work)) await rename(join(work, name), join(directory, name));
    return { ...tree, directory };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * The blobs that a checked-out dist-git folder lists, with the paths they belong to in its layout. A list that is there
 * and empty gives none; a folder without a list too. Throws SOURCE_BAD_LIST, SOURCE_BAD_TREE for two lists.
 */
export async function listedSources(directory: string): Promise<SourceEntry[]> {
  const names = await readdir(directory);
  const layout = detectLayout(directory, names);
  if (layout.list === undefined) return [];
  return parseSources(await readFile(join(directory, layout.list), 'utf8'));
}

async function assertEmpty(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const [found] = await readdir(directory);
  if (found === undefined) return;
  throw new SourceError(
    { code: 'SOURCE_BAD_TREE', where: directory, wanted: 'an empty folder', found },
    `dist-git: ${quote(directory, 200)} is not empty, it has ${quote(found)}`,
  );
}
