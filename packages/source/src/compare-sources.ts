/**
 * The same package as two places carry it: which patches are the same, which moved, which only one has.
 */
import { compareEvr, formatEvr } from '@distrokit/rpm';
import type { DescribedPatch, SourceDescription } from './describe-source.js';
import { patchSimilarity } from './patch-identity.js';
import { createTwoFilesPatch } from './text-diff.js';

/**
 * `same`: equal diff under an equal name and number. `renumbered`: equal diff, other name or number. `context`: the same
 * changed lines in other surroundings. `rebased`: most changed lines are shared. `only-a`, `only-b`: nothing like it.
 */
export type PatchRelation = 'same' | 'renumbered' | 'context' | 'rebased' | 'only-a' | 'only-b';

/** One patch, or two that belong together. */
export interface ComparedPatch {
  readonly relation: PatchRelation;
  readonly a?: { readonly file: string; readonly number: number } | undefined;
  readonly b?: { readonly file: string; readonly number: number } | undefined;
  /** Share of changed lines in common, 0 to 1. */
  readonly similarity: number;
}

/** What differs between two sources of one package. */
export interface SourceComparison {
  readonly a: string;
  readonly b: string;
  readonly evr: {
    readonly a: string | undefined;
    readonly b: string | undefined;
    /** 1 when `a` is newer; undefined when one of them is not known. */
    readonly order: -1 | 0 | 1 | undefined;
  };
  readonly sources: readonly { readonly file: string; readonly relation: 'same' | 'changed' | 'only-a' | 'only-b' }[];
  /** In the order of `a`, then what only `b` has. */
  readonly patches: readonly ComparedPatch[];
  /** CVEs of changelogs and patches. */
  readonly cves: {
    readonly both: readonly string[];
    readonly onlyA: readonly string[];
    readonly onlyB: readonly string[];
  };
  /** Unified diff of the specs; empty when they are equal. */
  readonly specDiff: string;
}

/** From which share of common lines two patches count as one that was rebased. Default 0.5. */
export interface CompareSourcesOptions {
  readonly rebasedFrom?: number | undefined;
}

/** Compares two described sources. Pure. */
export function compareSources(
  a: SourceDescription,
  b: SourceDescription,
  options: CompareSourcesOptions = {},
): SourceComparison {
  const cvesA = cvesOf(a);
  const cvesB = cvesOf(b);
  return {
    a: a.label,
    b: b.label,
    evr: {
      a: a.nevr && formatEvr(a.nevr),
      b: b.nevr && formatEvr(b.nevr),
      order: a.nevr && b.nevr ? compareEvr(a.nevr, b.nevr) : undefined,
    },
    sources: compareFiles(a, b),
    patches: comparePatches(a.patches, b.patches, options.rebasedFrom ?? 0.5),
    cves: {
      both: cvesA.filter((cve) => cvesB.includes(cve)),
      onlyA: cvesA.filter((cve) => !cvesB.includes(cve)),
      onlyB: cvesB.filter((cve) => !cvesA.includes(cve)),
    },
    specDiff: createTwoFilesPatch('spec', a.spec, b.spec),
  };
}

/** All CVEs that a source's changelog or patches name, sorted. */
export function cvesOf(source: SourceDescription): string[] {
  const cves = new Set([...source.changelog, ...source.patches].flatMap((part) => part.cves));
  return [...cves].sort();
}

function compareFiles(a: SourceDescription, b: SourceDescription): SourceComparison['sources'] {
  const left = new Map(a.sources.map(({ file, sha256 }) => [file, sha256]));
  const right = new Map(b.sources.map(({ file, sha256 }) => [file, sha256]));
  return [...new Set([...left.keys(), ...right.keys()])].sort().map((file) => {
    if (!right.has(file)) return { file, relation: 'only-a' };
    if (!left.has(file)) return { file, relation: 'only-b' };
    return { file, relation: left.get(file) === right.get(file) ? 'same' : 'changed' };
  });
}

function comparePatches(
  a: readonly DescribedPatch[],
  b: readonly DescribedPatch[],
  rebasedFrom: number,
): ComparedPatch[] {
  const partner = new Map<
    DescribedPatch,
    { readonly patch: DescribedPatch; readonly relation: PatchRelation; readonly similarity: number }
  >();
  const free = new Set(b);
  const pair = (left: DescribedPatch, right: DescribedPatch, relation: PatchRelation, similarity: number): void => {
    partner.set(left, { patch: right, relation, similarity });
    free.delete(right);
  };
  const byKey = (key: 'exact' | 'changes', relation: (l: DescribedPatch, r: DescribedPatch) => PatchRelation): void => {
    const index = new Map<string, DescribedPatch[]>();
    for (const patch of free) {
      const found = index.get(patch.identity[key]);
      if (found) found.push(patch);
      else index.set(patch.identity[key], [patch]);
    }
    for (const left of a) {
      if (partner.has(left)) continue;
      const candidates = index.get(left.identity[key])?.filter((patch) => free.has(patch)) ?? [];
      const right = candidates.find((patch) => patch.file === left.file) ?? candidates[0];
      if (right) pair(left, right, relation(left, right), 1);
    }
  };
  byKey('exact', (l, r) => (l.file === r.file && l.number === r.number ? 'same' : 'renumbered'));
  byKey('changes', () => 'context');
  for (const [left, right, similarity] of likelyPairs(
    a.filter((patch) => !partner.has(patch)),
    [...free],
  )) {
    if (similarity < rebasedFrom || partner.has(left) || !free.has(right)) continue;
    pair(left, right, 'rebased', similarity);
  }
  const short = (patch: DescribedPatch): { file: string; number: number } => ({
    file: patch.file,
    number: patch.number,
  });
  return [
    ...a.map((left): ComparedPatch => {
      const found = partner.get(left);
      if (!found) return { relation: 'only-a', a: short(left), similarity: 0 };
      return { relation: found.relation, a: short(left), b: short(found.patch), similarity: found.similarity };
    }),
    ...[...free].map((right): ComparedPatch => ({ relation: 'only-b', b: short(right), similarity: 0 })),
  ];
}

/** Pairs that share changed lines, most alike first. An index over lines keeps this from being every pair. */
function likelyPairs(
  a: readonly DescribedPatch[],
  b: readonly DescribedPatch[],
): [DescribedPatch, DescribedPatch, number][] {
  if (a.length === 0 || b.length === 0) return [];
  // Patches that have a line, in their order: the last one tells whether the line came before in the same patch.
  const index = new Map<number, DescribedPatch[]>();
  for (const patch of a) {
    for (const line of patch.identity.lines) {
      const found = index.get(line);
      if (!found) index.set(line, [patch]);
      else if (found.at(-1) !== patch) found.push(patch);
    }
  }
  const pairs: [DescribedPatch, DescribedPatch, number][] = [];
  for (const right of b) {
    const candidates = new Set<DescribedPatch>();
    for (const line of right.identity.lines) {
      const found = index.get(line);
      // A line that very many patches have (a closing brace) says nothing about any of them.
      if (found && found.length <= 50) for (const left of found) candidates.add(left);
    }
    for (const left of candidates) pairs.push([left, right, patchSimilarity(left.identity, right.identity)]);
  }
  return pairs.sort(
    ([l1, r1, s1], [l2, r2, s2]) =>
      s2 - s1 || l1.number - l2.number || r1.number - r2.number || (l1.file < l2.file ? -1 : 1),
  );
}
