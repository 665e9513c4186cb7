/**
 * Hash functions by their OpenPGP number: the only file that knows where they come from.
 *
 * Node's own where there is one (it is five to ten times faster), `pure-hashes.ts` in a browser and for RIPEMD-160.
 *
 * Reference: RFC 9580, section 9.5
 */
import { fromHex } from './bytes.js';
import { ecdsaVerifier, type NodeKey, nodeCrypto } from './node-crypto.js';
import { createPureHash, type HashWord } from './pure-hashes.js';

/** A digest in the making. */
export interface Hasher {
  update(bytes: Uint8Array): void;
  digest(): Uint8Array;
}

/** What a signature covers, hashed. */
export interface Covered {
  readonly digest: Uint8Array;
  /** Checks an ECDSA signature over the same bytes, once: the second answer is `undefined`. See `ecdsaVerifier`. */
  readonly verifyEcdsa?: (key: NodeKey, signature: Uint8Array) => boolean | undefined;
}

/** `Covered` in the making. */
export interface CoveredHasher {
  update(bytes: Uint8Array): void;
  finish(): Covered;
}

/** Number → rpm's word, name in Node, DigestInfo prefix of PKCS #1 (hexadecimal). */
const hashes: Readonly<Record<number, readonly [word: HashWord, node: string, digestInfo: string]>> = {
  1: ['MD5', 'md5', '3020300c06082a864886f70d020505000410'],
  2: ['SHA1', 'sha1', '3021300906052b0e03021a05000414'],
  3: ['RIPEMD160', '', '3021300906052b2403020105000414'],
  8: ['SHA256', 'sha256', '3031300d060960864801650304020105000420'],
  9: ['SHA384', 'sha384', '3041300d060960864801650304020205000430'],
  10: ['SHA512', 'sha512', '3051300d060960864801650304020305000440'],
  11: ['SHA224', 'sha224', '302d300d06096086480165030402040500041c'],
  12: ['SHA3-256', 'sha3-256', '3031300d060960864801650304020805000420'],
  14: ['SHA3-512', 'sha3-512', '3051300d060960864801650304020a05000440'],
};

/** The OpenPGP number of the hash that our own signatures use. */
export const SHA256: number = 8;
export const SHA512: number = 10;

/** The word for a hash number, as rpm prints it. */
export function hashName(algorithm: number): string {
  return hashes[algorithm]?.[0] ?? `hash ${algorithm}`;
}

/** Whether this hash can be computed here. */
export function isKnownHash(algorithm: number): boolean {
  return hashes[algorithm] !== undefined;
}

/** MD5, SHA-1 and RIPEMD-160: a second document with the same digest can be made. */
export function isBrokenHash(algorithm: number): boolean {
  return algorithm === 1 || algorithm === 2 || algorithm === 3;
}

/** A hasher, `undefined` for an unknown number. */
export function createHasher(algorithm: number): Hasher | undefined {
  const entry = hashes[algorithm];
  if (!entry) return undefined;
  const crypto = entry[1] === '' ? undefined : nodeCrypto();
  if (crypto) {
    const hash = crypto.createHash(entry[1]);
    return { update: (bytes) => void hash.update(bytes), digest: () => new Uint8Array(hash.digest()) };
  }
  const hash = createPureHash(entry[0]);
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() };
}

const ECDSA = 19;

/** Hashes what a signature of a public-key algorithm covers, `undefined` for an unknown hash. */
export function createCoveredHasher(keyAlgorithm: number, hashAlgorithm: number): CoveredHasher | undefined {
  const hasher = createHasher(hashAlgorithm);
  if (!hasher) return undefined;
  const verifier = keyAlgorithm === ECDSA ? ecdsaVerifier(hashes[hashAlgorithm]![1]) : undefined;
  if (!verifier) return { update: (bytes) => hasher.update(bytes), finish: () => ({ digest: hasher.digest() }) };
  return {
    update: (bytes) => {
      hasher.update(bytes);
      verifier.update(bytes);
    },
    finish: () => ({ digest: hasher.digest(), verifyEcdsa: verifier.verify }),
  };
}

/** The digest of the parts, one after the other. Throws RangeError for an unknown number: ask `isKnownHash` first. */
export function digestOf(algorithm: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const hasher = createHasher(algorithm);
  if (!hasher) throw new RangeError(`"algorithm" ${algorithm} is no known hash`);
  for (const part of parts) hasher.update(part);
  return hasher.digest();
}

/** What PKCS #1 puts before a digest, `undefined` for an unknown number. */
export function digestInfoPrefix(algorithm: number): Uint8Array | undefined {
  const entry = hashes[algorithm];
  return entry && fromHex(entry[2]);
}
