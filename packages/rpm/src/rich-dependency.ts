/**
 * Rich (boolean) dependencies: `(foo if bar)` as a tree, back to text, and what they mean for a set of packages.
 *
 *     rich := '(' term { operator term } ')'
 *     term := rich | name [ relation evr ]
 *
 * Reference: rpm, docs/manual/boolean_dependencies.md; lib/rpmds.cc (rpmrichParse); build/parseReqs.cc
 */
import { type Dependency, type DependencyKind, formatDependency, parseRelation, relationFlags } from './dependency.js';
import { quote, RpmError } from './errors.js';

/** A rich dependency as a tree. A term is another one or a plain dependency. */
export type RichDependency =
  /** One term in parentheses of its own, or several under one operator. */
  | { readonly operator: 'and' | 'or' | 'with'; readonly terms: readonly [RichTerm, ...RichTerm[]] }
  /** `term if condition else otherwise`; the condition is about what is installed. */
  | {
      readonly operator: 'if' | 'unless';
      readonly term: RichTerm;
      readonly condition: RichTerm;
      readonly otherwise?: RichTerm;
    }
  /** One package that satisfies `term` but not `without`. */
  | { readonly operator: 'without'; readonly term: RichTerm; readonly without: RichTerm };

/** What a rich dependency joins. */
export type RichTerm = RichDependency | Dependency;

/** Whether a dependency's name is a rich dependency. */
export function isRichDependency(name: string): boolean {
  return name.startsWith('(');
}

/**
 * A rich dependency as a tree. White space and commas separate; parentheses within a name balance.
 *
 * With `kind` the rules of packaging are kept as well: none in provides and obsoletes, `if` and `unless` only where
 * rpmbuild takes them. `(a else b)`, which rpm reads but gives no meaning, is refused. Throws RPM_BAD_DEPENDENCY, and
 * RPM_LIMIT beyond 100 levels of parentheses.
 */
export function parseRichDependency(text: string, kind?: DependencyKind): RichDependency {
  if (kind === 'provides' || kind === 'obsoletes' || kind === 'order') {
    throw bad(text, `no rich dependency in ${kind}`, 'one');
  }
  const parser = new RichParser(text);
  const tree = parser.rich(1);
  if (parser.at !== text.length) {
    throw bad(text, 'nothing after the last parenthesis', quote(text.slice(parser.at)));
  }
  if (kind !== undefined) checkContext(text, tree, orKinds.has(kind) ? 'or' : 'and');
  return tree;
}

/** `(a if (b >= 1 or c) else d)`: the text rpmbuild stores, with single blanks. */
export function formatRichDependency(rich: RichDependency): string {
  switch (rich.operator) {
    case 'and':
    case 'or':
    case 'with':
      return `(${rich.terms.map(formatTerm).join(` ${rich.operator} `)})`;
    case 'without':
      return `(${formatTerm(rich.term)} without ${formatTerm(rich.without)})`;
    default: {
      const otherwise = rich.otherwise === undefined ? '' : ` else ${formatTerm(rich.otherwise)}`;
      return `(${formatTerm(rich.term)} ${rich.operator} ${formatTerm(rich.condition)}${otherwise})`;
    }
  }
}

/**
 * Whether a set of packages satisfies a rich dependency.
 *
 * `providersOf` gives the packages of the set that satisfy a plain dependency; `with` and `without` ask for one
 * package that satisfies both sides, or the first and not the second. A Conflicts holds when this is true.
 */
export function evaluateRichDependency<Package>(
  term: RichTerm,
  providersOf: (dependency: Dependency) => ReadonlySet<Package>,
): boolean {
  if (isPlain(term)) return providersOf(term).size > 0;
  const holds = (each: RichTerm): boolean => evaluateRichDependency(each, providersOf);
  switch (term.operator) {
    case 'and':
      return term.terms.every(holds);
    case 'or':
      return term.terms.some(holds);
    case 'if':
      if (holds(term.condition)) return holds(term.term);
      return term.otherwise === undefined || holds(term.otherwise);
    case 'unless':
      if (!holds(term.condition)) return holds(term.term);
      return term.otherwise !== undefined && holds(term.otherwise);
    default:
      return packagesOf(term, providersOf).size > 0;
  }
}

