/**
 * Folders that a build works in and leaves its results in.
 *
 * Paths get into packages (debug data, expanded specs), so the first free name of a fixed row is
 * taken instead of a random one: the same build in the same place is the same bytes.
 */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Makes and returns the first folder of `name`, `name-2`, `name-3`, … that does not exist yet. `parent` is made when needed. */
export async function claimFolder(parent: string, name: string): Promise<string> {
  await mkdir(parent, { recursive: true });
  for (let number = 1; ; number += 1) {
    const path = join(parent, number === 1 ? name : `${name}-${number}`);
    try {
      await mkdir(path);
      return path;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    }
  }
}

/** Moves every package below `from` into `to`, which must be on the same file system. */
export async function movePackages(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && entry.name.endsWith('.rpm')) {
      await rename(join(entry.parentPath, entry.name), join(to, entry.name));
    }
  }
}

/** Removes a folder whatever a build has done to its permissions. */
export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}
