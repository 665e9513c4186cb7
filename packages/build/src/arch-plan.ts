/**
 * Which arches a source is built on, which are left out and why, and where its noarch packages are made.
 *
 * The words come from the SRPM's header (or unexpanded from a spec, where `%{ix86}` and its like name a family).
 * Koji's rule, plus two that it has no need for: a level of x86_64 is allowed what its base is allowed, and any
 * member of the ix86 family in ExclusiveArch allows the others.
 *
 * Reference: koji, builder/kojid (getArchList, choose_taskarch); rpm, build/parsePreamble.c
 */
import { type Arch, archFamilies, baseArch, type RpmPackage, x86_64Levels } from '@distrokit/rpm';

/** What a source says about arches. Words as in the header, or with macro families as in a spec. */
export interface ArchWords {
  /** BuildArch (BUILDARCHS). */
  readonly buildArchs?: readonly string[];
  readonly exclusiveArchs?: readonly string[];
  readonly excludeArchs?: readonly string[];
}

/** An arch that a source is not built on. */
export interface ExcludedArch {
  readonly arch: Arch;
  /** The preamble tag that decided. `targets`: the source names this arch, and it is none of the wanted ones. */
  readonly by: 'BuildArch' | 'ExclusiveArch' | 'ExcludeArch' | 'targets';
  /** The words of that tag. */
  readonly words: readonly string[];
}

/** Where a source is built. Nothing in `build` is an answer too. */
export interface ArchPlan {
  /** `noarch` stands for one build on any of `noarchOn`. */
  readonly build: readonly Arch[];
  readonly excluded: readonly ExcludedArch[];
  /** The wanted arches on which the noarch build may run; take the first. Empty without a noarch build. */
  readonly noarchOn: readonly Arch[];
  /** False when some wanted arch is barred from the noarch build: it must then be routed, not left to any machine. */
  readonly noarchAnywhere: boolean;
}

/** Decides for a source and the arches that are wanted. Pure; the order of `targetArches` is kept, repeats are dropped. */
export function planArches(source: RpmPackage | ArchWords, targetArches: readonly Arch[]): ArchPlan {
  const words = 'header' in source ? wordsOf(source) : source;
  const targets = [...new Set(targetArches)];
  const bases = new Set(targets.map(canonical));
  const buildArchs = expand(words.buildArchs);
  const exclusive = expand(words.exclusiveArchs);
  const exclude = expand(words.excludeArchs);
  const excluded: ExcludedArch[] = [];

  const candidates = buildArchs.length === 0 ? targets : replaceTargets(buildArchs, targets);
  if (buildArchs.length > 0) {
    for (const arch of targets)
      if (!candidates.includes(arch)) excluded.push({ arch, by: 'BuildArch', words: buildArchs });
  }
  const build: Arch[] = [];
  for (const arch of candidates) {
    if (arch === 'noarch') continue;
    if (exclusive.length > 0 && !(allows(exclusive, arch) || sharesIx86(exclusive, arch))) {
      excluded.push({ arch, by: 'ExclusiveArch', words: exclusive });
    } else if (allows(exclude, arch)) excluded.push({ arch, by: 'ExcludeArch', words: exclude });
    else if (!bases.has(canonical(arch))) excluded.push({ arch, by: 'targets', words: targets });
    else build.push(arch);
  }

  const wantsNoarch = buildArchs.includes('noarch') || exclusive.includes('noarch') || candidates.includes('noarch');
  const noarchOn = targets.filter((arch) => arch !== 'noarch' && runsNoarch(arch, exclusive, exclude));
  const machines = targets.filter((arch) => arch !== 'noarch');
  if (!wantsNoarch) return { build, excluded, noarchOn: [], noarchAnywhere: false };
  if (exclude.includes('noarch')) {
    excluded.push({ arch: 'noarch', by: 'ExcludeArch', words: exclude });
  } else if (noarchOn.length === 0) {
    const by = exclusive.length > 0 ? 'ExclusiveArch' : exclude.length > 0 ? 'ExcludeArch' : 'targets';
    excluded.push({
      arch: 'noarch',
      by,
      words: by === 'ExclusiveArch' ? exclusive : by === 'ExcludeArch' ? exclude : targets,
    });
  } else {
    build.push('noarch');
    return { build, excluded, noarchOn, noarchAnywhere: noarchOn.length === machines.length };
  }
  return { build, excluded, noarchOn: [], noarchAnywhere: false };
}

function wordsOf(source: RpmPackage): ArchWords {
  return {
    buildArchs: source.header.get('BUILDARCHS') ?? [],
    exclusiveArchs: source.header.get('EXCLUSIVEARCH') ?? [],
    excludeArchs: source.header.get('EXCLUDEARCH') ?? [],
  };
}

/** `%{ix86}` and `%ix86` become the members of their family; `%{?ix86}` likewise. Other macros stay: they match nothing. */
function expand(words: readonly string[] | undefined): string[] {
  const result = new Set<string>();
  for (const word of words ?? []) {
    const family = /^%(?:\{\??(\w+)\}|\??(\w+))$/.exec(word);
    const members = archFamilies[family?.[1] ?? family?.[2] ?? ''];
    for (const arch of members ?? [word]) result.add(arch);
  }
  return [...result];
}

/** BuildArch takes the place of the wanted arches; a level of x86_64 stands for its base. */
function replaceTargets(buildArchs: readonly Arch[], targets: readonly Arch[]): Arch[] {
  const result = new Set<Arch>();
  for (const word of buildArchs) {
    const levels = targets.filter((arch) => inheritsFrom(arch, word));
    if (levels.length === 0) result.add(word);
    for (const arch of levels) result.add(arch);
  }
  return [...result];
}

function allows(words: readonly Arch[], arch: Arch): boolean {
  return words.some((word) => inheritsFrom(arch, word));
}

/** An arch inherits from itself, and a level of x86_64 from the levels below it. */
function inheritsFrom(arch: Arch, word: string): boolean {
  if (arch === word) return true;
  const level = x86_64Levels.indexOf(arch);
  const wanted = x86_64Levels.indexOf(word);
  return wanted >= 0 && wanted < level;
}

function sharesIx86(words: readonly Arch[], arch: Arch): boolean {
  return canonical(arch) === 'i386' && words.some((word) => canonical(word) === 'i386');
}

function runsNoarch(arch: Arch, exclusive: readonly Arch[], exclude: readonly Arch[]): boolean {
  const base = canonical(arch);
  if (exclusive.length > 0 && !exclusive.some((word) => canonical(word) === base)) return false;
  return !exclude.some((word) => canonical(word) === base);
}

function canonical(arch: Arch): Arch {
  return baseArch(arch) ?? arch;
}
