import {
  type Dependency,
  formatDependency,
  formatRichDependency,
  parseDependency,
  parseRichDependency,
  type Relation,
  type RichDependency,
  type RichTerm,
  RpmError,
  relationFlags,
  satisfies,
} from '@distrokit/rpm';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const names = fc.constantFrom('a', 'lib.so.6()(64bit)', 'perl(Foo::Bar)', '/usr/bin/x', 'c++', 'font(:lang=de)');
const evrs = fc.constantFrom('1', '1.0-1', '1:2~rc1-3', '0:1^git-0.1.el9', '2.0');
const relations = fc.constantFrom<Relation>('<', '<=', '=', '>=', '>');
const dependency: fc.Arbitrary<Dependency> = fc.oneof(
  names.map((name) => ({ name, flags: 0, evr: '' })),
  fc.tuple(names, relations, evrs).map(([name, relation, evr]) => ({ name, flags: relationFlags(relation), evr })),
);

const { term } = fc.letrec<{ term: RichTerm; rich: RichDependency; one: RichTerm }>((tie) => ({
  term: fc.oneof({ maxDepth: 4, withCrossShrink: true }, dependency, tie('rich')),
  rich: fc.oneof(
    fc
      .tuple(fc.constantFrom('and' as const, 'or' as const), fc.array(tie('term'), { minLength: 1, maxLength: 4 }))
      .map(([operator, terms]) => ({
        operator: terms.length === 1 ? ('and' as const) : operator,
        terms: terms as [RichTerm, ...RichTerm[]],
      })),
    fc
      .record(
        {
          operator: fc.constantFrom('if' as const, 'unless' as const),
          term: tie('term'),
          condition: tie('term'),
          otherwise: tie('term'),
        },
        { requiredKeys: ['operator', 'term', 'condition'] },
      )
      .map((node) => node as RichDependency),
    fc.record({ operator: fc.constant('without' as const), term: tie('one'), without: tie('one') }),
  ),
  /** What may stand inside `with` and `without`. */
  one: fc.oneof(
    { maxDepth: 3 },
    dependency,
    fc
      .tuple(fc.constantFrom('with' as const, 'or' as const), tie('one'), tie('one'))
      .map(([operator, a, b]) => ({ operator, terms: [a, b] as [RichTerm, RichTerm] })),
  ),
}));
const rich = term.filter((each): each is RichDependency => !('name' in each));

test('writing and reading a dependency gives it back', () => {
  fc.assert(
    fc.property(dependency, (value) => {
      expect(parseDependency(formatDependency(value))).toEqual(value);
    }),
  );
});

test('writing and reading a rich dependency gives the same tree', () => {
  fc.assert(
    fc.property(rich, (tree) => {
      expect(parseRichDependency(formatRichDependency(tree))).toEqual(tree);
    }),
  );
});

test('any text is a rich dependency or a typed error', () => {
  const pieces = fc.constantFrom(
    '(',
    ')',
    ' ',
    ',',
    'a',
    'and',
    'or',
    'if',
    'else',
    'with',
    'without',
    '>=',
    '1',
    '\0',
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 20 }), (parts) => {
      const text = parts.join(' ');
      try {
        const tree = parseRichDependency(text);
        expect(parseRichDependency(formatRichDependency(tree))).toEqual(tree);
      } catch (error) {
        expect(error).toBeInstanceOf(RpmError);
      }
    }),
    { numRuns: 2000 },
  );
});

test('satisfying is symmetric: ranges overlap whichever comes first', () => {
  fc.assert(
    fc.property(dependency, dependency, (a, b) => {
      expect(satisfies(a, b)).toBe(satisfies(b, a));
    }),
  );
});

test('every versioned provide satisfies a require of exactly itself', () => {
  fc.assert(
    fc.property(names, evrs, (name, evr) => {
      const self = { name, flags: relationFlags('='), evr };
      expect(satisfies(self, self)).toBe(true);
    }),
  );
});
