/**
 * The files of a manifest, checked, completed with defaults, and in the order in which header and payload have them.
 *
 * Reference: rpm, build/files.cc (genCpioListAndHeader)
 */

import { compareBytewise } from './byte-order.js';
import type { Abortable, ByteSource } from './byte-source.js';
import { quote, RpmError } from './errors.js';
import { fileFlags, verifyFlags } from './file-list.js';
import { MAX_ENTRY_VALUES } from './limits.js';
import type { FileContent, ManifestFile, PackageManifest } from './package-manifest.js';

/** A file ready to be described and packed. */
export interface PlannedFile {
  /** Position in the header's arrays. */
  readonly index: number;
  readonly path: string;
  /** Type and permission bits. */
  readonly mode: number;
  readonly user: string;
  readonly group: string;
  /** Since 1970. */
  readonly modifiedSeconds: number;
  readonly linkTarget: string;
  readonly flags: number;
  readonly verify: number;
  readonly deviceNumber: number;
  /** Index of the first file of the hard-link set, plus one. */
  readonly inode: number;
  /** All names of a hard-linked file, by index; absent for a file with one name. */
  readonly links?: readonly number[];
  readonly capabilities: string;
  readonly language: string;
  readonly fileClass: string;
  /** What the payload carries; absent for what has no bytes of its own there. Of a hard-link set each member has it. */
  readonly content?: FileBytes;
}

/** The bytes of a file: how many there are, and the bytes, as often as asked for. */
export interface FileBytes {
  readonly sizeBytes: number;
  chunks(options?: Abortable): AsyncIterable<Uint8Array>;
}

/**
 * Checks and sorts the files of a manifest and finds out how big each is.
 *
 * Throws RPM_BAD_PATH on a path that is not one, comes twice, or names no file to link to; RPM_LIMIT on too many files
 * and on device numbers above 255; TypeError on a regular file without content; what a content's source throws.
 */
export async function planFiles(
  manifest: PackageManifest,
  sourceDate: Date,
  options: Abortable,
): Promise<readonly PlannedFile[]> {
  const isSource = manifest.source !== undefined;
  const files = [...(manifest.files ?? [])].sort((a, b) => compareBytewise(a.path, b.path));
  if (files.length > MAX_ENTRY_VALUES) {
    throw new RpmError(
      { code: 'RPM_LIMIT', what: 'files', limit: MAX_ENTRY_VALUES, found: files.length },
      `manifest: at most ${MAX_ENTRY_VALUES} files wanted, found ${files.length}`,
    );
  }
  files.forEach((file, i) => {
    checkPath(file.path, isSource);
    if (file.type === 'symlink' && file.target === '') throw badPath(file.target, `a target for ${quote(file.path)}`);
    if (file.path === files[i - 1]?.path) throw badPath(file.path, 'each path once');
  });
  const sets = linkSets(files);
  const contents = new Map<number, FileBytes>();
  for (const [index, file] of files.entries()) {
    if (file.type !== 'regular' || hasFlag(file, 'ghost')) continue;
    if (file.content === undefined) throw new TypeError(`"content" of ${quote(file.path)} is missing`);
    contents.set(index, await openContent(file.content, options));
  }
  const latest = Math.floor(sourceDate.getTime() / 1000);
  return files.map((file, index) => plan(file, index, files, sets, contents, latest));
}

function plan(
  file: ManifestFile,
  index: number,
  files: readonly ManifestFile[],
  sets: ReadonlyMap<number, readonly number[]>,
  contents: ReadonlyMap<number, FileBytes>,
  latest: number,
): PlannedFile {
  const links = sets.get(index);
  // All names of a hard-linked file are one file: what belongs to it comes from the entry with the content.
  const inodeIndex = links?.find((i) => files[i]?.type === 'regular') ?? index;
  const inodeFile = files[inodeIndex] as ManifestFile;
  const modifiedAt = inodeFile.modifiedAt === undefined ? latest : Math.floor(inodeFile.modifiedAt.getTime() / 1000);
  if (!(modifiedAt >= 0)) throw new RangeError(`"modifiedAt" of ${quote(file.path)} must not be before 1970`);
  const content = contents.get(inodeIndex);
  return {
    index,
    path: file.path,
    mode: fileMode(inodeFile),
    user: inodeFile.user ?? 'root',
    group: inodeFile.group ?? 'root',
    modifiedSeconds: Math.min(modifiedAt, latest),
    linkTarget: file.type === 'symlink' ? file.target : '',
    flags: flagBits(file),
    verify: verifyBits(file),
    deviceNumber: deviceNumber(file),
    inode: (links?.[0] ?? index) + 1,
    ...(links === undefined ? {} : { links }),
    capabilities: inodeFile.capabilities ?? '',
    language: file.language ?? '',
    fileClass: inodeFile.fileClass ?? '',
    ...(content === undefined ? {} : { content }),
  };
}

