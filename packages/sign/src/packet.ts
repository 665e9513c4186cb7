/**
 * OpenPGP packets: the frame around each, keys and signatures inside.
 *
 * Own code because packages carry version 3 signatures and post-quantum keys that the OpenPGP library refuses, and
 * because a key file must give its usable keys even when it holds one that nobody here understands.
 *
 * Reference: RFC 9580, sections 4 and 5; RFC 4880 for version 3; draft-ietf-openpgp-pqc for algorithms 30 to 36
 */
import { concatBytes, toHex } from './bytes.js';
import { SignError } from './errors.js';
import { digestOf, hashName, isKnownHash, SHA256 } from './hash.js';
import { decodeSubpackets, find, issuerHint, SUBPACKET, type Subpacket } from './subpacket.js';

export const TAG_SIGNATURE = 2;
export const TAG_SECRET_KEY = 5;
export const TAG_PUBLIC_KEY = 6;
export const TAG_SECRET_SUBKEY = 7;
export const TAG_USER_ID = 13;
export const TAG_PUBLIC_SUBKEY = 14;
export const TAG_USER_ATTRIBUTE = 17;

/** One packet: its kind and its body. */
export interface Packet {
  readonly tag: number;
  readonly body: Uint8Array;
  /** Bytes from the start of the packets. */
  readonly offset: number;
}

/**
 * The packets of `bytes`, one after the other. Bodies are views.
 *
 * Throws SIGN_BAD_PACKET when a packet is cut off, has no packet's first byte, or a length that only streams have.
 */
export function* decodePackets(bytes: Uint8Array, what = 'OpenPGP packets'): Generator<Packet, void, void> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  while (at < bytes.length) {
    const offset = at;
    const first = bytes[at++]!;
    if ((first & 0x80) === 0) throw badPacket(what, offset, 'a packet', `byte 0x${first.toString(16)}`);
    let length: number;
    let tag: number;
    const need = (count: number): void => {
      if (at + count > bytes.length) throw badPacket(what, offset, 'a packet length', 'the end of the bytes');
    };
    if (first & 0x40) {
      tag = first & 0x3f;
      need(1);
      const octet = bytes[at++]!;
      if (octet < 192) length = octet;
      else if (octet < 224) {
        need(1);
        length = ((octet - 192) << 8) + bytes[at++]! + 192;
      } else if (octet === 255) {
        need(4);
        length = view.getUint32(at);
        at += 4;
      } else throw badPacket(what, offset, 'a packet of known length', 'a partial length');
    } else {
      tag = (first >> 2) & 0x0f;
      const size = first & 3;
      if (size === 3) throw badPacket(what, offset, 'a packet of known length', 'an indeterminate length');
      const octets = 1 << size;
      need(octets);
      length = size === 0 ? view.getUint8(at) : size === 1 ? view.getUint16(at) : view.getUint32(at);
      at += octets;
    }
    if (length > bytes.length - at) {
      throw badPacket(what, offset, `a packet body of ${length} bytes`, `${bytes.length - at} bytes`);
    }
    yield { tag, body: bytes.subarray(at, at + length), offset };
    at += length;
  }
}

/** A packet with a header of the new format. */
export function encodePacket(tag: number, body: Uint8Array): Uint8Array {
  const length = body.length;
  const header =
    length < 192
      ? [0xc0 | tag, length]
      : length < 8384
        ? [0xc0 | tag, ((length - 192) >> 8) + 192, (length - 192) & 0xff]
        : [0xc0 | tag, 255, length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff];
  return concatBytes(new Uint8Array(header), body);
}

/** A public key or subkey packet. */
export interface PublicKeyPacket {
  readonly version: 4 | 6;
  readonly algorithm: number;
  readonly createdAt: Date;
  /** The algorithm's own fields. */
  readonly material: Uint8Array;
  /** Lower-case hexadecimal, 40 digits (version 4) or 64 (version 6). */
  readonly fingerprint: string;
  /** Lower-case hexadecimal, 16 digits. */
  readonly keyId: string;
  readonly isSubkey: boolean;
  /** What is hashed for this key in signatures over keys. */
  readonly hashed: Uint8Array;
}

