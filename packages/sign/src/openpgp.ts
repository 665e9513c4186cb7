/**
 * Private keys: the only file that knows the OpenPGP library, which makes keys and opens them.
 *
 * The signatures are put together here. The library signs one after the other, adds a random notation, and has no room
 * for keys elsewhere; we want the same bytes for the same input, and many signatures side by side: RSA is done by
 * WebCrypto (in Node on its thread pool).
 *
 * Reference: RFC 9580, sections 5.2.3, 5.5 and 13.2
 */
import * as openpgp from 'openpgp';
import { decodeArmor, encodeArmor, isArmored } from './armor.js';
import { concatBytes, fromHex } from './bytes.js';
import { type Certificate, primaryState, signingVerdict, subkeyState } from './certificate.js';
import { type EcdsaCurve, isEcdsaCurve, signEcdsa, signEdwards } from './curves.js';
import { SignError } from './errors.js';
import { digestOf, SHA256, SHA512 } from './hash.js';
import { Keyring } from './keyring.js';
import {
  encodeMpi,
  encodePacket,
  encodeSubpacket,
  keyAlgorithmName,
  type PublicKeyPacket,
  SUBPACKET,
  saltBytes,
  signatureTrailer,
  TAG_SIGNATURE,
} from './packet.js';
import { curveName } from './public-key.js';
import { type Signer, type SignOptions, signerFailed, wholeSeconds } from './signer.js';

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
  const certificate = Keyring.from(publicBytes).certificates[0];
  if (!certificate) throw badKey('a key of a known algorithm', 'one that cannot be used here');
  const chosen = choosePart(certificate, options.fingerprint);
  const secret = key.getKeys().find((part) => part.getFingerprint() === chosen.fingerprint)?.keyPacket;
  if (!secret) throw badKey('the secret part of the signing key', 'its public part alone');
  const signRaw = await rawSigner(chosen, secret as unknown as SecretPacket);
  return {
    fingerprint: chosen.fingerprint,
    publicKey: encodeArmor('PUBLIC KEY BLOCK', publicBytes),
    sign: async (data, signOptions) => {
      signOptions.signal?.throwIfAborted();
      const signedAt = wholeSeconds(signOptions.signedAt);
      const verdict = signingVerdict(certificate, chosen, { signedAt, at: signedAt });
      if (verdict.status !== 'good') throw signerFailed(chosen, 'a key that may sign at that time', verdict.reason);
      return encodeSignature(chosen, signRaw, data, { ...signOptions, signedAt });
    },
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

/** Signs covered bytes that were put together already; gives the algorithm's own fields. */
interface RawSigner {
  readonly hashAlgorithm: number;
  /** Secret; makes salts that nobody else can foretell. */
  readonly saltSeed: Uint8Array;
  sign(covered: Uint8Array): Promise<Uint8Array>;
}

async function readPrivateKey(source: string | Uint8Array): Promise<openpgp.PrivateKey> {
  try {
    const armored = typeof source === 'string' || isArmored(source);
    const text = typeof source === 'string' ? source : armored ? new TextDecoder('latin1').decode(source) : '';
    const block = armored ? decodeArmor(text).find(({ kind }) => kind === 'PRIVATE KEY BLOCK')?.bytes : source;
    if (!block) throw badKey('an armored private key', 'none');
    return await openpgp.readPrivateKey({ binaryKey: block as Uint8Array, config: { minRSABits: 1024 } });
  } catch (error) {
    if (error instanceof SignError) throw error;
    // The library's message could quote the input: it does not travel on, not even as a cause.
    throw badKey('a private key', 'bytes that are none, or of an unknown kind');
  }
}

async function openPrivateKey(
  source: string | Uint8Array,
  passphrase: string | undefined,
): Promise<openpgp.PrivateKey> {
  const key = await readPrivateKey(source);
  if (key.isDecrypted()) return key;
  if (passphrase === undefined) throw badKey('a passphrase', 'a locked key and none');
  try {
    return await openpgp.decryptKey({ privateKey: key, passphrase });
  } catch {
    throw badKey('the right passphrase', 'another one');
  }
}

/** Flags decide, whatever the time: when it signs, the key is looked at again. */
function choosePart(certificate: Certificate, fingerprint: string | undefined): PublicKeyPacket {
  const latest = new Date(8.64e15);
  const parts = [
    { key: certificate.primary, state: primaryState(certificate, latest) },
    ...certificate.subkeys.map((subkey) => ({ key: subkey.key, state: subkeyState(certificate, subkey, latest) })),
  ];
  const wanted = fingerprint?.toLowerCase();
  const found = parts.find(({ key, state }) => state.maySign && (wanted === undefined || key.fingerprint === wanted));
  if (!found) throw badKey(`a part that may sign${wanted ? ` with fingerprint ${wanted}` : ''}`, 'none in this key');
  return found.key;
}

async function rawSigner(key: PublicKeyPacket, packet: SecretPacket): Promise<RawSigner> {
  const { privateParams: secret, publicParams: open } = packet;
  const hashAlgorithm = key.version === 6 || key.algorithm === 28 ? SHA512 : SHA256;
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
        return encodeMpi(new Uint8Array(raw));
      },
    };
  }
  const halves = (raw: Uint8Array): Uint8Array =>
    concatBytes(encodeMpi(raw.subarray(0, raw.length / 2)), encodeMpi(raw.subarray(raw.length / 2)));
  const curve = curveName(key.material);
  if (key.algorithm === 19 && isEcdsaCurve(curve) && secret?.d) {
    const { d } = secret;
    const hash = ecdsaHash(curve);
    return {
      hashAlgorithm: hash,
      saltSeed: d,
      sign: async (covered) => halves(signEcdsa(curve, digestOf(hash, covered), d)),
    };
  }
  if (secret?.seed && [22, 27, 28].includes(key.algorithm)) {
    const { seed } = secret;
    const name = key.algorithm === 28 ? 'Ed448' : 'Ed25519';
    return {
      hashAlgorithm,
      saltSeed: seed,
      sign: async (covered) => {
        const raw = signEdwards(name, digestOf(hashAlgorithm, covered), seed);
        return key.algorithm === 22 ? halves(raw) : raw;
      },
    };
  }
  throw badKey('an RSA, ECDSA, EdDSA, Ed25519 or Ed448 key', keyAlgorithmName(key.algorithm));
}

