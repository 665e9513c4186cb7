/**
 * The lead: the first 96 bytes of a package. Only its magic, major version and signature type matter today.
 *
 * Reference: rpm, lib/rpmlead.cc; docs/manual/format_lead.md
 */
import { RpmError } from './errors.js';
import { decodeText } from './text.js';

export const LEAD_BYTES = 96;

/** The fields of the lead. Readers must believe the header instead: the name is cut, the numbers are historical. */
export interface Lead {
  /** 3 for v3 and v4 packages, 4 for v6. */
  readonly major: number;
  readonly minor: number;
  readonly type: 'binary' | 'source' | number;
  /** rpm 4 wrote the number of `leadArchNumber`, rpm 6 writes 0. */
  readonly archNumber: number;
  /** NEVR cut to 65 bytes. */
  readonly name: string;
  /** 1 is Linux; rpm 6 writes 0. */
  readonly osNumber: number;
}

const MAGIC = 0xedabeedb;
const HEADER_SIGNATURE_TYPE = 5;
const NAME_OFFSET = 10;
const NAME_BYTES = 66;

/**
 * Throws RPM_TRUNCATED on fewer than 96 bytes, RPM_BAD_MAGIC on another magic, a major version other than 3 or 4, and
 * a signature type other than 5 (header-style): rpm 4 refuses these, rpm 6 only the magic.
 */
export function decodeLead(bytes: Uint8Array): Lead {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length >= 4 && view.getUint32(0) !== MAGIC) throw badMagic(0, 'edabeedb', hex(bytes, 0, 4));
  if (bytes.length < LEAD_BYTES) {
    throw new RpmError(
      { code: 'RPM_TRUNCATED', section: 'lead', offset: 0, wantedBytes: LEAD_BYTES, gotBytes: bytes.length },
      `lead: ${LEAD_BYTES} bytes wanted, the file has ${bytes.length}`,
    );
  }
  const major = view.getUint8(4);
  if (major !== 3 && major !== 4) throw badMagic(4, '03 or 04', hex(bytes, 4, 1));
  const signatureType = view.getUint16(78);
  if (signatureType !== HEADER_SIGNATURE_TYPE) throw badMagic(78, '0005', hex(bytes, 78, 2));
  const type = view.getUint16(6);
  const name = bytes.subarray(NAME_OFFSET, NAME_OFFSET + NAME_BYTES);
  const end = name.indexOf(0);
  return {
    major,
    minor: view.getUint8(5),
    type: type === 0 ? 'binary' : type === 1 ? 'source' : type,
    archNumber: view.getUint16(8),
    name: decodeText(name, 0, end === -1 ? NAME_BYTES : end),
    osNumber: view.getUint16(76),
  };
}

/** The name is cut to 65 bytes and NUL padded. */
export function encodeLead(lead: Lead): Uint8Array {
  const bytes = new Uint8Array(LEAD_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  view.setUint8(4, lead.major);
  view.setUint8(5, lead.minor);
  view.setUint16(6, lead.type === 'binary' ? 0 : lead.type === 'source' ? 1 : lead.type);
  view.setUint16(8, lead.archNumber);
  bytes.set(new TextEncoder().encode(lead.name).subarray(0, NAME_BYTES - 1), NAME_OFFSET);
  view.setUint16(76, lead.osNumber);
  view.setUint16(78, HEADER_SIGNATURE_TYPE);
  return bytes;
}

function hex(bytes: Uint8Array, offset: number, length: number): string {
  return Array.from(bytes.subarray(offset, offset + length), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function badMagic(offset: number, wanted: string, found: string): RpmError {
  const what = offset === 0 ? 'magic' : offset === 4 ? 'major version' : 'signature type';
  return new RpmError(
    { code: 'RPM_BAD_MAGIC', section: 'lead', offset, wanted, found },
    `lead: ${what} ${wanted} wanted at offset ${offset}, found ${found}: not an RPM package`,
  );
}
