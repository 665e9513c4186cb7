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
    const parts = partsOfPrefix(file.peek(), file, { ...options, copy: true }) ?? (await readParts(file, options));
    return new OpenedPackage(file, parts);
  } catch (error) {
    file.close();
    throw error;
  }
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
