/** @distrokit/repo/node: the isomorphic door and what needs a file system. */
export {
  type CreatedRepository,
  type CreateRepositoryOptions,
  createRepository,
} from './create-repository.js';
export { directoryFetcher, directoryStore } from './directory-store.js';
export { packagePaths } from './folder-packages.js';
export * from './index.js';
export { type OpenRepositoryAtOptions, openRepositoryAt } from './open-repository-at.js';
export { type PackageFileOptions, recordFromFile } from './package-file.js';
export { type CachedRecord, cachedRecord, type RecordCacheOptions } from './record-cache.js';
export type { FormOptions } from './repository-forms.js';
export { type AddDatabasesOptions, addDatabases, databaseDocuments } from './sqlite.js';
