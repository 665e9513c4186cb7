/** Keys that must not count: each signature below is intact, and something about its key is not. */
import { Keyring, memorySigner, signDetached, verifyDetached } from '@distrokit/sign';
import { beforeAll, expect, test } from 'vitest';
import { type Gpg, gpgIn } from '../sign/gpg-keys.js';
import { temporaryFolder } from '../sign/judges.js';
import { packet, packetsOfArmor } from '../sign/raw-packets.js';

const text = 'what is signed';
const data = new TextEncoder().encode(text);
const made = '20260101T000000';
const signed = '20260601T000000';
const at = new Date('2026-07-01T00:00:00Z');

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});

const quickKey = async (name: string, usage = 'sign,cert', expires = 'never', time = made): Promise<[Gpg, string]> => {
  const gpg = await gpgIn(folder, name);
  await gpg.run(time, '--quick-generate-key', `${name} <${name}@example.com>`, 'rsa2048', usage, expires);
  return [gpg, (await gpg.fingerprints())[0]!];
};

const statusOf = (signature: Uint8Array, keys: readonly (string | Uint8Array)[], instant = at) =>
  verifyDetached(data, signature, Keyring.from(...keys), { at: instant }).signatures[0];

test('a key that expired before the instant asked about', async () => {
  const [gpg, fingerprint] = await quickKey('expired', 'sign,cert', '2026-06-15');
  const signature = await gpg.sign(signed, fingerprint, text);
  const key = await gpg.publicKey();
  expect(statusOf(signature, [key])).toMatchObject({ status: 'expired-key', fingerprint });
  // The same question about the day of the signature.
  expect(statusOf(signature, [key], new Date('2026-06-01T00:00:00Z'))).toMatchObject({
    status: 'verified',
    fingerprint,
  });
});

test('a key that expired before it signed', async () => {
  const [gpg, fingerprint] = await quickKey('prolonged-back', 'sign,cert', 'never');
  const signature = await gpg.sign(signed, fingerprint, text);
  await gpg.run('20260601T000001', '--quick-set-expire', fingerprint, '20260602T000000');
  expect(statusOf(signature, [await gpg.publicKey()])).toMatchObject({ status: 'expired-key' });
});

test('a prolonged key vouches for what it signed before', async () => {
  const [gpg, fingerprint] = await quickKey('prolonged', 'sign,cert', '2026-06-15');
  const signature = await gpg.sign(signed, fingerprint, text);
  const before = await gpg.publicKey();
  await gpg.run('20260610T000000', '--quick-set-expire', fingerprint, '2030-01-01');
  expect(statusOf(signature, [before])).toMatchObject({ status: 'expired-key' });
  expect(statusOf(signature, [await gpg.publicKey()])).toMatchObject({ status: 'verified' });
  expect(statusOf(signature, [before, await gpg.publicKey()])).toMatchObject({ status: 'verified' });
});

test('a revoked key, also when only one of two copies knows', async () => {
  const [gpg, fingerprint] = await quickKey('revoked');
  const signature = await gpg.sign(signed, fingerprint, text);
  const before = await gpg.publicKey();
  expect(statusOf(signature, [before])).toMatchObject({ status: 'verified' });
  const { readFile, writeFile } = await import('node:fs/promises');
  const path = `${gpg.home}/openpgp-revocs.d/${fingerprint.toUpperCase()}.rev`;
  const certificate = (await readFile(path, 'utf8')).replace(':-----BEGIN', '-----BEGIN');
  await writeFile(`${gpg.home}/revocation`, certificate);
  await gpg.run('20260620T000000', '--import', `${gpg.home}/revocation`);
  const after = await gpg.publicKey();
  expect(statusOf(signature, [after])).toMatchObject({ status: 'revoked-key', fingerprint });
  expect(statusOf(signature, [before, after])).toMatchObject({ status: 'revoked-key' });
  expect(statusOf(signature, [after, before])).toMatchObject({ status: 'revoked-key' });
});

test('a signature from the future, and a key younger than its signature', async () => {
  const [gpg, fingerprint] = await quickKey('future');
  const signature = await gpg.sign('20270101T000000', fingerprint, text);
  expect(statusOf(signature, [await gpg.publicKey()])).toMatchObject({ status: 'bad-signature' });
  expect(statusOf(signature, [await gpg.publicKey()], new Date('2027-01-01T00:00:01Z'))).toMatchObject({
    status: 'verified',
  });
  expect(statusOf(signature, [await gpg.publicKey()], new Date('2025-01-01T00:00:00Z'))).toMatchObject({
    status: 'bad-signature',
  });
});

