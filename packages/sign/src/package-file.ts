/**
 * Packages on a file system: verified, and signed in place where the signature fits into the reserved space.
 *
 * In place, a small journal beside the file holds what changes of the signature header until it is written: a process that is
 * killed between two pages of the write leaves a journal that the next run plays to its end. A file that must grow is
 * written anew beside the old one and takes its name when it is complete.
 */
import { constants } from 'node:fs';
import { chmod, chown, type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  type ByteSource,
  decodeHeaderIntro,
  decodeSignatureHeader,
  digestBytes,
  LEAD_BYTES,
  type RpmPackage,
  readPackage,
  signaturePadding,
} from '@distrokit/rpm';
import { openPackage } from '@distrokit/rpm/node';
import type { Keyring } from './keyring.js';
import { type SignedPackage, type SignPackageOptions, signPackage } from './package-signature.js';
import { type VerifyPackageOptions, verifyPackage } from './package-verification.js';
import type { VerificationReport } from './report.js';
import type { Signer } from './signer.js';

/** How a file was changed. */
export interface FileChange {
  readonly inPlace: boolean;
  /** Bytes that were written, journal included. */
  readonly writtenBytes: number;
}

/** `verifyPackage` of a file. Throws what `openPackage` throws, and RPM_SOURCE_FAILED when the payload cannot be read. */
export async function verifyPackageFile(
  path: string,
  keyring: Keyring,
  options: VerifyPackageOptions,
): Promise<VerificationReport> {
  using pkg = await openPackage(path, options?.signal ? { signal: options.signal } : {});
  return await verifyPackage(pkg, keyring, options);
}

/**
 * Signs a package file. Only the signature header is written where it fits; hard links to the file then see the
 * signature too. Throws what `signPackage` throws; the file is unchanged then.
 */
export async function signPackageFile(path: string, signer: Signer, options: SignPackageOptions): Promise<FileChange> {
  return changePackageFile(path, (pkg) => signPackage(pkg, signer, options));
}

/**
 * Changes the signature header of a file: `change` is `signPackage`, `deleteSignatures` or another function that gives
 * a `SignedPackage`. Finishes first what a killed run left half done.
 */
export async function changePackageFile(
  path: string,
  change: (pkg: RpmPackage) => Promise<SignedPackage> | SignedPackage,
): Promise<FileChange> {
  await finishJournal(path);
  return withPackage(path, async (pkg, file) => {
    const signed = await change(pkg);
    if (signed.fitsInPlace) return writeInPlace(path, file, signed);
    return rewriteFile(path, file, signed);
  });
}

const JOURNAL_MAGIC = Buffer.from('distrokit signature header 2\n');

