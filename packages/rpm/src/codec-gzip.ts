/**
 * gzip: Node's zlib where there is one, fflate elsewhere.
 *
 * Both read every member of a file made of several. fflate does not check the CRC of a member: in a browser the digest
 * of the payload (or of the repository record) is the only witness.
 *
 * Reference: RFC 1952.
 */
import { Gunzip, Gzip } from 'fflate';
import { type NodeTransform, runTransform } from './codec-node-stream.js';

/** The part of `node:zlib` that is used. */
interface NodeZlib {
  createGunzip(options: { readonly chunkSize: number }): NodeTransform;
  createGzip(options: { readonly chunkSize: number; readonly level: number }): NodeTransform;
}

// 128 KiB out of each call: larger brings nothing, Node's own 16 KiB costs a third of the speed.
const chunkSize = 131_072;

/** Decompresses every member. Zeros behind the last one are padding; anything else is an error, thrown after the data. */
export async function* decodeGzip(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const zlib = nodeZlib();
  if (zlib !== undefined) {
    yield* runTransform(zlib.createGunzip({ chunkSize }), input);
    return;
  }
  let out: Uint8Array[] = [];
  let ended = false;
  const gunzip = new Gunzip((chunk, final) => {
    if (chunk.length > 0) out.push(chunk);
    ended = final;
  });
  for await (const chunk of input) {
    gunzip.push(chunk);
    yield* out;
    out = [];
  }
  gunzip.push(new Uint8Array(0), true);
  yield* out;
  if (!ended) throw new Error('unexpected end of file');
}

/** One member without name and time, so the same input gives the same bytes. zlib and fflate differ from each other. */
export async function* encodeGzip(
  input: AsyncIterable<Uint8Array>,
  level: number,
): AsyncGenerator<Uint8Array, void, void> {
  const zlib = nodeZlib();
  if (zlib !== undefined) {
    let position = 0;
    for await (const chunk of runTransform(zlib.createGzip({ chunkSize, level }), input)) {
      // Byte 9 of the header names the operating system: one value on all of them.
      if (position <= 9 && position + chunk.length > 9) chunk[9 - position] = 3;
      position += chunk.length;
      yield chunk;
    }
    return;
  }
  let out: Uint8Array[] = [];
  const gzip = new Gzip({ level: level as 6, mtime: 0 }, (chunk) => {
    if (chunk.length > 0) out.push(chunk);
  });
  for await (const chunk of input) {
    gzip.push(chunk);
    yield* out;
    out = [];
  }
  gzip.push(new Uint8Array(0), true);
  yield* out;
}

function nodeZlib(): NodeZlib | undefined {
  const process = (globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }).process;
  return process?.getBuiltinModule?.('node:zlib') as NodeZlib | undefined;
}
