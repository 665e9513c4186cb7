/**
 * Cross builds: packages for an arch that this machine does not run, made by its own rpmbuild with a cross compiler.
 *
 * rpmbuild takes `--target` without asking whether anything can compile for it, and packs programs of the wrong machine
 * without a word. So a compiler is looked for before the build, and the programs are looked at after it.
 *
 * Reference: rpmbuild(8), --target; rpm, macros.in (`__cc` and its kin); file(1), names of machines in ELF files
 */
import { basename } from 'node:path';
import { fileList, quote, type RpmPackage } from '@distrokit/rpm';
import { findProgram } from './tool.js';

/** The macros with which a spec calls the tools of a compiler, and the tools' names after the prefix. */
const toolMacros: Readonly<Record<string, string>> = {
  __ar: 'ar',
  __as: 'as',
  __cc: 'gcc',
  __cpp: 'gcc -E',
  __cxx: 'g++',
  __ld: 'ld',
  __nm: 'nm',
  __objcopy: 'objcopy',
  __objdump: 'objdump',
  __ranlib: 'ranlib',
  __strip: 'strip',
};

/** Macros that make rpmbuild compile for `arch` with the compiler that this machine has for it; undefined when it has none. */
export async function crossMacros(arch: string): Promise<Readonly<Record<string, string>> | undefined> {
  const compiler = await findProgram(crossCompiler(arch));
  if (compiler === undefined) return undefined;
  const prefix = compiler.slice(0, -'gcc'.length);
  return Object.fromEntries(Object.entries(toolMacros).map(([name, tool]) => [name, `${prefix}${tool}`]));
}

/** What the compiler for an arch is called. */
export function crossCompiler(arch: string): string {
  return `${arch}-linux-gnu-gcc`;
}

/** How file(1), and after it a package's header, names the machine of an ELF file. */
const machines: Readonly<Record<string, RegExp>> = {
  aarch64: /ARM aarch64/,
  armv7hl: /\bARM, EABI5/,
  i686: /Intel (?:80386|i386)/,
  loongarch64: /LoongArch/,
  ppc64le: /LSB.*64-bit PowerPC/,
  riscv64: /RISC-V/,
  s390x: /IBM S\/390/,
  x86_64: /x86-64/,
};

/**
 * Why a package cannot be for its arch: it has programs or libraries, and none of them is for that machine. Undefined when
 * nothing speaks against it. A package may carry some files for other machines, as firmware and emulators do.
 */
export function wrongMachine(pkg: RpmPackage): string | undefined {
  const machine = machines[pkg.nevra.arch];
  if (machine === undefined) return undefined;
  const programs = fileList(pkg.header).filter((file) => /^ELF .*(?:executable|shared object)/.test(file.fileClass));
  const [first] = programs;
  if (first === undefined || programs.some((file) => machine.test(file.fileClass))) return undefined;
  const kind = first.fileClass.split(',').slice(0, 2).join(',');
  return `${quote(basename(first.path))} is ${quote(kind)}`;
}