test('a key for certifying or encrypting only does not sign, whatever its packets can', async () => {
  const [gpg, fingerprint] = await quickKey('certify', 'cert');
  // gpg refuses to sign with it: the same numbers with other flags do.
  const secret = await gpg.secretKey();
  await expect(memorySigner(secret)).rejects.toMatchObject({ code: 'SIGN_BAD_KEY' });
  expect(Keyring.from(await gpg.publicKey()).keys[0]!.fingerprint).toBe(fingerprint);
});

async function withSubkey(name: string): Promise<{ gpg: Gpg; subkey: string; signature: Uint8Array }> {
  const [gpg, primary] = await quickKey(name, 'cert');
  await gpg.run(made, '--quick-add-key', primary, 'rsa2048', 'sign', 'never');
  const subkey = (await gpg.fingerprints())[1]!;
  return { gpg, subkey, signature: await gpg.sign(signed, subkey, text) };
}

test('a signing subkey with binding and signature back counts', async () => {
  const { gpg, subkey, signature } = await withSubkey('subkey');
  expect(statusOf(signature, [await gpg.publicKey()])).toMatchObject({ status: 'verified', fingerprint: subkey });
  const signer = await memorySigner(await gpg.secretKey());
  expect(signer.fingerprint).toBe(subkey);
  const ours = await signDetached(data, signer, { signedAt: new Date('2026-06-01T00:00:00Z') });
  expect(verifyDetached(data, ours, Keyring.from(signer.publicKey), { at }).ok).toBe(true);
});

test('a subkey without binding, bound by another key, or without a signature back does not count', async () => {
  const { gpg, signature } = await withSubkey('unbound');
  const packets = packetsOfArmor(await gpg.publicKey());
  const join = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
  const unbound = join(...packets.slice(0, -1).map(({ bytes }) => bytes));
  expect(packets.map(({ tag }) => tag)).toEqual([6, 13, 2, 14, 2]);
  expect(statusOf(signature, [unbound])).toMatchObject({ status: 'key-cannot-sign' });
  // The binding of another certificate, for another subkey.
  const other = packetsOfArmor(await (await withSubkey('other')).gpg.publicKey());
  const foreign = join(...packets.slice(0, 4).map(({ bytes }) => bytes), other[4]!.bytes);
  expect(statusOf(signature, [foreign])).toMatchObject({ status: 'key-cannot-sign' });
  // A thief puts the subkey below his own primary key: he cannot make the subkey say so.
  const stolen = join(...other.slice(0, 3).map(({ bytes }) => bytes), packets[3]!.bytes, packets[4]!.bytes);
  expect(statusOf(signature, [stolen])).toMatchObject({ status: 'key-cannot-sign' });
  // The same binding without the signature back, which lies in its unsigned part.
  const body = packets[4]!.body;
  const hashedEnd = 6 + ((body[4]! << 8) | body[5]!);
  const unhashedLength = (body[hashedEnd]! << 8) | body[hashedEnd + 1]!;
  const stripped = join(
    body.subarray(0, hashedEnd),
    new Uint8Array([0, 0]),
    body.subarray(hashedEnd + 2 + unhashedLength),
  );
  const bare = join(...packets.slice(0, 4).map(({ bytes }) => bytes), packet(2, stripped));
  expect(statusOf(signature, [bare])).toMatchObject({
    status: 'key-cannot-sign',
    reason: expect.stringContaining('signature back'),
  });
});

test('a revoked and an expired subkey', async () => {
  const { gpg, subkey, signature } = await withSubkey('subkey-states');
  const primary = (await gpg.fingerprints())[0]!;
  await gpg.run('20260602T000000', '--quick-set-expire', primary, '20260610T000000', subkey.toUpperCase());
  expect(statusOf(signature, [await gpg.publicKey()])).toMatchObject({ status: 'expired-key', fingerprint: subkey });
  const { tool } = await import('../sign/judges.js');
  const edited = await tool('sh', [
    '-c',
    `printf 'key 1\\nrevkey\\ny\\n0\\n\\ny\\nsave\\n' | gpg --no-tty --homedir ${gpg.home} --pinentry-mode loopback --passphrase '' --command-fd 0 --faked-system-time '20260605T000000!' --edit-key ${primary}`,
  ]);
  expect(edited.code, edited.stderr).toBe(0);
  expect(statusOf(signature, [await gpg.publicKey()])).toMatchObject({ status: 'revoked-key', fingerprint: subkey });
});

