/**
 * A package file by its path.
 */
import { type FileSource, fileSource } from './file-source.js';
import { PackageOverSource, type ReadPackageOptions, type RpmPackage, readParts } from './package.js';

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
  const file = fileSource(path);
  try {
    return new OpenedPackage(file, await readParts(file, options));
  } catch (error) {
    file.close();
    throw error;
  }
}

class OpenedPackage extends PackageOverSource implements OpenRpmPackage {
  readonly #file: FileSource;

  constructor(file: FileSource, parts: Awaited<ReturnType<typeof readParts>>) {
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
