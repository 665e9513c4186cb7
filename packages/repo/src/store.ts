/**
 * Where a repository is written to: a small interface, and its form in memory.
 *
 * A folder is in `./node` (`directoryStore`), an S3-compatible store in `s3-store.ts`. Every file appears whole or not
 * at all.
 */
import type { Abortable } from '@distrokit/rpm';
import { quote } from '@distrokit/rpm';
import { RepoError } from './errors.js';
import { concatenated, type Fetcher, memoryFetcher } from './fetcher.js';

/** A file that is there. */
export interface StoredFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** When the store got it. */
  readonly changedAt: Date;
  /** A word that changes with the content; what `ifVersion` compares. */
  readonly version: string;
}

/** How to write a file. */
export interface WriteOptions extends Abortable {
  /**
   * Write only when the file is still in this version; `null` when it must not exist yet. Otherwise REPO_CONFLICT,
   * and nothing has changed.
   */
  readonly ifVersion?: string | null;
  /** For servers that pass it on: files whose name holds their digest never change. */
  readonly cache?: 'immutable' | 'revalidate';
}

/** Reads and writes files of a repository by their path relative to its root. */
export interface RepositoryStore extends Fetcher {
  /**
   * Stores a file; replaces one of the same path. Readers see the old or the new one, never a part.
   *
   * `path` may be a function: it is asked after the last byte, for names that hold the digest of the content.
   * Resolves with the file's version when it is durable. Throws REPO_CONFLICT, REPO_STORE_FAILED.
   */
  write(
    path: string | (() => string),
    data: AsyncIterable<Uint8Array> | Uint8Array,
    options?: WriteOptions,
  ): Promise<string>;
  /** Undefined when there is no such file. */
  stat(path: string, options?: Abortable): Promise<StoredFile | undefined>;
  /** Every file below a folder, in the order of their paths. */
  list(folder: string, options?: Abortable): AsyncIterable<StoredFile>;
  /** Deletes a file; one that is not there is no error. */
  remove(path: string, options?: Abortable): Promise<void>;
}

/** A store in memory, for tests and for browsers. `files` may be read at any time. */
export function memoryStore(): RepositoryStore & { readonly files: ReadonlyMap<string, Uint8Array> } {
  const files = new Map<string, Uint8Array>();
  const versions = new Map<string, string>();
  let writes = 0;
  const describe = (path: string): StoredFile | undefined => {
    const bytes = files.get(path);
    if (bytes === undefined) return undefined;
    return { path, sizeBytes: bytes.length, changedAt: new Date(0), version: versions.get(path) ?? '' };
  };
  return {
    files,
    ...memoryFetcher(files),
    async write(path, data, options = {}) {
      const bytes = await collected(data, options);
      const name = typeof path === 'string' ? path : path();
      checkStorePath(name);
      options.signal?.throwIfAborted();
      if (options.ifVersion !== undefined && (versions.get(name) ?? null) !== options.ifVersion) {
        throw conflict(name, options.ifVersion, versions.get(name) ?? null);
      }
      files.set(name, bytes);
      versions.set(name, String(++writes));
      return String(writes);
    },
    stat: async (path) => describe(path),
    async *list(folder) {
      const prefix = folder === '' ? '' : `${folder.replace(/\/$/, '')}/`;
      for (const path of [...files.keys()].filter((name) => name.startsWith(prefix)).sort()) {
        const file = describe(path);
        if (file !== undefined) yield file;
      }
    },
    async remove(path) {
      files.delete(path);
      versions.delete(path);
    },
  };
}

/**
 * Throws RangeError on a path that could leave the repository's root: absolute, `..`, empty parts, backslash, NUL.
 *
 * Paths of packages come from metadata that others wrote.
 */
export function checkStorePath(path: string): void {
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..') || /[\\\0]/.test(path)) {
    throw new RangeError(`"path" must stay below the repository's root, not ${quote(path)}`);
  }
}

/** REPO_CONFLICT */
export function conflict(path: string, wanted: string | null, found: string | null): RepoError {
  const word = (version: string | null): string => (version === null ? 'no file' : `version ${quote(version)}`);
  return new RepoError(
    { code: 'REPO_CONFLICT', path, wanted: wanted ?? '', found: found ?? '' },
    `${quote(path)}: ${word(wanted)} wanted, found ${word(found)}: another publisher was faster`,
  );
}

async function collected(data: AsyncIterable<Uint8Array> | Uint8Array, { signal }: Abortable): Promise<Uint8Array> {
  if (data instanceof Uint8Array) return data.slice();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of data) {
    signal?.throwIfAborted();
    chunks.push(chunk.slice());
    length += chunk.length;
  }
  return concatenated(chunks, length);
}
