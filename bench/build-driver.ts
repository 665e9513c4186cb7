/**
 * What a driver costs over plain `rpmbuild --rebuild` of the same SRPM: pairs of builds in turn, the median of their ratios.
 *
 *     node --import tsx bench/build-driver.ts [pairs]
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildPackage, buildSourcePackage, hostBuildroot, rpmbuildDriver } from '@distrokit/build';
import { memorySource } from '@distrokit/rpm';

const run = promisify(execFile);
const pairs = Number(process.argv[2] ?? 5);
const scratch = await mkdtemp(join(tmpdir(), 'distrokit-bench-driver-'));
try {
  const functions = Array.from(
    { length: 600 },
    (_, at) => `int f${at}(int x) { int s = x; for (int i = 0; i < ${at + 9}; i++) s = s * 31 + i % 7; return s; }`,
  );
  const source = join(scratch, 'source');
  await mkdir(source);
  await writeFile(join(source, 'many.c'), `${functions.join('\n')}\nint main(void) { return f1(2) == 3; }\n`);
  await writeFile(
    join(source, 'many.spec'),
    'Name: many\nVersion: 1\nRelease: 1\nSummary: Many functions\nLicense: MIT\nSource0: many.c\n%description\nTakes a while.\n%build\ngcc -g -O2 -o many %{SOURCE0}\n' +
      '%install\ninstall -D many %{buildroot}/usr/bin/many\n%files\n/usr/bin/many\n%changelog\n* Wed Nov 01 2023 A Packager <p@example.org> - 1-1\n- First\n',
  );
  const driver = rpmbuildDriver({ workFolder: join(scratch, 'work') });
  const { srpm } = await buildSourcePackage(source, hostBuildroot, driver);
  const bytes = new Uint8Array(await readFile(srpm.path));
  const home = join(scratch, 'home');
  await mkdir(home);
  const plain = () =>
    run('rpmbuild', ['--rebuild', '--nodeps', '--define', `_topdir ${scratch}/top`, srpm.path], {
      env: { HOME: home, PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      maxBuffer: 2 ** 26,
    });
  const time = async (work: () => Promise<unknown>): Promise<number> => {
    const started = performance.now();
    await work();
    return performance.now() - started;
  };
  await plain();
  const ratios: number[] = [];
  for (let pair = 0; pair < pairs; pair += 1) {
    const theirs = await time(plain);
    const ours = await time(() => buildPackage(memorySource(bytes), hostBuildroot, driver));
    ratios.push(ours / theirs);
    console.log(`rpmbuild ${theirs.toFixed(0)} ms, driver ${ours.toFixed(0)} ms, ratio ${(ours / theirs).toFixed(3)}`);
  }
  ratios.sort((a, b) => a - b);
  console.log(
    `${(await run('rpmbuild', ['--version'])).stdout.trim()}: median ratio ${(ratios[Math.floor(ratios.length / 2)] ?? 0).toFixed(3)}`,
  );
} finally {
  await rm(scratch, { recursive: true, force: true });
}
