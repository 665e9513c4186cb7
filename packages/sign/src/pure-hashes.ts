/**
 * Hash functions in JavaScript, for where Node's own are not there: the only file that knows noble's.
 *
 * The compiled package gets it by `#pure-hashes`, which is `pure-hashes-on-demand.ts` in Node: see `scripts/tsup-door.ts`.
 */
import { md5, ripemd160, sha1 } from '@noble/hashes/legacy.js';
import { sha224, sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { sha3_256, sha3_512 } from '@noble/hashes/sha3.js';

/** A digest in the making. */
export interface PureHash {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
}

/** A hash function by rpm's word for it. */
export type HashWord =
  | 'MD5'
  | 'SHA1'
  | 'RIPEMD160'
  | 'SHA224'
  | 'SHA256'
  | 'SHA384'
  | 'SHA512'
  | 'SHA3-256'
  | 'SHA3-512';

export function createPureHash(word: HashWord): PureHash {
  return hashes[word].create();
}

const hashes: Readonly<Record<HashWord, { create(): PureHash }>> = {
  MD5: md5,
  SHA1: sha1,
  RIPEMD160: ripemd160,
  SHA224: sha224,
  SHA256: sha256,
  SHA384: sha384,
  SHA512: sha512,
  'SHA3-256': sha3_256,
  'SHA3-512': sha3_512,
};
