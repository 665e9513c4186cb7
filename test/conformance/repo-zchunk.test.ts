/**
 * zchunk documents in the eyes of zchunk's own tools and of createrepo_c's reader, and theirs in ours.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  addZchunk,
  createRepository,
  type DocumentLimits,
  directoryStore,
  memoryStore,
  modifyRepository,
  openRepository,
  openRepositoryAt,
  updateRepository,
  writeRepository,
} from '@distrokit/repo/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildPackages, plainSpec, richSpec, temporaryFolder } from '../repo/fixture-packages.js';

const top = temporaryFolder();
const ours = join(top.path, 'ours');
const theirs = join(top.path, 'theirs');
const options = { timestamp: new Date('2026-02-03T04:05:06Z'), compression: 'gz', checksum: 'sha256' } as const;
const types = ['primary', 'filelists', 'other'];

beforeAll(async () => {
  mkdirSync(ours);
  buildPackages(ours, [richSpec, ...['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => plainSpec(name, '1'))]);
  cpSync(ours, theirs, { recursive: true, preserveTimestamps: true });
  execFileSync('createrepo_c', ['--quiet', '--no-database', '--zck', theirs]);
  await createRepository(ours, { revision: '1', ...options });
  await addZchunk(directoryStore(ours), options);
}, 120_000);

afterAll(() => top.remove());

async function opened(folder: string, type: string) {
  const repository = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
  const record = repository.repomd.records.find((candidate) => candidate.type === type);
  if (record === undefined) throw new Error(`no ${type}`);
  const text = async () => {
    const parts: Uint8Array[] = [];
    for await (const part of repository.document(type)) parts.push(part);
    return Buffer.concat(parts).toString();
  };
  return { record, path: join(folder, record.location), text };
}

test.each(types)(
  'the zchunk form of %s has the header that zck_read_header reads and the content that unzck finds',
  async (type) => {
    const { record, path } = await opened(ours, `${type}_zck`);
    const said = execFileSync('zck_read_header', ['-c', path], { encoding: 'utf8' });
    expect(said).toContain(`Header size: ${record.headerSizeBytes}\n`);
    expect(said).toContain(`Header checksum: ${record.headerChecksum?.hex}\n`);
    expect(Number(/Chunk count: (\d+)/.exec(said)?.[1])).toBeGreaterThan(2);
    const open = execFileSync('unzck', ['-c', path], { encoding: 'utf8' });
    expect(open).toBe(await (await opened(ours, type)).text());
    expect(record.openSizeBytes).toBe(Buffer.byteLength(open));
  },
);

test.each(types)('%s of createrepo_c in zchunk is read as its other form is', async (type) => {
  expect(await (await opened(theirs, `${type}_zck`)).text()).toBe(await (await opened(theirs, type)).text());
});

test('the reader of createrepo_c finds the packages in our zchunk documents', async () => {
  const script = `
import sys, createrepo_c as cr
packages = {}
cr.xml_parse_primary(sys.argv[1], pkgcb=lambda p: packages.__setitem__(p.pkgId, p), do_files=False)
cr.xml_parse_filelists(sys.argv[2], newpkgcb=lambda i, n, a: packages[i])
cr.xml_parse_other(sys.argv[3], newpkgcb=lambda i, n, a: packages[i])
for p in packages.values(): print(p.pkgId, p.name, len(p.files), len(p.changelogs))`;
  const lines = async (folder: string) => {
    const paths = await Promise.all(types.map(async (type) => (await opened(folder, `${type}_zck`)).path));
    return execFileSync('/usr/bin/python3', ['-c', script, ...paths], { encoding: 'utf8' })
      .trim()
      .split('\n');
  };
  const expected = await lines(theirs);
  expect(expected).toHaveLength(18);
  expect(await lines(ours)).toEqual(expected);
});

test('an update takes zchunk documents out that no longer fit', async () => {
  const folder = join(top.path, 'updated');
  cpSync(ours, folder, { recursive: true });
  await updateRepository(directoryStore(folder), { remove: ['a-1-1.noarch.rpm'] }, { ...options, revision: '2' });
  const { repomd } = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
  expect(repomd.records.map(({ type }) => type)).toEqual(types);
});

test('a zchunk document that is cut anywhere, or has any byte changed, is a coded error even where repomd.xml fits it', async () => {
  const sound = readFileSync((await opened(ours, 'other_zck')).path);
  const read = async (bytes: Uint8Array, limits: DocumentLimits = {}) => {
    const store = memoryStore();
    await writeRepository([], store, { revision: '1', ...options });
    const add = [{ type: 'judged', fileName: 'judged.zck', bytes, compression: 'none' }] as const;
    await modifyRepository(store, { ...options, add });
    let length = 0;
    for await (const part of (await openRepository(store, { verifyRepomd: 'unsigned' })).document('judged', limits)) {
      length += part.length;
    }
    return length;
  };
  expect(await read(sound)).toBe((await opened(ours, 'other_zck')).record.openSizeBytes);
  await expect(read(sound, { maxOpenBytes: 100 })).rejects.toMatchObject({ code: 'REPO_TOO_LARGE' });
  const damaged: Uint8Array[] = [];
  for (let at = 5; at < sound.length; at += 5) damaged.push(sound.subarray(0, at));
  for (let at = 5; at < sound.length; at += 1) {
    const changed = Buffer.from(sound);
    changed[at] = (changed[at] ?? 0) ^ 0x81;
    damaged.push(changed);
  }
  damaged.push(Buffer.concat([sound, Buffer.from([0])]));
  for (const bytes of damaged) {
    await expect(read(bytes)).rejects.toMatchObject({ code: 'REPO_BAD_COMPRESSION' });
  }
}, 60_000);
