/**
 * The archive inside a payload: cpio `newc`, and the stripped kind whose entries name files of the header by number.
 *
 *     newc      070701 (or 070702) | 13 fields of 8 hexadecimal digits | name, NUL | 0 to 3 zeros | data | 0 to 3 zeros
 *     stripped  07070X | file number, 8 hexadecimal digits | 0 to 2 zeros | data | 0 to 3 zeros
 *
 * Both end with a newc entry named `TRAILER!!!`. Padding counts from the start of the archive.
 *
 * Reference: rpm, lib/cpio.cc; docs/manual/format_v4.md, format_v6.md (payload)
 */
import type { Abortable } from './byte-source.js';
import { ChunkReader } from './chunk-reader.js';
import { quote, RpmError } from './errors.js';
import { MAX_ENTRY_VALUES } from './limits.js';
import { decodeText } from './text.js';

/** What a newc entry says about its file. */
export interface NewcHeader {
  readonly kind: 'newc';
  /** As stored, for instance `./usr/bin/true`. Not normalized. */
  readonly name: string;
  readonly inode: number;
  /** Type and permission bits, as `st_mode`. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly linkCount: number;
  /** Seconds since 1970. */
  readonly modifiedSeconds: number;
  /** At most 2^32 − 1. Of the entries of a hard-link set only the last has its size here, the others 0. */
  readonly sizeBytes: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly targetDeviceMajor: number;
  readonly targetDeviceMinor: number;
}

/** What a stripped entry says about its file: which one of the header's arrays it is. */
export interface StrippedHeader {
  readonly kind: 'stripped';
  readonly fileIndex: number;
  readonly sizeBytes: number;
}

/** An entry while the archive is read. */
export type CpioEntry = (NewcHeader | StrippedHeader) & {
  /** Bytes from the start of the archive to the entry's first byte. */
  readonly offset: number;
  /** The content. Readable once, before the next entry is asked for; what is left unread is passed over. */
  data(): AsyncIterable<Uint8Array>;
};

/** Options of `readCpio`. */
export interface ReadCpioOptions extends Abortable {
  /** Content bytes behind a stripped entry; undefined for a number that names no file. Without it such entries are refused. */
  readonly strippedSize?: (fileIndex: number) => number | undefined;
  /** Most entries before the trailer. Default 1,048,575, as many as a header can list. */
  readonly maxEntries?: number | undefined;
}

/** An entry to be written, with its content where there is one. */
export interface CpioInput {
  readonly header: NewcHeader | StrippedHeader;
  /** Exactly `header.sizeBytes` bytes; absent for none. */
  readonly data?: Uint8Array | AsyncIterable<Uint8Array>;
}

const newcHeaderBytes = 110;
const strippedHeaderBytes = 14;
/** The reference's own ceiling, with the NUL. */
const maxNameBytes = 4096;
const trailerName = 'TRAILER!!!';

/**
 * The entries of an uncompressed archive, up to its trailer. What follows the trailer is not read.
 *
 * Throws RPM_BAD_PAYLOAD (offset from the start of the archive), RPM_TRUNCATED when the archive ends before its
 * trailer, RPM_LIMIT. Names are data from outside: this function compares them with nothing.
 */
export function readCpio(
  archive: AsyncIterable<Uint8Array>,
  options: ReadCpioOptions = {},
): AsyncGenerator<CpioEntry, void, void> {
  return archiveEntries(new ArchiveReader(archive), options);
}

/** @internal The entries of an archive whose content may also be read from its reader. */
export async function* archiveEntries(
  reader: ArchiveReader,
  options: ReadCpioOptions,
): AsyncGenerator<CpioEntry, void, void> {
  const maxEntries = options.maxEntries ?? MAX_ENTRY_VALUES;
  try {
    for (let entries = 0; ; entries++) {
      options.signal?.throwIfAborted();
      if (!reader.alignNow()) await reader.align();
      const offset = reader.offset;
      const header = await readHeader(reader, options.strippedSize);
      if (header === undefined) return;
      if (entries >= maxEntries) {
        throw new RpmError(
          { code: 'RPM_LIMIT', what: 'entries of the payload', limit: maxEntries, found: entries + 1 },
          `payload: more than ${maxEntries} entries`,
        );
      }
      if (!reader.alignNow()) await reader.align();
      reader.begin(offset, header.sizeBytes);
      yield { ...header, offset, data: () => reader.content() };
      if (reader.left > 0) await reader.skipContent();
    }
  } finally {
    await reader.close();
  }
}

/**
 * The bytes of an archive, trailer included.
 *
 * Throws RPM_LIMIT when a newc entry or one of its fields does not fit 32 bits (use stripped entries), RPM_BAD_PATH on
 * a name that is empty, too long or has a NUL, RPM_BAD_PAYLOAD when content is longer or shorter than its header says.
 */
