import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeElf, isElf, payloadEntries, readPackage } from '@distrokit/rpm';
import { afterAll, expect, test } from 'vitest';
import { corpusBytes, corpusPresent, corpusRpms, hasPackageOracle } from './corpus.js';
import { elfFilesBelow, elfLines, readelfLines } from './readelf.js';

const folder = mkdtempSync(join(tmpdir(), 'elf-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('every fifteenth ELF file of this machine reads as readelf reads it', () => {
  const files = elfFilesBelow(['/usr/lib', '/usr/bin', '/usr/sbin']).filter((_, i) => i % 15 === 0);
  for (const path of files) expect(elfLines(decodeElf(readFileSync(path))), path).toEqual(readelfLines(path));
  expect(files.length).toBeGreaterThan(30);
});

test('32-bit files, files without section headers and object files read as readelf reads them', () => {
  const source = join(folder, 'source.c');
  writeFileSync(source, 'extern int other(void); int value = 1; int get(void) { return value + other(); }');
  const build = (name: string, ...options: string[]): string => {
    const path = join(folder, name);
    execFileSync('gcc', ['-fPIC', '-nostdlib', ...options, '-o', path, source]);
    return path;
  };
  const made = [
    build('object.o', '-c'),
    build('object32.o', '-m32', '-c'),
    build('lib64.so', '-shared', '-Wl,-soname,lib64.so.1,--hash-style=both'),
    build('lib32.so', '-shared', '-m32', '-Wl,-soname,lib32.so.1,-z,now'),
    build('execstack.so', '-shared', '-Wl,-z,execstack,-z,norelro'),
  ];
  for (const path of made) expect(elfLines(decodeElf(readFileSync(path))), path).toEqual(readelfLines(path));

  // As some packers leave it: no section headers, so that the hash table tells the number of symbols.
  for (const style of ['sysv', 'gnu']) {
    const path = build(`${style}.so`, '-shared', `-Wl,--hash-style=${style}`);
    const whole = decodeElf(readFileSync(path));
    const bytes = readFileSync(path);
    bytes.fill(0, 40, 48);
    bytes.fill(0, 60, 64);
    expect(decodeElf(bytes)).toEqual(whole);
    expect(whole.exported.map(({ name }) => name).sort()).toEqual(['get', 'value']);
    expect(whole.imported.map(({ name }) => name)).toEqual(['other']);
  }
});

test('a separate debug file has a build id and no dynamic part', () => {
  const source = join(folder, 'debug.c');
  writeFileSync(source, 'int main(void) { return 0; }');
  const program = join(folder, 'program');
  execFileSync('gcc', ['-g', '-Wl,--build-id', '-o', program, source]);
  execFileSync('objcopy', ['--only-keep-debug', program, `${program}.debug`]);
  const debug = decodeElf(readFileSync(`${program}.debug`));
  expect(debug).toMatchObject({ needed: [], exported: [], imported: [] });
  expect(debug.buildId).toBe(decodeElf(readFileSync(program)).buildId);
});

test('a copied variable in a program is exported with the version of its library, not as a default of its own', () => {
  const source = join(folder, 'copied.c');
  writeFileSync(source, '#include <stdio.h>\nint main(void) { return fputs("x", stdout); }');
  const program = join(folder, 'copied');
  execFileSync('gcc', ['-no-pie', '-fno-pie', '-o', program, source]);
  const stdout = decodeElf(readFileSync(program)).exported.find(({ name }) => name === 'stdout');
  expect(stdout).toMatchObject({ version: expect.stringMatching(/^GLIBC_/), isDefaultVersion: false });
});

test('hardening is seen as the compiler was told', () => {
  const source = join(folder, 'hard.c');
  writeFileSync(
    source,
    '#include <string.h>\n#include <stdio.h>\nint main(int c, char **v) { char b[40]; strcpy(b, v[c - 1]); puts(b); return 0; }',
  );
  const facts = (...options: string[]) => {
    execFileSync('gcc', [...options, '-o', join(folder, 'hard'), source]);
    return decodeElf(readFileSync(join(folder, 'hard'))).hardening;
  };
  expect(
    facts('-O2', '-D_FORTIFY_SOURCE=2', '-fstack-protector-strong', '-pie', '-fPIE', '-Wl,-z,relro,-z,now'),
  ).toEqual({
    pie: true,
    relro: 'full',
    bindNow: true,
    nonExecutableStack: true,
    stackProtector: true,
    fortified: ['__strcpy_chk'],
  });
  expect(facts('-no-pie', '-fno-stack-protector', '-Wl,-z,norelro,-z,lazy,-z,execstack')).toEqual({
    pie: false,
    relro: 'none',
    bindNow: false,
    nonExecutableStack: false,
    stackProtector: false,
    fortified: [],
  });
});

if (!corpusPresent) {
  test('ELF files of the corpus are not compared: there is no corpus beside the repository', () => {
    expect(corpusRpms()).toEqual([]);
  });
} else {
  test('the ELF files in the packages of the corpus, of every arch there, read as readelf reads them', async () => {
    const seen = new Set<string>();
    for (const rpm of corpusRpms().filter(hasPackageOracle)) {
      const pkg = await readPackage(corpusBytes(rpm));
      try {
        for await (const { file, sizeBytes, data } of payloadEntries(pkg)) {
          if (file.type !== 'regular' || sizeBytes < 52) continue;
          const chunks: Uint8Array[] = [];
          for await (const chunk of data()) chunks.push(chunk);
          const bytes = new Uint8Array(Buffer.concat(chunks));
          if (!isElf(bytes)) continue;
          const path = join(folder, 'from-package');
          writeFileSync(path, bytes);
          const elf = decodeElf(bytes);
          expect(elfLines(elf), `${rpm}: ${file.path}`).toEqual(readelfLines(path));
          seen.add(`${elf.machine} ${elf.bits} ${elf.byteOrder}`);
        }
      } catch (error) {
        // Packages with damaged payloads are judged elsewhere.
        if (!/^RPM_(BAD_PAYLOAD|TRUNCATED|NO_CODEC)$/.test((error as { code?: string }).code ?? '')) throw error;
      }
    }
    expect([...seen].sort()).toEqual(expect.arrayContaining(['i386 32 little', 'x86_64 64 little']));
  });
}

test('a program of this machine is recognised by its first bytes', () => {
  const descriptor = openSync(process.execPath, 'r');
  const start = new Uint8Array(4);
  readSync(descriptor, start);
  closeSync(descriptor);
  expect(isElf(start)).toBe(true);
  expect(isElf(new TextEncoder().encode('#!/bin/sh'))).toBe(false);
});
