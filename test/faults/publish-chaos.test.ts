/**
 * Publishing while readers read, publishers die, race and run out of space: into a folder, and into a bucket.
 *
 * The bucket is the test's own: s3rver stores what was sent of a torn upload, and answers 500 while a file is replaced.
 */
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  directoryStore,
  openRepository,
  publishedState,
  publishRepository,
  type RepositoryStore,
  revertRepository,
  s3Store,
  verifyPublished,
} from '@distrokit/repo/node';
import {
  type GeneratedKey,
  generateKey,
  Keyring,
  type MemorySigner,
  memorySigner,
  repomdVerifier,
  signDetached,
} from '@distrokit/sign';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type SignedBucket, signedBucket } from '../repo/s3-server.js';
import type { KilledPublish } from './killed-publisher.js';
import { at, locations, look, memoryDisk, signatureOf, stage, verifySignature } from './staged-repository.js';

let top: string;
let server: SignedBucket;
let key: GeneratedKey;
let signer: MemorySigner;
let keyPath: string;
const signedAt = new Date('2026-01-01T00:00:00Z');
beforeAll(async () => {
  top = mkdtempSync(join(memoryDisk, 'distrokit-chaos-'));
  server = await signedBucket();
  key = await generateKey({ userId: 'Chaos <chaos@example.com>', kind: 'eddsa', createdAt: signedAt });
  signer = await memorySigner(key.privateKey);
  keyPath = join(top, 'key.asc');
  writeFileSync(keyPath, key.publicKey);
});
afterAll(async () => {
  await server.close();
  rmSync(top, { recursive: true, force: true });
});

/** A place to publish to, by name. Each call gives a store that remembers nothing of the others. */
const folderOf = (name: string): RepositoryStore => directoryStore(join(top, name));
const bucketOf = (name: string): RepositoryStore =>
  s3Store({ ...server, region: 'x-1', prefix: name, fetch, at: () => at(0) });
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A client that begins anew at each look. Resolves with what went wrong, or with undefined. */
type Look = () => Promise<string | undefined>;

const ownLook =
  (storeOf: () => RepositoryStore, verifyRepomd: Parameters<typeof verifyPublished>[1]['verifyRepomd']): Look =>
  () =>
    verifyPublished(storeOf(), { verifyRepomd, packages: true }).then(
      ({ packages }) => (packages === 2 ? undefined : `${packages} packages`),
      (error: unknown) => String(error),
    );

/** dnf with a cold cache. */
const dnfLook =
  (folder: string, checks: string): Look =>
  () => {
    const work = mkdtempSync(join(top, 'dnf-'));
    const main = `[main]\nreposdir=/dev/null\nplugins=0\ncachedir=${work}/cache\nlogdir=${work}\npersistdir=${work}/persist`;
    writeFileSync(join(work, 'dnf.conf'), `${main}\n[t]\nname=t\nbaseurl=file://${folder}\n${checks}\n`);
    const words = ['-y', '-c', join(work, 'dnf.conf'), `--installroot=${work}/root`, '--releasever=9', 'makecache'];
    const child = spawn('dnf', words, { env: { ...process.env, HOME: work, LC_ALL: 'C.UTF-8' } });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        said += chunk;
      });
    }
    return new Promise((resolve) =>
      child.once('close', (code) => {
        rmSync(work, { recursive: true, force: true });
        resolve(code === 0 && said.includes('Metadata cache created') ? undefined : said);
      }),
    );
  };

/**
 * Publishes, each signed, while readers read: the first kind looks at repomd.xml alone and may never fail, the second
 * wants the signature and may not fail when it tries again after the publish that it met. No reader is left behind by more
 * generations than are kept: that is what keeping them by age is for.
 */
async function chaos(
  publishes: number,
  storeOf: () => RepositoryStore,
  unsigned: readonly Look[],
  signed: readonly Look[],
): Promise<{ readonly unsigned: number; readonly signed: number; readonly failed: number }> {
  let current = 0;
  const begun = new Set<{ readonly revision: number }>();
  const watched = async (lookOnce: Look): Promise<string | undefined> => {
    const look = { revision: current };
    begun.add(look);
    const outcome = await lookOnce();
    begun.delete(look);
    await pause(5);
    return outcome;
  };
  let published: Promise<void> = Promise.resolve();
  let waiting = 0;
  const publish = async (revision: number): Promise<void> => {
    const names = ['a', String.fromCharCode(98 + (revision % 20))];
    const staged = await stage(revision, names);
    const signature = await signDetached(staged.files.get('repodata/repomd.xml') as Uint8Array, signer, { signedAt });
    const keep = { count: 8, ageMs: 0 };
    await publishRepository(staged, storeOf(), { at: at(revision), packages: locations(names), signature, keep });
  };
  await publish(0);
  let done = false;
  const looks = { unsigned: 0, signed: 0, failed: 0 };
  const readers = [
    ...unsigned.map(async (lookOnce) => {
      for (; !done; looks.unsigned++) {
        expect(await watched(lookOnce)).toBeUndefined();
      }
    }),
    ...signed.map(async (lookOnce) => {
      for (; !done; looks.signed++) {
        if ((await watched(lookOnce)) !== undefined) {
          looks.failed++;
          waiting++;
          await published;
          expect(await watched(lookOnce)).toBeUndefined();
          waiting--;
        }
      }
    }),
  ];
  const publisher = async (): Promise<void> => {
    for (let revision = 1; revision <= publishes; revision++) {
      while (waiting > 0 || [...begun].some((look) => look.revision < current - 6)) await pause(1);
      published = publish(revision);
      await published;
      current = revision;
    }
    done = true;
  };
  await Promise.all([...readers, publisher()]);
  return looks;
}

