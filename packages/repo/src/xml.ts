/**
 * XML as repository documents use it: a streaming reader over bytes, and the two escapes of the writer.
 *
 * The reader is strict and small: UTF-8 only, no DTD, no entities beyond the five and character references, ceilings on
 * depth, attributes and text. It reports elements as they open and close; character data is reported with the closing
 * of an element that has no element children, which is where these formats keep it.
 *
 * Text is scanned one character per byte (Latin-1) and decoded as UTF-8 only where a byte above 0x7f occurs, so every
 * offset is a byte offset and plain ASCII costs nothing twice.
 *
 * Reference: XML 1.0, fifth edition; the escapes are those libxml2 makes, since createrepo_c writes with it.
 */
import { quote } from '@distrokit/rpm';
import { RepoError } from './errors.js';

/** Ceilings of one document. libxml2's own are 256 levels and 10,000,000 bytes a text. */
export interface XmlLimits {
  /** Default 64. */
  readonly maxDepth?: number;
  /** Bytes of one attribute value as written. Default 1 MiB. */
  readonly maxAttributeBytes?: number;
  /** Bytes of one run of text as written. Default 10,000,000. */
  readonly maxTextBytes?: number;
  /** Pass over a document type that declares nothing: comps.xml has one. Its DTD is not looked at. Default false. */
  readonly allowDoctype?: boolean;
}

/** Attributes of the element just opened. Valid during the call only. */
export interface XmlAttributes {
  /** The value, by qualified name as written (`xml:base`). */
  get(name: string): string | undefined;
  readonly names: readonly string[];
}

/** Hears a document. Element names come without their prefix; attribute names with it. */
export interface XmlHandler {
  /** `offset` is that of the `<`. */
  open(name: string, attributes: XmlAttributes, offset: number): void;
  /** `text` is the character data of an element without children, else empty. `offset` is past the `>`. */
  close(name: string, text: string, offset: number): void;
}

const maxAttributes = 256;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** A push parser: `write` bytes as they come, then `end`. Throws REPO_BAD_XML with the byte offset. */
export class XmlReader {
  readonly #document: string;
  readonly #handler: XmlHandler;
  readonly #maxDepth: number;
  readonly #maxAttributeBytes: number;
  readonly #maxTextBytes: number;
  readonly #allowDoctype: boolean;
  readonly #attributes = new AttributeList();
  readonly #stack: string[] = [];
  /** Not yet consumed; one character per byte. */
  #rest = '';
  /** Byte offset of the first character of `#rest`. */
  #base = 0;
  /** Character data of the innermost element, while it has no child. */
  #leaf = '';
  #isLeaf = false;
  #rootSeen = false;
  #started = false;
  #ending = false;

  /** `inside`: the document began elsewhere; what is written here comes at this byte of it, within this root element. */
  constructor(
    document: string,
    handler: XmlHandler,
    limits: XmlLimits = {},
    inside?: { readonly root: string; readonly offset: number },
  ) {
    if (inside !== undefined) {
      this.#stack.push(inside.root);
      this.#base = inside.offset;
      this.#rootSeen = true;
      this.#started = true;
    }
    this.#document = document;
    this.#handler = handler;
    this.#maxDepth = limits.maxDepth ?? 64;
    this.#maxAttributeBytes = limits.maxAttributeBytes ?? 1_048_576;
    this.#maxTextBytes = limits.maxTextBytes ?? 10_000_000;
    this.#allowDoctype = limits.allowDoctype ?? false;
  }

  write(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const chunk = latin1(bytes);
    const text = this.#rest.length === 0 ? chunk : this.#rest + chunk;
    const end = this.#scan(text);
    this.#rest = end === text.length ? '' : text.slice(end);
    this.#base += end;
    if (this.#rest.length > this.#maxTextBytes + this.#maxAttributeBytes) {
      this.#fail(this.#base, `a token of at most ${this.#maxTextBytes} bytes`, 'a longer one');
    }
  }

