/**
 * A publisher on a file system that gets full: `full-disk-publisher.ts FOLDER` publishes onto a tmpfs with no page left,
 * then with one, and so on until it succeeds. A line per attempt: the fault, what is read, and what else lies there.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { directoryStore, publishRepository, RepoError } from '@distrokit/repo/node';
import { at, locations, look, signatureOf, stage } from './staged-repository.js';

const top = process.argv[2];
if (top === undefined) throw new TypeError('a folder is needed');
const folder = join(top, 'repository');
const store = directoryStore(folder);
const publish = async (revision: number, names: readonly string[]): Promise<void> => {
  const staged = await stage(revision, names);
  const signature = signatureOf(staged);
  await publishRepository(staged, store, { at: at(revision), packages: locations(names), signature });
};
const resize = (size: string): void => {
  execFileSync('mount', ['-o', `remount,size=${size}`, top]);
};
for (let pages = 0; ; pages++) {
  resize('1m');
  rmSync(folder, { recursive: true, force: true });
  await publish(1, ['a', 'b']);
  const { blocks, bfree, bsize } = statfsSync(top);
  resize(String((blocks - bfree + pages) * bsize));
  const outcome = await publish(2, ['a', 'b', 'c']).then(
    () => 'done',
    (error: unknown) => {
      if (!(error instanceof RepoError) || error.fault.code !== 'REPO_STORE_FAILED') throw error;
      return `${error.code} ${error.fault.found}`;
    },
  );
  const parts = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => /part|lock/.test(path));
  console.log(outcome, await look(store), JSON.stringify(parts));
  if (outcome === 'done') break;
}
