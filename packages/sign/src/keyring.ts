/**
 * A keyring: the keys that a caller trusts. There is no other trust here: no system keyring, no web of trust.
 *
 * Reference: RFC 9580, section 10.1
 */
import { type ArmorKind, isArmored, packetsOf } from './armor.js';
import { concatBytes, equalBytes } from './bytes.js';
import { type Certificate, namedRevokers, type Subkey, type UserId } from './certificate.js';
import { SignError } from './errors.js';
import {
  decodePackets,
  decodePublicKey,
  decodeSignature,
  keyAlgorithmName,
  type Packet,
  type PublicKeyPacket,
  type SignaturePacket,
  TAG_PUBLIC_KEY,
  TAG_PUBLIC_SUBKEY,
  TAG_SIGNATURE,
  TAG_USER_ATTRIBUTE,
  TAG_USER_ID,
} from './packet.js';
import { isSupportedKey } from './public-key.js';

/** A key of a keyring, for people. */
export interface KeyringKey {
  /** Lower-case hexadecimal. */
  readonly fingerprint: string;
  readonly keyId: string;
  readonly algorithm: string;
  readonly createdAt: Date;
  readonly userIds: readonly string[];
  readonly subkeys: readonly { readonly fingerprint: string; readonly keyId: string; readonly algorithm: string }[];
}

/** A key, a part of one or a whole source that was left out, and why. */
export interface SkippedKey {
  /** Place of the source among the arguments, from 0. */
  readonly source: number;
  readonly fingerprint?: string;
  readonly reason: string;
}

/** Bytes of key sources together: a keyring is not a database. */
const MAX_SOURCE_BYTES = 64 * 1024 * 1024;
const MAX_PACKETS_PER_KEY = 10_000;
const KEY_ARMOR: readonly ArmorKind[] = ['PUBLIC KEY BLOCK'];

/**
 * Keys to verify with. Immutable. Two sources with the same primary key count as one key with the packets of both,
 * so that a revocation in either is heeded. So is one by a revoker that the key named, when the revoker is in the keyring.
 */
export class Keyring {
  readonly keys: readonly KeyringKey[];
  /** What was left out: unknown versions and algorithms, broken packets. */
  readonly skipped: readonly SkippedKey[];
  readonly #sources: readonly (string | Uint8Array)[];
  readonly #certificates: readonly Certificate[];
  readonly #byKeyId = new Map<string, FoundKey[]>();

  private constructor(
    sources: readonly (string | Uint8Array)[],
    certificates: readonly Certificate[],
    skipped: readonly SkippedKey[],
  ) {
    this.#sources = sources;
    this.skipped = skipped;
    this.keys = certificates.map(describe);
    const parts = new Map<string, PublicKeyPacket>();
    for (const { primary, subkeys } of certificates) {
      for (const key of [primary, ...subkeys.map((subkey) => subkey.key)]) parts.set(key.fingerprint, key);
    }
    this.#certificates = certificates.map((certificate) => {
      const revokers = namedRevokers(certificate).flatMap((fingerprint) => parts.get(fingerprint) ?? []);
      return revokers.length === 0 ? certificate : { ...certificate, revokers };
    });
    for (const certificate of this.#certificates) {
      for (const key of [certificate.primary, ...certificate.subkeys.map((subkey) => subkey.key)]) {
        const found = this.#byKeyId.get(key.keyId) ?? [];
        found.push({ certificate, key });
        this.#byKeyId.set(key.keyId, found);
      }
    }
  }

  /**
   * A keyring from key files: armored text (any number of blocks) or binary packets. A file with a key that cannot be
   * used still gives its other keys; `skipped` says what was left out. No source gives an empty keyring.
   *
   * Throws SIGN_LIMIT past 64 MiB. Does not verify: a key that is expired, revoked or badly bound is in the keyring,
   * and signatures by it get the status that says so.
   */
  static from(...sources: readonly (string | Uint8Array)[]): Keyring {
    const total = sources.reduce((sum, source) => sum + source.length, 0);
    if (total > MAX_SOURCE_BYTES) {
      throw new SignError(
        { code: 'SIGN_LIMIT', what: 'bytes of keys', limit: MAX_SOURCE_BYTES, found: total },
        `keyring: at most ${MAX_SOURCE_BYTES} bytes of keys wanted, found ${total}`,
      );
    }
    const merged = new Map<string, Certificate>();
    const skipped: SkippedKey[] = [];
    for (const [index, source] of sources.entries()) {
      for (const certificate of readSource(source, index, skipped)) {
        const known = merged.get(certificate.primary.fingerprint);
        merged.set(certificate.primary.fingerprint, known ? mergeCertificates(known, certificate) : certificate);
      }
    }
    return new Keyring(sources, [...merged.values()], skipped);
  }

  /** @internal What the keyring was made from: another thread makes its own of it. */
  get sources(): readonly (string | Uint8Array)[] {
    return this.#sources;
  }

  /** @internal The certificates themselves, for this package. */
  get certificates(): readonly Certificate[] {
    return this.#certificates;
  }

  /** @internal Keys and subkeys that an issuer may mean: by fingerprint where there is one, else by key id. */
  find(issuer: { readonly fingerprint: string | undefined; readonly keyId: string | undefined }): readonly FoundKey[] {
    const keyId = issuer.fingerprint ? shortId(issuer.fingerprint) : issuer.keyId;
    const found = (keyId !== undefined && this.#byKeyId.get(keyId)) || [];
    return issuer.fingerprint ? found.filter(({ key }) => key.fingerprint === issuer.fingerprint) : found;
  }
}

/** A key or subkey, and the certificate it is part of. */
export interface FoundKey {
  readonly certificate: Certificate;
  readonly key: PublicKeyPacket;
}

