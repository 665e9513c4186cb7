/**
 * A repository in a folder: reading and writing files of a local disk.
 *
 * A file is written beside its place, flushed to the disk, and renamed; then its folder is flushed. Who reads sees the
 * old file or the new one, and so does who starts the machine again after a power cut.
 */
import { type FileHandle, link, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { quote } from '@distrokit/rpm';
import { RepoError } from './errors.js';
import { type Fetcher, notFound, storeFailed, tooLarge } from './fetcher.js';
import { checkStorePath, conflict, type RepositoryStore, type StoredFile } from './store.js';

/** Most documents come in one piece. */
const chunkBytes = 4 * 1024 * 1024;

/** A fetcher over a folder. Paths that lead out of it are REPO_NOT_FOUND. */
export function directoryFetcher(folder: string): Fetcher {
  return {
    async *fetch(href, { maxBytes, signal }) {
      const path = placeOf(folder, href, () => notFound(href));
      let handle: FileHandle;
      try {
        handle = await open(path, 'r');
      } catch (cause) {
        throw isMissing(cause) ? notFound(href, cause) : storeFailed(href, 'read', codeOf(cause), cause);
      }
      try {
        let left = maxBytes;
        for (;;) {
          signal?.throwIfAborted();
          const length = Math.min(chunkBytes, left + 1);
          const { bytesRead, buffer } = await handle.read(new Uint8Array(length), 0, length);
          if (bytesRead === 0) return;
          left -= bytesRead;
          if (left < 0) throw tooLarge(href, maxBytes);
          yield buffer.subarray(0, bytesRead);
        }
      } catch (cause) {
        if (cause instanceof RepoError || signal?.aborted === true) throw cause;
        throw storeFailed(href, 'read', codeOf(cause), cause);
      } finally {
        await handle.close();
      }
    },
  };
}

/** A store over a folder, which is made when the first file is written. */
export function directoryStore(folder: string): RepositoryStore {
  return {
    ...directoryFetcher(folder),
    async write(path, data, options = {}) {
      const { signal, ifVersion } = options;
      let name = typeof path === 'string' ? path : '';
      let temporary: string | undefined;
      try {
        await mkdir(join(folder, 'repodata'), { recursive: true });
        const opened = await openPart(join(folder, 'repodata'));
        const { handle } = opened;
        temporary = opened.path;
        try {
          await writeAll(handle, data, signal);
          await handle.sync();
        } finally {
          await handle.close();
        }
        if (typeof path !== 'string') name = path();
        const place = placeOf(
          folder,
          name,
          () => new RangeError(`"path" must stay below the root, not ${quote(name)}`),
        );
        await mkdir(dirname(place), { recursive: true });
        signal?.throwIfAborted();
        if (ifVersion === undefined) await rename(temporary, place);
        else await exchange(temporary, place, name, ifVersion);
        temporary = undefined;
        await syncFolder(dirname(place));
        return await versionOf(place);
      } catch (cause) {
        if (cause instanceof RepoError || cause instanceof RangeError || signal?.aborted === true) throw cause;
        if (codeOf(cause) === 'unknown') throw cause;
        throw storeFailed(name, 'write', codeOf(cause), cause);
      } finally {
        if (temporary !== undefined) await unlink(temporary).catch(() => undefined);
      }
    },
    async stat(path) {
      return describe(
        placeOf(folder, path, () => notFound(path)),
        path,
      );
    },
    async *list(below) {
      const root = below === '' ? folder : placeOf(folder, below, () => notFound(below));
      let entries: string[];
      try {
        const all = await readdir(root, { recursive: true, withFileTypes: true });
        entries = all.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
      } catch (cause) {
        if (isMissing(cause)) return;
        throw storeFailed(below, 'list', codeOf(cause), cause);
      }
      const paths = entries.map((entry) => relative(folder, entry).split(sep).join('/')).sort();
      for (const path of paths) {
        const file = await describe(join(folder, path), path);
        if (file !== undefined && !/\.(part|lock)$/.test(path)) yield file;
      }
    },
    async remove(path) {
      const place = placeOf(folder, path, () => notFound(path));
      try {
        await unlink(place);
      } catch (cause) {
        if (!isMissing(cause)) throw storeFailed(path, 'delete', codeOf(cause), cause);
      }
    },
  };
}

let parts = 0;

/** A new file for the bytes until they are whole. What a killed process left under the name is passed over. */
async function openPart(folder: string): Promise<{ readonly path: string; readonly handle: FileHandle }> {
  for (;;) {
    const path = join(folder, `.${process.pid}-${++parts}.part`);
    try {
      return { path, handle: await open(path, 'wx') };
    } catch (cause) {
      if (codeOf(cause) !== 'EEXIST') throw cause;
    }
  }
}

/**
 * Replaces a file in a known version. A second name of the new file, made exclusively and holding the version that it
 * replaces, makes comparing and renaming one step among publishers that use this store.
 *
 * A publisher that dies in between leaves that name. Its file is whole and on the disk, so the next one, having waited
 * long enough for any living publisher, ends what was begun, and hears of a conflict.
 */
async function exchange(temporary: string, place: string, name: string, ifVersion: string | null): Promise<void> {
  const claim = `${place}.${ifVersion ?? 'new'}.lock`;
  const current = async (): Promise<string | null> => {
    try {
      return await versionOf(place);
    } catch (cause) {
      if (isMissing(cause)) return null;
      throw cause;
    }
  };
  for (let waits = 0; ; waits++) {
    const found = await current();
    if (found !== ifVersion) throw conflict(name, ifVersion, found);
    try {
      await link(temporary, claim);
      break;
    } catch (cause) {
      if (codeOf(cause) !== 'EEXIST') throw cause;
    }
    if (waits === claimWaits) {
      await rename(claim, place).catch(() => undefined);
      throw conflict(name, ifVersion, await current());
    }
    await new Promise((resolve) => setTimeout(resolve, claimWaitMs));
  }
  const found = await current();
  if (found !== ifVersion) {
    await unlink(claim).catch(() => undefined);
    throw conflict(name, ifVersion, found);
  }
  try {
    await rename(claim, place);
  } catch (cause) {
    // Another publisher took this one for dead and ended its work.
    if (!isMissing(cause)) throw cause;
  }
  await unlink(temporary);
}

// A living publisher holds its claim for less than a millisecond.
const claimWaits = 20;
const claimWaitMs = 100;

async function writeAll(
  handle: FileHandle,
  data: AsyncIterable<Uint8Array> | Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (data instanceof Uint8Array) {
    await handle.writeFile(data);
    return;
  }
  for await (const chunk of data) {
    signal?.throwIfAborted();
    for (let at = 0; at < chunk.length; ) at += (await handle.write(chunk, at)).bytesWritten;
  }
}

async function describe(place: string, path: string): Promise<StoredFile | undefined> {
  try {
    const found = await stat(place, { bigint: true });
    if (!found.isFile()) return undefined;
    return {
      path,
      sizeBytes: Number(found.size),
      changedAt: new Date(Number(found.mtimeMs)),
      version: `${found.ino}-${found.size}-${found.mtimeNs}`,
    };
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw storeFailed(path, 'read', codeOf(cause), cause);
  }
}

async function versionOf(place: string): Promise<string> {
  const found = await stat(place, { bigint: true });
  return `${found.ino}-${found.size}-${found.mtimeNs}`;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function placeOf(folder: string, path: string, refusal: () => Error): string {
  try {
    checkStorePath(path);
  } catch {
    throw refusal();
  }
  return join(folder, path);
}

function codeOf(cause: unknown): string {
  const code = (cause as { readonly code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : 'unknown';
}

function isMissing(cause: unknown): boolean {
  return codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ENOTDIR';
}
