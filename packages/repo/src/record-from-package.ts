/**
 * The record of a package from its headers. What the three documents leave out of the header is left out here too, by
 * createrepo_c's rules.
 *
 * Reference: createrepo_c, src/parsehdr.c (cr_package_from_header)
 */
import { type Header, isSourceHeader, type MainTags, type RpmPackage } from '@distrokit/rpm';
import { HeaderTexts, type TextTag } from './header-texts.js';
import {
  isPrimaryPath,
  type PackageFileFacts,
  type PackageRecord,
  type RecordOptions,
  type RepositoryChangelog,
  type RepositoryFile,
} from './package-record.js';
import { dependenciesOf } from './record-dependencies.js';

/**
 * The record of a package, by createrepo_c's rules:
 *
 * - requires leave out `rpmlib(…)`, what the package provides by the same name, relation and version, its own files of
 *   primary (`isPrimaryPath`), and a repetition of the last entry of that name; of the `libc.so.6(GLIBC_…)` only the
 *   highest stays, at the end;
 * - `pre` is set for requires of %pre, %post and the old PreReq;
 * - a dependency whose version has an epoch that is no number is left out (`onSkippedDependency`);
 * - old SUSE weak dependencies count as recommends, suggests, supplements, enhances;
 * - changelog entries of the same second are moved apart by one second each.
 *
 * Throws RPM_TAG_TYPE for a v3 header with impossible types, RPM_BAD_FILE_LIST for indexes that point nowhere.
 */
export function recordFromPackage(
  pkg: PackageHeaders,
  facts: PackageFileFacts,
  options: RecordOptions = {},
): PackageRecord {
  const files = filesOf(pkg.header, options.fileDigests === true);
  const primaryPaths = (): ReadonlySet<string> =>
    new Set(files.map((file) => file.path).filter((path) => isPrimaryPath(path)));
  return { ...recordWithoutFiles(pkg, facts, options, primaryPaths), files, filesComplete: true };
}

/** What of a package a record is made from. */
export type PackageHeaders = Pick<RpmPackage, 'header' | 'signatureHeader' | 'headerRange' | 'format'>;

/** `recordFromPackage` for a caller that has the files in another form. Not exported from the door. */
export function recordWithoutFiles(
  pkg: PackageHeaders,
  facts: PackageFileFacts,
  options: RecordOptions,
  primaryPaths: () => ReadonlySet<string>,
  texts: HeaderTexts = new HeaderTexts(pkg.header),
): PackageRecord {
  const header = pkg.header;
  const text = (tag: TextTag): string => texts.text(tag) ?? '';
  const epoch = header.get('EPOCH');
  const nevra = {
    name: text('NAME'),
    ...(epoch === undefined ? {} : { epoch }),
    version: text('VERSION'),
    release: text('RELEASE'),
    arch: header.has('SOURCERPM') ? text('ARCH') : 'src',
  };
  const signature = pkg.signatureHeader;
  return {
    ...nevra,
    pkgid: facts.pkgid,
    location: facts.location,
    ...(facts.locationBase === undefined ? {} : { locationBase: facts.locationBase }),
    summary: text('SUMMARY'),
    description: text('DESCRIPTION'),
    packager: text('PACKAGER'),
    url: text('URL'),
    license: text('LICENSE'),
    vendor: text('VENDOR'),
    group: text('GROUP'),
    buildHost: text('BUILDHOST'),
    sourceRpm: text('SOURCERPM'),
    fileTime: facts.fileTime,
    buildTime: new Date((header.get('BUILDTIME') ?? 0) * 1000),
    sizeBytes: facts.sizeBytes,
    installedBytes: header.get('LONGSIZE') ?? header.get('SIZE') ?? 0,
    archiveBytes: header.get('ARCHIVESIZE') ?? signature.get('LONGARCHIVESIZE') ?? signature.get('PAYLOADSIZE') ?? 0,
    headerRange: pkg.headerRange,
    ...dependenciesOf(texts, pkg.format === 3 && !isSourceHeader(header), primaryPaths, options.onSkippedDependency),
    files: [],
    filesComplete: false,
    changelogs: changelogsOf(texts, options.changelogLimit ?? 10),
    changelogsComplete: true,
  };
}
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const FILE_GHOST = 1 << 6;

function filesOf(header: Header<MainTags>, withDigests: boolean): readonly RepositoryFile[] {
  const texts = new HeaderTexts(header);
  const modes = header.get('FILEMODES') ?? [];
  const flags = header.get('FILEFLAGS') ?? [];
  const digests = withDigests ? header.get('FILEDIGESTS') : undefined;
  const names = texts.list('BASENAMES');
  const old = names === undefined ? texts.list('OLDFILENAMES') : undefined;
  const folders = texts.list('DIRNAMES') ?? [];
  const indexes = header.get('DIRINDEXES') ?? [];
  const count = Math.min(names?.length ?? old?.length ?? 0, modes.length, flags.length);
  const files = new Array<RepositoryFile>(count);
  for (let at = 0; at < count; at++) {
    const path =
      names === undefined ? (old as readonly string[])[at] : `${folders[indexes[at] ?? -1] ?? ''}${names[at]}`;
    const type =
      ((modes[at] as number) & S_IFMT) === S_IFDIR
        ? 'dir'
        : ((flags[at] as number) & FILE_GHOST) !== 0
          ? 'ghost'
          : 'file';
    const digest = digests?.[at];
    files[at] = digest === undefined ? { path: path as string, type } : { path: path as string, type, digest };
  }
  return files;
}
function changelogsOf(texts: HeaderTexts, limit: number): readonly RepositoryChangelog[] {
  const times = texts.header.get('CHANGELOGTIME') ?? [];
  const names = texts.list('CHANGELOGNAME', limit) ?? [];
  const bodies = texts.list('CHANGELOGTEXT', limit) ?? [];
  const count = Math.min(times.length, names.length, bodies.length, Math.max(0, limit));
  // Newest first in the header, oldest first in the document. Of entries with one time the older ones move ahead,
  // so that clients that sort by time keep the order.
  const seconds: number[] = [];
  let lastTime = 0;
  for (let at = 0; at < count; at++) {
    const time = times[at] as number;
    seconds.push(time);
    if (time !== lastTime) {
      lastTime = time;
      continue;
    }
    let moved = time;
    for (let before = at - 1; before >= 0 && seconds[before] === moved; before--) {
      moved++;
      seconds[before] = moved;
    }
  }
  const entries: RepositoryChangelog[] = [];
  for (let at = count - 1; at >= 0; at--) {
    entries.push({
      author: (names[at] as string).replace(/ +$/, ''),
      date: new Date((seconds[at] as number) * 1000),
      text: bodies[at] as string,
    });
  }
  return entries;
}
