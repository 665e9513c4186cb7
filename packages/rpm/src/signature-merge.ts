/**
 * What of the signature header rpm shows as part of the main one, and when it refuses to: a tag that stands in both
 * headers could make two readers believe different values.
 *
 * Reference: rpm, lib/package.cc (headerMergeLegacySigs, xlateTags)
 */
import { RpmError } from './errors.js';
import type { Header } from './header.js';
import { tagName } from './header-index.js';
import type { SignatureTags } from './signature-tags.js';
import { TYPE_BIN, TYPE_INT32, TYPE_INT64, TYPE_NAMES, TYPE_STRING, TYPE_STRING_ARRAY } from './tag-types.js';
import type { MainTags } from './tags.js';

interface MergedTag {
  readonly signatureTag: number;
  readonly mainTag: number;
  readonly type: number;
  /** Exact count wanted; 0 is any. */
  readonly count: number;
  /** May stand in either header, but not in both. */
  readonly either?: boolean;
}

const mergedTags: readonly MergedTag[] = [
  { signatureTag: 1000, mainTag: 257, type: TYPE_INT32, count: 1 },
  { signatureTag: 1002, mainTag: 259, type: TYPE_BIN, count: 0 },
  { signatureTag: 1004, mainTag: 261, type: TYPE_BIN, count: 16 },
  { signatureTag: 1005, mainTag: 262, type: TYPE_BIN, count: 0 },
  { signatureTag: 1007, mainTag: 1046, type: TYPE_INT32, count: 1, either: true },
  { signatureTag: 274, mainTag: 5090, type: TYPE_STRING_ARRAY, count: 0, either: true },
  { signatureTag: 275, mainTag: 5091, type: TYPE_INT32, count: 1, either: true },
  { signatureTag: 276, mainTag: 276, type: TYPE_STRING_ARRAY, count: 0 },
  { signatureTag: 277, mainTag: 277, type: TYPE_INT32, count: 1 },
  { signatureTag: 269, mainTag: 269, type: TYPE_STRING, count: 1 },
  { signatureTag: 273, mainTag: 273, type: TYPE_STRING, count: 1 },
  { signatureTag: 267, mainTag: 267, type: TYPE_BIN, count: 0 },
  { signatureTag: 268, mainTag: 268, type: TYPE_BIN, count: 0 },
  { signatureTag: 270, mainTag: 270, type: TYPE_INT64, count: 1 },
  { signatureTag: 271, mainTag: 271, type: TYPE_INT64, count: 1 },
];

const MAX_MERGED_COUNT = 16 * 1024 * 1024;

/** Throws RPM_BAD_ENTRY when the two headers cannot be merged as rpm merges them. */
export function checkSignatureMerge(signatureHeader: Header<SignatureTags>, header: Header<MainTags>): void {
  for (const merged of mergedTags) {
    const entry = signatureHeader.entry(merged.signatureTag);
    if (header.entry(merged.mainTag) && !(merged.either && !entry)) {
      throw new RpmError(
        {
          code: 'RPM_BAD_ENTRY',
          section: 'header',
          offset: 0,
          tag: merged.mainTag,
          wanted: 'a tag of the signature header there alone',
          found: 'it in the main header',
        },
        `header: tag ${tagName(merged.mainTag)} belongs into the signature header, found in the main one`,
      );
    }
    if (!entry) continue;
    const wrongCount = merged.count !== 0 && entry.count !== merged.count;
    if (entry.type !== merged.type || wrongCount || entry.count > MAX_MERGED_COUNT) {
      const wanted = `type ${TYPE_NAMES[merged.type]}, ${merged.count === 0 ? `at most ${MAX_MERGED_COUNT}` : merged.count} values`;
      const found = `type ${TYPE_NAMES[entry.type]}, ${entry.count} values`;
      throw new RpmError(
        { code: 'RPM_BAD_ENTRY', section: 'signature header', offset: 0, tag: entry.tag, wanted, found },
        `signature header: ${tagName(entry.tag, 'signature')} of ${wanted} wanted, found ${found}`,
      );
    }
  }
}
