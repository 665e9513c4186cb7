import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Dependency,
  type DependencyKind,
  evaluateRichDependency,
  formatRichDependency,
  parseDependency,
  parseRichDependency,
  type RichDependency,
  RpmError,
  richDependencyTerms,
  satisfies,
} from '@distrokit/rpm';
import { expect, test } from 'vitest';

const plain = (text: string): Dependency => parseDependency(text);

test('reads operators, relations and nested parentheses into a tree', () => {
  expect(parseRichDependency('((a >= 1:2-3 or b) if c else perl(Foo::Bar))')).toEqual({
    operator: 'if',
    term: { operator: 'or', terms: [plain('a >= 1:2-3'), plain('b')] },
    condition: plain('c'),
    otherwise: plain('perl(Foo::Bar)'),
  });
});

test('names the plain dependencies of a tree', () => {
  const tree = parseRichDependency('((a and b) unless (c without d) else libc.so.6()(64bit))');
  expect(richDependencyTerms(tree).map((d) => d.name)).toEqual(['a', 'b', 'c', 'd', 'libc.so.6()(64bit)']);
});

const texts = [
  '(a)',
  '((a))',
  '()',
  '(a and b)',
  '(a and b and c)',
  '(a and b or c)',
  '(a if b)',
  '(a if b else c)',
  '(a if b else c else d)',
  '(a if b if c)',
  '(a without b)',
  '(a without b without c)',
  '(a with b with c)',
  '(a with (b or c))',
  '(a with (b with c))',
  '(a with (b))',
  '((a) with b)',
  '(a with (b and c))',
  '((a and b) with c)',
  '(a without (b if c))',
  '(a with (b unless c))',
  '(a or (b if c))',
  '((a if b) or c)',
  '(a unless b)',
  '(a unless b else c)',
  '(a and',
  '(a and b',
  '(a and )',
  '(a foo b)',
  '(a >= 1)',
  '(a >= )',
  '(a >=)',
  '(a == 1 and b =< 2)',
  '(a, b and c)',
  '(a,b)',
  '(a and, b)',
  '(perl(Foo) and libc.so.6()(64bit))',
  '(a (b))',
  '(a and (b if c))',
  '((a or b) if c)',
  '(a if (b or (c if d)))',
  '(a or (b and (c if d)))',
  '(a or (b or (c if d)))',
  '(a and (b or (c if d)))',
  '( a   and b )',
  '(a and (b unless c))',
  '(a or (b unless c))',
  '((a unless b) and c)',
  '(a >= 1:2-3~x)',
  '(a ! 1)',
  '(a <> 1)',
  '(and)',
  '(a and and)',
  '(a and or or)',
  '(a = 1 2)',
  '(a if b else (c if d))',
  '(a if b else (c unless d))',
  '(a if (b unless c))',
  '(a unless (b if c))',
  '(a unless b else (c if d))',
  '(a unless b else (c unless d))',
  '(a if ((b or c) and (d or e)) else (f with g))',
];
const kinds = {
  Requires: 'requires',
  Recommends: 'recommends',
  Suggests: 'suggests',
  Supplements: 'supplements',
  Enhances: 'enhances',
  Conflicts: 'conflicts',
  Provides: 'provides',
  Obsoletes: 'obsoletes',
} as const satisfies Record<string, DependencyKind>;

/** What rpm stores for one line of a spec file, or undefined when it refuses the line. */
function rpmStores(folder: string, keyword: string, text: string): string | undefined {
  const spec = join(folder, 'a.spec');
  const preamble = `Name: a\nVersion: 1\nRelease: 1\nSummary: s\nLicense: l\n${keyword}: ${text}\n%description\n`;
  writeFileSync(spec, preamble);
  const tag = `${keyword.replace(/s$/, '').toUpperCase()}NAME`;
  try {
    const args = ['-q', '--qf', `[%{${tag}}\\n]`, spec];
    return execFileSync('rpmspec', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

test.each(Object.entries(kinds))('takes, refuses and writes rich dependencies in %s as rpm does', (keyword, kind) => {
  const folder = mkdtempSync(join(tmpdir(), 'rich-'));
  try {
    const some = kind === 'requires' ? texts : texts.filter((text) => /if|unless|^\(a and b\)$/.test(text));
    let taken = 0;
    for (const text of some) {
      const stored = rpmStores(folder, keyword, text);
      let ours: string | undefined;
      try {
        ours = formatRichDependency(parseRichDependency(text, kind));
      } catch (error) {
        if (!(error instanceof RpmError) || error.code !== 'RPM_BAD_DEPENDENCY') throw error;
      }
      if (stored !== undefined) taken++;
      expect(ours, `${keyword}: ${text}`).toBe(stored);
    }
    if (kind === 'provides' || kind === 'obsoletes') expect(taken).toBe(0);
    else expect(taken).toBeGreaterThan(3);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('refuses else without if, which rpm reads but gives no meaning', () => {
  expect(() => parseRichDependency('(a else b)')).toThrow(expect.objectContaining({ code: 'RPM_BAD_DEPENDENCY' }));
});

test('refuses what follows the last parenthesis', () => {
  expect(() => parseRichDependency('(a and b) c')).toThrow(expect.objectContaining({ code: 'RPM_BAD_DEPENDENCY' }));
});

test('stops at a hundred levels of parentheses instead of overflowing the stack', () => {
  const deep = (levels: number): string => `${'('.repeat(levels)}a${')'.repeat(levels)}`;
  expect(formatRichDependency(parseRichDependency(deep(100)))).toBe(deep(100));
  expect(() => parseRichDependency(deep(100_000))).toThrow(expect.objectContaining({ code: 'RPM_LIMIT' }));
});

/** Packages by name with what they provide. */
function evaluate(text: string, packages: Readonly<Record<string, readonly string[]>>): boolean {
  const provides = Object.entries(packages).map(
    ([name, list]) => [name, [name, ...list].map((each) => parseDependency(each))] as const,
  );
  const tree: RichDependency = parseRichDependency(text);
  return evaluateRichDependency(
    tree,
    (dependency) =>
      new Set(provides.filter(([, list]) => list.some((each) => satisfies(each, dependency))).map(([name]) => name)),
  );
}

test.each([
  ['(a and b)', { a: [], b: [] }, true],
  ['(a and b)', { a: [] }, false],
  ['(a or b)', { b: [] }, true],
  ['(a or b)', { c: [] }, false],
  ['(a if b)', { c: [] }, true],
  ['(a if b)', { b: [] }, false],
  ['(a if b)', { a: [], b: [] }, true],
  ['(a if b else c)', { c: [] }, true],
  ['(a if b else c)', { a: [] }, false],
  ['(a unless b)', { a: [] }, true],
  ['(a unless b)', { a: [], b: [] }, false],
  ['(a unless b)', {}, false],
  ['(a unless b else c)', { b: [], c: [] }, true],
  ['(x with y)', { a: ['x', 'y'] }, true],
  ['(x with y)', { a: ['x'], b: ['y'] }, false],
  ['(x and y)', { a: ['x'], b: ['y'] }, true],
  ['(x without y)', { a: ['x', 'y'] }, false],
  ['(x without y)', { a: ['x', 'y'], b: ['x'] }, true],
  ['(x with (y or z))', { a: ['x', 'z'] }, true],
  ['(x >= 2 with x < 3)', { a: ['x = 2.5'] }, true],
  ['(x >= 2 with x < 3)', { a: ['x = 3.5'], b: ['x = 1'] }, false],
] as const)('%s for packages %j is %s', (text, packages, verdict) => {
  expect(evaluate(text, packages)).toBe(verdict);
});
