import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  directoryStore,
  type Fetcher,
  memoryStore,
  openRepository,
  type PackageRecord,
  planPublish,
  publishedState,
  publishRepository,
  type RepositoryStore,
  revertRepository,
  verifyPublished,
  writeRepository,
} from '@distrokit/repo/node';
import { expect, test } from 'vitest';

/** Where flushing to the disk costs nothing: thousands of flushes are not what these tests are about. */
const memoryDisk = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

const at = (seconds: number): Date => new Date(1_800_000_000_000 + seconds * 1000);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function record(name: string, version = '1'): PackageRecord {
  return {
    name,
    version,
    release: '1',
    arch: 'noarch',
    pkgid: { algorithm: 'sha256', hex: name.charCodeAt(0).toString(16).padStart(2, '0').repeat(32) },
    location: `${name}-${version}-1.noarch.rpm`,
    summary: '',
    description: '',
    packager: '',
    url: '',
    license: 'MIT',
    vendor: '',
    group: '',
    buildHost: '',
    sourceRpm: '',
    fileTime: at(0),
    buildTime: at(0),
    sizeBytes: 7,
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
}

/** A staged repository of some packages, whose files hold seven bytes each. */
async function stage(revision: number, names: readonly string[]): Promise<ReturnType<typeof memoryStore>> {
  const store = memoryStore();
  const records = names.map((name) => record(name));
  for (const { location } of records) await store.write(location, utf8('package'));
  await writeRepository(records, store, {
    revision: String(revision),
    timestamp: at(revision),
    compression: 'gz',
    checksum: 'sha256',
  });
  return store;
}

const locations = (names: readonly string[]): string[] => names.map((name) => `${name}-1-1.noarch.rpm`);

/** What a client sees: revision and packages; throws where a client would fail. */
async function look(store: Fetcher & Partial<Pick<RepositoryStore, 'stat'>>): Promise<string> {
  const found = await verifyPublished(store, { verifyRepomd: 'unsigned', packages: true });
  return `${found.revision}:${found.packages}`;
}

/** A signature that says which bytes it belongs to; enough to see a torn pair. */
const signatureOf = (staged: ReturnType<typeof memoryStore>): Uint8Array =>
  utf8(
    `signs ${staged.files.get('repodata/repomd.xml')?.length}/${new TextDecoder().decode(staged.files.get('repodata/repomd.xml')).match(/<revision>(\d+)/)?.[1]}`,
  );
const verifySignature = async (repomd: Uint8Array, signature: Uint8Array): Promise<void> => {
  const wanted = `signs ${repomd.length}/${new TextDecoder().decode(repomd).match(/<revision>(\d+)/)?.[1]}`;
  if (new TextDecoder().decode(signature) !== wanted) throw new Error('bad signature');
};

class Killed extends Error {}

/** A store whose process dies at the n-th change: that one and all after it never happen. */
function dyingStore(store: RepositoryStore, changes: number): RepositoryStore {
  let left = changes;
  const live = (): void => {
    if (left-- <= 0) throw new Killed();
  };
  return {
    ...store,
    fetch: (href, options) => store.fetch(href, options),
    write: async (path, data, options) => {
      live();
      return store.write(path, data, options);
    },
    remove: async (path, options) => {
      live();
      return store.remove(path, options);
    },
  };
}

test('the order is packages, documents, generation, signature, repomd.xml, removals', async () => {
  const store = memoryStore();
  for (let revision = 1; revision <= 5; revision++) {
    const staged = await stage(revision, ['a', 'b']);
    await publishRepository(staged, store, {
      at: at(revision * 10_000),
      signature: signatureOf(staged),
      packages: locations(['a', 'b']),
      keep: { count: 1 },
    });
  }
  const staged = await stage(6, ['a', 'b', 'c']);
  const steps = await publishRepository(staged, store, {
    at: at(60_000),
    signature: signatureOf(staged),
    packages: locations(['a', 'b', 'c']),
    keep: { count: 1 },
  });
  expect(steps.map((step) => step.task)).toEqual([
    'copy-package',
    'copy-document',
    'copy-document',
    'copy-document',
    'write-generation',
    'write-signature',
    'write-repomd',
    'remove',
    'remove',
  ]);
  expect((await publishedState(store)).generations.map((generation) => generation.publishedAt)).toEqual([
    at(50_000),
    at(60_000),
  ]);
  await verifyPublished(store, { verifyRepomd: verifySignature, packages: true });
});

test('planning does nothing and is the same for the same arguments', async () => {
  const staged = await stage(1, ['a']);
  const { repomd } = await openRepository(staged, { verifyRepomd: 'unsigned' });
  const next = { repomd, id: '000000000001-0123456789abcdef', packages: locations(['a']), signed: false };
  const plan = () => planPublish({ repomd: undefined, generations: [] }, next, new Set(), { at: at(0) });
  expect(plan()).toEqual(plan());
  expect(plan().map((step) => step.task)).toEqual([
    'copy-package',
    'copy-document',
    'copy-document',
    'copy-document',
    'write-generation',
    'write-repomd',
  ]);
});

test('killed after any step, clients read the old repository or the new one, and publishing again ends it', async () => {
  for (let changes = 0; ; changes++) {
    const store = memoryStore();
    for (const revision of [1, 2, 3]) {
      await publishRepository(await stage(revision, ['a', 'b']), store, {
        at: at(revision * 10_000),
        packages: locations(['a', 'b']),
        keep: { count: 1 },
      });
    }
    const staged = await stage(4, ['b', 'c']);
    const options = { at: at(40_000), packages: locations(['b', 'c']), keep: { count: 1 } };
    let died = false;
    try {
      await publishRepository(staged, dyingStore(store, changes), options);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      died = true;
    }
    expect(['3:2', '4:2']).toContain(await look(store));
    await publishRepository(staged, store, options);
    expect(await look(store)).toBe('4:2');
    if (!died) {
      expect(changes).toBeGreaterThan(6);
      break;
    }
  }
});

test('killed between signature and repomd.xml, publishing again or reverting makes a matching pair', async () => {
  for (const heal of ['publish', 'revert'] as const) {
    for (let changes = 0; ; changes++) {
      const store = memoryStore();
      const first = await stage(1, ['a']);
      await publishRepository(first, store, { at: at(10_000), signature: signatureOf(first) });
      const staged = await stage(2, ['a']);
      const options = { at: at(20_000), signature: signatureOf(staged) };
      const died = await publishRepository(staged, dyingStore(store, changes), options).then(
        () => false,
        () => true,
      );
      if (heal === 'publish') await publishRepository(staged, store, options);
      else await revertRepository(store, (await publishedState(store)).generations[0]?.id ?? '');
      const found = await verifyPublished(store, { verifyRepomd: verifySignature });
      expect(found.revision).toBe(heal === 'publish' ? '2' : '1');
      if (!died) break;
    }
  }
});

test('of two publishers one wins, the other hears of it, and neither harms what is read', async () => {
  const store = memoryStore();
  await publishRepository(await stage(1, ['a']), store, { at: at(10_000), packages: locations(['a']) });
  const [one, two] = [await stage(2, ['a', 'b']), await stage(3, ['a', 'c'])];
  const outcomes = await Promise.allSettled([
    publishRepository(one, store, { at: at(20_000), packages: locations(['a', 'b']) }),
    publishRepository(two, store, { at: at(20_000), packages: locations(['a', 'c']) }),
  ]);
  const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
  expect(failed).toHaveLength(1);
  expect(failed[0]?.reason).toMatchObject({ code: 'REPO_CONFLICT', fault: { path: 'repodata/repomd.xml' } });
  expect(await look(store)).toBe(outcomes[0]?.status === 'fulfilled' ? '2:2' : '3:2');
});

test('a repository that lost most of its packages is refused, unless it is wanted', async () => {
  const store = memoryStore();
  const names = ['a', 'b', 'c', 'd', 'e'];
  await publishRepository(await stage(1, names), store, { at: at(1), packages: locations(names) });
  const staged = await stage(2, ['a']);
  await expect(publishRepository(staged, store, { at: at(2) })).rejects.toMatchObject({
    fault: { code: 'REPO_SHRUNK', before: 5, after: 1, allowedShare: 0.5 },
  });
  expect(await look(store)).toBe('1:5');
  await publishRepository(staged, store, { at: at(2), maxLossShare: 1 });
  expect(await look(store)).toBe('2:1');
});

test('a full disk leaves the old repository as it was', async () => {
  const store = memoryStore();
  await publishRepository(await stage(1, ['a']), store, { at: at(1), packages: locations(['a']) });
  const before = new Map(store.files);
  const full: RepositoryStore = {
    ...store,
    write: async (path, data, options) => {
      if (data instanceof Uint8Array) return store.write(path, data, options);
      let bytes = 0;
      for await (const chunk of data) bytes += chunk.length;
      throw Object.assign(new Error(`no space for ${bytes} bytes`), { code: 'ENOSPC' });
    },
  };
  await expect(
    publishRepository(await stage(2, ['a', 'b']), full, { at: at(2), packages: locations(['b']) }),
  ).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(store.files).toEqual(before);
  await expect(
    writeRepository([record('x')], full, { revision: '9', timestamp: at(0), compression: 'gz', checksum: 'sha256' }),
  ).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(store.files).toEqual(before);
});

test('a generation comes back byte for byte', async () => {
  const store = memoryStore();
  const first = await stage(1, ['a']);
  await publishRepository(first, store, { at: at(1), signature: signatureOf(first), packages: locations(['a']) });
  const before = new Map(store.files);
  const second = await stage(2, ['a', 'b']);
  await publishRepository(second, store, { at: at(2), signature: signatureOf(second), packages: locations(['b']) });
  const { generations } = await publishedState(store);
  await revertRepository(store, generations[0]?.id ?? '');
  for (const name of ['repodata/repomd.xml', 'repodata/repomd.xml.asc'])
    expect(store.files.get(name)).toEqual(before.get(name));
  await verifyPublished(store, { verifyRepomd: verifySignature });
  await expect(revertRepository(store, '000000000000-0000000000000000')).rejects.toMatchObject({
    code: 'REPO_NOT_FOUND',
  });
});

test('through 200 publishes in a folder no reader of unsigned metadata ever fails', async () => {
  const folder = mkdtempSync(join(memoryDisk, 'distrokit-publish-'));
  const store = directoryStore(folder);
  const publish = async (revision: number): Promise<void> => {
    const names = ['a', String.fromCharCode(98 + (revision % 20))];
    const staged = await stage(revision, names);
    await publishRepository(staged, store, {
      at: at(revision * 10_000),
      packages: locations(names),
      keep: { count: 6 },
    });
  };
  await publish(0);
  let done = false;
  let reads = 0;
  const readers = Array.from({ length: 2 }, async () => {
    while (!done) {
      // A reader of its own, with nothing remembered.
      expect(await look(directoryStore(folder))).toMatch(/^\d+:2$/);
      reads++;
    }
  });
  const publisher = async (): Promise<void> => {
    for (let revision = 1; revision <= 200; revision++) await publish(revision);
    done = true;
  };
  await Promise.all([...readers, publisher()]);
  expect(reads).toBeGreaterThan(50);
  rmSync(folder, { recursive: true });
});

test('a reader of signed metadata that fails during a publish succeeds when it tries again after it', async () => {
  const folder = mkdtempSync(join(memoryDisk, 'distrokit-publish-'));
  const store = directoryStore(folder);
  let published: Promise<void> = Promise.resolve();
  let waiting = 0;
  let failures = 0;
  const publish = async (revision: number): Promise<void> => {
    const staged = await stage(revision, ['a']);
    await publishRepository(staged, store, {
      at: at(revision * 10_000),
      signature: signatureOf(staged),
      keep: { count: 6 },
    });
  };
  await publish(0);
  let done = false;
  const once = () => verifyPublished(directoryStore(folder), { verifyRepomd: verifySignature });
  const readers = Array.from({ length: 3 }, async () => {
    while (!done) {
      try {
        await once();
      } catch {
        failures++;
        waiting++;
        await published;
        await once();
        waiting--;
      }
    }
  });
  const publisher = async (): Promise<void> => {
    for (let revision = 1; revision <= 40; revision++) {
      published = publish(revision);
      await published;
      while (waiting > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    done = true;
  };
  await Promise.all([...readers, publisher()]);
  // Two files change, so some reader met the moment between them: that is the window this test is about.
  expect(failures).toBeGreaterThan(0);
  rmSync(folder, { recursive: true });
});

test('a publisher killed by the system at any moment leaves a repository that reads', async () => {
  const folder = mkdtempSync(join(memoryDisk, 'distrokit-killed-'));
  const script = fileURLToPath(new URL('./repo-publisher.ts', import.meta.url));
  for (let round = 0; round < 4; round++) {
    const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', script, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = new Promise((resolve) => child.once('close', resolve));
    let published = 0;
    await new Promise<void>((resolve) => {
      child.stdout?.on('data', (chunk: Buffer) => {
        published += chunk.toString().split('\n').length - 1;
        if (published > 3 + round * 2) resolve();
      });
    });
    await new Promise((resolve) => setTimeout(resolve, round * 3));
    child.kill('SIGKILL');
    await closed;
    expect(await look(directoryStore(folder))).toMatch(/^\d+:1$/);
  }
  rmSync(folder, { recursive: true });
});
