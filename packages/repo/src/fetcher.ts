/**
 * Where a repository is read from: the one-method seam, and its ready-made forms for `fetch` and for memory.
 *
 * A folder is in `./node` (`directoryFetcher`). Nothing here opens a connection of its own accord.
 */
import type { Abortable } from '@distrokit/rpm';
import { quote } from '@distrokit/rpm';
import { RepoError } from './errors.js';

/** Reads files of a repository by their path relative to its root. */
export interface Fetcher {
  /** Stops with REPO_TOO_LARGE at the limit, not after it. Throws REPO_NOT_FOUND when there is no such file. */
  fetch(href: string, options: Abortable & { readonly maxBytes: number }): AsyncIterable<Uint8Array>;
}

/** The part of `fetch` that is used: pass the platform's, or one with retries, credentials or a cache. */
export type FetchFunction = (
  url: string,
  init: { readonly signal?: AbortSignal; readonly headers?: Readonly<Record<string, string>> },
) => Promise<Response>;

/** A fetcher over HTTP. `baseUrl` is the repository's root; absolute URLs in metadata are followed as they are. */
export function httpFetcher(fetch: FetchFunction, baseUrl: string): Fetcher {
  const root = baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`;
  return {
    async *fetch(href, { maxBytes, signal }) {
      const url = new URL(href, root).href;
      let response: Response;
      try {
        response = await fetch(url, signal === undefined ? {} : { signal });
      } catch (cause) {
        signal?.throwIfAborted();
        throw storeFailed(href, 'read', 'no answer', cause);
      }
      if (response.status === 404 || response.status === 410) {
        await response.body?.cancel();
        throw notFound(href);
      }
      if (!response.ok || response.body === null) {
        await response.body?.cancel();
        throw storeFailed(href, 'read', `status ${response.status}`);
      }
      yield* bodyOf(response, href, 'read', maxBytes, signal);
    },
  };
}

/** A fetcher over files in memory, by path. */
export function memoryFetcher(files: ReadonlyMap<string, Uint8Array>): Fetcher {
  return {
    async *fetch(href, { maxBytes, signal }) {
      signal?.throwIfAborted();
      const bytes = files.get(href);
      if (bytes === undefined) throw notFound(href);
      if (bytes.length > maxBytes) throw tooLarge(href, maxBytes);
      for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
    },
  };
}

/** The body of an answer, up to a ceiling. Throws REPO_TOO_LARGE, REPO_STORE_FAILED. */
export async function* bodyOf(
  response: Response,
  path: string,
  task: StoreTask,
  maxBytes: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  let finished = false;
  try {
    let left = maxBytes;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      left -= value.length;
      if (left < 0) throw tooLarge(path, maxBytes);
      yield value;
    }
    finished = true;
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof RepoError) throw cause;
    throw storeFailed(path, task, 'a broken connection', cause);
  } finally {
    if (!finished) await reader.cancel().catch(() => undefined);
  }
}

/** The whole of a file. Throws what the fetcher throws. */
export async function fetchBytes(
  fetcher: Fetcher,
  href: string,
  options: Abortable & { readonly maxBytes: number },
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of fetcher.fetch(href, options)) {
    length += chunk.length;
    if (length > options.maxBytes) throw tooLarge(href, options.maxBytes);
    chunks.push(chunk);
  }
  return concatenated(chunks, length);
}

/** Chunks in one piece. */
export function concatenated(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const first = chunks[0];
  if (chunks.length === 1 && first !== undefined) return first;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** REPO_NOT_FOUND */
export function notFound(href: string, cause?: unknown): RepoError {
  return new RepoError(
    { code: 'REPO_NOT_FOUND', href },
    `${quote(href)}: no such file in the repository`,
    cause === undefined ? undefined : { cause },
  );
}

/** REPO_TOO_LARGE */
export function tooLarge(document: string, limitBytes: number): RepoError {
  return new RepoError(
    { code: 'REPO_TOO_LARGE', document, limitBytes },
    `${quote(document)}: at most ${limitBytes} bytes wanted, found more`,
  );
}

/** What a store was asked to do when it failed. */
export type StoreTask = 'read' | 'write' | 'list' | 'delete';

/** REPO_STORE_FAILED */
export function storeFailed(path: string, task: StoreTask, found: string, cause?: unknown): RepoError {
  const words = { read: 'reading', write: 'writing', list: 'listing', delete: 'deleting' };
  return new RepoError(
    { code: 'REPO_STORE_FAILED', path, task, found },
    `${quote(path)}: ${words[task]} failed: ${found}`,
    cause === undefined ? undefined : { cause },
  );
}
