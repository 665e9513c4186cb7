/**
 * An SRPM taken apart: spec, archives and patches as a source tree.
 *
 * The header says which files there are and what their digests must be; the payload is believed only as far as it
 * agrees. Nothing shows in the folder before every file is there and right.
 *
 * Reference: rpm, build/pack.cc, lib/rpmfi.cc; docs/manual/format_v4.md
 */
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Abortable,
  asByteSource,
  type ByteSource,
  type CpioEntry,
  checkDigests,
  fileFlags,
  fileList,
  isGhost,
  type PackageFile,
  payloadArchive,
  quote,
  type RpmPackage,
  readCpio,
  readPackage,
} from '@distrokit/rpm';
import { SourceError } from './errors.js';
import { checkFileName } from './file-name.js';
import { systemWord } from './lookaside.js';
import type { Origin, SourceFile, SourceTree } from './origin.js';

/** How an SRPM is to be trusted and named. */
export interface ReadSrpmOptions extends Abortable {
  /** Where the SRPM came from and under which terms. */
  readonly origin: Origin;
  /**
   * Throws when the package's signature is not good enough; called before a byte of the payload is read.
   * `'unsigned'` says aloud that nobody looks at signatures. Digests are checked either way.
   */
  readonly verify: 'unsigned' | ((pkg: RpmPackage) => Promise<void>);
  /** Ceiling on the unpacked size of all files. Default 16 GiB. */
  readonly maxBytes?: number | undefined;
}

const defaultMaxBytes = 16 * 2 ** 30;
const maxFiles = 100_000;
const hashOf: Readonly<Record<string, string>> = {
  md5: 'md5',
  sha1: 'sha1',
  sha256: 'sha256',
  sha512: 'sha512',
  'sha3-256': 'sha3-256',
  'sha3-512': 'sha3-512',
};

/**
 * Takes an SRPM apart into a folder, which is created when missing: all files beside each other, as in the package.
 * The tree's `ref` is the SRPM's sha256, its NEVR that of the header.
 *
 * Throws SOURCE_BAD_TREE for a binary package, a package without a spec, and a payload that does not have exactly the
 * files of the header; SOURCE_DIGEST_MISMATCH, SOURCE_BAD_FILENAME, SOURCE_LIMIT, SOURCE_WRITE_FAILED, what `verify` throws, and
 * RpmError for a damaged package. On failure the folder is as it was.
 */
