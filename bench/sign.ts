/**
 * Signing and verifying many packages against rpmsign and rpmkeys: wall time, bytes written, and the ratios.
 *
 * The packages are rpmbuild's, with incompressible payloads; signatures of ours are judged by rpmkeys and the other way
 * round, so that nobody is fast by doing less. Verifying is a process of its own on both sides, start included, with the
 * compiled package on ours; `in process` leaves the start out. rpm checks the MD5 over header and payload too: `without MD5`
 * leaves it out on our side, as rpm 6 does. Rounds alternate; ratios are medians of the pairs.
 *
 *     node --import tsx bench/sign.ts [packages = 1000] [payload bytes = 262144] [rounds = 5]
 *     node --import tsx bench/sign.ts 200 1430000
 */
import './plain-environment.js';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generateKey, memorySigner, signPackages } from '@distrokit/sign/node';
import { median } from './c-peer.js';

const count = Number(process.argv[2] ?? 1000);
const payloadBytes = Number(process.argv[3] ?? 262_144);
const rounds = Number(process.argv[4] ?? 5);
const signedAt = new Date('2026-11-22T00:00:00Z');
const folder = mkdtempSync(join(tmpdir(), 'distrokit-bench-sign-'));
const home = join(folder, 'gpg');

/** The same bytes in every run, and no two blocks alike. */
function noise(seed: number, bytes: number): Uint8Array {
  const blocks: Buffer[] = [];
  for (let i = 0; i * 64 < bytes; i++) blocks.push(createHash('sha512').update(`${seed} ${i}`).digest());
  return new Uint8Array(Buffer.concat(blocks).subarray(0, bytes));
}

/** One spec with a subpackage for each, so that rpmbuild starts once. */
function makePackages(): string[] {
  const content = join(folder, 'content');
  mkdirSync(content);
  const numbers = Array.from({ length: count }, (_, i) => i);
  for (const i of numbers) writeFileSync(join(content, String(i)), noise(i, payloadBytes));
  const spec = join(folder, 'bench.spec');
  writeFileSync(
    spec,
    [
      'Name: bench\nVersion: 1.0\nRelease: 1\nSummary: Packages to be signed\nLicense: MIT\nBuildArch: noarch',
      '%description\nPackages to be signed.',
      ...numbers.map(
        (i) => `%package -n bench-${i}\nSummary: A package to be signed\n%description -n bench-${i}\nOne.`,
      ),
      `%install\nmkdir -p %{buildroot}/usr/share/bench\ncp ${content}/* %{buildroot}/usr/share/bench/`,
      ...numbers.map((i) => `%files -n bench-${i}\n/usr/share/bench/${i}`),
      '',
    ].join('\n'),
  );
  const defines = [`_topdir ${folder}/top`, '_binary_payload w1.zstdio', '__os_install_post %{nil}'];
  run('rpmbuild', ['-bb', '--quiet', ...defines.flatMap((text) => ['--define', text]), spec]);
  const made = join(folder, 'top/RPMS/noarch');
  return readdirSync(made).map((name) => join(made, name));
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
  const plain = makePackages();
  console.log(`${count} packages of ${payloadBytes} bytes, RSA-4096, ${run('rpm', ['--version']).trim()}`);

  const rpmsign = (paths: readonly string[]): Promise<number> =>
    seconds(() => {
      const defines = [`_gpg_path ${home}`, `_gpg_name ${key.fingerprint}`, '__gpg /usr/bin/gpg'];
      run('rpmsign', [...defines.flatMap((text) => ['--define', text]), '--addsign', ...paths]);
    });
  // Signing takes rpmsign half a minute: it comes first and last, and its mean counts.
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
  const per = (total: number): string => `${total.toFixed(2)} s (${((total / count) * 1000).toFixed(2)} ms each)`;
  console.log(`sign    rpmsign ${per(signTheirs)}`);
  console.log(`        ours    ${per(signOurs)}  ratio ${(signOurs / signTheirs).toFixed(3)}`);
  console.log(`        ours wrote ${written} bytes, ${(written / (count * payloadBytes)).toFixed(4)} of the packages`);

  const rpmkeys = (paths: readonly string[]): Promise<number> =>
    seconds(() => void run('rpmkeys', ['--dbpath', database, '--define', '_pkgverify_level all', '-K', ...paths]));
  const verifier = fileURLToPath(new URL('./verify-process.mjs', import.meta.url));
  const verifyOurs = async (legacy: boolean): Promise<{ readonly wall: number; readonly inside: number }> => {
    let inside = 0;
    const args = [verifier, join(folder, 'public.asc'), join(folder, 'theirs'), legacy ? 'legacy' : 'modern'];
    const wall = await seconds(() => {
      inside = Number(run(process.execPath, args));
    });
    return { wall, inside };
  };
  for (const [name, legacy] of [
    ['with MD5   ', true],
    ['without MD5', false],
  ] as const) {
    await rpmkeys(ours);
    await verifyOurs(legacy);
    const pairs: { readonly theirs: number; readonly wall: number; readonly inside: number }[] = [];
    for (let round = 0; round < rounds; round++)
      pairs.push({ theirs: await rpmkeys(ours), ...(await verifyOurs(legacy)) });
    const middle = (of: (pair: (typeof pairs)[number]) => number): number => median(pairs.map(of));
    console.log(
      `verify  ${name} rpmkeys ${per(middle(({ theirs }) => theirs))}, ours ${per(middle(({ wall }) => wall))}  ratio ${middle((pair) => pair.wall / pair.theirs).toFixed(2)}, in process ${middle((pair) => pair.inside / pair.theirs).toFixed(2)}`,
    );
  }
} finally {
  run('gpgconf', ['--homedir', home, '--kill', 'all']);
  rmSync(folder, { recursive: true, force: true });
}
