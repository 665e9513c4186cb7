/**
 * Kernel (AssemblyScript): the first bytes of packages as their elements of primary.xml, filelists.xml and other.xml, one
 * package behind the other.
 *
 * The bytes are those of the TypeScript twin (`recordFromPackage`, `encodePrimary`, `encodeFilelists`, `encodeOther`), and a
 * test holds the two together. It does not do everything: texts that are not UTF-8, characters that XML cannot carry, file
 * lists and dependencies of old packages, epochs that are no numbers and packages too large for its room are left to the twin.
 *
 * Memory, from the bottom: results and arguments, the first bytes of the package, tables, the three documents, the NEVRAs.
 */
import { headerStart, LEAD_BYTES, soundHeaders } from '../../rpm/kernel/sound-headers';
import { writeDependencies } from './dependencies';
import { openFiles, writeFiles } from './files';
import { be32, be64, countOf, dataOf, emptyText, has, indexHeader, int32Of, textOf } from './header';
import {
  afterText,
  attribute,
  beginPackage,
  decimal,
  doubt,
  markup,
  openDocument,
  raiseDoubt,
  raw,
  rewind,
  text,
  to,
} from './output';

export { typeTable } from '../../rpm/kernel/sound-headers';

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const SUMMARY: u32 = 1004;
const DESCRIPTION: u32 = 1005;
const BUILDTIME: u32 = 1006;
const BUILDHOST: u32 = 1007;
const SIZE: u32 = 1009;
const VENDOR: u32 = 1011;
const LICENSE: u32 = 1014;
const PACKAGER: u32 = 1015;
const GROUP: u32 = 1016;
const URL: u32 = 1020;
const ARCH: u32 = 1022;
const SOURCERPM: u32 = 1044;
const ARCHIVESIZE: u32 = 1046;
const CHANGELOGTIME: u32 = 1080;
const CHANGELOGNAME: u32 = 1081;
const CHANGELOGTEXT: u32 = 1082;
const LONGSIZE: u32 = 5009;
/** In the signature header. */
const LONGARCHIVESIZE: u32 = 271;
const PAYLOADSIZE: u32 = 1007;
const MAX_SAFE_INTEGER: u64 = 0x1f_ffff_ffff_ffff;

/** Of what the caller writes before each package: pkgid, name of its algorithm, attributes of `<location>`, each up to a NUL. */
const ARGUMENT_BYTES: usize = 16384;
const FIRST_BYTES: usize = 4 << 20;
const SCRATCH_BYTES: usize = 4 << 20;
/** Callers empty a document that holds a third of this: a package may need the rest. */
const DOCUMENT_BYTES: usize = 12 << 20;

