/**
 * What a spec's values are, as far as its own text tells: macros are recognised, never run.
 *
 * No shell, no Lua, no parametric macro, no macro file of the machine. What would need one of them is `unknown`, with
 * the reason; a macro that the spec may or may not define (a condition that cannot be decided) is unknown too. Rather
 * no answer than a wrong one.
 *
 * Reference: rpm, docs/manual/macros.md; rpmio/macro.cc; build/parsePreamble.cc
 */
import { evaluateExpression, isTrue } from './spec-expression.js';
import type { SpecCondition, SpecText } from './spec-text.js';

/** The value of some text of a spec, or why it cannot be told. */
export type Evaluated =
  | { readonly known: true; readonly value: string }
  | { readonly known: false; readonly reason: string };

/** What is known from outside the spec. */
export interface SpecEnvironment {
  /** Macros of the build that is asked about; `null` says that a macro is not defined there, for instance `{ rhel: '9', fedora: null }`. */
  readonly macros?: Readonly<Record<string, string | null>> | undefined;
  /** Decides `%ifarch`; without it such conditions are unknown. */
  readonly arch?: string | undefined;
}

/** A tag line of the preamble or of a `%package` section, with its value. */
export interface EvaluatedTag {
  /** As written: `Version`, `Source0`, `Requires`. */
  readonly name: string;
  /** What stands in parentheses after the name: `post` in `Requires(post)`. */
  readonly qualifier: string;
  /** As written. */
  readonly raw: string;
  readonly value: Evaluated;
  /** Whether rpm would read the line at all; unknown conditions make this undefined. */
  readonly active: boolean | undefined;
  /** Index of the line. */
  readonly line: number;
  /** Index of the section in `SpecText.sections`. */
  readonly section: number;
}

/** A tag line. The name may be followed by a qualifier or a language. */
export const tagLine: RegExp = /^\s*([A-Za-z][A-Za-z0-9_]*)(?:\(([^)]*)\))?\s*:[ \t]*(.*)$/;

/** A line of `%sourcelist` or `%patchlist`. */
export interface EvaluatedListLine {
  readonly kind: 'source' | 'patch';
  readonly raw: string;
  readonly value: Evaluated;
  readonly active: boolean | undefined;
  readonly line: number;
}

/** Everything that one pass over the spec tells. */
export interface EvaluatedSpec {
  readonly tags: readonly EvaluatedTag[];
  readonly listLines: readonly EvaluatedListLine[];
  /** Expands text as rpm would at the end of the spec. */
  expand(text: string): Evaluated;
}

type Definition = { readonly body: string; readonly ready: boolean } | { readonly unknown: string } | null;

const maxDepth = 64;
/** Ceiling on the work of one evaluation: macros that double themselves grow without end. */
const maxOutput = 4 * 2 ** 20;

