/** The isomorphic door of @distrokit/sign in a real browser: what it signs there, rpm accepts; what rpm signed, it verifies. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  generateKey,
  type KeyKind,
  Keyring,
  memorySigner,
  signPackageFile,
  verifyPackageFile,
} from '@distrokit/sign/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildPackage, rpmkeys, temporaryFolder, tool } from '../sign/judges.js';
import { type BrowserPage, openPage } from './browser-page.js';

const createdAt = new Date('2026-01-01T00:00:00Z');
const signedAt = new Date('2026-11-22T00:00:00Z');
const kinds: readonly KeyKind[] = ['rsa3072', 'eddsa', 'ecdsa-p256', 'ecdsa-p384', 'v6-ed25519'];

let folder: string;
let binary: string;
let browser: BrowserPage;
const files: Record<string, Uint8Array> = {};

beforeAll(async () => {
  folder = await temporaryFolder();
  binary = (await buildPackage(folder)).binary;
  files['unsigned.rpm'] = await readFile(binary);
  // One package signed by rpmsign with a key of gpg.
  const home = join(folder, 'gpg');
  const gpg = (...args: string[]): ReturnType<typeof tool> =>
    tool('gpg', ['--homedir', home, '--batch', '--passphrase', '', ...args]);
  await tool('mkdir', ['-m', '700', home]);
  await gpg('--faked-system-time', '20260101T000000', '--quick-generate-key', 'Peer', 'rsa3072', 'sign', 'never');
  files['peer.asc'] = Buffer.from((await gpg('--armor', '--export')).stdout);
  const signed = join(folder, 'peer.rpm');
  await writeFile(signed, files['unsigned.rpm']!);
  const defines = [`_gpg_path ${home}`, '_gpg_name Peer', '__gpg /usr/bin/gpg'].flatMap((text) => ['--define', text]);
  expect((await tool('rpmsign', [...defines, '--addsign', signed])).code).toBe(0);
  files['peer.rpm'] = await readFile(signed);
  browser = await openPage(['rpm', 'sign'], files);
});
afterAll(async () => browser[Symbol.asyncDispose]());

test('a package signed in the browser is accepted by rpmkeys, and verified in Node and in the browser', async () => {
  for (const kind of kinds) {
    const key = await generateKey({ userId: 'Page', kind, createdAt });
    const answer = await browser.page.evaluate(
      async ({ privateKey, publicKey, signedAtMs, placement }) => {
        const { rpm, sign } = globalThis as unknown as {
          rpm: typeof import('@distrokit/rpm');
          sign: typeof import('@distrokit/sign');
        };
        const at = new Date(signedAtMs);
        const bytes = new Uint8Array(await (await fetch('/unsigned.rpm')).arrayBuffer());
        const signer = await sign.memorySigner(privateKey);
        const signed = await sign.signPackage(await rpm.readPackage(bytes), signer, { signedAt: at, placement });
        const chunks: Uint8Array<ArrayBuffer>[] = [];
        for await (const chunk of signed.bytes()) chunks.push(new Uint8Array(chunk));
        const whole = new Uint8Array(await new Blob(chunks).arrayBuffer());
        const pkg = await rpm.readPackage(whole);
        const report = await sign.verifyPackage(pkg, sign.Keyring.from(publicKey), { at, payload: true });
        return { whole: [...whole], ok: report.ok };
      },
      {
        ...{ privateKey: key.privateKey, publicKey: key.publicKey, signedAtMs: signedAt.getTime() },
        placement: kind.startsWith('v6-') ? ('openpgp' as const) : ('v4' as const),
      },
    );
    expect([kind, answer.ok]).toEqual([kind, true]);
    const path = join(folder, `${kind}.rpm`);
    await writeFile(path, Uint8Array.from(answer.whole));
    const report = await verifyPackageFile(path, Keyring.from(key.publicKey), { at: signedAt, payload: true });
    expect([kind, report.ok]).toEqual([kind, true]);
    // rpm 4.18 knows neither ECDSA nor version 6.
    if (kind === 'rsa3072' || kind === 'eddsa') {
      const { ok, lines } = await rpmkeys(folder, path, [key.publicKey]);
      expect([kind, ok]).toEqual([kind, true]);
      expect(lines.join('\n')).toMatch(/Header V4 (RSA|EdDSA)\/SHA256 Signature, key ID [0-9a-f]+: OK/);
    }
    // The same key, package and time: the browser and Node make the same bytes.
    const here = await memorySigner(key.privateKey);
    const local = join(folder, `${kind}-node.rpm`);
    await writeFile(local, files['unsigned.rpm']!);
    await signPackageFile(local, here, { signedAt, placement: kind.startsWith('v6-') ? 'openpgp' : 'v4' });
    expect((await readFile(local)).equals(await readFile(path)), kind).toBe(true);
  }
});

test('a package that rpmsign signed is verified in the browser, and each kind of damage is found', async () => {
  const answer = await browser.page.evaluate(async () => {
    const { rpm, sign } = globalThis as unknown as {
      rpm: typeof import('@distrokit/rpm');
      sign: typeof import('@distrokit/sign');
    };
    const bytes = new Uint8Array(await (await fetch('/peer.rpm')).arrayBuffer());
    const keyring = sign.Keyring.from(await (await fetch('/peer.asc')).text());
    const at = new Date('2030-01-01T00:00:00Z');
    const verify = async (change: (copy: Uint8Array, header: number) => void): Promise<string> => {
      const copy = bytes.slice();
      const { headerRange } = await rpm.readPackage(bytes);
      change(copy, headerRange.end);
      const report = await sign.verifyPackage(await rpm.readPackage(copy), keyring, { at, payload: true });
      return `${report.ok} ${report.signatures.map(({ status }) => status).join()}`;
    };
    return [
      await verify(() => {}),
      await verify((copy) => {
        copy[copy.length - 10]! ^= 1;
      }),
      await verify((copy, end) => {
        copy[end - 30]! ^= 1;
      }),
    ];
  });
  expect(answer).toEqual(['true verified', 'false verified', 'false bad-signature']);
});
