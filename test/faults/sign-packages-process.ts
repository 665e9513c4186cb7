/** A process of its own that signs every package of a folder, to be killed from outside: folder, key file. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Keyring, memorySigner, signPackages } from '@distrokit/sign/node';

const [folder, keyFile] = process.argv.slice(2) as [string, string];
const signer = await memorySigner(readFileSync(keyFile, 'utf8'));
const paths = readdirSync(folder).filter((name) => name.endsWith('.rpm') && !name.startsWith('.'));
process.stdout.write('started\n');
const report = await signPackages(
  paths.map((name) => join(folder, name)),
  signer,
  { signedAt: new Date('2026-11-22T00:00:00Z'), keyring: Keyring.from(signer.publicKey) },
);
process.stdout.write(`${JSON.stringify(report.results.map(({ status }) => status))}\n`);
process.exitCode = report.ok ? 0 : 1;