  end(): void {
    this.#ending = true;
    const consumed = this.#scan(this.#rest);
    const rest = this.#rest.slice(consumed);
    this.#base += consumed;
    if (rest.startsWith('<')) this.#fail(this.#base, 'the end of a tag', 'the end of the document');
    this.#characters(rest, 0, rest.length);
    const open = this.#stack.at(-1);
    if (open !== undefined) this.#fail(this.#base + rest.length, `</${open}>`, 'the end of the document');
    if (!this.#rootSeen) this.#fail(this.#base + rest.length, 'an element', 'the end of the document');
  }

  /** Consumes whole tokens; gives the index of the first character that belongs to an unfinished one. */
  #scan(text: string): number {
    let at = 0;
    if (!this.#started) {
      // Byte order mark, `<?xml` and one more.
      if (text.length < 9 && !this.#ending) return 0;
      if (text.startsWith('\u00ef\u00bb\u00bf')) at = 3;
      this.#started = true;
      if (text.startsWith('<?xml', at) && isSpace(text.charCodeAt(at + 5))) {
        const end = text.indexOf('?>', at);
        if (end < 0) {
          this.#started = false;
          if (text.length > 4096) this.#fail(this.#base, 'the end of the XML declaration', 'none in 4096 bytes');
          return 0;
        }
        this.#declaration(text.slice(at, end));
        at = end + 2;
      }
    }
    for (;;) {
      const tag = text.indexOf('<', at);
      if (tag < 0) return at;
      if (tag > at) this.#characters(text, at, tag);
      const next = text.charCodeAt(tag + 1);
      let end: number;
      if (next === 0x2f) end = this.#closeTag(text, tag);
      else if (next === 0x21) end = this.#markup(text, tag);
      else if (next === 0x3f) end = this.#instruction(text, tag);
      else end = this.#openTag(text, tag);
      if (end < 0) return tag;
      at = end;
    }
  }

  #openTag(text: string, tag: number): number {
    let at = tag + 1;
    const nameEnd = endOfName(text, at);
    if (nameEnd === text.length) return -1;
    if (nameEnd === at || !isNameStart(text.charCodeAt(at))) {
      this.#fail(this.#base + at, 'the name of an element', text.slice(at, at + 1));
    }
    const name = text.slice(at, nameEnd);
    const attributes = this.#attributes;
    attributes.clear();
    at = nameEnd;
    for (;;) {
      const before = at;
      while (isSpace(text.charCodeAt(at))) at++;
      if (at === text.length) return -1;
      const code = text.charCodeAt(at);
      if (code === 0x3e) {
        at++;
        this.#opened(name, tag, false, at);
        return at;
      }
      if (code === 0x2f) {
        if (at + 1 === text.length) return -1;
        if (text.charCodeAt(at + 1) !== 0x3e) this.#fail(this.#base + at, '/>', text.slice(at, at + 2));
        at += 2;
        this.#opened(name, tag, true, at);
        return at;
      }
      if (at === before) this.#fail(this.#base + at, 'white space before an attribute', text.slice(at, at + 1));
      const end = endOfName(text, at);
      if (end === text.length) return -1;
      if (end === at || !isNameStart(code)) {
        this.#fail(this.#base + at, 'the name of an attribute', text.slice(at, at + 1));
      }
      const attribute = text.slice(at, end);
      at = end;
      while (isSpace(text.charCodeAt(at))) at++;
      if (at === text.length) return -1;
      if (text.charCodeAt(at) !== 0x3d) this.#fail(this.#base + at, '=', text.slice(at, at + 1));
      at++;
      while (isSpace(text.charCodeAt(at))) at++;
      if (at === text.length) return -1;
      const quoteMark = text[at];
      if (quoteMark !== '"' && quoteMark !== "'") {
        this.#fail(this.#base + at, 'a quoted value', text.slice(at, at + 1));
      }
      const close = text.indexOf(quoteMark as string, at + 1);
      if ((close < 0 ? text.length : close) - at - 1 > this.#maxAttributeBytes) {
        this.#fail(this.#base + at, `a value of at most ${this.#maxAttributeBytes} bytes`, 'a longer one');
      }
      if (close < 0) return -1;
      const raw = text.slice(at + 1, close);
      const value = attributeNeedsWork.test(raw) ? this.#attributeValue(raw, at + 1) : raw;
      if (!attributes.add(attribute, value)) {
        this.#fail(this.#base + at, `each attribute once and at most ${maxAttributes}`, attribute);
      }
      at = close + 1;
    }
  }

