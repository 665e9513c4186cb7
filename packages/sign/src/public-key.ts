/**
 * Is this signature over this digest by this key: the mathematics, one algorithm after the other.
 *
 * RSA, ECDSA and EdDSA are Node's own where they are there (`node-crypto.ts`); else RSA and DSA are a few lines of integer
 * arithmetic, and curves and ML-DSA are in `curves.ts`. An answer is about the numbers alone: whether the key may sign, and
 * whether the hash is still good, is decided elsewhere.
 *
 * Reference: RFC 9580, sections 5.2.3 and 5.5.5; FIPS 186-5; draft-ietf-openpgp-pqc, section 5
 */
import { concatBytes, equalBytes, toHex } from './bytes.js';
import { type EcdsaCurve, ecdsaNumberBytes, isEcdsaCurve } from './curve-names.js';
import { verifyEcdsa, verifyEdwards, verifyMlDsa } from './curves.js';
import { type Covered, digestInfoPrefix } from './hash.js';
import { ecdsaKey, edwardsKey, type NodeKey, recoverRsa, rsaKey, verifyEdwardsByNode } from './node-crypto.js';
import { type PublicKeyPacket, readMpi, type SignaturePacket } from './packet.js';

/** What the numbers say; `unsupported` when no code here knows the algorithm or the curve. */
export type Arithmetic = 'good' | 'bad' | 'unsupported';

/** Bits of an RSA modulus that are worked with: more would only burn time. rpm's libraries stop at 16,384 too. */
const MAX_RSA_BITS = 16_384;

/** Checks `signature.material` over what it covers. Malformed numbers are `bad`, never an exception. */
export function checkArithmetic(key: PublicKeyPacket, signature: SignaturePacket, covered: Covered): Arithmetic {
  if (!sameAlgorithm(key.algorithm, signature.keyAlgorithm)) return 'bad';
  try {
    return check(key, signature, covered);
  } catch {
    // noble throws on points that are on no curve and numbers out of range: the signature does not hold.
    return 'bad';
  }
}

/** Whether `checkArithmetic` knows this algorithm, with some curve at least. */
export function isSupportedAlgorithm(algorithm: number): boolean {
  return [1, 3, 17, 19, 22, 27, 28, 30, 31].includes(algorithm);
}

/** Whether `checkArithmetic` knows this key's algorithm (and its curve). */
export function isSupportedKey(key: PublicKeyPacket): boolean {
  if (key.algorithm === 19) return isEcdsaCurve(curveName(key.material));
  if (key.algorithm === 22) return curveName(key.material) === 'ed25519';
  return isSupportedAlgorithm(key.algorithm);
}

