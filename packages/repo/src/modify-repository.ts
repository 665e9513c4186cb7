/**
 * Changing the documents beside the three: what `modifyrepo_c` does.
 *
 * Reference: createrepo_c, src/modifyrepo_c.c
 */
import type { DocumentOptions } from './document-writer.js';
import { fetchBytes } from './fetcher.js';
import { formatRepomd, parseRepomd, type RepomdTags, sortRepomdRecords } from './repomd.js';
import { type ExtraDocument, writeExtraDocument } from './repository-writer.js';
import type { RepositoryStore } from './store.js';

/** What to change. Records that are not named stay as they are, known or not. */
export interface ModifyOptions extends DocumentOptions {
  /** Documents to add; one of the same type is replaced. */
  readonly add?: readonly ExtraDocument[];
  /** Types of records to take out. */
  readonly remove?: readonly string[];
  /** Default: as it was. */
  readonly revision?: string;
  /** Default: as they were. */
  readonly tags?: RepomdTags;
}

const maxRepomdBytes = 16 * 1024 * 1024;

/**
 * Adds, replaces and removes documents of a repository; repomd.xml last. Resolves with its bytes, ready to sign.
 *
 * Files that nothing names any more are left where they are, for readers of the old repomd.xml: publishing removes
 * them in time. Throws REPO_NOT_FOUND, REPO_CONFLICT when somebody else changed repomd.xml meanwhile.
 */
export async function modifyRepository(store: RepositoryStore, options: ModifyOptions): Promise<Uint8Array> {
  const { signal } = options;
  const abortable = signal === undefined ? {} : { signal };
  const version = (await store.stat('repodata/repomd.xml', abortable))?.version ?? null;
  const before = parseRepomd(
    await fetchBytes(store, 'repodata/repomd.xml', { maxBytes: maxRepomdBytes, ...abortable }),
  );
  const gone = new Set([...(options.remove ?? []), ...(options.add ?? []).map((document) => document.type)]);
  const records = before.records.filter((record) => !gone.has(record.type));
  for (const document of options.add ?? []) records.push(await writeExtraDocument(store, document, options));
  const repomd = formatRepomd({
    revision: options.revision ?? before.revision,
    tags: options.tags ?? before.tags,
    records: sortRepomdRecords(records),
  });
  const bytes = new TextEncoder().encode(repomd);
  await store.write('repodata/repomd.xml', bytes, { cache: 'revalidate', ifVersion: version, ...abortable });
  return bytes;
}
