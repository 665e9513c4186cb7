/** Edits of specs, with rpmspec and rpmbuild as judges. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSpec } from '@distrokit/source';
import { afterAll, beforeAll, expect, test } from 'vitest';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'source-spec-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const preamble = (patches: string): string => `Name: hello
Version: 1.0
Release: 3%{?dist}
Summary: Says hello
License: MIT
BuildArch: noarch
Source0: hello-1.0.tar.gz
${patches}
%description
Hello.

`;
const changelog = `
%files

%changelog
* Mon Jan 01 2024 Some One <one@example.org> - 1.0-3
- First
`;
const first = `--- a/greeting
+++ b/greeting
@@ -1,2 +1,2 @@
 first
-second
+zweite
`;
const second = `--- a/farewell
+++ b/farewell
@@ -1 +1 @@
-bye
+tschüss
`;

/** The whole of `%prep`, as rpmbuild does it, on real archives and patches. */
function prepare(spec: string, files: Readonly<Record<string, string>>): string {
  const top = mkdtempSync(join(root, 'top-'));
  const tree = join(top, 'hello-1.0');
  mkdirSync(tree);
  mkdirSync(join(top, 'SOURCES'));
  writeFileSync(join(tree, 'greeting'), 'first\nsecond\n');
  writeFileSync(join(tree, 'farewell'), 'bye\n');
  execFileSync('tar', ['-C', top, '-czf', join(top, 'SOURCES', 'hello-1.0.tar.gz'), 'hello-1.0']);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(top, 'SOURCES', name), text);
  const path = join(top, 'hello.spec');
  writeFileSync(path, spec);
  execFileSync('rpmbuild', ['-bp', '--nodeps', '--define', `_topdir ${top}`, path], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const built = join(top, 'BUILD', 'hello-1.0');
  return readFileSync(join(built, 'greeting'), 'utf8') + readFileSync(join(built, 'farewell'), 'utf8');
}

const kernelStyle = `%prep
ApplyPatch()
{
  patch -p1 -F1 -s < %{_sourcedir}/$1
}
%setup -q
ApplyPatch first.patch
`;
const styles: Readonly<Record<string, { readonly patches: string; readonly prep: string }>> = {
  '%autosetup': { patches: 'Patch1: first.patch\n', prep: '%prep\n%autosetup -p1\n' },
  '%autosetup without a patch yet': { patches: '', prep: '%prep\n%autosetup -p1\n' },
  '%setup and %autopatch': { patches: 'Patch1: first.patch\n', prep: '%prep\n%setup -q\n%autopatch -p1\n' },
  '%autosetup -N and %autopatch': { patches: 'Patch1: first.patch\n', prep: '%prep\n%autosetup -N\n%autopatch -p1\n' },
  '%patchN': { patches: 'Patch1: first.patch\n', prep: '%prep\n%setup -q\n%patch1 -p1 -b .first\n' },
  '%patch -P N': { patches: 'Patch1: first.patch\n', prep: '%prep\n%setup -q\n%patch -P 1 -p1\n' },
  '%patch -PN': { patches: 'Patch1: first.patch\n', prep: '%prep\n%setup -q\n%patch -P1 -p1\n' },
  '%patch -p1 -P N': { patches: 'Patch1: first.patch\n', prep: '%prep\n%setup -q\n%patch -p1 -P 1\n' },
  '%setup without a patch yet': { patches: '', prep: '%prep\n%setup -q\n' },
  ApplyPatch: { patches: 'Patch1: first.patch\n', prep: kernelStyle },
  'unnumbered tags': { patches: 'Patch: first.patch\n', prep: '%prep\n%setup -q\n%patch0 -p1\n' },
  'a condition around the last patch': {
    patches: '%if 1\nPatch1: first.patch\n%endif\n',
    prep: '%prep\n%setup -q\n%if 1\n%patch1 -p1\n%endif\n',
  },
  'a false condition around the last patch': {
    patches: 'Patch1: first.patch\n%if 0\nPatch7: other.patch\n%endif\n',
    prep: '%prep\n%setup -q\n%patch1 -p1\n%if 0\n%patch7 -p1\n%endif\n',
  },
  '%patchlist': { patches: '%patchlist\nfirst.patch\n', prep: '%prep\n%autosetup -p1\n' },
  'a range of %autopatch': {
    patches: 'Patch1: first.patch\n',
    prep: '%prep\n%setup -q\n%autopatch -p1 -M 1\n%patch -P 1 -p1 --dry-run || :\n',
  },
};

