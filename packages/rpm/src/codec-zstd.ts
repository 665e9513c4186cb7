/**
 * Zstandard: decoded by Node where it can, else short frames as a whole (`zstd-frames.ts`) and others block by block
 * (`codec-zstd-block.ts`); encoded by `zstd-encoder.ts` at level 3, at all others by zstd compiled to WebAssembly.
 *
 * Each encoder is the same on every machine, so the same input gives the same bytes everywhere. Both work on whole
 * buffers: the stream is cut into frames of 8 MiB, which is also the window of the highest usual level, so that memory
 * stays constant.
 *
 * Reference: RFC 8878.
 */
import { ChunkReader } from './chunk-reader.js';
import { type NodeTransform, runTransform } from './codec-node-stream.js';
import { MAX_BLOCK_BYTES, ZstdBlocks } from './codec-zstd-block.js';
import { zstdEncoder } from './zstd-encoder.js';
import { FrameDecoder, maxWindowBytes } from './zstd-frames.js';

/** The part of `node:zlib` that is used; there since Node 22.15. */
interface NodeZstd {
  createZstdDecompress?(options: { readonly chunkSize: number }): NodeTransform;
}

const frameBytes = 8 << 20;
const chunkSize = 131_072;
/** A frame of at most this much content is decoded at once. */
const wholeFrameBytes = 16 << 20;

/**
 * Decompresses every frame. The checksum of a frame is looked at by Node only: the payload digest is the witness.
 *
 * With `lent` a chunk may be a view that is good until the next one is asked for.
 */
export async function* decodeZstd(
  input: AsyncIterable<Uint8Array>,
  lent = false,
): AsyncGenerator<Uint8Array, void, void> {
  const zlib = nodeZstd();
  const reader = new ChunkReader(input);
  let decoder: FrameDecoder | undefined;
  try {
    for (let frames = 0; ; frames++) {
      const magic = await reader.take(4);
      if (magic.length === 0 && frames > 0) return;
      if (magic.length < 4) throw new Error('unexpected end of file');
      const word = littleEndian(magic);
      if ((word & 0xfffffff0) >>> 0 === 0x184d2a50) {
        await skip(reader, littleEndian(await exactly(reader, 4)));
      } else if (word !== 0xfd2fb528) {
        throw new Error(frames > 0 ? 'rubbish behind the last frame' : 'no zstd magic');
      } else if (zlib?.createZstdDecompress !== undefined) {
        // Frame by frame: on a chain of frames Node stops after the first.
        yield* runTransform(zlib.createZstdDecompress({ chunkSize }), storedFrame(reader));
      } else {
        decoder ??= new FrameDecoder();
        yield* decodeFrameHere(reader, decoder, lent);
      }
    }
  } finally {
    await reader.close();
  }
}

/** A frame without Node's decoder: at once where it says that it is short, block by block otherwise and when it is damaged. */
async function* decodeFrameHere(
  reader: ChunkReader,
  decoder: FrameDecoder,
  lent: boolean,
): AsyncGenerator<Uint8Array, void, void> {
  const header = await readFrameHeader(reader);
  const parts: Uint8Array[] = [header.bytes.slice(4)];
  if (header.size !== undefined && header.size <= wholeFrameBytes) {
    try {
      const open = await decodeWhole(reader, header, header.size, parts, decoder, lent);
      if (open !== undefined) {
        if (open.length > 0) yield open;
        return;
      }
    } catch {
      // What is wrong with it, and what of it can be had, is for the decoder that goes block by block.
    }
  }
  reader.unread(parts);
  yield* decodeFrame(reader, lent);
}

/** The content of a short frame whose header was read; what is read more of it goes to `parts`. Undefined for an odd one. */
async function decodeWhole(
  reader: ChunkReader,
  header: FrameHeader,
  size: number,
  parts: Uint8Array[],
  decoder: FrameDecoder,
  lent: boolean,
): Promise<Uint8Array | undefined> {
  let length = header.bytes.length - 4;
  const keep = (part: Uint8Array): void => {
    parts.push(part.slice());
    length += part.length;
  };
  for (let isLast = false; !isLast; ) {
    const block = await readBlock(reader, header.windowBytes);
    isLast = block.isLast;
    keep(block.head);
    keep(block.data);
    // Blocks that add nothing may go on for ever.
    if (length > 2 * size + 65_536) return undefined;
  }
  const checksumBytes = header.hasChecksum ? 4 : 0;
  keep(await exactly(reader, checksumBytes));
  const blocks = header.bytes.length - 4;
  const frame = { blocks, blocksEnd: length - checksumBytes, windowBytes: header.windowBytes, contentBytes: size };
  const open = decoder.open(joined(parts, length), frame, size);
  return lent ? open : open.slice();
}

/** What a frame's header says. */
interface FrameHeader {
  /** The header itself, magic included. */
  readonly bytes: Uint8Array;
  readonly windowBytes: number;
  /** Bytes of content, where the frame tells. */
  readonly size: number | undefined;
  readonly hasChecksum: boolean;
}