function shortId(fingerprint: string): string {
  return fingerprint.length === 64 ? fingerprint.slice(0, 16) : fingerprint.slice(-16);
}

function describe(certificate: Certificate): KeyringKey {
  const { primary, userIds, subkeys } = certificate;
  return {
    fingerprint: primary.fingerprint,
    keyId: primary.keyId,
    algorithm: keyAlgorithmName(primary.algorithm),
    createdAt: primary.createdAt,
    userIds: userIds.map(({ text }) => text),
    subkeys: subkeys.map(({ key }) => ({
      fingerprint: key.fingerprint,
      keyId: key.keyId,
      algorithm: keyAlgorithmName(key.algorithm),
    })),
  };
}

function readSource(source: string | Uint8Array, index: number, skipped: SkippedKey[]): Certificate[] {
  let blocks: Uint8Array[];
  try {
    blocks = packetsOf(source, KEY_ARMOR);
  } catch (error) {
    skipped.push({ source: index, reason: (error as Error).message });
    return [];
  }
  if (blocks.length === 0) {
    const armored = typeof source === 'string' || isArmored(source);
    skipped.push({ source: index, reason: armored ? 'no armored public key in it' : 'no bytes in it' });
  }
  return blocks.flatMap((block) => readCertificates(block, index, skipped));
}

/** Every certificate of a run of packets. What follows a broken packet cannot be found again, so it is left out. */
export function readCertificates(bytes: Uint8Array, source: number, skipped: SkippedKey[]): Certificate[] {
  const groups: Packet[][] = [];
  try {
    for (const packet of decodePackets(bytes, 'key file')) {
      if (packet.tag === TAG_PUBLIC_KEY) groups.push([packet]);
      else if (groups.length > 0) groups.at(-1)!.push(packet);
      else skipped.push({ source, reason: `packet of kind ${packet.tag} before any public key` });
    }
  } catch (error) {
    skipped.push({ source, reason: (error as Error).message });
  }
  const certificates: Certificate[] = [];
  for (const group of groups) {
    const certificate = readCertificate(group, source, skipped);
    if (certificate) certificates.push(certificate);
  }
  return certificates;
}

function readCertificate(group: readonly Packet[], source: number, skipped: SkippedKey[]): Certificate | undefined {
  let primary: PublicKeyPacket;
  try {
    primary = decodePublicKey(group[0]!);
  } catch (error) {
    skipped.push({ source, reason: (error as Error).message });
    return undefined;
  }
  const { fingerprint } = primary;
  if (!isSupportedKey(primary)) {
    const reason = `${keyAlgorithmName(primary.algorithm)} keys cannot be used here`;
    skipped.push({ source, fingerprint, reason });
    return undefined;
  }
  if (group.length > MAX_PACKETS_PER_KEY) {
    skipped.push({ source, fingerprint, reason: `more than ${MAX_PACKETS_PER_KEY} packets in one key` });
    return undefined;
  }
  const signatures: SignaturePacket[] = [];
  const userIds: (UserId & { signatures: SignaturePacket[] })[] = [];
  const subkeys: (Subkey & { signatures: SignaturePacket[] })[] = [];
  let current: SignaturePacket[] | undefined = signatures;
  for (const packet of group.slice(1)) {
    if (packet.tag === TAG_SIGNATURE) {
      try {
        current?.push(decodeSignature(packet));
      } catch {
        // One signature that cannot be read takes nothing away from the others.
      }
    } else if (packet.tag === TAG_USER_ID || packet.tag === TAG_USER_ATTRIBUTE) {
      current = [];
      userIds.push(userIdOf(packet, current));
    } else if (packet.tag === TAG_PUBLIC_SUBKEY) {
      current = [];
      try {
        subkeys.push({ key: decodePublicKey(packet), signatures: current });
      } catch (error) {
        skipped.push({ source, fingerprint, reason: `subkey: ${(error as Error).message}` });
      }
    } else {
      // Unknown kinds (padding, trust, markers) and the signatures after them belong to nothing we use.
      current = undefined;
    }
  }
  return { primary, signatures, userIds, subkeys };
}

function userIdOf(packet: Packet, signatures: SignaturePacket[]): UserId & { signatures: SignaturePacket[] } {
  const isText = packet.tag === TAG_USER_ID;
  const prefix = new Uint8Array(5);
  prefix[0] = isText ? 0xb4 : 0xd1;
  new DataView(prefix.buffer).setUint32(1, packet.body.length);
  return {
    text: isText ? new TextDecoder().decode(packet.body) : 'user attribute',
    hashed: concatBytes(prefix, packet.body),
    raw: packet.body,
    signatures,
  };
}

/** One certificate with what both say. Signatures over the same user id or subkey go together. */
function mergeCertificates(a: Certificate, b: Certificate): Certificate {
  const userIds = a.userIds.map((userId) => ({ ...userId, signatures: [...userId.signatures] }));
  for (const userId of b.userIds) {
    const same = userIds.find((one) => equalBytes(one.hashed, userId.hashed));
    if (same) same.signatures.push(...userId.signatures);
    else userIds.push({ ...userId, signatures: [...userId.signatures] });
  }
  const subkeys = a.subkeys.map((subkey) => ({ ...subkey, signatures: [...subkey.signatures] }));
  for (const subkey of b.subkeys) {
    const same = subkeys.find((one) => one.key.fingerprint === subkey.key.fingerprint);
    if (same) same.signatures.push(...subkey.signatures);
    else subkeys.push({ ...subkey, signatures: [...subkey.signatures] });
  }
  return { primary: a.primary, signatures: [...a.signatures, ...b.signatures], userIds, subkeys };
}
