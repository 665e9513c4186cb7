/**
 * updateinfo.xml: the advisories of a repository.
 *
 * Reference: createrepo_c, src/xml_dump_updateinfo.c, src/xml_parser_updateinfo.c; libsolv, ext/repo_updateinfoxml.c
 */
import { type Digest, quote } from '@distrokit/rpm';
import { RepoError } from './errors.js';
import { formatChecksumType, parseChecksumType } from './repomd.js';
import { escapeAttribute, escapeText, indexOfForbidden, XmlReader } from './xml.js';
import { childrenOf, childText, TreeDecoder, type XmlElement } from './xml-tree.js';
import { badValue } from './xml-values.js';

/** One update notice. Texts are as written; absent ones are absent. */
export interface Advisory {
  /** Empty where the document gives none. */
  readonly id: string;
  /** `security`, `bugfix`, `enhancement`, `newpackage`, or a word of the vendor's own. */
  readonly type: string;
  /** Who publishes it, for instance an address. */
  readonly from?: string;
  /** `final`, `stable`, `testing` … */
  readonly status?: string;
  /** Of the notice, not of a package. */
  readonly version?: string;
  readonly title?: string;
  readonly issued?: Date;
  readonly updated?: Date;
  readonly rights?: string;
  readonly release?: string;
  readonly pushCount?: string;
  /** `Critical`, `Important`, `Moderate`, `Low`, `None`, as written. */
  readonly severity?: string;
  readonly summary?: string;
  readonly description?: string;
  readonly solution?: string;
  readonly rebootSuggested?: boolean;
  readonly references: readonly AdvisoryReference[];
  readonly collections: readonly AdvisoryCollection[];
}

/** A link of an advisory. */
export interface AdvisoryReference {
  /** `cve`, `bugzilla`, `self`, `rhsa`, … */
  readonly type: string;
  readonly id?: string;
  readonly href?: string;
  readonly title?: string;
}

/** Packages that fix something, all of one module stream or of none. */
export interface AdvisoryCollection {
  readonly name?: string;
  readonly shortName?: string;
  readonly module?: {
    readonly name: string;
    readonly stream: string;
    readonly version: string;
    readonly context: string;
    readonly arch: string;
  };
  readonly packages: readonly AdvisoryPackage[];
}

/** A package that carries the fix. */
export interface AdvisoryPackage {
  readonly name: string;
  /** Absent counts as 0. */
  readonly epoch?: number;
  readonly version: string;
  readonly release: string;
  readonly arch: string;
  /** File name of the SRPM. */
  readonly sourceRpm?: string;
  readonly fileName?: string;
  readonly digest?: Digest;
  readonly rebootSuggested?: boolean;
  readonly restartSuggested?: boolean;
  readonly reloginSuggested?: boolean;
}

/**
 * Reads updateinfo.xml as it comes. Memory does not grow with the document.
 *
 * Throws REPO_BAD_XML, REPO_BAD_VALUE.
 */
export async function* readUpdateinfo(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  document = 'updateinfo.xml',
): AsyncGenerator<Advisory, void, void> {
  let ready: Advisory[] = [];
  const decoder = new TreeDecoder('update', (element) => ready.push(advisoryOf(document, element)));
  let root: string | undefined;
  const reader = new XmlReader(document, {
    open(name, attributes, offset) {
      root ??= name;
      if (root !== 'updates' && root !== 'update') throw badValue(document, offset, 'root element', 'updates', root);
      decoder.open(name, attributes, offset);
    },
    close: (name, text) => decoder.close(name, text),
  });
  for await (const chunk of chunks) {
    reader.write(chunk);
    yield* ready;
    ready = [];
  }
  reader.end();
  yield* ready;
}

/** Reads a whole updateinfo.xml in memory. Throws REPO_BAD_XML, REPO_BAD_VALUE. */
export async function parseUpdateinfo(bytes: Uint8Array, document?: string): Promise<Advisory[]> {
  const advisories: Advisory[] = [];
  for await (const advisory of readUpdateinfo([bytes], document)) advisories.push(advisory);
  return advisories;
}

