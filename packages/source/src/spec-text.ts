/**
 * A spec as lines, with what each line is part of: a multi-line macro, a condition, a section.
 *
 * Nothing is thrown away and nothing is expanded: joined, the lines are the file again, byte for byte. Which lines rpm
 * reads as one (an open brace or a trailing backslash) decides what may be taken for a section or a tag.
 *
 * Reference: rpm, build/parseSpec.cc (copyNextLineFromOFI, readLine); docs/manual/spec.md
 */
import { quote } from '@distrokit/rpm';
import { SourceError } from './errors.js';

/** One `%if … %endif`, with the conditions around it. */
export interface SpecCondition {
  /** Index of the `%if` line. */
  readonly start: number;
  /** Index of the `%endif` line; of the last line when it is missing. */
  readonly end: number;
  /** `%if`, `%elif`, `%else` in order: index of the line and the text after the word. */
  readonly branches: readonly { readonly line: number; readonly word: string; readonly expression: string }[];
  readonly parent: SpecCondition | undefined;
}

/** A part of the spec; the first, `preamble`, begins at the first line and has no marker. */
export interface SpecSection {
  /** Lower case without `%`: `package`, `prep`, `files`, … */
  readonly name: string;
  /** What follows the word on its line, trimmed. */
  readonly argument: string;
  /** Index of the marker line; 0 for the preamble. */
  readonly start: number;
  /** Index of the first line after the marker. */
  readonly bodyStart: number;
  /** Index after the last line. */
  readonly end: number;
}

/** What one line is to rpm before any macro is expanded. */
export interface SpecLineRole {
  /** Continues a macro or a condition that began on an earlier line: not to be read by itself. */
  readonly inside: boolean;
  /** The innermost condition around the line; for `%if` … `%endif` themselves, that condition. */
  readonly condition: SpecCondition | undefined;
  /** Index of the first line that rpm reads together with this one. */
  readonly unitStart: number;
}

interface SpecStructure {
  readonly roles: readonly SpecLineRole[];
  readonly sections: readonly SpecSection[];
  readonly conditions: readonly SpecCondition[];
  readonly problem: SpecProblem | undefined;
}

/** The first thing for which rpm would refuse the file. Counted from 1. */
interface SpecProblem {
  readonly line: number;
  readonly column: number;
  readonly wanted: string;
  readonly found: string;
}

/** Ceiling on a spec, in UTF-16 units. The longest known ones have a tenth of it. */
const maxSpecLength = 64 * 2 ** 20;

const sectionWords =
  'package|prep|generate_buildrequires|conf|build|install|check|clean|preun|postun|pretrans|posttrans|preuntrans|' +
  'postuntrans|pre|post|files|changelog|description|triggerpostun|triggerprein|triggerun|triggerin|trigger|' +
  'verifyscript|sepolicy|filetriggerin|filetrigger|filetriggerun|filetriggerpostun|transfiletriggerin|' +
  'transfiletrigger|transfiletriggerun|transfiletriggerpostun|end|patchlist|sourcelist';
const sectionLine = new RegExp(`^%(${sectionWords})(?=\\s|$)(.*)$`, 'i');
const conditionLine = /^\s*%(ifarch|ifnarch|ifos|ifnos|if|elifarch|elifos|elif|else|endif)(?![A-Za-z0-9_])(.*)$/;
const definitionLine = /^\s*%(?:define|global)(?=\s)/;

/** An immutable spec text; every edit makes another one. */
export class SpecText {
  /** Lines with their endings; joined they are the text. */
  readonly lines: readonly string[];
  /** The line ending that new lines get: that of the first line. */
  readonly eol: '\n' | '\r\n';
  #structure: SpecStructure | undefined;

  private constructor(lines: readonly string[]) {
    this.lines = lines;
    this.eol = lines[0]?.endsWith('\r\n') ? '\r\n' : '\n';
  }

  /** Throws SOURCE_LIMIT for more than 64 Mi characters. */
  static from(text: string): SpecText {
    if (text.length > maxSpecLength) {
      throw new SourceError(
        { code: 'SOURCE_LIMIT', what: 'characters of a spec', limit: maxSpecLength, found: text.length },
        `spec: ${text.length} characters, at most ${maxSpecLength} are read`,
      );
    }
    const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
    return new SpecText(lines);
  }

