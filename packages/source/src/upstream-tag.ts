/**
 * An upstream release that is a git tag: signature checked, checked out, and made into an archive whose bytes depend on
 * the tree alone.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { quote } from '@distrokit/rpm';
import { SourceError } from './errors.js';
import type { FetchedSource } from './fetch-sources.js';
import { checkFileName, pathInside } from './file-name.js';
import { checkoutGitTag, type GitOptions } from './git.js';
import type { GitTagVerifier } from './git-tag.js';
import { systemWord } from './lookaside.js';
import { archiveTree, gzipChunks } from './tree-archive.js';

/** A release of an upstream that publishes git tags. */
export interface UpstreamTag {
  readonly url: string;
  /** Name of the tag, without `refs/tags/`. */
  readonly tag: string;
  /** Name that the archive gets: it ends in `.tar`, `.tar.gz` or `.tgz`. */
  readonly file: string;
  /** First part of every path in the archive, for instance `hello-1.0`. */
  readonly prefix: string;
  /** The commit that the tag must point to, where it is pinned. */
  readonly commit?: string | undefined;
  /** sha256 of the uncompressed archive, where it is pinned: it does not depend on who compresses. */
  readonly contentSha256?: string | undefined;
}

/** How the tag is fetched and trusted. */
export interface FetchUpstreamTagOptions extends GitOptions {
  /** Throws when the signature is not good; `'unsigned'` must be said aloud. */
  readonly verify: 'unsigned' | GitTagVerifier;
  /** Ceiling on the uncompressed archive. Default 16 GiB. */
  readonly maxBytes?: number | undefined;
}

/** The archive, and what it was made from. */
export interface FetchedTag extends FetchedSource {
  readonly commit: string;
  /** The commit's time, which every entry of the archive has. */
  readonly committedAt: Date;
  readonly contentSha256: string;
}

/**
 * Makes an archive of a tag in `directory`. It gets its name after the signature was accepted and every pin matched.
 * Submodules and `export-ignore` are not followed: the whole tree is in it.
 *
 * Throws what `checkoutGitTag` throws, SOURCE_BAD_REF for another commit than the pinned one, SOURCE_DIGEST_MISMATCH,
 * SOURCE_LIMIT, SOURCE_WRITE_FAILED. On failure the folder is as it was.
 */
export async function fetchUpstreamTag(
  release: UpstreamTag,
  directory: string,
  options: FetchUpstreamTagOptions,
): Promise<FetchedTag> {
  const { file, prefix, tag, url } = release;
  checkFileName(file);
  checkFileName(prefix);
  const compressed = /\.(?:tar\.gz|tgz)$/.test(file);
  if (!compressed && !file.endsWith('.tar')) throw new RangeError('"file" must end in .tar, .tar.gz or .tgz');
  const limit = options.maxBytes ?? 16 * 2 ** 30;
  const scratch = await onDisk(file, directory, async () => {
    await mkdir(directory, { recursive: true });
    return mkdtemp(join(directory, '.fetch-'));
  });
  try {
    const work = join(scratch, 'tree');
    const { commit, committedAt } = await checkoutGitTag(url, tag, work, options);
    if (release.commit !== undefined && commit !== release.commit) {
      throw new SourceError(
        { code: 'SOURCE_BAD_REF', text: commit, wanted: release.commit },
        `git tag ${quote(tag, 200)}: wanted the commit ${quote(release.commit)}, found ${commit}`,
      );
    }
    const content = createHash('sha256');
    const whole = createHash('sha256');
    const size = { content: 0, whole: 0 };
    const tar = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of archiveTree(work, { prefix, modifiedAt: committedAt, signal: options.signal })) {
        size.content += chunk.length;
        if (size.content > limit) {
          throw new SourceError(
            { code: 'SOURCE_LIMIT', what: 'bytes of an archive', limit, found: size.content },
            `archive ${quote(file)}: more than ${limit} bytes`,
          );
        }
        content.update(chunk);
        yield chunk;
      }
    };
    const counted = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of compressed ? gzipChunks(tar()) : tar()) {
        size.whole += chunk.length;
        whole.update(chunk);
        yield chunk;
      }
    };
    const made = join(scratch, 'archive');
    await onDisk(file, directory, () =>
      pipeline(Readable.from(counted(), { objectMode: false }), createWriteStream(made)),
    );
    const contentSha256 = content.digest('hex');
    if (release.contentSha256 !== undefined && release.contentSha256 !== contentSha256) {
      const [wanted, found] = [release.contentSha256, contentSha256].map(
        (hex) => ({ algorithm: 'sha256', hex }) as const,
      );
      throw new SourceError(
        {
          code: 'SOURCE_DIGEST_MISMATCH',
          file,
          where: placeOf(url, tag),
          wanted: wanted!,
          found: found!,
          sizeBytes: size.content,
        },
        `archive ${quote(file)} of git tag ${quote(tag, 200)}: wanted sha256 ${wanted!.hex} of its content, found ${contentSha256}`,
      );
    }
    await onDisk(file, directory, () => rename(made, pathInside(directory, file)));
    return {
      file,
      digest: { algorithm: 'sha256', hex: whole.digest('hex') },
      sizeBytes: size.whole,
      where: placeOf(url, tag),
      commit,
      committedAt,
      contentSha256,
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The repository without user name and password, and the tag. */
function placeOf(url: string, tag: string): string {
  return `${url.replace(/\/\/[^/@]*@/, '//')}#${tag}`;
}

async function onDisk<T>(file: string, directory: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (cause instanceof SourceError) throw cause;
    const found = systemWord(cause);
    throw new SourceError(
      { code: 'SOURCE_WRITE_FAILED', file, directory, found },
      `${quote(file)} could not be written into ${quote(directory, 200)}: ${found}`,
      { cause },
    );
  }
}