export async function* writeCpio(
  entries: AsyncIterable<CpioInput> | Iterable<CpioInput>,
): AsyncGenerator<Uint8Array, void, void> {
  let offset = 0;
  for await (const { header, data } of entries) {
    const start = offset;
    const head = encodeCpioHeader(header);
    yield head;
    offset += head.length;
    let size = 0;
    for await (const chunk of data instanceof Uint8Array ? [data] : (data ?? [])) {
      size += chunk.length;
      if (size > header.sizeBytes) break;
      if (chunk.length > 0) yield chunk;
    }
    if (size !== header.sizeBytes) {
      const found = size > header.sizeBytes ? `${size} or more` : String(size);
      throw badArchive(start, `${header.sizeBytes} bytes of content`, found);
    }
    offset += size;
    if (size % 4 !== 0) {
      yield new Uint8Array(4 - (size % 4));
      offset += 4 - (size % 4);
    }
  }
  yield encodeCpioTrailer();
}

/** One entry's header with its name and padding; a multiple of 4 bytes. */
export function encodeCpioHeader(header: NewcHeader | StrippedHeader): Uint8Array {
  if (header.kind === 'stripped') {
    return paddedAscii(`07070X${hex(header.fileIndex)}`);
  }
  const name = new TextEncoder().encode(header.name);
  if (name.length === 0 || name.length >= maxNameBytes || name.includes(0)) {
    throw new RpmError(
      { code: 'RPM_BAD_PATH', path: header.name, wanted: `1 to ${maxNameBytes - 1} bytes without NUL` },
      `payload: ${quote(header.name)} is no name for an archive entry`,
    );
  }
  const fields = [
    header.inode,
    header.mode,
    header.uid,
    header.gid,
    header.linkCount,
    header.modifiedSeconds,
    header.sizeBytes,
    header.deviceMajor,
    header.deviceMinor,
    header.targetDeviceMajor,
    header.targetDeviceMinor,
    name.length + 1,
    0,
  ];
  const head = paddedAscii(`070701${fields.map(hex).join('')}`, name.length + 1);
  head.set(name, newcHeaderBytes);
  return head;
}

/** The entry that ends an archive. */
export function encodeCpioTrailer(): Uint8Array {
  const none = {
    inode: 0,
    mode: 0,
    uid: 0,
    gid: 0,
    modifiedSeconds: 0,
    sizeBytes: 0,
    deviceMajor: 0,
    deviceMinor: 0,
    targetDeviceMajor: 0,
    targetDeviceMinor: 0,
  };
  return encodeCpioHeader({ kind: 'newc', name: trailerName, linkCount: 1, ...none });
}

/** Undefined at the trailer. */
async function readHeader(
  reader: ArchiveReader,
  strippedSize: ReadCpioOptions['strippedSize'],
): Promise<NewcHeader | StrippedHeader | undefined> {
  const offset = reader.offset;
  // The magic decides how long the header is; both kinds have 14 bytes.
  const start = reader.takeNow(strippedHeaderBytes) ?? (await reader.take(strippedHeaderBytes, offset));
  const magic = String.fromCharCode(...start.subarray(0, 6));
  if (magic === '07070X') {
    const fileIndex = parseHex(start, 6, offset);
    const sizeBytes = strippedSize?.(fileIndex);
    if (sizeBytes === undefined) throw badArchive(offset, 'a file number of the header', String(fileIndex));
    return { kind: 'stripped', fileIndex, sizeBytes };
  }
  if (magic !== '070701' && magic !== '070702') throw badArchive(offset, '070701, 070702 or 07070X', quote(magic));
  const inode = parseHex(start, 6, offset);
  const restBytes = newcHeaderBytes - strippedHeaderBytes;
  const rest = reader.takeNow(restBytes) ?? (await reader.take(restBytes, offset));
  const field = (index: number) => parseHex(rest, index * 8, offset);
  const nameBytes = field(10);
  if (nameBytes === 0 || nameBytes > maxNameBytes) {
    throw badArchive(offset, `a name of 1 to ${maxNameBytes} bytes`, `${nameBytes} bytes`);
  }
  const header = {
    kind: 'newc',
    inode,
    mode: field(0),
    uid: field(1),
    gid: field(2),
    linkCount: field(3),
    modifiedSeconds: field(4),
    sizeBytes: field(5),
    deviceMajor: field(6),
    deviceMinor: field(7),
    targetDeviceMajor: field(8),
    targetDeviceMinor: field(9),
  } as const;
  // Parsed although nobody looks at it: the reference refuses a checksum that is no number.
  field(11);
  const stored = reader.takeNow(nameBytes) ?? (await reader.take(nameBytes, offset));
  const end = stored.indexOf(0);
  if (end === -1) throw badArchive(offset, 'a name that ends with NUL', quote(decodeText(stored, 0, stored.length)));
  const name = decodeText(stored, 0, end);
  return name === trailerName ? undefined : { ...header, name };
}

