/**
 * Will this key work on the machines of users? Per client family: works or not, why not, and what to do.
 *
 * The rules are data, one row a family: what its rpm and its repository code take. Package signatures are judged; what
 * only concerns signed repodata is a warning that says so. `scripts/judge-newer-keys.ts` holds them against those rpms.
 *
 * Reference: rpm 4.14 (EL8), 4.16 (EL9), 4.14 with SUSE's patches: built-in OpenPGP parser; rpm 4.19 (EL10), 6 (Fedora):
 * Sequoia with the policy of the distribution
 */
import { isArmored } from './armor.js';
import {
  type Certificate,
  type KeyState,
  NO_CROSS_SIGNATURE,
  primaryState,
  type Subkey,
  subkeyState,
  weakSelfSignature,
} from './certificate.js';
import { hashName } from './hash.js';
import { Keyring } from './keyring.js';
import { keyAlgorithmName, type PublicKeyPacket, type SignaturePacket } from './packet.js';
import { curveName, keyBits } from './public-key.js';

/** A client family: EL is RHEL and its rebuilds, SUSE is SLE 15 and Leap 15. */
export type Client = 'el8' | 'el9' | 'el10' | 'fedora' | 'suse';

/** All of them, oldest first. */
export const allClients: readonly Client[] = ['el8', 'suse', 'el9', 'el10', 'fedora'];

/** Something about a key that a client minds. */
export interface KeyProblem {
  /** Of the certificate's primary key; empty when it concerns the file. */
  readonly fingerprint: string;
  readonly kind:
    | 'not-armored'
    | 'unknown-key'
    | 'algorithm'
    | 'weak-key'
    | 'weak-self-signature'
    | 'no-self-signature'
    | 'no-cross-signature'
    | 'revoked'
    | 'expired'
    | 'expires-soon'
    | 'not-yet-valid'
    | 'prolonged'
    | 'cannot-sign'
    | 'signs-with-subkey';
  /** `stops`: packages signed by this key are refused. `warns`: they are taken, but something else may go wrong. */
  readonly severity: 'stops' | 'warns';
  readonly reason: string;
  readonly remedy: string;
}

/** The verdict for one client family. */
export interface ClientVerdict {
  readonly client: Client;
  /** At least one certificate of the file can be imported and its signatures are accepted. */
  readonly works: boolean;
  /** Primary fingerprints of the certificates that work. */
  readonly usable: readonly string[];
  readonly problems: readonly KeyProblem[];
}

interface ClientRules {
  /** Numbers of OpenPGP public-key algorithms. */
  readonly algorithms: readonly number[];
  readonly versions: readonly number[];
  readonly minRsaBits: number;
  readonly sha1SelfSignatures: boolean;
  /** Whether signatures are refused that a key made after its end. */
  readonly expiry: boolean;
  /** Whether repodata signed by a subkey is accepted everywhere. */
  readonly subkeyRepodata: boolean;
  /** Whether a signing subkey must say itself that it belongs to its primary key. */
  readonly crossSignatures: boolean;
  /** Whether a file with one unknown key is imported without an error. */
  readonly mixedFiles: boolean;
}

const rsa = [1, 3];
const clientRules: Readonly<Record<Client, ClientRules>> = {
  el8: {
    algorithms: rsa,
    versions: [4],
    minRsaBits: 1024,
    sha1SelfSignatures: true,
    expiry: false,
    subkeyRepodata: true,
    crossSignatures: false,
    mixedFiles: false,
  },
  suse: {
    algorithms: [...rsa, 22],
    versions: [4],
    minRsaBits: 1024,
    sha1SelfSignatures: true,
    expiry: false,
    subkeyRepodata: true,
    crossSignatures: false,
    mixedFiles: false,
  },
  el9: {
    algorithms: rsa,
    versions: [4],
    minRsaBits: 2048,
    sha1SelfSignatures: false,
    expiry: false,
    subkeyRepodata: true,
    crossSignatures: false,
    mixedFiles: false,
  },
  el10: {
    algorithms: [...rsa, 19, 22],
    versions: [4],
    minRsaBits: 2048,
    sha1SelfSignatures: false,
    expiry: true,
    subkeyRepodata: true,
    crossSignatures: true,
    mixedFiles: false,
  },
  fedora: {
    algorithms: [...rsa, 19, 22, 27, 28, 30, 31],
    versions: [4, 6],
    minRsaBits: 2048,
    sha1SelfSignatures: false,
    expiry: true,
    subkeyRepodata: false,
    crossSignatures: true,
    mixedFiles: false,
  },
};

const DAY_MS = 86_400_000;
/** Days before the end of a key from which on it is worth a word. */
const EXPIRY_WARNING_DAYS = 90;

/**
 * What each client family makes of a public key file, asked at an instant.
 *
 * A file without any key gives verdicts that say so; nothing throws but a file past 64 MiB (SIGN_LIMIT).
 */
