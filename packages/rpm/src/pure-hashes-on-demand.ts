/** `pure-hashes.ts` as Node gets it: loaded by the first call, and its own cryptography needs none. */
import { createRequire } from 'node:module';
import type * as PureHashes from './pure-hashes.js';

const load = createRequire(import.meta.url) as (path: string) => typeof PureHashes;

export const createPureHash: typeof PureHashes.createPureHash = (algorithm) =>
  load('./pure-hashes.js').createPureHash(algorithm);
