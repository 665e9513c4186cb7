/**
 * Who carries the fix of a CVE, since when and under which name.
 */
import type { SourceDescription } from './describe-source.js';
import type { FoundPatchOrigin } from './patch-origin.js';

/** What one source has about a CVE. */
export interface FoundFix {
  readonly label: string;
  /** Whether a patch or a changelog entry names it. Nothing named is no proof that nothing is fixed. */
  readonly carries: boolean;
  readonly patches: readonly {
    readonly file: string;
    readonly number: number;
    readonly origin?: FoundPatchOrigin | undefined;
  }[];
  /** Heading of the oldest changelog entry that names it. */
  readonly since?: string | undefined;
  /** The patch's file in other sources that carries the same changes without naming the CVE. */
  readonly sameChangeAs?: string | undefined;
}

/** Looks for a CVE in several sources. A patch that is elsewhere known to fix it counts under any name. Pure. */
export function findFix(cve: string, sources: readonly SourceDescription[]): FoundFix[] {
  const wanted = cve.toUpperCase();
  const known = new Map<string, string>();
  for (const source of sources) {
    for (const patch of source.patches) {
      if (patch.cves.includes(wanted)) known.set(patch.identity.changes, `${source.label}: ${patch.file}`);
    }
  }
  return sources.map((source) => {
    const named = source.patches.filter((patch) => patch.cves.includes(wanted));
    const same = source.patches.filter((patch) => !named.includes(patch) && known.has(patch.identity.changes));
    const since = source.changelog.findLast((entry) => entry.cves.includes(wanted))?.heading;
    const patches = [...named, ...same].map(({ file, number, origin }) =>
      origin ? { file, number, origin } : { file, number },
    );
    const found: FoundFix = { label: source.label, carries: patches.length > 0 || since !== undefined, patches };
    const elsewhere = named.length === 0 && same[0] ? known.get(same[0].identity.changes) : undefined;
    return {
      ...found,
      ...(since === undefined ? {} : { since }),
      ...(elsewhere === undefined ? {} : { sameChangeAs: elsewhere }),
    };
  });
}
