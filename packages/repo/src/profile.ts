/**
 * What the package managers of a release can read: which compression, whether comps may be compressed, whether they look
 * for databases.
 *
 * Reference: createrepo_c issues 383 and 403 (zstd and compressed comps against EL7)
 */
import type { DocumentCompression } from './document-writer.js';

/** Releases and package managers with one set of abilities. */
export type ClientProfile = 'el7' | 'el8' | 'el9+' | 'fedora' | 'zypper';

/** Spread these into the options of `writeRepository` or `updateRepository`. */
export interface ProfileChoices {
  readonly compression: DocumentCompression;
  readonly compressionLevel: number;
  readonly checksum: 'sha256';
}

/** The choices of a profile. `createRepository({ profile })` makes all of them. */
export interface Profile {
  readonly documents: ProfileChoices;
  /** Of the document `group`. */
  readonly group: DocumentCompression;
  /** Whether its clients take `*_db` documents where there are any, and are slow without. */
  readonly databases: boolean;
}

const gzip = { compression: 'gz', compressionLevel: 6, checksum: 'sha256' } as const;
const zstd = { compression: 'zst', compressionLevel: 10, checksum: 'sha256' } as const;

/** Choices for the oldest client of each profile, the smallest documents among those it reads. */
export const repositoryProfiles: Readonly<Record<ClientProfile, Profile>> = {
  // yum 3 reads gzip and bzip2, wants comps as it is, and makes databases of its own where it finds none.
  el7: { documents: gzip, group: 'none', databases: true },
  // libsolv of early EL8 has no zstd.
  el8: { documents: gzip, group: 'gz', databases: false },
  'el9+': { documents: zstd, group: 'zst', databases: false },
  fedora: { documents: zstd, group: 'zst', databases: false },
  // Leap 15 has zypper releases on both sides of zstd.
  zypper: { documents: gzip, group: 'gz', databases: false },
};
