/**
 * How autopatch finds and replaces lines: one line or several, as text or as a pattern, limited by a count.
 *
 * `compatible` keeps what the original does where it surprises: a text that contains itself is found again in its own
 * replacement, and the count of a pattern holds per line. `strict` counts over the whole file and never looks twice.
 *
 * Reference: AlmaLinux, autopatch-tool, docs/configuration.md
 */
import type { AutopatchMode } from './autopatch.js';

/** One search, with what to put in place. */
export interface LineEdit {
  readonly find: readonly string[];
  /** Undefined deletes. */
  readonly replace: readonly string[] | undefined;
  /** Only with one find-line. */
  readonly pattern: boolean;
  /** −1 for no limit. */
  readonly count: number;
  /** Stop at `%changelog` and pass over comments, unless a comment is looked for. */
  readonly isSpec: boolean;
}

/** Lines after an edit, and how many places changed. */
export interface EditedLines {
  readonly lines: readonly string[];
  readonly changes: number;
}

/** Carries out one edit over all lines of a file. Zero changes is an answer. */
export function editLines(lines: readonly string[], edit: LineEdit, mode: AutopatchMode): EditedLines {
  return edit.find.length === 1 ? editSingle(lines, edit, mode) : editBlock(lines, edit);
}

function editSingle(lines: readonly string[], edit: LineEdit, mode: AutopatchMode): EditedLines {
  const find = edit.find[0]!;
  const pattern = edit.pattern ? pythonPattern(find) : undefined;
  const out: string[] = [];
  let changes = 0;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    if (edit.isSpec && line.trim() === '%changelog') {
      out.push(...lines.slice(i));
      break;
    }
    if (isSkipped(line, edit)) {
      out.push(line);
      continue;
    }
    const left = edit.count < 0 ? Number.POSITIVE_INFINITY : edit.count - changes;
    if (edit.replace === undefined) {
      if (line.trim() === find && left > 0) changes++;
      else out.push(line);
    } else if (pattern) {
      const limit = mode === 'strict' ? left : edit.count < 0 ? Number.POSITIVE_INFINITY : 1;
      const made = substitute(line, pattern, edit.replace.join('\n'), limit);
      changes += made.count;
      out.push(...made.text.split('\n'));
    } else {
      const made = replaceText(line, find, edit.replace, left, mode);
      changes += made.count;
      out.push(...made.text.split('\n'));
    }
  }
  return { lines: out, changes };
}

function replaceText(
  line: string,
  find: string,
  replace: readonly string[],
  limit: number,
  mode: AutopatchMode,
): { text: string; count: number } {
  const occurrences = line.split(find).length - 1;
  if (occurrences === 0 || limit <= 0) return { text: line, count: 0 };
  const count = Math.min(occurrences, limit);
  if (line === find) return { text: replace.join('\n'), count };
  const indent = /^\s*/.exec(line)![0];
  const text = replace.map((row, i) => (i === 0 || row.trim() === '' ? row : indent + row)).join('\n');
  let edited = line;
  for (let i = 0, from = 0; i < count; i++) {
    const at = edited.indexOf(find, from);
    if (at < 0) break;
    edited = edited.slice(0, at) + text + edited.slice(at + find.length);
    if (mode === 'strict') from = at + text.length;
  }
  return { text: edited, count };
}

function editBlock(lines: readonly string[], edit: LineEdit): EditedLines {
  const find = edit.find.map((line) => line.trimStart());
  const out: string[] = [];
  let changes = 0;
  for (let i = 0; i < lines.length; ) {
    const line = lines[i]!;
    if (edit.isSpec && line.trim() === '%changelog') {
      out.push(...lines.slice(i));
      break;
    }
    const matches =
      !isSkipped(line, edit) &&
      (edit.count < 0 || changes < edit.count) &&
      i + find.length <= lines.length &&
      find.every((wanted, offset) => lines[i + offset]!.trimStart() === wanted);
    if (!matches) {
      out.push(line);
      i++;
      continue;
    }
    const indent = /^\s*/.exec(line)![0];
    out.push(...(edit.replace ?? []).map((row) => indent + row));
    changes++;
    i += find.length;
  }
  return { lines: out, changes };
}

function isSkipped(line: string, edit: LineEdit): boolean {
  return edit.isSpec && line.startsWith('#') && !edit.find[0]!.startsWith('#');
}

/** Longest line that a pattern is tried on: a pattern from a configuration may take time that grows without end. */
const maxPatternLine = 10_000;

function substitute(
  line: string,
  pattern: RegExp,
  replacement: string,
  limit: number,
): { text: string; count: number } {
  if (line.length > maxPatternLine) return { text: line, count: 0 };
  let count = 0;
  const text = line.replace(pattern, (...given: unknown[]) => {
    if (count >= limit) return given[0] as string;
    count++;
    const groups = given.filter((value, index) => index === 0 || typeof value === 'string' || value === undefined);
    const named = given.at(-1);
    return pythonReplacement(
      replacement,
      groups as (string | undefined)[],
      typeof named === 'object' ? named : undefined,
    );
  });
  return { text, count };
}

/** Python's spelling of a pattern as ours; throws SyntaxError for one that neither knows. */
function pythonPattern(source: string): RegExp {
  const flags = /^\(\?([ims]+)\)/.exec(source);
  const body = (flags ? source.slice(flags[0].length) : source)
    .replace(/\(\?P<(\w+)>/g, '(?<$1>')
    .replace(/\(\?P=(\w+)\)/g, '\\k<$1>')
    .replace(/\\A/g, '^')
    .replace(/\\Z/g, '$');
  return new RegExp(body, `g${flags?.[1] ?? ''}`);
}

/** `\1`, `\g<1>`, `\g<name>` and the usual escapes, as Python's replacement texts have them. */
function pythonReplacement(
  text: string,
  groups: readonly (string | undefined)[],
  named: object | null | undefined,
): string {
  return text.replace(
    /\\(?:g<(\w+)>|(\d{1,2})|([\\ntr]))/g,
    (whole, name: string | undefined, number: string | undefined, plain: string | undefined) => {
      if (plain !== undefined) return { n: '\n', t: '\t', r: '\r', '\\': '\\' }[plain] ?? whole;
      const key = name ?? number ?? '';
      if (/^\d+$/.test(key)) return groups[Number(key)] ?? '';
      return String((named as Record<string, unknown> | undefined)?.[key] ?? '');
    },
  );
}
