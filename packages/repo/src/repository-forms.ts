/**
 * In which forms `createRepository` writes what it has read: by the name of its clients, or one by one.
 */
import { join } from 'node:path';
import type { CreateRepositoryOptions } from './create-repository.js';
import { filelistsExtDocument } from './filelists-ext.js';
import type { PackageRecord } from './package-record.js';
import { type ClientProfile, repositoryProfiles } from './profile.js';
import type { DerivedDocuments } from './repository-writer.js';
import { databaseDocuments } from './sqlite.js';
import { zchunkDocuments } from './zchunk-documents.js';

/** Forms beside the three documents. */
export interface FormOptions {
  /**
   * What these clients read: compression, level, digest, the form of comps (`group` among `extraDocuments`), databases.
   * What is chosen by an option of its own is left as chosen.
   */
  readonly profile?: ClientProfile;
  /** The `*_db` documents of old clients: see `addDatabases`. Default: as the profile says, or false. */
  readonly databases?: boolean;
  /** The `*_zck` documents: see `addZchunk`. Default false. */
  readonly zchunk?: boolean;
  /**
   * filelists-ext: see `filelistsExtDocument`. Packages are then read or taken from the cache even with `update`, and all
   * records are held in memory. Default false.
   */
  readonly filelistsExt?: boolean;
}

/** The options with the choices of a profile in them, and with all forms among the derived documents. */
export function withForms(target: string, options: CreateRepositoryOptions): CreateRepositoryOptions {
  const { profile: name, zchunk = false, filelistsExt = false } = options;
  if (name !== undefined && !Object.hasOwn(repositoryProfiles, name)) {
    throw new TypeError(`"profile" must be ${Object.keys(repositoryProfiles).join(', ')}, not ${String(name)}`);
  }
  const profile = name === undefined ? undefined : repositoryProfiles[name];
  const { databases = profile?.databases ?? false } = options;
  const derived: DerivedDocuments[] = [...(options.derivedDocuments ?? [])];
  if (databases) derived.push(databaseDocuments(join(target, 'repodata')));
  if (zchunk) derived.push(zchunkDocuments);
  const records: PackageRecord[] = [];
  if (filelistsExt) derived.push(filelistsExtOf(records, options));
  // A level is one of its compression: the profile's goes with the profile's.
  const own = options.compression !== undefined || options.compressionLevel !== undefined;
  const { compression, compressionLevel, checksum } = profile?.documents ?? {};
  return {
    ...options,
    ...(own || compression === undefined || compressionLevel === undefined ? {} : { compression, compressionLevel }),
    ...(options.checksum !== undefined || checksum === undefined ? {} : { checksum }),
    ...(profile === undefined || options.extraDocuments === undefined
      ? {}
      : {
          extraDocuments: options.extraDocuments.map((document) =>
            document.type === 'group' ? { compression: profile.group, ...document } : document,
          ),
        }),
    ...(derived.length === 0 ? {} : { derivedDocuments: derived }),
    ...(filelistsExt
      ? {
          fileDigests: true,
          update: false,
          onPackage: (record: PackageRecord, done: number, total: number) => {
            records.push(record);
            options.onPackage?.(record, done, total);
          },
        }
      : {}),
  };
}

/** Of packages that were read, those that a policy on duplicates left in. */
function filelistsExtOf(records: readonly PackageRecord[], { textPolicy }: CreateRepositoryOptions): DerivedDocuments {
  return async (written, { signal }) => {
    const there = new Set<string>();
    for await (const { location, pkgid } of written.packages(signal === undefined ? {} : { signal })) {
      there.add(`${pkgid.hex} ${location}`);
    }
    return [
      filelistsExtDocument(
        records.filter(({ location, pkgid }) => there.has(`${pkgid.hex} ${location}`)),
        textPolicy,
      ),
    ];
  };
}
