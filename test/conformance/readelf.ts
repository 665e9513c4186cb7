/** What binutils' readelf says about an ELF file, in the shape of ours. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';
import { type Elf, type ElfSymbol, isElf } from '@distrokit/rpm';

/** The facts that readelf prints as well, as comparable text. */
export interface ElfLines {
  readonly head: string;
  readonly dynamic: readonly string[];
  readonly exported: readonly string[];
  readonly imported: readonly string[];
  readonly versions: readonly string[];
}

/** Our names with readelf's; where one of readelf's stands for several of ours, bits and byte order tell which. */
const machineNames: readonly (readonly [ours: string, theirs: RegExp, bits?: 32 | 64, order?: 'little' | 'big'])[] = [
  ['x86_64', /X86-64/],
  ['i386', /80386/],
  ['aarch64', /AArch64/],
  ['arm', /^ARM$/],
  ['ppc64le', /PowerPC64/, 64, 'little'],
  ['ppc64', /PowerPC64/, 64, 'big'],
  ['ppc', /^PowerPC$/],
  ['s390x', /S\/390/, 64],
  ['s390', /S\/390/, 32],
  ['riscv64', /RISC-V/, 64],
  ['riscv32', /RISC-V/, 32],
  ['loongarch64', /LoongArch/, 64],
  ['mips64el', /MIPS/, 64, 'little'],
  ['mips64', /MIPS/, 64, 'big'],
  ['mipsel', /MIPS/, 32, 'little'],
  ['mips', /MIPS/, 32, 'big'],
  ['sparc64', /^Sparc v9$/],
  ['sparcv8plus', /^Sparc v8\+$/],
  ['sparc', /^Sparc$/],
  ['alpha', /^Alpha$/],
  ['ia64', /IA-64/],
  ['m68k', /MC68000/],
  ['parisc', /HPPA/],
  ['sh4', /SuperH/],
  ['bpf', /BPF/],
  // We have no word for it: rpm has none.
  ['195', /^ARCv2$/],
];

/** Ours. */
export function elfLines(elf: Elf): ElfLines {
  const symbol = ({ name, version, isDefaultVersion, type, binding, visibility, sizeBytes }: ElfSymbol): string => {
    const at = version === undefined ? '' : `${isDefaultVersion ? '@@' : '@'}${version}`;
    return `${name}${at} ${type} ${binding} ${visibility} ${sizeBytes}`;
  };
  return {
    head: `${elf.bits} ${elf.byteOrder} ${elf.type} ${elf.machine} ${elf.interpreter ?? ''} ${elf.buildId ?? ''}`,
    dynamic: [
      ...elf.needed.map((name) => `NEEDED ${name}`),
      ...(elf.soname === undefined ? [] : [`SONAME ${elf.soname}`]),
      ...(elf.rpath === undefined ? [] : [`RPATH ${elf.rpath}`]),
      ...(elf.runpath === undefined ? [] : [`RUNPATH ${elf.runpath}`]),
      `RELRO ${elf.hardening.relro} NX ${elf.hardening.nonExecutableStack} PIE ${elf.hardening.pie}`,
    ].sort(),
    exported: elf.exported.map(symbol),
    imported: elf.imported.map(symbol),
    versions: [
      ...elf.definedVersions.map((version) => `defines ${version}`),
      ...elf.neededVersions.flatMap(({ file, versions }) => versions.map((version) => `needs ${file} ${version}`)),
    ].sort(),
  };
}

