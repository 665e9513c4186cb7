/**
 * The header structure: intro (16 bytes), index (16 bytes per entry), store. A package has two: the signature
 * header and the main one.
 *
 * The index is checked as a whole when a header is decoded; values are decoded when asked for.
 *
 * Reference: rpm, lib/header.cc (hdrblobRead, hdrblobVerifyInfo, doExport); docs/manual/format_header.md
 */
import { quote, RpmError, type RpmSection } from './errors.js';
import { checkEntries, type HeaderKind, sectionOf } from './header-index.js';
import {
  MAX_HEADER_DATA_BYTES,
  MAX_HEADER_ENTRIES,
  MAX_SIGNATURE_DATA_BYTES,
  MAX_SIGNATURE_ENTRIES,
} from './limits.js';
import {
  decodeRegion,
  ENTRY_BYTES,
  HEADERIMMUTABLE,
  HEADERSIGNATURES,
  INTRO_BYTES,
  type Region,
  TRAILER_BYTES,
} from './region.js';
import { type SignatureTags, signatureTags } from './signature-tags.js';
import {
  isStringType,
  type TagKind,
  type TagTable,
  TYPE_ALIGNMENTS,
  TYPE_BIN,
  TYPE_I18NSTRING,
  TYPE_INT16,
  TYPE_INT32,
  TYPE_INT64,
  TYPE_NAMES,
  TYPE_SIZES,
  typeOfKind,
} from './tag-types.js';
import { type MainTags, mainTags } from './tags.js';
import { decodeText, decodeTexts, endOfTexts } from './text.js';

/** One entry of the index. `offset` counts from the start of the store. */
export interface IndexEntry {
  readonly tag: number;
  readonly type: number;
  readonly offset: number;
  readonly count: number;
}

/** An entry with its bytes as they lie in the store: what `encodeHeader` takes. */
export interface HeaderEntry {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  readonly data: Uint8Array;
}

/** A value as its type says, without a tag table: INT64 as `bigint`, strings as text. */
export type HeaderValue = readonly string[] | readonly number[] | readonly bigint[] | Uint8Array;

const MAGIC = 0x8eade801;

/** The first 16 bytes of a header structure: how much there is to read. */
export interface HeaderIntro {
  readonly entryCount: number;
  readonly dataBytes: number;
  /** Intro, index and store; without the padding after a signature header. */
  readonly totalBytes: number;
}

/**
 * Throws RPM_TRUNCATED on fewer than 16 bytes, RPM_BAD_MAGIC, and RPM_LIMIT when the counts pass the ceilings:
 * `maxDataBytes` or the reference's own.
 */
