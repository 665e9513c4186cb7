/**
 * filelists.xml: every path of each package, and filelists-ext.xml, which adds the files' digests.
 *
 * Bytes are createrepo_c's. Reference: createrepo_c, src/xml_dump_filelists.c, src/xml_parser_filelists.c
 */
import { quote } from '@distrokit/rpm';
import type { PackageLines } from './package-lines.js';
import type { PackageRecord, RepositoryFile } from './package-record.js';
import { PackageText, type TextPolicy } from './package-text.js';
import { encodeFile, encodeVersion, fileType } from './primary.js';
import type { XmlAttributes, XmlHandler } from './xml.js';
import { requiredAttribute } from './xml-values.js';

/** The document up to its first package. */
export function filelistsHead(packages: number): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<filelists xmlns="http://linux.duke.edu/metadata/filelists" packages="${packages}">\n`;
}

/** The document after its last package. */
export const filelistsTail = '</filelists>';

/**
 * One package element with its line break. `files` are the file elements, when the caller has them already.
 *
 * Throws REPO_BAD_TEXT.
 */
export function encodeFilelists(record: PackageRecord, policy: TextPolicy, files?: string): string {
  const xml = new PackageText(record, policy);
  let out = encodePackageStart(record, xml);
  if (files !== undefined) return `${out}${files}</package>\n`;
  for (let at = 0; at < record.files.length; at++)
    out += `  ${encodeFile(record.files[at] as RepositoryFile, at, xml)}\n`;
  return `${out}</package>\n`;
}

const fileDigestTypes: Readonly<Record<number, string>> = {
  32: 'md5',
  40: 'sha1',
  56: 'sha224',
  64: 'sha256',
  96: 'sha384',
  128: 'sha512',
};

/**
 * filelists-ext.xml, whole: filelists with the digest of each file that has one. In the order given.
 *
 * Records need their files with digests (`recordFromFile` with `fileDigests`). The algorithm is told by the length of a
 * digest; where no file has one it is said to be SHA-256, as the reference says of packages by rpm 4.6 and newer. Throws
 * REPO_BAD_TEXT, TypeError for a record without files.
 */
export function encodeFilelistsExt(records: readonly PackageRecord[], policy: TextPolicy): string {
  let out = `<?xml version="1.0" encoding="UTF-8"?>\n<filelists-ext xmlns="http://linux.duke.edu/metadata/filelists-ext" packages="${records.length}">\n`;
  for (const record of records) {
    if (!record.filesComplete) {
      throw new TypeError(`"packages": the record of ${quote(record.name)} was read without files`);
    }
    const xml = new PackageText(record, policy);
    const digest = record.files.find((file) => file.digest !== undefined && file.digest !== '')?.digest;
    const algorithm = digest === undefined ? 'sha256' : (fileDigestTypes[digest.length] ?? '');
    out += `${encodePackageStart(record, xml)}  <checksum type="${algorithm}"/>\n`;
    for (let at = 0; at < record.files.length; at++) {
      const file = record.files[at] as RepositoryFile;
      const type = file.type === 'file' ? '' : ` type="${file.type}"`;
      const hash =
        file.digest === undefined || file.digest === ''
          ? ''
          : ` hash="${xml.attribute(file.digest, 'FILEDIGESTS', at)}"`;
      out += `  <file${type}${hash}>${xml.text(file.path, 'FILENAMES', at)}</file>\n`;
    }
    out += '</package>\n';
  }
  return `${out}</filelists-ext>`;
}

/** `<package …>` and `<version …/>` as filelists and other begin. */
export function encodePackageStart(record: PackageRecord, xml: PackageText): string {
  const name = xml.attribute(record.name, 'NAME');
  const arch = xml.attribute(record.arch, 'ARCH');
  return `<package pkgid="${record.pkgid.hex}" name="${name}" arch="${arch}">\n  ${encodeVersion(record, xml)}\n`;
}

/** Files of one package. */
export interface PackageFiles {
  readonly pkgid: string;
  readonly name: string;
  readonly files: readonly RepositoryFile[];
}

/** A package of filelists.xml as createrepo_c lays it out. Throws `otherLayout`. */
export function readFilelistsLines(lines: PackageLines): PackageFiles {
  const { pkgid, name } = readPackageStart(lines);
  const files: RepositoryFile[] = [];
  for (;;) {
    lines.plainFiles(2, files);
    let type: RepositoryFile['type'] = 'file';
    if (!lines.has('  <file>')) {
      if (lines.has('  <file type="dir">')) type = 'dir';
      else if (lines.has('  <file type="ghost">')) type = 'ghost';
      else break;
    }
    files.push({ path: lines.content('</file>\n'), type });
  }
  lines.skip('</package>\n');
  return { pkgid, name, files };
}

/** The first two lines of a package in filelists and other. */
export function readPackageStart(lines: PackageLines): { readonly pkgid: string; readonly name: string } {
  lines.skip('<package pkgid="');
  const pkgid = lines.value();
  lines.skip(' name="');
  const name = lines.value();
  lines.skip(' arch="');
  lines.value();
  lines.skip('>\n  <version epoch="');
  lines.value();
  lines.skip(' ver="');
  lines.value();
  lines.skip(' rel="');
  lines.value();
  lines.skip('/>\n');
  return { pkgid, name };
}

/** Hears filelists.xml or filelists-ext.xml; gives each package as its element closes. Throws REPO_BAD_VALUE. */
export class FilelistsDecoder implements XmlHandler {
  readonly #document: string;
  readonly #emit: (files: PackageFiles) => void;
  #pkgid: string | undefined;
  #name = '';
  #files: RepositoryFile[] = [];
  #type: RepositoryFile['type'] = 'file';
  #digest: string | undefined;

  constructor(document: string, emit: (files: PackageFiles) => void) {
    this.#document = document;
    this.#emit = emit;
  }

  open(name: string, attributes: XmlAttributes, offset: number): void {
    if (name === 'file') {
      this.#type = fileType(this.#document, offset, attributes.get('type'));
      this.#digest = attributes.get('hash');
    } else if (name === 'package') {
      this.#pkgid = requiredAttribute(this.#document, offset, 'package', attributes, 'pkgid');
      this.#name = attributes.get('name') ?? '';
      this.#files = [];
    }
  }

  close(name: string, text: string): void {
    if (this.#pkgid === undefined) return;
    if (name === 'file') {
      const digest = this.#digest;
      this.#files.push(
        digest === undefined ? { path: text, type: this.#type } : { path: text, type: this.#type, digest },
      );
    } else if (name === 'package') {
      this.#emit({ pkgid: this.#pkgid, name: this.#name, files: this.#files });
      this.#pkgid = undefined;
    }
  }
}
