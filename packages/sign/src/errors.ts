/**
 * What can go wrong while signing, or with bytes that claim to be keys, signatures or logs.
 *
 * A signature that does not hold is no error: it is a status in a report.
 */
import { CodedError } from '@distrokit/rpm';

/** What was wrong, and where. */
export type SignFault =
  | {
      /** ASCII armor or a clear-signed text that cannot be read. */
      readonly code: 'SIGN_BAD_ARMOR';
      /** Line number, from 1. */
      readonly line: number;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      /** An OpenPGP packet that cannot be read. */
      readonly code: 'SIGN_BAD_PACKET';
      /** What was read, for instance `signature`. */
      readonly what: string;
      /** Bytes from the start of the packets. */
      readonly offset: number;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      /** Key bytes without a usable key, a locked key, a wrong passphrase. Never holds key bytes. */
      readonly code: 'SIGN_BAD_KEY';
      readonly wanted: string;
      readonly found: string;
    }
  | {
      /** The signer did not give one usable binary OpenPGP signature; `cause` says more where there is more. */
      readonly code: 'SIGN_SIGNER_FAILED';
      readonly fingerprint: string;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      /** A package whose bytes do not match its own digests is never signed. */
      readonly code: 'SIGN_DIGEST_MISMATCH';
      readonly package: string;
      /** For instance `payload sha256`. */
      readonly digests: readonly string[];
    }
  | {
      /** This package cannot take this signature. */
      readonly code: 'SIGN_FORMAT';
      readonly package: string;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      /** An `assert…` function met a report that is not ok. */
      readonly code: 'SIGN_NOT_VERIFIED';
      readonly what: string;
      /** One status per signature. */
      readonly statuses: readonly string[];
    }
  | {
      readonly code: 'SIGN_LIMIT';
      readonly what: string;
      readonly limit: number;
      readonly found: number;
    }
  | {
      /** A transparency log that is not what its checkpoint says. */
      readonly code: 'SIGN_BAD_LOG';
      readonly where: string;
      readonly wanted: string;
      readonly found: string;
    };

/** Damaged or hostile keys, signatures and logs; a signer that failed; a package that must not be signed. */
export class SignError extends CodedError<SignFault> {}