export async function readSrpm(
  source: ByteSource | Uint8Array,
  directory: string,
  options: ReadSrpmOptions,
): Promise<SourceTree> {
  const { verify, origin } = options;
  if (verify !== 'unsigned' && typeof verify !== 'function')
    throw new TypeError('"verify" must be a function or \'unsigned\'');
  const bytes = asByteSource(source);
  const pkg = await readPackage(bytes, signalOf(options));
  const where = origin.where;
  if (!pkg.isSource) throw badTree(where, 'a source package', `a package for ${pkg.nevra.arch}`);
  if (verify !== 'unsigned') await verify(pkg);
  await assertDigests(pkg, where, options);
  const ref = await sha256Of(bytes, options);

  const wanted = wantedFiles(pkg, where);
  const spec = specOf([...wanted.values()], where);
  const scratch = await onDisk(where, directory, async () => {
    await mkdir(directory, { recursive: true });
    return mkdtemp(join(directory, '.fetch-'));
  });
  try {
    const files = await unpack(pkg, wanted, scratch, options);
    for (const { path } of files) {
      await onDisk(path, directory, () => rename(join(scratch, path), join(directory, path)));
    }
    const { name, epoch, version, release } = pkg.nevra;
    const nevr = epoch === undefined ? { name, version, release } : { name, epoch, version, release };
    return { origin, ref, directory, files, spec, nevr };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function assertDigests(pkg: RpmPackage, where: string, options: ReadSrpmOptions): Promise<void> {
  const report = await checkDigests(pkg, { payload: true, ...signalOf(options) });
  for (const [part, statuses] of Object.entries({ header: report.header, payload: report.payload })) {
    for (const status of Object.values(statuses)) {
      if (status?.status !== 'mismatch') continue;
      const { expected: wanted, actual: found } = status;
      throw mismatch(`${part} of the SRPM`, where, wanted.algorithm, wanted.hex, found.hex, pkg.source.sizeBytes ?? 0);
    }
  }
}

function wantedFiles(pkg: RpmPackage, where: string): Map<string, PackageFile> {
  const wanted = new Map<string, PackageFile>();
  const files = fileList(pkg.header);
  if (files.length > maxFiles) throw limit('files of an SRPM', maxFiles, files.length);
  for (const file of files) {
    const name = bareName(file.path);
    checkFileName(name);
    if (file.type !== 'regular') throw badTree(where, 'regular files only', `${quote(name)}, a ${file.type}`);
    if (wanted.has(name)) throw badTree(where, 'each file once', `${quote(name)} twice`);
    wanted.set(name, file);
  }
  return wanted;
}

function specOf(files: readonly PackageFile[], where: string): string {
  const names = (list: readonly PackageFile[]): string[] => list.map((file) => bareName(file.path));
  const flagged = names(files.filter((file) => (file.flags & fileFlags.specFile) !== 0));
  const specs = flagged.length > 0 ? flagged : names(files).filter((name) => name.endsWith('.spec'));
  if (specs.length === 1) return specs[0]!;
  throw badTree(where, 'one spec', specs.length === 0 ? 'none' : specs.slice(0, 5).join(', '));
}

async function unpack(
  pkg: RpmPackage,
  wanted: ReadonlyMap<string, PackageFile>,
  scratch: string,
  options: ReadSrpmOptions,
): Promise<SourceFile[]> {
  const where = options.origin.where;
  const maxBytes = options.maxBytes ?? defaultMaxBytes;
  const byIndex = new Map([...wanted].map(([name, file]) => [file.index, { name, file }]));
  const found: SourceFile[] = [];
  const seen = new Set<string>();
  let total = 0;
  const entries = readCpio(payloadArchive(pkg, { ...signalOf(options), maxBytes: maxBytes + 2 ** 28 }), {
    ...signalOf(options),
    strippedSize: (index) => byIndex.get(index)?.file.sizeBytes,
    maxEntries: maxFiles,
  });
  for await (const entry of entries) {
    const name = entry.kind === 'stripped' ? byIndex.get(entry.fileIndex)?.name : bareName(entry.name);
    const file = name === undefined ? undefined : wanted.get(name);
    if (name === undefined || !file) {
      throw badTree(where, 'only files that the header lists', name === undefined ? 'an unknown number' : quote(name));
    }
    if (seen.has(name)) throw badTree(where, 'each file once in the payload', `${quote(name)} twice`);
    seen.add(name);
    total += entry.sizeBytes;
    if (total > maxBytes) throw limit('unpacked bytes of an SRPM', maxBytes, total);
    const sha256 = await unpackFile(entry, file, name, scratch, options);
    found.push({ path: name, sha256, sizeBytes: entry.sizeBytes, from: options.origin });
  }
  const missing = [...wanted].find(([name, file]) => !seen.has(name) && !isGhost(file));
  if (missing) throw badTree(where, `the file ${quote(missing[0])} in the payload`, 'none of that name');
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function unpackFile(
  entry: CpioEntry,
  file: PackageFile,
  name: string,
  scratch: string,
  options: ReadSrpmOptions,
): Promise<string> {
  const path = join(scratch, name);
  const sha256 = createHash('sha256');
  const digest = file.digest;
  const word = digest && hashOf[digest.algorithm];
  const own = word === undefined || word === 'sha256' ? undefined : createHash(word);
  const handle = await onDisk(name, scratch, () => open(path, 'wx', 0o644));
  try {
    let position = 0;
    for await (const chunk of entry.data()) {
      options.signal?.throwIfAborted();
      sha256.update(chunk);
      own?.update(chunk);
      for (let done = 0; done < chunk.length; ) {
        const { bytesWritten } = await onDisk(name, scratch, () =>
          handle.write(chunk, done, chunk.length - done, position + done),
        );
        done += bytesWritten;
      }
      position += chunk.length;
    }
  } finally {
    await onDisk(name, scratch, () => handle.close());
  }
  // A script among the sources stays one.
  if ((file.mode & 0o111) !== 0) await onDisk(name, scratch, () => chmod(path, 0o755));
  const hex = sha256.digest('hex');
  const actual = own ? own.digest('hex') : hex;
  if (digest && word !== undefined && digest.hex.toLowerCase() !== actual) {
    throw mismatch(name, options.origin.where, digest.algorithm, digest.hex, actual, entry.sizeBytes);
  }
  return hex;
}

async function sha256Of(source: ByteSource, options: Abortable): Promise<string> {
  const chunkBytes = 1 << 20;
  const hash = createHash('sha256');
  for (let offset = 0; ; ) {
    const chunk = await source.read(offset, chunkBytes, signalOf(options));
    hash.update(chunk);
    offset += chunk.length;
    if (chunk.length < chunkBytes) return hash.digest('hex');
  }
}

async function onDisk<T>(file: string, directory: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    const found = systemWord(cause);
    throw new SourceError(
      { code: 'SOURCE_WRITE_FAILED', file, directory, found },
      `${quote(file, 200)} could not be written into ${quote(directory, 200)}: ${found}`,
      { cause },
    );
  }
}

function bareName(path: string): string {
  return path.replace(/^\.\//, '');
}

function signalOf(options: Abortable): Abortable {
  return options.signal ? { signal: options.signal } : {};
}

function mismatch(
  file: string,
  where: string,
  algorithm: string,
  wanted: string,
  found: string,
  sizeBytes: number,
): SourceError {
  const name = algorithm as 'sha256';
  return new SourceError(
    {
      code: 'SOURCE_DIGEST_MISMATCH',
      file,
      where,
      wanted: { algorithm: name, hex: wanted },
      found: { algorithm: name, hex: found },
      sizeBytes,
    },
    `${quote(file)} of ${quote(where, 200)}: wanted ${algorithm} ${wanted}, found ${found}`,
  );
}

function limit(what: string, ceiling: number, found: number): SourceError {
  return new SourceError(
    { code: 'SOURCE_LIMIT', what, limit: ceiling, found },
    `SRPM: ${what} are ${found}, at most ${ceiling} are read`,
  );
}

function badTree(where: string, wanted: string, found: string): SourceError {
  return new SourceError(
    { code: 'SOURCE_BAD_TREE', where, wanted, found },
    `SRPM ${quote(where, 200)}: wanted ${wanted}, found ${found}`,
  );
}
