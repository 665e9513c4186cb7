/**
 * Zstandard: decoded by fzstd, encoded by zstd compiled to WebAssembly.
 *
 * The encoder is the same on every machine, so the same input gives the same bytes everywhere. It works on whole
 * buffers: the stream is cut into frames of 8 MiB, which is also the window of the highest level, so that memory stays
 * constant.
 *
 * Reference: RFC 8878.
 */
import { Decompress } from 'fzstd';

const frameBytes = 8 << 20;

/** Decompresses every frame. Frame checksums are not looked at: the payload digest is the witness. */
export async function* decodeZstd(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  let out: Uint8Array[] = [];
  const decoder = new Decompress((chunk) => {
    if (chunk.length > 0) out.push(chunk);
  });
  for await (const chunk of input) {
    decoder.push(chunk);
    yield* out;
    out = [];
  }
  decoder.push(new Uint8Array(0), true);
  yield* out;
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
