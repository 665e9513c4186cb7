/**
 * .treeinfo: where an installable tree keeps its kernel, its images and its variants; and productid, the certificate
 * that names a product.
 *
 * Reference: productmd, doc/treeinfo-1.0.rst
 */
import { quote } from '@distrokit/rpm';
import { RepoError } from './errors.js';

/** Sections in order, each with its keys in order. Values as written. */
export type Treeinfo = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Reads .treeinfo. Throws REPO_BAD_VALUE with the byte offset of a line that is neither section, key nor comment. */
export function parseTreeinfo(bytes: Uint8Array): Treeinfo {
  const sections = new Map<string, Map<string, string>>();
  let section: Map<string, string> | undefined;
  let offset = 0;
  for (const line of new TextDecoder().decode(bytes).split('\n')) {
    const text = line.trim();
    const heading = /^\[([^\]]+)\]$/.exec(text)?.[1];
    const pair = /^([^=:]+?)\s*[=:]\s*(.*)$/.exec(text);
    if (heading !== undefined) {
      section = sections.get(heading) ?? new Map();
      sections.set(heading, section);
    } else if (text !== '' && !text.startsWith('#') && !text.startsWith(';')) {
      if (section === undefined || pair === null) {
        throw new RepoError(
          {
            code: 'REPO_BAD_VALUE',
            document: '.treeinfo',
            offset,
            what: 'line',
            wanted: 'key = value',
            found: text.slice(0, 80),
          },
          `.treeinfo: key = value in a section wanted at byte ${offset}, found ${quote(text)}`,
        );
      }
      section.set(pair[1] as string, pair[2] as string);
    }
    offset += new TextEncoder().encode(line).length + 1;
  }
  return sections;
}

/** .treeinfo's text, as productmd lays it out. */
export function formatTreeinfo(treeinfo: Treeinfo): string {
  let out = '';
  for (const [name, section] of treeinfo) {
    out += `[${name}]\n`;
    for (const [key, value] of section) out += `${key} = ${value}\n`;
    out += '\n';
  }
  return out;
}

/** The certificate of a productid document in PEM. Throws REPO_BAD_VALUE when there is none. */
export function parseProductId(bytes: Uint8Array): Uint8Array {
  const text = new TextDecoder().decode(bytes);
  const found = /-----BEGIN CERTIFICATE-----\s([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/.exec(text)?.[1];
  if (found === undefined) {
    throw new RepoError(
      {
        code: 'REPO_BAD_VALUE',
        document: 'productid',
        what: 'the whole',
        wanted: 'a certificate in PEM',
        found: 'none',
      },
      'productid: a certificate in PEM wanted, found none',
    );
  }
  return Uint8Array.from(atob(found.replace(/\s/g, '')), (character) => character.charCodeAt(0));
}
