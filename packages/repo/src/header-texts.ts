/**
 * The texts of a header, many at a time: one copy of the header as a string with a character per byte, from which the
 * strings of a tag are cut in one step. Only strings with anything beyond ASCII are decoded one by one.
 */
import { type Header, type MainTags, mainTags } from '@distrokit/rpm';

/** Tags whose values are texts. */
export type TextTag = {
  [Tag in keyof MainTags]: MainTags[Tag] extends string ? Tag : never;
}[keyof MainTags];

/** Tags whose values are lists of texts. */
export type TextListTag = {
  [Tag in keyof MainTags]: MainTags[Tag] extends readonly string[] ? Tag : never;
}[keyof MainTags];

const introBytes = 16;
const entryBytes = 16;

/** Values are createrepo_c's: text that is not UTF-8 is Latin-1 without the characters 0x80 to 0xbf. */
export class HeaderTexts {
  readonly header: Header<MainTags>;
  readonly #text: string;
  readonly #view: DataView;
  readonly #count: number;
  readonly #places = new Map<number, number>();

  constructor(header: Header<MainTags>) {
    const bytes = header.bytes();
    this.header = header;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    // Entries after the region replace those in it: rare enough to leave to the header.
    const simple = header.region === undefined || header.region.entryCount === header.entryCount;
    this.#count = simple && typeof Buffer === 'function' ? header.entryCount : 0;
    this.#text = this.#count === 0 ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    // From the end, so that the first of two entries with one tag is the one that is found.
    for (let at = this.#count - 1; at >= 0; at--)
      this.#places.set(this.#view.getUint32(introBytes + at * entryBytes), at);
  }

  /** A text; undefined when the tag is absent. */
  text(tag: TextTag): string | undefined {
    const found = this.#cut(mainTags[tag][0], 1);
    if (found !== undefined) return found[0];
    const text = this.header.get(tag);
    if (text === undefined || !maybeLatin1.test(text)) return text;
    return this.header.rawTexts(tag)?.[0]?.length === text.length ? text.replace(everyDropped, '') : text;
  }

  /** A list of texts, at most `limit` of them; undefined when the tag is absent. */
  list(tag: TextListTag, limit: number = Number.POSITIVE_INFINITY): readonly string[] | undefined {
    const found = this.#cut(mainTags[tag][0], limit);
    if (found !== undefined) return found;
    const texts = this.header.get(tag);
    if (texts === undefined || !texts.some((text) => maybeLatin1.test(text))) return texts;
    const raw = this.header.rawTexts(tag);
    return texts.map((text, at) =>
      maybeLatin1.test(text) && raw?.[at]?.length === text.length ? text.replace(everyDropped, '') : text,
    );
  }

  /** Undefined when the header has to be asked: no such tag, or no text. */
  #cut(tag: number, limit: number): string[] | undefined {
    const place = this.#places.get(tag);
    if (place === undefined) return undefined;
    const at = introBytes + place * entryBytes;
    const type = this.#view.getUint32(at + 4);
    if (type !== 6 && type !== 8 && type !== 9) return undefined;
    const store = introBytes + this.#count * entryBytes;
    const start = store + this.#view.getUint32(at + 8);
    // Entries lie in the order of their offsets: the header was refused otherwise.
    const end = place + 1 < this.#count ? store + this.#view.getUint32(at + entryBytes + 8) : this.#text.length;
    const piece = this.#text.slice(start, end);
    const count = Math.min(this.#view.getUint32(at + 12), limit);
    const texts = count === 1 ? [piece.slice(0, piece.indexOf('\0'))] : piece.split('\0', count);
    return beyondAscii.test(piece) ? texts.map(decodeBytes) : texts;
  }
}

const beyondAscii = /[\x80-\xff]/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A text whose characters are its bytes. */
function decodeBytes(bytes: string): string {
  if (!beyondAscii.test(bytes)) return bytes;
  try {
    return utf8.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return bytes.replace(everyDropped, '');
  }
}

// Where each byte became one character, the text was read as Latin-1: UTF-8 takes two bytes for these.
const maybeLatin1 = /[\x80-\xbf]/;
const everyDropped = /[\x80-\xbf]/g;
