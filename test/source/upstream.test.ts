/** Upstream releases with gpg's own signatures, SRPMs from a repository that createrepo_c wrote, archives that tar reads. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { openRepositoryAt } from '@distrokit/repo/node';
import { Keyring, verifyDetached } from '@distrokit/sign';
import {
  directoryLookaside,
  fetchSrpm,
  fetchUpstream,
  gzipTree,
  npmRelease,
  pickSrpm,
  readSourceTree,
  type UpstreamRelease,
} from '@distrokit/source';
import { afterAll, beforeAll, expect, test } from 'vitest';

let root: string;
let store: string;
let home: string;
let ring: string;
const archive = Buffer.alloc(200_000, 'archive ');

function gpg(...args: string[]): string {
  const options = ['--batch', '--yes', '--quiet', '--no-tty', '--pinentry-mode', 'loopback', '--passphrase', ''];
  return execFileSync('gpg', ['--homedir', home, ...options, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

type Verify = (path: string, signature: Uint8Array) => Promise<void>;

/** What a user passes in: a program with the keyring of the test … */
const program = (command: 'gpgv' | 'sqv'): Verify => {
  return async (path, signature) => {
    const file = join(root, 'checked.sig');
    writeFileSync(file, signature);
    execFileSync(command, ['--keyring', ring, file, path], { stdio: 'pipe' });
  };
};
/** … or the keys of `@distrokit/sign`. */
const keys: Verify = async (path, signature) => {
  const report = verifyDetached(readFileSync(path), signature, Keyring.from(readFileSync(ring)), { at: new Date() });
  if (!report.ok) throw new Error('not verified');
};
const verify = program('gpgv');
const verifiers: Readonly<Record<string, Verify>> = { gpgv: verify, sqv: program('sqv'), '@distrokit/sign': keys };

const release = (more: Partial<UpstreamRelease> = {}): UpstreamRelease => {
  const { file = 'hello-1.0.tar' } = more;
  const hex = createHash('sha256')
    .update(readFileSync(join(store, file)))
    .digest('hex');
  return { file, digest: { algorithm: 'sha256', hex }, ...more };
};

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'source-upstream-'));
  store = join(root, 'store');
  home = join(root, 'gnupg');
  ring = join(root, 'ring.gpg');
  mkdirSync(store);
  mkdirSync(home, { mode: 0o700 });
  for (const who of ['good', 'stranger'])
    gpg(
      '--faked-system-time',
      '20230101T000000!',
      '--quick-generate-key',
      `${who} <${who}@example.org>`,
      'ed25519',
      'sign',
      'never',
    );
  writeFileSync(join(store, 'hello-1.0.tar'), archive);
  writeFileSync(join(store, 'hello-1.0.tar.gz'), gzipSync(archive));
  const sign = (user: string, file: string, out: string): void => {
    gpg('--local-user', user, '--output', join(store, out), '--detach-sign', join(store, file));
  };
  sign('good', 'hello-1.0.tar', 'hello-1.0.tar.sig');
  sign('stranger', 'hello-1.0.tar', 'stranger.sig');
  sign('good', 'hello-1.0.tar.gz', 'other.sig');
  writeFileSync(join(store, 'empty.sig'), '');
  const past = ['--faked-system-time', '20240101T000000!', '--ignore-time-conflict', '--default-sig-expire', '1d'];
  const old = join(store, 'expired.sig');
  gpg(...past, '--local-user', 'good', '--output', old, '--detach-sign', join(store, 'hello-1.0.tar'));
  writeFileSync(
    ring,
    execFileSync('gpg', ['--homedir', home, '--export', 'good'], { stdio: ['ignore', 'pipe', 'pipe'] }),
  );
});
afterAll(() => {
  execFileSync('gpgconf', ['--homedir', home, '--kill', 'all']);
  rmSync(root, { recursive: true, force: true });
});
const newFolder = (): string => mkdtempSync(join(root, 'out-'));

for (const [name, check] of Object.entries(verifiers)) {
  test(`an archive with a signature that ${name} calls good arrives together with it`, async () => {
    const out = newFolder();
    const signed = release({ signature: 'hello-1.0.tar.sig' });
    const fetched = await fetchUpstream(signed, directoryLookaside(store), out, { verify: check });
    expect(fetched).toMatchObject({ file: 'hello-1.0.tar', sizeBytes: archive.length });
    expect(readdirSync(out).sort()).toEqual(['hello-1.0.tar', 'hello-1.0.tar.sig']);
  });
}

