/**
 * The edit language of srpmproc, which Rocky Linux and OpenELA keep beside their imports (`PATCHES/*.cfg`).
 *
 * Kinds of directives run in a fixed order, whatever the order in the file: replace, delete, add, patch, lookaside,
 * spec_change. The result is that of any other modification; blobs that leave the tree come with it.
 *
 * Reference: rocky-linux/srpmproc, proto/cfg.proto
 */
import { createHash } from 'node:crypto';
import { quote } from '@distrokit/rpm';
import { SourceError } from './errors.js';
import { checkFileName, checkRelativePath } from './file-name.js';
import type { AddedFile, ModificationResult, ModificationStep, TreeFiles } from './modification.js';
import { applyPatch } from './patch-apply.js';
import { parsePrototext, type TextMessage } from './prototext.js';
import { badConfig } from './schema.js';
import { formatSources, parseSources } from './sources-file.js';
import { parseSpec, type Spec } from './spec.js';

/** One edit of the spec. */
export interface SrpmprocSpecChange {
  readonly file: readonly {
    readonly name: string;
    readonly type: 'Source' | 'Patch';
    readonly change: 'add' | 'delete';
    readonly addToPrep: boolean;
    /** Leading path parts that `%patch` strips. */
    readonly nPath: number;
  }[];
  readonly changelog: readonly { readonly name: string; readonly email: string; readonly message: readonly string[] }[];
  readonly searchAndReplace: readonly {
    /** A tag, or a way to look at whole lines. */
    readonly in: { readonly field: string } | 'any' | 'starts_with' | 'ends_with';
    readonly find: string;
    readonly replace: string;
    /** −1 for all. */
    readonly n: number;
  }[];
  readonly append: readonly { readonly field: string; readonly value: string }[];
  readonly newField: readonly { readonly key: string; readonly value: string }[];
}

/** A configuration, by kind. Paths are relative to the tree; a bare name also stands for one in `SOURCES/`. */
export interface SrpmprocConfig {
  readonly replace: readonly {
    readonly file: string;
    readonly with: { readonly file: string } | { readonly inline: string } | { readonly lookaside: string };
  }[];
  readonly delete: readonly string[];
  readonly add: readonly { readonly file?: string; readonly lookaside?: string; readonly name?: string }[];
  readonly patch: readonly { readonly file: string; readonly strict: boolean }[];
  readonly lookaside: readonly { readonly file: readonly string[]; readonly tar: boolean }[];
  readonly specChange: SrpmprocSpecChange | undefined;
}

/** Everything that the outcome depends on besides tree and configuration. */
export interface ApplySrpmprocOptions {
  /** The day of changelog entries, in UTC. */
  readonly at: Date;
  /** Content of blobs that the configuration names by digest. */
  readonly blobs?: ReadonlyMap<string, Uint8Array> | undefined;
}

/** A modification, and the blobs that it moved out of the tree, by path. */
export interface SrpmprocResult extends ModificationResult {
  readonly movedToLookaside: TreeFiles;
}

/** Reads a configuration. Throws SOURCE_BAD_CONFIG with the line, for unknown fields too. */
export function parseSrpmproc(text: string): SrpmprocConfig {
  const root = new Fields(parsePrototext(text), 'configuration');
  const specChanges = root.messages('spec_change');
  if (specChanges.length > 1) throw badConfig('spec_change', 'one', String(specChanges.length));
  const config: SrpmprocConfig = {
    replace: root.messages('replace').map((m) => {
      const file = m.string('file');
      const inline = m.optional('with_inline');
      const lookaside = m.optional('with_lookaside');
      const other = m.optional('with_file');
      m.done();
      if (other !== undefined) return { file, with: { file: other } };
      if (inline !== undefined) return { file, with: { inline } };
      if (lookaside !== undefined) return { file, with: { lookaside } };
      throw badConfig('replace', 'with_file, with_inline or with_lookaside', 'none');
    }),
    delete: root.messages('delete').map((m) => m.only('file')),
    add: root.messages('add').map((m) => {
      const [file, lookaside, name] = [m.optional('file'), m.optional('lookaside'), m.optional('name')];
      m.done();
      if ((file === undefined) === (lookaside === undefined))
        throw badConfig('add', 'file or lookaside', 'both or none');
      return {
        ...(file === undefined ? {} : { file }),
        ...(lookaside === undefined ? {} : { lookaside }),
        ...(name === undefined ? {} : { name }),
      };
    }),
    patch: root.messages('patch').map((m) => {
      const patch = { file: m.string('file'), strict: m.boolean('strict') };
      m.done();
      return patch;
    }),
    lookaside: root.messages('lookaside').map((m) => {
      const entry = { file: m.strings('file'), tar: m.boolean('tar') };
      m.optional('archive_name');
      m.boolean('from_patch_tree');
      m.done();
      return entry;
    }),
    specChange: specChanges[0] ? readSpecChange(specChanges[0]) : undefined,
  };
  root.done();
  return config;
}

