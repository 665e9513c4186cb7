/** @distrokit/sign/node: the isomorphic door and what needs a file system or another program. */
export * from './index.js';
export { changePackageFile, type FileChange, signPackageFile, verifyPackageFile } from './package-file.js';