test('a signature over the tar inside a compressed archive is checked over the tar', async () => {
  const out = newFolder();
  const signed = release({ file: 'hello-1.0.tar.gz', signature: 'hello-1.0.tar.sig', signed: 'uncompressed' });
  await fetchUpstream(signed, directoryLookaside(store), out, { verify });
  expect(readdirSync(out).sort()).toEqual(['hello-1.0.tar.gz', 'hello-1.0.tar.sig']);
  await expect(
    fetchUpstream(signed, directoryLookaside(store), newFolder(), { verify, maxBytes: 100_000 }),
  ).rejects.toMatchObject({
    code: 'SOURCE_LIMIT',
  });
});

const bad: Readonly<Record<string, string>> = {
  'by a key that is not in the ring': 'stranger.sig',
  'over other bytes': 'other.sig',
  'that is empty': 'empty.sig',
  'that has expired': 'expired.sig',
};
for (const [what, signature] of Object.entries(bad)) {
  for (const [name, check] of Object.entries(verifiers)) {
    test(`with a signature ${what} ${name} refuses, and no file arrives`, async () => {
      const out = newFolder();
      await expect(
        fetchUpstream(release({ signature }), directoryLookaside(store), out, { verify: check }),
      ).rejects.toMatchObject({
        code: 'SOURCE_UNVERIFIED',
        fault: { what: 'hello-1.0.tar', wanted: 'a good signature' },
      });
      expect(readdirSync(out)).toEqual([]);
    });
  }
}

test('the expired signature was good on its day', () => {
  const [data, signature] = ['hello-1.0.tar', 'expired.sig'].map((name) => readFileSync(join(store, name)));
  const at = new Date('2024-01-01T12:00:00Z');
  expect(verifyDetached(data!, signature!, Keyring.from(readFileSync(ring)), { at }).ok).toBe(true);
  gpg('--faked-system-time', '20240101T120000!', '--verify', join(store, 'expired.sig'), join(store, 'hello-1.0.tar'));
});

test('neither a missing signature nor a missing verifier is passed over in silence', async () => {
  const out = newFolder();
  const from = directoryLookaside(store);
  await expect(fetchUpstream(release(), from, out, { verify })).rejects.toMatchObject({ code: 'SOURCE_UNVERIFIED' });
  await expect(
    fetchUpstream(release({ signature: 'hello-1.0.tar.sig' }), from, out, { verify: 'unsigned' }),
  ).rejects.toMatchObject({
    code: 'SOURCE_UNVERIFIED',
  });
  await expect(fetchUpstream(release({ signature: 'none.sig' }), from, out, { verify })).rejects.toMatchObject({
    code: 'SOURCE_NOT_FOUND',
  });
  expect(readdirSync(out)).toEqual([]);
  await fetchUpstream(release(), from, out, { verify: 'unsigned' });
  expect(readdirSync(out)).toEqual(['hello-1.0.tar']);
});

test('the digest is checked before the verifier is asked', async () => {
  const out = newFolder();
  let asked = false;
  const wrong = {
    ...release({ signature: 'hello-1.0.tar.sig' }),
    digest: { algorithm: 'sha256', hex: '0'.repeat(64) },
  } as const;
  const spy = async (): Promise<void> => {
    asked = true;
  };
  await expect(fetchUpstream(wrong, directoryLookaside(store), out, { verify: spy })).rejects.toMatchObject({
    code: 'SOURCE_DIGEST_MISMATCH',
  });
  expect(asked).toBe(false);
});

test('an npm release is pinned by the sha512 of its integrity word', () => {
  const hex = createHash('sha512').update('x').digest('hex');
  const integrity = `sha1-AAAA sha512-${Buffer.from(hex, 'hex').toString('base64')}`;
  expect(npmRelease('@scope/some.thing', '1.2.3-rc.1', integrity)).toEqual({
    path: '@scope/some.thing/-/some.thing-1.2.3-rc.1.tgz',
    release: { file: 'some.thing-1.2.3-rc.1.tgz', digest: { algorithm: 'sha512', hex } },
  });
  expect(() => npmRelease('a', '1.0.0', 'sha1-AAAA')).toThrow(expect.objectContaining({ code: 'SOURCE_UNVERIFIED' }));
  for (const name of ['../x', 'a b', '', 'A', '@x', 'a?b']) {
    expect(() => npmRelease(name, '1.0.0', integrity), name).toThrow(
      expect.objectContaining({ code: 'SOURCE_BAD_URL' }),
    );
  }
});

