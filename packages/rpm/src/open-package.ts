/**
 * A package file by its path.
 */
import { type OpenFile, openFile } from './file-source.js';
import {
  PackageOverSource,
  type PackageParts,
  partsOfPrefix,
  type ReadPackageOptions,
  type RpmPackage,
  readParts,
} from './package.js';

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
    // Most headers lie within the first bytes: one read and one copy, without waiting.
    const parts = partsOfPrefix(file.peek(), file, { ...options, keep }) ?? (await readParts(file, options));
    return new OpenedPackage(file, parts);
  } catch (error) {
    file.close();
    throw error;
  }
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
