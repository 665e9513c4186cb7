/**
 * A certificate: a primary key with user ids and subkeys, each tied to it by signatures. Decoding says what the
 * packets claim; `signingVerdict` says what holds at an instant.
 *
 * A key revokes itself, or is revoked by a key that it once named as its revoker: whoever lost the one may hold the other.
 * A subkey counts only with a binding by the primary key and, since a signing subkey could be claimed by anyone, a
 * signature back by the subkey itself. What is not self-signed is ignored.
 *
 * Reference: RFC 9580, sections 5.2.1, 5.2.4 and 10.1
 */
import { toHex } from './bytes.js';
import { createCoveredHasher, hashName, isKnownHash } from './hash.js';
import { decodeSignature, type PublicKeyPacket, type SignaturePacket, TAG_SIGNATURE } from './packet.js';
import { checkArithmetic, isSupportedKey, keyBits } from './public-key.js';
import { find, SUBPACKET, unknownCritical } from './subpacket.js';

/** A user id or user attribute with the signatures over it. */
export interface UserId {
  readonly text: string;
  /** As hashed in a signature over it. */
  readonly hashed: Uint8Array;
  readonly raw: Uint8Array;
  readonly signatures: readonly SignaturePacket[];
}

/** A subkey with the signatures over it. */
export interface Subkey {
  readonly key: PublicKeyPacket;
  readonly signatures: readonly SignaturePacket[];
}

/** What the packets of one certificate claim. */
export interface Certificate {
  readonly primary: PublicKeyPacket;
  /** Over the primary key alone: direct-key signatures and revocations. */
  readonly signatures: readonly SignaturePacket[];
  readonly userIds: readonly UserId[];
  readonly subkeys: readonly Subkey[];
  /** Keys of the keyring that self-signatures name as revokers. Whether such a self-signature holds is asked when it matters. */
  readonly revokers?: readonly PublicKeyPacket[];
}

/** Whether a key may have made a signature. */
export type KeyVerdict =
  | { readonly status: 'good' }
  | { readonly status: 'expired-key' | 'revoked-key' | 'key-cannot-sign'; readonly reason: string };

/** What holds about one key of a certificate at an instant. */
export interface KeyState {
  /** The newest valid binding (subkey) or self-signature (primary key). */
  readonly binding: SignaturePacket | undefined;
  readonly expiresAt: Date | undefined;
  readonly revocations: readonly SignaturePacket[];
  /** Flags say it, or there are no flags and the algorithm can. */
  readonly maySign: boolean;
  /** Why there is no binding, or why it does not count. */
  readonly fault: string | undefined;
}

/** When SHA-1 in self-signatures counts: from before 2023, or as in clients that never stopped to take it. */
export type Sha1Rule = 'early' | 'always';

/** The fault of a signing subkey that does not say itself whose it is. */
export const NO_CROSS_SIGNATURE = 'no valid signature back by the subkey';

/** What a signature over keys covers. */
type SignedData = (signature: SignaturePacket) => readonly Uint8Array[];

/** SHA-1 in a self-signature is taken from before this day only: the day after which Sequoia refuses it too. */
const SHA1_SELF_SIGNATURES_END = Date.UTC(2023, 1, 1);
/** Signatures of one kind that are tried, newest first: more is a flood, not a key. */
const MAX_TRIES = 64;
const BINDING_TYPES: readonly number[] = [0x10, 0x11, 0x12, 0x13];

/**
 * Whether `key` of this certificate may have signed at `signedAt`, asked at `at`. It must have been good then and be
 * good now: a caller who wants to know about the past passes an earlier `at`.
 */
