/**
 * Is this signature over this digest by this key: the mathematics, one algorithm after the other.
 *
 * RSA and DSA are a few lines of integer arithmetic (RSA is Node's own where there is one, five times faster); curves
 * and ML-DSA are in `curves.ts`.
 * An answer is
 * about the numbers alone: whether the key may sign, and whether the hash is still good, is decided elsewhere.
 *
 * Reference: RFC 9580, sections 5.2.3 and 5.5.5; FIPS 186-5; draft-ietf-openpgp-pqc, section 5
 */
import { concatBytes, encodeBase64Url, equalBytes, toHex } from './bytes.js';
import { type EcdsaCurve, ecdsaNumberBytes, isEcdsaCurve, verifyEcdsa, verifyEdwards, verifyMlDsa } from './curves.js';
import { digestInfoPrefix } from './hash.js';
import { type PublicKeyPacket, readMpi, type SignaturePacket } from './packet.js';

/** What the numbers say; `unsupported` when no code here knows the algorithm or the curve. */
export type Arithmetic = 'good' | 'bad' | 'unsupported';

/** Bits of an RSA modulus that are worked with: more would only burn time. rpm's libraries stop at 16,384 too. */
const MAX_RSA_BITS = 16_384;

/** Checks `signature.material` over `digest`. Malformed numbers are `bad`, never an exception. */
export function checkArithmetic(key: PublicKeyPacket, signature: SignaturePacket, digest: Uint8Array): Arithmetic {
  if (!sameAlgorithm(key.algorithm, signature.keyAlgorithm)) return 'bad';
  try {
    return check(key, signature, digest);
  } catch {
    // noble throws on points that are on no curve and numbers out of range: the signature does not hold.
    return 'bad';
  }
}

/** Whether `checkArithmetic` knows this key's algorithm (and its curve). */
export function isSupportedKey(key: PublicKeyPacket): boolean {
  if (key.algorithm === 19) return isEcdsaCurve(curveName(key.material));
  if (key.algorithm === 22) return curveName(key.material) === 'ed25519';
  return [1, 3, 17, 27, 28, 30, 31].includes(key.algorithm);
}

/** The size that decides how strong a key is, in bits: modulus of RSA, p of DSA, `undefined` for curves. */
export function keyBits(key: PublicKeyPacket): number | undefined {
  if (![1, 2, 3, 16, 17].includes(key.algorithm)) return undefined;
  const modulus = readMpi(key.material, 0);
  return modulus && bitLength(toBigInt(modulus.value));
}

/** The word for the curve of an ECDSA or EdDSA key. */
export function curveName(material: Uint8Array): string | undefined {
  const length = material[0] ?? 0;
  return curveNames[toHex(material.subarray(1, 1 + length))];
}

const curveNames: Readonly<Record<string, string>> = {
  '2a8648ce3d030107': 'nistp256',
  '2b81040022': 'nistp384',
  '2b81040023': 'nistp521',
  '2b2403030208010107': 'brainpoolP256r1',
  '2b240303020801010b': 'brainpoolP384r1',
  '2b240303020801010d': 'brainpoolP512r1',
  '2b06010401da470f01': 'ed25519',
};

/** RSA has three numbers: for both uses, for encryption only (2, never right here), for signatures only. */
function sameAlgorithm(key: number, signature: number): boolean {
  const isRsa = (algorithm: number): boolean => algorithm === 1 || algorithm === 3;
  return key === signature || (isRsa(key) && isRsa(signature));
}

