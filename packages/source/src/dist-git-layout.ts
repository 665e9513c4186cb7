/**
 * The four ways in which distributions lay out a package in git, told by their files.
 */
import { quote } from '@distrokit/rpm';
import { SourceError } from './errors.js';

/**
 * `dist-git`: spec and `sources` at the root (Fedora, CentOS Stream). `imports`: `.<package>.metadata`, `SPECS/`,
 * `SOURCES/` (git.centos.org, Rocky). `patched-imports`: the same with `PATCHES/` beside (OpenELA). `plain`: a spec at
 * the root and every file committed. `retired`: a `dead.package` in place of everything (Fedora, CentOS Stream).
 */
export type DistGitLayout = 'dist-git' | 'imports' | 'patched-imports' | 'plain' | 'retired';

/** A layout and where its list of blobs is. */
export interface DetectedLayout {
  readonly layout: DistGitLayout;
  /** Name of the list at the root; undefined when there is none. */
  readonly list: string | undefined;
}

/** The file that retires a package; it says why. */
export const retirementFile = 'dead.package';

/**
 * Tells the layout from the names at the root of a tree. Throws SOURCE_BAD_TREE when two lists contradict each other:
 * which one counts must not depend on the order of a directory.
 */
export function detectLayout(where: string, rootNames: readonly string[]): DetectedLayout {
  const names = new Set(rootNames);
  // Whatever was left beside it: who wants the package back removes this file first.
  if (names.has(retirementFile)) return { layout: 'retired', list: undefined };
  const metadata = rootNames.filter((name) => /^\..+\.metadata$/.test(name));
  const lists = [...metadata, ...(names.has('sources') ? ['sources'] : [])];
  if (lists.length > 1) {
    throw new SourceError(
      { code: 'SOURCE_BAD_TREE', where, wanted: 'one list of sources', found: lists.slice(0, 5).join(', ') },
      `source tree ${quote(where, 200)}: wanted one list of sources, found ${lists.slice(0, 5).join(', ')}`,
    );
  }
  const list = lists[0];
  if (names.has('SPECS')) return { layout: names.has('PATCHES') ? 'patched-imports' : 'imports', list };
  return { layout: list === undefined ? 'plain' : 'dist-git', list };
}
