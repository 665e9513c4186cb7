/**
 * The verdict about one OpenPGP signature: who made it, over what, and whether it counts.
 *
 * Reference: RFC 9580, section 5.2; rpm, lib/rpmvs.cc for what a client makes of each answer
 */
import { signingVerdict, weakKey } from './certificate.js';
import { type CoveredHasher, createCoveredHasher, hashName, isBrokenHash } from './hash.js';
import type { FoundKey, Keyring } from './keyring.js';
import {
  algorithmName,
  decodePackets,
  decodeSignature,
  keyAlgorithmName,
  type SignaturePacket,
  TAG_SIGNATURE,
} from './packet.js';
import { checkArithmetic, isSupportedAlgorithm } from './public-key.js';
import { find, SUBPACKET, unknownCritical } from './subpacket.js';

/** What is known about a signature whatever the verdict. */
export interface SignatureFacts {
  /** Version of the signature packet: 3, 4 or 6; absent when it could not be read. */
  readonly version?: number;
  /** Hash function, for instance `SHA256`. */
  readonly hash?: string;
  /** Claimed by the signature: 16 hexadecimal digits. */
  readonly keyId?: string;
  /** Claimed by the signature; protected by it except in version 3. */
  readonly signedAt?: Date;
  /** Why, for people; present unless the status is `verified`. */
  readonly reason?: string;
}

/**
 * `verified`: intact, made by a key of the keyring that was good when it signed and is good at the instant asked
 * about, with algorithms that still count.
 *
 * `rejected-algorithm`: intact, but made with MD5, SHA-1, RIPEMD-160, DSA or RSA below 2048 bits.
 * `unknown-format`: a version, algorithm or vital field that nobody here understands. It may be a good signature.
 */
export type SignatureStatus = SignatureFacts &
  (
    | { readonly status: 'verified'; readonly fingerprint: string; readonly signedAt: Date; readonly algorithm: string }
    | { readonly status: 'unknown-key'; readonly keyId: string; readonly algorithm: string }
    | {
        readonly status: 'expired-key' | 'revoked-key' | 'key-cannot-sign' | 'bad-signature';
        /** Empty when the signature is too damaged to name its key. */
        readonly fingerprint: string;
        readonly algorithm: string;
      }
    | { readonly status: 'rejected-algorithm' | 'unknown-format'; readonly algorithm: string }
  );

/** A signature that was read and waits for the bytes it covers. */
export interface PendingSignature {
  readonly packet: SignaturePacket | undefined;
  /** Takes the covered bytes, in any chunks; nothing to do when the answer does not depend on them. */
  update(bytes: Uint8Array): void;
  /** To be called once, after the last byte. */
  finish(keyring: Keyring, at: Date): SignatureStatus;
}

/**
 * Begins to check one binary signature packet. Bytes that are no such packet give a signature whose status says so.
 *
 * `types` are the signature types that fit the data: 0x00 for binary, 0x01 for text (canonical line ends are the
 * caller's task). `packet` is what `readSingleSignature` made of the bytes, where that is known already.
 */
export function beginSignature(
  bytes: Uint8Array,
  types: readonly number[] = [0x00],
  packet: SignaturePacket | string = readSingleSignature(bytes),
): PendingSignature {
  if (typeof packet === 'string') return settled(undefined, unreadable(bytes, packet));
  const facts = factsOf(packet);
  const algorithm = algorithmName(packet.keyAlgorithm, packet.hashAlgorithm);
  if (!types.includes(packet.type)) {
    const reason = `a signature of type 0x${packet.type.toString(16).padStart(2, '0')} does not cover files`;
    return settled(packet, { ...facts, status: 'bad-signature', fingerprint: '', algorithm, reason });
  }
  const critical = unknownCritical(packet.hashed);
  if (critical !== undefined) {
    const reason = `its subpacket ${critical} is vital to the signer and unknown here`;
    return settled(packet, { ...facts, status: 'unknown-format', algorithm, reason });
  }
  const hasher = createCoveredHasher(packet.keyAlgorithm, packet.hashAlgorithm);
  if (!hasher || !isSupportedAlgorithm(packet.keyAlgorithm)) {
    const reason = hasher
      ? `${algorithmWord(packet)} cannot be checked here`
      : `${hashName(packet.hashAlgorithm)} is unknown here`;
    return settled(packet, { ...facts, status: 'unknown-format', algorithm, reason });
  }
  hasher.update(packet.salt);
  return {
    packet,
    update: (chunk) => hasher.update(chunk),
    finish: (keyring, at) => judge(packet, hasher, facts, algorithm, keyring, at),
  };
}

/** Whether a signature stands in the way of `ok` although another one is verified: rpm refuses such a package. */
export function isObstacle({ status }: { readonly status: string }): boolean {
  return status === 'bad-signature' || status === 'unknown-key';
}

/** The one signature packet of `bytes`. Throws SIGN_BAD_PACKET, also when anything follows it. */
export function decodeSingleSignature(bytes: Uint8Array): SignaturePacket {
  const [first, second] = decodePackets(bytes, 'signature');
  if (first?.tag !== TAG_SIGNATURE)
    throw new Error(`a signature packet wanted, found ${first ? `kind ${first.tag}` : 'nothing'}`);
  if (second) throw new Error(`one packet wanted, found another of kind ${second.tag} after it`);
  return decodeSignature(first);
}

