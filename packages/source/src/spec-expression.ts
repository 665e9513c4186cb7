/**
 * Expressions of `%if` and `%[…]`, after macros were expanded: numbers, strings, versions, comparisons, logic.
 *
 * Answers `undefined` for everything that rpm would refuse or that is not understood here.
 *
 * Reference: rpm, rpmio/expression.cc; docs/manual/spec.md
 */
import { compareEvr, type Evr, parseEvr } from '@distrokit/rpm';

/** A value: a number, a string, or a version. */
export type ExpressionValue = number | string | { readonly evr: Evr };

const tokenPattern = /\s*(?:(\d+)|v"([^"]*)"|"([^"]*)"|(==|!=|<=|>=|&&|\|\||[<>!+\-*/()?:]))/y;

type Token =
  | { readonly kind: 'value'; readonly value: ExpressionValue }
  | { readonly kind: 'operator'; readonly text: string };

const maxTokens = 10_000;
const maxDepth = 100;

/** The value of an expression; undefined when it is none. Never throws. */
export function evaluateExpression(text: string): ExpressionValue | undefined {
  const tokens = tokenize(text);
  if (!tokens || tokens.length === 0) return undefined;
  try {
    const parser = new Parser(tokens);
    const value = parser.ternary(0);
    return parser.atEnd ? value : undefined;
  } catch (error) {
    if (error instanceof NoExpression) return undefined;
    throw error;
  }
}

/**
 * Whether a value counts as true in a condition: a number other than 0, a string that is not empty. Undefined for a
 * version, which rpm releases take either way.
 */
export function isTrue(value: ExpressionValue): boolean | undefined {
  if (typeof value === 'object') return undefined;
  return typeof value === 'number' ? value !== 0 : value !== '';
}

class NoExpression extends Error {}

function tokenize(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  const pattern = new RegExp(tokenPattern);
  const end = text.trimEnd().length;
  while (pattern.lastIndex < end) {
    const match = pattern.exec(text);
    if (!match || tokens.length > maxTokens) return undefined;
    const [, digits, version, string, operator] = match;
    if (digits !== undefined) tokens.push({ kind: 'value', value: Number(digits) });
    else if (version !== undefined) {
      try {
        tokens.push({ kind: 'value', value: { evr: parseEvr(version) } });
      } catch {
        return undefined;
      }
    } else if (string !== undefined) tokens.push({ kind: 'value', value: string });
    else tokens.push({ kind: 'operator', text: operator! });
  }
  return tokens;
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get atEnd(): boolean {
    return this.#next === this.#tokens.length;
  }

  ternary(depth: number): ExpressionValue {
    if (depth > maxDepth) throw new NoExpression();
    const condition = this.#logical(depth);
    if (!this.#take('?')) return condition;
    const yes = this.ternary(depth + 1);
    if (!this.#take(':')) throw new NoExpression();
    const no = this.ternary(depth + 1);
    checkSameType(yes, no);
    return truth(condition) ? yes : no;
  }

  #logical(depth: number): ExpressionValue {
    // rpm gives && and || one precedence, left to right, and the value of the operand that decided.
    let left = this.#relational(depth);
    for (;;) {
      if (this.#take('&&')) {
        const right = this.#relational(depth);
        checkSameType(left, right);
        left = truth(left) ? right : left;
      } else if (this.#take('||')) {
        const right = this.#relational(depth);
        checkSameType(left, right);
        left = truth(left) ? left : right;
      } else return left;
    }
  }

  #relational(depth: number): ExpressionValue {
    const left = this.#additive(depth);
    const operator = ['==', '!=', '<=', '>=', '<', '>'].find((text) => this.#take(text));
    if (operator === undefined) return left;
    const order = compareValues(left, this.#additive(depth));
    const holds =
      operator === '=='
        ? order === 0
        : operator === '!='
          ? order !== 0
          : operator === '<='
            ? order <= 0
            : operator === '>='
              ? order >= 0
              : operator === '<'
                ? order < 0
                : order > 0;
    return holds ? 1 : 0;
  }

  #additive(depth: number): ExpressionValue {
    let left = this.#multiplicative(depth);
    for (;;) {
      if (this.#take('+')) {
        const right = this.#multiplicative(depth);
        if (typeof left === 'string' && typeof right === 'string') left += right;
        else left = numberOf(left) + numberOf(right);
      } else if (this.#take('-')) left = numberOf(left) - numberOf(this.#multiplicative(depth));
      else return left;
    }
  }

  #multiplicative(depth: number): ExpressionValue {
    let left = this.#unary(depth);
    for (;;) {
      if (this.#take('*')) left = numberOf(left) * numberOf(this.#unary(depth));
      else if (this.#take('/')) {
        const divisor = numberOf(this.#unary(depth));
        if (divisor === 0) throw new NoExpression();
        left = Math.trunc(numberOf(left) / divisor);
      } else return left;
    }
  }

  #unary(depth: number): ExpressionValue {
    if (depth > maxDepth) throw new NoExpression();
    if (this.#take('!')) return truth(this.#unary(depth + 1)) ? 0 : 1;
    if (this.#take('-')) return -numberOf(this.#unary(depth + 1));
    if (this.#take('(')) {
      const value = this.ternary(depth + 1);
      if (!this.#take(')')) throw new NoExpression();
      return value;
    }
    const token = this.#tokens[this.#next++];
    if (token?.kind !== 'value') throw new NoExpression();
    return token.value;
  }

  #take(operator: string): boolean {
    const token = this.#tokens[this.#next];
    if (token?.kind !== 'operator' || token.text !== operator) return false;
    this.#next++;
    return true;
  }
}

function truth(value: ExpressionValue): boolean {
  const answer = isTrue(value);
  if (answer === undefined) throw new NoExpression();
  return answer;
}

function numberOf(value: ExpressionValue): number {
  if (typeof value !== 'number') throw new NoExpression();
  return value;
}

function checkSameType(a: ExpressionValue, b: ExpressionValue): void {
  if (typeof a !== typeof b) throw new NoExpression();
}

function compareValues(a: ExpressionValue, b: ExpressionValue): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === 'object' && typeof b === 'object') return compareEvr(a.evr, b.evr);
  throw new NoExpression();
}
