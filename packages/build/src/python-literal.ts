/**
 * Python literals as data: what mock's configuration files are written in. Nothing is run.
 *
 * Strings (all quotes, raw, adjacent ones joined), numbers, True, False, None, lists, tuples, dictionaries.
 *
 * Reference: The Python Language Reference, 2.4 and 6.2
 */

/** A value that a configuration can hold. Tuples come as lists. */
export type MockValue = string | number | boolean | null | readonly MockValue[] | { readonly [key: string]: MockValue };

/** A value as Python text, on one line, the same for the same value. Keys keep their order. */
export function formatPython(value: MockValue): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return formatPythonString(value);
  if (isList(value)) return `[${value.map(formatPython).join(', ')}]`;
  const items = Object.entries(value).map(([key, each]) => `${formatPythonString(key)}: ${formatPython(each)}`);
  return `{${items.join(', ')}}`;
}

function isList(value: MockValue): value is readonly MockValue[] {
  return Array.isArray(value);
}

function formatPythonString(text: string): string {
  const escaped = text.replace(/[\\'\u0000-\u001f\u007f]/g, (char) => {
    if (char === '\n') return '\\n';
    if (char === '\t') return '\\t';
    if (char === '\\' || char === "'") return `\\${char}`;
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return `'${escaped}'`;
}

/** What a reader meets that it does not take; `at` counts characters. */
export class PythonSyntax {
  readonly at: number;
  readonly wanted: string;
  constructor(at: number, wanted: string) {
    this.at = at;
    this.wanted = wanted;
  }
}

/** Reads literals and punctuation from Python text. Throws `PythonSyntax`. */
export class PythonReader {
  readonly text: string;
  at = 0;
  #depth = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** Skips blanks, comments and, within brackets, line ends. */
  skip(lines: boolean): void {
    const blank = lines ? /(?:[ \t\f\r\n]|\\\r?\n|#[^\n]*)*/y : /(?:[ \t\f\r]|\\\r?\n|#[^\n]*)*/y;
    blank.lastIndex = this.at;
    blank.exec(this.text);
    this.at = blank.lastIndex;
  }

  /** Takes `token` when it comes next. */
  take(token: string): boolean {
    if (!this.text.startsWith(token, this.at)) return false;
    this.at += token.length;
    return true;
  }

  expect(token: string): void {
    if (!this.take(token)) throw new PythonSyntax(this.at, token);
  }

  word(): string {
    const word = /[A-Za-z_]\w*/y;
    word.lastIndex = this.at;
    const found = word.exec(this.text)?.[0] ?? '';
    this.at += found.length;
    return found;
  }

  value(): MockValue {
    // Recursion follows the text: brackets must end before the stack does.
    if (this.#depth > 50) throw new PythonSyntax(this.at, 'at most 50 brackets within each other');
    this.#depth += 1;
    try {
      return this.#value();
    } finally {
      this.#depth -= 1;
    }
  }

  #value(): MockValue {
    const char = this.text[this.at];
    if (char === '[') return this.#list('[', ']');
    if (char === '{') return this.#dictionary();
    if (char === '(') {
      const start = this.at;
      const items = this.#list('(', ')');
      const [only] = items;
      // Parentheses around one value only group it; a comma makes a tuple.
      return items.length === 1 && only !== undefined && !/,\s*\)$/.test(this.text.slice(start, this.at))
        ? only
        : items;
    }
    const number = /-?(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|\d+(?:\.\d+)?)/y;
    number.lastIndex = this.at;
    const digits = number.exec(this.text)?.[0];
    if (digits !== undefined) {
      this.at += digits.length;
      return Number(digits);
    }
    if (/["']|[rRbBuU]{1,2}["']/y.test(this.text.slice(this.at, this.at + 3))) return this.#strings();
    const start = this.at;
    const word = this.word();
    if (word === 'True') return true;
    if (word === 'False') return false;
    if (word === 'None') return null;
    throw new PythonSyntax(start, 'a literal');
  }

  #list(open: string, close: string): MockValue[] {
    this.expect(open);
    const items: MockValue[] = [];
    for (;;) {
      this.skip(true);
      if (this.take(close)) return items;
      items.push(this.value());
      this.skip(true);
      if (!this.take(',')) {
        this.expect(close);
        return items;
      }
    }
  }

  #dictionary(): MockValue {
    this.expect('{');
    const items: [string, MockValue][] = [];
    for (;;) {
      this.skip(true);
      if (this.take('}')) return Object.fromEntries(items);
      const key = this.value();
      if (typeof key !== 'string') throw new PythonSyntax(this.at, 'a text as key');
      this.skip(true);
      this.expect(':');
      this.skip(true);
      items.push([key, this.value()]);
      this.skip(true);
      if (!this.take(',')) {
        this.expect('}');
        return Object.fromEntries(items);
      }
    }
  }

  #strings(): string {
    let text = '';
    for (;;) {
      const prefix = /([rRuU]?)("""|'''|"|')/y;
      prefix.lastIndex = this.at;
      const found = prefix.exec(this.text);
      if (found === null) return text;
      this.at = prefix.lastIndex;
      text += this.#string(found[2] as string, /r/i.test(found[1] as string));
      const after = this.at;
      this.skip(this.#depth > 1);
      if (!/["']|[rRuU]["']/y.test(this.text.slice(this.at, this.at + 2))) this.at = after;
    }
  }

  #string(quotes: string, raw: boolean): string {
    let text = '';
    const start = this.at;
    for (;;) {
      if (this.at >= this.text.length) throw new PythonSyntax(start, `${quotes} at the end of the text`);
      if (this.take(quotes)) return text;
      const char = this.text[this.at] as string;
      if (char === '\n' && quotes.length === 1) throw new PythonSyntax(this.at, `${quotes} before the line ends`);
      this.at += 1;
      if (char !== '\\') text += char;
      else text += this.#escape(raw);
    }
  }

  #escape(raw: boolean): string {
    const char = this.text[this.at] ?? '';
    this.at += 1;
    if (raw) return `\\${char}`;
    const simple: Readonly<Record<string, string>> = {
      n: '\n',
      t: '\t',
      r: '\r',
      '\\': '\\',
      "'": "'",
      '"': '"',
      '\n': '',
      a: '\x07',
      b: '\b',
      f: '\f',
      v: '\v',
    };
    const plain = simple[char];
    if (plain !== undefined) return plain;
    const code = char === 'x' ? /[0-9a-fA-F]{2}/y : char === 'u' ? /[0-9a-fA-F]{4}/y : /[0-7]{0,2}/y;
    code.lastIndex = this.at;
    const digits = code.exec(this.text)?.[0] ?? '';
    if (char === 'x' || char === 'u') {
      if (digits === '') throw new PythonSyntax(this.at, 'hexadecimal digits');
      this.at += digits.length;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    if (/[0-7]/.test(char)) {
      this.at += digits.length;
      return String.fromCharCode(Number.parseInt(char + digits, 8));
    }
    // Python keeps a backslash that means nothing.
    return `\\${char}`;
  }
}
