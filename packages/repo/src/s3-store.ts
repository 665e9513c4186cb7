/**
 * A repository in a bucket of an S3-compatible store.
 *
 * `fetch`, credentials and the clock are arguments; nothing is tried twice: give a `fetch` that does, where that is
 * wanted. A file goes up in one request, a large one in parts, which one request completes: readers see the old or the new.
 *
 * Reference: Amazon S3 API, PutObject, GetObject, HeadObject, DeleteObject, ListObjectsV2
 */
import { type Abortable, digestBytes, type S3Credentials, s3Path, s3Query, signS3Request } from '@distrokit/rpm';
import type { RepoError } from './errors.js';
import { bodyOf, concatenated, notFound, type StoreTask, storeFailed, tooLarge } from './fetcher.js';
import { maxPartBytes, minPartBytes, partsOf, type SendRequest, uploadParts } from './s3-multipart.js';
import { checkStorePath, conflict, type RepositoryStore, type StoredFile } from './store.js';
import { childrenOf, childText, parseXmlTree } from './xml-tree.js';

/** The part of `fetch` that is used. */
export type S3FetchFunction = (
  url: string,
  init: {
    readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
    readonly headers: Record<string, string>;
    readonly body?: Uint8Array<ArrayBuffer>;
    /** A signature is for one address: redirects are not followed. */
    readonly redirect: 'manual';
    readonly signal?: AbortSignal;
  },
) => Promise<Response>;

/** Where the bucket is and who asks. */
export interface S3StoreOptions {
  readonly fetch: S3FetchFunction;
  /** `https://bucket.host` or `https://host/bucket`. */
  readonly bucketUrl: string;
  /** The repository's root within the bucket, for instance `el9/x86_64`. Default: the bucket's root. */
  readonly prefix?: string;
  readonly region: string;
  /** Credentials that expire are asked for at every request. */
  readonly credentials: S3Credentials | (() => Promise<S3Credentials>);
  /** The clock: asked at every request. */
  readonly at: () => Date;
  /**
   * A longer file goes up in parts of this size, one of which is held in memory. Default 16 MiB, from 5 MiB to 5 GiB; a
   * file has 10,000 parts at most.
   */
  readonly partBytes?: number;
  /**
   * More is REPO_TOO_LARGE. Default 64 GiB, and 1 GiB of a document that is named by its digest: it is held in memory
   * until its name is known.
   */
  readonly maxFileBytes?: number;
}

const defaultPartBytes = 16 * 1024 * 1024;
const defaultMaxFileBytes = 64 * 1024 ** 3;
const defaultMaxHeldBytes = 1024 ** 3;

const maxAnswerBytes = 16 * 1024 * 1024;
const maxErrorBytes = 64 * 1024;

/**
 * A store over a bucket.
 *
 * `ifVersion` becomes If-Match or If-None-Match: two publishers are only kept apart by a store that honours them, as
 * Amazon's does. The version of a file is its ETag.
 *
 * Throws RangeError for a `bucketUrl` that is none, or that holds credentials or a query.
 */
