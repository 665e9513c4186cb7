/**
 * The files of a transparency log: appended to, never rewritten; a checkpoint takes its name when it is complete.
 */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '@distrokit/rpm';
import { SignError } from './errors.js';
import type { Signer } from './signer.js';
import {
  formatEntry,
  type LogProof,
  parseEntries,
  proveEntry,
  readCheckpoint,
  signCheckpoint,
} from './transparency.js';

/** A log as it lies on disk. */
export interface StoredLog {
  /** Entries that the checkpoint is over. */
  readonly entries: readonly Uint8Array[];
  /** Clear-signed; absent in a folder without a log. */
  readonly checkpoint?: string;
}

/** Reads a log. Entries after the checkpoint were never published and are left out. Throws SIGN_BAD_LOG. */
export async function readLog(folder: string): Promise<StoredLog> {
  const checkpoint = await readIfThere(join(folder, 'checkpoint'));
  if (checkpoint === undefined) return { entries: [] };
  const all = parseEntries((await readIfThere(join(folder, 'entries'))) ?? '');
  const { size } = readCheckpoint(checkpoint);
  if (all.length < size) {
    throw new SignError(
      { code: 'SIGN_BAD_LOG', where: 'entries', wanted: `${size} entries`, found: String(all.length) },
      `transparency log ${folder}: wanted ${size} entries, found ${all.length}`,
    );
  }
  return { entries: all.slice(0, size), checkpoint };
}

/**
 * Appends entries and signs the new checkpoint; gives a proof for each. One writer at a time: a second one fails with
 * EEXIST while `lock` is there. A run that was killed leaves the log at its last checkpoint.
 *
 * Throws SIGN_BAD_LOG when the files do not match the checkpoint, SIGN_SIGNER_FAILED, and what writing throws.
 */
export async function appendToLog(
  folder: string,
  origin: string,
  added: readonly Uint8Array[],
  signer: Signer,
  options: Abortable & { readonly signedAt: Date },
): Promise<LogProof[]> {
  await mkdir(folder, { recursive: true });
  const lock = await open(join(folder, 'lock'), 'wx');
  try {
    const before = await readLog(folder);
    // Checks that the files are still those of the checkpoint before anything is built on them.
    if (before.checkpoint !== undefined && before.entries.length > 0) proveEntry(before.entries, 0, before.checkpoint);
    const entries = [...before.entries, ...added];
    const kept = before.entries.map(formatEntry).join('');
    const file = await open(join(folder, 'entries'), 'a+');
    try {
      // What a killed run appended after the checkpoint was never vouched for.
      await file.truncate(Buffer.byteLength(kept));
      await file.appendFile(added.map(formatEntry).join(''));
      await file.sync();
    } finally {
      await file.close();
    }
    const checkpoint = await signCheckpoint(origin, entries, signer, options);
    const part = join(folder, 'checkpoint.part');
    const output = await open(part, 'w');
    await output.writeFile(checkpoint);
    await output.sync();
    await output.close();
    await rename(part, join(folder, 'checkpoint'));
    return added.map((_, i) => proveEntry(entries, before.entries.length + i, checkpoint));
  } finally {
    await lock.close();
    await rm(join(folder, 'lock'));
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
