/** The encoder of gzip level 6: what it writes is read by gzip, by Python's and Node's zlib, by fflate and by our own kernel. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { type BlockCodec, blockCodec, storedBlocks } from '@distrokit/rpm';
import { Inflate } from 'fflate';
import { beforeAll, expect, test, vi } from 'vitest';
import { compressible, noise, randomFrom, text } from '../property/compressible.js';

let codec: BlockCodec;
/** 16-byte vectors that the kernel compared for its last block. */
let work: () => number;
beforeAll(async () => {
  const { Instance } = WebAssembly;
  const made: WebAssembly.Instance[] = [];
  WebAssembly.Instance = new Proxy(Instance, {
    construct(target, [module]: [WebAssembly.Module]) {
      made.push(new target(module));
      return made.at(-1) as WebAssembly.Instance;
    },
  });
  codec = (await blockCodec('gzip', 6)) as BlockCodec;
  WebAssembly.Instance = Instance;
  work = made[0]?.exports.work as () => number;
});

const concat = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
const zeros = (length: number): Uint8Array => new Uint8Array(length);
/** Bytes again and again. */
const repeated = (bytes: Uint8Array, length: number): Uint8Array =>
  new Uint8Array(length).map((_, i) => bytes[i % bytes.length] as number);

const window = 32_768;
const inputs: readonly (readonly [name: string, bytes: Uint8Array])[] = [
  ...[1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 32, 33, 255, 256, 257, 258, 259, 260, 261, 262, 516, 517, 518].flatMap(
    (length) => [
      [`${length} zeros`, zeros(length)] as const,
      [`${length} bytes of noise`, noise(length)] as const,
      [`${length} bytes of text`, text(length)] as const,
    ],
  ),
  ...[-9, -1, 0, 1, 9].flatMap((over) => [
    [`32 KiB of noise and ${over}`, noise(window + over)] as const,
    [`32 KiB of text and ${over}`, text(window + over)] as const,
    [`what can be stored in one piece and ${over}`, noise(65_535 + over)] as const,
    [`what can be stored in two pieces and ${over}`, noise(131_070 + over)] as const,
    [`64 KiB of four letters and ${over}`, noise(65_536 + over, 4)] as const,
    [`200 bytes again behind 32 KiB and ${over}`, farBehind(window + over)] as const,
    [`a match of 258 bytes and ${over}`, concat(noise(258 + over), noise(300, 256, 2), noise(258 + over))] as const,
  ]),
  ['every byte once', Uint8Array.from({ length: 256 }, (_, i) => i)],
  ['every byte, none of them frequent', noise(40_000)],
  ['literals of two kinds', noise(5000, 2)],
  ['literals only, of 100 kinds, nothing twice', Uint8Array.from({ length: 100 }, (_, i) => i)],
  ['a match of every length', concat(...Array.from({ length: 256 }, (_, i) => twice(noise(i + 3, 256, i + 1))))],
  [
    'what repeats at every distance to 40',
    concat(...Array.from({ length: 40 }, (_, d) => repeated(noise(d + 1), 500))),
  ],
  [
    'literals whose best codes are longer than 15 bits',
    Uint8Array.from({ length: 300_000 }, (_, i) => {
      let hash = Math.imul(i + 1, 0x9e3779b1) >>> 0;
      hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) >>> 0;
      return Math.min(25, Math.clz32(hash));
    }),
  ],
  ['marks of an end', repeated(Uint8Array.of(0, 0, 255, 255), 40_000)],
  ['text behind noise behind text', concat(text(200_000), noise(300_000), text(200_000))],
  ['8 MiB of text', text(8 << 20)],
  ['8 MiB of zeros', zeros(8 << 20)],
  ['3 MB of noise', noise(3_000_000)],
];

function twice(bytes: Uint8Array): Uint8Array {
  return concat(bytes, bytes);
}

/** Some bytes, and the same at a distance, with nothing to be found between them. */
function farBehind(distance: number): Uint8Array {
  const bytes = noise(200, 256, 9);
  return concat(bytes, noise(distance - 200, 256, 4), bytes);
}

