import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  type Compression,
  compress,
  compressBytes,
  decompress,
  decompressBytes,
  detectCompression,
} from '@distrokit/rpm';
import { expect, test } from 'vitest';

// Half of it compresses well, a quarter not at all: blocks of every kind.
const content: Uint8Array = new Uint8Array(
  Buffer.concat([readFileSync(process.execPath).subarray(0, 700_000), randomBytes(150_000), Buffer.alloc(200_000)]),
);
const tools: [type: Compression, ...command: string[]][] = [
  ['gzip', 'gzip', '-6'],
  ['xz', 'xz', '-2'],
  ['xz', 'xz', '-1', '--check=sha256'],
  ['xz', 'xz', '--x86', '--lzma2=preset=1'],
  ['lzma', 'xz', '--format=lzma', '-1'],
  ['bzip2', 'bzip2', '-9'],
  ['bzip2', 'bzip2', '-1'],
  ['zstd', 'zstd', '-3'],
  ['zstd', 'zstd', '-19'],
  ['zstd', 'zstd', '-1', '--no-check'],
];

function run(input: Uint8Array, [command, ...options]: readonly string[]): Uint8Array {
  return execFileSync(command as string, [...options, '-c'], { input, maxBuffer: 1 << 28 });
}

async function* pieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += length) yield bytes.subarray(i, i + length);
}

