/**
 * Strings of a header: NUL-terminated bytes, UTF-8 by custom, anything in old packages.
 *
 * Text that is not valid UTF-8 is read as Latin-1, byte for character, as createrepo_c does: nothing is lost and
 * nothing is replaced.
 *
 * Reference: rpm, docs/manual/format_header.md; createrepo_c, src/xml_dump.c (cr_latin1_to_utf8)
 */

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Below this many bytes a loop is faster than a call of the decoder. */
const SHORT = 24;

/** One string from `start` to `end` (the place of its NUL). */
export function decodeText(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= SHORT) {
    let text = '';
    let at = start;
    for (; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte >= 0x80) break;
      text += String.fromCharCode(byte);
    }
    if (at === end) return text;
  }
  const part = bytes.subarray(start, end);
  try {
    return utf8.decode(part);
  } catch {
    return latin1(part);
  }
}

/** `count` strings in a row, the first at `start`. The caller has checked that they end within the bytes. */
export function decodeTexts(bytes: Uint8Array, start: number, count: number): string[] {
  if (count === 1) return [decodeText(bytes, start, bytes.indexOf(0, start))];
  const end = endOfTexts(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), start, count);
  try {
    // A NUL never lies within a UTF-8 sequence: when the whole is valid, each string is.
    return utf8.decode(bytes.subarray(start, end - 1)).split('\0');
  } catch {
    const texts = new Array<string>(count);
    let from = start;
    for (let i = 0; i < count; i++) {
      const to = bytes.indexOf(0, from);
      texts[i] = decodeText(bytes, from, to);
      from = to + 1;
    }
    return texts;
  }
}

/** The byte after the last NUL of `count` strings, or −1 when the bytes end before. `view` is over the whole of the bytes. */
export function endOfTexts(view: DataView, start: number, count: number): number {
  const end = view.byteLength;
  let at = start;
  let left = count;
  // Four bytes at a time: a word in which no byte is zero is passed over (the classic test by borrow). Every header of a
  // package is looked through here, so this loop is what opening a package costs.
  while (at + 4 <= end) {
    const word = view.getInt32(at);
    if (((word - 0x0101_0101) & ~word & 0x8080_8080) !== 0) {
      for (let i = 0; i < 4; i++) {
        if (view.getUint8(at + i) === 0) {
          left -= 1;
          if (left === 0) return at + i + 1;
        }
      }
    }
    at += 4;
  }
  for (; at < end; at++) {
    if (view.getUint8(at) === 0) {
      left -= 1;
      if (left === 0) return at + 1;
    }
  }
  return -1;
}

function latin1(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return text;
}