/** Reads a header behind its magic. */
async function readFrameHeader(reader: ChunkReader): Promise<FrameHeader> {
  const bytes: number[] = [0x28, 0xb5, 0x2f, 0xfd];
  const field = async (length: number): Promise<number> => {
    const taken = await exactly(reader, length);
    bytes.push(...taken);
    return littleEndian(taken);
  };
  const descriptor = await field(1);
  const sizeKind = descriptor >> 6;
  const singleSegment = (descriptor & 0x20) !== 0;
  if ((descriptor & 0x08) !== 0) throw new Error('a reserved bit in the frame header');
  let windowBytes = 0;
  if (!singleSegment) {
    const window = await field(1);
    const base = 2 ** (10 + (window >> 3));
    windowBytes = base + (base / 8) * (window & 7);
  }
  if ((await field([0, 1, 2, 4][descriptor & 3]!)) !== 0) throw new Error('a frame that needs a dictionary');
  const sizeBytes = sizeKind === 0 ? (singleSegment ? 1 : 0) : 2 ** sizeKind;
  const size = (await field(sizeBytes)) + (sizeBytes === 2 ? 256 : 0);
  if (singleSegment) windowBytes = size;
  if (windowBytes > maxWindowBytes) throw new Error(`a window of ${windowBytes} bytes, over the limit of 128 MiB`);
  return {
    bytes: Uint8Array.from(bytes),
    windowBytes,
    size: sizeBytes > 0 ? size : undefined,
    hasChecksum: (descriptor & 4) !== 0,
  };
}

/** A block with its three bytes of header. */
interface Block {
  readonly head: Uint8Array;
  readonly isLast: boolean;
  readonly kind: number;
  /** Of what comes out for a block of one byte repeated, else of `data`. */
  readonly length: number;
  readonly data: Uint8Array;
}

async function readBlock(reader: ChunkReader, windowBytes: number): Promise<Block> {
  const head = (await exactly(reader, 3)).slice();
  const word = littleEndian(head);
  const kind = (word >> 1) & 3;
  const length = word >> 3;
  if (kind === 3) throw new Error('a block of a reserved kind');
  if (length > Math.min(MAX_BLOCK_BYTES, Math.max(windowBytes, 1024))) throw new Error('a block larger than allowed');
  return { head, isLast: (word & 1) === 1, kind, length, data: await exactly(reader, kind === 1 ? 1 : length) };
}

/** The bytes of a frame, so that a frame that ends early is noticed: Node takes one for complete. */
async function* storedFrame(reader: ChunkReader): AsyncGenerator<Uint8Array, void, void> {
  const header = await readFrameHeader(reader);
  yield header.bytes;
  for (let isLast = false; !isLast; ) {
    const block = await readBlock(reader, header.windowBytes);
    isLast = block.isLast;
    yield block.head;
    yield block.data;
  }
  if (header.hasChecksum) yield await exactly(reader, 4);
}

async function* decodeFrame(reader: ChunkReader, lent: boolean): AsyncGenerator<Uint8Array, void, void> {
  const { windowBytes, size, hasChecksum } = await readFrameHeader(reader);
  const blocks = new ZstdBlocks(windowBytes);
  let produced = 0;
  for (let isLast = false; !isLast; ) {
    const block = await readBlock(reader, windowBytes);
    isLast = block.isLast;
    const out =
      block.kind === 0
        ? blocks.raw(block.data)
        : block.kind === 1
          ? blocks.run(block.data[0]!, block.length)
          : blocks.compressed(block.data);
    produced += out.length;
    if (out.length > 0) yield lent ? out : out.slice();
  }
  if (size !== undefined && produced !== size) throw new Error(`a frame of ${produced} bytes that announced ${size}`);
  if (hasChecksum) await exactly(reader, 4);
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

async function exactly(reader: ChunkReader, length: number): Promise<Uint8Array> {
  const bytes = await reader.take(length);
  if (bytes.length < length) throw new Error('unexpected end of file');
  return bytes;
}

async function skip(reader: ChunkReader, length: number): Promise<void> {
  for (let left = length; left > 0; ) {
    const part = await reader.some(left);
    if (part === undefined) throw new Error('unexpected end of file');
    left -= part.length;
  }
}

/** Up to 8 bytes; values beyond 2^53 lose low bits, which no limit here cares for. */
function littleEndian(bytes: Uint8Array): number {
  let value = 0;
  for (let i = bytes.length - 1; i >= 0; i--) value = value * 256 + bytes[i]!;
  return value;
}

/** Frames of 8 MiB of content, each with its content size. An empty stream is one empty frame. */
export async function* encodeZstd(
  input: AsyncIterable<Uint8Array>,
  level: number,
): AsyncGenerator<Uint8Array, void, void> {
  const compress = await zstdCompressor(level);
  const frame = new Uint8Array(frameBytes);
  let filled = 0;
  let frames = 0;
  for await (const chunk of input) {
    for (let start = 0; start < chunk.length; ) {
      const part = chunk.subarray(start, start + frameBytes - filled);
      frame.set(part, filled);
      filled += part.length;
      start += part.length;
      if (filled < frameBytes) continue;
      yield compress(frame);
      filled = 0;
      frames++;
    }
  }
  if (filled > 0 || frames === 0) yield compress(frame.subarray(0, filled));
}

/** What makes one frame, with its content size and no checksum, at a level of 1 to 22. */
export async function zstdCompressor(level: number): Promise<(open: Uint8Array) => Uint8Array> {
  if (level === 3) {
    const encoder = zstdEncoder();
    return (open) => encoder.compress(open);
  }
  const { compress } = await zstdWasm();
  return (open) => compress(open, level);
}

let loading: Promise<typeof import('@bokuweb/zstd-wasm')> | undefined;

/** zstd compiled to WebAssembly, loaded once. */
function zstdWasm(): Promise<typeof import('@bokuweb/zstd-wasm')> {
  loading ??= import('@bokuweb/zstd-wasm').then(async (module) => {
    await module.init();
    return module;
  });
  return loading;
}

function nodeZstd(): NodeZstd | undefined {
  const process = (globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }).process;
  return process?.getBuiltinModule?.('node:zlib') as NodeZstd | undefined;
}