/**
 * Applies a configuration. Pure. `with_file` and `add` take files from the tree itself (`PATCHES/…`).
 *
 * The changelog line carries the version as it is written and what was appended to the release, as srpmproc's do.
 * Throws SOURCE_NOT_APPLIED, naming directive and target; SOURCE_EDIT_FAILED for an edit of the spec that finds no place.
 */
export function applySrpmproc(files: TreeFiles, config: SrpmprocConfig, options: ApplySrpmprocOptions): SrpmprocResult {
  const log: ModificationStep[] = [];
  const added: AddedFile[] = [];
  const moved = new Map<string, Uint8Array>();
  let tree = new Map(files);
  const note = (where: string, what: string): void => {
    log.push({ where, what });
  };
  const find = (path: string, where: string): string => {
    checkRelativePath(path);
    const found = [path, `SOURCES/${path}`].find((candidate) => tree.has(candidate));
    if (found === undefined) throw notApplied(where, path, 'a file of that name', 'none');
    return found;
  };
  const blob = (hex: string, where: string): Uint8Array => {
    const bytes = options.blobs?.get(hex);
    if (!bytes) throw notApplied(where, hex, 'the blob', 'none of that digest');
    return bytes;
  };

  for (const [i, entry] of config.replace.entries()) {
    const where = `replace[${i}]`;
    const path = find(entry.file, where);
    const content =
      'inline' in entry.with
        ? Buffer.from(entry.with.inline)
        : 'file' in entry.with
          ? tree.get(find(entry.with.file, where))!
          : blob(entry.with.lookaside, where);
    tree.set(path, content);
    note(where, `replaced ${path}`);
  }
  for (const [i, file] of config.delete.entries()) {
    const path = find(file, `delete[${i}]`);
    tree.delete(path);
    note(`delete[${i}]`, `deleted ${path}`);
  }
  for (const [i, entry] of config.add.entries()) {
    const where = `add[${i}]`;
    const name = entry.name ?? entry.file?.slice(entry.file.lastIndexOf('/') + 1) ?? '';
    checkFileName(name);
    const content = entry.file === undefined ? blob(entry.lookaside ?? '', where) : tree.get(find(entry.file, where))!;
    const path = `SOURCES/${name}`;
    if (tree.has(path)) throw notApplied(where, path, 'a path that is free', 'a file');
    tree.set(path, content);
    added.push({ path });
    note(where, `added ${path}`);
  }
  for (const [i, entry] of config.patch.entries()) {
    const where = `patch[${i}]`;
    const text = Buffer.from(tree.get(find(entry.file, where))!).toString('latin1');
    tree = new Map(applyPatch(tree, text, where, entry.strict ? '' : 'SOURCES/'));
    note(where, `applied ${entry.file}`);
  }
  for (const [i, entry] of config.lookaside.entries()) {
    const where = `lookaside[${i}]`;
    if (entry.tar) throw notApplied(where, entry.file.join(', '), 'single files', 'an archive, which is not made here');
    for (const file of entry.file) {
      const path = find(file, where);
      moved.set(path, tree.get(path)!);
      tree.delete(path);
      note(where, `moved ${path} to the lookaside store`);
    }
  }
  if (moved.size > 0) listBlobs(tree, moved);
  const change = config.specChange;
  let suffix = '';
  if (change) {
    const specs = [...tree.keys()].filter((path) => /^(?:SPECS\/)?[^/]+\.spec$/.test(path));
    const [path] = specs;
    if (path === undefined || specs.length > 1)
      throw notApplied('spec_change', 'spec', 'one spec', String(specs.length));
    suffix = change.append
      .filter(({ field }) => field.toLowerCase() === 'release')
      .map(({ value }) => value)
      .join('');
    const spec = parseSpec(Buffer.from(tree.get(path)!).toString('utf8'));
    tree.set(path, Buffer.from(changeSpec(spec, change, suffix, options.at).toString()));
    note('spec_change', `changed ${path}`);
  }
  const messages = change?.changelog.flatMap((entry) => entry.message) ?? [];
  const author = change?.changelog[0] && { name: change.changelog[0].name, email: change.changelog[0].email };
  return {
    files: tree,
    commitMessage: messages.join('\n'),
    author,
    tagSuffix: suffix,
    added,
    log,
    movedToLookaside: moved,
  };
}

