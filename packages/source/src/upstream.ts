/**
 * Upstream releases: an archive with its digest and, where upstream signs, its detached signature.
 *
 * The archive gets its name only after the digest matched and the verifier agreed; nothing is unpacked here, before or
 * after. Which keys are good is the verifier's business.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { type Abortable, type Digest, quote } from '@distrokit/rpm';
import { SourceError, type TriedPlace } from './errors.js';
import { type FetchedSource, fetchSources } from './fetch-sources.js';
import { checkFileName, pathInside } from './file-name.js';
import { type Lookaside, networkWord, systemWord } from './lookaside.js';

/** A release as upstream publishes it. */
export interface UpstreamRelease {
  /** Name that the archive gets. */
  readonly file: string;
  /** Required: what the archive must be, from the package's own list. */
  readonly digest: Digest;
  /** File name of the detached signature beside it; undefined when upstream does not sign. */
  readonly signature?: string | undefined;
  /** `uncompressed` where upstream signs the tar inside a `.gz`, as kernel.org does. Default `archive`. */
  readonly signed?: 'archive' | 'uncompressed' | undefined;
}

/** How a release is fetched and trusted. */
export interface FetchUpstreamOptions extends Abortable {
  /**
   * Throws when the signature is not good. Gets a path, for archives may be larger than memory. Required for a release
   * with a signature: who does not want to check says `'unsigned'` and leaves the signature out.
   */
  readonly verify: 'unsigned' | ((path: string, signature: Uint8Array) => Promise<void>);
  /** Ceiling on the archive, and on what is in it where that is signed. Default 16 GiB. */
  readonly maxBytes?: number | undefined;
}

const maxSignatureBytes = 1 << 20;

/**
 * Fetches an archive and its signature into a folder. Both files appear together, after the verifier agreed.
 *
 * Throws what `fetchSources` throws; SOURCE_UNVERIFIED when a signature is there and nobody verifies it, when a verifier
 * is there and no signature, and when the verifier refuses (its error is the `cause`). On failure the folder is as it was.
 */
