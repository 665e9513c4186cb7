/**
 * filelists-ext.xml as a document to add to a repository: filelists with the digest of each file.
 *
 * Clients do not need it; searches for a file by its digest do. It is held in memory, as the records are.
 *
 * Reference: createrepo_c 0.21 and newer, `--filelists-ext`, src/xml_dump_filelists.c
 */
import { encodeFilelistsExt } from './filelists.js';
import type { PackageRecord } from './package-record.js';
import type { TextPolicy } from './package-text.js';
import { comparePackageOrder, type ExtraDocument } from './repository-writer.js';

/**
 * The document for `extraDocuments` of `writeRepository` and `createRepository`, or `add` of `modifyRepository`.
 *
 * Records need their files with digests: `recordFromFile` with `fileDigests`. They come in any order; all that are in the
 * repository belong here. An update of the repository takes the document out, since it no longer fits.
 *
 * Throws REPO_BAD_TEXT; TypeError for a record without files.
 */
export function filelistsExtDocument(
  packages: readonly PackageRecord[],
  textPolicy: TextPolicy = 'refuse',
): ExtraDocument {
  const ordered = [...packages].sort(comparePackageOrder);
  const bytes = new TextEncoder().encode(encodeFilelistsExt(ordered, textPolicy));
  return { type: 'filelists-ext', fileName: 'filelists-ext.xml', bytes };
}
