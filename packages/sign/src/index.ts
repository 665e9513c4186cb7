/**
 * @distrokit/sign: OpenPGP signatures on packages and metadata. This door runs in Node and in a browser; `./node` adds
 * files and signers behind other programs.
 */

export {
  type AttestationReport,
  assertAttested,
  attest,
  type BuildRecord,
  type Envelope,
  IN_TOTO_PAYLOAD_TYPE,
  PREDICATE_TYPES,
  packageSubjects,
  provenanceStatement,
  type Statement,
  type Subject,
  statementAbout,
  verifyAttestation,
} from './attestation.js';
export {
  type BillOfMaterials,
  type Component,
  componentOf,
  formatCycloneDx,
  formatSpdx,
  packageUrl,
} from './bill-of-materials.js';
export {
  assertDetached,
  type ClearSignedReport,
  clearSign,
  type DetachedReport,
  repomdVerifier,
  signDetached,
  verifyClearSigned,
  verifyDetached,
} from './detached.js';
export { SignError, type SignFault } from './errors.js';
export { fileSignatures, type ImaHash, type ImaSigner, signFiles } from './ima.js';
export { allClients, type Client, type ClientVerdict, checkKey, type KeyProblem } from './key-check.js';
export { planRotation, type RotationOptions, type RotationPlan, type RotationStep } from './key-rotation.js';
export { Keyring, type KeyringKey, type SkippedKey } from './keyring.js';
export {
  consistencyProof,
  inclusionProof,
  leafHash,
  rootHash,
  verifyConsistency,
  verifyInclusion,
} from './merkle-tree.js';
export {
  type GeneratedKey,
  generateKey,
  type KeyKind,
  type MemorySigner,
  type MemorySignerOptions,
  memorySigner,
  publicKeyOf,
} from './openpgp.js';
export {
  attachSignature,
  attachSignatures,
  deleteSignatures,
  detachSignatures,
  listSignatures,
  type PackageSignature,
  type Placement,
  type SignedPackage,
  type SignPackageOptions,
  signPackage,
} from './package-signature.js';
export { type VerifyPackageOptions, verifyPackage } from './package-verification.js';
export {
  formatRepoFile,
  type ReleaseContents,
  type ReleaseRepository,
  writeReleasePackage,
} from './release-package.js';
export { assertVerified, type PackageSignatureStatus, type SignatureTag, type VerificationReport } from './report.js';
export { type DigestRequest, digestSigner } from './signature-maker.js';
export type { SignatureFacts, SignatureStatus } from './signature-status.js';
export type { Signer, SignOptions } from './signer.js';
export {
  type Checkpoint,
  formatEntry,
  type LogProof,
  type ProofReport,
  parseEntries,
  proveEntry,
  proveGrowth,
  readCheckpoint,
  signCheckpoint,
  verifyEntry,
  verifyGrowth,
} from './transparency.js';
