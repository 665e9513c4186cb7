/**
 * Small files read at once, without waiting: opening and reading one costs less than handing it to a thread and back.
 */
import { closeSync, constants, openSync, readSync } from 'node:fs';

/** Up to here a file counts as small. */
export const smallBytes: number = 1 << 20;

let shared: Buffer | undefined;

/**
 * The bytes of a small file in a buffer that the next call overwrites: use them before anything is awaited. Undefined for
 * a file above 1 MiB. A link is not followed. `sizeBytes`, where it is known and still right, saves a look for more.
 * Throws the system's error.
 */
export function readSmallFile(path: string, sizeBytes?: number): Buffer | undefined {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    shared ??= Buffer.allocUnsafeSlow(smallBytes + 1);
    // Asking for the size would cost as much as the read that finds nothing more.
    for (let filled = 0; filled <= smallBytes; ) {
      const count = readSync(file, shared, filled, shared.length - filled, null);
      filled += count;
      if (count === 0 || filled === sizeBytes) return shared.subarray(0, filled);
    }
    return undefined;
  } finally {
    closeSync(file);
  }
}
