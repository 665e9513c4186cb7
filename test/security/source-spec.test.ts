/** A spec is hostile text: reading, evaluating and editing it starts no process and touches no file. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSpec } from '@distrokit/source';
import { afterAll, beforeAll, expect, test } from 'vitest';

let root: string;
let canary: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'source-canary-'));
  canary = join(root, 'canary');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const spec = (line: string): string =>
  `${line}\nName: x\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\n%description\n%prep\n%setup -q\n`;

/** Runs what rpm runs, so that a canary which no longer sings is noticed. */
function rpmTouches(text: string): boolean {
  rmSync(canary, { force: true });
  const path = join(root, 'x.spec');
  writeFileSync(path, text);
  try {
    execFileSync('rpmspec', ['-P', path], { stdio: 'pipe', cwd: root });
  } catch {
    // A canary may also make the spec invalid; what counts is whether it ran.
  }
  const touched = existsSync(canary);
  rmSync(canary, { force: true });
  return touched;
}

const hostile: Readonly<Record<string, (path: string) => string>> = {
  'a shell command in a definition': (path) => `%global x %(touch ${path})`,
  'a shell command in a condition': (path) => `%if %(touch ${path}; echo 1)\n%endif`,
  'a shell command in a comment': (path) => `# %(touch ${path})`,
  'a shell command in a tag': (path) => `Epoch: %(touch ${path}; echo 1)`,
  'a shell command behind a macro': (path) => `%define y() %(touch ${path})\n%y`,
  'Lua that opens a file': (path) => `%{lua: io.open("${path}", "w"):close()}`,
  'Lua that runs a command': (path) => `%{lua: os.execute("touch ${path}")}`,
  'Lua that expands a command': (path) => `%{lua: rpm.expand("%(touch ${path})")}`,
  'an expression with a command': (path) => `%global z %[ "%(touch ${path})" != "" ]`,
  'a command inside expand': (path) => `%{expand:%%global q %%(touch ${path})}`,
};
for (const [what, make] of Object.entries(hostile)) {
  test(`does not run ${what}, which rpm does run`, () => {
    const text = spec(make(canary));
    const parsed = parseSpec(text);
    parsed.nevr({ macros: { dist: '.el9' } });
    for (const tag of parsed.evaluateTags()) parsed.evaluate(tag.raw);
    parsed.evaluate(make(canary));
    parsed.sources();
    const edited = parsed
      .addPatch({ file: 'a.patch' })
      .suffixRelease('.a.1')
      .addChangelogEntry({ date: new Date(0), name: 'a', email: 'b', lines: ['c'] });
    expect(edited.toString()).toContain(make(canary));
    expect(existsSync(canary)).toBe(false);
    expect(rpmTouches(text)).toBe(true);
  });
}

test('text from a commit message or a patch’s origin cannot run in the edited spec', () => {
  const attack = `%(touch ${canary}) %{lua: os.execute("touch ${canary}")}`;
  const edited = parseSpec(spec('%global a 1'))
    .addPatch({
      file: 'a.patch',
      comment: [attack],
      origin: {
        kind: 'upstream',
        url: `https://example.org/%(touch$IFS${canary})`,
        cves: [],
        note: `${attack}\n%global b %(touch ${canary})`,
      },
    })
    .addChangelogEntry({
      date: new Date('2026-11-22T00:00:00Z'),
      name: attack,
      email: attack,
      lines: [attack, `two\n%global c %(touch ${canary})`],
    });
  expect(rpmTouches(edited.toString())).toBe(false);
  const path = join(root, 'shown.spec');
  writeFileSync(path, edited.toString());
  const shown = execFileSync('rpmspec', ['-q', '--srpm', '--qf', '[%{CHANGELOGNAME} %{CHANGELOGTEXT}]', path], {
    encoding: 'utf8',
  });
  expect(shown).toContain(`%(touch ${canary})`);
});

test('macros that double themselves without end are unknown, not a full memory', () => {
  const doubling = Array.from({ length: 60 }, (_, i) => `%define a${i + 1} %{a${i}}%{a${i}}`).join('\n');
  const bombs = [
    `%define a0 xxxxxxxxxx\n${doubling}\nName: %{a60}`,
    `${Array.from({ length: 60 }, (_, i) => `%global a${i + 1} %{?a${i}:%{a${i}}%{a${i}}}%{!?a${i}:xxxx}`).join('\n')}\nName: %{a60}`,
    '%define a %{b}\n%define b %{a}\nName: %{a}',
    '%define a %{a}%{a}\nName: %{a}',
    `Name: ${'%{?x:'.repeat(5000)}y${'}'.repeat(5000)}`,
    `Name: ${'%{'.repeat(100_000)}`,
    `%if ${'('.repeat(50_000)}1${')'.repeat(50_000)}\n%endif\nName: %{q}`,
  ];
  for (const bomb of bombs) {
    const [tag] = parseSpec(`${bomb}\n`).evaluateTags({ macros: { x: '1', a0: 'xxxx' } });
    expect(tag?.value.known ?? false).toBe(false);
  }
});

test('a spec of a million lines of open braces is read in one pass', () => {
  const text = '%{\n'.repeat(1_000_000);
  const spec = parseSpec(text);
  expect(spec.toString() === text).toBe(true);
  expect(spec.sections).toHaveLength(1);
  expect(() => spec.setTag('Name', 'x')).toThrow(expect.objectContaining({ code: 'SOURCE_BAD_SPEC' }));
});
