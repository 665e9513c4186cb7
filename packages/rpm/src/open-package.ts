/**
 * A package file by its path.
 */
import { type OpenFile, openFile } from './file-source.js';
import {
  acceptedParts,
  PackageOverSource,
  type PackageParts,
  type ReadPackageOptions,
  type RpmPackage,
  readParts,
} from './package.js';
import { packageKernel } from './package-kernel.js';

/** A package that holds its file open: declare it with `await using` or `using`, or close it. */
export interface OpenRpmPackage extends RpmPackage, Disposable, AsyncDisposable {
  /** Closes the file. Headers stay readable, the payload does not. Closing twice does nothing. */
  close(): void;
}

/**
 * Opens a package file and reads its headers. Throws what `readPackage` throws, and RPM_SOURCE_FAILED when the file cannot
 * be read; the file is closed then.
 */
export async function openPackage(path: string, options: ReadPackageOptions = {}): Promise<OpenRpmPackage> {
  const file = openFile(path);
  try {
    options.signal?.throwIfAborted();
    return new OpenedPackage(file, acceptedFile(file, options) ?? (await readParts(file, options)));
  } catch (error) {
    file.close();
    throw error;
  }
}

/** The parts of a package that the kernel accepts: one read into its room and one copy out of it, without waiting. */
function acceptedFile(file: OpenFile, options: ReadPackageOptions): PackageParts | undefined {
  const kernel = options.maxHeaderBytes === undefined ? packageKernel() : undefined;
  if (kernel === undefined) return undefined;
  const end = kernel.headerEnd((from, to) => file.readInto(kernel.room, from, to));
  return end === 0 ? undefined : acceptedParts(keep(kernel.room.subarray(0, end)), file, options);
}

const slabBytes = 256 * 1024;
let slab: Uint8Array = new Uint8Array(0);
let taken = 0;

/**
 * A copy for good. Headers of many packages share a slab, since memory of its own for each costs more than reading it; a
 * slab lives as long as one header in it does.
 */
function keep(bytes: Uint8Array): Uint8Array {
  if (bytes.length > slabBytes / 8) return bytes.slice();
  if (taken + bytes.length > slab.length) {
    slab = Buffer.allocUnsafeSlow(slabBytes);
    taken = 0;
  }
  slab.set(bytes, taken);
  const kept = new Uint8Array(slab.buffer, taken, bytes.length);
  // The next one begins at a multiple of 8, as a header in a file does.
  taken += (bytes.length + 7) & ~7;
  return kept;
}

class OpenedPackage extends PackageOverSource implements OpenRpmPackage {
  readonly #file: OpenFile;

  constructor(file: OpenFile, parts: PackageParts) {
    super(parts);
    this.#file = file;
  }

  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}
