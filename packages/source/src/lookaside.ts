/**
 * Stores of source archives, addressed by package, file name and digest.
 *
 * One method, ready-made for a folder and for HTTP; `orderedLookaside` asks several in turn. A store only gives bytes:
 * whether they are the right ones is decided in `fetch-sources.ts`, for every store alike.
 *
 * Reference: rpkg, lookaside cache; the address patterns are each distribution's own
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { Abortable } from '@distrokit/rpm';
import { SourceError, type TriedPlace } from './errors.js';
import { checkRelativePath, pathInside } from './file-name.js';
import type { SourceEntry } from './sources-file.js';

/** What to ask a store for, besides the entry. */
export interface LookasideRequest extends Abortable {
  /** Bytes already at hand from an earlier try of the same blob: the store may begin there. Default 0. */
  readonly offsetBytes?: number | undefined;
  /** The validator that came with those bytes; a store must begin at 0 when it has none that is equal. */
  readonly validator?: string | undefined;
  /** Places that gave wrong bytes for this entry: not asked again. */
  readonly refused?: ReadonlySet<string> | undefined;
}

/** A blob as a store gives it, not yet believed. */
export interface LookasideBlob {
  /** URL or path, for messages and records. Without user name and password. */
  readonly where: string;
  /** The first byte of `bytes` within the blob: the request's `offsetBytes`, or 0. */
  readonly offsetBytes: number;
  /** Size of the whole blob, where the store says so. */
  readonly sizeBytes?: number | undefined;
  /** Strong validator (ETag) for a later request, where the store has one. */
  readonly validator?: string | undefined;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** A store of source archives. */
export interface Lookaside {
  /** The blob, or why this store does not give it. Rejects only when aborted. */
  fetch(entry: SourceEntry, request: LookasideRequest): Promise<LookasideBlob | readonly TriedPlace[]>;
}

/** Address patterns in use, with `{name}`, `{branch}`, `{file}`, `{algorithm}` and `{hex}`; put the store's base URL before. */
export const lookasidePaths: Readonly<
  Record<'fedora' | 'centos' | 'centosStream' | 'almalinux' | 'rocky' | 'openela', string>
> = {
  fedora: '/repo/pkgs/rpms/{name}/{file}/{algorithm}/{hex}/{file}',
  centos: '/sources/{name}/{branch}/{hex}',
  centosStream: '/sources/rpms/{name}/{file}/{algorithm}/{hex}/{file}',
  almalinux: '/{hex}',
  rocky: '/{hex}',
  openela: '/{hex}',
};

/** How a folder keeps its blobs: `{file}` beside each other, or any pattern of {@link lookasidePaths}. */
export interface DirectoryLookasideOptions {
  /** Default `{file}`. Uses the same variables as {@link httpLookaside}. */
  readonly pattern?: string | undefined;
  readonly name?: string | undefined;
  readonly branch?: string | undefined;
}

/** A store in a folder. A path in an entry (`SOURCES/x.tar.gz`) is looked for by its last part. */
export function directoryLookaside(directory: string, options: DirectoryLookasideOptions = {}): Lookaside {
  const pattern = options.pattern ?? '{file}';
  return {
    fetch: async (entry, request) => {
      request.signal?.throwIfAborted();
      const relative = fillPattern(pattern, entry, options, (part) => part).replace(/^\/+/, '');
      const path = pathInside(directory, relative);
      if (request.refused?.has(path)) return [{ where: path, why: 'refused before' }];
      try {
        const file = await open(path, 'r');
        const stats = await file.stat();
        if (stats.isFile()) {
          return { where: path, offsetBytes: 0, sizeBytes: stats.size, bytes: fileChunks(file, request.signal) };
        }
        await file.close();
        return [{ where: path, why: 'not a regular file' }];
      } catch (error) {
        return [{ where: path, why: systemWord(error) === 'ENOENT' ? 'no such file' : systemWord(error) }];
      }
    },
  };
}

/** The part of `fetch` that is used. */
export type HttpLookasideFetch = (
  url: string,
  init: { readonly headers: Record<string, string>; readonly signal?: AbortSignal },
) => Promise<Response>;

/** Where and how an HTTP store is asked. */
export interface HttpLookasideOptions {
  /**
   * URL with `{name}`, `{branch}`, `{file}`, `{algorithm}`, `{hex}`; each value is percent-encoded as one path part.
   * `{path}` is the entry's whole path.
   */
  readonly template: string;
  /** Makes the requests; `globalThis.fetch` does. Nothing is fetched by any other way. */
  readonly fetch: HttpLookasideFetch;
  /** Package name and branch, where the template asks for them. */
  readonly name?: string | undefined;
  readonly branch?: string | undefined;
  /** Some stores refuse the default one of a runtime. Default `distrokit`. */
  readonly userAgent?: string | undefined;
}

/**
 * A store behind HTTP. Anything but 200 and a matching 206 is a reason, not an error, so that the next store can be
 * asked. A web page in place of the blob (an error page, a login form) is told by its type and refused before it is read.
 * Throws TypeError for a template that is not an HTTP URL or that wants a variable nobody gave.
 */
export function httpLookaside(options: HttpLookasideOptions): Lookaside {
  const base = /^https?:\/\//.exec(options.template);
  if (!base) throw new TypeError('"template" must be an http or https URL');
  fillPattern(options.template, { file: 'x', digest: { algorithm: 'sha512', hex: '0' } }, options, encodeURIComponent);
  return {
    fetch: async (entry, request) => {
      request.signal?.throwIfAborted();
      const url = fillPattern(options.template, entry, options, encodeURIComponent);
      const where = withoutCredentials(url);
      if (request.refused?.has(where)) return [{ where, why: 'refused before' }];
      const offset = request.validator === undefined ? 0 : (request.offsetBytes ?? 0);
      const headers: Record<string, string> = {
        'user-agent': options.userAgent ?? 'distrokit',
        'accept-encoding': 'identity',
      };
      if (offset > 0 && request.validator !== undefined) {
        headers.range = `bytes=${offset}-`;
        headers['if-range'] = request.validator;
      }
      let response: Response;
      try {
        response = await options.fetch(url, { headers, ...(request.signal ? { signal: request.signal } : {}) });
      } catch (error) {
        request.signal?.throwIfAborted();
        return [{ where, why: networkWord(error) }];
      }
      const refusal = refuseResponse(response, entry, offset, request.validator);
      if (refusal !== undefined) {
        await response.body?.cancel().catch(() => undefined);
        return [{ where, why: refusal }];
      }
      const begins = response.status === 206 ? offset : 0;
      const length = contentLength(response);
      const etag = response.headers.get('etag');
      return {
        where,
        offsetBytes: begins,
        sizeBytes: length === undefined ? undefined : begins + length,
        // A weak validator does not promise equal bytes, so nothing may be resumed by it.
        validator: etag && !etag.startsWith('W/') ? etag : undefined,
        bytes: bodyChunks(response),
      };
    },
  };
}

/** Several stores as one: the first that has the blob gives it; without one, all their reasons. */
export function orderedLookaside(stores: readonly Lookaside[]): Lookaside {
  return {
    fetch: async (entry, request) => {
      const tried: TriedPlace[] = [];
      for (const store of stores) {
        const answer = await store.fetch(entry, request);
        if ('bytes' in answer) return answer;
        tried.push(...answer);
      }
      return tried;
    },
  };
}

/** The system's word for a failed call (`ENOSPC`), or the error's message. */
export function systemWord(error: unknown): string {
  if (error instanceof Error) return (error as NodeJS.ErrnoException).code ?? error.message;
  return String(error);
}

/** A pattern with the entry's values in it. Throws TypeError for a variable that nobody gave, SOURCE_BAD_FILENAME. */
export function fillPattern(
  pattern: string,
  entry: SourceEntry,
  names: { readonly name?: string | undefined; readonly branch?: string | undefined },
  encode: (part: string) => string,
): string {
  checkRelativePath(entry.file);
  const values: Readonly<Record<string, string | undefined>> = {
    name: names.name,
    branch: names.branch,
    file: entry.file.slice(entry.file.lastIndexOf('/') + 1),
    algorithm: entry.digest.algorithm,
    hex: entry.digest.hex,
  };
  // A path keeps its slashes; every other value is one part of the address.
  const path = entry.file.split('/').map(encode).join('/');
  return pattern.replace(/\{([a-z]+)\}/gi, (_, variable: string) => {
    const value = variable === 'path' ? path : values[variable];
    if (value === undefined) throw new TypeError(`"template" wants {${variable}}, which was not given`);
    return variable === 'path' ? value : encode(value);
  });
}

function refuseResponse(
  response: Response,
  entry: SourceEntry,
  offset: number,
  validator: string | undefined,
): string | undefined {
  if (response.status !== 200 && response.status !== 206) return `HTTP ${response.status}`;
  if (response.status === 206) {
    const range = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '');
    if (offset === 0) return 'HTTP 206 for a request of the whole blob';
    if (!range || Number(range[1]) !== offset) return 'HTTP 206 with another range than asked for';
    const etag = response.headers.get('etag');
    if (etag !== null && etag !== validator) return 'HTTP 206 of another version of the blob';
  }
  const type = response.headers.get('content-type') ?? '';
  if (/^text\/html/i.test(type) && !/\.html?$/i.test(entry.file)) return 'a web page in place of the blob';
  return undefined;
}

function contentLength(response: Response): number | undefined {
  // With a content coding the length counts other bytes than those that arrive here.
  const coding = response.headers.get('content-encoding');
  if (coding !== null && coding !== 'identity') return undefined;
  const text = response.headers.get('content-length');
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

async function* bodyChunks(response: Response): AsyncGenerator<Uint8Array> {
  if (!response.body) return;
  const reader = response.body.getReader();
  let finished = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield value;
    }
    finished = true;
  } finally {
    // A consumer that stops early must not leave the connection open.
    if (!finished) await reader.cancel().catch(() => undefined);
  }
}

async function* fileChunks(file: FileHandle, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const chunkBytes = 1 << 18;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead, buffer } = await file.read(new Uint8Array(chunkBytes), 0, chunkBytes);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

function withoutCredentials(url: string): string {
  const parsed = new URL(url);
  parsed.username = '';
  parsed.password = '';
  parsed.search = '';
  return parsed.href;
}

/** One line about a failed request: the network layer hides the reason in the cause. */
export function networkWord(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause;
  if (cause instanceof Error) return (cause as NodeJS.ErrnoException).code ?? cause.message;
  return error instanceof SourceError ? error.code : error.message;
}
