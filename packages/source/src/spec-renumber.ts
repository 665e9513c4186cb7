/**
 * New numbers for the patches of a spec, where they are named and where they are applied.
 *
 * Reference: rpm, build/parsePreamble.cc (addSource); docs/manual/autosetup.md
 */
import { applyLines } from './spec-applied-patch.js';
import { editFailed, type SpecTagLine, tagLines } from './spec-tag.js';
import type { SpecText } from './spec-text.js';

/**
 * Gives the patches new numbers from `first` on, in order of their tags, in tags and apply lines alike. A tag without a
 * number stays so where rpm's own counting gives the wanted one; so do the lines of `%patchlist`.
 *
 * Throws SOURCE_EDIT_FAILED when the numbers cannot be told (patches in conditions that rpm counts, a number used twice),
 * or when another line uses them in a way that is not followed (a range of `%autopatch`, `%{PATCH3}`).
 */
export function renumberPatches(text: SpecText, first: number): SpecText {
  if (!Number.isInteger(first) || first < 0 || first > 0x7fff_ffff)
    throw new RangeError(`"first" must be a whole number from 0 to 2147483647, not ${first}`);
  refuseOtherUses(text);
  const patches = countPatches(text);
  if (patches.length === 0) return text;
  if (patches[0]!.tag === undefined && first !== 0)
    throw editFailed('renumber patches', 'a Patch tag', 'a %patchlist, which counts from 0', patches[0]!.line);
  const renamed = new Map<number, number>();
  for (const [i, { number, line }] of patches.entries()) {
    if (number === undefined) continue;
    if (renamed.has(number)) throw editFailed('renumber patches', 'each number once', `${number} again`, line);
    renamed.set(number, first + i);
  }
  const unsure = patches.find(({ number }) => number === undefined);
  let edited = text;
  for (const applied of applyLines(text)) {
    if (applied.number === undefined) continue;
    const number = renamed.get(applied.number);
    if (number === undefined) {
      if (unsure === undefined) continue;
      const found = 'one that depends on a condition';
      throw editFailed('renumber patches', `the patch with number ${applied.number}`, found, unsure.line);
    }
    edited = edited.splice(applied.line, 1, [renumberApply(text.line(applied.line), applied.number, number)]);
  }
  for (const tag of tagLines(text).filter(({ name }) => /^nopatch$/i.test(name))) {
    const line = text.line(tag.line);
    const numbers = tag.value.replace(/\d+/g, (digits) => {
      const number = renamed.get(Number(digits));
      if (number === undefined)
        throw editFailed('renumber patches', `the patch with number ${digits}`, 'none that is sure', tag.line);
      return String(number);
    });
    const rest = line.slice(tag.column + tag.value.length);
    edited = edited.splice(tag.line, 1, [line.slice(0, tag.column) + numbers + rest]);
  }
  for (const [i, { tag, number }] of patches.entries()) {
    if (tag === undefined) continue;
    const numbered = /\d$/.test(tag.name);
    // rpm counts on from the tag before, as long as no condition can take that one away.
    const follows = i === 0 ? first === 0 : number !== undefined;
    if (!numbered && follows) continue;
    const line = text.line(tag.line);
    const at = line.indexOf(tag.name);
    const name = `${tag.name.slice(0, 'patch'.length)}${first + i}`;
    edited = edited.splice(tag.line, 1, [line.slice(0, at) + name + line.slice(at + tag.name.length)]);
  }
  return edited;
}

interface CountedPatch {
  /** Undefined for a line of `%patchlist`. */
  readonly tag: SpecTagLine | undefined;
  readonly line: number;
  /** Undefined where rpm counts and a condition decides. */
  readonly number: number | undefined;
}

/** Patches in the order in which rpm counts them: a tag or line without number is one more than the one before. */
function countPatches(text: SpecText): CountedPatch[] {
  const patches: CountedPatch[] = [];
  let last: number | undefined = -1;
  const add = (tag: SpecTagLine | undefined, line: number): void => {
    const digits = tag?.name.slice('patch'.length) ?? '';
    const conditional = text.role(line).condition !== undefined;
    const counted: number | undefined = last === undefined || conditional ? undefined : last + 1;
    const number = digits === '' ? counted : Number(digits);
    patches.push({ tag, line, number });
    last = conditional ? undefined : number;
  };
  for (const tag of tagLines(text)) if (/^patch\d*$/i.test(tag.name)) add(tag, tag.line);
  const list = text.section('patchlist');
  for (let line = list?.bodyStart ?? 0; line < (list?.end ?? 0); line++) {
    if (!/^\s*(?:#.*|%.*)?$/.test(text.line(line))) add(undefined, line);
  }
  return patches;
}

function refuseOtherUses(text: SpecText): void {
  for (let i = 0; i < text.lineCount; i++) {
    const line = text.line(i);
    if (/^\s*#/.test(line)) continue;
    if (/%\{?\??P?:?PATCH\d|%\{P:\d/i.test(line) && !/^\s*%\{?patch\d/.test(line))
      throw editFailed('renumber patches', 'patches applied by number only', line, i);
    if (/%(?:autopatch|autosetup)\b.*-[mM]\s*\d/.test(line))
      throw editFailed('renumber patches', '%autopatch without a range', line, i);
  }
}

function renumberApply(line: string, from: number, to: number): string {
  return line
    .replace(new RegExp(`^(\\s*%\\{?patch)${from}(?!\\d)`), `$1${to}`)
    .replace(new RegExp(`^(\\s*%\\{?patch\\b[^#]*?\\s-P\\s*)${from}(?!\\d)`), `$1${to}`)
    .replace(new RegExp(`^(\\s*%\\{?patch\\s+(?:-\\S+\\s+)*?)${from}(?!\\d)`), `$1${to}`);
}
