/**
 * comps.xml: groups, categories, environments and language packs.
 *
 * Texts keep their translations. Elements that no client knows are not kept.
 *
 * Reference: libcomps, libcomps/src/comps_parse.c; yum, docs/comps.rng
 */
import { RepoError } from './errors.js';
import { escapeAttribute, escapeText, indexOfForbidden } from './xml.js';
import { childrenOf, childText, parseXmlTree, type XmlElement } from './xml-tree.js';
import { badValue } from './xml-values.js';

/** A text with its translations by locale; the untranslated one is under the empty string. */
export type Translations = Readonly<Record<string, string>>;

/** What is in comps.xml. */
export interface Comps {
  readonly groups: readonly CompsGroup[];
  readonly categories: readonly CompsCategory[];
  readonly environments: readonly CompsEnvironment[];
  /** Package name pattern (`foo-%s`) by the package that it completes. */
  readonly langpacks: readonly { readonly name: string; readonly install: string }[];
}

/** A set of packages that is installed by name. */
export interface CompsGroup {
  readonly id: string;
  readonly name: Translations;
  readonly description: Translations;
  readonly isDefault?: boolean;
  readonly userVisible?: boolean;
  readonly biarchOnly?: boolean;
  readonly langOnly?: string;
  readonly displayOrder?: number;
  readonly packages: readonly CompsPackage[];
}

/** A package of a group. */
export interface CompsPackage {
  readonly name: string;
  readonly type: 'mandatory' | 'default' | 'optional' | 'conditional';
  /** The package whose presence a conditional one waits for. */
  readonly requires?: string;
  readonly arches?: readonly string[];
  readonly baseArchOnly?: boolean;
}

/** A heading over groups. */
export interface CompsCategory {
  readonly id: string;
  readonly name: Translations;
  readonly description: Translations;
  readonly displayOrder?: number;
  readonly groupIds: readonly string[];
}

/** What a whole system is installed from: groups, and groups that may be chosen. */
export interface CompsEnvironment {
  readonly id: string;
  readonly name: Translations;
  readonly description: Translations;
  readonly displayOrder?: number;
  readonly groupIds: readonly string[];
  readonly options: readonly { readonly groupId: string; readonly isDefault: boolean }[];
}

/** Reads comps.xml. Throws REPO_BAD_XML, REPO_BAD_VALUE. */
export function parseComps(bytes: Uint8Array, document = 'comps.xml'): Comps {
  const root = parseXmlTree(document, bytes, 'comps', { allowDoctype: true });
  return {
    groups: childrenOf(root, 'group').map((element) => groupOf(document, element)),
    categories: childrenOf(root, 'category').map((element) => categoryOf(document, element)),
    environments: childrenOf(root, 'environment').map((element) => environmentOf(document, element)),
    langpacks: childrenOf(root, 'langpacks')
      .flatMap((list) => childrenOf(list, 'match'))
      .map((match) => ({ name: match.attributes.get('name') ?? '', install: match.attributes.get('install') ?? '' })),
  };
}

/** comps.xml's text. Throws REPO_BAD_TEXT for text that XML cannot carry. */
export function formatComps(comps: Comps): string {
  let out =
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">\n<comps>\n';
  for (const group of comps.groups) {
    out += `  <group>\n${heading(group)}`;
    out +=
      flag('default', group.isDefault) + flag('uservisible', group.userVisible) + flag('biarchonly', group.biarchOnly);
    if (group.langOnly !== undefined) out += line(4, 'langonly', '', group.langOnly);
    out += order(group.displayOrder);
    out += '    <packagelist>\n';
    for (const pkg of group.packages) {
      const attributes = [
        ` type="${pkg.type}"`,
        pkg.requires === undefined ? '' : ` requires="${escapeAttribute(checked(pkg.requires))}"`,
        pkg.arches === undefined ? '' : ` arch="${escapeAttribute(checked(pkg.arches.join(',')))}"`,
        pkg.baseArchOnly === undefined ? '' : ` basearchonly="${pkg.baseArchOnly}"`,
      ].join('');
      out += line(6, 'packagereq', attributes, pkg.name);
    }
    out += '    </packagelist>\n  </group>\n';
  }
  for (const category of comps.categories) {
    out += `  <category>\n${heading(category)}${order(category.displayOrder)}${groupList(category.groupIds)}  </category>\n`;
  }
  for (const environment of comps.environments) {
    out += `  <environment>\n${heading(environment)}${order(environment.displayOrder)}${groupList(environment.groupIds)}`;
    if (environment.options.length > 0) {
      out += '    <optionlist>\n';
      for (const { groupId, isDefault } of environment.options) {
        out += line(6, 'groupid', isDefault ? ' default="true"' : '', groupId);
      }
      out += '    </optionlist>\n';
    }
    out += '  </environment>\n';
  }
  if (comps.langpacks.length > 0) {
    out += '  <langpacks>\n';
    for (const { name, install } of comps.langpacks) {
      out += `    <match install="${escapeAttribute(checked(install))}" name="${escapeAttribute(checked(name))}"/>\n`;
    }
    out += '  </langpacks>\n';
  }
  return `${out}</comps>\n`;
}

