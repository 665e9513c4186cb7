/**
 * The AlmaLinux autopatch language: a YAML document of actions, read and checked.
 *
 * Reference: AlmaLinux, autopatch-tool, docs/configuration.md
 */
import { badConfig, checkShape, z } from './schema.js';
import { readYaml } from './yaml.js';

const text = z.string().min(1);
const origin = z.strictObject({
  url: z.string().optional(),
  commit: z.string().optional(),
  cve: z.array(z.string()).optional(),
});
const replace = z
  .strictObject({
    target: text,
    find: text.optional(),
    rfind: text.optional(),
    replace: z.string(),
    count: z.int().min(-1).default(-1),
    expect: z.int().min(0).optional(),
  })
  .refine((entry) => (entry.find === undefined) !== (entry.rfind === undefined), 'either find or rfind');
const actionSchemas: { readonly [Name in AutopatchActionName]: z.ZodType<AutopatchEntries[Name]> } = {
  replace,
  delete_line: z.strictObject({ target: text, lines: z.array(text).min(1) }),
  modify_release: z.strictObject({
    suffix: text,
    enabled: z.boolean().default(true),
    auto_increment: z.boolean().default(false),
  }),
  changelog_entry: z.strictObject({ name: text, email: text, line: z.array(text).min(1) }),
  add_files: z.strictObject({
    type: z.enum(['patch', 'source']),
    name: text,
    number: z.union([z.int().min(1), z.literal('Latest')]).default('Latest'),
    modify_spec: z.boolean().default(true),
    insert_almalinux_line: z.boolean().optional(),
    no_backup: z.boolean().default(false),
    origin: origin.optional(),
  }),
  delete_files: z.strictObject({ file_name: text }),
  run_script: z.strictObject({ script: text, cwd: z.enum(['rpms', 'autopatch']).default('rpms') }),
  add_line: z.strictObject({
    target: z.literal('spec'),
    section: text,
    location: z.enum(['top', 'bottom']),
    content: text,
    subpackage: text.optional(),
  }),
};

/** `replace`: text or a pattern in every file that a target names. */
export interface AutopatchReplace {
  readonly target: string;
  /** Either `find`, plain text, or `rfind`, a pattern. */
  readonly find?: string | undefined;
  readonly rfind?: string | undefined;
  /** Empty deletes. */
  readonly replace: string;
  /** −1 for all. */
  readonly count: number;
  /** Our own: how many places must change, no more and no fewer. */
  readonly expect?: number | undefined;
}

/** `delete_line`: lines or blocks of lines. */
export interface AutopatchDeleteLine {
  readonly target: string;
  readonly lines: readonly string[];
}

/** `modify_release`: a suffix on the release. */
export interface AutopatchModifyRelease {
  readonly suffix: string;
  readonly enabled: boolean;
  /** Take the next free number of the tags that exist. */
  readonly auto_increment: boolean;
}

/** `changelog_entry`: one entry, also the text of the commit. */
export interface AutopatchChangelogEntry {
  readonly name: string;
  readonly email: string;
  readonly line: readonly string[];
}

/** `add_files`: a patch or a source from the configuration's own files. */
export interface AutopatchAddFile {
  readonly type: 'patch' | 'source';
  readonly name: string;
  readonly number: number | 'Latest';
  readonly modify_spec: boolean;
  readonly insert_almalinux_line?: boolean | undefined;
  readonly no_backup: boolean;
  /** Our own: where the file came from. */
  readonly origin?: AutopatchOrigin | undefined;
}

/** Where an added file came from. */
export interface AutopatchOrigin {
  readonly url?: string | undefined;
  readonly commit?: string | undefined;
  readonly cve?: readonly string[] | undefined;
}

/** `delete_files`: a file of the tree, or its line in the list of blobs. */
export interface AutopatchDeleteFile {
  readonly file_name: string;
}

/** `run_script`: a script of the configuration; run by the caller, or not at all. */
export interface AutopatchRunScript {
  readonly script: string;
  readonly cwd: 'rpms' | 'autopatch';
}

/** `add_line`: lines at the top or bottom of a section. */
export interface AutopatchAddLine {
  readonly target: 'spec';
  readonly section: string;
  readonly location: 'top' | 'bottom';
  readonly content: string;
  readonly subpackage?: string | undefined;
}

