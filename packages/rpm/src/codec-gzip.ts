/**
 * gzip: Node's zlib where there is one, fflate elsewhere (loaded only there).
 *
 * Both read every member of a file made of several. fflate does not check the CRC of a member: in a browser the digest
 * of the payload (or of the repository record) is the only witness.
 *
 * Reference: RFC 1952.
 */
import { ChunkReader } from './chunk-reader.js';
import { type MemberTransform, type NodeTransform, runMember, runTransform } from './codec-node-stream.js';

/** The part of `node:zlib` that is used. */
interface NodeZlib {
  createInflateRaw(options: { readonly chunkSize: number }): MemberTransform;
  createGzip(options: { readonly chunkSize: number; readonly level: number }): NodeTransform;
  crc32(bytes: Uint8Array, start: number): number;
}

// 256 KiB out of each call: a hand-over between threads, for which a busy machine waits; more is slow memory for each.
const chunkSize = 262_144;

/** Decompresses every member. Zeros behind the last one are padding; anything else is an error, thrown after the data. */
export async function* decodeGzip(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const zlib = nodeZlib();
  if (zlib === undefined) {
    yield* decodeInBrowser(input);
    return;
  }
  // Member by member and not with zlib's own gunzip: on rubbish behind a member, that one drops the member's last bytes.
  const reader = new ChunkReader(input);
  try {
    for (let members = 0; await beginMember(reader, members); members++) yield* decodeMember(zlib, reader);
  } finally {
    await reader.close();
  }
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
  const { Gzip } = await import('fflate');
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

/** Reads a member's header. False when there is none and the file may end here. */
async function beginMember(reader: ChunkReader, members: number): Promise<boolean> {
  const fixed = await reader.take(10);
  if (members > 0 && fixed.every((byte) => byte === 0)) {
    for (let part = await reader.some(); part !== undefined; part = await reader.some()) {
      if (part.some((byte) => byte !== 0)) throw new Error('rubbish behind the last member');
    }
    return false;
  }
  const [id1, id2, method, flags] = fixed;
  if (id1 !== 0x1f || id2 !== 0x8b || method !== 8) {
    throw new Error(members > 0 ? 'rubbish behind the last member' : 'no gzip magic');
  }
  if (fixed.length < 10 || flags === undefined) throw new Error('unexpected end of file');
  if ((flags & 0xe0) !== 0) throw new Error('reserved flags');
  if ((flags & 4) !== 0) {
    const [low = 0, high = 0] = await reader.take(2);
    await reader.take(low | (high << 8));
  }
  // Name and comment.
  for (const flag of [8, 16]) if ((flags & flag) !== 0) await skipText(reader);
  if ((flags & 2) !== 0) await reader.take(2);
  return true;
}

async function skipText(reader: ChunkReader): Promise<void> {
  for (let part = await reader.some(); part !== undefined; part = await reader.some()) {
    const end = part.indexOf(0);
    if (end === -1) continue;
    reader.unread([part.subarray(end + 1)]);
    return;
  }
  throw new Error('unexpected end of file');
}

/** The content of a member, behind its header; reads its trailer. */
async function* decodeMember(zlib: NodeZlib, reader: ChunkReader): AsyncGenerator<Uint8Array, void, void> {
  let crc = 0;
  let size = 0;
  for await (const chunk of runMember(zlib.createInflateRaw({ chunkSize }), reader)) {
    crc = zlib.crc32(chunk, crc);
    size = (size + chunk.length) >>> 0;
    yield chunk;
  }
  const trailer = await reader.take(8);
  if (trailer.length < 8) throw new Error('unexpected end of file');
  const view = new DataView(trailer.buffer, trailer.byteOffset, 8);
  if (view.getUint32(0, true) !== crc >>> 0) throw new Error('wrong checksum of a member');
  if (view.getUint32(4, true) !== size) throw new Error('wrong length of a member');
}

async function* decodeInBrowser(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const { Gunzip } = await import('fflate');
  const out: Uint8Array[] = [];
  let ended = false;
  const gunzip = new Gunzip((chunk, final) => {
    if (chunk.length > 0) out.push(chunk);
    ended = final;
  });
  const push = function* (chunk: Uint8Array, final: boolean): Generator<Uint8Array, void, void> {
    try {
      gunzip.push(chunk, final);
    } finally {
      yield* out.splice(0);
    }
  };
  for await (const chunk of input) yield* push(chunk, false);
  yield* push(new Uint8Array(0), true);
  if (!ended) throw new Error('unexpected end of file');
}

function nodeZlib(): NodeZlib | undefined {
  const process = (globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }).process;
  return process?.getBuiltinModule?.('node:zlib') as NodeZlib | undefined;
}
