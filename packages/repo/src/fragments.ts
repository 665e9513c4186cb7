/**
 * Repodata as pieces of bytes: each package's element in each of the three documents, cut out without being parsed.
 *
 * This is what makes an update cheap: the pieces of packages that stay are copied as they are. It works for documents
 * in which every package element begins a line and ends one, as createrepo_c and we write them; anything else is
 * REPO_BAD_VALUE, and the caller makes the documents anew.
 */
import { concatenated } from './fetcher.js';
import { identitiesByKernel } from './identity-kernel.js';
import { identityOf, type PackageIdentity } from './package-identity.js';
import { badValue } from './xml-values.js';

/** One package's pieces. The bytes are views: they stay valid. */
export interface PackageFragments extends PackageIdentity {
  readonly primary: Uint8Array;
  readonly filelists: Uint8Array;
  readonly other: Uint8Array;
}

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
      yield { ...identity, primary: piece, filelists: files, other: changelogs };
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
      const run = await pieces.nextRun();
      if (run === undefined) return;
      yield* identitiesOf(run);
    }
  } finally {
    await pieces.close();
  }
}

/** What whole elements of primary, one after the other, say of their packages. Throws REPO_BAD_VALUE when they are not written as we write them. */
export function identitiesOf(run: Uint8Array): PackageIdentity[] {
  return identitiesByKernel(run) ?? cutPieces('primary.xml', run).map(identityOf);
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

/** Where an element begins a line with this text, from a place on; −1 when nowhere. */
export function elementStart(bytes: Uint8Array, tag: string, from: number): number {
  const at = indexOf(bytes, bytesOf(`\n</package>\n${tag}`), Math.max(0, from - close.length));
  return at < 0 ? -1 : at + close.length;
}

/** Where the element of a package ends that begins at a place; −1 when it does not end. */
export function elementEnd(bytes: Uint8Array, start: number): number {
  const at = indexOf(bytes, close, start);
  return at < 0 ? -1 : at + close.length;
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

  /** The next pieces, one after the other in one view. */
  async nextRun(): Promise<Uint8Array | undefined> {
    const first = await this.next();
    const last = this.#ready.at(-1);
    if (first === undefined || last === undefined) return undefined;
    this.#at = this.#ready.length;
    return new Uint8Array(first.buffer, first.byteOffset, last.byteOffset + last.length - first.byteOffset);
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

/** Throws REPO_BAD_VALUE when a package's element of filelists or other is another package's. */
export function checkPkgid(document: string, piece: Uint8Array, pkgid: string): void {
  const found = /^<package pkgid="([0-9a-f]+)"/.exec(text.decode(piece.subarray(0, 160)))?.[1];
  if (found !== pkgid) throw badValue(document, 0, 'package/@pkgid', pkgid, found ?? 'none');
}

const text = new TextDecoder('utf-8');

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
