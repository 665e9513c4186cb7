/**
 * Lists that bind file names to digests: `sources` of dist-git and `.<package>.metadata` of imports.
 *
 * Three kinds of line are in use: `SHA512 (name) = hex` (Fedora, CentOS Stream), `hex  name` (their older form,
 * MD5) and `hex SOURCES/name` (imports: the algorithm follows from the number of hex digits).
 *
 * Reference: rpkg, sources file; git.centos.org, .metadata files
 */
import { type Digest, type DigestAlgorithm, quote } from '@distrokit/rpm';
import { SourceError } from './errors.js';

/** One line of a list: a file and the digest that its bytes must have. */
export interface SourceEntry {
  /** As listed: `foo-1.0.tar.gz`, or in an imports layout a path such as `SOURCES/foo-1.0.tar.gz`. */
  readonly file: string;
  readonly digest: Digest;
}

/** How lines are written: `bsd` is `SHA512 (name) = hex`, `hex` is `hex  name`, `metadata` is `hex name`. */
export type SourcesStyle = 'bsd' | 'hex' | 'metadata';

/** More lines than any package has; a longer list is hostile. */
const maxEntries = 100_000;

const bsdLine = /^([A-Za-z0-9-]+) \((.+)\) = ([0-9A-Fa-f]+)$/;
const hexLine = /^([0-9A-Fa-f]+)[ \t]+\*?(.+)$/;

const algorithmOfLength: Readonly<Record<number, DigestAlgorithm>> = {
  32: 'md5',
  40: 'sha1',
  64: 'sha256',
  128: 'sha512',
};
const lengthOfAlgorithm: Readonly<Partial<Record<DigestAlgorithm, number>>> = {
  md5: 32,
  sha1: 40,
  sha256: 64,
  sha512: 128,
};
const algorithmOfWord: Readonly<Record<string, DigestAlgorithm>> = {
  MD5: 'md5',
  SHA1: 'sha1',
  SHA256: 'sha256',
  SHA512: 'sha512',
};

/**
 * Reads a `sources` or `.metadata` list. The kinds of line may be mixed; empty lines, CRLF and `#` lines are skipped.
 *
 * File names are taken as they stand: `fetchSources` refuses the dangerous ones. Throws SOURCE_BAD_LIST for a line that
 * binds no digest, and for two lines that give one file different digests of one algorithm.
 */
export function parseSources(text: string): SourceEntry[] {
  const entries: SourceEntry[] = [];
  const seen = new Map<string, string>();
  const lines = text.split('\n');
  for (const [index, raw] of lines.entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const entry = parseLine(line, index + 1);
    const key = `${entry.digest.algorithm} ${entry.file}`;
    const before = seen.get(key);
    if (before === entry.digest.hex) continue;
    if (before !== undefined) {
      throw badList(index + 1, `one ${entry.digest.algorithm} digest for ${quote(entry.file)}`, line);
    }
    seen.set(key, entry.digest.hex);
    entries.push(entry);
    if (entries.length > maxEntries) {
      throw new SourceError(
        { code: 'SOURCE_LIMIT', what: 'lines of a sources list', limit: maxEntries, found: entries.length },
        `sources list: more than ${maxEntries} lines`,
      );
    }
  }
  return entries;
}

/** Writes a list, one line per entry in the given order, each ended by a newline. An empty list is an empty text. */
export function formatSources(entries: readonly SourceEntry[], style: SourcesStyle = 'bsd'): string {
  return entries.map((entry) => `${formatLine(entry, style)}\n`).join('');
}

/** The algorithm that a bare hexadecimal digest must be, by its length; undefined when no known one fits. */
export function algorithmOfHex(hex: string): DigestAlgorithm | undefined {
  return algorithmOfLength[hex.length];
}

function parseLine(line: string, number: number): SourceEntry {
  const bsd = bsdLine.exec(line);
  if (bsd) {
    const [, word = '', file = '', hex = ''] = bsd;
    const algorithm = algorithmOfWord[word.toUpperCase()];
    if (!algorithm) throw badList(number, 'MD5, SHA1, SHA256 or SHA512', word);
    if (hex.length !== lengthOfAlgorithm[algorithm]) {
      throw badList(number, `${lengthOfAlgorithm[algorithm]} hexadecimal digits for ${algorithm}`, `${hex.length}`);
    }
    return { file, digest: { algorithm, hex: hex.toLowerCase() } };
  }
  const plain = hexLine.exec(line);
  if (!plain) throw badList(number, 'ALGORITHM (file) = digest, or digest file', line);
  const [, hex = '', file = ''] = plain;
  const algorithm = algorithmOfHex(hex);
  if (!algorithm) throw badList(number, '32, 40, 64 or 128 hexadecimal digits', `${hex.length}`);
  return { file, digest: { algorithm, hex: hex.toLowerCase() } };
}

function formatLine(entry: SourceEntry, style: SourcesStyle): string {
  const { file, digest } = entry;
  if (/[\r\n]/.test(file) || file.trim() !== file || file === '') {
    throw new SourceError(
      { code: 'SOURCE_BAD_FILENAME', file, wanted: 'one line of text without blanks at its ends' },
      `file name ${quote(file)} does not fit on a line of a sources list`,
    );
  }
  if (style === 'bsd') return `${digest.algorithm.toUpperCase()} (${file}) = ${digest.hex}`;
  return style === 'hex' ? `${digest.hex}  ${file}` : `${digest.hex} ${file}`;
}

function badList(line: number, wanted: string, found: string): SourceError {
  return new SourceError(
    { code: 'SOURCE_BAD_LIST', line, wanted, found },
    `sources list, line ${line}: wanted ${wanted}, found ${quote(found)}`,
  );
}
