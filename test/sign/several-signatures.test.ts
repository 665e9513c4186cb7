/** Several signatures in one package: placed, kept, deleted, detached and attached again; and with rpmsign on the other side. */
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ByteSource, readPackage, writePackage } from '@distrokit/rpm';
import {
  attachSignature,
  attachSignatures,
  changePackageFile,
  deleteSignatures,
  detachSignatures,
  type GeneratedKey,
  generateKey,
  type KeyKind,
  Keyring,
  listSignatures,
  memorySigner,
  type SignedPackage,
  signPackage,
  signPackageFile,
  verifyPackage,
  verifyPackageFile,
} from '@distrokit/sign/node';
import { beforeAll, expect, test } from 'vitest';
import { buildPackage, collect, rpmkeys, temporaryFolder, tool } from './judges.js';

const createdAt = new Date('2026-01-01T00:00:00Z');
const signedAt = new Date('2026-11-22T00:00:00Z');
const at = new Date('2026-11-23T00:00:00Z');

let folder: string;
let unsigned: string;
let original: Uint8Array;
const keys = new Map<KeyKind, GeneratedKey>();

beforeAll(async () => {
  folder = await temporaryFolder();
  unsigned = (await buildPackage(folder)).binary;
  original = new Uint8Array(await readFile(unsigned));
  for (const kind of ['rsa3072', 'eddsa', 'ecdsa-p256', 'v6-ed25519'] as const) {
    keys.set(kind, await generateKey({ userId: kind, kind, createdAt }));
  }
});

const signer = (kind: KeyKind) => memorySigner(keys.get(kind)!.privateKey);
const keyring = (...kinds: KeyKind[]) => Keyring.from(...kinds.map((kind) => keys.get(kind)!.publicKey));
const bytesOf = async (signed: SignedPackage) => collect(signed.bytes());

async function addAll(): Promise<Uint8Array> {
  let bytes = original;
  const steps = [
    ['rsa3072', 'v4'],
    ['rsa3072', 'openpgp'],
    ['v6-ed25519', 'openpgp'],
    ['eddsa', 'openpgp'],
  ] as const;
  for (const [kind, placement] of steps) {
    const signed = await signPackage(await readPackage(bytes), await signer(kind), {
      signedAt,
      placement,
      existing: 'keep',
    });
    expect(signed.fitsInPlace).toBe(true);
    bytes = await bytesOf(signed);
  }
  return bytes;
}

test('a package takes one v4 signature and any number of others, and rpm 4 still accepts it', async () => {
  const bytes = await addAll();
  expect(bytes.length).toBe(original.length);
  const pkg = await readPackage(bytes);
  expect(listSignatures(pkg).map(({ tag, algorithm, version }) => [tag, algorithm, version])).toEqual([
    ['RSA', 'RSA/SHA256', 4],
    ['OPENPGP', 'RSA/SHA256', 4],
    ['OPENPGP', 'Ed25519/SHA512', 6],
    ['OPENPGP', 'EdDSA/SHA256', 4],
  ]);
  const path = join(folder, 'several.rpm');
  await writeFile(path, bytes);
  expect((await rpmkeys(folder, path, [keys.get('rsa3072')!.publicKey])).ok).toBe(true);
  const all = await verifyPackage(pkg, keyring('rsa3072', 'eddsa', 'v6-ed25519'), { at, payload: true });
  expect(all.signatures.map(({ status }) => status)).toEqual(['verified', 'verified', 'verified', 'verified']);
  expect(all.ok).toBe(true);
  // rpm 6 refuses a package with a signature by a key it does not have: so do we.
  const some = await verifyPackage(pkg, keyring('rsa3072'), { at, payload: true });
  expect(some.signatures.map(({ status }) => status)).toEqual(['verified', 'verified', 'unknown-key', 'unknown-key']);
  expect(some.ok).toBe(false);
});