  toString(): string {
    return this.lines.join('');
  }

  get lineCount(): number {
    return this.lines.length;
  }

  /** A line without its ending. */
  line(index: number): string {
    return (this.lines[index] ?? '').replace(/\r?\n$/, '');
  }

  role(index: number): SpecLineRole {
    return this.#parsed.roles[index]!;
  }

  get sections(): readonly SpecSection[] {
    return this.#parsed.sections;
  }

  get conditions(): readonly SpecCondition[] {
    return this.#parsed.conditions;
  }

  /**
   * Throws SOURCE_BAD_SPEC (line, column) when a condition or a macro is opened and never closed, or closed and never
   * opened: what an edit would do to such a file cannot be told.
   */
  assertClosed(): void {
    const { problem } = this.#parsed;
    if (problem) throw badSpec(problem);
  }

  /** The first section of that name, and with that argument when one is given. */
  section(name: string, argument?: string): SpecSection | undefined {
    return this.sections.find((s) => s.name === name && (argument === undefined || s.argument === argument));
  }

  /**
   * Replaces `count` lines from `index` by `texts`, given without endings. Returns `this` when nothing would change.
   *
   * Throws TypeError for a text with a line break in it: it would be another line than the caller meant.
   */
  splice(index: number, count: number, texts: readonly string[]): SpecText {
    if (texts.some((text) => /[\r\n\0]/.test(text))) throw new TypeError('"texts" must be single lines');
    const old = this.lines.slice(index, index + count);
    const atEnd = index + count >= this.lines.length;
    const added = texts.map((text, i) => {
      const ending = old[i]?.match(/\r?\n$/)?.[0];
      const last = atEnd && i === texts.length - 1;
      // A file that ends without a newline keeps doing so where its last line is only changed.
      return text + (ending ?? (last && i < old.length ? '' : this.eol));
    });
    if (added.length === old.length && added.every((line, i) => line === old[i])) return this;
    const before = this.lines.slice(0, index);
    const previous = before.at(-1);
    if (added.length > 0 && previous !== undefined && !previous.endsWith('\n'))
      before[before.length - 1] = previous + this.eol;
    return new SpecText([...before, ...added, ...this.lines.slice(index + count)]);
  }

  /** Index of the last line that rpm reads together with this one. */
  endOfUnit(line: number): number {
    let end = line;
    while (end + 1 < this.lineCount && this.role(end + 1).inside) end++;
    return end;
  }

  /** Index after `line`, or after the outermost condition around it that lies within the section. */
  afterConditions(line: number, section: SpecSection): number {
    let at = line;
    for (let c = this.role(line)?.condition; c; c = c.parent) {
      if (c.start >= section.bodyStart && c.end < section.end) at = Math.max(at, c.end);
    }
    return at + 1;
  }

  get #parsed(): SpecStructure {
    this.#structure ??= parseStructure(this);
    return this.#structure;
  }
}

function badSpec(problem: SpecProblem): SourceError {
  const { line, column, wanted, found } = problem;
  return new SourceError(
    { code: 'SOURCE_BAD_SPEC', line, column, wanted, found },
    `spec, line ${line}, column ${column}: wanted ${wanted}, found ${quote(found)}`,
  );
}

