/**
 * An append-only log in plain files: what was published once stays provable, and nobody can take it back unseen.
 *
 *     entries      one base64 line per entry, only ever appended to
 *     checkpoint   origin, number of entries, root hash, time; clear-signed by the key of the log
 *
 * A proof is one JSON document that can lie beside a package and is checked without the log and without a network.
 *
 * Reference: RFC 6962, section 2.1
 */
import type { Abortable } from '@distrokit/rpm';
import { decodeBase64, encodeBase64, fromHex, toHex } from './bytes.js';
import { clearSign, type DetachedReport, verifyClearSigned } from './detached.js';
import { SignError } from './errors.js';
import type { Keyring } from './keyring.js';
import {
  consistencyProof,
  inclusionProof,
  leafHash,
  rootHash,
  verifyConsistency,
  verifyInclusion,
} from './merkle-tree.js';
import type { Signer } from './signer.js';

/** What a log says about itself at one size. */
export interface Checkpoint {
  /** Name of the log, for instance `packages.example.org`. */
  readonly origin: string;
  readonly size: number;
  /** Hexadecimal. */
  readonly root: string;
  readonly at: Date;
}

/** A proof that an entry is in a log. Plain JSON. */
export interface LogProof {
  readonly format: 'distrokit-log-proof-1';
  readonly index: number;
  /** Hexadecimal, from the leaf up. */
  readonly hashes: readonly string[];
  /** Clear-signed. */
  readonly checkpoint: string;
}

/** The answer about a proof. */
export interface ProofReport {
  /** Of the checkpoint. */
  readonly signatures: DetachedReport['signatures'];
  /** Absent when the checkpoint cannot be read. */
  readonly checkpoint?: Checkpoint;
  /** The hashes lead from the entry to the root of the checkpoint. */
  readonly included: boolean;
  /** The checkpoint's signature is verified by a key of the keyring AND the entry is included. */
  readonly ok: boolean;
}

/** A checkpoint over these entries, clear-signed. Throws SIGN_SIGNER_FAILED; TypeError on an origin with line ends. */
export async function signCheckpoint(
  origin: string,
  entries: readonly Uint8Array[],
  signer: Signer,
  options: Abortable & { readonly signedAt: Date },
): Promise<string> {
  if (!/^[^\r\n]+$/.test(origin)) throw new TypeError('"origin" must be one line of text');
  const root = toHex(rootHash(entries.map(leafHash)));
  const time = new Date(Math.floor(options.signedAt.getTime() / 1000) * 1000).toISOString();
  return clearSign(`distrokit-log-1\n${origin}\n${entries.length}\n${root}\n${time}\n`, signer, options);
}

/**
 * A proof for one of the entries that the checkpoint is over.
 *
 * Throws SIGN_BAD_LOG when the checkpoint is over other entries.
 */
export function proveEntry(entries: readonly Uint8Array[], index: number, checkpoint: string): LogProof {
  const stated = readCheckpoint(checkpoint);
  const leaves = entries.slice(0, stated.size).map(leafHash);
  const root = toHex(rootHash(leaves));
  if (leaves.length !== stated.size || root !== stated.root) {
    throw badLog('checkpoint', `${stated.size} entries with root ${stated.root}`, `${leaves.length} with root ${root}`);
  }
  const hashes = inclusionProof(leaves, index).map(toHex);
  return { format: 'distrokit-log-proof-1', index, hashes, checkpoint };
}

