/**
 * The files of a package: parallel arrays of the header ↔ one record per file.
 *
 * Paths are stored as DIRNAMES + DIRINDEXES + BASENAMES; v3 packages have whole paths in OLDFILENAMES.
 *
 * Reference: rpm, docs/manual/tags.md (file information), large_files.md; lib/rpmfi.cc
 */

import { RpmError } from './errors.js';
import { type DigestAlgorithm, digestAlgorithmOf } from './hasher.js';
import type { Header } from './header.js';
import type { MainTags } from './tags.js';

/** What a file is, from the type bits of its mode. */
export type FileType =
  | 'regular'
  | 'directory'
  | 'symlink'
  | 'character device'
  | 'block device'
  | 'fifo'
  | 'socket'
  | 'unknown';

/** Algorithms of file digests. Packages before rpm 4.6 have MD5. */
export type FileDigestAlgorithm = DigestAlgorithm | 'ripemd160' | 'sha3-512';

/** One file as the header describes it. */
export interface PackageFile {
  /** Position in the header's arrays; stripped cpio entries name it. */
  readonly index: number;
  /** As stored: absolute in binary packages, a bare name in source packages. Not normalized. */
  readonly path: string;
  readonly type: FileType;
  /** Type and permission bits, as `st_mode`. */
  readonly mode: number;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
  /** Absent for everything but regular files with content in the package. */
  readonly digest?: { readonly algorithm: FileDigestAlgorithm; readonly hex: string };
  /** Target of a symlink, else empty. */
  readonly linkTarget: string;
  /** Bits of `fileFlags`. */
  readonly flags: number;
  /** What `rpm -V` looks at: bits of `verifyFlags`. */
  readonly verify: number;
  readonly user: string;
  readonly group: string;
  /** Major and minor number of a device file, packed in 16 bits. */
  readonly deviceNumber: number;
  /** Files with equal `device` and `inode` are hard links of one file. */
  readonly device: number;
  readonly inode: number;
  /** Languages, `|` between them; empty for all. */
  readonly language: string;
  /** As `getcap` writes them, for instance `cap_net_raw=ep`; empty for none. */
  readonly capabilities: string;
  /** 1 for a 32-bit ELF file, 2 for a 64-bit one, 0 for the rest. */
  readonly color: number;
  /** What libmagic said (v4), or the MIME type (v6); empty when not stored. */
  readonly fileClass: string;
}

/** The bits of a file's flags. */
export const fileFlags = {
  config: 0x1,
  doc: 0x2,
  icon: 0x4,
  missingOk: 0x8,
  noReplace: 0x10,
  specFile: 0x20,
  ghost: 0x40,
  license: 0x80,
  readme: 0x100,
  pubkey: 0x800,
  artifact: 0x1000,
} as const;

/** The name of one bit of a file's flags. */
export type FileFlag = keyof typeof fileFlags;

/** The bits of what `rpm -V` looks at. */
export const verifyFlags = {
  digest: 0x1,
  size: 0x2,
  link: 0x4,
  user: 0x8,
  group: 0x10,
  modifiedAt: 0x20,
  mode: 0x40,
  deviceNumber: 0x80,
  capabilities: 0x100,
} as const;

/**
 * Paths in header order. DIRNAMES holds each directory once; DIRINDEXES points into it.
 *
 * Not normalized: `..` and duplicates come through as stored. Throws RPM_BAD_FILE_LIST when an index points outside
 * DIRNAMES or the arrays differ in length.
 */
export function filePaths(header: Header<MainTags>): string[] {
  const names = header.get('BASENAMES');
  if (names === undefined) return [...(header.get('OLDFILENAMES') ?? [])];
  const folders = header.get('DIRNAMES') ?? [];
  const indexes = header.get('DIRINDEXES') ?? [];
  if (indexes.length !== names.length) throw badList('DIRINDEXES', `${names.length} values`, String(indexes.length));
  const paths = new Array<string>(names.length);
  for (let i = 0; i < names.length; i++) {
    const folder = folders[indexes[i] as number];
    if (folder === undefined) throw badList('DIRINDEXES', `an index below ${folders.length}`, String(indexes[i]));
    paths[i] = folder + (names[i] as string);
  }
  return paths;
}

/**
 * All files with their attributes, in header order. Tags that the package lacks give 0, the empty string or, for
 * `verify`, all bits.
 *
 * Throws RPM_BAD_FILE_LIST when an array does not have one value for each path, or an index points nowhere.
 */
