/**
 * Lines put into a section: at its top, or at its bottom before the blank lines that end it.
 *
 * Reference: rpm, docs/manual/spec.md
 */
import { checkOneLine, editFailed } from './spec-tag.js';
import type { SpecText } from './spec-text.js';

/** Lines to insert. */
export interface InsertIntoSection {
  /** Name without `%`; `preamble` is what stands before the first section. */
  readonly section: string;
  /** What must follow the word on its line, for instance `-n libfoo`; the first of that name when undefined. */
  readonly argument?: string | undefined;
  readonly at: 'top' | 'bottom';
  readonly lines: readonly string[];
}

/**
 * Inserts lines. Idempotent: nothing happens when the section already has them in a row, wherever.
 * Throws SOURCE_EDIT_FAILED when there is no such section.
 */
export function insertIntoSection(text: SpecText, insert: InsertIntoSection): SpecText {
  for (const line of insert.lines) checkOneLine('lines', line);
  const section = text.section(insert.section, insert.argument);
  if (!section) {
    const wanted = `%${insert.section}${insert.argument ? ` ${insert.argument}` : ''}`;
    throw editFailed('insert into a section', wanted, 'no such section');
  }
  const { lines } = insert;
  for (let i = section.bodyStart; i + lines.length <= section.end; i++) {
    if (lines.every((line, offset) => text.line(i + offset) === line)) return text;
  }
  if (insert.at === 'top') return text.splice(section.bodyStart, 0, lines);
  let end = section.end;
  while (end > section.bodyStart && text.line(end - 1).trim() === '') end--;
  return text.splice(end, 0, lines);
}
