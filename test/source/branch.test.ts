/** Names of branches and tags as distributions write them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  convertLayout,
  type DistGitBranch,
  formatBranch,
  formatImportTag,
  mapBranch,
  newestImportTag,
  parseBranch,
  parseImportTag,
} from '@distrokit/source';
import { expect, test } from 'vitest';

const plain = { development: false, beta: false };
const branches: Readonly<Record<string, DistGitBranch>> = {
  c8: { family: 'centos', major: 8, ...plain },
  c9: { family: 'centos', major: 9, ...plain },
  c10s: { family: 'centos', major: 10, development: true, beta: false },
  'c9-beta': { family: 'centos', major: 9, development: false, beta: true },
  'c8-stream-nodejs18': { family: 'centos', major: 8, ...plain, module: { stream: 'nodejs18' } },
  'c8-beta-stream-1.0': { family: 'centos', major: 8, development: false, beta: true, module: { stream: '1.0' } },
  'stream-nodejs-18-rhel-9.1.0': {
    family: 'centos',
    major: 9,
    development: true,
    beta: false,
    module: { name: 'nodejs', stream: '18', release: '9.1.0' },
  },
  'stream-container-tools-rhel8-rhel-8.9.0': {
    family: 'centos',
    major: 8,
    development: true,
    beta: false,
    module: { name: 'container-tools', stream: 'rhel8', release: '8.9.0' },
  },
  a9: { family: 'almalinux', major: 9, ...plain },
  a10s: { family: 'almalinux', major: 10, development: true, beta: false },
  'a8-stream-1.4': { family: 'almalinux', major: 8, ...plain, module: { stream: '1.4' } },
  r9: { family: 'rocky', major: 9, ...plain },
  'r8-stream-18': { family: 'rocky', major: 8, ...plain, module: { stream: '18' } },
  'r9s-stream-nodejs-18_9.1.0': {
    family: 'rocky',
    major: 9,
    development: true,
    beta: false,
    module: { name: 'nodejs', stream: '18', release: '9.1.0' },
  },
  el9: { family: 'openela', major: 9, ...plain },
  'el-9.2': { family: 'openela', major: 9, minor: 2, ...plain },
  'el9-stream-20': { family: 'openela', major: 9, ...plain, module: { stream: '20' } },
  'el-8.9-stream-20': { family: 'openela', major: 8, minor: 9, ...plain, module: { stream: '20' } },
};
for (const [name, branch] of Object.entries(branches)) {
  test(`reads and writes the branch ${name}`, () => {
    expect(parseBranch(name)).toEqual(branch);
    expect(formatBranch(branch)).toBe(name);
  });
}

test('refuses names that follow no rule', () => {
  for (const name of ['', 'main', 'c', 'c9x', 'f42', 'c9/../x', '-c9', 'c9-stream-', 'el9.2', 'a9-gamma', 'C9']) {
    expect(() => parseBranch(name), name).toThrow(expect.objectContaining({ code: 'SOURCE_BAD_BRANCH' }));
  }
});

test('maps a branch to the same release of another distribution', () => {
  const to = (name: string, family: DistGitBranch['family']): string =>
    formatBranch(mapBranch(parseBranch(name), family));
  expect(to('c9-beta', 'almalinux')).toBe('a9-beta');
  expect(to('c8-stream-18', 'rocky')).toBe('r8-stream-18');
  expect(to('stream-nodejs-18-rhel-9.1.0', 'rocky')).toBe('r9s-stream-nodejs-18_9.1.0');
  expect(to('c9', 'openela')).toBe('el9');
});

test('reads and writes tags of imports and of changed packages', () => {
  const tag = 'imports/c9/bash-5.1.8-6.el9_1';
  expect(parseImportTag(`refs/tags/${tag}`)).toEqual({
    kind: 'imports',
    branch: branches.c9,
    nevr: { name: 'bash', version: '5.1.8', release: '6.el9_1' },
  });
  expect(formatImportTag(parseImportTag(tag))).toBe(tag);
  expect(formatImportTag(parseImportTag('changed/a9/python3.11-3.11.2-2.el9.alma.1'))).toBe(
    'changed/a9/python3.11-3.11.2-2.el9.alma.1',
  );
  expect(
    formatImportTag({
      kind: 'imports',
      branch: parseBranch('r9'),
      nevr: { name: 'a', version: '1~rc1', release: '1^2%x' },
    }),
  ).toBe('imports/r9/a-1_rc1-1_2_x');
  for (const bad of ['', 'imports/c9', 'imports/c9/bash', 'imports/main/bash-1-1', 'v1.0', 'imports/c9/a/b-1-1']) {
    expect(() => parseImportTag(bad), bad).toThrow(expect.objectContaining({ code: 'SOURCE_BAD_TAG' }));
  }
});

test('the newest import is the one with the highest version, not the last text', () => {
  const tags = [
    'refs/tags/imports/c9/bash-5.1.8-9.el9',
    'refs/tags/imports/c9/bash-5.1.8-10.el9',
    'refs/tags/imports/c9-beta/bash-6-1.el9',
    'refs/tags/imports/c10s/bash-7-1.el10',
    'refs/tags/changed/c9/bash-8-1.el9',
    'refs/tags/unrelated',
  ];
  expect(newestImportTag(tags, 'c9')).toBe('refs/tags/imports/c9/bash-5.1.8-10.el9');
  expect(newestImportTag(tags, 'c8')).toBeUndefined();
});

const bytes = (text: string): Uint8Array => Buffer.from(text);
const textOf = (file: Uint8Array | undefined): string => Buffer.from(file ?? []).toString();
const hex = 'b'.repeat(128);

test('converts dist-git to imports and back without losing a file', () => {
  const distGit = new Map([
    ['bash.spec', bytes('Name: bash\n')],
    ['fix.patch', bytes('x')],
    ['tests/run.sh', bytes('y')],
    ['sources', bytes(`SHA512 (bash-5.1.tar.gz) = ${hex}\n`)],
    ['.gitignore', bytes('/bash-5.1.tar.gz\n')],
  ]);
  const imports = convertLayout(distGit, 'imports', 'bash');
  expect([...imports.files.keys()]).toEqual([
    '.bash.metadata',
    '.gitignore',
    'SOURCES/fix.patch',
    'SOURCES/tests/run.sh',
    'SPECS/bash.spec',
  ]);
  expect(textOf(imports.files.get('.bash.metadata'))).toBe(`${hex} SOURCES/bash-5.1.tar.gz\n`);
  expect(textOf(imports.files.get('.gitignore'))).toBe('SOURCES/bash-5.1.tar.gz\n');
  const back = convertLayout(imports.files, 'dist-git', 'bash');
  expect(back.files).toEqual(new Map([...distGit].sort(([a], [b]) => (a < b ? -1 : 1))));
  expect(convertLayout(imports.files, 'imports', 'bash').files).toEqual(imports.files);
});

test('rpmbuild makes the same SRPM of a package in either layout', () => {
  const root = mkdtempSync(join(tmpdir(), 'source-layout-'));
  const spec =
    'Name: hello\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n' +
    'Source0: hello-1.tar.gz\nSource1: run.sh\nPatch0: fix.patch\n%description\nx\n%files\n';
  const files = new Map([
    ['hello.spec', bytes(spec)],
    ['fix.patch', bytes('a patch\n')],
    ['run.sh', bytes('#!/bin/sh\n')],
    ['sources', bytes(`SHA512 (hello-1.tar.gz) = ${hex}\n`)],
  ]);
  /** Every file of the SRPM with its digest, as rpm lists them. */
  const build = (name: string, tree: ReadonlyMap<string, Uint8Array>, specs: string, sources: string): string => {
    const top = join(root, name);
    for (const [path, content] of [...tree, [join(sources, 'hello-1.tar.gz'), bytes('blob')] as const]) {
      mkdirSync(dirname(join(top, path)), { recursive: true });
      writeFileSync(join(top, path), content);
    }
    const define = [`_topdir ${top}/rpm`, `_sourcedir ${join(top, sources)}`].flatMap((text) => ['--define', text]);
    execFileSync('rpmbuild', ['-bs', ...define, join(top, specs, 'hello.spec')], { stdio: 'ignore' });
    const srpm = join(top, 'rpm', 'SRPMS', 'hello-1-1.src.rpm');
    return execFileSync('rpm', ['-qp', '--qf', '[%{FILENAMES} %{FILEDIGESTS}\\n]', srpm], { encoding: 'utf8' });
  };
  try {
    const distGit = build('dist-git', files, '.', '.');
    expect(distGit.trim().split('\n')).toHaveLength(4);
    expect(build('imports', convertLayout(files, 'imports', 'hello').files, 'SPECS', 'SOURCES')).toBe(distGit);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('refuses a conversion in which two files would get one path', () => {
  const files = new Map([
    ['SPECS/a.spec', bytes('x')],
    ['SOURCES/a.spec', bytes('y')],
    ['.a.metadata', bytes('')],
  ]);
  expect(() => convertLayout(files, 'dist-git', 'a')).toThrow(expect.objectContaining({ code: 'SOURCE_BAD_TREE' }));
});
