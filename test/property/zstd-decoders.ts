/** Frames of zstd through both decoders of our own. Node from 22.15 on has another one, which is kept out here. */
import zlib from 'node:zlib';
import { decompressBytes } from '@distrokit/rpm';

/** What our decoders make of a frame. */
export interface Decoded {
  /** By the one that takes frames as a whole, where they say their size. */
  readonly whole: Uint8Array;
  /** By the one that goes block by block: the same frame without its size. */
  readonly blocks: Uint8Array;
  /** What the frame announces. */
  readonly size: number;
}

/** The frame must have a content size of at most 16 MiB to be opened as a whole, and no dictionary. */
export async function decodedByUs(frame: Uint8Array): Promise<Decoded> {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const descriptor = frame[4] as number;
  const sizeAt = descriptor & 0x20 ? 5 : 6;
  const kind = descriptor >> 6;
  const size =
    kind === 0 ? view.getUint8(sizeAt) : kind === 1 ? view.getUint16(sizeAt, true) + 256 : view.getUint32(sizeAt, true);
  // A window of 8 MiB, and no size.
  const head = [frame.subarray(0, 4), Uint8Array.of(0, (23 - 10) << 3)];
  const bare = Buffer.concat([...head, frame.subarray(sizeAt + (1 << kind))]);
  const nodeDecoder = (zlib as { createZstdDecompress?: unknown }).createZstdDecompress;
  Object.assign(zlib, { createZstdDecompress: undefined });
  try {
    const whole = await decompressBytes(frame, 'zstd', { maxBytes: size });
    return { whole, blocks: await decompressBytes(bare, 'zstd', { maxBytes: size }), size };
  } finally {
    Object.assign(zlib, { createZstdDecompress: nodeDecoder });
  }
}
