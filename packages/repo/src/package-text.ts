/**
 * Texts of a package on their way into XML: escaped, and checked for what XML 1.0 cannot carry.
 *
 * createrepo_c leaves a package out of the repository when one of its texts holds a control character. Here that is an
 * error with the place, or a replacement in free text; a package is never left out in silence.
 */
import { type Header, type MainTags, quote } from '@distrokit/rpm';
import { RepoError } from './errors.js';
import type { PackageRecord } from './package-record.js';
import { escapeAttribute, escapeText, indexOfForbidden } from './xml.js';

/**
 * What to do with a character that XML cannot carry: `refuse` throws REPO_BAD_TEXT, `replace` writes U+FFFD in free
 * text (summary, description, people, changelogs) and still refuses it in names, versions, dependencies and paths.
 */
export type TextPolicy = 'refuse' | 'replace';

/** Escapes the texts of one record. */
export class PackageText {
  readonly #record: PackageRecord;
  readonly #policy: TextPolicy;

  constructor(record: PackageRecord, policy: TextPolicy) {
    this.#record = record;
    this.#policy = policy;
  }

  /** Content of an element that means something to a machine. */
  text(value: string, field: string, index = 0): string {
    return textNeedsWork.test(value) ? escapeText(this.#checked(value, field, index)) : value;
  }

  /** Content of an element that people read. */
  freeText(value: string, field: string, index = 0): string {
    return textNeedsWork.test(value) ? escapeText(this.#cleaned(value, field, index)) : value;
  }

  attribute(value: string, field: string, index = 0): string {
    return attributeNeedsWork.test(value) ? escapeAttribute(this.#checked(value, field, index)) : value;
  }

  freeAttribute(value: string, field: string, index = 0): string {
    return attributeNeedsWork.test(value) ? escapeAttribute(this.#cleaned(value, field, index)) : value;
  }

  #cleaned(value: string, field: string, index: number): string {
    return this.#policy === 'refuse' ? this.#checked(value, field, index) : value.replace(everyForbidden, '\ufffd');
  }

  #checked(value: string, field: string, index: number): string {
    const at = indexOfForbidden(value);
    if (at >= 0) {
      const { name, version, release, arch } = this.#record;
      const offset = new TextEncoder().encode(value.slice(0, at)).length;
      throw badText(`${name}-${version}-${release}.${arch}`, field, index, offset, codePoint(value, at));
    }
    return value;
  }
}

/**
 * Throws REPO_BAD_TEXT when a text of the header that goes into repodata is not valid UTF-8.
 *
 * Without this check such a text is read as Latin-1, as createrepo_c reads it.
 */
export function assertUtf8Texts(header: Header<MainTags>, packageName: string): void {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for (const tag of textTags) {
    for (const [index, bytes] of (header.rawTexts(tag) ?? []).entries()) {
      try {
        decoder.decode(bytes);
      } catch {
        const offset = validBytes(bytes);
        throw badText(
          packageName,
          tag,
          index,
          offset,
          `byte 0x${(bytes[offset] ?? 0).toString(16)}, which is not UTF-8`,
        );
      }
    }
  }
}

const textTags = [
  'NAME',
  'VERSION',
  'RELEASE',
  'ARCH',
  'SUMMARY',
  'DESCRIPTION',
  'PACKAGER',
  'URL',
  'LICENSE',
  'VENDOR',
  'GROUP',
  'BUILDHOST',
  'SOURCERPM',
  'PROVIDENAME',
  'PROVIDEVERSION',
  'REQUIRENAME',
  'REQUIREVERSION',
  'CONFLICTNAME',
  'CONFLICTVERSION',
  'OBSOLETENAME',
  'OBSOLETEVERSION',
  'SUGGESTNAME',
  'SUGGESTVERSION',
  'ENHANCENAME',
  'ENHANCEVERSION',
  'RECOMMENDNAME',
  'RECOMMENDVERSION',
  'SUPPLEMENTNAME',
  'SUPPLEMENTVERSION',
  'DIRNAMES',
  'BASENAMES',
  'OLDFILENAMES',
  'CHANGELOGNAME',
  'CHANGELOGTEXT',
] as const;

const textNeedsWork = /[&<>\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]/;
const attributeNeedsWork = /[&<>"\x00-\x1f\x80-\uffff]/;
const everyForbidden =
  /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** How many bytes are UTF-8 before the first that is not. */
function validBytes(bytes: Uint8Array): number {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for (let at = 0; at < bytes.length; at++) {
    try {
      decoder.decode(bytes.subarray(at, at + 1), { stream: true });
    } catch {
      return at;
    }
  }
  return bytes.length - 1;
}

function codePoint(value: string, at: number): string {
  return `U+${value.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0')}`;
}

function badText(name: string, field: string, index: number, offset: number, found: string): RepoError {
  return new RepoError(
    { code: 'REPO_BAD_TEXT', package: name, field, index, offset, found },
    `${quote(name)}: ${field}[${index}]: text that XML can carry wanted, found ${found} at byte ${offset}`,
  );
}