test('SHA-1 in a self-signature counts only from before 2023, and SHA-1 over data never', async () => {
  for (const [name, time, status] of [
    ['sha1-old', '20200101T000000', 'verified'],
    ['sha1-new', '20240101T000000', 'key-cannot-sign'],
  ] as const) {
    const gpg = await gpgIn(folder, name);
    await gpg.run(time, '--cert-digest-algo', 'SHA1', '--quick-generate-key', name, 'rsa2048', 'sign,cert', 'never');
    const [fingerprint] = await gpg.fingerprints();
    expect(statusOf(await gpg.sign(signed, fingerprint!, text), [await gpg.publicKey()]), name).toMatchObject({
      status,
    });
    await gpg.run(signed, '--digest-algo', 'SHA1', '--output', `${gpg.home}/weak`, '--detach-sign', `${gpg.home}/data`);
    const { readFile } = await import('node:fs/promises');
    const weak = new Uint8Array(await readFile(`${gpg.home}/weak`));
    expect(statusOf(weak, [await gpg.publicKey()])).toMatchObject({
      status: 'rejected-algorithm',
      algorithm: 'RSA/SHA1',
    });
  }
});

test('RSA of 1024 bits and DSA are reported, and never verified', async () => {
  for (const kind of ['rsa1024', 'dsa2048']) {
    const gpg = await gpgIn(folder, kind);
    await gpg.run(made, '--quick-generate-key', kind, kind, 'sign,cert', 'never');
    const [fingerprint] = await gpg.fingerprints();
    const signature = await gpg.sign(signed, fingerprint!, text);
    expect(statusOf(signature, [await gpg.publicKey()]), kind).toMatchObject({ status: 'rejected-algorithm' });
    const changed = verifyDetached(new Uint8Array(3), signature, Keyring.from(await gpg.publicKey()), { at });
    expect(changed.signatures[0], kind).toMatchObject({ status: 'bad-signature' });
  }
});

test('a key of an unknown kind in a file takes nothing away from the others, and is named', async () => {
  const [gpg, fingerprint] = await quickKey('mixed');
  const signature = await gpg.sign(signed, fingerprint, text);
  const packets = packetsOfArmor(await gpg.publicKey());
  const unknownAlgorithm = packets[0]!.body.slice();
  unknownAlgorithm[5] = 99;
  const unknownVersion = packets[0]!.body.slice();
  unknownVersion[0] = 9;
  const mixed = new Uint8Array(
    Buffer.concat([packet(6, unknownAlgorithm), packet(6, unknownVersion), ...packets.map(({ bytes }) => bytes)]),
  );
  const keyring = Keyring.from(mixed);
  expect(keyring.keys.map((key) => key.fingerprint)).toEqual([fingerprint]);
  expect(keyring.skipped.map(({ reason }) => reason)).toEqual([
    'algorithm 99 keys cannot be used here',
    expect.stringContaining('found version 9'),
  ]);
  expect(statusOf(signature, [mixed])).toMatchObject({ status: 'verified' });
});

test('junk after a signature, two signatures in one place, and no signature at all are never verified', async () => {
  const [gpg, fingerprint] = await quickKey('junk');
  const signature = await gpg.sign(signed, fingerprint, text);
  const keyring = Keyring.from(await gpg.publicKey());
  for (const junk of [new Uint8Array([1]), new Uint8Array([0xcb, 0x05, 0x62, 0x00, 0, 0, 0]), new Uint8Array(5)]) {
    const report = verifyDetached(data, new Uint8Array(Buffer.concat([signature, junk])), keyring, { at });
    expect(report.signatures.at(-1)!.status).not.toBe('verified');
  }
  for (const nothing of ['', 'text', '-----BEGIN PGP SIGNATURE-----\n\n!!!\n-----END PGP SIGNATURE-----\n']) {
    expect(verifyDetached(data, nothing, keyring, { at }).ok).toBe(false);
  }
  for (let length = 0; length < signature.length; length++) {
    expect(verifyDetached(data, signature.subarray(0, length), keyring, { at }).ok).toBe(false);
  }
});

test('any bytes as keys give a keyring that says what it left out, never an exception or a hang', async () => {
  const [gpg] = await quickKey('noise');
  const bytes = new Uint8Array(Buffer.concat(packetsOfArmor(await gpg.publicKey()).map(({ bytes: one }) => one)));
  let state = 42;
  const random = (limit: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state % limit;
  };
  for (let round = 0; round < 500; round++) {
    const broken = bytes.slice(0, 1 + random(bytes.length));
    for (let i = 0; i < 1 + random(4); i++) broken[random(broken.length)] = random(256);
    const keyring = Keyring.from(broken);
    expect(keyring.keys.length + keyring.skipped.length).toBeGreaterThan(0);
  }
});
