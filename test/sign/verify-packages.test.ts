/** Many files verified at once: the same verdicts as one by one, with threads (in the compiled package) and without. */
import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readPackage, writePackage } from '@distrokit/rpm';
import {
  generateKey,
  type KeyKind,
  Keyring,
  memorySigner,
  signPackageFile,
  verifyPackage,
  verifyPackageFile,
  verifyPackageFiles,
} from '@distrokit/sign/node';
import { beforeAll, expect, test } from 'vitest';
import { buildPackage, collect, rpmkeysOfMany, temporaryFolder } from './judges.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const createdAt = new Date('2026-01-01T00:00:00Z');
const signedAt = new Date('2026-11-22T00:00:00Z');
const at = new Date('2026-11-23T00:00:00Z');
const options = { at, payload: true } as const;

let folder: string;
/** Two good packages by each key, and one of every kind of trouble. */
let paths: string[];
let keys: string[];

beforeAll(async () => {
  folder = await temporaryFolder();
  // More than one read of the file, and a header that is longer than one.
  const big = (
    await buildPackage(folder, {
      name: 'big',
      content: `${'0123456789abcdef'.repeat(40_000)}\n`,
      define: ['_binary_payload w0.gzdio'],
    })
  ).binary;
  const small = (await buildPackage(folder)).binary;
  const longHeader = join(folder, 'long.rpm');
  const manifest = {
    ...{ name: 'long', version: '1', release: '1', arch: 'noarch', summary: 'Long', license: 'MIT' },
    description: 'A long text. '.repeat(40_000),
  };
  const written = {
    format: 4,
    compression: { type: 'gzip' },
    sourceDate: createdAt,
    buildHost: 'host.example',
  } as const;
  await writeFile(longHeader, await collect(writePackage(manifest, written)));
  const place = (name: string): string => join(folder, `${name}.rpm`);
  const kinds: KeyKind[] = ['rsa3072', 'eddsa', 'ecdsa-p256'];
  paths = [];
  keys = [];
  for (const kind of kinds) {
    const key = await generateKey({ userId: kind, kind, createdAt });
    keys.push(key.publicKey);
    const signer = await memorySigner(key.privateKey);
    for (const from of [small, big, longHeader]) {
      const path = place(`${kind}-${paths.length}`);
      await copyFile(from, path);
      await signPackageFile(path, signer, { signedAt });
      paths.push(path);
    }
  }
  const changed = async (name: string, change: (bytes: Buffer) => Buffer): Promise<void> => {
    const path = place(name);
    await writeFile(path, change(await readFile(paths[1]!)));
    paths.push(path);
  };
  await changed('payload', (bytes) => bytes.fill(bytes.at(-9)! ^ 1, bytes.length - 9, bytes.length - 8));
  await changed('truncated', (bytes) => bytes.subarray(0, 5000));
  await changed('cut', (bytes) => bytes.subarray(0, bytes.length - 1));
  await changed('text', () => Buffer.from('no package'));
  await changed('empty', () => Buffer.alloc(0));
  await changed('md5', (bytes) => {
    const md5 = readMd5(bytes);
    bytes[bytes.indexOf(md5)]! ^= 1;
    return bytes;
  });
  await copyFile(small, place('unsigned'));
  paths.push(place('unsigned'), join(folder, 'missing.rpm'), folder);
});

/** The bytes of SIGMD5, found through its index entry: tag 1004, type 7. */
function readMd5(bytes: Buffer): Buffer {
  const entry = bytes.indexOf(Buffer.from([0, 0, 3, 0xec, 0, 0, 0, 7]));
  const store = 96 + 16 + bytes.readUInt32BE(96 + 8) * 16;
  const start = store + bytes.readUInt32BE(entry + 8);
  return bytes.subarray(start, start + 16);
}

test('each file gets the report that it gets alone and in memory, and what cannot be read says why', async () => {
  const keyring = Keyring.from(...keys.slice(0, 2));
  const heard: string[] = [];
  const { results, ok } = await verifyPackageFiles(paths, keyring, {
    ...options,
    onResult: ({ path }) => heard.push(path),
  });
  expect(ok).toBe(false);
  expect(heard.toSorted()).toEqual(paths.toSorted());
  for (const [i, result] of results.entries()) {
    const alone = await verifyPackageFile(paths[i]!, keyring, options).catch((error: NodeJS.ErrnoException) => error);
    if (alone instanceof Error) {
      expect(result).toEqual({ path: paths[i], status: 'unreadable', code: alone.code, reason: alone.message });
      continue;
    }
    expect(result).toEqual({ path: paths[i], status: alone.ok ? 'verified' : 'not-verified', report: alone });
    const bytes = new Uint8Array(await readFile(paths[i]!));
    expect(alone).toEqual(await verifyPackage(await readPackage(bytes), keyring, options));
  }
  expect(results.map((one) => (one.status === 'unreadable' ? one.code : one.status))).toEqual([
    ...Array.from({ length: 6 }, () => 'verified'),
    // The key of these is not in the keyring.
    ...Array.from({ length: 3 }, () => 'not-verified'),
    'not-verified',
    'RPM_TRUNCATED',
    'not-verified',
    'RPM_BAD_MAGIC',
    'RPM_TRUNCATED',
    'not-verified',
    'not-verified',
    'RPM_SOURCE_FAILED',
    'RPM_SOURCE_FAILED',
  ]);
});