/** Reads a spec from top to bottom as rpm does, as far as that goes without running anything. Never throws. */
export function evaluateSpec(text: SpecText, environment: SpecEnvironment = {}): EvaluatedSpec {
  const macros = new MacroTable(environment);
  const decided = new Map<SpecCondition, { branch: number; holds: (boolean | undefined)[] }>();
  const tags: EvaluatedTag[] = [];
  const listLines: EvaluatedListLine[] = [];
  const { sections } = text;
  let section = 0;

  for (let i = 0; i < text.lineCount; i++) {
    while (section + 1 < sections.length && sections[section + 1]!.start <= i) section++;
    const role = text.role(i);
    if (role.inside) continue;
    const current = sections[section]!;
    const condition = role.condition;
    const branchIndex = condition?.branches.findIndex((branch) => branch.line === i) ?? -1;
    if (condition && branchIndex >= 0) {
      decide(condition, branchIndex, unitText(text, i), macros, environment, decided);
      continue;
    }
    if (condition && condition.end === i) continue;
    const active = isActive(condition, decided);
    if (active === false) continue;
    const unit = unitText(text, i);
    const definition = /^\s*%(define|global|undefine)\s/.exec(unit);
    if (definition) {
      if (active) macros.expand(unit.trimStart());
      else macros.poisonDefinitions(unit, 'defined under a condition that is not decided');
      continue;
    }
    if (/^\s*%include(?=\s)/.test(unit) || /%\{load:/.test(unit)) {
      macros.poisonAll('another file is included before');
      continue;
    }
    if (/^\s*#/.test(unit) && !/%(define|global|undefine)\b/.test(unit)) continue;
    const readable = current.name === 'preamble' || current.name === 'package';
    const tag = readable ? tagLine.exec(text.line(i)) : null;
    if (tag) {
      const [, name = '', qualifier = ''] = tag;
      const raw = (tagLine.exec(unit)?.[3] ?? tag[3] ?? '').trim();
      const value = active ? macros.expand(raw) : unknown('under a condition that is not decided');
      tags.push({ name, qualifier, raw, value: trimmed(value), active, line: i, section });
      if (current.name === 'preamble') macros.setFromTag(name, trimmed(value));
      continue;
    }
    const listed = current.name === 'sourcelist' || current.name === 'patchlist';
    if (listed && i >= current.bodyStart && !unit.includes('\n')) {
      const raw = text.line(i).trim();
      if (raw !== '' && !raw.startsWith('#')) {
        const kind = current.name === 'sourcelist' ? 'source' : 'patch';
        const value = active ? macros.expand(raw) : unknown('under a condition that is not decided');
        listLines.push({ kind, raw, value, active, line: i });
      }
      continue;
    }
    if (current.name === 'preamble' || listed) {
      hiddenSources(unit, i, section, tags, listLines);
    }
    if (unit.includes('%')) {
      // Not a value, but it may define macros on the way, as `%{!?x: %global x 1}` does.
      if (active) macros.expand(unit);
      else macros.poisonDefinitions(unit, 'defined under a condition that is not decided');
    }
  }
  return { tags, listLines, expand: (value) => macros.expand(value) };
}

/** Sources and patches inside a macro, as in `%{?with_x:Patch7: x.patch}`: they are there, but whether they count is unknown. */
function hiddenSources(
  unit: string,
  line: number,
  section: number,
  tags: EvaluatedTag[],
  listLines: EvaluatedListLine[],
): void {
  if (!unit.includes('%{')) return;
  const value = unknown('inside a macro');
  for (const [, name = '', raw = ''] of unit.matchAll(/(?:^|[\s:{])((?:source|patch)\d*)[ \t]*:[ \t]*([^\s}]+)/gim)) {
    tags.push({ name, qualifier: '', raw, value, active: undefined, line, section });
  }
  const [, word, list] = /^%(sourcelist|patchlist)[ \t]*$([\s\S]*)/im.exec(unit) ?? [];
  const kind = word?.toLowerCase() === 'sourcelist' ? 'source' : 'patch';
  for (const raw of list?.split('\n').map((text) => text.trim()) ?? []) {
    if (raw !== '' && !/^[#}]/.test(raw)) listLines.push({ kind, raw, value, active: undefined, line });
  }
}

function unknown(reason: string): Evaluated {
  return { known: false, reason };
}

function trimmed(value: Evaluated): Evaluated {
  return value.known ? { known: true, value: value.value.trim() } : value;
}

function unitText(text: SpecText, index: number): string {
  let unit = text.line(index);
  for (let i = index + 1; i < text.lineCount && text.role(i).inside && text.role(i).unitStart <= index; i++) {
    unit += `\n${text.line(i)}`;
  }
  return unit;
}

function decide(
  condition: SpecCondition,
  index: number,
  unit: string,
  macros: MacroTable,
  environment: SpecEnvironment,
  decided: Map<SpecCondition, { branch: number; holds: (boolean | undefined)[] }>,
): void {
  const state = decided.get(condition) ?? { branch: 0, holds: [] };
  decided.set(condition, state);
  state.branch = index;
  const { word } = condition.branches[index]!;
  const around = isActive(condition.parent, decided);
  const expression = unit.replace(/^\s*%\w+/, '').replace(/\\\r?\n/g, '\n');
  let holds: boolean | undefined;
  const before = state.holds;
  if (before.some((value) => value === true)) holds = false;
  else {
    const own =
      word === 'else' ? true : around === false ? false : conditionHolds(word, expression, macros, environment);
    // A branch after an undecided one is at best undecided, and surely not taken when its own condition fails.
    holds = own && before.some((value) => value === undefined) ? undefined : own;
  }
  before.push(holds);
}

function isActive(
  condition: SpecCondition | undefined,
  decided: ReadonlyMap<SpecCondition, { branch: number; holds: (boolean | undefined)[] }>,
): boolean | undefined {
  let active: boolean | undefined = true;
  for (let at = condition; at; at = at.parent) {
    const state = decided.get(at);
    const holds = state?.holds[state.branch];
    if (holds === false) return false;
    if (holds === undefined) active = undefined;
  }
  return active;
}

function conditionHolds(
  word: string,
  expression: string,
  macros: MacroTable,
  environment: SpecEnvironment,
): boolean | undefined {
  const expanded = macros.expand(expression);
  if (!expanded.known) return undefined;
  const text = expanded.value.trim();
  if (word.endsWith('arch')) {
    if (environment.arch === undefined) return undefined;
    const listed = text.split(/[\s,]+/).includes(environment.arch);
    return word === 'ifnarch' ? !listed : listed;
  }
  if (word.endsWith('os')) return undefined;
  const value = evaluateExpression(text);
  return value === undefined ? undefined : isTrue(value);
}

/** The macros known while reading, and their expansion. */
class MacroTable {
  readonly #definitions = new Map<string, Definition>();
  #poisoned: string | undefined;
  #output = 0;

  constructor(environment: SpecEnvironment) {
    for (const [name, body] of Object.entries(environment.macros ?? {})) {
      this.#definitions.set(name, body === null ? null : { body, ready: false });
    }
    // rpm defines it itself, always.
    this.#definitions.set('nil', { body: '', ready: true });
  }

  expand(text: string): Evaluated {
    this.#output = 0;
    const run = new Expansion();
    const value = this.#expandText(text, 0, run);
    return run.reason === undefined ? { known: true, value } : unknown(run.reason);
  }

  /** rpm makes macros of some tags of the main package. */
  setFromTag(tag: string, value: Evaluated): void {
    const name = tag.toLowerCase();
    if (!/^(name|version|release|epoch|url)$/.test(name)) return;
    const definition: Definition = value.known
      ? { body: value.value, ready: true }
      : { unknown: `tag ${tag}: ${value.reason}` };
    this.#definitions.set(name, definition);
    if (name !== 'url') this.#definitions.set(name.toUpperCase(), definition);
    else this.#definitions.set('URL', definition);
  }

  poisonDefinitions(text: string, reason: string): void {
    for (const match of text.matchAll(/%(?:define|global|undefine)\s+([A-Za-z_]\w*)/g)) {
      this.#definitions.set(match[1]!, { unknown: reason });
    }
    if (/%\{lua:|%\{load:/.test(text)) this.poisonAll(reason);
  }

  poisonAll(reason: string): void {
    this.#definitions.clear();
    this.#poisoned = reason;
  }

  #expandText(text: string, depth: number, run: Expansion): string {
    if (depth > maxDepth) return run.fail('macros nested too deeply');
    let out = '';
    for (let i = 0; i < text.length; ) {
      const percent = text.indexOf('%', i);
      if (percent < 0) {
        out += text.slice(i);
        break;
      }
      out += text.slice(i, percent);
      const after = text[percent + 1];
      if (after === '%') {
        out += '%';
        i = percent + 2;
      } else if (after === '{' || after === '(' || after === '[') {
        const close = closing(text, percent + 1);
        if (close < 0) return run.fail('a macro that is never closed');
        const body = text.slice(percent + 2, close);
        if (after === '{') out += this.#expandBraced(body, depth, run);
        else if (after === '(') {
          this.poisonDefinitions(body, 'a shell command');
          run.fail('a shell command');
        } else out += this.#expandBracket(body, depth, run);
        i = close + 1;
      } else {
        const name = /^[?!]*[A-Za-z_]\w*/.exec(text.slice(percent + 1, percent + 300))?.[0];
        if (name === undefined) {
          if (after !== undefined && /[*#0-9-]/.test(after)) run.fail('an argument of a macro');
          out += '%';
          i = percent + 1;
          continue;
        }
        const end = percent + 1 + name.length;
        if (name === 'define' || name === 'global' || name === 'undefine') {
          const lineEnd = definitionEnd(text, end);
          this.#define(name, text.slice(end, lineEnd), depth, run);
          i = lineEnd;
        } else if (name === 'dnl') {
          const lineEnd = text.indexOf('\n', end);
          i = lineEnd < 0 ? text.length : lineEnd;
        } else {
          out += this.#expandBraced(name, depth, run);
          i = end;
        }
      }
      this.#output += out.length > maxOutput ? out.length : 64;
      if (this.#output > maxOutput) return run.fail('more text than a spec can need');
    }
    return out;
  }

  #expandBraced(body: string, depth: number, run: Expansion): string {
    const match = /^([?!]*)(-?[A-Za-z_]\w*|[*#0-9]+)(?:(:)([\s\S]*)|(\s[\s\S]*))?$/.exec(body);
    if (!match) {
      this.poisonDefinitions(body, 'a macro that is not understood');
      return run.fail('a macro that is not understood');
    }
    const [, signs = '', name = '', colon, alternative = '', argument] = match;
    const test = signs.includes('?');
    const negated = (signs.match(/!/g)?.length ?? 0) % 2 === 1;
    if (!test) {
      if (colon !== undefined) return this.#builtin(name, alternative, depth, run);
      if (argument !== undefined && argument.trim() !== '') {
        return run.fail(`%{${name}} is called with arguments`);
      }
    }
    const definition = this.#lookup(name);
    if (definition !== null && 'unknown' in definition) {
      this.poisonDefinitions(alternative, definition.unknown);
      return run.fail(definition.unknown);
    }
    const defined = definition !== null;
    if (test) {
      if (colon !== undefined) return defined !== negated ? this.#expandText(alternative, depth + 1, run) : '';
      if (!defined || negated) return '';
    }
    if (definition === null) return `%{${body}}`;
    if (definition.ready) return definition.body;
    return this.#expandText(definition.body, depth + 1, run);
  }

  #expandBracket(body: string, depth: number, run: Expansion): string {
    const expanded = this.#expandText(body, depth + 1, run);
    if (run.reason !== undefined) return '';
    const value = evaluateExpression(expanded);
    if (value === undefined || typeof value === 'object') return run.fail('an expression that is not understood');
    return String(value);
  }

  #builtin(name: string, argument: string, depth: number, run: Expansion): string {
    if (name === 'expand') {
      const once = this.#expandText(argument, depth + 1, run);
      return run.reason === undefined ? this.#expandText(once, depth + 1, run) : '';
    }
    if (name === 'lua' || name === 'load') {
      // Lua can define any macro; what the spec said before holds only when the code names no definition.
      if (name === 'load' || /define|macros|expand|load/.test(argument))
        this.poisonAll('Lua or another file ran before');
      return run.fail(name === 'lua' ? 'Lua' : 'another file');
    }
    this.poisonDefinitions(argument, `%{${name}:…}`);
    return run.fail(`%{${name}:…} is not evaluated`);
  }

  #define(word: string, rest: string, depth: number, run: Expansion): void {
    const match = /^\s+([A-Za-z_]\w*)(\([^)]*\))?(?:\s+([\s\S]*))?$/.exec(rest);
    if (!match) return;
    const [, name = '', parameters, text = ''] = match;
    if (word === 'undefine') {
      this.#definitions.set(name, { unknown: `%{${name}} was undefined; an older value may show` });
      return;
    }
    let body = text.replace(/\\\r?\n/g, '\n').trimEnd();
    if (body.startsWith('{')) {
      const close = closing(body, 0);
      if (close > 0) body = body.slice(1, close);
    }
    if (parameters !== undefined) {
      this.#definitions.set(name, { unknown: `%{${name}} takes arguments` });
    } else if (word === 'global') {
      const inner = new Expansion();
      const value = this.#expandText(body, depth + 1, inner);
      this.#definitions.set(
        name,
        inner.reason === undefined ? { body: value, ready: true } : { unknown: `%{${name}}: ${inner.reason}` },
      );
    } else if (depth > 0) {
      // Such a definition ends with the macro around it; rpm versions differ in when.
      this.#definitions.set(name, { unknown: `%{${name}} is defined inside another macro` });
      run.fail(`%{${name}} is defined inside another macro`);
    } else this.#definitions.set(name, { body, ready: false });
  }

  #lookup(name: string): Definition {
    const definition = this.#definitions.get(name);
    if (definition !== undefined) return definition;
    return { unknown: this.#poisoned ?? `%{${name}} is not defined by this spec` };
  }
}

/** The first reason for which a value cannot be told. */
class Expansion {
  reason: string | undefined;
  fail(reason: string): '' {
    this.reason ??= reason;
    return '';
  }
}

/** Index of the bracket that closes the one at `open`, −1 without one. Backslashes protect, as in rpm. */
function closing(text: string, open: number): number {
  const left = text[open]!;
  const right = left === '{' ? '}' : left === '(' ? ')' : ']';
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    const char = text[i];
    if (char === '\\') i++;
    else if (char === left) depth++;
    else if (char === right && --depth === 0) return i;
  }
  return -1;
}

/** Where a definition that starts before `from` ends: at a line end outside braces that is not escaped. */
function definitionEnd(text: string, from: number): number {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    const char = text[i];
    if (char === '\\') i += text[i + 1] === '\r' ? 2 : 1;
    else if (char === '{' || char === '(') depth++;
    else if ((char === '}' || char === ')') && depth > 0) depth--;
    else if (char === '\n' && depth === 0) return i;
  }
  return text.length;
}
