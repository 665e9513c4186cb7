/**
 * The changelog of a spec: entries read as they stand, and a new one put on top.
 *
 * Reference: rpm, build/parseChangelog.cc; fedora rpmautospec (%autochangelog)
 */
import { checkOneLine, editFailed } from './spec-tag.js';
import type { SpecText } from './spec-text.js';

/** A new entry. */
export interface ChangelogEntry {
  /** The day is written, in UTC. */
  readonly date: Date;
  readonly name: string;
  readonly email: string;
  /** `[epoch:]version-release` behind the author; left out when undefined. Plain macros (`%{version}`) stay macros. */
  readonly evr?: string | undefined;
  /** One item each; `- ` is put before. Line breaks become continued lines. */
  readonly lines: readonly string[];
}

/** An entry as it stands in the file. */
export interface SpecChangelogEntry {
  /** Index of its `*` line. */
  readonly line: number;
  /** The `*` line without the star. */
  readonly heading: string;
  /** Its text, lines joined by `\n`, without blank lines at the end. */
  readonly text: string;
  /** CVE identifiers in it, upper case, each once. */
  readonly cves: readonly string[];
}

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Whether the changelog is made from the git history when the package is built. */
export function hasAutochangelog(text: SpecText): boolean {
  const section = text.section('changelog');
  if (!section) return false;
  for (let i = section.bodyStart; i < section.end; i++) {
    if (/^\s*%(autochangelog|\{\??autochangelog\})\s*$/.test(text.line(i))) return true;
  }
  return false;
}

/** Entries of `%changelog`, newest first as written. */
export function changelogEntries(text: SpecText): SpecChangelogEntry[] {
  const section = text.section('changelog');
  if (!section) return [];
  const entries: SpecChangelogEntry[] = [];
  let start = -1;
  const close = (end: number): void => {
    if (start < 0) return;
    const body: string[] = [];
    for (let i = start + 1; i < end; i++) body.push(text.line(i));
    const joined = body.join('\n').trimEnd();
    const cves = new Set([...joined.matchAll(/\bCVE-\d{4}-\d{4,}\b/gi)].map((match) => match[0].toUpperCase()));
    entries.push({
      line: start,
      heading: text
        .line(start)
        .replace(/^\*\s*/, '')
        .trimEnd(),
      text: joined,
      cves: [...cves],
    });
  };
  for (let i = section.bodyStart; i < section.end; i++) {
    if (!text.line(i).startsWith('*')) continue;
    close(i);
    start = i;
  }
  close(section.end);
  return entries;
}

/**
 * Puts an entry on top of the changelog; a spec without one gets a `%changelog` at its end.
 *
 * Idempotent: nothing happens when the newest entry is this one. With `%autochangelog` nothing happens either: the
 * entry belongs into the git commit. `%` is doubled, since rpm expands macros in a changelog too: text from a commit
 * message must not run anything. Throws SOURCE_EDIT_FAILED for a second `%changelog`, which rpm refuses too.
 */
export function addChangelogEntry(text: SpecText, entry: ChangelogEntry): SpecText {
  if (hasAutochangelog(text)) return text;
  const lines = formatEntry(entry);
  const section = text.section('changelog');
  const second = text.sections.filter(({ name }) => name === 'changelog')[1];
  if (second) throw editFailed('add a changelog entry', 'one %changelog, as rpm does', 'a second one', second.start);
  if (!section) {
    const gap = text.lineCount > 0 && text.line(text.lineCount - 1).trim() !== '' ? [''] : [];
    return text.splice(text.lineCount, 0, [...gap, '%changelog', ...lines]);
  }
  let first = section.bodyStart;
  while (first < section.end && text.line(first).trim() === '') first++;
  const present = lines.every((line, i) => text.line(first + i) === line);
  const next = text.line(first + lines.length);
  const endsThere = first + lines.length >= section.end || next.trim() === '' || next.startsWith('*');
  if (present && endsThere) return text;
  const closes = first < section.end ? [''] : [];
  return text.splice(section.bodyStart, 0, [...lines, ...closes]);
}

function formatEntry(entry: ChangelogEntry): string[] {
  checkOneLine('name', entry.name);
  checkOneLine('email', entry.email);
  if (entry.evr !== undefined) checkOneLine('evr', entry.evr);
  if (Number.isNaN(entry.date.getTime())) throw new RangeError('"date" must be a valid date');
  const { date } = entry;
  const day = String(date.getUTCDate()).padStart(2, '0');
  const when = `${days[date.getUTCDay()]} ${months[date.getUTCMonth()]} ${day} ${date.getUTCFullYear()}`;
  const version = entry.evr === undefined ? '' : ` - ${entry.evr}`;
  const items = entry.lines.flatMap((item) => {
    const rows = item
      .split(/\r?\n/)
      .map((row) => row.trim())
      .filter((row) => row !== '');
    return rows.map((row, i) => (i === 0 ? `- ${row.replace(/^[-*]\s+/, '')}` : `  ${row}`));
  });
  if (items.length === 0) throw editFailed('add a changelog entry', 'at least one line of text', 'none');
  const author = `* ${when} ${entry.name} <${entry.email}>`;
  return [escapeMacros(author) + plainMacros(version), ...items.map(escapeMacros)];
}

function escapeMacros(text: string): string {
  return text.replaceAll('%', '%%');
}

/** A name in braces runs nothing by itself; whatever else follows a `%` is escaped. */
function plainMacros(text: string): string {
  return text.replace(/%(?!\{[A-Za-z_]\w*\})/g, '%%');
}
