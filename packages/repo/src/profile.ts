/**
 * What the package managers of a release can read: which compression, and whether comps may be compressed.
 *
 * Reference: createrepo_c issues 383 and 403 (zstd and compressed comps against EL7)
 */
import type { DocumentCompression } from './document-writer.js';

/** Releases and package managers with one set of abilities. */
export type ClientProfile = 'el7' | 'el8' | 'el9+' | 'fedora' | 'zypper';

/** Spread these into the options of `createRepository` or `writeRepository`; `group` is for an `ExtraDocument`. */
export interface ProfileChoices {
  readonly compression: DocumentCompression;
  readonly compressionLevel: number;
  readonly checksum: 'sha256';
}

/** Choices for the oldest client of each profile, the smallest documents among those it reads. */
export const repositoryProfiles: Readonly<
  Record<ClientProfile, { readonly documents: ProfileChoices; readonly group: DocumentCompression }>
> = {
  // yum 3 reads gzip and bzip2, and wants comps as it is.
  el7: { documents: { compression: 'gz', compressionLevel: 6, checksum: 'sha256' }, group: 'none' },
  // libsolv of early EL8 has no zstd.
  el8: { documents: { compression: 'gz', compressionLevel: 6, checksum: 'sha256' }, group: 'gz' },
  'el9+': { documents: { compression: 'zst', compressionLevel: 10, checksum: 'sha256' }, group: 'zst' },
  fedora: { documents: { compression: 'zst', compressionLevel: 10, checksum: 'sha256' }, group: 'zst' },
  // Leap 15 has zypper releases on both sides of zstd.
  zypper: { documents: { compression: 'gz', compressionLevel: 6, checksum: 'sha256' }, group: 'gz' },
};
