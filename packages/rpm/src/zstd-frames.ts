/**
 * Zstandard frames that lie in memory as a whole: where they begin and end, and their content, without waiting for anything.
 *
 * A WebAssembly kernel (`../kernel/zstd-frame.ts`) opens a frame in one call. It says no more than that there is a fault: then, and
 * where there is no WebAssembly, `ZstdBlocks` opens it.
 *
 * Reference: RFC 8878, 3.1.1
 */
import { MAX_BLOCK_BYTES, ZstdBlocks } from './codec-zstd-block.js';
import { wasmBytes } from './wasm-bytes.js';
import { wasm } from './zstd-frame-wasm.js';

/** The reference's own ceiling on the window, and so on the memory of a decoder. */
export const maxWindowBytes: number = 128 << 20;

/** Where the blocks of a frame are, and what its header says. */
export interface FrameBlocks {
  readonly blocks: number;
  readonly blocksEnd: number;
  readonly windowBytes: number;
  /** Bytes of content, where the frame tells. */
  readonly contentBytes: number | undefined;
}

/** A frame, by offsets into the bytes that hold it. A checksum may follow its blocks: it is not looked at. */
export interface StoredFrame extends FrameBlocks {
  readonly start: number;
  readonly end: number;
}

/** The next frame from an offset on; undefined at the end of the bytes. Skippable ones are passed over. Throws plain errors. */
export function storedFrameAt(bytes: Uint8Array, offset: number): StoredFrame | undefined {
  let start = offset;
  for (; start < bytes.length; start += 8 + littleEndian(bytes, start + 4, 4)) {
    const word = littleEndian(bytes, start, 4);
    if (word === 0xfd2fb528) return frameAt(bytes, start);
    if ((word & 0xfffffff0) >>> 0 !== 0x184d2a50) throw new Error('no zstd magic');
  }
  if (start > bytes.length) throw new Error(endsEarly);
  return undefined;
}

