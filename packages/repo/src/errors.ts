/**
 * Faults of `@distrokit/repo`: damaged or hostile metadata, stores and fetchers that failed, publishers that met.
 */
import { CodedError } from '@distrokit/rpm';

/** What can be wrong with a repository, or with the place it lies in. */
export type RepoFault =
  | {
      /** Not XML, or XML that no repository document needs: DTD, entities, too deep, too large. */
      readonly code: 'REPO_BAD_XML';
      readonly document: string;
      /** Bytes from the start of the uncompressed document. */
      readonly offset: number;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      /** Well-formed, but a value is missing or is not what the format says. */
      readonly code: 'REPO_BAD_VALUE';
      readonly document: string;
      /** Bytes from the start of the uncompressed document; absent where the value did not come from one. */
      readonly offset?: number;
      /** Element and attribute, for instance `size/@package`. */
      readonly what: string;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      readonly code: 'REPO_CHECKSUM';
      readonly document: string;
      readonly algorithm: string;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      readonly code: 'REPO_TOO_LARGE';
      readonly document: string;
      readonly limitBytes: number;
    }
  | {
      /** The store or server answered, and has no such file. */
      readonly code: 'REPO_NOT_FOUND';
      readonly href: string;
    }
  | {
      readonly code: 'REPO_MISSING_RECORD';
      readonly type: string;
      readonly found: readonly string[];
    }
  | {
      /** The compressed form cannot be decoded. */
      readonly code: 'REPO_BAD_COMPRESSION';
      readonly document: string;
      readonly compression: string;
    }
  | {
      /** primary, filelists and other do not list the same packages in the same order. */
      readonly code: 'REPO_OUT_OF_STEP';
      readonly document: string;
      readonly index: number;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      readonly code: 'REPO_DUPLICATE_NEVRA';
      readonly nevra: string;
      readonly first: { readonly location: string; readonly pkgid: string };
      readonly second: { readonly location: string; readonly pkgid: string };
    }
  | {
      /** A text that XML 1.0 cannot carry. */
      readonly code: 'REPO_BAD_TEXT';
      readonly package: string;
      /** Header tag or field, for instance `CHANGELOGTEXT`. */
      readonly field: string;
      readonly index: number;
      /** Bytes from the start of the text. */
      readonly offset: number;
      readonly found: string;
    }
  | {
      /** A package file in the folder cannot be read as a package; `cause` says why. */
      readonly code: 'REPO_BAD_PACKAGE';
      readonly path: string;
    }
  | {
      /** Another publisher was faster: the store no longer holds what this publish started from. */
      readonly code: 'REPO_CONFLICT';
      readonly path: string;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      /** The new repository would lose more packages than allowed. */
      readonly code: 'REPO_SHRUNK';
      readonly before: number;
      readonly after: number;
      readonly allowedShare: number;
    }
  | {
      /** The place that metadata comes from or goes to failed; `cause` says how. */
      readonly code: 'REPO_STORE_FAILED';
      readonly path: string;
      readonly task: 'read' | 'write' | 'list' | 'delete';
      readonly found: string;
    };

/** Damaged or hostile repository metadata, or a store that failed. */
export class RepoError extends CodedError<RepoFault> {}
