/**
 * A package's files into a folder, from which nothing escapes.
 *
 * Parents of every path are checked to be real folders, files are created and never opened, and symlinks come last of
 * all: no write ever goes through a link that the package has brought.
 *
 * Reference: rpm, lib/fsm.cc (CVE-2021-35937 to 35939: what goes wrong otherwise)
 */
import {
  chmodSync,
  closeSync,
  fchmodSync,
  futimesSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  realpathSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { ArchiveReader } from './cpio.js';
import { quote, RpmError } from './errors.js';
import type { PackageFile } from './file-list.js';
import { fileSource } from './file-source.js';
import { type RpmPackage, readPackage } from './package.js';
import { payloadArchive } from './payload.js';
import { entriesOf, type PayloadEntriesOptions, type PayloadEntry } from './payload-entries.js';

/** What was written. */
export interface ExtractReport {
  /** Files, folders and links that were made, hard links included. Folders that were there before do not count. */
  readonly madeCount: number;
  /** Bytes of content. */
  readonly contentBytes: number;
  /** Devices, fifos and sockets: they are not made. */
  readonly skipped: readonly PackageFile[];
}

/**
 * Writes the files of a package below a folder, which is made if need be. Paths of the package are taken as relative to
 * it. Permissions (without set-user and set-group bits) and times are those of the header; owners, capabilities and
 * labels are not set, ghosts, devices, fifos and sockets not made, scriptlets not run.
 *
 * Nothing that exists is replaced or written through. After an error, what was written so far stays.
 *
 * Throws RPM_BAD_PATH on a path that would leave the folder, has a parent that is no real folder, or exists;
 * RPM_SOURCE_FAILED when the disk refuses; and what `readPackage` and `payloadEntries` throw.
 */
export async function extractPackage(
  source: string | RpmPackage,
  folder: string,
  options: PayloadEntriesOptions = {},
): Promise<ExtractReport> {
  if (typeof source === 'string') {
    using file = fileSource(source);
    return await extract(await readPackage(file, { signal: options.signal }), folder, options);
  }
  return await extract(source, folder, options);
}

async function extract(pkg: RpmPackage, folder: string, options: PayloadEntriesOptions): Promise<ExtractReport> {
  const target = onDisk(folder, () => {
    mkdirSync(folder, { recursive: true });
    return new Target(realpathSync(folder));
  });
  const archive = new ArchiveReader(payloadArchive(pkg, { ...options, lent: true }));
  for await (const entry of entriesOf(pkg, archive, options)) await target.add(entry, archive);
  target.finish();
  return target;
}

/** After so many bytes others get their turn, a signal among them: some ten milliseconds. */
const turnBytes = 16 << 20;

class Target implements ExtractReport {
  madeCount = 0;
  contentBytes = 0;
  readonly skipped: PackageFile[] = [];
  readonly #root: string;
  /** Folders below the root that were seen to be real. */
  readonly #folders = new Set<string>(['']);
  readonly #links: PackageFile[] = [];
  #bytesOfTurn = 0;
  /** Folders that were made here, with what the package says of them, where it lists them. */
  readonly #madeFolders = new Map<string, PackageFile | undefined>();

  constructor(root: string) {
    this.#root = root;
  }

  async add({ file, hardlinkTo, sizeBytes }: PayloadEntry, archive: ArchiveReader): Promise<void> {
    const path = safePath(file.path);
    switch (file.type) {
      case 'directory':
        this.#enter(path, file);
        return;
      case 'symlink':
        this.#links.push(file);
        return;
      case 'regular':
        this.#enterParent(path);
        if (hardlinkTo === undefined) await this.#write(path, file, sizeBytes, archive);
        else this.#make(path, (full) => linkSync(join(this.#root, safePath(hardlinkTo.path)), full));
        return;
      default:
        this.skipped.push(file);
    }
  }

  /** Symlinks, and folders' own permissions and times: a folder may be read-only, and making files changes its time. */
  finish(): void {
    for (const file of this.#links) {
      const path = safePath(file.path);
      this.#enterParent(path);
      this.#make(path, (full) => symlinkSync(file.linkTarget, full));
      onDisk(file.path, () => lutimesSync(join(this.#root, path), file.modifiedAt, file.modifiedAt));
    }
    // Deepest first: a folder without permission to enter hides those below it.
    const folders = [...this.#madeFolders].sort(([a], [b]) => (a < b ? 1 : -1));
    for (const [path, file] of folders) {
      if (file === undefined) continue;
      const full = join(this.#root, path);
      onDisk(file.path, () => {
        chmodSync(full, permissions(file));
        utimesSync(full, file.modifiedAt, file.modifiedAt);
      });
    }
  }

  /** Makes or checks each folder of a path. `file` describes the last one, where the package lists it. */
  #enter(path: string, file?: PackageFile): void {
    if (this.#folders.has(path)) {
      if (file !== undefined && this.#madeFolders.has(path)) this.#madeFolders.set(path, file);
      return;
    }
    this.#enterParent(path);
    const full = join(this.#root, path);
    const made = onDisk(path, () => {
      const found = lstatSync(full, { throwIfNoEntry: false });
      if (found === undefined) {
        mkdirSync(full, 0o755);
        return true;
      }
      if (!found.isDirectory()) throw badPath(path, 'a real folder, no link or file');
      return false;
    });
    this.#folders.add(path);
    if (!made) return;
    this.madeCount++;
    this.#madeFolders.set(path, file);
  }

  #enterParent(path: string): void {
    const slash = path.lastIndexOf('/');
    if (slash > 0) this.#enter(path.slice(0, slash));
  }

  #make(path: string, make: (full: string) => void): void {
    onDisk(path, () => make(join(this.#root, path)));
    this.madeCount++;
  }

  async #write(path: string, file: PackageFile, sizeBytes: number, archive: ArchiveReader): Promise<void> {
    // `wx` fails on anything that exists, a dangling link included.
    const descriptor = onDisk(path, () => openSync(join(this.#root, path), 'wx', 0o600));
    try {
      while (archive.left > 0) {
        const chunk = archive.contentPartNow() ?? (await archive.contentPart());
        // At once, from where it was decompressed: a hand-over to Node's pool would need a copy.
        onDisk(path, () => writeAllSync(descriptor, chunk));
        this.#bytesOfTurn += chunk.length;
        if (this.#bytesOfTurn > turnBytes) {
          this.#bytesOfTurn = 0;
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
      onDisk(path, () => {
        fchmodSync(descriptor, permissions(file));
        futimesSync(descriptor, file.modifiedAt, file.modifiedAt);
      });
    } finally {
      closeSync(descriptor);
    }
    this.madeCount++;
    this.contentBytes += sizeBytes;
  }
}

function writeAllSync(descriptor: number, chunk: Uint8Array): void {
  for (let rest = chunk; rest.length > 0; ) rest = rest.subarray(writeSync(descriptor, rest));
}

/** The path below the folder: no root, no empty or `.` parts. Throws RPM_BAD_PATH on `..` and on what is no name. */
function safePath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  const separator = process.platform === 'win32' ? /[\\:]/ : /\0/;
  if (parts.some((part) => part === '..' || part.includes('\0') || separator.test(part))) {
    throw badPath(path, 'a path that stays within the folder');
  }
  return parts.join('/');
}

/** Without set-user and set-group bits: whoever extracts would own the program that they apply to. */
function permissions(file: PackageFile): number {
  return file.mode & 0o1777;
}

function onDisk<Result>(path: string, task: () => Result): Result {
  try {
    return task();
  } catch (cause) {
    if (cause instanceof RpmError) throw cause;
    throw diskError(path, cause);
  }
}

function diskError(path: string, cause: unknown): RpmError {
  const code = (cause as { code?: unknown } | null)?.code;
  if (code === 'EEXIST') return badPath(path, 'a path where nothing is yet', cause);
  if (code === 'ENOTDIR' || code === 'ELOOP') return badPath(path, 'a parent that is a real folder', cause);
  const found = cause instanceof Error ? cause.message : 'an unknown failure';
  return new RpmError(
    { code: 'RPM_SOURCE_FAILED', source: path, wanted: 'a disk that takes the file', found },
    `${quote(path)}: ${found}`,
    { cause },
  );
}

function badPath(path: string, wanted: string, cause?: unknown): RpmError {
  return new RpmError(
    { code: 'RPM_BAD_PATH', path, wanted },
    `${quote(path)}: ${wanted} wanted`,
    cause === undefined ? undefined : { cause },
  );
}
