/**
 * Package elements in the layout that createrepo_c gives them, read line by line with one search for each value: several
 * times as fast as XML in general, since nearly every repository is laid out so.
 *
 * Nothing is decided here: what is laid out in any other way, and all that is wrong, is left to `XmlReader`, which begins
 * where the reading by lines ended. A line is taken only where both read the same from it.
 */
import { concatenated } from './fetcher.js';
import type { RepositoryFile } from './package-record.js';
import { fileLines, textMarks } from './text-marks.js';
import { forbiddenAbove, latin1, utf8Of } from './xml.js';

/** Thrown where the lines are not as expected. No error: the caller goes on with `XmlReader`. */
export const otherLayout: unique symbol = Symbol('another layout');

/** A cursor over text with one character per byte. All methods throw `otherLayout`. */
export class PackageLines {
  readonly text: string;
  at: number;
  readonly #marks: Uint32Array | undefined;
  #mark = 0;
  /** Where the next tag and the next line begin, if that is behind `at`. */
  #tag = -1;
  #line = -1;

  /** `marks` are those of the text, where there are any. */
  constructor(text: string, at: number, marks: Uint32Array | undefined) {
    this.text = text;
    this.at = at;
    this.#marks = marks;
  }

  /** Steps over a literal if it is next. */
  has(literal: string): boolean {
    if (!this.text.startsWith(literal, this.at)) return false;
    this.at += literal.length;
    return true;
  }

  /** Steps over a literal. */
  skip(literal: string): void {
    if (!this.text.startsWith(literal, this.at)) throw otherLayout;
    this.at += literal.length;
  }

  /** The text up to a closing tag, which is stepped over. */
  content(close: string): string {
    const end = this.text.indexOf('<', this.at);
    if (end < 0 || !this.text.startsWith(close, end) || end - this.at > maxPlainBytes) throw otherLayout;
    const raw = this.text.slice(this.at, end);
    const work = this.#workUpTo(end, raw);
    this.at = end + close.length;
    return work === 'none' ? raw : decoded(raw, work === 'entities');
  }

