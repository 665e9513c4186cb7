/**
 * A configuration in the edit language of srpmproc, read and checked.
 *
 * Reference: rocky-linux/srpmproc, proto/cfg.proto
 */
import { parsePrototext, type TextMessage } from './prototext.js';
import { badConfig } from './schema.js';

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
  /** To the value of a tag, or as a line to a section (`%prep`). */
  readonly append: readonly { readonly field: string; readonly value: string }[];
  readonly newField: readonly { readonly key: string; readonly value: string }[];
}

/** Files that leave the tree for the blob store. */
export interface SrpmprocLookaside {
  readonly file: readonly string[];
  /** As one archive of this name, without `.tar.gz`; the files themselves then stay. Undefined for each by itself. */
  readonly archiveName: string | undefined;
  /** The files lie beside the configuration, not among the sources. */
  readonly fromPatchTree: boolean;
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
  readonly lookaside: readonly SrpmprocLookaside[];
  readonly specChange: SrpmprocSpecChange | undefined;
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
      const [file, tar, archiveName] = [m.strings('file'), m.boolean('tar'), m.optional('archive_name')];
      const fromPatchTree = m.boolean('from_patch_tree');
      m.done();
      if (tar && !archiveName) throw badConfig('lookaside.archive_name', 'a name for the archive', 'none');
      return { file, archiveName: tar ? archiveName : undefined, fromPatchTree };
    }),
    specChange: specChanges[0] ? readSpecChange(specChanges[0]) : undefined,
  };
  root.done();
  return config;
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
