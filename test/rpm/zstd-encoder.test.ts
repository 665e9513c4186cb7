/** The encoder of zstd level 3: what it writes is read by zstd itself, by libarchive and by our own decoders. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BlockCodec, blockCodec, compressBytes } from '@distrokit/rpm';
import { beforeAll, expect, test, vi } from 'vitest';
import { compressible, noise, randomFrom, text } from '../property/compressible.js';
import { decodedByUs } from '../property/zstd-decoders.js';

const block = 131_072;
let codec: BlockCodec;
beforeAll(async () => {
  codec = (await blockCodec('zstd', 3)) as BlockCodec;
});

const concat = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
const zeros = (length: number): Uint8Array => new Uint8Array(length);

const noise70k = noise(70_000, 256, 2);
const noise150k = noise(150_000, 256, 3);
const inputs: readonly (readonly [name: string, bytes: Uint8Array])[] = [
  ['nothing', zeros(0)],
  ...[1, 2, 7, 8, 9, 10, 16, 17, 31, 32, 33, 255, 256, 257, 1023, 1024, 65_791, 65_792, 65_793].flatMap((length) => [
    [`${length} zeros`, zeros(length)] as const,
    [`${length} bytes of noise`, noise(length)] as const,
    [`${length} bytes of text`, text(length)] as const,
  ]),
  ...[-9, -8, -1, 0, 1, 7, 8, 9, 10].flatMap((over) => [
    [`a block of text and ${over}`, text(block + over)] as const,
    [`two blocks of zeros and ${over}`, zeros(2 * block + over)] as const,
    [`a block of noise and ${over}`, noise(block + over)] as const,
    [`a block of four letters and ${over}`, noise(block + over, 4)] as const,
  ]),
  ['literals of two kinds', noise(5000, 2)],
  ['literals of 129 kinds', noise(60_000, 129)],
  ['literals of one kind between matches', concat(...Array.from({ length: 300 }, (_, i) => noise(20, 256, i % 9)))],
  [
    'literals whose best codes are longer than 11 bits',
    Uint8Array.from({ length: 120_000 }, (_, i) => {
      let hash = Math.imul(i + 1, 0x9e3779b1) >>> 0;
      hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) >>> 0;
      return Math.min(25, Math.clz32(hash));
    }),
  ],
  ['a match of more than 64 KiB', concat(noise70k, noise70k, text(500))],
  ['a match of more than a block', concat(noise150k, text(3000), noise150k)],
  ['a match at the start of a block', concat(noise(block), noise(block).subarray(0, 900))],
  ['more than 64 KiB of literals before a match', concat(noise(100, 256, 7), noise70k, noise(100, 256, 7), text(50))],
  ['sequences of as many bits as a word', rareSequences()],
  ['text behind noise behind text', concat(text(200_000), noise(300_000), text(200_000))],
  [
    'what repeats at every distance up to 40',
    concat(...Array.from({ length: 40 }, (_, d) => spread(noise(d + 1), 500))),
  ],
  // The window is 8 MiB: the same just within, and just beyond.
  ...[-1, 0, 1].map(
    (over) =>
      [
        `a distance of 8 MiB and ${over}`,
        concat(noise(5000, 256, 9), zeros((8 << 20) - 5000 + over), noise(5000, 256, 9), text(100_000)),
      ] as const,
  ),
  // Longer than places go, twice over.
  ['20 MB', concat(text(9_000_000), noise(3_000_000, 30), text(8_000_000))],
];

/**
 * Blocks in which nearly all sequences are alike and some have a long literal run, a long match and a distant offset, each of a code
 * that hardly occurs: then a sequence takes as many bits as a word of 64 has.
 */
function rareSequences(): Uint8Array {
  const random = randomFrom(11);
  const from = Array.from({ length: 30_000 }, () => `<${random().toString(36)}>${random().toString(36)}`).join('\n');
  const parts: Uint8Array[] = [Buffer.from(from)];
  for (let n = 0; n < 300; n++) {
    for (let i = 0; i < 400; i++) parts.push(Buffer.from(`<package/>${String.fromCharCode(97 + (random() % 26))}`));
    const length = 131 + (random() % 128);
    const start = random() % (from.length - length);
    parts.push(noise(64 + (random() % 64), 256, n + 1), Buffer.from(from.slice(start, start + length)));
  }
  return concat(...parts);
}