/**
 * updateinfo.xml's text in createrepo_c's form. Throws REPO_BAD_TEXT for text that XML cannot carry.
 */
export function formatUpdateinfo(advisories: readonly Advisory[]): string {
  let out = '<?xml version="1.0" encoding="UTF-8"?>\n<updates>\n';
  for (const advisory of advisories) out += formatAdvisory(advisory);
  return `${out}</updates>\n`;
}

/**
 * Several lists in one: an advisory that is in more than one keeps the text of the last, and the packages of all.
 *
 * Order: by first appearance.
 */
export function mergeAdvisories(...lists: readonly (readonly Advisory[])[]): Advisory[] {
  const merged = new Map<string, Advisory>();
  for (const list of lists) {
    for (const advisory of list) {
      const before = merged.get(advisory.id);
      if (before === undefined) merged.set(advisory.id, advisory);
      else merged.set(advisory.id, joined(before, advisory));
    }
  }
  return [...merged.values()];
}

/** Advisories with the packages that `keep` lets through; those left without any are left out. */
export function filterAdvisories(
  advisories: readonly Advisory[],
  keep: (pkg: AdvisoryPackage, advisory: Advisory) => boolean,
): Advisory[] {
  const kept: Advisory[] = [];
  for (const advisory of advisories) {
    const collections = advisory.collections
      .map((collection) => ({ ...collection, packages: collection.packages.filter((pkg) => keep(pkg, advisory)) }))
      .filter((collection) => collection.packages.length > 0);
    if (collections.length > 0) kept.push({ ...advisory, collections });
  }
  return kept;
}

function joined(before: Advisory, after: Advisory): Advisory {
  const keyOf = (collection: AdvisoryCollection): string =>
    JSON.stringify([collection.shortName, collection.name, collection.module]);
  const collections = new Map(before.collections.map((collection) => [keyOf(collection), collection]));
  for (const collection of after.collections) {
    const known = collections.get(keyOf(collection));
    const packages = new Map(known?.packages.map((pkg) => [packageKey(pkg), pkg]));
    for (const pkg of collection.packages) packages.set(packageKey(pkg), pkg);
    collections.set(keyOf(collection), { ...collection, packages: [...packages.values()] });
  }
  return { ...before, ...after, collections: [...collections.values()] };
}

function packageKey({ name, epoch, version, release, arch, fileName }: AdvisoryPackage): string {
  return JSON.stringify([name, epoch ?? 0, version, release, arch, fileName]);
}

function advisoryOf(document: string, element: XmlElement): Advisory {
  const bad = (what: string, wanted: string, found: string): RepoError =>
    badValue(document, element.offset, `update/${what}`, wanted, found);
  const id = childText(element, 'id') ?? '';
  const date = (name: string): Date | undefined => {
    const child = element.children.find((candidate) => candidate.name === name);
    const text = child?.attributes.get('date') ?? child?.text;
    if (text === undefined || text.trim() === '') return undefined;
    const value = advisoryDate(text);
    if (value === undefined) throw bad(`${name}/@date`, 'a date or seconds since 1970', text);
    return value;
  };
  const from = element.attributes.get('from');
  const status = element.attributes.get('status');
  const version = element.attributes.get('version');
  return present<Advisory>({
    id,
    type: element.attributes.get('type') ?? '',
    from,
    status,
    version,
    title: childText(element, 'title'),
    issued: date('issued'),
    updated: date('updated'),
    rights: childText(element, 'rights'),
    release: childText(element, 'release'),
    pushCount: childText(element, 'pushcount'),
    severity: childText(element, 'severity'),
    summary: childText(element, 'summary'),
    description: childText(element, 'description'),
    solution: childText(element, 'solution'),
    rebootSuggested: flag(element, 'reboot_suggested'),
    references: childrenOf(element, 'references')
      .flatMap((list) => childrenOf(list, 'reference'))
      .map((reference) =>
        present<AdvisoryReference>({
          type: reference.attributes.get('type') ?? '',
          id: reference.attributes.get('id'),
          href: reference.attributes.get('href'),
          title: reference.attributes.get('title'),
        }),
      ),
    collections: childrenOf(element, 'pkglist')
      .flatMap((list) => childrenOf(list, 'collection'))
      .map((collection) => collectionOf(document, collection)),
  });
}

