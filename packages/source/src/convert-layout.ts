/**
 * One layout made from another: paths, list of blobs and `.gitignore`, as files in and files out.
 */
import { quote } from '@distrokit/rpm';
import { type DistGitLayout, detectLayout, retirementFile } from './dist-git-layout.js';
import { SourceError } from './errors.js';
import type { TreeFiles } from './modification.js';
import { formatSources, parseSources, type SourceEntry } from './sources-file.js';

/** A tree in another layout. */
export interface ConvertedLayout {
  readonly files: TreeFiles;
  /** The blobs, with the paths they have in the new layout. */
  readonly entries: readonly SourceEntry[];
}

/**
 * Converts the committed files of a package between `dist-git` (spec and `sources` at the root) and `imports`
 * (`SPECS/`, `SOURCES/`, `.<package>.metadata`). Blobs are not read: only their list moves. Contents stay as they are.
 *
 * Throws SOURCE_BAD_TREE when two files would get one path, and for a tree without a spec.
 */
export function convertLayout(
  files: TreeFiles,
  to: Extract<DistGitLayout, 'dist-git' | 'imports'>,
  name: string,
): ConvertedLayout {
  const detected = detectLayout(name, [...new Set([...files.keys()].map((path) => path.split('/')[0]!))]);
  const from = detected.layout;
  if (from === 'retired') throw badTree(name, 'a package that is not retired', retirementFile);
  const list = detected.list === undefined ? undefined : files.get(detected.list);
  const listed = list ? parseSources(Buffer.from(list.buffer, list.byteOffset, list.byteLength).toString('utf8')) : [];
  const toImports = to === 'imports';
  const already = toImports
    ? from === 'imports' || from === 'patched-imports'
    : from === 'dist-git' || from === 'plain';
  const place = (path: string): string =>
    already ? path : toImports ? importsPath(path) : path.replace(/^(?:SPECS|SOURCES)\//, '');

  const out = new Map<string, Uint8Array>();
  for (const [path, bytes] of files) {
    if (path === detected.list || path === '.gitignore') continue;
    const target = place(path);
    if (out.has(target)) throw badTree(name, 'each path once', target);
    out.set(target, bytes);
  }
  if (![...out.keys()].some((path) => path.endsWith('.spec'))) throw badTree(name, 'a spec', 'none');
  const entries = listed.map((entry) => ({ ...entry, file: place(entry.file) }));
  if (toImports) out.set(`.${name}.metadata`, Buffer.from(formatSources(entries, 'metadata')));
  else if (detected.list !== undefined) out.set('sources', Buffer.from(formatSources(entries)));
  if (entries.length > 0) {
    const ignored = [...new Set(entries.map((entry) => entry.file))];
    // A leading slash keeps the pattern at the root; the imports layout writes plain paths.
    out.set('.gitignore', Buffer.from(ignored.map((file) => `${toImports ? '' : '/'}${file}\n`).join('')));
  }
  return { files: new Map([...out].sort(([a], [b]) => (a < b ? -1 : 1))), entries };
}

function importsPath(path: string): string {
  if (/^(?:SPECS|SOURCES|PATCHES)\//.test(path) || path.startsWith('.')) return path;
  return path.endsWith('.spec') && !path.includes('/') ? `SPECS/${path}` : `SOURCES/${path}`;
}

function badTree(where: string, wanted: string, found: string): SourceError {
  return new SourceError(
    { code: 'SOURCE_BAD_TREE', where, wanted, found },
    `source tree ${quote(where, 200)}: wanted ${wanted}, found ${quote(found, 200)}`,
  );
}
