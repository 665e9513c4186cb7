/** Revocations by a key that another one named as its revoker, made and judged by gpg. */
import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Keyring, type SignatureStatus, verifyDetached } from '@distrokit/sign';
import { beforeAll, expect, test } from 'vitest';
import { type Gpg, gpgIn } from './gpg-keys.js';
import { temporaryFolder, tool } from './judges.js';
import { packetsOfArmor } from './raw-packets.js';

const text = 'what is signed';
const made = '20260101T000000';
const signed = '20260601T000000';
const at = new Date('2026-07-01T00:00:00Z');

let folder: string;
let gpg: Gpg;
let target: string;
/** Keys as they were before the revocation, and the target's after it. */
let [before, revoker, stranger, after]: string[] = [];
let signature: Uint8Array;

beforeAll(async () => {
  folder = await temporaryFolder();
  gpg = await gpgIn(folder, 'keys');
  for (const name of ['Revoker', 'Stranger'])
    await gpg.run(made, '--quick-generate-key', name, 'rsa2048', 'sign,cert', 'never');
  const [fingerprint] = await gpg.fingerprints();
  const parameters = [
    'Key-Type: rsa',
    'Key-Length: 2048',
    'Key-Usage: sign,cert',
    'Name-Real: Target',
    `Revoker: 1:${fingerprint}`,
  ];
  await writeFile(join(folder, 'target'), ['%no-protection', ...parameters, '%commit', ''].join('\n'));
  await gpg.run(made, '--generate-key', join(folder, 'target'));
  target = (await gpg.fingerprints())[2]!;
  const exported = (name: string): Promise<string> => gpg.run(signed, '--armor', '--export', name);
  before = await exported('Target');
  revoker = await exported('Revoker');
  stranger = await exported('Stranger');
  signature = await gpg.sign(signed, target, text);
  await writeFile(join(folder, 'data'), text);
  await writeFile(join(folder, 'data.sig'), signature);
  after = await designatedRevocation();
});

/** gpg asks on a terminal only: yes, no reason, no description, yes. */
async function designatedRevocation(): Promise<string> {
  const output = join(folder, 'revocation.asc');
  const time = ['--faked-system-time', '20260615T000000!'];
  const args = [
    '--homedir',
    gpg.home,
    '--no-tty',
    ...time,
    '--command-fd',
    '0',
    '--output',
    output,
    '--desig-revoke',
    target,
  ];
  const { status, stderr } = spawnSync('gpg', args, { input: 'y\n0\n\ny\n', encoding: 'utf8' });
  if (status !== 0) throw new Error(`gpg: ${stderr}`);
  return readFile(output, 'utf8');
}

const statusOf = (...keys: (string | Uint8Array)[]): SignatureStatus =>
  verifyDetached(new TextEncoder().encode(text), signature, Keyring.from(...keys), { at }).signatures[0]!;

/** What gpg says of the same signature with the same keys. */
async function gpgSays(name: string, ...keys: (string | Uint8Array)[]): Promise<'good' | 'revoked'> {
  const judge = await gpgIn(folder, name);
  for (const [i, key] of keys.entries()) {
    await writeFile(join(folder, `${name}-${i}.asc`), key);
    await judge.run('20260701T000000', '--import', join(folder, `${name}-${i}.asc`));
  }
  const time = ['--faked-system-time', '20260701T000000!'];
  const files = [join(folder, 'data.sig'), join(folder, 'data')];
  const { stdout } = await tool('gpg', [
    '--homedir',
    judge.home,
    '--batch',
    ...time,
    '--status-fd',
    '1',
    '--verify',
    ...files,
  ]);
  if (/^\[GNUPG:\] REVKEYSIG /m.test(stdout)) return 'revoked';
  if (/^\[GNUPG:\] GOODSIG /m.test(stdout)) return 'good';
  throw new Error(`gpg says neither: ${stdout}`);
}

test('a key revoked by its designated revoker is revoked, for us and for gpg', async () => {
  expect(statusOf(after!, revoker!)).toMatchObject({ status: 'revoked-key', fingerprint: target });
  expect(statusOf(revoker!, before!, after!)).toMatchObject({ status: 'revoked-key' });
  expect(await gpgSays('both', revoker!, after!)).toBe('revoked');
});

test('without a revocation, or without the revoker in the keyring, it is not', async () => {
  expect(statusOf(before!, revoker!)).toMatchObject({ status: 'verified' });
  expect(await gpgSays('unrevoked', revoker!, before!)).toBe('good');
  // Nobody can tell then whether the revocation is by the key it names: gpg says that the key may be revoked.
  expect(statusOf(after!)).toMatchObject({ status: 'verified' });
  expect(statusOf(after!, stranger!)).toMatchObject({ status: 'verified' });
  expect(await gpgSays('alone', after!)).toBe('good');
});

test('a revocation by a key that was not named does not revoke, for us and for gpg', async () => {
  // The same key and the same revocation, without the direct-key signature that names the revoker.
  const armor = after!.replace(/^Comment:.*\n/m, '');
  const kept = packetsOfArmor(armor).filter(({ tag, body }) => !(tag === 2 && body[1] === 0x1f));
  expect(kept.some(({ tag, body }) => tag === 2 && body[1] === 0x20)).toBe(true);
  const unnamed = new Uint8Array(Buffer.concat(kept.map(({ bytes }) => bytes)));
  expect(statusOf(unnamed, revoker!)).toMatchObject({ status: 'verified', fingerprint: target });
  expect(await gpgSays('unnamed', revoker!, unnamed)).toBe('good');
});

test('a revocation whose numbers are wrong does not revoke', () => {
  const lines = after!.split('\n');
  const bytes = Buffer.from(
    lines
      .slice(lines.indexOf('') + 1)
      .filter((line) => line !== '' && !/^[-=]/.test(line))
      .join(''),
    'base64',
  );
  const at20 = bytes.indexOf(Buffer.from([4, 0x20]));
  // In the last number of the revocation, which comes first after the key.
  const length = bytes.readUInt16BE(at20 - 2);
  bytes[at20 + length - 5]! ^= 1;
  const broken = `-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n${bytes.toString('base64')}\n-----END PGP PUBLIC KEY BLOCK-----\n`;
  expect(statusOf(broken, revoker!)).toMatchObject({ status: 'verified' });
});
