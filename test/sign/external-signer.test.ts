import { createPrivateKey, sign as nodeSign } from 'node:crypto';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readPackage } from '@distrokit/rpm';
import {
  clearSign,
  commandSigner,
  digestSigner,
  type GeneratedKey,
  generateKey,
  gpgSigner,
  Keyring,
  memorySigner,
  signDetached,
  signPackage,
  signPackageFile,
  verifyClearSigned,
  verifyDetached,
  verifyPackageFile,
} from '@distrokit/sign/node';
import { beforeAll, expect, test } from 'vitest';
import { buildPackage, rpmkeys, temporaryFolder, tool } from './judges.js';

const createdAt = new Date('2026-01-01T00:00:00Z');
const signedAt = new Date('2026-11-22T00:00:00Z');
const at = new Date('2026-11-23T00:00:00Z');
const data = new TextEncoder().encode('data');

let folder: string;
let home: string;
let unsigned: string;
let key: GeneratedKey;

beforeAll(async () => {
  folder = await temporaryFolder();
  unsigned = (await buildPackage(folder)).binary;
  key = await generateKey({ userId: 'Signer <s@example.com>', kind: 'rsa3072', createdAt });
  home = join(folder, 'gpg');
  await tool('mkdir', ['-m', '700', home]);
  const file = join(folder, 'secret.asc');
  await writeFile(file, key.privateKey);
  const imported = await tool('gpg', ['--homedir', home, '--batch', '--import', file]);
  expect(imported.code, imported.stderr).toBe(0);
});

test('rpmkeys accepts a package that gpg signed for us', async () => {
  const path = join(folder, 'gpg.rpm');
  await copyFile(unsigned, path);
  const signer = gpgSigner({ fingerprint: key.fingerprint, homeFolder: home });
  expect(await signPackageFile(path, signer, { signedAt })).toMatchObject({ inPlace: true });
  expect((await rpmkeys(folder, path, [key.publicKey])).ok).toBe(true);
  const report = await verifyPackageFile(path, Keyring.from(key.publicKey), { at, payload: true });
  expect(report).toMatchObject({ ok: true, signatures: [{ status: 'verified', signedAt }] });
});

test('gpg signs for us with keys of every curve, with a hash that is long enough', async () => {
  const curves = {
    nistp256: 'SHA256',
    nistp384: 'SHA384',
    nistp521: 'SHA512',
    brainpoolP384r1: 'SHA384',
    ed25519: 'SHA256',
  };
  for (const [curve, hash] of Object.entries(curves)) {
    const own = join(folder, `gpg-${curve}`);
    await tool('mkdir', ['-m', '700', own]);
    const gpg = (...args: string[]): ReturnType<typeof tool> =>
      tool('gpg', ['--homedir', own, '--batch', '--pinentry-mode', 'loopback', '--passphrase', '', ...args]);
    await gpg('--faked-system-time', '20260101T000000!', '--quick-generate-key', curve, curve, 'sign,cert', 'never');
    const [, fingerprint] = /^fpr:.*:([0-9A-F]{40}):/m.exec((await gpg('--with-colons', '--list-keys')).stdout)!;
    const signature = await signDetached(data, gpgSigner({ fingerprint: fingerprint!, homeFolder: own }), { signedAt });
    const keyring = Keyring.from((await gpg('--armor', '--export')).stdout);
    const report = verifyDetached(data, signature, keyring, { at });
    expect([curve, report.ok, report.signatures[0]!.hash]).toEqual([curve, true, hash]);
  }
});

test('gpg clear-signs for us too', async () => {
  const signer = gpgSigner({ fingerprint: key.fingerprint, homeFolder: home });
  const message = await clearSign('one\ntwo\n', signer, { signedAt });
  expect(verifyClearSigned(message, Keyring.from(key.publicKey), { at })).toMatchObject({
    ok: true,
    text: 'one\ntwo\n',
  });
});

test('gpg without that key says which key it lacks', async () => {
  const signer = gpgSigner({ fingerprint: 'ab'.repeat(20), homeFolder: home });
  await expect(signer.sign(data, { signedAt })).rejects.toMatchObject({
    code: 'SIGN_SIGNER_FAILED',
    message: expect.stringContaining('No secret key'),
  });
});

test('any command that writes one signature can sign', async () => {
  const program = join(folder, 'sign.sh');
  const gpg = `gpg --homedir ${home} --batch --quiet --local-user ${key.fingerprint}! --faked-system-time "$1!"`;
  await writeFile(program, `#!/bin/sh\nexec ${gpg} --armor --detach-sign\n`, { mode: 0o755 });
  const signer = commandSigner(key.fingerprint, (options) => ({
    program,
    args: [String(options.signedAt.getTime() / 1000)],
  }));
  const signature = await signDetached(data, signer, { signedAt });
  expect(verifyDetached(data, signature, Keyring.from(key.publicKey), { at })).toMatchObject({ ok: true });
});

test('a command that is missing, fails, writes too much or something else gives a coded error without its output', async () => {
  const failing = (script: string) =>
    signDetached(
      data,
      commandSigner('aa', () => ({ program: '/bin/sh', args: ['-c', script] })),
      { signedAt },
    );
  const missing = commandSigner('aa', () => ({ program: '/no/such/program', args: [] }));
  const errors = await Promise.allSettled([
    signDetached(data, missing, { signedAt }),
    failing('echo SECRET >&2; exit 3'),
    failing('yes SECRET'),
    failing('echo SECRET'),
    failing('printf "\\302\\001\\004"'),
  ]);
  for (const outcome of errors) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'SIGN_SIGNER_FAILED' } });
    if (outcome.status === 'rejected') expect(outcome.reason.message).not.toContain('SECRET');
  }
});

