/** Lists of sources, and fetching them from a folder. */
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  directoryLookaside,
  fetchSources,
  formatSources,
  httpLookaside,
  lookasidePaths,
  parseSources,
  type SourceEntry,
} from '@distrokit/source';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

const hash = (algorithm: 'md5' | 'sha1' | 'sha256' | 'sha512', bytes: string): SourceEntry['digest'] => ({
  algorithm,
  hex: createHash(algorithm).update(bytes).digest('hex'),
});
let root: string;
let store: string;
let out: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'source-fetch-'));
  store = join(root, 'store');
  mkdirSync(store);
  writeFileSync(join(store, 'a.tar.gz'), 'aaa');
  writeFileSync(join(store, 'b c+d.patch'), 'bbb');
});
beforeEach(() => {
  out = join(mkdtempSync(join(root, 'out-')), 'new');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('reads every kind of line, mixed, with CRLF, blanks and letters of any case', () => {
  const a = hash('sha512', 'aaa');
  const b = hash('md5', 'bbb');
  const c = hash('sha1', 'ccc');
  const text =
    `SHA512 (a.tar.gz) = ${a.hex.toUpperCase()}\r\n\n# note\n${b.hex}  b c+d.patch\n` +
    `${c.hex} SOURCES/c (1).zip\nMD5 (a.tar.gz) = ${b.hex}\nSHA512 (a.tar.gz) = ${a.hex}\n`;
  expect(parseSources(text)).toEqual([
    { file: 'a.tar.gz', digest: a },
    { file: 'b c+d.patch', digest: b },
    { file: 'SOURCES/c (1).zip', digest: c },
    { file: 'a.tar.gz', digest: b },
  ]);
  expect(parseSources('')).toEqual([]);
});

test('writes each style so that it reads back the same', () => {
  const entries = [
    { file: 'a.tar.gz', digest: hash('sha512', 'a') },
    { file: 'SOURCES/b c.patch', digest: hash('sha1', 'b') },
  ];
  expect(formatSources(entries)).toBe(
    `SHA512 (a.tar.gz) = ${entries[0]!.digest.hex}\nSHA1 (SOURCES/b c.patch) = ${entries[1]!.digest.hex}\n`,
  );
  expect(formatSources(entries, 'metadata').split('\n')[1]).toBe(`${entries[1]!.digest.hex} SOURCES/b c.patch`);
  for (const style of ['bsd', 'hex', 'metadata'] as const)
    expect(parseSources(formatSources(entries, style))).toEqual(entries);
});

for (const [what, text] of Object.entries({
  'a line that is no list': 'hello world',
  'a digest of unknown length': 'abcdef  file',
  'an unknown algorithm': 'CRC32 (a) = 12345678',
  'a digest of another length than its algorithm has': `SHA512 (a) = ${hash('md5', 'a').hex}`,
  'two digests for one file': `${hash('md5', 'a').hex} x\n${hash('md5', 'b').hex} x`,
})) {
  test(`refuses ${what}, with its line number`, () => {
    expect(() => parseSources(`\n${text}`)).toThrow(expect.objectContaining({ code: 'SOURCE_BAD_LIST' }));
  });
}

test('refuses to write a name that would be two lines', () => {
  expect(() => formatSources([{ file: 'a\nb', digest: hash('md5', 'a') }])).toThrow(
    expect.objectContaining({ code: 'SOURCE_BAD_FILENAME' }),
  );
});

test('fetches into a new folder, records sha256 for a list with md5 only, and leaves nothing else', async () => {
  const entries = [
    { file: 'a.tar.gz', digest: hash('md5', 'aaa') },
    { file: 'SOURCES/b c+d.patch', digest: hash('sha512', 'bbb') },
  ];
  const heard: string[] = [];
  const fetched = await fetchSources(entries, directoryLookaside(store), out, {
    onFetched: ({ file }) => heard.push(file),
  });
  expect(fetched).toEqual([
    { file: 'a.tar.gz', digest: hash('sha256', 'aaa'), sizeBytes: 3, where: join(store, 'a.tar.gz') },
    { file: 'SOURCES/b c+d.patch', digest: hash('sha512', 'bbb'), sizeBytes: 3, where: join(store, 'b c+d.patch') },
  ]);
  expect(heard.sort()).toEqual(['SOURCES/b c+d.patch', 'a.tar.gz']);
  expect(readdirSync(out).sort()).toEqual(['SOURCES', 'a.tar.gz']);
  expect(readdirSync(join(out, 'SOURCES'))).toEqual(['b c+d.patch']);
});

test('keeps a file that is there and right, replaces one that is there and wrong', async () => {
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'a.tar.gz'), 'aaa');
  writeFileSync(join(out, 'b c+d.patch'), 'old');
  const before = statSync(join(out, 'a.tar.gz'));
  const entries = [
    { file: 'a.tar.gz', digest: hash('sha256', 'aaa') },
    { file: 'b c+d.patch', digest: hash('sha256', 'bbb') },
  ];
  const fetched = await fetchSources(entries, directoryLookaside(store), out);
  expect(fetched.map((file) => file.where)).toEqual(['directory', join(store, 'b c+d.patch')]);
  expect(statSync(join(out, 'a.tar.gz')).ino).toBe(before.ino);
  expect(readFileSync(join(out, 'b c+d.patch'), 'utf8')).toBe('bbb');
});

test('every listed digest must match, not only the first', async () => {
  const entries = [
    { file: 'a.tar.gz', digest: hash('sha512', 'aaa') },
    { file: 'a.tar.gz', digest: hash('md5', 'something else') },
  ];
  await expect(fetchSources(entries, directoryLookaside(store), out)).rejects.toMatchObject({
    code: 'SOURCE_DIGEST_MISMATCH',
    fault: { file: 'a.tar.gz', wanted: hash('md5', 'something else'), found: hash('md5', 'aaa') },
  });
  expect(readdirSync(out)).toEqual([]);
});

