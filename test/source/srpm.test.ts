/** SRPMs made by rpmbuild, taken apart and compared with what went in. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memorySource, type RpmPackage, rangeSource } from '@distrokit/rpm';
import { fileSource } from '@distrokit/rpm/node';
import { assertVerified, Keyring, verifyPackage } from '@distrokit/sign';
import { type Origin, readSrpm } from '@distrokit/source';
import { afterAll, beforeAll, expect, test } from 'vitest';

const spec = `Name: hello
Epoch: 2
Version: 1.0
Release: 1%{?dist}
Summary: Says hello
License: MIT
BuildArch: noarch
Source0: hello-1.0.tar.gz
Source1: run me.sh
Patch0: fix.patch

%description
Hello.

%files
`;
let root: string;
let origin: Origin;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'source-srpm-'));
  mkdirSync(join(root, 'SOURCES'));
  writeFileSync(join(root, 'hello.spec'), spec.replace('run me.sh', 'run-me.sh'));
  writeFileSync(join(root, 'SOURCES', 'hello-1.0.tar.gz'), Buffer.alloc(700_000, 'some bytes '));
  writeFileSync(join(root, 'SOURCES', 'run-me.sh'), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(join(root, 'SOURCES', 'fix.patch'), 'a patch\n');
  origin = { kind: 'srpm', where: 'hello.src.rpm', terms: 'public' };
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function makeSrpm(...defines: string[]): string {
  const top = mkdtempSync(join(root, 'top-'));
  const args = ['-bs', '--define', `_topdir ${top}`, '--define', `_sourcedir ${root}/SOURCES`, '--define', 'dist .el9'];
  for (const define of defines) args.push('--define', define);
  execFileSync('rpmbuild', [...args, join(root, 'hello.spec')], { stdio: 'ignore' });
  return join(top, 'SRPMS', readdirSync(join(top, 'SRPMS'))[0]!);
}

for (const payload of ['w9.gzdio', 'w2.xzdio', 'w9.bzdio', 'w3.zstdio', 'w.ufdio']) {
  test(`takes an SRPM with a ${payload} payload apart into the files it was made from`, async () => {
    const srpm = makeSrpm(`_source_payload ${payload}`);
    const directory = join(mkdtempSync(join(root, 'out-')), 'new');
    await using source = await fileSource(srpm);
    const tree = await readSrpm(source, directory, { origin, verify: 'unsigned' });
    expect(tree.nevr).toEqual({ name: 'hello', epoch: 2, version: '1.0', release: '1.el9' });
    expect(tree.spec).toBe('hello.spec');
    expect(tree.ref).toBe(execFileSync('sha256sum', [srpm], { encoding: 'utf8' }).slice(0, 64));
    const names = ['fix.patch', 'hello-1.0.tar.gz', 'hello.spec', 'run-me.sh'];
    expect(tree.files.map((file) => file.path)).toEqual(names);
    expect(readdirSync(directory).sort()).toEqual(names);
    for (const name of names) {
      const original = name.endsWith('.spec') ? join(root, name) : join(root, 'SOURCES', name);
      expect(readFileSync(join(directory, name)).equals(readFileSync(original)), name).toBe(true);
    }
    expect(statSync(join(directory, 'run-me.sh')).mode & 0o111).not.toBe(0);
    expect(statSync(join(directory, 'fix.patch')).mode & 0o111).toBe(0);
  });
}

test('takes an SRPM from a web server apart, by ranges and without them', async () => {
  const bytes = readFileSync(makeSrpm());
  const asked: (string | undefined)[] = [];
  let ranges = true;
  const server = createServer((request, response) => {
    asked.push(request.headers.range);
    const [, from, to] = (ranges && /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')) || [];
    if (from === undefined) response.writeHead(200, { etag: '"1"', 'content-length': bytes.length }).end(bytes);
    else {
      const end = Math.min(to ? Number(to) : bytes.length - 1, bytes.length - 1);
      const part = bytes.subarray(Number(from), end + 1);
      const range = `bytes ${from}-${end}/${bytes.length}`;
      response.writeHead(206, { etag: '"1"', 'content-length': part.length, 'content-range': range }).end(part);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hello.src.rpm`;
    for (ranges of [true, false]) {
      const directory = mkdtempSync(join(root, 'out-'));
      const tree = await readSrpm(rangeSource(fetch, url), directory, { origin, verify: 'unsigned' });
      expect(tree.files.map((file) => file.path)).toEqual(['fix.patch', 'hello-1.0.tar.gz', 'hello.spec', 'run-me.sh']);
      expect(tree.ref).toBe(createHash('sha256').update(bytes).digest('hex'));
    }
    expect(asked.some((range) => range !== undefined)).toBe(true);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('takes an SRPM that rpmsign signed when a key of the keyring made the signature, and no other', async () => {
  const home = join(root, 'gnupg');
  mkdirSync(home, { mode: 0o700 });
  const gpg = (...args: string[]): Buffer =>
    execFileSync('gpg', ['--homedir', home, '--batch', '--quiet', '--passphrase', '', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  for (const who of ['good', 'other']) gpg('--quick-generate-key', `${who}@example.org`, 'rsa2048', 'sign', 'never');
  const unsigned = makeSrpm();
  const signed = join(root, 'signed.src.rpm');
  writeFileSync(signed, readFileSync(unsigned));
  const define = ['__gpg /usr/bin/gpg', `_gpg_path ${home}`, '_gpg_name good@example.org'];
  execFileSync('rpmsign', ['--addsign', ...define.flatMap((text) => ['--define', text]), signed], { stdio: 'ignore' });
  const verifier = (who: string): ((pkg: RpmPackage) => Promise<void>) => {
    const keys = Keyring.from(gpg('--export', who));
    return async (pkg) => assertVerified(await verifyPackage(pkg, keys, { at: new Date() }));
  };
  const attempt = async (path: string, who: string): Promise<string[]> => {
    const directory = mkdtempSync(join(root, 'out-'));
    await using source = await fileSource(path);
    await readSrpm(source, directory, { origin, verify: verifier(who) }).catch((error: unknown) => {
      expect(error).toMatchObject({ code: expect.stringMatching(/^SIGN_/) });
    });
    return readdirSync(directory);
  };
  expect(await attempt(signed, 'good@example.org')).toHaveLength(4);
  expect(await attempt(signed, 'other@example.org')).toEqual([]);
  expect(await attempt(unsigned, 'good@example.org')).toEqual([]);
  execFileSync('gpgconf', ['--homedir', home, '--kill', 'all']);
});

test('asks the verifier before the payload is read, and leaves no file when it refuses', async () => {
  const bytes = readFileSync(makeSrpm());
  const directory = join(mkdtempSync(join(root, 'out-')), 'new');
  const verify = async (): Promise<void> => {
    throw new Error('not signed by anyone we know');
  };
  await expect(readSrpm(bytes, directory, { origin, verify })).rejects.toThrow('not signed by anyone we know');
  expect(existsSync(directory)).toBe(false);
});

test('refuses a payload with one flipped bit and leaves no file', async () => {
  const bytes = new Uint8Array(readFileSync(makeSrpm('_source_payload w.ufdio')));
  bytes[bytes.length - 200_000]! ^= 1;
  const directory = mkdtempSync(join(root, 'out-'));
  await expect(readSrpm(memorySource(bytes), directory, { origin, verify: 'unsigned' })).rejects.toMatchObject({
    code: 'SOURCE_DIGEST_MISMATCH',
  });
  expect(readdirSync(directory)).toEqual([]);
});

test('refuses a truncated SRPM and leaves no file', async () => {
  const bytes = readFileSync(makeSrpm());
  const directory = mkdtempSync(join(root, 'out-'));
  for (const length of [10, 200, 3000, bytes.length - 1]) {
    await expect(readSrpm(bytes.subarray(0, length), directory, { origin, verify: 'unsigned' })).rejects.toMatchObject({
      code: expect.stringMatching(/^(RPM|SOURCE)_/),
    });
  }
  expect(readdirSync(directory)).toEqual([]);
});
