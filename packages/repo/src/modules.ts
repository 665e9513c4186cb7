/**
 * modules.yaml: module streams, defaults, translations and obsoletes.
 *
 * A document keeps its bytes: what was not touched is written as it was read. Values are read as strings throughout,
 * since YAML would make the number 1.1 of the stream 1.10.
 *
 * Reference: libmodulemd, yaml_specs/*.yaml
 */
import { quote } from '@distrokit/rpm';
import { RepoError } from './errors.js';
import { parseYaml } from './yaml.js';

/** A value of a module document. Scalars are strings, whatever YAML takes them for. */
export type ModuleValue = string | null | readonly ModuleValue[] | { readonly [key: string]: ModuleValue };

/** One YAML document of modules.yaml. */
export interface ModuleDocument {
  /** `modulemd`, `modulemd-defaults`, `modulemd-translations`, `modulemd-obsoletes`, `modulemd-packager`, or another word. */
  readonly kind: string;
  /** Of the document's format, for instance 2. */
  readonly version: string;
  /** What follows `data:`. */
  readonly data: { readonly [key: string]: ModuleValue };
  /** The document's own text, from after `---` to its end. */
  readonly text: string;
}

/** Name, stream, version, context, arch: the identity of one module build. */
export interface Nsvca {
  readonly name: string;
  readonly stream: string;
  readonly version: string;
  readonly context: string;
  readonly arch: string;
}

/** A module build, as far as a repository needs it. */
export interface ModuleStream extends Nsvca {
  /** NEVRAs with epoch, as written. */
  readonly artifacts: readonly string[];
  readonly profiles: Readonly<Record<string, readonly string[]>>;
  readonly document: ModuleDocument;
}

const maxBytes = 64 * 1024 * 1024;

/** Reads modules.yaml. Throws REPO_BAD_VALUE with the byte offset of the document that is no module document. */
export function parseModules(bytes: Uint8Array, name = 'modules.yaml'): ModuleDocument[] {
  if (bytes.length > maxBytes) {
    throw new RepoError(
      { code: 'REPO_TOO_LARGE', document: name, limitBytes: maxBytes },
      `${name}: at most ${maxBytes} bytes wanted, found ${bytes.length}`,
    );
  }
  let whole: string;
  try {
    whole = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw badModule(name, 0, 'UTF-8', 'other bytes', cause);
  }
  const documents: ModuleDocument[] = [];
  for (const { text, offset } of splitDocuments(whole)) {
    if (text.split('\n').every((line) => /^\s*(?:#|$)/.test(line))) continue;
    documents.push(moduleDocument(name, text, offset));
  }
  return documents;
}

/** modules.yaml's text: each document as it was read. */
export function formatModules(documents: readonly ModuleDocument[]): string {
  return documents.map((document) => `---\n${document.text.replace(/\n?$/, '\n')}...\n`).join('');
}

/** The module builds among the documents. */
export function moduleStreams(documents: readonly ModuleDocument[]): ModuleStream[] {
  return documents
    .filter((document) => document.kind === 'modulemd')
    .map((document) => {
      const { data } = document;
      const text = (key: string): string => (typeof data[key] === 'string' ? data[key] : '');
      const rpms = asMap(data.artifacts)?.rpms;
      const profiles = Object.entries(asMap(data.profiles) ?? {}).map(
        ([profile, value]) => [profile, asList(asMap(value)?.rpms)] as const,
      );
      return {
        name: text('name'),
        stream: text('stream'),
        version: text('version'),
        context: text('context'),
        arch: text('arch'),
        artifacts: asList(rpms),
        profiles: Object.fromEntries(profiles),
        document,
      };
    });
}

/**
 * Several lists in one, each document once: builds by NSVCA, defaults by module, translations by module and stream,
 * obsoletes by module, stream and context. Of documents with one key the one with the greater `version` or `modified`
 * stays, of equal ones the later.
 */
export function mergeModules(...lists: readonly (readonly ModuleDocument[])[]): ModuleDocument[] {
  const merged = new Map<string, ModuleDocument>();
  for (const document of lists.flat()) {
    const key = keyOf(document);
    const before = merged.get(key);
    if (before === undefined || modifiedOf(document) >= modifiedOf(before)) merged.set(key, document);
  }
  return [...merged.values()];
}

/** The documents of the modules that `keep` lets through; documents of other modules go with their module. */
export function filterModules(
  documents: readonly ModuleDocument[],
  keep: (stream: ModuleStream) => boolean,
): ModuleDocument[] {
  const kept = new Set(
    moduleStreams(documents)
      .filter(keep)
      .map((stream) => stream.document),
  );
  const names = new Set([...kept].map((document) => moduleName(document)));
  return documents.filter((document) =>
    document.kind === 'modulemd' ? kept.has(document) : names.has(moduleName(document)),
  );
}

function moduleName(document: ModuleDocument): string {
  const { data } = document;
  const name = document.kind === 'modulemd' || document.kind === 'modulemd-packager' ? data.name : data.module;
  return typeof name === 'string' ? name : '';
}

function keyOf(document: ModuleDocument): string {
  const { kind, data } = document;
  const parts =
    kind === 'modulemd'
      ? [data.name, data.stream, data.version, data.context, data.arch]
      : [moduleName(document), kind === 'modulemd-defaults' ? null : data.stream, data.context];
  return JSON.stringify([kind, ...parts.map((part) => part ?? null)]);
}

function modifiedOf(document: ModuleDocument): string {
  const { modified } = document.data;
  return typeof modified === 'string' ? modified.padStart(20, '0') : '';
}

/** `---` begins a document, `...` ends one; both stand alone at the start of a line. */
function splitDocuments(whole: string): { readonly text: string; readonly offset: number }[] {
  const parts: { text: string; offset: number }[] = [];
  let start = 0;
  let offset = 0;
  for (const found of whole.matchAll(/^(?:---|\.\.\.)(?=\s|$)[ \t]*(?:#.*)?\r?\n?/gm)) {
    parts.push({ text: whole.slice(start, found.index), offset });
    offset += new TextEncoder().encode(whole.slice(start, found.index + found[0].length)).length;
    start = found.index + found[0].length;
  }
  parts.push({ text: whole.slice(start), offset });
  return parts;
}

function moduleDocument(name: string, text: string, offset: number): ModuleDocument {
  let value: unknown;
  try {
    value = parseYaml(text);
  } catch (cause) {
    const found = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    throw badModule(name, offset, 'YAML', found, cause);
  }
  const root = asMap(value as ModuleValue);
  if (typeof root?.document !== 'string') throw badModule(name, offset, 'document: with a word', 'none');
  const known = root.document.startsWith('modulemd');
  if (!known) return { kind: root.document, version: '', data: asMap(root.data) ?? {}, text };
  if (typeof root.version !== 'string') throw badModule(name, offset, 'version: with a number', 'none');
  const data = asMap(root.data);
  if (data === undefined) throw badModule(name, offset, 'data: with a mapping', 'none');
  return { kind: root.document, version: root.version, data, text };
}

function asMap(value: ModuleValue | undefined): { readonly [key: string]: ModuleValue } | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as { readonly [key: string]: ModuleValue })
    : undefined;
}

function asList(value: ModuleValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

function badModule(document: string, offset: number, wanted: string, found: string, cause?: unknown): RepoError {
  return new RepoError(
    { code: 'REPO_BAD_VALUE', document, offset, what: 'module document', wanted, found: found.slice(0, 80) },
    `${document}: the document at byte ${offset}: ${wanted} wanted, found ${quote(found)}`,
    cause === undefined ? undefined : { cause },
  );
}