async function joined(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function failure(task: Promise<unknown>): Promise<{ code?: string; fault?: { offset?: number } }> {
  return task.then(
    () => ({}),
    (error: object) => error,
  );
}

test.each(tools)('%s: reads what %s %s %s writes, in chunks of any length', async (type, ...command) => {
  const compressed = run(content, command);
  expect(detectCompression(compressed)).toBe(type);
  for (const length of [997, 65_536, compressed.length]) {
    expect(sha256(await joined(decompress(pieces(compressed, length), type)))).toBe(sha256(content));
  }
  const small = run(content.subarray(0, 300), command);
  expect(sha256(await joined(decompress(pieces(small, 1), type)))).toBe(sha256(content.subarray(0, 300)));
});

test.each(tools)('%s: a stream by %s %s %s that is cut or empty is damaged, not short', async (type, ...command) => {
  const compressed = run(content.subarray(0, 5000), command);
  for (const length of [0, 5, 20, compressed.length >> 1, compressed.length - 1]) {
    const cut = compressed.subarray(0, length);
    const error = await failure(decompressBytes(cut, type, { maxBytes: 1e6 }));
    expect(error.code, `${length} of ${compressed.length}`).toBe('RPM_BAD_PAYLOAD');
    expect(error.fault?.offset).toBeLessThanOrEqual(length);
  }
});

test.each(tools)('%s: every stream of a chain by %s %s %s is read', async (type, ...command) => {
  const one = run(content.subarray(0, 1000), command);
  const two = run(content.subarray(1000, 5000), command);
  const chain = Buffer.concat([one, two]);
  // Bare lzma knows no chains: what follows the first stream is not looked at.
  const wanted = sha256(content.subarray(0, type === 'lzma' ? 1000 : 5000));
  const read = (length: number) => joined(decompress(pieces(chain, length), type)).then(sha256, (error) => error.code);
  expect(await read(chain.length)).toBe(wanted);
  expect(await read(7)).toBe(wanted);
});

test.each(tools)('%s: rubbish behind a stream by %s %s %s is an error after the data', async (type, ...command) => {
  const compressed = Buffer.concat([run(content.subarray(0, 100_000), command), Buffer.from('rubbish')]);
  const chunks: Uint8Array[] = [];
  const error = await failure(
    (async () => {
      for await (const chunk of decompress(pieces(compressed, 1000), type)) chunks.push(chunk);
    })(),
  );
  expect(sha256(Buffer.concat(chunks))).toBe(sha256(content.subarray(0, 100_000)));
  expect(error.code).toBe(type === 'lzma' ? undefined : 'RPM_BAD_PAYLOAD');
});

test('nothing compressed comes through unchanged', async () => {
  expect(detectCompression(new TextEncoder().encode('070701'))).toBe('none');
  expect(detectCompression(new Uint8Array(0))).toBe('none');
  expect(sha256(await joined(decompress(pieces(content, 10_000), 'none')))).toBe(sha256(content));
  expect(sha256(await compressBytes(content, { type: 'none' }))).toBe(sha256(content));
});

test.each([
  ['gzip', 0],
  ['gzip', 9],
  ['xz', 0],
  ['xz', 2],
  ['zstd', 1],
  ['zstd', 19],
] as const)('%s level %i: the reference tool reads what we write', async (type, level) => {
  const compressed = await compressBytes(content, { type, level });
  expect(compressed.length).toBeLessThan(content.length * 1.01);
  expect(sha256(run(compressed, [type, '-d']))).toBe(sha256(content));
  const empty = await compressBytes(new Uint8Array(0), { type, level });
  expect(run(empty, [type, '-d'])).toHaveLength(0);
});

test.each(['gzip', 'xz', 'zstd'] as const)('%s: chunks of the input do not show in the output', async (type) => {
  const whole = await joined(compress(pieces(content, content.length), { type }));
  expect(sha256(await joined(compress(pieces(content, 8191), { type })))).toBe(sha256(whole));
});

test('zstd frames hold 8 MiB each, so that memory does not grow with the stream', async () => {
  const zeros = new Uint8Array(20 << 20);
  const compressed = await compressBytes(zeros, { type: 'zstd', level: 1 });
  const magic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
  let frames = 0;
  for (let at = Buffer.from(compressed).indexOf(magic); at !== -1; frames++) {
    at = Buffer.from(compressed).indexOf(magic, at + 4);
  }
  expect(frames).toBe(3);
  expect(run(compressed, ['zstd', '-d'])).toHaveLength(zeros.length);
  expect(await decompressBytes(compressed, 'zstd', { maxBytes: zeros.length })).toHaveLength(zeros.length);
});

test.each(tools)('%s by %s %s %s: the byte after the ceiling is not handed out', async (type, ...command) => {
  const compressed = run(new Uint8Array(3_000_000), command);
  expect(await failure(decompressBytes(compressed, type, { maxBytes: 3_000_000 }))).toEqual({});
  expect((await failure(decompressBytes(compressed, type, { maxBytes: 2_999_999 }))).code).toBe('RPM_LIMIT');
  let bytes = 0;
  await failure(
    (async () => {
      for await (const chunk of decompress(pieces(compressed, 100), type, { maxBytes: 1000 })) bytes += chunk.length;
    })(),
  );
  expect(bytes).toBeLessThanOrEqual(1000);
});

test('a failing input fails with its own error', async () => {
  const reason = new Error('disk on fire');
  const failing = async function* (start: Uint8Array) {
    yield start;
    throw reason;
  };
  for (const [type, ...command] of tools) {
    const start = run(content, command).subarray(0, 100_000);
    await expect(joined(decompress(failing(start), type))).rejects.toBe(reason);
  }
  for (const type of ['gzip', 'xz', 'zstd', 'none'] as const) {
    await expect(joined(compress(failing(content), { type }))).rejects.toBe(reason);
  }
});

test('an aborted decompression ends with the reason', async () => {
  const compressed = run(content, ['gzip']);
  const controller = new AbortController();
  const reason = new Error('enough');
  const reading = (async () => {
    for await (const chunk of decompress(pieces(compressed, 1000), 'gzip', { signal: controller.signal })) {
      expect(chunk.length).toBeGreaterThan(0);
      controller.abort(reason);
    }
  })();
  await expect(reading).rejects.toBe(reason);
});

test('refuses levels that the compressor does not have', async () => {
  for (const [type, level] of [
    ['gzip', 10],
    ['xz', -1],
    ['zstd', 0],
    ['zstd', 23],
    ['gzip', 1.5],
  ] as const) {
    await expect(compressBytes(content, { type, level })).rejects.toThrow(RangeError);
  }
});
