import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readPackage } from '@distrokit/rpm';
import {
  formatRepoFile,
  type GeneratedKey,
  generateKey,
  Keyring,
  memorySigner,
  type ReleaseContents,
  signDetached,
  signPackage,
  verifyPackage,
  writeReleasePackage,
} from '@distrokit/sign';
import { beforeAll, expect, test } from 'vitest';
import { collect, rpmkeys, temporaryFolder, tool } from './judges.js';

const createdAt = new Date('2026-01-01T00:00:00Z');
const signedAt = new Date('2026-11-22T00:00:00Z');
const options = { sourceDate: new Date('2026-11-01T00:00:00Z'), buildHost: 'host.example' };

let folder: string;
let key: GeneratedKey;
let next: GeneratedKey;
beforeAll(async () => {
  folder = await temporaryFolder();
  key = await generateKey({ userId: 'Example <e@example.com>', kind: 'rsa3072', createdAt });
  next = await generateKey({ userId: 'Example 2 <e@example.com>', kind: 'rsa3072', createdAt });
});

const contents = (baseUrl: string): ReleaseContents => ({
  name: 'example-release',
  version: '9',
  release: '1',
  summary: 'Example Linux',
  license: 'MIT',
  repositories: [{ id: 'example-base', name: 'Example $releasever', baseUrl }],
  keys: [
    { name: 'example', publicKey: key.publicKey },
    { name: 'example-2', publicKey: next.publicKey },
  ],
});

async function signed(baseUrl: string): Promise<Uint8Array> {
  const plain = await collect(writeReleasePackage(contents(baseUrl), options));
  return collect(
    (await signPackage(await readPackage(plain), await memorySigner(key.privateKey), { signedAt })).bytes(),
  );
}

test('the repo file checks every repository against every key', () => {
  expect(formatRepoFile(contents('https://example.org/9/'))).toBe(
    [
      '[example-base]',
      'name=Example $releasever',
      'baseurl=https://example.org/9/',
      'enabled=1',
      'gpgcheck=1',
      'repo_gpgcheck=1',
      'gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-example file:///etc/pki/rpm-gpg/RPM-GPG-KEY-example-2',
      '',
    ].join('\n'),
  );
});

test('values that would add an option, name a path or bring no key are refused', () => {
  const base = contents('https://example.org');
  const evil = { ...base, repositories: [{ id: 'a', name: 'x\ngpgcheck=0', baseUrl: 'u' }] };
  expect(() => formatRepoFile(evil)).toThrow(TypeError);
  expect(() => formatRepoFile({ ...base, keys: [{ name: '../../x', publicKey: key.publicKey }] })).toThrow(TypeError);
  expect(() => formatRepoFile({ ...base, keys: [] })).toThrow(expect.objectContaining({ code: 'SIGN_BAD_KEY' }));
  expect(() => formatRepoFile({ ...base, keys: [{ name: 'x', publicKey: key.privateKey }] })).toThrow(
    expect.objectContaining({ code: 'SIGN_BAD_KEY' }),
  );
});

test('rpm takes the release package, and the same input gives the same bytes', async () => {
  const bytes = await signed('https://example.org/9/');
  expect(Buffer.from(bytes).equals(await signed('https://example.org/9/'))).toBe(true);
  const path = join(folder, 'example-release-9-1.noarch.rpm');
  await writeFile(path, bytes);
  expect((await rpmkeys(folder, path, [key.publicKey])).ok).toBe(true);
  const { stdout } = await tool('rpm', ['-qp', '--qf', '[%{FILENAMES} %{FILEFLAGS:fflags}\\n]', path]);
  expect(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.trim()),
  ).toEqual([
    '/etc/pki/rpm-gpg/RPM-GPG-KEY-example',
    '/etc/pki/rpm-gpg/RPM-GPG-KEY-example-2',
    '/etc/yum.repos.d/example-release.repo cn',
  ]);
  const report = await verifyPackage(await readPackage(bytes), Keyring.from(key.publicKey), {
    at: signedAt,
    payload: true,
  });
  expect(report.ok).toBe(true);
});

test('dnf with both checks on installs from the repository that the release package describes', async () => {
  const repository = join(folder, 'repository');
  const root = join(folder, 'root');
  await mkdir(repository);
  const bytes = await signed(`file://${repository}`);
  await writeFile(join(repository, 'example-release-9-1.noarch.rpm'), bytes);
  await tool('createrepo_c', ['-q', repository]);
  const repomd = await readFile(join(repository, 'repodata/repomd.xml'));
  const install = async (name: string): Promise<number> => {
    const target = join(root, name);
    await mkdir(join(target, 'etc/yum.repos.d'), { recursive: true });
    const keys = join(target, 'keys');
    await mkdir(keys);
    const text = formatRepoFile(contents(`file://${repository}`)).replaceAll(
      'file:///etc/pki/rpm-gpg',
      `file://${keys}`,
    );
    await writeFile(join(target, 'etc/yum.repos.d/example.repo'), text);
    for (const one of contents('x').keys) await writeFile(join(keys, `RPM-GPG-KEY-${one.name}`), one.publicKey);
    const { code } = await tool(
      'dnf',
      [
        '-y',
        '--noplugins',
        `--installroot=${target}`,
        '--releasever=9',
        `--setopt=reposdir=${join(target, 'etc/yum.repos.d')}`,
        `--setopt=cachedir=${join(target, 'cache')}`,
        'install',
        'example-release',
      ],
      { HOME: target },
    );
    return code;
  };
  const asc = join(repository, 'repodata/repomd.xml.asc');
  // Signed with the next key of a roll-over: the file lists both.
  await writeFile(asc, await signDetached(repomd, await memorySigner(next.privateKey), { signedAt }));
  expect(await install('good')).toBe(0);
  expect(await readFile(join(root, 'good/etc/yum.repos.d/example-release.repo'), 'utf8')).toContain('repo_gpgcheck=1');
  const stranger = await generateKey({ userId: 'Stranger', kind: 'rsa3072', createdAt });
  await writeFile(asc, await signDetached(repomd, await memorySigner(stranger.privateKey), { signedAt }));
  expect(await install('wrong-key')).not.toBe(0);
  await rm(asc);
  expect(await install('unsigned')).not.toBe(0);
});
