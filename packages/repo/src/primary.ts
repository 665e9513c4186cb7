/**
 * primary.xml: what a solver needs of each package, and the files most often asked for by path.
 *
 * Bytes are createrepo_c's. Reference: createrepo_c, src/xml_dump_primary.c, src/xml_parser_primary.c
 */
import { otherLayout, type PackageLines } from './package-lines.js';
import {
  isPrimaryPath,
  type PackageRecord,
  type RepositoryDependency,
  type RepositoryDependencyKind,
  type RepositoryFile,
  type RepositoryRelation,
  repositoryDependencyKinds,
  type Writable,
} from './package-record.js';
import { PackageText, type TextPolicy } from './package-text.js';
import type { RepomdDigest } from './repomd.js';
import { formatChecksumType, parseChecksumType } from './repomd.js';
import type { XmlAttributes, XmlHandler } from './xml.js';
import { badValue, dateOf, requiredAttribute, wholeNumber } from './xml-values.js';

/** The document up to its first package. */
export function primaryHead(packages: number): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="${packages}">\n`;
}

/** The document after its last package. */
export const primaryTail = '</metadata>';

/**
 * One package element with its line break. `files` are the file elements, when the caller has them already.
 *
 * Throws REPO_BAD_TEXT.
 */
export function encodePrimary(record: PackageRecord, policy: TextPolicy, files?: string): string {
  const xml = new PackageText(record, policy);
  const base = record.locationBase === undefined ? '' : ` xml:base="${xml.attribute(record.locationBase, 'xml:base')}"`;
  let out = `<package type="rpm">
  <name>${xml.text(record.name, 'NAME')}</name>
  <arch>${xml.text(record.arch, 'ARCH')}</arch>
  ${encodeVersion(record, xml)}
  <checksum type="${formatChecksumType(record.pkgid.algorithm)}" pkgid="YES">${record.pkgid.hex}</checksum>
  <summary>${xml.freeText(record.summary, 'SUMMARY')}</summary>
  <description>${xml.freeText(record.description, 'DESCRIPTION')}</description>
  <packager>${xml.freeText(record.packager, 'PACKAGER')}</packager>
  <url>${xml.freeText(record.url, 'URL')}</url>
  <time file="${secondsOf(record.fileTime)}" build="${secondsOf(record.buildTime)}"/>
  <size package="${record.sizeBytes}" installed="${record.installedBytes}" archive="${record.archiveBytes}"/>
  <location${base} href="${xml.attribute(record.location, 'location')}"/>
  <format>
    <rpm:license>${xml.freeText(record.license, 'LICENSE')}</rpm:license>
    <rpm:vendor>${xml.freeText(record.vendor, 'VENDOR')}</rpm:vendor>
    <rpm:group>${xml.freeText(record.group, 'GROUP')}</rpm:group>
    <rpm:buildhost>${xml.freeText(record.buildHost, 'BUILDHOST')}</rpm:buildhost>
    <rpm:sourcerpm>${xml.text(record.sourceRpm, 'SOURCERPM')}</rpm:sourcerpm>
    <rpm:header-range start="${record.headerRange.start}" end="${record.headerRange.end}"/>