  #opened(qualified: string, tag: number, empty: boolean, end: number): void {
    if (this.#stack.length === 0) {
      if (this.#rootSeen) this.#fail(this.#base + tag, 'one root element', `a second, ${qualified}`);
      this.#rootSeen = true;
    }
    if (this.#stack.length >= this.#maxDepth) {
      this.#fail(this.#base + tag, `at most ${this.#maxDepth} levels of elements`, 'a deeper one');
    }
    const name = localName(qualified);
    this.#handler.open(name, this.#attributes, this.#base + tag);
    if (empty) {
      this.#isLeaf = false;
      this.#handler.close(name, '', this.#base + end);
    } else {
      this.#stack.push(qualified);
      this.#isLeaf = true;
    }
    this.#leaf = '';
  }

  #closeTag(text: string, tag: number): number {
    const end = text.indexOf('>', tag);
    if (end < 0) return -1;
    const open = this.#stack.pop();
    if (
      open === undefined ||
      !text.startsWith(open, tag + 2) ||
      (tag + 2 + open.length !== end && text.slice(tag + 2 + open.length, end).trim() !== '')
    ) {
      this.#fail(this.#base + tag, open === undefined ? 'no closing tag' : `</${open}>`, text.slice(tag, end + 1));
    }
    const leaf = this.#isLeaf ? this.#leaf : '';
    this.#isLeaf = false;
    this.#leaf = '';
    this.#handler.close(localName(open as string), leaf, this.#base + end + 1);
    return end + 1;
  }

  /** Comments and CDATA sections; everything else that begins with `<!` declares something, and is refused. */
  #markup(text: string, tag: number): number {
    if (text.startsWith('<!--', tag)) {
      const end = text.indexOf('--', tag + 4);
      if (end < 0 || end + 2 >= text.length) return -1;
      if (text.charCodeAt(end + 2) !== 0x3e) this.#fail(this.#base + end, '-->', text.slice(end, end + 3));
      this.#checked(text.slice(tag + 4, end), tag + 4);
      return end + 3;
    }
    if (text.startsWith('<![CDATA[', tag)) {
      const end = text.indexOf(']]>', tag + 9);
      if (end < 0) return -1;
      if (this.#stack.length === 0) this.#fail(this.#base + tag, 'text inside the root element', 'CDATA outside of it');
      const data = this.#checked(text.slice(tag + 9, end), tag + 9);
      if (this.#isLeaf) this.#leaf += data;
      return end + 3;
    }
    if (text.length - tag < 9) return -1;
    if (this.#allowDoctype && !this.#rootSeen && text.startsWith('<!DOCTYPE', tag)) {
      const end = text.indexOf('>', tag);
      if (end < 0 && text.length - tag < 1024) return -1;
      const literal = `(?:"[^"<>[\\]]*"|'[^'<>[\\]]*')`;
      const type = new RegExp(`^<!DOCTYPE\\s+[\\w.:-]+(?:\\s+(?:PUBLIC\\s+${literal}|SYSTEM)\\s+${literal})?\\s*>$`);
      if (end > 0 && type.test(text.slice(tag, end + 1))) return end + 1;
    }
    return this.#fail(this.#base + tag, 'no document type and no declarations', text.slice(tag, tag + 12));
  }

  #instruction(text: string, tag: number): number {
    const end = text.indexOf('?>', tag + 2);
    if (end < 0) return -1;
    const name = text.slice(tag + 2, endOfName(text, tag + 2));
    if (name.length === 0 || name.toLowerCase() === 'xml') {
      this.#fail(this.#base + tag, 'the XML declaration at the start only', text.slice(tag, tag + 12));
    }
    this.#checked(text.slice(tag + 2, end), tag + 2);
    return end + 2;
  }

  #declaration(text: string): void {
    const found =
      /^<\?xml\s+version\s*=\s*(["'])1\.[0-9]+\1(?:\s+encoding\s*=\s*(["'])([A-Za-z][\w.-]*)\2)?(?:\s+standalone\s*=\s*(["'])(?:yes|no)\4)?\s*$/.exec(
        text.replace(/^\u00ef\u00bb\u00bf/, ''),
      );
    if (found === null) this.#fail(this.#base, 'an XML 1.0 declaration', text);
    const encoding = found?.[3];
    if (encoding !== undefined && !/^(utf-?8|us-ascii|ascii)$/i.test(encoding)) {
      this.#fail(this.#base, 'encoding UTF-8', encoding);
    }
  }

  #characters(text: string, start: number, end: number): void {
    if (end - start > this.#maxTextBytes || this.#leaf.length > this.#maxTextBytes) {
      this.#fail(this.#base + start, `at most ${this.#maxTextBytes} bytes of text`, 'more');
    }
    if (this.#isLeaf) {
      const raw = text.slice(start, end);
      const value = textNeedsWork.test(raw) ? this.#textValue(raw, start) : raw;
      this.#leaf = this.#leaf.length === 0 ? value : this.#leaf + value;
      return;
    }
    for (let at = start; at < end; at++) {
      if (isSpace(text.charCodeAt(at))) continue;
      if (this.#stack.length === 0) {
        this.#fail(this.#base + at, 'nothing outside the root element', text.slice(at, Math.min(end, at + 20)));
      }
      this.#textValue(text.slice(at, end), at);
      return;
    }
  }

  #textValue(raw: string, start: number): string {
    const marker = raw.indexOf(']]>');
    if (marker >= 0) this.#fail(this.#base + start + marker, 'no ]]> in text', ']]>');
    const value = this.#checked(raw, start);
    return value.includes('&') ? this.#references(value, start) : value;
  }

  #attributeValue(raw: string, start: number): string {
    const less = raw.indexOf('<');
    if (less >= 0) this.#fail(this.#base + start + less, 'no < in an attribute', '<');
    const value = this.#checked(raw, start).replace(/[\t\n]/g, ' ');
    return value.includes('&') ? this.#references(value, start) : value;
  }

  /** Refuses control characters and what is not UTF-8; gives the decoded text with line ends made one. */
  #checked(written: string, start: number): string {
    const raw = written.includes('\r') ? written.replace(/\r\n?/g, '\n') : written;
    const control = forbidden.exec(raw);
    if (control !== null) {
      this.#fail(this.#base + start + control.index, 'characters that XML allows', JSON.stringify(control[0]));
    }
    if (!aboveAscii.test(raw)) return raw;
    const value = utf8Of(raw);
    if (value === undefined) return this.#fail(this.#base + start, 'UTF-8', 'other bytes');
    if (forbiddenAbove.test(value)) this.#fail(this.#base + start, 'characters that XML allows', 'U+FFFE or U+FFFF');
    return value;
  }

  #references(value: string, start: number): string {
    return value.replace(/&([^;&\s]{0,16};?)/g, (whole, body: string) => {
      if (body.endsWith(';')) {
        const name = body.slice(0, -1);
        const known = Object.hasOwn(named, name) ? named[name] : undefined;
        if (known !== undefined) return known;
        const number = /^#(?:([0-9]{1,7})|x([0-9a-fA-F]{1,6}))$/.exec(name);
        const code =
          number === null ? -1 : number[1] === undefined ? Number.parseInt(number[2] as string, 16) : Number(number[1]);
        if (isXmlCharacter(code)) return String.fromCodePoint(code);
      }
      return this.#fail(this.#base + start, 'one of the five entities or a character', whole);
    });
  }

  #fail(offset: number, wanted: string, found: string): never {
    throw new RepoError(
      { code: 'REPO_BAD_XML', document: this.#document, offset, wanted, found: found.slice(0, 80) },
      `${this.#document}: ${wanted} wanted at byte ${offset}, found ${quote(found)}`,
    );
  }
}

