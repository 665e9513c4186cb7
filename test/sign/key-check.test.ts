/** What clients make of a key, held against rpm 4.18 (built-in parser, as EL8 to EL9 have) and sqv (Sequoia, as EL10 and Fedora have). */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { allClients, type Client, checkKey, generateKey, type KeyProblem, planRotation } from '@distrokit/sign';
import { beforeAll, expect, test } from 'vitest';
import { gpgIn } from './gpg-keys.js';
import { temporaryFolder, tool } from './judges.js';
import { packet, packetsOfArmor } from './raw-packets.js';

const made = '20260101T000000';
const createdAt = new Date('2026-01-01T00:00:00Z');
const at = new Date('2026-11-22T00:00:00Z');

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});

const works = (key: string | Uint8Array, instant = at): Partial<Record<Client, boolean>> =>
  Object.fromEntries(checkKey(key, allClients, instant).map((verdict) => [verdict.client, verdict.works]));

const kinds = (key: string | Uint8Array, client: Client, instant = at): KeyProblem['kind'][] =>
  checkKey(key, [client], instant)[0]!.problems.map(({ kind }) => kind);

async function gpgKey(name: string, time: string, ...args: string[]): Promise<Awaited<ReturnType<typeof gpgIn>>> {
  const gpg = await gpgIn(folder, name);
  await gpg.run(time, ...args);
  return gpg;
}

/** Whether Debian's rpm imports it. */
async function rpmImports(key: string): Promise<boolean> {
  const [database, file] = [join(folder, `db-${Math.random()}`), join(folder, 'import.asc')];
  await writeFile(file, key);
  await tool('rpmdb', ['--dbpath', database, '--initdb']);
  return (await tool('rpmkeys', ['--dbpath', database, '--import', file])).code === 0;
}

/** Whether Sequoia's sqv accepts a signature by it. */
async function sqvAccepts(gpg: Awaited<ReturnType<typeof gpgIn>>, key: string, time: string): Promise<boolean> {
  const [keyring, signature] = [join(gpg.home, 'key.asc'), join(gpg.home, 'sqv.sig')];
  await writeFile(keyring, await gpg.publicKey());
  await writeFile(signature, await gpg.sign(time, key, 'data'));
  return (await tool('sqv', ['--keyring', keyring, signature, join(gpg.home, 'data')])).code === 0;
}

test('a new RSA key works everywhere, and rpm imports it', async () => {
  const { publicKey } = await generateKey({ userId: 'Good', kind: 'rsa4096', createdAt });
  expect(works(publicKey)).toEqual({ el8: true, suse: true, el9: true, el10: true, fedora: true });
  expect(checkKey(publicKey, allClients, at).flatMap(({ problems }) => problems)).toEqual([]);
  expect(await rpmImports(publicKey)).toBe(true);
});

test('algorithms work where they are known', async () => {
  const key = async (kind: Parameters<typeof generateKey>[0]['kind']) =>
    (await generateKey({ userId: kind, kind, createdAt })).publicKey;
  expect(works(await key('eddsa'))).toEqual({ el8: false, suse: true, el9: false, el10: true, fedora: true });
  expect(works(await key('ecdsa-p256'))).toEqual({ el8: false, suse: false, el9: false, el10: true, fedora: true });
  expect(works(await key('v6-ed25519'))).toEqual({ el8: false, suse: false, el9: false, el10: false, fedora: true });
  const brainpool = await gpgKey(
    'brainpool',
    made,
    '--quick-generate-key',
    'Brain',
    'brainpoolP384r1',
    'sign,cert',
    'never',
  );
  expect(Object.values(works(await brainpool.publicKey()))).toEqual([false, false, false, false, false]);
  // Debian 12's parser is that of EL9 with EdDSA.
  expect(await rpmImports(await key('ecdsa-p256'))).toBe(false);
  expect(await rpmImports(await key('v6-ed25519'))).toBe(false);
});

