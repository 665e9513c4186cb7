/**
 * CRC-32 and CRC-64 as xz uses them for its own structures and for blocks.
 *
 * Reference: https://tukaani.org/xz/xz-file-format.txt, 6 (CRC-32 of IEEE 802.3, CRC-64 of ECMA-182)
 */

const table32: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let i = 0; i < 8; i++) value = value & 1 ? (value >>> 1) ^ 0xedb8_8320 : value >>> 1;
  return value;
});

/** CRC-32 of bytes; `start` is that of the bytes before them. */
export function crc32(bytes: Uint8Array, start = 0): number {
  let crc = ~start;
  for (let i = 0; i < bytes.length; i++) {
    crc = (table32[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

/** CRC-64 in the making: two halves of 32 bits, since 64-bit numbers are slow here. */
export class Crc64 {
  #low = 0xffff_ffff;
  #high = 0xffff_ffff;

  update(bytes: Uint8Array): void {
    let [low, high] = [this.#low, this.#high];
    for (let i = 0; i < bytes.length; i++) {
      const at = (low ^ (bytes[i] as number)) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ (table64.low[at] as number);
      high = (high >>> 8) ^ (table64.high[at] as number);
    }
    this.#low = low;
    this.#high = high;
  }

  /** The eight bytes as they lie in a file, the lowest first. */
  bytes(): Uint8Array {
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, ~this.#low >>> 0, true);
    view.setUint32(4, ~this.#high >>> 0, true);
    return bytes;
  }
}

const table64: { readonly low: Uint32Array; readonly high: Uint32Array } = (() => {
  const low = new Uint32Array(256);
  const high = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = BigInt(byte);
    for (let i = 0; i < 8; i++) value = value & 1n ? (value >> 1n) ^ 0xc96c_5795_d787_0f42n : value >> 1n;
    low[byte] = Number(value & 0xffff_ffffn);
    high[byte] = Number(value >> 32n);
  }
  return { low, high };
})();