for (const [style, { patches, prep }] of Object.entries(styles)) {
  // A patch that is applied twice fails, so this style is only read, not built.
  const buildable = style !== 'a range of %autopatch';
  test(`adds a patch to a spec with ${style}, and rpmbuild -bp applies it`, () => {
    const spec = parseSpec(preamble(patches) + prep + changelog);
    const edited = spec.addPatch({
      file: 'second.patch',
      origin: { kind: 'backport', url: 'https://example.org/commit/1234', cves: ['CVE-2024-1234'] },
    });
    expect(edited.addPatch({ file: 'second.patch' })).toBe(edited);
    const names = edited.patches().map((patch) => patch.file);
    expect(names).toContainEqual({ known: true, value: 'second.patch' });
    expect(edited.toString()).toContain('# Origin: backport, https://example.org/commit/1234\n# CVE: CVE-2024-1234\n');
    if (buildable) {
      const built = prepare(edited.toString(), { 'first.patch': first, 'second.patch': second, 'other.patch': '' });
      expect(built).toContain('tschüss');
      expect(built).toContain(patches === '' ? 'second' : 'zweite');
    } else {
      expect(edited.toString()).toContain('%patch -P 2 -p1\n');
    }
    expect(edited.removePatch('second.patch').toString()).toBe(spec.toString());
  });
}

test('changes nothing but the lines of the edit', () => {
  const text = (preamble('Patch1:   first.patch\n') + styles['%patchN']!.prep + changelog).replaceAll('\n', '\r\n');
  const edited = parseSpec(text)
    .addPatch({ file: 'second.patch' })
    .suffixRelease('.alma.1')
    .addChangelogEntry({
      date: new Date('2026-11-02T23:59:59Z'),
      name: 'A B',
      email: 'a@example.org',
      lines: ['Fix it', 'Two\nlines'],
    })
    .toString();
  const before = new Set(text.split('\n'));
  expect(edited.split('\n').filter((line) => !before.has(line))).toEqual([
    'Release: 3%{?dist}.alma.1\r',
    'Patch2:   second.patch\r',
    '%patch2 -p1\r',
    '* Mon Nov 02 2026 A B <a@example.org> - 1.0-3.alma.1\r',
    '- Fix it\r',
    '- Two\r',
    '  lines\r',
  ]);
});

const releases: readonly (readonly [before: string, suffix: string, after: string])[] = [
  ['5%{?dist}', '.alma.1', '5%{?dist}.alma.1'],
  ['5%{?dist}.alma.1', '.alma.1', '5%{?dist}.alma.1'],
  ['5%{?dist}.alma.1', '.alma.2', '5%{?dist}.alma.2'],
  ['5%{?dist}.1', '.alma.1', '5%{?dist}.1.alma.1'],
  ['%{baserelease}%{?dist}', '.x', '%{baserelease}%{?dist}.x'],
  ['%autorelease', '.alma.1', '%{autorelease}.alma.1'],
  ['%autorelease -b 3', '.alma.1', '%{autorelease -b 3}.alma.1'],
  ['%{autorelease}', '.alma.1', '%{autorelease}.alma.1'],
];
for (const [before, suffix, after] of releases) {
  test(`suffixes the release ${before} with ${suffix}`, () => {
    const spec = parseSpec(`Name: x\nRelease:\t${before}  \n`);
    const edited = spec.suffixRelease(suffix);
    expect(edited.toString()).toBe(`Name: x\nRelease:\t${after}  \n`);
    expect(edited.suffixRelease(suffix)).toBe(edited);
  });
}

