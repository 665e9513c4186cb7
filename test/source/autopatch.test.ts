/** The autopatch language: reading it, its two modes, dry run, drift and lint. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ApplyAutopatchOptions,
  applyAutopatch,
  autopatchSuffix,
  diffTrees,
  driftAutopatch,
  lintAutopatch,
  parseAutopatch,
  type TreeFiles,
} from '@distrokit/source';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const spec = `Name: hello
Version: 1.0
Release: 3%{?dist}
Summary: Red Hat hello
License: MIT
Source0: hello-1.0.tar.gz
Patch7: seven.patch
Patch2: two.patch

%description
Made by Red Hat, for Red Hat.

%prep
%setup -q
%patch7 -p1
%patch2 -p1

%pre
true

%files

%changelog
* Mon Jan 01 2024 Red Hat <a@b> - 1.0-3
- First Red Hat entry
`;
const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8');
const tree = (more: Readonly<Record<string, string>> = {}): TreeFiles =>
  new Map(Object.entries({ 'hello.spec': spec, ...more }).map(([path, text]) => [path, bytes(text)]));
const at = new Date('2026-11-22T00:00:00Z');
const payload: TreeFiles = new Map([['new.patch', bytes('patch\n')]]);

function run(
  yaml: string,
  options: Partial<ApplyAutopatchOptions> = {},
  files = tree(),
): ReturnType<typeof applyAutopatch> {
  return applyAutopatch(files, parseAutopatch(yaml), { at, payload, ...options });
}
const textOf = (result: { files: TreeFiles }, path = 'hello.spec'): string =>
  Buffer.from(result.files.get(path)!).toString('utf8');

const everything = `
actions:
  - replace:
      - target: spec
        find: Red Hat
        replace: AlmaLinux
        expect: 3
  - delete_line:
      - target: spec
        lines: ["true"]
  - add_files:
      - type: patch
        name: new.patch
        origin: { url: "https://example.org/commit/1", cve: [CVE-2024-0001] }
  - delete_files:
      - file_name: old.txt
  - add_line:
      - target: spec
        section: pre
        location: top
        content: ":"
  - modify_release:
      - suffix: .alma.1
  - changelog_entry:
      - { name: A B, email: a@b.c, line: [Debrand, Add a patch] }
`;

test('does all eight actions but scripts in strict mode, and says what it did', () => {
  const before = tree({ 'old.txt': 'x', 'crlf.txt': 'a\r\nb\r\n' });
  const result = run(everything, {}, before);
  expect(textOf(result)).toBe(
    spec
      .replace('Summary: Red Hat', 'Summary: AlmaLinux')
      .replace('by Red Hat, for Red Hat', 'by AlmaLinux, for AlmaLinux')
      .replace('Release: 3%{?dist}', 'Release: 3%{?dist}.alma.1')
      .replace(
        'Patch2: two.patch\n',
        'Patch2: two.patch\n# AlmaLinux Patch\n# Origin: other, https://example.org/commit/1\n# CVE: CVE-2024-0001\nPatch8: new.patch\n',
      )
      .replace('%patch2 -p1\n', '%patch2 -p1\n%patch8 -p1\n')
      .replace('%pre\ntrue\n', '%pre\n:\n')
      .replace(
        '%changelog\n',
        '%changelog\n* Sun Nov 22 2026 A B <a@b.c> - 1.0-3.alma.1\n- Debrand\n- Add a patch\n\n',
      ),
  );
  expect(result).toMatchObject({
    commitMessage: 'Debrand\nAdd a patch',
    author: { name: 'A B', email: 'a@b.c' },
    tagSuffix: '.alma.1',
    added: [{ path: 'new.patch', origin: { url: 'https://example.org/commit/1', cve: ['CVE-2024-0001'] } }],
  });
  expect(result.log.map((step) => step.where)).toEqual([
    'actions[0].replace[0]',
    'actions[1].delete_line[0]',
    'actions[2].add_files[0]',
    'actions[3].delete_files[0]',
    'actions[4].add_line[0]',
    'actions[5].modify_release[0]',
    'actions[6].changelog_entry[0]',
  ]);
  expect(diffTrees(before, result.files).map((change) => [change.path, change.kind])).toEqual([
    ['hello.spec', 'changed'],
    ['new.patch', 'added'],
    ['old.txt', 'removed'],
  ]);
  expect(Buffer.from(before.get('hello.spec')!).toString()).toBe(spec);
});

for (const mode of ['strict', 'compatible'] as const) {
  test(`applied to its own output it fails and says where (${mode})`, () => {
    const once = run(
      everything.replace('expect: 3', ''),
      { mode, evr: { version: '1', release: '1' } },
      tree({ 'old.txt': 'x' }),
    );
    expect(() => run(everything, { mode, evr: { version: '1', release: '1' } }, once.files)).toThrow(
      expect.objectContaining({
        fault: expect.objectContaining({
          code: 'SOURCE_NOT_APPLIED',
          where: 'actions[0].replace[0]',
          target: 'hello.spec',
        }),
      }),
    );
  });
}

test('the two modes differ where the original surprises', () => {
  const both = (yaml: string): string[] =>
    (['compatible', 'strict'] as const).map((mode) =>
      textOf(run(yaml, { mode, evr: { version: '1.0', release: '3' } })),
    );
  const self = both('actions: [{replace: [{target: spec, find: Red Hat, replace: "Red Hat X", count: 3}]}]');
  expect(self[0]).toContain('Made by Red Hat X X, for Red Hat.');
  expect(self[1]).toContain('Made by Red Hat X, for Red Hat X.');
  const pattern = both('actions: [{replace: [{target: spec, rfind: "Red (Hat)", replace: "\\\\1 Red", count: 1}]}]');
  expect(pattern[0]).toContain('Summary: Hat Red hello');
  expect(pattern[0]).toContain('Made by Hat Red, for Red Hat.');
  expect(pattern[1]).toContain('Summary: Hat Red hello');
  expect(pattern[1]).toContain('Made by Red Hat, for Red Hat.');
  const latest = both('actions: [{add_files: [{type: patch, name: new.patch, insert_almalinux_line: false}]}]');
  expect(latest[0]).toContain('Patch3: new.patch');
  expect(latest[1]).toContain('Patch8: new.patch');
  const pre = both('actions: [{add_line: [{target: spec, section: pre, location: top, content: x}]}]');
  expect(pre[0]).toContain('%prep\nx\n');
  expect(pre[1]).toContain('%pre\nx\ntrue\n');
});

test('an automatic changelog gets no entry, and the commit says whose changes these are', () => {
  const files = new Map([['x.spec', bytes('Name: x\nRelease: %autorelease\n%changelog\n%autochangelog\n')]]);
  for (const mode of ['strict', 'compatible'] as const) {
    const yaml = 'actions: [{changelog_entry: [{name: A, email: b, line: [One, Two]}]}]';
    const result = applyAutopatch(files, parseAutopatch(yaml), { at, mode });
    expect(result.commitMessage).toBe('AlmaLinux changes: One\nTwo');
    expect(textOf(result, 'x.spec')).toBe('Name: x\nRelease: %autorelease\n%changelog\n%autochangelog\n');
  }
});

test('a disabled release suffix ends its action', () => {
  const result = run('actions: [{modify_release: [{suffix: .a.1, enabled: false}, {suffix: .b.1}]}]');
  expect(textOf(result)).toBe(spec);
  expect(result.tagSuffix).toBe('');
});

test('auto_increment takes the number after the highest tag of the same base', () => {
  const entry = { suffix: '.alma.1', auto_increment: true };
  const tags = [
    'changed/a9/x-1-2.el9.alma.1',
    'changed/a9/x-1-2.el9.alma.10',
    'changed/a9/x-1-2.el9.alma.9b',
    'p-changed/a9/x-1-2.el9.alma.20',
  ];
  expect(autopatchSuffix(entry, '', 'changed/a9/x-1-2.el9', tags)).toBe('.alma.11');
  expect(autopatchSuffix(entry, 'p-', 'changed/a9/x-1-2.el9', tags)).toBe('.alma.21');
  expect(autopatchSuffix(entry, '', 'changed/a9/x-1-3.el9', tags)).toBe('.alma.1');
  expect(autopatchSuffix({ ...entry, auto_increment: false }, '', undefined, tags)).toBe('.alma.1');
  const result = run('actions: [{modify_release: [{suffix: .alma.1, auto_increment: true}]}]', {
    existingTags: tags,
    baseTag: 'changed/a9/x-1-2.el9',
  });
  expect(result.tagSuffix).toBe('.alma.11');
  expect(textOf(result)).toContain('Release: 3%{?dist}.alma.11\n');
});

test('a script runs only through the function that the caller passes', () => {
  const yaml = 'actions: [{run_script: [{script: x.sh}]}]';
  expect(() => run(yaml)).toThrow(expect.objectContaining({ code: 'SOURCE_NOT_APPLIED' }));
  const result = run(yaml, {
    runScript: ({ name, cwd, files }) => new Map([...files, [`${name}-${cwd}`, bytes('y')]]),
  });
  expect(textOf(result, 'x.sh-rpms')).toBe('y');
});

test('deletes from the list of blobs what is not in the tree', () => {
  const hex = 'a'.repeat(128);
  const files = tree({ sources: `SHA512 (a+b.tar.gz) = ${hex}\nSHA512 (c.tar.gz) = ${hex}\n` });
  const result = run('actions: [{delete_files: [{file_name: a+b.tar.gz}]}]', {}, files);
  expect(textOf(result, 'sources')).toBe(`SHA512 (c.tar.gz) = ${hex}\n`);
});

test('puts files beside the sources in an imports layout, and never over a file that is there', () => {
  const files: TreeFiles = new Map([['SPECS/hello.spec', bytes(spec)]]);
  const yaml = 'actions: [{add_files: [{type: patch, name: new.patch}]}]';
  const result = run(yaml, {}, files);
  expect(result.added).toEqual([{ path: 'SOURCES/new.patch' }]);
  expect(() => run(yaml, {}, result.files)).toThrow(expect.objectContaining({ code: 'SOURCE_NOT_APPLIED' }));
});

test('drift names the entries that no longer fit, and only those', () => {
  const config = parseAutopatch(everything.replace('expect: 3', 'count: 1'));
  const files = tree({ 'old.txt': 'x' });
  expect(driftAutopatch(files, config, { at, payload })).toEqual([]);
  const moved = new Map([...files, ['hello.spec', bytes(spec.replace('\ntrue\n', '\n'))]]);
  expect(driftAutopatch(moved, config, { at, payload })).toEqual([
    {
      where: 'actions[1].delete_line[0]',
      target: 'hello.spec',
      wanted: 'the text "true"',
      found: 'nothing that matches',
    },
  ]);
});

test('lint finds what does not do what it says', () => {
  const yaml = `
actions:
  - changelog_entry: [{name: A, email: b, line: [x]}]
  - replace:
      - {target: spec, find: a, replace: ab}
      - {target: spec, rfind: "(", replace: x}
      - {target: spec, rfind: x, replace: z, count: 2}
      - {target: spec, find: a, replace: a}
  - modify_release: [{suffix: alma, auto_increment: true}]
  - add_files: [{type: patch, name: a.patch, number: 5}, {type: patch, name: a.patch, number: 5}]
  - delete_files: [{file_name: a+b.tar}]
  - add_line: [{target: spec, section: conf, location: top, content: x}]
  - run_script: [{script: x.sh}]
`;
  expect(lintAutopatch(parseAutopatch(yaml)).map((finding) => finding.rule)).toEqual([
    'changelog-before-release',
    'finds-itself',
    'bad-pattern',
    'count-per-line',
    'changes-nothing',
    'suffix-form',
    'increment-without-number',
    'no-origin',
    'number-twice',
    'name-twice',
    'no-origin',
    'name-is-a-pattern',
    'unknown-section',
    'runs-a-script',
  ]);
  expect(lintAutopatch(parseAutopatch(everything))).toEqual([]);
});

const bad: Readonly<Record<string, readonly [yaml: string, where: string]>> = {
  'an unknown action': ['actions: [{explode: []}]', 'actions[0]'],
  'an unknown key': ['actions: [{delete_files: [{file_name: a, x: 1}]}]', 'actions[0].delete_files[0]'],
  'a missing key': ['actions: [{delete_files: [{}]}]', 'actions[0].delete_files[0].file_name'],
  'an empty value': ['actions: [{delete_files: [{file_name: ""}]}]', 'actions[0].delete_files[0].file_name'],
  'a wrong type': ['actions: [{delete_files: [{file_name: 7}]}]', 'actions[0].delete_files[0].file_name'],
  'entries that are no list': ['actions: [{delete_files: {file_name: a}}]', 'actions[0].delete_files'],
  'find and rfind together': [
    'actions: [{replace: [{target: a, find: a, rfind: b, replace: c}]}]',
    'actions[0].replace[0]',
  ],
  'a number below one': [
    'actions: [{add_files: [{type: patch, name: a, number: 0}]}]',
    'actions[0].add_files[0].number',
  ],
  'an unknown parameter': ['parameters: {x: 1}\nactions: [{run_script: [{script: a}]}]', 'parameters'],
  'no actions': ['parameters: {}', 'actions'],
  'a list as document': ['- a', 'document'],
  'broken YAML': ['actions: [', 'document'],
  'a name of the prototype': ['actions: [{constructor: [{a: 1}]}]', 'actions[0]'],
  'aliases without end': [
    `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'
      .split('')
      .map((c, i) => `${c}: &${c} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`)
      .join('\n')}\nactions: []`,
    'document',
  ],
};
for (const [what, [yaml, where]] of Object.entries(bad)) {
  test(`refuses ${what} and says where`, () => {
    expect(() => parseAutopatch(yaml)).toThrow(
      expect.objectContaining({ fault: expect.objectContaining({ code: 'SOURCE_BAD_CONFIG', where }) }),
    );
  });
}

test('refuses a payload name that leads out of the tree', () => {
  const yaml = 'actions: [{add_files: [{type: source, name: ../../etc/x}]}]';
  expect(() => run(yaml)).toThrow(expect.objectContaining({ code: 'SOURCE_BAD_FILENAME' }));
});

test('a diff of any two texts makes the one of the other under patch(1)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'source-diff-'));
  const line = fc.constantFrom('a\n', 'b\n', 'c\n', 'd\n', '\n', '-- x\n');
  const text = fc
    .tuple(fc.array(line, { maxLength: 25 }), fc.constantFrom('', 'end'))
    .map(([lines, end]) => lines.join('') + end);
  try {
    for (const [before, after] of fc.sample(fc.tuple(text, text), { numRuns: 150, seed: 7 })) {
      if (before === '' || after === '' || before === after) continue;
      const [change] = diffTrees(new Map([['f', bytes(before!)]]), new Map([['f', bytes(after!)]]));
      const path = join(folder, 'f');
      writeFileSync(path, before!);
      execFileSync('patch', ['-s', path], { input: change!.diff });
      expect(readFileSync(path, 'utf8')).toBe(after);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('changelog items are wrapped as Python’s textwrap wraps them', () => {
  const word = fc.constantFrom(
    'a',
    'some',
    'well-known',
    '--option',
    'x-1-y',
    'CVE-2024-12345',
    'https://example.org/a-b/c',
    'longer-hyphenated-compound-word',
    'Аdd',
    'x'.repeat(90),
  );
  const items = fc
    .sample(fc.array(word, { minLength: 1, maxLength: 40 }), { numRuns: 200, seed: 11 })
    .map((words) => words.join(' '));
  const python = `
import json, sys, textwrap
for item in json.load(sys.stdin):
    print(json.dumps(textwrap.wrap(item, 80, initial_indent='- ', subsequent_indent='  ')))
`;
  const wanted = execFileSync('python3', ['-c', python], { input: JSON.stringify(items), encoding: 'utf8' })
    .trim()
    .split('\n');
  for (const [i, item] of items.entries()) {
    const yaml = JSON.stringify({ actions: [{ changelog_entry: [{ name: 'A', email: 'b', line: [item] }] }] });
    const result = run(yaml, { mode: 'compatible', evr: { version: '1', release: '1' } });
    const body = textOf(result).split('%changelog\n')[1]!.split('\n\n')[0]!.split('\n').slice(1);
    expect(body).toEqual(JSON.parse(wanted[i]!));
  }
});
