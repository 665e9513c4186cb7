import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeElf } from '@distrokit/rpm';
import { expect, test } from 'vitest';

const library = ((): Uint8Array => {
  const folder = mkdtempSync(join(tmpdir(), 'elf-'));
  const path = (name: string) => join(folder, name);
  writeFileSync(path('a.c'), '#include <stdlib.h>\nint alpha(void) { return abs(1) + atoi("2"); } int beta = 2;');
  writeFileSync(path('a.map'), 'V1 { global: alpha; }; V2 { global: beta; local: *; } V1;');
  const options = [
    '-shared',
    '-fPIC',
    '-fno-builtin',
    '-s',
    '-Wl,-soname,liba.so.1',
    `-Wl,--version-script=${path('a.map')}`,
  ];
  execFileSync('gcc', [...options, '-o', path('a.so'), path('a.c')]);
  const bytes = new Uint8Array(readFileSync(path('a.so')));
  rmSync(folder, { recursive: true });
  return bytes;
})();

test('tells name, needs, versions and symbols of a library', () => {
  const elf = decodeElf(library);
  expect(elf).toMatchObject({
    type: 'shared',
    soname: 'liba.so.1',
    needed: ['libc.so.6'],
    definedVersions: ['V1', 'V2'],
  });
  expect(elf.exported.filter(({ type }) => type !== 'none' && type !== 'object').map(({ name }) => name)).toEqual([
    'alpha',
  ]);
  expect(elf.exported.find(({ name }) => name === 'beta')).toMatchObject({
    version: 'V2',
    isDefaultVersion: true,
    type: 'object',
    binding: 'global',
    visibility: 'default',
    sizeBytes: 4,
  });
  expect(elf.imported.find(({ name }) => name === 'atoi')).toMatchObject({ version: expect.stringMatching(/^GLIBC_/) });
});

function outcome(bytes: Uint8Array): string {
  try {
    decodeElf(bytes);
    return 'read';
  } catch (error) {
    const { code, fault } = error as { code?: string; fault?: { section?: string; offset?: number } };
    if (code === 'RPM_LIMIT') return code;
    if (code !== 'RPM_BAD_ELF' || fault?.section !== 'elf' || typeof fault.offset !== 'number') throw error;
    return code;
  }
}

test('a file cut anywhere is read or is a typed error', () => {
  const outcomes = new Set<string>();
  for (let length = 0; length < library.length; length += length < 2000 ? 1 : 97) {
    outcomes.add(outcome(library.subarray(0, length)));
  }
  expect(outcomes).toContain('RPM_BAD_ELF');
  expect(outcome(library.subarray(0, 63))).toBe('RPM_BAD_ELF');
});

test('every byte of the tables turned over is read or is a typed error, and soon', () => {
  const outcomes = new Set<string>();
  const copy = library.slice();
  // The header, the program headers, the symbol tables and the dynamic section; then a sample of the rest.
  for (let at = 0; at < library.length; at += at < 0x1000 ? 1 : 11) {
    for (const mask of [0xff, 0x80, 0x01]) {
      copy[at] = library[at]! ^ mask;
      outcomes.add(outcome(copy));
    }
    copy[at] = library[at]!;
  }
  expect([...outcomes].sort()).toEqual(expect.arrayContaining(['RPM_BAD_ELF', 'read']));
});

test('names that all overlap do not cost the square of their length', () => {
  // 40,000 symbols, each named by another end of one long string.
  const count = 40_000;
  const strings = count + 100;
  const bytes = new Uint8Array(0x200 + 24 * (count + 1) + strings);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 3, true);
  view.setUint16(18, 62, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 2, true);
  const segment = (at: number, type: number, offset: number, size: number) => {
    view.setUint32(at, type, true);
    view.setBigUint64(at + 8, BigInt(offset), true);
    view.setBigUint64(at + 16, BigInt(offset), true);
    view.setBigUint64(at + 32, BigInt(size), true);
  };
  segment(64, 1, 0, bytes.length);
  segment(120, 2, 0x100, 0x60);
  const symbols = 0x200;
  const text = symbols + 24 * (count + 1);
  const entries = [
    [5, text],
    [10, strings],
    [6, symbols],
    [4, 0x1f0],
  ] as const;
  for (const [i, [tag, value]] of entries.entries()) {
    view.setBigUint64(0x100 + 16 * i, BigInt(tag), true);
    view.setBigUint64(0x108 + 16 * i, BigInt(value), true);
  }
  view.setUint32(0x1f4, count + 1, true);
  bytes.fill(0x61, text, text + strings - 1);
  for (let i = 1; i <= count; i++) {
    view.setUint32(symbols + 24 * i, i, true);
    view.setUint8(symbols + 24 * i + 4, 0x12);
    view.setUint16(symbols + 24 * i + 6, 1, true);
  }
  expect(() => decodeElf(bytes)).toThrowError(expect.objectContaining({ code: 'RPM_LIMIT' }));
});
