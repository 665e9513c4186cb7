/**
 * What goes into each block of documents that are made anew from old ones: old packages by runs, new ones between them.
 *
 * It is the same for all three documents, and known before any of them is opened but primary.
 */
import { BlockCutter } from './package-blocks.js';
import type { PackageIdentity } from './package-identity.js';
import { comparePackageOrder, type RenderedPackage } from './repository-writer.js';

/** Packages `from` to `to` of an old block. */
export interface OldRun {
  readonly block: number;
  readonly from: number;
  readonly to: number;
}

/** A block to be: packages in order. */
export type PlannedBlock = readonly (OldRun | RenderedPackage)[];

/** Old packages by block and which of them stay, one after the other; new ones in order. */
export function planBlocks(
  blocks: readonly (readonly PackageIdentity[])[],
  stays: readonly boolean[],
  added: readonly RenderedPackage[],
): PlannedBlock[] {
  const planned: PlannedBlock[] = [];
  const cutter = new BlockCutter();
  let parts: (OldRun | RenderedPackage)[] = [];
  let run: { readonly block: number; readonly from: number; to: number } | undefined;
  let fresh = 0;
  let known = 0;
  const endAfter = (location: string): void => {
    if (!cutter.endsAfter(location)) return;
    planned.push(parts);
    parts = [];
    run = undefined;
  };
  const addUpTo = (old: PackageIdentity | undefined): void => {
    for (let next = added[fresh]; next !== undefined; next = added[++fresh]) {
      if (old !== undefined && comparePackageOrder(next, old) > 0) return;
      parts.push(next);
      run = undefined;
      endAfter(next.location);
    }
  };
  for (let block = 0; block < blocks.length; block++) {
    const packages = blocks[block] ?? [];
    for (let at = 0; at < packages.length; at++) {
      if (!stays[known++]) continue;
      const old = packages[at] as PackageIdentity;
      addUpTo(old);
      if (run?.block !== block || run.to !== at) {
        run = { block, from: at, to: at };
        parts.push(run);
      }
      run.to++;
      endAfter(old.location);
    }
  }
  addUpTo(undefined);
  if (parts.length > 0) planned.push(parts);
  return planned;
}

/** The old block that a block to be is, when it is just that. */
export function copiedBlock(parts: PlannedBlock, blocks: readonly (readonly unknown[])[]): number | undefined {
  const [only] = parts;
  if (parts.length !== 1 || only === undefined || !('block' in only)) return undefined;
  return only.from === 0 && only.to === blocks[only.block]?.length ? only.block : undefined;
}
