/**
 * What verifying a package says: every digest, every signature, and what of the file they vouch for.
 */
import type { ByteRange, DigestReport } from '@distrokit/rpm';
import { SignError } from './errors.js';
import type { SignatureFacts, SignatureStatus } from './signature-status.js';

/** Where a signature lies in the signature header. */
export type SignatureTag = 'RSA' | 'DSA' | 'OPENPGP' | 'PGP' | 'GPG';

/** The verdict about one signature of a package. */
export type PackageSignatureStatus = (
  | SignatureStatus
  // Over the payload, which was not read.
  | (SignatureFacts & { readonly status: 'not-checked'; readonly algorithm: string })
) & {
  readonly tag: SignatureTag;
  /** `PGP` and `GPG` cover header and payload, the others the header. Never counts towards `ok` when it covers both. */
  readonly covers: 'header' | 'header+payload';
};

/** The answer of `verifyPackage`. */
export interface VerificationReport {
  readonly digests: DigestReport;
  /** One status per signature, in the order of the signature header. Empty: the package is unsigned. */
  readonly signatures: readonly PackageSignatureStatus[];
  /**
   * Stretches of the file that neither a verified signature nor a digest under one vouches for. Always lead and
   * signature header; the payload when it was not read; everything when no signature is verified.
   */
  readonly notCovered: readonly (ByteRange & { readonly what: 'lead' | 'signature header' | 'header' | 'payload' })[];
  /**
   * digests.ok AND at least one header signature verified by a key of this keyring AND a payload digest in the signed
   * header. A bad signature or one by an unknown key beside the good one makes it false, since clients refuse such a
   * package. The payload itself counts only when it was asked for (`payload: true`).
   */
  readonly ok: boolean;
}

/**
 * Throws SIGN_NOT_VERIFIED with every status when the report is not ok.
 *
 * `what` names the thing in the message, for instance its path.
 */
export function assertVerified(report: VerificationReport, what = 'package'): void {
  if (report.ok) return;
  const statuses = report.signatures.map((one) => `${one.tag} ${one.status}${one.reason ? ` (${one.reason})` : ''}`);
  const digests = report.digests.ok ? 'digests match' : 'digests do not match, or none that counts is there';
  throw new SignError(
    { code: 'SIGN_NOT_VERIFIED', what, statuses },
    `${what}: not verified: ${statuses.join('; ') || 'no signature'}; ${digests}`,
  );
}
