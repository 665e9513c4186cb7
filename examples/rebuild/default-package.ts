/**
 * The package that the pipeline rebuilds when none is named: xz 5.2.3.
 *
 * Its source archive is the upstream release as the npm package lzma-native ships it, so that a fresh machine gets it by
 * name and version through npm. Spec and `sources` list are ours; they become a real git repository when the example
 * runs, and the archive is served by a real HTTP server on the loopback address, as a distribution's lookaside store does.
 */
import { createReadStream } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { httpLookaside, type Lookaside, lookasidePaths } from '@distrokit/source';
import { simpleGit } from 'simple-git';

const archive = 'xz-5.2.3.tar.bz2';
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** A dist-git repository and the store that belongs to it. */
export interface ServedPackage {
  /** `file:` URL of the git repository. */
  readonly url: string;
  readonly ref: string;
  readonly lookaside: Lookaside;
  close(): Promise<void>;
}

/** Makes the git repository below `folder` and starts the store on a free port of the loopback address. */
export async function serveDefaultPackage(folder: string, madeAt: Date): Promise<ServedPackage> {
  const repository = join(folder, 'dist-git');
  await mkdir(repository, { recursive: true });
  await cp(here('package'), repository, { recursive: true });
  const git = simpleGit({ baseDir: repository });
  await git.raw(['init', '--quiet', '--initial-branch=el9']);
  await git.addConfig('user.name', 'distrokit');
  await git.addConfig('user.email', 'packages@example.com');
  await git.add('.');
  await git.commit('xz 5.2.3', { '--date': madeAt.toISOString() });

  const path = join(dirname(createRequire(import.meta.url).resolve('lzma-native/package.json')), 'deps', archive);
  const server = createServer((request, response) => {
    const known = new RegExp(`^/repo/pkgs/rpms/xz/${archive}/sha512/[0-9a-f]{128}/${archive}$`);
    if (!known.test(request.url ?? '')) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    createReadStream(path)
      .on('error', () => response.destroy())
      .pipe(response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: pathToFileURL(repository).href,
    ref: 'el9',
    lookaside: httpLookaside({ template: `http://127.0.0.1:${port}${lookasidePaths.fedora}`, name: 'xz', fetch }),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** The patch that makes the rebuild tell who built it. */
export const defaultPatch: { readonly path: string; readonly file: string; readonly url: string } = {
  path: here('modification/0001-say-who-built-it.patch'),
  file: '0001-say-who-built-it.patch',
  url: 'https://example.com/patches/xz/0001-say-who-built-it.patch',
};