test('gzip and Python read a member of all blocks as what they were', () => {
  const stream = codec.stream();
  const parts = [stream.head];
  for (const [, bytes] of inputs) {
    stream.update(bytes);
    parts.push(codec.compress(bytes));
  }
  const member = concat(...parts, stream.tail());
  const open = concat(...inputs.map(([, bytes]) => bytes));
  const folder = mkdtempSync(join(tmpdir(), 'deflate-encoder-'));
  try {
    const path = join(folder, 'member.gz');
    writeFileSync(path, member);
    const python = 'import sys, zlib; sys.stdout.buffer.write(zlib.decompress(open(sys.argv[1], "rb").read(), 31))';
    execFileSync('gzip', ['-t', path]);
    for (const [program, ...options] of [
      ['gzip', '-dc', path],
      ['python3', '-c', python, path],
    ] as const) {
      const read = execFileSync(program, options, { maxBuffer: 1 << 28 });
      expect(read.equals(open), program).toBe(true);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  const blocks = storedBlocks('gzip', member);
  for (const [name, bytes] of inputs) expect(Buffer.compare(blocks.next()?.open as Uint8Array, bytes), name).toBe(0);
  expect(blocks.next()).toBeUndefined();
});

test.each(inputs)('%s: zlib and fflate open it, it ends as it has to, and hardly grows', (_name, bytes) => {
  const block = codec.compress(bytes);
  expect([...block.subarray(-4)]).toEqual([0, 0, 255, 255]);
  const ended = concat(block, Uint8Array.of(3, 0));
  expect(inflateRawSync(ended).equals(bytes)).toBe(true);
  const chunks: Uint8Array[] = [];
  new Inflate((chunk) => chunks.push(chunk)).push(ended, true);
  expect(Buffer.compare(concat(...chunks), bytes)).toBe(0);
  expect(block.length).toBeLessThanOrEqual(bytes.length + 5 + 6 * Math.ceil(bytes.length / window));
});

test('a block is the same whatever was compressed before, and by another encoder', async () => {
  const bytes = text(400_000);
  const first = codec.compress(bytes);
  const short = bytes.subarray(0, 1003);
  const firstShort = codec.compress(short);
  for (let seed = 0; seed < 40; seed++) {
    codec.compress(compressible(seed, 300_000));
    // What lies behind a short input is of the one before.
    expect(Buffer.compare(codec.compress(short), firstShort)).toBe(0);
  }
  expect(Buffer.compare(codec.compress(bytes), first)).toBe(0);
  vi.resetModules();
  const other = (await (await import('@distrokit/rpm')).blockCodec('gzip', 6)) as BlockCodec;
  expect(Buffer.compare(other.compress(bytes), first)).toBe(0);
});

test('a match reaches back 32 KiB and no further', () => {
  const [within, beyond] = [window, window + 1].map((distance) => codec.compress(farBehind(distance)).length);
  expect((beyond as number) - (within as number)).toBeGreaterThan(100);
});

test('text becomes about as small as by level 6 of zlib', () => {
  const bytes = text(3_000_000);
  expect(codec.compress(bytes).length).toBeLessThan(1.05 * deflateRawSync(bytes, { level: 6 }).length);
});

const hostile: readonly (readonly [name: string, make: (length: number) => Uint8Array])[] = [
  ['one byte', zeros],
  ['two bytes in turn', (length) => repeated(Uint8Array.of(1, 2), length)],
  ['259 bytes, again and again', (length) => repeated(noise(259), length)],
  ['strings that differ in a byte behind the eighth', (length) => nearlyEqual(length, 9, 40)],
  ['strings that differ in their 257th byte', (length) => nearlyEqual(length, 256, 258)],
  ['strings that differ in any byte', (length) => nearlyEqual(length, 0, 200)],
  ['two letters', (length) => noise(length, 2)],
  ['at each place a longer match than at the one before', (length) => repeated(everLonger(), length)],
];

/** Parts of a string, each beginning a byte later than the one before and a byte longer, then the string. */
function everLonger(): Uint8Array {
  const whole = noise(400, 256, 5);
  const parts = Array.from({ length: 140 }, (_, i) => concat(whole.subarray(i, 2 * i + 10), noise(1, 256, i)));
  return concat(...parts, whole, noise(20_000));
}

/** A string again and again, each time with another byte at the same place; at 0, each time at another place. */
function nearlyEqual(length: number, place: number, period: number): Uint8Array {
  const bytes = repeated(noise(period), length);
  const random = randomFrom(8);
  for (let at = 0; at + period < length; at += period) bytes[at + (place || random() % period)] = random();
  return bytes;
}

test.each(hostile)('%s: the work for a byte is bounded, however long the input', (_name, make) => {
  for (const length of [1 << 16, 1 << 20, 1 << 23]) {
    codec.compress(make(length));
    // A search that looks at every place where something similar was takes hundreds of vectors for a byte.
    expect(work() / length).toBeLessThan(2);
  }
});

test('where there is no WebAssembly there is no codec, said so', async () => {
  vi.resetModules();
  const fresh = await import('@distrokit/rpm');
  vi.stubGlobal('WebAssembly', undefined);
  try {
    await expect(fresh.blockCodec('gzip', 6)).rejects.toMatchObject({ code: 'RPM_NO_CODEC' });
    expect(await fresh.blockCodec('gzip', 5)).toBeDefined();
  } finally {
    vi.unstubAllGlobals();
  }
});
