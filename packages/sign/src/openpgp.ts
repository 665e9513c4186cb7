/**
 * Private keys: the only file that knows the OpenPGP library, which makes keys and opens them.
 *
 * The signatures are put together by `signature-maker.ts`: the library signs one after the other and adds a random
 * notation. We want the same bytes for the same input, and many signatures side by side: RSA is done by WebCrypto (in
 * Node on its thread pool).
 *
 * Reference: RFC 9580, sections 5.2.3, 5.5 and 13.2
 */
import type { PrivateKey } from 'openpgp';
import { decodeArmor, encodeArmor, isArmored } from './armor.js';
import { encodeBase64Url, fromHex } from './bytes.js';
import { isEcdsaCurve } from './curve-names.js';
import { signEcdsa, signEdwards } from './curves.js';
import { SignError } from './errors.js';
import { digestOf, SHA512 } from './hash.js';
import { keyAlgorithmName, type PublicKeyPacket } from './packet.js';
import { curveName } from './public-key.js';
import { chooseSigningKey, type RawSigner, rawToMaterial, signatureHash, signWith } from './signature-maker.js';
import { type Signer, wholeSeconds } from './signer.js';

/** A signer whose key is in this process's memory. */
export interface MemorySigner extends Signer {
  /** The armored public key, for users to import. */
  readonly publicKey: string;
}

/** Kinds of key that `generateKey` makes. RSA and EdDSA of version 4 are what every client since EL7 (EdDSA: EL9) takes. */
export type KeyKind = 'rsa4096' | 'rsa3072' | 'eddsa' | 'ecdsa-p256' | 'ecdsa-p384' | 'v6-ed25519' | 'v6-rsa4096';

/** A new key, armored. */
export interface GeneratedKey {
  readonly fingerprint: string;
  /** Secret. Locked only when a passphrase was given. */
  readonly privateKey: string;
  readonly publicKey: string;
}

/**
 * A new signing key: one primary key that signs and certifies, one user id, no subkey (older clients trip over them).
 *
 * Draws from the platform's random numbers. Throws SIGN_BAD_KEY when the user id is empty.
 */
export async function generateKey(options: {
  /** `Name <address>`, or a name alone. */
  readonly userId: string;
  readonly kind: KeyKind;
  readonly createdAt: Date;
  /** Absent: the key does not expire. */
  readonly expiresAt?: Date;
  readonly passphrase?: string;
}): Promise<GeneratedKey> {
  const { userId, kind, createdAt, expiresAt, passphrase } = options;
  const [, name, email] = /^\s*(.*?)\s*(?:<([^<>]*)>)?\s*$/.exec(userId) ?? [];
  if (!name && !email) throw badKey('a user id', 'an empty one');
  const seconds = expiresAt ? Math.floor((expiresAt.getTime() - createdAt.getTime()) / 1000) : 0;
  if (seconds < 0) throw new RangeError('"expiresAt" must be after "createdAt"');
  const openpgp = await library();
  const { privateKey, publicKey } = await openpgp.generateKey({
    ...keyKinds[kind],
    userIDs: [{ ...(name ? { name } : {}), ...(email ? { email } : {}) }],
    // Not left out: the library would then add a subkey for encryption.
    subkeys: [],
    date: wholeSeconds(createdAt),
    keyExpirationTime: seconds,
    ...(passphrase === undefined ? {} : { passphrase }),
    format: 'object',
    config: { v6Keys: kind.startsWith('v6-'), nonDeterministicSignaturesViaNotation: false, showVersion: false },
  });
  return {
    fingerprint: publicKey.getFingerprint(),
    privateKey: privateKey.armor(),
    publicKey: encodeArmor('PUBLIC KEY BLOCK', publicKey.write()),
  };
}

/** What `memorySigner` takes besides the key. */
export interface MemorySignerOptions {
  readonly passphrase?: string;
  /** Of the key or subkey to sign with. Default: the primary key if it may sign, else the first subkey that may. */
  readonly fingerprint?: string;
}

/**
 * A signer from a private key, armored or binary. It refuses (SIGN_SIGNER_FAILED) to sign at an instant at which its
 * key is expired or revoked or not yet made.
 *
 * Throws SIGN_BAD_KEY when there is no private key, the passphrase is wrong or missing, or no part of it may sign.
 * Supported: RSA, ECDSA, EdDSA, Ed25519, Ed448; versions 4 and 6.
 */
export async function memorySigner(
  privateKey: string | Uint8Array,
  options: MemorySignerOptions = {},
): Promise<MemorySigner> {
  const key = await openPrivateKey(privateKey, options.passphrase);
  const publicBytes = key.toPublic().write();
  const { certificate, key: chosen } = chooseSigningKey(publicBytes, options.fingerprint);
  const secret = key.getKeys().find((part) => part.getFingerprint() === chosen.fingerprint)?.keyPacket;
  if (!secret) throw badKey('the secret part of the signing key', 'its public part alone');
  const signRaw = await rawSigner(chosen, secret as unknown as SecretPacket);
  return {
    fingerprint: chosen.fingerprint,
    publicKey: encodeArmor('PUBLIC KEY BLOCK', publicBytes),
    sign: (data, signOptions) => signWith(certificate, chosen, signRaw, data, signOptions),
  };
}

/** The armored public key of a private one, which may be locked. Throws SIGN_BAD_KEY. */
export async function publicKeyOf(privateKey: string | Uint8Array): Promise<string> {
  const key = await readPrivateKey(privateKey);
  return encodeArmor('PUBLIC KEY BLOCK', key.toPublic().write());
}

