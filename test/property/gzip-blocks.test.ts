/**
 * The kernel that opens blocks of gzip takes them as zlib does: the same content, and an end where zlib agrees that there is one. What
 * it does not take is an error, never other bytes.
 */
import { readFileSync } from 'node:fs';
import { constants, deflateRawSync, gzipSync, inflateRawSync } from 'node:zlib';
import { blockCodec, storedBlocks } from '@distrokit/rpm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const head = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3);
const tail = Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0, 0);

function opened(stream: Uint8Array): { readonly stored: Buffer; readonly open: Buffer }[] {
  const blocks = storedBlocks('gzip', stream);
  const found: { readonly stored: Buffer; readonly open: Buffer }[] = [];
  for (let block = blocks.next(); block !== undefined; block = blocks.next()) {
    found.push({ stored: Buffer.from(block.stored), open: Buffer.from(block.open) });
  }
  return found;
}

/** What zlib makes of a block: only when it ends on a byte, with nothing left, does the end of a stream that follows it count. */
function byZlib(stored: Uint8Array): Buffer {
  return inflateRawSync(Buffer.concat([stored, Uint8Array.of(3, 0)]));
}

const text = readFileSync(new URL('../../package-lock.json', import.meta.url));
let seed = 11;
const noise = Buffer.alloc(200_000).map(() => {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
  return seed >>> 16;
});
const contents = {
  text,
  noise,
  // Codes of up to 15 bits, for which a table alone is too short.
  skewed: Buffer.from(Array.from({ length: 120_000 }, (_, at) => (at % 7 === 0 ? (noise[at] as number) : at % 3))),
  'a long run': Buffer.alloc(3_000_000, 0x61),
  'short distances': Buffer.from(
    Array.from({ length: 60_000 }, (_, at) => 0x30 + ((at >> 9) % (1 + ((at >> 12) % 19)))),
  ),
  'one byte': Buffer.from('x'),
  mixed: Buffer.concat([text.subarray(0, 50_000), noise.subarray(0, 70_000), text.subarray(10_000, 90_000)]),
};
const { Z_SYNC_FLUSH, Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE, Z_FILTERED } = constants;

describe.each(Object.entries(contents))('%s', (_, content) => {
  test('opens to what went in, at all levels and with all strategies of zlib', () => {
    for (const level of [0, 1, 4, 6, 9]) {
      for (const strategy of [Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE, Z_FILTERED]) {
        for (const memLevel of [1, 9]) {
          const stored = deflateRawSync(content, { level, strategy, memLevel, finishFlush: Z_SYNC_FLUSH });
          const [block, ...others] = opened(Buffer.concat([head, stored, tail]));
          expect(block?.open.equals(content)).toBe(true);
          expect(block?.stored.equals(stored)).toBe(true);
          expect(others).toEqual([]);
        }
      }
    }
  });
});

test('blocks of a codec are told apart, with marks of an end in their content', async () => {
  const codec = await blockCodec('gzip', 6);
  if (codec === undefined) throw new Error('no gzip');
  const marks = Buffer.alloc(40_000, '0000ffff', 'hex');
  const parts = [
    text.subarray(0, 100_000),
    marks,
    Buffer.concat([noise.subarray(0, 5000), marks.subarray(0, 64)]),
    text,
  ];
  const stream = codec.stream();
  const stored = parts.map((part) => codec.compress(part));
  for (const part of parts) stream.update(part);
  const blocks = opened(Buffer.concat([stream.head, ...stored, stream.tail()]));
  expect(blocks).toHaveLength(parts.length);
  for (const [at, block] of blocks.entries()) {
    expect(block.open.equals(parts[at] as Buffer)).toBe(true);
    expect(block.stored.equals(stored[at] as Uint8Array)).toBe(true);
  }
});

test('altered bytes are an error, or what zlib makes of them', () => {
  const parts = [contents.mixed.subarray(0, 60_000), text.subarray(0, 30_000), contents.skewed.subarray(0, 9000)];
  const stored = parts.map((part) => deflateRawSync(part, { level: 6, finishFlush: Z_SYNC_FLUSH }));
  const stream = Buffer.concat([head, ...stored, tail]);
  let taken = 0;
  fc.assert(
    fc.property(fc.nat(stream.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const damaged = Buffer.from(stream);
      damaged[at] = (damaged[at] as number) ^ change;
      const blocks = storedBlocks('gzip', damaged);
      try {
        for (let block = blocks.next(); block !== undefined; block = blocks.next()) {
          taken++;
          expect(byZlib(block.stored).equals(Buffer.from(block.open))).toBe(true);
        }
      } catch (error) {
        expect(error).toMatchObject({ code: 'RPM_BAD_PAYLOAD' });
      }
    }),
    { numRuns: 1500, seed: 20_261_128 },
  );
  expect(taken).toBeGreaterThan(100);
});

test('a stream that is cut off is an error wherever that is', () => {
  const stream = Buffer.concat([head, deflateRawSync(text.subarray(0, 3000), { finishFlush: Z_SYNC_FLUSH }), tail]);
  for (let length = 0; length < stream.length; length++) {
    expect(() => opened(stream.subarray(0, length)), String(length)).toThrow(
      expect.objectContaining({ code: 'RPM_BAD_PAYLOAD' }),
    );
  }
});

test('a member of another tool has no blocks: it refers beyond them, or ends with content', () => {
  const whole = gzipSync(text);
  const flushed = deflateRawSync(text, { finishFlush: Z_SYNC_FLUSH, dictionary: text.subarray(0, 1000) });
  for (const stream of [whole, Buffer.concat([head, flushed, tail])]) {
    expect(() => opened(stream)).toThrow(expect.objectContaining({ code: 'RPM_BAD_PAYLOAD' }));
  }
});