`;
  for (const kind of repositoryDependencyKinds) {
    const list = record[kind];
    if (list.length === 0) continue;
    out += `    <rpm:${kind}>\n`;
    for (let at = 0; at < list.length; at++) out += encodeDependency(list[at] as RepositoryDependency, kind, at, xml);
    out += `    </rpm:${kind}>\n`;
  }
  if (files !== undefined) return `${out}${files}  </format>\n</package>\n`;
  for (let at = 0; at < record.files.length; at++) {
    const file = record.files[at] as RepositoryFile;
    if (isPrimaryPath(file.path)) out += `    ${encodeFile(file, at, xml)}\n`;
  }
  return `${out}  </format>\n</package>\n`;
}

/** `<version …/>` of all three documents. */
export function encodeVersion(record: PackageRecord, xml: PackageText): string {
  const version = xml.attribute(record.version, 'VERSION');
  return `<version epoch="${record.epoch ?? 0}" ver="${version}" rel="${xml.attribute(record.release, 'RELEASE')}"/>`;
}

/** `<file …>` of primary and filelists. */
export function encodeFile(file: RepositoryFile, index: number, xml: PackageText): string {
  const path = xml.text(file.path, 'FILENAMES', index);
  return file.type === 'file' ? `<file>${path}</file>` : `<file type="${file.type}">${path}</file>`;
}

function encodeDependency(
  dependency: RepositoryDependency,
  kind: RepositoryDependencyKind,
  index: number,
  xml: PackageText,
): string {
  let out = `      <rpm:entry name="${xml.attribute(dependency.name, kind, index)}"`;
  const { relation, epoch, version, release } = dependency;
  if (relation !== undefined) {
    out += ` flags="${relation}"`;
    if (epoch !== undefined) out += ` epoch="${xml.attribute(epoch, kind, index)}"`;
    if (version !== undefined) out += ` ver="${xml.attribute(version, kind, index)}"`;
    if (release !== undefined) out += ` rel="${xml.attribute(release, kind, index)}"`;
  }
  return dependency.pre === true ? `${out} pre="1"/>\n` : `${out}/>\n`;
}

function secondsOf(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}

/** What primary.xml says of a package: a record without the other two documents. */
export type PrimaryPackage = PackageRecord;

/** A package of primary.xml as createrepo_c lays it out. Throws `otherLayout`. */
export function readPrimaryLines(lines: PackageLines): PrimaryPackage {
  const draft = newDraft();
  lines.skip('<package type="rpm">\n  <name>');
  draft.name = lines.content('</name>\n');
  lines.skip('  <arch>');
  draft.arch = lines.content('</arch>\n');
  lines.skip('  <version epoch="');
  draft.epoch = lines.number();
  lines.skip(' ver="');
  draft.version = lines.value();
  lines.skip(' rel="');
  draft.release = lines.value();
  lines.skip('/>\n  <checksum type="');
  const algorithm = lines.value();
  lines.skip(' pkgid="YES">');
  draft.pkgid = digestOf(algorithm, lines.content('</checksum>\n'));
  lines.skip('  <summary>');
  draft.summary = lines.content('</summary>\n');
  lines.skip('  <description>');
  draft.description = lines.content('</description>\n');
  if (lines.has('  <packager>')) draft.packager = lines.content('</packager>\n');
  if (lines.has('  <url>')) draft.url = lines.content('</url>\n');
  lines.skip('  <time file="');
  draft.fileTime = new Date(lines.number() * 1000);
  lines.skip(' build="');
  draft.buildTime = new Date(lines.number() * 1000);
  lines.skip('/>\n  <size package="');
  draft.sizeBytes = lines.number();
  lines.skip(' installed="');
  draft.installedBytes = lines.number();
  lines.skip(' archive="');
  draft.archiveBytes = lines.number();
  lines.skip('/>\n  <location ');
  if (lines.has('xml:base="')) {
    draft.locationBase = lines.value();
    lines.skip(' ');
  }
  lines.skip('href="');
  draft.location = lines.value();
  lines.skip('/>\n  <format>\n');
  if (lines.has('    <rpm:license>')) draft.license = lines.content('</rpm:license>\n');
  if (lines.has('    <rpm:vendor>')) draft.vendor = lines.content('</rpm:vendor>\n');
  if (lines.has('    <rpm:group>')) draft.group = lines.content('</rpm:group>\n');
  if (lines.has('    <rpm:buildhost>')) draft.buildHost = lines.content('</rpm:buildhost>\n');
  if (lines.has('    <rpm:sourcerpm>')) draft.sourceRpm = lines.content('</rpm:sourcerpm>\n');
  if (lines.has('    <rpm:header-range start="')) {
    const start = lines.number();
    lines.skip(' end="');
    draft.headerRange = { start, end: lines.number() };
    lines.skip('/>\n');
  }
  for (const kind of repositoryDependencyKinds) {
    if (!lines.has(`    <rpm:${kind}>\n`)) continue;
    while (lines.has('      <rpm:entry name="')) draft[kind].push(readDependencyLine(lines));
    lines.skip(`    </rpm:${kind}>\n`);
  }
  for (;;) {
    lines.plainFiles(4, draft.files);
    let type: RepositoryFile['type'] = 'file';
    if (!lines.has('    <file>')) {
      if (lines.has('    <file type="dir">')) type = 'dir';
      else if (lines.has('    <file type="ghost">')) type = 'ghost';
      else break;
    }
    draft.files.push({ path: lines.content('</file>\n'), type });
  }
  lines.skip('  </format>\n</package>\n');
  if (Number.isNaN(draft.fileTime.getTime()) || Number.isNaN(draft.buildTime.getTime())) throw otherLayout;
  return draft as PrimaryPackage;
}

/** What follows `<rpm:entry name="`, to the end of the line. An empty value is none. */
function readDependencyLine(lines: PackageLines): RepositoryDependency {
  const dependency: Writable<RepositoryDependency> = { name: lines.value() };
  if (lines.has(' flags="')) {
    const flags = lines.value();
    if (!isRelation(flags)) throw otherLayout;
    dependency.relation = flags;
    let value: string;
    if (lines.has(' epoch="')) {
      value = lines.value();
      if (value !== '') dependency.epoch = value;
    }
    if (lines.has(' ver="')) {
      value = lines.value();
      if (value !== '') dependency.version = value;
    }
    if (lines.has(' rel="')) {
      value = lines.value();
      if (value !== '') dependency.release = value;
    }
  }
  if (lines.has(' pre="1"')) dependency.pre = true;
  lines.skip('/>\n');
  return dependency;
}

