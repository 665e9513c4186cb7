/**
 * What packages for a family of clients are made like, where the reader is known and the packager has no opinion.
 *
 * | profile | oldest rpm | why |
 * |---|---|---|
 * | el8 | 4.14 | xz, as the distribution itself: zstd came during its life |
 * | el9 | 4.16 | zstd |
 * | el10 | 4.19 | zstd |
 * | fedora | 4.20 | zstd; its rpm 6 reads v6, its tools still make v4 |
 *
 * File, header and payload digests are SHA-256 in all of them: the format decides, and v6 adds SHA-512 and SHA3-256.
 */

/** Families of clients. */
export type ClientProfileName = 'el8' | 'el9' | 'el10' | 'fedora';

/** The part of `writePackage`'s options that a client decides. */
export interface ClientProfile {
  readonly format: 4 | 6;
  readonly compression: { readonly type: 'gzip' | 'xz' | 'zstd' | 'none'; readonly level?: number };
}

/** `writePackage(manifest, { ...clientProfiles.el9, sourceDate, buildHost })` */
export const clientProfiles: Readonly<Record<ClientProfileName, ClientProfile>> = {
  el8: { format: 4, compression: { type: 'xz', level: 2 } },
  el9: { format: 4, compression: { type: 'zstd', level: 19 } },
  el10: { format: 4, compression: { type: 'zstd', level: 19 } },
  fedora: { format: 4, compression: { type: 'zstd', level: 19 } },
};