test('a SHA-1 self-signature stops clients since EL9, as sqv does', async () => {
  const sha1 = await gpgKey(
    'sha1',
    made,
    '--cert-digest-algo',
    'SHA1',
    '--quick-generate-key',
    'Old',
    'rsa2048',
    'sign,cert',
    'never',
  );
  const key = await sha1.publicKey();
  const [fingerprint] = await sha1.fingerprints();
  expect(kinds(key, 'el9')).toEqual(['weak-self-signature']);
  expect(kinds(key, 'el10')).toEqual(['weak-self-signature']);
  expect(await sqvAccepts(sha1, fingerprint!, '20260601T000000')).toBe(false);
  const problem = checkKey(key, ['el9'], at)[0]!.problems[0]!;
  expect(problem).toMatchObject({
    severity: 'stops',
    reason: expect.stringContaining('SHA1'),
    remedy: expect.stringContaining('SHA-256'),
  });
  // Doing what the remedy says helps.
  await sha1.run('20260602T000000', '--cert-digest-algo', 'SHA256', '--quick-set-expire', fingerprint!, '2040-01-01');
  expect(works(await sha1.publicKey())).toMatchObject({ el9: true, el10: true });
  expect(await sqvAccepts(sha1, fingerprint!, '20260603T000000')).toBe(true);
});

test('an old SHA-1 self-signature still works on EL8, and not since EL9', async () => {
  const old = await gpgKey(
    'sha1-2015',
    '20150101T000000',
    '--cert-digest-algo',
    'SHA1',
    '--quick-generate-key',
    'Ancient',
    'rsa2048',
    'sign,cert',
    'never',
  );
  const key = await old.publicKey();
  expect(works(key)).toEqual({ el8: true, suse: true, el9: false, el10: false, fedora: false });
  expect(await rpmImports(key)).toBe(true);
});

test('expiry: warned of in time, refused by Sequoia, ignored by older rpm for packages', async () => {
  const gpg = await gpgKey('expiring', made, '--quick-generate-key', 'Ends', 'rsa2048', 'sign,cert', '2026-12-22');
  const key = await gpg.publicKey();
  expect(kinds(key, 'el9', new Date('2026-08-01T00:00:00Z'))).toEqual([]);
  expect(checkKey(key, ['fedora'], at)[0]).toMatchObject({
    works: true,
    problems: [
      {
        kind: 'expires-soon',
        severity: 'warns',
        reason: expect.stringMatching(/^it expires in 3[01] days, 2026-12-22$/),
      },
    ],
  });
  const later = new Date('2027-01-01T00:00:00Z');
  expect(works(key, later)).toEqual({ el8: true, suse: true, el9: true, el10: false, fedora: false });
  expect(checkKey(key, ['el10'], later)[0]!.problems[0]!.reason).toBe(
    'the key expired 2026-12-22; packages that it signed before are still taken, new ones are not',
  );
  expect(works(key, new Date('2025-01-01T00:00:00Z'))).toMatchObject({ el8: false, fedora: false });
  await gpg.run('20261101T000000', '--quick-set-expire', (await gpg.fingerprints())[0]!, '2030-01-01');
  expect(kinds(await gpg.publicKey(), 'fedora', later)).toEqual(['prolonged']);
});

test('subkeys: without a signature back they stop Sequoia, and a primary that does not sign worries dnf5', async () => {
  const gpg = await gpgKey('subkeys', made, '--quick-generate-key', 'Sub', 'rsa2048', 'cert', 'never');
  const [primary] = await gpg.fingerprints();
  expect(kinds(await gpg.publicKey(), 'el9')).toEqual(['cannot-sign']);
  await gpg.run(made, '--quick-add-key', primary!, 'rsa2048', 'sign', 'never');
  const good = await gpg.publicKey();
  expect(works(good)).toEqual({ el8: true, suse: true, el9: true, el10: true, fedora: true });
  expect(kinds(good, 'fedora')).toEqual(['signs-with-subkey']);
  const packets = packetsOfArmor(good);
  const body = packets[4]!.body;
  const hashedEnd = 6 + ((body[4]! << 8) | body[5]!);
  const unhashed = (body[hashedEnd]! << 8) | body[hashedEnd + 1]!;
  const stripped = Buffer.concat([
    body.subarray(0, hashedEnd),
    Buffer.from([0, 0]),
    body.subarray(hashedEnd + 2 + unhashed),
  ]);
  const bare = new Uint8Array(Buffer.concat([...packets.slice(0, 4).map(({ bytes }) => bytes), packet(2, stripped)]));
  expect(kinds(bare, 'el10')).toContain('no-cross-signature');
  expect(works(bare)).toMatchObject({ el10: false, fedora: false });
  // Sequoia refuses what the subkey signed; the older parser of rpm does not ask for the signature back.
  const subkey = (await gpg.fingerprints())[1]!;
  expect(await sqvAccepts(gpg, subkey, '20260601T000000')).toBe(true);
  const keyring = join(gpg.home, 'bare.pgp');
  await writeFile(keyring, bare);
  expect((await tool('sqv', ['--keyring', keyring, join(gpg.home, 'sqv.sig'), join(gpg.home, 'data')])).code).not.toBe(
    0,
  );
});

