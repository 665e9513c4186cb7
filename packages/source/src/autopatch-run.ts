/**
 * One run of an autopatch document: the tree as it changes, and what each action does to it.
 */
import { type Evr, formatEvr, quote } from '@distrokit/rpm';
import type { ApplyAutopatchOptions, AutopatchMode } from './autopatch.js';
import type {
  AutopatchAction,
  AutopatchAddFile,
  AutopatchAddLine,
  AutopatchChangelogEntry,
  AutopatchConfig,
  AutopatchDeleteLine,
  AutopatchModifyRelease,
  AutopatchOrigin,
  AutopatchReplace,
} from './autopatch-config.js';
import { editLines, type LineEdit } from './autopatch-lines.js';
import {
  addApplyLine,
  addChangelogLines,
  addSectionLines,
  addTagLine,
  NoPlace,
  suffixReleaseLines,
} from './autopatch-spec.js';
import {
  autopatchSuffix,
  autopatchTargets,
  escapePattern,
  fileLines,
  joinLines,
  textLines,
} from './autopatch-target.js';
import { detectLayout } from './dist-git-layout.js';
import { SourceError } from './errors.js';
import { checkFileName } from './file-name.js';
import {
  type AddedFile,
  type ModificationResult,
  type ModificationStep,
  type TreeFiles,
  textOf,
} from './modification.js';
import type { PatchOrigin } from './patch-origin.js';
import { parseSpec, type Spec } from './spec.js';

/** A document being applied, action by action. */
export class AutopatchRun {
  readonly #files: Map<string, Uint8Array>;
  readonly #config: AutopatchConfig;
  readonly #options: ApplyAutopatchOptions;
  readonly #mode: AutopatchMode;
  readonly #log: ModificationStep[] = [];
  readonly #added: AddedFile[] = [];
  readonly #messages: string[] = [];
  #author: { name: string; email: string } | undefined;
  #suffix = '';
  #headings = new Set<string>();

  constructor(files: TreeFiles, config: AutopatchConfig, options: ApplyAutopatchOptions) {
    this.#files = new Map(files);
    this.#config = config;
    this.#options = options;
    this.#mode = options.mode ?? 'strict';
    if (Number.isNaN(options.at.getTime())) throw new RangeError('"at" must be a valid date');
  }

  result(): ModificationResult {
    return {
      files: this.#files,
      commitMessage: this.#messages.join('\n'),
      author: this.#author,
      tagSuffix: this.#suffix,
      added: this.#added,
      log: this.#log,
    };
  }