function check(key: PublicKeyPacket, signature: SignaturePacket, digest: Uint8Array): Arithmetic {
  const { material } = signature;
  const answer = (good: boolean): Arithmetic => (good ? 'good' : 'bad');
  switch (key.algorithm) {
    case 1:
    case 3:
      return answer(checkRsa(key, material, signature.hashAlgorithm, digest));
    case 17:
      return answer(checkDsa(key.material, material, digest));
    case 19: {
      const curve = curveName(key.material);
      return isEcdsaCurve(curve) ? answer(checkEcdsa(curve, key.material, material, digest)) : 'unsupported';
    }
    case 22:
      if (curveName(key.material) !== 'ed25519') return 'unsupported';
      return answer(checkEddsa(key.material, material, digest));
    case 27:
      return answer(material.length === 64 && verifyEdwards('Ed25519', material, digest, key.material));
    case 28:
      return answer(material.length === 114 && verifyEdwards('Ed448', material, digest, key.material));
    // A composite holds only when both halves hold: that is what it is for.
    case 30:
      return answer(
        material.length === 64 + 3309 &&
          verifyEdwards('Ed25519', material.subarray(0, 64), digest, key.material.subarray(0, 32)) &&
          verifyMlDsa('ML-DSA-65', material.subarray(64), digest, key.material.subarray(32)),
      );
    case 31:
      return answer(
        material.length === 114 + 4627 &&
          verifyEdwards('Ed448', material.subarray(0, 114), digest, key.material.subarray(0, 57)) &&
          verifyMlDsa('ML-DSA-87', material.subarray(114), digest, key.material.subarray(57)),
      );
    default:
      return 'unsupported';
  }
}

/** RSASSA-PKCS1-v1_5: the whole padded block is built and compared, so nothing can hide in it. */
function checkRsa(key: PublicKeyPacket, material: Uint8Array, hashAlgorithm: number, digest: Uint8Array): boolean {
  const prefix = digestInfoPrefix(hashAlgorithm);
  const [n, e] = readMpis(key.material, 2);
  const signature = signatureMpis(material, 1)?.[0];
  if (!prefix || n === undefined || e === undefined || signature === undefined) return false;
  const bits = bitLength(n);
  const s = toBigInt(signature);
  if (bits > MAX_RSA_BITS || bitLength(e) > 64 || (n & 1n) === 0n || s >= n) return false;
  const length = (bits + 7) >> 3;
  const tail = concatBytes(prefix, digest);
  if (length < tail.length + 11) return false;
  const recovered = recoverByNode(key, leftPad(signature, length));
  if (recovered) return equalBytes(recovered, tail);
  const padding = new Uint8Array(length - tail.length).fill(0xff);
  padding.set([0, 1]);
  padding[padding.length - 1] = 0;
  return modPow(s, e, n) === toBigInt(concatBytes(padding, tail));
}

/** The part of `node:crypto` that is used. */
interface NodeCrypto {
  createPublicKey(options: { readonly key: object; readonly format: 'jwk' }): object;
  publicDecrypt(options: { readonly key: object; readonly padding: number }, bytes: Uint8Array): Uint8Array;
  readonly constants: { readonly RSA_PKCS1_PADDING: number };
}

const nodeKeys = new WeakMap<PublicKeyPacket, object>();

/**
 * What an RSA signature recovers to, without its padding: an empty answer when the padding is wrong, `undefined` where
 * Node's cryptography is not there or does not take the key.
 */
function recoverByNode(key: PublicKeyPacket, signature: Uint8Array): Uint8Array | undefined {
  const process = (globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }).process;
  const crypto = process?.getBuiltinModule?.('node:crypto') as NodeCrypto | undefined;
  if (!crypto) return undefined;
  let imported = nodeKeys.get(key);
  if (!imported) {
    const n = readMpi(key.material, 0)!;
    const e = readMpi(key.material, n.end)!;
    try {
      imported = crypto.createPublicKey({
        key: { kty: 'RSA', n: encodeBase64Url(n.value), e: encodeBase64Url(e.value) },
        format: 'jwk',
      });
    } catch {
      return undefined;
    }
    nodeKeys.set(key, imported);
  }
  try {
    return crypto.publicDecrypt({ key: imported, padding: crypto.constants.RSA_PKCS1_PADDING }, signature);
  } catch {
    return new Uint8Array(0);
  }
}

