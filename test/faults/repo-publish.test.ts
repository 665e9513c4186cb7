import {
  memoryStore,
  openRepository,
  planPublish,
  publishedState,
  publishRepository,
  type RepositoryStore,
  revertRepository,
  verifyPublished,
  writeRepository,
} from '@distrokit/repo/node';
import { expect, test } from 'vitest';
import {
  at,
  locations,
  look,
  options,
  record,
  signatureOf,
  stage,
  utf8,
  verifySignature,
} from './staged-repository.js';

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
  const plan = () => planPublish({ version: null, repomd: undefined, generations: [] }, next, new Set(), { at: at(0) });
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

test('a package that was published with other bytes is refused with both digests, and replaces the file when that is wanted', async () => {
  const store = memoryStore();
  await publishRepository(await stage(1, ['a', 'b']), store, { at: at(1), packages: locations(['a', 'b']) });
  const rebuilt = { ...record('a'), pkgid: { algorithm: 'sha256', hex: 'f'.repeat(64) } } as const;
  const staged = memoryStore();
  await staged.write(rebuilt.location, utf8('rebuilt'));
  await writeRepository([rebuilt, record('b')], staged, options(2));
  const publish = { at: at(2), packages: locations(['a']) };
  await expect(publishRepository(staged, store, publish)).rejects.toMatchObject({
    fault: {
      code: 'REPO_DUPLICATE_NEVRA',
      nevra: 'a-0:1-1.noarch',
      first: { location: rebuilt.location, pkgid: record('a').pkgid.hex },
      second: { location: rebuilt.location, pkgid: 'f'.repeat(64) },
    },
  });
  expect(await look(store)).toBe('1:2');
  expect(store.files.get(rebuilt.location)).toEqual(utf8('package'));
  const steps = await publishRepository(staged, store, { ...publish, mutated: 'replace' });
  expect(steps[0]).toEqual({ task: 'copy-package', path: rebuilt.location });
  expect(store.files.get(rebuilt.location)).toEqual(utf8('rebuilt'));
});

test('a package of which the store has another size is copied again', async () => {
  const store = memoryStore();
  await store.write('a-1-1.noarch.rpm', utf8('pac'));
  await publishRepository(await stage(1, ['a']), store, { at: at(1), packages: locations(['a']) });
  expect(await look(store)).toBe('1:1');
});

test('what was published since the state that a repository was made from is not lost', async () => {
  const store = memoryStore();
  await publishRepository(await stage(1, ['a']), store, { at: at(1) });
  const madeFrom = await publishedState(store);
  await publishRepository(await stage(2, ['a', 'b']), store, { at: at(2) });
  const late = publishRepository(await stage(2, ['a', 'c']), store, { at: at(3), madeFrom });
  await expect(late).rejects.toMatchObject({ code: 'REPO_CONFLICT', fault: { path: 'repodata/repomd.xml' } });
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
