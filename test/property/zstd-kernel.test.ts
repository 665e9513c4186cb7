/**
 * The kernels that run the loops of zstd blocks, and whole frames, give the bytes and the faults of the code without them. Node from 22.15 on has a
 * decoder of its own, which is kept out here.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import zlib from 'node:zlib';
import { decompress, storedBlocks } from '@distrokit/rpm';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';

type Decompress = typeof decompress;

const nodeDecoder = (zlib as { createZstdDecompress?: unknown }).createZstdDecompress;
let twin: Decompress;
let twinBlocks: typeof storedBlocks;
beforeAll(async () => {
  Object.assign(zlib, { createZstdDecompress: undefined });
  vi.stubGlobal('WebAssembly', undefined);
  vi.resetModules();
  ({ decompress: twin, storedBlocks: twinBlocks } = await import('@distrokit/rpm'));
});
afterAll(() => {
  Object.assign(zlib, { createZstdDecompress: nodeDecoder });
  vi.unstubAllGlobals();
});

/** What comes out, and the fault it ends with. Without WebAssembly for the twin, with it for the kernel. */
async function outcome(decode: Decompress, stored: Uint8Array, withWebAssembly: boolean): Promise<unknown> {
  if (withWebAssembly) vi.unstubAllGlobals();
  else vi.stubGlobal('WebAssembly', undefined);
  const parts: Uint8Array[] = [];
  try {
    const input = (async function* () {
      yield stored;
    })();
    for await (const part of decode(input, 'zstd', { maxBytes: 1 << 24, lent: true })) parts.push(part.slice());
    return { open: Buffer.concat(parts) };
  } catch (error) {
    const { code, message, cause } = error as { code?: string; message: string; cause?: { message?: string } };
    return { open: Buffer.concat(parts), code, message, cause: cause?.message };
  }
}

async function expectSame(stored: Uint8Array): Promise<Buffer> {
  const kernel = await outcome(decompress, stored, true);
  const expected = await outcome(twin, stored, false);
  // Comparing megabytes as values takes a second each.
  const { open, ...rest } = kernel as { open: Buffer };
  const { open: expectedOpen, ...expectedRest } = expected as { open: Buffer };
  expect(rest).toEqual(expectedRest);
  expect(open.equals(expectedOpen)).toBe(true);
  return open;
}

/** Text with repetitions at many distances, numbers that hardly repeat, a long run, and a long match behind many literals. */
function content(): Buffer {
  let seed = 7;
  const random = (): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return seed >>> 8;
  };
  const words = Array.from({ length: 500 }, () =>
    random()
      .toString(36)
      .repeat(1 + (random() % 4)),
  );
  const text = Array.from({ length: 60_000 }, () => words[random() % (random() % 3 === 0 ? 500 : 20)]).join(' ');
  const noise = (length: number): Uint8Array => Buffer.alloc(length).map(() => random() & 0xff);
  const repeated = noise(60_000);
  return Buffer.concat([
    ...[Buffer.from(text), repeated, Buffer.alloc(300_000, 0x61), Buffer.from(text.slice(0, 100_000))],
    // Lengths and offset of one sequence then need more bits than are read at once.
    ...[noise(66_000), repeated, noise(40_000), repeated.subarray(0, 50_000)],
  ]);
}

/** From a pipe a frame does not say how long its content is, as in a package; of a file it does, as in repodata. */
function compressed(level: string, from: string): Buffer {
  if (from === 'a pipe') return execFileSync('zstd', [level, '-c'], { input: content(), maxBuffer: 1 << 26 });
  const folder = mkdtempSync(join(tmpdir(), 'distrokit-'));
  writeFileSync(join(folder, 'content'), content());
  const stored = execFileSync('zstd', [level, '-c', join(folder, 'content')], { maxBuffer: 1 << 26 });
  rmSync(folder, { recursive: true });
  return stored;
}

const levels = ['-1', '-3', '-9', '-19'];

describe.each(['a pipe', 'a file'].flatMap((from) => levels.map((level) => [level, from] as const)))(
  'zstd %s of %s',
  (level, from) => {
    const stored = compressed(level, from);

    test('a stream of the reference opens to what went in', async () => {
      expect((await expectSame(stored)).equals(content())).toBe(true);
    });

    test('altered bytes end alike', async () => {
      for (let n = 0; n < 60; n++) {
        const damaged = Uint8Array.from(stored);
        const at = (n * 7919 + 5) % Math.min(stored.length, 60_000);
        damaged[at] = (damaged[at] as number) ^ (1 << (n % 8));
        await expectSame(damaged);
      }
    });
  },
);

describe('blocks of a stream in memory', () => {
  const parts = [content().subarray(0, 300_000), Buffer.alloc(0), Buffer.from('a'), content().subarray(200_000)];
  const skippable = Buffer.from('502a4d1803000000ffffff', 'hex');
  const stream = Buffer.concat([
    skippable,
    ...parts.map((part) => execFileSync('zstd', ['-3', '-c', '--no-check'], { input: part, maxBuffer: 1 << 26 })),
    skippable,
  ]);

  test('are the frames, in order, with and without a kernel', () => {
    for (const blocksOf of [storedBlocks, twinBlocks]) {
      if (blocksOf === storedBlocks) vi.unstubAllGlobals();
      else vi.stubGlobal('WebAssembly', undefined);
      const blocks = blocksOf('zstd', stream);
      for (const part of parts) expect(Buffer.from(blocks.next()?.open ?? []).equals(part)).toBe(true);
      expect(blocks.next()).toBeUndefined();
    }
  });

  test('end with an error wherever the stream is cut off within a frame', () => {
    for (let length = 1; length < stream.length; length += 1 + (length >> 3)) {
      const blocks = storedBlocks('zstd', stream.subarray(0, length));
      const read = (): number => {
        for (let found = 0; ; found++) if (blocks.next() === undefined) return found;
      };
      expect(read).toThrow(expect.objectContaining({ code: 'RPM_BAD_PAYLOAD' }));
    }
  });
});