test('deleting signatures one by one, in any order, gives back the original bytes', async () => {
  const bytes = await addAll();
  for (const order of [
    [0, 1, 2, 3],
    [3, 2, 1, 0],
    [2, 0, 3, 1],
  ]) {
    const all = listSignatures(await readPackage(bytes));
    let rest = bytes;
    for (const index of order) {
      const gone = all[index]!;
      const pkg = await readPackage(rest);
      const others = listSignatures(pkg).filter(({ bytes: one }) => !Buffer.from(one).equals(gone.bytes));
      const deleted = deleteSignatures(pkg, (one) => one.tag === gone.tag && Buffer.from(one.bytes).equals(gone.bytes));
      rest = await bytesOf(deleted);
      const left = listSignatures(await readPackage(rest)).map(({ bytes: one }) => Buffer.from(one).toString('hex'));
      for (const { bytes: one } of others) expect(left).toContain(Buffer.from(one).toString('hex'));
    }
    expect(Buffer.from(rest).equals(original)).toBe(true);
  }
});

test('a signature too long for the reserved space makes the file grow, and deleting it shrinks it again', async () => {
  // Longer than any reserved space: rpm reads the packet and ignores the algorithm.
  const packet = new Uint8Array(6000);
  packet.set([0xc2, 255, 0, 0, (5994 >> 8) & 0xff, 5994 & 0xff, 6, 0, 30, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32]);
  const rsa = await bytesOf(await signPackage(await readPackage(original), await signer('rsa3072'), { signedAt }));
  const pkg = await readPackage(rsa);
  const both = attachSignature(pkg, packet, { placement: 'openpgp', existing: 'keep' });
  expect(both.fitsInPlace).toBe(false);
  const grown = await bytesOf(both);
  const { start, end } = both.splice.replaces;
  const recomposed = Buffer.concat([rsa.subarray(0, start), both.splice.bytes, rsa.subarray(end)]);
  expect(recomposed.equals(grown)).toBe(true);
  const path = join(folder, 'grown.rpm');
  await writeFile(path, grown);
  expect((await rpmkeys(folder, path, [keys.get('rsa3072')!.publicKey])).ok).toBe(true);
  const back = await bytesOf(deleteSignatures(await readPackage(grown), ({ tag }) => tag === 'OPENPGP'));
  expect(Buffer.from(back).equals(rsa)).toBe(true);
  const none = await bytesOf(deleteSignatures(await readPackage(grown)));
  expect(Buffer.from(none).equals(original)).toBe(true);
});

test('a package without room for the signature is written anew, and rpmkeys accepts it', async () => {
  const tight = (await buildPackage(folder, { name: 'tight', define: ['__gpg_reserved_space 1'] })).binary;
  const before = await readFile(tight);
  const bare = await changePackageFile(tight, async (pkg) => signPackage(pkg, await signer('rsa3072'), { signedAt }));
  expect(bare.inPlace).toBe(false);
  expect((await rpmkeys(folder, tight, [keys.get('rsa3072')!.publicKey])).ok).toBe(true);
  expect((await readFile(tight)).length).toBeGreaterThan(before.length);
});

test('a second v4 signature is refused unless it replaces the first', async () => {
  const first = await readPackage(
    await bytesOf(await signPackage(await readPackage(original), await signer('rsa3072'), { signedAt })),
  );
  const second = await signer('eddsa');
  await expect(signPackage(first, second, { signedAt, existing: 'keep' })).rejects.toMatchObject({
    code: 'SIGN_FORMAT',
  });
  const replaced = await signPackage(first, second, { signedAt });
  expect(listSignatures(await readPackage(await bytesOf(replaced)))).toMatchObject([{ tag: 'DSA' }]);
  const direct = await signPackage(await readPackage(original), second, { signedAt });
  expect(replaced.signatureHeader.bytes()).toEqual(direct.signatureHeader.bytes());
});

test('the v4 tags take no version 6 signature', async () => {
  const pkg = await readPackage(original);
  await expect(signPackage(pkg, await signer('v6-ed25519'), { signedAt })).rejects.toMatchObject({
    code: 'SIGN_FORMAT',
  });
});

test('signatures kept beside an unsigned package are attached again, but not to another package', async () => {
  const signed = await bytesOf(await signPackage(await readPackage(original), await signer('eddsa'), { signedAt }));
  const stored = detachSignatures(await readPackage(signed)).slice();
  const again = await bytesOf(attachSignatures(await readPackage(original), stored));
  expect(Buffer.from(again).equals(signed)).toBe(true);
  const other = await readPackage(
    new Uint8Array(await readFile((await buildPackage(folder, { name: 'else' })).binary)),
  );
  expect(() => attachSignatures(other, stored)).toThrow(expect.objectContaining({ code: 'SIGN_FORMAT' }));
});

