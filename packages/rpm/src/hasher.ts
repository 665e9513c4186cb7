/**
 * Hash functions: Node's own where they are there, a pure implementation in the browser.
 *
 * Reference: RFC 9580, 9.5 (numbers of hash algorithms)
 */
import { createPureHash } from './pure-hashes.js';

/** Hash functions that packages and repositories use. MD5 and SHA-1 are read and reported, never trusted. */
export type DigestAlgorithm = 'md5' | 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512' | 'sha3-256';

/** A digest, in lower-case hexadecimal. */
export interface Digest {
  readonly algorithm: DigestAlgorithm;
  readonly hex: string;
}

/** A digest in the making. */
export interface Hasher {
  update(bytes: Uint8Array): void;
  /** Lower-case hexadecimal. The hasher cannot be used afterwards. */
  digest(): string;
}

const nodeCrypto: typeof import('node:crypto') | undefined =
  typeof process === 'undefined' ? undefined : process.getBuiltinModule?.('node:crypto');

/** A hasher for bytes that come in pieces. */
export function createHasher(algorithm: DigestAlgorithm): Hasher {
  if (nodeCrypto) {
    const hash = nodeCrypto.createHash(algorithm);
    return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') };
  }
  const hash = createPureHash(algorithm);
  return { update: (bytes) => void hash.update(bytes), digest: () => toHex(hash.digest()) };
}

/** The digest of bytes in memory, in lower-case hexadecimal. */
export function digestBytes(algorithm: DigestAlgorithm, bytes: Uint8Array): string {
  if (nodeCrypto?.hash) return nodeCrypto.hash(algorithm, bytes, 'hex');
  const hasher = createHasher(algorithm);
  hasher.update(bytes);
  return hasher.digest();
}

/** The hash function of an OpenPGP number, as FILEDIGESTALGO and PAYLOADSHA256ALGO hold it. */
export function digestAlgorithmOf(openPgpNumber: number): DigestAlgorithm | undefined {
  return openPgpDigests[openPgpNumber];
}

const openPgpDigests: Readonly<Record<number, DigestAlgorithm>> = {
  1: 'md5',
  2: 'sha1',
  8: 'sha256',
  9: 'sha384',
  10: 'sha512',
  11: 'sha224',
  12: 'sha3-256',
};

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0');
  return hex;
}
