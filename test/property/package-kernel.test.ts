/**
 * The kernel that looks through headers says yes only where the code without it does. `maxHeaderBytes` is what keeps the kernel
 * out: a ceiling of one's own is for the code that knows how to count.
 */
import { type RpmPackage, readPackage } from '@distrokit/rpm';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { binaryManifest, v4, written } from '../fixtures/written-package.js';

const withoutKernel = { maxHeaderBytes: 268_435_455 };

const bytes = await written(
  binaryManifest({
    epoch: 2,
    description: 'Grüße, <tags> & "quotes"\n',
    dependencies: {
      requires: ['bash >= 4.2-1', '/bin/sh', 'libc.so.6(GLIBC_2.34)(64bit)'],
      provides: ['sample = 1.0-1'],
    },
    changelog: [{ at: new Date(1_690_000_000_000), author: 'A Person <a@example.com> - 1.0-1', text: '- First' }],
    files: [
      { path: '/usr/bin/sample', type: 'regular', content: new Uint8Array(10) },
      { path: '/usr/share/sample', type: 'directory' },
    ],
  }),
  { ...v4, reservedBytes: 64 },
);
const headerEnd = (await readPackage(bytes)).headerRange.end;

/** All that is told of a package, or the fault that reading it ended with. */
async function answer(damaged: Uint8Array, options: { readonly maxHeaderBytes?: number }): Promise<unknown> {
  let pkg: RpmPackage;
  try {
    pkg = await readPackage(damaged, options);
  } catch (error) {
    const { name, fault, message } = error as { name: string; fault?: unknown; message: string };
    return { name, fault, message };
  }
  const { format, lead, headerRange, signatureRange, signatureHeader, header } = pkg;
  const contents = [signatureHeader, header].map((each) =>
    each.contents().map(({ data, ...entry }) => [entry, each.entry(entry.tag), Buffer.from(data).toString('hex')]),
  );
  return { format, lead, headerRange, signatureRange, contents, regions: [signatureHeader.region, header.region] };
}

test('a sound package is told alike with and without the kernel', async () => {
  expect(await answer(bytes, {})).toEqual(await answer(bytes, withoutKernel));
});

test('any altered byte of lead and headers is told alike', async () => {
  for (let at = 0; at < headerEnd; at++) {
    for (const mask of [0x01, 0x80, 0xff]) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] as number) ^ mask;
      const expected = await answer(damaged, withoutKernel);
      expect(await answer(damaged, {}), `byte ${at} xor ${mask}`).toEqual(expected);
    }
  }
});

test('any end before the end of the headers is told alike', async () => {
  for (let length = 0; length < headerEnd; length++) {
    const cut = bytes.subarray(0, length);
    expect(await answer(cut, {}), `${length} bytes`).toEqual(await answer(cut, withoutKernel));
  }
});

test('several altered words of the indexes at once are told alike', async () => {
  const word = fc.record({
    at: fc.integer({ min: 24, max: Math.floor(headerEnd / 4) - 1 }),
    value: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 0xffff_ffff })),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 4 }), async (words) => {
      const damaged = bytes.slice();
      for (const { at, value } of words) new DataView(damaged.buffer).setUint32(at * 4, value);
      expect(await answer(damaged, {})).toEqual(await answer(damaged, withoutKernel));
    }),
    { numRuns: 2000, seed: 20_261_128 },
  );
});

describe('where WebAssembly is forbidden', () => {
  test('packages are read all the same', async () => {
    vi.stubGlobal('WebAssembly', {
      Module: () => {
        throw new Error('not allowed by this page');
      },
    });
    vi.resetModules();
    try {
      const fresh = await import('@distrokit/rpm');
      expect((await fresh.readPackage(bytes)).nevra).toMatchObject({ name: 'sample', epoch: 2 });
    } finally {
      vi.unstubAllGlobals();
      vi.resetModules();
    }
  });
});
