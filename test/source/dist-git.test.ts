/** Real git repositories, made here and read through the door. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
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
import {
  checkGitRef,
  checkGitUrl,
  checkoutGit,
  detectLayout,
  directoryLookaside,
  fetchDistGit,
  formatSources,
  hasGitCommit,
  listGitRefs,
  readTreeSpec,
} from '@distrokit/source';
import { afterAll, beforeAll, expect, test } from 'vitest';

const spec = `Name: hello
Version: 1.0
Release: 1%{?dist}
Summary: Says hello
License: MIT
Source0: https://example.org/%{name}-%{version}.tar.gz
Patch0: fix.patch

%description
Hello.

%prep
%autosetup -p1
`;
const blob = Buffer.from('not really an archive');
const sha512 = createHash('sha512').update(blob).digest('hex');
let root: string;
let repository: string;
let commit: string;

function git(...args: string[]): string {
  const env = {
    PATH: process.env.PATH,
    HOME: root,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'T',
    GIT_AUTHOR_EMAIL: 't@example.org',
    GIT_COMMITTER_NAME: 'T',
    GIT_COMMITTER_EMAIL: 't@example.org',
  };
  return execFileSync('git', args, { cwd: repository, env, encoding: 'utf8' }).trim();
}

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'source-git-'));
  repository = join(root, 'hello');
  mkdirSync(repository);
  git('init', '-q', '-b', 'c9s');
  writeFileSync(join(repository, 'hello.spec'), spec);
  writeFileSync(join(repository, 'fix.patch'), 'a patch');
  const entry = { file: 'hello-1.0.tar.gz', digest: { algorithm: 'sha512', hex: sha512 } } as const;
  writeFileSync(join(repository, 'sources'), formatSources([entry]));
  git('add', '.');
  git('commit', '-q', '-m', 'first');
  git('tag', '-a', '-m', 'x', 'imports/c9s/hello-1.0-1.el9');
  commit = git('rev-parse', 'HEAD');
  mkdirSync(join(root, 'store'));
  writeFileSync(join(root, 'store', 'hello-1.0.tar.gz'), blob);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

for (const ref of ['c9s', 'imports/c9s/hello-1.0-1.el9', 'refs/heads/c9s', 'the commit']) {
  test(`fetches a dist-git tree at ${ref} with every blob verified`, async () => {
    const directory = mkdtempSync(join(root, 'out-'));
    const wanted = { url: `file://${repository}`, ref: ref === 'the commit' ? commit : ref, terms: 'public' } as const;
    const store = directoryLookaside(join(root, 'store'));
    const tree = await fetchDistGit(wanted, store, directory, {
      allowFile: true,
      specEnvironment: { macros: { dist: '.el9' } },
    });
    expect(tree.ref).toBe(commit);
    expect(tree.files.map((file) => [file.path, file.from.kind])).toEqual([
      ['fix.patch', 'dist-git'],
      ['hello-1.0.tar.gz', 'lookaside'],
      ['hello.spec', 'dist-git'],
      ['sources', 'dist-git'],
    ]);
    expect(tree.nevr).toEqual({ name: 'hello', version: '1.0', release: '1.el9' });
    expect(readdirSync(directory).sort()).toEqual(['fix.patch', 'hello-1.0.tar.gz', 'hello.spec', 'sources']);
    expect(readFileSync(join(directory, 'hello-1.0.tar.gz'))).toEqual(blob);
    expect((await readTreeSpec(tree)).toString()).toBe(spec);
  });
}

test('a failed fetch leaves neither the spec nor anything else in the folder', async () => {
  const directory = mkdtempSync(join(root, 'out-'));
  const wrong = mkdtempSync(join(root, 'store-'));
  writeFileSync(join(wrong, 'hello-1.0.tar.gz'), 'other bytes');
  const distGit = { url: `file://${repository}`, ref: 'c9s' };
  const options = { allowFile: true };
  await expect(fetchDistGit(distGit, directoryLookaside(wrong), directory, options)).rejects.toMatchObject({
    code: 'SOURCE_DIGEST_MISMATCH',
  });
  expect(readdirSync(directory)).toEqual([]);
  await fetchDistGit(distGit, directoryLookaside(join(root, 'store')), directory, options);
  await expect(
    fetchDistGit(distGit, directoryLookaside(join(root, 'store')), directory, options),
  ).rejects.toMatchObject({ code: 'SOURCE_BAD_TREE' });
});

test('refuses a tree with a link in it, and runs nothing of a hostile repository', async () => {
  const canary = join(root, 'canary');
  git('checkout', '-q', '-b', 'evil');
  symlinkSync('/etc/passwd', join(repository, 'motd'));
  mkdirSync(join(repository, 'hooks'));
  writeFileSync(join(repository, 'hooks', 'post-checkout'), `#!/bin/sh\ntouch ${canary}\n`, { mode: 0o755 });
  writeFileSync(join(repository, '.gitattributes'), '* filter=evil\n');
  writeFileSync(
    join(repository, '.gitconfig'),
    `[filter "evil"]\n\tsmudge = touch ${canary}\n[core]\n\thooksPath = hooks\n`,
  );
  writeFileSync(join(repository, '.gitmodules'), '[submodule "x"]\n\tpath = x\n\turl = -u./payload\n');
  git('add', '.');
  git('commit', '-q', '-m', 'evil');
  git('checkout', '-q', 'c9s');
  const directory = mkdtempSync(join(root, 'out-'));
  const distGit = { url: `file://${repository}`, ref: 'evil' };
  await expect(
    fetchDistGit(distGit, directoryLookaside(join(root, 'store')), directory, { allowFile: true }),
  ).rejects.toMatchObject({ code: 'SOURCE_BAD_TREE', fault: { found: expect.stringContaining('motd') } });
  expect(readdirSync(directory)).toEqual([]);
  expect(existsSync(canary)).toBe(false);
});

test('says which ref is missing and leaves nothing in the folder', async () => {
  const directory = mkdtempSync(join(root, 'out-'));
  await expect(checkoutGit(`file://${repository}`, 'c10s', directory, { allowFile: true })).rejects.toMatchObject({
    code: 'SOURCE_GIT_FAILED',
    fault: { found: expect.stringContaining('c10s') },
  });
  expect(readdirSync(directory)).toEqual([]);
});

test('lists branches and tags with the commits behind annotated tags', async () => {
  const refs = await listGitRefs(`file://${repository}`, { allowFile: true, scratch: root });
  expect(refs).toEqual([
    { name: 'refs/heads/c9s', commit },
    { name: 'refs/heads/evil', commit: git('rev-parse', 'evil') },
    { name: 'refs/tags/imports/c9s/hello-1.0-1.el9', commit },
  ]);
});

test('refuses a repository of this machine unless it is asked for', async () => {
  const directory = mkdtempSync(join(root, 'out-'));
  for (const url of [`file://${repository}`, repository]) {
    await expect(checkoutGit(url, 'c9s', directory)).rejects.toMatchObject({ code: 'SOURCE_BAD_URL' });
  }
});

test('refuses to check out into a folder that has files', async () => {
  await expect(checkoutGit(`file://${repository}`, 'c9s', repository, { allowFile: true })).rejects.toMatchObject({
    code: 'SOURCE_BAD_TREE',
  });
});

test('refuses addresses that are options, commands or other transports', () => {
  const bad = [
    'ext::sh -c touch% /tmp/x',
    'ext::sh',
    '--upload-pack=touch /tmp/x',
    '-u',
    'https://-oProxyCommand=x/y',
    'ssh://-oProxyCommand=x/y',
    'ssh://user@-oProxyCommand=x/y',
    'git://example.org/x',
    'http://example.org/x',
    'https://example.org/x\n',
    'https://example.org/a b',
    'user@host:path',
    'https:///path',
    '/etc',
    '',
  ];
  for (const url of bad)
    expect(() => checkGitUrl(url), url).toThrow(expect.objectContaining({ code: 'SOURCE_BAD_URL' }));
  checkGitUrl('https://example.org/rpms/bash.git');
  checkGitUrl('ssh://git@example.org/rpms/bash');
});

test('refuses refs that are options or more than one ref', () => {
  const bad = ['', '-x', '--exec=x', 'a b', 'a..b', 'a:b', '+a', 'HEAD^', 'a\nb', 'a/', '/a', 'a.lock', '.a', '@', '*'];
  for (const ref of bad) {
    expect(() => checkGitRef(ref), ref).toThrow(expect.objectContaining({ code: 'SOURCE_BAD_REF' }));
  }
  checkGitRef('imports/c9/bash-5.1.8-6.el9_1+20');
});

test('keeps a password out of the message', async () => {
  const directory = mkdtempSync(join(root, 'out-'));
  const error = await checkoutGit('https://me:hunter2@127.0.0.1:1/x.git', 'main', directory).catch((e: unknown) => e);
  expect(String(error)).toContain('127.0.0.1:1');
  expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain('hunter2');
});

test('tells the layouts apart and refuses two lists', () => {
  expect(detectLayout('x', ['bash.spec', 'sources'])).toEqual({ layout: 'dist-git', list: 'sources' });
  expect(detectLayout('x', ['.bash.metadata', 'SPECS', 'SOURCES'])).toEqual({
    layout: 'imports',
    list: '.bash.metadata',
  });
  expect(detectLayout('x', ['.bash.metadata', 'SPECS', 'SOURCES', 'PATCHES']).layout).toBe('patched-imports');
  expect(detectLayout('x', ['bash.spec'])).toEqual({ layout: 'plain', list: undefined });
  for (const names of [
    ['sources', '.bash.metadata'],
    ['.a.metadata', '.b.metadata'],
  ]) {
    expect(() => detectLayout('x', names)).toThrow(expect.objectContaining({ code: 'SOURCE_BAD_TREE' }));
  }
});

test('a package that its branch has retired is told by name and reason, not as a broken tree', async () => {
  git('checkout', '-q', '--orphan', 'rawhide');
  git('rm', '-q', '-rf', '.');
  writeFileSync(join(repository, 'dead.package'), 'Replaced by hello2\nmore\n');
  git('add', '.');
  git('commit', '-q', '-m', 'retired');
  git('checkout', '-q', 'c9s');
  expect(detectLayout('x', ['dead.package', 'sources']).layout).toBe('retired');
  const directory = mkdtempSync(join(root, 'out-'));
  const distGit = { url: `file://${repository}`, ref: 'rawhide' };
  await expect(
    fetchDistGit(distGit, directoryLookaside(join(root, 'store')), directory, { allowFile: true }),
  ).rejects.toMatchObject({ code: 'SOURCE_RETIRED', fault: { reason: 'Replaced by hello2' } });
  expect(readdirSync(directory)).toEqual([]);
});

test('a commit is there when a branch or a tag of the clone has it, not when it was thrown away', async () => {
  const options = { scratch: root };
  expect(await hasGitCommit(repository, commit, options)).toBe(true);
  expect(await hasGitCommit(repository, commit.slice(0, 9), options)).toBe(true);
  git('commit', '-q', '--allow-empty', '-m', 'withdrawn');
  const dead = git('rev-parse', 'HEAD');
  expect(await hasGitCommit(repository, dead, options)).toBe(true);
  git('reset', '-q', '--hard', 'HEAD^');
  // The object still lies in the clone; no branch leads to it.
  expect(git('cat-file', '-t', dead)).toBe('commit');
  expect(await hasGitCommit(repository, dead, options)).toBe(false);
  expect(await hasGitCommit(repository, '0123456789', options)).toBe(false);
  await expect(hasGitCommit(repository, '--all', options)).rejects.toMatchObject({ code: 'SOURCE_BAD_REF' });
  await expect(hasGitCommit(join(root, 'store'), commit, options)).rejects.toMatchObject({ code: 'SOURCE_GIT_FAILED' });
});
