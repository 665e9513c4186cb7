import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  assertDetached,
  clearSign,
  type GeneratedKey,
  generateKey,
  Keyring,
  memorySigner,
  repomdVerifier,
  signDetached,
  verifyClearSigned,
  verifyDetached,
} from '@distrokit/sign';
import { beforeAll, expect, test } from 'vitest';
import { temporaryFolder, tool } from './judges.js';

const createdAt = new Date('2026-01-01T00:00:00Z');
const signedAt = new Date('2026-11-22T00:00:00Z');
const at = new Date('2026-11-23T00:00:00Z');
const repomd = new TextEncoder().encode('<?xml version="1.0"?>\n<repomd/>\n');

let folder: string;
let rsa: GeneratedKey;
let eddsa: GeneratedKey;

beforeAll(async () => {
  folder = await temporaryFolder();
  rsa = await generateKey({ userId: 'Repository <repo@example.com>', kind: 'rsa3072', createdAt });
  eddsa = await generateKey({ userId: 'Other', kind: 'eddsa', createdAt });
});

/** gpg with exactly this public key. */
async function gpgVerify(publicKey: string, ...files: string[]): Promise<string> {
  const home = await temporaryHome(publicKey);
  const { stdout } = await tool('gpg', ['--homedir', home, '--batch', '--status-fd', '1', '--verify', ...files]);
  return stdout;
}

async function temporaryHome(publicKey: string): Promise<string> {
  const home = join(folder, `gpg-${Math.abs(hash(publicKey))}`);
  await tool('mkdir', ['-p', '-m', '700', home]);
  const file = join(home, 'key.asc');
  await writeFile(file, publicKey);
  const imported = await tool('gpg', ['--homedir', home, '--batch', '--import', file]);
  expect(imported.code, imported.stderr).toBe(0);
  return home;
}

function hash(text: string): number {
  let sum = 0;
  for (const character of text) sum = (sum * 31 + character.charCodeAt(0)) | 0;
  return sum;
}

test('gpg and sq accept a detached signature over repomd.xml', async () => {
  for (const key of [rsa, eddsa]) {
    const signature = await signDetached(repomd, await memorySigner(key.privateKey), { signedAt });
    const [data, detached, cert] = [
      join(folder, 'repomd.xml'),
      join(folder, 'repomd.xml.asc'),
      join(folder, 'key.asc'),
    ];
    await writeFile(data, repomd);
    await writeFile(detached, signature);
    await writeFile(cert, key.publicKey);
    expect(await gpgVerify(key.publicKey, detached, data)).toContain(`VALIDSIG ${key.fingerprint.toUpperCase()}`);
    const sq = await tool('sq', ['verify', '--signer-cert', cert, '--detached', detached, data]);
    expect(sq.code, sq.stderr).toBe(0);
  }
});

test('verifies its own and gpg’s detached signatures, and refuses changed data', async () => {
  const home = join(folder, 'gpg-own');
  await tool('mkdir', ['-p', '-m', '700', home]);
  const gpg = (...args: string[]) =>
    tool('gpg', ['--homedir', home, '--batch', '--pinentry-mode', 'loopback', '--passphrase', '', ...args]);
  expect((await gpg('--quick-generate-key', 'Gpg <gpg@example.com>', 'rsa2048', 'sign', 'never')).code).toBe(0);
  const data = join(folder, 'data');
  await writeFile(data, repomd);
  for (const options of [[], ['--armor'], ['--armor', '--textmode'], ['--digest-algo', 'SHA512']]) {
    const made = await tool('gpg', [
      '--homedir',
      home,
      '--batch',
      '--yes',
      ...options,
      '--output',
      `${data}.sig`,
      '--detach-sign',
      data,
    ]);
    expect(made.code, made.stderr).toBe(0);
    const keyring = Keyring.from((await tool('gpg', ['--homedir', home, '--armor', '--export'])).stdout);
    const { readFile } = await import('node:fs/promises');
    const signature = await readFile(`${data}.sig`);
    const later = { at: new Date(Date.now() + 60_000) };
    expect(verifyDetached(repomd, signature, keyring, later), options.join()).toMatchObject({ ok: true });
    const changed = repomd.slice();
    changed[3]! ^= 1;
    expect(verifyDetached(changed, signature, keyring, later)).toMatchObject({
      ok: false,
      signatures: [{ status: 'bad-signature' }],
    });
  }
});

