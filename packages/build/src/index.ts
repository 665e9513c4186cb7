/**
 * @distrokit/build: what to build in which order, for which arch, with which driver.
 */

export { type ArchPlan, type ArchWords, type ExcludedArch, planArches } from './arch-plan.js';
export { type BootstrapPass, type BootstrapPlan, planBootstrap } from './bootstrap-plan.js';
export type { BrokenEdge, BuildCycle } from './build-cycle.js';
export type { BuildNode, PlanPackage } from './build-graph.js';
export { BuildLogClassifier, classifyBuildLog, type Failure, type FailureClass, isRetriable } from './build-log.js';
export { sourceNode, withBuilt, withGenerated } from './build-node.js';
export {
  type BuildOptions,
  type BuildResult,
  type BuildTimings,
  type BuiltPackage,
  buildPackage,
} from './build-package.js';
export {
  type BootstrapBuild,
  type BuildNeed,
  type BuildPlan,
  type PlanOptions,
  planBuild,
  type Unresolved,
} from './build-plan.js';
export { type Buildroot, hostBuildroot, type RootOrigin, type RootRepository } from './buildroot.js';
export {
  type BuildrootLock,
  buildrootLock,
  type LockedPackage,
  type MockLock,
  materializeLock,
  mockLockOf,
  parseMockLock,
  type RootPackage,
} from './buildroot-lock.js';
export { type ChrootDriverOptions, chrootDriver } from './chroot-driver.js';
export type {
  BuildDriver,
  BuildTask,
  DriverOptions,
  DriverOutcome,
  DriverReport,
} from './driver.js';
export { BuildError, type BuildFault } from './errors.js';
export {
  buildRequiresOf,
  type ExpandedPackage,
  type ExpandOptions,
  expandSpec,
  type GeneratedBuildRequires,
  generateBuildRequires,
  type SpecExpansion,
} from './expand.js';
export { Farm, type FarmEvent, type FarmOptions, type FarmTask, openFarm, planTasks, type TaskStatus } from './farm.js';
export type { FarmStore } from './farm-engine.js';
export { type FarmPageOptions, farmPage } from './farm-page.js';
export type { TaskState } from './farm-store.js';
export { type Beating, LeaseWatch } from './lease-watch.js';
export { formatMockConfig, hashMockConfig, type MockConfig, mockConfigOf, parseMockConfig } from './mock-config.js';
export { type MockDriverOptions, mockDriver } from './mock-driver.js';
export {
  formatNsvca,
  type ModuleBuild,
  type ModuleDependencies,
  moduleContext,
  moduleDistTag,
  moduleIdentity,
  moduleMacros,
  type Nsvca,
} from './module-build.js';
export { compareNoarch, type NoarchBuild, type NoarchDifference, type NoarchReport } from './noarch.js';
export { type PodmanDriverOptions, podmanDriver } from './podman-driver.js';
export {
  buildType,
  type ProvenanceInput,
  type ProvenanceRecord,
  provenanceOf,
  type ResolvedDependency,
} from './provenance.js';
export type { MockValue } from './python-literal.js';
export {
  type PreviousBuild,
  planRebuild,
  type RebuildNode,
  type RebuildOptions,
  type RebuildPlan,
  type RebuildReason,
} from './rebuild-plan.js';
export { compareBuilds, type PackageDifference, type ReproductionReport } from './reproduction.js';
export {
  type DirectoryResults,
  directoryResults,
  type FinishedAttempt,
  type PublishedResult,
  type RefusedResult,
  type ResultFile,
  type ResultStore,
} from './result-store.js';
export {
  httpResults,
  type ReceiverOptions,
  resultReceiver,
  type UploadFetch,
  type UploadRequest,
  type UploadResponse,
} from './result-upload.js';
export {
  expandRoot,
  type RootCandidate,
  type RootExpansion,
  type RootPreferences,
  type RootProblem,
} from './root-expansion.js';
export { type RpmbuildDriverOptions, rpmbuildDriver } from './rpmbuild-driver.js';
export { buildSourcePackage, type SourcePackageResult } from './source-package.js';
export { type FarmWorker, startWorker, TaskLost, type WorkerOptions, type WorkerTask } from './worker.js';
