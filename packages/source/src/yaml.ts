/**
 * YAML read and changed: the only file that knows the YAML library.
 *
 * The compiled package gets it by `#yaml`, which is `yaml-on-demand.ts` in Node: see `scripts/tsup-door.ts`.
 */
import { isMap, type ParsedNode, parseAllDocuments, parseDocument } from 'yaml';
import { SourceError } from './errors.js';
import { badConfig } from './schema.js';

const maxLength = 4 * 2 ** 20;

/**
 * One document as values. `1.1` is what Python reads (`no` is false, 010 is 8); `strings` takes every plain word for
 * text, so that a stream called 1.10 stays one. Throws SOURCE_BAD_CONFIG, also for aliases that grow without end.
 */
export function readYaml(text: string, rules: '1.1' | 'strings'): unknown {
  checkLength(text);
  const options = rules === '1.1' ? { version: '1.1' as const } : { schema: 'failsafe' as const };
  const document = parseDocument(text, { ...options, merge: false, prettyErrors: false });
  const [error] = document.errors;
  if (error) throw badConfig('document', 'YAML', error.message);
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw badConfig('document', 'YAML without runaway aliases', cause instanceof Error ? cause.message : String(cause));
  }
}

/**
 * Sets values in the first document and keeps everything else: comments, order, the other documents. A path leads
 * through mappings that exist; the last key may be new. Throws SOURCE_BAD_CONFIG where a path leads nowhere.
 */
export function setYamlValues(
  text: string,
  values: readonly { readonly path: readonly string[]; readonly value: string }[],
): string {
  checkLength(text);
  const documents = parseAllDocuments(text, { schema: 'failsafe', keepSourceTokens: true });
  const [first] = Array.isArray(documents) ? documents : [];
  if (!first || first.errors.length > 0) throw badConfig('document', 'YAML', first?.errors[0]?.message ?? 'nothing');
  // Values are put into the text itself: printing the whole document again would change its layout.
  const edits: { readonly start: number; readonly end: number; readonly text: string }[] = [];
  for (const { path, value } of values) {
    if (!/^[A-Za-z0-9._+-]+$/.test(value)) throw badConfig(path.join('.'), 'a plain word', value);
    const parent = first.getIn(path.slice(0, -1), true) as ParsedNode | undefined;
    if (!isMap(parent)) throw badConfig(path.join('.'), 'a mapping', 'none');
    const pair = parent.items.find((item) => (item.key as { value?: unknown }).value === path.at(-1));
    const range = (pair?.value as ParsedNode | undefined | null)?.range;
    if (range) edits.push({ start: range[0], end: range[1], text: value });
    else {
      const key = parent.items[0]?.key as ParsedNode | undefined;
      if (!key?.range || pair) throw badConfig(path.join('.'), 'a mapping with values', 'an empty one');
      const at = key.range[0];
      if (parent.flow) {
        edits.push({ start: at, end: at, text: `${path.at(-1)}: ${value}, ` });
        continue;
      }
      const indent = text.slice(text.lastIndexOf('\n', at - 1) + 1, at);
      if (indent.trim() !== '') throw badConfig(path.join('.'), 'a mapping in block style', 'one in braces');
      edits.push({ start: at, end: at, text: `${path.at(-1)}: ${value}\n${indent}` });
    }
  }
  return edits
    .sort((a, b) => b.start - a.start)
    .reduce((edited, { start, end, text: value }) => edited.slice(0, start) + value + edited.slice(end), text);
}

function checkLength(text: string): void {
  if (text.length <= maxLength) return;
  throw new SourceError(
    { code: 'SOURCE_LIMIT', what: 'characters of a configuration', limit: maxLength, found: text.length },
    `configuration: ${text.length} characters, at most ${maxLength} are read`,
  );
}