const verifyRepomd = (repomd: Uint8Array, signature: Uint8Array): Promise<void> =>
  repomdVerifier(Keyring.from(key.publicKey), { at: signedAt })(repomd, signature);

test.each([
  { place: 'a folder', storeOf: () => folderOf('chaos') },
  { place: 'a bucket', storeOf: () => bucketOf('chaos') },
])(
  'through 200 publishes into $place no reader fails on unsigned metadata, and none twice on signed',
  async ({ storeOf }) => {
    const looks = await chaos(200, storeOf, [ownLook(storeOf, 'unsigned')], [ownLook(storeOf, verifyRepomd)]);
    expect(looks.unsigned).toBeGreaterThan(50);
    expect(looks.signed).toBeGreaterThan(looks.failed);
  },
);

test('through 40 publishes into a folder dnf does not fail on unsigned metadata, and not twice on signed', async () => {
  const folder = join(top, 'chaos-dnf');
  const looks = await chaos(
    40,
    () => folderOf('chaos-dnf'),
    [dnfLook(folder, 'repo_gpgcheck=0')],
    [dnfLook(folder, `repo_gpgcheck=1\ngpgkey=file://${keyPath}`)],
  );
  expect(looks.unsigned).toBeGreaterThan(4);
  expect(looks.signed).toBeGreaterThan(looks.failed);
});

describe.each([
  { place: 'a folder', storeOf: folderOf, prefix: 'folder' },
  { place: 'a bucket', storeOf: bucketOf, prefix: 'bucket' },
])('with $place', ({ storeOf, prefix }) => {
  test('killed by the system before or amid any step of a publish or a revert, it is the old or the new, and doing it again ends it', async () => {
    const prepared = storeOf(`${prefix}-prepared`);
    const script = fileURLToPath(new URL('./killed-publisher.ts', import.meta.url));
    const { bucketUrl, credentials } = server;
    const prepare = async (store: RepositoryStore): Promise<string> => {
      for (const revision of [1, 2, 3]) {
        const staged = await stage(revision, ['a', 'b']);
        const signature = signatureOf(staged);
        await publishRepository(staged, store, {
          at: at(revision * 10_000),
          packages: locations(['a', 'b']),
          signature,
          keep: { count: 1 },
        });
      }
      return (await publishedState(store)).generations[0]?.id ?? '';
    };
    const second = await prepare(prepared);
    const attempt = async (task: 'publish' | 'revert', change: number, moment: KilledPublish['moment']) => {
      const name = `${prefix}-${task}-${change}-${moment}`;
      if (prefix === 'folder') cpSync(join(top, `${prefix}-prepared`), join(top, name), { recursive: true });
      else await prepare(storeOf(name));
      const told: KilledPublish = {
        change,
        moment,
        ...(task === 'revert' ? { revertTo: second } : {}),
        ...(prefix === 'folder'
          ? { folder: join(top, name) }
          : { bucket: { bucketUrl, credentials, region: 'x-1', prefix: name } }),
      };
      const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(told)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const signal = await new Promise((resolve) => child.once('close', (_, how) => resolve(how)));
      const store = storeOf(name);
      const next = task === 'publish' ? '4:2' : '2:2';
      expect(['3:2', next]).toContain(await look(store));
      if (task === 'revert') await revertRepository(store, second);
      else {
        const staged = await stage(4, ['b', 'c']);
        const signature = signatureOf(staged);
        await publishRepository(staged, store, {
          at: at(40_000),
          packages: locations(['b', 'c']),
          signature,
          keep: { count: 1 },
        });
      }
      expect(await look(store)).toBe(next);
      await verifyPublished(store, { verifyRepomd: verifySignature });
      return signal === 'SIGKILL';
    };
    for (const [task, atLeast] of [
      ['publish', 10],
      ['revert', 2],
    ] as const) {
      let change = 0;
      for (let killed = true; killed; change++) {
        // Before a change is after the one before it; for a bucket the connection lost there is what that looks like.
        const moments = prefix === 'folder' ? (['amid', 'before'] as const) : (['amid'] as const);
        const outcomes = await Promise.all(moments.map((moment) => attempt(task, change, moment)));
        expect(new Set(outcomes).size).toBe(1);
        killed = outcomes[0] === true;
      }
      expect(change).toBeGreaterThan(atLeast);
    }
  });

  test('of two publishers one wins, the other hears of it, and neither harms what is read', async () => {
    const name = `${prefix}-two`;
    await publishRepository(await stage(1, ['a']), storeOf(name), { at: at(1), packages: locations(['a']) });
    const [one, two] = [await stage(2, ['a', 'b']), await stage(3, ['a', 'c'])];
    const outcomes = await Promise.allSettled([
      publishRepository(one, storeOf(name), { at: at(2), packages: locations(['a', 'b']) }),
      publishRepository(two, storeOf(name), { at: at(2), packages: locations(['a', 'c']) }),
    ]);
    const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(failed).toHaveLength(1);
    expect(failed[0]?.reason).toMatchObject({ code: 'REPO_CONFLICT', fault: { path: 'repodata/repomd.xml' } });
    expect(await look(storeOf(name))).toBe(outcomes[0]?.status === 'fulfilled' ? '2:2' : '3:2');
  });

  test('publishers that begin again after a conflict, from what is there by then, all get their packages in', async () => {
    const name = `${prefix}-many`;
    await publishRepository(await stage(1, ['a']), storeOf(name), { at: at(1), packages: locations(['a']) });
    let conflicts = 0;
    const publisher = async (own: string): Promise<void> => {
      for (;;) {
        const store = storeOf(name);
        const madeFrom = await publishedState(store);
        const revision = Number(madeFrom.repomd?.revision) + 1;
        const names = [...(await namesIn(store)), own].sort();
        const staged = await stage(revision, names);
        try {
          await publishRepository(staged, store, { at: at(revision), packages: locations(names), madeFrom });
          return;
        } catch (error) {
          if ((error as { code?: string }).code !== 'REPO_CONFLICT') throw error;
          conflicts++;
        }
      }
    };
    await Promise.all(['b', 'c', 'd', 'e', 'f'].map(publisher));
    expect(await namesIn(storeOf(name))).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(await look(storeOf(name))).toBe('6:6');
    expect(conflicts).toBeGreaterThan(0);
  });
});

