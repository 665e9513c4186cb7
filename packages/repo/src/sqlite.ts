/**
 * The `*_db` documents: the three XML documents as sqlite databases, for yum and old tools. What `sqliterepo_c` does.
 *
 * The only file that knows the sqlite implementation, which is an optional dependency: it is loaded when asked for.
 *
 * Reference: createrepo_c, src/sqlite.c, src/sqliterepo_c.c
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type * as Sqlite from 'node-sqlite3-wasm';
import type { DocumentOptions } from './document-writer.js';
import { modifyRepository } from './modify-repository.js';
import { isPrimaryPath, type PackageRecord, repositoryDependencyKinds } from './package-record.js';
import { formatChecksumType, repomdRecord } from './repomd.js';
import { openRepository } from './repository.js';
import type { DerivedDocuments, ExtraDocument } from './repository-writer.js';
import type { RepositoryStore } from './store.js';

/** How to make the databases. */
export interface AddDatabasesOptions extends DocumentOptions {
  /** A folder of this machine for the databases in the making; what is put there is deleted again. */
  readonly workFolder: string;
}

/** The layout that yum calls version 10. */
const databaseVersion = 10;

/**
 * Adds `primary_db`, `filelists_db` and `other_db` to a repository, made from its three documents; others of these types
 * are replaced. Resolves with repomd.xml's bytes, ready to sign. An update of the repository takes them out again.
 *
 * Databases are held in memory one by one while they are written into the store. They are compressed as `compression`
 * says; yum reads `gz`. Throws TypeError when the optional package `node-sqlite3-wasm` is not installed, and what reading
 * and writing a repository throw.
 */
export async function addDatabases(store: RepositoryStore, options: AddDatabasesOptions): Promise<Uint8Array> {
  const { signal, workFolder } = options;
  const repository = await openRepository(store, {
    verifyRepomd: 'unsigned',
    ...(signal === undefined ? {} : { signal }),
  });
  return modifyRepository(store, { ...options, add: await databaseDocuments(workFolder)(repository, options) });
}

/**
 * The documents of `addDatabases`, for `derivedDocuments` of whatever writes a repository: all go into one repomd.xml.
 * `workFolder` as there.
 */
export function databaseDocuments(workFolder: string): DerivedDocuments {
  return async (repository, { signal }) => {
    const { Database } = await loadSqlite();
    await mkdir(workFolder, { recursive: true });
    // A name of its own: the implementation locks with a folder beside the file, which survives a killed process.
    const folder = await mkdtemp(join(workFolder, '.databases-'));
    const open: DatabaseWriter[] = [];
    try {
      for (const type of databaseTypes) open.push(new DatabaseWriter(Database, join(folder, `${type}.sqlite`), type));
      const abortable = signal === undefined ? {} : { signal };
      for await (const record of repository.packages({ files: true, changelogs: true, ...abortable })) {
        for (const writer of open) writer.add(record);
      }
      const made: ExtraDocument[] = [];
      for (const writer of open) {
        writer.finish(repomdRecord(repository.repomd, writer.type).checksum.hex);
        const bytes = new Uint8Array(await readFile(writer.path));
        made.push({ type: `${writer.type}_db`, fileName: `${writer.type}.sqlite`, bytes, facts: { databaseVersion } });
      }
      return made;
    } finally {
      for (const writer of open) writer.close();
      await rm(folder, { recursive: true, force: true });
    }
  };
}

async function loadSqlite(): Promise<typeof Sqlite> {
  try {
    const loaded: typeof Sqlite & { readonly default?: typeof Sqlite } = await import('node-sqlite3-wasm');
    return loaded.default ?? loaded;
  } catch (cause) {
    throw new TypeError('databases need the optional package node-sqlite3-wasm, which is not installed', { cause });
  }
}

const databaseTypes = ['primary', 'filelists', 'other'] as const;
type DatabaseType = (typeof databaseTypes)[number];
type Row = readonly (string | number | null)[];

