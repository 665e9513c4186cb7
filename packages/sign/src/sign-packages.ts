/**
 * Many package files signed side by side, with one report; a run that was stopped is taken up by the next one.
 */
import type { Abortable } from '@distrokit/rpm';
import type { Keyring } from './keyring.js';
import { changePackageFile, type FileChange, finishJournal, verifyPackageFile } from './package-file.js';
import { type Placement, signPackage } from './package-signature.js';
import type { Signer } from './signer.js';

/** Options of `signPackages`. */
export interface SignPackagesOptions extends Abortable {
  readonly signedAt: Date;
  readonly placement?: Placement;
  /** See `signPackage`. */
  readonly existing?: 'replace' | 'keep';
  /**
   * The signer's public key. Packages whose signature by it verifies (payload included) are left alone, so a second
   * run does only what is left. Without it every package is signed again, which gives the same bytes.
   */
  readonly keyring?: Keyring;
  /** Packages in work at a time. Default 8: the signer is the slow part, and often not on this machine. */
  readonly maxConcurrent?: number;
  /** Hears of each package when it is done, in no fixed order. */
  readonly onResult?: (result: SignResult) => void;
}

/** What became of one file. */
export type SignResult =
  | ({ readonly path: string; readonly status: 'signed' } & FileChange)
  | { readonly path: string; readonly status: 'already-signed' }
  /** The file is as it was: a broken package, one that cannot be read, or a signer that failed for it. */
  | { readonly path: string; readonly status: 'refused'; readonly code: string; readonly reason: string };

/** What became of all files, in the order of the paths. */
export interface SignReport {
  readonly results: readonly SignResult[];
  /** At least one package, and every one signed now or before. */
  readonly ok: boolean;
}

/**
 * Signs package files in place where that is possible. One that cannot be signed stops no other: it is in the report.
 *
 * Aborting rejects with the signal's reason after the files in work are whole; so does a kill leave each file either
 * as it was or signed. Throws RangeError when `maxConcurrent` is less than 1.
 */
export async function signPackages(
  paths: readonly string[],
  signer: Signer,
  options: SignPackagesOptions,
): Promise<SignReport> {
  const { maxConcurrent = 8, onResult, signal } = options;
  if (!(maxConcurrent >= 1)) throw new RangeError(`"maxConcurrent" must be at least 1, not ${maxConcurrent}`);
  const results: SignResult[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < paths.length && !signal?.aborted) {
      const index = next++;
      const result = await signOne(paths[index]!, signer, options);
      results[index] = result;
      onResult?.(result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(maxConcurrent, paths.length) }, work));
  signal?.throwIfAborted();
  return { results, ok: results.length > 0 && results.every(({ status }) => status !== 'refused') };
}

async function signOne(path: string, signer: Signer, options: SignPackagesOptions): Promise<SignResult> {
  const { signedAt, placement, existing, keyring, signal } = options;
  try {
    await finishJournal(path);
    if (keyring && (await isSigned(path, signer, keyring, signedAt))) return { path, status: 'already-signed' };
    const change = await changePackageFile(path, (pkg) =>
      signPackage(pkg, signer, {
        signedAt,
        ...(placement ? { placement } : {}),
        ...(existing ? { existing } : {}),
        ...(signal ? { signal } : {}),
      }),
    );
    return { path, status: 'signed', ...change };
  } catch (error) {
    signal?.throwIfAborted();
    const { code, name, message } = error as { code?: string; name: string; message: string };
    return { path, status: 'refused', code: code ?? name, reason: message };
  }
}

/** A file that cannot be read is not signed: signing it will say why. */
async function isSigned(path: string, signer: Signer, keyring: Keyring, at: Date): Promise<boolean> {
  try {
    const report = await verifyPackageFile(path, keyring, { at, payload: true });
    const mine = report.signatures.some((one) => one.status === 'verified' && one.fingerprint === signer.fingerprint);
    return report.ok && mine;
  } catch {
    return false;
  }
}
