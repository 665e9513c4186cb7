/**
 * Bytes with random access: the one way in for every package, wherever it lies.
 *
 * Memory and Blob here, HTTP ranges in `range-source.ts`, a file in `file-source.ts` (the `./node` door).
 */
import { RpmError, type RpmSection } from './errors.js';

/** Passed to everything that waits. An aborted call rejects with the signal's own reason. */
export interface Abortable {
  readonly signal?: AbortSignal | undefined;
}

/** Bytes with random access. */
export interface ByteSource {
  /** Known size in bytes, where the source knows it. */
  readonly sizeBytes?: number | undefined;
  /**
   * Exactly `length` bytes from `offset`, fewer only at the end of the source.
   *
   * The result may be a view of memory that the source keeps: do not write to it.
   */
  read(offset: number, length: number, options?: Abortable): Promise<Uint8Array>;
  /**
   * For a source that can read without waiting, where whole payloads are only looked at: fills `into` from `offset`, and says how
   * many bytes it put there; fewer only at the end of the source.
   */
  readNow?(into: Uint8Array, offset: number): number;
}

/** A source over bytes in memory. Reads are views, not copies. */
export function memorySource(bytes: Uint8Array): ByteSource {
  return {
    sizeBytes: bytes.length,
    read: async (offset, length, options) => {
      options?.signal?.throwIfAborted();
      checkRange(offset, length);
      return bytes.subarray(offset, offset + length);
    },
  };
}

/** A source over a `Blob` or `File`, for instance one that a person dropped on a page. */
export function blobSource(blob: Blob): ByteSource {
  return {
    sizeBytes: blob.size,
    read: async (offset, length, options) => {
      options?.signal?.throwIfAborted();
      checkRange(offset, length);
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
    },
  };
}

/** A source for the argument of a function that also takes plain bytes. */
export function asByteSource(source: ByteSource | Uint8Array): ByteSource {
  return source instanceof Uint8Array ? memorySource(source) : source;
}

/** Reads exactly `length` bytes. Throws RPM_TRUNCATED when the source ends before. */
export async function readExactly(
  source: ByteSource,
  section: RpmSection,
  sectionStart: number,
  offset: number,
  length: number,
  options?: Abortable,
): Promise<Uint8Array> {
  const bytes = await source.read(offset, length, options);
  if (bytes.length < length) {
    throw new RpmError(
      {
        code: 'RPM_TRUNCATED',
        section,
        offset: offset - sectionStart,
        wantedBytes: length,
        gotBytes: bytes.length,
      },
      `${section}: ${length} bytes wanted at file offset ${offset}, the file ends after ${bytes.length}`,
    );
  }
  return bytes;
}

/** Throws RangeError when an offset or a length is not a whole number of bytes. */
export function checkRange(offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0)
    throw new RangeError(`"offset" must be a whole number, not ${offset}`);
  if (!Number.isSafeInteger(length) || length < 0)
    throw new RangeError(`"length" must be a whole number, not ${length}`);
}
