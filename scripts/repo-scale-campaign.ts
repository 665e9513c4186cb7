/**
 * How time, memory and bytes of a repository grow with its packages: written from records, read, verified, and changed by
 * one package, from 1,000 to 400,000. Writes the table for `docs/scale.md`.
 *
 *     node --import tsx scripts/repo-scale-campaign.ts [largest = 400000] [folder = /dev/shm]
 *
 * Records are made one by one, always the same: 8 requirements, 4 provides, 40 files, 4 changelog entries. Each task runs in
 * a process of its own, so that its peak memory is its own. No package is on disk. The largest needs about 8 GB of memory.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  directoryStore,
  openRepositoryAt,
  type PackageRecord,
  updateRepository,
  verifyPublished,
  writeRepository,
} from '@distrokit/repo/node';

const at = new Date('2026-01-01T00:00:00Z');
const options = { revision: '1', timestamp: at, compression: 'zst', checksum: 'sha256' } as const;

/** One synthetic package. Names repeat as those of a distribution do; digests do not. */
function record(index: number): PackageRecord {
  const name = `library-${index % 977}-part-${index}`;
  const hex = (index * 2654435761 + 12345).toString(16).padStart(16, '0').repeat(4).slice(0, 64);
  const place = `/usr/share/${name}`;
  return {
    name,
    version: `1.${index % 37}`,
    release: `${index % 9}.el9`,
    arch: 'x86_64',
    pkgid: { algorithm: 'sha256', hex },
    location: `Packages/${name}.rpm`,
    summary: `Part ${index} of a library`,
    description: `What part ${index} of the library does, said in a few lines of text.\n`.repeat(3),
    packager: 'A Person <person@example.com>',
    url: `https://example.com/${name}`,
    license: 'MIT AND Apache-2.0',
    vendor: 'Example',
    group: 'Unspecified',
    buildHost: 'host.example.com',
    sourceRpm: `library-${index % 977}-1.el9.src.rpm`,
    fileTime: at,
    buildTime: at,
    sizeBytes: 100_000 + index,
    installedBytes: 300_000 + index,
    archiveBytes: 310_000 + index,
    headerRange: { start: 4504, end: 20_000 + (index % 1000) },
    provides: Array.from({ length: 4 }, (_, n) => ({
      name: `${name}(${n})`,
      relation: 'EQ',
      version: '1',
      release: '1',
    })),
    requires: Array.from({ length: 8 }, (_, n) => ({ name: `library-${(index * 7 + n * 13) % 977}.so()(64bit)` })),
    conflicts: [],
    obsoletes: [],
    suggests: [],
    enhances: [],
    recommends: [],
    supplements: [],
    files: Array.from({ length: 40 }, (_, n) => ({
      path: n === 0 ? `/usr/bin/${name}` : `${place}/folder-${n % 4}/file-number-${(index * n) % 4001}`,
      type: n % 10 === 1 ? 'dir' : 'file',
    })),
    filesComplete: true,
    changelogs: Array.from({ length: 4 }, (_, n) => ({
      author: `A Person <person@example.com> - 1.${index % 37}-${n}`,
      date: new Date(at.getTime() - n * 86_400_000),
      text: `- Change number ${n} of ${name}\n- and another one`,
    })),
    changelogsComplete: true,
  };
}

function* records(count: number): Generator<PackageRecord, void, void> {
  for (let index = 0; index < count; index++) yield record(index);
}

const tasks: Readonly<Record<string, (folder: string, count: number) => Promise<number>>> = {
  write: async (folder, count) => {
    await writeRepository(records(count), directoryStore(folder), options);
    return count;
  },
  'read primary': async (folder) => {
    let read = 0;
    const repository = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
    for await (const _ of repository.packages()) read++;
    return read;
  },
  'read all': async (folder) => {
    let read = 0;
    const repository = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
    for await (const _ of repository.packages({ files: true, changelogs: true })) read++;
    return read;
  },
  verify: async (folder, count) => {
    await verifyPublished(directoryStore(folder), { verifyRepomd: 'unsigned' });
    return count;
  },
  'add one': async (folder, count) => {
    const added = { ...record(count + 1), location: `Packages/mmm-in-the-middle.rpm` };
    await updateRepository(directoryStore(folder), { add: [added] }, options);
    return count;
  },
};

const [first, second, task, count] = process.argv.slice(2);
if (first === 'task') {
  const start = performance.now();
  const done = await tasks[task as string]?.(second as string, Number(count));
  if (done !== Number(count)) throw new Error(`${task}: ${count} packages wanted, found ${done}`);
  const seconds = (performance.now() - start) / 1000;
  console.log(JSON.stringify({ seconds, mebibytes: process.resourceUsage().maxRSS / 1024 }));
} else {
  const largest = Number(first ?? 400_000);
  const sizes = [1000, 10_000, 100_000, 400_000].filter((size) => size <= largest);
  console.log(`| Packages | XML, and as stored | ${Object.keys(tasks).join(' | ')} |`);
  console.log(
    `|---:|---:|${Object.keys(tasks)
      .map(() => '---:|')
      .join('')}`,
  );
  for (const size of sizes) {
    const folder = mkdtempSync(join(second ?? tmpdir(), 'distrokit-scale-'));
    try {
      const cells: string[] = [];
      let bytes = '';
      for (const name of Object.keys(tasks)) {
        const program = [...process.execArgv, fileURLToPath(import.meta.url), 'task', folder, name, String(size)];
        const said = execFileSync(process.execPath, ['--max-old-space-size=16384', ...program], { encoding: 'utf8' });
        const { seconds, mebibytes } = JSON.parse(said) as { seconds: number; mebibytes: number };
        cells.push(`${seconds.toFixed(seconds < 10 ? 2 : 0)} s, ${mebibytes.toFixed(0)} MiB`);
        if (name !== 'write') continue;
        const { repomd } = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
        const sum = (of: 'openSizeBytes' | 'sizeBytes'): string =>
          (repomd.records.reduce((total, one) => total + (one[of] ?? 0), 0) / 2 ** 20).toFixed(1);
        bytes = `${sum('openSizeBytes')} MiB, ${sum('sizeBytes')} MiB`;
      }
      console.log(`| ${size.toLocaleString('en')} | ${bytes} | ${cells.join(' | ')} |`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  console.log(`load ${loadavg()[0]?.toFixed(1)}, Node ${process.version}`);
}