test('a suffixed %autorelease still expands as rpm sees it', () => {
  const text = parseSpec('Name: x\nVersion: 1\nRelease: %autorelease -b 3\nSummary: x\nLicense: MIT\n%description\n')
    .suffixRelease('.alma.1')
    .toString();
  const path = join(root, 'auto.spec');
  writeFileSync(path, `%define autorelease(b:) %{-b*}.el9\n${text}`);
  const release = execFileSync('rpmspec', ['-q', '--srpm', '--qf', '%{release}', path], { encoding: 'utf8' });
  expect(release).toBe('3.el9.alma.1');
});

const bumps: readonly (readonly [string, string])[] = [
  ['5%{?dist}', '6%{?dist}'],
  ['9', '10'],
  ['0.9.rc1%{?dist}', '0.9.rc2%{?dist}'],
  ['5%{?dist}.alma.3', '6%{?dist}'],
  ['%autorelease', '%autorelease'],
];
for (const [before, after] of bumps) {
  test(`bumps the release ${before} to ${after}`, () => {
    const edited = parseSpec(`Name: x\nRelease: ${before}\n`).bumpRelease();
    expect(edited.toString()).toBe(`Name: x\nRelease: ${after}\n`);
  });
}

test('renumbers patches in tags and where they are applied', () => {
  const text = preamble('Patch1: first.patch\nPatch5: second.patch\n');
  const spec = parseSpec(`${text}%prep\n%setup -q\n%patch1 -p1\n%patch -P 5 -p1\n${changelog}`);
  const edited = spec.renumberPatches(1000);
  expect(edited.patches().map((patch) => patch.number)).toEqual([1000, 1001]);
  expect(prepare(edited.toString(), { 'first.patch': first, 'second.patch': second })).toBe('first\nzweite\ntschüss\n');
  expect(edited.renumberPatches(1000)).toBe(edited);
});

/** Numbers and names of patches as rpm itself counts them. */
function rpmPatches(spec: string): string[] {
  const path = join(mkdtempSync(join(root, 'count-')), 'hello.spec');
  writeFileSync(path, spec);
  const program = `import rpm, sys
print("\\n".join("%d %s" % (n, name) for name, n, flags in rpm.spec(sys.argv[1]).sources if flags & 2))`;
  const lines = execFileSync('/usr/bin/python3', ['-c', program, path], { encoding: 'utf8' }).trim().split('\n');
  return lines.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
}

