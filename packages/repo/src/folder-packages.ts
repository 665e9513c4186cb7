/**
 * The packages of a folder: where they are, and what `createRepository` makes of them in memory.
 */
import { readdirSync } from 'node:fs';
import { relative, sep } from 'node:path';
import type { PackageEntry } from './block-renderer.js';
import type { CreateRepositoryOptions } from './create-repository.js';
import { RepoError } from './errors.js';
import { PackageReader, type ReadOptions } from './package-reader.js';
import type { RenderedPackage, RepositoryOptions } from './repository-writer.js';

/** Every `*.rpm` below a folder, relative to it with `/` between the parts; `repodata` folders are passed over. */
export async function packagePaths(folder: string): Promise<string[]> {
  // As packages are read: without another thread, which would take longer.
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const places = new Map<string, string>();
  const paths: string[] = [];
  for (const entry of entries) {
    const { name, parentPath } = entry;
    if (!name.endsWith('.rpm') || !(entry.isFile() || entry.isSymbolicLink())) continue;
    let place = places.get(parentPath);
    if (place === undefined) {
      const parts = relative(folder, parentPath).split(sep).join('/');
      place = parts === '' ? '' : `${parts}/`;
      places.set(parentPath, place);
    }
    paths.push(place + name);
  }
  return paths;
}

/** Packages as XML in memory; those that cannot be read go to `onBadPackage`. `before` of `total` are done already. */
export async function readAll(
  folder: string,
  entries: readonly PackageEntry[],
  options: CreateRepositoryOptions,
  repositoryOptions: RepositoryOptions,
  before: number,
  total: number,
): Promise<{ readonly rendered: readonly RenderedPackage[]; readonly fromCache: number }> {
  const rendered: RenderedPackage[] = [];
  let fromCache = 0;
  const reader = new PackageReader(folder, entries, readOptions(options, repositoryOptions, false));
  try {
    for (const entry of entries) {
      options.signal?.throwIfAborted();
      try {
        const made = await reader.next(entry);
        const { primary, filelists, other } = made.rendered;
        // The reader overwrites its memory.
        const pieces = { primary: primary.slice(), filelists: filelists.slice(), other: other.slice() };
        rendered.push({ ...made.rendered, ...pieces });
        if (made.fromCache === true) fromCache++;
        if (made.record !== undefined) options.onPackage?.(made.record, before + rendered.length, total);
      } catch (error) {
        if (options.onBadPackage === undefined || !(error instanceof RepoError)) throw error;
        options.onBadPackage(entry.path, error);
      }
    }
  } finally {
    await reader.close();
  }
  return { rendered, fromCache };
}

/** How `createRepository` reads packages; `blocks` when it takes whole blocks. */
export function readOptions(
  options: CreateRepositoryOptions,
  { checksum, compression, compressionLevel }: RepositoryOptions,
  blocks: boolean,
): ReadOptions {
  const level = compressionLevel === undefined ? {} : { compressionLevel };
  return {
    ...options,
    checksum,
    threads: options.threads ?? 1,
    withRecords: options.onPackage !== undefined,
    ...(blocks ? { blocks: { compression, ...level } } : {}),
  };
}
