/**
 * Elliptic curves and ML-DSA: which there are, and who computes with them.
 *
 * The implementation (`curves.ts`) comes with the doors. A thread that only verifies RSA signatures leaves it out: it would
 * take as long to load as to verify 200 packages.
 */

/** A curve of ECDSA, by the name that OpenPGP tools print. */
export type EcdsaCurve = keyof typeof ecdsaBytes;

/** A curve of EdDSA. */
export type EdwardsCurve = 'Ed25519' | 'Ed448';

/** A parameter set of ML-DSA. */
export type MlDsaSet = 'ML-DSA-65' | 'ML-DSA-87';

/** Fixed-length bytes in and out: points and numbers as the curve's own standard writes them. */
export interface CurveArithmetic {
  /** `signature` is both numbers, each of `ecdsaNumberBytes`. Throws on a point that is not on the curve. */
  verifyEcdsa(curve: EcdsaCurve, signature: Uint8Array, digest: Uint8Array, point: Uint8Array): boolean;
  /** Strict: encodings that RFC 8032 forbids are refused. */
  verifyEdwards(curve: EdwardsCurve, signature: Uint8Array, digest: Uint8Array, point: Uint8Array): boolean;
  /** Pure mode, empty context. */
  verifyMlDsa(set: MlDsaSet, signature: Uint8Array, digest: Uint8Array, key: Uint8Array): boolean;
}

/** Bytes of one number. */
const ecdsaBytes = {
  nistp256: 32,
  nistp384: 48,
  nistp521: 66,
  brainpoolP256r1: 32,
  brainpoolP384r1: 48,
  brainpoolP512r1: 64,
} as const;

export function isEcdsaCurve(name: string | undefined): name is EcdsaCurve {
  return name !== undefined && Object.hasOwn(ecdsaBytes, name);
}

/** Bytes of one number of an ECDSA signature. */
export function ecdsaNumberBytes(curve: EcdsaCurve): number {
  return ecdsaBytes[curve];
}

let provided: CurveArithmetic | undefined;

export function provideCurves(arithmetic: CurveArithmetic): void {
  provided = arithmetic;
}

/** Throws when nobody provided it: a mistake of this package, never of its input. */
export function curves(): CurveArithmetic {
  if (!provided) throw new Error('curves were not loaded');
  return provided;
}
