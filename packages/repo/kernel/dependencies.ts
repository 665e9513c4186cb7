/**
 * The dependencies of a package, by createrepo_c's rules: see `recordFromPackage` in ../src/package-record.ts for what is
 * left out and why.
 *
 * Reference: createrepo_c, src/parsehdr.c (cr_package_from_header), src/misc.c (cr_str_to_evr, cr_compare_dependency)
 */
import { hasPrimaryFile, isPrimaryPath } from './files';
import { be32, countOf, dataOf, has } from './header';
import { afterText, attribute, attributePart, doubt, markup, raiseDoubt, rewind, to } from './output';
import { compareVersion } from './version';

const PROVIDES: u32 = 1047;
const REQUIRES: u32 = 1049;
const OLDSUGGESTSNAME: u32 = 1156;
const OLDENHANCESNAME: u32 = 1159;
const SENSE_COMPARE: u32 = 0xf;
const SENSE_PRE: u32 = (1 << 6) | (1 << 9) | (1 << 10);

/** Rows of a triple, three words each: name, version, flags. */
const ROW_BYTES: usize = 12;
let rows: usize = 0;
let rowCount: u32 = 0;
let scratch: usize = 0;
let scratchEnd: usize = 0;
/** Rows that were met in tables beside the one that was sought: many only where somebody made names to collide. */
let met: u32 = 0;
const MAX_MET: u32 = 1 << 22;

/** Writes the eight lists. `from` to `end` is room for tables. */
export function writeDependencies(from: usize, end: usize): void {
  if (has(OLDSUGGESTSNAME) || has(OLDENHANCESNAME)) {
    raiseDoubt();
    return;
  }
  met = 0;
  scratchEnd = end;
  scratch = from;
  readRows(PROVIDES, 1113, 1112);
  writeList('    <rpm:provides>\n', '    </rpm:provides>\n');
  writeRequires();
  writeKind(from, 1054, 1055, 1053, '    <rpm:conflicts>\n', '    </rpm:conflicts>\n');
  writeKind(from, 1090, 1115, 1114, '    <rpm:obsoletes>\n', '    </rpm:obsoletes>\n');
  writeKind(from, 5049, 5050, 5051, '    <rpm:suggests>\n', '    </rpm:suggests>\n');
  writeKind(from, 5055, 5056, 5057, '    <rpm:enhances>\n', '    </rpm:enhances>\n');
  writeKind(from, 5046, 5047, 5048, '    <rpm:recommends>\n', '    </rpm:recommends>\n');
  writeKind(from, 5052, 5053, 5054, '    <rpm:supplements>\n', '    </rpm:supplements>\n');
}

/** A list that no other one needs: its table may lie where the last one lay. */
function writeKind(from: usize, nameTag: u32, versionTag: u32, flagsTag: u32, open: string, close: string): void {
  scratch = from;
  readRows(nameTag, versionTag, flagsTag);
  writeList(open, close);
}

/** Takes room of the scratch; 0 and doubt when there is none left. */
function take(bytes: usize): usize {
  const start = (scratch + 7) & ~7;
  if (start + bytes > scratchEnd) {
    raiseDoubt();
    return 0;
  }
  scratch = start + bytes;
  return start;
}

function readRows(nameTag: u32, versionTag: u32, flagsTag: u32): void {
  rowCount = min(countOf(nameTag), min(countOf(versionTag), countOf(flagsTag)));
  if (rowCount === 0) return;
  rows = take(usize(rowCount) * ROW_BYTES);
  if (rows === 0) {
    rowCount = 0;
    return;
  }
  let name = dataOf(nameTag);
  let version = dataOf(versionTag);
  const flags = dataOf(flagsTag);
  for (let i: u32 = 0; i < rowCount; i++) {
    const row = rows + usize(i) * ROW_BYTES;
    store<u32>(row, u32(name));
    store<u32>(row, u32(version), 4);
    store<u32>(row, be32(flags + usize(i) * 4), 8);
    name = afterText(name);
    version = afterText(version);
  }
}

