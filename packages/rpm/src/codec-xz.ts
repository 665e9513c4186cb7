/**
 * xz and the older bare lzma: liblzma through lzma-native where that optional package is installed, else decompression
 * alone, in pure code.
 *
 * Reference: https://tukaani.org/xz/xz-file-format.txt
 */
import { type NodeTransform, runTransform } from './codec-node-stream.js';
import { decodeLzma } from './lzma-decoder.js';
import { decodeXz } from './xz-decoder.js';

/** The part of `lzma-native` that is used. */
interface LzmaNative {
  readonly CHECK_CRC64: number;
  readonly FILTER_LZMA2: unknown;
  createStream(
    coder: 'streamDecoder' | 'aloneDecoder' | 'streamEncoder',
    options: {
      readonly memlimit?: number;
      readonly bufsize?: number;
      readonly check?: number;
      readonly filters?: readonly { readonly id: unknown; readonly options: { readonly preset: number } }[];
    },
  ): NodeTransform;
}

// The reference's own ceiling on the dictionary and tables of one stream: `xz -9` needs 65 MiB.
const decoderMemoryBytes = 100 << 20;
const bufferBytes = 131_072;

/** Decompresses every stream of an xz file; without liblzma the compressed bytes are held in memory. */
export async function xzDecoder(): Promise<(input: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>> {
  const lzma = await lzmaNative();
  if (lzma !== undefined) {
    return (input) =>
      runTransform(lzma.createStream('streamDecoder', { memlimit: decoderMemoryBytes, bufsize: bufferBytes }), input);
  }
  return async function* (input) {
    yield* decodeXz(await collected(input));
  };
}

/** Decompresses a bare lzma stream; without liblzma the compressed bytes are held in memory. */
export async function lzmaDecoder(): Promise<(input: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>> {
  const lzma = await lzmaNative();
  if (lzma === undefined) {
    return async function* (input) {
      yield* decodeLzma(await collected(input));
    };
  }
  return (input) =>
    runTransform(lzma.createStream('aloneDecoder', { memlimit: decoderMemoryBytes, bufsize: bufferBytes }), input);
}

/** The pure decoders want the compressed bytes as a whole; what comes out of them comes in chunks. */
async function collected(input: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of input) chunks.push(chunk);
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
}

/** One xz stream, one thread, CRC64: the same input gives the same bytes. Undefined where no encoder is at hand. */
export async function xzEncoder(
  level: number,
): Promise<((input: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>) | undefined> {
  const lzma = await lzmaNative();
  if (lzma === undefined) return undefined;
  return (input) =>
    runTransform(
      lzma.createStream('streamEncoder', {
        // Not `preset`: that option takes level 0 for "not given".
        filters: [{ id: lzma.FILTER_LZMA2, options: { preset: level } }],
        check: lzma.CHECK_CRC64,
        bufsize: bufferBytes,
      }),
      input,
    );
}

let loading: Promise<LzmaNative | undefined> | undefined;

function lzmaNative(): Promise<LzmaNative | undefined> {
  loading ??= loadLzmaNative();
  return loading;
}

async function loadLzmaNative(): Promise<LzmaNative | undefined> {
  const process = (globalThis as { process?: { versions?: { node?: string } } }).process;
  if (process?.versions?.node === undefined) return undefined;
  try {
    // A name that bundlers cannot see: the package is optional and has no place in a browser bundle.
    const name = 'lzma-native';
    const module = (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as { default: LzmaNative };
    return module.default;
  } catch {
    return undefined;
  }
}