async function concat(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

test('an archive of a folder is the same bytes every time, and tar unpacks it to the same files', async () => {
  const long = `${'deep/'.repeat(30)}ünïcode-${'x'.repeat(60)}`;
  const make = (): string => {
    const folder = mkdtempSync(join(root, 'tree-'));
    mkdirSync(join(folder, 'deep/'.repeat(30)), { recursive: true });
    mkdirSync(join(folder, '.git'));
    writeFileSync(join(folder, '.git', 'config'), 'not this');
    writeFileSync(join(folder, long), 'long');
    writeFileSync(join(folder, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
    writeFileSync(join(folder, 'block'), Buffer.alloc(512, 1));
    symlinkSync('run.sh', join(folder, 'link'));
    symlinkSync(`${'y'.repeat(150)}`, join(folder, 'long-link'));
    return folder;
  };
  const options = { prefix: 'hello-1.0', modifiedAt: new Date('2024-01-02T03:04:05Z') };
  const first = make();
  const second = make();
  chmodSync(join(second, 'block'), 0o600);
  const bytes = await concat(gzipTree(first, options));
  expect(bytes.equals(await concat(gzipTree(second, options)))).toBe(true);
  const out = newFolder();
  writeFileSync(join(root, 'made.tar.gz'), bytes);
  execFileSync('tar', ['-C', out, '-xzf', join(root, 'made.tar.gz')]);
  rmSync(join(first, '.git'), { recursive: true });
  execFileSync('diff', ['-r', '--no-dereference', first, join(out, 'hello-1.0')]);
  const listing = execFileSync('tar', ['--utc', '--full-time', '-tvzf', join(root, 'made.tar.gz')], {
    encoding: 'utf8',
  });
  expect(listing).toMatch(/-rwxr-xr-x root\/root\s+10 2024-01-02 03:04:05 hello-1.0\/run.sh/);
  await expect(concat(gzipTree(join(root, 'not there'), options))).rejects.toThrow();
});

const spec = (version: string): string => `Name: hello
Epoch: 1
Version: ${version}
Release: 1
Summary: Says hello
License: MIT
BuildArch: noarch
Source0: hello.tar
Patch0: fix.patch
%description
Hello.
%files
`;

test('imports from a repository of SRPMs the tree that the SRPM was made from', async () => {
  const repository = join(root, 'repo');
  mkdirSync(join(repository, 'Packages', 'h'), { recursive: true });
  const original = join(root, 'SOURCES');
  mkdirSync(original);
  writeFileSync(join(original, 'hello.tar'), archive);
  writeFileSync(join(original, 'fix.patch'), 'a patch\n');
  for (const version of ['9', '10', '10~rc1']) {
    writeFileSync(join(original, 'hello.spec'), spec(version));
    const define = [`_topdir ${root}/rpm`, `_sourcedir ${original}`, `_srcrpmdir ${repository}/Packages/h`];
    execFileSync('rpmbuild', ['-bs', ...define.flatMap((d) => ['--define', d]), join(original, 'hello.spec')], {
      stdio: 'ignore',
    });
  }
  execFileSync('createrepo_c', ['--quiet', repository]);
  const opened = await openRepositoryAt(repository, { verifyRepomd: 'unsigned' });
  const record = await pickSrpm(opened.packages(), { name: 'hello' });
  expect(record).toMatchObject({ version: '10', location: 'Packages/h/hello-10-1.src.rpm' });
  expect(await pickSrpm(opened.packages(), { name: 'hello', version: '10~rc1' })).toMatchObject({ version: '10~rc1' });
  await expect(pickSrpm(opened.packages(), { name: 'hello', version: '11' })).rejects.toMatchObject({
    code: 'SOURCE_NOT_FOUND',
    fault: { tried: [{ why: '3 of that name, the newest is 1:10-1' }] },
  });

  const out = join(newFolder(), 'tree');
  writeFileSync(join(original, 'hello.spec'), spec('10'));
  const from = directoryLookaside(repository, { pattern: '{path}' });
  const origin = { where: 'the repository', terms: 'public' } as const;
  const tree = await fetchSrpm(record, from, out, { origin, verify: 'unsigned' });
  const wanted = await readSourceTree(original, { origin: { ...origin, kind: 'directory' }, ref: 'x' });
  expect(tree.files.map(({ path, sha256, sizeBytes }) => ({ path, sha256, sizeBytes }))).toEqual(
    wanted.files.map(({ path, sha256, sizeBytes }) => ({ path, sha256, sizeBytes })),
  );
  expect(tree).toMatchObject({
    nevr: { name: 'hello', epoch: 1, version: '10', release: '1' },
    ref: record.pkgid.hex,
    spec: 'hello.spec',
  });
  expect(readdirSync(out).sort()).toEqual(['fix.patch', 'hello.spec', 'hello.tar']);

  const damaged = join(repository, record.location);
  const bytes = readFileSync(damaged);
  bytes[bytes.length - 20]! ^= 1;
  writeFileSync(damaged, bytes);
  const nowhere = join(newFolder(), 'tree');
  await expect(fetchSrpm(record, from, nowhere, { origin, verify: 'unsigned' })).rejects.toMatchObject({
    code: 'SOURCE_DIGEST_MISMATCH',
  });
  expect(existsSync(nowhere) ? readdirSync(nowhere) : []).toEqual([]);
});
