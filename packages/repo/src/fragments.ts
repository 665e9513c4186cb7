/**
 * Repodata as pieces of bytes: each package's element in each of the three documents, cut out without being parsed.
 *
 * This is what makes an update cheap: the pieces of packages that stay are copied as they are. It works for documents
 * in which every package element begins a line and ends one, as createrepo_c and we write them; anything else is
 * REPO_BAD_VALUE, and the caller makes the documents anew.
 */
import { concatenated } from './fetcher.js';
import { badValue } from './xml-values.js';

/** One package's pieces. The bytes are views: they stay valid. */
export interface PackageFragments {
  /** `name-epoch:version-release.arch`, epoch always there. */
  readonly nevra: string;
  /** As written in primary, entities decoded. */
  readonly location: string;
  readonly locationBase: string | undefined;
  readonly pkgid: string;
  /** `type=` of the checksum. */
  readonly checksumType: string;
  /** Seconds since 1970. */
  readonly fileTime: number;
  readonly sizeBytes: number;
  readonly primary: Uint8Array;
  readonly filelists: Uint8Array;
  readonly other: Uint8Array;
}

/** What primary says of a package where only its identity is wanted. */
export type PackageIdentity = Omit<PackageFragments, 'filelists' | 'other'>;

/** The pieces of three documents in step. Memory does not grow with them. Throws REPO_BAD_VALUE, and what they throw. */
export async function* readFragments(
  primary: AsyncIterable<Uint8Array>,
  filelists: AsyncIterable<Uint8Array>,
  other: AsyncIterable<Uint8Array>,
): AsyncGenerator<PackageFragments, void, void> {
  const [p, f, o] = [
    new Pieces('primary.xml', primary),
    new Pieces('filelists.xml', filelists),
    new Pieces('other.xml', other),
  ];
  try {
    for (;;) {
      const piece = p.shift() ?? (await p.next());
      const files = f.shift() ?? (await f.next());
      const changelogs = o.shift() ?? (await o.next());
      if (piece === undefined || files === undefined || changelogs === undefined) {
        if (piece !== files || piece !== changelogs)
          throw badValue('filelists.xml', 0, 'packages', 'as many as primary', 'others');
        return;
      }
      const identity = identityOf(piece);
      checkPkgid('filelists.xml', files, identity.pkgid);
      checkPkgid('other.xml', changelogs, identity.pkgid);
      yield { ...identity, filelists: files, other: changelogs };
    }
  } finally {
    await Promise.all([p.close(), f.close(), o.close()]);
  }
}

/** The packages of primary alone. As `readFragments`. */
export async function* readIdentities(primary: AsyncIterable<Uint8Array>): AsyncGenerator<PackageIdentity, void, void> {
  const pieces = new Pieces('primary.xml', primary);
  try {
    for (;;) {
      const piece = pieces.shift() ?? (await pieces.next());
      if (piece === undefined) return;
      yield identityOf(piece);
    }
  } finally {
    await pieces.close();
  }
}

/** The elements of whole packages, one after the other. Views. Throws REPO_BAD_VALUE when there is anything else. */
export function cutPieces(document: string, bytes: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = indexOf(bytes, close, at);
    if (end < 0 || bytes[at] !== 0x3c || bytes[at + 1] !== 0x70) {
      throw badValue(document, at, 'package', 'one after the other', 'something else');
    }
    pieces.push(bytes.subarray(at, end + close.length));
    at = end + close.length;
  }
  return pieces;
}

const open = bytesOf('\n<package ');
const close = bytesOf('\n</package>\n');

/** The package elements of a document, each from `<package` to its line break. */
class Pieces {
  readonly #document: string;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #ready: Uint8Array[] = [];
  #at = 0;
  #rest: Uint8Array = new Uint8Array(0);
  #inside = false;
  #ended = false;

