/**
 * Which of several sources is taken, by rules that are data, with a record that anyone can check again.
 */
import { compareEvr, type Evr, formatEvr } from '@distrokit/rpm';
import { cvesOf } from './compare-sources.js';
import type { SourceDescription } from './describe-source.js';
import type { Terms } from './origin.js';

/** What rules look at. A plain record: it is stored in the decision. */
export interface SourceCandidate {
  /** Unique among the candidates. */
  readonly label: string;
  readonly evr: Evr | undefined;
  readonly terms: Terms;
  /** CVEs that changelog or patches name. */
  readonly cves: readonly string[];
  readonly patches: number;
  /** When its place published it. */
  readonly publishedAt?: Date | undefined;
}

/** One rule. The first five leave candidates out, the others put the better one first. */
export type ChoiceRule =
  | { readonly rule: 'terms'; readonly allow: readonly Terms[] }
  | { readonly rule: 'fixes'; readonly cve: string }
  | { readonly rule: 'version'; readonly version: string }
  | { readonly rule: 'not-older-than'; readonly evr: Evr }
  | { readonly rule: 'published-after'; readonly date: Date }
  | { readonly rule: 'closest-version'; readonly to: Evr }
  | { readonly rule: 'newest' }
  | { readonly rule: 'fewest-patches' }
  | { readonly rule: 'prefer'; readonly labels: readonly string[] };

/** A decision with everything it was made from. */
export interface SourceDecision {
  readonly candidates: readonly SourceCandidate[];
  readonly rules: readonly ChoiceRule[];
  /** Undefined when no candidate was left. */
  readonly chosen: string | undefined;
  /** Why the chosen one was preferred, rule by rule. */
  readonly reasons: readonly string[];
  readonly rejected: readonly {
    readonly label: string;
    readonly rule: ChoiceRule['rule'] | 'order';
    readonly why: string;
  }[];
}

/** What rules need to know about a described source. */
export function candidateOf(source: SourceDescription, terms: Terms, publishedAt?: Date): SourceCandidate {
  const { label, nevr, patches } = source;
  const evr = nevr && evrOf(nevr);
  const base = { label, evr, terms, cves: cvesOf(source), patches: patches.length };
  return publishedAt === undefined ? base : { ...base, publishedAt };
}

/**
 * Chooses one candidate. Rules apply in their order; where two are equal under all of them, the first given wins.
 * The same arguments give the same record, so a record proves itself: see {@link replayDecision}.
 * Throws TypeError when two candidates have one label.
 */
export function choose(candidates: readonly SourceCandidate[], rules: readonly ChoiceRule[]): SourceDecision {
  if (new Set(candidates.map((candidate) => candidate.label)).size !== candidates.length) {
    throw new TypeError('"candidates" must have different labels');
  }
  const rejected: { label: string; rule: ChoiceRule['rule'] | 'order'; why: string }[] = [];
  const reasons: string[] = [];
  let left = [...candidates];
  for (const rule of rules) {
    const kept: SourceCandidate[] = [];
    const best = bestUnder(rule, left);
    for (const candidate of left) {
      const why = best === undefined ? excludedBy(rule, candidate) : worseThan(rule, candidate, best);
      if (why === undefined) kept.push(candidate);
      else rejected.push({ label: candidate.label, rule: rule.rule, why });
    }
    if (kept.length > 0 && kept.length < left.length)
      reasons.push(`${rule.rule}: ${kept.map((c) => c.label).join(', ')} of ${left.length}`);
    left = kept;
  }
  const [chosen, ...rest] = left;
  for (const candidate of rest)
    rejected.push({ label: candidate.label, rule: 'order', why: `equal to ${chosen!.label}, given later` });
  return { candidates, rules, chosen: chosen?.label, reasons, rejected };
}

/** Whether a stored decision comes out the same when it is made again. Dates may have become texts in storage. */
export function replayDecision(decision: SourceDecision): boolean {
  const revived = {
    ...decision,
    candidates: decision.candidates.map((c) =>
      c.publishedAt === undefined ? c : { ...c, publishedAt: new Date(c.publishedAt) },
    ),
    rules: decision.rules.map((r) => (r.rule === 'published-after' ? { ...r, date: new Date(r.date) } : r)),
  };
  return JSON.stringify(choose(revived.candidates, revived.rules)) === JSON.stringify(revived);
}

function excludedBy(rule: ChoiceRule, candidate: SourceCandidate): string | undefined {
  const { evr } = candidate;
  switch (rule.rule) {
    case 'terms':
      return rule.allow.includes(candidate.terms) ? undefined : `terms are ${candidate.terms}`;
    case 'fixes':
      return candidate.cves.includes(rule.cve.toUpperCase()) ? undefined : `does not name ${rule.cve}`;
    case 'version':
      return evr?.version === rule.version ? undefined : `version is ${evr?.version ?? 'unknown'}`;
    case 'not-older-than':
      if (!evr) return 'version is unknown';
      return compareEvr(evr, rule.evr) >= 0 ? undefined : `${formatEvr(evr)} is older than ${formatEvr(rule.evr)}`;
    case 'published-after':
      if (!candidate.publishedAt) return 'publication is unknown';
      return candidate.publishedAt > rule.date ? undefined : `published ${candidate.publishedAt.toISOString()}`;
    default:
      return undefined;
  }
}

/** Under a rule of preference, the best candidate; undefined for rules that exclude. */
function bestUnder(rule: ChoiceRule, candidates: readonly SourceCandidate[]): SourceCandidate | undefined {
  const order = orderOf(rule);
  if (!order) return undefined;
  return candidates.reduce<SourceCandidate | undefined>(
    (best, candidate) => (best && order(candidate, best) >= 0 ? best : candidate),
    undefined,
  );
}

function worseThan(rule: ChoiceRule, candidate: SourceCandidate, best: SourceCandidate): string | undefined {
  const order = orderOf(rule)!;
  return order(candidate, best) > 0 ? `${best.label} is preferred` : undefined;
}

/** Negative when the first is better. */
function orderOf(rule: ChoiceRule): ((a: SourceCandidate, b: SourceCandidate) => number) | undefined {
  switch (rule.rule) {
    case 'newest':
      return (a, b) => (a.evr && b.evr ? compareEvr(b.evr, a.evr) : Number(!a.evr) - Number(!b.evr));
    case 'closest-version':
      return (a, b) => distance(a.evr, rule.to) - distance(b.evr, rule.to);
    case 'fewest-patches':
      return (a, b) => a.patches - b.patches;
    case 'prefer':
      return (a, b) => rank(rule.labels, a.label) - rank(rule.labels, b.label);
    default:
      return undefined;
  }
}

function rank(labels: readonly string[], label: string): number {
  const at = labels.indexOf(label);
  return at < 0 ? labels.length : at;
}

/** 0 for the same EVR, 1 for the same version, 2 for the same epoch, 3 for any other, 4 for none. */
function distance(evr: Evr | undefined, to: Evr): number {
  if (!evr) return 4;
  if (compareEvr(evr, to) === 0) return 0;
  const sameEpoch = (evr.epoch ?? 0) === (to.epoch ?? 0);
  if (sameEpoch && evr.version === to.version) return 1;
  return sameEpoch ? 2 : 3;
}

function evrOf({ epoch, version, release }: Evr): Evr {
  return epoch === undefined ? { version, release } : { epoch, version, release };
}
