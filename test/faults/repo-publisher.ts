/**
 * A publisher that never stops: `repo-publisher.ts FOLDER` publishes one revision after the other until it is killed.
 */
import {
  directoryStore,
  memoryStore,
  type PackageRecord,
  publishRepository,
  writeRepository,
} from '@distrokit/repo/node';

const folder = process.argv[2];
if (folder === undefined) throw new TypeError('a folder is needed');
const store = directoryStore(folder);
const none = {
  provides: [],
  requires: [],
  conflicts: [],
  obsoletes: [],
  suggests: [],
  enhances: [],
  recommends: [],
  supplements: [],
};
const record: PackageRecord = {
  ...none,
  name: 'a',
  version: '1',
  release: '1',
  arch: 'noarch',
  pkgid: { algorithm: 'sha256', hex: 'a'.repeat(64) },
  location: 'a-1-1.noarch.rpm',
  summary: '',
  description: '',
  packager: '',
  url: '',
  license: 'MIT',
  vendor: '',
  group: '',
  buildHost: '',
  sourceRpm: '',
  fileTime: new Date(0),
  buildTime: new Date(0),
  sizeBytes: 7,
  installedBytes: 0,
  archiveBytes: 0,
  headerRange: { start: 0, end: 0 },
  files: [],
  filesComplete: true,
  changelogs: [],
  changelogsComplete: true,
};
for (let revision = 1; ; revision++) {
  const staged = memoryStore();
  await staged.write(record.location, new TextEncoder().encode('package'));
  const timestamp = new Date(1_800_000_000_000 + revision * 10_000_000);
  await writeRepository([{ ...record, summary: `revision ${revision}` }], staged, {
    revision: String(revision),
    timestamp,
    compression: 'gz',
    checksum: 'sha256',
  });
  await publishRepository(staged, store, { at: timestamp, packages: [record.location], keep: { count: 2, ageMs: 0 } });
  process.stdout.write(`${revision}\n`);
}
