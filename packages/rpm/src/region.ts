/**
 * The immutable region: the part of a header that digests and signatures cover.
 *
 * A region tag opens it, a 16-byte trailer in the store closes it. In a package's main
 * header it must fill the structure: an entry after it (a dribble) would be believed but
 * not signed.
 *
 * Reference: rpm, lib/header.cc (hdrblobVerifyRegion); docs/manual/format_v4.md
 */
import { RpmError, type RpmSection } from './errors.js';
import { TYPE_BIN, TYPE_NAMES } from './tag-types.js';

/** Region tag of the main header. */
export const HEADERIMMUTABLE = 63;
/** Region tag of the signature header. */
export const HEADERSIGNATURES = 62;
/** Old packages close a signature region with this tag. */
const HEADERIMAGE = 61;

export const ENTRY_BYTES = 16;
export const INTRO_BYTES = 16;
export const TRAILER_BYTES = 16;

/** Where the region of a header lies. */
export interface Region {
  readonly tag: number;
  /** Index entries of the region, its own included. */
  readonly entryCount: number;
  /** Bytes of the store that belong to the region, its trailer included. */
  readonly dataBytes: number;
}

/**
 * The region of a header structure, or undefined when its first entry is no region tag (a v3 header).
 *
 * `view` covers intro, index and store. Throws RPM_BAD_REGION when region tag, trailer or size lie, and when the
 * region of a main header does not fill the structure.
 */
export function decodeRegion(
  view: DataView,
  entryCount: number,
  dataBytes: number,
  regionTag: number,
  section: RpmSection,
): Region | undefined {
  const tag = view.getUint32(INTRO_BYTES);
  if (tag !== regionTag) return undefined;
  const type = view.getUint32(INTRO_BYTES + 4);
  const offset = view.getInt32(INTRO_BYTES + 8);
  const count = view.getUint32(INTRO_BYTES + 12);
  const bad = (where: number, wanted: string, found: string): RpmError =>
    new RpmError(
      { code: 'RPM_BAD_REGION', section, offset: where, tag, wanted, found },
      `${section}: region ${tag} at offset ${where}: ${wanted} wanted, found ${found}`,
    );
  if (type !== TYPE_BIN || count !== TRAILER_BYTES) {
    throw bad(INTRO_BYTES, 'type BIN and count 16', `type ${TYPE_NAMES[type] ?? type} and count ${count}`);
  }
  if (offset < 0 || offset + TRAILER_BYTES > dataBytes) {
    throw bad(INTRO_BYTES + 8, `a trailer within ${dataBytes} bytes of data`, `offset ${offset}`);
  }
  const trailer = INTRO_BYTES + entryCount * ENTRY_BYTES + offset;
  const trailerTag = view.getUint32(trailer);
  const sameTag = trailerTag === tag || (tag === HEADERSIGNATURES && trailerTag === HEADERIMAGE);
  const trailerType = view.getUint32(trailer + 4);
  const trailerCount = view.getUint32(trailer + 12);
  if (!sameTag || trailerType !== TYPE_BIN || trailerCount !== TRAILER_BYTES) {
    throw bad(
      trailer,
      `trailer ${tag}, type BIN, count 16`,
      `tag ${trailerTag}, type ${trailerType}, count ${trailerCount}`,
    );
  }
  const negative = -view.getInt32(trailer + 8);
  const regionEntries = negative / ENTRY_BYTES;
  if (!Number.isInteger(regionEntries) || regionEntries < 1 || regionEntries > entryCount) {
    throw bad(trailer + 8, `1 to ${entryCount} entries of ${ENTRY_BYTES} bytes`, `${negative} bytes`);
  }
  const regionBytes = offset + TRAILER_BYTES;
  if (regionTag === HEADERIMMUTABLE && (regionEntries !== entryCount || regionBytes !== dataBytes)) {
    throw bad(
      trailer,
      `a region of all ${entryCount} entries and ${dataBytes} bytes`,
      `${regionEntries} entries and ${regionBytes} bytes`,
    );
  }
  return { tag, entryCount: regionEntries, dataBytes: regionBytes };
}
