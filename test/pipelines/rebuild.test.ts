/** The main job from end to end, and every failure that a user will meet. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rebuild, script, smallPackage } from './rebuild-run.js';

const work = mkdtempSync(join(tmpdir(), 'distrokit-rebuild-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const folder = (name: string): string => join(work, name);
/** What a user would take for a result. */
const results = (output: string): string[] =>
  existsSync(output) ? readdirSync(output).filter((name) => name !== 'logs') : [];
const sha512 = (text: string): string => createHash('sha512').update(text).digest('hex');

test('rebuilds xz from dist-git and lookaside into a signed repository that dnf installs from', async () => {
  const output = folder('xz');
  const { status, stdout, stderr } = await rebuild(['--output', output]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toContain('[9/9] Run the installed program: /usr/bin/xz --version');
  expect(stdout).toContain('Rebuilt with distrokit');
  // No payload was written again: the space that rpmbuild reserves is enough.
  expect(stdout).toContain('4 of 4 in place');
  expect(results(output).sort()).toEqual(['rebuild.repo', 'repository']);

  await writeFile(folder('dnf.conf'), '[main]\n');
  const dnf = (...args: string[]): string =>
    execFileSync(
      'dnf',
      [
        '-q',
        '--noplugins',
        '-c',
        folder('dnf.conf'),
        `--setopt=cachedir=${folder('cache')}`,
        `--setopt=logdir=${work}`,
      ].concat([`--setopt=reposdir=${output}`, '--assumeyes', `--installroot=${folder('empty')}`, ...args]),
      { encoding: 'utf8', env: { ...process.env, HOME: work }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
  const listed = dnf('repoquery', '--qf', '%{name} %{evr} %{arch}').trim().split('\n').sort();
  const arch = process.arch === 'x64' ? 'x86_64' : 'aarch64';
  const evr = '5.2.3-1.el9.distrokit.1';
  expect(listed).toEqual([`xz ${evr} src`, `xz ${evr} ${arch}`, `xz-devel ${evr} ${arch}`, `xz-libs ${evr} ${arch}`]);

  // The reference tool makes the same three documents of the same folder.
  const copy = folder('createrepo');
  await cp(join(output, 'repository'), copy, { recursive: true, preserveTimestamps: true });
  execFileSync('createrepo_c', ['--quiet', '--no-database', '--simple-md-filenames', copy]);
  const ours = join(output, 'repository', 'repodata');
  for (const type of ['primary', 'filelists', 'other']) {
    const name = readdirSync(ours).find((file) => file.endsWith(`-${type}.xml.gz`))!;
    const theirs = gunzipSync(readFileSync(join(copy, 'repodata', `${type}.xml.gz`))).toString();
    expect(gunzipSync(readFileSync(join(ours, name))).toString()).toBe(theirs);
  }

  const packages = join(output, 'repository', 'Packages');
  const names = readdirSync(packages).map((name) => join(packages, name));
  const database = folder('rpmdb');
  execFileSync('rpmkeys', ['--dbpath', database, '--import', join(output, 'repository', 'RPM-GPG-KEY-rebuild')]);
  const checked = execFileSync('rpmkeys', ['--dbpath', database, '--define', '_pkgverify_level all', '-Kv', ...names], {
    encoding: 'utf8',
  });
  expect(checked.match(/Signature, key ID [0-9a-f]+: OK/g)?.length).toBe(names.length);
  expect(checked).not.toMatch(/BAD|NOKEY|NOTFOUND|MISSING/);

  const spec = execFileSync(
    'sh',
    ['-c', 'rpm2cpio "$1" | cpio -i --to-stdout xz.spec', 'sh', names.find((name) => name.endsWith('.src.rpm'))!],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  expect(spec).toMatch(/# Origin: vendor, https:\/\/example\.com\/patches\/xz\/0001-say-who-built-it\.patch\nPatch0?:/);
}, 600_000);

test('rebuilds a checkout whose listed blob lies beside the spec', async () => {
  const checkout = await smallPackage(folder('checkout'), { sources: `SHA512 (small.sh) = ${sha512(script)}\n` });
  await writeFile(join(checkout, 'small.sh'), script);
  const output = folder('small');
  const { status, stdout, stderr } = await rebuild(['--package', checkout, '--output', output]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toContain('/usr/bin/small --version: small 1.0');
  expect(readdirSync(join(output, 'repository', 'Packages'))).toEqual([
    'small-1.0-1.el9.distrokit.1.noarch.rpm',
    'small-1.0-1.el9.distrokit.1.src.rpm',
  ]);
});

/** Runs what follows in a mount namespace of its own, after `command`. */
function inMountNamespace(command: string): string[] {
  const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  return ['unshare', ...asRoot, '--mount', 'sh', '-c', `${command} && exec "$@"`, 'sh'];
}

/** Runs and expects one clear failure: status 1, no stack, nothing that looks like a result. */
async function failure(args: readonly string[], options: Parameters<typeof rebuild>[1] = {}): Promise<string> {
  const output = args[args.indexOf('--output') + 1]!;
  const { status, stderr } = await rebuild(args, options);
  expect({ status, stderr }).toMatchObject({ status: 1 });
  expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
  expect(results(output)).toEqual([]);
  return stderr;
}

test('no network: says which store was asked for which file, and what to do', async () => {
  const checkout = await smallPackage(folder('no-network'), { sources: `SHA512 (small.sh) = ${sha512(script)}\n` });
  // Port 9 of the loopback address: nobody listens there.
  const store = 'http://127.0.0.1:9/{name}/{file}/{hex}';
  const said = await failure(['--package', checkout, '--lookaside', store, '--output', folder('o1')]);
  expect(said).toContain('Failed at step 1 of 9');
  expect(said).toContain('small.sh');
  expect(said).toContain('127.0.0.1:9');
  expect(said).toContain('Check the network');
});

test('wrong digest: shows wanted and found, and leaves no file under the listed name', async () => {
  const server = createServer((_, response) => response.end('something else'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const checkout = await smallPackage(folder('digest'), { sources: `SHA512 (small.sh) = ${sha512(script)}\n` });
    const store = `http://127.0.0.1:${port}/{file}/{hex}`;
    const said = await failure(['--package', checkout, '--lookaside', store, '--output', folder('o2')]);
    expect(said).toContain(sha512(script).slice(0, 16));
    expect(said).toContain(sha512('something else').slice(0, 16));
    expect(existsSync(join(checkout, 'small.sh'))).toBe(false);
  } finally {
    server.close();
  }
});

test('missing tool: names it and the command that installs it', async () => {
  const checkout = await smallPackage(folder('tool'));
  await writeFile(join(checkout, 'small.sh'), script);
  // /dev/null cannot be executed, not even by root: for this run alone there is no rpmbuild.
  const hidden = inMountNamespace('mount --bind /dev/null "$(command -v rpmbuild)"');
  const said = await failure(['--package', checkout, '--output', folder('o3')], { wrap: hidden });
  expect(said).toContain('rpmbuild: not found');
  expect(said).toContain('apt-get install rpm');
  expect(said).toContain('npm run setup');
});

test('missing dnf: named as well, after all that could be made without it', async () => {
  const checkout = await smallPackage(folder('tool-dnf'));
  await writeFile(join(checkout, 'small.sh'), script);
  const hidden = inMountNamespace('mount --bind /dev/null "$(command -v dnf)"');
  const said = await failure(['--package', checkout, '--output', folder('o8')], { wrap: hidden });
  expect(said).toContain('dnf: not found');
});

test('a spec that does not build: shows the last lines of the log and keeps the log', async () => {
  const checkout = await smallPackage(folder('broken'), { build: 'echo about to fail\nexit 3' });
  await writeFile(join(checkout, 'small.sh'), script);
  const output = folder('o4');
  const said = await failure(['--package', checkout, '--output', output]);
  expect(said).toContain('Failed at step 4 of 9');
  expect(said).toContain('logs/build.log');
  expect(readFileSync(join(output, 'logs', 'build.log'), 'utf8')).toContain('about to fail');
});

test('a wrong key: a public key cannot sign, and nothing of it is shown', async () => {
  const checkout = await smallPackage(folder('key'));
  await writeFile(join(checkout, 'small.sh'), script);
  const home = folder('gnupg');
  await mkdir(home, { mode: 0o700 });
  const gpg = (...args: string[]): string =>
    execFileSync(
      'gpg',
      ['--homedir', home, '--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', '', ...args],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
  gpg('--quick-generate-key', 'someone@example.com', 'rsa2048', 'sign', '1y');
  const armored = gpg('--armor', '--export');
  const key = folder('public.asc');
  await writeFile(key, armored);
  const said = await failure(['--package', checkout, '--key', key, '--output', folder('o5')]);
  expect(said).toContain('private');
  expect(said).not.toContain(armored.split('\n')[3]!);
  execFileSync('gpgconf', ['--homedir', home, '--kill', 'all']);
});

test('a full disk: says so and leaves nothing that looks like a result', async () => {
  const checkout = await smallPackage(folder('full'), { build: 'head -c 30000000 /dev/urandom > big' });
  await writeFile(join(checkout, 'small.sh'), Buffer.alloc(6_000_000, 'x'));
  const output = folder('o6');
  await mkdir(output);
  // A file system of 8 MiB that only this run sees.
  const mounted = inMountNamespace(`mount -t tmpfs -o size=8m tmpfs '${output}'`);
  const said = await failure(['--package', checkout, '--output', output], { wrap: mounted });
  expect(said).toMatch(/out-of-disk|no space|ENOSPC/i);
  expect(said).toContain('Make room on the disk');
});

test('an unknown option: the usage text', async () => {
  const { status, stderr } = await rebuild(['--pakcage', 'x']);
  expect(status).toBe(1);
  expect(stderr).toContain('npm start -- --package DIR');
});

test('an interrupted run leaves no result and no process behind', async () => {
  const checkout = await smallPackage(folder('stop'), { build: 'sleep 987.65' });
  await writeFile(join(checkout, 'small.sh'), script);
  const output = folder('o7');
  const wrap = ['timeout', '--signal=INT', '--preserve-status', '12'];
  const { status } = await rebuild(['--package', checkout, '--output', output], { wrap });
  expect(status).not.toBe(0);
  expect(results(output)).toEqual([]);
  const left = execFileSync('sh', ['-c', "ps -eo args | grep -c '[s]leep 987.65' || true"], { encoding: 'utf8' });
  expect(left.trim()).toBe('0');
});

beforeAll(() => {
  // The example runs on the compiled doors, as a user's program does.
  for (const name of ['rpm', 'sign', 'repo', 'source', 'build']) {
    expect(existsSync(new URL(`../../packages/${name}/dist/index.js`, import.meta.url))).toBe(true);
  }
});
