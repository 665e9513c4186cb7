/**
 * @distrokit/rpm: the RPM file format and its vocabulary. This door runs in Node and in a browser; `./node` adds
 * what needs a file system.
 */

export * from './arch.js';
export { type BlockCodec, type BlockStream, blockCodec } from './block-codec.js';
export {
  type Abortable,
  asByteSource,
  type ByteSource,
  blobSource,
  memorySource,
} from './byte-source.js';
export { type ChangelogEntry, changelog } from './changelog.js';
export { type ClientProfile, type ClientProfileName, clientProfiles } from './client-profile.js';
export {
  type Compression,
  type CompressOptions,
  compress,
  compressBytes,
  type DecompressOptions,
  decompress,
  decompressBytes,
  detectCompression,
} from './codec.js';
export { type AbiReport, compareAbi } from './compare-abi.js';
export {
  type ComparePackagesOptions,
  comparePackages,
  type FileAspect,
  type LibraryComparison,
  type ListChange,
  type PackageComparison,
} from './compare-packages.js';
export {
  type CpioEntry,
  type CpioInput,
  encodeCpioHeader,
  encodeCpioTrailer,
  type NewcHeader,
  type ReadCpioOptions,
  readCpio,
  type StrippedHeader,
  writeCpio,
} from './cpio.js';
export {
  type Dependency,
  type DependencyFlag,
  type DependencyKind,
  dependencies,
  dependencyFlagNames,
  dependencyFlags,
  dependencyKinds,
  formatDependency,
  parseDependency,
  type Relation,
  rangesOverlap,
  relationFlags,
  relationOf,
  satisfies,
} from './dependency.js';
export {
  type CheckDigestsOptions,
  checkDigests,
  type DigestReport,
  type DigestStatus,
  type DigestStatuses,
} from './digest.js';
export {
  decodeElf,
  type Elf,
  type ElfHardening,
  type ElfNeededVersions,
  type ElfSymbol,
  isElf,
} from './elf.js';
export { CodedError, quote, RpmError, type RpmFault, type RpmSection } from './errors.js';
export { compareEvr, compareVersion, type Evr, formatEvr, parseEvr } from './evr.js';
export {
  type FileDigestAlgorithm,
  type FileFlag,
  type FileType,
  fileFlagNames,
  fileFlags,
  fileList,
  filePaths,
  fileTypeOf,
  hardlinkSets,
  isGhost,
  type PackageFile,
  verifyFlags,
} from './file-list.js';
export {
  createHasher,
  type Digest,
  type DigestAlgorithm,
  digestAlgorithmOf,
  digestBytes,
  type Hasher,
  toHex,
} from './hasher.js';
export {
  decodeHeaderIntro,
  decodeMainHeader,
  decodeSignatureHeader,
  encodeHeader,
  type Header,
  type HeaderEntry,
  type HeaderIntro,
  type HeaderValue,
  type IndexEntry,
  signaturePadding,
} from './header.js';
export { type HeaderKind, knownTypes, tagName } from './header-index.js';
export { decodeLead, encodeLead, LEAD_BYTES, type Lead } from './lead.js';
export {
  compareNevra,
  formatNevr,
  formatNevra,
  formatNvr,
  formatNvra,
  type Nevr,
  type Nevra,
  packageFileName,
  parseNevr,
  parseNevra,
  parsePackageFileName,
} from './nevra.js';
export {
  type ByteRange,
  type Deviation,
  headerNevra,
  isSourceHeader,
  type ReadPackageOptions,
  type RpmPackage,
  readPackage,
} from './package.js';
export type {
  FileContent,
  LocalizedText,
  ManifestFile,
  ManifestFileFacts,
  ManifestScriptlet,
  ManifestTrigger,
  PackageManifest,
  SourceFacts,
} from './package-manifest.js';
export { type WritePackageOptions, writePackage } from './package-writer.js';
export { payloadArchive, payloadCompression } from './payload.js';
export { type PayloadEntriesOptions, type PayloadEntry, payloadEntries } from './payload-entries.js';
export { type RangeFetch, type RangeSourceOptions, rangeSource } from './range-source.js';
export { HEADERIMMUTABLE, HEADERSIGNATURES, type Region } from './region.js';
export {
  evaluateRichDependency,
  formatRichDependency,
  isRichDependency,
  parseRichDependency,
  type RichDependency,
  type RichTerm,
  richDependencyTerms,
} from './rich-dependency.js';
export { type S3Credentials, type S3Request, s3Path, s3Query, signS3Request } from './s3-signature.js';
export {
  type ScriptFlags,
  type Scriptlet,
  type ScriptletKind,
  scriptlets,
  type Trigger,
  type TriggerEvent,
  type TriggerFamily,
  triggers,
} from './scriptlet.js';
export { type SignatureTags, signatureTags } from './signature-tags.js';
export { type StoredBlock, type StoredBlocks, storedBlocks } from './stored-blocks.js';
export {
  type TagKind,
  type TagTable,
  type TagValue,
  TYPE_NAMES,
  typeOfKind,
} from './tag-types.js';
export { type MainTags, mainTags } from './tags.js';
