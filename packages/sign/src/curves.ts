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
import { type EcdsaCurve, type EdwardsCurve, provideCurves } from './curve-arithmetic.js';

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

provideCurves({
  verifyEcdsa: (curve, signature, digest, point) =>
    ecdsaCurves[curve].verify(signature, digest, point, { prehash: false, lowS: false }),
  verifyEdwards: (curve, signature, digest, point) =>
    edwards[curve].verify(signature, digest, point, { zip215: false }),
  verifyMlDsa: (set, signature, digest, key) => lattices[set].verify(signature, digest, key),
});