export function signingVerdict(
  certificate: Certificate,
  key: PublicKeyPacket,
  instants: { readonly signedAt: Date; readonly at: Date },
): KeyVerdict {
  const { signedAt, at } = instants;
  const primary = primaryState(certificate, at);
  const states: [PublicKeyPacket, KeyState][] = [[certificate.primary, primary]];
  const subkey = certificate.subkeys.find((one) => one.key === key);
  if (subkey) states.push([subkey.key, subkeyState(certificate, subkey, at)]);
  const own = states.at(-1)![1];
  for (const [part, state] of states) {
    const revocation = state.revocations.find((one) => isRevokedBy(one, signedAt, at));
    if (revocation) return { status: 'revoked-key', reason: `${nameOf(part)} is revoked` };
  }
  for (const [part, state] of states) {
    if (state.fault !== undefined) return { status: 'key-cannot-sign', reason: `${nameOf(part)}: ${state.fault}` };
  }
  for (const [part, state] of states) {
    if (part.createdAt > signedAt) {
      return { status: 'key-cannot-sign', reason: `${nameOf(part)} was made after the signature` };
    }
    const end = state.expiresAt;
    if (end && (end <= at || end <= signedAt)) {
      return { status: 'expired-key', reason: `${nameOf(part)} expired ${end.toISOString()}` };
    }
  }
  if (!own.maySign) return { status: 'key-cannot-sign', reason: `${nameOf(key)} is not meant for signing` };
  return { status: 'good' };
}

/** The state of the primary key at an instant. */
export function primaryState(certificate: Certificate, at: Date, sha1: Sha1Rule = 'early'): KeyState {
  return remembered(certificate.primary, certificate, at, sha1, () => findPrimaryState(certificate, at, sha1));
}

/** The state of a subkey at an instant; says nothing about its primary key. */
export function subkeyState(certificate: Certificate, subkey: Subkey, at: Date, sha1: Sha1Rule = 'early'): KeyState {
  return remembered(subkey.key, certificate, at, sha1, () => findSubkeyState(certificate, subkey, at, sha1));
}

interface Remembered {
  readonly certificate: Certificate;
  readonly at: number;
  readonly sha1: Sha1Rule;
  readonly state: KeyState;
}

const lastStates = new WeakMap<PublicKeyPacket, Remembered>();

/** The last state of each key is kept: many signatures are asked about at one instant. */
function remembered(
  key: PublicKeyPacket,
  certificate: Certificate,
  at: Date,
  sha1: Sha1Rule,
  compute: () => KeyState,
): KeyState {
  const last = lastStates.get(key);
  if (last?.certificate === certificate && last.at === at.getTime() && last.sha1 === sha1) return last.state;
  const state = compute();
  lastStates.set(key, { certificate, at: at.getTime(), sha1, state });
  return state;
}

function findPrimaryState(certificate: Certificate, at: Date, sha1: Sha1Rule): KeyState {
  const { primary } = certificate;
  const revocations = certificate.signatures.filter(
    (signature) => signature.type === 0x20 && isRevocation(certificate, signature, () => [primary.hashed]),
  );
  const faults: string[] = [];
  let newest: SignaturePacket | undefined;
  const consider = (signatures: readonly SignaturePacket[], types: readonly number[], data: SignedData): void => {
    const found = newestValid(certificate, signatures, types, data, at, faults, sha1);
    if (found && (!newest || found.createdAt! > newest.createdAt!)) newest = found;
  };
  consider(certificate.signatures, [0x1f], () => [primary.hashed]);
  for (const userId of certificate.userIds) {
    // A version 3 signature covers the user id without its length.
    const data = ({ version }: SignaturePacket): Uint8Array[] => [
      primary.hashed,
      version === 3 ? userId.raw : userId.hashed,
    ];
    const revoked = newestValid(certificate, userId.signatures, [0x30], data, at, [], sha1);
    const bound = newestValid(certificate, userId.signatures, BINDING_TYPES, data, at, faults, sha1);
    if (bound && !(revoked && revoked.createdAt! >= bound.createdAt!)) consider([bound], BINDING_TYPES, data);
  }
  return {
    binding: newest,
    expiresAt: newest && expiryOf(primary, newest),
    revocations,
    maySign: newest !== undefined && maySign(primary, newest),
    fault: newest ? undefined : (faults[0] ?? 'no valid self-signature'),
  };
}

function findSubkeyState(certificate: Certificate, subkey: Subkey, at: Date, sha1: Sha1Rule): KeyState {
  const data = (): Uint8Array[] => [certificate.primary.hashed, subkey.key.hashed];
  const revocations = subkey.signatures.filter(
    (signature) => signature.type === 0x28 && isRevocation(certificate, signature, data),
  );
  const faults: string[] = [];
  const binding = newestValid(certificate, subkey.signatures, [0x18], data, at, faults, sha1);
  const sign = binding !== undefined && maySign(subkey.key, binding);
  let fault = binding ? undefined : (faults[0] ?? 'no valid binding signature');
  if (binding && sign && !isCrossSigned(certificate, subkey, binding, sha1)) fault = NO_CROSS_SIGNATURE;
  return { binding, expiresAt: binding && expiryOf(subkey.key, binding), revocations, maySign: sign, fault };
}

