/**
 * Signing and verifying many packages against rpmsign and rpmkeys: wall time, bytes written, and the ratios.
 *
 * The packages are made here, with incompressible payloads; signatures of ours are judged by rpmkeys and the other way
 * round, so that nobody is fast by doing less. Peers run first and last, their mean counts.
 *
 *     node --import tsx bench/sign.ts [packages] [payload bytes]
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { writePackage } from '@distrokit/rpm';
import { generateKey, Keyring, memorySigner, signPackages, verifyPackageFile } from '@distrokit/sign/node';

const count = Number(process.argv[2] ?? 1000);
const payloadBytes = Number(process.argv[3] ?? 262_144);
const signedAt = new Date('2026-11-22T00:00:00Z');
const folder = mkdtempSync(join(tmpdir(), 'distrokit-bench-sign-'));
const home = join(folder, 'gpg');

/** The same bytes in every run, and no two blocks alike. */
function noise(seed: number, bytes: number): Uint8Array {
  const blocks: Buffer[] = [];
  for (let i = 0; i * 64 < bytes; i++) blocks.push(createHash('sha512').update(`${seed} ${i}`).digest());
  return new Uint8Array(Buffer.concat(blocks).subarray(0, bytes));
}

async function makePackages(): Promise<string[]> {
  const plain = join(folder, 'plain');
  mkdirSync(plain);
  const paths: string[] = [];
  for (let i = 0; i < count; i++) {
    const path = join(plain, `bench-${i}-1.0-1.noarch.rpm`);
    const stream = writePackage(
      {
        name: `bench-${i}`,
        version: '1.0',
        release: '1',
        arch: 'noarch',
        summary: 'A package to be signed',
        description: 'A package to be signed.',
        license: 'MIT',
        files: [{ path: `/usr/share/bench/${i}`, type: 'regular', content: noise(i, payloadBytes) }],
      },
      { format: 4, compression: { type: 'none' }, sourceDate: signedAt, buildHost: 'host.example' },
    );
    await pipeline(Readable.from(stream), createWriteStream(path));
    paths.push(path);
  }
  return paths;
}

function copyTo(name: string, paths: readonly string[]): string[] {
  const target = join(folder, name);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  return paths.map((path, i) => {
    const copy = join(target, `${i}.rpm`);
    copyFileSync(path, copy);
    return copy;
  });
}

async function seconds(work: () => Promise<void> | void): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** Bytes that this process and its finished children gave to write calls. */
function writtenBytes(): number {
  return Number(/^wchar: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))![1]);
}

const run = (program: string, args: readonly string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 30 });

try {
  const key = await generateKey({ userId: 'Bench', kind: 'rsa4096', createdAt: new Date('2026-01-01T00:00:00Z') });
  writeFileSync(join(folder, 'secret.asc'), key.privateKey);
  writeFileSync(join(folder, 'public.asc'), key.publicKey);
  mkdirSync(home, { mode: 0o700 });
  run('gpg', ['--homedir', home, '--batch', '--import', join(folder, 'secret.asc')]);
  const database = join(folder, 'rpmdb');
  run('rpmdb', ['--dbpath', database, '--initdb']);
  run('rpmkeys', ['--dbpath', database, '--import', join(folder, 'public.asc')]);
  const plain = await makePackages();
  console.log(`${count} packages of ${payloadBytes} bytes, RSA-4096, ${run('rpm', ['--version']).trim()}`);

  const rpmsign = (paths: readonly string[]): Promise<number> =>
    seconds(() => {
      const defines = [`_gpg_path ${home}`, `_gpg_name ${key.fingerprint}`, '__gpg /usr/bin/gpg'];
      run('rpmsign', [...defines.flatMap((text) => ['--define', text]), '--addsign', ...paths]);
    });
  const rpmkeys = (paths: readonly string[]): Promise<number> =>
    seconds(() => void run('rpmkeys', ['--dbpath', database, '--define', '_pkgverify_level all', '-K', ...paths]));

  const theirs = copyTo('theirs', plain);
  const signFirst = await rpmsign(theirs);
  const ours = copyTo('ours', plain);
  const signer = await memorySigner(key.privateKey);
  const before = writtenBytes();
  const signOurs = await seconds(async () => {
    const report = await signPackages(ours, signer, { signedAt });
    if (!report.ok || report.results.some((one) => one.status !== 'signed' || !one.inPlace)) {
      throw new Error('not every package was signed in place');
    }
  });
  const written = writtenBytes() - before;
  const signLast = await rpmsign(copyTo('theirs-again', plain));
  const signTheirs = (signFirst + signLast) / 2;
  const per = (total: number): string => `${((total / count) * 1000).toFixed(2)} ms each`;
  console.log(`sign    rpmsign ${signTheirs.toFixed(2)} s (${per(signTheirs)})`);
  console.log(
    `        ours    ${signOurs.toFixed(2)} s (${per(signOurs)})  ratio ${(signOurs / signTheirs).toFixed(3)}`,
  );
  console.log(`        ours wrote ${written} bytes, ${(written / (count * payloadBytes)).toFixed(4)} of the packages`);

  const keyring = Keyring.from(key.publicKey);
  const at = new Date(Date.now() + 60_000);
  const verifyOurs = (paths: readonly string[]): Promise<number> =>
    seconds(async () => {
      let next = 0;
      const work = async (): Promise<void> => {
        while (next < paths.length) {
          const report = await verifyPackageFile(paths[next++]!, keyring, { at, payload: true });
          if (!report.ok) throw new Error('a signed package was not verified');
        }
      };
      await Promise.all(Array.from({ length: 4 }, work));
    });
  const verifyFirst = await rpmkeys(ours);
  const mine = await verifyOurs(theirs);
  const verifyLast = await rpmkeys(ours);
  const verifyTheirs = (verifyFirst + verifyLast) / 2;
  console.log(`verify  rpmkeys ${verifyTheirs.toFixed(2)} s (${per(verifyTheirs)})`);
  console.log(`        ours    ${mine.toFixed(2)} s (${per(mine)})  ratio ${(mine / verifyTheirs).toFixed(3)}`);
} finally {
  run('gpgconf', ['--homedir', home, '--kill', 'all']);
  rmSync(folder, { recursive: true, force: true });
}
