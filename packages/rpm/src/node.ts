/** @distrokit/rpm/node: the isomorphic door and what needs a file system. */
export * from './index.js';