/**
 * Several comps in one. What has the same id is joined: texts and flags of the later one, packages and groups of all.
 */
export function mergeComps(...all: readonly Comps[]): Comps {
  return {
    groups: joinById(
      all.flatMap((comps) => comps.groups),
      (before, after) => ({
        ...before,
        ...after,
        packages: joinBy(before.packages, after.packages, (pkg) => `${pkg.type} ${pkg.name}`),
      }),
    ),
    categories: joinById(
      all.flatMap((comps) => comps.categories),
      (before, after) => ({
        ...before,
        ...after,
        groupIds: joinBy(before.groupIds, after.groupIds, (id) => id),
      }),
    ),
    environments: joinById(
      all.flatMap((comps) => comps.environments),
      (before, after) => ({
        ...before,
        ...after,
        groupIds: joinBy(before.groupIds, after.groupIds, (id) => id),
        options: joinBy(before.options, after.options, (option) => option.groupId),
      }),
    ),
    langpacks: joinBy(
      [],
      all.flatMap((comps) => comps.langpacks),
      (match) => match.name,
    ),
  };
}

/**
 * Comps with the packages that `keep` lets through. With `dropEmpty` groups without packages go, then categories and
 * environments without groups.
 */
export function filterComps(
  comps: Comps,
  keep: (pkg: CompsPackage, group: CompsGroup) => boolean,
  options: { readonly dropEmpty?: boolean } = {},
): Comps {
  const groups = comps.groups.map((group) => ({
    ...group,
    packages: group.packages.filter((pkg) => keep(pkg, group)),
  }));
  if (options.dropEmpty !== true) return { ...comps, groups };
  const filled = groups.filter((group) => group.packages.length > 0);
  const ids = new Set(filled.map((group) => group.id));
  const narrowed = <Item extends { readonly groupIds: readonly string[] }>(list: readonly Item[]): Item[] =>
    list
      .map((item) => ({ ...item, groupIds: item.groupIds.filter((id) => ids.has(id)) }))
      .filter((item) => item.groupIds.length > 0);
  return {
    ...comps,
    groups: filled,
    categories: narrowed(comps.categories),
    environments: narrowed(comps.environments).map((environment) => ({
      ...environment,
      options: environment.options.filter((option) => ids.has(option.groupId)),
    })),
  };
}

function groupOf(document: string, element: XmlElement): CompsGroup {
  const langOnly = childText(element, 'langonly');
  return {
    ...headingOf(document, element),
    ...flagOf(element, 'default', 'isDefault'),
    ...flagOf(element, 'uservisible', 'userVisible'),
    ...flagOf(element, 'biarchonly', 'biarchOnly'),
    ...(langOnly === undefined ? {} : { langOnly }),
    packages: childrenOf(element, 'packagelist')
      .flatMap((list) => childrenOf(list, 'packagereq'))
      .map(packageOf),
  };
}

/** An unknown or absent type counts as mandatory, as clients read it. */
function packageOf(element: XmlElement): CompsPackage {
  const type = element.attributes.get('type');
  const requires = element.attributes.get('requires');
  const arches = element.attributes.get('arch');
  const baseArchOnly = element.attributes.get('basearchonly');
  return {
    name: element.text.trim(),
    type: type === 'default' || type === 'optional' || type === 'conditional' ? type : 'mandatory',
    ...(requires === undefined ? {} : { requires }),
    ...(arches === undefined ? {} : { arches: arches.split(/[\s,]+/).filter((arch) => arch !== '') }),
    ...(baseArchOnly === undefined ? {} : { baseArchOnly: isTrue(baseArchOnly) }),
  };
}

