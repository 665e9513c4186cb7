/**
 * A spec that can be read and changed without running it and without touching what was not meant.
 *
 * `Spec` is immutable: an edit gives another spec. What an edit does not name stays byte for byte; an edit that was
 * already made changes nothing.
 *
 * Reference: rpm, docs/manual/spec.md
 */
import type { Nevr } from '@distrokit/rpm';
import {
  addChangelogEntry,
  type ChangelogEntry,
  changelogEntries,
  hasAutochangelog,
  type SpecChangelogEntry,
} from './spec-changelog.js';
import { type Evaluated, type EvaluatedTag, evaluateSpec, type SpecEnvironment } from './spec-macro.js';
import { renumberPatches } from './spec-renumber.js';
import { type InsertIntoSection, insertIntoSection } from './spec-section.js';
import {
  type AddPatch,
  type AddSource,
  addPatch,
  addSource,
  removePatch,
  removeSource,
  replaceSource,
  type SpecSource,
  specSources,
} from './spec-sources.js';
import { bumpRelease, type SpecTagLine, setTag, suffixRelease, tagLines } from './spec-tag.js';
import { type SpecCondition, type SpecSection, SpecText } from './spec-text.js';

/**
 * Reads a spec. `parseSpec(text).toString() === text`, whatever the text.
 *
 * Runs nothing: no macro, shell or Lua. Throws SOURCE_LIMIT above 64 Mi characters. Text that rpm would refuse is read as
 * far as it goes, and printed as it came; editing a spec whose conditions or macros are not closed throws SOURCE_BAD_SPEC
 * (line, column).
 */
export function parseSpec(text: string): Spec {
  return new Spec(SpecText.from(text));
}

/** A spec. Made by {@link parseSpec}. */
export class Spec {
  readonly #text: SpecText;

  /** For {@link parseSpec}. */
  constructor(text: SpecText) {
    this.#text = text;
  }

  toString(): string {
    return this.#text.toString();
  }

  /** The preamble and every `%` section, in order. Line numbers count from 0. */
  get sections(): readonly SpecSection[] {
    return this.#text.sections;
  }

  /** Every `%if … %endif`, in order of their first lines. */
  get conditions(): readonly SpecCondition[] {
    return this.#text.conditions;
  }

  /** The lines of a section without its marker, joined as they are. */
  sectionText(section: SpecSection): string {
    return this.#text.lines.slice(section.bodyStart, section.end).join('');
  }