export function checkKey(key: string | Uint8Array, clients: readonly Client[], at: Date): ClientVerdict[] {
  const keyring = Keyring.from(key);
  return clients.map((client) => {
    const rules = clientRules[client];
    const problems: KeyProblem[] = [];
    const usable: string[] = [];
    if (typeof key !== 'string' && !isArmored(key)) {
      problems.push(fileProblem('not-armored', 'stops', 'the file is binary', 'export it with `gpg --armor --export`'));
    }
    for (const skipped of keyring.skipped) {
      const alone = keyring.certificates.length === 0;
      const severity = alone ? 'stops' : 'warns';
      const remedy = alone
        ? 'publish a key of another kind'
        : 'publish it in a file of its own: importing this one reports an error';
      problems.push({
        ...fileProblem('unknown-key', severity, skipped.reason, remedy),
        fingerprint: skipped.fingerprint ?? '',
      });
    }
    const several = keyring.certificates.length > 1;
    for (const certificate of keyring.certificates) {
      const found = certificateProblems(certificate, rules, at);
      const stops = found.some(({ severity }) => severity === 'stops');
      if (!stops) usable.push(certificate.primary.fingerprint);
      problems.push(...found);
      const foreign = found.some(({ kind }) => kind === 'algorithm');
      if (foreign && several && !rules.mixedFiles) {
        const remedy = 'publish it in a file of its own: importing this one reports an error';
        problems.push({
          ...fileProblem('unknown-key', 'warns', 'one key of the file cannot be imported', remedy),
          fingerprint: certificate.primary.fingerprint,
        });
      }
    }
    const importable = !problems.some(({ kind }) => kind === 'not-armored');
    return { client, works: importable && usable.length > 0, usable: importable ? usable : [], problems };
  });
}

/** Every problem of one certificate for one client. */
function certificateProblems(certificate: Certificate, rules: ClientRules, at: Date): KeyProblem[] {
  const { primary } = certificate;
  const { fingerprint } = primary;
  const problems: KeyProblem[] = [];
  const add = (kind: KeyProblem['kind'], severity: KeyProblem['severity'], reason: string, remedy: string): void => {
    problems.push({ fingerprint, kind, severity, reason, remedy });
  };
  if (!rules.versions.includes(primary.version)) {
    add(
      'algorithm',
      'stops',
      `keys of OpenPGP version ${primary.version} are unknown to it`,
      'sign for it with a version 4 RSA key as well',
    );
    return problems;
  }
  const refused = refusedAlgorithm(primary, rules);
  if (refused !== undefined) {
    add('algorithm', 'stops', `${refused} keys are unknown to it`, 'sign for it with an RSA key of 3072 or 4096 bits');
    return problems;
  }
  checkStrength(primary, rules, add);
  // Each client has its own rule about SHA-1: take it here, and ask below.
  const state = primaryState(certificate, at, 'always');
  if (primary.createdAt > at) {
    add(
      'not-yet-valid',
      'stops',
      `the key was made ${day(primary.createdAt)}`,
      'wait, or correct the clock of the machine that made it',
    );
    return problems;
  }
  if (state.revocations.length > 0) {
    add('revoked', 'stops', 'the key is revoked', 'publish its successor, and sign everything again');
    return problems;
  }
  checkSelfSignatures(state, rules, add);
  checkExpiry(primary, state, rules, at, add);
  checkProlonged(certificate, state, add);
  const signing = certificate.subkeys.map((subkey) => ({
    subkey,
    state: subkeyState(certificate, subkey, at, 'always'),
  }));
  for (const one of signing) checkSubkey(one.subkey, one.state, state.maySign, rules, at, add);
  const subkeySigns = signing.some(({ state: one }) => isGood(one, rules, at));
  if (state.fault === undefined && !state.maySign && !subkeySigns) {
    add('cannot-sign', 'stops', 'no part of the key may sign', 'add a signing subkey, or make a key that signs');
  } else if (state.fault === undefined && !state.maySign && !rules.subkeyRepodata) {
    add(
      'signs-with-subkey',
      'warns',
      'only a subkey signs, and its dnf looks for the primary key of signed repodata',
      'sign repodata with a key whose primary part signs',
    );
  }
  return problems;
}

type Add = (kind: KeyProblem['kind'], severity: KeyProblem['severity'], reason: string, remedy: string) => void;

/** The word for a key's algorithm when the client does not take it. Sequoia knows brainpool curves; no policy allows them. */
function refusedAlgorithm(key: PublicKeyPacket, rules: ClientRules): string | undefined {
  const name = keyAlgorithmName(key.algorithm);
  if (!rules.algorithms.includes(key.algorithm)) return name;
  const curve = key.algorithm === 19 ? curveName(key.material) : undefined;
  return curve?.startsWith('brainpool') ? `${name} ${curve}` : undefined;
}

