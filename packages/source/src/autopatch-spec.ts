/**
 * Autopatch's own edits of a spec, byte for byte as the original makes them: patches and sources added, lines put into
 * sections, the release suffixed, changelog entries written.
 *
 * These work on lines, not on the spec's structure, because the original does. `strict` mode uses `spec.ts` instead.
 *
 * Reference: AlmaLinux, autopatch-tool, docs/configuration.md
 */
import { wrapText } from './text-wrap.js';

/** A place that was not found: the action does not fit this spec. */
export class NoPlace extends Error {}

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Release:` lines with a suffix appended; of a spec that carries its own `%autorelease`, the macro's last line. */
export function suffixReleaseLines(lines: readonly string[], suffix: string): string[] {
  const releases = lines.filter((line) => line.startsWith('Release:'));
  if (releases.length === 0) throw new NoPlace('a Release: line');
  if (!releases.some((line) => line.includes('%autorelease'))) {
    return lines.map((line) => (line.startsWith('Release:') ? line + suffix : line));
  }
  if (!lines.some((line) => /%(?:define|global)\s+autorelease\b/.test(line))) return [...lines];
  const tail = '}%{?-e:.%{-e*}}%{?-s:.%{-s*}}%{!?-n:%{?dist}}';
  const at = lines.findIndex((line) => line.includes(tail));
  if (at < 0) throw new NoPlace('the last line of the autorelease macro');
  return lines.map((line, i) => (i === at ? line.replace(tail, tail + suffix) : line));
}

/** The first items and their author, as an entry is written. */
export interface ChangelogText {
  readonly name: string;
  readonly email: string;
  readonly items: readonly string[];
}

/** Puts one entry right after `%changelog`, items wrapped at 80 columns. Returns undefined for `%autochangelog`. */
export function addChangelogLines(
  lines: readonly string[],
  entry: ChangelogText,
  evr: string,
  at: Date,
): string[] | undefined {
  if (lines.some((line) => line.trim() === '%autochangelog')) return undefined;
  const place = lines.findIndex((line) => line.trim() === '%changelog');
  if (place < 0) throw new NoPlace('a line %changelog');
  const day = String(at.getUTCDate()).padStart(2, '0');
  const when = `${days[at.getUTCDay()]} ${months[at.getUTCMonth()]} ${day} ${at.getUTCFullYear()}`;
  const body = entry.items.flatMap((item) => wrapText(item, 80, '- ', '  '));
  const added = [`* ${when} ${entry.name} <${entry.email}> - ${evr}`, ...body, ''];
  return [...lines.slice(0, place + 1), ...added, ...lines.slice(place + 1)];
}

/** Adds a `Patch` or `Source` line after the last one, with the heading comment when it is the first of this run. */
export function addTagLine(
  lines: readonly string[],
  file: { readonly type: 'patch' | 'source'; readonly name: string; readonly number: number | 'Latest' },
  heading: boolean,
): { lines: string[]; number: number | undefined } {
  const word = file.type === 'patch' ? 'Patch' : 'Source';
  const own = lastTag(lines, word);
  const anchor = own ?? lastTag(lines, 'Source');
  if (!anchor) throw new NoPlace(`a ${word} or Source line`);
  if (file.number !== 'Latest' && lines.some((line) => tagNumber(line, 'Patch') === file.number)) {
    throw new NoPlace(`Patch${file.number} to be free`);
  }
  // A spec that does not number its last line gets no number either, even where one is asked for.
  const next = own?.number === undefined ? 1 : own.number + 1;
  const number = anchor.number === undefined ? undefined : file.number === 'Latest' ? next : file.number;
  const tag = `${word}${number ?? ''}: ${file.name}`;
  const region = afterRegion(lines, anchor.line);
  // Behind a region the original leaves one more line in between.
  const at = region === anchor.line ? region : region + 1;
  const added = heading ? ['', `# AlmaLinux ${word}`, tag] : [tag];
  return { lines: [...lines.slice(0, at + 1), ...added, ...lines.slice(at + 1)], number };
}

/** How `%prep` applies patches, in the order in which the original asks. */
export type ApplyStyle = 'none' | 'ApplyPatch' | 'patchN' | 'patch -P N' | 'patch -PN';