async function namesIn(store: RepositoryStore): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of (await openRepository(store, { verifyRepomd: 'unsigned' })).packages()) names.push(name);
  return names;
}

test('what a publisher left that died between claiming repomd.xml and renaming it does not lock the next one out', async () => {
  const name = 'claimed';
  await publishRepository(await stage(1, ['a']), folderOf(name), { at: at(1), packages: locations(['a']) });
  const staged = await stage(2, ['a']);
  for (const [path, bytes] of staged.files) if (path !== 'repodata/repomd.xml') await folderOf(name).write(path, bytes);
  const { version } = await publishedState(folderOf(name));
  const left = `repodata/repomd.xml.${version}.lock`;
  writeFileSync(join(top, name, left), staged.files.get('repodata/repomd.xml') as Uint8Array);
  const listed: string[] = [];
  for await (const { path } of folderOf(name).list('repodata')) listed.push(path);
  expect(listed).not.toContain(left);
  const publish = async (revision: number) =>
    publishRepository(await stage(revision, ['a']), folderOf(name), { at: at(revision) });
  await expect(publish(3)).rejects.toMatchObject({ code: 'REPO_CONFLICT' });
  expect(await look(folderOf(name))).toBe('2:1');
  await publish(3);
  expect(await look(folderOf(name))).toBe('3:1');
  expect(readdirSync(join(top, name, 'repodata')).filter((file) => /lock|part/.test(file))).toEqual([]);
});

test('whatever a disk has no room for, the old repository stays, and no half of a file', () => {
  const folder = join(top, 'full');
  mkdirSync(folder);
  const script = fileURLToPath(new URL('./full-disk-publisher.ts', import.meta.url));
  const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const mount = `mount -t tmpfs -o size=1m tmpfs '${folder}' && exec "$@"`;
  const publisher = [process.execPath, '--import', 'tsx', script, folder];
  const said = execFileSync('unshare', [...asRoot, '--mount', 'sh', '-c', mount, 'sh', ...publisher], {
    encoding: 'utf8',
  });
  const outcomes = said.trim().split('\n');
  expect(outcomes.pop()).toBe('done 2:3 []');
  // A package, three documents, a generation and its signature, the signature; repomd.xml has the page of the old one.
  expect(outcomes.length).toBeGreaterThanOrEqual(7);
  for (const outcome of outcomes) expect(outcome).toBe('REPO_STORE_FAILED ENOSPC 1:2 []');
});
