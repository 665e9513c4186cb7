/**
 * From what a build wants to the packages of its root, without ever guessing.
 *
 * A dependency with one possible provider is followed; one with several is a choice, and choices are the
 * configuration's: what no preference settles is listed, not decided. Therefore the same repositories and the
 * same preferences give the same root for everyone, in any order.
 *
 * Reference: obs-build, Build/Expand.pm; docs/build_config.adoc (Prefer, Ignore, Conflict)
 */

import type { PackageRecord, RepositoryDependency } from '@distrokit/repo';
import {
  compareEvr,
  type Dependency,
  dependencyFlags,
  type Evr,
  evaluateRichDependency,
  formatDependency,
  formatEvr,
  isRichDependency,
  parseDependency,
  parseRichDependency,
  type RichTerm,
  rangesOverlap,
} from '@distrokit/rpm';

/** What expansion reads of a package; a `PackageRecord` is one. */
export type RootCandidate = Pick<
  PackageRecord,
  | 'name'
  | 'version'
  | 'release'
  | 'arch'
  | 'provides'
  | 'requires'
  | 'conflicts'
  | 'obsoletes'
  | 'recommends'
  | 'supplements'
> & { readonly epoch?: number; readonly files: readonly { readonly path: string }[] };

/** Configuration of a root. */
export interface RootPreferences {
  /** Names to take when there is a choice; the first wins. */
  readonly prefer?: readonly string[];
  /** Names to take only when nothing else is left. */
  readonly avoid?: readonly string[];
  /** Dependency names to overlook. */
  readonly ignore?: readonly string[];
  /** Packages that must not be in the root. */
  readonly exclude?: readonly string[];
}

/** Why a root could not be made. */
export type RootProblem =
  | { readonly kind: 'nothing-provides'; readonly dependency: string; readonly wantedBy: string }
  /** Several packages would do: name one in `prefer`. */
  | {
      readonly kind: 'choice';
      readonly dependency: string;
      readonly wantedBy: string;
      readonly candidates: readonly string[];
    }
  | { readonly kind: 'conflict'; readonly dependency: string; readonly wantedBy: string; readonly with: string };

/** The packages of a root, sorted by name, or everything that stands in the way. */
export type RootExpansion<Candidate> =
  | { readonly ok: true; readonly packages: readonly Candidate[] }
  | { readonly ok: false; readonly problems: readonly RootProblem[] };

/**
 * Expands what a root needs. Pure: the order of `candidates` and `wanted` does not matter.
 *
 * Of several versions of one name the newest counts. `candidates` holds packages that fit the root's arch, and nothing else.
 * `wanted` are dependencies: names, rich dependencies, paths. A path is found only when the candidates list it.
 */
export function expandRoot<Candidate extends RootCandidate>(
  candidates: Iterable<Candidate>,
  wanted: readonly string[],
  preferences: RootPreferences = {},
): RootExpansion<Candidate> {
  return new Expander(candidates, preferences).run(wanted);
}

interface Want {
  readonly text: string;
  readonly term: RichTerm;
  readonly wantedBy: string;
}

class Expander<Candidate extends RootCandidate> {
  readonly #preferences: RootPreferences;
  readonly #ignored: ReadonlySet<string>;
  readonly #provides = new Map<string, { readonly candidate: Candidate; readonly provide: Dependency }[]>();
  readonly #chosen = new Map<string, Candidate>();
  /** What chosen packages refuse to live with. */
  readonly #refused: { readonly dependency: RichTerm; readonly by: string; readonly nameOnly: boolean }[] = [];
  readonly #problems: RootProblem[] = [];

  constructor(candidates: Iterable<Candidate>, preferences: RootPreferences) {
    this.#preferences = preferences;
    this.#ignored = new Set(preferences.ignore);
    const excluded = new Set(preferences.exclude);
    const newest = new Map<string, Candidate>();
    for (const candidate of candidates) {
      const other = newest.get(candidate.name);
      if (excluded.has(candidate.name)) continue;
      if (other === undefined || compareCandidates(candidate, other) > 0) newest.set(candidate.name, candidate);
    }
    for (const [, candidate] of [...newest].sort(([a], [b]) => (a < b ? -1 : 1))) {
      for (const each of candidate.provides) this.#provide(candidate, plainOf(each));
      this.#provide(candidate, selfProvide(candidate));
      for (const { path } of candidate.files) this.#provide(candidate, { name: path, flags: 0, evr: '' });
    }
  }

