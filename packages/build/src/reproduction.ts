/**
 * Two builds of one source: the same bytes, or what differs by tag and by file.
 *
 * Reference: reproducible-builds.org; rpm, docs/manual/format_v4.md
 */

import type { PackageFile } from '@distrokit/rpm';
import { fileList, type MainTags, mainTags, type RpmPackage } from '@distrokit/rpm';
import { openPackage } from '@distrokit/rpm/node';
import type { BuiltPackage } from './build-package.js';

/** What two builds of one package do not share. */
export interface PackageDifference {
  /** File name of the package. */
  readonly package: string;
  /** `only-first`, `only-second`: one build did not make it. `payload`: headers agree, the compressed archive does not. */
  readonly kind: 'only-first' | 'only-second' | 'content' | 'payload';
  /** Header tags with other values, digests of content left out where files explain them. */
  readonly tags: readonly { readonly tag: string; readonly first: string; readonly second: string }[];
  readonly files: readonly { readonly path: string; readonly what: readonly string[] }[];
}

/** The answer. `ok` when there was at least one package and every one has the same SHA-256 in both builds. */
export interface ReproductionReport {
  readonly ok: boolean;
  readonly differences: readonly PackageDifference[];
}

/** Tags that say again what files or the archive as a whole say: they differ whenever those do. */
const derivedTags: ReadonlySet<string> = new Set([
  ...[
    'HEADERIMMUTABLE',
    'PAYLOADSHA256',
    'PAYLOADSHA256ALT',
    'FILEDIGESTS',
    'FILESIZES',
    'LONGFILESIZES',
    'FILEMTIMES',
    'FILEMODES',
  ],
  ...[
    'BASENAMES',
    'DIRNAMES',
    'DIRINDEXES',
    'FILELINKTOS',
    'FILEUSERNAME',
    'FILEGROUPNAME',
    'FILEFLAGS',
    'FILEINODES',
    'FILESTATES',
  ],
]);

/** Compares the packages of two builds, which must lie unsigned where the results say. */
export async function compareBuilds(
  first: readonly BuiltPackage[],
  second: readonly BuiltPackage[],
): Promise<ReproductionReport> {
  const one = new Map(first.map((pkg) => [fileName(pkg), pkg]));
  const two = new Map(second.map((pkg) => [fileName(pkg), pkg]));
  const differences: PackageDifference[] = [];
  for (const name of [...new Set([...one.keys(), ...two.keys()])].sort()) {
    const [mine, theirs] = [one.get(name), two.get(name)];
    if (mine === undefined || theirs === undefined) {
      differences.push({ package: name, kind: mine === undefined ? 'only-second' : 'only-first', tags: [], files: [] });
    } else if (mine.sha256 !== theirs.sha256) {
      await using left = await openPackage(mine.path);
      await using right = await openPackage(theirs.path);
      differences.push(explain(name, left, right));
    }
  }
  return { ok: one.size > 0 && differences.length === 0, differences };
}

function explain(name: string, left: RpmPackage, right: RpmPackage): PackageDifference {
  const tags = (Object.keys(mainTags) as (keyof MainTags)[])
    .filter((tag) => !derivedTags.has(tag))
    .map((tag) => ({ tag, first: show(left.header.get(tag)), second: show(right.header.get(tag)) }))
    .filter(({ first, second }) => first !== second);
  const files: { readonly path: string; readonly what: readonly string[] }[] = [];
  const there = new Map(fileList(right.header).map((file) => [file.path, file]));
  for (const file of fileList(left.header)) {
    const other = there.get(file.path);
    there.delete(file.path);
    const what = other === undefined ? ['only in the first'] : fileDifferences(file, other);
    if (what.length > 0) files.push({ path: file.path, what });
  }
  for (const path of there.keys()) files.push({ path, what: ['only in the second'] });
  return { package: name, kind: tags.length + files.length === 0 ? 'payload' : 'content', tags, files };
}

function fileDifferences(one: PackageFile, two: PackageFile): string[] {
  const what: string[] = [];
  if (one.digest?.hex !== two.digest?.hex) what.push('content');
  if (one.sizeBytes !== two.sizeBytes) what.push(`size ${one.sizeBytes} → ${two.sizeBytes}`);
  if (one.mode !== two.mode) what.push(`mode ${one.mode.toString(8)} → ${two.mode.toString(8)}`);
  if (one.modifiedAt.getTime() !== two.modifiedAt.getTime()) {
    what.push(`time ${one.modifiedAt.toISOString()} → ${two.modifiedAt.toISOString()}`);
  }
  if (one.linkTarget !== two.linkTarget) what.push('link target');
  if (one.user !== two.user || one.group !== two.group) what.push('owner');
  if (one.flags !== two.flags) what.push('flags');
  return what;
}

function show(value: unknown): string {
  if (value === undefined) return 'none';
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex').slice(0, 200);
  return (
    JSON.stringify(value, (_key, each: unknown) => (typeof each === 'bigint' ? String(each) : each)) ?? 'none'
  ).slice(0, 200);
}

function fileName(pkg: BuiltPackage): string {
  return pkg.path.slice(pkg.path.lastIndexOf('/') + 1);
}
