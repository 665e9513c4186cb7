/**
 * Zstandard: decoded by Node where it can, else by `codec-zstd-block.ts`; encoded by zstd compiled to WebAssembly.
 *
 * The encoder is the same on every machine, so the same input gives the same bytes everywhere. It works on whole
 * buffers: the stream is cut into frames of 8 MiB, which is also the window of the highest usual level, so that memory
 * stays constant.
 *
 * Reference: RFC 8878.
 */
import { ChunkReader } from './chunk-reader.js';
import { type MemberTransform, runMember } from './codec-node-stream.js';
import { MAX_BLOCK_BYTES, ZstdBlocks } from './codec-zstd-block.js';

/** The part of `node:zlib` that is used; there since Node 22.15. */
interface NodeZstd {
  createZstdDecompress?(options: { readonly chunkSize: number }): MemberTransform;
}

const frameBytes = 8 << 20;
const chunkSize = 131_072;
/** The reference's own ceiling on the window, and so on the memory of a decoder. */
const maxWindowBytes = 128 << 20;

/**
 * Decompresses every frame. The checksum of a frame is looked at by Node only: the payload digest is the witness.
 */
export async function* decodeZstd(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const zlib = nodeZstd();
  const reader = new ChunkReader(input);
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
        reader.unread([magic.slice()]);
        // Frame by frame: on a chain of frames Node stops after the first.
        yield* runMember(zlib.createZstdDecompress({ chunkSize }), reader);
      } else {
        yield* decodeFrame(reader);
      }
    }
  } finally {
    await reader.close();
  }
}

/** A frame behind its magic. */
async function* decodeFrame(reader: ChunkReader): AsyncGenerator<Uint8Array, void, void> {
  const [descriptor] = await exactly(reader, 1);
  const sizeKind = descriptor! >> 6;
  const singleSegment = (descriptor! & 0x20) !== 0;
  if ((descriptor! & 0x08) !== 0) throw new Error('a reserved bit in the frame header');
  let windowBytes = 0;
  if (!singleSegment) {
    const [window] = await exactly(reader, 1);
    const base = 2 ** (10 + (window! >> 3));
    windowBytes = base + (base / 8) * (window! & 7);
  }
  const dictionary = await exactly(reader, [0, 1, 2, 4][descriptor! & 3]!);
  if (dictionary.some((byte) => byte !== 0)) throw new Error('a frame that needs a dictionary');
  const sizeBytes = sizeKind === 0 ? (singleSegment ? 1 : 0) : 2 ** sizeKind;
  const size = littleEndian(await exactly(reader, sizeBytes)) + (sizeBytes === 2 ? 256 : 0);
  if (singleSegment) windowBytes = size;
  if (windowBytes > maxWindowBytes) throw new Error(`a window of ${windowBytes} bytes, over the limit of 128 MiB`);

  const blocks = new ZstdBlocks(windowBytes);
  const maxBlock = Math.min(MAX_BLOCK_BYTES, Math.max(windowBytes, 1024));
  let produced = 0;
  for (let last = false; !last; ) {
    const head = littleEndian(await exactly(reader, 3));
    last = (head & 1) === 1;
    const kind = (head >> 1) & 3;
    const length = head >> 3;
    if (length > maxBlock) throw new Error('a block larger than allowed');
    let out: Uint8Array;
    if (kind === 0) out = blocks.raw(await exactly(reader, length));
    else if (kind === 1) out = blocks.run((await exactly(reader, 1))[0]!, length);
    else if (kind === 2) out = blocks.compressed(await exactly(reader, length));
    else throw new Error('a block of a reserved kind');
    produced += out.length;
    if (out.length > 0) yield out;
  }
  if (sizeBytes > 0 && produced !== size) throw new Error(`a frame of ${produced} bytes that announced ${size}`);
  if ((descriptor! & 4) !== 0) await exactly(reader, 4);
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
  const { compress } = await zstdWasm();
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
      yield compress(frame, level);
      filled = 0;
      frames++;
    }
  }
  if (filled > 0 || frames === 0) yield compress(frame.subarray(0, filled), level);
}

let loading: Promise<typeof import('@bokuweb/zstd-wasm')> | undefined;

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
