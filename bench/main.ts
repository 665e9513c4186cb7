/**
 * Runs every benchmark, one after the other, and prints what they say. Each compares us with a peer in one run.
 *
 *     npm run bench [-- NAME …]      for instance: npm run bench -- rpm-evr
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const wanted = process.argv.slice(2);
const names = readdirSync(folder)
  .filter((name) => /^(rpm|sign|repo|source|build)(-.*)?\.ts$/.test(name))
  .map((name) => name.slice(0, -3))
  .filter((name) => wanted.length === 0 || wanted.includes(name));
for (const name of names) {
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', `${folder}${name}.ts`], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