const info = 'CREATE TABLE db_info (dbversion INTEGER, checksum TEXT)';
const ids = 'CREATE TABLE packages (pkgKey INTEGER PRIMARY KEY, pkgId TEXT)';
const dependency = 'name TEXT, flags TEXT, epoch TEXT, version TEXT, release TEXT, pkgKey INTEGER';

/** Tables and triggers before the rows, indexes after them: each row into an index costs more than the index at once. */
const schemas: Readonly<
  Record<DatabaseType, { readonly tables: readonly string[]; readonly indexes: readonly string[] }>
> = {
  primary: {
    tables: [
      info,
      'CREATE TABLE packages (pkgKey INTEGER PRIMARY KEY, pkgId TEXT, name TEXT, arch TEXT, version TEXT, epoch TEXT, ' +
        'release TEXT, summary TEXT, description TEXT, url TEXT, time_file INTEGER, time_build INTEGER, ' +
        'rpm_license TEXT, rpm_vendor TEXT, rpm_group TEXT, rpm_buildhost TEXT, rpm_sourcerpm TEXT, ' +
        'rpm_header_start INTEGER, rpm_header_end INTEGER, rpm_packager TEXT, size_package INTEGER, ' +
        'size_installed INTEGER, size_archive INTEGER, location_href TEXT, location_base TEXT, checksum_type TEXT)',
      'CREATE TABLE files (name TEXT, type TEXT, pkgKey INTEGER)',
      ...repositoryDependencyKinds.map((kind) =>
        kind === 'requires'
          ? `CREATE TABLE requires (${dependency}, pre BOOLEAN DEFAULT FALSE)`
          : `CREATE TABLE ${kind} (${dependency})`,
      ),
      trigger('removals', ['files', 'requires', 'provides', ...repositoryDependencyKinds.slice(2)]),
    ],
    indexes: [
      'packagename ON packages (name)',
      'packageId ON packages (pkgId)',
      'filenames ON files (name)',
      'pkgfiles ON files (pkgKey)',
      ...repositoryDependencyKinds.map((kind) => `pkg${kind} ON ${kind} (pkgKey)`),
      'requiresname ON requires (name)',
      'providesname ON provides (name)',
    ],
  },
  filelists: {
    tables: [
      info,
      ids,
      'CREATE TABLE filelist (pkgKey INTEGER, dirname TEXT, filenames TEXT, filetypes TEXT)',
      trigger('remove_filelist', ['filelist']),
    ],
    indexes: ['keyfile ON filelist (pkgKey)', 'pkgId ON packages (pkgId)', 'dirnames ON filelist (dirname)'],
  },
  other: {
    tables: [
      info,
      ids,
      'CREATE TABLE changelog (pkgKey INTEGER, author TEXT, date INTEGER, changelog TEXT)',
      trigger('remove_changelogs', ['changelog']),
    ],
    indexes: ['keychange ON changelog (pkgKey)', 'pkgId ON packages (pkgId)'],
  },
};

function trigger(name: string, tables: readonly string[]): string {
  const deletions = tables.map((table) => `DELETE FROM ${table} WHERE pkgKey = old.pkgKey;`).join(' ');
  return `CREATE TRIGGER ${name} AFTER DELETE ON packages BEGIN ${deletions} END`;
}

/** One database in the making. */
class DatabaseWriter {
  readonly path: string;
  readonly type: DatabaseType;
  readonly #database: Sqlite.Database;
  readonly #inserts = new Map<string, Sqlite.Statement>();
  #key = 0;

  constructor(Database: typeof Sqlite.Database, path: string, type: DatabaseType) {
    this.path = path;
    this.type = type;
    this.#database = new Database(path);
    // Whoever finds half a database throws it away: nothing is gained by waiting for the disk.
    this.#database.exec('PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; BEGIN');
    for (const statement of schemas[type].tables) this.#database.exec(statement);
  }