/** Why a self-signature's hash does not count, `undefined` when it does. */
export function weakSelfSignature(signature: SignaturePacket, sha1: Sha1Rule = 'early'): string | undefined {
  const { hashAlgorithm } = signature;
  if (!isKnownHash(hashAlgorithm)) return `its self-signature uses unknown hash ${hashAlgorithm}`;
  const early =
    sha1 === 'always' ||
    (signature.createdAt !== undefined && signature.createdAt.getTime() < SHA1_SELF_SIGNATURES_END);
  if (hashAlgorithm === 1 || hashAlgorithm === 3 || (hashAlgorithm === 2 && !early)) {
    return `its self-signature uses ${hashName(hashAlgorithm)}`;
  }
  return undefined;
}

/**
 * Fingerprints of the keys that self-signatures name as revokers; claims, which `primaryState` and `subkeyState` check. gpg
 * believes direct-key signatures only; the standard allows any self-signature, and heeding more revocations is the safe side.
 */
export function namedRevokers(certificate: Certificate): string[] {
  return selfSignatures(certificate).flatMap(([signature]) => revokersIn(signature));
}

/** Self-signatures that may name a revoker, each with what it covers. */
function selfSignatures({ primary, signatures, userIds }: Certificate): [SignaturePacket, SignedData][] {
  return [
    ...signatures
      .filter(({ type }) => type === 0x1f)
      .map((one): [SignaturePacket, SignedData] => [one, () => [primary.hashed]]),
    ...userIds.flatMap((userId) =>
      userId.signatures
        .filter(({ type }) => BINDING_TYPES.includes(type))
        .map((one): [SignaturePacket, SignedData] => [one, () => [primary.hashed, userId.hashed]]),
    ),
  ];
}

/** A class with its highest bit set, an algorithm, a fingerprint of version 4. */
function revokersIn({ hashed }: SignaturePacket): string[] {
  return hashed.flatMap(({ type, data }) =>
    type === SUBPACKET.revocationKey && data.length === 22 && data[0]! >= 0x80 ? [toHex(data.subarray(2))] : [],
  );
}

/** Whether this revocation is by the primary key itself or by a revoker that it named. */
function isRevocation(certificate: Certificate, signature: SignaturePacket, data: SignedData): boolean {
  if (holds(certificate, signature, data, certificate.primary)) return true;
  return (certificate.revokers ?? []).some(
    (revoker) =>
      (signature.keyId === undefined || signature.keyId === revoker.keyId) &&
      holds(certificate, signature, data, revoker) &&
      selfSignatures(certificate).some(
        ([one, covered]) =>
          revokersIn(one).includes(revoker.fingerprint) && holds(certificate, one, covered, certificate.primary),
      ),
  );
}

/** A revocation for an unknown or a bad reason (compromise) reaches back; superseded or retired keys were good before. */
function isRevokedBy(revocation: SignaturePacket, signedAt: Date, at: Date): boolean {
  const reason = find(revocation.hashed, SUBPACKET.revocationReason)?.[0];
  const soft = reason === 1 || reason === 3 || reason === 32;
  const { createdAt } = revocation;
  return !soft || !createdAt || createdAt <= signedAt || createdAt <= at;
}

/** Bits below 2048 for RSA; any DSA: kept in one place, since keys, signatures and key checks ask. */
export function weakKey(key: PublicKeyPacket): string | undefined {
  if (key.algorithm === 17) return 'DSA';
  const bits = keyBits(key);
  return bits !== undefined && bits < 2048 ? `RSA of ${bits} bits` : undefined;
}

function nameOf(key: PublicKeyPacket): string {
  return `${key.isSubkey ? 'subkey' : 'key'} ${key.keyId}`;
}