function checkDsa(key: Uint8Array, material: Uint8Array, digest: Uint8Array): boolean {
  const [p, q, g, y] = readMpis(key, 4);
  const [r, s] = signatureMpis(material, 2)?.map(toBigInt) ?? [];
  if (p === undefined || q === undefined || g === undefined || y === undefined) return false;
  if (r === undefined || s === undefined || bitLength(p) > MAX_RSA_BITS || bitLength(q) > 512) return false;
  if (r <= 0n || r >= q || s <= 0n || s >= q || p <= 1n) return false;
  const qBits = bitLength(q);
  let hash = toBigInt(digest);
  if (digest.length * 8 > qBits) hash >>= BigInt(digest.length * 8 - qBits);
  const w = modInverse(s, q);
  if (w === undefined) return false;
  const v = (modPow(g, (hash * w) % q, p) * modPow(y, (r * w) % q, p)) % p;
  return v % q === r;
}

function checkEcdsa(curve: EcdsaCurve, key: Uint8Array, material: Uint8Array, digest: Uint8Array): boolean {
  const size = ecdsaNumberBytes(curve);
  const point = readMpi(key, 1 + key[0]!)?.value;
  const [r, s] = signatureMpis(material, 2) ?? [];
  if (!point || !r || !s || r.length > size || s.length > size) return false;
  return verifyEcdsa(curve, concatBytes(leftPad(r, size), leftPad(s, size)), digest, point);
}

/** EdDSA of RFC 4880: the numbers of Ed25519 in the clothes of MPIs, the public key with a 0x40 before it. */
function checkEddsa(key: Uint8Array, material: Uint8Array, digest: Uint8Array): boolean {
  const point = readMpi(key, 1 + key[0]!)?.value;
  const [r, s] = signatureMpis(material, 2) ?? [];
  if (point?.length !== 33 || point[0] !== 0x40 || !r || !s || r.length > 32 || s.length > 32) return false;
  const raw = concatBytes(leftPad(r, 32), leftPad(s, 32));
  return verifyEdwards('Ed25519', raw, digest, point.subarray(1));
}

function leftPad(bytes: Uint8Array, length: number): Uint8Array {
  const padded = new Uint8Array(length);
  padded.set(bytes, length - bytes.length);
  return padded;
}

/** The first `count` integers; fewer when the bytes end before. */
function readMpis(bytes: Uint8Array, count: number): bigint[] {
  const numbers: bigint[] = [];
  for (let at = 0; numbers.length < count; ) {
    const mpi = readMpi(bytes, at);
    if (!mpi) break;
    numbers.push(toBigInt(mpi.value));
    at = mpi.end;
  }
  return numbers;
}

/**
 * The integers of a signature: exactly `count`, each with the bit count it claims, nothing after them. One signature
 * has one spelling, so that two readers cannot disagree about it.
 */
function signatureMpis(bytes: Uint8Array, count: number): Uint8Array[] | undefined {
  const values: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const mpi = readMpi(bytes, at);
    if (!mpi) return undefined;
    const claimed = (bytes[at]! << 8) | bytes[at + 1]!;
    const actual = mpi.value.length === 0 ? 0 : mpi.value.length * 8 - (Math.clz32(mpi.value[0]!) - 24);
    if (claimed !== actual) return undefined;
    values.push(mpi.value);
    at = mpi.end;
  }
  return at === bytes.length ? values : undefined;
}

function toBigInt(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${toHex(bytes)}`);
}

function bitLength(value: bigint): number {
  if (value === 0n) return 0;
  const hex = value.toString(16);
  return hex.length * 4 - (Math.clz32(Number.parseInt(hex[0]!, 16)) - 28);
}

function modPow(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  let square = base % modulus;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

function modInverse(value: bigint, modulus: bigint): bigint | undefined {
  let [a, b] = [value % modulus, modulus];
  let [x, y] = [1n, 0n];
  while (b !== 0n) {
    const quotient = a / b;
    [a, b] = [b, a % b];
    [x, y] = [y, x - quotient * y];
  }
  return a === 1n ? ((x % modulus) + modulus) % modulus : undefined;
}
