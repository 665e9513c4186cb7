/**
 * Source archives and patches of a spec: what they are, and how one is added, removed or replaced.
 *
 * A patch needs two places: the `Patch` tag (or `%patchlist` line), and in `%prep` whatever applies it. Specs do the
 * second in many ways; a new patch follows the way its spec already goes.
 *
 * Reference: rpm, docs/manual/spec.md, docs/manual/autosetup.md; build/parsePreamble.cc (addSource); kernel.spec (ApplyPatch)
 */
import { quote } from '@distrokit/rpm';
import { SourceError } from './errors.js';
import { checkFileName } from './file-name.js';
import { formatPatchOrigin, type PatchOrigin } from './patch-origin.js';
import { applyLines, insertApplyLine } from './spec-applied-patch.js';
import { type Evaluated, evaluateSpec, type SpecEnvironment } from './spec-macro.js';
import { checkOneLine, editFailed, type SpecTagLine, tagLines } from './spec-tag.js';
import type { SpecText } from './spec-text.js';

/** A source or a patch of a spec. */
export interface SpecSource {
  readonly kind: 'source' | 'patch';
  /** As rpm counts: an unnumbered one follows the one before it. */
  readonly number: number;
  /** The value as written. */
  readonly raw: string;
  /** The value with macros put in, or why it cannot be told. */
  readonly location: Evaluated;
  /** The file name: what follows the last slash of the location (of the `#/name` in a URL too). */
  readonly file: Evaluated;
  /** False when a condition leaves it out, undefined when that cannot be told. Left-out ones are not listed by default. */
  readonly active: boolean | undefined;
  /** Index of the line. */
  readonly line: number;
}

/** A patch to add. */
export interface AddPatch {
  /** File name; it must lie beside the other sources. */
  readonly file: string;
  /** Default: one more than the highest. Without effect where `%patchlist` counts the patches by itself. */
  readonly number?: number | undefined;
  /** Written as a comment above the tag. */
  readonly origin?: PatchOrigin | undefined;
  /** More comment lines above the tag, without `#`. */
  readonly comment?: readonly string[] | undefined;
  /** Leading path parts to strip where `%prep` names them patch by patch. Default: as the last one does, else 1. */
  readonly strip?: number | undefined;
  /** False for a spec whose own macro applies every patch: then only the tag is added. Default true. */
  readonly apply?: boolean | undefined;
}

/** A source to add. */
export interface AddSource {
  /** File name or URL. */
  readonly file: string;
  /** Default: one more than the highest. */
  readonly number?: number | undefined;
  /** Comment lines above the tag, without `#`. */
  readonly comment?: readonly string[] | undefined;
}

/** All sources and patches that the spec text shows, in order, as far as conditions and macros can be told. */
export function specSources(text: SpecText, environment: SpecEnvironment = {}): SpecSource[] {
  const evaluated = evaluateSpec(text, environment);
  const sources: SpecSource[] = [];
  const last = { source: -1, patch: -1 };
  const add = (
    kind: 'source' | 'patch',
    number: number,
    raw: string,
    location: Evaluated,
    active: boolean | undefined,
    line: number,
  ): void => {
    last[kind] = number;
    sources.push({ kind, number, raw, location, file: fileOf(location, raw), active, line });
  };
  for (const tag of evaluated.tags) {
    const match = sourceTag.exec(tag.name);
    if (!match) continue;
    const kind = match[1]!.toLowerCase() as 'source' | 'patch';
    const number = match[2] === '' ? last[kind] + 1 : Number(match[2]);
    add(kind, number, tag.raw, tag.value, tag.active, tag.line);
  }
  for (const item of evaluated.listLines)
    add(item.kind, last[item.kind] + 1, item.raw, item.value, item.active, item.line);
  return sources;
}

/**
 * Adds a patch: tag line with its comment after the last patch outside conditions, and in `%prep` the line that applies
 * it, in the manner of the lines that are there. `%autosetup`, `%autopatch` and `%{patches}` need no such line.
 *
 * Idempotent: a patch of that file name gets no second tag, and no second apply line. Throws SOURCE_BAD_FILENAME for a
 * name that rpm would read as something else, SOURCE_EDIT_FAILED when the number is taken or no place is found.
 */
export function addPatch(text: SpecText, patch: AddPatch): SpecText {
  checkSpecFileName(patch.file);
  const comments = commentLines(patch.comment, patch.origin);
  const { number, present } = chooseNumber(text, 'patch', patch);
  const tagged = present ? text : insertTag(text, 'patch', patch, number, comments);
  return patch.apply === false ? tagged : insertApplyLine(tagged, patch, number);
}