  run(wanted: readonly string[]): RootExpansion<Candidate> {
    const wants: Want[] = [...new Set(wanted)].sort().map((text) => want(text, 'the root'));
    // A name that is asked for is taken first: it may settle choices of the others.
    for (const each of wants) {
      const named = this.#namesake(each);
      if (named !== undefined && !this.#chosen.has(named.name)) this.#choose(named, wants);
    }
    while (this.#step(wants)) {
      // Each step chooses one package, or drops one want that cannot be met.
    }
    if (this.#problems.length > 0) {
      return { ok: false, problems: this.#problems.sort((a, b) => compareText(JSON.stringify(a), JSON.stringify(b))) };
    }
    return { ok: true, packages: [...this.#chosen.values()].sort((a, b) => compareText(a.name, b.name)) };
  }

  /** Takes the surest decision that is open: the only provider anywhere before any preference. */
  #step(wants: Want[]): boolean {
    let open: { readonly want: Want; readonly candidates: readonly Candidate[] }[] = [];
    for (const each of wants) {
      if (this.#holds(each.term)) continue;
      const all = this.#open(each.term);
      const candidates = all.filter((candidate) => this.#refuser(candidate) === undefined);
      const [only] = candidates;
      if (candidates.length === 1 && only !== undefined) {
        this.#choose(only, wants);
        return true;
      }
      if (candidates.length === 0) {
        this.#fail(each, all);
        drop(wants, each);
        return true;
      }
      const named = this.#namesake(each);
      if (named !== undefined && candidates.includes(named)) {
        this.#choose(named, wants);
        return true;
      }
      open.push({ want: each, candidates });
    }
    open = open.sort((a, b) => compareText(a.want.text, b.want.text));
    for (const settle of [this.#byPreference, this.#byRecommends, this.#bySupplements]) {
      for (const { candidates } of open) {
        const settled = settle.call(this, candidates);
        if (settled !== undefined) {
          this.#choose(settled, wants);
          return true;
        }
      }
    }
    for (const { want: each, candidates } of open) {
      const names = candidates.map((candidate) => candidate.name).sort();
      this.#problems.push({ kind: 'choice', dependency: each.text, wantedBy: each.wantedBy, candidates: names });
    }
    return false;
  }

  #byPreference(candidates: readonly Candidate[]): Candidate | undefined {
    const avoided = new Set(this.#preferences.avoid);
    const rest = candidates.filter((candidate) => !avoided.has(candidate.name));
    if (rest.length === 1) return rest[0];
    for (const name of this.#preferences.prefer ?? []) {
      const preferred = (rest.length === 0 ? candidates : rest).find((candidate) => candidate.name === name);
      if (preferred !== undefined) return preferred;
    }
    return undefined;
  }

  #byRecommends(candidates: readonly Candidate[]): Candidate | undefined {
    const recommended = candidates.filter((candidate) =>
      [...this.#chosen.values()].some((chosen) =>
        chosen.recommends.some((each) => this.#providersOf(plainOf(each)).has(candidate)),
      ),
    );
    return recommended.length === 1 ? recommended[0] : undefined;
  }

  #bySupplements(candidates: readonly Candidate[]): Candidate | undefined {
    const supplementing = candidates.filter((candidate) =>
      candidate.supplements.some((each) => this.#holds(termOf(plainOf(each)))),
    );
    return supplementing.length === 1 ? supplementing[0] : undefined;
  }

  #choose(candidate: Candidate, wants: Want[]): void {
    this.#chosen.set(candidate.name, candidate);
    const identity = `${candidate.name}-${formatEvr(evrOf(candidate))}.${candidate.arch}`;
    for (const [kind, list] of [
      ['conflicts', candidate.conflicts] as const,
      ['obsoletes', candidate.obsoletes] as const,
    ]) {
      for (const each of list) {
        const dependency = plainOf(each);
        const refusal = { dependency: termOf(dependency), by: candidate.name, nameOnly: kind === 'obsoletes' };
        this.#refused.push(refusal);
        for (const chosen of this.#chosen.values()) {
          if (chosen.name !== candidate.name && this.#isRefused(chosen, refusal)) {
            this.#problems.push({
              kind: 'conflict',
              dependency: formatDependency(dependency),
              wantedBy: identity,
              with: chosen.name,
            });
          }
        }
      }
    }
    for (const each of candidate.requires) {
      if (each.name.startsWith('rpmlib(') || this.#ignored.has(each.name)) continue;
      const dependency = plainOf(each);
      wants.push({ text: formatDependency(dependency), term: termOf(dependency), wantedBy: identity });
    }
  }

  #fail(each: Want, refused: readonly Candidate[]): void {
    const [first] = refused;
    const by = first === undefined ? undefined : this.#refuser(first);
    if (by === undefined)
      this.#problems.push({ kind: 'nothing-provides', dependency: each.text, wantedBy: each.wantedBy });
    else this.#problems.push({ kind: 'conflict', dependency: each.text, wantedBy: each.wantedBy, with: by });
  }

  /** The candidate that bears the very name that is wanted. */
  #namesake(each: Want): Candidate | undefined {
    if ('operator' in each.term) return undefined;
    const { name } = each.term;
    return [...this.#providersOf(each.term)].find(
      (candidate) => candidate.name === name && this.#refuser(candidate) === undefined,
    );
  }

  #refuser(candidate: Candidate): string | undefined {
    return this.#refused.find((refusal) => refusal.by !== candidate.name && this.#isRefused(candidate, refusal))?.by;
  }

  #isRefused(candidate: Candidate, refusal: { readonly dependency: RichTerm; readonly nameOnly: boolean }): boolean {
    const { dependency } = refusal;
    if ('operator' in dependency) return false;
    if (refusal.nameOnly)
      return candidate.name === dependency.name && rangesOverlap(selfProvide(candidate), dependency);
    return this.#providersOf(dependency).has(candidate);
  }

