/**
 * What a named, repeatable change makes of a tree of sources, whatever language it is written in.
 *
 * Pure: files in, files out. No git, no clock, no disk, no process.
 */
import { createTwoFilesPatch } from './text-diff.js';

/** Files of a tree by path; text and binary alike. */
export type TreeFiles = ReadonlyMap<string, Uint8Array>;

/** One thing that was done, in the order it was done. */
export interface ModificationStep {
  /** Where in the configuration: `actions[1].replace[0]`. */
  readonly where: string;
  /** For people: `spec: 2 replaced`. */
  readonly what: string;
}

/** Where a file that a modification brought in came from. */
export interface AddedFile {
  readonly path: string;
  /** From the configuration's own `origin`, where it has one. */
  readonly origin?: { readonly url?: string; readonly commit?: string; readonly cve?: readonly string[] } | undefined;
}

/** The tree after a modification. */
export interface ModificationResult {
  /** All files after the change; those that were not touched are the same objects. */
  readonly files: TreeFiles;
  /** For a git commit; empty when the configuration says nothing. */
  readonly commitMessage: string;
  readonly author: { readonly name: string; readonly email: string } | undefined;
  /** What was appended to the release: also the suffix of the git tag. */
  readonly tagSuffix: string;
  readonly added: readonly AddedFile[];
  readonly log: readonly ModificationStep[];
}

/** A file that a modification changed. */
export interface FileChange {
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** Unified diff; empty for a file that is not text. */
  readonly diff: string;
}

/** What differs between two trees, as a dry run shows it. Paths in order. */
export function diffTrees(before: TreeFiles, after: TreeFiles): FileChange[] {
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort((a, b) => (a < b ? -1 : 1));
  const changes: FileChange[] = [];
  for (const path of paths) {
    const old = before.get(path);
    const next = after.get(path);
    if (old === next || (old && next && Buffer.compare(old, next) === 0)) continue;
    const kind = !old ? 'added' : !next ? 'removed' : 'changed';
    const texts = [old, next].map((bytes) => (bytes ? textOf(bytes) : ''));
    const isText = texts.every((text) => text !== undefined);
    changes.push({ path, kind, diff: isText ? createTwoFilesPatch(path, texts[0]!, texts[1]!) : '' });
  }
  return changes;
}

/** Text of a file, undefined when it is not UTF-8 or has NUL in it. */
export function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
