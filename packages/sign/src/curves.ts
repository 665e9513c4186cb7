/**
 * Elliptic curves and ML-DSA over a digest: the only file that knows noble's implementations.
 *
 * Fixed-length bytes in and out: points and numbers as the curve's own standard writes them. The compiled package gets it by
 * `#curves`, which is `curves-on-demand.ts` in Node: see `scripts/tsup-door.ts`.
 *
 * Reference: FIPS 186-5 (ECDSA, deterministic as in RFC 6979), RFC 8032 (Ed25519, Ed448), FIPS 204 (ML-DSA)
 */
import { ed448 } from '@noble/curves/ed448.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { brainpoolP256r1, brainpoolP384r1, brainpoolP512r1 } from '@noble/curves/misc.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { ml_dsa65, ml_dsa87 } from '@noble/post-quantum/ml-dsa.js';
import type { EcdsaCurve, EdwardsCurve, MlDsaSet } from './curve-names.js';

const ecdsaCurves = {
  nistp256: p256,
  nistp384: p384,
  nistp521: p521,
  brainpoolP256r1,
  brainpoolP384r1,
  brainpoolP512r1,
} as const;

const edwards = { Ed25519: ed25519, Ed448: ed448 } as const;
const lattices = { 'ML-DSA-65': ml_dsa65, 'ML-DSA-87': ml_dsa87 } as const;

/** Same key and digest, same signature. */
export function signEcdsa(curve: EcdsaCurve, digest: Uint8Array, secret: Uint8Array): Uint8Array {
  return ecdsaCurves[curve].sign(digest, secret, { prehash: false, lowS: false });
}

export function signEdwards(curve: EdwardsCurve, digest: Uint8Array, seed: Uint8Array): Uint8Array {
  return edwards[curve].sign(digest, seed);
}

/** `signature` is both numbers, each of `ecdsaNumberBytes`. Throws on a point that is not on the curve. */
export function verifyEcdsa(curve: EcdsaCurve, signature: Uint8Array, digest: Uint8Array, point: Uint8Array): boolean {
  return ecdsaCurves[curve].verify(signature, digest, point, { prehash: false, lowS: false });
}

/** Strict: encodings that RFC 8032 forbids are refused. */
export function verifyEdwards(
  curve: EdwardsCurve,
  signature: Uint8Array,
  digest: Uint8Array,
  point: Uint8Array,
): boolean {
  return edwards[curve].verify(signature, digest, point, { zip215: false });
}

/** Pure mode, empty context. */
export function verifyMlDsa(set: MlDsaSet, signature: Uint8Array, digest: Uint8Array, key: Uint8Array): boolean {
  return lattices[set].verify(signature, digest, key);
}
