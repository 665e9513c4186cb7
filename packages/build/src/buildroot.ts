/**
 * The root that a build runs in: which files it sees, which arch it makes, its clock, host name and macros.
 */
import { quote } from '@distrokit/rpm';
import type { BuildrootLock } from './buildroot-lock.js';

/** A package repository that a root is filled from. */
export interface RootRepository {
  /** Letters, digits, `-`, `_` and `.`. */
  readonly id: string;
  /** A folder, or a URL that the driver's package manager reads by itself. */
  readonly location: string;
  /** Key files that repomd.xml and packages must be signed with. `unsigned` must be said aloud. */
  readonly trust: 'unsigned' | { readonly keyFiles: readonly string[] };
}

/** Where the files of a root come from. */
export type RootOrigin =
  /** This machine's own files, for the rpmbuild driver. */
  | { readonly kind: 'host' }
  /** Packages by name, with what they and the source require, from repositories. */
  | {
      readonly kind: 'repositories';
      readonly repositories: readonly RootRepository[];
      /** What every root holds, for instance `@buildsys-build`, or names. */
      readonly packages: readonly string[];
      readonly releasever: string;
    }
  /** Exactly the packages of a lock and nothing else; see `materializeLock`. */
  | { readonly kind: 'lock'; readonly lock: BuildrootLock; readonly folder: string };

/** The root file system of a build and what is fixed in it. */
export interface Buildroot {
  readonly root: RootOrigin;
  /** The arch to build for. Default: the driver's own. */
  readonly arch?: string;
  /**
   * Build time, and the latest file time in the packages.
   *
   * Default for an SRPM: its newest changelog entry, else its own build time. Default for a spec: its newest changelog entry.
   */
  readonly sourceDate?: Date;
  /** Host name that packages carry. Default `build.invalid`. */
  readonly buildHost?: string;
  /** Macros for every spec, for instance `dist`. Names without `%`. */
  readonly macros?: Readonly<Record<string, string>>;
}

/** This machine itself as the root, for the rpmbuild driver. */
export const hostBuildroot: Buildroot = { root: { kind: 'host' } };

/** Macros that decide where things lie, who signs and what time it is: the driver sets them, nobody else. */
const reservedMacros: ReadonlySet<string> = new Set([
  '_topdir',
  '_builddir',
  '_buildrootdir',
  'buildroot',
  '_rpmdir',
  '_srcrpmdir',
  '_sourcedir',
  '_specdir',
  '_tmppath',
  '_dbpath',
  '_buildhost',
  '_build_name_fmt',
  '_rpmfilename',
  'use_source_date_epoch_as_buildtime',
  'clamp_mtime_to_source_date_epoch',
  'build_mtime_policy',
  'source_date_epoch_from_changelog',
  '_gpg_name',
  '_gpg_path',
  '__gpg',
  '__gpg_sign_cmd',
  '_signature',
  '_keyring',
]);

/** The `--define` arguments for a root's macros, in the order of their names. Throws TypeError on a name or value that rpm would read otherwise. */
export function macroArguments(macros: Readonly<Record<string, string>>): string[] {
  const result: string[] = [];
  for (const name of Object.keys(macros).sort()) {
    const value = macros[name] ?? '';
    if (!/^[A-Za-z_][A-Za-z0-9_]{2,}$/.test(name)) {
      throw new TypeError(
        `"macros": ${quote(name)} is no macro name (a letter or _, then at least two letters, digits or _)`,
      );
    }
    if (reservedMacros.has(name)) throw new TypeError(`"macros": ${quote(name)} is set by the driver`);
    if (/[\n\r\0]/.test(value)) throw new TypeError(`"macros": the value of ${quote(name)} has a line end or a NUL`);
    if (!bracesMatch(value)) throw new TypeError(`"macros": the braces in the value of ${quote(name)} do not match`);
    // rpm refuses an empty body; %{nil} is its word for nothing.
    result.push('--define', `${name} ${value.trim() === '' ? '%{nil}' : value}`);
  }
  return result;
}

function bracesMatch(text: string): boolean {
  let depth = 0;
  for (const char of text) {
    if (char === '{') depth += 1;
    else if (char === '}') depth -= 1;
    if (depth < 0) return false;
  }
  return depth === 0;
}
