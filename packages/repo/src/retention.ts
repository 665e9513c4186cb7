/**
 * Retention: which packages of a repository to keep, and why. Pure; nothing is deleted here.
 *
 * Reference: dnf-plugins-core, plugins/repomanage.py (`--keep N`)
 */
import { compareEvr } from '@distrokit/rpm';
import { checkClosure, PackageSet } from './closure.js';
import type { PackageRecord } from './package-record.js';

/** What to keep. A package stays when any rule keeps it; with no rule every package stays. */
export interface RetentionPolicy {
  /** The newest builds of each name and arch, by EVR. */
  readonly newest?: number;
  /** Packages that came into the repository within this time: by `arrivedAt`, never by their build time. */
  readonly arrivedWithinMs?: number;
  /** Also what kept packages need. Default false. */
  readonly closed?: boolean;
  /** Packages that stay whatever the rules say. */
  readonly always?: (record: PackageRecord) => boolean;
}

/** Facts that a repository's documents do not hold. */
export interface RetentionFacts {
  /** Now. Needed for `arrivedWithinMs`. */
  readonly at?: Date;
  /** When a package came into the repository. Default: its file time. */
  readonly arrivedAt?: (record: PackageRecord) => Date;
}

/** One package and the verdict on it. */
export interface RetentionVerdict {
  readonly record: PackageRecord;
  readonly keep: boolean;
  /** The rule that keeps it, or the one that lets it go. */
  readonly reason: string;
}

/**
 * The verdict on each package, in the order given. Builds of one EVR count as one: all of them stay or all go.
 *
 * Throws TypeError when a rule about time has no `at`.
 */
export function planRetention(
  records: readonly PackageRecord[],
  policy: RetentionPolicy,
  facts: RetentionFacts = {},
): RetentionVerdict[] {
  const { newest, arrivedWithinMs, always } = policy;
  if (newest !== undefined && (!Number.isInteger(newest) || newest < 1))
    throw new RangeError('"newest" must be at least 1');
  const at = facts.at;
  if (arrivedWithinMs !== undefined && at === undefined) throw new TypeError('"at" is needed for a rule about time');
  const ranks = newest === undefined ? undefined : rankBuilds(records);
  const reasons = new Map<PackageRecord, string>();
  for (const record of records) {
    const rank = ranks?.get(record);
    const arrived = (facts.arrivedAt?.(record) ?? record.fileTime).getTime();
    if (always?.(record) === true) reasons.set(record, 'always');
    else if (rank !== undefined && newest !== undefined && rank < newest)
      reasons.set(record, `newest ${rank + 1} of ${newest}`);
    else if (arrivedWithinMs !== undefined && at !== undefined && arrived >= at.getTime() - arrivedWithinMs) {
      reasons.set(record, `arrived ${new Date(arrived).toISOString()}`);
    } else if (newest === undefined && arrivedWithinMs === undefined) reasons.set(record, 'no rule lets it go');
  }
  if (policy.closed === true) keepNeeded(records, reasons);
  return records.map((record) => {
    const reason = reasons.get(record);
    const rank = ranks?.get(record);
    return {
      record,
      keep: reason !== undefined,
      reason: reason ?? (rank === undefined ? 'older than the time to keep' : `${rank} newer builds`),
    };
  });
}

/** Place of each build among those of its name and arch, the newest 0. */
function rankBuilds(records: readonly PackageRecord[]): Map<PackageRecord, number> {
  const groups = new Map<string, PackageRecord[]>();
  for (const record of records) {
    const key = `${record.name}\0${record.arch}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [record]);
    else group.push(record);
  }
  const ranks = new Map<PackageRecord, number>();
  for (const group of groups.values()) {
    group.sort((a, b) => compareEvr(b, a));
    let rank = -1;
    let before: PackageRecord | undefined;
    for (const record of group) {
      if (before === undefined || compareEvr(before, record) !== 0) rank++;
      ranks.set(record, rank);
      before = record;
    }
  }
  return ranks;
}

/** Adds what kept packages need and only packages to be dropped provide, until nothing is missing that was there. */
function keepNeeded(records: readonly PackageRecord[], reasons: Map<PackageRecord, string>): void {
  const all = new PackageSet(records.filter((record) => record.arch !== 'src'));
  for (;;) {
    const kept = records.filter((record) => reasons.has(record));
    let added = false;
    for (const { package: needy, requirement, dependency } of checkClosure(kept).unresolved) {
      const candidates = all.candidatesFor(dependency).filter((record) => !reasons.has(record));
      const best = candidates.sort((a, b) => compareEvr(b, a) || (a.location < b.location ? -1 : 1))[0];
      if (best === undefined) continue;
      reasons.set(best, `${needy.name}-${needy.version}-${needy.release} needs ${requirement}`);
      added = true;
    }
    if (!added) return;
  }
}