/** Throws SIGN_BAD_PACKET for versions other than 4 and 6: nobody accepts signatures of older keys any more. */
export function decodePublicKey(packet: Packet): PublicKeyPacket {
  const { body, offset } = packet;
  const version = body[0];
  if (version !== 4 && version !== 6) throw badPacket('key', offset, 'a key of version 4 or 6', `version ${version}`);
  const headerBytes = version === 4 ? 6 : 10;
  if (body.length < headerBytes) throw badPacket('key', offset, `${headerBytes} bytes`, `${body.length}`);
  const view = viewOf(body);
  if (version === 6 && view.getUint32(6) !== body.length - headerBytes) {
    throw badPacket('key', offset, `${body.length - headerBytes} bytes of key`, `${view.getUint32(6)}`);
  }
  const prefix = new Uint8Array(version === 4 ? 3 : 5);
  prefix[0] = version === 4 ? 0x99 : 0x9b;
  if (version === 4) new DataView(prefix.buffer).setUint16(1, body.length);
  else new DataView(prefix.buffer).setUint32(1, body.length);
  const hashed = concatBytes(prefix, body);
  const fingerprint = toHex(digestOf(version === 4 ? 2 : SHA256, hashed));
  return {
    version,
    algorithm: body[5]!,
    createdAt: new Date(view.getUint32(1) * 1000),
    material: body.subarray(headerBytes),
    fingerprint,
    keyId: version === 4 ? fingerprint.slice(-16) : fingerprint.slice(0, 16),
    isSubkey: packet.tag === TAG_PUBLIC_SUBKEY,
    hashed,
  };
}

/** A signature packet of version 3, 4 or 6 (version 2 counts as 3). */
export interface SignaturePacket {
  readonly version: 3 | 4 | 6;
  /** 0x00 over binary bytes, 0x01 over text; others are about keys. */
  readonly type: number;
  readonly keyAlgorithm: number;
  readonly hashAlgorithm: number;
  /** Absent only in a broken signature. */
  readonly createdAt: Date | undefined;
  /** 16 digits; not protected by the signature, so only a hint. */
  readonly keyId: string | undefined;
  /** Key ids that the packet gives as its maker's, in signed and unsigned parts. */
  readonly issuerHints: readonly string[];
  /** From the hashed part only. */
  readonly issuerFingerprint: string | undefined;
  readonly hashed: readonly Subpacket[];
  readonly unhashed: readonly Subpacket[];
  /** Version 6: hashed before the data. */
  readonly salt: Uint8Array;
  /** Hashed after the data. */
  readonly trailer: Uint8Array;
  /** First two bytes of the digest. */
  readonly digestStart: Uint8Array;
  /** The algorithm's own fields. */
  readonly material: Uint8Array;
}

/** Throws SIGN_BAD_PACKET when the packet is cut off or of an unknown version. */
export function decodeSignature(packet: Packet): SignaturePacket {
  const { body, offset } = packet;
  const version = body[0];
  const bad = (wanted: string, found: string): SignError => badPacket('signature', offset, wanted, found);
  const view = viewOf(body);
  if (version === 2 || version === 3) {
    if (body.length < 19 || body[1] !== 5) throw bad('a signature of version 3', `${body.length} bytes`);
    return {
      version: 3,
      type: body[2]!,
      keyAlgorithm: body[15]!,
      hashAlgorithm: body[16]!,
      createdAt: new Date(view.getUint32(3) * 1000),
      keyId: toHex(body.subarray(7, 15)),
      issuerHints: [toHex(body.subarray(7, 15))],
      issuerFingerprint: undefined,
      hashed: [],
      unhashed: [],
      salt: new Uint8Array(0),
      trailer: body.subarray(2, 7),
      digestStart: body.subarray(17, 19),
      material: body.subarray(19),
    };
  }
  if (version !== 4 && version !== 6) throw bad('a signature of version 3, 4 or 6', `version ${version}`);
  const lengthBytes = version === 4 ? 2 : 4;
  const area = (at: number): { readonly end: number; readonly subpackets: Subpacket[] } => {
    if (at + lengthBytes > body.length) throw bad('two areas of subpackets', 'the end of the packet');
    const start = at + lengthBytes;
    const length = lengthBytes === 2 ? view.getUint16(at) : view.getUint32(at);
    if (length > body.length - start) throw bad(`${length} bytes of subpackets`, `${body.length - start}`);
    return { end: start + length, subpackets: decodeSubpackets(body.subarray(start, start + length), bad) };
  };
  const hashed = area(4);
  const unhashed = area(hashed.end);
  let at = unhashed.end;
  if (at + 2 > body.length) throw bad('two bytes of the digest', 'the end of the packet');
  const digestStart = body.subarray(at, at + 2);
  at += 2;
  let salt = new Uint8Array(0);
  if (version === 6) {
    const size = body[at++] ?? 0;
    if (size !== saltBytes(body[3]!)) throw bad(`a salt of ${saltBytes(body[3]!)} bytes`, `${size}`);
    if (at + size > body.length) throw bad(`a salt of ${size} bytes`, 'the end of the packet');
    salt = body.slice(at, at + size);
    at += size;
  }
  const signedPart = body.subarray(0, hashed.end);
  const created = find(hashed.subpackets, SUBPACKET.created, 4);
  const issuer = find(hashed.subpackets, SUBPACKET.issuerFingerprint);
  const issuerHints = [...hashed.subpackets, ...unhashed.subpackets].flatMap(issuerHint);
  return {
    version,
    type: body[1]!,
    keyAlgorithm: body[2]!,
    hashAlgorithm: body[3]!,
    createdAt: created && new Date(viewOf(created).getUint32(0) * 1000),
    keyId: issuerHints[0],
    issuerHints,
    issuerFingerprint: issuer && toHex(issuer.subarray(1)),
    hashed: hashed.subpackets,
    unhashed: unhashed.subpackets,
    salt,
    trailer: concatBytes(signedPart, signatureTrailer(version, signedPart.length)),
    digestStart,
    material: body.subarray(at),
  };
}

