/**
 * `openRepositoryAt`: a repository by the name of its folder or by its URL.
 */
import { fileURLToPath } from 'node:url';
import { directoryFetcher } from './directory-store.js';
import { type FetchFunction, httpFetcher } from './fetcher.js';
import { type OpenRepositoryOptions, openRepository, type Repository } from './repository.js';

/** How to open a repository by name. */
export interface OpenRepositoryAtOptions extends OpenRepositoryOptions {
  /** What fetches http and https URLs. Required for those: nothing here opens a connection of its own accord. */
  readonly fetch?: FetchFunction;
}

/**
 * Opens the repository in a folder, or at a `file:`, `http:` or `https:` URL. Throws what `openRepository` throws;
 * TypeError for an HTTP URL without `fetch`.
 */
export async function openRepositoryAt(
  folderOrUrl: string | URL,
  options: OpenRepositoryAtOptions,
): Promise<Repository> {
  const { fetch, ...rest } = options;
  const name = String(folderOrUrl);
  if (/^https?:\/\//.test(name)) {
    if (fetch === undefined) throw new TypeError('"fetch" is needed to open a repository over HTTP');
    return openRepository(httpFetcher(fetch, name), rest);
  }
  const folder = name.startsWith('file:') ? fileURLToPath(name) : name;
  return openRepository(directoryFetcher(folder), rest);
}