/** The entries of each of the eight actions. */
export interface AutopatchEntries {
  readonly replace: AutopatchReplace;
  readonly delete_line: AutopatchDeleteLine;
  readonly modify_release: AutopatchModifyRelease;
  readonly changelog_entry: AutopatchChangelogEntry;
  readonly add_files: AutopatchAddFile;
  readonly delete_files: AutopatchDeleteFile;
  readonly run_script: AutopatchRunScript;
  readonly add_line: AutopatchAddLine;
}

/** The eight actions. */
export type AutopatchActionName = keyof AutopatchEntries;

/** One action with its entries. */
export type AutopatchAction = {
  readonly [Name in AutopatchActionName]: { readonly name: Name; readonly entries: readonly AutopatchEntries[Name][] };
}[AutopatchActionName];

/** Parameters of a whole document, with their defaults filled in. */
export interface AutopatchParameters {
  readonly insertAlmalinuxLine: boolean;
  readonly customTargetBranch: string;
  readonly preClean: boolean;
  readonly ignoreVersionMacros: boolean;
  readonly ignoreReleaseMacros: boolean;
  readonly tagPrefix: string;
  /** Undefined when the document leaves it to the branch. */
  readonly elVersion: string | undefined;
}

/** A document, in the order in which it runs. */
export interface AutopatchConfig {
  readonly parameters: AutopatchParameters;
  readonly actions: readonly AutopatchAction[];
}

const word = z.union([z.string(), z.int()]).transform(String);
const parameterSchema = z.strictObject({
  insert_almalinux_line: z.boolean().default(true),
  custom_target_branch: z.string().default(''),
  pre_clean: z.boolean().default(false),
  ignore_version_macros: z.boolean().default(false),
  ignore_release_macros: z.boolean().default(false),
  tag_prefix: z.string().default(''),
  el_version: word.optional(),
  rhel_version: word.optional(),
});

/**
 * Reads a document. Keys `expect` (in `replace`) and `origin` (in `add_files`) are ours; the rest is the language as it is.
 * An empty `replace` deletes, as its documentation says.
 *
 * Throws SOURCE_BAD_CONFIG with the place (`actions[1].replace[0].find`) for everything that does not follow the schema.
 */
export function parseAutopatch(yaml: string): AutopatchConfig {
  // The original reads YAML 1.1.
  const root = readYaml(yaml, '1.1');
  if (root === null || typeof root !== 'object' || Array.isArray(root)) {
    throw badConfig('document', 'a mapping with actions', typeof root);
  }
  const { parameters = {}, actions, ...rest } = root as Record<string, unknown>;
  const [unknownKey] = Object.keys(rest);
  if (unknownKey !== undefined) throw badConfig('document', 'parameters and actions', unknownKey);
  if (!Array.isArray(actions) || actions.length === 0) throw badConfig('actions', 'a list of actions', typeof actions);
  return {
    parameters: readParameters(parameters),
    actions: actions.flatMap((item: unknown, index) => readActions(item, `actions[${index}]`)),
  };
}

function readParameters(value: unknown): AutopatchParameters {
  const read = checkShape(parameterSchema, value ?? {}, 'parameters');
  return {
    insertAlmalinuxLine: read.insert_almalinux_line,
    customTargetBranch: read.custom_target_branch,
    preClean: read.pre_clean,
    ignoreVersionMacros: read.ignore_version_macros,
    ignoreReleaseMacros: read.ignore_release_macros,
    tagPrefix: read.tag_prefix,
    elVersion: read.el_version ?? read.rhel_version,
  };
}

function readActions(item: unknown, where: string): AutopatchAction[] {
  if (item === null || typeof item !== 'object' || Array.isArray(item))
    throw badConfig(where, 'an action', typeof item);
  return Object.entries(item as Record<string, unknown>).map(([name, entries]) => {
    if (!Object.hasOwn(actionSchemas, name)) {
      throw badConfig(where, Object.keys(actionSchemas).join(', '), name);
    }
    if (!Array.isArray(entries) || entries.length === 0) throw badConfig(`${where}.${name}`, 'a list', typeof entries);
    const schema: z.ZodType = actionSchemas[name as AutopatchActionName];
    const read = entries.map((entry: unknown, index) => checkShape(schema, entry, `${where}.${name}[${index}]`));
    return { name, entries: read } as unknown as AutopatchAction;
  });
}
