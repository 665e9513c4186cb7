/**
 * Small repositories to publish, and how a client looks at what was published.
 */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import {
  type Fetcher,
  memoryStore,
  type PackageRecord,
  type RepositoryOptions,
  type RepositoryStore,
  verifyPublished,
  writeRepository,
} from '@distrokit/repo/node';

/** Where flushing to the disk costs nothing: thousands of flushes are not what these tests are about. */
export const memoryDisk: string = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

export const at = (seconds: number): Date => new Date(1_800_000_000_000 + seconds * 1000);
export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A package of seven bytes that says nothing of itself. */
export function record(name: string, folder = ''): PackageRecord {
  return {
    name,
    version: '1',
    release: '1',
    arch: 'noarch',
    pkgid: { algorithm: 'sha256', hex: Buffer.from(name.padEnd(32, '.')).toString('hex').slice(0, 64) },
    location: `${folder}${name}-1-1.noarch.rpm`,
    summary: '',
    description: '',
    packager: '',
    url: '',
    license: 'MIT',
    vendor: '',
    group: '',
    buildHost: '',
    sourceRpm: '',
    fileTime: at(0),
    buildTime: at(0),
    sizeBytes: 7,
    installedBytes: 0,
    archiveBytes: 0,
    headerRange: { start: 0, end: 0 },
    provides: [],
    requires: [],
    conflicts: [],
    obsoletes: [],
    suggests: [],
    enhances: [],
    recommends: [],
    supplements: [],
    files: [],
    filesComplete: true,
    changelogs: [],
    changelogsComplete: true,
  };
}

export const locations = (names: readonly string[]): string[] => names.map((name) => record(name).location);

export const options = (revision: number): RepositoryOptions => ({
  revision: String(revision),
  timestamp: at(revision),
  compression: 'gz',
  checksum: 'sha256',
});

/** A staged repository in memory. */
export type Staged = ReturnType<typeof memoryStore>;

/** A staged repository of some packages. */
export async function stage(revision: number, names: readonly string[], folder = ''): Promise<Staged> {
  const store = memoryStore();
  const records = names.map((name) => record(name, folder));
  for (const { location } of records) await store.write(location, utf8('package'));
  await writeRepository(records, store, options(revision));
  return store;
}

/** What a client sees: revision and packages; throws where a client would fail. */
export async function look(store: Fetcher & Partial<Pick<RepositoryStore, 'stat'>>): Promise<string> {
  const found = await verifyPublished(store, { verifyRepomd: 'unsigned', packages: true });
  return `${found.revision}:${found.packages}`;
}

/** A signature that says which bytes it belongs to; enough to see a torn pair. */
export const signatureOf = (staged: Staged): string => signatureOver(staged.files.get('repodata/repomd.xml'));

/** `verifyRepomd` for `signatureOf`. */
export const verifySignature = async (repomd: Uint8Array, signature: Uint8Array): Promise<void> => {
  if (new TextDecoder().decode(signature) !== signatureOver(repomd)) throw new Error('bad signature');
};

function signatureOver(repomd: Uint8Array | undefined): string {
  return `signs ${repomd?.length}/${/<revision>(\d+)/.exec(new TextDecoder().decode(repomd))?.[1]}`;
}