function changeSpec(spec: Spec, change: SrpmprocSpecChange, suffix: string, at: Date): Spec {
  let edited = spec;
  for (const file of change.file) {
    if (file.change === 'delete')
      edited = file.type === 'Patch' ? edited.removePatch(file.name) : edited.removeSource(file.name);
    else if (file.type === 'Source') edited = edited.addSource({ file: file.name });
    else {
      edited = edited.addPatch({ file: file.name, apply: false });
      const number = edited.patches().find(({ file: name }) => name.known && name.value === file.name)?.number;
      // srpmproc puts it at the end of %prep, not after the last patch.
      const lines = [`%patch${number} -p${file.nPath}`];
      if (file.addToPrep) edited = edited.insertIntoSection({ section: 'prep', at: 'bottom', lines });
    }
  }
  for (const entry of change.append) {
    const [tag] = edited.tags.filter((found) => found.name.toLowerCase() === entry.field.toLowerCase());
    if (!tag) throw notApplied('spec_change.append', entry.field, 'a tag of that name', 'none');
    if (!tag.value.endsWith(entry.value)) edited = edited.setTag(entry.field, tag.value + entry.value);
  }
  for (const { key, value } of change.newField) {
    edited = edited.insertIntoSection({ section: 'preamble', at: 'top', lines: [`${key}: ${value}`] });
  }
  for (const entry of change.searchAndReplace) edited = searchAndReplace(edited, entry);
  const version = edited.tags.find((tag) => tag.name.toLowerCase() === 'version')?.value ?? '';
  for (const { name, email, message } of [...change.changelog].reverse()) {
    edited = edited.addChangelogEntry({ date: at, name, email, evr: `${version}${suffix}`, lines: message });
  }
  return edited;
}

function searchAndReplace(spec: Spec, entry: SrpmprocSpecChange['searchAndReplace'][number]): Spec {
  let left = entry.n < 0 ? Number.POSITIVE_INFINITY : entry.n;
  const place = entry.in;
  const tagLines =
    typeof place === 'object'
      ? new Set(spec.tags.filter((t) => t.name.toLowerCase() === place.field.toLowerCase()).map((t) => t.line))
      : undefined;
  const lines = spec.toString().split('\n');
  const edited = lines.map((line, i) => {
    if (left <= 0 || (tagLines && !tagLines.has(i))) return line;
    if (
      place === 'starts_with'
        ? !line.startsWith(entry.find)
        : place === 'ends_with'
          ? !line.endsWith(entry.find)
          : !line.includes(entry.find)
    ) {
      return line;
    }
    const parts = line.split(entry.find);
    const count = Math.min(parts.length - 1, left);
    left -= count;
    return (
      parts.slice(0, count + 1).join(entry.replace) +
      (count + 1 < parts.length ? entry.find + parts.slice(count + 1).join(entry.find) : '')
    );
  });
  return parseSpec(edited.join('\n'));
}

function listBlobs(tree: Map<string, Uint8Array>, moved: TreeFiles): void {
  const list = [...tree.keys()].find((path) => /^\.[^/]+\.metadata$/.test(path));
  if (list === undefined) throw notApplied('lookaside', '.metadata', 'a list of blobs', 'none');
  const entries = parseSources(Buffer.from(tree.get(list)!).toString('utf8'));
  for (const [file, bytes] of moved) {
    entries.push({ file, digest: { algorithm: 'sha256', hex: createHash('sha256').update(bytes).digest('hex') } });
  }
  tree.set(list, Buffer.from(formatSources(entries, 'metadata')));
}

