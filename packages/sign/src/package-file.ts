/**
 * Packages on a file system: verified, and signed in place where the signature fits into the reserved space.
 *
 * In place, a small journal beside the file holds the new signature header until it is written: a process that is
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
} from '@distrokit/rpm';
import type { Keyring } from './keyring.js';
import { type SignedPackage, type SignPackageOptions, signPackage } from './package-signature.js';
import { PackageSource } from './package-source.js';
import { type VerifyPackageOptions, verifyPackage } from './package-verification.js';
import type { VerificationReport } from './report.js';
import type { Signer } from './signer.js';

/** How a file was changed. */
export interface FileChange {
  readonly inPlace: boolean;
  /** Bytes that were written, journal included. */
  readonly writtenBytes: number;
}

/** `verifyPackage` of a file. Throws what opening and reading it throws. */
export async function verifyPackageFile(
  path: string,
  keyring: Keyring,
  options: VerifyPackageOptions,
): Promise<VerificationReport> {
  const source = new PackageSource(path);
  try {
    const pkg = await readPackage(source, options?.signal ? { signal: options.signal } : {});
    source.pass();
    return await verifyPackage(pkg, keyring, options);
  } finally {
    source.close();
  }
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

const JOURNAL_MAGIC = 'distrokit signature header 1\n';

/** Where the journal of a file lies. */
function journalPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.signing`);
}

async function writeInPlace(path: string, file: FileHandle, signed: SignedPackage): Promise<FileChange> {
  const { replaces, bytes } = signed.splice;
  const journal = journalPath(path);
  const content = Buffer.concat([Buffer.from(JOURNAL_MAGIC), bytes]);
  // The journal gets its name only when it is complete: half a journal must not be played.
  try {
    await writeWhole(`${journal}.part`, content);
    await rename(`${journal}.part`, journal);
  } catch (error) {
    await rm(`${journal}.part`, { force: true });
    throw error;
  }
  await writeAt(file, bytes, replaces.start);
  await rm(journal);
  return { inPlace: true, writtenBytes: content.length + bytes.length };
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
  const magic = Buffer.from(JOURNAL_MAGIC);
  if (content.subarray(0, magic.length).equals(magic)) {
    const header = content.subarray(magic.length);
    const file = await open(path, 'r+');
    try {
      if (await belongsTo(file, header)) await writeAt(file, header, LEAD_BYTES);
    } finally {
      await file.close();
    }
  }
  await rm(journal);
}

/** Whether the main header behind this signature header is the one it has the digest of: the file may be another by now. */
async function belongsTo(file: FileHandle, padded: Uint8Array): Promise<boolean> {
  try {
    const wanted = decodeSignatureHeader(padded).get('SHA256');
    const start = LEAD_BYTES + padded.length;
    const intro = await readAt(file, start, 16);
    const { totalBytes } = decodeHeaderIntro(intro, 'main');
    return wanted !== undefined && digestBytes('sha256', await readAt(file, start, totalBytes)) === wanted;
  } catch {
    return false;
  }
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
