/** A process of `sign.ts`: verifies the packages of a folder, prints how many seconds that took. Plain JavaScript on the compiled package. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Keyring, verifyPackageFiles } from '@distrokit/sign/node';

const [keyFile, folder, digests] = process.argv.slice(2);
const started = performance.now();
const paths = readdirSync(folder).map((name) => join(folder, name));
const report = await verifyPackageFiles(paths, Keyring.from(readFileSync(keyFile)), {
  at: new Date(Date.now() + 60_000),
  payload: true,
  legacy: digests === 'legacy',
});
if (!report.ok) throw new Error('a signed package was not verified');
console.log((performance.now() - started) / 1000);
