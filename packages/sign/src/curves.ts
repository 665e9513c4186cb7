/**
 * Elliptic curves and ML-DSA over a digest: the only file that knows noble's implementations.
 *
 * Fixed-length bytes in and out: points and numbers as the curve's own standard writes them.
 *
 * Reference: FIPS 186-5 (ECDSA, deterministic as in RFC 6979), RFC 8032 (Ed25519, Ed448), FIPS 204 (ML-DSA)
 */
import { ed448 } from '@noble/curves/ed448.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { brainpoolP256r1, brainpoolP384r1, brainpoolP512r1 } from '@noble/curves/misc.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { ml_dsa65, ml_dsa87 } from '@noble/post-quantum/ml-dsa.js';

/** A curve of ECDSA, by the name that OpenPGP tools print. */
export type EcdsaCurve =
  | 'nistp256'
  | 'nistp384'
  | 'nistp521'
  | 'brainpoolP256r1'
  | 'brainpoolP384r1'
  | 'brainpoolP512r1';

/** A curve of EdDSA. */
export type EdwardsCurve = 'Ed25519' | 'Ed448';

/** A parameter set of ML-DSA. */
export type MlDsaSet = 'ML-DSA-65' | 'ML-DSA-87';

/** Implementation and bytes of one number. */
const ecdsaCurves = {
  nistp256: [p256, 32],
  nistp384: [p384, 48],
  nistp521: [p521, 66],
  brainpoolP256r1: [brainpoolP256r1, 32],
  brainpoolP384r1: [brainpoolP384r1, 48],
  brainpoolP512r1: [brainpoolP512r1, 64],
} as const;

const edwards = { Ed25519: ed25519, Ed448: ed448 } as const;
const lattices = { 'ML-DSA-65': ml_dsa65, 'ML-DSA-87': ml_dsa87 } as const;

export function isEcdsaCurve(name: string | undefined): name is EcdsaCurve {
  return name !== undefined && Object.hasOwn(ecdsaCurves, name);
}

/** Bytes of one number of an ECDSA signature. */
export function ecdsaNumberBytes(curve: EcdsaCurve): number {
  return ecdsaCurves[curve][1];
}

/** `signature` is both numbers, each of `ecdsaNumberBytes`. Throws on a point that is not on the curve. */
export function verifyEcdsa(curve: EcdsaCurve, signature: Uint8Array, digest: Uint8Array, point: Uint8Array): boolean {
  return ecdsaCurves[curve][0].verify(signature, digest, point, { prehash: false, lowS: false });
}

/** Same key and digest, same signature. */
export function signEcdsa(curve: EcdsaCurve, digest: Uint8Array, secret: Uint8Array): Uint8Array {
  return ecdsaCurves[curve][0].sign(digest, secret, { prehash: false, lowS: false });
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

export function signEdwards(curve: EdwardsCurve, digest: Uint8Array, seed: Uint8Array): Uint8Array {
  return edwards[curve].sign(digest, seed);
}

/** Pure mode, empty context. */
export function verifyMlDsa(set: MlDsaSet, signature: Uint8Array, digest: Uint8Array, key: Uint8Array): boolean {
  return lattices[set].verify(signature, digest, key);
}