  /** Tag lines as they stand, conditions or not. */
  get tags(): readonly SpecTagLine[] {
    return tagLines(this.#text);
  }

  /** Tag lines that rpm would read, with their values as far as they can be told. */
  evaluateTags(environment?: SpecEnvironment): readonly EvaluatedTag[] {
    return evaluateSpec(this.#text, environment).tags;
  }

  /** Text with macros put in as they stand at the end of the spec, or why that cannot be told. */
  evaluate(text: string, environment?: SpecEnvironment): Evaluated {
    return evaluateSpec(this.#text, environment).expand(text);
  }

  /** `Source` lines that rpm would read, and those of which it cannot be told. */
  sources(environment?: SpecEnvironment): readonly SpecSource[] {
    return specSources(this.#text, environment).filter((source) => source.kind === 'source');
  }

  /** `Patch` lines, likewise. */
  patches(environment?: SpecEnvironment): readonly SpecSource[] {
    return specSources(this.#text, environment).filter((source) => source.kind === 'patch');
  }

  /** Name, epoch, version, release; undefined when one of them cannot be told without running macros. */
  nevr(environment?: SpecEnvironment): Nevr | undefined {
    const tags = evaluateSpec(this.#text, environment).tags.filter((tag) => tag.section === 0);
    const value = (name: string): string | undefined => {
      const found = tags.filter((tag) => tag.name.toLowerCase() === name);
      const [first] = found;
      if (found.length !== 1 || !first?.active || !first.value.known) return undefined;
      return first.value.value;
    };
    const name = value('name');
    const version = value('version');
    const release = value('release');
    if (!name || !version || !release) return undefined;
    if (!tags.some((tag) => tag.name.toLowerCase() === 'epoch')) return { name, version, release };
    const epoch = value('epoch');
    if (epoch === undefined || !/^\d{1,10}$/.test(epoch)) return undefined;
    return { name, epoch: Number(epoch), version, release };
  }

  get changelog(): readonly SpecChangelogEntry[] {
    return changelogEntries(this.#text);
  }

  /** Whether the changelog is made from git history (`%autochangelog`). */
  get hasAutochangelog(): boolean {
    return hasAutochangelog(this.#text);
  }

  /** See {@link AddPatch}. Throws SOURCE_BAD_FILENAME, SOURCE_EDIT_FAILED. */
  addPatch(patch: AddPatch): Spec {
    return this.#with(addPatch(this.#editable, patch));
  }

  /** See {@link AddSource}. Throws SOURCE_BAD_FILENAME, SOURCE_EDIT_FAILED. */
  addSource(source: AddSource): Spec {
    return this.#with(addSource(this.#editable, source));
  }

  /** Removes tag, origin comment and apply line of a patch; the same spec when it has none of that name. */
  removePatch(file: string): Spec {
    return this.#with(removePatch(this.#editable, file));
  }

  /** Removes the tag of a source; the same spec when it has none of that name. */
  removeSource(file: string): Spec {
    return this.#with(removeSource(this.#editable, file));
  }

  /**
   * New numbers from `first` on, in tags and apply lines; tags without number get one where rpm would count otherwise.
   * Throws SOURCE_EDIT_FAILED.
   */
  renumberPatches(first: number): Spec {
    return this.#with(renumberPatches(this.#editable, first));
  }

  /** Throws SOURCE_EDIT_FAILED when there is no such source. */
  replaceSource(number: number, value: string): Spec {
    return this.#with(replaceSource(this.#editable, number, value));
  }

  /** Sets a tag of the main package that is there already. Throws SOURCE_EDIT_FAILED. */
  setTag(name: string, value: string): Spec {
    return this.#with(setTag(this.#editable, name, value));
  }

  /** `5%{?dist}` and `.alma.1` make `5%{?dist}.alma.1`. Idempotent. Throws SOURCE_EDIT_FAILED. */
  suffixRelease(suffix: string): Spec {
    return this.#with(suffixRelease(this.#editable, suffix));
  }

  /** Raises the release by one. Throws SOURCE_EDIT_FAILED. */
  bumpRelease(): Spec {
    return this.#with(bumpRelease(this.#editable));
  }

  /**
   * Puts an entry on top of the changelog. Without `evr` the spec's own epoch, version and release are written as far as
   * they can be told with the dist tag empty; else none. Nothing happens with `%autochangelog`, nor when the newest
   * entry is this one.
   */
  addChangelogEntry(entry: ChangelogEntry): Spec {
    return this.#with(addChangelogEntry(this.#editable, { ...entry, evr: entry.evr ?? this.#changelogEvr() }));
  }

  /** Inserts lines at the top or bottom of a section. Idempotent. Throws SOURCE_EDIT_FAILED without the section. */
  insertIntoSection(insert: InsertIntoSection): Spec {
    return this.#with(insertIntoSection(this.#editable, insert));
  }

  #changelogEvr(): string | undefined {
    const nevr = this.nevr({ macros: { dist: null } });
    if (!nevr) return undefined;
    return `${nevr.epoch === undefined ? '' : `${nevr.epoch}:`}${nevr.version}-${nevr.release}`;
  }

  /** The text, once it is known that an edit can find its place in it. */
  get #editable(): SpecText {
    this.#text.assertClosed();
    return this.#text;
  }

  #with(text: SpecText): Spec {
    return text === this.#text ? this : new Spec(text);
  }
}