/** Bytes again and again. */
function spread(bytes: Uint8Array, length: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => bytes[i % bytes.length] as number);
}

test('zstd and libarchive open every frame to what it was', () => {
  const frames = inputs.map(([, bytes]) => codec.compress(bytes));
  const open = concat(...inputs.map(([, bytes]) => bytes));
  const folder = mkdtempSync(join(tmpdir(), 'zstd-encoder-'));
  try {
    const path = join(folder, 'frames.zst');
    writeFileSync(path, concat(...frames));
    for (const command of [
      ['zstd', '-dc', path],
      ['bsdcat', path],
    ] as const) {
      const [program, ...options] = command;
      const read = execFileSync(program, options, { maxBuffer: 1 << 28 });
      expect(read.equals(open), program).toBe(true);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each(inputs)('%s: our decoders open it, it says its size, and hardly grows', async (_name, bytes) => {
  const frame = codec.compress(bytes);
  const { whole, blocks, size } = await decodedByUs(frame);
  expect(Buffer.compare(whole, bytes)).toBe(0);
  expect(Buffer.compare(blocks, bytes)).toBe(0);
  expect(size).toBe(bytes.length);
  expect(frame.length).toBeLessThanOrEqual(bytes.length + 10 + 3 * Math.max(1, Math.ceil(bytes.length / block)));
});

test('a frame is the same whatever was compressed before, and by another encoder', async () => {
  const bytes = text(400_000);
  const first = codec.compress(bytes);
  for (let seed = 0; seed < 40; seed++) codec.compress(compressible(seed, 300_000));
  expect(Buffer.compare(codec.compress(bytes), first)).toBe(0);
  vi.resetModules();
  const other = (await (await import('@distrokit/rpm')).blockCodec('zstd', 3)) as BlockCodec;
  expect(Buffer.compare(other.compress(bytes), first)).toBe(0);
});

test('a frame is the same wherever its places begin, and when they go round', () => {
  // Places are numbers of 23 bits that go on from frame to frame.
  const bytes = text(300_000);
  const first = codec.compress(bytes);
  const long = concat(text(5_000_000), noise(2_000_000), text(5_000_000));
  for (const length of [3_000_000, (8 << 20) - 2, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, long.length]) {
    const frame = codec.compress(long.subarray(0, length));
    expect(Buffer.compare(codec.compress(bytes), first)).toBe(0);
    codec.compress(noise(1_234_567));
    expect(Buffer.compare(codec.compress(long.subarray(0, length)), frame)).toBe(0);
  }
});

test('text becomes about as small as by level 3 of zstd', () => {
  const bytes = text(3_000_000);
  const theirs = execFileSync('zstd', ['-3', '-c', '--no-check'], { input: bytes, maxBuffer: 1 << 26 });
  expect(codec.compress(bytes).length).toBeLessThan(1.05 * theirs.length);
});

test('a stream is cut into frames of 8 MiB, made by the same encoder', async () => {
  const bytes = text((8 << 20) + 1000);
  const stream = await compressBytes(bytes, { type: 'zstd' });
  const frames = concat(codec.compress(bytes.subarray(0, 8 << 20)), codec.compress(bytes.subarray(8 << 20)));
  expect(Buffer.compare(stream, frames)).toBe(0);
});

test('where there is no WebAssembly there is no codec, said so', async () => {
  vi.resetModules();
  const fresh = await import('@distrokit/rpm');
  vi.stubGlobal('WebAssembly', undefined);
  try {
    await expect(fresh.blockCodec('zstd', 3)).rejects.toMatchObject({ code: 'RPM_NO_CODEC' });
  } finally {
    vi.unstubAllGlobals();
  }
});
