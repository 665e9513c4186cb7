/**
 * Compressed streams made of blocks: each block is compressed for itself, in whatever thread, and can be copied into
 * another stream as it is. Any decoder reads the stream as a whole.
 *
 * zstd: one frame with its content size for each block. gzip: one member, since many readers take the first member for the
 * whole; a block ends on a byte (an empty stored block) and refers to nothing before its start.
 *
 * Reference: RFC 8878, 3.1; RFC 1951, 3.2.4; RFC 1952, 2.3
 */
import { levelIn } from './codec.js';
import { zstdCompressor } from './codec-zstd.js';
import { deflateEncoder } from './deflate-encoder.js';

/** How to compress blocks, and what a stream of them has around them. */
export interface BlockCodec {
  /** One block, of at least one byte and at most 64 MiB: compressed, as it may stand in any stream of this codec. */
  compress(open: Uint8Array): Uint8Array;
  /** The same on another thread of Node's, where that can be (zlib's levels of gzip): the bytes are not to be changed until it resolves. */
  compressLater?(open: Uint8Array): Promise<Uint8Array>;
  /** A stream to put blocks into. */
  stream(): BlockStream;
}

/** One stream in the making: `head`, blocks in order, `tail`. */
export interface BlockStream {
  readonly head: Uint8Array;
  /** Hears of the open bytes of each block, in order. */
  update(open: Uint8Array): void;
  /** What closes the stream. */
  tail(): Uint8Array;
}

interface DeflateOptions {
  readonly level: number;
  readonly finishFlush: number;
  readonly chunkSize: number;
}

/** The part of `node:zlib` that is used. */
interface NodeZlib {
  deflateRawSync(bytes: Uint8Array, options: DeflateOptions): Uint8Array;
  deflateRaw(
    bytes: Uint8Array,
    options: DeflateOptions,
    done: (error: Error | null, compressed: Uint8Array) => void,
  ): void;
  crc32(bytes: Uint8Array, start: number): number;
}

/**
 * The codec for a compression and a level: gzip 0 to 9, zstd 1 to 22. The same open bytes give the same block; at gzip 6 and zstd 3
 * on every machine, since the encoders are ours. Those of other levels of gzip depend on Node's zlib and on the processor.
 *
 * Undefined where there is none: gzip without Node's zlib. Throws RangeError for another level, RPM_NO_CODEC for gzip 6 and zstd 3
 * where there is no WebAssembly with vectors.
 */
export async function blockCodec(type: 'gzip' | 'zstd', level: number): Promise<BlockCodec | undefined> {
  if (type === 'zstd') {
    levelIn(level, 1, 22);
    return { compress: await zstdCompressor(level), stream: () => bareStream };
  }
  levelIn(level, 0, 9);
  const zlib = nodeZlib();
  if (zlib === undefined) return undefined;
  if (level === 6) {
    const encoder = deflateEncoder();
    return { compress: (open) => encoder.compress(open), stream: () => gzipMember(zlib, level) };
  }
  // Most blocks shrink to a tenth: one piece of output each.
  const optionsFor = ({ length }: Uint8Array): DeflateOptions => ({
    level,
    finishFlush: SYNC_FLUSH,
    chunkSize: Math.max(16_384, length >> 2),
  });
  return {
    compress: (open) => zlib.deflateRawSync(open, optionsFor(open)),
    compressLater: (open) =>
      new Promise((resolve, reject) => {
        zlib.deflateRaw(open, optionsFor(open), (error, compressed) => (error ? reject(error) : resolve(compressed)));
      }),
    stream: () => gzipMember(zlib, level),
  };
}

const SYNC_FLUSH = 2;
const empty = new Uint8Array(0);
const bareStream: BlockStream = { head: empty, update: () => undefined, tail: () => empty };

/** A member without name and time, as `encodeGzip` writes it. */
function gzipMember(zlib: NodeZlib, level: number): BlockStream {
  let crc = 0;
  let size = 0;
  return {
    // Extra flags tell the slowest and the fastest level; 3 is Unix.
    head: Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, level === 9 ? 2 : level === 1 ? 4 : 0, 3),
    update(open) {
      crc = zlib.crc32(open, crc);
      size = (size + open.length) >>> 0;
    },
    tail() {
      const tail = new Uint8Array(10);
      // An empty last block, with fixed codes.
      tail[0] = 3;
      const view = new DataView(tail.buffer);
      view.setUint32(2, crc, true);
      view.setUint32(6, size, true);
      return tail;
    },
  };
}

function nodeZlib(): NodeZlib | undefined {
  const process = (globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }).process;
  return process?.getBuiltinModule?.('node:zlib') as NodeZlib | undefined;
}
