/**
 * From one signing key to the next without a machine that refuses updates: what to do when, and what stands in the way.
 */

import { SignError } from './errors.js';
import { type Client, type ClientVerdict, checkKey } from './key-check.js';
import { Keyring, type KeyringKey } from './keyring.js';

/** One step of a roll-over. */
export interface RotationStep {
  readonly at: Date;
  readonly step:
    | 'ship-new-key'
    | 'list-both-keys'
    | 'sign-with-new-key'
    | 'sign-repodata-with-new-key'
    | 'sign-old-packages-again'
    | 'drop-old-key';
  readonly what: string;
  readonly why: string;
}

/** The plan, and whether it can be carried out as it is. */
export interface RotationPlan {
  readonly oldFingerprint: string;
  readonly newFingerprint: string;
  /** In the order of their time. */
  readonly steps: readonly RotationStep[];
  /** What must be solved first; the clients' own words. Empty: go ahead. */
  readonly obstacles: readonly string[];
  /** Of the new key. */
  readonly clients: readonly ClientVerdict[];
}

/** Options of `planRotation`. */
export interface RotationOptions {
  readonly clients: readonly Client[];
  /** When the release package with the new key can be published. */
  readonly startAt: Date;
  /** How long machines may take to update before the first thing is signed with the new key. Default 30 days. */
  readonly overlapMs?: number;
}

const DAY_MS = 86_400_000;

/**
 * Plans a change of keys. Pure: nothing is signed or published.
 *
 * Throws SIGN_BAD_KEY when either file holds no usable key, or both hold the same.
 */
export function planRotation(
  oldKey: string | Uint8Array,
  newKey: string | Uint8Array,
  options: RotationOptions,
): RotationPlan {
  const { clients, startAt, overlapMs = 30 * DAY_MS } = options;
  const [before, after] = [onlyKey(oldKey, 'old'), onlyKey(newKey, 'new')];
  if (before.fingerprint === after.fingerprint) throw badKey('another key', 'the same key twice');
  const switchAt = new Date(startAt.getTime() + overlapMs);
  const dropAt = new Date(switchAt.getTime() + overlapMs);
  const verdicts = checkKey(newKey, clients, startAt);
  const obstacles = verdicts
    .filter(({ works }) => !works)
    .map(({ client, problems }) => {
      const reasons = problems.filter(({ severity }) => severity === 'stops').map(({ reason }) => reason);
      return `${client} does not take the new key: ${reasons.join('; ') || 'no usable key'}`;
    });
  // The old key must still be good when the new one takes over, or nobody can install the package that brings it.
  for (const { client, works, problems } of checkKey(oldKey, clients, dropAt)) {
    const end = problems.find(({ kind }) => kind === 'expired' || kind === 'revoked');
    if (!works || end)
      obstacles.push(
        `${client} will not take the old key until ${dropAt.toISOString().slice(0, 10)}: ${end?.reason ?? 'it does not take it now'}`,
      );
  }
  const [o, n] = [before.keyId, after.keyId];
  return {
    oldFingerprint: before.fingerprint,
    newFingerprint: after.fingerprint,
    obstacles,
    clients: verdicts,
    steps: [
      {
        at: startAt,
        step: 'ship-new-key',
        what: `publish a release package, signed with ${o}, that installs the file of ${n}`,
        why: 'a machine trusts the new key because the old one vouches for the package that brings it',
      },
      {
        at: startAt,
        step: 'list-both-keys',
        what: `list the files of ${o} and ${n} in gpgkey= of every .repo file, one file a key`,
        why: 'a machine installed later finds packages of both; one file with both fails to import where one is unknown',
      },
      {
        at: switchAt,
        step: 'sign-with-new-key',
        what: `sign new packages with ${n}`,
        why: 'machines that update at least once in the overlap have it by now',
      },
      {
        at: switchAt,
        step: 'sign-repodata-with-new-key',
        what: `sign repomd.xml with both keys, then with ${n} alone from the last step on`,
        why: 'clients take repodata when one signature is by a key they have',
      },
      {
        at: switchAt,
        step: 'sign-old-packages-again',
        what: `sign the packages that stay in the repositories again with ${n}`,
        why: `machines installed after the last step never get ${o}; signing changes the files, so repodata is written again`,
      },
      {
        at: dropAt,
        step: 'drop-old-key',
        what: `take the file of ${o} out of the release package and out of gpgkey=`,
        why: 'nothing in the repositories needs it any more',
      },
    ],
  };
}

function onlyKey(source: string | Uint8Array, which: string): KeyringKey {
  const { keys } = Keyring.from(source);
  if (keys.length !== 1) throw badKey(`one key in the ${which} file`, `${keys.length}`);
  return keys[0]!;
}

function badKey(wanted: string, found: string): SignError {
  return new SignError({ code: 'SIGN_BAD_KEY', wanted, found }, `key rotation: wanted ${wanted}, found ${found}`);
}
