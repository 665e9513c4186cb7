/**
 * other.xml: the changelogs of each package.
 *
 * Bytes are createrepo_c's. Reference: createrepo_c, src/xml_dump_other.c, src/xml_parser_other.c
 */
import { encodePackageStart, readPackageStart } from './filelists.js';
import { otherLayout, type PackageLines } from './package-lines.js';
import type { PackageRecord, RepositoryChangelog } from './package-record.js';
import { PackageText, type TextPolicy } from './package-text.js';
import type { XmlAttributes, XmlHandler } from './xml.js';
import { dateOf, requiredAttribute } from './xml-values.js';

/** The document up to its first package. */
export function otherHead(packages: number): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<otherdata xmlns="http://linux.duke.edu/metadata/other" packages="${packages}">\n`;
}

/** The document after its last package. */
export const otherTail = '</otherdata>';

/** One package element with its line break. Throws REPO_BAD_TEXT. */
export function encodeOther(record: PackageRecord, policy: TextPolicy): string {
  const xml = new PackageText(record, policy);
  let out = encodePackageStart(record, xml);
  for (let at = 0; at < record.changelogs.length; at++) {
    const entry = record.changelogs[at] as RepositoryChangelog;
    const author = xml.freeAttribute(entry.author, 'CHANGELOGNAME', at);
    const date = Math.floor(entry.date.getTime() / 1000);
    out += `  <changelog author="${author}" date="${date}">${xml.freeText(entry.text, 'CHANGELOGTEXT', at)}</changelog>\n`;
  }
  return `${out}</package>\n`;
}

/** Changelogs of one package. */
export interface PackageChangelogs {
  readonly pkgid: string;
  readonly name: string;
  readonly changelogs: readonly RepositoryChangelog[];
}

/** A package of other.xml as createrepo_c lays it out. Throws `otherLayout`. */
export function readOtherLines(lines: PackageLines): PackageChangelogs {
  const { pkgid, name } = readPackageStart(lines);
  const changelogs: RepositoryChangelog[] = [];
  while (lines.has('  <changelog author="')) {
    const author = lines.value();
    lines.skip(' date="');
    const date = new Date(lines.number() * 1000);
    if (Number.isNaN(date.getTime())) throw otherLayout;
    lines.skip('>');
    changelogs.push({ author, date, text: lines.content('</changelog>\n') });
  }
  lines.skip('</package>\n');
  return { pkgid, name, changelogs };
}

/** Hears other.xml; gives each package as its element closes. Throws REPO_BAD_VALUE. */
export class OtherDecoder implements XmlHandler {
  readonly #document: string;
  readonly #emit: (changelogs: PackageChangelogs) => void;
  #pkgid: string | undefined;
  #name = '';
  #entries: RepositoryChangelog[] = [];
  #author = '';
  #date = new Date(0);

  constructor(document: string, emit: (changelogs: PackageChangelogs) => void) {
    this.#document = document;
    this.#emit = emit;
  }

  open(name: string, attributes: XmlAttributes, offset: number): void {
    if (name === 'changelog') {
      this.#author = attributes.get('author') ?? '';
      this.#date = dateOf(this.#document, offset, 'changelog/@date', attributes.get('date') ?? '0');
    } else if (name === 'package') {
      this.#pkgid = requiredAttribute(this.#document, offset, 'package', attributes, 'pkgid');
      this.#name = attributes.get('name') ?? '';
      this.#entries = [];
    }
  }

  close(name: string, text: string): void {
    if (this.#pkgid === undefined) return;
    if (name === 'changelog') this.#entries.push({ author: this.#author, date: this.#date, text });
    else if (name === 'package') {
      this.#emit({ pkgid: this.#pkgid, name: this.#name, changelogs: this.#entries });
      this.#pkgid = undefined;
    }
  }
}