test('accepts what rpmsign makes, and deletes it without a trace', async () => {
  const home = join(folder, 'gpg');
  await tool('mkdir', ['-m', '700', home]);
  const key = keys.get('rsa3072')!;
  const file = join(folder, 'secret.asc');
  await writeFile(file, key.privateKey);
  await tool('gpg', ['--homedir', home, '--batch', '--import', file]);
  const path = join(folder, 'rpmsign.rpm');
  await copyFile(unsigned, path);
  const rpmsign = (...args: string[]) =>
    tool(
      'rpmsign',
      [
        '--define',
        '__gpg /usr/bin/gpg',
        '--define',
        `_gpg_path ${home}`,
        '--define',
        `_gpg_name ${key.fingerprint}`,
        ...args,
        path,
      ],
      { HOME: folder },
    );
  const made = await rpmsign('--addsign');
  expect(made.code, made.stderr).toBe(0);
  const now = new Date(Date.now() + 60_000);
  const report = await verifyPackageFile(path, keyring('rsa3072'), { at: now, payload: true });
  expect(report).toMatchObject({ ok: true, signatures: [{ status: 'verified', tag: 'RSA' }] });
  await changePackageFile(path, (pkg) => deleteSignatures(pkg));
  expect(Buffer.from(original).equals(await readFile(path))).toBe(true);
  // And the other way round: rpmsign takes away what we made.
  await signPackageFile(path, await signer('rsa3072'), { signedAt });
  const deleted = await rpmsign('--delsign');
  expect(deleted.code, deleted.stderr).toBe(0);
  expect(listSignatures(await readPackage(new Uint8Array(await readFile(path))))).toEqual([]);
});

test('a big package is signed in place for a few kilobytes, and a remote one without its payload', async () => {
  const options = {
    format: 4,
    compression: { type: 'none' },
    sourceDate: signedAt,
    buildHost: 'host.example',
  } as const;
  const content = new Uint8Array(16 * 1024 * 1024).map((_, i) => (i * 2654435761) >>> 13);
  const manifest = {
    name: 'big',
    version: '1',
    release: '1',
    arch: 'noarch',
    summary: 'Big',
    description: 'Big.',
    license: 'MIT',
    files: [{ path: '/big', type: 'regular', content }],
  } as const;
  const plain = await collect(writePackage(manifest, options));
  const path = join(folder, 'big.rpm');
  await writeFile(path, plain);
  const change = await signPackageFile(path, await signer('rsa3072'), { signedAt });
  expect(change.inPlace).toBe(true);
  expect(change.writtenBytes).toBeLessThan(16_384);
  expect((await rpmkeys(folder, path, [keys.get('rsa3072')!.publicKey])).ok).toBe(true);

  // An object store: whoever signs sees lead and headers, and a read of the payload fails.
  let readBytes = 0;
  const { headerRange } = await readPackage(plain);
  const remote: ByteSource = {
    sizeBytes: plain.length,
    read: async (offset, length) => {
      if (offset + length > headerRange.end) throw new Error('the payload was asked for');
      readBytes += length;
      return plain.slice(offset, offset + length);
    },
  };
  const pkg = await readPackage(remote);
  const signature = await (await signer('rsa3072')).sign(pkg.header.bytes(), { signedAt });
  const { splice } = attachSignature(pkg, signature);
  expect(readBytes).toBeLessThan(20_000);
  const put = Buffer.concat([
    plain.subarray(0, splice.replaces.start),
    splice.bytes,
    plain.subarray(splice.replaces.end),
  ]);
  expect(put.equals(await readFile(path))).toBe(true);
});

test('source packages are signed like others', async () => {
  const { source } = await buildPackage(folder, { name: 'src' });
  await signPackageFile(source, await signer('rsa3072'), { signedAt });
  expect((await rpmkeys(folder, source, [keys.get('rsa3072')!.publicKey])).ok).toBe(true);
});
