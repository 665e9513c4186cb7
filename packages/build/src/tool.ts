/**
 * Programs that drivers need: where they are, and which package carries a missing one.
 *
 * The search path is fixed. The environment of the calling process is not read, so that a build
 * does not depend on who started it.
 */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError } from './errors.js';

const searchPath: readonly string[] = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The PATH that every build sees. */
export const buildPath: string = searchPath.join(':');

const carriers = {
  rpmbuild: { debian: 'rpm', fedora: 'rpm-build' },
  rpm: { debian: 'rpm', fedora: 'rpm' },
  rpmspec: { debian: 'rpm', fedora: 'rpm-build' },
  sh: { debian: 'dash', fedora: 'bash' },
  bwrap: { debian: 'bubblewrap', fedora: 'bubblewrap' },
  dnf: { debian: 'dnf', fedora: 'dnf' },
  mock: { debian: 'mock (not in Debian; use the chroot driver)', fedora: 'mock' },
  podman: { debian: 'podman', fedora: 'podman' },
} as const;

/** A program that a driver knows how to ask for. */
export type Tool = keyof typeof carriers;

/** Absolute path of a program. Throws BUILD_TOOL_MISSING with the package to install. */
export async function findTool(tool: Tool): Promise<string> {
  const found = await findProgram(tool);
  if (found !== undefined) return found;
  const install = carriers[tool];
  throw new BuildError(
    { code: 'BUILD_TOOL_MISSING', tool, install },
    `${tool}: not found in ${searchPath.join(', ')}; install it with "apt-get install ${install.debian}" or "dnf install ${install.fedora}"`,
  );
}

/** Absolute path of a program of this name; undefined when there is none. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of searchPath) {
    const path = join(folder, name);
    const runs = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (runs) return path;
  }
  return undefined;
}