/** By index of each member: the indexes of its set. */
function linkSets(files: readonly ManifestFile[]): ReadonlyMap<number, readonly number[]> {
  const byPath = new Map(files.map((file, index) => [file.path, index]));
  const members = new Map<number, number[]>();
  for (const [index, file] of files.entries()) {
    if (file.type !== 'hardlink') continue;
    const target = byPath.get(file.to);
    const targetFile = target === undefined ? undefined : files[target];
    if (
      target === undefined ||
      targetFile?.type !== 'regular' ||
      hasFlag(targetFile, 'ghost') ||
      hasFlag(file, 'ghost')
    ) {
      throw badPath(file.to, 'a link to a regular file that this package carries');
    }
    const set = members.get(target);
    if (set) set.push(index);
    else members.set(target, [target, index]);
  }
  return new Map(
    [...members.values()].flatMap((set) => {
      const sorted = set.sort((a, b) => a - b);
      return sorted.map((index) => [index, sorted] as const);
    }),
  );
}

const typeBits = {
  regular: 0o100000,
  hardlink: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  'character device': 0o020000,
  'block device': 0o060000,
  fifo: 0o010000,
} as const satisfies Record<ManifestFile['type'], number>;

function fileMode(file: ManifestFile): number {
  const permissions = file.mode ?? (file.type === 'directory' ? 0o755 : file.type === 'symlink' ? 0o777 : 0o644);
  if (!Number.isInteger(permissions) || permissions < 0 || permissions > 0o7777) {
    throw new RangeError(`"mode" of ${quote(file.path)} must be from 0 to 0o7777, not ${permissions}`);
  }
  return typeBits[file.type] | permissions;
}

function flagBits(file: ManifestFile): number {
  let bits = (file.flags ?? []).reduce((sum, flag) => sum | fileFlags[flag], 0);
  // rpm marks files, not directories, as configuration, documentation or licence.
  if (file.type === 'directory') bits &= ~(fileFlags.config | fileFlags.doc | fileFlags.license);
  return bits;
}

function verifyBits(file: ManifestFile): number {
  const { digest, size, link, modifiedAt } = verifyFlags;
  let passedOver = hasFlag(file, 'ghost') ? digest | size | link | modifiedAt : 0;
  for (const name of file.unverified ?? []) passedOver |= verifyFlags[name];
  return ~passedOver >>> 0;
}

/** 8 bits each, as FILERDEVS has room for. */
function deviceNumber(file: ManifestFile): number {
  if (file.type !== 'character device' && file.type !== 'block device') return 0;
  for (const number of [file.major, file.minor]) {
    if (Number.isInteger(number) && number >= 0 && number <= 0xff) continue;
    throw new RpmError(
      { code: 'RPM_LIMIT', what: 'a device number', limit: 0xff, found: number },
      `device numbers of ${quote(file.path)}: 0 to 255 wanted, found ${number}`,
    );
  }
  return (file.major << 8) | file.minor;
}

function hasFlag(file: ManifestFile, flag: keyof typeof fileFlags): boolean {
  return file.flags?.includes(flag) ?? false;
}

function checkPath(path: string, isSource: boolean): void {
  // A name of the payload has at most 4,095 bytes, and `.` goes in front.
  if (path.includes('\0') || new TextEncoder().encode(path).length > 4094) throw badPath(path, 'at most 4094 bytes');
  if (isSource) {
    if (path === '' || path === '.' || path === '..' || path.includes('/')) throw badPath(path, 'a bare file name');
    return;
  }
  if (path === '/') return;
  const [root, ...parts] = path.split('/');
  if (root !== '' || parts.length === 0 || parts.some((part) => part === '' || part === '.' || part === '..')) {
    throw badPath(path, 'an absolute path without ., .. and empty parts');
  }
}

function badPath(path: string, wanted: string): RpmError {
  return new RpmError({ code: 'RPM_BAD_PATH', path, wanted }, `path ${quote(path)}: ${wanted} wanted`);
}

const READ_BYTES = 1 << 20;

async function openContent(content: FileContent, options: Abortable): Promise<FileBytes> {
  if (content instanceof Uint8Array) return memory([content]);
  if (Symbol.asyncIterator in content) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) {
      options.signal?.throwIfAborted();
      chunks.push(chunk.slice());
    }
    return memory(chunks);
  }
  let sizeBytes = content.sizeBytes;
  if (sizeBytes === undefined) {
    sizeBytes = 0;
    for await (const chunk of sourceChunks(content, Number.POSITIVE_INFINITY, options)) sizeBytes += chunk.length;
  }
  const size = sizeBytes;
  return { sizeBytes: size, chunks: (more) => sourceChunks(content, size, more ?? {}) };
}

function memory(chunks: readonly Uint8Array[]): FileBytes {
  return {
    sizeBytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    chunks: async function* () {
      yield* chunks;
    },
  };
}

async function* sourceChunks(source: ByteSource, sizeBytes: number, options: Abortable): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < sizeBytes; ) {
    const wanted = Math.min(READ_BYTES, sizeBytes - offset);
    const chunk = await source.read(offset, wanted, options);
    if (chunk.length > 0) yield chunk;
    offset += chunk.length;
    if (chunk.length < wanted) return;
  }
}
