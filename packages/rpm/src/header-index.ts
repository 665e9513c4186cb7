/**
 * The index of a header structure: the rules that each entry must keep, so that values can be decoded later without
 * another look.
 *
 * Reference: rpm, lib/header.cc (hdrblobVerifyInfo, regionSwab)
 */
import { RpmError, type RpmSection } from './errors.js';
import { MAX_ENTRY_VALUES } from './limits.js';
import { ENTRY_BYTES, HEADERIMMUTABLE, INTRO_BYTES, type Region, TRAILER_BYTES } from './region.js';
import { signatureTags } from './signature-tags.js';
import {
  isStringType,
  TYPE_ALIGNMENTS,
  TYPE_BIN,
  TYPE_NAMES,
  TYPE_SIZES,
  TYPE_STRING,
  typeOfKind,
} from './tag-types.js';
import { computedTagTypes, mainTags } from './tags.js';
import { endOfTexts } from './text.js';

/** Which of the two header structures. */
export type HeaderKind = 'main' | 'signature';

/** What messages call a header structure. */
export function sectionOf(kind: HeaderKind): RpmSection {
  return kind === 'main' ? 'header' : 'signature header';
}

/** Expected type by tag number below 8192 in a main header; 0 where rpm expects none. */
export const knownTypes: Uint8Array = (() => {
  const types = new Uint8Array(8192);
  for (const [number, kind] of Object.values(mainTags)) types[number] = typeOfKind(kind);
  for (const [type, tags] of computedTagTypes) for (const tag of tags) types[tag] = type;
  types[HEADERIMMUTABLE] = 0;
  return types;
})();

/**
 * Every rule of rpm's reader about entries: what passes here can be decoded without looking again.
 *
 * Throws RPM_BAD_ENTRY, and RPM_BAD_REGION when the entries do not account for every byte of the store.
 */
export function checkEntries(
  view: DataView,
  intro: { readonly entryCount: number; readonly dataBytes: number },
  region: Region | undefined,
  kind: HeaderKind,
): void {
  const storeStart = INTRO_BYTES + intro.entryCount * ENTRY_BYTES;
  const { dataBytes } = intro;
  const checkTypes = kind === 'main' && region !== undefined;
  const trailerStart = region ? region.dataBytes - TRAILER_BYTES : -1;
  let end = 0;
  let laidOut = 0;
  for (let i = region ? 1 : 0; i < intro.entryCount; i++) {
    const at = INTRO_BYTES + i * ENTRY_BYTES;
    const tag = view.getUint32(at);
    const type = view.getUint32(at + 4);
    const offset = view.getInt32(at + 8);
    const count = view.getUint32(at + 12);
    if (region && i === region.entryCount) laidOut += TRAILER_BYTES;
    const alignment = TYPE_ALIGNMENTS[type] as number;
    if (tag < 100 || tag > 0x7fff_ffff) throw badEntry(kind, i, tag, at, 'a tag of 100 or more', String(tag));
    if (type < 1 || type > 9) throw badEntry(kind, i, tag, at + 4, 'a type from 1 to 9', String(type));
    if (offset < end || offset > dataBytes || offset % alignment !== 0) {
      const wanted = `an offset from ${end} to ${dataBytes}, a multiple of ${alignment}`;
      throw badEntry(kind, i, tag, at + 8, wanted, String(offset));
    }
    // count comes from the file: checked against the store before it is multiplied or looped over.
    if (count < 1 || count > dataBytes || (type !== TYPE_BIN && count > MAX_ENTRY_VALUES)) {
      throw badEntry(kind, i, tag, at + 12, `a count from 1 to ${dataBytes}`, String(count));
    }
    if (checkTypes && tag < knownTypes.length) {
      const known = knownTypes[tag] as number;
      if (known !== 0 && known !== type && !(isStringType(known) && isStringType(type))) {
        throw badEntry(kind, i, tag, at + 4, `type ${TYPE_NAMES[known]}`, TYPE_NAMES[type] as string);
      }
    }
    if (isStringType(type)) {
      if (type === TYPE_STRING && count !== 1) {
        throw badEntry(kind, i, tag, at + 12, 'one string', `a count of ${count}`);
      }
      end = endOfTexts(view, storeStart + offset, count) - storeStart;
      if (end < 0) {
        throw badEntry(kind, i, tag, at + 8, `${count} strings ending within ${dataBytes} bytes`, 'no end');
      }
    } else {
      end = offset + count * (TYPE_SIZES[type] as number);
    }
    if (end > dataBytes || (offset < trailerStart + TRAILER_BYTES && end > trailerStart && region)) {
      const room = region && i < region.entryCount ? trailerStart : dataBytes;
      throw badEntry(kind, i, tag, at + 12, `data that ends by byte ${room}`, `an end at byte ${end}`);
    }
    laidOut = Math.ceil(laidOut / alignment) * alignment + (end - offset);
  }
  if (region && region.entryCount === intro.entryCount) laidOut += TRAILER_BYTES;
  // rpm refuses a store in which entries do not account for every byte: something could hide there.
  if (laidOut !== dataBytes) {
    throw new RpmError(
      {
        code: 'RPM_BAD_REGION',
        section: sectionOf(kind),
        offset: storeStart,
        tag: region?.tag ?? 0,
        wanted: `entries that fill ${dataBytes} bytes of data`,
        found: `${laidOut} bytes`,
      },
      `${sectionOf(kind)}: entries that fill ${dataBytes} bytes of data wanted, found ${laidOut} bytes`,
    );
  }
}

const tagNames: ReadonlyMap<number, string> = new Map(
  Object.entries(mainTags).map(([name, [number]]) => [number, name]),
);
const signatureTagNames: ReadonlyMap<number, string> = new Map(
  Object.entries(signatureTags).map(([name, [number]]) => [number, name]),
);

/** The name of a tag number, or its digits where no table knows it. */
export function tagName(tag: number, kind: HeaderKind = 'main'): string {
  return (kind === 'main' ? tagNames : signatureTagNames).get(tag) ?? String(tag);
}

function badEntry(
  kind: HeaderKind,
  index: number,
  tag: number,
  offset: number,
  wanted: string,
  found: string,
): RpmError {
  const section = sectionOf(kind);
  return new RpmError(
    { code: 'RPM_BAD_ENTRY', section, offset, tag, wanted, found },
    `${section}: index entry ${index} (${tagName(tag, kind)}) at offset ${offset}: ${wanted} wanted, found ${found}`,
  );
}
