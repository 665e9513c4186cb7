/**
 * Documents made of blocks that are compressed for themselves: what an update copies, and that everybody reads the whole.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import {
  directoryStore,
  memoryStore,
  type PackageRecord,
  type RepositoryOptions,
  recordFromFile,
  updateRepository,
  writeRepository,
} from '@distrokit/repo/node';
import { blockCodec, decompressBytes, storedBlocks } from '@distrokit/rpm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildPackages, richSpec, temporaryFolder } from './fixture-packages.js';

const base = { revision: '1', timestamp: new Date(0), checksum: 'sha256', plainNames: true } as const;
const types = ['primary', 'filelists', 'other'] as const;

const top = temporaryFolder();
afterAll(() => top.remove());

let rich: PackageRecord;
beforeAll(async () => {
  buildPackages(top.path, [richSpec]);
  rich = await recordFromFile(join(top.path, 'rich-1.2~rc1-4.el9.x86_64.rpm'), 'rich.rpm', { checksum: 'sha256' });
});

/** A record of its own name, place and digest. */
function record(at: number): PackageRecord {
  const name = `package${String(at).padStart(4, '0')}`;
  const pkgid = { algorithm: 'sha256', hex: at.toString(16).padStart(64, '0') } as const;
  return { ...rich, name, pkgid, location: `Packages/${name}.rpm` };
}

const range = (from: number, to: number): PackageRecord[] =>
  Array.from({ length: to - from }, (_, at) => record(from + at));

function documentsOf(store: { readonly files: ReadonlyMap<string, Uint8Array> }, compression: string): Uint8Array[] {
  return types.map((type) => store.files.get(`repodata/${type}.xml.${compression}`) as Uint8Array);
}

function blocksOf(document: Uint8Array, compression: 'zst' | 'gz'): string[] {
  const found: string[] = [];
  const blocks = storedBlocks(compression === 'gz' ? 'gzip' : 'zstd', document);
  for (let block = blocks.next(); block !== undefined; block = blocks.next()) {
    found.push(Buffer.from(block.stored).toString('hex'));
  }
  return found;
}

describe.each(['zst', 'gz'] as const)('%s documents', (compression) => {
  test('an update leaves the bytes that writing everything leaves, wherever packages come and go', async () => {
    const options: RepositoryOptions = { ...base, compression };
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 0, max: 699 }), { maxLength: 4 }),
        fc.uniqueArray(fc.integer({ min: 0, max: 699 }), { maxLength: 4 }),
        async (absent, removed) => {
          const store = memoryStore();
          const before = range(0, 700).filter((_, at) => !absent.includes(at));
          await writeRepository(before, store, options);
          const changes = { add: absent.map(record), remove: removed.map((at) => record(at).location) };
          await updateRepository(store, changes, options);
          const fresh = memoryStore();
          // Adding comes after removing: a package that is in both stays.
          const after = range(0, 700).filter((_, at) => absent.includes(at) || !removed.includes(at));
          await writeRepository(after, fresh, options);
          for (const [at, document] of documentsOf(store, compression).entries()) {
            expect(Buffer.compare(document, documentsOf(fresh, compression)[at] as Uint8Array)).toBe(0);
          }
        },
      ),
      { numRuns: 12, seed: 20_261_128, endOnFailure: true },
    );
  });

  test('gzip or zstd read many blocks as one document, and libsolv as all of the packages', async () => {
    const folder = mkdtempSync(join(top.path, `${compression}-`));
    await writeRepository(range(0, 700), directoryStore(folder), { ...base, compression });
    const plain = memoryStore();
    await writeRepository(range(0, 700), plain, { ...base, compression: 'none' });
    const tool = compression === 'gz' ? 'gzip' : 'zstd';
    for (const type of types) {
      const path = join(folder, `repodata/${type}.xml.${compression}`);
      const open = execFileSync(tool, ['-dc', path], { maxBuffer: 2 ** 28 });
      expect(open.equals(plain.files.get(`repodata/${type}.xml`) as Uint8Array), type).toBe(true);
    }
    // One member: readers that stop after the first are many.
    if (compression === 'gz') {
      const bytes = readFileSync(join(folder, 'repodata/primary.xml.gz'));
      const headers = bytes.toString('latin1').split('\x1f\x8b\x08\x00\x00\x00\x00\x00').length - 1;
      expect(headers).toBe(1);
    }
    const solv = execFileSync('repo2solv', [folder], { maxBuffer: 2 ** 28 });
    const path = join(folder, 'repository.solv');
    writeFileSync(path, solv);
    const dump = execFileSync('dumpsolv', [path], { encoding: 'utf8', maxBuffer: 2 ** 28 });
    expect(dump).toContain('contains 700 solvables');
  });
});

