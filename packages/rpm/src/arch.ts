/**
 * Arches as NEVRA names them: which packages a machine of one arch can run, which family it belongs to, how the
 * lead and dependencies write it.
 *
 * Facts only; what a distribution builds on which arch is decided elsewhere.
 *
 * Reference: rpm, rpmrc.in (arch_compat, arch_canon), platform.in (_isa), macros.in (%ix86 and its like)
 */

/** An arch as in NEVRA: `x86_64`, `i686`, `x86_64_v2`, `noarch`. */
export type Arch = string;

/**
 * Arches whose packages a machine of this arch can install, the best first: the arch itself, what it is compatible
 * with, `noarch` last. An arch that the table does not know runs itself and `noarch`.
 */
export function compatibleArches(arch: Arch): readonly Arch[] {
  const found = new Set<Arch>();
  let level: readonly Arch[] = [arch];
  while (level.length > 0) {
    const next: Arch[] = [];
    for (const each of level) {
      if (each === 'noarch' || found.has(each)) continue;
      found.add(each);
      next.push(...(compatible.get(each) ?? []));
    }
    level = next;
  }
  return [...found, 'noarch'];
}

/** Whether a machine of arch `machine` installs packages of arch `packageArch`. Source packages are installed nowhere. */
export function isCompatibleArch(packageArch: Arch, machine: Arch): boolean {
  return compatibleArches(machine).includes(packageArch);
}

/**
 * The build systems' family of an arch (dnf: basearch): `i386` for `i686`, `armhfp` for `armv7hl`, `noarch` for
 * itself. Undefined for `src`, `nosrc` and what the table does not know.
 *
 * The levels `x86_64_v2` to `x86_64_v4` belong to `x86_64`; a distribution may still publish them under their own name.
 */
export function baseArch(arch: Arch): Arch | undefined {
  return bases.get(arch);
}

/**
 * The arch whose packages are shipped beside those of a 64-bit arch for programs of 32 bits: `i686` for `x86_64`.
 * Undefined where there is none, as for `aarch64` and `ppc64le`.
 */
export function multilibPartner(arch: Arch): Arch | undefined {
  return partners.get(baseArchOrSparc64(arch));
}

/** The lead's arch number, as rpm 4 wrote it; rpm 6 writes 0. Undefined for what rpm has no number for. */
export function leadArchNumber(arch: Arch): number | undefined {
  return leadNumbers.get(arch);
}

/**
 * The suffix of dependencies on packages of this arch, without parentheses: `x86-64` in `zlib(x86-64)`.
 * Undefined for `noarch`, source packages and what the table does not know.
 */
export function isa(arch: Arch): string | undefined {
  return isas.get(arch);
}

/** The levels of x86_64, from the oldest. A machine of one level runs packages of the levels before it. */
export const x86_64Levels: readonly Arch[] = ['x86_64', 'x86_64_v2', 'x86_64_v3', 'x86_64_v4'];

/** Names of arch families, as spec files write them between `%{` and `}` in ExclusiveArch, and their members. */
export const archFamilies: Readonly<Record<string, readonly Arch[]>> = {
  ix86: words('i386 i486 i586 i686 pentium3 pentium4 athlon geode'),
  arm: words(
    'armv3l armv4b armv4l armv4tl armv5tl armv5tel armv5tejl armv6l armv6hl armv7l armv7hl armv7hnl armv8l armv8hl armv8hnl armv8hcnl',
  ),
  arm32: words(
    'armv3l armv4b armv4l armv4tl armv5tl armv5tel armv5tejl armv6l armv6hl armv7l armv7hl armv7hnl armv8l armv8hl armv8hnl armv8hcnl',
  ),
  arm64: ['aarch64'],
  mips32: words('mips mipsel mipsr6 mipsr6el'),
  mips64: words('mips64 mips64el mips64r6 mips64r6el'),
  mips: words('mips mipsel mipsr6 mipsr6el mips64 mips64el mips64r6 mips64r6el'),
  mipseb: words('mips mipsr6 mips64 mips64r6'),
  mipsel: words('mipsel mipsr6el mips64el mips64r6el'),
  sparc: words('sparc sparcv8 sparcv9 sparcv9v sparc64 sparc64v'),
  alpha: words('alpha alphaev56 alphaev6 alphaev67'),
  power64: words('ppc64 ppc64p7 ppc64le'),
  riscv: words('riscv32 riscv64 riscv128'),
  riscv32: ['riscv32'],
  riscv64: ['riscv64'],
  riscv128: ['riscv128'],
  loongarch64: ['loongarch64'],
};

function words(text: string): readonly Arch[] {
  return text.split(' ');
}

/** Lines of `key: value value …` as a map. */
function table(text: string): ReadonlyMap<string, readonly string[]> {
  const rows = text.trim().split(/\s*;\s*/);
  return new Map(rows.map((row) => [row.slice(0, row.indexOf(':')), row.slice(row.indexOf(':') + 2).split(' ')]));
}

/** The inverse: each word of a line leads to the line's key. */
function members(text: string): ReadonlyMap<string, string> {
  return new Map([...table(text)].flatMap(([key, values]) => values.map((value) => [value, key] as const)));
}

