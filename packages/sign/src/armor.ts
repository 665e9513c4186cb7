/**
 * ASCII armor: OpenPGP packets as text, in blocks that a key file may hold several of.
 *
 * Reference: RFC 9580, section 6
 */
import { quote } from '@distrokit/rpm';
import { decodeBase64, encodeBase64 } from './bytes.js';
import { SignError } from './errors.js';

/** The word in an armor's first line. */
export type ArmorKind = 'PUBLIC KEY BLOCK' | 'PRIVATE KEY BLOCK' | 'SIGNATURE' | 'MESSAGE';

/** One block of armor. */
export interface ArmorBlock {
  readonly kind: string;
  readonly bytes: Uint8Array;
}

/** Whether bytes look like text with armor in it, rather than like packets. */
export function isArmored(bytes: Uint8Array): boolean {
  // Every packet begins with bit 7 set; no line of armor does.
  const first = bytes.find((byte) => byte > 0x20);
  return first !== undefined && first < 0x80;
}

/**
 * Every block of a text, in order. Text around blocks is ignored, as it is normal in key files.
 *
 * Throws SIGN_BAD_ARMOR when a block does not end, its base64 is wrong or its checksum does not match.
 */
export function decodeArmor(text: string): ArmorBlock[] {
  const lines = text.split(/\r\n|\n|\r/);
  const blocks: ArmorBlock[] = [];
  for (let i = 0; i < lines.length; i++) {
    const kind = /^-----BEGIN PGP ([A-Z ]+)-----\s*$/.exec(lines[i]!)?.[1];
    if (kind === undefined || kind === 'SIGNED MESSAGE') continue;
    const start = i;
    i++;
    // Headers such as `Version:` end with an empty line; some writers leave both out.
    while (i < lines.length && /^[A-Za-z][A-Za-z0-9-]*:( |$)/.test(lines[i]!)) i++;
    if (i < lines.length && lines[i]!.trim() === '') i++;
    let checksum: string | undefined;
    const body: string[] = [];
    for (; ; i++) {
      const line = lines[i]?.trim();
      if (line === undefined) throw badArmor(start, `-----END PGP ${kind}-----`, 'the end of the text');
      if (line.startsWith('-----')) {
        if (line !== `-----END PGP ${kind}-----`) throw badArmor(i, `-----END PGP ${kind}-----`, quote(line));
        break;
      }
      if (/^=[A-Za-z0-9+/]{4}$/.test(line)) checksum = line.slice(1);
      else body.push(line);
    }
    const base64 = body.join('');
    const bytes = decodeBase64(base64);
    if (bytes === undefined) throw badArmor(start, 'base64', `${base64.length} characters that are not base64`);
    if (checksum !== undefined && encodeBase64(crc24(bytes)) !== checksum) {
      throw badArmor(i, `checksum =${encodeBase64(crc24(bytes))}`, `=${checksum}`);
    }
    blocks.push({ kind, bytes });
  }
  return blocks;
}

/** One block of armor, with the checksum that older readers ask for; ends in a newline. */
export function encodeArmor(kind: ArmorKind, bytes: Uint8Array): string {
  const base64 = encodeBase64(bytes);
  const lines = base64.match(/.{1,64}/g) ?? [];
  return [
    `-----BEGIN PGP ${kind}-----`,
    '',
    ...lines,
    `=${encodeBase64(crc24(bytes))}`,
    `-----END PGP ${kind}-----`,
    '',
  ].join('\n');
}

/** The bytes of packets that come either plain or in armor of one of these kinds; blocks of other kinds are left out. */
export function packetsOf(source: Uint8Array | string, kinds: readonly ArmorKind[]): Uint8Array[] {
  if (typeof source !== 'string' && !isArmored(source)) return [source];
  const text = typeof source === 'string' ? source : new TextDecoder('latin1').decode(source);
  return decodeArmor(text)
    .filter((block) => (kinds as readonly string[]).includes(block.kind))
    .map((block) => block.bytes);
}

function crc24(bytes: Uint8Array): Uint8Array {
  let crc = 0xb704ce;
  for (const byte of bytes) {
    crc ^= byte << 16;
    for (let bit = 0; bit < 8; bit++) {
      crc <<= 1;
      if (crc & 0x1000000) crc ^= 0x1864cfb;
    }
  }
  return new Uint8Array([(crc >> 16) & 0xff, (crc >> 8) & 0xff, crc & 0xff]);
}

function badArmor(index: number, wanted: string, found: string): SignError {
  return new SignError(
    { code: 'SIGN_BAD_ARMOR', line: index + 1, wanted, found },
    `armor: line ${index + 1}: wanted ${wanted}, found ${found}`,
  );
}