function readSpecChange(m: Fields): SrpmprocSpecChange {
  const change: SrpmprocSpecChange = {
    file: m.messages('file').map((f) => {
      const name = f.string('name');
      const type = f.string('type');
      if (type !== 'Source' && type !== 'Patch') throw badConfig('spec_change.file.type', 'Source or Patch', type);
      const [add, remove] = [f.boolean('add'), f.boolean('delete')];
      if (add === remove) throw badConfig('spec_change.file', 'add or delete', 'both or none');
      const entry = {
        name,
        type,
        change: add ? 'add' : 'delete',
        addToPrep: f.boolean('add_to_prep'),
        nPath: f.number('n_path', 1),
      } as const;
      f.done();
      return entry;
    }),
    changelog: m.messages('changelog').map((c) => {
      const entry = { name: c.string('author_name'), email: c.string('author_email'), message: c.strings('message') };
      c.done();
      return entry;
    }),
    searchAndReplace: m.messages('search_and_replace').map((s) => {
      const field = s.optional('field');
      const flags = (['any', 'starts_with', 'ends_with'] as const).filter((flag) => s.boolean(flag));
      const place = field === undefined ? flags[0] : { field };
      if (place === undefined)
        throw badConfig('spec_change.search_and_replace', 'field, any, starts_with or ends_with', 'none');
      const entry = { in: place, find: s.string('find'), replace: s.optional('replace') ?? '', n: s.number('n', -1) };
      s.done();
      if (entry.find === '') throw badConfig('spec_change.search_and_replace.find', 'a text', 'an empty one');
      return entry;
    }),
    append: m.messages('append').map((a) => {
      const entry = { field: a.string('field'), value: a.string('value') };
      a.done();
      return entry;
    }),
    newField: m.messages('new_field').map((n) => {
      const entry = { key: n.string('key'), value: n.string('value') };
      n.done();
      return entry;
    }),
  };
  // Alignment is a matter of taste: new lines here always follow the lines around them.
  m.boolean('disable_auto_align');
  m.done();
  return change;
}

/** The fields of one message; what nobody asked for is an error. */
class Fields {
  readonly #left: { name: string; value: string | TextMessage; line: number }[];
  readonly #where: string;

  constructor(message: TextMessage, where: string) {
    this.#left = [...message.fields];
    this.#where = where;
  }

  messages(name: string): Fields[] {
    return this.#take(name).map((field) => {
      if (typeof field.value === 'string') throw badConfig(`line ${field.line}, ${name}`, 'a message', field.value);
      return new Fields(field.value, `line ${field.line}, ${name}`);
    });
  }

  strings(name: string): string[] {
    return this.#take(name).map((field) => {
      if (typeof field.value !== 'string') throw badConfig(`line ${field.line}, ${name}`, 'a value', 'a message');
      return field.value;
    });
  }

  optional(name: string): string | undefined {
    const values = this.strings(name);
    if (values.length > 1) throw badConfig(`${this.#where}.${name}`, 'one value', String(values.length));
    return values[0];
  }

  string(name: string): string {
    const value = this.optional(name);
    if (value === undefined) throw badConfig(`${this.#where}.${name}`, 'a value', 'none');
    return value;
  }

  only(name: string): string {
    const value = this.string(name);
    this.done();
    return value;
  }

  boolean(name: string): boolean {
    const value = this.optional(name);
    if (value !== undefined && !/^(true|false|t|f|1|0)$/i.test(value))
      throw badConfig(`${this.#where}.${name}`, 'true or false', value);
    return value !== undefined && /^[t1]/i.test(value);
  }

  number(name: string, otherwise: number): number {
    const value = this.optional(name);
    if (value === undefined) return otherwise;
    if (!/^-?\d{1,9}$/.test(value)) throw badConfig(`${this.#where}.${name}`, 'a whole number', value);
    return Number(value);
  }

  done(): void {
    const [field] = this.#left;
    if (field) throw badConfig(`line ${field.line}`, `a field that ${this.#where} has`, field.name);
  }

  #take(name: string): { name: string; value: string | TextMessage; line: number }[] {
    const found = this.#left.filter((field) => field.name === name);
    for (const field of found) this.#left.splice(this.#left.indexOf(field), 1);
    return found;
  }
}

function notApplied(where: string, target: string, wanted: string, found: string): SourceError {
  return new SourceError(
    { code: 'SOURCE_NOT_APPLIED', where, target, wanted, found },
    `${where} on ${quote(target, 200)}: wanted ${wanted}, found ${found}`,
  );
}
