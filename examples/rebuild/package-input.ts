/**
 * Where the package comes from: the example's own dist-git repository, a dist-git checkout, or an SRPM.
 */
import { cp, mkdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Abortable } from '@distrokit/rpm';
import { fileSource } from '@distrokit/rpm/node';
import {
  directoryLookaside,
  fetchDistGit,
  fetchSources,
  httpLookaside,
  type Lookaside,
  listedSources,
  orderedLookaside,
  readSourceTree,
  readSrpm,
  type SourceTree,
} from '@distrokit/source';
import { serveDefaultPackage } from './default-package.js';

/** A package to rebuild. */
export interface PackageInput {
  readonly title: string;
  /** Brings the sources into a new folder, every listed blob verified. */
  fetch(folder: string, options: Abortable): Promise<SourceTree>;
  /** The example's own package, to which our patch belongs. */
  readonly isDefault: boolean;
  /** What the installed program must print. */
  readonly expectedOutput?: string;
}

/** xz from a git repository and an HTTP store that are made on the spot. */
export function defaultInput(startedAt: Date): PackageInput {
  return {
    title: 'xz 5.2.3 from dist-git and lookaside, every blob verified',
    isDefault: true,
    expectedOutput: 'Rebuilt with distrokit',
    fetch: async (folder, options) => {
      const served = await serveDefaultPackage(join(folder, '..', 'upstream'), startedAt);
      try {
        const distGit = { url: served.url, ref: served.ref, terms: 'own' } as const;
        return await fetchDistGit(distGit, served.lookaside, folder, {
          ...options,
          allowFile: true,
          lookasideTerms: 'public',
        });
      } finally {
        await served.close();
      }
    },
  };
}

/** A dist-git checkout as it lies there. Blobs it lists are taken from the folder itself, then from `lookaside`. */
export function checkoutInput(directory: string, lookaside: string | undefined): PackageInput {
  const name = basename(resolve(directory));
  return {
    title: `${name} from a checkout`,
    isDefault: false,
    fetch: async (folder, options) => {
      await mkdir(folder, { recursive: true });
      await cp(directory, folder, { recursive: true, filter: (path) => basename(path) !== '.git' });
      const stores = [directoryLookaside(directory), ...(lookaside === undefined ? [] : [storeAt(lookaside, name)])];
      await fetchSources(await listedSources(folder), orderedLookaside(stores), folder, options);
      const origin = { kind: 'directory', where: resolve(directory), terms: 'unknown' } as const;
      return readSourceTree(folder, { origin, ref: 'checkout', ...options });
    },
  };
}

/** The spec and the sources inside an SRPM. */
export function srpmInput(path: string): PackageInput {
  return {
    title: basename(path),
    isDefault: false,
    fetch: async (folder, options) => {
      using file = fileSource(path);
      const origin = { kind: 'srpm', where: resolve(path), terms: 'unknown' } as const;
      // Whoever names a file vouches for it: there is no keyring to hold its signature against.
      return await readSrpm(file, folder, { origin, verify: 'unsigned', ...options });
    },
  };
}

/** A URL with `{name}`, `{file}`, `{algorithm}` and `{hex}`, or a folder. */
function storeAt(place: string, name: string): Lookaside {
  return /^https?:/.test(place) ? httpLookaside({ template: place, name, fetch }) : directoryLookaside(place);
}