/** Arch → arches one step below it. */
const compatible = table(`
  x86_64_v4: x86_64_v3; x86_64_v3: x86_64_v2; x86_64_v2: x86_64;
  x86_64: amd64 em64t athlon; amd64: x86_64 em64t athlon; ia32e: x86_64 em64t athlon;
  athlon: i686; pentium4: pentium3; pentium3: i686; geode: i586;
  i686: i586; i586: i486; i486: i386; i386: fat;
  alphaev67: alphaev6; alphaev6: alphapca56; alphapca56: alphaev56; alphaev56: alphaev5; alphaev5: alpha; alpha: axp;
  powerpc: ppc; powerppc: ppc; ppc8260: ppc; ppc8560: ppc; ppc32dy4: ppc; ppciseries: ppc; ppcpseries: ppc;
  ppc64pseries: ppc64; ppc64iseries: ppc64; ppc64p7: ppc64; ppc64: ppc; ppc: rs6000; rs6000: fat; ppc64le: fat;
  sun4c: sparc; sun4d: sparc; sun4m: sparc; sun4u: sparc64;
  sparc64v: sparc64; sparc64: sparcv9; sparcv9v: sparcv9; sparcv9: sparcv8; sparcv8: sparc;
  mips64: mips; mips64el: mipsel; mips64r6: mipsr6; mips64r6el: mipsr6el;
  armv8l: armv7l; armv7l: armv6l; armv6l: armv5tejl; armv5tejl: armv5tel; armv5tel: armv5tl; armv5tl: armv4tl;
  armv4tl: armv4l; armv4l: armv3l;
  armv8hl: armv7hl; armv7hnl: armv7hl; armv7hl: armv6hl;
  s390x: s390; sh4a: sh4
`);

const bases = members(`
  x86_64: x86_64 x86_64_v2 x86_64_v3 x86_64_v4 amd64 ia32e em64t;
  i386: i386 i486 i586 i686 athlon geode pentium3 pentium4;
  aarch64: aarch64; armhfp: armv6hl armv7hl armv7hnl armv8hl;
  arm: armv5tl armv5tel armv5tejl armv6l armv7l armv8l;
  ppc64le: ppc64le; ppc64: ppc64 ppc64iseries ppc64p7 ppc64pseries; ppc: ppc;
  s390x: s390x; s390: s390; riscv32: riscv32; riscv64: riscv64; riscv128: riscv128; loongarch64: loongarch64;
  alpha: alpha alphaev4 alphaev45 alphaev5 alphaev56 alphaev6 alphaev67 alphaev68 alphaev7 alphapca56;
  ia64: ia64; mips: mips; mipsel: mipsel; mips64: mips64; mips64el: mips64el;
  sh3: sh3; sh4: sh4 sh4a;
  sparc: sparc sparcv8 sparcv9 sparcv9v sparc64 sparc64v;
  noarch: noarch
`);

/** dnf has one family for both widths of sparc; only its 64-bit members have a partner. */
function baseArchOrSparc64(arch: Arch): string {
  return arch === 'sparc64v' ? 'sparc64' : arch === 'sparc64' ? arch : (baseArch(arch) ?? arch);
}

const partners: ReadonlyMap<string, Arch> = new Map([
  ['x86_64', 'i686'],
  ['ppc64', 'ppc'],
  ['s390x', 's390'],
  ['sparc64', 'sparcv9'],
  ['mips64', 'mips'],
  ['mips64el', 'mipsel'],
]);

const leadNumbers: ReadonlyMap<string, number> = new Map(
  [
    ...members(`
  1: athlon geode pentium4 pentium3 i686 i586 i486 i386 x86_64 x86_64_v2 x86_64_v3 x86_64_v4 amd64 ia32e em64t;
  2: alpha alphaev5 alphaev56 alphapca56 alphaev6 alphaev67 sparc64 sparc64v;
  3: sparc sparcv8 sparcv9 sparcv9v; 4: mips mipsel;
  5: ppc ppc8260 ppc8560 ppc32dy4 ppciseries ppcpseries; 6: m68k; 8: rs6000; 9: ia64; 11: mips64 mips64el;
  12: armv3l armv4b armv4l armv5tl armv5tel armv5tejl armv6l armv6hl armv7l armv7hl armv7hnl armv8l armv8hl;
  13: m68kmint; 14: s390 i370; 15: s390x; 16: ppc64 ppc64le ppc64pseries ppc64iseries ppc64p7;
  17: sh sh3 sh4 sh4a; 18: xtensa; 19: aarch64; 20: mipsr6 mipsr6el; 21: mips64r6 mips64r6el;
  22: riscv64; 23: loongarch64; 24: e2k
`),
  ].map(([arch, number]) => [arch, Number(number)]),
);

const isas = members(`
  x86-64: x86_64 x86_64_v2 x86_64_v3 x86_64_v4 amd64 ia32e;
  x86-32: i386 i486 i586 i686 athlon geode pentium3 pentium4;
  aarch-64: aarch64; ppc-64: ppc64 ppc64le ppc64p7;
  ppc-32: ppc ppc32dy4 ppc64iseries ppc64pseries ppc8260 ppc8560 ppciseries ppcpseries;
  s390-64: s390x; s390-32: s390; riscv-64: riscv64; loongarch-64: loongarch64;
  alpha-64: alpha alphaev5 alphaev56 alphaev6 alphaev67 alphapca56;
  armv3l-32: armv3l; armv4b-32: armv4b; armv4l-32: armv4l; armv5tl-32: armv5tl; armv5tel-32: armv5tel;
  armv5tejl-32: armv5tejl; armv6l-32: armv6l; armv6hl-32: armv6hl; armv7l-32: armv7l; armv7hl-32: armv7hl armv7hnl;
  armv8l-32: armv8l; armv8hl-32: armv8hl;
  ia-64: ia64; m68k-32: m68k; mips-32: mips mipsel; mips-64: mips64 mips64el;
  mipsr6-32: mipsr6 mipsr6el; mipsr6-64: mips64r6 mips64r6el;
  sh-32: sh sh3 sh4 sh4a; sparc-32: sparc sparcv8 sparcv9 sparcv9v; sparc-64: sparc64 sparc64v
`);
