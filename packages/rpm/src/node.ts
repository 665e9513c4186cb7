/** @distrokit/rpm/node: the isomorphic door and what needs a file system. */

export { type ExtractReport, extractPackage } from './extract.js';
export { type FileSource, fileSource } from './file-source.js';
export * from './index.js';
export { type OpenRpmPackage, openPackage } from './open-package.js';
