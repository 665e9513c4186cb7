/**
 * The blocks of a compressed stream that lies in memory, as `blockCodec` makes them: stored, to be copied into another stream, and
 * open. Nothing is waited for, and memory is used again.
 */
import { RpmError } from './errors.js';
import { GzipBlockReader } from './gzip-blocks.js';
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
  /**
   * The next block; undefined at the end. Throws RPM_BAD_PAYLOAD for damage, which for gzip is also a member that has no blocks, and
   * RPM_LIMIT for a zstd block of more than 64 MiB.
   */
  next(): StoredBlock | undefined;
}

const maxOpenBytes = 64 << 20;
/** What writers cut longer blocks to. */
const maxGzipOpenBytes = 8 << 20;

/** zstd: the frames, skippable ones are passed over. gzip: one member as `blockCodec` makes it; needs WebAssembly. */
export function storedBlocks(type: 'gzip' | 'zstd', stream: Uint8Array): StoredBlocks {
  return type === 'zstd' ? zstdFrames(stream) : gzipBlocks(stream);
}

function zstdFrames(stream: Uint8Array): StoredBlocks {
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
        throw cause === tooMuch ? limit() : damaged('zstd', offset, cause);
      }
    },
  };
}

function gzipBlocks(stream: Uint8Array): StoredBlocks {
  let reader: GzipBlockReader | undefined;
  let offset = 0;
  return {
    next() {
      try {
        reader ??= new GzipBlockReader(stream, maxGzipOpenBytes);
        const block = reader.next();
        offset += block?.stored.length ?? 0;
        return block;
      } catch (cause) {
        throw damaged('gzip', offset, cause);
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

function damaged(type: string, offset: number, cause: unknown): RpmError {
  const found = cause instanceof Error ? cause.message : 'an unknown failure';
  return new RpmError(
    { code: 'RPM_BAD_PAYLOAD', section: 'payload', offset, wanted: `sound ${type} blocks`, found },
    `payload: the ${type} blocks are damaged behind its first ${offset} bytes`,
    { cause },
  );
}