test('aborting ends the command', async () => {
  const signer = commandSigner('aa', () => ({ program: '/bin/sleep', args: ['60'] }));
  const stop = new AbortController();
  const waiting = signer.sign(data, { signedAt, signal: stop.signal });
  stop.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
});

test('a key service that signs digests can sign packages, and a wrong answer of it is caught', async () => {
  const pem = join(folder, 'kms.pem');
  await tool('openssl', ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:3072', '-out', pem]);
  const service = createPrivateKey(await readFile(pem));
  const publicKey = await publicKeyOfService(service.export({ format: 'jwk' }) as Jwk);
  const signer = digestSigner(publicKey, async ({ digest, hash }) => {
    expect(hash).toBe('sha256');
    const info = Buffer.concat([Buffer.from('3031300d060960864801650304020105000420', 'hex'), digest]);
    const { privateEncrypt, constants } = await import('node:crypto');
    return new Uint8Array(privateEncrypt({ key: service, padding: constants.RSA_PKCS1_PADDING }, info));
  });
  const path = join(folder, 'kms.rpm');
  await copyFile(unsigned, path);
  await signPackageFile(path, signer, { signedAt });
  expect((await rpmkeys(folder, path, [publicKey])).ok).toBe(true);
  const liar = digestSigner(publicKey, async () => new Uint8Array(nodeSign('sha256', data, service)));
  const pkg = await readPackage(new Uint8Array(await readFile(unsigned)));
  await expect(signPackage(pkg, liar, { signedAt })).rejects.toMatchObject({ code: 'SIGN_SIGNER_FAILED' });
});

interface Jwk {
  readonly n: string;
  readonly e: string;
  readonly d: string;
  readonly p: string;
  readonly q: string;
}

/** An OpenPGP certificate around an RSA key that was made elsewhere, by gpg's own reading of a key without user id. */
async function publicKeyOfService(jwk: Jwk): Promise<string> {
  const openpgp = await import('openpgp');
  const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64url'));
  const { privateKey } = await openpgp.generateKey({
    type: 'rsa',
    rsaBits: 3072,
    userIDs: [{ name: 'Service' }],
    subkeys: [],
    date: createdAt,
    format: 'object',
  });
  const big = (text: string): bigint => BigInt(`0x${Buffer.from(bytes(text)).toString('hex')}`);
  const inverse = (a: bigint, m: bigint): bigint => {
    let [r, s, x, y] = [a % m, m, 1n, 0n];
    while (s) [r, s, x, y] = [s, r % s, y, x - (r / s) * y];
    return ((x % m) + m) % m;
  };
  const u = inverse(big(jwk.p), big(jwk.q)).toString(16);
  const packet = privateKey.keyPacket as unknown as {
    publicParams: unknown;
    privateParams: unknown;
    computeFingerprintAndKeyID(): Promise<void>;
  };
  packet.publicParams = { n: bytes(jwk.n), e: bytes(jwk.e) };
  packet.privateParams = {
    d: bytes(jwk.d),
    p: bytes(jwk.p),
    q: bytes(jwk.q),
    u: new Uint8Array(Buffer.from(u.length % 2 ? `0${u}` : u, 'hex')),
  };
  await packet.computeFingerprintAndKeyID();
  const resigned = await openpgp.reformatKey({
    privateKey,
    userIDs: [{ name: 'Service' }],
    date: createdAt,
    format: 'object',
  });
  return resigned.publicKey.armor();
}

test('a locked key needs its passphrase, and no error holds a part of it', async () => {
  const locked = await generateKey({ userId: 'Locked', kind: 'eddsa', createdAt, passphrase: 'open sesame' });
  await expect(memorySigner(locked.privateKey)).rejects.toMatchObject({ code: 'SIGN_BAD_KEY' });
  const wrong = memorySigner(locked.privateKey, { passphrase: 'wrong words' });
  await expect(wrong).rejects.toMatchObject({ code: 'SIGN_BAD_KEY' });
  await expect(wrong).rejects.not.toThrow(/wrong words|sesame/);
  const signer = await memorySigner(locked.privateKey, { passphrase: 'open sesame' });
  const signature = await signDetached(data, signer, { signedAt });
  expect(verifyDetached(data, signature, Keyring.from(locked.publicKey), { at }).ok).toBe(true);
  const broken = locked.privateKey.replace(/[A-Za-z0-9]{30}/, '');
  await expect(memorySigner(broken)).rejects.toMatchObject({ code: expect.stringMatching(/SIGN_BAD_(ARMOR|KEY)/) });
});

test('signs with keys of every kind, and refuses to sign when the key is not yet or no longer good', async () => {
  for (const kind of ['rsa3072', 'eddsa', 'ecdsa-p256', 'ecdsa-p384', 'v6-ed25519'] as const) {
    const expiresAt = new Date('2027-01-01T00:00:00Z');
    const made = await generateKey({ userId: kind, kind, createdAt, expiresAt });
    const signer = await memorySigner(made.privateKey);
    const signature = await signDetached(data, signer, { signedAt });
    expect(verifyDetached(data, signature, Keyring.from(made.publicKey), { at }), kind).toMatchObject({ ok: true });
    for (const bad of ['2025-12-31T23:59:59Z', '2027-01-01T00:00:00Z']) {
      await expect(signDetached(data, signer, { signedAt: new Date(bad) })).rejects.toMatchObject({
        code: 'SIGN_SIGNER_FAILED',
      });
    }
  }
});