/** The plain dependencies of a tree, from left to right. */
export function richDependencyTerms(term: RichTerm): readonly Dependency[] {
  return isPlain(term) ? [term] : children(term).flatMap(richDependencyTerms);
}

type Operator = RichDependency['operator'] | 'else';

const operators: ReadonlySet<string> = new Set(['and', 'or', 'with', 'without', 'if', 'unless', 'else']);
const chains: ReadonlySet<string> = new Set(['and', 'or', 'with']);
/** Kinds where any one match is enough: at their top, rpmbuild wants `unless` and not `if`. */
const orKinds: ReadonlySet<DependencyKind> = new Set(['conflicts', 'supplements', 'enhances']);

// Recursion follows the text: without a ceiling a long row of parentheses would overflow the stack.
const MAX_DEPTH = 100;

class RichParser {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  rich(depth: number): RichDependency {
    if (depth > MAX_DEPTH) {
      throw new RpmError(
        { code: 'RPM_LIMIT', what: 'levels of a rich dependency', limit: MAX_DEPTH, found: depth },
        `rich dependency ${quote(this.text)}: more than ${MAX_DEPTH} levels of parentheses`,
      );
    }
    if (this.text[this.at] !== '(') throw this.bad('a parenthesis', 'none');
    this.at++;
    const terms: RichTerm[] = [];
    const used: Operator[] = [];
    for (;;) {
      this.skipSeparators();
      if (this.text[this.at] === ')') throw this.bad(used.length > 0 ? 'an argument' : 'a term', 'none');
      terms.push(this.text[this.at] === '(' ? this.rich(depth + 1) : this.plain());
      this.skipSeparators();
      if (this.at >= this.text.length) throw this.bad('a closing parenthesis', 'the end');
      if (this.text[this.at] === ')') break;
      used.push(this.operator(used));
    }
    this.at++;
    return this.node(terms as [RichTerm, ...RichTerm[]], used);
  }

  private node(terms: [RichTerm, ...RichTerm[]], used: readonly Operator[]): RichDependency {
    const [first, second, third] = terms;
    const operator = used[0] ?? 'and';
    if (operator === 'and' || operator === 'or') return { operator, terms };
    if (operator === 'if' || operator === 'unless') {
      const node = { operator, term: first, condition: second as RichTerm };
      return third === undefined ? node : { ...node, otherwise: third };
    }
    for (const term of terms) this.checkWith(term);
    return operator === 'with'
      ? { operator, terms }
      : { operator: 'without', term: first, without: second as RichTerm };
  }

  /** `with` and `without` are about one package: what joins several cannot be inside. */
  private checkWith(term: RichTerm): void {
    if (isPlain(term)) return;
    const single = term.operator === 'and' && term.terms.length === 1;
    if (!single && (term.operator === 'and' || term.operator === 'if' || term.operator === 'unless')) {
      throw this.bad('only with, without and or inside with and without', term.operator);
    }
    for (const child of children(term)) this.checkWith(child);
  }

  private operator(used: readonly Operator[]): Operator {
    const start = this.at;
    while (this.at < this.text.length && !isBlank(this.text[this.at]) && this.text[this.at] !== ')') this.at++;
    const word = this.text.slice(start, this.at);
    if (!operators.has(word)) throw this.bad('and, or, with, without, if, unless or else', word);
    const last = used.at(-1);
    if (word === 'else') {
      if (used.length !== 1 || (last !== 'if' && last !== 'unless'))
        throw this.bad('else only after if or unless', word);
    } else if (last !== undefined && (last !== word || !chains.has(word))) {
      throw this.bad('one operator at a time; only and, or and with repeat', word);
    }
    return word as Operator;
  }

