/**
 * Whether a program that was linked with one build of a library runs with another, as far as symbols tell.
 *
 * Types, layouts and meanings are not looked at: for those there are debug information and `abidiff`, which is also the
 * judge of what is said here.
 */
import type { Elf, ElfSymbol } from './elf.js';

/** What changed in the exported functions and variables of a library. */
export interface AbiReport {
  /**
   * `incompatible` when soname or machine changed or a symbol is gone, else `changed` when a variable changed its size,
   * else `added` when there are new names, else `same`.
   */
  readonly verdict: 'same' | 'added' | 'changed' | 'incompatible';
  /** Set when it changed; undefined stands for none. */
  readonly soname?: { readonly old: string | undefined; readonly new: string | undefined };
  /** Set when it changed, for instance `x86_64`. */
  readonly machine?: { readonly old: string; readonly new: string };
  /** Symbols, with their version, that the old build gives and the new one does not. */
  readonly removed: readonly ElfSymbol[];
  /** New symbols. A new default version of a name that was there is none: `addedVersions` tells of it. */
  readonly added: readonly ElfSymbol[];
  /** Variables of another size: programs have copied them at the old one. */
  readonly changed: readonly { readonly old: ElfSymbol; readonly new: ElfSymbol }[];
  readonly removedVersions: readonly string[];
  readonly addedVersions: readonly string[];
}

/** Compares what two builds of a library export. Order of symbols does not matter. */
export function compareAbi(oldElf: Elf, newElf: Elf): AbiReport {
  const oldSymbols = byIdentity(oldElf);
  const newSymbols = byIdentity(newElf);
  const defaults = new Map(
    [...newSymbols.values()].filter((symbol) => symbol.isDefaultVersion).map((symbol) => [nameAndKind(symbol), symbol]),
  );
  const removed: ElfSymbol[] = [];
  const changed: { old: ElfSymbol; new: ElfSymbol }[] = [];
  for (const [identity, symbol] of oldSymbols) {
    // Who wants no version gets the default one.
    const found =
      newSymbols.get(identity) ?? (symbol.version === undefined ? defaults.get(nameAndKind(symbol)) : undefined);
    if (found === undefined) removed.push(symbol);
    else if (symbol.type === 'object' && symbol.sizeBytes !== found.sizeBytes)
      changed.push({ old: symbol, new: found });
  }
  const oldNames = new Set([...oldSymbols.values()].map(nameAndKind));
  const added: ElfSymbol[] = [];
  for (const [identity, symbol] of newSymbols) {
    const isKnownName = oldNames.has(nameAndKind(symbol)) && (symbol.isDefaultVersion || symbol.version === undefined);
    if (!oldSymbols.has(identity) && !isKnownName) added.push(symbol);
  }
  const sameSoname = oldElf.soname === newElf.soname;
  const sameMachine = oldElf.machine === newElf.machine && oldElf.bits === newElf.bits;
  const incompatible = !sameSoname || !sameMachine || removed.length > 0;
  return {
    verdict: incompatible ? 'incompatible' : changed.length > 0 ? 'changed' : added.length > 0 ? 'added' : 'same',
    ...(sameSoname ? {} : { soname: { old: oldElf.soname, new: newElf.soname } }),
    ...(sameMachine ? {} : { machine: { old: oldElf.machine, new: newElf.machine } }),
    removed,
    added,
    changed,
    removedVersions: without(oldElf.definedVersions, newElf.definedVersions),
    addedVersions: without(newElf.definedVersions, oldElf.definedVersions),
  };
}

/**
 * Functions and variables by name and version. Symbols without a type are left out: they are marks of the linker
 * (`_edata`) and of versions.
 */
function byIdentity(elf: Elf): ReadonlyMap<string, ElfSymbol> {
  const kinds: readonly ElfSymbol['type'][] = ['function', 'ifunc', 'object', 'common', 'tls'];
  const versions = new Set(elf.definedVersions);
  return new Map(
    elf.exported
      .filter(({ type, name }) => kinds.includes(type) && !versions.has(name))
      .map((symbol) => [`${nameAndKind(symbol)}@${symbol.version ?? ''}`, symbol]),
  );
}

/** A function that becomes a variable is another symbol. */
function nameAndKind({ name, type }: ElfSymbol): string {
  return `${type === 'function' || type === 'ifunc' ? 'function' : 'variable'} ${name}`;
}

function without(all: readonly string[], some: readonly string[]): readonly string[] {
  const known = new Set(some);
  return all.filter((value) => !known.has(value));
}
