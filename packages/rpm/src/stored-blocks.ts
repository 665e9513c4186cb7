/**
 * The blocks of a compressed stream that lies in memory, as `blockCodec` makes them: stored, to be copied into another stream, and
 * open. Nothing is waited for, and memory is used again.
 */
import { RpmError } from './errors.js';
import { FrameDecoder, storedFrameAt, tooMuch } from './zstd-frames.js';

/** One block. */
export interface StoredBlock {
  /** As it lies in the stream. */
  readonly stored: Uint8Array;
  /** A view, good until the next block is asked for. */
  readonly open: Uint8Array;
}

/** Blocks of a stream in order. */
export interface StoredBlocks {
  /** The next block; undefined at the end. Throws RPM_BAD_PAYLOAD for damage, RPM_LIMIT for a block of more than 64 MiB. */
  next(): StoredBlock | undefined;
}

const maxOpenBytes = 64 << 20;

/** The frames of a zstd stream. Skippable ones are passed over. */
export function storedBlocks(stream: Uint8Array): StoredBlocks {
  const decoder = new FrameDecoder();
  let offset = 0;
  return {
    next() {
      try {
        const frame = storedFrameAt(stream, offset);
        if (frame === undefined) return undefined;
        const open = decoder.open(stream, frame, maxOpenBytes);
        offset = frame.end;
        return { stored: stream.subarray(frame.start, frame.end), open };
      } catch (cause) {
        throw cause === tooMuch ? limit() : damaged(offset, cause);
      }
    },
  };
}

function limit(): RpmError {
  const what = 'decompressed bytes of a block';
  return new RpmError(
    { code: 'RPM_LIMIT', what, limit: maxOpenBytes, found: maxOpenBytes + 1 },
    `payload: more than ${maxOpenBytes} ${what}`,
  );
}

function damaged(offset: number, cause: unknown): RpmError {
  const found = cause instanceof Error ? cause.message : 'an unknown failure';
  return new RpmError(
    { code: 'RPM_BAD_PAYLOAD', section: 'payload', offset, wanted: 'a sound zstd stream', found },
    `payload: the zstd stream is damaged behind its first ${offset} bytes`,
    { cause },
  );
}
