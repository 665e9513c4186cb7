/** Elliptic curves and ML-DSA: which there are, and how long their numbers are. */

/** A curve of ECDSA, by the name that OpenPGP tools print. */
export type EcdsaCurve = keyof typeof ecdsaBytes;

/** A curve of EdDSA. */
export type EdwardsCurve = 'Ed25519' | 'Ed448';

/** A parameter set of ML-DSA. */
export type MlDsaSet = 'ML-DSA-65' | 'ML-DSA-87';

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
