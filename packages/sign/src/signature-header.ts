/**
 * The signature header rewritten with other entries and, where its reserved space allows, at its old length: then a
 * file is patched in place and the payload never moves.
 *
 * Signing takes from the reserved space what the signature needs; deleting gives it back, so that the bytes are again
 * those of the unsigned package.
 *
 * Reference: rpm, lib/signature.cc (rpmGenerateSignature, rpmWriteSignature), sign/rpmgensig.cc (replaceSignature)
 */
import {
  decodeSignatureHeader,
  encodeHeader,
  HEADERSIGNATURES,
  type Header,
  type HeaderEntry,
  type SignatureTags,
  signaturePadding,
  signatureTags,
} from '@distrokit/rpm';
import { concatBytes } from './bytes.js';

/** Reserved space that rpmbuild leaves: 32 + `%__gpg_reserved_space`. */
export const STANDARD_RESERVED_BYTES = 4128;

const TYPE_STRING_ARRAY = 8;
const TYPE_BIN = 7;
const reservedTags: readonly number[] = [signatureTags.RESERVED[0], signatureTags.RESERVEDSPACE[0]];

/** A signature header and the same with its padding, ready to lie between lead and main header. */
export interface RewrittenHeader {
  readonly header: Header<SignatureTags>;
  readonly padded: Uint8Array;
  /** As long as the one it replaces, padding included. */
  readonly fits: boolean;
}

/**
 * The header with one entry replaced, added (in tag order, inside the region) or, for `undefined`, deleted.
 *
 * Everything else keeps its bytes and its order. One change at a time: only so can the reserved space be accounted for.
 */
export function withEntry(
  header: Header<SignatureTags>,
  tag: number,
  entry: HeaderEntry | undefined,
): Header<SignatureTags> {
  const region = header.region;
  const all = header.contents();
  const sealed = region ? region.entryCount - 1 : all.length;
  const inside = all.slice(0, sealed).filter((one) => one.tag !== tag);
  const dribbles = all.slice(sealed).filter((one) => one.tag !== tag);
  if (entry) {
    const after = inside.findIndex((one) => one.tag > tag);
    inside.splice(after === -1 ? inside.length : after, 0, entry);
  }
  const encode = (entries: readonly HeaderEntry[]): Uint8Array =>
    encodeHeader([...entries, ...dribbles], {
      ...(region ? { regionTag: HEADERSIGNATURES, trailerTag: trailerTag(header) } : {}),
      regionEntries: entries.length,
    });
  return decodeSignatureHeader(balance(header, inside, encode));
}

/** The padded bytes of `header`, and whether they fit where those of `old` lie. */
export function rewritten(old: Header<SignatureTags>, header: Header<SignatureTags>): RewrittenHeader {
  const padded = padHeader(header.bytes());
  return { header, padded, fits: padded.length === padHeader(old.bytes()).length };
}

/** Bytes of a signature header with the zeros that follow it. */
export function padHeader(bytes: Uint8Array): Uint8Array {
  return concatBytes(bytes, new Uint8Array(signaturePadding(bytes.length)));
}

/** An entry of type BIN. */
export function binaryEntry(tag: number, data: Uint8Array): HeaderEntry {
  return { tag, type: TYPE_BIN, count: data.length, data };
}

/** An entry of type STRING_ARRAY. The strings must hold no NUL. */
export function textsEntry(tag: number, texts: readonly string[]): HeaderEntry {
  const data = new TextEncoder().encode(texts.map((text) => `${text}\0`).join(''));
  return { tag, type: TYPE_STRING_ARRAY, count: texts.length, data };
}

/** Gives the reserved space the size that keeps the header's length, where there is one and that is possible. */
function balance(
  old: Header<SignatureTags>,
  entries: readonly HeaderEntry[],
  encode: (entries: readonly HeaderEntry[]) => Uint8Array,
): Uint8Array {
  const plain = encode(entries);
  const wanted = old.bytes().length;
  const index = entries.findIndex((one) => reservedTags.includes(one.tag) && one.type === TYPE_BIN);
  const reserved = entries[index];
  if (plain.length === wanted || !reserved) return plain;
  const resize = (length: number): Uint8Array | undefined => {
    const size = reserved.count + length - plain.length;
    if (size < 1) return undefined;
    const resized = encode(entries.with(index, binaryEntry(reserved.tag, new Uint8Array(size))));
    return resized.length === length ? resized : undefined;
  };
  const restored = reserved.count + wanted - plain.length;
  if (restored <= reserved.count || cameFromReserve(old, reserved.count, restored)) return resize(wanted) ?? plain;
  // Alignment moves a byte or three between a long signature and the reserved space: give those back as well.
  const unsigned = entries.filter((one) => !signatureEntryTags.includes(one.tag));
  const standard = unsigned.map((one) =>
    one === reserved ? binaryEntry(one.tag, new Uint8Array(STANDARD_RESERVED_BYTES)) : one,
  );
  const length = encode(standard).length;
  return (Math.abs(length - plain.length) < ALIGNMENT_SLACK ? resize(length) : undefined) ?? plain;
}

/**
 * Whether what is being deleted once took its room from the reserved space. It did not when it was too long for it:
 * the header grew then, and must shrink now. Nothing records which; but where the space left and what the remaining
 * signatures took add up to the standard amount, the deleted one took nothing.
 */
function cameFromReserve(old: Header<SignatureTags>, left: number, restored: number): boolean {
  const deleted = restored - left;
  let others = -deleted;
  for (const one of old.contents()) {
    if (signatureEntryTags.includes(one.tag)) others += one.data.length + 16;
  }
  const addsUp = (bytes: number): boolean => Math.abs(bytes - STANDARD_RESERVED_BYTES) < ALIGNMENT_SLACK;
  return addsUp(restored + others) || !addsUp(left + others);
}

/** Bytes that alignment may have cost: up to three per entry. No signature is as short. */
const ALIGNMENT_SLACK = 16;

const signatureEntryTags: readonly number[] = [
  signatureTags.DSA[0],
  signatureTags.RSA[0],
  signatureTags.OPENPGP[0],
  signatureTags.PGP[0],
  signatureTags.GPG[0],
  signatureTags.FILESIGNATURES[0],
  signatureTags.FILESIGNATURELENGTH[0],
];

/** Some old packages close the region with another tag than they open it with. */
function trailerTag(header: Header<SignatureTags>): number {
  const bytes = header.bytes();
  const at = 16 + header.entryCount * 16 + header.region!.dataBytes - 16;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(at);
}