  private plain(): Dependency {
    const name = this.word();
    if (name === '') throw this.bad('a name', 'none');
    this.skipSeparators();
    const afterName = this.at;
    const relation = parseRelation(this.word());
    if (relation === undefined) {
      this.at = afterName;
      return { name, flags: 0, evr: '' };
    }
    this.skipSeparators();
    const evr = this.word();
    if (evr === '') throw this.bad('a version', 'none');
    return { name, flags: relationFlags(relation), evr };
  }

  /** Up to a blank, a comma, or a parenthesis that this word did not open. */
  private word(): string {
    const start = this.at;
    let depth = 0;
    for (; this.at < this.text.length; this.at++) {
      const char = this.text[this.at];
      if (isBlank(char) || char === ',') break;
      if (char === '(') depth++;
      else if (char === ')' && --depth < 0) break;
    }
    return this.text.slice(start, this.at);
  }

  private skipSeparators(): void {
    while (isBlank(this.text[this.at]) || this.text[this.at] === ',') this.at++;
  }

  private bad(wanted: string, found: string): RpmError {
    return bad(this.text, `${wanted} at character ${this.at}`, found);
  }
}

/** Where `if` and `unless` may stand: `if` is an implication, useless where one match of several is enough. */
function checkContext(text: string, term: RichTerm, context: 'and' | 'or' | undefined): void {
  if (isPlain(term)) return;
  switch (term.operator) {
    case 'if':
    case 'unless': {
      const forbidden = term.operator === 'if' ? 'or' : 'and';
      if (context === forbidden) throw bad(text, `no '${term.operator}' in the context of ${context}`, term.operator);
      const inner = term.operator === 'if' ? 'and' : 'or';
      checkContext(text, term.term, inner);
      checkContext(text, term.condition, undefined);
      if (term.otherwise !== undefined) checkContext(text, term.otherwise, inner);
      return;
    }
    case 'and':
    case 'or': {
      const inner = term.terms.length === 1 ? context : term.operator;
      for (const each of term.terms) checkContext(text, each, inner);
      return;
    }
    default:
  }
}

function packagesOf<Package>(
  term: RichTerm,
  providersOf: (dependency: Dependency) => ReadonlySet<Package>,
): ReadonlySet<Package> {
  if (isPlain(term)) return providersOf(term);
  const sets = children(term).map((child) => packagesOf(child, providersOf));
  const [first = new Set<Package>(), ...rest] = sets;
  switch (term.operator) {
    case 'or':
      return new Set(sets.flatMap((set) => [...set]));
    case 'without':
      return new Set([...first].filter((each) => !rest.some((set) => set.has(each))));
    default:
      return new Set([...first].filter((each) => rest.every((set) => set.has(each))));
  }
}

function children(rich: RichDependency): readonly RichTerm[] {
  switch (rich.operator) {
    case 'and':
    case 'or':
    case 'with':
      return rich.terms;
    case 'without':
      return [rich.term, rich.without];
    default:
      return rich.otherwise === undefined ? [rich.term, rich.condition] : [rich.term, rich.condition, rich.otherwise];
  }
}

function isPlain(term: RichTerm): term is Dependency {
  return 'name' in term;
}

function formatTerm(term: RichTerm): string {
  return isPlain(term) ? formatDependency(term) : formatRichDependency(term);
}

function isBlank(char: string | undefined): boolean {
  return char === ' ' || char === '\t' || char === '\n' || char === '\r' || char === '\f' || char === '\v';
}

function bad(text: string, wanted: string, found: string): RpmError {
  return new RpmError(
    { code: 'RPM_BAD_DEPENDENCY', tag: 'rich dependency', wanted, found },
    `rich dependency ${quote(text)}: ${wanted} wanted, found ${quote(found)}`,
  );
}
