/**
 * Where bytes may come from and under which terms, and the one shape that every fetch returns.
 */
import type { Nevr } from '@distrokit/rpm';

/** Under which terms bytes were obtained. The words are compared by `policy.ts`. */
export type Terms =
  /** Anyone may fetch it without an agreement. */
  | 'public'
  /** Made here. */
  | 'own'
  /** Obtained under a subscription or behind a portal whose agreement forbids to publish it again. */
  | 'subscription'
  /** Nobody said. */
  | 'unknown';

/** Where something came from. A plain record: it can be logged, compared and stored beside the bytes. */
export interface Origin {
  readonly kind: 'dist-git' | 'lookaside' | 'srpm' | 'srpm-repository' | 'upstream' | 'modification' | 'directory';
  /** URL or path, without user name and password. */
  readonly where: string;
  readonly terms: Terms;
  /** Which distribution or project, for instance `centos-stream`; free text that policies match. */
  readonly distribution?: string | undefined;
}

/** One file of a source tree. */
export interface SourceFile {
  /** Relative to the tree's directory, `/` between parts. */
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Where this very file came from: the git repository, a store, an SRPM. */
  readonly from: Origin;
}

/** Sources of one package on disk, wherever they came from. */
export interface SourceTree {
  readonly origin: Origin;
  /** The pinned identity: a full commit, or the SRPM's sha256. */
  readonly ref: string;
  /** Where the files lie. */
  readonly directory: string;
  /** Sorted by path. */
  readonly files: readonly SourceFile[];
  /** Path of the spec, one of `files`. */
  readonly spec: string;
  /** Undefined when it could not be told without running macros. */
  readonly nevr: Nevr | undefined;
}
