/**
 * A header in the making: values by tag name, out come entries in tag order for `encodeHeader`.
 *
 * Reference: rpm, docs/manual/format_header.md
 */
import { quote, RpmError } from './errors.js';
import type { HeaderEntry } from './header.js';
import { MAX_ENTRY_VALUES } from './limits.js';
import {
  isStringType,
  type TagTable,
  TYPE_BIN,
  TYPE_I18NSTRING,
  TYPE_INT16,
  TYPE_INT32,
  TYPE_INT64,
  TYPE_SIZES,
  TYPE_STRING,
  typeOfKind,
} from './tag-types.js';

/** Collects the entries of one header structure. */
export class HeaderBuilder<Tags> {
  readonly #table: TagTable;
  readonly #entries = new Map<number, HeaderEntry>();

  constructor(table: TagTable) {
    this.#table = table;
  }

  /**
   * Sets a tag's value; undefined and empty lists leave the tag out, since a header cannot hold nothing.
   *
   * Throws RPM_BAD_HEADER on text with a NUL, RPM_LIMIT on a number that does not fit the tag's type and on more
   * values than a reader takes.
   */
  set<Name extends keyof Tags & string>(name: Name, value: Tags[Name] | undefined): void {
    if (value === undefined) return;
    const [, kind] = this.#row(name);
    this.#put(name, typeOfKind(kind), value);
  }

  /** Sets the program of a scriptlet: a plain string when it has no arguments, as readers of old expect. */
  setProgram(name: keyof Tags & string, program: readonly string[]): void {
    this.#put(name, program.length === 1 ? TYPE_STRING : typeOfKind('string[]'), program);
  }

  /** Sets a text in the languages of HEADERI18NTABLE, the untranslated one first. */
  setTranslations(name: keyof Tags & string, texts: readonly string[]): void {
    this.#put(name, TYPE_I18NSTRING, texts);
  }

  /** The entries in ascending tag order. */
  entries(): readonly HeaderEntry[] {
    return [...this.#entries.values()].sort((a, b) => a.tag - b.tag);
  }

  #row(name: string): readonly [number, Parameters<typeof typeOfKind>[0]] {
    const row = this.#table[name];
    if (row === undefined) throw new TypeError(`"name": no tag ${quote(name)}`);
    return row;
  }

  #put(name: string, type: number, value: unknown): void {
    const [tag] = this.#row(name);
    if (type === TYPE_BIN) {
      const data = value as Uint8Array;
      if (data.length > 0) this.#entries.set(tag, { tag, type, count: data.length, data });
      return;
    }
    const values = Array.isArray(value) ? (value as readonly unknown[]) : [value];
    if (values.length === 0) return;
    if (values.length > MAX_ENTRY_VALUES) {
      throw tooMuch(`values of ${name}`, MAX_ENTRY_VALUES, values.length);
    }
    const data = isStringType(type)
      ? encodeTexts(name, values as readonly string[])
      : encodeNumbers(name, type, values as readonly number[]);
    this.#entries.set(tag, { tag, type, count: values.length, data });
  }
}

const encoder = new TextEncoder();

function encodeTexts(name: string, texts: readonly string[]): Uint8Array {
  for (const text of texts) {
    if (!text.includes('\0')) continue;
    throw new RpmError(
      { code: 'RPM_BAD_HEADER', tag: name, wanted: 'text without NUL', found: text },
      `header: ${name}: text without NUL wanted, found ${quote(text)}`,
    );
  }
  return encoder.encode(`${texts.join('\0')}\0`);
}

function encodeNumbers(name: string, type: number, numbers: readonly number[]): Uint8Array {
  const size = TYPE_SIZES[type] as number;
  const limit = type === TYPE_INT64 ? Number.MAX_SAFE_INTEGER : 2 ** (8 * size) - 1;
  const data = new Uint8Array(numbers.length * size);
  const view = new DataView(data.buffer);
  numbers.forEach((number, i) => {
    if (!Number.isInteger(number) || number < 0 || number > limit) throw tooMuch(`a value of ${name}`, limit, number);
    if (type === TYPE_INT64) view.setBigUint64(i * 8, BigInt(number));
    else if (type === TYPE_INT32) view.setUint32(i * 4, number);
    else if (type === TYPE_INT16) view.setUint16(i * 2, number);
    else view.setUint8(i, number);
  });
  return data;
}

function tooMuch(what: string, limit: number, found: number): RpmError {
  return new RpmError(
    { code: 'RPM_LIMIT', what, limit, found },
    `header: ${what}: 0 to ${limit} wanted, found ${found}`,
  );
}