export function fileList(header: Header<MainTags>): readonly PackageFile[] {
  const paths = filePaths(header);
  const count = paths.length;
  if (count === 0) return [];
  const column = <Name extends FileColumn>(tag: Name): MainTags[Name] | undefined => {
    const values = header.get(tag);
    if (values !== undefined && values.length !== count) throw badList(tag, `${count} values`, String(values.length));
    return values;
  };
  const sizes = column('LONGFILESIZES') ?? column('FILESIZES');
  const modes = column('FILEMODES');
  const times = column('FILEMTIMES');
  const digests = column('FILEDIGESTS');
  const algorithm = fileDigestAlgorithm(header.get('FILEDIGESTALGO') ?? 1);
  const targets = column('FILELINKTOS');
  const flags = column('FILEFLAGS');
  const verify = column('FILEVERIFYFLAGS');
  const users = column('FILEUSERNAME');
  const groups = column('FILEGROUPNAME');
  const deviceNumbers = column('FILERDEVS');
  const devices = column('FILEDEVICES');
  const inodes = column('FILEINODES');
  const languages = column('FILELANGS');
  const capabilities = column('FILECAPS');
  const colors = column('FILECOLORS');
  const mimeIndexes = column('FILEMIMEINDEX');
  const classIndexes = mimeIndexes ?? column('FILECLASS');
  const dictionaryTag = mimeIndexes ? 'MIMEDICT' : 'CLASSDICT';
  const dictionary = header.get(dictionaryTag) ?? [];

  return paths.map((path, index) => {
    const mode = modes?.[index] ?? 0;
    const hex = digests?.[index] ?? '';
    if (hex !== '' && algorithm === undefined) {
      throw badList('FILEDIGESTALGO', 'a known algorithm', String(header.get('FILEDIGESTALGO')));
    }
    return {
      index,
      path,
      type: fileTypeOf(mode),
      mode,
      sizeBytes: sizes?.[index] ?? 0,
      modifiedAt: new Date((times?.[index] ?? 0) * 1000),
      ...(hex === '' || algorithm === undefined ? {} : { digest: { algorithm, hex } }),
      linkTarget: targets?.[index] ?? '',
      flags: flags?.[index] ?? 0,
      verify: verify?.[index] ?? 0xffff_ffff,
      user: users?.[index] ?? '',
      group: groups?.[index] ?? '',
      deviceNumber: deviceNumbers?.[index] ?? 0,
      device: devices?.[index] ?? 0,
      inode: inodes?.[index] ?? 0,
      language: languages?.[index] ?? '',
      capabilities: capabilities?.[index] ?? '',
      color: colors?.[index] ?? 0,
      fileClass: dictionary[classIndexes?.[index] ?? -1] ?? '',
    };
  });
}

/** Names of the bits set in `flags`, in bit order. Bits without a name are left out. */
export function fileFlagNames(flags: number): readonly FileFlag[] {
  return (Object.keys(fileFlags) as FileFlag[]).filter((name) => (flags & fileFlags[name]) !== 0);
}

/** Whether the package describes the file but does not carry it. */
export function isGhost(file: Pick<PackageFile, 'flags'>): boolean {
  return (file.flags & fileFlags.ghost) !== 0;
}

/** What the type bits of a mode say. */
export function fileTypeOf(mode: number): FileType {
  return fileTypes.get(mode & 0o170000) ?? 'unknown';
}

/** Sets of two and more regular files that are hard links of each other; each in header order. Ghosts are in none. */
export function hardlinkSets(files: readonly PackageFile[]): readonly (readonly PackageFile[])[] {
  const sets = new Map<string, PackageFile[]>();
  for (const file of files) {
    if (file.type !== 'regular' || isGhost(file)) continue;
    const key = `${file.device}:${file.inode}`;
    const set = sets.get(key);
    if (set) set.push(file);
    else sets.set(key, [file]);
  }
  return [...sets.values()].filter((set) => set.length > 1);
}

/** By the OpenPGP number that FILEDIGESTALGO holds. */
function fileDigestAlgorithm(number: number): FileDigestAlgorithm | undefined {
  return digestAlgorithmOf(number) ?? (number === 3 ? 'ripemd160' : number === 14 ? 'sha3-512' : undefined);
}

const fileTypes: ReadonlyMap<number, FileType> = new Map([
  [0o100000, 'regular'],
  [0o040000, 'directory'],
  [0o120000, 'symlink'],
  [0o020000, 'character device'],
  [0o060000, 'block device'],
  [0o010000, 'fifo'],
  [0o140000, 'socket'],
]);

type FileColumn =
  | 'LONGFILESIZES'
  | 'FILESIZES'
  | 'FILEMODES'
  | 'FILEMTIMES'
  | 'FILEDIGESTS'
  | 'FILELINKTOS'
  | 'FILEFLAGS'
  | 'FILEVERIFYFLAGS'
  | 'FILEUSERNAME'
  | 'FILEGROUPNAME'
  | 'FILERDEVS'
  | 'FILEDEVICES'
  | 'FILEINODES'
  | 'FILELANGS'
  | 'FILECAPS'
  | 'FILECOLORS'
  | 'FILECLASS'
  | 'FILEMIMEINDEX';

function badList(tag: string, wanted: string, found: string): RpmError {
  return new RpmError(
    { code: 'RPM_BAD_FILE_LIST', tag, wanted, found },
    `header: ${tag}: ${wanted} wanted, found ${found}`,
  );
}
