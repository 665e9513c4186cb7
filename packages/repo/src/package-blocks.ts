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

/** Packages in order, block by block. */
export function cutBlocks<Item extends { readonly location: string }>(items: readonly Item[]): (readonly Item[])[] {
  const cutter = new BlockCutter();
  const blocks: (readonly Item[])[] = [];
  let start = 0;
  for (const [at, { location }] of items.entries()) {
    if (!cutter.endsAfter(location)) continue;
    blocks.push(items.slice(start, at + 1));
    start = at + 1;
  }
  if (start < items.length) blocks.push(items.slice(start));
  return blocks;
}

/** Blocks cut into units of at most so many packages: what threads take one by one where there are few blocks. */
export function cutUnits<Item>(blocks: readonly (readonly Item[])[], unitPackages: number): (readonly Item[])[][] {
  return blocks.map((block) => {
    const units: (readonly Item[])[] = [];
    for (let at = 0; at < block.length; at += unitPackages) units.push(block.slice(at, at + unitPackages));
    return units;
  });
}

/** FNV-1a over UTF-16 units, its low bits mixed with the high ones. Part of what a repository's bytes depend on. */
function hashOf(text: string): number {
  let hash = 0x811c_9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193);
  return (hash ^ (hash >>> 15)) >>> 0;
}