  /** An attribute's value and the quote after it. */
  value(): string {
    const start = this.at;
    const end = this.text.indexOf('"', start);
    if (end < 0 || end - start > maxPlainBytes) throw otherLayout;
    const raw = this.text.slice(start, end);
    const work = this.#workUpTo(end, raw);
    // Line breaks and tabs would become blanks.
    if (this.#isBeyondTag(end) || (work === 'any' && raw.includes('\t'))) throw otherLayout;
    this.at = end + 1;
    return work === 'none' ? raw : decoded(raw, work === 'entities');
  }

  /** A number without sign in a value. */
  number(): number {
    let value = 0;
    let at = this.at;
    for (let digit = this.text.charCodeAt(at) - 0x30; digit >= 0 && digit <= 9; ) {
      value = value * 10 + digit;
      digit = this.text.charCodeAt(++at) - 0x30;
    }
    const digits = at - this.at;
    if (digits === 0 || digits > 15 || !this.text.startsWith('"', at)) throw otherLayout;
    this.at = at + 1;
    return value;
  }

  /** Steps over elements of files behind so many blanks, as far as they are plain, and adds them to a list. */
  plainFiles(blanks: 2 | 4, into: RepositoryFile[]): void {
    if (this.#marks === undefined) return;
    const { text } = this;
    const { count, found } = fileLines(this.at, text.length, blanks);
    for (let n = 0; n < count; n++) {
      const end = found[2 * n + 1] as number;
      const type = fileTypes[end >>> 30] as RepositoryFile['type'];
      into.push({ path: text.slice(found[2 * n], end & 0x3fff_ffff), type });
    }
    if (count > 0) this.at = ((found[2 * count - 1] as number) & 0x3fff_ffff) + fileEnd.length;
  }

  /** Whether a tag or a line begins between here and there. */
  #isBeyondTag(end: number): boolean {
    if (this.#tag < this.at) this.#tag = nextOf(this.text, '<', this.at);
    if (this.#line < this.at) this.#line = nextOf(this.text, '\n', this.at);
    return this.#tag < end || this.#line < end;
  }

  /** What there is to do about the text from here to there, which is `raw`. */
  #workUpTo(end: number, raw: string): 'none' | 'entities' | 'any' {
    const marks = this.#marks;
    if (marks === undefined) return needsWork.test(raw) ? 'any' : 'none';
    let mark = this.#mark;
    while ((marks[mark] as number) < this.at) mark++;
    let work: 'none' | 'entities' | 'any' = 'none';
    for (; (marks[mark] as number) < end; mark++) {
      const place = marks[mark] as number;
      const code = this.text.charCodeAt(place);
      if (code === ampersand) work = 'entities';
      else if (code !== bracket || this.text.startsWith(']]>', place)) {
        work = 'any';
        break;
      }
    }
    this.#mark = mark;
    return work;
  }
}

function nextOf(text: string, character: string, from: number): number {
  const at = text.indexOf(character, from);
  return at < 0 ? Number.POSITIVE_INFINITY : at;
}

const fileTypes = ['file', 'dir', 'ghost'] as const;
const fileEnd = '</file>\n';

// Longer values are held against their ceilings elsewhere.
const maxPlainBytes = 1_048_576;
/** What the kernel marks. */
const needsWork = /[&\]\x00-\x09\x0b-\x1f\x80-\xff]/;
const ampersand = 0x26;
const bracket = 0x5d;
const neverPlain = /[\r\x00-\x08\x0b\x0c\x0e-\x1f]/;
const aboveAscii = /[\x80-\xff]/;
/** With its semicolon: without one there is no end to go on from. */
const hexReference = /&#x([0-9A-F]{2,6});/y;

/** Bytes of `&lt;`, `&gt;`, `&amp;` or `&quot;` at a place; 0 when none of them is there. */
function entityLength(text: string, at: number): 0 | 4 | 5 | 6 {
  if (text.startsWith('lt;', at + 1) || text.startsWith('gt;', at + 1)) return 4;
  if (text.startsWith('amp;', at + 1)) return 5;
  return text.startsWith('quot;', at + 1) ? 6 : 0;
}

/** `isPlain` where nothing but entities needs work. */
function decoded(raw: string, isPlain = false): string {
  if (!isPlain && (neverPlain.test(raw) || raw.includes(']]>'))) throw otherLayout;
  let value = raw;
  if (!isPlain && aboveAscii.test(raw)) {
    const decoded = utf8Of(raw);
    if (decoded === undefined || forbiddenAbove.test(decoded)) throw otherLayout;
    value = decoded;
  }
  let at = value.indexOf('&');
  if (at < 0) return value;
  let out = '';
  let from = 0;
  for (; at >= 0; at = value.indexOf('&', from)) {
    out += value.slice(from, at);
    const length = entityLength(value, at);
    if (length > 0) {
      out += length === 4 ? (value.charCodeAt(at + 1) === 0x6c ? '<' : '>') : length === 5 ? '&' : '"';
      from = at + length;
    } else {
      // In attributes the reference writes every character above ASCII so.
      hexReference.lastIndex = at;
      const code = Number.parseInt(hexReference.exec(value)?.[1] ?? '0', 16);
      if (code < 0x80 || (code >= 0xd800 && code <= 0xdfff) || code === 0xfffe || code === 0xffff || code > 0x10ffff) {
        throw otherLayout;
      }
      out += String.fromCodePoint(code);
      from = hexReference.lastIndex;
    }
  }
  return out + value.slice(from);
}

/** Takes one package element, with its line break, off the lines. */
export type ReadLines<Item> = (lines: PackageLines) => Item;

const packageEnd = '</package>\n';
const packageEndBytes = new TextEncoder().encode(packageEnd);

/** Where the end of an element begins last, at or behind a place; −1 when nowhere. Node's search is native. */
function lastEnd(bytes: Uint8Array, from: number): number {
  const part = bytes.subarray(from);
  if (typeof Buffer === 'function') {
    const at = Buffer.from(part.buffer, part.byteOffset, part.length).lastIndexOf(packageEndBytes);
    return at < 0 ? -1 : from + at;
  }
  const at = latin1(part).lastIndexOf(packageEnd);
  return at < 0 ? -1 : from + at;
}
const head =
  /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<([a-z]+)(?: xmlns="[\w:/.-]*")?(?: xmlns:rpm="[\w:/.-]*")?(?: packages="[0-9]*")?>\n$/;
// Text of this length is cheap to make and to forget; longer text is kept apart by the engine, page by page.
const windowBytes = 65_536;
const maxWindowBytes = 32 * 1024 * 1024;

/** Where `XmlReader` has to go on: inside which root element, from which byte, with which bytes that were held back. */
export interface GoOn {
  /** Undefined at the start of the document. */
  readonly root: string | undefined;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A document as it comes, cut into packages as long as it is laid out as expected. */
export class PackageWindow<Item> {
  readonly #read: ReadLines<Item>;
  /** The bytes from `#offset` on, in a buffer that is used again and again. */
  #buffer = new Uint8Array(windowBytes);
  #length = 0;
  #offset = 0;
  /** No element ends before this place. */
  #searched = 0;
  #root: string | undefined;

