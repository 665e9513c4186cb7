import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateKey, Keyring, memorySigner, signPackages, verifyPackageFile } from '@distrokit/sign/node';
import { expect, test } from 'vitest';
import { buildPackage, rpmkeysOfMany, temporaryFolder } from '../sign/judges.js';

const createdAt = new Date('2026-01-01T00:00:00Z');
const signedAt = new Date('2026-11-22T00:00:00Z');
const PACKAGES = 200;

/** Starts a signing process; kills it `killAfterMs` after its work began, unless it is done before. */
async function signUntilKilled(folder: string, keyFile: string, killAfterMs: number): Promise<number | null> {
  const script = new URL('./sign-packages-process.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--import', 'tsx', script, folder, keyFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  const timer = setTimeout(() => child.kill('SIGKILL'), killAfterMs);
  const [code] = (await ended) as [number | null];
  clearTimeout(timer);
  return code;
}

test('a killed run leaves each of 200 packages old or new, and later runs complete the work', async () => {
  const folder = await temporaryFolder();
  const packages = join(folder, 'packages');
  await mkdir(packages);
  // Half of the packages have no room for the signature: they are written anew rather than in place.
  const roomy = (await buildPackage(folder, { name: 'roomy' })).binary;
  const tight = (await buildPackage(folder, { name: 'tight', define: ['__gpg_reserved_space 1'] })).binary;
  const paths: string[] = [];
  for (let i = 0; i < PACKAGES; i++) {
    const path = join(packages, `p${String(i).padStart(3, '0')}.rpm`);
    await copyFile(i % 2 ? roomy : tight, path);
    paths.push(path);
  }
  const key = await generateKey({ userId: 'Killed', kind: 'rsa4096', createdAt });
  const keyFile = join(folder, 'key.asc');
  await writeFile(keyFile, key.privateKey);
  const signer = await memorySigner(key.privateKey);
  const old = await Promise.all([tight, roomy].map((path) => readFile(path)));
  const reference = join(folder, 'reference');
  await mkdir(reference);
  const references = [join(reference, 'tight.rpm'), join(reference, 'roomy.rpm')];
  await copyFile(tight, references[0]!);
  await copyFile(roomy, references[1]!);
  await signPackages(references, signer, { signedAt });
  const fresh = await Promise.all(references.map((path) => readFile(path)));

  const signedSoFar: number[] = [];
  let code: number | null = null;
  for (let round = 0; round < 20 && code === null; round++) {
    code = await signUntilKilled(packages, keyFile, 30 * 1.6 ** round);
    let signed = 0;
    for (const [i, path] of paths.entries()) {
      const bytes = await readFile(path);
      const isNew = bytes.equals(fresh[i % 2]!);
      expect(isNew || bytes.equals(old[i % 2]!), `${path} is neither old nor new after round ${round}`).toBe(true);
      if (isNew) signed++;
    }
    signedSoFar.push(signed);
  }
  expect(code).toBe(0);
  // It was really killed in the middle of the work, and no run undid what an earlier one did.
  expect(signedSoFar.some((count) => count > 0 && count < PACKAGES)).toBe(true);
  expect(signedSoFar).toEqual(signedSoFar.toSorted((a, b) => a - b));
  expect((await readdir(packages)).filter((name) => name.startsWith('.'))).toEqual([]);
  const verdicts = await rpmkeysOfMany(folder, paths, [key.publicKey]);
  expect(paths.filter((path) => !verdicts.get(path))).toEqual([]);
}, 120_000);

/** What is written before a file is touched: where the bytes go, how many, and the bytes. */
function journalOf(offset: number, bytes: Uint8Array): Buffer {
  const place = Buffer.alloc(8);
  place.writeUInt32BE(offset, 0);
  place.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([Buffer.from('distrokit signature header 2\n'), place, bytes]);
}

test('a write that stopped half way is completed from its journal', async () => {
  const folder = await temporaryFolder();
  const { binary } = await buildPackage(folder, { name: 'torn' });
  const old = await readFile(binary);
  const key = await generateKey({ userId: 'Torn', kind: 'eddsa', createdAt });
  const signer = await memorySigner(key.privateKey);
  await signPackages([binary], signer, { signedAt });
  const signed = await readFile(binary);
  // The state after a kill between two pages of the write: the journal is there, the second page is still the old one.
  const journal = join(binary, '..', '.torn-1.0-1.noarch.rpm.signing');
  await writeFile(binary, Buffer.concat([signed.subarray(0, 4096), old.subarray(4096)]));
  const { readPackage } = await import('@distrokit/rpm');
  const { headerRange } = await readPackage(new Uint8Array(signed));
  expect(headerRange.start).toBeGreaterThan(4096);
  await writeFile(journal, journalOf(96, signed.subarray(96, headerRange.start)));
  const keyring = Keyring.from(key.publicKey);
  const report = await signPackages([binary], signer, { signedAt, keyring });
  expect(report.ok).toBe(true);
  expect(await readFile(binary)).toEqual(signed);
  expect((await verifyPackageFile(binary, keyring, { at: signedAt, payload: true })).ok).toBe(true);
});

test('a journal of another file is thrown away, not played', async () => {
  const folder = await temporaryFolder();
  const one = (await buildPackage(folder, { name: 'one' })).binary;
  const other = (await buildPackage(folder, { name: 'other', content: 'other\n' })).binary;
  const key = await generateKey({ userId: 'Stale', kind: 'eddsa', createdAt });
  const signer = await memorySigner(key.privateKey);
  const expected = join(folder, 'expected.rpm');
  await copyFile(one, expected);
  await signPackages([expected, other], signer, { signedAt });
  const foreign = (await readFile(other)).subarray(96, 96 + 4500);
  await writeFile(join(one, '..', '.one-1.0-1.noarch.rpm.signing'), journalOf(96, foreign));
  expect(await signPackages([one], signer, { signedAt })).toMatchObject({ ok: true });
  expect(await readFile(one)).toEqual(await readFile(expected));
});

test('a journal that is cut off, empty or of another kind is thrown away', async () => {
  const folder = await temporaryFolder();
  const { binary } = await buildPackage(folder, { name: 'odd' });
  const before = await readFile(binary);
  const key = await generateKey({ userId: 'Odd', kind: 'eddsa', createdAt });
  const expected = join(folder, 'expected.rpm');
  await copyFile(binary, expected);
  await signPackages([expected], await memorySigner(key.privateKey), { signedAt });
  const whole = journalOf(96, (await readFile(expected)).subarray(96, 4000));
  const odd = [
    Buffer.alloc(0),
    Buffer.from('x'),
    whole.subarray(0, 33),
    whole.subarray(0, -1),
    journalOf(0, before.subarray(0, 200)),
  ];
  // Two stretches in the wrong order.
  odd.push(
    Buffer.concat([journalOf(3000, before.subarray(3000, 3100)), journalOf(96, before.subarray(96, 200)).subarray(29)]),
  );
  for (const journal of odd) {
    await writeFile(binary, before);
    await writeFile(join(binary, '..', '.odd-1.0-1.noarch.rpm.signing'), journal);
    expect(await signPackages([binary], await memorySigner(key.privateKey), { signedAt })).toMatchObject({ ok: true });
    expect((await readFile(binary)).equals(await readFile(expected))).toBe(true);
  }
});

test('a package that is broken, missing or no package is refused, and the others are signed', async () => {
  const folder = await temporaryFolder();
  const { binary } = await buildPackage(folder, { name: 'good' });
  const broken = join(folder, 'broken.rpm');
  const bytes = await readFile(binary);
  bytes[bytes.length - 5]! ^= 1;
  await writeFile(broken, bytes);
  const text = join(folder, 'text.rpm');
  await writeFile(text, 'no package');
  const key = await generateKey({ userId: 'Some', kind: 'eddsa', createdAt });
  const paths = [broken, binary, text, join(folder, 'missing.rpm')];
  const report = await signPackages(paths, await memorySigner(key.privateKey), { signedAt, maxConcurrent: 2 });
  expect(report).toMatchObject({
    ok: false,
    results: [
      { path: broken, status: 'refused', code: 'SIGN_DIGEST_MISMATCH' },
      { path: binary, status: 'signed', inPlace: true },
      { path: text, status: 'refused', code: 'RPM_BAD_MAGIC' },
      { status: 'refused', code: 'ENOENT' },
    ],
  });
  expect(await readFile(broken)).toEqual(bytes);
});

test('a folder that takes no new file leaves the package as it was', async () => {
  const folder = await temporaryFolder();
  const key = await generateKey({ userId: 'Full', kind: 'eddsa', createdAt });
  const signer = await memorySigner(key.privateKey);
  for (const reserved of ['4096', '1']) {
    const name = `full${reserved}`;
    const { binary } = await buildPackage(folder, { name, define: [`__gpg_reserved_space ${reserved}`] });
    const place = join(folder, `place-${name}`);
    await mkdir(place);
    const path = join(place, 'x.rpm');
    await copyFile(binary, path);
    const before = await readFile(path);
    // Folders where the new files should go: an obstacle that holds for root as well.
    const obstacles = ['.x.rpm.signing.part', '.x.rpm.signed.part'].map((name) => join(place, name, 'in-the-way'));
    for (const obstacle of obstacles) await mkdir(obstacle, { recursive: true });
    const report = await signPackages([path], signer, { signedAt });
    expect(report).toMatchObject({ ok: false, results: [{ status: 'refused' }] });
    expect(await readFile(path)).toEqual(before);
  }
});
