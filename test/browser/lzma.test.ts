/**
 * xz and lzma where liblzma is not at hand: the pure decoders in a real browser, over what the reference program `xz` writes.
 */
import { execFileSync } from 'node:child_process';
import { digestBytes } from '@distrokit/rpm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BrowserPage, openPage } from './browser-page.js';

type Door = typeof import('@distrokit/rpm');

const xz = (input: Uint8Array, args: readonly string[]): Uint8Array =>
  execFileSync('xz', ['--stdout', ...args], { input, maxBuffer: 1 << 28 });

/** Text with repeats near and far, so that every kind of match occurs, and a stretch that does not compress. */
const text = Buffer.from(Array.from({ length: 30_000 }, (_, i) => `${(i * 7919) % 1013} line ${i % 97}\n`).join(''));
let seed = 1;
const noise = Uint8Array.from({ length: 200_000 }, () => {
  seed = (seed * 48271) % 0x7fff_ffff;
  return seed & 0xff;
});
const content = Buffer.concat([text, noise, text]);

const variants: Readonly<Record<string, readonly string[]>> = {
  'xz, fastest': ['-0'],
  'xz, best': ['-9e'],
  'xz with SHA-256, as rpm writes it': ['--check=sha256'],
  'xz with CRC-32': ['--check=crc32'],
  'xz without check': ['--check=none'],
  'xz in blocks': ['--block-size=50000'],
  'xz with a small dictionary': ['--lzma2=dict=4KiB'],
  'xz with other properties': ['--lzma2=lc=0,lp=4,pb=0'],
  'lzma, fastest': ['--format=lzma', '-0'],
  'lzma, best': ['--format=lzma', '-9e'],
  'lzma with a small dictionary': ['--format=lzma', '--lzma1=dict=4KiB'],
  'lzma with other properties': ['--format=lzma', '--lzma1=lc=4,lp=0,pb=4'],
};
const files: Record<string, Uint8Array> = {};
let browser: BrowserPage;

beforeAll(async () => {
  for (const [name, args] of Object.entries(variants)) files[name] = xz(content, args);
  files.chained = Buffer.concat([xz(text, []), Buffer.alloc(8), xz(noise, ['--check=sha256'])]);
  files.zeros = xz(new Uint8Array(30_000_000), ['--lzma2=dict=64KiB']);
  files.small = xz(text.subarray(0, 600), ['--check=sha256']);
  files.filtered = xz(content, ['--x86', '--lzma2']);
  browser = await openPage(['rpm'], files);
});
afterAll(() => browser?.[Symbol.asyncDispose]());

const sha256InPage = (name: string): Promise<string> =>
  browser.page.evaluate(async (path) => {
    const { rpm } = globalThis as unknown as { readonly rpm: Door };
    const bytes = new Uint8Array(await (await fetch(`/${encodeURIComponent(path)}`)).arrayBuffer());
    const out = await rpm.decompressBytes(bytes, rpm.detectCompression(bytes), { maxBytes: 1 << 26 });
    return rpm.digestBytes('sha256', out);
  }, name);

test.for(Object.keys(variants))('gives back the bytes of %s', async (name) => {
  expect(await sha256InPage(name)).toBe(digestBytes('sha256', content));
});

test('reads every stream of a chain, with padding between', async () => {
  expect(await sha256InPage('chained')).toBe(digestBytes('sha256', Buffer.concat([text, noise])));
});

test('the output comes in chunks that do not grow with it', async () => {
  const { longest, total } = await browser.page.evaluate(async () => {
    const { rpm } = globalThis as unknown as { readonly rpm: Door };
    const bytes = new Uint8Array(await (await fetch('/zeros')).arrayBuffer());
    const input = (async function* () {
      yield bytes;
    })();
    let longest = 0;
    let total = 0;
    for await (const chunk of rpm.decompress(input, 'xz')) {
      longest = Math.max(longest, chunk.length);
      total += chunk.length;
    }
    return { longest, total };
  });
  expect(total).toBe(30_000_000);
  expect(longest).toBeLessThanOrEqual(128 * 1024);
});

test('any truncation and any changed byte is refused with a typed error: the check is believed, not the bytes', async () => {
  const accepted = await browser.page.evaluate(async () => {
    const { rpm } = globalThis as unknown as { readonly rpm: Door };
    const whole = new Uint8Array(await (await fetch('/small')).arrayBuffer());
    const accepted: string[] = [];
    const attempt = async (what: string, bytes: Uint8Array): Promise<void> => {
      try {
        await rpm.decompressBytes(bytes, 'xz', { maxBytes: 1 << 20 });
        accepted.push(what);
      } catch (error) {
        if (!/^RPM_(BAD_PAYLOAD|LIMIT)$/.test(String((error as { code?: unknown }).code)))
          accepted.push(`${what}: ${error}`);
      }
    };
    for (let length = 0; length < whole.length; length++) await attempt(`${length} bytes`, whole.slice(0, length));
    for (let at = 0; at < whole.length; at++) {
      const damaged = whole.slice();
      damaged[at] = (damaged[at] as number) ^ 0x10;
      await attempt(`byte ${at}`, damaged);
    }
    return accepted;
  });
  expect(accepted).toEqual([]);
});

test('a filter that rpm does not use is refused by name', async () => {
  await expect(sha256InPage('filtered')).rejects.toThrow(/damaged/);
});
