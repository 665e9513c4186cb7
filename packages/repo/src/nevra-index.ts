/**
 * The NEVRAs of a repository in the making, to refuse the second package of one.
 */
import type { PackageEntry } from './block-renderer.js';
import { duplicate } from './repository-writer.js';

/** Knows the packages so far. Little for each: there may be 400,000 of them. */
export class NevraIndex {
  readonly #places = new Map<string, number>();
  readonly #locations: string[] = [];
  readonly #pkgids: string[] = [];

  /** Adds packages, the same place of each list for each. Throws REPO_DUPLICATE_NEVRA. */
  add(nevras: readonly string[], pkgids: readonly string[], entries: readonly PackageEntry[]): void {
    for (let at = 0; at < entries.length; at++) {
      const nevra = nevras[at] as string;
      const pkgid = pkgids[at] as string;
      const { location } = entries[at] as PackageEntry;
      const first = this.#places.get(nevra);
      if (first !== undefined) {
        const before = { nevra, location: this.#locations[first] as string, pkgid: this.#pkgids[first] as string };
        throw duplicate(before, { nevra, location, pkgid });
      }
      this.#places.set(nevra, this.#locations.length);
      this.#locations.push(location);
      this.#pkgids.push(pkgid);
    }
  }
}