/**
 * Adds a source after the last one outside conditions. Idempotent: a source of that file name gets no second tag.
 * Throws SOURCE_BAD_FILENAME, and SOURCE_EDIT_FAILED when the number is taken.
 */
export function addSource(text: SpecText, source: AddSource): SpecText {
  checkOneLine('file', source.file);
  checkSpecFileName(source.file.slice(source.file.lastIndexOf('/') + 1));
  const { number, present } = chooseNumber(text, 'source', source);
  return present ? text : insertTag(text, 'source', source, number, commentLines(source.comment, undefined));
}

/**
 * Removes a patch by its file name: tag, the comment lines of its origin directly above, and its apply line.
 * Returns the same text when the spec has no such patch. The numbers of other patches stay.
 */
export function removePatch(text: SpecText, file: string): SpecText {
  const found = specSources(text).find((source) => source.kind === 'patch' && nameMatches(source, file));
  if (!found) return text;
  let edited = text;
  const applied = applyLines(edited).filter((line) => line.number === found.number || line.file === file);
  for (const line of applied.reverse()) edited = edited.splice(line.line, 1, []);
  // Apply lines stand below the preamble, so the tag's index is still right.
  let start = found.line;
  while (start > 0 && originComment.test(edited.line(start - 1))) start--;
  return edited.splice(start, found.line - start + 1, []);
}

/** Removes a source by its file name, with the origin comment above; the same text when there is none of that name. */
export function removeSource(text: SpecText, file: string): SpecText {
  const found = specSources(text).find((source) => source.kind === 'source' && nameMatches(source, file));
  if (!found) return text;
  let start = found.line;
  while (start > 0 && originComment.test(text.line(start - 1))) start--;
  return text.splice(start, found.line - start + 1, []);
}

/** Replaces the value of `Source<number>`. Throws SOURCE_EDIT_FAILED when there is none, or when it is not one line. */
export function replaceSource(text: SpecText, number: number, value: string): SpecText {
  checkOneLine('value', value);
  const found = specSources(text).filter((source) => source.kind === 'source' && source.number === number);
  if (found.length === 0) throw editFailed('replace a source', `Source${number}`, 'none of that number');
  return found.reduce((edited, source) => {
    const line = edited.line(source.line);
    const at = line.lastIndexOf(source.raw);
    return edited.splice(source.line, 1, [line.slice(0, at) + value + line.slice(at + source.raw.length)]);
  }, text);
}

const sourceTag = /^(source|patch)(\d*)$/i;
const originComment = /^#\s*(Origin|CVE|Note):\s/;

function fileOf(location: Evaluated, raw: string): Evaluated {
  if (location.known) return { known: true, value: location.value.slice(location.value.lastIndexOf('/') + 1) };
  // Macros in the folder part of a URL do not matter to the name, as long as none can reach over the last slash.
  const last = raw.slice(raw.lastIndexOf('/') + 1);
  return raw.includes('/') && !/[%{}()]/.test(last) ? { known: true, value: last } : location;
}

function nameMatches(source: SpecSource, file: string): boolean {
  if (source.file.known) return source.file.value === file;
  return source.raw.slice(source.raw.lastIndexOf('/') + 1) === file;
}

