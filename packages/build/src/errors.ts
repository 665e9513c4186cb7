/**
 * What can go wrong when packages are planned and built: one class, one record per code.
 *
 * A build that fails is thrown, because whoever asked for packages has none. A plan that excludes an
 * arch, or two packages that differ, is an answer and therefore a value.
 */
import { CodedError } from '@distrokit/rpm';
import type { BuildCycle } from './build-cycle.js';
import type { FailureClass } from './build-log.js';
import type { Unresolved } from './build-plan.js';
import type { RefusedResult } from './result-store.js';

/** What can be wrong with a build, its source, its root or its driver. */
export type BuildFault =
  | {
      /** The build ran and said no. */
      readonly code: 'BUILD_FAILED';
      readonly driver: string;
      /** Exit status of the build command; null when a signal ended it. */
      readonly exitStatus: number | null;
      readonly signal: string | null;
      readonly failureClass: FailureClass;
      /** At most 40, oldest first. */
      readonly lastLogLines: readonly string[];
      /** The whole log, kept for people. */
      readonly logPath: string;
    }
  | {
      readonly code: 'BUILD_TIMEOUT';
      readonly driver: string;
      readonly timeoutMs: number;
      readonly lastLogLines: readonly string[];
      readonly logPath: string;
    }
  | {
      /** A ceiling was met: the build was ended there. */
      readonly code: 'BUILD_LIMIT';
      /** What was counted, for instance `log bytes`. */
      readonly what: string;
      readonly limit: number;
      readonly found: number;
    }
  | {
      readonly code: 'BUILD_TOOL_MISSING';
      readonly tool: string;
      /** Names of the package that carries the tool. */
      readonly install: { readonly debian: string; readonly fedora: string };
    }
  | {
      /** The driver cannot work on this machine, or not for this arch or this kind of buildroot. */
      readonly code: 'BUILD_DRIVER_UNUSABLE';
      readonly driver: string;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      /** Cycles that cannot be broken without building something first that lacks a BuildRequires. */
      readonly code: 'BUILD_CYCLE';
      readonly cycles: readonly BuildCycle[];
    }
  | {
      readonly code: 'BUILD_UNRESOLVED';
      readonly unresolved: readonly Unresolved[];
    }
  | {
      /** The root of a build could not be made. */
      readonly code: 'BUILD_ROOT_FAILED';
      readonly failureClass: FailureClass;
      readonly exitStatus: number | null;
      readonly lastLogLines: readonly string[];
    }
  | {
      /** A lock and what is there in its place do not agree. */
      readonly code: 'BUILD_LOCK_MISMATCH';
      /** In the lock and not there. NEVRAs. */
      readonly missing: readonly string[];
      /** There and not in the lock. */
      readonly unexpected: readonly string[];
      /** There with another content than the lock says. */
      readonly changed: readonly string[];
    }
  | {
      /** The farm's store is open in another process. */
      readonly code: 'BUILD_STORE_LOCKED';
      readonly folder: string;
      readonly pid: number;
    }
  | {
      /** The result of a farm's task is not taken. */
      readonly code: 'BUILD_RESULT_REFUSED';
      readonly task: string;
      readonly why: RefusedResult;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      /** A document is not what it should be. */
      readonly code: 'BUILD_BAD_DOCUMENT';
      /** For instance `buildroot_lock.json`. */
      readonly document: string;
      readonly where: string;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      /** What was handed over as a source is none. */
      readonly code: 'BUILD_BAD_SOURCE';
      readonly what: string;
      readonly wanted: string;
      readonly found: string;
    };

/** A build, plan or buildroot that could not be made. */
export class BuildError extends CodedError<BuildFault> {}