function expiryOf(key: PublicKeyPacket, binding: SignaturePacket): Date | undefined {
  const data = find(binding.hashed, SUBPACKET.keyExpires, 4);
  const seconds = data && new DataView(data.buffer, data.byteOffset, 4).getUint32(0);
  return seconds ? new Date(key.createdAt.getTime() + seconds * 1000) : undefined;
}

function maySign(key: PublicKeyPacket, binding: SignaturePacket): boolean {
  const canSign = isSupportedKey(key);
  const flags = find(binding.hashed, SUBPACKET.keyFlags);
  // Old certificates carry no flags: then the algorithm decides, as it did when they were made.
  return canSign && (flags === undefined || ((flags[0] ?? 0) & 0x02) !== 0);
}

function newestValid(
  certificate: Certificate,
  signatures: readonly SignaturePacket[],
  types: readonly number[],
  data: SignedData,
  at: Date,
  faults: string[],
  sha1: Sha1Rule,
): SignaturePacket | undefined {
  const candidates = signatures
    .filter((one) => types.includes(one.type) && one.createdAt !== undefined && one.createdAt <= at)
    .sort((a, b) => b.createdAt!.getTime() - a.createdAt!.getTime())
    .slice(0, MAX_TRIES);
  if (candidates.length === 0 && signatures.some((one) => types.includes(one.type))) faults.push('not yet valid');
  for (const candidate of candidates) {
    const weak = weakSelfSignature(candidate, sha1);
    if (weak !== undefined) {
      faults.push(weak);
      continue;
    }
    const expires = find(candidate.hashed, SUBPACKET.signatureExpires, 4);
    const seconds = expires ? new DataView(expires.buffer, expires.byteOffset, 4).getUint32(0) : 0;
    if (seconds !== 0 && candidate.createdAt!.getTime() + seconds * 1000 <= at.getTime()) {
      faults.push('its self-signature expired');
      continue;
    }
    if (holds(certificate, candidate, data, certificate.primary)) return candidate;
  }
  return undefined;
}

/** A signing subkey must say itself that it belongs to the primary key. */
function isCrossSigned(certificate: Certificate, subkey: Subkey, binding: SignaturePacket, sha1: Sha1Rule): boolean {
  const known = crossSigned[sha1].get(binding);
  if (known !== undefined) return known;
  const embedded = [...binding.hashed, ...binding.unhashed].filter((sub) => sub.type === SUBPACKET.embeddedSignature);
  const good = embedded.slice(0, MAX_TRIES).some((sub) => {
    try {
      const back = decodeSignature({ tag: TAG_SIGNATURE, body: sub.data, offset: 0 });
      const data = (): Uint8Array[] => [certificate.primary.hashed, subkey.key.hashed];
      return (
        back.type === 0x19 && weakSelfSignature(back, sha1) === undefined && holds(certificate, back, data, subkey.key)
      );
    } catch {
      return false;
    }
  });
  crossSigned[sha1].set(binding, good);
  return good;
}

const crossSigned: Readonly<Record<Sha1Rule, WeakMap<SignaturePacket, boolean>>> = {
  early: new WeakMap(),
  always: new WeakMap(),
};
const verified = new WeakMap<PublicKeyPacket, WeakMap<SignaturePacket, boolean>>();

/** Whether the numbers of a signature over key data are right. Answers are kept: a keyring checks each once. */
function holds(certificate: Certificate, signature: SignaturePacket, data: SignedData, by: PublicKeyPacket): boolean {
  let answers = verified.get(by);
  if (!answers) {
    answers = new WeakMap();
    verified.set(by, answers);
  }
  const known = answers.get(signature);
  if (known !== undefined) return known;
  let good = false;
  if (
    unknownCritical(signature.hashed) === undefined &&
    (by !== certificate.primary || isOwn(certificate, signature))
  ) {
    const hasher = createCoveredHasher(signature.keyAlgorithm, signature.hashAlgorithm);
    if (hasher) {
      for (const part of [signature.salt, ...data(signature), signature.trailer]) hasher.update(part);
      good = checkArithmetic(by, signature, hasher.finish()) === 'good';
    }
  }
  answers.set(signature, good);
  return good;
}

function isOwn(certificate: Certificate, signature: SignaturePacket): boolean {
  return signature.keyId === undefined || signature.keyId === certificate.primary.keyId;
}
