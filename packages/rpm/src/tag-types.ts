/**
 * The nine data types of header entries: number, size, alignment.
 *
 * Reference: rpm, docs/manual/format_header.md; include/rpm/rpmtag.h (rpmTagType)
 */

export const TYPE_CHAR = 1;
export const TYPE_INT8 = 2;
export const TYPE_INT16 = 3;
export const TYPE_INT32 = 4;
export const TYPE_INT64 = 5;
export const TYPE_STRING = 6;
export const TYPE_BIN = 7;
export const TYPE_STRING_ARRAY = 8;
export const TYPE_I18NSTRING = 9;

/** Names as rpm prints them, by type number. */
export const TYPE_NAMES: readonly string[] = [
  'NULL',
  'CHAR',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'STRING',
  'BIN',
  'STRING_ARRAY',
  'I18NSTRING',
];

/** Bytes per value by type number; 0 for the string types, whose length is in their bytes. */
export const TYPE_SIZES: readonly number[] = [0, 1, 1, 2, 4, 8, 0, 1, 0, 0];

/** Alignment within the store by type number. */
export const TYPE_ALIGNMENTS: readonly number[] = [1, 1, 1, 2, 4, 8, 1, 1, 1, 1];

/** STRING, STRING_ARRAY and I18NSTRING: rpm lets them stand in for one another. */
export function isStringType(type: number): boolean {
  return type === TYPE_STRING || type === TYPE_STRING_ARRAY || type === TYPE_I18NSTRING;
}

/**
 * How a tag's value is shown in TypeScript. A kind without brackets is the first value, as rpm gives it for a scalar tag.
 *
 * `int64` values are `number`: beyond 2^53 − 1 reading throws RPM_LIMIT. `i18n` is the untranslated text.
 */
export type TagKind =
  | 'char[]'
  | 'int8'
  | 'int16[]'
  | 'int32'
  | 'int32[]'
  | 'int64'
  | 'int64[]'
  | 'string'
  | 'string[]'
  | 'i18n'
  | 'bin';

/** The TypeScript type of a kind. */
export type TagValue<Kind extends TagKind> = Kind extends 'string' | 'i18n'
  ? string
  : Kind extends 'string[]'
    ? readonly string[]
    : Kind extends 'bin'
      ? Uint8Array
      : Kind extends `${string}[]`
        ? readonly number[]
        : number;

/** A tag table: name → number and kind. */
export type TagTable = Readonly<Record<string, readonly [number: number, kind: TagKind]>>;

/** The value types of a tag table. */
export type TagsOf<Table extends TagTable> = { readonly [Name in keyof Table]: TagValue<Table[Name][1]> };

/** The type number an entry of this kind has on disk. */
export function typeOfKind(kind: TagKind): number {
  switch (kind) {
    case 'char[]':
      return TYPE_CHAR;
    case 'int8':
      return TYPE_INT8;
    case 'int16[]':
      return TYPE_INT16;
    case 'int32':
    case 'int32[]':
      return TYPE_INT32;
    case 'int64':
    case 'int64[]':
      return TYPE_INT64;
    case 'string':
      return TYPE_STRING;
    case 'string[]':
      return TYPE_STRING_ARRAY;
    case 'i18n':
      return TYPE_I18NSTRING;
    case 'bin':
      return TYPE_BIN;
  }
}