function frameAt(bytes: Uint8Array, start: number): StoredFrame {
  const descriptor = littleEndian(bytes, start + 4, 1);
  const sizeKind = descriptor >> 6;
  const singleSegment = (descriptor & 0x20) !== 0;
  if ((descriptor & 0x08) !== 0) throw new Error('a reserved bit in the frame header');
  let at = start + 5;
  let windowBytes = 0;
  if (!singleSegment) {
    const window = littleEndian(bytes, at++, 1);
    const base = 2 ** (10 + (window >> 3));
    windowBytes = base + (base / 8) * (window & 7);
  }
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  if (littleEndian(bytes, at, dictionaryBytes) !== 0) throw new Error('a frame that needs a dictionary');
  at += dictionaryBytes;
  const sizeBytes = sizeKind === 0 ? (singleSegment ? 1 : 0) : 2 ** sizeKind;
  const size = littleEndian(bytes, at, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
  at += sizeBytes;
  if (singleSegment) windowBytes = size;
  if (windowBytes > maxWindowBytes) throw new Error(`a window of ${windowBytes} bytes, over the limit of 128 MiB`);
  const blocks = at;
  for (let isLast = false; !isLast; ) {
    const word = littleEndian(bytes, at, 3);
    isLast = (word & 1) === 1;
    at += 3 + (((word >> 1) & 3) === 1 ? 1 : word >> 3);
  }
  const end = at + ((descriptor & 4) === 0 ? 0 : 4);
  if (end > bytes.length) throw new Error(endsEarly);
  return { start, blocks, blocksEnd: at, end, windowBytes, contentBytes: sizeBytes > 0 ? size : undefined };
}

const endsEarly = 'unexpected end of file';

/** Up to 8 bytes; values beyond 2^53 lose low bits, which no limit here cares for. */
function littleEndian(bytes: Uint8Array, at: number, length: number): number {
  if (at + length > bytes.length) throw new Error(endsEarly);
  let value = 0;
  for (let i = at + length - 1; i >= at; i--) value = value * 256 + bytes[i]!;
  return value;
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  base(): number;
  decode(start: number, end: number, windowBytes: number, out: number, room: number): number;
}

const pageBytes = 65_536;
/** Bytes before and behind a frame that the kernel may read, and behind the content that it may write over. */
const margin = 64;

/** Opens one frame after the other, in memory that it uses again. */
export class FrameDecoder {
  #kernel: Exports | undefined = newKernel();
  readonly #base: number = this.#kernel?.base() ?? 0;
  #memory: Uint8Array = new Uint8Array(0);

  /**
   * The content of a frame: a view, good until the next call. Throws plain errors for damage, `tooMuch` when it is more than
   * `maxBytes`.
   */
  open(bytes: Uint8Array, frame: FrameBlocks, maxBytes: number): Uint8Array {
    const { contentBytes } = frame;
    if (contentBytes !== undefined && contentBytes > maxBytes) throw tooMuch;
    return this.#openByKernel(bytes, frame, contentBytes) ?? openByBlocks(bytes, frame, maxBytes);
  }

  #openByKernel(bytes: Uint8Array, frame: FrameBlocks, contentBytes: number | undefined): Uint8Array | undefined {
    if (contentBytes === undefined || !this.#reserve(frame.blocksEnd - frame.blocks + contentBytes)) return undefined;
    const start = this.#base + margin;
    const end = start + frame.blocksEnd - frame.blocks;
    const out = end + margin;
    this.#memory.set(bytes.subarray(frame.blocks, frame.blocksEnd), start);
    if (this.#kernel?.decode(start, end, frame.windowBytes, out, contentBytes) !== contentBytes) return undefined;
    return this.#memory.subarray(out, out + contentBytes);
  }

  /** Whether there is memory for so many bytes, stored and open. */
  #reserve(length: number): boolean {
    if (this.#kernel === undefined) return false;
    const { memory } = this.#kernel;
    const missing = this.#base + length + 3 * margin - memory.buffer.byteLength;
    try {
      if (missing > 0) memory.grow(Math.ceil(missing / pageBytes));
    } catch {
      return false;
    }
    if (this.#memory.buffer !== memory.buffer) this.#memory = new Uint8Array(memory.buffer);
    return true;
  }
}

/** Thrown for content beyond the ceiling. */
export const tooMuch: unique symbol = Symbol('more content than allowed');

function openByBlocks(bytes: Uint8Array, frame: FrameBlocks, maxBytes: number): Uint8Array {
  const { blocks: first, blocksEnd, windowBytes, contentBytes } = frame;
  const blocks = new ZstdBlocks(windowBytes);
  const parts: Uint8Array[] = [];
  let length = 0;
  for (let at = first; at < blocksEnd; ) {
    const word = littleEndian(bytes, at, 3);
    const kind = (word >> 1) & 3;
    const size = word >> 3;
    if (kind === 3) throw new Error('a block of a reserved kind');
    if (size > Math.min(MAX_BLOCK_BYTES, Math.max(windowBytes, 1024))) throw new Error('a block larger than allowed');
    const data = bytes.subarray(at + 3, at + 3 + (kind === 1 ? 1 : size));
    const open = kind === 0 ? blocks.raw(data) : kind === 1 ? blocks.run(data[0]!, size) : blocks.compressed(data);
    length += open.length;
    if (length > maxBytes) throw tooMuch;
    parts.push(open.slice());
    at += 3 + data.length;
  }
  if (contentBytes !== undefined && length !== contentBytes) {
    throw new Error(`a frame of ${length} bytes that announced ${contentBytes}`);
  }
  const open = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    open.set(part, at);
    at += part.length;
  }
  return open;
}

let module: WebAssembly.Module | undefined;

/** A kernel with a memory of its own; undefined where there can be none. */
function newKernel(): Exports | undefined {
  try {
    module ??= new WebAssembly.Module(wasmBytes(wasm));
    return new WebAssembly.Instance(module).exports as unknown as Exports;
  } catch {
    return undefined;
  }
}