test('a verifier for repomd.xml resolves for a good signature and says why for others', async () => {
  const signature = new TextEncoder().encode(
    await signDetached(repomd, await memorySigner(rsa.privateKey), { signedAt }),
  );
  await expect(repomdVerifier(Keyring.from(rsa.publicKey), { at })(repomd, signature)).resolves.toBeUndefined();
  await expect(repomdVerifier(Keyring.from(eddsa.publicKey), { at })(repomd, signature)).rejects.toMatchObject({
    code: 'SIGN_NOT_VERIFIED',
    fault: { what: 'repomd.xml', statuses: ['unknown-key (no key of the keyring made it)'] },
  });
  await expect(repomdVerifier(Keyring.from(rsa.publicKey), { at })(repomd, new Uint8Array(0))).rejects.toMatchObject({
    fault: { statuses: [] },
  });
});

test('several signatures count as signed when one is by a known key', async () => {
  const both = (
    await Promise.all(
      [eddsa, rsa].map(async (key) => signDetached(repomd, await memorySigner(key.privateKey), { signedAt })),
    )
  ).join('\n');
  const report = verifyDetached(repomd, both, Keyring.from(rsa.publicKey), { at });
  expect(report).toMatchObject({ ok: true, signatures: [{ status: 'unknown-key' }, { status: 'verified' }] });
  expect(() => assertDetached(report)).not.toThrow();
});

const checksum = ['# comment  ', '-dash', 'SHA256 (a.iso) = 00', '', '--- three', 'last without end'].join('\n');
const covered = checksum.replace('comment  ', 'comment');

test('gpg and sq accept a clear-signed CHECKSUM, and so do we', async () => {
  for (const key of [rsa, eddsa]) {
    const message = await clearSign(checksum, await memorySigner(key.privateKey), { signedAt });
    const path = join(folder, 'CHECKSUM');
    await writeFile(path, message);
    expect(await gpgVerify(key.publicKey, path)).toContain(`VALIDSIG ${key.fingerprint.toUpperCase()}`);
    const cert = join(folder, 'checksum-key.asc');
    await writeFile(cert, key.publicKey);
    const sq = await tool('sq', ['verify', '--signer-cert', cert, path]);
    expect(sq.code, sq.stderr).toBe(0);
    // White space at line ends is not signed: neither gives it back.
    expect(sq.stdout.trimEnd()).toBe(covered);
    expect(verifyClearSigned(message, Keyring.from(key.publicKey), { at })).toMatchObject({
      ok: true,
      text: `${covered}\n`,
    });
  }
});

test('what stands outside the signed part of a clear-signed text is neither believed nor returned', async () => {
  const message = await clearSign(checksum, await memorySigner(rsa.privateKey), { signedAt });
  const keyring = Keyring.from(rsa.publicKey);
  const around = `evil above\n${message}evil below\n`;
  expect(verifyClearSigned(around, keyring, { at }).text).toBe(`${covered}\n`);
  // A megabyte of spaces inside a line takes no longer than other text.
  const spaces = `a${' '.repeat(1_000_000)}b\n`;
  const long = await clearSign(spaces, await memorySigner(rsa.privateKey), { signedAt });
  expect(verifyClearSigned(long, keyring, { at })).toMatchObject({ ok: true, text: spaces });
  const padded = message.replace('-dash\n', '-dash \t \n');
  expect(verifyClearSigned(padded, keyring, { at })).toMatchObject({ ok: true, text: `${covered}\n` });
  expect(verifyClearSigned(message.replace('00', '01'), keyring, { at }).ok).toBe(false);
  const smuggled = message.replace('\n\n', '\nSHA256 (evil.iso) = 11\n\n');
  expect(() => verifyClearSigned(smuggled, keyring, { at })).toThrow(
    expect.objectContaining({ code: 'SIGN_BAD_ARMOR' }),
  );
  expect(() => verifyClearSigned(message + message, keyring, { at })).toThrow(
    expect.objectContaining({ code: 'SIGN_BAD_ARMOR' }),
  );
});
