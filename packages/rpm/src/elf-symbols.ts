/**
 * The dynamic symbol table with its versions.
 *
 * Versions are four tables: one number for each symbol (versym), versions that the file defines (verdef) and versions
 * that it needs, by library (verneed).
 *
 * Reference: gABI, chapter 4 (symbol table), chapter 5 (hash table); LSB core, 10.7 (symbol versioning)
 */
import type { ElfNeededVersions, ElfSymbol } from './elf.js';
import { badElf, type ElfImage } from './elf-image.js';

/** What `decodeElf` takes from the symbol tables. */
export interface ElfSymbols {
  readonly exported: readonly ElfSymbol[];
  readonly imported: readonly ElfSymbol[];
  readonly definedVersions: readonly string[];
  readonly neededVersions: readonly ElfNeededVersions[];
}

const tags = {
  hash: 4,
  symbols: 6,
  gnuHash: 0x6ffffef5,
  symbolVersions: 0x6ffffff0,
  definedVersions: 0x6ffffffc,
  definedVersionCount: 0x6ffffffd,
  neededVersions: 0x6ffffffe,
  neededVersionCount: 0x6fffffff,
};
const sectionDynamicSymbols = 11;
const types: readonly ElfSymbol['type'][] = ['none', 'object', 'function', 'section', 'file', 'common', 'tls'];
const visibilities: readonly ElfSymbol['visibility'][] = ['default', 'internal', 'hidden', 'protected'];
/** Symbols 0 and 1 of versym: local, and global without a version. */
const firstVersion = 2;
const hiddenBit = 0x8000;
/** Set in the definition that names the file itself. */
const baseFlag = 1;

/** Reads symbols and versions. All lists are empty where the file has no dynamic symbols. */
export function readSymbols(image: ElfImage): ElfSymbols {
  const names = new Map<number, string>();
  const definedVersions = readDefinedVersions(image, names);
  const definedNumbers = new Set(names.keys());
  const neededVersions = readNeededVersions(image, names);
  const exported: ElfSymbol[] = [];
  const imported: ElfSymbol[] = [];
  const lists = { exported, imported, definedVersions, neededVersions };
  const tableAddress = first(image, tags.symbols);
  if (tableAddress === undefined) return lists;
  const table = image.fileOffset(tableAddress);
  const count = symbolCount(image, table);
  const versions = optionalOffset(image, tags.symbolVersions);
  const entryBytes = image.is64 ? 24 : 16;
  // The first symbol is none.
  for (let i = 1; i < count; i++) {
    const at = table + i * entryBytes;
    const info = image.u8(at + (image.is64 ? 4 : 12));
    const visibility = visibilities[image.u8(at + (image.is64 ? 5 : 13)) & 3]!;
    const section = image.u16(at + (image.is64 ? 6 : 14));
    const binding = bindingOf(info >> 4);
    const isImported = section === 0;
    if (binding === 'local' || (!isImported && (visibility === 'hidden' || visibility === 'internal'))) continue;
    const versionWord = versions === undefined ? 0 : image.u16(versions + 2 * i);
    const number = versionWord & ~hiddenBit;
    const name = image.dynamicText(image.u32(at));
    const known = names.get(number);
    if (known === undefined && number >= firstVersion) {
      throw badElf(versions! + 2 * i, 'the number of a version', String(number));
    }
    // A symbol of the same name stands for the version itself.
    const version = known === name ? undefined : known;
    (isImported ? imported : exported).push({
      name,
      ...(version === undefined ? {} : { version }),
      // A program may define what it also imports (a copied variable): that version is the library's.
      isDefaultVersion:
        !isImported && version !== undefined && definedNumbers.has(number) && (versionWord & hiddenBit) === 0,
      type: types[info & 15] ?? ((info & 15) === 10 ? 'ifunc' : 'other'),
      binding,
      visibility,
      sizeBytes: image.is64 ? image.word(at + 16) : image.u32(at + 8),
    });
  }
  return lists;
}

