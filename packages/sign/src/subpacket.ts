/**
 * Subpackets: the fields of a signature packet, some of them signed, some not.
 *
 * Reference: RFC 9580, section 5.2.3.7
 */
import { concatBytes, toHex } from './bytes.js';

/** One subpacket of a signature. */
export interface Subpacket {
  readonly type: number;
  readonly critical: boolean;
  readonly data: Uint8Array;
}

/** Subpacket types that are used. */
export const SUBPACKET = {
  created: 2,
  signatureExpires: 3,
  exportable: 4,
  keyExpires: 9,
  revocationKey: 12,
  issuer: 16,
  notation: 20,
  keyFlags: 27,
  revocationReason: 29,
  embeddedSignature: 32,
  issuerFingerprint: 33,
} as const;

/** The data of the first subpacket of a type (with exactly `length` bytes, where given). */
export function find(subpackets: readonly Subpacket[], type: number, length?: number): Uint8Array | undefined {
  return subpackets.find((sub) => sub.type === type && (length === undefined || sub.data.length === length))?.data;
}

/** The bytes of one subpacket. */
export function encodeSubpacket(type: number, data: Uint8Array): Uint8Array {
  if (data.length + 1 >= 192) throw new RangeError(`"data" of ${data.length} bytes is too long for a subpacket`);
  return concatBytes(new Uint8Array([data.length + 1, type]), data);
}

/** A subpacket that the signer calls vital and that we do not understand makes a signature unusable. */
export function unknownCritical(hashed: readonly Subpacket[]): number | undefined {
  const understood = new Set([2, 3, 4, 5, 7, 9, 11, 12, 16, 21, 22, 23, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 39]);
  return hashed.find((sub) => sub.critical && !understood.has(sub.type))?.type;
}

/** The subpackets of one area. `bad` makes the error for an area that is cut off. */
export function decodeSubpackets(bytes: Uint8Array, bad: (wanted: string, found: string) => Error): Subpacket[] {
  const all: Subpacket[] = [];
  for (let at = 0; at < bytes.length; ) {
    let length = bytes[at++]!;
    if (length >= 192) {
      const more = length === 255 ? 4 : 1;
      if (at + more > bytes.length) throw bad('a subpacket length', 'the end of the area');
      length =
        more === 4
          ? new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0)
          : ((length - 192) << 8) + bytes[at]! + 192;
      at += more;
    }
    if (length < 1 || length > bytes.length - at) throw bad(`a subpacket of ${length} bytes`, `${bytes.length - at}`);
    all.push({
      type: bytes[at]! & 0x7f,
      critical: (bytes[at]! & 0x80) !== 0,
      data: bytes.subarray(at + 1, at + length),
    });
    at += length;
  }
  return all;
}

/** The key id of the maker that a subpacket gives, if it gives one. An issuer fingerprint begins with the key's version. */
export function issuerHint({ type, data }: Subpacket): string[] {
  if (type === SUBPACKET.issuer && data.length === 8) return [toHex(data)];
  if (type !== SUBPACKET.issuerFingerprint) return [];
  if (data[0] === 4 && data.length === 21) return [toHex(data.subarray(13))];
  if (data[0] === 6 && data.length === 33) return [toHex(data.subarray(1, 9))];
  return [];
}