/** readelf's, from its text. */
export function readelfLines(path: string): ElfLines {
  const text = execFileSync('readelf', ['-W', '-h', '-l', '-d', '-n', '--dyn-syms', '-V', path], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { LC_ALL: 'C.UTF-8', PATH: process.env.PATH ?? '' },
  });
  const find = (pattern: RegExp): string | undefined => pattern.exec(text)?.[1];
  const all = (pattern: RegExp): string[][] => [...text.matchAll(pattern)].map((match) => match.slice(1));
  const machine = find(/^ +Machine: +(.*)$/m) ?? '';
  const littleEndian = /little endian/.test(find(/^ +Data: +(.*)$/m) ?? '');
  const bits = /ELF64/.test(text) ? 64 : 32;
  const order = littleEndian ? 'little' : 'big';
  const name = machineNames.find(
    ([, theirs, onlyBits = bits, onlyOrder = order]) =>
      theirs.test(machine) && onlyBits === bits && onlyOrder === order,
  )?.[0];
  const type = find(/^ +Type: +(\w+)/m) ?? '';
  const types: Readonly<Record<string, Elf['type']>> = {
    REL: 'relocatable',
    EXEC: 'executable',
    DYN: 'shared',
    CORE: 'core',
  };
  const flags = all(/\((?:FLAGS|FLAGS_1|BIND_NOW|DEBUG)\) +(.*)$/gm)
    .flat()
    .join(' ');
  const bindNow = /\bNOW\b|BIND_NOW/.test(flags) || /\(BIND_NOW\)/.test(text);
  const relro = /^ +GNU_RELRO /m.test(text) ? (bindNow ? 'full' : 'partial') : 'none';
  const stack = find(/^ +GNU_STACK +\S+ \S+ \S+ \S+ \S+ (.{3}) /m);
  const pie = type === 'DYN' && (/\bPIE\b/.test(flags) || /\(DEBUG\)/.test(text));
  const exported: string[] = [];
  const imported: string[] = [];
  const symbols = text.slice(text.indexOf("Symbol table '.dynsym'"));
  const row =
    /^ +\d+: [0-9a-f]+ +(\S+) (<OS specific>: \d+|\S+) +(<OS specific>: \d+|\S+) +(\S+) +(?:\[.*?\] +)?(\S+)(?: (.*))?$/gm;
  for (const match of symbols.matchAll(row)) {
    const [, size = '', kind = '', binding = '', visibility = '', section = '', label = ''] = match;
    if (binding === 'LOCAL' || (section !== 'UND' && (visibility === 'HIDDEN' || visibility === 'INTERNAL'))) continue;
    const [, symbolName, version = ''] = /^(.*?)(@@?[^@]+?)?(?: \(\d+\))?$/.exec(label) ?? [];
    // 10 is a GNU extension, named only where the file says that it uses those.
    const kinds: Readonly<Record<string, string>> = { NOTYPE: 'none', FUNC: 'function', '<OS specific>: 10': 'ifunc' };
    const bindings: Readonly<Record<string, string>> = { '<OS specific>: 10': 'unique' };
    const words = [
      kinds[kind] ?? kind.toLowerCase(),
      bindings[binding] ?? binding.toLowerCase(),
      visibility.toLowerCase(),
    ];
    const line = `${symbolName}${version} ${words.join(' ')} ${Number(size)}`;
    (section === 'UND' ? imported : exported).push(line);
  }
  const versions: string[] = [];
  let file = '';
  for (const line of text.split('\n')) {
    const defined = /^ +(?:0x)?[0-9a-f]+: Rev: \d+ +Flags: (.*?) +Index: \d+ +Cnt: \d+ +Name: (.*)$/.exec(line);
    if (defined !== null && !/BASE/.test(defined[1]!)) versions.push(`defines ${defined[2]}`);
    file = /^ +(?:0x)?[0-9a-f]+: Version: \d+ +File: (.*?) +Cnt: \d+$/.exec(line)?.[1] ?? file;
    const needed = /^ +(?:0x)?[0-9a-f]+: +Name: (.*?) +Flags: .*Version: \d+$/.exec(line);
    if (needed !== null) versions.push(`needs ${file} ${needed[1]}`);
  }
  return {
    head: [
      bits,
      order,
      types[type] ?? 'other',
      name ?? machine,
      find(/\[Requesting program interpreter: (.*)\]$/m) ?? '',
      find(/Build ID: ([0-9a-f]+)/) ?? '',
    ].join(' '),
    dynamic: [
      ...all(/\((NEEDED|SONAME|RPATH|RUNPATH)\) +[^[]*\[(.*)\]$/gm).map(([tag, value]) => `${tag} ${value}`),
      `RELRO ${relro} NX ${stack !== undefined && !stack.includes('E')} PIE ${pie}`,
    ].sort(),
    exported,
    imported,
    versions: versions.sort(),
  };
}

/** Regular files below these folders that begin like ELF, in the order of `find`. */
export function elfFilesBelow(folders: readonly string[]): readonly string[] {
  const paths = execFileSync('find', [...folders, '-type', 'f', '-size', '+0', '-print0'], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  return paths.split('\0').filter((path) => path !== '' && startsLikeElf(path));
}

function startsLikeElf(path: string): boolean {
  const start = new Uint8Array(4);
  const descriptor = openSync(path, 'r');
  readSync(descriptor, start);
  closeSync(descriptor);
  return isElf(start);
}