function collectionOf(document: string, element: XmlElement): AdvisoryCollection {
  const module = element.children.find((child) => child.name === 'module');
  const part = (name: string): string => module?.attributes.get(name) ?? '';
  return present<AdvisoryCollection>({
    name: childText(element, 'name'),
    shortName: element.attributes.get('short'),
    module:
      module === undefined
        ? undefined
        : {
            name: part('name'),
            stream: part('stream'),
            version: part('version'),
            context: part('context'),
            arch: part('arch'),
          },
    packages: childrenOf(element, 'package').map((pkg) => packageOf(document, pkg)),
  });
}

function packageOf(document: string, element: XmlElement): AdvisoryPackage {
  const attribute = (name: string): string => {
    const value = element.attributes.get(name);
    if (value === undefined) throw badValue(document, element.offset, `package/@${name}`, 'a value', 'none');
    return value;
  };
  const epoch = element.attributes.get('epoch');
  if (epoch !== undefined && epoch !== '' && !/^[0-9]{1,10}$/.test(epoch)) {
    throw badValue(document, element.offset, 'package/@epoch', 'a whole number', epoch);
  }
  const sum = element.children.find((child) => child.name === 'sum');
  return present<AdvisoryPackage>({
    name: attribute('name'),
    epoch: epoch === undefined || epoch === '' ? undefined : Number(epoch),
    version: attribute('version'),
    release: attribute('release'),
    arch: attribute('arch'),
    sourceRpm: element.attributes.get('src'),
    fileName: childText(element, 'filename'),
    digest:
      sum === undefined || sum.text.trim() === ''
        ? undefined
        : parseChecksumType(document, sum.offset, sum.attributes.get('type') ?? '', sum.text),
    rebootSuggested: flag(element, 'reboot_suggested'),
    restartSuggested: flag(element, 'restart_suggested'),
    reloginSuggested: flag(element, 'relogin_suggested'),
  });
}

/** An empty element means yes, as clients read it. */
function flag(element: XmlElement, name: string): boolean | undefined {
  const text = childText(element, name)?.trim().toLowerCase();
  return text === undefined ? undefined : text === '' || text === 'true' || text === '1';
}