/** What is hashed last: version, 0xff, length of the signature's own hashed part. */
export function signatureTrailer(version: number, hashedBytes: number): Uint8Array {
  const trailer = new Uint8Array(6);
  trailer[0] = version;
  trailer[1] = 0xff;
  new DataView(trailer.buffer).setUint32(2, hashedBytes);
  return trailer;
}

/** Bytes of salt in a version 6 signature, by hash. */
export function saltBytes(hashAlgorithm: number): number {
  return hashAlgorithm === 9 ? 24 : hashAlgorithm === 10 || hashAlgorithm === 14 ? 32 : 16;
}

/** A multi-precision integer and where the next field begins, `undefined` when it is cut off. */
export function readMpi(
  bytes: Uint8Array,
  at: number,
): { readonly value: Uint8Array; readonly end: number } | undefined {
  if (at + 2 > bytes.length) return undefined;
  const length = (((bytes[at]! << 8) | bytes[at + 1]!) + 7) >> 3;
  if (at + 2 + length > bytes.length) return undefined;
  return { value: bytes.subarray(at + 2, at + 2 + length), end: at + 2 + length };
}

/** A multi-precision integer from big-endian bytes. */
export function encodeMpi(value: Uint8Array): Uint8Array {
  let start = 0;
  while (start < value.length && value[start] === 0) start++;
  const rest = value.subarray(start);
  const bits = rest.length === 0 ? 0 : rest.length * 8 - Math.clz32(rest[0]!) + 24;
  return concatBytes(new Uint8Array([bits >> 8, bits & 0xff]), rest);
}

/** `RSA/SHA256`, as rpm prints it. */
export function algorithmName(keyAlgorithm: number, hashAlgorithm: number): string {
  return `${keyAlgorithmName(keyAlgorithm)}/${isKnownHash(hashAlgorithm) ? hashName(hashAlgorithm) : `hash ${hashAlgorithm}`}`;
}

/** The word for a public-key algorithm number. */
export function keyAlgorithmName(algorithm: number): string {
  const names: Readonly<Record<number, string>> = {
    1: 'RSA',
    2: 'RSA',
    3: 'RSA',
    16: 'Elgamal',
    17: 'DSA',
    18: 'ECDH',
    19: 'ECDSA',
    22: 'EdDSA',
    25: 'X25519',
    26: 'X448',
    27: 'Ed25519',
    28: 'Ed448',
    30: 'ML-DSA-65+Ed25519',
    31: 'ML-DSA-87+Ed448',
    32: 'SLH-DSA-SHAKE-128s',
    33: 'SLH-DSA-SHAKE-128f',
    34: 'SLH-DSA-SHAKE-256s',
    35: 'ML-KEM-768+X25519',
    36: 'ML-KEM-1024+X448',
  };
  return names[algorithm] ?? `algorithm ${algorithm}`;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function badPacket(what: string, offset: number, wanted: string, found: string): SignError {
  return new SignError(
    { code: 'SIGN_BAD_PACKET', what, offset, wanted, found },
    `${what}: packet at byte ${offset}: wanted ${wanted}, found ${found}`,
  );
}
