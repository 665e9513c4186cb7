/** The edit language of srpmproc: reading it, applying it, and patches as patch(1) applies them. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyPatch, applySrpmproc, diffTrees, parseSrpmproc, type TreeFiles } from '@distrokit/source';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const textOf = (files: TreeFiles, path: string): string => Buffer.from(files.get(path) ?? []).toString();
const at = new Date('2024-01-25T00:00:00Z');
const spec = `Name:    hello
Version: 1.0
Release: 3%{?dist}
Source0: hello-1.0.tar.gz
Patch0:  old.patch
Patch1:  one.patch

%prep
%setup -q
%patch0 -p1
%patch1 -p1

%changelog
* Mon Jan 01 2024 A <a@b> - 1.0-3
- First
`;
const tree: TreeFiles = new Map(
  Object.entries({
    'SPECS/hello.spec': spec,
    '.hello.metadata': '',
    'SOURCES/motd': 'Red Hat\nsecond\nthird\n',
    'SOURCES/logo.png': 'logo',
    'SOURCES/big.bin': 'big',
    'PATCHES/new.patch': 'a patch\n',
    'PATCHES/motd.diff': '--- a/motd\n+++ b/motd\n@@ -1,3 +1,3 @@\n-Red Hat\n+Ours\n second\n third\n',
    'PATCHES/logo.png': 'our logo',
  }).map(([path, text]) => [path, bytes(text)]),
);
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const config = `
# everything that the language has
replace { file: "logo.png" with_file: "PATCHES/logo.png" }
add { file: "PATCHES/new.patch" }
add: < lookaside: '${sha256('extra')}' name: "extra.bin" >
patch { file: "PATCHES/motd.diff" }
lookaside { file: "big.bin" }
spec_change {
  file { name: "new.patch" type: Patch add: true add_to_prep: true n_path: 1 }
  file { name: "old.patch" type: Patch delete: true }
  append { field: "Release" value: ".ours.0" }
  search_and_replace { any: true find: "First" replace: "F\\151rst" n: 1 }
  search_and_replace { field: "Source0" find: "hello" replace: "hallo" n: 1 }
  new_field { key: "Vendor" value: "Us" }
  changelog { author_name: "R" author_email: "r@x" message: ["One", "Two"] }
  disable_auto_align: true
}
`;

test('applies every kind of directive in the fixed order', () => {
  const result = applySrpmproc(tree, parseSrpmproc(config), {
    at,
    blobs: new Map([[sha256('extra'), bytes('extra')]]),
  });
  expect(textOf(result.files, 'SPECS/hello.spec')).toBe(
    spec
      .replace('Name:', 'Vendor: Us\nName:')
      .replace('3%{?dist}', '3%{?dist}.ours.0')
      .replace('hello-1.0.tar.gz', 'hallo-1.0.tar.gz')
      .replace('Patch0:  old.patch\nPatch1:  one.patch\n', 'Patch1:  one.patch\nPatch2:  new.patch\n')
      .replace('%patch0 -p1\n%patch1 -p1\n', '%patch1 -p1\n%patch2 -p1\n')
      .replace('%changelog\n', '%changelog\n* Thu Jan 25 2024 R <r@x> - 1.0.ours.0\n- One\n- Two\n\n'),
  );
  expect(textOf(result.files, 'SOURCES/motd')).toBe('Ours\nsecond\nthird\n');
  expect(textOf(result.files, 'SOURCES/logo.png')).toBe('our logo');
  expect([...result.movedToLookaside]).toEqual([
    ['SOURCES/extra.bin', bytes('extra')],
    ['SOURCES/big.bin', bytes('big')],
  ]);
  expect(textOf(result.files, '.hello.metadata')).toBe(
    `${sha256('extra')} SOURCES/extra.bin\n${sha256('big')} SOURCES/big.bin\n`,
  );
  for (const path of result.movedToLookaside.keys()) expect(result.files.has(path)).toBe(false);
  expect(result).toMatchObject({
    commitMessage: 'One\nTwo',
    author: { name: 'R', email: 'r@x' },
    tagSuffix: '.ours.0',
  });
  expect(textOf(tree, 'SOURCES/motd')).toContain('Red Hat');
});

test('makes one archive for the lookaside store: the same bytes each time, and tar reads it', () => {
  const text = `
    lookaside { file: ["new.patch", "motd.diff"] tar: true archive_name: "debranding" from_patch_tree: true }
    lookaside { file: "PATCHES/logo.png" from_patch_tree: true }
    spec_change { append { field: "%prep" value: "tar xf %{SOURCE1}" } }
  `;
  const listed = new Map([...tree, ['.hello.metadata', bytes(`${sha256('old')} SOURCES/logo.png\n`)]]);
  const apply = () => applySrpmproc(listed, parseSrpmproc(text), { at });
  const result = apply();
  expect([...result.movedToLookaside.keys()]).toEqual(['SOURCES/debranding.tar.gz', 'SOURCES/logo.png']);
  const archive = result.movedToLookaside.get('SOURCES/debranding.tar.gz')!;
  expect(apply().movedToLookaside.get('SOURCES/debranding.tar.gz')).toEqual(archive);
  const tar = (...args: string[]): string =>
    execFileSync('tar', [...args, '-zf', '-'], { input: archive, encoding: 'utf8' });
  expect(tar('--utc', '--full-time', '-tv').replace(/ +/g, ' ')).toBe(
    '-rw-r--r-- root/root 8 2024-01-25 00:00:00 new.patch\n-rw-r--r-- root/root 68 2024-01-25 00:00:00 motd.diff\n',
  );
  expect(tar('-xO', '--occurrence', 'new.patch')).toBe('a patch\n');
  const hex = createHash('sha256').update(archive).digest('hex');
  // What the list said of the old logo is gone.
  expect(textOf(result.files, '.hello.metadata')).toBe(
    `${hex} SOURCES/debranding.tar.gz\n${sha256('our logo')} SOURCES/logo.png\n`,
  );
  expect(textOf(result.files, 'SPECS/hello.spec')).toContain('%patch1 -p1\ntar xf %{SOURCE1}\n\n%changelog\n');
  expect(result.files.has('PATCHES/new.patch')).toBe(true);
});

test('takes a blob only with the digest by which it is named', () => {
  const replace = parseSrpmproc(`replace { file: "logo.png" with_lookaside: "${sha256('new logo')}" }`);
  const apply = (content: string) =>
    applySrpmproc(tree, replace, { at, blobs: new Map([[sha256('new logo'), bytes(content)]]) });
  expect([...apply('new logo').movedToLookaside]).toEqual([['SOURCES/logo.png', bytes('new logo')]]);
  expect(() => apply('another logo')).toThrow(
    expect.objectContaining({
      fault: expect.objectContaining({ code: 'SOURCE_NOT_APPLIED', found: sha256('another logo') }),
    }),
  );
});

const bad: Readonly<Record<string, readonly [text: string, where: string]>> = {
  'an unknown directive': ['explode { file: "x" }', 'line 1'],
  'an unknown field': ['\ndelete { file: "x" file_name: "y" }', 'line 2'],
  'a value in place of a message': ['delete: "x"', 'line 1, delete'],
  'an open message': ['delete { file: "x"', 'line at the end'],
  'an open string': ['delete { file: "x }', 'line 1'],
  'a replacement with nothing': ['replace { file: "x" }', 'replace'],
  'a file that is neither added nor deleted': ['spec_change { file { name: "x" type: Patch } }', 'spec_change.file'],
  'an archive without a name': ['lookaside { file: "x" tar: true }', 'lookaside.archive_name'],
  'two spec changes': ['spec_change {} spec_change {}', 'spec_change'],
  'messages without end': ['add {'.repeat(1000), 'line 1'],
};
for (const [what, [text, where]] of Object.entries(bad)) {
  test(`refuses ${what} and says where`, () => {
    expect(() => parseSrpmproc(text)).toThrow(
      expect.objectContaining({ fault: expect.objectContaining({ code: 'SOURCE_BAD_CONFIG', where }) }),
    );
  });
}

test('refuses paths that lead out of the tree, and names what does not fit', () => {
  const apply = (text: string): unknown => applySrpmproc(tree, parseSrpmproc(text), { at });
  for (const text of ['delete { file: "../x" }', 'add { file: "PATCHES/new.patch" name: "../x" }']) {
    expect(() => apply(text), text).toThrow(expect.objectContaining({ code: 'SOURCE_BAD_FILENAME' }));
  }
  expect(() => apply('delete { file: "none" }')).toThrow(
    expect.objectContaining({
      fault: expect.objectContaining({ code: 'SOURCE_NOT_APPLIED', where: 'delete[0]', target: 'none' }),
    }),
  );
  const twice = new Map([...tree, ['SOURCES/motd', bytes('changed meanwhile\n')]]);
  expect(() => applySrpmproc(twice, parseSrpmproc('patch { file: "PATCHES/motd.diff" }'), { at })).toThrow(
    expect.objectContaining({ code: 'SOURCE_NOT_APPLIED' }),
  );
  const out = new Map([...tree, ['PATCHES/evil.diff', bytes('--- a/../../x\n+++ b/../../x\n@@ -0,0 +1 @@\n+x\n')]]);
  expect(() => applySrpmproc(out, parseSrpmproc('patch { file: "PATCHES/evil.diff" strict: true }'), { at })).toThrow(
    expect.objectContaining({ code: 'SOURCE_BAD_FILENAME' }),
  );
});

test('a patch makes the file that patch(1) makes, also where lines have moved', () => {
  const folder = mkdtempSync(join(tmpdir(), 'source-patch-'));
  const line = fc.constantFrom('a\n', 'b\n', 'c\n', 'd\n', 'e\n', '\n');
  const text = fc
    .tuple(fc.array(line, { minLength: 1, maxLength: 30 }), fc.constantFrom('', 'end'))
    .map(([l, end]) => l.join('') + end);
  const moved = fc.array(fc.constantFrom('x\n', 'y\n'), { maxLength: 3 }).map((lines) => lines.join(''));
  try {
    for (const [before, after, head] of fc.sample(fc.tuple(text, text, moved), { numRuns: 120, seed: 3 })) {
      if (before === after) continue;
      const [change] = diffTrees(new Map([['f', bytes(before!)]]), new Map([['f', bytes(after!)]]));
      const ours = textOf(applyPatch(new Map([['f', bytes(before!)]]), change!.diff, 'test'), 'f');
      expect(ours).toBe(after);
      const path = join(folder, 'f');
      writeFileSync(path, head! + before!);
      let theirs: string | undefined;
      try {
        execFileSync('patch', ['-s', '-F0', '-r', '-', path], { input: change!.diff, stdio: ['pipe', 'pipe', 'pipe'] });
        theirs = readFileSync(path, 'utf8');
      } catch {
        theirs = undefined;
      }
      let mine: string | undefined;
      try {
        mine = textOf(applyPatch(new Map([['f', bytes(head! + before!)]]), change!.diff, 'test'), 'f');
      } catch (error) {
        expect((error as { code: string }).code).toBe('SOURCE_NOT_APPLIED');
      }
      // patch(1) anchors hunks at the file's ends; where both find a place it is the same one.
      if (theirs !== undefined && mine !== undefined) expect(mine).toBe(theirs);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
