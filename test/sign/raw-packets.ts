/** OpenPGP packets cut out of keys that gpg made, and put together by hand. */

/** One packet with its header. */
export interface RawPacket {
  readonly tag: number;
  readonly bytes: Uint8Array;
  readonly body: Uint8Array;
}

/** The packets of an armored key. gpg writes old headers with known lengths, our keys have new ones. */
export function packetsOfArmor(armor: string): RawPacket[] {
  const lines = armor.split('\n');
  const end = lines.findIndex((line) => line.startsWith('-----END'));
  const base64 = lines.slice(lines.indexOf('') + 1, end).filter((line) => !line.startsWith('='));
  const bytes = new Uint8Array(Buffer.from(base64.join(''), 'base64'));
  const packets: RawPacket[] = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at]!;
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    let [header, length] = [0, 0];
    if (first & 0x40) {
      const octet = bytes[at + 1]!;
      if (octet < 192) [header, length] = [2, octet];
      else if (octet < 224) [header, length] = [3, ((octet - 192) << 8) + bytes[at + 2]! + 192];
      else [header, length] = [6, view.getUint32(2)];
    } else {
      const size = 1 << (first & 3);
      header = 1 + size;
      length = size === 1 ? view.getUint8(1) : size === 2 ? view.getUint16(1) : view.getUint32(1);
    }
    packets.push({
      tag: first & 0x40 ? first & 0x3f : (first >> 2) & 0x0f,
      bytes: bytes.subarray(at, at + header + length),
      body: bytes.subarray(at + header, at + header + length),
    });
    at += header + length;
  }
  return packets;
}

/** A packet with a new header around a body. */
export function packet(tag: number, body: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, body.length);
  return new Uint8Array(Buffer.concat([Buffer.from([0xc0 | tag, 255]), length, body]));
}
