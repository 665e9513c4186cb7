import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readPackage } from '@distrokit/rpm';
import {
  deleteSignatures,
  fileSignatures,
  generateKey,
  imaSigner,
  Keyring,
  memorySigner,
  signFiles,
  signPackage,
  verifyPackage,
} from '@distrokit/sign/node';
import { beforeAll, expect, test } from 'vitest';
import { buildPackage, collect, rpmkeys, temporaryFolder, tool } from './judges.js';

const signedAt = new Date('2026-11-22T00:00:00Z');

let folder: string;
let unsigned: Uint8Array;
let pem: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  unsigned = new Uint8Array(await readFile((await buildPackage(folder)).binary));
  pem = join(folder, 'ima.pem');
  await tool('openssl', ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', pem]);
});

test('each file gets a signature that openssl accepts over its digest, and rpm shows it', async () => {
  const signer = imaSigner(await readFile(pem));
  const bytes = await collect((await signFiles(await readPackage(unsigned), signer)).bytes());
  const path = join(folder, 'ima.rpm');
  await writeFile(path, bytes);
  const { stdout } = await tool('rpm', ['-qp', '--qf', '[%{FILENAMES} %{FILEDIGESTS} %{FILESIGNATURES}\\n]', path]);
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' '));
  expect(rows.map(([name, digest, signature]) => [name, digest !== '', signature !== ''])).toEqual([
    ['/usr/share/hello', false, false],
    ['/usr/share/hello/text', true, true],
  ]);
  const [, digest, signature] = rows[1]!;
  // Digital signature, version 2, SHA-256, key id, length.
  const head = signature!.slice(0, 18);
  expect(head).toBe(`030204${signer.keyId}0100`);
  await writeFile(join(folder, 'digest'), Buffer.from(digest!, 'hex'));
  await writeFile(join(folder, 'signature'), Buffer.from(signature!.slice(18), 'hex'));
  const verify = [
    'pkeyutl',
    '-verify',
    '-inkey',
    pem,
    '-in',
    join(folder, 'digest'),
    '-sigfile',
    join(folder, 'signature'),
  ];
  const judged = await tool('openssl', [...verify, '-pkeyopt', 'digest:sha256']);
  expect(judged.stdout).toContain('Verified Successfully');
});

test('file signatures stay when a package is signed, signed again and unsigned', async () => {
  const key = await generateKey({ userId: 'Test', kind: 'rsa3072', createdAt: new Date('2026-01-01T00:00:00Z') });
  const openPgp = await memorySigner(key.privateKey);
  const withFiles = await collect(
    (await signFiles(await readPackage(unsigned), imaSigner(await readFile(pem)))).bytes(),
  );
  const pkg = await readPackage(withFiles);
  const before = fileSignatures(pkg);
  expect(before.length).toBe(2);
  const signed = await signPackage(pkg, openPgp, { signedAt });
  expect(signed.fitsInPlace).toBe(true);
  const bytes = await collect(signed.bytes());
  expect(fileSignatures(await readPackage(bytes))).toEqual(before);
  const path = join(folder, 'both.rpm');
  await writeFile(path, bytes);
  expect((await rpmkeys(folder, path, [key.publicKey])).ok).toBe(true);
  const report = await verifyPackage(await readPackage(bytes), Keyring.from(key.publicKey), {
    at: signedAt,
    payload: true,
  });
  expect(report.ok).toBe(true);
  const again = await collect((await signPackage(await readPackage(bytes), openPgp, { signedAt })).bytes());
  expect(Buffer.from(again).equals(bytes)).toBe(true);
  const bare = await collect(deleteSignatures(await readPackage(bytes)).bytes());
  expect(Buffer.from(bare).equals(withFiles)).toBe(true);
});

test('a key that is no RSA private key is refused without a part of it in the message', async () => {
  expect(() => imaSigner('SECRET')).toThrow(expect.objectContaining({ code: 'SIGN_BAD_KEY' }));
  expect(() => imaSigner('SECRET')).not.toThrow(/SECRET/);
  const ec = join(folder, 'ec.pem');
  await tool('openssl', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', ec]);
  const text = await readFile(ec, 'utf8');
  expect(() => imaSigner(text)).toThrow(expect.objectContaining({ code: 'SIGN_BAD_KEY' }));
});