/** The word `src`, with zeros up to the length of a vector. */
const source: usize = memory.data<u8>([0x73, 0x72, 0x63, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/** Bytes of each document, and of the NEVRAs, since `begin`. */
let primaryLength: usize = 0;
let filelistsLength: usize = 0;
let otherLength: usize = 0;
let nevrasLength: usize = 0;
/** Where the header ends that was accepted last, as a byte of the package. */
let headerEnd: i32 = 0;
/** Of the last package: bytes in primary, filelists, other, and its build time, four bytes each. */
const lastPackage: usize = memory.data(16, 16);

/** Address of the arguments. */
export function args(): usize {
  return (__heap_base + 15) & ~15;
}

/** Address of the room for a package's first bytes. */
export function room(): usize {
  return args() + ARGUMENT_BYTES;
}

/** Bytes of that room. */
export function roomBytes(): usize {
  return FIRST_BYTES;
}

/** Bytes of memory that all of it takes. */
export function memoryBytes(): usize {
  return documentStart(4);
}

/** Address of what is said of the package that was rendered last: bytes in primary, filelists, other, build time; four bytes each. */
export function results(): usize {
  return lastPackage;
}

/** Address of the n-th document: primary, filelists, other; the fourth is the NEVRAs, each with a NUL behind it. */
export function documentStart(n: usize): usize {
  return room() + FIRST_BYTES + SCRATCH_BYTES + n * DOCUMENT_BYTES;
}

/** Bytes of the n-th document since `begin`. */
export function documentLength(n: usize): usize {
  return n === 0 ? primaryLength : n === 1 ? filelistsLength : n === 2 ? otherLength : nevrasLength;
}

/** Begins the documents anew. */
export function begin(): void {
  primaryLength = 0;
  filelistsLength = 0;
  otherLength = 0;
  nevrasLength = 0;
}

/**
 * Looks at the first `length` bytes of a package, which are in the room, and makes it the one that `render` renders. The result is
 * the byte where its header ends; or, as a negative number, how many bytes have to be there for an answer; or 0 when the twin
 * has to decide.
 */
export function accept(length: i32): i32 {
  headerEnd = soundHeaders(room(), usize(length));
  return headerEnd;
}

/** Appends the package that was accepted to the documents. False when the twin has to do it: then they are as before. */
export function render(fileTime: f64, sizeBytes: f64, changelogLimit: i32): bool {
  if (headerEnd <= 0) return false;
  beginPackage();
  indexHeader(room() + headerStart);
  const scratch = room() + FIRST_BYTES;
  const half = scratch + (SCRATCH_BYTES >> 1);
  openFiles(scratch, half);
  if (doubt) return false;

  const pkgid = args();
  const algorithm = afterText(pkgid);
  const location = afterText(algorithm);
  const primary = documentStart(0) + primaryLength;
  const primaryLimit = documentStart(1);
  openDocument(primary, primaryLimit);
  markup('<package type="rpm">\n  <name>');
  text(textOf(NAME));
  markup('</name>\n  <arch>');
  text(archText());
  markup('</arch>\n  ');
  writeVersion();
  markup('\n  <checksum type="');
  raw(algorithm, location - algorithm - 1);
  markup('" pkgid="YES">');
  raw(pkgid, algorithm - pkgid - 1);
  markup('</checksum>\n  <summary>');
  text(textOf(SUMMARY));
  markup('</summary>\n  <description>');
  text(textOf(DESCRIPTION));
  markup('</description>\n  <packager>');
  text(textOf(PACKAGER));
  markup('</packager>\n  <url>');
  text(textOf(URL));
  markup('</url>\n  <time file="');
  decimal(u64(fileTime));
  markup('" build="');
  decimal(int32Of(BUILDTIME));
  markup('"/>\n  <size package="');
  decimal(u64(sizeBytes));
  markup('" installed="');
  decimal(installedBytes());
  markup('" archive="');
  decimal(has(ARCHIVESIZE) ? u64(int32Of(ARCHIVESIZE)) : signatureArchiveBytes());
  markup('"/>\n  <location');
  raw(location, afterText(location) - location - 1);
  markup('/>\n  <format>\n    <rpm:license>');
  text(textOf(LICENSE));
  markup('</rpm:license>\n    <rpm:vendor>');
  text(textOf(VENDOR));
  markup('</rpm:vendor>\n    <rpm:group>');
  text(textOf(GROUP));
  markup('</rpm:group>\n    <rpm:buildhost>');
  text(textOf(BUILDHOST));
  markup('</rpm:buildhost>\n    <rpm:sourcerpm>');
  text(textOf(SOURCERPM));
  markup('</rpm:sourcerpm>\n    <rpm:header-range start="');
  decimal(headerStart);
  markup('" end="');
  decimal(headerEnd);
  markup('"/>\n');
  writeDependencies(half, scratch + SCRATCH_BYTES);
  if (doubt) return false;
  const primaryFiles = to;

  const filelists = primaryLimit + filelistsLength;
  openDocument(filelists, documentStart(2));
  writeStart(pkgid, algorithm);
  const primaryTail = writeFiles(primaryFiles, primaryLimit);
  markup('</package>\n');
  const filelistsEnd = to;
  if (doubt) return false;

  openDocument(primaryTail, primaryLimit);
  markup('  </format>\n</package>\n');
  const primaryEnd = to;

  const other = documentStart(2) + otherLength;
  openDocument(other, documentStart(3));
  writeStart(pkgid, algorithm);
  writeChangelogs(changelogLimit, scratch, scratch + SCRATCH_BYTES);
  markup('</package>\n');
  const otherEnd = to;

  openDocument(documentStart(3) + nevrasLength, documentStart(4));
  writeNevra();
  if (doubt) return false;
  primaryLength += primaryEnd - primary;
  filelistsLength += filelistsEnd - filelists;
  otherLength += otherEnd - other;
  nevrasLength = to - documentStart(3);
  store<u32>(lastPackage, u32(primaryEnd - primary));
  store<u32>(lastPackage, u32(filelistsEnd - filelists), 4);
  store<u32>(lastPackage, u32(otherEnd - other), 8);
  store<u32>(lastPackage, int32Of(BUILDTIME), 12);
  return true;
}

/** As `formatNevra` writes it for an epoch that is always said, and a NUL. */
function writeNevra(): void {
  word(textOf(NAME));
  markup('-');
  decimal(int32Of(EPOCH));
  markup(':');
  word(textOf(VERSION));
  markup('-');
  word(textOf(RELEASE));
  markup('.');
  word(archText());
  raw(emptyText, 1);
}

/** A text as it is. */
function word(from: usize): void {
  raw(from, afterText(from) - from - 1);
}

/** What the signature header says of the size of the archive; its tags have been found to be of their type. */
function signatureArchiveBytes(): u64 {
  const signature = room() + LEAD_BYTES;
  const store = signature + 16 + usize(be32(signature + 8)) * 16;
  let short: u64 = 0;
  for (let entry = signature + 16; entry < store; entry += 16) {
    const tag = be32(entry);
    if (tag === PAYLOADSIZE) short = be32(store + usize(be32(entry + 8)));
    else if (tag === LONGARCHIVESIZE) return safe(be64(store + usize(be32(entry + 8))));
  }
  return short;
}

/** A number that JavaScript holds exactly, or doubt. */
function safe(value: u64): u64 {
  if (value > MAX_SAFE_INTEGER) raiseDoubt();
  return value;
}

/** Repodata calls every source package `src`. */
function archText(): usize {
  return has(SOURCERPM) ? textOf(ARCH) : source;
}

function installedBytes(): u64 {
  if (!has(LONGSIZE)) return int32Of(SIZE);
  return safe(be64(dataOf(LONGSIZE)));
}

function writeVersion(): void {
  markup('<version epoch="');
  decimal(int32Of(EPOCH));
  markup('" ver="');
  attribute(textOf(VERSION));
  markup('" rel="');
  attribute(textOf(RELEASE));
  markup('"/>');
}

/** How a package begins in filelists and other. */
function writeStart(pkgid: usize, pkgidEnd: usize): void {
  markup('<package pkgid="');
  raw(pkgid, pkgidEnd - pkgid - 1);
  markup('" name="');
  attribute(textOf(NAME));
  markup('" arch="');
  attribute(archText());
  markup('">\n  ');
  writeVersion();
  markup('\n');
}

/**
 * Newest first in the header, oldest first in the document. Of entries with one time the older ones move ahead by a second
 * each, so that clients that sort by time keep the order.
 */
function writeChangelogs(limit: i32, scratch: usize, end: usize): void {
  let count = min(countOf(CHANGELOGTIME), min(countOf(CHANGELOGNAME), countOf(CHANGELOGTEXT)));
  if (limit < 0) limit = 0;
  count = min(count, u32(limit));
  // An entry: its second in eight bytes, then author and text in four each.
  if (scratch + usize(count) * 16 > end) {
    raiseDoubt();
    return;
  }
  if (count === 0) return;
  const times = dataOf(CHANGELOGTIME);
  let name = dataOf(CHANGELOGNAME);
  let body = dataOf(CHANGELOGTEXT);
  let lastTime: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const entry = scratch + usize(i) * 16;
    const time: u64 = be32(times + usize(i) * 4);
    store<u64>(entry, time);
    store<u32>(entry, u32(name), 8);
    store<u32>(entry, u32(body), 12);
    name = afterText(name);
    body = afterText(body);
    if (time !== lastTime) {
      lastTime = time;
      continue;
    }
    let moved = time;
    for (let before = entry - 16; before >= scratch && load<u64>(before) === moved; before -= 16) {
      moved++;
      store<u64>(before, moved);
    }
  }
  for (let i = i32(count) - 1; i >= 0 && !doubt; i--) {
    const entry = scratch + usize(i) * 16;
    markup('  <changelog author="');
    const start = to;
    attribute(load<u32>(entry, 8));
    let stop = to;
    while (stop > start && load<u8>(stop - 1) === 0x20) stop--;
    rewind(stop);
    markup('" date="');
    decimal(load<u64>(entry));
    markup('">');
    text(load<u32>(entry, 12));
    markup('</changelog>\n');
  }
}