/** Where the journal of a file lies. */
function journalPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.signing`);
}

/** Bytes of a file that are to be written, and where. */
interface Patch {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

async function writeInPlace(path: string, file: FileHandle, signed: SignedPackage): Promise<FileChange> {
  const patches = await patchesOf(file, signed);
  if (patches.length === 0) return { inPlace: true, writtenBytes: 0 };
  const journal = journalPath(path);
  const content = encodeJournal(patches);
  // The journal gets its name only when it is complete: half a journal must not be played.
  try {
    await writeWhole(`${journal}.part`, content);
    await rename(`${journal}.part`, journal);
  } catch (error) {
    await rm(`${journal}.part`, { force: true });
    throw error;
  }
  const writtenBytes = await applyPatches(file, patches);
  await rm(journal);
  return { inPlace: true, writtenBytes: content.length + writtenBytes };
}

/**
 * Writes the patches and what lies between them, and says how many bytes those are. One write: a kill between two of them
 * would leave a file that is neither the old nor the new one until the journal is played.
 */
async function applyPatches(file: FileHandle, patches: readonly Patch[]): Promise<number> {
  const start = patches[0]!.offset;
  const last = patches.at(-1)!;
  const bytes = await readPatched(file, patches, start, last.offset + last.bytes.length - start);
  await writeAt(file, bytes, start);
  return bytes.length;
}

/** Equal bytes between two changes that are worth two entries of a journal. */
const WORTH_A_GAP = 256;

/** The stretches that change: in between lie the reserved zeros, most of a signature header. */
async function patchesOf(file: FileHandle, signed: SignedPackage): Promise<Patch[]> {
  const { replaces, bytes } = signed.splice;
  const old = await readAt(file, replaces.start, bytes.length);
  const patches: Patch[] = [];
  let start = -1;
  let end = -1;
  for (let i = 0; i <= bytes.length; i++) {
    const last = i === bytes.length;
    if (start !== -1 && (last || i - end > WORTH_A_GAP)) {
      patches.push({ offset: replaces.start + start, bytes: bytes.subarray(start, end) });
      start = -1;
    }
    if (last || bytes[i] === old[i]) continue;
    if (start === -1) start = i;
    end = i + 1;
  }
  return patches;
}

/** Each stretch after its offset and its length, four bytes each. */
function encodeJournal(patches: readonly Patch[]): Buffer {
  const parts = patches.flatMap(({ offset, bytes }) => {
    const place = Buffer.alloc(8);
    place.writeUInt32BE(offset, 0);
    place.writeUInt32BE(bytes.length, 4);
    return [place, bytes];
  });
  return Buffer.concat([JOURNAL_MAGIC, ...parts]);
}

/** No patch when it is no journal, whose patches come in order. */
function decodeJournal(content: Buffer): Patch[] {
  const patches: Patch[] = [];
  if (!content.subarray(0, JOURNAL_MAGIC.length).equals(JOURNAL_MAGIC)) return [];
  for (let at = JOURNAL_MAGIC.length; at < content.length; ) {
    if (at + 8 > content.length) return [];
    const [offset, length] = [content.readUInt32BE(at), content.readUInt32BE(at + 4)];
    const before = patches.at(-1);
    if (length > content.length - at - 8 || (before && offset < before.offset + before.bytes.length)) return [];
    patches.push({ offset, bytes: content.subarray(at + 8, at + 8 + length) });
    at += 8 + length;
  }
  return patches;
}

/** Completes what a killed run left half written beside this file. Nothing to do in most cases. */
export async function finishJournal(path: string): Promise<void> {
  const journal = journalPath(path);
  await rm(`${journal}.part`, { force: true });
  let content: Buffer;
  try {
    const handle = await open(journal, 'r');
    content = await handle.readFile().finally(() => handle.close());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const patches = decodeJournal(content);
  if (patches.length > 0) {
    const file = await open(path, 'r+');
    try {
      if (await belongsTo(file, patches)) await applyPatches(file, patches);
    } finally {
      await file.close();
    }
  }
  await rm(journal);
}

/**
 * Whether the file has with these patches a signature header, and behind it the main header of which that has the digest:
 * the file may be another by now.
 */
async function belongsTo(file: FileHandle, patches: readonly Patch[]): Promise<boolean> {
  try {
    const intro = await readPatched(file, patches, LEAD_BYTES, 16);
    const { totalBytes: signatureBytes } = decodeHeaderIntro(intro, 'signature');
    const start = LEAD_BYTES + signatureBytes + signaturePadding(signatureBytes);
    if (patches.some(({ offset, bytes }) => offset < LEAD_BYTES || offset + bytes.length > start)) return false;
    const wanted = decodeSignatureHeader(await readPatched(file, patches, LEAD_BYTES, signatureBytes)).get('SHA256');
    const { totalBytes } = decodeHeaderIntro(await readAt(file, start, 16), 'main');
    return wanted !== undefined && digestBytes('sha256', await readAt(file, start, totalBytes)) === wanted;
  } catch {
    return false;
  }
}

/** Bytes as they are after the patches. */
async function readPatched(
  file: FileHandle,
  patches: readonly Patch[],
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = await readAt(file, offset, length);
  for (const patch of patches) {
    const from = Math.max(offset, patch.offset);
    const to = Math.min(offset + bytes.length, patch.offset + patch.bytes.length);
    if (from < to) bytes.set(patch.bytes.subarray(from - patch.offset, to - patch.offset), from - offset);
  }
  return bytes;
}

async function rewriteFile(path: string, file: FileHandle, signed: SignedPackage): Promise<FileChange> {
  const part = join(dirname(path), `.${basename(path)}.signed.part`);
  const { mode, uid, gid } = await file.stat();
  let writtenBytes = 0;
  try {
    const target = await open(part, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600);
    try {
      for await (const chunk of signed.bytes()) {
        await writeAt(target, chunk, writtenBytes);
        writtenBytes += chunk.length;
      }
      await target.sync();
    } finally {
      await target.close();
    }
    await chmod(part, mode & 0o7777);
    // Another owner's file can be replaced only by root, who may also give it back.
    await chown(part, uid, gid).catch(() => {});
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  return { inPlace: false, writtenBytes };
}

async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, 'w', 0o600);
  await writeAt(handle, bytes, 0).finally(() => handle.close());
}

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

async function withPackage<Result>(
  path: string,
  use: (pkg: RpmPackage, file: FileHandle) => Promise<Result>,
): Promise<Result> {
  const file = await open(path, 'r+');
  try {
    const { size } = await file.stat();
    return await use(await readPackage(fileSource(file, size)), file);
  } finally {
    await file.close();
  }
}

function fileSource(file: FileHandle, size: number): ByteSource {
  return {
    sizeBytes: size,
    read: async (offset, length, options) => {
      options?.signal?.throwIfAborted();
      // The size is known: an absurd length from a hostile header does not become an absurd buffer.
      return readAt(file, offset, Math.max(0, Math.min(length, size - offset)));
    },
  };
}

/** Fewer than `length` bytes only at the end of the file. */
async function readAt(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  // Not zeroed first: only what was read is handed out.
  const buffer = Buffer.allocUnsafeSlow(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(buffer, done, length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return new Uint8Array(buffer.buffer, buffer.byteOffset, done);
}