/** Verifies a proof for the bytes of an entry, offline. A proof that is none is a negative answer. */
export function verifyEntry(
  entry: Uint8Array,
  proof: LogProof,
  keyring: Keyring,
  options: { readonly at: Date },
): ProofReport {
  let signed: ReturnType<typeof verifyClearSigned>;
  let checkpoint: Checkpoint;
  try {
    signed = verifyClearSigned(proof.checkpoint, keyring, options);
    checkpoint = parseCheckpoint(signed.text);
  } catch {
    return { signatures: [], included: false, ok: false };
  }
  const { signatures } = signed;
  const hashes = Array.isArray(proof.hashes) && proof.hashes.length <= 64 ? proof.hashes : undefined;
  const wellFormed = hashes?.every((hash) => typeof hash === 'string' && /^[0-9a-f]{64}$/.test(hash)) ?? false;
  const included =
    wellFormed &&
    verifyInclusion(leafHash(entry), proof.index, checkpoint.size, hashes!.map(fromHex), fromHex(checkpoint.root));
  return { signatures, checkpoint, included, ok: signed.ok && included };
}

/**
 * The hashes (hexadecimal) that show that a log only grew since an earlier checkpoint.
 *
 * Throws SIGN_BAD_LOG when the entries are not those of the earlier checkpoint: the log was changed.
 */
export function proveGrowth(entries: readonly Uint8Array[], earlier: string): string[] {
  const { size, root } = readCheckpoint(earlier);
  const leaves = entries.map(leafHash);
  if (size > leaves.length || toHex(rootHash(leaves.slice(0, size))) !== root) {
    throw badLog('entries', `the ${size} entries of the earlier checkpoint first`, 'others');
  }
  return consistencyProof(leaves, size).map(toHex);
}

/** Whether both checkpoints are of one log, both signatures verified, and the later one only adds to the earlier. */
export function verifyGrowth(
  earlier: string,
  later: string,
  hashes: readonly string[],
  keyring: Keyring,
  options: { readonly at: Date },
): boolean {
  if (hashes.length > 64 || !hashes.every((hash) => /^[0-9a-f]{64}$/.test(hash))) return false;
  try {
    const [first, second] = [earlier, later].map((text) => verifyClearSigned(text, keyring, options));
    const [a, b] = [parseCheckpoint(first!.text), parseCheckpoint(second!.text)];
    const grew = verifyConsistency(a.size, b.size, fromHex(a.root), fromHex(b.root), hashes.map(fromHex));
    return first!.ok && second!.ok && a.origin === b.origin && grew;
  } catch {
    return false;
  }
}

/** One line of the `entries` file. */
export function formatEntry(entry: Uint8Array): string {
  return `${encodeBase64(entry)}\n`;
}

/**
 * The entries of an `entries` file. A last line without its end was never finished and is left out.
 *
 * Throws SIGN_BAD_LOG on a line that is no base64.
 */
export function parseEntries(text: string): Uint8Array[] {
  const lines = text.split('\n');
  lines.pop();
  return lines.map((line, i) => {
    const entry = decodeBase64(line);
    if (!entry) throw badLog(`entries, line ${i + 1}`, 'base64', 'something else');
    return entry;
  });
}

/** What a checkpoint says, unverified. Throws SIGN_BAD_LOG, SIGN_BAD_ARMOR. */
export function readCheckpoint(checkpoint: string): Checkpoint {
  const lines = checkpoint.split('\n');
  const start = lines.indexOf('distrokit-log-1');
  return parseCheckpoint(lines.slice(Math.max(start, 0), start + 5).join('\n'));
}

function parseCheckpoint(text: string): Checkpoint {
  const [format, origin, size, root, time] = text.split('\n');
  const at = new Date(time ?? '');
  const isSize = /^(0|[1-9][0-9]{0,15})$/.test(size ?? '');
  if (format !== 'distrokit-log-1' || !origin || !isSize || !/^[0-9a-f]{64}$/.test(root ?? '') || Number.isNaN(+at)) {
    throw badLog('checkpoint', 'distrokit-log-1, origin, size, root and time, one a line', 'something else');
  }
  return { origin, size: Number(size), root: root!, at };
}

function badLog(where: string, wanted: string, found: string): SignError {
  return new SignError(
    { code: 'SIGN_BAD_LOG', where, wanted, found },
    `transparency log, ${where}: wanted ${wanted}, found ${found}`,
  );
}
