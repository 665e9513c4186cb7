/**
 * A store of source archives in a bucket of an S3-compatible store, public or private.
 *
 * Requests are signed and answers judged as those of any HTTP store. What is put there is hashed first: a blob under a
 * digest that is not its own would be found only by the next build.
 *
 * Reference: Amazon S3 API, GetObject, HeadObject, PutObject; AWS Signature Version 4
 */
import { createHash } from 'node:crypto';
import { type Abortable, quote, type S3Credentials, s3Path, signS3Request } from '@distrokit/rpm';
import { SourceError } from './errors.js';
import { checkRelativePath } from './file-name.js';
import { fillPattern, httpLookaside, type Lookaside, networkWord } from './lookaside.js';
import type { SourceEntry } from './sources-file.js';

/** The part of `fetch` that is used. */
export type S3LookasideFetch = (
  url: string,
  init: {
    readonly method: 'GET' | 'HEAD' | 'PUT';
    readonly headers: Record<string, string>;
    readonly body?: Blob;
    /** A signature is for one address: redirects are not followed. */
    readonly redirect: 'manual';
    readonly signal?: AbortSignal;
  },
) => Promise<Response>;

/** Where the bucket is and who asks. */
export interface S3LookasideOptions {
  readonly fetch: S3LookasideFetch;
  /** `https://bucket.host` or `https://host/bucket`. */
  readonly bucketUrl: string;
  /** Folder of the blobs within the bucket. Default: its root. */
  readonly prefix?: string | undefined;
  /** How blobs are named: any pattern of `lookasidePaths`. Default `/{hex}`, as AlmaLinux, Rocky and OpenELA do. */
  readonly pattern?: string | undefined;
  /** Package name and branch, where the pattern asks for them. */
  readonly name?: string | undefined;
  readonly branch?: string | undefined;
  readonly region: string;
  /** Credentials that expire are asked for at every request. */
  readonly credentials: S3Credentials | (() => Promise<S3Credentials>);
  /** The clock: asked at every request. */
  readonly at: () => Date;
}

/** A store that also takes blobs. */
export interface S3Lookaside extends Lookaside {
  /**
   * Puts a blob in its place, once its bytes have the entry's digest. `'present'` when a blob of its size is there
   * already: that one is left alone. A large file comes as `fs.openAsBlob(path)`; it is read twice and not held in memory.
   *
   * Throws SOURCE_DIGEST_MISMATCH, SOURCE_WRITE_FAILED (the store refused, or has another blob under the name).
   */
  put(entry: SourceEntry, blob: Blob, options?: Abortable): Promise<'stored' | 'present'>;
}

/** A lookaside store over a bucket. Throws RangeError for a `bucketUrl` that is none, or holds credentials or a query. */
export function s3Lookaside(options: S3LookasideOptions): S3Lookaside {
  const base = placeOf(options);
  const pattern = `/${(options.pattern ?? '/{hex}').replace(/^\/+/, '')}`;

  const send = async (
    url: string,
    method: 'GET' | 'HEAD' | 'PUT',
    headers: Record<string, string>,
    { signal, body, bodySha256 = emptySha256 }: Abortable & { readonly body?: Blob; readonly bodySha256?: string },
  ): Promise<Response> => {
    const { credentials: given, region } = options;
    const credentials = typeof given === 'function' ? await given() : given;
    const request = { method, url: new URL(url), headers: {}, bodySha256 };
    const signed = await signS3Request(request, credentials, { region, at: options.at() });
    return options.fetch(url, {
      method,
      headers: { ...headers, ...signed },
      redirect: 'manual',
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    });
  };
  const escaped = (url: string): string => {
    const parsed = new URL(url);
    // The signature wants more characters escaped than a URL does.
    parsed.pathname = s3Path(decodeURIComponent(parsed.pathname));
    return parsed.href;
  };

  return {
    fetch: (entry, request) =>
      httpLookaside({
        ...options,
        template: base + pattern,
        fetch: (url, { headers, signal }) => send(escaped(url), 'GET', headers, signal === undefined ? {} : { signal }),
      }).fetch(entry, request),

    async put(entry, blob, { signal } = {}) {
      signal?.throwIfAborted();
      const url = escaped(base + fillPattern(pattern, entry, options, encodeURIComponent));
      const bodySha256 = await checkedSha256(entry, blob, url, signal);
      const abortable = signal === undefined ? {} : { signal };
      const ask = async (method: 'HEAD' | 'PUT', more: object): Promise<Response> => {
        try {
          const response = await send(url, method, { 'accept-encoding': 'identity' }, { ...abortable, ...more });
          await response.body?.cancel();
          return response;
        } catch (cause) {
          signal?.throwIfAborted();
          throw refused(entry, url, networkWord(cause), cause);
        }
      };
      const there = await ask('HEAD', {});
      if (there.status === 200) {
        const size = there.headers.get('content-length') ?? 'unknown';
        if (size === String(blob.size)) return 'present';
        throw refused(entry, url, `another blob, of ${size} bytes`);
      }
      if (there.status !== 404) throw refused(entry, url, `HTTP ${there.status}`);
      const answer = await ask('PUT', { body: blob, bodySha256 });
      if (answer.status !== 200) throw refused(entry, url, `HTTP ${answer.status}`);
      return 'stored';
    },
  };
}

const emptySha256 = createHash('sha256').digest('hex');

function placeOf({ bucketUrl, prefix }: S3LookasideOptions): string {
  let url: URL;
  try {
    url = new URL(bucketUrl);
  } catch {
    throw new RangeError('"bucketUrl" must be an absolute URL');
  }
  if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '' || url.search || url.hash)
    throw new RangeError('"bucketUrl" must be http or https, without credentials, query and fragment');
  const root = (prefix ?? '').replace(/^\/+|\/+$/g, '');
  if (root !== '') checkRelativePath(root);
  return url.href.replace(/\/+$/, '') + (root === '' ? '' : `/${s3Path(root)}`);
}

/** sha256 of a blob whose bytes have the digest that its entry says. */
async function checkedSha256(
  entry: SourceEntry,
  blob: Blob,
  where: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { algorithm, hex } = entry.digest;
  const wanted = createHash(algorithm);
  const sha256 = createHash('sha256');
  for await (const chunk of blob.stream()) {
    signal?.throwIfAborted();
    wanted.update(chunk);
    sha256.update(chunk);
  }
  const found = wanted.digest('hex');
  if (found !== hex.toLowerCase()) {
    throw new SourceError(
      {
        code: 'SOURCE_DIGEST_MISMATCH',
        file: entry.file,
        where,
        wanted: entry.digest,
        found: { algorithm, hex: found },
        sizeBytes: blob.size,
      },
      `source ${quote(entry.file)} is not put into the store: wanted ${algorithm} ${hex}, found ${found}`,
    );
  }
  return sha256.digest('hex');
}

function refused(entry: SourceEntry, directory: string, found: string, cause?: unknown): SourceError {
  return new SourceError(
    { code: 'SOURCE_WRITE_FAILED', file: entry.file, directory, found },
    `source ${quote(entry.file)} could not be put into ${quote(directory, 200)}: ${found}`,
    cause === undefined ? undefined : { cause },
  );
}