/** `2020-01-31 12:00:00`, the same with T, Z, UTC or without a time, or seconds since 1970. All times are UTC. */
function advisoryDate(text: string): Date | undefined {
  const trimmed = text.trim();
  if (/^[0-9]{1,12}$/.test(trimmed)) return new Date(Number(trimmed) * 1000);
  const found = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2})?(?:\.\d+)?)?\s*(?:Z|UTC|GMT|\+00:?00)?$/.exec(
    trimmed,
  );
  if (found === null) return undefined;
  const date = new Date(`${found[1]}T${found[2] ?? '00:00'}${found[3] ?? ':00'}Z`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function present<Shape>(record: { [Key in keyof Shape]: Shape[Key] | undefined }): Shape {
  return Object.fromEntries(Object.entries(record).filter((entry) => entry[1] !== undefined)) as Shape;
}

function formatAdvisory(advisory: Advisory): string {
  const xml = new AdvisoryText(advisory.id);
  const attributes = [
    ['from', advisory.from],
    ['status', advisory.status],
    ['type', advisory.type],
    ['version', advisory.version],
  ] as const;
  let out = `  <update${xml.attributes(attributes)}>\n`;
  out += xml.element('    ', 'id', advisory.id);
  out += xml.element('    ', 'title', advisory.title);
  if (advisory.issued !== undefined) out += `    <issued date="${dateText(advisory.issued)}"/>\n`;
  if (advisory.updated !== undefined) out += `    <updated date="${dateText(advisory.updated)}"/>\n`;
  out += xml.element('    ', 'rights', advisory.rights);
  out += xml.element('    ', 'release', advisory.release);
  out += xml.element('    ', 'pushcount', advisory.pushCount);
  out += xml.element('    ', 'severity', advisory.severity);
  out += xml.element('    ', 'summary', advisory.summary);
  out += xml.element('    ', 'description', advisory.description);
  out += xml.element('    ', 'solution', advisory.solution);
  out += xml.flag('    ', 'reboot_suggested', advisory.rebootSuggested);
  out += '    <references>\n';
  for (const { href, id, type, title } of advisory.references) {
    const pairs = [
      ['href', href],
      ['id', id],
      ['type', type],
      ['title', title],
    ] as const;
    out += `      <reference${xml.attributes(pairs)}/>\n`;
  }
  out += '    </references>\n    <pkglist>\n';
  for (const collection of advisory.collections) {
    out += `      <collection${xml.attributes([['short', collection.shortName]])}>\n`;
    out += xml.element('        ', 'name', collection.name);
    if (collection.module !== undefined) {
      const { name, stream, version, context, arch } = collection.module;
      const pairs = Object.entries({ name, stream, version, context, arch });
      out += `        <module${xml.attributes(pairs)}/>\n`;
    }
    for (const pkg of collection.packages) out += formatAdvisoryPackage(pkg, xml);
    out += '      </collection>\n';
  }
  return `${out}    </pkglist>\n  </update>\n`;
}

function formatAdvisoryPackage(pkg: AdvisoryPackage, xml: AdvisoryText): string {
  const pairs = [
    ['name', pkg.name],
    ['version', pkg.version],
    ['release', pkg.release],
    ['epoch', pkg.epoch === undefined ? undefined : String(pkg.epoch)],
    ['arch', pkg.arch],
    ['src', pkg.sourceRpm],
  ] as const;
  let out = `        <package${xml.attributes(pairs)}>\n`;
  out += xml.element('          ', 'filename', pkg.fileName);
  if (pkg.digest !== undefined) {
    out += `          <sum type="${formatChecksumType(pkg.digest.algorithm)}">${pkg.digest.hex}</sum>\n`;
  }
  out += xml.flag('          ', 'reboot_suggested', pkg.rebootSuggested);
  out += xml.flag('          ', 'restart_suggested', pkg.restartSuggested);
  out += xml.flag('          ', 'relogin_suggested', pkg.reloginSuggested);
  return `${out}        </package>\n`;
}

function dateText(date: Date): string {
  return date.toISOString().slice(0, 19).replace('T', ' ');
}

class AdvisoryText {
  readonly #id: string;

  constructor(id: string) {
    this.#id = id;
  }

  attributes(pairs: readonly (readonly [name: string, value: string | undefined])[]): string {
    let out = '';
    for (const [name, value] of pairs) {
      if (value !== undefined) out += ` ${name}="${escapeAttribute(this.#checked(name, value))}"`;
    }
    return out;
  }

  element(indent: string, name: string, value: string | undefined): string {
    return value === undefined ? '' : `${indent}<${name}>${escapeText(this.#checked(name, value))}</${name}>\n`;
  }

  flag(indent: string, name: string, value: boolean | undefined): string {
    return value === undefined ? '' : `${indent}<${name}>${value ? 'True' : 'False'}</${name}>\n`;
  }

  #checked(field: string, value: string): string {
    const at = indexOfForbidden(value);
    if (at < 0) return value;
    const offset = new TextEncoder().encode(value.slice(0, at)).length;
    const found = `U+${value.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0')}`;
    throw new RepoError(
      { code: 'REPO_BAD_TEXT', package: this.#id, field, index: 0, offset, found },
      `advisory ${quote(this.#id)}: ${field}: text that XML can carry wanted, found ${found} at byte ${offset}`,
    );
  }
}