/** The one signature packet of `bytes`, or why there is none. */
export function readSingleSignature(bytes: Uint8Array): SignaturePacket | string {
  try {
    return decodeSingleSignature(bytes);
  } catch (error) {
    return (error as Error).message;
  }
}

function judge(
  packet: SignaturePacket,
  hasher: CoveredHasher,
  facts: SignatureFacts,
  algorithm: string,
  keyring: Keyring,
  at: Date,
): SignatureStatus {
  const { keyId, createdAt: signedAt, issuerFingerprint } = packet;
  hasher.update(packet.trailer);
  const covered = hasher.finish();
  const candidates = keyring.find({ fingerprint: issuerFingerprint, keyId });
  const bad = (fingerprint: string): SignatureStatus => {
    const reason = 'it does not match what it covers';
    return { ...facts, status: 'bad-signature', fingerprint, algorithm, reason };
  };
  // The packet repeats two bytes of the digest: other bytes are damage, whoever the key belongs to.
  if (packet.digestStart[0] !== covered.digest[0] || packet.digestStart[1] !== covered.digest[1]) {
    return bad(candidates[0]?.key.fingerprint ?? issuerFingerprint ?? '');
  }
  if (candidates.length === 0) {
    return { ...facts, status: 'unknown-key', keyId: keyId ?? '', algorithm, reason: 'no key of the keyring made it' };
  }
  const answers = candidates.map((found) => ({ found, answer: checkArithmetic(found.key, packet, covered) }));
  const good = answers.find(({ answer }) => answer === 'good');
  if (!good && answers.every(({ answer }) => answer === 'unsupported')) {
    return { ...facts, status: 'unknown-format', algorithm, reason: `${algorithmWord(packet)} cannot be checked here` };
  }
  if (!good) return bad(candidates[0]!.key.fingerprint);
  return judgeKey(good.found, packet, facts, algorithm, signedAt, at);
}

/** The numbers are right: do the algorithms, the times and the key count? */
function judgeKey(
  found: FoundKey,
  packet: SignaturePacket,
  facts: SignatureFacts,
  algorithm: string,
  signedAt: Date | undefined,
  at: Date,
): SignatureStatus {
  const { fingerprint } = found.key;
  const bad = (reason: string): SignatureStatus => ({
    ...facts,
    status: 'bad-signature',
    fingerprint,
    algorithm,
    reason,
  });
  if (contradictoryIssuer(packet, found.key.keyId)) return bad('it names two different keys as its maker');
  if (!signedAt) return bad('it does not say when it was made');
  if (signedAt > at) return bad(`it is dated ${signedAt.toISOString()}, after the instant asked about`);
  const expires = find(packet.hashed, SUBPACKET.signatureExpires, 4);
  const seconds = expires ? new DataView(expires.buffer, expires.byteOffset, 4).getUint32(0) : 0;
  const end = new Date(signedAt.getTime() + seconds * 1000);
  if (seconds !== 0 && end <= at) return bad(`it expired ${end.toISOString()}`);
  const weak = weakKey(found.key) ?? (isBrokenHash(packet.hashAlgorithm) ? hashName(packet.hashAlgorithm) : undefined);
  if (weak !== undefined) {
    return { ...facts, status: 'rejected-algorithm', algorithm, reason: `intact, but ${weak} no longer counts` };
  }
  const verdict = signingVerdict(found.certificate, found.key, { signedAt, at });
  if (verdict.status !== 'good') return { ...facts, ...verdict, fingerprint, algorithm };
  return { ...facts, status: 'verified', fingerprint, signedAt, algorithm };
}

/** Issuer fields outside the signed part are a hint that anyone may change; a client may follow the other one. */
function contradictoryIssuer(packet: SignaturePacket, keyId: string): boolean {
  return packet.issuerHints.some((hint) => hint !== keyId);
}

function factsOf(packet: SignaturePacket): SignatureFacts {
  return {
    version: packet.version,
    hash: hashName(packet.hashAlgorithm),
    ...(packet.keyId === undefined ? {} : { keyId: packet.keyId }),
    ...(packet.createdAt === undefined ? {} : { signedAt: packet.createdAt }),
  };
}

function unreadable(bytes: Uint8Array, reason: string): SignatureStatus {
  // A version that nobody here knows is not damage: say so, and never that the package is unsigned.
  let version: number | undefined;
  try {
    const [first] = decodePackets(bytes);
    if (first?.tag === TAG_SIGNATURE) version = first.body[0];
  } catch {
    version = undefined;
  }
  if (version !== undefined && ![2, 3, 4, 6].includes(version)) {
    return { status: 'unknown-format', version, algorithm: `OpenPGP signature of version ${version}`, reason };
  }
  return { status: 'bad-signature', fingerprint: '', algorithm: 'unknown', reason };
}

function settled(packet: SignaturePacket | undefined, status: SignatureStatus): PendingSignature {
  return { packet, update: () => {}, finish: () => status };
}

function algorithmWord(packet: SignaturePacket): string {
  return keyAlgorithmName(packet.keyAlgorithm);
}
