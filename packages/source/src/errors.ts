/**
 * What can go wrong while sources are gathered and changed.
 *
 * One class for the package, one fault record per code. A fault says what, where, what was wanted and what was
 * found; the message says the same for people.
 */
import { CodedError, type Digest } from '@distrokit/rpm';

/** One place that was asked for a blob, and why it did not give it. */
export interface TriedPlace {
  /** URL or path that was asked. */
  readonly where: string;
  /** One line: `HTTP 404`, `no such file`, `sha512 differs`. */
  readonly why: string;
}

/** What can be wrong with sources, with the place they come from, or with an edit. */
export type SourceFault =
  | {
      readonly code: 'SOURCE_DIGEST_MISMATCH';
      readonly file: string;
      /** URL or path that gave the bytes. */
      readonly where: string;
      readonly wanted: Digest;
      readonly found: Digest;
      readonly sizeBytes: number;
    }
  | { readonly code: 'SOURCE_NOT_FOUND'; readonly file: string; readonly tried: readonly TriedPlace[] }
  | { readonly code: 'SOURCE_BAD_FILENAME'; readonly file: string; readonly wanted: string }
  | {
      /** A `sources` or `.metadata` line that binds no digest to a file name. */
      readonly code: 'SOURCE_BAD_LIST';
      /** Counted from 1. */
      readonly line: number;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      readonly code: 'SOURCE_BAD_SPEC';
      /** Counted from 1. */
      readonly line: number;
      /** Counted from 1, in UTF-16 units. */
      readonly column: number;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      /** The spec offers no place for an edit, or contradicts it. Nothing was changed. */
      readonly code: 'SOURCE_EDIT_FAILED';
      readonly edit: string;
      /** Counted from 1; absent when the whole file lacks the place. */
      readonly line?: number;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      /** The disk refused: full, read-only, no permission. `cause` has the system's error. */
      readonly code: 'SOURCE_WRITE_FAILED';
      readonly file: string;
      readonly directory: string;
      /** The system's word, for instance `ENOSPC`. */
      readonly found: string;
    }
  | { readonly code: 'SOURCE_LIMIT'; readonly what: string; readonly limit: number; readonly found: number }
  | { readonly code: 'SOURCE_BAD_URL' | 'SOURCE_BAD_REF'; readonly text: string; readonly wanted: string }
  | {
      readonly code: 'SOURCE_GIT_FAILED';
      readonly repository: string;
      readonly task: string;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      /** A folder or an SRPM that is no source tree: no spec, two specs, two lists. */
      readonly code: 'SOURCE_BAD_TREE';
      readonly where: string;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      /** The package was given up on this branch (`dead.package`). */
      readonly code: 'SOURCE_RETIRED';
      readonly where: string;
      /** First line of the file: why. */
      readonly reason: string;
    }
  | {
      /** A branch or tag name that follows no known distribution's rule. */
      readonly code: 'SOURCE_BAD_BRANCH' | 'SOURCE_BAD_TAG';
      readonly text: string;
      readonly wanted: string;
    }
  | {
      /** A file of edits, rules or policy that does not follow its schema. */
      readonly code: 'SOURCE_BAD_CONFIG';
      /** Where in the document, for instance `actions[2].replace[0].find`. */
      readonly where: string;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      /** An edit of a named configuration does not fit this tree any more. */
      readonly code: 'SOURCE_NOT_APPLIED';
      readonly where: string;
      readonly target: string;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      readonly code: 'SOURCE_POLICY_DENIED';
      /** From the published thing down to the input that is denied. */
      readonly path: readonly string[];
      readonly rule: string;
      readonly found: string;
    }
  | {
      readonly code: 'SOURCE_UNVERIFIED';
      readonly what: string;
      readonly wanted: string;
      readonly found: string;
    };

/** Damaged or hostile input to `@distrokit/source`, a place that failed, or an edit that does not fit. */
export class SourceError extends CodedError<SourceFault> {}