export function s3Store(options: S3StoreOptions): RepositoryStore {
  const { bucket, root } = placeOf(options);
  const { partBytes = defaultPartBytes } = options;
  if (!(Number.isSafeInteger(partBytes) && partBytes >= minPartBytes && partBytes <= maxPartBytes)) {
    throw new RangeError(`"partBytes" must be from ${minPartBytes} to ${maxPartBytes}`);
  }

  const send = async (
    task: StoreTask,
    path: string,
    url: URL,
    method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE',
    { signal, body, headers = {} }: Abortable & { body?: Uint8Array; headers?: Record<string, string> },
  ): Promise<Response> => {
    signal?.throwIfAborted();
    const credentials = typeof options.credentials === 'function' ? await options.credentials() : options.credentials;
    const bodySha256 = digestBytes('sha256', body ?? new Uint8Array());
    const request = { method, url, headers, bodySha256 };
    const signed = await signS3Request(request, credentials, { region: options.region, at: options.at() });
    // Otherwise a proxy may compress, and sizes and ETags are those of something else.
    if (method !== 'PUT') signed['accept-encoding'] = 'identity';
    try {
      return await options.fetch(url.href, {
        method,
        headers: signed,
        redirect: 'manual',
        ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (cause) {
      signal?.throwIfAborted();
      throw storeFailed(path, task, 'no answer', cause);
    }
  };
  const fileUrl = (path: string): URL => new URL(`${bucket}/${s3Path(root + path)}`);

  return {
    async *fetch(href, { maxBytes, signal }) {
      checkReadPath(href);
      const abortable = signal === undefined ? {} : { signal };
      const response = await send('read', href, fileUrl(href), 'GET', abortable);
      if (response.status === 404) {
        await response.body?.cancel();
        throw notFound(href);
      }
      if (response.status !== 200) throw await refusal(href, 'read', response);
      yield* bodyOf(response, href, 'read', maxBytes, signal);
    },
    async write(path, data, { signal, ifVersion, cache } = {}) {
      const abortable = signal === undefined ? {} : { signal };
      let content = data;
      let { maxFileBytes = defaultMaxFileBytes } = options;
      if (typeof path !== 'string') {
        maxFileBytes = options.maxFileBytes ?? defaultMaxHeldBytes;
        content = await collected('a document', data, maxFileBytes, signal);
      }
      const name = typeof path === 'string' ? path : path();
      checkStorePath(name);
      const headers: Record<string, string> = {};
      if (cache === 'immutable') headers['cache-control'] = 'public, max-age=31536000, immutable';
      else if (cache === 'revalidate') headers['cache-control'] = 'no-cache';
      const conditions: Record<string, string> = {};
      if (ifVersion === null) conditions['if-none-match'] = '*';
      else if (ifVersion !== undefined) conditions['if-match'] = ifVersion;
      // With a condition `fetch` adds this by itself; then it would go unsigned.
      if (ifVersion !== undefined) conditions['cache-control'] = headers['cache-control'] ?? 'no-cache';
      const refused = async (response: Response): Promise<RepoError> => {
        const error = await refusal(name, 'write', response);
        const { found } = error.fault as { readonly found: string };
        if (ifVersion === undefined || !/^status (412|409|404 \(NoSuchKey\))/.test(found)) return error;
        return conflict(name, ifVersion, response.status === 404 ? null : found);
      };
      const parts = partsOf(name, content, partBytes, maxFileBytes, signal);
      try {
        const body = (await parts.next()).value ?? new Uint8Array();
        const second = await parts.next();
        if (second.done !== true) {
          const all = async function* (): AsyncGenerator<Uint8Array, void, void> {
            yield body;
            yield second.value;
            yield* parts;
          };
          const sendPart: SendRequest = (method, query, request) => {
            const url = fileUrl(name);
            url.search = s3Query(query);
            return send('write', name, url, method, request);
          };
          return await uploadParts(all(), { path: name, send: sendPart, headers, conditions, refused, ...abortable });
        }
        const request = { ...abortable, body, headers: { ...headers, ...conditions } };
        const response = await send('write', name, fileUrl(name), 'PUT', request);
        if (response.status !== 200) throw await refused(response);
        await response.body?.cancel();
        return versionOf(name, 'write', response);
      } finally {
        await parts.return();
      }
    },
    async stat(path, { signal } = {}) {
      checkReadPath(path);
      const response = await send('read', path, fileUrl(path), 'HEAD', signal === undefined ? {} : { signal });
      if (response.status === 404) return undefined;
      if (response.status !== 200) throw storeFailed(path, 'read', `status ${response.status}`);
      const version = versionOf(path, 'read', response);
      return describe(path, response.headers.get('content-length'), response.headers.get('last-modified'), version);
    },
    async *list(folder, { signal } = {}) {
      const below = root + (folder === '' ? '' : `${folder.replace(/\/$/, '')}/`);
      const abortable = signal === undefined ? {} : { signal };
      let token: string | undefined;
      do {
        const url = new URL(`${bucket}/`);
        url.search = s3Query({
          'list-type': '2',
          ...(below === '' ? {} : { prefix: below }),
          ...(token === undefined ? {} : { 'continuation-token': token }),
        });
        const response = await send('list', folder, url, 'GET', abortable);
        if (response.status !== 200) throw await refusal(folder, 'list', response);
        const page = parsePage(await answerOf(response, folder, 'list', maxAnswerBytes, signal));
        for (const { key, size, changed, version } of page.files) {
          if (!key.startsWith(below)) throw storeFailed(folder, 'list', 'a key outside the folder');
          const path = key.slice(root.length);
          // A bucket may hold names that no repository has, for instance `folder/`, which consoles make.
          if (isStorePath(path)) yield describe(path, size, changed, version);
        }
        if (page.next !== undefined && page.next === token) throw storeFailed(folder, 'list', 'the same page again');
        token = page.next;
      } while (token !== undefined);
    },
    async remove(path, { signal } = {}) {
      checkReadPath(path);
      const abortable = signal === undefined ? {} : { signal };
      const response = await send('delete', path, fileUrl(path), 'DELETE', abortable);
      if (![200, 204, 404].includes(response.status)) throw await refusal(path, 'delete', response);
      await response.body?.cancel();
    },
  };
}

function placeOf({ bucketUrl, prefix }: S3StoreOptions): { readonly bucket: string; readonly root: string } {
  let url: URL;
  try {
    url = new URL(bucketUrl);
  } catch {
    throw new RangeError('"bucketUrl" must be an absolute URL');
  }
  if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '' || url.search || url.hash) {
    throw new RangeError('"bucketUrl" must be http or https, without credentials, query and fragment');
  }
  const root = (prefix ?? '').replace(/^\/+|\/+$/g, '');
  if (root !== '') checkStorePath(root);
  return { bucket: url.href.replace(/\/+$/, ''), root: root === '' ? '' : `${root}/` };
}

function isStorePath(path: string): boolean {
  try {
    checkStorePath(path);
    return true;
  } catch {
    return false;
  }
}

/** What leads out of the repository is not in it. */
function checkReadPath(path: string): void {
  if (!isStorePath(path)) throw notFound(path);
}

/** Of an error the store's own code is told and nothing else: its text may repeat what was signed. */
async function refusal(path: string, task: StoreTask, response: Response): Promise<RepoError> {
  let code = '';
  try {
    const text = new TextDecoder().decode(await answerOf(response, path, task, maxErrorBytes, undefined));
    code = /<Code>([A-Za-z0-9]{1,64})<\/Code>/.exec(text)?.[1] ?? '';
  } catch {
    // A refusal that cannot be read is still a refusal.
  }
  return storeFailed(path, task, `status ${response.status}${code === '' ? '' : ` (${code})`}`);
}

async function answerOf(
  response: Response,
  path: string,
  task: StoreTask,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of bodyOf(response, path, task, maxBytes, signal)) {
    chunks.push(chunk);
    length += chunk.length;
  }
  return concatenated(chunks, length);
}

async function collected(
  path: string,
  data: AsyncIterable<Uint8Array> | Uint8Array,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (data instanceof Uint8Array) {
    if (data.length > maxBytes) throw tooLarge(path, maxBytes);
    return data;
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of data) {
    signal?.throwIfAborted();
    length += chunk.length;
    if (length > maxBytes) throw tooLarge(path, maxBytes);
    chunks.push(chunk.slice());
  }
  return concatenated(chunks, length);
}

function versionOf(path: string, task: 'read' | 'write', response: Response): string {
  const version = response.headers.get('etag');
  if (version === null || version === '') throw storeFailed(path, task, 'an answer without ETag');
  return version;
}

function describe(path: string, size: string | null, changed: string | null, version: string): StoredFile {
  const changedAt = new Date(changed ?? '');
  if (size === null || !/^\d{1,15}$/.test(size) || Number.isNaN(changedAt.getTime())) {
    throw storeFailed(path, 'read', 'an answer without size or time');
  }
  return { path, sizeBytes: Number(size), changedAt, version };
}

interface Page {
  readonly files: readonly {
    readonly key: string;
    readonly size: string;
    readonly changed: string;
    readonly version: string;
  }[];
  readonly next: string | undefined;
}

/** Throws REPO_BAD_XML, REPO_BAD_VALUE. */
function parsePage(bytes: Uint8Array): Page {
  const tree = parseXmlTree('list of the bucket', bytes, 'ListBucketResult');
  const files = childrenOf(tree, 'Contents').map((element) => ({
    key: childText(element, 'Key') ?? '',
    size: childText(element, 'Size') ?? '',
    changed: childText(element, 'LastModified') ?? '',
    version: childText(element, 'ETag') ?? '',
  }));
  const more = childText(tree, 'IsTruncated') === 'true';
  const next = more ? childText(tree, 'NextContinuationToken') : undefined;
  if (more && next === undefined) throw storeFailed('', 'list', 'a part of the list, and no token for the rest');
  return { files, next };
}