const keyKinds = {
  rsa4096: { type: 'rsa', rsaBits: 4096 },
  rsa3072: { type: 'rsa', rsaBits: 3072 },
  eddsa: { type: 'ecc', curve: 'ed25519Legacy' },
  'ecdsa-p256': { type: 'ecc', curve: 'nistP256' },
  'ecdsa-p384': { type: 'ecc', curve: 'nistP384' },
  'v6-ed25519': { type: 'curve25519' },
  'v6-rsa4096': { type: 'rsa', rsaBits: 4096 },
} as const;

/** Loaded when a private key is made or opened: who only verifies does not wait for it. */
const library = (): Promise<typeof import('openpgp')> => import('openpgp');

/** Fields of the library's secret key packet. Not documented by it: the version is pinned, and tests sign with every kind. */
interface SecretPacket {
  readonly publicParams: { readonly n?: Uint8Array; readonly e?: Uint8Array };
  readonly privateParams: {
    readonly d?: Uint8Array;
    readonly p?: Uint8Array;
    readonly q?: Uint8Array;
    readonly u?: Uint8Array;
    readonly seed?: Uint8Array;
  } | null;
}

async function readPrivateKey(source: string | Uint8Array): Promise<PrivateKey> {
  try {
    const armored = typeof source === 'string' || isArmored(source);
    const text = typeof source === 'string' ? source : armored ? new TextDecoder('latin1').decode(source) : '';
    const block = armored ? decodeArmor(text).find(({ kind }) => kind === 'PRIVATE KEY BLOCK')?.bytes : source;
    if (!block) throw badKey('an armored private key', 'none');
    return await (await library()).readPrivateKey({ binaryKey: block as Uint8Array, config: { minRSABits: 1024 } });
  } catch (error) {
    if (error instanceof SignError) throw error;
    // The library's message could quote the input: it does not travel on, not even as a cause.
    throw badKey('a private key', 'bytes that are none, or of an unknown kind');
  }
}

async function openPrivateKey(source: string | Uint8Array, passphrase: string | undefined): Promise<PrivateKey> {
  const key = await readPrivateKey(source);
  if (key.isDecrypted()) return key;
  if (passphrase === undefined) throw badKey('a passphrase', 'a locked key and none');
  try {
    return await (await library()).decryptKey({ privateKey: key, passphrase });
  } catch {
    throw badKey('the right passphrase', 'another one');
  }
}

async function rawSigner(key: PublicKeyPacket, packet: SecretPacket): Promise<RawSigner> {
  const { privateParams: secret, publicParams: open } = packet;
  const hashAlgorithm = signatureHash(key);
  if ((key.algorithm === 1 || key.algorithm === 3) && secret?.d && secret.p && secret.q && secret.u) {
    const rsaKey = await importRsa(open, secret as Required<typeof secret>, hashAlgorithm);
    return {
      hashAlgorithm,
      saltSeed: secret.d,
      sign: async (covered) => {
        const raw = await globalThis.crypto.subtle.sign(
          'RSASSA-PKCS1-v1_5',
          rsaKey,
          covered as Uint8Array<ArrayBuffer>,
        );
        return rawToMaterial(key, new Uint8Array(raw));
      },
    };
  }
  const curve = curveName(key.material);
  if (key.algorithm === 19 && isEcdsaCurve(curve) && secret?.d) {
    const { d } = secret;
    return {
      hashAlgorithm,
      saltSeed: d,
      sign: async (covered) => rawToMaterial(key, signEcdsa(curve, digestOf(hashAlgorithm, covered), d)),
    };
  }
  if (secret?.seed && [22, 27, 28].includes(key.algorithm)) {
    const { seed } = secret;
    const name = key.algorithm === 28 ? 'Ed448' : 'Ed25519';
    return {
      hashAlgorithm,
      saltSeed: seed,
      sign: async (covered) => rawToMaterial(key, signEdwards(name, digestOf(hashAlgorithm, covered), seed)),
    };
  }
  throw badKey('an RSA, ECDSA, EdDSA, Ed25519 or Ed448 key', keyAlgorithmName(key.algorithm));
}

async function importRsa(
  open: SecretPacket['publicParams'],
  secret: { readonly d: Uint8Array; readonly p: Uint8Array; readonly q: Uint8Array; readonly u: Uint8Array },
  hashAlgorithm: number,
): Promise<CryptoKey> {
  // OpenPGP keeps u = 1/p mod q where JWK wants 1/q mod p: the primes change places.
  const [p, q] = [toBigInt(secret.q), toBigInt(secret.p)];
  const d = toBigInt(secret.d);
  const jwk = {
    kty: 'RSA',
    n: encodeBase64Url(open.n!),
    e: encodeBase64Url(open.e!),
    d: encodeBase64Url(secret.d),
    p: encodeBase64Url(secret.q),
    q: encodeBase64Url(secret.p),
    dp: encodeBase64Url(bigBytes(d % (p - 1n))),
    dq: encodeBase64Url(bigBytes(d % (q - 1n))),
    qi: encodeBase64Url(secret.u),
  };
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: hashAlgorithm === SHA512 ? 'SHA-512' : 'SHA-256' };
  return globalThis.crypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign']);
}

function badKey(wanted: string, found: string): SignError {
  return new SignError({ code: 'SIGN_BAD_KEY', wanted, found }, `private key: wanted ${wanted}, found ${found}`);
}

function toBigInt(bytes: Uint8Array): bigint {
  return BigInt(`0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`);
}

function bigBytes(value: bigint): Uint8Array {
  const hex = value.toString(16);
  return fromHex(hex.length % 2 ? `0${hex}` : hex);
}