  /** Every entry of every action in the order in which it runs; each to be applied once, in this order. */
  *steps(): Generator<{ readonly where: string; apply(): void }> {
    for (const [index, action] of this.#config.actions.entries()) {
      const where = `actions[${index}].${action.name}`;
      if (action.name === 'changelog_entry') {
        yield { where, apply: () => this.#changelog(action.entries, where) };
        continue;
      }
      for (const [i, entry] of action.entries.entries()) {
        // A disabled entry also ends the ones after it.
        if ('enabled' in entry && !entry.enabled) break;
        const place = `${where}[${i}]`;
        const target = 'target' in entry ? entry.target : 'file_name' in entry ? entry.file_name : 'spec';
        yield { where: place, apply: () => this.#at(place, target, () => this.#applyEntry(action, i, place)) };
      }
    }
  }

  #applyEntry(action: AutopatchAction, i: number, where: string): void {
    switch (action.name) {
      case 'replace':
        this.#replace(action.entries[i]!, where);
        break;
      case 'delete_line':
        this.#deleteLines(action.entries[i]!, where);
        break;
      case 'modify_release':
        this.#modifyRelease(action.entries[i]!, where);
        break;
      case 'add_files':
        this.#addFile(action.entries[i]!, where);
        break;
      case 'delete_files':
        this.#deleteFile(action.entries[i]!, where);
        break;
      case 'add_line':
        this.#addLine(action.entries[i]!, where);
        break;
      case 'run_script':
        this.#runScript(action.entries[i]!, where);
        break;
      case 'changelog_entry':
        this.#changelog(action.entries, where);
        break;
    }
  }

  /** Turns "no place" into an error that names the action. */
  #at(where: string, target: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      const fault = error instanceof SourceError ? error.fault : undefined;
      if (fault?.code === 'SOURCE_EDIT_FAILED' || fault?.code === 'SOURCE_BAD_SPEC') {
        throw notApplied(where, target, fault.wanted, fault.found, error);
      }
      if (!(error instanceof NoPlace) && !(error instanceof SyntaxError)) throw error;
      throw notApplied(where, target, error.message, 'no such place', error);
    }
  }

  #replace(entry: AutopatchReplace, where: string): void {
    const source = entry.find ?? entry.rfind ?? '';
    const edit = {
      find: textLines(source),
      replace: entry.replace === '' ? undefined : textLines(entry.replace),
      pattern: entry.rfind !== undefined,
      count: entry.count,
    };
    let total = 0;
    const paths = this.#paths(entry.target, where);
    for (const path of paths) {
      const changes = this.#edit(path, { ...edit, isSpec: entry.target === 'spec' });
      if (changes === 0 && (this.#mode === 'compatible' || paths.length === 1)) {
        throw notApplied(where, path, `the text ${quote(source, 120)}`, 'nothing that matches');
      }
      total += changes;
    }
    if (total === 0) throw notApplied(where, entry.target, `the text ${quote(source, 120)}`, 'nothing that matches');
    if (entry.expect !== undefined && total !== entry.expect) {
      throw notApplied(where, entry.target, `${entry.expect} places to change`, `${total}`);
    }
    this.#note(where, `${entry.target}: ${total} replaced`);
  }

  #deleteLines(entry: AutopatchDeleteLine, where: string): void {
    const path = this.#paths(entry.target, where)[0]!;
    for (const text of entry.lines) {
      const edit = {
        find: textLines(text),
        replace: undefined,
        pattern: false,
        count: -1,
        isSpec: entry.target === 'spec',
      };
      if (this.#edit(path, edit) === 0)
        throw notApplied(where, path, `the text ${quote(text, 120)}`, 'nothing that matches');
    }
    this.#note(where, `${entry.target}: ${entry.lines.length} deleted`);
  }

  #modifyRelease(entry: AutopatchModifyRelease, where: string): void {
    const tags = this.#options.existingTags ?? [];
    const suffix = autopatchSuffix(entry, this.#config.parameters.tagPrefix, this.#options.baseTag, tags);
    if (this.#mode === 'strict') this.#editSpec((spec) => spec.suffixRelease(suffix));
    else this.#rewrite(this.#specPath(), (lines) => suffixReleaseLines(lines, suffix));
    this.#suffix += suffix;
    this.#note(where, `spec: release ends with ${suffix}`);
  }

  #changelog(entries: readonly AutopatchChangelogEntry[], where: string): void {
    const messages = entries.map((entry) => [...entry.line]);
    this.#author ??= { name: entries[0]!.name, email: entries[0]!.email };
    for (let i = entries.length - 1; i >= 0; i--) {
      const entry = entries[i]!;
      const place = `${where}[${i}]`;
      let automatic = false;
      this.#at(place, 'spec', () => {
        automatic = !this.#addEntry(entry, place);
      });
      if (!automatic) continue;
      messages[i]![0] = `AlmaLinux changes: ${messages[i]![0] ?? ''}`;
      break;
    }
    this.#messages.push(...messages.flat());
  }

  /** False when the changelog is made from git history. */
  #addEntry(entry: AutopatchChangelogEntry, where: string): boolean {
    const path = this.#specPath();
    if (this.#mode === 'strict') {
      const spec = this.#spec();
      if (spec.hasAutochangelog) return false;
      const evr = formatEvr(this.#evr(spec.toString(), where));
      this.#editSpec((s) =>
        s.addChangelogEntry({ date: this.#options.at, name: entry.name, email: entry.email, evr, lines: entry.line }),
      );
    } else {
      const text = this.#text(path);
      const lines = fileLines(text);
      if (lines.some((line) => line.trim() === '%autochangelog')) return false;
      const evr = formatEvr(this.#evr(text, where));
      const written = addChangelogLines(lines, { ...entry, items: entry.line }, evr, this.#options.at);
      this.#write(path, `${written!.join('\n')}\n`);
    }
    this.#note(where, 'spec: changelog entry');
    return true;
  }

  #evr(text: string, where: string): Evr {
    const { evr } = this.#options;
    if (typeof evr === 'function') return evr(text);
    if (evr) return { ...evr, release: evr.release.endsWith(this.#suffix) ? evr.release : evr.release + this.#suffix };
    const { ignoreVersionMacros, ignoreReleaseMacros, elVersion } = this.#config.parameters;
    const spec = parseSpec(text);
    const macros = { dist: null, ...(elVersion === undefined ? {} : { rhel: elVersion }) };
    const tags = spec.evaluateTags({ macros }).filter((tag) => tag.section === 0);
    const value = (name: string, raw: boolean): string | undefined => {
      const tag = tags.find((found) => found.name.toLowerCase() === name && found.active !== false);
      if (!tag) return undefined;
      if (raw) return tag.raw;
      if (tag.value.known) return tag.value.value;
      throw notApplied(where, 'spec', `a ${name} that can be told without running macros`, tag.value.reason);
    };
    const epoch = value('epoch', false);
    const version = value('version', ignoreVersionMacros);
    const release = value('release', ignoreReleaseMacros);
    if (version === undefined || release === undefined) throw notApplied(where, 'spec', 'Version and Release', 'none');
    return epoch === undefined ? { version, release } : { epoch: Number(epoch), version, release };
  }

  #addFile(entry: AutopatchAddFile, where: string): void {
    checkFileName(entry.name);
    const content = this.#options.payload?.get(entry.name);
    if (!content) throw notApplied(where, entry.name, 'the file among the configuration’s files', 'none of that name');
    const specs = [...this.#files.keys()].some((path) => path.startsWith('SPECS/'));
    const path = specs ? `SOURCES/${entry.name}` : entry.name;
    if (this.#files.has(path)) throw notApplied(where, path, 'a path that is free', 'a file');
    if (entry.modify_spec) this.#declareFile(entry);
    this.#files.set(path, content);
    this.#added.push({ path, ...(entry.origin ? { origin: addedOrigin(entry.origin) } : {}) });
    this.#note(where, `added ${path}`);
  }

  #declareFile(entry: AutopatchAddFile): void {
    const heading = entry.insert_almalinux_line ?? this.#config.parameters.insertAlmalinuxLine;
    const lists =
      entry.type === 'patch' ? [...this.#files.keys()].filter((path) => path.endsWith('.patches')).sort() : [];
    if (this.#mode === 'strict' && lists.length === 0) {
      this.#editSpec((spec) => declareStrictly(spec, entry, heading));
      return;
    }
    const path = lists[0] ?? this.#specPath();
    const first = (what: string): boolean => {
      if (!heading || this.#headings.has(what)) return false;
      this.#headings.add(what);
      return true;
    };
    let number: number | undefined;
    this.#rewrite(path, (lines) => {
      const made = addTagLine(lines, entry, first(entry.type));
      number = made.number;
      return made.lines;
    });
    if (entry.type !== 'patch' || lists.length > 0) return;
    const specPath = this.#specPath();
    const name = this.#options.packageName ?? specPath.slice(specPath.lastIndexOf('/') + 1, -'.spec'.length);
    this.#rewrite(specPath, (lines) => {
      const patch = { name: entry.name, number, noBackup: entry.no_backup };
      const applied = addApplyLine(lines, patch, name === 'kernel', heading && !this.#headings.has('apply'));
      if (applied.length > lines.length) this.#headings.add('apply');
      return applied;
    });
  }

  #deleteFile(entry: { readonly file_name: string }, where: string): void {
    const [found] = autopatchTargets(this.#files, entry.file_name);
    if (found !== undefined) {
      this.#files.delete(found);
      this.#note(where, `deleted ${found}`);
      return;
    }
    const { list } = detectLayout(
      'tree',
      [...this.#files.keys()].filter((path) => !path.includes('/')),
    );
    if (list === undefined) throw notApplied(where, entry.file_name, 'the file, or a list that names it', 'neither');
    const pattern =
      this.#mode === 'strict'
        ? new RegExp(`(?:\\(|\\s)(?:SOURCES/)?${escapePattern(entry.file_name.replace(/^SOURCES\//, ''))}(?:\\)|\\s*$)`)
        : new RegExp(`SHA512 \\(${entry.file_name}\\)|[0-9a-f]{40} ${entry.file_name}`);
    const lines = fileLines(this.#text(list));
    const at = lines.findIndex((line) => pattern.test(line));
    if (at < 0) {
      if (this.#mode === 'strict') throw notApplied(where, list, `a line for ${quote(entry.file_name)}`, 'none');
      this.#note(where, `${list}: no line for ${entry.file_name}`);
      return;
    }
    this.#rewrite(list, () => lines.filter((_, i) => i !== at));
    this.#note(where, `${list}: dropped ${entry.file_name}`);
  }

  #addLine(entry: AutopatchAddLine, where: string): void {
    if (this.#mode === 'compatible') this.#rewrite(this.#specPath(), (lines) => addSectionLines(lines, entry));
    else {
      const section = entry.section.replace(/^%/, '');
      const name = section === 'global' ? (entry.subpackage === undefined ? 'preamble' : 'package') : section;
      this.#editSpec((spec) => {
        const wanted = entry.subpackage;
        const found = spec.sections.find(
          (s) =>
            s.name === name &&
            (wanted === undefined
              ? name === 'preamble' || !/^(?:-n\s+)?[^-\s]/.test(s.argument)
              : namesSubpackage(s.argument, wanted)),
        );
        if (!found) throw new NoPlace(`%${section}${wanted ? ` ${wanted}` : ''}`);
        return spec.insertIntoSection({
          section: name,
          argument: found.argument,
          at: entry.location,
          lines: textLines(entry.content),
        });
      });
    }
    this.#note(where, `spec: lines at the ${entry.location} of ${entry.section}`);
  }

  #runScript(entry: { readonly script: string; readonly cwd: 'rpms' | 'autopatch' }, where: string): void {
    checkFileName(entry.script);
    const { runScript } = this.#options;
    if (!runScript)
      throw notApplied(where, entry.script, 'a function that runs scripts', 'none: nothing is executed here');
    const after = runScript({ name: entry.script, cwd: entry.cwd, files: new Map(this.#files) });
    this.#files.clear();
    for (const [path, bytes] of after) this.#files.set(path, bytes);
    this.#note(where, `ran ${entry.script}`);
  }

  #edit(path: string, edit: LineEdit): number {
    const text = this.#text(path);
    const { lines, changes } = editLines(fileLines(text), edit, this.#mode);
    if (changes > 0) this.#write(path, joinLines(lines, text, this.#mode));
    return changes;
  }

  #editSpec(edit: (spec: Spec) => Spec): void {
    this.#write(this.#specPath(), edit(this.#spec()).toString());
  }

  #spec(): Spec {
    return parseSpec(this.#text(this.#specPath()));
  }

  #rewrite(path: string, edit: (lines: readonly string[]) => readonly string[]): void {
    const text = this.#text(path);
    this.#write(path, joinLines(edit(fileLines(text)), text, this.#mode));
  }

  #specPath(): string {
    const paths = autopatchTargets(this.#files, 'spec');
    if (paths.length === 1) return paths[0]!;
    throw new SourceError(
      {
        code: 'SOURCE_BAD_TREE',
        where: 'tree',
        wanted: 'one spec',
        found: paths.length === 0 ? 'none' : paths.join(', '),
      },
      `source tree: wanted one spec, found ${paths.length === 0 ? 'none' : quote(paths.join(', '), 200)}`,
    );
  }

  #paths(target: string, where: string): string[] {
    if (target === 'spec') return [this.#specPath()];
    const paths = autopatchTargets(this.#files, target);
    if (paths.length === 0) throw notApplied(where, target, 'a file of that name', 'none');
    return paths;
  }

  #text(path: string): string {
    const text = textOf(this.#files.get(path)!);
    if (text === undefined || text === '') {
      throw notApplied('document', path, 'a file of UTF-8 text', text === '' ? 'an empty file' : 'other bytes');
    }
    return text;
  }

  #write(path: string, text: string): void {
    this.#files.set(path, Buffer.from(text, 'utf8'));
  }

  #note(where: string, what: string): void {
    this.#log.push({ where, what });
  }
}

function declareStrictly(spec: Spec, entry: AutopatchAddFile, heading: boolean): Spec {
  const number = entry.number === 'Latest' ? undefined : entry.number;
  if (entry.type === 'source') {
    const comment = heading ? ['AlmaLinux Source'] : [];
    return spec.addSource({ file: entry.name, number, comment });
  }
  const { origin } = entry;
  const link: PatchOrigin | undefined =
    origin?.url === undefined ? undefined : { kind: 'other', url: origin.url, cves: origin.cve ?? [] };
  return spec.addPatch({ file: entry.name, number, origin: link, comment: heading ? ['AlmaLinux Patch'] : [] });
}

function addedOrigin(origin: AutopatchOrigin): NonNullable<AddedFile['origin']> {
  return {
    ...(origin.url === undefined ? {} : { url: origin.url }),
    ...(origin.commit === undefined ? {} : { commit: origin.commit }),
    ...(origin.cve === undefined ? {} : { cve: origin.cve }),
  };
}

function namesSubpackage(argument: string, name: string): boolean {
  const words = argument.split(/\s+/);
  return words.some((word, i) => word === name && (i === 0 || words[i - 1] === '-n'));
}

/** The error of an action that does not fit the tree. */
export function notApplied(where: string, target: string, wanted: string, found: string, cause?: unknown): SourceError {
  return new SourceError(
    { code: 'SOURCE_NOT_APPLIED', where, target, wanted, found },
    `${where} on ${quote(target, 200)}: wanted ${wanted}, found ${found}`,
    cause === undefined ? undefined : { cause },
  );
}