test('rpmkeys refuses what is not verified, and accepts what is', async () => {
  // rpm 4.18 takes no ECDSA key.
  const known = keys.slice(0, 2);
  const { results } = await verifyPackageFiles(paths, Keyring.from(...known), options);
  const theirs = await rpmkeysOfMany(folder, paths, known);
  for (const { path, status } of results)
    expect([path, theirs.get(path) ?? false]).toEqual([path, status === 'verified']);
});

test('a wrong MD5 is found as rpm 4 finds it, unless it is not asked for', async () => {
  const keyring = Keyring.from(...keys);
  const path = join(folder, 'md5.rpm');
  const asked = await verifyPackageFile(path, keyring, options);
  expect([asked.ok, asked.digests.payload.md5?.status]).toEqual([false, 'mismatch']);
  const { results, ok } = await verifyPackageFiles([path], keyring, { ...options, legacy: false });
  expect(ok).toBe(true);
  expect(results[0]).toMatchObject({ report: { digests: { payload: { md5: { status: 'not-checked' } } } } });
});

test('no package at all is not ok, an unknown option and a missing instant are refused', async () => {
  const keyring = Keyring.from(...keys);
  expect(await verifyPackageFiles([], keyring, options)).toEqual({ results: [], ok: false });
  await expect(verifyPackageFiles(paths, keyring, { at, paylod: true } as never)).rejects.toThrow(TypeError);
  await expect(verifyPackageFiles(paths, keyring, {} as never)).rejects.toThrow(TypeError);
  await expect(verifyPackageFiles(paths, keyring, { at, threads: -1 })).rejects.toThrow(RangeError);
});

test('aborting rejects with the reason', async () => {
  const reason = new Error('enough');
  const controller = new AbortController();
  const onResult = (): void => controller.abort(reason);
  const many = Array.from({ length: 100 }, () => paths[0]!);
  const verified = verifyPackageFiles(many, Keyring.from(...keys), { ...options, signal: controller.signal, onResult });
  await expect(verified).rejects.toBe(reason);
});

test('threads give the same reports in the same order as one file after the other', async () => {
  const many = join(folder, 'many');
  await mkdir(many);
  for (let i = 0; i < 400; i++)
    await symlink(paths[i % (paths.length - 2)]!, join(many, `${String(i).padStart(3, '0')}.rpm`));
  for (const [i, key] of keys.entries()) await writeFile(join(many, `${i}.asc`), key);
  // As `npm run build` compiles it, from the sources of now.
  const compiler = join(root, 'node_modules/tsup/dist/cli-default.js');
  execFileSync(process.execPath, [compiler, '--silent', '--no-dts', '--out-dir', join(folder, 'dist')], {
    cwd: join(root, 'packages/sign'),
  });
  await copyFile(join(root, 'packages/sign/package.json'), join(folder, 'package.json'));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  const script = join(folder, 'script.mjs');
  await writeFile(
    script,
    `import { readdirSync, readFileSync } from 'node:fs';
    import { Keyring, verifyPackageFile, verifyPackageFiles } from './dist/node.js';
    const names = readdirSync('many').sort();
    const paths = names.filter((name) => name.endsWith('.rpm')).map((name) => 'many/' + name);
    const threadCount = () => readdirSync('/proc/self/task').length;
    const options = { at: new Date('${at.toISOString()}'), payload: true };
    const answers = [];
    for (const used of [['0.asc'], ['0.asc', '1.asc', '2.asc']]) {
      const keyring = Keyring.from(...used.map((name) => readFileSync('many/' + name)));
      const alone = [];
      for (const path of paths) {
        alone.push(await verifyPackageFile(path, keyring, options).then(
          (report) => ({ path, status: report.ok ? 'verified' : 'not-verified', report }),
          (error) => ({ path, status: 'unreadable', code: error.code, reason: error.message }),
        ));
      }
      const before = threadCount();
      let most = 0;
      const onResult = () => { most = Math.max(most, threadCount()); };
      const { results } = await verifyPackageFiles(paths, keyring, { ...options, onResult });
      answers.push({
        same: JSON.stringify(results) === JSON.stringify(alone),
        threads: most - before,
        verified: results.filter(({ status }) => status === 'verified').length,
      });
    }
    process.stdout.write(JSON.stringify(answers));`,
  );
  const [one, all] = JSON.parse(execFileSync(process.execPath, [script], { cwd: folder, encoding: 'utf8' })) as {
    readonly same: boolean;
    readonly threads: number;
    readonly verified: number;
  }[];
  expect([one!.same, all!.same]).toEqual([true, true]);
  expect(all!.verified).toBeGreaterThan(one!.verified);
  expect(one!.verified).toBeGreaterThan(0);
  expect(Math.min(one!.threads, all!.threads)).toBeGreaterThan(0);
});
