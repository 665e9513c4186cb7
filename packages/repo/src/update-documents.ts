/**
 * Documents made anew from old ones, block by block: one that has not changed is copied as it is compressed.
 *
 * One document at a time.
 */
import type { BlockCodec } from '@distrokit/rpm';
import { BlockSource, type BlockType } from './document-blocks.js';
import type { DocumentOptions } from './document-writer.js';
import type { PackageIdentity } from './package-identity.js';
import { type DocumentType, documentTypes, PackagesDocument } from './packages-document.js';
import type { RepomdRecord } from './repomd.js';
import type { RepositoryStore } from './store.js';
import { copiedBlock, type PlannedBlock } from './update-plan.js';

/** What documents are made anew of. */
export interface DocumentTask {
  /** The old documents as they are stored, how they are compressed, and their packages by block. */
  readonly stored: Readonly<Record<DocumentType, Uint8Array>>;
  readonly compression: BlockType;
  readonly blocks: readonly (readonly PackageIdentity[])[];
  /** What the new ones are to be made of, and of how many packages. */
  readonly planned: readonly PlannedBlock[];
  readonly packages: number;
}

/**
 * Makes the three documents; resolves with their records when they are durable. None takes the place of an old one before all are made.
 *
 * Throws REPO_BAD_VALUE, REPO_BAD_COMPRESSION, and what writing throws.
 */
export async function rewriteByBlocks(
  store: RepositoryStore,
  task: DocumentTask,
  options: DocumentOptions,
  codec: BlockCodec,
): Promise<RepomdRecord[]> {
  const spare: Uint8Array[] = [];
  const made: PackagesDocument[] = [];
  try {
    for (const type of documentTypes) {
      const document = new PackagesDocument(store, type, task.packages, options, codec, spare);
      made.push(document);
      await mergeBlocks(document, type, task, options.signal);
    }
    return await Promise.all(made.map((document) => document.end()));
  } catch (error) {
    await Promise.all(made.map((document) => document.abort(error)));
    throw error;
  }
}

async function mergeBlocks(
  document: PackagesDocument,
  type: DocumentType,
  { stored, compression, blocks, planned }: DocumentTask,
  signal: AbortSignal | undefined,
): Promise<void> {
  const source = new BlockSource(type, stored[type], compression, blocks);
  for (const parts of planned) {
    signal?.throwIfAborted();
    const copied = copiedBlock(parts, blocks);
    if (copied === undefined) {
      for (const part of parts) {
        document.write('block' in part ? source.run(part.block, part.from, part.to) : part[type]);
      }
    }
    const pending = copied === undefined ? document.endBlock() : document.writeBlock(source.block(copied));
    if (pending !== undefined) await pending;
  }
}