/** A name in a spec must also not be a macro, a comment or two words to rpm. */
function checkSpecFileName(file: string): void {
  checkFileName(file);
  if (/[%\s#"'\\$`{}()]/.test(file) || file.startsWith('-')) {
    throw new SourceError(
      {
        code: 'SOURCE_BAD_FILENAME',
        file,
        wanted: 'a name without blanks, quotes, brackets, %, # or $ and no leading -',
      },
      `file name ${quote(file)} is refused: rpm or a shell would read it as something else`,
    );
  }
}

type Kind = 'source' | 'patch';
type NewTag = Pick<AddSource, 'file' | 'number'>;

function commentLines(comment: readonly string[] | undefined, origin: PatchOrigin | undefined): string[] {
  for (const line of comment ?? []) checkOneLine('comment', line);
  const lines = (comment ?? []).map((line) => `# ${line.replaceAll('%', '%%')}`.trimEnd());
  return origin ? [...lines, ...formatPatchOrigin(origin)] : lines;
}

function chooseNumber(text: SpecText, kind: Kind, added: NewTag): { number: number; present: boolean } {
  const known = specSources(text).filter((source) => source.kind === kind);
  const name = added.file.slice(added.file.lastIndexOf('/') + 1);
  const same = known.find((source) => nameMatches(source, name));
  if (same) {
    if (added.number !== undefined && added.number !== same.number) {
      throw editFailed(`add a ${kind}`, `number ${added.number} for ${name}`, `number ${same.number}`, same.line);
    }
    return { number: same.number, present: true };
  }
  const last = known.at(-1);
  // A list counts by itself: its lines have no number that could be chosen.
  if (text.section(`${kind}list`) && !tagLines(text).some((tag) => isTagOf(kind, tag.name))) {
    return { number: (last?.number ?? -1) + 1, present: false };
  }
  const used = new Set(known.map((source) => source.number));
  const pattern = kind === 'patch' ? /(?:^|[\s:{])patch(\d+)\s*:/gi : /(?:^|[\s:{])source(\d+)\s*:/gi;
  for (const section of text.sections) {
    if (section.name !== 'preamble' && section.name !== 'package') continue;
    for (let i = section.bodyStart; i < section.end; i++) {
      // Tags inside macros (`%{?with_x:Patch7: …}`) and in branches that are left out hold their number too.
      if (/^\s*#/.test(text.line(i))) continue;
      for (const match of text.line(i).matchAll(pattern)) used.add(Number(match[1]));
    }
  }
  const number = added.number ?? (used.size === 0 ? 0 : Math.max(...used) + 1);
  if (!Number.isInteger(number) || number < 0 || number > 0x7fff_ffff) {
    throw new RangeError(`"number" must be a whole number from 0 to 2147483647, not ${number}`);
  }
  if (used.has(number)) throw editFailed(`add a ${kind}`, `number ${number} to be free`, `one with number ${number}`);
  return { number, present: false };
}

function insertTag(text: SpecText, kind: Kind, added: NewTag, number: number, comments: readonly string[]): SpecText {
  const tags = tagLines(text);
  const own = tags.filter((tag) => isTagOf(kind, tag.name));
  const list = text.section(`${kind}list`);
  if (own.length === 0 && list) {
    let end = list.end;
    while (end > list.bodyStart && text.line(end - 1).trim() === '') end--;
    return text.splice(text.afterConditions(end - 1, list), 0, [...comments, added.file]);
  }
  const anchor = own.at(-1) ?? tags.filter((tag) => /^source\d*$/i.test(tag.name)).at(-1) ?? lastMainTag(tags);
  if (!anchor) throw editFailed(`add a ${kind}`, 'a preamble with tags', 'none');
  const section = text.sections.find((s) => s.start <= anchor.line && anchor.line < s.end)!;
  const at = text.afterConditions(text.endOfUnit(anchor.line), section);
  return text.splice(at, 0, [...comments, formatTag(text, kind, own.at(-1), added, number)]);
}

function isTagOf(kind: Kind, tag: string): boolean {
  return (kind === 'patch' ? /^patch\d*$/i : /^source\d*$/i).test(tag);
}

function formatTag(text: SpecText, kind: Kind, model: SpecTagLine | undefined, added: NewTag, number: number): string {
  if (!model) return `${kind === 'patch' ? 'Patch' : 'Source'}${number}: ${added.file}`;
  const line = text.line(model.line);
  const start = line.indexOf(model.name);
  const numbered = /\d$/.test(model.name);
  const word = model.name.slice(0, kind.length);
  // An unnumbered list stays one as long as rpm's own counting gives the wanted number.
  const name =
    numbered || added.number !== undefined || !followsByCounting(text, kind, number) ? `${word}${number}` : word;
  const gap = /:(\s*)/.exec(line.slice(start + model.name.length))?.[1] ?? ' ';
  const width = start + model.name.length + 1 + gap.length;
  const aligned = gap.includes('\t') || gap.length <= 1 ? gap || ' ' : ' '.repeat(Math.max(1, width - name.length - 1));
  return `${name}:${aligned}${added.file}`;
}

function followsByCounting(text: SpecText, kind: Kind, number: number): boolean {
  const known = specSources(text).filter((source) => source.kind === kind);
  return (known.at(-1)?.number ?? -1) + 1 === number;
}

function lastMainTag(tags: readonly SpecTagLine[]): SpecTagLine | undefined {
  return tags
    .filter((t) => t.section === 'preamble' && /^(name|version|release|license|url|summary)$/i.test(t.name))
    .at(-1);
}