test.each([
  ['zst', 19],
  ['gz', 9],
] as const)(
  '%s blocks in which nothing changes are copied: they keep the level they were compressed with',
  async (compression, compressionLevel) => {
    const store = memoryStore();
    await writeRepository(range(0, 1000), store, { ...base, compression, compressionLevel: 1 });
    const before = documentsOf(store, compression).map((document) => blocksOf(document, compression));
    const add = { add: [record(1000), record(1001)], remove: [record(500).location] };
    await updateRepository(store, add, { ...base, compression, compressionLevel });
    const after = documentsOf(store, compression).map((document) => blocksOf(document, compression));
    for (const [at, blocks] of after.entries()) {
      const made = blocks.filter((block) => !before[at]?.includes(block));
      // The head with its number of packages, the block of the package that went, the last one.
      expect(made).toHaveLength(3);
      expect(blocks.length).toBeGreaterThan(8);
    }
  },
);

test('a gz document without blocks is updated all the same', async () => {
  const store = memoryStore();
  await writeRepository(range(0, 300), store, { ...base, compression: 'gz' });
  let repomd = Buffer.from(store.files.get('repodata/repomd.xml') as Uint8Array).toString();
  for (const type of types) {
    const path = `repodata/${type}.xml.gz`;
    const stored = store.files.get(path) as Uint8Array;
    const whole = gzipSync(gunzipSync(stored));
    await store.write(path, whole);
    repomd = repomd.replace(sha256(stored), sha256(whole)).replace(`<size>${stored.length}<`, `<size>${whole.length}<`);
  }
  await store.write('repodata/repomd.xml', Buffer.from(repomd));
  await updateRepository(store, { add: [record(300)] }, { ...base, compression: 'gz' });
  const fresh = memoryStore();
  await writeRepository(range(0, 301), fresh, { ...base, compression: 'gz' });
  expect(documentsOf(store, 'gz')).toEqual(documentsOf(fresh, 'gz'));
});

/** filelists as it is and repomd.xml that vouches for it, after `change` was done to the open bytes of its blocks, one text each. */
async function withOtherFilelists(
  store: ReturnType<typeof memoryStore>,
  compression: 'zst' | 'gz',
  change: (blocks: string[]) => string[],
): Promise<void> {
  const type = compression === 'gz' ? 'gzip' : 'zstd';
  const path = `repodata/filelists.xml.${compression}`;
  const stored = store.files.get(path) as Uint8Array;
  const open: string[] = [];
  const blocks = storedBlocks(type, stored);
  for (let block = blocks.next(); block !== undefined; block = blocks.next())
    open.push(Buffer.from(block.open).toString());
  const codec = await blockCodec(type, compression === 'gz' ? 6 : 3);
  if (codec === undefined) throw new Error('no codec');
  const stream = codec.stream();
  const parts: Uint8Array[] = [stream.head];
  for (const text of change(open)) {
    const bytes = Buffer.from(text);
    stream.update(bytes);
    parts.push(codec.compress(bytes));
  }
  const changed = Buffer.concat([...parts, stream.tail()]);
  const repomd = Buffer.from(store.files.get('repodata/repomd.xml') as Uint8Array).toString();
  await store.write(path, changed);
  await store.write(
    'repodata/repomd.xml',
    Buffer.from(
      repomd
        .replace(sha256(stored), sha256(changed))
        .replace(`<size>${stored.length}<`, `<size>${changed.length}<`)
        .replace(/<open-[^>]*>[^<]*<\/open-[^>]*>/g, ''),
    ),
  );
}

