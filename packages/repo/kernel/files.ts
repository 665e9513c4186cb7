/**
 * The files of a package: all of them for filelists, those that clients ask for by path for primary as well.
 */
import { be16, be32, countOf, dataOf, has } from './header';
import { afterText, doubt, markup, name, openDocument, raiseDoubt, raw, text, to } from './output';

const FILEMODES: u32 = 1030;
const FILEFLAGS: u32 = 1037;
const DIRINDEXES: u32 = 1116;
const BASENAMES: u32 = 1117;
const DIRNAMES: u32 = 1118;
const OLDFILENAMES: u32 = 1027;
const S_IFMT: u32 = 0o170000;
const S_IFDIR: u32 = 0o040000;
const FILE_GHOST: u32 = 64;

const NOT_IN_PRIMARY: u32 = 0;
const IN_PRIMARY: u32 = 1;
/** `/usr/lib/`, of which primary names `sendmail` alone. */
const SENDMAIL_FOLDER: u32 = 2;

/** A folder, three words each: address of the escaped path, its length, which of its files primary names. */
const FOLDER_BYTES: usize = 12;
let folders: usize = 0;
let folderCount: u32 = 0;
let fileCount: u32 = 0;
let names: usize = 0;
let indexes: usize = 0;
/** Folders and names that were looked at for requirements. */
let looked: u32 = 0;
/** Searching is quadratic where a header asks for many of its own files: past this the twin, which has a table, does it. */
const MAX_LOOKED: u32 = 1 << 22;

/** Looks at the folders: their escaped paths and what is known of them go into the room from `scratch` to `end`. */
export function openFiles(scratch: usize, end: usize): void {
  looked = 0;
  fileCount = countOf(BASENAMES);
  folderCount = countOf(DIRNAMES);
  if (fileCount === 0) {
    if (has(OLDFILENAMES)) raiseDoubt();
    return;
  }
  const sound =
    folderCount > 0 &&
    countOf(DIRINDEXES) >= fileCount &&
    countOf(FILEMODES) === fileCount &&
    countOf(FILEFLAGS) === fileCount;
  if (!sound || usize(folderCount) * FOLDER_BYTES >= (end - scratch) >> 1) {
    raiseDoubt();
    return;
  }
  names = dataOf(BASENAMES);
  indexes = dataOf(DIRINDEXES);
  folders = scratch;
  openDocument(scratch + usize(folderCount) * FOLDER_BYTES, end);
  let from = dataOf(DIRNAMES);
  for (let i: u32 = 0; i < folderCount; i++) {
    const folder = folders + usize(i) * FOLDER_BYTES;
    const start = to;
    const stop = text(from);
    if (doubt) return;
    // A path is in primary by its folder only if the folder ends where the name begins.
    if (stop > from && load<u8>(stop - 1) !== 0x2f) {
      raiseDoubt();
      return;
    }
    store<u32>(folder, u32(start));
    store<u32>(folder, u32(to - start), 4);
    store<u32>(folder, placeOf(from, stop), 8);
    from = stop + 1;
  }
}

/**
 * Writes the file elements of filelists from where the output stands, and those of primary to `primary`, which ends before
 * `primaryEnd`. Where those of primary end.
 */
export function writeFiles(primary: usize, primaryEnd: usize): usize {
  const modes = dataOf(FILEMODES);
  const flags = dataOf(FILEFLAGS);
  let from = names;
  for (let i: u32 = 0; i < fileCount; i++) {
    const folder = folderOf(i);
    if (folder === 0) return primary;
    const element = to + 2;
    if ((be16(modes + usize(i) * 2) & S_IFMT) === S_IFDIR) markup('  <file type="dir">');
    else if ((be32(flags + usize(i) * 4) & FILE_GHOST) !== 0) markup('  <file type="ghost">');
    else markup('  <file>');
    raw(load<u32>(folder), load<u32>(folder, 4));
    const start = from;
    const stop = name(from);
    from = stop + 1;
    markup('</file>\n');
    if (doubt) return primary;
    const place = load<u32>(folder, 8);
    if (place === NOT_IN_PRIMARY || (place === SENDMAIL_FOLDER && !isSendmail(start, stop))) continue;
    const length = to - element;
    if (primary + length + 32 >= primaryEnd) {
      raiseDoubt();
      return primary;
    }
    store<u32>(primary, 0x2020_2020);
    memory.copy(primary + 4, element, length);
    primary += length + 4;
  }
  return primary;
}

/** Whether primary names this path among the package's own files. */
export function hasPrimaryFile(path: usize, end: usize): bool {
  let split = end;
  while (split > path && load<u8>(split - 1) !== 0x2f) split--;
  if (fileCount === 0 || mustStop(folderCount)) return false;
  let from = dataOf(DIRNAMES);
  for (let i: u32 = 0; i < folderCount; i++) {
    const next = afterText(from);
    if (next - 1 - from === split - path && memory.compare(from, path, split - path) === 0) {
      if (holds(i, split, end)) return true;
    }
    from = next;
  }
  return false;
}

/** Whether primary names a path: below `/etc/`, `bin/` anywhere in it, or `/usr/lib/sendmail`. */
export function isPrimaryPath(path: usize, end: usize): bool {
  if (isFolderInPrimary(path, end)) return true;
  return end - path === 17 && isUsrLib(path) && isSendmail(path + 9, end);
}

function mustStop(places: u32): bool {
  looked += places;
  if (looked <= MAX_LOOKED) return false;
  raiseDoubt();
  return true;
}

function holds(folder: u32, name: usize, end: usize): bool {
  if (mustStop(fileCount)) return false;
  let from = names;
  for (let i: u32 = 0; i < fileCount; i++) {
    const next = afterText(from);
    const same =
      be32(indexes + usize(i) * 4) === folder &&
      next - 1 - from === end - name &&
      memory.compare(from, name, end - name) === 0;
    if (same) return true;
    from = next;
  }
  return false;
}

function folderOf(file: u32): usize {
  const index = be32(indexes + usize(file) * 4);
  if (index < folderCount) return folders + usize(index) * FOLDER_BYTES;
  raiseDoubt();
  return 0;
}

function placeOf(from: usize, end: usize): u32 {
  if (isFolderInPrimary(from, end)) return IN_PRIMARY;
  return end - from === 9 && isUsrLib(from) ? SENDMAIL_FOLDER : NOT_IN_PRIMARY;
}

function isFolderInPrimary(from: usize, end: usize): bool {
  const length = end - from;
  // `/etc`, then the slash.
  if (length >= 5 && load<u32>(from) === 0x6374_652f && load<u8>(from + 4) === 0x2f) return true;
  for (let at = from; at + 4 <= end; at++) if (load<u32>(at) === 0x2f6e_6962) return true;
  return false;
}

/** `/usr/lib/`, of which at least nine bytes are there. */
function isUsrLib(from: usize): bool {
  return load<u32>(from) === 0x7273_752f && load<u32>(from + 4) === 0x6269_6c2f && load<u8>(from + 8) === 0x2f;
}

function isSendmail(from: usize, end: usize): bool {
  return end - from === 8 && load<u32>(from) === 0x646e_6573 && load<u32>(from + 4) === 0x6c69_616d;
}