/** A digest of the two kinds that are written today. */
function digestOf(algorithm: string, hex: string): RepomdDigest {
  if (algorithm === 'sha256' ? !/^[0-9a-f]{64}$/.test(hex) : algorithm !== 'sha512' || !/^[0-9a-f]{128}$/.test(hex)) {
    throw otherLayout;
  }
  return { algorithm: algorithm as 'sha256' | 'sha512', hex };
}

/** Hears primary.xml; gives each package as its element closes. Throws REPO_BAD_VALUE. */
export class PrimaryDecoder implements XmlHandler {
  readonly #document: string;
  readonly #emit: (record: PrimaryPackage) => void;
  #draft: Draft | undefined;
  #list: RepositoryDependency[] | undefined;
  #fileType: RepositoryFile['type'] = 'file';
  #checksumType: string | undefined;

  constructor(document: string, emit: (record: PrimaryPackage) => void) {
    this.#document = document;
    this.#emit = emit;
  }

  open(name: string, attributes: XmlAttributes, offset: number): void {
    const draft = this.#draft;
    if (draft === undefined) {
      if (name === 'package') this.#draft = newDraft();
      return;
    }
    switch (name) {
      case 'entry':
        this.#list?.push(this.#dependency(attributes, offset));
        return;
      case 'file':
        this.#fileType = fileType(this.#document, offset, attributes.get('type'));
        return;
      case 'version': {
        const epoch = attributes.get('epoch');
        if (epoch !== undefined && epoch !== '') {
          draft.epoch = wholeNumber(this.#document, offset, 'version/@epoch', epoch);
        }
        draft.version = requiredAttribute(this.#document, offset, 'version', attributes, 'ver');
        draft.release = requiredAttribute(this.#document, offset, 'version', attributes, 'rel');
        return;
      }
      case 'checksum':
        this.#checksumType = requiredAttribute(this.#document, offset, 'checksum', attributes, 'type');
        return;
      case 'time':
        draft.fileTime = dateOf(this.#document, offset, 'time/@file', attributes.get('file') ?? '0');
        draft.buildTime = dateOf(this.#document, offset, 'time/@build', attributes.get('build') ?? '0');
        return;
      case 'size':
        draft.sizeBytes = wholeNumber(this.#document, offset, 'size/@package', attributes.get('package') ?? '0');
        draft.installedBytes = wholeNumber(
          this.#document,
          offset,
          'size/@installed',
          attributes.get('installed') ?? '0',
        );
        draft.archiveBytes = wholeNumber(this.#document, offset, 'size/@archive', attributes.get('archive') ?? '0');
        return;
      case 'location': {
        draft.location = requiredAttribute(this.#document, offset, 'location', attributes, 'href');
        const base = attributes.get('xml:base');
        if (base !== undefined) draft.locationBase = base;
        return;
      }
      case 'header-range':
        draft.headerRange = {
          start: wholeNumber(this.#document, offset, 'header-range/@start', attributes.get('start') ?? '0'),
          end: wholeNumber(this.#document, offset, 'header-range/@end', attributes.get('end') ?? '0'),
        };
        return;
      default:
        if (isDependencyKind(name)) this.#list = draft[name];
    }
  }

  close(name: string, text: string, offset: number): void {
    const draft = this.#draft;
    if (draft === undefined) return;
    switch (name) {
      case 'entry':
        return;
      case 'file':
        draft.files.push({ path: text, type: this.#fileType });
        return;
      case 'package':
        this.#draft = undefined;
        this.#emit(this.#finished(draft, offset));
        return;
      case 'checksum':
        draft.pkgid = parseChecksumType(this.#document, offset, this.#checksumType ?? '', text);
        return;
      case 'name':
      case 'arch':
      case 'summary':
      case 'description':
      case 'packager':
      case 'url':
      case 'license':
      case 'vendor':
      case 'group':
        draft[name] = text;
        return;
      case 'buildhost':
        draft.buildHost = text;
        return;
      case 'sourcerpm':
        draft.sourceRpm = text;
        return;
      default:
        if (isDependencyKind(name)) this.#list = undefined;
    }
  }

  #dependency(attributes: XmlAttributes, offset: number): RepositoryDependency {
    const name = requiredAttribute(this.#document, offset, 'entry', attributes, 'name');
    const flags = attributes.get('flags');
    const pre = isTrue(attributes.get('pre'));
    if (flags === undefined || flags === '') return pre ? { name, pre } : { name };
    if (!isRelation(flags)) throw badValue(this.#document, offset, 'entry/@flags', 'LT, LE, EQ, GE or GT', flags);
    const epoch = attributes.get('epoch');
    const version = attributes.get('ver');
    const release = attributes.get('rel');
    return {
      name,
      relation: flags,
      ...(epoch === undefined || epoch === '' ? {} : { epoch }),
      ...(version === undefined || version === '' ? {} : { version }),
      ...(release === undefined || release === '' ? {} : { release }),
      ...(pre ? { pre } : {}),
    };
  }

  #finished(draft: Draft, offset: number): PrimaryPackage {
    const { name, version, release, arch, pkgid, location } = draft;
    const missing = Object.entries({ name, version, release, arch, checksum: pkgid, location }).find(
      (entry) => entry[1] === undefined,
    );
    if (missing !== undefined) throw badValue(this.#document, offset, `package/${missing[0]}`, 'one', 'none');
    return draft as PrimaryPackage;
  }
}

type Draft = Omit<Partial<Writable<PackageRecord>>, RepositoryDependencyKind | 'files'> & {
  files: RepositoryFile[];
  pkgid?: RepomdDigest;
} & Record<RepositoryDependencyKind, RepositoryDependency[]>;

function newDraft(): Draft {
  return {
    summary: '',
    description: '',
    packager: '',
    url: '',
    license: '',
    vendor: '',
    group: '',
    buildHost: '',
    sourceRpm: '',
    fileTime: new Date(0),
    buildTime: new Date(0),
    sizeBytes: 0,
    installedBytes: 0,
    archiveBytes: 0,
    headerRange: { start: 0, end: 0 },
    provides: [],
    requires: [],
    conflicts: [],
    obsoletes: [],
    suggests: [],
    enhances: [],
    recommends: [],
    supplements: [],
    files: [],
    filesComplete: false,
    changelogs: [],
    changelogsComplete: false,
  };
}

/** `type=` of a file element. */
export function fileType(document: string, offset: number, text: string | undefined): RepositoryFile['type'] {
  if (text === undefined || text === '' || text === 'file') return 'file';
  if (text === 'dir' || text === 'ghost') return text;
  throw badValue(document, offset, 'file/@type', 'dir, ghost or nothing', text);
}

function isTrue(text: string | undefined): boolean {
  return text === '1' || text === 'true';
}

function isRelation(text: string): text is RepositoryRelation {
  return text === 'EQ' || text === 'GE' || text === 'LE' || text === 'GT' || text === 'LT';
}

const kinds: ReadonlySet<string> = new Set(repositoryDependencyKinds);

function isDependencyKind(name: string): name is RepositoryDependencyKind {
  return kinds.has(name);
}