/** Text content as libxml2 writes it. The caller has checked for characters that XML cannot carry. */
export function escapeText(text: string): string {
  return /[&<>\r]/.test(text) ? text.replace(/[&<>\r]/g, (character) => textEscapes[character] as string) : text;
}

/**
 * The value of a double-quoted attribute as libxml2 writes it for createrepo_c: everything beyond ASCII as a character
 * reference, because the tree it writes has no encoding.
 */
export function escapeAttribute(text: string): string {
  return /[&<>"\t\n\r\x80-\uffff]/.test(text)
    ? text.replace(
        /[&<>"\t\n\r]|[\x80-\u{10ffff}]/gu,
        (character) =>
          attributeEscapes[character] ?? `&#x${(character.codePointAt(0) as number).toString(16).toUpperCase()};`,
      )
    : text;
}

/** Index of the first UTF-16 unit that XML 1.0 cannot carry: a control character, a lone surrogate, U+FFFE, U+FFFF; −1 when there is none. */
export function indexOfForbidden(text: string): number {
  return text.search(unwritable);
}

const textEscapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '\r': '&#13;' };
const attributeEscapes: Readonly<Record<string, string>> = {
  ...textEscapes,
  '"': '&quot;',
  '\t': '&#9;',
  '\n': '&#10;',
};
const unwritable =
  /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const forbidden = /[\x00-\x08\x0b\x0c\x0e-\x1f]/;
const aboveAscii = /[\x80-\xff]/;
const textNeedsWork = /[&\r\]\x00-\x08\x0b\x0c\x0e-\x1f\x80-\xff]/;
const attributeNeedsWork = /[&<\x00-\x1f\x80-\xff]/;