function categoryOf(document: string, element: XmlElement): CompsCategory {
  return { ...headingOf(document, element), groupIds: groupIdsOf(element) };
}

function environmentOf(document: string, element: XmlElement): CompsEnvironment {
  const options = childrenOf(element, 'optionlist')
    .flatMap((list) => childrenOf(list, 'groupid'))
    .map((option) => ({ groupId: option.text.trim(), isDefault: isTrue(option.attributes.get('default') ?? '') }));
  return { ...headingOf(document, element), groupIds: groupIdsOf(element), options };
}

function groupIdsOf(element: XmlElement): string[] {
  return childrenOf(element, 'grouplist')
    .flatMap((list) => childrenOf(list, 'groupid'))
    .map((group) => group.text.trim());
}

interface Heading {
  readonly id: string;
  readonly name: Translations;
  readonly description: Translations;
  readonly displayOrder?: number;
}

function headingOf(document: string, element: XmlElement): Heading {
  const id = childText(element, 'id')?.trim();
  if (id === undefined || id === '') throw badValue(document, element.offset, `${element.name}/id`, 'an id', 'none');
  const displayOrder = childText(element, 'display_order')?.trim();
  return {
    id,
    name: translationsOf(element, 'name'),
    description: translationsOf(element, 'description'),
    ...(displayOrder !== undefined && /^-?[0-9]{1,9}$/.test(displayOrder)
      ? { displayOrder: Number(displayOrder) }
      : {}),
  };
}

function translationsOf(element: XmlElement, name: string): Translations {
  const texts: [string, string][] = [];
  for (const child of element.children) {
    if (child.name === name) texts.push([child.attributes.get('xml:lang') ?? '', child.text]);
  }
  return Object.fromEntries(texts);
}

function flagOf<Key extends string>(element: XmlElement, name: string, key: Key): Partial<Record<Key, boolean>> {
  const text = childText(element, name);
  return text === undefined ? {} : ({ [key]: isTrue(text) } as Record<Key, boolean>);
}

function isTrue(text: string): boolean {
  return /^\s*(true|1|yes)\s*$/i.test(text);
}

function joinById<Item extends { readonly id: string }>(
  items: readonly Item[],
  join: (before: Item, after: Item) => Item,
): Item[] {
  const joined = new Map<string, Item>();
  for (const item of items) {
    const before = joined.get(item.id);
    joined.set(item.id, before === undefined ? item : join(before, item));
  }
  return [...joined.values()];
}

function joinBy<Item>(before: readonly Item[], after: readonly Item[], keyOf: (item: Item) => string): Item[] {
  return [...new Map([...before, ...after].map((item) => [keyOf(item), item])).values()];
}

function heading(item: Heading): string {
  return line(4, 'id', '', item.id) + translated('name', item.name) + translated('description', item.description);
}

function translated(name: string, texts: Translations): string {
  return Object.entries(texts)
    .map(([locale, text]) =>
      line(4, name, locale === '' ? '' : ` xml:lang="${escapeAttribute(checked(locale))}"`, text),
    )
    .join('');
}

function groupList(ids: readonly string[]): string {
  return `    <grouplist>\n${ids.map((id) => line(6, 'groupid', '', id)).join('')}    </grouplist>\n`;
}

function flag(name: string, value: boolean | undefined): string {
  return value === undefined ? '' : line(4, name, '', String(value));
}

function order(value: number | undefined): string {
  return value === undefined ? '' : line(4, 'display_order', '', String(value));
}

function line(indent: number, name: string, attributes: string, text: string): string {
  const content = escapeText(checked(text));
  return `${' '.repeat(indent)}<${name}${attributes}${content === '' ? '/>' : `>${content}</${name}>`}\n`;
}

function checked(text: string): string {
  const at = indexOfForbidden(text);
  if (at < 0) return text;
  const found = `U+${text.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0')}`;
  throw new RepoError(
    { code: 'REPO_BAD_TEXT', package: 'comps.xml', field: 'text', index: 0, offset: at, found },
    `comps.xml: text that XML can carry wanted, found ${found}`,
  );
}