/** @internal Where in the archive the reader is. What is at hand is given without waiting. */
export class ArchiveReader {
  /** Bytes from the start of the archive to the next one. */
  offset = 0;
  /** Content bytes of the current entry that were not read yet. */
  left = 0;
  #entryOffset = 0;
  readonly #reader: ChunkReader;

  constructor(archive: AsyncIterable<Uint8Array>) {
    this.#reader = new ChunkReader(archive);
  }

  /** Exactly `length` bytes, where they are at hand. */
  takeNow(length: number): Uint8Array | undefined {
    const bytes = this.#reader.takeNow(length);
    if (bytes !== undefined) this.offset += length;
    return bytes;
  }

  /** Exactly `length` bytes. */
  async take(length: number, entryOffset: number): Promise<Uint8Array> {
    const bytes = await this.#reader.take(length);
    this.offset += bytes.length;
    if (bytes.length < length) throw this.#truncated(entryOffset, length, bytes.length);
    return bytes;
  }

  /** Behind the header of an entry: its content is next. */
  begin(entryOffset: number, sizeBytes: number): void {
    this.#entryOffset = entryOffset;
    this.left = sizeBytes;
  }

  async *content(): AsyncGenerator<Uint8Array, void, void> {
    while (this.left > 0) yield await this.contentPart();
  }

  async skipContent(): Promise<void> {
    while (this.left > 0) await this.contentPart();
  }

  /** A part of the content that is at hand; undefined where there is none. */
  contentPartNow(): Uint8Array | undefined {
    const part = this.#reader.someNow(this.left);
    if (part !== undefined) this.#passed(part);
    return part;
  }

  /** A part of the content. */
  async contentPart(): Promise<Uint8Array> {
    const part = await this.#reader.some(this.left);
    if (part === undefined) throw this.#truncated(this.#entryOffset, this.left, 0);
    this.#passed(part);
    return part;
  }

  /** Passes the padding. An archive that ends within it has no trailer and is reported where the next entry begins. */
  async align(): Promise<void> {
    this.offset += (await this.#reader.take(this.#padding)).length;
  }

  /** The same without waiting; false where the padding is not at hand. */
  alignNow(): boolean {
    return this.#padding === 0 || this.takeNow(this.#padding) !== undefined;
  }

  async close(): Promise<void> {
    await this.#reader.close();
  }

  get #padding(): number {
    return (4 - (this.offset % 4)) % 4;
  }

  #passed(part: Uint8Array): void {
    this.left -= part.length;
    this.offset += part.length;
  }

  #truncated(entryOffset: number, wantedBytes: number, gotBytes: number): RpmError {
    return new RpmError(
      { code: 'RPM_TRUNCATED', section: 'payload', offset: this.offset, wantedBytes, gotBytes },
      `payload: the archive ends at byte ${this.offset}, within the entry at ${entryOffset}`,
    );
  }
}

/** Eight hexadecimal digits. */
function parseHex(bytes: Uint8Array, start: number, entryOffset: number): number {
  let value = 0;
  for (let i = start; i < start + 8; i++) {
    const byte = bytes[i]!;
    let digit: number;
    if (byte >= 0x30 && byte <= 0x39) digit = byte - 0x30;
    else if (byte >= 0x61 && byte <= 0x66) digit = byte - 0x57;
    else if (byte >= 0x41 && byte <= 0x46) digit = byte - 0x37;
    else {
      throw badArchive(entryOffset, '8 hexadecimal digits', quote(decodeText(bytes, start, start + 8)));
    }
    value = value * 16 + digit;
  }
  return value;
}

function hex(value: number): string {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw new RpmError(
      { code: 'RPM_LIMIT', what: 'a field of an archive entry', limit: 0xffff_ffff, found: value },
      `payload: ${value} does not fit the 32 bits of an archive field`,
    );
  }
  return value.toString(16).padStart(8, '0');
}

/** The text, room for `extra` bytes, and zeros up to a multiple of 4. */
function paddedAscii(text: string, extra = 0): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((text.length + extra) / 4) * 4);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function badArchive(offset: number, wanted: string, found: string): RpmError {
  return new RpmError(
    { code: 'RPM_BAD_PAYLOAD', section: 'payload', offset, wanted, found },
    `payload: ${wanted} wanted in the archive entry at byte ${offset}, found ${found}`,
  );
}
