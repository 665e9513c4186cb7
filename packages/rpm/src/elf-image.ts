/**
 * The frame of an ELF file: header, segments, sections, dynamic section, and checked reads of all of it.
 *
 * Reference: System V ABI (gABI), chapter 4 (object files), chapter 5 (program loading, dynamic linking)
 */
import { RpmError } from './errors.js';

/** A program header. Offsets and sizes in bytes. */
export interface ElfSegment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileBytes: number;
}

/** A section header. Offsets and sizes in bytes. */
export interface ElfSection {
  readonly type: number;
  readonly address: number;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly entryBytes: number;
  readonly link: number;
}

const segmentLoad = 1;
const segmentDynamic = 2;
const segmentInterpreter = 3;
const segmentNote = 4;
const sectionDynamic = 6;
const sectionNote = 7;
const stringTableTag = 5;
const stringSizeTag = 10;
const noteBuildId = 3;

export class ElfImage {
  readonly bytes: Uint8Array;
  readonly is64: boolean;
  readonly littleEndian: boolean;
  readonly type: number;
  readonly machine: number;
  readonly segments: readonly ElfSegment[];
  readonly sections: readonly ElfSection[];
  /** Values by tag, in file order. Empty where there is no dynamic section. */
  readonly dynamic: ReadonlyMap<number, readonly number[]>;
  readonly #view: DataView;
  #strings: StringTable | undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const magic = this.u8(0) === 0x7f && this.u8(1) === 0x45 && this.u8(2) === 0x4c && this.u8(3) === 0x46;
    if (!magic) throw badElf(0, '7f454c46', 'another magic');
    const bits = this.u8(4);
    const order = this.u8(5);
    if (bits !== 1 && bits !== 2) throw badElf(4, 'class 1 or 2', String(bits));
    if (order !== 1 && order !== 2) throw badElf(5, 'byte order 1 or 2', String(order));
    this.is64 = bits === 2;
    this.littleEndian = order === 1;
    this.type = this.u16(16);
    this.machine = this.u16(18);
    const [segmentsAt, sectionsAt, tail] = this.is64 ? [32, 40, 52] : [28, 32, 40];
    const sectionsOffset = this.word(sectionsAt);
    const [, segmentBytes, segmentCount, sectionBytes, sectionCount] = [0, 2, 4, 6, 8].map((at) => this.u16(tail + at));
    this.sections = this.#readSections(sectionsOffset, sectionBytes!, sectionCount!);
    this.segments = this.#readSegments(this.word(segmentsAt), segmentBytes!, segmentCount!);
    this.dynamic = this.#readDynamic();
  }

  u8(offset: number): number {
    this.#check(offset, 1);
    return this.#view.getUint8(offset);
  }

  u16(offset: number): number {
    this.#check(offset, 2);
    return this.#view.getUint16(offset, this.littleEndian);
  }

  u32(offset: number): number {
    this.#check(offset, 4);
    return this.#view.getUint32(offset, this.littleEndian);
  }

  /** An address, offset or size: 4 or 8 bytes. Above 2^53 it loses low bits; no place of a file is that far. */
  word(offset: number): number {
    if (!this.is64) return this.u32(offset);
    this.#check(offset, 8);
    return Number(this.#view.getBigUint64(offset, this.littleEndian));
  }

  /** Bytes per word. */
  get wordBytes(): number {
    return this.is64 ? 8 : 4;
  }

  /** Where in the file an address is loaded from. Throws when no segment holds it. */
  fileOffset(address: number): number {
    for (const segment of this.segments) {
      if (segment.type !== segmentLoad || address < segment.address) continue;
      if (address < segment.address + segment.fileBytes) return address - segment.address + segment.offset;
    }
    throw badElf(0, 'an address within a segment', `0x${address.toString(16)}`);
  }

  /** A string of the dynamic string table. */
  dynamicText(offset: number): string {
    this.#strings ??= this.#dynamicStrings();
    return this.#strings.text(offset);
  }

  interpreter(): string | undefined {
    const segment = this.segments.find(({ type }) => type === segmentInterpreter);
    // A separate debug file keeps the headers of what it was cut from.
    if (segment === undefined || segment.offset + segment.fileBytes > this.bytes.length) return undefined;
    const bytes = this.bytes.subarray(segment.offset, segment.offset + segment.fileBytes);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end === -1 ? bytes : bytes.subarray(0, end));
  }

  /** The GNU build id, from the notes of the segments or, in object files, of the sections. */
  buildId(): string | undefined {
    const segments = this.segments.filter(({ type }) => type === segmentNote);
    const sections = this.sections.filter(({ type }) => type === sectionNote);
    const places = [
      ...sections.map(({ offset, sizeBytes }) => [offset, offset + sizeBytes] as const),
      ...segments.map(({ offset, fileBytes }) => [offset, offset + fileBytes] as const),
    ];
    for (const [start, end] of places) {
      if (end > this.bytes.length) continue;
      for (let at = start; at + 12 <= end; ) {
        const nameBytes = this.u32(at);
        const dataBytes = this.u32(at + 4);
        const data = at + 12 + Math.ceil(nameBytes / 4) * 4;
        if (data + dataBytes > end) break;
        // `GNU\0`
        if (this.u32(at + 8) === noteBuildId && nameBytes === 4 && this.u8(at + 12) === 0x47) {
          return [...this.bytes.subarray(data, data + dataBytes)]
            .map((byte) => byte.toString(16).padStart(2, '0'))
            .join('');
        }
        at = data + Math.ceil(dataBytes / 4) * 4;
      }
    }
    return undefined;
  }

  #check(offset: number, length: number): void {
    if (offset >= 0 && offset + length <= this.bytes.length) return;
    throw badElf(offset, `${length} bytes`, `a file of ${this.bytes.length} bytes`);
  }

  #readSections(start: number, entryBytes: number, count: number): readonly ElfSection[] {
    if (start === 0) return [];
    const least = this.is64 ? 64 : 40;
    if (entryBytes < least) throw badElf(start, `section headers of ${least} bytes`, String(entryBytes));
    const read = (at: number): ElfSection => {
      const n = this.wordBytes;
      return {
        type: this.u32(at + 4),
        address: this.word(at + 8 + n),
        offset: this.word(at + 8 + 2 * n),
        sizeBytes: this.word(at + 8 + 3 * n),
        link: this.u32(at + 8 + 4 * n),
        entryBytes: this.word(at + 16 + 5 * n),
      };
    };
    // More than 65,279 sections: the count is the size of the first, which is none.
    const total = count === 0 ? read(start).sizeBytes : count;
    if (start + total * entryBytes > this.bytes.length) {
      throw badElf(start, `${total} section headers`, `a file of ${this.bytes.length} bytes`);
    }
    return Array.from({ length: total }, (_, i) => read(start + i * entryBytes));
  }

  #readSegments(start: number, entryBytes: number, count: number): readonly ElfSegment[] {
    if (start === 0 || count === 0) return [];
    const least = this.is64 ? 56 : 32;
    if (entryBytes < least) throw badElf(start, `program headers of ${least} bytes`, String(entryBytes));
    return Array.from({ length: count }, (_, i) => {
      const at = start + i * entryBytes;
      return this.is64
        ? {
            type: this.u32(at),
            flags: this.u32(at + 4),
            offset: this.word(at + 8),
            address: this.word(at + 16),
            fileBytes: this.word(at + 32),
          }
        : {
            type: this.u32(at),
            flags: this.u32(at + 24),
            offset: this.word(at + 4),
            address: this.word(at + 8),
            fileBytes: this.word(at + 16),
          };
    });
  }

  #readDynamic(): ReadonlyMap<number, readonly number[]> {
    const values = new Map<number, number[]>();
    const segment = this.segments.find(({ type }) => type === segmentDynamic);
    // In a separate debug file the section has no content any more, and the segment points at something else.
    const kept = this.sections.length === 0 || this.sections.some(({ type }) => type === sectionDynamic);
    if (segment === undefined || !kept) return values;
    const entryBytes = 2 * this.wordBytes;
    const end = segment.offset + segment.fileBytes;
    for (let at = segment.offset; at + entryBytes <= end; at += entryBytes) {
      const tag = this.word(at);
      if (tag === 0) break;
      const value = this.word(at + this.wordBytes);
      const list = values.get(tag);
      if (list === undefined) values.set(tag, [value]);
      else list.push(value);
    }
    return values;
  }

  #dynamicStrings(): StringTable {
    const address = this.dynamic.get(stringTableTag)?.[0];
    const size = this.dynamic.get(stringSizeTag)?.[0];
    if (address === undefined || size === undefined) throw badElf(0, 'a dynamic string table', 'none');
    const offset = this.fileOffset(address);
    if (offset + size > this.bytes.length) throw badElf(offset, `${size} bytes of strings`, 'the end of the file');
    return new StringTable(this.bytes.subarray(offset, offset + size), offset);
  }
}

