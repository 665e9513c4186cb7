/** @distrokit/sign/node: the isomorphic door and what needs a file system or another program. */

export { commandSigner, type GpgSignerOptions, gpgSigner, type SignCommand } from './external-signer.js';
export { imaSigner } from './ima-signer.js';
export * from './index.js';
export { changePackageFile, type FileChange, signPackageFile, verifyPackageFile } from './package-file.js';
export {
  type SignPackagesOptions,
  type SignReport,
  type SignResult,
  signPackages,
} from './sign-packages.js';
export { appendToLog, readLog, type StoredLog } from './transparency-log.js';
export {
  type VerifyFilesOptions,
  type VerifyReport,
  type VerifyResult,
  verifyPackageFiles,
} from './verify-packages.js';
