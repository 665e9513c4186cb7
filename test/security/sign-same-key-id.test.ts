/** Two real keys with one key id: a signature counts for the key that made it, and for no other. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readPackage } from '@distrokit/rpm';
import {
  Keyring,
  memorySigner,
  type SignatureStatus,
  signPackage,
  verifyDetached,
  verifyPackage,
} from '@distrokit/sign';
import { expect, test } from 'vitest';
import { twinKeys } from '../fixtures/same-key-id.js';
import { buildPackage, collect, rpmkeys, temporaryFolder, tool } from '../sign/judges.js';

const signedAt = new Date('2026-06-01T00:00:00Z');
const at = new Date('2026-07-01T00:00:00Z');
const data = new TextEncoder().encode('what is signed');
const twins = twinKeys();
const [one, other] = twins;

const status = (signature: Uint8Array, keys: readonly Uint8Array[], signed = data): SignatureStatus =>
  verifyDetached(signed, signature, Keyring.from(...keys), { at }).signatures[0]!;

const both = [one.publicKey, other.publicKey];
const orders = [both, both.toReversed()];

test('gpg takes both for keys with one id and two fingerprints', async () => {
  const home = await temporaryFolder();
  for (const [index, { secretKey, fingerprint, keyId }] of twins.entries()) {
    const file = join(home, `${index}.pgp`);
    await writeFile(file, secretKey);
    const gpg = (...args: string[]): ReturnType<typeof tool> =>
      tool('gpg', ['--homedir', home, '--batch', '--with-colons', ...args]);
    expect((await gpg('--import', file)).code).toBe(0);
    const { stdout } = await gpg('--list-secret-keys', fingerprint);
    expect(stdout).toContain(`fpr:::::::::${fingerprint.toUpperCase()}:`);
    expect(stdout).toContain(`:${keyId.toUpperCase()}:`);
  }
  expect(one.keyId).toBe(other.keyId);
  expect(one.fingerprint).not.toBe(other.fingerprint);
});

test('a signature that names the key id alone is verified by the key that made it, in whatever order the keys come', () => {
  for (const keys of orders) {
    for (const { sign, fingerprint, keyId } of twins) {
      expect(status(sign(data, { type: 0, at: signedAt }), keys)).toMatchObject({
        status: 'verified',
        fingerprint,
        keyId,
      });
    }
  }
});

test('a signature by the other key is bad where only one of the two is trusted', () => {
  for (const [trusted, maker] of [twins, twins.toReversed()] as const) {
    const found = status(maker!.sign(data, { type: 0, at: signedAt }), [trusted!.publicKey]);
    expect(found).toMatchObject({ status: 'bad-signature' });
  }
});

test('a signature whose signed part names the other key is by none: the key id does not help it', () => {
  for (const [named, maker] of [twins, twins.toReversed()] as const) {
    const { fingerprint } = named!;
    const signature = maker!.sign(data, { type: 0, at: signedAt, fingerprint });
    for (const keys of orders) expect(status(signature, keys)).toMatchObject({ status: 'bad-signature', fingerprint });
    expect(status(signature, [maker!.publicKey])).toMatchObject({ status: 'unknown-key' });
  }
});

test('a signature over other bytes is bad, whichever key is asked', () => {
  for (const keys of orders) {
    for (const { sign } of twins) {
      const signature = sign(data, { type: 0, at: signedAt });
      // The two bytes of the digest that a packet shows, made to fit: the numbers have to decide.
      const forged = signature.slice();
      // Behind them stands a number of 256 bytes, after its length in bits.
      expect(Buffer.from(signature).readUInt16BE(signature.length - 258)).toBeGreaterThan(2040);
      const elsewhere = sign(data.subarray(1), { type: 0, at: signedAt });
      forged.set(elsewhere.subarray(-260, -258), forged.length - 260);
      expect(status(signature, keys, data.subarray(1))).toMatchObject({ status: 'bad-signature' });
      expect(status(forged, keys, data.subarray(1))).toMatchObject({ status: 'bad-signature' });
    }
  }
});

test('a revoked key takes nothing from the other one, and gets nothing from it', () => {
  for (const [gone, good] of [twins, twins.toReversed()] as const) {
    const keys = [gone!.revoked(new Date('2026-03-01T00:00:00Z')), good!.publicKey];
    for (const order of [keys, keys.toReversed()]) {
      const by = ({ sign }: (typeof twins)[number]): SignatureStatus =>
        status(sign(data, { type: 0, at: signedAt }), order);
      expect(by(gone!)).toMatchObject({ status: 'revoked-key', fingerprint: gone!.fingerprint });
      expect(by(good!)).toMatchObject({ status: 'verified', fingerprint: good!.fingerprint });
    }
  }
});

test('gpg verifies a signature that names its key by fingerprint with the same key', async () => {
  const home = await temporaryFolder();
  const ring = join(home, 'ring.pgp');
  await writeFile(ring, Buffer.concat(both));
  await writeFile(join(home, 'data'), data);
  for (const { sign, fingerprint } of twins) {
    const signature = sign(data, { type: 0, at: signedAt, fingerprint });
    await writeFile(join(home, 'data.sig'), signature);
    const { code, stdout } = await tool('gpgv', [
      ...['--homedir', home, '--keyring', ring, '--status-fd', '1'],
      ...[join(home, 'data.sig'), join(home, 'data')],
    ]);
    expect(stdout).toContain(`VALIDSIG ${fingerprint.toUpperCase()} `);
    expect(code).toBe(0);
    expect(status(signature, both)).toMatchObject({ status: 'verified', fingerprint });
  }
});

test('a package is verified by the key that signed it, with both in the keyring, and by none with the other alone', async () => {
  const folder = await temporaryFolder();
  const { binary } = await buildPackage(folder);
  const unsigned = await readPackage(new Uint8Array(await readFile(binary)));
  const signers = await Promise.all(twins.map(({ secretKey }) => memorySigner(secretKey)));
  for (const [index, signer] of signers.entries()) {
    const { fingerprint } = signer;
    const signed = await signPackage(unsigned, signer, { signedAt });
    const bytes = await collect(signed.bytes());
    for (const keys of orders) {
      const report = await verifyPackage(await readPackage(bytes), Keyring.from(...keys), { at, payload: true });
      expect(report).toMatchObject({ ok: true, signatures: [{ status: 'verified', fingerprint }] });
    }
    const keyring = Keyring.from(twins[1 - index]!.publicKey);
    expect((await verifyPackage(await readPackage(bytes), keyring, { at })).ok).toBe(false);
    // rpm keeps one key for an id: it is asked with one at a time.
    const path = join(folder, `${index}.rpm`);
    await writeFile(path, bytes);
    expect((await rpmkeys(folder, path, [signer.publicKey])).ok).toBe(true);
    expect((await rpmkeys(folder, path, [signers[1 - index]!.publicKey])).ok).toBe(false);
  }
});
