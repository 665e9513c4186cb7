import { readFile } from 'node:fs/promises';
import { type ByteSource, memorySource, readPackage } from '@distrokit/rpm';
import {
  clearSign,
  type GeneratedKey,
  generateKey,
  type KeyKind,
  Keyring,
  memorySigner,
  signDetached,
  signPackage,
  verifyClearSigned,
  verifyDetached,
  verifyPackage,
} from '@distrokit/sign';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { buildPackage, collect, temporaryFolder } from '../sign/judges.js';

const signedAt = new Date('2026-11-22T00:00:00Z');
const at = new Date('2026-11-23T00:00:00Z');
const keys = new Map<KeyKind, GeneratedKey>();
let signed: Uint8Array;

beforeAll(async () => {
  for (const kind of ['rsa3072', 'eddsa', 'ecdsa-p384', 'v6-ed25519'] as const) {
    keys.set(kind, await generateKey({ userId: kind, kind, createdAt: new Date('2026-01-01T00:00:00Z') }));
  }
  const { binary } = await buildPackage(await temporaryFolder());
  const pkg = await readPackage(new Uint8Array(await readFile(binary)));
  signed = await collect(
    (await signPackage(pkg, await memorySigner(keys.get('rsa3072')!.privateKey), { signedAt })).bytes(),
  );
});

test('whatever is signed is verified, and nothing else is', async () => {
  const kind = fc.constantFrom(...(['rsa3072', 'eddsa', 'ecdsa-p384', 'v6-ed25519'] as const));
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 500 }),
      fc.uint8Array({ maxLength: 500 }),
      kind,
      async (data, other, which) => {
        const { privateKey, publicKey } = keys.get(which)!;
        const signature = await signDetached(data, await memorySigner(privateKey), { signedAt });
        const keyring = Keyring.from(publicKey);
        expect(verifyDetached(data, signature, keyring, { at }).ok).toBe(true);
        const same = Buffer.from(data).equals(other);
        expect(verifyDetached(other, signature, keyring, { at }).ok).toBe(same);
      },
    ),
    { numRuns: 60 },
  );
});

test('Node’s cryptography and that of a browser agree about every bit of a signature', async () => {
  const data = new TextEncoder().encode('what is signed');
  const { getBuiltinModule } = process;
  for (const [kind, { privateKey, publicKey }] of keys) {
    const signature = await (await memorySigner(privateKey)).sign(data, { signedAt });
    // Keyrings of their own: each remembers what its keys were found to be.
    const [withNode, without] = [Keyring.from(publicKey), Keyring.from(publicKey)];
    const statuses: [node: string, browser: string][] = [];
    for (let bit = 0; bit < signature.length * 8; bit += 5) {
      const flipped = signature.slice();
      if (bit > 0) flipped[bit >> 3]! ^= 1 << (bit & 7);
      const status = (keyring: Keyring): string =>
        verifyDetached(data, flipped, keyring, { at })
          .signatures.map((one) => one.status)
          .join();
      const node = status(withNode);
      try {
        Object.assign(process, { getBuiltinModule: undefined });
        statuses.push([node, status(without)]);
      } finally {
        Object.assign(process, { getBuiltinModule });
      }
    }
    expect([kind, statuses[0]]).toEqual([kind, ['verified', 'verified']]);
    expect([kind, statuses.filter(([node, browser]) => node !== browser)]).toEqual([kind, []]);
    expect(statuses.filter(([node]) => node === 'bad-signature').length).toBeGreaterThan(50);
  }
});

test('any text can be clear-signed and read back', async () => {
  const signer = await memorySigner(keys.get('eddsa')!.privateKey);
  const keyring = Keyring.from(keys.get('eddsa')!.publicKey);
  const line = fc.string({ unit: fc.constantFrom('-', ' ', 'a', 'ß', '\t', 'From', '—', '=', '😀'), maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 8 }), async (lines) => {
      const text = lines.map((one) => `${one}\n`).join('');
      const report = verifyClearSigned(await clearSign(text, signer, { signedAt }), keyring, { at });
      // White space at line ends is not signed, so it does not come back.
      expect(report).toMatchObject({ ok: true, text: text.replace(/[ \t]+$/gm, '') });
    }),
    { numRuns: 100 },
  );
});

test('any truncation of a signed package is a typed error or a negative answer', async () => {
  const keyring = Keyring.from(keys.get('rsa3072')!.publicKey);
  for (let length = 0; length < signed.length; length += 13) {
    const answer = await readPackage(signed.subarray(0, length))
      .then((pkg) => verifyPackage(pkg, keyring, { at, payload: true }))
      .catch((error: { code?: string }) => error);
    if ('ok' in answer) expect(answer.ok).toBe(false);
    else expect(answer.code).toMatch(/^RPM_/);
  }
});

test('any way in which a source cuts its reads gives the same verdict', async () => {
  const keyring = Keyring.from(keys.get('rsa3072')!.publicKey);
  const whole = memorySource(signed);
  const slow: ByteSource = {
    read: async (offset, length) => {
      await new Promise((resolve) => setImmediate(resolve));
      return (await whole.read(offset, length)).slice();
    },
  };
  const reports = await Promise.all(
    [whole, slow].map(async (source) => verifyPackage(await readPackage(source), keyring, { at, payload: true })),
  );
  expect(reports[1]!.signatures).toEqual(reports[0]!.signatures);
  expect(reports.map(({ ok }) => ok)).toEqual([true, true]);
});

test('armor of any length is read back by what it says about itself', () => {
  // Packets that no keyring can use: each is named or counted, none is lost or makes trouble.
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (noise) => {
      const base64 = Buffer.from(noise).toString('base64');
      const armor = `-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n${base64}\n-----END PGP PUBLIC KEY BLOCK-----\n`;
      const keyring = Keyring.from(armor, keys.get('eddsa')!.publicKey);
      expect(keyring.keys.some(({ fingerprint }) => fingerprint === keys.get('eddsa')!.fingerprint)).toBe(true);
    }),
  );
});
