/**
 * Reading repodata: primary to objects against libsolv's `rpmmd2solv`, and all three documents against createrepo_c's own
 * reader through its Python binding, over the same documents in the same run.
 *
 * Twice each: in process (ours in a process that runs already, theirs as it times itself where it can), and as whole
 * processes from start to end. rpmmd2solv gets primary open, ours opens it and holds it against both its digests. Rounds
 * alternate; a ratio is the median of the pairwise ratios of time (below 1: ours is faster). Memory is the peak of a process
 * that reads once.
 *
 *     node --import tsx bench/repo-read.ts [folder with repodata in gz | packages = 10000] [rounds = 7]
 */
import './plain-environment.js';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { median } from './c-peer.js';
import { machinePackages } from './machine-packages.js';

const compiled = new URL('../packages/repo/dist/node.js', import.meta.url).href;
const { openRepositoryAt, repomdRecord } = (await import(compiled)) as typeof import('@distrokit/repo/node');

const [subject = '10000', roundsText = '7'] = process.argv.slice(2);
const rounds = Number(roundsText);

const work = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'distrokit-bench-'));
try {
  let folder = subject;
  if (!existsSync(join(subject, 'repodata'))) {
    folder = join(work, 'packages');
    await machinePackages(folder, Number(subject), 64);
    execFileSync('createrepo_c', ['-q', '--no-database', '--general-compress-type=gz', folder], { stdio: 'ignore' });
  }
  await run(folder, work);
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** Reads every package to an object; counts them, so that nothing is left out. */
async function readAll(folder: string, all: boolean): Promise<number> {
  const repository = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
  let packages = 0;
  for await (const record of repository.packages({ files: all, changelogs: all }))
    packages += record.name === '' ? 0 : 1;
  return packages;
}

async function run(folder: string, work: string): Promise<void> {
  const { repomd } = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
  const open = gunzipSync(readFileSync(join(folder, repomdRecord(repomd, 'primary').location)));
  const primary = join(work, 'primary.xml');
  writeFileSync(primary, open);
  const sizes = ['primary', 'filelists', 'other'].map((type) => repomdRecord(repomd, type).openSizeBytes ?? 0);
  const mebibytes = sizes.map((bytes) => (bytes / 2 ** 20).toFixed(0)).join(' + ');
  const packages = await readAll(folder, false);
  console.log(`reading ${packages} packages, ${mebibytes} MiB of XML, load ${loadavg()[0]?.toFixed(1)}`);
  const script = join(work, 'read.py');
  writeFileSync(
    script,
    `import createrepo_c, resource, sys, time
start = time.perf_counter()
metadata = createrepo_c.Metadata()
metadata.locate_and_load_xml(sys.argv[1])
assert len(metadata.keys()) == ${packages}
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
`,
  );
  const theirSolv = (): number =>
    timed(() => execFileSync('rpmmd2solv', [], { stdio: [openSync(primary, 'r'), 'ignore', 'ignore'] }));
  let theirMemory = 0;
  const theirPython = (): { readonly inside: number; readonly whole: number } => {
    let said = '';
    const whole = timed(() => {
      said = execFileSync('/usr/bin/python3', [script, folder], { encoding: 'utf8' });
    });
    const [seconds, peak] = said.trim().split(' ').map(Number);
    theirMemory = peak ?? 0;
    return { inside: (seconds ?? Number.NaN) * 1000, whole };
  };
  const inProcess = async (all: boolean): Promise<number> => {
    const start = performance.now();
    if ((await readAll(folder, all)) !== packages) throw new Error('not all packages were read');
    return performance.now() - start;
  };
  let ourMemory = 0;
  const program = `import { openRepositoryAt } from ${JSON.stringify(compiled)};
const [folder, all] = process.argv.slice(1);
const repository = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
let packages = 0;
for await (const _ of repository.packages({ files: all === 'all', changelogs: all === 'all' })) packages++;
console.log(packages, Math.round(process.resourceUsage().maxRSS / 1024));`;
  const ourProcess = (all: boolean): number =>
    timed(() => {
      const words = ['--input-type=module', '-e', program, folder, all ? 'all' : 'primary'];
      const [found, peak] = execFileSync(process.execPath, words, { encoding: 'utf8' }).trim().split(' ').map(Number);
      if (found !== packages) throw new Error('not all packages were read');
      ourMemory = peak ?? 0;
    });
  const pairs: Record<string, [number, number][]> = { solv: [], solvProcess: [], python: [], pythonProcess: [] };
  for (let round = -1; round < rounds; round++) {
    const solv = theirSolv();
    const primaryIn = await inProcess(false);
    const primaryProcess = ourProcess(false);
    const python = theirPython();
    const allIn = await inProcess(true);
    const allProcess = ourProcess(true);
    // The first round warms up.
    if (round < 0) continue;
    pairs.solv?.push([primaryIn, solv]);
    pairs.solvProcess?.push([primaryProcess, solv]);
    pairs.python?.push([allIn, python.inside]);
    pairs.pythonProcess?.push([allProcess, python.whole]);
  }
  report('primary to objects, in process, against rpmmd2solv (a process)', pairs.solv);
  report('the same, both as processes', pairs.solvProcess);
  report('all three to objects, in process, against python3-createrepo-c', pairs.python);
  report('the same, both as processes', pairs.pythonProcess);
  console.log(`  peak memory of a process that reads all three: ours ${ourMemory} MiB, theirs ${theirMemory} MiB`);
}

function timed(work: () => unknown): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

function report(title: string, pairs: readonly (readonly [number, number])[] = []): void {
  const [ours, theirs] = [0, 1].map((side) => Math.round(median(pairs.map((pair) => pair[side as 0 | 1]))));
  const ratio = median(pairs.map(([our, their]) => our / their));
  console.log(`  ${title}: ours ${ours} ms, theirs ${theirs} ms, ratio ${ratio.toFixed(2)}`);
}