test('two names with one digest are two files', async () => {
  writeFileSync(join(store, 'copy.tar.gz'), 'aaa');
  const entries = ['a.tar.gz', 'copy.tar.gz'].map((file) => ({ file, digest: hash('sha256', 'aaa') }));
  await fetchSources(entries, directoryLookaside(store), out);
  expect(readdirSync(out).sort()).toEqual(['a.tar.gz', 'copy.tar.gz']);
});

test('an empty list is done at once and makes no folder', async () => {
  expect(await fetchSources([], directoryLookaside(store), out)).toEqual([]);
  expect(readdirSync(join(out, '..'))).toEqual([]);
});

for (const file of [
  '../x',
  '/etc/passwd',
  'a/../../x',
  '.',
  '..',
  '',
  'a//b',
  'a\0b',
  'a\nb',
  '.git/config',
  'SOURCES/.GIT/x',
  'a\\b',
  'x'.repeat(300),
]) {
  test(`refuses the file name ${JSON.stringify(file.slice(0, 20))} before anything is fetched`, async () => {
    let asked = 0;
    const lookaside = {
      fetch: async () => {
        asked++;
        return [];
      },
    };
    await expect(fetchSources([{ file, digest: hash('md5', 'a') }], lookaside, out)).rejects.toMatchObject({
      code: 'SOURCE_BAD_FILENAME',
    });
    expect(asked).toBe(0);
  });
}

test('does not write through a link that stands where a folder should be', async () => {
  mkdirSync(out, { recursive: true });
  const elsewhere = mkdtempSync(join(root, 'elsewhere-'));
  symlinkSync(elsewhere, join(out, 'SOURCES'));
  const entry = { file: 'SOURCES/a.tar.gz', digest: hash('sha256', 'aaa') };
  await expect(fetchSources([entry], directoryLookaside(store), out)).rejects.toMatchObject({
    code: 'SOURCE_BAD_FILENAME',
  });
  expect(readdirSync(elsewhere)).toEqual([]);
});

test('never has more blobs under way than maxConcurrent', async () => {
  let now = 0;
  let most = 0;
  const bytes = Buffer.from('x');
  const lookaside = {
    fetch: async () => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return {
        where: 'here',
        offsetBytes: 0,
        bytes: (async function* () {
          yield bytes;
          now--;
        })(),
      };
    },
  };
  const entries = Array.from({ length: 20 }, (_, i) => ({ file: `f${i}`, digest: hash('sha256', 'x') }));
  await fetchSources(entries, lookaside, out, { maxConcurrent: 3 });
  expect(most).toBe(3);
  expect(readdirSync(out)).toHaveLength(20);
  await expect(fetchSources(entries, lookaside, out, { maxConcurrent: 0 })).rejects.toThrow(RangeError);
});

test('fills each distribution’s address pattern, one path part per value', async () => {
  const asked: string[] = [];
  const fetch = async (url: string): Promise<Response> => {
    asked.push(url);
    return new Response(null, { status: 404 });
  };
  const digest = hash('sha512', 'x');
  const signal = new AbortController().signal;
  for (const path of Object.values(lookasidePaths)) {
    const lookaside = httpLookaside({ template: `https://store.example${path}`, fetch, name: 'g++', branch: 'c9/x' });
    await lookaside.fetch({ file: 'SOURCES/a b.tar', digest }, { signal });
  }
  const modern = `g%2B%2B/a%20b.tar/sha512/${digest.hex}/a%20b.tar`;
  expect(asked).toEqual([
    `https://store.example/repo/pkgs/rpms/${modern}`,
    `https://store.example/sources/g%2B%2B/c9%2Fx/${digest.hex}`,
    `https://store.example/sources/rpms/${modern}`,
    `https://store.example/${digest.hex}`,
    `https://store.example/${digest.hex}`,
    `https://store.example/${digest.hex}`,
  ]);
  expect(() => httpLookaside({ template: 'https://store.example/{name}', fetch })).toThrow(TypeError);
  expect(() => httpLookaside({ template: 'file:///{file}', fetch })).toThrow(TypeError);
});

test('keeps verified blobs in a cache, asks it first, and mends it where it is wrong', async () => {
  const cache = join(out, '..', 'cache');
  const entries = [{ file: 'SOURCES/a.tar.gz', digest: hash('sha256', 'aaa') }];
  const kept = join(cache, 'sha256', entries[0]!.digest.hex);
  await fetchSources(entries, directoryLookaside(store), out, { cache });
  expect(readFileSync(kept, 'utf8')).toBe('aaa');
  const nowhere = { fetch: async () => [{ where: 'nowhere', why: 'empty' }] };
  const [again] = await fetchSources(entries, nowhere, `${out}-2`, { cache });
  expect(again?.where).toBe(kept);
  writeFileSync(kept, 'bad');
  const [mended] = await fetchSources(entries, directoryLookaside(store), `${out}-3`, { cache });
  expect(mended?.where).toBe(join(store, 'a.tar.gz'));
  expect(readFileSync(kept, 'utf8')).toBe('aaa');
  writeFileSync(kept, 'bad');
  await expect(fetchSources(entries, nowhere, `${out}-4`, { cache })).rejects.toMatchObject({
    code: 'SOURCE_DIGEST_MISMATCH',
  });
  expect(readdirSync(join(cache, 'sha256'))).toHaveLength(1);
});