class AttributeList implements XmlAttributes {
  readonly names: string[] = [];
  readonly #values: string[] = [];

  clear(): void {
    this.names.length = 0;
    this.#values.length = 0;
  }

  /** False when the name is there already or there are too many. */
  add(name: string, value: string): boolean {
    if (this.names.length >= maxAttributes || this.names.includes(name)) return false;
    this.names.push(name);
    this.#values.push(value);
    return true;
  }

  get(name: string): string | undefined {
    const index = this.names.indexOf(name);
    return index < 0 ? undefined : this.#values[index];
  }
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x09 || code === 0x0d;
}

/** Letters, `_`, `:` and everything beyond ASCII. */
function isNameStart(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x5f || code === 0x3a || code > 0x7f
  );
}

function endOfName(text: string, start: number): number {
  let at = start;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (!isNameStart(code) && !(code >= 0x30 && code <= 0x39) && code !== 0x2d && code !== 0x2e) break;
    at++;
  }
  return at;
}

function localName(qualified: string): string {
  const colon = qualified.indexOf(':');
  return colon < 0 ? qualified : qualified.slice(colon + 1);
}

function isXmlCharacter(code: number): boolean {
  return (
    code === 0x9 ||
    code === 0xa ||
    code === 0xd ||
    (code >= 0x20 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd) ||
    (code >= 0x10000 && code <= 0x10ffff)
  );
}

/** The text of bytes that were read as one character each; undefined when they are not UTF-8. */
export function utf8Of(raw: string): string | undefined {
  try {
    return utf8.decode(bytesOfLatin1(raw));
  } catch {
    return undefined;
  }
}

/** Characters above ASCII that XML does not allow. */
export const forbiddenAbove: RegExp = /[\ufffe\uffff]/;

/** One character per byte. `TextDecoder('latin1')` is windows-1252 and would not do. */
export function latin1(bytes: Uint8Array): string {
  if (typeof Buffer === 'function') return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}

function bytesOfLatin1(text: string): Uint8Array {
  if (typeof Buffer === 'function') return Buffer.from(text, 'latin1');
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}