  constructor(document: string, chunks: AsyncIterable<Uint8Array>) {
    this.#document = document;
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  shift(): Uint8Array | undefined {
    return this.#at < this.#ready.length ? this.#ready[this.#at++] : undefined;
  }

  async next(): Promise<Uint8Array | undefined> {
    while (this.#at === this.#ready.length) {
      if (this.#ended) return undefined;
      this.#ready = [];
      this.#at = 0;
      await this.#more();
    }
    return this.shift();
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  /** Takes about a megabyte and cuts it. */
  async #more(): Promise<void> {
    const parts = [this.#rest];
    let length = this.#rest.length;
    const wanted = Math.max(1 << 20, this.#rest.length * 2);
    while (length < wanted) {
      const { done, value } = await this.#chunks.next();
      if (done === true) {
        this.#ended = true;
        break;
      }
      parts.push(value);
      length += value.length;
    }
    const bytes = concatenated(parts, length);
    let at = 0;
    if (!this.#inside) {
      const first = indexOf(bytes, open, 0);
      if (first >= 0) {
        at = first + 1;
        this.#inside = true;
      } else if (this.#ended && length > 0 && indexOf(bytes, bytesOf('<package '), 0) >= 0) {
        throw badValue(this.#document, 0, 'package', 'each at the start of a line', 'another form');
      }
    }
    while (this.#inside) {
      const end = indexOf(bytes, close, at);
      if (end < 0) break;
      const next = end + close.length;
      if (bytes[at] !== 0x3c || bytes[at + 1] !== 0x70) {
        throw badValue(this.#document, 0, 'package', 'one after the other', 'something between');
      }
      this.#ready.push(bytes.subarray(at, next));
      at = next;
      if (next + open.length > bytes.length && !this.#ended) break;
      // What follows the last package is the end of the root element.
      if (bytes[next] === 0x3c && bytes[next + 1] === 0x2f) this.#inside = false;
    }
    this.#rest = bytes.subarray(at);
    if (this.#ended && this.#inside && this.#rest.length > 0) {
      const tail = new TextDecoder().decode(this.#rest.subarray(0, 64));
      if (!/^\s*<\/\w+>\s*$/.test(tail)) throw badValue(this.#document, 0, 'package', 'the end of a package', tail);
    }
  }
}

/** What a package's element of primary says of it. Throws REPO_BAD_VALUE when it is not written as we write it. */
export function identityOf(piece: Uint8Array): PackageIdentity {
  // Identity stands in the first lines, after texts that may be long: look for the elements, not for a place.
  const checksum = lineAt(piece, checksumOpen);
  const time = lineAt(piece, timeOpen);
  const size = lineAt(piece, sizeOpen);
  const location = lineAt(piece, locationOpen);
  const found = {
    checksum: /^<checksum type="(\w+)" pkgid="YES">([0-9a-f]+)<\/checksum>/.exec(checksum),
    time: /^<time file="(\d+)"/.exec(time),
    size: /^<size package="(\d+)"/.exec(size),
    location: /^<location(?: xml:base="([^"]*)")? href="([^"]*)"/.exec(location),
  };
  for (const [name, match] of Object.entries(found)) {
    if (match === null) throw badValue('primary.xml', 0, name, 'the form createrepo_c gives it', 'another');
  }
  const base = found.location?.[1];
  const names =
    /^<package type="rpm">\n {2}<name>([^<]*)<\/name>\n {2}<arch>([^<]*)<\/arch>\n {2}<version epoch="(\d+)" ver="([^"]*)" rel="([^"]*)"\/>\n/.exec(
      text.decode(piece.subarray(0, 2048)),
    );
  if (names === null) throw badValue('primary.xml', 0, 'name', 'the form createrepo_c gives it', 'another');
  const [, name, arch, epoch, version, release] = names.map(unescaped) as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  return {
    nevra: `${name}-${epoch}:${version}-${release}.${arch}`,
    location: unescaped(found.location?.[2] ?? ''),
    locationBase: base === undefined ? undefined : unescaped(base),
    pkgid: found.checksum?.[2] ?? '',
    checksumType: found.checksum?.[1] ?? '',
    fileTime: Number(found.time?.[1]),
    sizeBytes: Number(found.size?.[1]),
    primary: piece,
  };
}

const checksumOpen = bytesOf('\n  <checksum ');
const timeOpen = bytesOf('\n  <time ');
const sizeOpen = bytesOf('\n  <size ');
const locationOpen = bytesOf('\n  <location');

/** The line that begins with a mark, without its break and indent. Escaped text holds no `<`, so it cannot be mistaken. */
function lineAt(piece: Uint8Array, mark: Uint8Array): string {
  const start = indexOf(piece, mark, 0);
  if (start < 0) return '';
  const end = piece.indexOf(0x0a, start + 1);
  return text.decode(piece.subarray(start + 3, end < 0 ? piece.length : end));
}

/** Throws REPO_BAD_VALUE when a package's element of filelists or other is another package's. */
export function checkPkgid(document: string, piece: Uint8Array, pkgid: string): void {
  const found = /^<package pkgid="([0-9a-f]+)"/.exec(text.decode(piece.subarray(0, 160)))?.[1];
  if (found !== pkgid) throw badValue(document, 0, 'package/@pkgid', pkgid, found ?? 'none');
}

const text = new TextDecoder('utf-8');

function unescaped(value: string): string {
  if (!value.includes('&')) return value;
  return value.replace(/&(?:#x([0-9A-F]+)|#([0-9]+)|(\w+));/g, (whole, hex, decimal, name) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }[name as string] ?? whole;
  });
}

function bytesOf(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

/** Where a short run of bytes begins; −1 when nowhere. Node's search is native, elsewhere the first byte leads. */
function indexOf(bytes: Uint8Array, mark: Uint8Array, from: number): number {
  if (typeof Buffer === 'function') {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(mark, from);
  }
  for (let at = bytes.indexOf(mark[0] as number, from); at >= 0; at = bytes.indexOf(mark[0] as number, at + 1)) {
    let same = 1;
    while (same < mark.length && bytes[at + same] === mark[same]) same++;
    if (same === mark.length) return at;
  }
  return -1;
}
