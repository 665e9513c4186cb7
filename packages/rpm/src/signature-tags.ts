/**
 * The tags of the signature header: name → number and kind.
 *
 * A table of its own, since 1000 to 1008 mean other things in the main header. Numbers and names are rpm's
 * (RPMSIGTAG_…). LEMD5 and BADSHA1 held digests that were wrong on some machines: readers ignore them.
 *
 * Reference: rpm, include/rpm/rpmtag.h (rpmSigTag); docs/manual/format_v4.md and format_v6.md
 */
import type { TagsOf } from './tag-types.js';

export const signatureTags = {
  HEADERSIGNATURES: [62, 'bin'],
  HEADERI18NTABLE: [100, 'string[]'],
  BADSHA1_1: [264, 'string'],
  BADSHA1_2: [265, 'string'],
  /** DSA, ECDSA and EdDSA signatures over the header. */
  DSA: [267, 'bin'],
  RSA: [268, 'bin'],
  /** Hexadecimal digest of the header. */
  SHA1: [269, 'string'],
  LONGSIZE: [270, 'int64'],
  LONGARCHIVESIZE: [271, 'int64'],
  /** Hexadecimal digest of the header. */
  SHA256: [273, 'string'],
  FILESIGNATURES: [274, 'string[]'],
  FILESIGNATURELENGTH: [275, 'int32'],
  VERITYSIGNATURES: [276, 'string[]'],
  VERITYSIGNATUREALGO: [277, 'int32'],
  /** Base64, one per OpenPGP signature over the header. */
  OPENPGP: [278, 'string[]'],
  /** Hexadecimal digest of the header. */
  SHA3_256: [279, 'string'],
  /** Zeros that a later signature may take (v6). */
  RESERVED: [999, 'bin'],
  /** Bytes of header and payload. */
  SIZE: [1000, 'int32'],
  LEMD5_1: [1001, 'bin'],
  /** RSA signature over header and payload. */
  PGP: [1002, 'bin'],
  LEMD5_2: [1003, 'bin'],
  /** 16 bytes, over header and payload. */
  MD5: [1004, 'bin'],
  /** DSA, ECDSA or EdDSA signature over header and payload. */
  GPG: [1005, 'bin'],
  PGP5: [1006, 'bin'],
  /** Bytes of the uncompressed archive. */
  PAYLOADSIZE: [1007, 'int32'],
  /** Zeros that a later signature may take (v4). */
  RESERVEDSPACE: [1008, 'bin'],
} as const;

/** The signature header's tags with the types of their values. */
export type SignatureTags = TagsOf<typeof signatureTags>;
