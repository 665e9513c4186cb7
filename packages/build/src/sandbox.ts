/**
 * bubblewrap: a build that sees no network, no other process, no home and no key.
 *
 * Every namespace is new. The build's own folder appears at a fixed path, whatever its path outside, so
 * that packages do not depend on where they were built.
 *
 * Reference: bwrap(1)
 */

/** Where a build's folder appears inside. */
export const insideFolder = '/tmp/build';

/** What to show a sandboxed program. */
export interface Sandbox {
  readonly bwrap: string;
  /** The root file system: this machine's own, read-only, or a folder that may be changed. */
  readonly root: { readonly path: string; readonly writable: boolean };
  /** The build's own folder outside; holds `tmp` (with `build` in it) and `vartmp`. */
  readonly folder: string;
  /** What appears as `insideFolder`. */
  readonly work: string;
  /** Folders of the root that are shown empty, for instance `/root`. They must exist. */
  readonly hidden: readonly string[];
  /** More folders to show, read-only: path outside, path inside. */
  readonly shown: readonly (readonly [string, string])[];
  readonly hostName: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The words that start `argv` inside a sandbox. */
export function sandboxArgv(sandbox: Sandbox, argv: readonly string[]): string[] {
  const { root } = sandbox;
  return [
    sandbox.bwrap,
    root.writable ? '--bind' : '--ro-bind',
    root.path,
    '/',
    ...['--dev', '/dev', '--proc', '/proc', '--tmpfs', '/run'],
    ...sandbox.hidden.flatMap((path) => ['--tmpfs', path]),
    ...['--bind', `${sandbox.folder}/tmp`, '/tmp'],
    ...['--bind', `${sandbox.folder}/vartmp`, '/var/tmp'],
    ...['--bind', sandbox.work, insideFolder],
    ...sandbox.shown.flatMap(([outside, inside]) => ['--ro-bind', outside, inside]),
    ...['--unshare-all', '--die-with-parent', '--hostname', sandbox.hostName],
    '--clearenv',
    ...Object.entries(sandbox.env).flatMap(([name, value]) => ['--setenv', name, value]),
    ...['--chdir', insideFolder, '--'],
    ...argv,
  ];
}
