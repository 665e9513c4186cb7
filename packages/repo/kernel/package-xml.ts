/**
 * Kernel (AssemblyScript): one package's header as its elements of primary.xml, filelists.xml and other.xml.
 *
 * The bytes are those of the TypeScript twin (`recordFromPackage`, `encodePrimary`, `encodeFilelists`, `encodeOther`), and a
 * test holds the two together. It does not do everything: texts that are not UTF-8, characters that XML cannot carry, file
 * lists and dependencies of old packages, epochs that are no numbers and packages too large for its room are left to the twin.
 *
 * Memory, from the bottom: results and arguments, the first bytes of the package, tables, the three documents.
 */
import { writeDependencies } from './dependencies';
import { openFiles, writeFiles } from './files';
import { be32, be64, countOf, dataOf, has, indexHeader, int32Of, textOf } from './header';
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
const MAX_SAFE_INTEGER: u64 = 0x1f_ffff_ffff_ffff;

/** Of what the caller writes before each package: pkgid, name of its algorithm, attributes of `<location>`, each up to a NUL. */
const ARGUMENT_BYTES: usize = 16384;
const FIRST_BYTES: usize = 4 << 20;
const SCRATCH_BYTES: usize = 4 << 20;
const DOCUMENT_BYTES: usize = 8 << 20;

/** The word `src`, with zeros up to the length of a vector. */
const source: usize = memory.data<u8>([0x73, 0x72, 0x63, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

let primaryLength: usize = 0;
let filelistsLength: usize = 0;
let otherLength: usize = 0;

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
  return documentStart(3);
}

/** Address of the n-th document: primary, filelists, other. */
export function documentStart(n: usize): usize {
  return room() + FIRST_BYTES + SCRATCH_BYTES + n * DOCUMENT_BYTES;
}

/** Bytes of the n-th document that the last package made. */
export function documentLength(n: usize): usize {
  return n === 0 ? primaryLength : n === 1 ? filelistsLength : otherLength;
}

/**
 * Renders a package whose header begins at byte `headerStart` of the room and ends at byte `headerEnd`. False when the twin has
 * to do it.
 *
 * `archiveBytes` is what the signature header says, for a header that does not.
 */
export function render(
  headerStart: i32,
  headerEnd: i32,
  fileTime: f64,
  sizeBytes: f64,
  archiveBytes: f64,
  changelogLimit: i32,
): bool {
  beginPackage();
  indexHeader(room() + usize(headerStart));
  const scratch = room() + FIRST_BYTES;
  const half = scratch + (SCRATCH_BYTES >> 1);
  openFiles(scratch, half);
  if (doubt) return false;

  const pkgid = args();
  const algorithm = afterText(pkgid);
  const location = afterText(algorithm);
  const primary = documentStart(0);
  openDocument(primary, primary + DOCUMENT_BYTES);
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
  decimal(has(ARCHIVESIZE) ? u64(int32Of(ARCHIVESIZE)) : u64(archiveBytes));
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

  const filelists = documentStart(1);
  openDocument(filelists, filelists + DOCUMENT_BYTES);
  writeStart(pkgid, algorithm);
  const primaryTail = writeFiles(primaryFiles, primary + DOCUMENT_BYTES);
  markup('</package>\n');
  filelistsLength = to - filelists;
  if (doubt) return false;

  openDocument(primaryTail, primary + DOCUMENT_BYTES);
  markup('  </format>\n</package>\n');
  primaryLength = to - primary;

  const other = documentStart(2);
  openDocument(other, other + DOCUMENT_BYTES);
  writeStart(pkgid, algorithm);
  writeChangelogs(changelogLimit, scratch, scratch + SCRATCH_BYTES);
  markup('</package>\n');
  otherLength = to - other;
  return !doubt;
}

/** Repodata calls every source package `src`. */
function archText(): usize {
  return has(SOURCERPM) ? textOf(ARCH) : source;
}

function installedBytes(): u64 {
  if (!has(LONGSIZE)) return int32Of(SIZE);
  const size = be64(dataOf(LONGSIZE));
  if (size > MAX_SAFE_INTEGER) raiseDoubt();
  return size;
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
