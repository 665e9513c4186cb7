/**
 * The files of a payload with what the header says about them: archive entries matched to the file list.
 *
 * The header is what signatures cover, so it decides paths, modes and link targets; the archive brings the content.
 *
 * Reference: rpm, lib/rpmfi.cc (iterReadArchiveNext), lib/fsm.cc (rpmPackageFilesInstall)
 */

import type { DecompressOptions } from './codec.js';
import { ArchiveReader, archiveEntries, type CpioEntry } from './cpio.js';
import { quote, RpmError } from './errors.js';
import { fileList, hardlinkSets, isGhost, type PackageFile } from './file-list.js';
import type { RpmPackage } from './package.js';
import { payloadArchive } from './payload.js';

/** One file that the payload carries. */
export interface PayloadEntry {
  readonly file: PackageFile;
  /** Set for every member of a hard-link set but the one that has the content, which comes before them. */
  readonly hardlinkTo?: PackageFile;
  /** Bytes of `data()`. 0 for all but regular files and, where the archive repeats the target, symlinks. */
  readonly sizeBytes: number;
  /** The content. Readable once, before the next entry is asked for; what is left unread is passed over. */
  data(): AsyncIterable<Uint8Array>;
}

/** Ceilings on a payload: those of `decompress`, and one on entries. */
export interface PayloadEntriesOptions extends DecompressOptions {
  /** Most entries. Default 1,048,575, as many as a header can list. */
  readonly maxEntries?: number | undefined;
}

/**
 * The files of a package's payload in the order of the archive, hard links resolved. Ghosts are passed over, also where
 * an old rpm has put them into the archive. Checks no digest: see `checkDigests`.
 *
 * Paths come as stored and may be hostile: `extractPackage` is the safe way to a disk.
 *
 * Throws RPM_BAD_PAYLOAD on an entry that the header does not list, lists as often or with another size, and when a
 * listed file is missing; and what `payloadArchive`, `readCpio` and `fileList` throw.
 */
export function payloadEntries(
  pkg: RpmPackage,
  options: PayloadEntriesOptions = {},
): AsyncGenerator<PayloadEntry, void, void> {
  return entriesOf(pkg, new ArchiveReader(payloadArchive(pkg, options)), options);
}

/** @internal The same over an archive from whose reader the content may also be read. */
export async function* entriesOf(
  pkg: RpmPackage,
  archive: ArchiveReader,
  options: PayloadEntriesOptions,
): AsyncGenerator<PayloadEntry, void, void> {
  const files = fileList(pkg.header);
  const unseen = new UnseenFiles(files);
  const sets = new Map<PackageFile, LinkSet>();
  for (const members of hardlinkSets(files)) {
    const set: LinkSet = { members, waiting: [], last: members.at(-1)!, content: undefined };
    for (const member of members) sets.set(member, set);
  }
  const strippedSize = (index: number): number | undefined => {
    const file = files[index];
    if (file === undefined) return undefined;
    // Of a hard-link set only the last has content; rpm writes none for ghosts either.
    if (file.type !== 'regular' && file.type !== 'symlink') return 0;
    const set = sets.get(file);
    return set !== undefined && set.last !== file ? 0 : file.sizeBytes;
  };
  for await (const entry of archiveEntries(archive, { ...options, strippedSize })) {
    const file = unseen.take(entry);
    if (isGhost(file)) continue;
    const set = sets.get(file);
    if (set === undefined) {
      checkSize(entry, file);
      yield { file, sizeBytes: entry.sizeBytes, data: entry.data };
    } else {
      yield* linkEntries(entry, file, set);
    }
  }
  for (const { members, content } of sets.values()) {
    if (content === undefined) throw missing(members[0]!);
  }
  unseen.checkEmpty();
}

interface LinkSet {
  readonly members: readonly PackageFile[];
  readonly last: PackageFile;
  /** Members that have come without content. */
  readonly waiting: PackageFile[];
  content: PackageFile | undefined;
}

/** The content first, then the links to it, whatever the order in the archive. */
function* linkEntries(entry: CpioEntry, file: PackageFile, set: LinkSet): Generator<PayloadEntry, void, void> {
  if (set.content !== undefined && entry.sizeBytes === 0) {
    yield link(file, set.content);
    return;
  }
  const complete = set.waiting.length + 1 === set.members.length;
  if (entry.sizeBytes === 0 && !complete) {
    set.waiting.push(file);
    return;
  }
  checkSize(entry, file);
  // Some writers store the content of every member: then each is a file of its own after the first.
  set.content ??= file;
  yield { file, sizeBytes: entry.sizeBytes, data: entry.data };
  for (const waiting of set.waiting.splice(0)) yield link(waiting, set.content);
}

function link(file: PackageFile, hardlinkTo: PackageFile): PayloadEntry {
  return { file, hardlinkTo, sizeBytes: 0, data: nothing };
}

async function* nothing(): AsyncGenerator<Uint8Array, void, void> {}

/** Files of the header that no entry has named yet. A path may be listed more than once. */
class UnseenFiles {
  readonly #files: readonly PackageFile[];
  readonly #byPath = new Map<string, number[]>();
  readonly #seen: Uint8Array;

  constructor(files: readonly PackageFile[]) {
    this.#files = files;
    this.#seen = new Uint8Array(files.length);
    // From the last to the first: the first is then popped first.
    for (let index = files.length - 1; index >= 0; index--) {
      const path = withoutRoot(files[index]!.path);
      const indexes = this.#byPath.get(path);
      if (indexes === undefined) this.#byPath.set(path, [index]);
      else indexes.push(index);
    }
  }

  take(entry: CpioEntry): PackageFile {
    const index = entry.kind === 'stripped' ? entry.fileIndex : this.#byPath.get(withoutRoot(entry.name))?.pop();
    const file = index === undefined ? undefined : this.#files[index];
    const name = entry.kind === 'stripped' ? `file number ${entry.fileIndex}` : quote(entry.name);
    if (file === undefined) throw badPayload(entry.offset, 'a file of the header', name);
    if (this.#seen[index!] === 1) throw badPayload(entry.offset, 'each file once', `${name} again`);
    this.#seen[index!] = 1;
    return file;
  }

  checkEmpty(): void {
    for (const file of this.#files) if (this.#seen[file.index] === 0 && !isGhost(file)) throw missing(file);
  }
}

/** `./usr/x`, `/usr/x` and `usr/x` name the same file: old archives have no prefix. */
function withoutRoot(path: string): string {
  let start = path.startsWith('./') ? 1 : 0;
  while (path.charCodeAt(start) === 0x2f) start++;
  return path.slice(start);
}

function checkSize(entry: CpioEntry, file: PackageFile): void {
  if (file.type !== 'regular' || entry.sizeBytes === file.sizeBytes) return;
  const wanted = `${file.sizeBytes} bytes for ${quote(file.path)}, as the header says`;
  throw badPayload(entry.offset, wanted, String(entry.sizeBytes));
}

function missing(file: PackageFile): RpmError {
  return new RpmError(
    { code: 'RPM_BAD_PAYLOAD', section: 'payload', offset: 0, wanted: quote(file.path), found: 'nothing' },
    `payload: no entry, or no content, for ${quote(file.path)}, which the header lists`,
  );
}

function badPayload(offset: number, wanted: string, found: string): RpmError {
  return new RpmError(
    { code: 'RPM_BAD_PAYLOAD', section: 'payload', offset, wanted, found },
    `payload: ${wanted} wanted in the archive entry at byte ${offset}, found ${found}`,
  );
}
