/**
 * `curves.ts` as Node gets it: loaded by the first call. It takes as long to load as to verify 200 packages, and Node checks
 * RSA and most curves by itself.
 */
import { createRequire } from 'node:module';
import type * as Curves from './curves.js';

const load = createRequire(import.meta.url) as (path: string) => typeof Curves;
const curves = (): typeof Curves => load('./curves.js');

export const signEcdsa: typeof Curves.signEcdsa = (...of) => curves().signEcdsa(...of);
export const signEdwards: typeof Curves.signEdwards = (...of) => curves().signEdwards(...of);
export const verifyEcdsa: typeof Curves.verifyEcdsa = (...of) => curves().verifyEcdsa(...of);
export const verifyEdwards: typeof Curves.verifyEdwards = (...of) => curves().verifyEdwards(...of);
export const verifyMlDsa: typeof Curves.verifyMlDsa = (...of) => curves().verifyMlDsa(...of);
