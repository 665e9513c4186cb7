/** Payloads that are cut, altered or made to explode: every one ends in data, a typed error or a ceiling, and soon. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import {
  type Compression,
  compressBytes,
  decompress,
  decompressBytes,
  payloadEntries,
  readCpio,
  readPackage,
  writeCpio,
} from '@distrokit/rpm';
import { expect, test } from 'vitest';
import { mainEntries, packageBytes, string } from '../fixtures/package-bytes.js';

const text = readFileSync('/usr/share/common-licenses/GPL-3').subarray(0, 6000);
const compressors: [type: Compression, ...command: string[]][] = [
  ['gzip', 'gzip'],
  ['xz', 'xz'],
  ['lzma', 'xz', '--format=lzma'],
  ['bzip2', 'bzip2'],
  ['zstd', 'zstd', '-19'],
  ['zstd', 'zstd', '--no-check', '-1'],
];

function run(input: Uint8Array, [command, ...options]: readonly string[]): Uint8Array {
  return new Uint8Array(execFileSync(command as string, [...options, '-c'], { input, maxBuffer: 1 << 28 }));
}

/** `data`, or the code of a typed error; anything else fails the test. */
async function outcome(bytes: Uint8Array, type: Compression): Promise<string> {
  try {
    await decompressBytes(bytes, type, { maxBytes: 1 << 20 });
    return 'data';
  } catch (error) {
    const { code, fault } = error as { code?: string; fault?: { offset?: number } };
    if (code === 'RPM_LIMIT') return code;
    if (code !== 'RPM_BAD_PAYLOAD' || !(fault!.offset! <= bytes.length)) throw error;
    return code;
  }
}

test.each(compressors)('%s by %s %s: cut anywhere it is damaged', async (type, ...command) => {
  const whole = run(text, command);
  for (let length = 0; length < whole.length; length += length < 64 || length > whole.length - 64 ? 1 : 29) {
    expect(await outcome(whole.subarray(0, length), type), `${length} of ${whole.length}`).toBe('RPM_BAD_PAYLOAD');
  }
});

test.each(compressors)(
  '%s by %s %s: no single altered byte hangs, throws anything untyped or passes a ceiling',
  async (type, ...command) => {
    const whole = run(text, command);
    const outcomes = new Set<string>();
    for (let at = 0; at < whole.length; at += at < 128 ? 1 : 7) {
      for (const mask of [0xff, 0x01]) {
        const altered = whole.slice();
        altered[at]! ^= mask;
        outcomes.add(await outcome(altered, type));
      }
    }
    expect(outcomes).toContain('RPM_BAD_PAYLOAD');
  },
);

test.each(['gzip', 'xz', 'bzip2'] as const)(
  '%s: an altered byte of content is never handed out as sound',
  async (type) => {
    // These three carry a checksum of the content; of lzma and zstd the payload digest is the only witness.
    const whole = run(text, [type]);
    for (let at = 40; at < whole.length - 40; at += 13) {
      const altered = whole.slice();
      altered[at]! ^= 0x10;
      expect(await outcome(altered, type), `byte ${at}`).not.toBe('data');
    }
  },
);

test.each([
  ['gzip', 'gzip', '-9'],
  ['xz', 'xz', '-1'],
  ['lzma', 'xz', '-1', '--format=lzma'],
  ['bzip2', 'bzip2', '-9'],
  ['zstd', 'zstd', '-1'],
] as [Compression, ...string[]][])(
  '%s: a bomb of 200 MB of zeros is stopped by its ratio',
  async (type, ...command) => {
    const bomb = run(new Uint8Array(200_000_000), command);
    let bytes = 0;
    const reading = (async () => {
      const input = (async function* () {
        yield bomb;
      })();
      for await (const chunk of decompress(input, type, { maxRatio: 500 })) bytes += chunk.length;
    })();
    await expect(reading).rejects.toMatchObject({ code: 'RPM_LIMIT', fault: { limit: 500 } });
    expect(bytes).toBeLessThan(120_000_000);
  },
);

test('a zstd frame that asks for a window of gigabytes is refused before anything is allocated', async () => {
  // Magic, descriptor without single segment, window descriptor: exponent 31 means 2^41 bytes; a last raw block of 1.
  const frame = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x09, 0x00, 0x00, 0x61);
  const before = process.memoryUsage().arrayBuffers;
  await expect(decompressBytes(frame, 'zstd', { maxBytes: 10 })).rejects.toMatchObject({ code: 'RPM_BAD_PAYLOAD' });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000);
});

test('an xz stream and a bare lzma stream that ask for gigabytes of dictionary are refused', async () => {
  const lzma = run(text, ['xz', '--format=lzma']);
  new DataView(lzma.buffer).setUint32(1, 0xc000_0000, true);
  expect(await outcome(lzma, 'lzma')).toBe('RPM_BAD_PAYLOAD');
  const xz = run(text, ['xz', '--lzma2=dict=1GiB']);
  expect(await outcome(xz, 'xz')).toBe('RPM_BAD_PAYLOAD');
});

test('a file of more than 4 GiB goes through a stripped archive and back', async () => {
  const chunk = new Uint8Array(16 << 20).fill(7);
  const sizeBytes = 2 ** 32 + 12_345;
  const content = async function* () {
    for (let left = sizeBytes; left > 0; left -= chunk.length)
      yield left < chunk.length ? chunk.subarray(0, left) : chunk;
  };
  const archive = writeCpio([{ header: { kind: 'stripped', fileIndex: 0, sizeBytes }, data: content() }]);
  let bytes = 0;
  for await (const entry of readCpio(archive, { strippedSize: (index) => (index === 0 ? sizeBytes : undefined) })) {
    for await (const part of entry.data()) bytes += part.length;
  }
  expect(bytes).toBe(sizeBytes);
});

test('a payload that names a compressor that no rpm knows is refused by name', async () => {
  const main = mainEntries(string(1124, 'cpio'), string(1125, 'rot13'));
  const pkg = await readPackage(packageBytes({ main, payload: text }));
  const reading = async () => {
    for await (const entry of payloadEntries(pkg)) expect(entry).toBeUndefined();
  };
  await expect(reading()).rejects.toMatchObject({ code: 'RPM_NO_CODEC', fault: { compressor: 'rot13' } });
});

test('a payload compressed with another type than announced is damaged, not guessed', async () => {
  const main = mainEntries(string(1124, 'cpio'), string(1125, 'xz'));
  const payload = await compressBytes(text, { type: 'zstd' });
  const pkg = await readPackage(packageBytes({ main, payload }));
  const reading = async () => {
    for await (const entry of payloadEntries(pkg)) expect(entry).toBeUndefined();
  };
  await expect(reading()).rejects.toMatchObject({ code: 'RPM_BAD_PAYLOAD' });
});