function parseStructure(text: SpecText): SpecStructure {
  const { units, problem: unclosed } = joinUnits(text);
  let problem = unclosed;
  const roles: SpecLineRole[] = [];
  const sections: SpecSection[] = [];
  const conditions: SpecCondition[] = [];
  const open: {
    condition: SpecCondition & { end: number };
    branches: { line: number; word: string; expression: string }[];
  }[] = [];
  let section = { name: 'preamble', argument: '', start: 0, bodyStart: 0 };

  for (let i = 0; i < text.lineCount; i++) {
    const { inside, unitStart } = units[i]!;
    if (inside) {
      roles.push({ inside, unitStart, condition: open.at(-1)?.condition });
      continue;
    }
    const line = text.line(i);
    const directive = conditionLine.exec(line);
    if (directive) {
      const [, word = '', expression = ''] = directive;
      if (word.startsWith('if')) {
        const branches = [{ line: i, word, expression: expression.trim() }];
        const condition = { start: i, end: text.lineCount - 1, branches, parent: open.at(-1)?.condition };
        open.push({ condition, branches });
        conditions.push(condition);
      } else if (open.length === 0) {
        problem ??= { line: i + 1, column: line.indexOf('%') + 1, wanted: `an %if before %${word}`, found: line };
      } else if (word !== 'endif') {
        open.at(-1)?.branches.push({ line: i, word, expression: expression.trim() });
      }
      const innermost = open.at(-1)?.condition;
      roles.push({ inside, unitStart, condition: innermost });
      if (word === 'endif') {
        const closed = open.pop();
        if (closed) closed.condition.end = i;
      }
      continue;
    }
    roles.push({ inside, unitStart, condition: open.at(-1)?.condition });
    const marker = sectionLine.exec(line);
    if (marker) {
      sections.push({ ...section, end: i });
      const [, name = '', argument = ''] = marker;
      section = { name: name.toLowerCase(), argument: argument.trim(), start: i, bodyStart: i + 1 };
    }
  }
  sections.push({ ...section, end: text.lineCount });
  const dangling = open.at(-1)?.condition;
  if (dangling) {
    const line = text.line(dangling.start);
    problem ??= { line: dangling.start + 1, column: line.indexOf('%') + 1, wanted: 'an %endif after it', found: line };
  }
  return { roles, sections, conditions, problem };
}

/** Which lines rpm reads together, by its own counting of braces and of escaped line ends. */
function joinUnits(text: SpecText): {
  readonly units: readonly { inside: boolean; unitStart: number }[];
  readonly problem: SpecProblem | undefined;
} {
  const units: { inside: boolean; unitStart: number }[] = [];
  let braces = 0;
  let parentheses = 0;
  let brackets = 0;
  let escaped = false;
  let unitStart = 0;
  let swallows = false;
  for (let i = 0; i < text.lineCount; i++) {
    const line = text.lines[i]!;
    const depth = braces + parentheses + brackets;
    if (depth === 0 && !escaped) {
      unitStart = i;
      // A definition takes its continued lines with it; so does a condition. Other continued lines stand for themselves.
      swallows = definitionLine.test(line) || conditionLine.test(line);
    }
    units.push({ inside: depth > 0 || (escaped && swallows), unitStart });
    escaped = false;
    for (let p = 0; p < line.length; p++) {
      const char = line.charCodeAt(p);
      if (char === BACKSLASH) {
        const next = line[p + 1];
        escaped = next === '\n' || (next === '\r' && line[p + 2] === '\n');
        p++;
      } else if (char === PERCENT) {
        const next = line[p + 1];
        if (next === '{') braces++;
        else if (next === '(') parentheses++;
        else if (next === '[') brackets++;
        else if (next !== '%') continue;
        p++;
      } else if (char === OPEN_BRACE) braces += braces > 0 ? 1 : 0;
      else if (char === CLOSE_BRACE) braces -= braces > 0 ? 1 : 0;
      else if (char === OPEN_PARENTHESIS) parentheses += parentheses > 0 ? 1 : 0;
      else if (char === CLOSE_PARENTHESIS) parentheses -= parentheses > 0 ? 1 : 0;
      else if (char === OPEN_BRACKET) brackets += brackets > 0 ? 1 : 0;
      else if (char === CLOSE_BRACKET) brackets -= brackets > 0 ? 1 : 0;
    }
  }
  if (braces + parentheses + brackets > 0) {
    // Never closed: rpm refuses such a file. Read the lines from there one by one, so that an edit still finds its place.
    for (let i = unitStart; i < units.length; i++) units[i] = { inside: false, unitStart: i };
    const line = text.line(unitStart);
    const column = Math.max(0, line.search(/%[{([]/)) + 1;
    return { units, problem: { line: unitStart + 1, column, wanted: 'the macro to be closed', found: line } };
  }
  return { units, problem: undefined };
}

const PERCENT = 0x25;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_PARENTHESIS = 0x28;
const CLOSE_PARENTHESIS = 0x29;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
