/**
 * Node's own cryptography where it is there: ten to thirty times as fast as the same in JavaScript. Where it is not, in a
 * browser, or does not take a key, the answers are `undefined` and the caller does the work itself.
 *
 * ECDSA is checked by the object that hashes the covered bytes, since Node takes no digest for it; RSA and EdDSA take one.
 */
import { encodeBase64Url } from './bytes.js';

type Crypto = typeof import('node:crypto');

/** `node:crypto`, looked up each time: tests take it away. */
export function nodeCrypto(): Crypto | undefined {
  return typeof process === 'undefined' ? undefined : process.getBuiltinModule?.('node:crypto');
}

/** A public key as Node has it. */
export type NodeKey = import('node:crypto').KeyObject;

/** Curves of ECDSA that Node takes, by their names in OpenPGP tools. */
const jwkCurves: Readonly<Record<string, string>> = { nistp256: 'P-256', nistp384: 'P-384', nistp521: 'P-521' };

/** Numbers are big-endian bytes without leading zeros. */
export function rsaKey(n: Uint8Array, e: Uint8Array): NodeKey | undefined {
  return publicKey({ kty: 'RSA', n: encodeBase64Url(n), e: encodeBase64Url(e) });
}

/** `point` is uncompressed: 0x04 and both coordinates. */
export function ecdsaKey(curve: string, point: Uint8Array): NodeKey | undefined {
  const crv = jwkCurves[curve];
  const size = (point.length - 1) / 2;
  if (crv === undefined || point[0] !== 4 || !Number.isInteger(size)) return undefined;
  const [x, y] = [encodeBase64Url(point.subarray(1, 1 + size)), encodeBase64Url(point.subarray(1 + size))];
  return publicKey({ kty: 'EC', crv, x, y });
}

export function edwardsKey(curve: 'Ed25519' | 'Ed448', point: Uint8Array): NodeKey | undefined {
  return publicKey({ kty: 'OKP', crv: curve, x: encodeBase64Url(point) });
}

/**
 * What an RSA signature recovers to, without its padding of PKCS #1; no bytes when the padding is wrong. `signature` is
 * as long as the modulus.
 */
export function recoverRsa(key: NodeKey, signature: Uint8Array): Uint8Array | undefined {
  const crypto = nodeCrypto();
  try {
    return crypto?.publicDecrypt({ key, padding: crypto.constants.RSA_PKCS1_PADDING }, signature);
  } catch {
    return new Uint8Array(0);
  }
}

export function verifyEdwardsByNode(key: NodeKey, signature: Uint8Array, message: Uint8Array): boolean | undefined {
  return nodeCrypto()?.verify(null, message, key, signature);
}

/** ECDSA over bytes that come in pieces. */
export interface EcdsaVerifier {
  update(bytes: Uint8Array): void;
  /** `signature` is both numbers, each as long as the curve's. Good for one check: `undefined` from then on. */
  verify(key: NodeKey, signature: Uint8Array): boolean | undefined;
}

/** `hash` is Node's name for it. */
export function ecdsaVerifier(hash: string): EcdsaVerifier | undefined {
  const verify = hash === '' ? undefined : nodeCrypto()?.createVerify(hash);
  if (!verify) return undefined;
  let used = false;
  return {
    update: (bytes) => void verify.update(bytes),
    verify: (key, signature) => {
      if (used) return undefined;
      used = true;
      return verify.verify({ key, dsaEncoding: 'ieee-p1363' }, signature);
    },
  };
}

function publicKey(jwk: import('node:crypto').JsonWebKey): NodeKey | undefined {
  try {
    return nodeCrypto()?.createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    // A point on no curve, a modulus that OpenSSL finds too long: the code that works everywhere decides.
    return undefined;
  }
}
