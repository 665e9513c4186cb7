/**
 * Signs a package of 3 GiB in place and takes the signature off again: bytes written, time, and what rpm says. Exits 1 when
 * more than kilobytes were written, rpm refuses it, or the file afterwards is not the one from before.
 *
 *     node --import tsx scripts/big-sign-campaign.ts [folder = the system's temporary folder]
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ByteSource, writePackage } from '@distrokit/rpm';
import {
  changePackageFile,
  deleteSignatures,
  generateKey,
  Keyring,
  memorySigner,
  signPackageFile,
  verifyPackageFile,
} from '@distrokit/sign/node';

const sizeBytes = 3 * 2 ** 30;
const mostWrittenBytes = 16_384;
const signedAt = new Date('2026-11-22T00:00:00Z');
const block = new Uint8Array(1 << 20).map((_, i) => Math.imul(i, 2654435761) >>> 24);
const content: ByteSource = {
  sizeBytes,
  read: async (offset, length) => block.subarray(0, Math.min(length, sizeBytes - offset, block.length)),
};

const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'big-sign-'));
const path = join(folder, 'big.rpm');
const seconds = async <Result>(what: string, work: () => Promise<Result>): Promise<Result> => {
  const started = performance.now();
  const result = await work();
  console.log(`${what}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return result;
};
const digest = async (): Promise<string> => {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
};

try {
  await seconds('write', async () => {
    const file = openSync(path, 'w');
    const manifest = {
      ...{
        name: 'big',
        version: '1',
        release: '1',
        arch: 'noarch',
        summary: 'Big',
        description: 'Big.',
        license: 'MIT',
      },
      files: [{ type: 'regular', path: '/srv/big', content }],
    } as const;
    const options = {
      format: 4,
      compression: { type: 'none' },
      sourceDate: signedAt,
      buildHost: 'host.example',
    } as const;
    for await (const chunk of writePackage(manifest, options)) writeSync(file, chunk);
    closeSync(file);
  });
  const before = await digest();
  const key = await generateKey({ userId: 'Big', kind: 'rsa4096', createdAt: new Date('2026-01-01T00:00:00Z') });
  const signer = await memorySigner(key.privateKey);
  const signed = await seconds('sign', () => signPackageFile(path, signer, { signedAt }));
  const options = { at: new Date('2026-11-23T00:00:00Z'), payload: true };
  const report = await seconds('verify', () => verifyPackageFile(path, Keyring.from(key.publicKey), options));
  const database = join(folder, 'db');
  writeFileSync(join(folder, 'key.asc'), key.publicKey);
  execFileSync('rpmdb', ['--dbpath', database, '--initdb']);
  execFileSync('rpmkeys', ['--dbpath', database, '--import', join(folder, 'key.asc')]);
  const { status, stdout } = await seconds('rpmkeys', async () =>
    spawnSync('rpmkeys', ['--dbpath', database, '--define', '_pkgverify_level all', '-Kv', path], { encoding: 'utf8' }),
  );
  const accepted = status === 0 && /Signature, key ID [0-9a-f]+: OK$/m.test(stdout);
  const deleted = await seconds('delete', () => changePackageFile(path, (pkg) => deleteSignatures(pkg)));
  const same = (await digest()) === before;
  console.log(
    `${statSync(path).size} bytes; signing wrote ${signed.writtenBytes}, deleting ${deleted.writtenBytes}; ${report.ok ? 'verified' : 'not verified'}, rpm ${accepted ? 'accepts it' : 'refuses it'}, afterwards ${same ? 'the same file' : 'another file'}`,
  );
  const small = [signed, deleted].every((change) => change.inPlace && change.writtenBytes <= mostWrittenBytes);
  process.exitCode = small && report.ok && accepted && same ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
