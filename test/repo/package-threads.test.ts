/**
 * `createRepository` with threads, in the compiled package: only there is a file that a thread can start with.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { INT16, int32, packageBytes, STRING_ARRAY } from '../fixtures/package-bytes.js';
import {
  buildPackages,
  emptySpec,
  plainSpec,
  richSpec,
  type TemporaryFolder,
  temporaryFolder,
} from './fixture-packages.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** More than 64 blocks, which threads take whole; half of them are few enough to be cut. */
const count = 7000;

let work: TemporaryFolder;
beforeAll(() => {
  work = temporaryFolder();
  const made = join(work.path, 'made');
  mkdirSync(made);
  buildPackages(made, [richSpec, emptySpec, plainSpec('alpha', '1.0'), plainSpec('beta', '2.0', ['alpha'])]);
  // The kernel leaves texts that are not UTF-8 to the code without it.
  writeFileSync(join(made, 'latin.rpm'), packageWith('latin', Buffer.from('f\xfcr\0', 'latin1'), 2));
  const files = readdirSync(made).filter((name) => name.endsWith('.rpm'));
  // So long, and so many behind each other, that a block is more than the kernel holds.
  writeFileSync(join(made, 'long'), packageWith('long', Buffer.from('a\0'), 4000));
  const many = join(work.path, 'many');
  mkdirSync(many);
  for (let at = 0; at < count; at++) {
    const file = at >= 100 && at < 140 ? 'long' : (files[at % files.length] as string);
    symlinkSync(join(made, file), join(many, `${String(at).padStart(5, '0')}.rpm`));
  }
  const damaged = join(work.path, 'damaged');
  cpSync(many, damaged, { recursive: true, verbatimSymlinks: true });
  for (const at of [1000, 1500]) writeFileSync(join(damaged, `${String(at).padStart(5, '0')}a.rpm`), 'no package');
  // As `npm run build` compiles it, from the sources of now.
  const compiler = join(root, 'node_modules/tsup/dist/cli-default.js');
  execFileSync(process.execPath, [compiler, '--silent', '--no-dts', '--out-dir', join(work.path, 'dist')], {
    cwd: join(root, 'packages/repo'),
  });
  cpSync(join(root, 'packages/repo/package.json'), join(work.path, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(work.path, 'node_modules'));
});
afterAll(() => work.remove());

function packageWith(name: string, summary: Buffer, files: number): Buffer {
  const texts = (tag: number, values: readonly string[], type = STRING_ARRAY) => ({
    tag,
    type,
    count: values.length,
    data: Buffer.from(values.map((value) => `${value}\0`).join('')),
  });
  const names = Array.from({ length: files }, (_, at) => `${'f'.repeat(40)}-${at}`);
  const modes = { tag: 1030, type: INT16, count: files, data: Buffer.alloc(files * 2) };
  return Buffer.from(
    packageBytes({
      main: [
        texts(1000, [name], 6),
        texts(1001, ['1'], 6),
        texts(1002, ['1'], 6),
        { tag: 1004, type: 9, count: 1, data: summary },
        texts(1022, ['noarch'], 6),
        modes,
        int32(1037, ...names.map(() => 0)),
        texts(1044, [`${name}-1-1.src.rpm`], 6),
        int32(1116, ...names.map(() => 0)),
        texts(1117, names),
        texts(1118, ['/usr/share/']),
      ],
    }),
  );
}

/** Runs a script beside the compiled package; what it prints as JSON. It must end by itself, which no process with a thread does. */
function run(script: string): unknown {
  const path = join(work.path, 'script.mjs');
  const start = `
    import { readdirSync, readFileSync, mkdtempSync } from 'node:fs';
    import { join } from 'node:path';
    import { createRepository } from './dist/node.js';
    const threadCount = () => readdirSync('/proc/self/task').length;
    const facts = { revision: '1', timestamp: new Date(1000), duplicates: 'keep' };
    const make = async (folder, options) => {
      const outputFolder = mkdtempSync(join(${JSON.stringify(work.path)}, 'out-'));
      const made = await createRepository(join(${JSON.stringify(work.path)}, folder), { ...facts, outputFolder, ...options });
      return { made, outputFolder };
    };
    const print = (value) => process.stdout.write(JSON.stringify(value));
  `;
  writeFileSync(path, `${start}\n${script}`);
  return JSON.parse(execFileSync(process.execPath, [path], { encoding: 'utf8', timeout: 120_000 }));
}

test.each([
  ['whole blocks', count],
  ['parts of blocks', 3500],
])('threads that take %s make the same repository and tell of the same packages in order', (_, used) => {
  const result = run(`
    const results = [];
    const packages = readdirSync(join(${JSON.stringify(work.path)}, 'many')).sort().slice(0, ${used});
    // Who hears of packages gets records, which the kernel does not make: so all is compared with and without it.
    for (const [threads, listens] of [[0, true], [2, true], [3, true], [0, false], [2, false]]) {
      const before = threadCount();
      let most = 0;
      const heard = [];
      const onPackage = (record, done, total) => {
        most = Math.max(most, threadCount());
        heard.push([record, done, total]);
      };
      const { made, outputFolder } = await make('many', { threads, packages, ...(listens ? { onPackage } : {}) });
      const files = readdirSync(join(outputFolder, 'repodata')).sort();
      results.push({
        repomd: Buffer.from(made.repomdBytes).toString(),
        files,
        bytes: files.map((file) => readFileSync(join(outputFolder, 'repodata', file)).toString('base64')),
        heard: JSON.stringify(heard),
        packages: made.packages,
        threads: listens && threads > 0 ? most - before : 0,
        left: threads === 0 ? 0 : threadCount() - before,
      });
    }
    const [one, ...others] = results;
    print({
      packages: one.packages,
      heard: JSON.parse(one.heard).length,
      same: others.map((other) => ['repomd', 'files', 'bytes', 'heard'].filter(
        (part) => JSON.stringify(other[part]) === JSON.stringify(one[part]))),
      threads: others.map((other) => other.threads),
      left: others.map((other) => other.left),
    });
  `);
  const all = ['repomd', 'files', 'bytes', 'heard'];
  const unheard = ['repomd', 'files', 'bytes'];
  expect(result).toEqual({
    packages: used,
    heard: used,
    same: [all, all, unheard, unheard],
    threads: [2, 3, 0, 0],
    left: [0, 0, 0, 0],
  });
});

test('a bad package gives the error that one thread gives, and its threads end', () => {
  const result = run(`
    const results = [];
    for (const threads of [0, 2]) {
      const before = threadCount();
      const error = await make('damaged', { threads }).then(() => undefined, (error) => error);
      const { name, code, message, fault, cause } = error;
      const left = threads === 0 ? 0 : threadCount() - before;
      results.push({ name, code, message, fault, cause: [cause.name, cause.code, cause.message], left });
    }
    print(results);
  `) as readonly { code: string; message: string; cause: unknown; left: number }[];
  expect(result[1]).toEqual(result[0]);
  expect(result[1]).toMatchObject({ name: 'RepoError', code: 'REPO_BAD_PACKAGE', left: 0 });
  expect(result[1]?.message).toContain('01000a.rpm');
});

test('bad packages that the caller takes note of are left out alike, in order', () => {
  const result = run(`
    const results = [];
    for (const threads of [0, 2]) {
      const bad = [];
      const { made } = await make('damaged', { threads, onBadPackage: (path, error) => bad.push([path, error.code]) });
      results.push({ bad, packages: made.packages, repomd: Buffer.from(made.repomdBytes).toString() });
    }
    print(results);
  `) as readonly { bad: unknown; packages: number }[];
  expect(result[1]).toEqual(result[0]);
  expect(result[1]).toMatchObject({
    packages: count,
    bad: [
      ['01000a.rpm', 'REPO_BAD_PACKAGE'],
      ['01500a.rpm', 'REPO_BAD_PACKAGE'],
    ],
  });
});

test('an abort in the middle rejects with its reason, writes no repomd.xml and leaves no thread', () => {
  const result = run(`
    await make('many', { threads: 0 });
    const before = threadCount();
    const controller = new AbortController();
    const outputFolder = mkdtempSync(join(${JSON.stringify(work.path)}, 'out-'));
    let during = 0;
    const reason = await make('many', { threads: 2, outputFolder, signal: controller.signal, onPackage(_, done) {
      if (done !== 500) return;
      during = threadCount() - before;
      controller.abort(new Error('enough'));
    } }).then(() => 'made', (error) => error.message);
    const files = readdirSync(outputFolder, { recursive: true }).filter((file) => file.includes('repomd'));
    print({ reason, during, left: threadCount() - before, files });
  `);
  expect(result).toEqual({ reason: 'enough', during: 2, left: 0, files: [] });
});

test('a number of threads that is none is refused before anything is read', () => {
  const result = run(`
    const results = [];
    for (const threads of [-1, 1.5, Number.NaN, 65]) {
      results.push(await make('nowhere', { threads }).then(() => 'made', (error) => error.name));
    }
    print(results);
  `);
  expect(result).toEqual(['RangeError', 'RangeError', 'RangeError', 'RangeError']);
});