  #holds(term: RichTerm): boolean {
    return evaluateRichDependency(term, (dependency) => {
      const chosen = [...this.#providersOf(dependency)].filter(
        (candidate) => this.#chosen.get(candidate.name) === candidate,
      );
      return new Set(chosen);
    });
  }

  /** What could be chosen next to bring an unmet term closer. */
  #open(term: RichTerm): readonly Candidate[] {
    if (!('operator' in term)) return [...this.#providersOf(term)];
    switch (term.operator) {
      case 'and':
        return this.#open(term.terms.find((each) => !this.#holds(each)) ?? term.terms[0]);
      case 'or':
        return [...new Set(term.terms.flatMap((each) => this.#open(each)))];
      case 'with':
        return term.terms
          .map((each) => this.#open(each))
          .reduce((both, each) => both.filter((candidate) => each.includes(candidate)));
      case 'without': {
        const without = this.#open(term.without);
        return this.#open(term.term).filter((candidate) => !without.includes(candidate));
      }
      case 'if':
        return this.#holds(term.condition) || term.otherwise === undefined
          ? this.#open(term.term)
          : this.#open(term.otherwise);
      case 'unless':
        return !this.#holds(term.condition) || term.otherwise === undefined
          ? this.#open(term.term)
          : this.#open(term.otherwise);
    }
  }

  #providersOf(dependency: Dependency): ReadonlySet<Candidate> {
    const found = new Set<Candidate>();
    for (const { candidate, provide } of this.#provides.get(dependency.name) ?? []) {
      if (rangesOverlap(provide, dependency)) found.add(candidate);
    }
    return found;
  }

  #provide(candidate: Candidate, provide: Dependency): void {
    const list = this.#provides.get(provide.name);
    if (list === undefined) this.#provides.set(provide.name, [{ candidate, provide }]);
    else list.push({ candidate, provide });
  }
}

function want(text: string, wantedBy: string): Want {
  return {
    text,
    term: termOf(isRichDependency(text) ? { name: text, flags: 0, evr: '' } : parseDependency(text)),
    wantedBy,
  };
}

function termOf(dependency: Dependency): RichTerm {
  return isRichDependency(dependency.name) ? parseRichDependency(dependency.name) : dependency;
}

/** A dependency of repodata in the words of a header. */
export function plainOf(dependency: RepositoryDependency): Dependency {
  const { name, relation, epoch, version, release } = dependency;
  if (relation === undefined || version === undefined) return { name, flags: 0, evr: '' };
  const evr = `${epoch === undefined || epoch === '0' ? '' : `${epoch}:`}${version}${release === undefined ? '' : `-${release}`}`;
  return { name, flags: relationBits[relation], evr };
}

const { less, greater, equal } = dependencyFlags;
const relationBits = { LT: less, LE: less | equal, EQ: equal, GE: greater | equal, GT: greater } as const;

function selfProvide(candidate: RootCandidate): Dependency {
  return { name: candidate.name, flags: equal, evr: formatEvr(evrOf(candidate)) };
}

function evrOf({ epoch, version, release }: RootCandidate): Evr {
  return epoch === undefined ? { version, release } : { epoch, version, release };
}

/** Newest last; of equal ones the arch decides, so that no order of input does. */
function compareCandidates(a: RootCandidate, b: RootCandidate): number {
  return compareEvr(evrOf(a), evrOf(b)) || compareText(a.arch, b.arch);
}

function drop(wants: Want[], want: Want): void {
  wants.splice(wants.indexOf(want), 1);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
