/**
 * @distrokit/repo: repodata and repositories as a whole. This door runs in Node and in a browser; `./node` adds what
 * needs a file system.
 */

export {
  type ClosureOptions,
  type ClosureReport,
  checkClosure,
  type Exclusion,
  formatRequirement,
  type UnresolvedRequirement,
} from './closure.js';
export { filterRepository, type MergeSource, mergeRepositories, splitRepository } from './combine-repositories.js';
export {
  compareRepositories,
  type PackageChange,
  type RepositoryComparison,
  type RepositoryContents,
} from './compare-repositories.js';
export {
  type Comps,
  type CompsCategory,
  type CompsEnvironment,
  type CompsGroup,
  type CompsPackage,
  filterComps,
  formatComps,
  mergeComps,
  parseComps,
  type Translations,
} from './comps.js';
export type { DocumentLimits } from './document-reader.js';
export type { DocumentCompression, RepositoryChecksum } from './document-writer.js';
export { RepoError, type RepoFault } from './errors.js';
export { type Fetcher, type FetchFunction, fetchBytes, httpFetcher, memoryFetcher } from './fetcher.js';
export { filelistsExtDocument } from './filelists-ext.js';
export { type ModifyOptions, modifyRepository } from './modify-repository.js';
export {
  filterModules,
  formatModules,
  type ModuleDocument,
  type ModuleStream,
  type ModuleValue,
  mergeModules,
  moduleStreams,
  type Nsvca,
  parseModules,
} from './modules.js';
export {
  formatRecord,
  isPrimaryPath,
  type PackageFileFacts,
  type PackageRecord,
  parseRecord,
  type RecordOptions,
  type RepositoryChangelog,
  type RepositoryDependency,
  type RepositoryDependencyKind,
  type RepositoryFile,
  type RepositoryRelation,
  repositoryDependencyKinds,
} from './package-record.js';
export type { TextPolicy } from './package-text.js';
export { type ClientProfile, type Profile, type ProfileChoices, repositoryProfiles } from './profile.js';
export {
  type Generation,
  type KeepGenerations,
  type PublishedCheck,
  type PublishedState,
  type PublishOptions,
  type PublishStep,
  planPublish,
  publishedState,
  publishRepository,
  revertRepository,
  verifyPublished,
} from './publish.js';
export { recordFromPackage } from './record-from-package.js';
export {
  formatRepomd,
  noTags,
  parseRepomd,
  type Repomd,
  type RepomdRecord,
  type RepomdTags,
  repomdRecord,
  sortRepomdRecords,
} from './repomd.js';
export { type OpenRepositoryOptions, openRepository, type PackageReadOptions, type Repository } from './repository.js';
export {
  type DerivedDocuments,
  type DuplicatePolicy,
  type ExtraDocument,
  type RepositoryOptions,
  type RepositoryPackage,
  writeRepository,
} from './repository-writer.js';
export { planRetention, type RetentionFacts, type RetentionPolicy, type RetentionVerdict } from './retention.js';
export { type S3FetchFunction, type S3StoreOptions, s3Store } from './s3-store.js';
export { memoryStore, type RepositoryStore, type StoredFile, type WriteOptions } from './store.js';
export { formatTreeinfo, parseProductId, parseTreeinfo, type Treeinfo } from './treeinfo.js';
export { type RepositoryChanges, updateRepository } from './update-repository.js';
export {
  type Advisory,
  type AdvisoryCollection,
  type AdvisoryPackage,
  type AdvisoryReference,
  filterAdvisories,
  formatUpdateinfo,
  mergeAdvisories,
  parseUpdateinfo,
  readUpdateinfo,
} from './updateinfo.js';
export { escapeAttribute, escapeText, type XmlAttributes, type XmlHandler, type XmlLimits, XmlReader } from './xml.js';
export { addZchunk, zchunkDocuments } from './zchunk-documents.js';
