/**
 * The lines of `%prep` that apply patches: found in all their ways, and one added in the way of the others.
 *
 * Reference: rpm, docs/manual/autosetup.md; build/parsePrep.cc (doPatchMacro); kernel.spec (ApplyPatch)
 */
import type { AddPatch } from './spec-sources.js';
import { editFailed } from './spec-tag.js';
import type { SpecSection, SpecText } from './spec-text.js';

/** A line of `%prep` that applies one patch. */
export interface ApplyLine {
  readonly line: number;
  readonly style: 'patchN' | 'patch-P' | 'patch-PN' | 'patch N' | 'ApplyPatch';
  readonly number: number | undefined;
  readonly file: string | undefined;
}

const applyPatterns: readonly (readonly [ApplyLine['style'], RegExp])[] = [
  ['patchN', /^\s*%(?:patch(\d+)(?!\w)|\{patch(\d+)\})/],
  ['patch-PN', /^\s*%\{?patch\b[^#]*?\s-P(\d+)\b/],
  ['patch-P', /^\s*%\{?patch\b[^#]*?\s-P\s+(\d+)\b/],
  ['patch N', /^\s*%\{?patch\s+(?:-\S+\s+)*?(\d+)\b/],
];

/** The lines of `%prep` that apply single patches, in order. */
export function applyLines(text: SpecText): ApplyLine[] {
  const prep = text.section('prep');
  if (!prep) return [];
  const found: ApplyLine[] = [];
  for (let line = prep.bodyStart; line < prep.end; line++) {
    if (text.role(line).inside) continue;
    const content = text.line(line);
    const kernel = /^\s*Apply(?:Optional)?Patch\s+(\S+)/.exec(content);
    if (kernel) {
      found.push({ line, style: 'ApplyPatch', number: undefined, file: kernel[1] });
      continue;
    }
    for (const [style, pattern] of applyPatterns) {
      const match = pattern.exec(content);
      if (!match) continue;
      found.push({ line, style, number: Number(match[1] ?? match[2]), file: undefined });
      break;
    }
  }
  return found;
}

/**
 * Adds the line that applies a patch, in the manner of the last one, unless something applies it already. Throws
 * SOURCE_EDIT_FAILED when no place is found.
 */
export function insertApplyLine(text: SpecText, patch: AddPatch, number: number): SpecText {
  const prep = text.section('prep');
  if (!prep) {
    if (/^\s*BuildSystem\s*:/im.test(text.toString())) return text;
    throw editFailed('add a patch', 'a %prep section that applies it', 'none');
  }
  const applied = applyLines(text);
  if (applied.some((line) => line.number === number || line.file === patch.file)) return text;
  if (appliesAll(text, prep, number)) return text;
  const model = applied.at(-1);
  const anchor = model?.line ?? lastSetup(text, prep);
  if (anchor === undefined)
    throw editFailed('add a patch', '%setup or an applied patch in %prep', 'neither', prep.start);
  const at = text.afterConditions(lastContinuation(text, anchor), prep);
  return text.splice(at, 0, [formatApply(text, model, patch, number)]);
}

/** Whether something in `%prep` applies every patch, this one included. */
function appliesAll(text: SpecText, prep: SpecSection, number: number): boolean {
  for (let line = prep.bodyStart; line < prep.end; line++) {
    const content = text.line(line).replace(/^\s*#.*/, '');
    if (/%\{?patches\}?/.test(content) && !/%\{?patches\}?\w/.test(content)) return true;
    const auto = /%\{?(autosetup|forgeautosetup|autopatch|pyproject_patch|goautosetup)\b(.*)/.exec(content);
    if (!auto) continue;
    const [, macro, options = ''] = auto;
    if (macro !== 'autopatch' && /\s-\w*N/.test(options)) continue;
    const from = /\s-m\s*(\d+)/.exec(options)?.[1];
    const to = /\s-M\s*(\d+)/.exec(options)?.[1];
    const listed = macro === 'autopatch' ? [...options.matchAll(/(?<=\s)\d+(?=\s|$)/g)].map((m) => Number(m[0])) : [];
    if (listed.length > 0 && from === undefined && to === undefined && !/-p\s+\d/.test(options)) {
      if (listed.includes(number)) return true;
      continue;
    }
    if ((from === undefined || number >= Number(from)) && (to === undefined || number <= Number(to))) return true;
  }
  return false;
}

function lastSetup(text: SpecText, prep: SpecSection): number | undefined {
  for (let line = prep.end - 1; line >= prep.bodyStart; line--) {
    if (/^\s*%\{?(setup|autosetup|forgesetup|goprep|forgeautosetup|autopatch)\b/.test(text.line(line))) return line;
  }
  return undefined;
}

function lastContinuation(text: SpecText, line: number): number {
  let end = line;
  while (/\\\s*$/.test(text.line(end)) && end + 1 < text.lineCount) end++;
  return text.endOfUnit(end);
}

function formatApply(text: SpecText, model: ApplyLine | undefined, patch: AddPatch, number: number): string {
  if (!model) return `%patch -P ${number} -p${patch.strip ?? 1}`;
  const line = text.line(model.line);
  const indent = /^\s*/.exec(line)![0];
  const strip = patch.strip ?? Number(/\s-p\s*(\d+)/.exec(line)?.[1] ?? (model.style === 'ApplyPatch' ? 1 : 0));
  // Without -p rpm strips nothing, and neither did the line that this one follows.
  const option = /\s-p\s*\d/.test(line) || patch.strip !== undefined ? ` -p${strip}` : '';
  switch (model.style) {
    case 'ApplyPatch':
      return `${indent}${/Apply(?:Optional)?Patch/.exec(line)![0]} ${patch.file}`;
    case 'patchN':
      return `${indent}%patch${number}${option}`;
    case 'patch-PN':
      return `${indent}%patch -P${number}${option}`;
    case 'patch-P':
      return `${indent}%patch -P ${number}${option}`;
    case 'patch N':
      return `${indent}%patch ${number}${option}`;
  }
}