/** A hash at least as long as the curve's numbers, as RFC 9580 asks. */
function ecdsaHash(curve: EcdsaCurve): number {
  return curve === 'nistp256' || curve === 'brainpoolP256r1' ? SHA256 : SHA512;
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
    n: base64url(open.n!),
    e: base64url(open.e!),
    d: base64url(secret.d),
    p: base64url(secret.q),
    q: base64url(secret.p),
    dp: base64url(bigBytes(d % (p - 1n))),
    dq: base64url(bigBytes(d % (q - 1n))),
    qi: base64url(secret.u),
  };
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: hashAlgorithm === SHA512 ? 'SHA-512' : 'SHA-256' };
  return globalThis.crypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign']);
}

async function encodeSignature(
  key: PublicKeyPacket,
  raw: RawSigner,
  data: Uint8Array,
  options: SignOptions,
): Promise<Uint8Array> {
  const { version } = key;
  const created = new Uint8Array(4);
  new DataView(created.buffer).setUint32(0, options.signedAt.getTime() / 1000);
  const hashedPart = concatBytes(
    encodeSubpacket(SUBPACKET.created, created),
    encodeSubpacket(SUBPACKET.issuerFingerprint, concatBytes(new Uint8Array([version]), fromHex(key.fingerprint))),
  );
  // rpm before 4.17 looks for the key id only; version 6 has no such field.
  const unhashedPart = version === 4 ? encodeSubpacket(SUBPACKET.issuer, fromHex(key.keyId)) : new Uint8Array(0);
  const area = (bytes: Uint8Array): Uint8Array => {
    const length = new Uint8Array(version === 4 ? 2 : 4);
    if (version === 4) new DataView(length.buffer).setUint16(0, bytes.length);
    else new DataView(length.buffer).setUint32(0, bytes.length);
    return concatBytes(length, bytes);
  };
  const head = new Uint8Array([version, options.text ? 0x01 : 0x00, key.algorithm, raw.hashAlgorithm]);
  const signed = concatBytes(head, area(hashedPart));
  // The salt need not be random, only unforeseeable to others: so the same input still gives the same bytes.
  const salt =
    version === 6
      ? digestOf(SHA512, raw.saltSeed, signed, digestOf(SHA512, data)).subarray(0, saltBytes(raw.hashAlgorithm))
      : new Uint8Array(0);
  const covered = concatBytes(salt, data, signed, signatureTrailer(version, signed.length));
  const material = await raw.sign(covered);
  const digestStart = digestOf(raw.hashAlgorithm, covered).subarray(0, 2);
  const saltField = version === 6 ? concatBytes(new Uint8Array([salt.length]), salt) : salt;
  return encodePacket(TAG_SIGNATURE, concatBytes(signed, area(unhashedPart), digestStart, saltField, material));
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

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=+$/, '');
}
