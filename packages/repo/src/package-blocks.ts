/**
 * Where the compressed blocks of a document end: after packages whose location says so.
 *
 * A block is a run of packages that is compressed for itself, so that threads can make blocks apart and an update can copy
 * those in which nothing changed. Their ends depend on names alone: they are known before a package is read, they are the same
 * for each of the three documents, and a package that comes or goes moves no end but those beside it.
 */

/** About this many packages are in a block. Fewer cost size: a block knows nothing of the one before. */
const usualPackages = 96;
/** A block that names would let go on ends here. */
const maxPackages = 384;

/** Says for one package after the other, in order, whether a block ends with it. */
export class BlockCutter {
  #packages = 0;

  endsAfter(location: string): boolean {
    this.#packages++;
    if (hashOf(location) % usualPackages !== 0 && this.#packages < maxPackages) return false;
    this.#packages = 0;
    return true;
  }
}

/** Where blocks end in packages in order: for each block, how many packages there are up to its end. */
export function endsOfBlocks(packages: readonly { readonly location: string }[]): number[] {
  const cutter = new BlockCutter();
  const ends: number[] = [];
  let at = 0;
  for (const { location } of packages) {
    at++;
    if (cutter.endsAfter(location) || at === packages.length) ends.push(at);
  }
  return ends;
}

/** Ends of units of at most so many packages that blocks are cut into: what threads take one by one where there are few blocks. */
export function endsOfUnits(ends: readonly number[], unitPackages: number): number[] {
  const units: number[] = [];
  let start = 0;
  for (const end of ends) {
    for (let at = start + unitPackages; at < end; at += unitPackages) units.push(at);
    units.push(end);
    start = end;
  }
  return units;
}

/** FNV-1a over UTF-16 units, its low bits mixed with the high ones. Part of what a repository's bytes depend on. */
function hashOf(text: string): number {
  let hash = 0x811c_9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193);
  return (hash ^ (hash >>> 15)) >>> 0;
}
