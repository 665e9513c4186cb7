/** Laws of specs: reading loses nothing, an edit made twice is made once, expressions mean what rpm says. */
import { execFileSync } from 'node:child_process';
import { parseSpec } from '@distrokit/source';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const fragment = fc.constantFrom(
  'Name: x\n',
  'Version: 1.0\r\n',
  'Release: 3%{?dist}\n',
  'Release:\t%autorelease\n',
  'Source0: https://example.org/a-%{version}.tar.gz\n',
  'Patch1: a.patch\n',
  'Patch: b.patch\n',
  '%if 0%{?rhel}\n',
  '%else\n',
  '%endif\n',
  '%global a %{expand:\\\n',
  '}\n',
  '%{?b:Patch9: c.patch}\n',
  '%prep\n',
  '%setup -q\n',
  '%autosetup -p1\n',
  '%patch1 -p1\n',
  '%patch -P 1 -p1 \\\n',
  '%patchlist\n',
  'x.patch\n',
  '%build\n',
  '%changelog\n',
  '* Mon Jan 01 2024 A <a@b> - 1-1\n- x\n',
  '# comment %{\n',
  '\n',
  'text',
);
const specText = fc.array(fc.oneof(fragment, fc.string()), { maxLength: 30 }).map((parts) => parts.join(''));

test('any text reads and prints the same', () => {
  fc.assert(
    fc.property(fc.oneof(specText, fc.string({ unit: 'binary' })), (text) => {
      const spec = parseSpec(text);
      expect(spec.toString()).toBe(text);
      expect(
        spec.sections.map((section) => spec.sectionText(section).length).reduce((a, b) => a + b, 0),
      ).toBeLessThanOrEqual(text.length);
    }),
    { numRuns: 2000 },
  );
});

test('every edit made twice is the edit made once, and keeps the other lines', () => {
  const entry = { date: new Date('2026-01-02T03:04:05Z'), name: 'A', email: 'a@b', evr: '1-2', lines: ['x', 'y\nz'] };
  fc.assert(
    fc.property(specText, (text) => {
      const spec = parseSpec(text);
      for (const edit of [
        () => spec.addPatch({ file: 'new.patch' }),
        () => spec.suffixRelease('.alma.1'),
        () => spec.addChangelogEntry(entry),
        () => spec.insertIntoSection({ section: 'prep', at: 'bottom', lines: ['true', 'false'] }),
      ]) {
        try {
          edit();
        } catch (error) {
          expect((error as { code: string }).code).toMatch(/^SOURCE_(BAD_SPEC|EDIT_FAILED)$/);
        }
      }
      const twice = (edit: (s: typeof spec) => typeof spec): void => {
        let once: typeof spec;
        try {
          once = edit(spec);
        } catch {
          return;
        }
        expect(edit(once).toString()).toBe(once.toString());
        expect(parseSpec(once.toString()).toString()).toBe(once.toString());
      };
      twice((s) => s.addPatch({ file: 'new.patch' }));
      twice((s) => s.suffixRelease('.alma.1'));
      twice((s) => s.addChangelogEntry(entry));
      twice((s) => s.insertIntoSection({ section: 'prep', at: 'bottom', lines: ['true', 'false'] }));
      twice((s) => s.setTag('Name', 'other'));
    }),
    { numRuns: 1500 },
  );
});

const { expression } = fc.letrec<{ expression: string; operand: string }>((tie) => ({
  operand: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.nat({ max: 20 }).map(String),
    fc.constantFrom('0', '1', '"a"', '"b"', '""', 'v"1.0"', 'v"1.0~rc1"', 'v"1:0.5-2"'),
    tie('expression').map((inner) => `(${inner})`),
    tie('operand').map((inner) => `!${inner}`),
  ),
  expression: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('operand'),
    fc
      .tuple(
        tie('operand'),
        fc.constantFrom('+', '-', '*', '/', '<', '<=', '==', '!=', '>', '>=', '&&', '||'),
        tie('operand'),
      )
      .map(([a, operator, b]) => `${a} ${operator} ${b}`),
    fc.tuple(tie('operand'), tie('operand'), tie('operand')).map(([a, b, c]) => `${a} ? ${b} : ${c}`),
  ),
}));

test('an expression that has an answer here has the same answer in rpm', () => {
  let answered = 0;
  for (const text of fc.sample(expression, { numRuns: 250, seed: 20261122 })) {
    const ours = parseSpec('').evaluate(`%[${text}]`);
    if (!ours.known) continue;
    answered++;
    let theirs: string;
    try {
      theirs = execFileSync('rpm', ['--eval', `%[${text}]`], { encoding: 'utf8', stdio: 'pipe' }).replace(/\n$/, '');
    } catch (error) {
      theirs = `refused: ${String((error as { stderr?: string }).stderr)}`;
    }
    expect([text, ours.value]).toEqual([text, theirs]);
  }
  expect(answered).toBeGreaterThan(100);
});