const uncounted = '%prep\n%setup -q\n';
const renumbered: Readonly<Record<string, readonly [tags: string, prep: string, from: number, tagsAfter: string]>> = {
  'without numbers': [
    'Patch:  first.patch\nPatch: second.patch\n',
    `${uncounted}%patch0 -p1\n%patch -P 1 -p1\n`,
    1000,
    // rpm counts on by itself.
    'Patch1000:  first.patch\nPatch: second.patch\n',
  ],
  'with and without numbers': [
    'Patch7: first.patch\nPatch: second.patch\n',
    `${uncounted}%patch7 -p1\n%patch -P8 -p1\n`,
    0,
    'Patch0: first.patch\nPatch: second.patch\n',
  ],
  'that are kept out of the SRPM': [
    'Patch1: first.patch\nPatch2: second.patch\nNoPatch: 1\nNoPatch: 2\n',
    `${uncounted}%patch1 -p1\n%patch2 -p1\n`,
    7,
    'Patch7: first.patch\nPatch8: second.patch\nNoPatch: 7\nNoPatch: 8\n',
  ],
  'without numbers, all applied at once': [
    'Patch: first.patch\n%if 1\nPatch: second.patch\n%endif\n',
    '%prep\n%autosetup -p1\n',
    20,
    'Patch20: first.patch\n%if 1\nPatch21: second.patch\n%endif\n',
  ],
  'in a list after a tag': [
    'Patch3: first.patch\n%patchlist\n# the other one\nsecond.patch\n',
    `${uncounted}%patch -P 3 -p1\n%patch -P 4 -p1\n`,
    50,
    'Patch50: first.patch\n%patchlist\n# the other one\nsecond.patch\n',
  ],
};
for (const [what, [tags, prep, from, wanted]] of Object.entries(renumbered)) {
  test(`renumbers patches ${what}; rpm counts them so, and rpmbuild -bp applies them`, () => {
    const spec = parseSpec(preamble(tags) + prep + changelog);
    const edited = spec.renumberPatches(from);
    expect(edited.toString()).toContain(wanted);
    expect(rpmPatches(edited.toString())).toEqual([`${from} first.patch`, `${from + 1} second.patch`]);
    expect(prepare(edited.toString(), { 'first.patch': first, 'second.patch': second })).toBe(
      'first\nzweite\ntschüss\n',
    );
    expect(edited.renumberPatches(from)).toBe(edited);
  });
}

test('does not renumber what it cannot follow, and says where', () => {
  const bad: readonly (readonly [tags: string, prep: string])[] = [
    ['%if 1\nPatch: first.patch\n%endif\nPatch: second.patch\n', `${uncounted}%patch -P 1 -p1\n`],
    ['Patch1: first.patch\nPatch1: second.patch\n', uncounted],
    ['%patchlist\nfirst.patch\n', '%prep\n%autosetup -p1\n'],
    ['Patch1: first.patch\n', `${uncounted}patch -p1 < %{PATCH1}\n`],
    ['Patch1: first.patch\n', `${uncounted}%autopatch -p1 -m 1\n`],
  ];
  for (const [tags, prep] of bad) {
    const spec = parseSpec(preamble(tags) + prep + changelog);
    expect(() => spec.renumberPatches(100), tags + prep).toThrow(
      expect.objectContaining({
        fault: expect.objectContaining({ code: 'SOURCE_EDIT_FAILED', line: expect.any(Number) }),
      }),
    );
  }
  expect(() => parseSpec(preamble('')).renumberPatches(-1)).toThrow(RangeError);
});

test('puts a changelog entry on top once, and makes a changelog where there is none', () => {
  const entry = { date: new Date('2026-03-04T00:00:00Z'), name: 'A', email: 'a@b', lines: ['x'] };
  const without = parseSpec('Name: a\nVersion: 1\nRelease: 2%{?dist}\nEpoch: 7\n');
  const edited = without.addChangelogEntry(entry);
  expect(edited.toString()).toBe(`${without.toString()}\n%changelog\n* Wed Mar 04 2026 A <a@b> - 7:1-2\n- x\n`);
  expect(edited.addChangelogEntry(entry)).toBe(edited);
  expect(edited.changelog.map((found) => [found.heading, found.text])).toEqual([
    ['Wed Mar 04 2026 A <a@b> - 7:1-2', '- x'],
  ]);
  const auto = parseSpec('Name: a\n%changelog\n%autochangelog\n');
  expect(auto.addChangelogEntry(entry)).toBe(auto);
});

test('refuses a patch whose name rpm would read as something else', () => {
  const spec = parseSpec(preamble('') + styles['%autosetup']!.prep);
  for (const file of ['../x.patch', '%(touch x)', 'a b.patch', 'a\nb', '', '-x', 'a#b', '$HOME', '`x`']) {
    expect(() => spec.addPatch({ file }), file).toThrow(expect.objectContaining({ code: 'SOURCE_BAD_FILENAME' }));
  }
});

