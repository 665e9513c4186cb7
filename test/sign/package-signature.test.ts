import { copyFile, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readPackage } from '@distrokit/rpm';
import {
  changePackageFile,
  deleteSignatures,
  type GeneratedKey,
  generateKey,
  type KeyKind,
  Keyring,
  listSignatures,
  memorySigner,
  signPackage,
  signPackageFile,
  verifyPackage,
  verifyPackageFile,
} from '@distrokit/sign/node';
import { beforeAll, expect, test } from 'vitest';
import { buildPackage, collect, rpmkeys, temporaryFolder } from './judges.js';

const createdAt = new Date('2026-01-01T00:00:00Z');
const signedAt = new Date('2026-11-22T00:00:00Z');
const at = new Date('2026-11-23T00:00:00Z');

let folder: string;
let unsigned: string;
const keys = new Map<KeyKind, GeneratedKey>();

async function key(kind: KeyKind): Promise<GeneratedKey> {
  let known = keys.get(kind);
  if (!known) {
    known = await generateKey({ userId: `Test ${kind} <test@example.com>`, kind, createdAt });
    keys.set(kind, known);
  }
  return known;
}

beforeAll(async () => {
  folder = await temporaryFolder();
  unsigned = (await buildPackage(folder)).binary;
});

for (const kind of ['rsa4096', 'eddsa'] as const) {
  test(`rpmkeys accepts what signPackageFile makes in place with an ${kind} key`, async () => {
    const path = join(folder, `${kind}.rpm`);
    await copyFile(unsigned, path);
    const { privateKey, publicKey, fingerprint } = await key(kind);
    const change = await signPackageFile(path, await memorySigner(privateKey), { signedAt });
    expect(change.inPlace).toBe(true);
    expect((await stat(path)).size).toBe((await stat(unsigned)).size);
    const judged = await rpmkeys(folder, path, [publicKey]);
    expect(judged.lines.join('\n')).toMatch(/Header V4 (RSA|EdDSA)\/SHA256 Signature, key ID [0-9a-f]{8}: OK/);
    expect(judged.ok).toBe(true);
    const report = await verifyPackageFile(path, Keyring.from(publicKey), { at, payload: true });
    expect(report.ok).toBe(true);
    expect(report.signatures).toMatchObject([{ status: 'verified', fingerprint, signedAt, covers: 'header' }]);
  });
}

test('an unsigned package is not ok, and a package signed by another key is not either', async () => {
  const { publicKey } = await key('eddsa');
  const pkg = await readPackage(new Uint8Array(await readFile(unsigned)));
  const keyring = Keyring.from(publicKey);
  expect(await verifyPackage(pkg, keyring, { at })).toMatchObject({ ok: false, signatures: [] });
  const signed = await signPackage(pkg, await memorySigner((await key('rsa4096')).privateKey), { signedAt });
  const bytes = await collect(signed.bytes());
  const report = await verifyPackage(await readPackage(bytes), keyring, { at });
  expect(report).toMatchObject({ ok: false, signatures: [{ status: 'unknown-key' }] });
});

test('deleting a signature gives back the bytes of the unsigned package', async () => {
  const path = join(folder, 'deleted.rpm');
  await copyFile(unsigned, path);
  await signPackageFile(path, await memorySigner((await key('rsa4096')).privateKey), { signedAt });
  expect(await readFile(path)).not.toEqual(await readFile(unsigned));
  await changePackageFile(path, (pkg) => deleteSignatures(pkg));
  expect(await readFile(path)).toEqual(await readFile(unsigned));
});

test('the same key, package and time give the same bytes', async () => {
  const pkg = await readPackage(new Uint8Array(await readFile(unsigned)));
  for (const kind of ['rsa4096', 'eddsa', 'ecdsa-p256', 'v6-ed25519'] as const) {
    const signer = await memorySigner((await key(kind)).privateKey);
    const placement = kind === 'v6-ed25519' ? 'openpgp' : 'v4';
    const [first, second] = [
      await signPackage(pkg, signer, { signedAt, placement }),
      await signPackage(pkg, signer, { signedAt, placement }),
    ];
    expect(first.signatureHeader.bytes()).toEqual(second.signatureHeader.bytes());
    const report = await verifyPackage(
      await readPackage(await collect(first.bytes())),
      Keyring.from((await key(kind)).publicKey),
      { at, payload: true },
    );
    expect(report).toMatchObject({ ok: true, signatures: [{ status: 'verified' }] });
  }
});

test('refuses an option it does not know, and a missing instant', async () => {
  const pkg = await readPackage(new Uint8Array(await readFile(unsigned)));
  const keyring = Keyring.from();
  const misspelt = { at, paylod: true } as { at: Date };
  await expect(verifyPackage(pkg, keyring, misspelt)).rejects.toThrow(
    new TypeError('"paylod" is no option of verifyPackage'),
  );
  await expect(verifyPackage(pkg, keyring, {} as { at: Date })).rejects.toThrow(TypeError);
});

test('never signs a package whose payload does not match its digests', async () => {
  const bytes = new Uint8Array(await readFile(unsigned));
  bytes[bytes.length - 10]! ^= 1;
  const signer = await memorySigner((await key('eddsa')).privateKey);
  await expect(signPackage(await readPackage(bytes), signer, { signedAt })).rejects.toMatchObject({
    code: 'SIGN_DIGEST_MISMATCH',
    fault: { package: 'hello-1.0-1.noarch', digests: expect.arrayContaining(['payload md5', 'payload sha256']) },
  });
});

test('lists what a signature claims', async () => {
  const pkg = await readPackage(new Uint8Array(await readFile(unsigned)));
  const { privateKey, fingerprint } = await key('eddsa');
  const signed = await signPackage(pkg, await memorySigner(privateKey), { signedAt });
  const listed = listSignatures(await readPackage(await collect(signed.bytes())));
  expect(listed).toMatchObject([
    { tag: 'DSA', covers: 'header', algorithm: 'EdDSA/SHA256', version: 4, fingerprint, signedAt },
  ]);
});