const elements = (block: string): string[] => block.split(/(?<=<\/package>\n)/);

describe.each(['zst', 'gz'] as const)('a %s filelists whose blocks are not those of primary', (compression) => {
  // The block of package 500 is made anew, so its packages are looked for; of the others the first one is looked at.
  const touched = (blocks: string[]): number => blocks.findIndex((text) => text.includes('name="package0500"'));
  test.each<[string, (blocks: string[]) => string[]]>([
    ['lacks a block', (blocks) => blocks.filter((_, at) => at !== 2)],
    ['ends early', (blocks) => blocks.slice(0, 3)],
    ['has two blocks in another order', ([head = '', one = '', two = '', ...more]) => [head, two, one, ...more]],
    [
      'has another package first in a block',
      (blocks) => blocks.map((text, at) => (at === 1 ? elements(text).slice(1).join('') : text)),
    ],
    [
      'lacks a package beside the one that goes',
      (blocks) =>
        blocks.map((text) =>
          elements(text)
            .filter((element) => !element.includes('name="package0501"'))
            .join(''),
        ),
    ],
    [
      'has a package too many in a block that changes',
      (blocks) => blocks.map((text, at) => (at === touched(blocks) ? text + elements(text)[0] : text)),
    ],
    [
      'has something behind the packages of a block that changes',
      (blocks) => blocks.map((text, at) => (at === touched(blocks) ? `${text}<!-- -->` : text)),
    ],
  ])('is refused when it %s', async (_, change) => {
    const store = memoryStore();
    await writeRepository(range(0, 700), store, { ...base, compression });
    await withOtherFilelists(store, compression, (blocks) => blocks);
    const changes = { remove: [record(500).location] };
    const sound = memoryStore();
    for (const [path, bytes] of store.files) await sound.write(path, bytes);
    await updateRepository(sound, changes, { ...base, compression });
    await withOtherFilelists(store, compression, change);
    const repomd = store.files.get('repodata/repomd.xml');
    await expect(updateRepository(store, changes, { ...base, compression })).rejects.toMatchObject({
      code: 'REPO_BAD_VALUE',
    });
    expect(store.files.get('repodata/repomd.xml')).toBe(repomd);
  });
});

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

test('a document of another tool, or of another compression, is updated all the same', async () => {
  const records = range(0, 300);
  const whole = memoryStore();
  await writeRepository(records, whole, { ...base, compression: 'none' });
  const store = memoryStore();
  await writeRepository(records, store, { ...base, compression: 'gz' });
  await updateRepository(store, { add: [record(300)] }, { ...base, compression: 'zst' });
  const fresh = memoryStore();
  await writeRepository([...records, record(300)], fresh, { ...base, compression: 'zst' });
  expect(documentsOf(store, 'zst')).toEqual(documentsOf(fresh, 'zst'));
});

test('a long document of one piece is cut into blocks of 8 MiB', async () => {
  const bytes = new Uint8Array(20 << 20).fill(0x61);
  const store = memoryStore();
  const extra = { type: 'custom', fileName: 'custom.txt', bytes };
  await writeRepository([], store, { ...base, compression: 'zst', extraDocuments: [extra] });
  const document = store.files.get('repodata/custom.txt.zst') as Uint8Array;
  expect(blocksOf(document, 'zst')).toHaveLength(3);
  const open = await decompressBytes(document, 'zstd', { maxBytes: bytes.length });
  expect(Buffer.compare(open, bytes)).toBe(0);
});

test('a damaged block of the old documents is a typed error, and the repository stays', async () => {
  const store = memoryStore();
  const options = { ...base, compression: 'zst' } as const;
  await writeRepository(range(0, 300), store, options);
  const document = store.files.get('repodata/filelists.xml.zst') as Uint8Array;
  const at = document.length >> 1;
  document[at] = (document[at] as number) ^ 0xff;
  const repomd = store.files.get('repodata/repomd.xml');
  await expect(updateRepository(store, { add: [record(300)] }, options)).rejects.toMatchObject({ name: 'RepoError' });
  expect(store.files.get('repodata/repomd.xml')).toEqual(repomd);
});
