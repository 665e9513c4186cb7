/**
 * Edits of tag lines: set a value, bump or suffix the release. Each touches only the characters it must.
 *
 * Reference: rpm, docs/manual/spec.md (preamble tags); fedora rpmautospec (%autorelease)
 */
import { quote } from '@distrokit/rpm';
import { SourceError } from './errors.js';
import { tagLine } from './spec-macro.js';
import type { SpecText } from './spec-text.js';

/** A tag line as it stands, whatever conditions are around it. */
export interface SpecTagLine {
  readonly name: string;
  readonly qualifier: string;
  /** Without blanks at its ends. */
  readonly value: string;
  /** Index of the line. */
  readonly line: number;
  /** Index of the value's first character on the line. */
  readonly column: number;
  /** `preamble` or `package`. */
  readonly section: 'preamble' | 'package';
  /** Argument of the `%package` line; empty in the preamble. */
  readonly subpackage: string;
}

/** All tag lines of the preamble and of `%package` sections, in order. */
export function tagLines(text: SpecText): SpecTagLine[] {
  const tags: SpecTagLine[] = [];
  for (const section of text.sections) {
    if (section.name !== 'preamble' && section.name !== 'package') continue;
    for (let line = section.bodyStart; line < section.end; line++) {
      if (text.role(line).inside) continue;
      const content = text.line(line);
      const match = tagLine.exec(content);
      if (!match) continue;
      const [, name = '', qualifier = '', value = ''] = match;
      tags.push({
        name,
        qualifier,
        value: value.trim(),
        line,
        column: content.length - value.length,
        section: section.name,
        subpackage: section.argument,
      });
    }
  }
  return tags;
}

/**
 * Sets a tag of the main package on every line that has it (one in each branch of a condition, say), keeping the
 * blanks before the value. Throws SOURCE_EDIT_FAILED when there is none, TypeError for a value that is not one line.
 */
export function setTag(text: SpecText, name: string, value: string): SpecText {
  checkOneLine('value', value);
  const lines = mainTags(text, name);
  if (lines.length === 0) throw editFailed('set a tag', `a ${name} tag`, 'none in the preamble');
  return lines.reduce((edited, tag) => replaceValue(edited, tag, value), text);
}

/**
 * Appends a suffix such as `.alma.1` to every `Release` of the main package, after `%{?dist}`.
 *
 * Idempotent: a release that ends with the suffix stays; one that ends with the same suffix and another final number
 * (`.alma.1` for `.alma.2`) gets the new number. `%autorelease` becomes `%{autorelease}` so that the suffix is no
 * argument of it. Throws SOURCE_EDIT_FAILED without a Release tag, TypeError for a suffix with blanks, `-` or `%`.
 */
export function suffixRelease(text: SpecText, suffix: string): SpecText {
  if (!/^[A-Za-z0-9._+~^]+$/.test(suffix)) {
    throw new TypeError(`"suffix" must consist of letters, digits and . _ + ~ ^, not ${quote(suffix)}`);
  }
  const lines = mainTags(text, 'Release');
  if (lines.length === 0) throw editFailed('suffix the release', 'a Release tag', 'none in the preamble');
  return lines.reduce((edited, tag) => replaceValue(edited, tag, suffixed(tag.value, suffix)), text);
}

/**
 * Raises every `Release` of the main package by one: the number at its start, or the last number before `%{?dist}`.
 * A suffix after `%{?dist}` is dropped, since it counted changes to the old release. `%autorelease` stays as it is: it
 * counts commits. Not idempotent, as its name says. Throws SOURCE_EDIT_FAILED when a release has no number to raise.
 */
export function bumpRelease(text: SpecText): SpecText {
  const lines = mainTags(text, 'Release');
  if (lines.length === 0) throw editFailed('bump the release', 'a Release tag', 'none in the preamble');
  return lines.reduce((edited, tag) => {
    if (autorelease.test(tag.value)) return edited;
    const dist = /%\{\??dist\}|%\??dist\b/.exec(tag.value);
    const head = dist ? tag.value.slice(0, dist.index) : tag.value;
    const number = /^(.*?)(\d+)([^\d%{}]*)$/.exec(head);
    if (!number) throw editFailed('bump the release', 'a number before %{?dist}', tag.value, tag.line);
    const [, before = '', digits = '', after = ''] = number;
    return replaceValue(edited, tag, `${before}${BigInt(digits) + 1n}${after}${dist?.[0] ?? ''}`);
  }, text);
}

/** Throws TypeError for text that would not stay on one line of a spec. */
export function checkOneLine(argument: string, value: string): void {
  if (/[\r\n\0]/.test(value)) throw new TypeError(`"${argument}" must be one line of text`);
}

/** The error for a spec that offers no place for an edit; `line` counts from 0. */
export function editFailed(edit: string, wanted: string, found: string, line?: number): SourceError {
  return new SourceError(
    { code: 'SOURCE_EDIT_FAILED', edit, wanted, found, ...(line === undefined ? {} : { line: line + 1 }) },
    `spec${line === undefined ? '' : `, line ${line + 1}`}: cannot ${edit}: wanted ${wanted}, found ${quote(found)}`,
  );
}

const autorelease = /%(?:autorelease(?!\w)|\{\??autorelease[\s}])/;

function mainTags(text: SpecText, name: string): SpecTagLine[] {
  const wanted = name.toLowerCase();
  return tagLines(text).filter((tag) => tag.section === 'preamble' && tag.name.toLowerCase() === wanted);
}

function replaceValue(text: SpecText, tag: SpecTagLine, value: string): SpecText {
  const line = text.line(tag.line);
  const trailing = line.slice(tag.column + tag.value.length);
  return text.splice(tag.line, 1, [line.slice(0, tag.column) + value + trailing]);
}

function suffixed(value: string, suffix: string): string {
  if (value.endsWith(suffix)) return value;
  const stem = suffix.replace(/\d+$/, '');
  if (stem !== suffix && stem !== '' && /[^\d]/.test(stem)) {
    const at = value.lastIndexOf(stem);
    if (at >= 0 && /^\d+$/.test(value.slice(at + stem.length))) return value.slice(0, at) + suffix;
  }
  const bare = /^%autorelease(?!\w)(.*)$/.exec(value);
  return bare ? `%{autorelease${bare[1]!.trimEnd()}}${suffix}` : value + suffix;
}
