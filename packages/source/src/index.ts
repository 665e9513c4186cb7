/**
 * `@distrokit/source`: sources from many places, under terms that are enforced, changed by repeatable edits.
 *
 * Executes nothing that comes with the sources.
 */
export {
  type ApplyAutopatchOptions,
  type AutopatchDrift,
  type AutopatchMode,
  type AutopatchScript,
  applyAutopatch,
  driftAutopatch,
} from './autopatch.js';
export {
  type AutopatchAction,
  type AutopatchActionName,
  type AutopatchAddFile,
  type AutopatchAddLine,
  type AutopatchChangelogEntry,
  type AutopatchConfig,
  type AutopatchDeleteFile,
  type AutopatchDeleteLine,
  type AutopatchEntries,
  type AutopatchModifyRelease,
  type AutopatchOrigin,
  type AutopatchParameters,
  type AutopatchReplace,
  type AutopatchRunScript,
  parseAutopatch,
} from './autopatch-config.js';
export { type AutopatchFinding, lintAutopatch } from './autopatch-lint.js';
export { autopatchSuffix, autopatchTargets } from './autopatch-target.js';
export {
  type BranchFamily,
  type DistGitBranch,
  formatBranch,
  formatImportTag,
  type ImportTag,
  mapBranch,
  newestImportTag,
  parseBranch,
  parseImportTag,
} from './branch.js';
export {
  type ChoiceRule,
  candidateOf,
  choose,
  replayDecision,
  type SourceCandidate,
  type SourceDecision,
} from './choose.js';
export {
  type ComparedPatch,
  type CompareSourcesOptions,
  compareSources,
  type PatchRelation,
  type SourceComparison,
} from './compare-sources.js';
export { comparisonHtml, formatComparison } from './comparison-report.js';
export { type ConvertedLayout, convertLayout } from './convert-layout.js';
export {
  type DescribedChange,
  type DescribedPatch,
  type DescribeSourceOptions,
  describeSource,
  type SourceDescription,
} from './describe-source.js';
export { type DistGit, type FetchDistGitOptions, fetchDistGit, listedSources } from './dist-git.js';
export { type DetectedLayout, type DistGitLayout, detectLayout } from './dist-git-layout.js';
export { SourceError, type SourceFault, type TriedPlace } from './errors.js';
export { type FetchedSource, type FetchSourcesOptions, fetchSources } from './fetch-sources.js';
export { type FoundFix, findFix } from './find-fix.js';
export { type FixEvent, type FixTimeline, fixTimeline, timelineSvg } from './fix-timeline.js';
export {
  type CheckedOutTag,
  checkGitRef,
  checkGitUrl,
  checkoutGit,
  checkoutGitTag,
  type GitOptions,
  type GitRef,
  hasGitCommit,
  listGitRefs,
} from './git.js';
export type { GitTagVerifier } from './git-tag.js';
export {
  type DirectoryLookasideOptions,
  directoryLookaside,
  type HttpLookasideFetch,
  type HttpLookasideOptions,
  httpLookaside,
  type Lookaside,
  type LookasideBlob,
  type LookasideRequest,
  lookasidePaths,
  orderedLookaside,
} from './lookaside.js';
export {
  type AddedFile,
  diffTrees,
  type FileChange,
  type ModificationResult,
  type ModificationStep,
  type TreeFiles,
} from './modification.js';
export {
  formatPinnedModule,
  type ModuleComponent,
  type ModuleSource,
  type PinnedComponent,
  parseModuleSource,
  pinComponents,
} from './module-import.js';
export type { Origin, SourceFile, SourceTree, Terms } from './origin.js';
export { applyPatch } from './patch-apply.js';
export { type PatchIdentity, patchIdentity, patchSimilarity } from './patch-identity.js';
export {
  commitOfLink,
  type FoundPatchOrigin,
  formatPatchHeader,
  formatPatchOrigin,
  type KnownOrigins,
  lintPatchOrigins,
  type PatchOrigin,
  type PatchOriginFinding,
  type PatchOriginKind,
  parsePatchOrigin,
} from './patch-origin.js';
export {
  assertPolicy,
  checkPolicy,
  defaultPolicy,
  evaluatePolicy,
  type PolicyMatch,
  type PolicyReport,
  type PolicyRule,
  type PolicySubject,
  type PolicyVerdict,
  parsePolicy,
  type SourcePolicy,
} from './policy.js';
export { type MadeFrom, Provenance, type ProvenanceNode } from './provenance.js';
export { type S3Lookaside, type S3LookasideFetch, type S3LookasideOptions, s3Lookaside } from './s3-lookaside.js';
export { decodeSpec, findSpec, type ReadTreeOptions, readSourceTree, readTreeSpec } from './source-tree.js';
export { formatSources, parseSources, type SourceEntry, type SourcesStyle } from './sources-file.js';
export { parseSpec, type Spec } from './spec.js';
export type { ChangelogEntry, SpecChangelogEntry } from './spec-changelog.js';
export type { Evaluated, EvaluatedTag, SpecEnvironment } from './spec-macro.js';
export type { InsertIntoSection } from './spec-section.js';
export type { AddPatch, AddSource, SpecSource } from './spec-sources.js';
export type { SpecTagLine } from './spec-tag.js';
export type { SpecCondition, SpecSection } from './spec-text.js';
export { type ReadSrpmOptions, readSrpm } from './srpm.js';
export { type FetchSrpmOptions, fetchSrpm, pickSrpm, type SrpmRecord, type WantedSrpm } from './srpm-repository.js';
export { type ApplySrpmprocOptions, applySrpmproc, type SrpmprocResult } from './srpmproc.js';
export {
  parseSrpmproc,
  type SrpmprocConfig,
  type SrpmprocLookaside,
  type SrpmprocSpecChange,
} from './srpmproc-config.js';
export { archiveTree, gzipTree, type TreeArchiveOptions } from './tree-archive.js';
export { type FetchUpstreamOptions, fetchUpstream, npmRelease, type UpstreamRelease } from './upstream.js';
export {
  type FetchedTag,
  type FetchUpstreamTagOptions,
  fetchUpstreamTag,
  type UpstreamTag,
} from './upstream-tag.js';
