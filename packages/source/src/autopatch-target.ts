/**
 * What an autopatch document points at: files by pattern, their lines, the suffix of a release.
 *
 * Reference: AlmaLinux, autopatch-tool, docs/configuration.md
 */
import type { AutopatchMode } from './autopatch.js';
import type { AutopatchModifyRelease } from './autopatch-config.js';
import { NoPlace } from './autopatch-spec.js';
import type { TreeFiles } from './modification.js';

/** Paths that a target names: `spec` is the only `*.spec`, anything else a pattern over the ends of paths. Sorted. */
export function autopatchTargets(files: TreeFiles, target: string): string[] {
  const paths = [...files.keys()].filter((path) => !path.startsWith('tests/')).sort((a, b) => (a < b ? -1 : 1));
  if (target === 'spec') return paths.filter((path) => path.endsWith('.spec'));
  const pattern = globPattern(target);
  return paths.filter((path) => pattern.test(path));
}

/** The release suffix that a document's `modify_release` stands for, with `auto_increment` resolved against tags. */
export function autopatchSuffix(
  entry: Pick<AutopatchModifyRelease, 'suffix' | 'auto_increment'>,
  tagPrefix: string,
  baseTag: string | undefined,
  existingTags: readonly string[],
): string {
  if (!entry.auto_increment) return entry.suffix;
  const match = /^(.*?)(\d+)$/.exec(entry.suffix);
  if (!match) throw new NoPlace('a suffix that ends in a number');
  if (baseTag === undefined) throw new TypeError('"baseTag" is needed for auto_increment');
  const [, stem = '', number = ''] = match;
  const prefix = `${tagPrefix}${baseTag}${stem}`;
  const used = existingTags
    .filter((tag) => tag.startsWith(prefix) && /^\d+$/.test(tag.slice(prefix.length)))
    .map((tag) => Number(tag.slice(prefix.length)));
  return `${stem}${used.length === 0 ? number : Math.max(...used) + 1}`;
}

/** A value of the document as lines; the newline that ends a YAML block is no line of its own. */
export function textLines(text: string): string[] {
  return text.replace(/\n$/, '').split('\n');
}

/** The lines of a file, whatever ends them. */
export function fileLines(text: string): string[] {
  return text.replace(/\r?\n$/, '').split(/\r\n|\r|\n/);
}

/** Lines as a file again. */
export function joinLines(lines: readonly string[], before: string, mode: AutopatchMode): string {
  // The original writes plain line ends everywhere, and one at the end.
  const eol = mode === 'strict' && before.includes('\r\n') ? '\r\n' : '\n';
  const end = mode === 'strict' && !before.endsWith('\n') ? '' : eol;
  return lines.join(eol) + end;
}

/** Text as a pattern that matches just it. */
export function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

function globPattern(glob: string): RegExp {
  const body = glob.replace(/\*\*\/|[\s\S]/g, (part) => {
    if (part === '**/') return '(?:.*/)?';
    if (part === '*') return '[^/]*';
    return part === '?' ? '[^/]' : escapePattern(part);
  });
  return new RegExp(`(?:^|/)${body}$`);
}
