/**
 * A signature packet put together around what a key makes of a digest, wherever that key is: in memory, or behind a
 * service that knows nothing of OpenPGP.
 *
 * Reference: RFC 9580, sections 5.2.3 and 5.2.4
 */
import type { Abortable } from '@distrokit/rpm';
import { concatBytes, fromHex } from './bytes.js';
import { type Certificate, primaryState, signingVerdict, subkeyState } from './certificate.js';
import { SignError } from './errors.js';
import { digestOf, SHA256, SHA512 } from './hash.js';
import { type FoundKey, Keyring } from './keyring.js';
import { encodeMpi, encodePacket, type PublicKeyPacket, saltBytes, signatureTrailer, TAG_SIGNATURE } from './packet.js';
import { checkArithmetic, curveName } from './public-key.js';
import { decodeSingleSignature } from './signature-status.js';
import { type Signer, type SignOptions, signerFailed, wholeSeconds } from './signer.js';
import { encodeSubpacket, SUBPACKET } from './subpacket.js';

/** What a key service is asked to sign. */
export interface DigestRequest extends Abortable {
  /** Of `digest`. */
  readonly hash: 'sha256' | 'sha512';
  readonly digest: Uint8Array;
}

/**
 * A signer over a service that signs digests: a cloud key service, a token, another machine.
 *
 * `publicKey` is the OpenPGP public key, armored or binary, that belongs to the private one. `sign` gives the raw
 * signature: RSA in PKCS #1 v1.5 with the length of the modulus; ECDSA as both numbers, each as long as the curve's;
 * EdDSA and Ed25519 as 64 bytes over the digest. What it gives is checked before it is used. Version 6 keys need
 * `saltSeed`: bytes that others cannot know, the same each time for the same bytes out.
 *
 * Throws SIGN_BAD_KEY when no part of the public key may sign.
 */
export function digestSigner(
  publicKey: string | Uint8Array,
  sign: (request: DigestRequest) => Promise<Uint8Array>,
  options: { readonly fingerprint?: string; readonly saltSeed?: Uint8Array } = {},
): Signer {
  const { certificate, key } = chooseSigningKey(publicKey, options.fingerprint);
  const hashAlgorithm = signatureHash(key);
  if (key.version === 6 && !options.saltSeed) throw new TypeError('"saltSeed" is needed for a key of version 6');
  const hash = hashAlgorithm === SHA512 ? 'sha512' : 'sha256';
  return {
    fingerprint: key.fingerprint,
    sign: async (data, signOptions) => {
      let digest = new Uint8Array(0);
      const raw: RawSigner = {
        hashAlgorithm,
        saltSeed: options.saltSeed ?? digest,
        sign: async (covered) => {
          digest = digestOf(hashAlgorithm, covered) as Uint8Array<ArrayBuffer>;
          const { signal } = signOptions;
          return rawToMaterial(key, await sign({ hash, digest, ...(signal ? { signal } : {}) }));
        },
      };
      const bytes = await signWith(certificate, key, raw, data, signOptions);
      if (checkArithmetic(key, decodeSingleSignature(bytes), { digest }) !== 'good') {
        throw signerFailed(key, 'a signature by this key', 'one that does not match it');
      }
      return bytes;
    },
  };
}

/** Signs covered bytes that were put together already; gives the algorithm's own fields. */
export interface RawSigner {
  readonly hashAlgorithm: number;
  /** Secret; makes salts that nobody else can foretell. */
  readonly saltSeed: Uint8Array;
  sign(covered: Uint8Array): Promise<Uint8Array>;
}

/** One signature. Refuses with SIGN_SIGNER_FAILED where the key is expired, revoked or not yet made. */
export async function signWith(
  certificate: Certificate,
  key: PublicKeyPacket,
  raw: RawSigner,
  data: Uint8Array,
  options: SignOptions,
): Promise<Uint8Array> {
  options.signal?.throwIfAborted();
  const signedAt = wholeSeconds(options.signedAt);
  const verdict = signingVerdict(certificate, key, { signedAt, at: signedAt });
  if (verdict.status !== 'good') throw signerFailed(key, 'a key that may sign at that time', verdict.reason);
  return encodeSignature(key, raw, data, { ...options, signedAt });
}

/**
 * The key or subkey to sign with: the one asked for, else the primary key if it may sign, else the first subkey that
 * may. Flags decide, whatever the time: when it signs, the key is looked at again.
 *
 * Throws SIGN_BAD_KEY.
 */
export function chooseSigningKey(publicKey: string | Uint8Array, fingerprint: string | undefined): FoundKey {
  const certificate = Keyring.from(publicKey).certificates[0];
  if (!certificate) throw badKey('a public key of a known algorithm', 'none that can be used here');
  const latest = new Date(8.64e15);
  const parts = [
    { key: certificate.primary, state: primaryState(certificate, latest) },
    ...certificate.subkeys.map((subkey) => ({ key: subkey.key, state: subkeyState(certificate, subkey, latest) })),
  ];
  const wanted = fingerprint?.toLowerCase();
  const found = parts.find(({ key, state }) => state.maySign && (wanted === undefined || key.fingerprint === wanted));
  if (!found) throw badKey(`a part that may sign${wanted ? ` with fingerprint ${wanted}` : ''}`, 'none in this key');
  return { certificate, key: found.key };
}

/** A hash as long as the key deserves: RFC 9580 asks for no less than the numbers of the curve. */
export function signatureHash(key: PublicKeyPacket): number {
  if (key.version === 6 || key.algorithm === 28) return SHA512;
  const curve = key.algorithm === 19 ? curveName(key.material) : undefined;
  return curve === undefined || curve === 'nistp256' || curve === 'brainpoolP256r1' ? SHA256 : SHA512;
}

/** The fields of a signature packet from what cryptographic libraries give. */
export function rawToMaterial(key: PublicKeyPacket, raw: Uint8Array): Uint8Array {
  if (key.algorithm === 1 || key.algorithm === 3) return encodeMpi(raw);
  if (key.algorithm !== 19 && key.algorithm !== 22) return raw;
  return concatBytes(encodeMpi(raw.subarray(0, raw.length / 2)), encodeMpi(raw.subarray(raw.length / 2)));
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
  return new SignError({ code: 'SIGN_BAD_KEY', wanted, found }, `key: wanted ${wanted}, found ${found}`);
}