test('says where a spec is not closed before it edits it', () => {
  const spec = parseSpec('Name: x\n  %if 1\nRelease: 1\n');
  expect(spec.toString()).toBe('Name: x\n  %if 1\nRelease: 1\n');
  expect(() => spec.suffixRelease('.a')).toThrow(
    expect.objectContaining({ fault: expect.objectContaining({ code: 'SOURCE_BAD_SPEC', line: 2, column: 3 }) }),
  );
  expect(() => parseSpec('Name: x\n%endif\n').setTag('Name', 'y')).toThrow(
    expect.objectContaining({ fault: expect.objectContaining({ code: 'SOURCE_BAD_SPEC', line: 2, column: 1 }) }),
  );
  expect(() => parseSpec('Name: %{x\nRelease: 1\n').setTag('Name', 'y')).toThrow(
    expect.objectContaining({ fault: expect.objectContaining({ code: 'SOURCE_BAD_SPEC', line: 1, column: 7 }) }),
  );
});

test('does not take a section or a tag inside a macro for one', () => {
  const spec = parseSpec('%global make_sub() %{expand:\n%package %1\nSummary: x\n%files %1\n}\nName: x\nRelease: 1\n');
  expect(spec.sections.map((section) => section.name)).toEqual(['preamble']);
  expect(spec.tags.map((tag) => tag.name)).toEqual(['Name', 'Release']);
});

test('adds a source after the tags, or to a %sourcelist, and rpm counts it so', () => {
  const sources = (spec: string): string[] => {
    const path = join(mkdtempSync(join(root, 'sources-')), 'hello.spec');
    writeFileSync(path, spec);
    const program = `import rpm, sys
print("\\n".join("%d %s" % (n, name) for name, n, flags in rpm.spec(sys.argv[1]).sources if flags & 1))`;
    return execFileSync('/usr/bin/python3', ['-c', program, path], { encoding: 'utf8' }).trim().split('\n').sort();
  };
  const rest = `${styles['%autosetup']!.prep}${changelog}`;
  const tags = parseSpec(preamble('Source7: seventh\n') + rest);
  const listed = parseSpec(preamble('').replace('Source0: ', '%sourcelist\n# one a line\n') + rest);
  const cases = [
    [tags, ['0 hello-1.0.tar.gz', '7 seventh', '8 https://example.org/new.conf']],
    [listed, ['0 hello-1.0.tar.gz', '1 https://example.org/new.conf']],
  ] as const;
  for (const [spec, wanted] of cases) {
    const edited = spec.addSource({ file: 'https://example.org/new.conf', comment: ['100% ours'] });
    expect(sources(edited.toString())).toEqual(wanted);
    expect(edited.sources().map(({ number }) => number)).toEqual(wanted.map((text) => Number.parseInt(text, 10)));
    expect(edited.addSource({ file: 'new.conf' })).toBe(edited);
    expect(sources(edited.removeSource('new.conf').toString())).toEqual(sources(spec.toString()));
  }
});

test('replaces a source, sets a tag and inserts into a section, each once', () => {
  const spec = parseSpec(preamble('') + styles['%autosetup']!.prep + changelog);
  const edited = spec
    .replaceSource(0, 'hello-1.1.tar.gz')
    .setTag('Version', '1.1')
    .insertIntoSection({ section: 'prep', at: 'bottom', lines: ['touch x'] });
  expect(edited.toString()).toContain('Source0: hello-1.1.tar.gz\n');
  expect(edited.toString()).toContain('%autosetup -p1\ntouch x\n\n%files');
  expect(edited.insertIntoSection({ section: 'prep', at: 'bottom', lines: ['touch x'] })).toBe(edited);
  expect(edited.nevr({ macros: { dist: null } })).toEqual({ name: 'hello', version: '1.1', release: '3' });
  expect(() => spec.insertIntoSection({ section: 'check', at: 'top', lines: ['x'] })).toThrow(
    expect.objectContaining({ code: 'SOURCE_EDIT_FAILED' }),
  );
});