export function decodeHeaderIntro(bytes: Uint8Array, kind: HeaderKind, maxDataBytes?: number): HeaderIntro {
  const section = sectionOf(kind);
  if (bytes.length < INTRO_BYTES) throw truncated(section, 0, INTRO_BYTES, bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  // The four bytes after the magic are reserved, and rpm demands their zeros.
  const magic = view.getBigUint64(0);
  if (magic !== BigInt(MAGIC) << 32n) {
    const found = magic.toString(16).padStart(16, '0');
    throw new RpmError(
      { code: 'RPM_BAD_MAGIC', section, offset: 0, wanted: '8eade80100000000', found },
      `${section}: magic 8eade80100000000 wanted, found ${found}`,
    );
  }
  const entryCount = view.getUint32(8);
  const dataBytes = view.getUint32(12);
  const maxEntries = kind === 'main' ? MAX_HEADER_ENTRIES : MAX_SIGNATURE_ENTRIES;
  const ceiling = Math.min(
    maxDataBytes ?? Number.POSITIVE_INFINITY,
    kind === 'main' ? MAX_HEADER_DATA_BYTES : MAX_SIGNATURE_DATA_BYTES,
  );
  if (entryCount > maxEntries) throw overLimit(`index entries of the ${section}`, maxEntries, entryCount);
  if (dataBytes > ceiling) throw overLimit(`data bytes of the ${section}`, ceiling, dataBytes);
  return { entryCount, dataBytes, totalBytes: INTRO_BYTES + entryCount * ENTRY_BYTES + dataBytes };
}

/** The main header. See `Header`; throws what `decodeHeader` throws. */
export function decodeMainHeader(bytes: Uint8Array): Header<MainTags> {
  return decodeHeader<MainTags>(bytes, 'main');
}

/** The signature header. See `Header`; throws what `decodeHeader` throws. */
export function decodeSignatureHeader(bytes: Uint8Array): Header<SignatureTags> {
  return decodeHeader<SignatureTags>(bytes, 'signature');
}

/**
 * @internal Both headers of a package whose first bytes the kernel has accepted: regions that fill the structure, entries in
 * ascending order. `headerStart` is the byte where the main header begins.
 */
export function acceptedHeaders(
  bytes: Uint8Array,
  signatureStart: number,
  headerStart: number,
): { readonly signatureHeader: Header<SignatureTags>; readonly header: Header<MainTags> } {
  return {
    signatureHeader: acceptedHeader(bytes, signatureStart, HEADERSIGNATURES, signatureTags, 'signature header'),
    header: acceptedHeader(bytes, headerStart, HEADERIMMUTABLE, mainTags, 'header'),
  };
}

function acceptedHeader<Tags>(
  { buffer, byteOffset, length }: Uint8Array,
  start: number,
  tag: number,
  table: TagTable,
  section: RpmSection,
): Header<Tags> {
  const at = byteOffset + start;
  const intro = new DataView(buffer, at, length - start);
  const entryCount = intro.getUint32(8);
  const dataBytes = intro.getUint32(12);
  const totalBytes = INTRO_BYTES + entryCount * ENTRY_BYTES + dataBytes;
  // The main header ends where the bytes do.
  const view = totalBytes === length - start ? intro : new DataView(buffer, at, totalBytes);
  return new Header(new Uint8Array(buffer, at, totalBytes), view, { tag, entryCount, dataBytes }, table, section, true);
}

function decodeHeader<Tags>(bytes: Uint8Array, kind: HeaderKind): Header<Tags> {
  const section = sectionOf(kind);
  const intro = decodeHeaderIntro(bytes, kind);
  if (bytes.length < intro.totalBytes) throw truncated(section, 0, intro.totalBytes, bytes.length);
  const exact = bytes.length === intro.totalBytes ? bytes : bytes.subarray(0, intro.totalBytes);
  const view = new DataView(exact.buffer, exact.byteOffset, exact.length);
  if (intro.entryCount < 1) {
    throw new RpmError(
      { code: 'RPM_BAD_REGION', section, offset: 8, tag: 0, wanted: 'at least one index entry', found: '0' },
      `${section}: at least one index entry wanted, found none`,
    );
  }
  const regionTag = kind === 'main' ? HEADERIMMUTABLE : HEADERSIGNATURES;
  const region = decodeRegion(view, intro.entryCount, intro.dataBytes, regionTag, section);
  checkEntries(view, intro, region, kind);
  const table = kind === 'main' ? mainTags : signatureTags;
  return new Header<Tags>(exact, view, region, table, section, false);
}

/**
 * A header structure over the bytes it came in: values are decoded when asked for.
 *
 * Made by `decodeMainHeader`, `decodeSignatureHeader` and `readPackage`. Immutable; the bytes are not copied.
 */
export class Header<Tags> {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #storeStart: number;
  readonly #table: TagTable;
  readonly #section: RpmSection;
  readonly #ascending: boolean;
  /** The region, or undefined in a v3 header. */
  readonly region: Region | undefined;
  /** Entries of the index, the region's own included. */
  readonly entryCount: number;

  /** @internal Use the decode functions: they check what this class relies on. */
  constructor(
    bytes: Uint8Array,
    view: DataView,
    region: Region | undefined,
    table: TagTable,
    section: RpmSection,
    ascending: boolean,
  ) {
    this.#bytes = bytes;
    this.#view = view;
    this.entryCount = view.getUint32(8);
    this.#storeStart = INTRO_BYTES + this.entryCount * ENTRY_BYTES;
    this.#table = table;
    this.#section = section;
    this.#ascending = ascending;
    this.region = region;
  }

  /** The structure as stored: intro, index, store. A view. */
  bytes(): Uint8Array {
    return this.#bytes;
  }

  /**
   * What header digests and signatures cover: header magic, the region's own counts, its entries, its data.
   * A view when the region fills the structure, as it must in a package's main header; else a copy.
   */
  immutableBytes(): Uint8Array {
    const region = this.region;
    const storeBytes = this.#bytes.length - this.#storeStart;
    if (!region || (region.entryCount === this.entryCount && region.dataBytes === storeBytes)) return this.#bytes;
    const indexBytes = region.entryCount * ENTRY_BYTES;
    const copy = new Uint8Array(INTRO_BYTES + indexBytes + region.dataBytes);
    copy.set(this.#bytes.subarray(0, INTRO_BYTES + indexBytes));
    copy.set(this.#bytes.subarray(this.#storeStart, this.#storeStart + region.dataBytes), INTRO_BYTES + indexBytes);
    const view = new DataView(copy.buffer);
    view.setUint32(8, region.entryCount);
    view.setUint32(12, region.dataBytes);
    return copy;
  }

  /** The index in stored order. */
  entries(): IndexEntry[] {
    return Array.from({ length: this.entryCount }, (_, i) => this.#entryAt(i));
  }

  /** All entries but the region's own with their bytes, in index order: what `encodeHeader` takes. Views. */
  contents(): HeaderEntry[] {
    const all: HeaderEntry[] = [];
    for (let i = this.region ? 1 : 0; i < this.entryCount; i++) {
      const { tag, type, offset, count } = this.#entryAt(i);
      const start = this.#storeStart + offset;
      const end = isStringType(type)
        ? endOfTexts(this.#view, start, count)
        : start + count * (TYPE_SIZES[type] as number);
      all.push({ tag, type, count, data: this.#bytes.subarray(start, end) });
    }
    return all;
  }

  /** The index entry of a tag number, or undefined; of a dribble, where it replaces the region's entry. */
  entry(tag: number): IndexEntry | undefined {
    const index = this.#find(tag);
    return index === -1 ? undefined : this.#entryAt(index);
  }

  /** Whether the header holds this tag. */
  has(name: keyof Tags & string): boolean {
    return this.#find(this.#number(name)) !== -1;
  }

  /**
   * A tag's value by its name in `mainTags` or `signatureTags`; the table gives the type. Decoded anew by each call.
   *
   * Strings are UTF-8, or Latin-1 where they are not valid UTF-8 (`rawTexts` has the bytes). Numbers are unsigned.
   * Binary values are views. Throws RPM_TAG_TYPE when the header holds the tag with a type that does not fit (rpm
   * checks the types of v4 and v6 main headers, but not of v3 and signature headers), RPM_LIMIT on an INT64 past
   * 2^53 − 1, TypeError on a name that is in no table.
   */
  get<Name extends keyof Tags & string>(name: Name): Tags[Name] | undefined {
    const row = this.#table[name];
    if (!row) throw new TypeError(`"name": no tag ${quote(name)} in the ${this.#section}`);
    const index = this.#find(row[0]);
    if (index === -1) return undefined;
    return this.#decode(index, name, row[1]) as Tags[Name];
  }

  /** A value by tag number, decoded as its own type says. For tags that no table knows. */
  value(tag: number): HeaderValue | undefined {
    const index = this.#find(tag);
    if (index === -1) return undefined;
    const { type, count } = this.#entryAt(index);
    const start = this.#dataStart(index);
    if (type === TYPE_BIN) return this.#bytes.subarray(start, start + count);
    if (isStringType(type)) return decodeTexts(this.#bytes, start, count);
    if (type === TYPE_INT64) return Array.from({ length: count }, (_, i) => this.#view.getBigUint64(start + i * 8));
    return this.#numbers(start, type, count);
  }

  /** The bytes of each string of a tag, without their NUL: for text that is not UTF-8. Undefined when the tag is absent. */
  rawTexts(name: keyof Tags & string): readonly Uint8Array[] | undefined {
    const index = this.#find(this.#number(name));
    if (index === -1) return undefined;
    const { type, count } = this.#entryAt(index);
    if (!isStringType(type)) throw this.#wrongType(name, 'a string', type);
    const texts: Uint8Array[] = [];
    let start = this.#dataStart(index);
    for (let i = 0; i < count; i++) {
      const end = this.#bytes.indexOf(0, start);
      texts.push(this.#bytes.subarray(start, end));
      start = end + 1;
    }
    return texts;
  }

  /**
   * The translations of a text, by locale in the order of HEADERI18NTABLE; `C` is the untranslated one.
   * A text stored as a plain string, or without a table, is `C` alone.
   */
  translations(name: keyof Tags & string): ReadonlyMap<string, string> {
    const result = new Map<string, string>();
    const index = this.#find(this.#number(name));
    if (index === -1) return result;
    const { type, count } = this.#entryAt(index);
    if (!isStringType(type)) throw this.#wrongType(name, 'a string', type);
    const texts = decodeTexts(this.#bytes, this.#dataStart(index), count);
    const table = type === TYPE_I18NSTRING ? this.#find(100) : -1;
    const entry = table === -1 ? undefined : this.#entryAt(table);
    const locales =
      entry && isStringType(entry.type) ? decodeTexts(this.#bytes, this.#dataStart(table), entry.count) : ['C'];
    for (const [i, text] of texts.entries()) {
      const locale = locales[i];
      if (locale !== undefined && !result.has(locale)) result.set(locale, text);
    }
    return result;
  }

  #number(name: string): number {
    const row = this.#table[name];
    if (!row) throw new TypeError(`"name": no tag ${quote(name)} in the ${this.#section}`);
    return row[0];
  }

  /** A dribble replaces the region's entry of the same tag. */
  #find(tag: number): number {
    const view = this.#view;
    if (this.#ascending) {
      let low = 1;
      let high = this.entryCount - 1;
      while (low <= high) {
        const middle = (low + high) >>> 1;
        const found = view.getUint32(INTRO_BYTES + middle * ENTRY_BYTES);
        if (found === tag) return middle;
        if (found < tag) low = middle + 1;
        else high = middle - 1;
      }
      return -1;
    }
    const regionEntries = this.region?.entryCount ?? this.entryCount;
    for (let i = this.entryCount - 1; i >= regionEntries; i--) {
      if (view.getUint32(INTRO_BYTES + i * ENTRY_BYTES) === tag) return i;
    }
    for (let at = INTRO_BYTES, end = INTRO_BYTES + regionEntries * ENTRY_BYTES; at < end; at += ENTRY_BYTES) {
      if (view.getUint32(at) === tag) return (at - INTRO_BYTES) / ENTRY_BYTES;
    }
    return -1;
  }

  #entryAt(index: number): IndexEntry {
    const at = INTRO_BYTES + index * ENTRY_BYTES;
    return {
      tag: this.#view.getUint32(at),
      type: this.#view.getUint32(at + 4),
      offset: this.#view.getInt32(at + 8),
      count: this.#view.getUint32(at + 12),
    };
  }

  #dataStart(index: number): number {
    return this.#storeStart + this.#view.getInt32(INTRO_BYTES + index * ENTRY_BYTES + 8);
  }

  #decode(index: number, name: string, kind: TagKind): unknown {
    const { type, count } = this.#entryAt(index);
    const start = this.#dataStart(index);
    if (kind === 'string' || kind === 'i18n') {
      if (!isStringType(type)) throw this.#wrongType(name, 'STRING', type);
      return decodeText(this.#bytes, start, this.#bytes.indexOf(0, start));
    }
    if (kind === 'string[]') {
      if (!isStringType(type)) throw this.#wrongType(name, 'STRING_ARRAY', type);
      return decodeTexts(this.#bytes, start, count);
    }
    const wanted = typeOfKind(kind);
    if (type !== wanted) throw this.#wrongType(name, TYPE_NAMES[wanted] as string, type);
    if (kind === 'bin') return this.#bytes.subarray(start, start + count);
    const scalar = !kind.endsWith('[]');
    if (type === TYPE_INT64) {
      const numbers = Array.from({ length: scalar ? 1 : count }, (_, i) => this.#safeInt64(name, start + i * 8));
      return scalar ? numbers[0] : numbers;
    }
    return scalar ? this.#numbers(start, type, 1)[0] : this.#numbers(start, type, count);
  }

  #numbers(start: number, type: number, count: number): number[] {
    const view = this.#view;
    const numbers = new Array<number>(count);
    if (type === TYPE_INT32) for (let i = 0; i < count; i++) numbers[i] = view.getUint32(start + i * 4);
    else if (type === TYPE_INT16) for (let i = 0; i < count; i++) numbers[i] = view.getUint16(start + i * 2);
    else for (let i = 0; i < count; i++) numbers[i] = view.getUint8(start + i);
    return numbers;
  }

  #safeInt64(name: string, at: number): number {
    const value = this.#view.getUint32(at) * 2 ** 32 + this.#view.getUint32(at + 4);
    if (value > Number.MAX_SAFE_INTEGER)
      throw overLimit(`${name} of the ${this.#section}`, Number.MAX_SAFE_INTEGER, value);
    return value;
  }

  #wrongType(tag: string, wanted: string, type: number): RpmError {
    const found = TYPE_NAMES[type] ?? String(type);
    return new RpmError(
      { code: 'RPM_TAG_TYPE', tag, wanted, found },
      `${this.#section}: ${tag} of type ${wanted} wanted, found ${found}`,
    );
  }
}

/**
 * The bytes of a header structure: intro, index, store, with values in the order given, aligned, gaps zero.
 *
 * With `regionTag` the first `regionEntries` entries (default: all) are sealed in a region; what follows are dribbles.
 * `encodeHeader(header.contents(), …)` gives back the bytes of every header that rpm wrote. Does not sort, and does
 * not pad a signature header to 8 bytes: see `signaturePadding`.
 */
export function encodeHeader(
  entries: readonly HeaderEntry[],
  options: { readonly regionTag?: number; readonly regionEntries?: number; readonly trailerTag?: number } = {},
): Uint8Array {
  const { regionTag, regionEntries = entries.length, trailerTag = regionTag } = options;
  const sealed = regionTag !== undefined;
  const offsets = new Array<number>(entries.length);
  let storeBytes = 0;
  let trailerOffset = -1;
  for (const [i, entry] of entries.entries()) {
    if (sealed && i === regionEntries) {
      trailerOffset = storeBytes;
      storeBytes += TRAILER_BYTES;
    }
    const alignment = TYPE_ALIGNMENTS[entry.type] ?? 1;
    storeBytes = Math.ceil(storeBytes / alignment) * alignment;
    offsets[i] = storeBytes;
    storeBytes += entry.data.length;
  }
  if (sealed && trailerOffset === -1) {
    trailerOffset = storeBytes;
    storeBytes += TRAILER_BYTES;
  }
  const entryCount = entries.length + (sealed ? 1 : 0);
  const storeStart = INTRO_BYTES + entryCount * ENTRY_BYTES;
  const bytes = new Uint8Array(storeStart + storeBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  view.setUint32(8, entryCount);
  view.setUint32(12, storeBytes);
  let at = INTRO_BYTES;
  const writeEntry = (where: number, tag: number, type: number, offset: number, count: number): void => {
    view.setUint32(where, tag);
    view.setUint32(where + 4, type);
    view.setInt32(where + 8, offset);
    view.setUint32(where + 12, count);
  };
  if (sealed) {
    writeEntry(at, regionTag, TYPE_BIN, trailerOffset, TRAILER_BYTES);
    at += ENTRY_BYTES;
    const regionIndexBytes = (regionEntries + 1) * ENTRY_BYTES;
    writeEntry(storeStart + trailerOffset, trailerTag as number, TYPE_BIN, -regionIndexBytes, TRAILER_BYTES);
  }
  for (const [i, entry] of entries.entries()) {
    const offset = offsets[i] as number;
    writeEntry(at, entry.tag, entry.type, offset, entry.count);
    bytes.set(entry.data, storeStart + offset);
    at += ENTRY_BYTES;
  }
  return bytes;
}

/** Zero bytes between a signature header of this length and the main header, which begins at a multiple of 8. */
export function signaturePadding(signatureHeaderBytes: number): number {
  return (8 - (signatureHeaderBytes % 8)) % 8;
}

function truncated(section: RpmSection, offset: number, wantedBytes: number, gotBytes: number): RpmError {
  return new RpmError(
    { code: 'RPM_TRUNCATED', section, offset, wantedBytes, gotBytes },
    `${section}: ${wantedBytes} bytes wanted at offset ${offset}, ${gotBytes} left`,
  );
}

function overLimit(what: string, limit: number, found: number): RpmError {
  return new RpmError({ code: 'RPM_LIMIT', what, limit, found }, `${what}: at most ${limit} wanted, found ${found}`);
}