function writeList(open: string, close: string): void {
  const start = to;
  markup(open);
  const first = to;
  for (let i: u32 = 0; i < rowCount; i++) {
    const row = rows + usize(i) * ROW_BYTES;
    if (load<u8>(load<u32>(row)) !== 0) writeEntry(row, false);
    if (doubt) return;
  }
  if (to === first) rewind(start);
  else markup(close);
}

function writeRequires(): void {
  const provides = rows;
  const provideCount = rowCount;
  readRows(REQUIRES, 1050, 1048);
  if (rowCount === 0) return;
  const provided = newTable(provideCount);
  for (let i: u32 = 0; i < provideCount && !doubt; i++) {
    const row = provides + usize(i) * ROW_BYTES;
    const slot = slotOf(provided, provideCount, row, true);
    if (load<u32>(slot) === 0) store<u32>(slot, u32(row));
  }
  // The last entry of each name.
  const last = newTable(rowCount);
  let libc: usize = 0;
  const start = to;
  markup('    <rpm:requires>\n');
  const first = to;
  for (let i: u32 = 0; i < rowCount && !doubt; i++) {
    const row = rows + usize(i) * ROW_BYTES;
    const name: usize = load<u32>(row);
    // `rpmlib(`
    if (load<u32>(name) === 0x6c6d_7072 && (load<u32>(name + 4) & 0x00ff_ffff) === 0x0028_6269) continue;
    if (load<u8>(name) === 0x2f) {
      const end = afterText(name) - 1;
      if (isPrimaryPath(name, end) && hasPrimaryFile(name, end)) continue;
    }
    if (load<u32>(slotOf(provided, provideCount, row, true)) !== 0) continue;
    const slot = slotOf(last, rowCount, row, false);
    const before: usize = load<u32>(slot);
    if (before !== 0 && isSame(before, row)) continue;
    if (isLibc(name)) {
      checkEpoch(row);
      if (libc === 0 || isHigherLibc(load<u32>(libc), name)) libc = row;
      continue;
    }
    if (load<u8>(name) !== 0) writeEntry(row, isPre(row));
    else checkEpoch(row);
    store<u32>(slot, u32(row));
  }
  if (doubt) return;
  if (libc !== 0) writeEntry(libc, isPre(libc));
  if (to === first) rewind(start);
  else markup('    </rpm:requires>\n');
}

function writeEntry(row: usize, pre: bool): void {
  markup('      <rpm:entry name="');
  attribute(load<u32>(row));
  markup('"');
  const epochEnd = checkEpoch(row);
  const version: usize = load<u32>(row, 4);
  if (hasRelation(row)) {
    switch (load<u32>(row, 8) & SENSE_COMPARE) {
      case 2:
        markup(' flags="LT" epoch="');
        break;
      case 4:
        markup(' flags="GT" epoch="');
        break;
      case 8:
        markup(' flags="EQ" epoch="');
        break;
      case 10:
        markup(' flags="LE" epoch="');
        break;
      default:
        markup(' flags="GE" epoch="');
    }
    if (epochEnd > version) attributePart(version, epochEnd);
    else markup('0');
    const start = load<u8>(epochEnd) === 0x3a ? epochEnd + 1 : version;
    const end = afterText(start) - 1;
    let dash = start;
    while (dash < end && load<u8>(dash) !== 0x2d) dash++;
    if (dash > start) {
      markup('" ver="');
      attributePart(start, dash);
    }
    if (dash + 1 < end) {
      markup('" rel="');
      attributePart(dash + 1, end);
    }
    markup('"');
  }
  if (pre) markup(' pre="1"');
  markup('/>\n');
}

/** Where the version's epoch ends: its colon, or the start of a version without. Doubt when it is not of digits alone. */
function checkEpoch(row: usize): usize {
  const version: usize = load<u32>(row, 4);
  let at = version;
  let digits = true;
  while (true) {
    const byte: u32 = load<u8>(at);
    if (byte === 0) return version;
    if (byte === 0x3a) break;
    if (byte - 0x30 >= 10) digits = false;
    at++;
  }
  if (!digits) raiseDoubt();
  return at;
}

