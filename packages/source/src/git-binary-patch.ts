/**
 * Binary changes in git's patches: a whole new content (`literal`) or how to make it from the old one (`delta`), deflated
 * and written in base 85.
 *
 * Reference: git, diff.c (emit_binary_diff_body), apply.c (parse_binary_hunk), patch-delta.c
 */
import { inflateSync } from 'node:zlib';

/** One direction of a binary change. */
export interface BinaryHunk {
  readonly kind: 'literal' | 'delta';
  /** The new content, or the delta. */
  readonly data: Uint8Array;
  /** Index of the first byte after it. */
  readonly end: number;
}

const maxBytes = 64 * 2 ** 20;
const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~';
const digitOf = new Uint8Array(256).fill(255);
for (let i = 0; i < alphabet.length; i++) digitOf[alphabet.charCodeAt(i)] = i;

/** Reads the hunk that begins at `start` (`literal 123`); undefined when it is none, damaged, or above 64 MiB. */
export function readBinaryHunk(bytes: Uint8Array, start: number): BinaryHunk | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = /^(literal|delta) (\d{1,8})\r?\n/.exec(text.toString('latin1', start, start + 32));
  if (!head) return undefined;
  const size = Number(head[2]);
  if (size > maxBytes) return undefined;
  const packed: Uint8Array[] = [];
  let at = start + head[0].length;
  for (;;) {
    const newline = text.indexOf(0x0a, at);
    const end = newline < 0 ? text.length : newline;
    const line = text.toString('latin1', at, end).trimEnd();
    at = end + 1;
    if (line === '') break;
    const decoded = decodeLine(line);
    if (decoded === undefined) return undefined;
    packed.push(decoded);
  }
  try {
    const data = inflateSync(Buffer.concat(packed), { maxOutputLength: Math.max(1, size) });
    return data.length === size
      ? { kind: head[1] as BinaryHunk['kind'], data, end: Math.min(at, text.length) }
      : undefined;
  } catch {
    return undefined;
  }
}

/** The new content from a hunk and the old content; undefined when the delta does not fit it. */
export function applyBinaryHunk(hunk: BinaryHunk, old: Uint8Array): Uint8Array | undefined {
  if (hunk.kind === 'literal') return hunk.data;
  const { data } = hunk;
  let at = 0;
  const size = (): number => {
    let value = 0;
    for (let factor = 1; at < data.length; factor *= 128) {
      const byte = data[at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) break;
      if (factor > 2 ** 42) return -1;
    }
    return value;
  };
  const before = size();
  const after = size();
  if (before !== old.length || after < 0 || after > maxBytes) return undefined;
  const out = new Uint8Array(after);
  let filled = 0;
  while (at < data.length) {
    const code = data[at++]!;
    if (code === 0) return undefined;
    let from: Uint8Array = data;
    let offset = at;
    let length = code;
    if (code >= 128) {
      from = old;
      offset = 0;
      length = 0;
      for (let i = 0; i < 4; i++) if (code & (1 << i)) offset += (data[at++] ?? 0) * 256 ** i;
      for (let i = 0; i < 3; i++) if (code & (16 << i)) length += (data[at++] ?? 0) * 256 ** i;
      if (length === 0) length = 0x10000;
    } else at += length;
    if (offset + length > from.length || filled + length > after) return undefined;
    out.set(from.subarray(offset, offset + length), filled);
    filled += length;
  }
  return filled === after ? out : undefined;
}

/** A letter that says how many bytes, then five characters for each four of them. */
function decodeLine(line: string): Uint8Array | undefined {
  const letter = line.charCodeAt(0);
  const length = letter >= 0x61 ? letter - 0x61 + 27 : letter - 0x41 + 1;
  if (length < 1 || length > 52 || line.length !== 1 + 5 * Math.ceil(length / 4)) return undefined;
  const out = Buffer.alloc(4 * Math.ceil(length / 4));
  for (let i = 1, o = 0; i < line.length; i += 5, o += 4) {
    let value = 0;
    for (let d = 0; d < 5; d++) {
      const digit = digitOf[line.charCodeAt(i + d) & 255]!;
      if (digit === 255) return undefined;
      value = value * 85 + digit;
    }
    if (value > 0xffff_ffff) return undefined;
    out.writeUInt32BE(value, o);
  }
  return out.subarray(0, length);
}
