import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import {
  createRepository,
  directoryStore,
  fetchBytes,
  formatRecord,
  formatTreeinfo,
  httpFetcher,
  memoryStore,
  openRepositoryAt,
  type PackageRecord,
  packagePaths,
  parseProductId,
  parseRecord,
  parseTreeinfo,
  RepoError,
  type RepositoryStore,
  recordFromFile,
  repositoryProfiles,
  s3Store,
  writeRepository,
} from '@distrokit/repo/node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildPackages, emptySpec, richSpec, type TemporaryFolder, temporaryFolder } from './fixture-packages.js';
import { signedBucket } from './s3-server.js';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const options = { revision: '1', timestamp: new Date(0), compression: 'gz', checksum: 'sha256' } as const;

let packages: TemporaryFolder;
beforeAll(() => {
  packages = temporaryFolder();
  buildPackages(packages.path, [richSpec, emptySpec]);
});
afterAll(() => packages.remove());

async function* pieces(...texts: readonly string[]): AsyncGenerator<Uint8Array, void, void> {
  for (const text of texts) yield utf8(text);
}

interface OpenStore {
  readonly store: RepositoryStore;
  readonly folder?: TemporaryFolder;
  close?(): void | Promise<void>;
}

describe.each<[string, () => OpenStore | Promise<OpenStore>]>([
  [
    'a folder',
    () => {
      const folder = temporaryFolder();
      return { folder, store: directoryStore(folder.path), close: folder.remove };
    },
  ],
  ['memory', () => ({ store: memoryStore() })],
  [
    'a bucket that honours conditions',
    async () => {
      const { bucketUrl, credentials, close } = await signedBucket(1);
      return { store: s3Store({ fetch, bucketUrl, region: 'x-1', credentials, at: () => new Date(0) }), close };
    },
  ],
])('a store in %s', (_, make) => {
  let open: OpenStore;
  let folder: TemporaryFolder | undefined;
  let store: RepositoryStore;
  beforeAll(async () => {
    open = await make();
    ({ store, folder } = open);
  });
  afterAll(() => open.close?.());

  test('keeps what was written, under a name that is known at the end', async () => {
    let length = 0;
    const data = async function* () {
      for await (const chunk of pieces('ab', 'cde')) {
        length += chunk.length;
        yield chunk;
      }
    };
    await store.write(() => `repodata/${length}-x`, data());
    expect(await fetchBytes(store, 'repodata/5-x', { maxBytes: 10 })).toEqual(utf8('abcde'));
    expect((await store.stat('repodata/5-x'))?.sizeBytes).toBe(5);
  });

  test('writes only over the version that is named', async () => {
    const first = await store.write('a/file', utf8('1'), { ifVersion: null });
    await expect(store.write('a/file', utf8('2'), { ifVersion: null })).rejects.toMatchObject({
      code: 'REPO_CONFLICT',
    });
    const second = await store.write('a/file', utf8('2'), { ifVersion: first });
    await expect(store.write('a/file', utf8('3'), { ifVersion: first })).rejects.toMatchObject({
      code: 'REPO_CONFLICT',
    });
    expect(second).not.toBe(first);
    expect(await fetchBytes(store, 'a/file', { maxBytes: 1 })).toEqual(utf8('2'));
  });

  test('of many writers over one version exactly one wins', async () => {
    const version = await store.write('a/race', utf8('0'));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, (_each, index) =>
        store.write('a/race', utf8(String(index + 1)), { ifVersion: version }),
      ),
    );
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'REPO_CONFLICT' });
    }
  });

  test('lists by path, removes, and calls what is not there not found', async () => {
    await store.write('l/b', utf8('b'));
    await store.write('l/a/x', utf8('x'));
    const paths: string[] = [];
    for await (const file of store.list('l')) paths.push(file.path);
    expect(paths).toEqual(['l/a/x', 'l/b']);
    await store.remove('l/b');
    await store.remove('l/b');
    expect(await store.stat('l/b')).toBeUndefined();
    await expect(fetchBytes(store, 'l/b', { maxBytes: 1 })).rejects.toMatchObject({ code: 'REPO_NOT_FOUND' });
  });

  test('stops at the limit, and leaves nothing of a write that failed', async () => {
    await store.write('big', new Uint8Array(1_000_000));
    await expect(fetchBytes(store, 'big', { maxBytes: 999_999 })).rejects.toMatchObject({ code: 'REPO_TOO_LARGE' });
    const failing = async function* () {
      yield utf8('half');
      throw new Error('the source broke');
    };
    await expect(store.write('torn', failing())).rejects.toThrow('the source broke');
    expect(await store.stat('torn')).toBeUndefined();
    if (folder !== undefined)
      expect(readdirSync(join(folder.path, 'repodata')).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  test('refuses names that lead out of it', async () => {
    for (const name of ['../x', '/x', 'a//b', 'a/./b', 'a\\b', 'a\0b', '']) {
      await expect(store.write(name, utf8('x')), JSON.stringify(name)).rejects.toThrow(RangeError);
    }
    if (folder !== undefined) expect(existsSync(join(folder.path, '..', 'x'))).toBe(false);
  });
});

describe('over HTTP', () => {
  let server: Server;
  let url: string;
  const asked: string[] = [];
  beforeAll(async () => {
    await createRepository(packages.path, { revision: '1', timestamp: new Date(0) });
    server = createServer((request, response) => {
      asked.push(request.url ?? '');
      const path = join(packages.path, decodeURIComponent(request.url ?? ''));
      if (request.url === '/broken/repodata/repomd.xml') {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('<repomd>');
        response.destroy();
      } else if (request.url?.startsWith('/error/')) response.writeHead(503).end('busy');
      else if (existsSync(path)) response.end(readFileSync(path));
      else response.writeHead(404).end('none');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  test('a repository reads as from its folder', async () => {
    const remote = await openRepositoryAt(url, { verifyRepomd: 'unsigned', fetch });
    const local = await openRepositoryAt(packages.path, { verifyRepomd: 'unsigned' });
    const all = async (repository: typeof remote): Promise<PackageRecord[]> => {
      const records: PackageRecord[] = [];
      for await (const record of repository.packages({ files: true, changelogs: true })) records.push(record);
      return records;
    };
    expect(await all(remote)).toEqual(await all(local));
    expect(asked[0]).toBe('/repodata/repomd.xml');
  });

  test('what is missing, busy or broken is told apart', async () => {
    const open = (path: string) => openRepositoryAt(`${url}${path}`, { verifyRepomd: 'unsigned', fetch });
    await expect(open('/nowhere')).rejects.toMatchObject({ code: 'REPO_NOT_FOUND' });
    await expect(open('/error')).rejects.toMatchObject({
      fault: { code: 'REPO_STORE_FAILED', task: 'read', found: 'status 503' },
    });
    await expect(open('/broken')).rejects.toMatchObject({ code: 'REPO_STORE_FAILED' });
    await expect(openRepositoryAt(url, { verifyRepomd: 'unsigned' })).rejects.toThrow(TypeError);
  });

  test('an aborted read rejects with the reason of its signal', async () => {
    const reason = new Error('enough');
    const fetcher = httpFetcher(fetch, url);
    await expect(
      fetchBytes(fetcher, 'repodata/repomd.xml', { maxBytes: 1_000_000, signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
  });
});

describe('records', () => {
  test('a record goes through JSON without loss, and makes the same repository', async () => {
    const records: PackageRecord[] = [];
    for (const path of await packagePaths(packages.path)) {
      records.push(await recordFromFile(join(packages.path, path), path, { checksum: 'sha256' }));
    }
    const again = records.map((record) => parseRecord(formatRecord(record)));
    expect(again).toEqual(records);
    expect(formatRecord(records[0] as PackageRecord)).not.toContain('\n');
    const [one, two] = [memoryStore(), memoryStore()];
    await writeRepository(records, one, options);
    await writeRepository(again, two, options);
    expect(two.files).toEqual(one.files);
  });

  test('a damaged record is refused with the field', () => {
    const bad = (change: (record: Record<string, unknown>) => void): string => {
      const record = JSON.parse(valid) as Record<string, unknown>;
      change(record);
      try {
        parseRecord(JSON.stringify(record));
      } catch (error) {
        if (error instanceof RepoError && error.fault.code === 'REPO_BAD_VALUE') return error.fault.what;
        throw error;
      }
      return 'accepted';
    };
    const valid = formatRecord({ ...emptyRecord });
    expect(bad(() => undefined)).toBe('accepted');
    expect(bad((record) => delete record.name)).toBe('name');
    expect(bad((record) => (record.sizeBytes = '1'))).toBe('sizeBytes');
    expect(bad((record) => (record.requires = {}))).toBe('requires');
    expect(bad((record) => (record.fileTime = 'never'))).toBe('fileTime');
    expect(bad((record) => (record.headerRange = null))).toBe('headerRange');
    expect(bad((record) => (record.pkgid = 'x'))).toBe('pkgid');
    expect(() => parseRecord('{')).toThrow(RepoError);
    expect(() => parseRecord('null')).toThrow(RepoError);
  });

  test('a record that was read without its files cannot be written', async () => {
    const repository = await openRepositoryAt(packages.path, { verifyRepomd: 'unsigned' });
    await expect(writeRepository(repository.packages(), memoryStore(), options)).rejects.toThrow(TypeError);
  });

  test('texts that are not UTF-8 can be refused, with the tag and the byte', async () => {
    const path = join(packages.path, 'latin.rpm');
    const bytes = readFileSync(join(packages.path, 'rich-1.2~rc1-4.el9.x86_64.rpm'));
    // The vendor's "ä" loses its second byte's mark: what follows is no UTF-8.
    const at = bytes.indexOf(Buffer.from('Räksmörgås'));
    bytes[at + 1] = 0xff;
    writeFileSync(path, bytes);
    await expect(
      recordFromFile(path, 'latin.rpm', { checksum: 'sha256', invalidUtf8: 'refuse' }),
    ).rejects.toMatchObject({ fault: { code: 'REPO_BAD_TEXT', field: 'VENDOR', index: 0, offset: 1 } });
    expect((await recordFromFile(path, 'latin.rpm', { checksum: 'sha256' })).vendor).toMatch(/^Rÿ/);
  });
});

const emptyRecord: PackageRecord = {
  name: 'a',
  version: '1',
  release: '1',
  arch: 'noarch',
  pkgid: { algorithm: 'sha256', hex: 'a'.repeat(64) },
  location: 'a.rpm',
  summary: '',
  description: '',
  packager: '',
  url: '',
  license: '',
  vendor: '',
  group: '',
  buildHost: '',
  sourceRpm: '',
  fileTime: new Date(0),
  buildTime: new Date(0),
  sizeBytes: 0,
  installedBytes: 0,
  archiveBytes: 0,
  headerRange: { start: 0, end: 0 },
  provides: [],
  requires: [],
  conflicts: [],
  obsoletes: [],
  suggests: [],
  enhances: [],
  recommends: [],
  supplements: [],
  files: [],
  filesComplete: true,
  changelogs: [],
  changelogsComplete: true,
};

test('treeinfo keeps sections, keys and their order; a line outside of a section is refused', () => {
  const text = '[general]\nfamily = Example\nversion = 9\n\n[images-x86_64]\nkernel = images/pxeboot/vmlinuz\n\n';
  const parsed = parseTreeinfo(utf8(`; comment\n${text}`));
  expect(parsed.get('images-x86_64')?.get('kernel')).toBe('images/pxeboot/vmlinuz');
  expect(formatTreeinfo(parsed)).toBe(text);
  expect(() => parseTreeinfo(utf8('stray = 1\n'))).toThrow(RepoError);
  expect(() => parseProductId(utf8('no certificate'))).toThrow(RepoError);
  expect(parseProductId(utf8('-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n'))).toEqual(
    new Uint8Array([1, 2, 3]),
  );
});

test('every profile makes a repository that reads', async () => {
  for (const profile of Object.values(repositoryProfiles)) {
    const store = memoryStore();
    await writeRepository([emptyRecord], store, { revision: '1', timestamp: new Date(0), ...profile.documents });
    expect([...store.files.keys()].filter((path) => path.endsWith(`.${profile.documents.compression}`))).toHaveLength(
      3,
    );
  }
});