function hasRelation(row: usize): bool {
  const compare = load<u32>(row, 8) & SENSE_COMPARE;
  return compare === 2 || compare === 4 || compare === 8 || compare === 10 || compare === 12;
}

/** The comparison as it counts: 0 for every combination that means nothing. */
function relationOf(row: usize): u32 {
  return hasRelation(row) ? load<u32>(row, 8) & SENSE_COMPARE : 0;
}

function isPre(row: usize): bool {
  return (load<u32>(row, 8) & SENSE_PRE) !== 0;
}

/** Whether two requires of one name say the same. */
function isSame(a: usize, b: usize): bool {
  return relationOf(a) === relationOf(b) && isPre(a) === isPre(b) && equalTexts(load<u32>(a, 4), load<u32>(b, 4));
}

function equalTexts(a: usize, b: usize): bool {
  while (load<u8>(a) === load<u8>(b) && load<u8>(a) !== 0) {
    a++;
    b++;
  }
  return load<u8>(a) === load<u8>(b);
}

/** A table of rows, at most half full. */
function newTable(count: u32): usize {
  const bytes = usize(slotsFor(count)) * 4;
  const table = take(bytes);
  if (table !== 0) memory.fill(table, 0, bytes);
  return table;
}

function slotsFor(count: u32): u32 {
  return u32(1) << (33 - clz(count | 1));
}

/** The slot that holds a row of this name, and with `whole` of this version and relation; or the free one for it. */
function slotOf(table: usize, count: u32, row: usize, whole: bool): usize {
  const mask = slotsFor(count) - 1;
  const name: usize = load<u32>(row);
  const version: usize = load<u32>(row, 4);
  let hash = hashOf(name, 0x811c_9dc5);
  if (whole) hash = hashOf(version, hash ^ relationOf(row));
  let slot = table + usize(hash & mask) * 4;
  for (let found: usize = load<u32>(slot); found !== 0; found = load<u32>(slot)) {
    const same = equalTexts(load<u32>(found), name);
    if (same && !whole) break;
    if (same && relationOf(found) === relationOf(row) && equalTexts(load<u32>(found, 4), version)) break;
    met++;
    if (met > MAX_MET) {
      raiseDoubt();
      break;
    }
    hash++;
    slot = table + usize(hash & mask) * 4;
  }
  return slot;
}

/** FNV-1a. Its values never leave the kernel. */
function hashOf(text: usize, seed: u32): u32 {
  let hash = seed;
  for (let at = text; load<u8>(at) !== 0; at++) hash = (hash ^ u32(load<u8>(at))) * 0x0100_0193;
  return hash ^ (hash >> 15);
}

/** Whether a name begins with `libc.so.6`. */
function isLibc(name: usize): bool {
  return load<u32>(name) === 0x6362_696c && load<u32>(name + 4) === 0x2e6f_732e && load<u8>(name + 8) === 0x36;
}

/** Whether `b` wants a newer libc than `a`: `libc.so.6(GLIBC_2.34)(64bit)`; a name without a version wants the least. */
function isHigherLibc(a: usize, b: usize): bool {
  const after = glibcVersion(b);
  if (after === 0) return false;
  const before = glibcVersion(a);
  if (before === 0) return true;
  return compareVersion(before, closing(before), after, closing(after)) < 0;
}

/** Where the version behind `(GLIBC_` begins, 0 without one that a parenthesis closes. */
function glibcVersion(name: usize): usize {
  for (let at = name; load<u8>(at) !== 0; at++) {
    // `(GLI`, then `IBC_`, which shares the I.
    if (load<u32>(at) !== 0x494c_4728 || load<u32>(at + 3) !== 0x5f43_4249) continue;
    return closing(at + 7) === 0 ? 0 : at + 7;
  }
  return 0;
}

/** Where the next closing parenthesis is, 0 without one. */
function closing(from: usize): usize {
  let at = from;
  while (load<u8>(at) !== 0x29 && load<u8>(at) !== 0) at++;
  return load<u8>(at) === 0 ? 0 : at;
}
