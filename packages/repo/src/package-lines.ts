/**
 * Package elements in the layout that createrepo_c gives them, read line by line with one search for each value: several
 * times as fast as XML in general, since nearly every repository is laid out so.
 *
 * Nothing is decided here: what is laid out in any other way, and all that is wrong, is left to `XmlReader`, which begins
 * where the reading by lines ended. A line is taken only where both read the same from it.
 */
import { concatenated } from './fetcher.js';
import { forbiddenAbove, latin1, utf8Of } from './xml.js';

/** Thrown where the lines are not as expected. No error: the caller goes on with `XmlReader`. */
export const otherLayout: unique symbol = Symbol('another layout');

/** A cursor over text with one character per byte. All methods throw `otherLayout`. */
export class PackageLines {
  readonly text: string;
  at: number;

  constructor(text: string, at: number) {
    this.text = text;
    this.at = at;
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
    this.at = end + close.length;
    return contentNeedsWork.test(raw) ? decoded(raw) : raw;
  }

  /** An attribute's value and the quote after it. */
  value(): string {
    const end = this.text.indexOf('"', this.at);
    if (end < 0 || end - this.at > maxPlainBytes) throw otherLayout;
    const raw = this.text.slice(this.at, end);
    this.at = end + 1;
    if (!valueNeedsWork.test(raw)) return raw;
    // Line breaks and tabs would become blanks.
    if (raw.includes('<') || raw.includes('\n') || raw.includes('\t')) throw otherLayout;
    return decoded(raw);
  }

  /** A number without sign in a value. */
  number(): number {
    const raw = this.value();
    if (!/^[0-9]{1,15}$/.test(raw)) throw otherLayout;
    return Number(raw);
  }
}

// Longer values are held against their ceilings elsewhere.
const maxPlainBytes = 1_048_576;
const contentNeedsWork = /[&\r\]\x00-\x08\x0b\x0c\x0e-\x1f\x80-\xff]/;
const valueNeedsWork = /[&<\x00-\x1f\x80-\xff]/;
const neverPlain = /[\r\x00-\x08\x0b\x0c\x0e-\x1f]/;
const aboveAscii = /[\x80-\xff]/;
/** With its semicolon: without one there is no end to go on from. */
const hexReference = /&#x([0-9A-F]{2,6});/y;
const entities: readonly (readonly [written: string, character: string])[] = [
  ['&lt;', '<'],
  ['&gt;', '>'],
  ['&amp;', '&'],
  ['&quot;', '"'],
];

function decoded(raw: string): string {
  if (neverPlain.test(raw) || raw.includes(']]>')) throw otherLayout;
  let value = raw;
  if (aboveAscii.test(raw)) {
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
    const entity = entities.find(([written]) => value.startsWith(written, at));
    if (entity !== undefined) {
      out += entity[1];
      from = at + entity[0].length;
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
    const text = latin1(this.#buffer.subarray(0, this.#length));
    let at = 0;
    if (this.#root === undefined) {
      const first = text.indexOf('\n<package ') + 1;
      this.#root = head.exec(text.slice(0, Math.min(first, 4096)))?.[1];
      if (this.#root === undefined) return this.#goOn(0);
      at = first;
    }
    const end = text.lastIndexOf(packageEnd);
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
    const lines = new PackageLines(text, at);
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
    this.#offset += at;
    if (this.#buffer.length > windowBytes && this.#length < windowBytes) {
      this.#buffer = this.#buffer.slice(0, windowBytes);
    }
  }

  #goOn(at: number): GoOn {
    return { root: this.#root, offset: this.#offset + at, bytes: this.#buffer.slice(at, this.#length) };
  }
}
