/**
 * What primary.xml says of a package where only its identity is wanted, read from the bytes of its element.
 */
import { latin1, utf8Of } from './xml.js';
import { badValue } from './xml-values.js';

/** What an update has to know of a package that is there. */
export interface PackageIdentity {
  /** `name-epoch:version-release.arch`, epoch always there. */
  readonly nevra: string;
  /** As written in primary, entities decoded. */
  readonly location: string;
  readonly locationBase: string | undefined;
  readonly pkgid: string;
  /** `type=` of the checksum. */
  readonly checksumType: string;
  /** Seconds since 1970. */
  readonly fileTime: number;
  readonly sizeBytes: number;
  /** Of its element in primary.xml, with the line break behind it. */
  readonly elementBytes: number;
}

/** The identity in one element. Throws REPO_BAD_VALUE when it is not written as we write it. */
export function identityOf(piece: Uint8Array): PackageIdentity {
  const text = latin1(piece);
  // Identity stands in the first lines, after texts that may be long. Escaped text holds no `<`: it is never taken for a tag.
  const names = match(text, namesForm, 0, 'name');
  const checksum = match(text, checksumForm, text.indexOf('\n  <checksum type="', names.end), 'checksum');
  const time = match(text, timeForm, text.indexOf('\n  <time file="', checksum.end), 'time');
  const size = match(text, sizeForm, text.indexOf('\n  <size package="', time.end), 'size');
  const location = match(text, locationForm, text.indexOf('\n  <location', size.end), 'location');
  const [name = '', arch = '', epoch = '', version = '', release = ''] = names.values.map(decoded);
  const [base, href = ''] = location.values;
  return {
    nevra: `${name}-${epoch}:${version}-${release}.${arch}`,
    location: decoded(href),
    locationBase: base === undefined ? undefined : decoded(base),
    pkgid: checksum.values[1] ?? '',
    checksumType: checksum.values[0] ?? '',
    fileTime: Number(time.values[0]),
    sizeBytes: Number(size.values[0]),
    elementBytes: piece.length,
  };
}

const namesForm =
  /<package type="rpm">\n {2}<name>([^<]*)<\/name>\n {2}<arch>([^<]*)<\/arch>\n {2}<version epoch="(\d+)" ver="([^"]*)" rel="([^"]*)"\/>/y;
const checksumForm = /\n {2}<checksum type="(\w+)" pkgid="YES">([0-9a-f]+)<\/checksum>/y;
const timeForm = /\n {2}<time file="(\d+)"/y;
const sizeForm = /\n {2}<size package="(\d+)"/y;
const locationForm = /\n {2}<location(?: xml:base="([^"]*)")? href="([^"]*)"/y;

/** What a form takes at a place, and where it ends. */
function match(
  text: string,
  form: RegExp,
  at: number,
  name: string,
): { readonly values: readonly (string | undefined)[]; readonly end: number } {
  form.lastIndex = Math.max(at, 0);
  const found = at < 0 ? null : form.exec(text);
  if (found === null) throw badValue('primary.xml', 0, name, 'the form createrepo_c gives it', 'another');
  return { values: found.slice(1), end: form.lastIndex };
}

/** The text of bytes that were read as one character each. */
function decoded(raw: string | undefined): string {
  if (raw === undefined) return '';
  const value = /[\x80-\xff]/.test(raw) ? (utf8Of(raw) ?? raw) : raw;
  if (!value.includes('&')) return value;
  return value.replace(/&(?:#x([0-9A-F]+)|#([0-9]+)|(\w+));/g, (whole, hex, decimal, name) => {
    if (name !== undefined) return { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }[name as string] ?? whole;
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    return code > 0x10ffff ? whole : String.fromCodePoint(code);
  });
}