function bindingOf(binding: number): ElfSymbol['binding'] {
  if (binding === 0) return 'local';
  if (binding === 1) return 'global';
  if (binding === 2) return 'weak';
  return binding === 10 ? 'unique' : 'other';
}

/** From the section headers where they are, else from the hash table: the dynamic section has the table's start only. */
function symbolCount(image: ElfImage, table: number): number {
  const entryBytes = image.is64 ? 24 : 16;
  const fits = Math.floor((image.bytes.length - table) / entryBytes);
  const section = image.sections.find(({ type }) => type === sectionDynamicSymbols);
  const count =
    section !== undefined
      ? Math.floor(section.sizeBytes / entryBytes)
      : (countByHash(image) ?? countByGnuHash(image) ?? 0);
  if (count > fits) throw badElf(table, `${count} symbols`, `room for ${fits}`);
  return count;
}

function countByHash(image: ElfImage): number | undefined {
  const hash = optionalOffset(image, tags.hash);
  return hash === undefined ? undefined : image.u32(hash + 4);
}

/** The last symbol of the longest-reaching chain; symbols before the first hashed one are imported. */
function countByGnuHash(image: ElfImage): number | undefined {
  const hash = optionalOffset(image, tags.gnuHash);
  if (hash === undefined) return undefined;
  const bucketCount = image.u32(hash);
  const firstHashed = image.u32(hash + 4);
  const buckets = hash + 16 + image.u32(hash + 8) * image.wordBytes;
  const chains = buckets + 4 * bucketCount;
  let last = 0;
  for (let i = 0; i < bucketCount; i++) last = Math.max(last, image.u32(buckets + 4 * i));
  if (last < firstHashed) return firstHashed;
  while ((image.u32(chains + 4 * (last - firstHashed)) & 1) === 0) last++;
  return last + 1;
}

function readDefinedVersions(image: ElfImage, names: Map<number, string>): readonly string[] {
  const defined: string[] = [];
  let at = optionalOffset(image, tags.definedVersions);
  if (at === undefined) return defined;
  for (let left = first(image, tags.definedVersionCount) ?? 0; left > 0; left--) {
    const flags = image.u16(at + 2);
    const number = image.u16(at + 4);
    // The first auxiliary entry has the name, others name its parents.
    const name = image.dynamicText(image.u32(at + image.u32(at + 12)));
    if ((flags & baseFlag) === 0) {
      names.set(number & ~hiddenBit, name);
      defined.push(name);
    }
    const next = image.u32(at + 16);
    if (next === 0) break;
    at += next;
  }
  return defined;
}

function readNeededVersions(image: ElfImage, names: Map<number, string>): readonly ElfNeededVersions[] {
  const needed: ElfNeededVersions[] = [];
  let at = optionalOffset(image, tags.neededVersions);
  if (at === undefined) return needed;
  // Each entry takes 16 bytes of the file: chains that share entries would make more of them than that.
  let budget = Math.floor(image.bytes.length / 16);
  for (let left = first(image, tags.neededVersionCount) ?? 0; left > 0; left--) {
    const file = image.dynamicText(image.u32(at + 4));
    const versions: string[] = [];
    let auxiliary = at + image.u32(at + 8);
    for (let count = image.u16(at + 2); count > 0; count--) {
      if (--budget < 0) throw badElf(at, 'as many needed versions as the file has room for', 'more');
      const name = image.dynamicText(image.u32(auxiliary + 8));
      names.set(image.u16(auxiliary + 6) & ~hiddenBit, name);
      versions.push(name);
      const next = image.u32(auxiliary + 12);
      if (next === 0) break;
      auxiliary += next;
    }
    needed.push({ file, versions });
    const next = image.u32(at + 12);
    if (next === 0) break;
    at += next;
  }
  return needed;
}

function first(image: ElfImage, tag: number): number | undefined {
  return image.dynamic.get(tag)?.[0];
}

function optionalOffset(image: ElfImage, tag: number): number | undefined {
  const address = first(image, tag);
  return address === undefined ? undefined : image.fileOffset(address);
}