  add(record: PackageRecord): void {
    const key = ++this.#key;
    if (this.type === 'primary') {
      this.#insert('packages', [key, ...packageRow(record)]);
      for (const kind of repositoryDependencyKinds) {
        for (const row of dependencyRows(record, kind, key)) this.#insert(kind, row);
      }
      for (const file of record.files) {
        if (isPrimaryPath(file.path)) this.#insert('files', [file.path, file.type, key]);
      }
      return;
    }
    this.#insert('packages', [key, record.pkgid.hex]);
    if (this.type === 'filelists') {
      for (const row of fileRows(record)) this.#insert('filelist', [key, ...row]);
    } else {
      for (const { author, date, text } of record.changelogs) {
        this.#insert('changelog', [key, author, Math.floor(date.getTime() / 1000), text]);
      }
    }
  }

  /** `checksum` is that of the document that this database stands for. */
  finish(checksum: string): void {
    this.#insert('db_info', [databaseVersion, checksum]);
    for (const index of schemas[this.type].indexes) this.#database.exec(`CREATE INDEX ${index}`);
    this.#database.exec('COMMIT');
    this.close();
  }

  close(): void {
    // A database with a statement left cannot be closed.
    for (const statement of this.#inserts.values()) statement.finalize();
    this.#inserts.clear();
    if (this.#database.isOpen) this.#database.close();
  }

  #insert(table: string, row: Row): void {
    let statement = this.#inserts.get(table);
    if (statement === undefined) {
      statement = this.#database.prepare(`INSERT INTO ${table} VALUES (${row.map(() => '?').join(', ')})`);
      this.#inserts.set(table, statement);
    }
    statement.run([...row]);
  }
}

function packageRow(record: PackageRecord): Row {
  const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);
  // The reference writes empty texts as NULL, but for vendor and source package.
  const orNull = (text: string | undefined): string | null => (text === undefined || text === '' ? null : text);
  return [
    record.pkgid.hex,
    record.name,
    record.arch,
    record.version,
    String(record.epoch ?? 0),
    record.release,
    orNull(record.summary),
    orNull(record.description),
    orNull(record.url),
    seconds(record.fileTime),
    seconds(record.buildTime),
    orNull(record.license),
    record.vendor,
    orNull(record.group),
    orNull(record.buildHost),
    record.sourceRpm,
    record.headerRange.start,
    record.headerRange.end,
    orNull(record.packager),
    record.sizeBytes,
    record.installedBytes,
    record.archiveBytes,
    record.location,
    orNull(record.locationBase),
    formatChecksumType(record.pkgid.algorithm),
  ];
}

function dependencyRows(record: PackageRecord, kind: (typeof repositoryDependencyKinds)[number], key: number): Row[] {
  return record[kind].map(({ name, relation, epoch, version, release, pre }) => {
    const row = [name, relation ?? null, epoch ?? null, version ?? null, release ?? null, key];
    return kind === 'requires' ? [...row, pre === true ? 'TRUE' : 'FALSE'] : row;
  });
}

/** One row for each folder: names joined by `/`, types as letters. Folders in the order of their first file. */
function fileRows(record: PackageRecord): Row[] {
  const folders = new Map<string, { names: string; types: string }>();
  for (const { path, type } of record.files) {
    const slash = path.lastIndexOf('/') + 1;
    const folder = path.slice(0, slash).replace(/(.)\/+$/, '$1') || '.';
    let entry = folders.get(folder);
    if (entry === undefined) {
      entry = { names: '', types: '' };
      folders.set(folder, entry);
    }
    // The root folder has an empty name.
    entry.names += `${entry.names === '' ? '' : '/'}${path.slice(slash) || '/'}`;
    entry.types += type.charAt(0);
  }
  return [...folders].map(([folder, { names, types }]) => [folder, names, types]);
}
