/**
 * Facts of an ELF file, read in pure code: what it is, what it needs, which symbols it gives and takes, how it is hardened.
 *
 * Reference: System V ABI (gABI), chapters 4 and 5; LSB core, symbol versioning; `readelf -dW --dyn-syms -V` is the judge.
 */
import { ElfImage } from './elf-image.js';
import { readSymbols } from './elf-symbols.js';

/** A symbol of the dynamic symbol table. */
export interface ElfSymbol {
  readonly name: string;
  /** Version, where the file has versions and the symbol has one, for instance `GLIBC_2.34`. */
  readonly version?: string;
  /** True for the version that a new program links with (`@@`). False for imported symbols. */
  readonly isDefaultVersion: boolean;
  readonly type: 'none' | 'object' | 'function' | 'section' | 'file' | 'common' | 'tls' | 'ifunc' | 'other';
  readonly binding: 'local' | 'global' | 'weak' | 'unique' | 'other';
  readonly visibility: 'default' | 'internal' | 'hidden' | 'protected';
  /** Bytes; 0 for imported symbols. */
  readonly sizeBytes: number;
}

/** Which versions a file wants from a library. */
export interface ElfNeededVersions {
  readonly file: string;
  readonly versions: readonly string[];
}

/** How a program is protected against its own mistakes. */
export interface ElfHardening {
  /** A program that can be loaded anywhere. */
  readonly pie: boolean;
  /** `full` when relocations are also done at start. */
  readonly relro: 'none' | 'partial' | 'full';
  readonly bindNow: boolean;
  /** The stack is not executable. */
  readonly nonExecutableStack: boolean;
  /** Uses the stack protector. A hint: a program of functions without arrays has no reason to. */
  readonly stackProtector: boolean;
  /** Imported checked variants of library functions, for instance `__memcpy_chk`. A hint as well. */
  readonly fortified: readonly string[];
}

/** What an ELF file says about itself. */
export interface Elf {
  readonly bits: 32 | 64;
  readonly byteOrder: 'little' | 'big';
  readonly type: 'relocatable' | 'executable' | 'shared' | 'core' | 'other';
  /** As `uname -m` writes it where that is known, else the number of `e_machine` as text. */
  readonly machine: string;
  /** Program interpreter, for instance `/lib64/ld-linux-x86-64.so.2`. */
  readonly interpreter?: string;
  readonly soname?: string;
  /** Libraries, in the order in which they are searched for symbols. */
  readonly needed: readonly string[];
  readonly rpath?: string;
  readonly runpath?: string;
  /** GNU build id, hexadecimal. */
  readonly buildId?: string;
  /** Versions that the file defines, without the one named after the file itself. */
  readonly definedVersions: readonly string[];
  readonly neededVersions: readonly ElfNeededVersions[];
  /** Defined symbols that other files can link with: global, weak or unique, and not hidden. In table order. */
  readonly exported: readonly ElfSymbol[];
  /** Undefined symbols. In table order. */
  readonly imported: readonly ElfSymbol[];
  readonly hardening: ElfHardening;
}

/** Whether bytes begin like an ELF file. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/**
 * Reads a whole ELF file, 32 or 64 bits, either byte order. Object files, kernel modules and separate debug files have no
 * dynamic part: their lists are empty. The result holds no view of `bytes`.
 *
 * Throws RPM_BAD_ELF (with the offset in the file) when a table lies outside the file or does not make sense, RPM_LIMIT.
 */
export function decodeElf(bytes: Uint8Array): Elf {
  const image = new ElfImage(bytes);
  const { exported, imported, definedVersions, neededVersions } = readSymbols(image);
  const text = (tag: number): string | undefined => {
    const offset = image.dynamic.get(tag)?.[0];
    return offset === undefined ? undefined : image.dynamicText(offset);
  };
  const interpreter = image.interpreter();
  const soname = text(dynamicTags.soname);
  const rpath = text(dynamicTags.rpath);
  const runpath = text(dynamicTags.runpath);
  const buildId = image.buildId();
  const type = types[image.type] ?? 'other';
  return {
    bits: image.is64 ? 64 : 32,
    byteOrder: image.littleEndian ? 'little' : 'big',
    type,
    machine: machineName(image.machine, image.is64, image.littleEndian),
    ...(interpreter === undefined ? {} : { interpreter }),
    ...(soname === undefined ? {} : { soname }),
    needed: (image.dynamic.get(dynamicTags.needed) ?? []).map((offset) => image.dynamicText(offset)),
    ...(rpath === undefined ? {} : { rpath }),
    ...(runpath === undefined ? {} : { runpath }),
    ...(buildId === undefined ? {} : { buildId }),
    definedVersions,
    neededVersions,
    exported,
    imported,
    hardening: hardening(image, type, imported),
  };
}

/** Tags of the dynamic section that only this file looks at. */
const dynamicTags = {
  needed: 1,
  soname: 14,
  rpath: 15,
  debug: 21,
  bindNow: 24,
  runpath: 29,
  flags: 30,
  flags1: 0x6ffffffb,
};
const types: readonly Elf['type'][] = ['other', 'relocatable', 'executable', 'shared', 'core'];
const segmentStack = 0x6474e551;
const segmentRelro = 0x6474e552;
const executableFlag = 1;

function hardening(image: ElfImage, type: Elf['type'], imported: readonly ElfSymbol[]): ElfHardening {
  const flag = (tag: number, bit: number): boolean => ((image.dynamic.get(tag)?.[0] ?? 0) & bit) !== 0;
  const bindNow = image.dynamic.has(dynamicTags.bindNow) || flag(dynamicTags.flags, 8) || flag(dynamicTags.flags1, 1);
  const stack = image.segments.find((segment) => segment.type === segmentStack);
  const relro = image.segments.some((segment) => segment.type === segmentRelro);
  return {
    // Linkers before 2.26 set no flag, but give DT_DEBUG to programs only.
    pie: type === 'shared' && (flag(dynamicTags.flags1, 0x08000000) || image.dynamic.has(dynamicTags.debug)),
    relro: !relro ? 'none' : bindNow ? 'full' : 'partial',
    bindNow,
    nonExecutableStack: stack !== undefined && (stack.flags & executableFlag) === 0,
    stackProtector: imported.some(({ name }) => name === '__stack_chk_fail' || name === '__stack_chk_guard'),
    fortified: imported.map(({ name }) => name).filter((name) => /^__\w+_chk$/.test(name)),
  };
}

/** e_machine → name. The ones whose name depends on bits or byte order come last. */
const machines: ReadonlyMap<number, string> = new Map([
  [2, 'sparc'],
  [3, 'i386'],
  [4, 'm68k'],
  [15, 'parisc'],
  [18, 'sparcv8plus'],
  [20, 'ppc'],
  [40, 'arm'],
  [42, 'sh4'],
  [43, 'sparc64'],
  [50, 'ia64'],
  [62, 'x86_64'],
  [183, 'aarch64'],
  [247, 'bpf'],
  [0x9026, 'alpha'],
]);

function machineName(machine: number, is64: boolean, littleEndian: boolean): string {
  switch (machine) {
    case 8:
      return `mips${is64 ? '64' : ''}${littleEndian ? 'el' : ''}`;
    case 21:
      return littleEndian ? 'ppc64le' : 'ppc64';
    case 22:
      return is64 ? 's390x' : 's390';
    case 243:
      return is64 ? 'riscv64' : 'riscv32';
    case 258:
      return is64 ? 'loongarch64' : 'loongarch32';
    default:
      return machines.get(machine) ?? String(machine);
  }
}
