/** Every stored tag of every package of the corpus that rpm reads has the value that `rpm -qp --xml` prints. */
import { execFileSync } from 'node:child_process';
import { type Header, type MainTags, mainTags, type RpmPackage, readPackage, type SignatureTags } from '@distrokit/rpm';
import { expect, test } from 'vitest';
import { corpusBytes, corpusPath, corpusPresent, corpusRpms, hasPackageOracle } from './corpus.js';
import { recordConformance } from './recording.js';

/** rpm 4's spelling → ours, and the signature header's tags under the names they have in a query. */
const renamed: Readonly<Record<string, keyof MainTags>> = {
  FILEMD5S: 'FILEDIGESTS',
  PROVIDES: 'PROVIDENAME',
  REQUIRES: 'REQUIRENAME',
  CONFLICTS: 'CONFLICTNAME',
  OBSOLETES: 'OBSOLETENAME',
  RECOMMENDS: 'RECOMMENDNAME',
  SUGGESTS: 'SUGGESTNAME',
  SUPPLEMENTS: 'SUPPLEMENTNAME',
  ENHANCES: 'ENHANCENAME',
  PAYLOADDIGEST: 'PAYLOADSHA256',
  PAYLOADDIGESTALGO: 'PAYLOADSHA256ALGO',
  PAYLOADDIGESTALT: 'PAYLOADSHA256ALT',
};
const fromSignature: Readonly<Record<string, keyof SignatureTags>> = {
  SIGSIZE: 'SIZE',
  SIGPGP: 'PGP',
  SIGMD5: 'MD5',
  SIGGPG: 'GPG',
  DSAHEADER: 'DSA',
  RSAHEADER: 'RSA',
  SHA1HEADER: 'SHA1',
  SHA256HEADER: 'SHA256',
  LONGSIGSIZE: 'LONGSIZE',
  LONGARCHIVESIZE: 'LONGARCHIVESIZE',
  VERITYSIGNATURES: 'VERITYSIGNATURES',
  VERITYSIGNATUREALGO: 'VERITYSIGNATUREALGO',
};
/** May come from either header. */
const fromEither: Readonly<Record<string, keyof SignatureTags>> = {
  ARCHIVESIZE: 'PAYLOADSIZE',
  FILESIGNATURES: 'FILESIGNATURES',
  FILESIGNATURELENGTH: 'FILESIGNATURELENGTH',
};
/** What rpm makes up for a package that is older than the tag: a v3 package, for one, gets a provide of its own name. */
function isMadeUp(tag: string, { header, format }: RpmPackage): boolean {
  if (tag === 'SOURCERPM' || tag === 'SOURCEPACKAGE') return !header.has('SOURCERPM') && !header.has('SOURCEPACKAGE');
  if (['BASENAMES', 'DIRNAMES', 'DIRINDEXES'].includes(tag)) return header.has('OLDFILENAMES');
  return format === 3 && ['PROVIDENAME', 'PROVIDEFLAGS', 'PROVIDEVERSION', 'HEADERIMAGE'].includes(tag);
}

/** Tag → values, as rpm prints them; text is read byte for character. */
function parseXml(xml: string): Map<string, string[]>[] {
  return xml
    .split('<rpmHeader>')
    .slice(1)
    .map((part) => {
      const tags = new Map<string, string[]>();
      for (const [, name, body] of part.matchAll(/<rpmTag name="([^"]+)">([\s\S]*?)<\/rpmTag>/g)) {
        const values = [
          ...(body as string).matchAll(/<(string|integer|base64)>([\s\S]*?)<\/\1>|<(?:string|base64)\/>/g),
        ];
        tags.set(
          (name as string).toUpperCase(),
          values.map(([, kind, value = '']) =>
            kind === 'base64'
              ? value.replaceAll(/\s/g, '')
              : value.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'),
          ),
        );
      }
      return tags;
    });
}

function ours<Tags>(header: Header<Tags>, name: keyof Tags & string, scalar: boolean): string[] | undefined {
  if (!header.has(name)) return undefined;
  const value = header.get(name);
  if (value instanceof Uint8Array) return [Buffer.from(value).toString('base64')];
  if (typeof value === 'number') return [String(value)];
  if (Array.isArray(value) && typeof value[0] === 'number') return value.map(String);
  const texts = (header.rawTexts(name) ?? []).map((text) => Buffer.from(text).toString('latin1'));
  return scalar ? texts.slice(0, 1) : texts;
}

function valueByName(pkg: RpmPackage, name: string): string[] | undefined {
  const signatureName = fromSignature[name];
  if (signatureName) return ours(pkg.signatureHeader, signatureName, true);
  const either = fromEither[name];
  const tag = renamed[name] ?? (name as keyof MainTags);
  const row = mainTags[tag];
  if (!row) return undefined;
  return (
    ours(pkg.header, tag, !row[1].endsWith('[]') && row[1] !== 'i18n') ??
    (either && ours(pkg.signatureHeader, either, false))
  );
}

if (!corpusPresent) {
  test('the corpus is not beside this checkout: tags are not compared with rpm --xml', () => {
    expect(corpusPresent).toBe(false);
  });
} else {
  test('every tag that rpm prints has the same value here', async () => {
    const paths = corpusRpms().filter(hasPackageOracle);
    let compared = 0;
    let madeUp = 0;
    for (let start = 0; start < paths.length; start += 50) {
      const batch = paths.slice(start, start + 50);
      const xml = execFileSync(
        'rpm',
        ['-qp', '--nosignature', '--nodigest', '--nomanifest', '--xml', ...batch.map((path) => corpusPath(path))],
        { env: { ...process.env, LC_ALL: 'C' }, maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'ignore'] },
      ).toString('latin1');
      const printed = parseXml(xml);
      expect(printed.length).toBe(batch.length);
      for (const [i, path] of batch.entries()) {
        const pkg = await readPackage(corpusBytes(path));
        for (const [name, expected] of printed[i] as Map<string, string[]>) {
          // A number that rpm 4.18 has no name for, such as the tags of rpm 6.
          if (name === '(UNKNOWN)') continue;
          const tag = renamed[name] ?? name;
          const actual = valueByName(pkg, name);
          if ((actual === undefined || pkg.format === 3) && isMadeUp(tag, pkg)) {
            madeUp += 1;
            continue;
          }
          expect({ path, name, value: actual }).toEqual({ path, name, value: expected });
          compared += 1;
        }
      }
    }
    expect(compared).toBeGreaterThan(25_000);
    recordConformance({
      what: 'values of stored tags',
      judge: 'rpm 4.18.0',
      cases: compared + madeUp,
      differences: madeUp,
    });
  });
}