/**
 * NUL-terminated strings by offset. Names may overlap, and hostile ones all do: the sum of their lengths has a ceiling,
 * and each is a slice of one text.
 */
class StringTable {
  readonly #bytes: Uint8Array;
  readonly #fileOffset: number;
  readonly #text: string;
  readonly #known = new Map<number, string>();
  readonly #maxTotalBytes: number;
  #totalBytes = 0;

  constructor(bytes: Uint8Array, fileOffset: number) {
    this.#bytes = bytes;
    this.#fileOffset = fileOffset;
    // Right for ASCII only; other names are decoded one by one.
    this.#text = new TextDecoder('latin1').decode(bytes);
    // Linkers share the ends of names: the sum may exceed the table, but never by much.
    this.#maxTotalBytes = 16 * bytes.length + 65_536;
  }

  text(offset: number): string {
    const known = this.#known.get(offset);
    if (known !== undefined) return known;
    const end = this.#bytes.indexOf(0, offset);
    if (offset >= this.#bytes.length || end === -1) {
      throw badElf(this.#fileOffset, 'a string within the table', `offset ${offset} of ${this.#bytes.length}`);
    }
    this.#totalBytes += end - offset;
    if (this.#totalBytes > this.#maxTotalBytes) {
      throw new RpmError(
        { code: 'RPM_LIMIT', what: 'bytes of ELF names', limit: this.#maxTotalBytes, found: this.#totalBytes },
        `elf: names of more than ${this.#maxTotalBytes} bytes in a table of ${this.#bytes.length}`,
      );
    }
    const ascii = this.#text.slice(offset, end);
    const text = /^[\x00-\x7f]*$/.test(ascii) ? ascii : new TextDecoder().decode(this.#bytes.subarray(offset, end));
    this.#known.set(offset, text);
    return text;
  }
}

/** An error for a place in an ELF file. */
export function badElf(offset: number, wanted: string, found: string): RpmError {
  return new RpmError(
    { code: 'RPM_BAD_ELF', section: 'elf', offset, wanted, found },
    `elf: ${wanted} wanted at byte ${offset}, found ${found}`,
  );
}