  constructor(read: ReadLines<Item>) {
    this.#read = read;
  }

  /** Takes bytes; gives `items` the packages that are whole. Returns where the layout ended, if it did. */
  write(chunk: Uint8Array, items: Item[]): GoOn | undefined {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + this.#buffer.length - this.#length);
      this.#buffer.set(part, this.#length);
      this.#length += part.length;
      at += part.length;
      if (this.#length < this.#buffer.length) return undefined;
      const other = this.#take(items);
      if (other !== undefined)
        return {
          ...other,
          bytes: concatenated([other.bytes, chunk.subarray(at)], other.bytes.length + chunk.length - at),
        };
    }
    return undefined;
  }

  /** At the end of the document: the packages that are left, and what comes after them. */
  end(items: Item[]): GoOn {
    return this.#take(items) ?? this.#goOn(0);
  }

  #take(items: Item[]): GoOn | undefined {
    const bytes = this.#buffer.subarray(0, this.#length);
    let text: string | undefined;
    let at = 0;
    if (this.#root === undefined) {
      text = latin1(bytes);
      const first = text.indexOf('\n<package ') + 1;
      this.#root = head.exec(text.slice(0, Math.min(first, 4096)))?.[1];
      if (this.#root === undefined) return this.#goOn(0);
      at = first;
    }
    // In bytes, and not twice in the same ones: an element may be longer than many windows.
    const end = lastEnd(bytes, this.#searched);
    if (end < at) {
      // A package that is longer than the buffer. The head is taken, whatever comes of the rest.
      if (at === 0 && this.#length * 2 > maxWindowBytes) return this.#goOn(0);
      this.#move(at);
      if (at === 0 && this.#length === this.#buffer.length) {
        const buffer = new Uint8Array(this.#length * 2);
        buffer.set(this.#buffer);
        this.#buffer = buffer;
      }
      return undefined;
    }
    const lines = new PackageLines(text ?? latin1(bytes), at, textMarks(bytes));
    while (lines.at < end) {
      at = lines.at;
      try {
        items.push(this.#read(lines));
      } catch (cause) {
        if (cause !== otherLayout) throw cause;
        return this.#goOn(at);
      }
    }
    this.#move(lines.at);
    return undefined;
  }

  #move(at: number): void {
    this.#buffer.copyWithin(0, at, this.#length);
    this.#length -= at;
    this.#searched = Math.max(0, this.#length - packageEnd.length + 1);
    this.#offset += at;
    if (this.#buffer.length > windowBytes && this.#length < windowBytes) {
      this.#buffer = this.#buffer.slice(0, windowBytes);
    }
  }

  #goOn(at: number): GoOn {
    return { root: this.#root, offset: this.#offset + at, bytes: this.#buffer.slice(at, this.#length) };
  }
}
