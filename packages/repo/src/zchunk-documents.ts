/**
 * The `*_zck` documents: the three XML documents in their zchunk form, for clients that fetch only changed chunks.
 *
 * Reference: createrepo_c, src/createrepo_c.c (--zck)
 */
import { createHasher } from '@distrokit/rpm';
import type { DocumentOptions } from './document-writer.js';
import { concatenated } from './fetcher.js';
import { modifyRepository } from './modify-repository.js';
import { openRepository } from './repository.js';
import type { DerivedDocuments, ExtraDocument } from './repository-writer.js';
import type { RepositoryStore } from './store.js';
import { encodeZchunk } from './zchunk.js';

/**
 * Adds `primary_zck`, `filelists_zck` and `other_zck` to a repository, made from its three documents; others of these
 * types are replaced. Resolves with repomd.xml's bytes, ready to sign. An update of the repository takes them out again.
 *
 * Chunks are zstd at `compressionLevel`, whatever `compression` says, and without a dictionary. A package that comes or
 * goes changes its own chunk and the first one, which counts the packages. One document at a time is held in memory.
 * Throws what reading and writing a repository throw.
 */
export async function addZchunk(store: RepositoryStore, options: DocumentOptions): Promise<Uint8Array> {
  const { signal } = options;
  const repository = await openRepository(store, {
    verifyRepomd: 'unsigned',
    ...(signal === undefined ? {} : { signal }),
  });
  return modifyRepository(store, { ...options, add: await zchunkDocuments(repository, options) });
}

/**
 * The documents of `addZchunk`, for `derivedDocuments` of whatever writes a repository: all go into one repomd.xml.
 */
export const zchunkDocuments: DerivedDocuments = async (repository, { checksum, compressionLevel, signal }) => {
  const made: ExtraDocument[] = [];
  for (const type of ['primary', 'filelists', 'other']) {
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of repository.document(type, signal === undefined ? {} : { signal })) {
      parts.push(chunk);
      length += chunk.length;
    }
    const xml = concatenated(parts, length);
    const hasher = createHasher(checksum);
    hasher.update(xml);
    const file = await encodeZchunk(piecesOf(xml), compressionLevel);
    made.push({
      type: `${type}_zck`,
      fileName: `${type}.xml.zck`,
      bytes: file.bytes,
      compression: 'none',
      facts: {
        openChecksum: { algorithm: checksum, hex: hasher.digest() },
        openSizeBytes: xml.length,
        headerChecksum: { algorithm: 'sha256', hex: file.headerDigest },
        headerSizeBytes: file.headerSizeBytes,
      },
    });
  }
  return made;
};

/**
 * Where chunks end: before the first package, and behind every package whose digest says so, one in eight. What stands in
 * a package alone decides, so that the chunks of packages that stay are the same after a change elsewhere.
 */
function piecesOf(xml: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let start = 0;
  let element = 0;
  for (let at = xml.indexOf(newline); at >= 0; at = xml.indexOf(newline, at + 1)) {
    if (!packageStart.every((byte, index) => xml[at + 1 + index] === byte)) continue;
    if (element === 0 || endsChunk(xml.subarray(element, at + 1))) {
      pieces.push(xml.subarray(start, at + 1));
      start = at + 1;
    }
    element = at + 1;
  }
  pieces.push(xml.subarray(start));
  return pieces;
}

const newline = 0x0a;
const packageStart = new TextEncoder().encode('<package ');

function endsChunk(element: Uint8Array): boolean {
  const hasher = createHasher('sha256');
  hasher.update(element);
  return Number.parseInt(hasher.digest().slice(0, 2), 16) < 32;
}