export async function fetchUpstream(
  release: UpstreamRelease,
  store: Lookaside,
  directory: string,
  options: FetchUpstreamOptions,
): Promise<FetchedSource> {
  const { verify, signal } = options;
  checkFileName(release.file);
  if (release.signature !== undefined) checkFileName(release.signature);
  if (verify !== 'unsigned' && typeof verify !== 'function')
    throw new TypeError('"verify" must be a function or \'unsigned\'');
  if (release.signature !== undefined && verify === 'unsigned')
    throw unverified(release.file, 'a verifier for its signature', 'none');
  if (release.signature === undefined && verify !== 'unsigned') throw unverified(release.file, 'a signature', 'none');

  const scratch = await onDisk(release.file, directory, async () => {
    await mkdir(directory, { recursive: true });
    return mkdtemp(join(directory, '.fetch-'));
  });
  try {
    const [fetched] = await fetchSources([{ file: release.file, digest: release.digest }], store, scratch, {
      signal,
      maxBytes: options.maxBytes,
    });
    const archive = pathInside(scratch, release.file);
    if (release.signature !== undefined && verify !== 'unsigned') {
      const signature = await fetchSignature(release, store, options);
      const subject =
        release.signed === 'uncompressed' ? await inflate(archive, scratch, release.file, options) : archive;
      try {
        await verify(subject, signature);
      } catch (cause) {
        signal?.throwIfAborted();
        throw unverified(
          release.file,
          'a good signature',
          cause instanceof Error ? cause.message : String(cause),
          cause,
        );
      }
      const place = pathInside(scratch, release.signature);
      await onDisk(release.signature, directory, () => writeFile(place, signature));
      await onDisk(release.signature, directory, () => rename(place, pathInside(directory, release.signature!)));
    }
    await onDisk(release.file, directory, () => rename(archive, pathInside(directory, release.file)));
    return fetched!;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * A release as an npm registry serves it: where it lies below the registry, and its digest from the registry's
 * `integrity` word. Only sha512 counts. Throws SOURCE_BAD_URL for a name that is none, SOURCE_UNVERIFIED without sha512.
 */
export function npmRelease(
  name: string,
  version: string,
  integrity: string,
): { readonly path: string; readonly release: UpstreamRelease } {
  if (!/^(?:@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/.test(name) || !/^\d[0-9A-Za-z.+-]*$/.test(version)) {
    const text = `${name}@${version}`;
    throw new SourceError(
      { code: 'SOURCE_BAD_URL', text, wanted: 'name and version of an npm package' },
      `${quote(text, 200)} is no name and version of an npm package`,
    );
  }
  const word = integrity.split(/\s+/).find((part) => part.startsWith('sha512-'));
  const hex = word === undefined ? '' : Buffer.from(word.slice('sha512-'.length), 'base64').toString('hex');
  if (hex.length !== 128) throw unverified(`${name}@${version}`, 'a sha512 digest', integrity);
  const file = `${basename(name)}-${version}.tgz`;
  return { path: `${name}/-/${file}`, release: { file, digest: { algorithm: 'sha512', hex } } };
}

async function fetchSignature(
  release: UpstreamRelease,
  store: Lookaside,
  options: FetchUpstreamOptions,
): Promise<Uint8Array> {
  const file = release.signature!;
  // Nothing vouches for a signature but the key; its name stands in for a digest that nobody published.
  const answer = await store.fetch({ file, digest: release.digest }, { signal: options.signal });
  if (!('bytes' in answer)) throw notFound(file, answer);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of answer.bytes) {
      size += chunk.length;
      if (size > maxSignatureBytes) throw tooLarge('bytes of a signature', maxSignatureBytes, size);
      chunks.push(chunk);
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof SourceError) throw error;
    throw notFound(file, [{ where: answer.where, why: networkWord(error) }]);
  }
  return Buffer.concat(chunks);
}

async function inflate(archive: string, scratch: string, file: string, options: FetchUpstreamOptions): Promise<string> {
  if (!/\.(?:t?gz)$/.test(file)) {
    throw unverified(file, 'a .gz archive, the only kind whose content can be checked here', file);
  }
  const limit = options.maxBytes ?? 16 * 2 ** 30;
  const path = join(scratch, '.content');
  let size = 0;
  const counted = async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      size += chunk.length;
      if (size > limit) throw tooLarge('uncompressed bytes of an archive', limit, size);
      yield chunk;
    }
  };
  try {
    const { signal } = options;
    await pipeline(
      createReadStream(archive),
      createGunzip(),
      counted,
      createWriteStream(path),
      signal ? { signal } : {},
    );
  } catch (cause) {
    options.signal?.throwIfAborted();
    if (cause instanceof SourceError) throw cause;
    throw unverified(file, 'a gzip archive', systemWord(cause), cause);
  }
  return path;
}

async function onDisk<T>(file: string, directory: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    const found = systemWord(cause);
    throw new SourceError(
      { code: 'SOURCE_WRITE_FAILED', file, directory, found },
      `${quote(file)} could not be written into ${quote(directory, 200)}: ${found}`,
      { cause },
    );
  }
}

function notFound(file: string, tried: readonly TriedPlace[]): SourceError {
  return new SourceError(
    { code: 'SOURCE_NOT_FOUND', file, tried },
    `signature ${quote(file)} could not be fetched${tried.map(({ where, why }) => `; ${quote(where, 200)}: ${why}`).join('')}`,
  );
}

function tooLarge(what: string, limit: number, found: number): SourceError {
  return new SourceError({ code: 'SOURCE_LIMIT', what, limit, found }, `${what}: more than ${limit}`);
}

function unverified(what: string, wanted: string, found: string, cause?: unknown): SourceError {
  return new SourceError(
    { code: 'SOURCE_UNVERIFIED', what, wanted, found },
    `${quote(what, 200)}: wanted ${wanted}, found ${quote(found, 300)}`,
    cause === undefined ? undefined : { cause },
  );
}