/** The size that decides how strong a key is, in bits: modulus of RSA, p of DSA, `undefined` for curves. */
export function keyBits(key: PublicKeyPacket): number | undefined {
  if (![1, 2, 3, 16, 17].includes(key.algorithm)) return undefined;
  const modulus = readMpi(key.material, 0)?.value;
  if (!modulus) return undefined;
  const first = modulus.findIndex((byte) => byte !== 0);
  return first === -1 ? 0 : (modulus.length - first) * 8 - (Math.clz32(modulus[first]!) - 24);
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

function check(key: PublicKeyPacket, signature: SignaturePacket, covered: Covered): Arithmetic {
  const { material } = signature;
  const { digest } = covered;
  const answer = (good: boolean): Arithmetic => (good ? 'good' : 'bad');
  switch (key.algorithm) {
    case 1:
    case 3:
      return answer(checkRsa(key, material, signature.hashAlgorithm, digest));
    case 17:
      return answer(checkDsa(key.material, material, digest));
    case 19: {
      const curve = curveName(key.material);
      return isEcdsaCurve(curve) ? answer(checkEcdsa(curve, key, material, covered)) : 'unsupported';
    }
    case 22:
      if (curveName(key.material) !== 'ed25519') return 'unsupported';
      return answer(checkEddsa(key, material, digest));
    case 27:
      return answer(checkEdwards('Ed25519', key, key.material, material, digest));
    case 28:
      return answer(checkEdwards('Ed448', key, key.material, material, digest));
    // A composite holds only when both halves hold: that is what it is for.
    case 30:
      return answer(
        material.length === 64 + 3309 &&
          checkEdwards('Ed25519', key, key.material.subarray(0, 32), material.subarray(0, 64), digest) &&
          verifyMlDsa('ML-DSA-65', material.subarray(64), digest, key.material.subarray(32)),
      );
    case 31:
      return answer(
        material.length === 114 + 4627 &&
          checkEdwards('Ed448', key, key.material.subarray(0, 57), material.subarray(0, 114), digest) &&
          verifyMlDsa('ML-DSA-87', material.subarray(114), digest, key.material.subarray(57)),
      );
    default:
      return 'unsupported';
  }
}

/** RSASSA-PKCS1-v1_5: the whole padded block is built and compared, so nothing can hide in it. */
function checkRsa(key: PublicKeyPacket, material: Uint8Array, hashAlgorithm: number, digest: Uint8Array): boolean {
  const prefix = digestInfoPrefix(hashAlgorithm);
  const numbers = rsaNumbers(key);
  const signature = signatureMpis(material, 1)?.[0];
  if (!prefix || !numbers || !signature) return false;
  const { modulus, n, e, node } = numbers;
  const tail = concatBytes(prefix, digest);
  const { length } = modulus;
  if (length < tail.length + 11 || signature.length > length) return false;
  const padded = leftPad(signature, length);
  // A signature of the modulus or more is another spelling of a smaller one.
  if (compareBytes(padded, modulus) >= 0) return false;
  const recovered = node && recoverRsa(node, padded);
  if (recovered) return equalBytes(recovered, tail);
  const padding = new Uint8Array(length - tail.length).fill(0xff);
  padding.set([0, 1]);
  padding[padding.length - 1] = 0;
  return modPow(toBigInt(padded), e, n) === toBigInt(concatBytes(padding, tail));
}

interface RsaNumbers {
  /** Without leading zeros. */
  readonly modulus: Uint8Array;
  readonly n: bigint;
  readonly e: bigint;
  /** Absent in a browser, and for keys that Node does not take. */
  readonly node: NodeKey | undefined;
}

const rsaNumbersOf = new WeakMap<PublicKeyPacket, RsaNumbers | 'unusable'>();

/** The numbers of an RSA key, `undefined` for numbers that no key has. Made once per key: many signatures come after it. */
function rsaNumbers(key: PublicKeyPacket): RsaNumbers | undefined {
  let known = rsaNumbersOf.get(key);
  if (known === undefined) {
    known = 'unusable';
    const first = readMpi(key.material, 0);
    const second = first && readMpi(key.material, first.end);
    if (first && second) {
      const [n, e] = [toBigInt(first.value), toBigInt(second.value)];
      if (bitLength(n) <= MAX_RSA_BITS && bitLength(e) <= 64 && (n & 1n) === 1n) {
        const modulus = first.value.subarray(first.value.findIndex((byte) => byte !== 0));
        known = { modulus, n, e, node: rsaKey(modulus, second.value) };
      }
    }
    rsaNumbersOf.set(key, known);
  }
  return known === 'unusable' ? undefined : known;
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

function checkEcdsa(curve: EcdsaCurve, key: PublicKeyPacket, material: Uint8Array, covered: Covered): boolean {
  const size = ecdsaNumberBytes(curve);
  const point = readMpi(key.material, 1 + key.material[0]!)?.value;
  const [r, s] = signatureMpis(material, 2) ?? [];
  if (!point || !r || !s || r.length > size || s.length > size) return false;
  const raw = concatBytes(leftPad(r, size), leftPad(s, size));
  const node = covered.verifyEcdsa && nodeKey(key, () => ecdsaKey(curve, point));
  return (node && covered.verifyEcdsa?.(node, raw)) ?? verifyEcdsa(curve, raw, covered.digest, point);
}

/** EdDSA of RFC 4880: the numbers of Ed25519 in the clothes of MPIs, the public key with a 0x40 before it. */
function checkEddsa(key: PublicKeyPacket, material: Uint8Array, digest: Uint8Array): boolean {
  const point = readMpi(key.material, 1 + key.material[0]!)?.value;
  const [r, s] = signatureMpis(material, 2) ?? [];
  if (point?.length !== 33 || point[0] !== 0x40 || !r || !s || r.length > 32 || s.length > 32) return false;
  const raw = concatBytes(leftPad(r, 32), leftPad(s, 32));
  return checkEdwards('Ed25519', key, point.subarray(1), raw, digest);
}

const edwardsBytes = { Ed25519: 64, Ed448: 114 } as const;

function checkEdwards(
  curve: 'Ed25519' | 'Ed448',
  key: PublicKeyPacket,
  point: Uint8Array,
  signature: Uint8Array,
  digest: Uint8Array,
): boolean {
  if (signature.length !== edwardsBytes[curve]) return false;
  const node = nodeKey(key, () => edwardsKey(curve, point));
  const answer = node && verifyEdwardsByNode(node, signature, digest);
  return answer ?? verifyEdwards(curve, signature, digest, point);
}

const nodeKeys = new WeakMap<PublicKeyPacket, NodeKey | 'not taken'>();

/** What Node makes of a key, made once. */
function nodeKey(key: PublicKeyPacket, make: () => NodeKey | undefined): NodeKey | undefined {
  let known = nodeKeys.get(key);
  if (known === undefined) {
    known = make() ?? 'not taken';
    nodeKeys.set(key, known);
  }
  return known === 'not taken' ? undefined : known;
}

function leftPad(bytes: Uint8Array, length: number): Uint8Array {
  const padded = new Uint8Array(length);
  padded.set(bytes, length - bytes.length);
  return padded;
}

/** Below 0 when `a` is the smaller number of two with the same length. */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return 0;
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