test('a binary file is refused by rpm, and the verdict says how to export it', async () => {
  const { publicKey } = await generateKey({ userId: 'Binary', kind: 'rsa3072', createdAt });
  const binary = new Uint8Array(Buffer.concat(packetsOfArmor(publicKey).map(({ bytes }) => bytes)));
  expect(works(binary)).toEqual({ el8: false, suse: false, el9: false, el10: false, fedora: false });
  expect(checkKey(binary, ['el8'], at)[0]!.problems).toMatchObject([
    { kind: 'not-armored', remedy: expect.stringContaining('--armor') },
  ]);
  const file = join(folder, 'binary.gpg');
  await writeFile(file, binary);
  expect((await tool('rpmkeys', ['--dbpath', join(folder, 'none'), '--import', file])).code).not.toBe(0);
});

test('a file with a key that a client does not know works with the other one, and warns', async () => {
  const classic = await generateKey({ userId: 'Classic', kind: 'rsa3072', createdAt });
  const modern = await generateKey({ userId: 'Modern', kind: 'v6-ed25519', createdAt });
  const [verdict] = checkKey(classic.publicKey + modern.publicKey, ['el9'], at);
  expect(verdict).toMatchObject({ works: true, usable: [classic.fingerprint] });
  expect(verdict!.problems.map(({ kind, severity }) => [kind, severity])).toContainEqual(['unknown-key', 'warns']);
});

test('no key at all works nowhere', () => {
  expect(works('no key')).toEqual({ el8: false, suse: false, el9: false, el10: false, fedora: false });
});

test('a roll-over ships the new key before it signs, and names what stands in the way', async () => {
  const old = await generateKey({
    userId: 'Old',
    kind: 'rsa3072',
    createdAt,
    expiresAt: new Date('2027-12-01T00:00:00Z'),
  });
  const next = await generateKey({ userId: 'New', kind: 'rsa4096', createdAt: at });
  const plan = planRotation(old.publicKey, next.publicKey, { clients: allClients, startAt: at });
  expect(plan.obstacles).toEqual([]);
  expect(plan.steps.map(({ step }) => step)).toEqual([
    'ship-new-key',
    'list-both-keys',
    'sign-with-new-key',
    'sign-repodata-with-new-key',
    'sign-old-packages-again',
    'drop-old-key',
  ]);
  expect(plan.steps[2]!.at).toEqual(new Date('2026-12-22T00:00:00Z'));
  expect(plan.steps.map((step) => step.at.getTime())).toEqual(
    plan.steps.map((step) => step.at.getTime()).toSorted((a, b) => a - b),
  );
  const modern = await generateKey({ userId: 'Modern', kind: 'eddsa', createdAt: at });
  const hasty = planRotation(old.publicKey, modern.publicKey, {
    clients: ['el9'],
    startAt: new Date('2027-11-15T00:00:00Z'),
  });
  expect(hasty.obstacles).toEqual([
    'el9 does not take the new key: EdDSA keys are unknown to it',
    expect.stringContaining('el9 will not take the old key until 2028-01-14'),
  ]);
  expect(() => planRotation(old.publicKey, old.publicKey, { clients: ['el9'], startAt: at })).toThrow(
    expect.objectContaining({ code: 'SIGN_BAD_KEY' }),
  );
});
