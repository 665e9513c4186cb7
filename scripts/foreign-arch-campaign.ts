/**
 * Builds for aarch64 under an emulator: a Debian tree of that arch becomes a small RPM distribution, the chroot driver builds in it
 * through qemu and says so, twice to the same bytes, and what comes out runs. As root, with the network (Debian's mirror).
 *
 *   node --import tsx scripts/foreign-arch-campaign.ts
 *
 * Takes some five minutes. Registers qemu with the kernel where it is not, for the time of the run: that is seen by the whole
 * machine. Needs, beside what the tests need, the Debian packages qemu-user-static and arch-test. The last result stands in
 * docs/benchmarks.md.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  BuildError,
  type Buildroot,
  buildPackage,
  buildSourcePackage,
  chrootDriver,
  hostBuildroot,
  rpmbuildDriver,
} from '@distrokit/build';
import { memorySource } from '@distrokit/rpm';
import { sourceFolder } from '../test/build/fixture.js';
import { makeMiniDistribution, seeds } from '../test/build/mini-distribution.js';

const run = promisify(execFile);
const arch = 'aarch64';
const binfmt = '/proc/sys/fs/binfmt_misc';
const handler = `${binfmt}/qemu-${arch}`;
const scratch = await mkdtemp(join(tmpdir(), 'distrokit-campaign-foreign-'));
await chmod(scratch, 0o755);
const started = performance.now();
const say = (line: string): void =>
  console.log(`${((performance.now() - started) / 1_000).toFixed(0).padStart(4)} s  ${line}`);
let registered = false;

const root = (repository: string, packages: readonly string[]): Buildroot => ({
  arch,
  root: {
    kind: 'repositories',
    repositories: [{ id: 'mini', location: repository, trust: 'unsigned' }],
    packages,
    releasever: '1',
  },
});

try {
  const folder = await sourceFolder(scratch, 'source', {});
  const { srpm } = await buildSourcePackage(
    folder,
    hostBuildroot,
    rpmbuildDriver({ workFolder: join(scratch, 'host') }),
  );
  const bytes = new Uint8Array(await readFile(srpm.path));
  const driver = chrootDriver({ workFolder: join(scratch, 'roots') });

  if (!existsSync(handler)) {
    const refusal = await buildPackage(memorySource(bytes), root('/nowhere', []), driver).catch(
      (cause: unknown) => cause,
    );
    check(
      'refused before an emulator is registered',
      refusal instanceof BuildError && refusal.code === 'BUILD_DRIVER_UNUSABLE',
    );
    if (!existsSync(`${binfmt}/register`)) await run('mount', ['-t', 'binfmt_misc', 'none', binfmt]);
    await writeFile(`${binfmt}/register`, (await readFile(`/usr/lib/binfmt.d/qemu-${arch}.conf`, 'utf8')).trim());
    registered = true;
  }
  const tree = join(scratch, 'tree');
  const include = seeds.filter((name) => name !== 'base-files').join(',');
  await run(
    'mmdebstrap',
    ['--quiet', '--mode=root', '--arch=arm64', '--variant=essential', `--include=${include}`, 'bookworm', tree],
    { maxBuffer: 2 ** 26 },
  );
  say('a Debian tree for arm64');
  const mini = await makeMiniDistribution(join(scratch, 'mini'), { path: tree, arch });
  say('a distribution made of it');
  const first = await buildPackage(memorySource(bytes), root(mini.repository, mini.buildPackages), driver);
  say(
    `built: ${first.packages.map((pkg) => pkg.path.split('/').at(-1)).join(' ')}, driver ${first.timings.driverMs.toFixed(0)} ms`,
  );
  check('the result says that it was emulated', first.foreign === 'emulated');
  check(
    'the packages are for aarch64',
    first.packages.every((pkg) => pkg.nevra.arch === arch),
  );
  check(
    'the root is of that arch',
    first.rootPackages?.some((pkg) => pkg.name === 'gcc' && pkg.arch === arch) === true,
  );
  const out = join(scratch, 'out');
  await run('sh', [
    '-c',
    'mkdir "$2" && cd "$2" && rpm2cpio "$1" | cpio -id --quiet',
    'sh',
    first.packages[0]?.path ?? '',
    out,
  ]);
  const { stdout: elf } = await run('readelf', ['-h', join(out, 'usr/bin/hello')]);
  check('readelf sees an AArch64 program', /Machine:\s+AArch64/.test(elf));
  await run('cp', [join(out, 'usr/bin/hello'), join(tree, 'usr/bin/hello')]);
  check('it runs', (await run('chroot', [tree, '/usr/bin/hello'])).stdout === 'hello\n');
  const second = await buildPackage(memorySource(bytes), root(mini.repository, mini.buildPackages), driver);
  check('a second build gives the same bytes', first.packages[0]?.sha256 === second.packages[0]?.sha256);
  say('done');
} finally {
  if (registered) await writeFile(handler, '-1').catch(() => {});
  await rm(scratch, { recursive: true, force: true });
}

function check(what: string, holds: boolean): void {
  say(`${holds ? 'ok   ' : 'WRONG'} ${what}`);
  if (!holds) process.exitCode = 1;
}