function checkStrength(key: PublicKeyPacket, rules: ClientRules, add: Add): void {
  const bits = keyBits(key);
  if (bits !== undefined && bits < rules.minRsaBits) {
    add(
      'weak-key',
      'stops',
      `RSA of ${bits} bits, at least ${rules.minRsaBits} wanted`,
      'make a new key of 3072 or 4096 bits',
    );
  }
}

function checkSelfSignatures(state: KeyState, rules: ClientRules, add: Add): void {
  if (state.fault !== undefined) {
    const weak = state.fault.startsWith('its self-signature uses');
    const remedy = 'make the self-signature anew with SHA-256: `gpg --cert-digest-algo SHA256 --quick-set-expire …`';
    add(weak ? 'weak-self-signature' : 'no-self-signature', 'stops', state.fault, remedy);
  } else if (state.binding && isSha1(state.binding) && !rules.sha1SelfSignatures) {
    const remedy =
      'make the self-signature anew with SHA-256 (`gpg --cert-digest-algo SHA256 --quick-set-expire …`) and publish the key again';
    add('weak-self-signature', 'stops', `its self-signature uses ${hashName(state.binding.hashAlgorithm)}`, remedy);
  }
}

function checkExpiry(key: PublicKeyPacket, state: KeyState, rules: ClientRules, at: Date, add: Add): void {
  const end = state.expiresAt;
  if (!end) return;
  const remedy =
    'prolong the key before its end and publish it in a release package; clients keep the copy they imported';
  if (end <= at) {
    const reason = `${key.isSubkey ? 'a subkey' : 'the key'} expired ${day(end)}`;
    const still = rules.expiry
      ? '; packages that it signed before are still taken, new ones are not'
      : '; packages are still taken, signed repodata is not';
    add('expired', rules.expiry ? 'stops' : 'warns', reason + still, remedy);
    return;
  }
  const days = Math.ceil((end.getTime() - at.getTime()) / DAY_MS);
  if (days <= EXPIRY_WARNING_DAYS) add('expires-soon', 'warns', `it expires in ${days} days, ${day(end)}`, remedy);
}

/** A self-signature younger than the key changed something, mostly the end: older copies do not hear of it. */
function checkProlonged(certificate: Certificate, state: KeyState, add: Add): void {
  const renewed = state.binding?.createdAt;
  if (renewed && renewed.getTime() - certificate.primary.createdAt.getTime() > DAY_MS) {
    add(
      'prolonged',
      'warns',
      `its self-signature was renewed ${day(renewed)}: machines with an older copy still go by the end in that one`,
      'ship the new copy in a release package that imports it again',
    );
  }
}

function checkSubkey(
  subkey: Subkey,
  state: KeyState,
  primarySigns: boolean,
  rules: ClientRules,
  at: Date,
  add: Add,
): void {
  const id = subkey.key.keyId;
  if (state.revocations.length > 0) return;
  if (state.binding && isSha1(state.binding) && !rules.sha1SelfSignatures) {
    // The older parser refuses the whole key for it, Sequoia only passes over the subkey.
    const severity = primarySigns && rules.crossSignatures ? 'warns' : 'stops';
    const remedy = 'bind the subkey anew with SHA-256, or remove it';
    add('weak-self-signature', severity, `the binding of subkey ${id} uses SHA1`, remedy);
  }
  if (state.fault === NO_CROSS_SIGNATURE) {
    const severity = rules.crossSignatures ? 'stops' : 'warns';
    add(
      'no-cross-signature',
      severity,
      `subkey ${id} has no signature back`,
      'add it with `gpg --edit-key … cross-certify`, or remove the subkey',
    );
  } else if (state.fault !== undefined && !state.fault.startsWith('not yet')) {
    add(
      'no-cross-signature',
      'stops',
      `subkey ${id}: ${state.fault}`,
      'export the key anew, complete or without that subkey',
    );
  } else if (state.maySign) {
    const refused = refusedAlgorithm(subkey.key, rules);
    if (refused !== undefined) {
      const reason = `${refused} signatures of subkey ${id} are unknown to it`;
      add('algorithm', 'warns', reason, 'sign for it with an RSA key');
    }
    checkStrength(subkey.key, rules, add);
    checkExpiry(subkey.key, state, rules, at, add);
  }
}

function isGood(state: KeyState, rules: ClientRules, at: Date): boolean {
  const bound = state.fault === undefined || (state.fault === NO_CROSS_SIGNATURE && !rules.crossSignatures);
  const alive = !state.expiresAt || state.expiresAt > at;
  return state.maySign && bound && state.revocations.length === 0 && alive;
}

function isSha1(signature: SignaturePacket): boolean {
  return signature.hashAlgorithm === 2 || weakSelfSignature(signature) !== undefined;
}

function fileProblem(
  kind: KeyProblem['kind'],
  severity: KeyProblem['severity'],
  reason: string,
  remedy: string,
): KeyProblem {
  return { fingerprint: '', kind, severity, reason, remedy };
}

function day(instant: Date): string {
  return instant.toISOString().slice(0, 10);
}
