/**
 * Hash functions in JavaScript, for where Node's own are not there: the only file that knows noble's.
 *
 * The compiled package gets it by `#pure-hashes`, which is `pure-hashes-on-demand.ts` in Node: see `scripts/tsup-door.ts`.
 */
import { md5, sha1 } from '@noble/hashes/legacy.js';
import { sha224, sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { sha3_256 } from '@noble/hashes/sha3.js';
import type { DigestAlgorithm } from './hasher.js';

/** A digest in the making. */
export interface PureHash {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
}

const hashes = { md5, sha1, sha224, sha256, sha384, sha512, 'sha3-256': sha3_256 } as const;

export function createPureHash(algorithm: DigestAlgorithm): PureHash {
  return hashes[algorithm].create();
}