/** Adds the line in `%prep` that applies a patch; the same lines when the spec needs none. */
export function addApplyLine(
  lines: readonly string[],
  patch: { readonly name: string; readonly number: number | undefined; readonly noBackup: boolean },
  kernel: boolean,
  heading: boolean,
): string[] {
  const automatic = /%(?:autosetup|forgeautosetup|autopatch)/;
  if (!kernel && lines.some((line) => automatic.test(line))) return [...lines];
  const dot = patch.name.lastIndexOf('.');
  const stem = (dot > 0 ? patch.name.slice(0, dot) : patch.name).replaceAll('.', '');
  let last = -1;
  let style: ApplyStyle = kernel ? 'ApplyPatch' : 'patch -P N';
  lines.forEach((line, i) => {
    const found = kernel
      ? /^\s*Apply(?:Optional)?Patch\s+\S+\.patch/.test(line)
        ? 'ApplyPatch'
        : undefined
      : applyStyle(line);
    if (!found) return;
    last = i;
    style = found;
  });
  const anchor = last >= 0 ? last : lastIndex(lines, /^\s*%setup/);
  if (anchor < 0) throw new NoPlace('%setup or an applied patch');
  const backup = patch.noBackup || kernel ? '' : ` -b .${stem}`;
  const line = kernel ? `ApplyPatch ${stem}.patch` : `${applyText(style, patch.number)} -p1${backup}`;
  const at = afterRegion(lines, anchor);
  const added = heading ? ['', '# Applying AlmaLinux Patch', line] : [line];
  return [...lines.slice(0, at + 1), ...added, ...lines.slice(at + 1)];
}

/** A line to put into a section. */
export interface SectionLine {
  readonly section: string;
  readonly location: 'top' | 'bottom';
  readonly content: string;
  readonly subpackage?: string | undefined;
}

const markers =
  '%description %prep %build %install %check %clean %files %changelog %pre %post %preun %postun %package ' +
  '%triggerin %triggerun %triggerpostun %verifyscript %pretrans %posttrans';
const sectionMarkers = markers.split(' ');

/** Puts content at the top or bottom of a section; sections are told by the first characters of a line. */
export function addSectionLines(lines: readonly string[], add: SectionLine): string[] {
  const isMarker = (line: string): boolean => sectionMarkers.some((marker) => line.startsWith(marker));
  const content = add.content.split('\n');
  const insert = (at: number): string[] => [...lines.slice(0, at), ...content, ...lines.slice(at)];
  const next = (from: number): number => {
    const found = lines.findIndex((line, i) => i >= from && isMarker(line));
    return found < 0 ? lines.length : found;
  };
  if (add.section === 'global' && add.subpackage === undefined) return insert(add.location === 'top' ? 0 : next(0));
  const at = lines.findIndex((line) => matchesSection(line, add));
  if (at < 0) throw new NoPlace(`%${add.section}${add.subpackage ? ` ${add.subpackage}` : ''}`);
  return insert(add.location === 'top' ? at + 1 : next(at + 1));
}

function matchesSection(line: string, add: SectionLine): boolean {
  const section = add.section === 'global' ? 'package' : add.section.replace(/^%/, '');
  if (!line.startsWith(`%${section}`)) return false;
  if (!['package', 'files', 'description', 'pre', 'post', 'preun', 'postun'].includes(section)) return true;
  const [, ...words] = line.trim().split(/\s+/);
  if (add.subpackage === undefined)
    return !words.some((word, i) => word === '-n' || (i === 0 && !word.startsWith('-')));
  return words.some((word, i) => word === add.subpackage && (i === 0 || words[i - 1] === '-n'));
}

function lastTag(lines: readonly string[], word: string): { line: number; number: number | undefined } | undefined {
  const pattern = new RegExp(`^${word}(\\d*):`);
  for (let line = lines.length - 1; line >= 0; line--) {
    const match = pattern.exec(lines[line]!);
    if (match) return { line, number: match[1] === '' ? undefined : Number(match[1]) };
  }
  return undefined;
}

function tagNumber(line: string, word: string): number | undefined {
  const match = new RegExp(`^${word}(\\d+):`).exec(line);
  return match ? Number(match[1]) : undefined;
}

/** The line itself, or the end of the `%if` or `pushd` region that it lies in. */
function afterRegion(lines: readonly string[], line: number): number {
  // Upward: an end met first means that the region before is closed; a start met first, that this line is inside it.
  const ends: Readonly<Record<string, RegExp>> = { if: /^%endif/, pushd: /^popd/ };
  const starts: Readonly<Record<string, RegExp>> = { if: /^%i[f]*/, pushd: /^pushd/ };
  for (const kind of ['if', 'pushd']) {
    for (let i = line - 1; i >= 0; i--) {
      if (ends[kind]!.test(lines[i]!)) break;
      if (!starts[kind]!.test(lines[i]!)) continue;
      const end = lines.findIndex((text, at) => at > line && ends[kind]!.test(text));
      return end < 0 ? line : end;
    }
  }
  return line;
}

function applyStyle(line: string): ApplyStyle | undefined {
  if (/^\s*%patch\d+/.test(line)) return 'patchN';
  if (/^\s*%patch\s+-P\s/.test(line)) return 'patch -P N';
  if (/^\s*%patch\s+-P\d+/.test(line)) return 'patch -PN';
  return undefined;
}

function applyText(style: ApplyStyle, patchNumber: number | undefined): string {
  const number = patchNumber ?? '';
  if (style === 'patchN') return `%patch${number}`;
  return style === 'patch -PN' ? `%patch -P${number}` : `%patch -P ${number}`;
}

function lastIndex(lines: readonly string[], pattern: RegExp): number {
  for (let i = lines.length - 1; i >= 0; i--) if (pattern.test(lines[i]!)) return i;
  return -1;
}
