/** Policies, and the taint that follows denied bytes into everything made from them. */
import {
  assertPolicy,
  checkPolicy,
  defaultPolicy,
  evaluatePolicy,
  type Origin,
  Provenance,
  parsePolicy,
  type SourceTree,
} from '@distrokit/source';
import { expect, test } from 'vitest';

const origin = (terms: Origin['terms'], where = 'https://git.example.org/rpms/bash'): Origin => ({
  kind: 'dist-git',
  where,
  terms,
});
const tree = (from: readonly Origin[]): SourceTree => ({
  origin: origin('public'),
  ref: 'x',
  directory: '/x',
  spec: 'bash.spec',
  nevr: undefined,
  files: from.map((o, i) => ({ path: i === 0 ? 'bash.spec' : `file${i}`, sha256: String(i), sizeBytes: 1, from: o })),
});

test('denies what came under a subscription or from nobody knows where, unless a policy says otherwise', () => {
  expect(evaluatePolicy({ origin: origin('public') }, defaultPolicy)).toEqual({ allowed: true, rule: 'public' });
  expect(evaluatePolicy({ origin: origin('own') }, defaultPolicy).allowed).toBe(true);
  expect(evaluatePolicy({ origin: origin('subscription') }, defaultPolicy).allowed).toBe(false);
  expect(evaluatePolicy({ origin: origin('unknown') }, defaultPolicy).allowed).toBe(false);
  expect(evaluatePolicy({ origin: origin('public') }, { rules: [], otherwise: 'deny' }).rule).toBe('otherwise');
});

test('the first rule that fits decides, by kind, terms, host, distribution, licence and path', () => {
  const policy = parsePolicy({
    rules: [
      { name: 'portal', action: 'deny', match: { host: '*.portal.example' } },
      { name: 'tests', action: 'allow', match: { path: 'tests/*' } },
      { name: 'free', action: 'allow', match: { licence: '*GPL*', terms: 'public' } },
      { name: 'stream', action: 'allow', match: { distribution: 'centos-stream', kind: 'dist-git' } },
    ],
  });
  const verdict = (subject: Partial<Parameters<typeof evaluatePolicy>[0]>): string =>
    evaluatePolicy({ origin: origin('public'), ...subject }, policy).rule;
  expect(verdict({ origin: origin('public', 'https://user:x@cdn.PORTAL.example:8443/x'), path: 'tests/a' })).toBe(
    'portal',
  );
  expect(verdict({ path: 'tests/a' })).toBe('tests');
  expect(verdict({ licence: 'LGPL-2.1-or-later' })).toBe('free');
  expect(verdict({ origin: { ...origin('unknown'), distribution: 'centos-stream' } })).toBe('stream');
  expect(verdict({ origin: origin('public', 'https://portal.example.evil.org/') })).toBe('otherwise');
  expect(verdict({ path: `tests${'*'.repeat(50)}x` })).toBe('otherwise');
});

test('says which files of a tree are denied; an empty tree is not ok', () => {
  const bad = tree([origin('public'), origin('subscription', 'https://portal.example/x')]);
  expect(checkPolicy(bad, defaultPolicy)).toMatchObject({
    ok: false,
    denied: [{ path: 'file1', rule: 'nothing from behind a subscription' }],
  });
  expect(() => assertPolicy(bad, defaultPolicy)).toThrow(
    expect.objectContaining({
      fault: expect.objectContaining({ code: 'SOURCE_POLICY_DENIED', path: ['bash.spec', 'file1'] }),
    }),
  );
  expect(checkPolicy(tree([origin('public')]), defaultPolicy).ok).toBe(true);
  expect(checkPolicy(tree([]), defaultPolicy).ok).toBe(false);
  expect(() => assertPolicy(tree([]), defaultPolicy)).toThrow(
    expect.objectContaining({ code: 'SOURCE_POLICY_DENIED' }),
  );
});

test('publishing fails with the way from the repository to the offending input', () => {
  const provenance = new Provenance();
  provenance.addTree(tree([origin('public'), origin('subscription', 'https://portal.example/x')]));
  provenance.addArtifact({ name: 'bash.src.rpm', sha256: 'srpm', inputs: ['0', '1'] });
  provenance.addArtifact({ name: 'bash.x86_64.rpm', sha256: 'rpm', inputs: ['srpm'] });
  provenance.addArtifact({ name: 'repomd.xml', sha256: 'repomd', inputs: ['rpm'] });
  expect(() => provenance.assertPublishable(['repomd'], defaultPolicy)).toThrow(
    expect.objectContaining({
      fault: {
        code: 'SOURCE_POLICY_DENIED',
        path: ['repomd.xml', 'bash.x86_64.rpm', 'bash.src.rpm', 'file1'],
        rule: 'nothing from behind a subscription',
        found: 'subscription from https://portal.example/x',
      },
    }),
  );
  const stored = Provenance.from(JSON.parse(JSON.stringify(provenance.nodes)));
  expect(stored.findDenied('repomd', defaultPolicy)).toEqual(provenance.findDenied('repomd', defaultPolicy));
});

test('bytes that nobody recorded, and things made from nothing, are not published', () => {
  const provenance = new Provenance();
  provenance.addTree(tree([origin('public')]));
  provenance.addArtifact({ name: 'a', sha256: 'a', inputs: ['0', 'lost'] });
  provenance.addArtifact({ name: 'b', sha256: 'b', inputs: [] });
  provenance.addArtifact({ name: 'c', sha256: 'c', inputs: ['0'] });
  for (const bad of ['a', 'b', 'never heard of']) {
    expect(() => provenance.assertPublishable([bad], defaultPolicy), bad).toThrow(
      expect.objectContaining({ code: 'SOURCE_POLICY_DENIED' }),
    );
  }
  expect(() => provenance.assertPublishable(['c'], defaultPolicy)).not.toThrow();
  // Recording the same bytes again, from a better place, does not wash them.
  provenance.addTree(tree([origin('subscription')]));
  expect(() => provenance.assertPublishable(['c'], defaultPolicy)).toThrow(
    expect.objectContaining({ code: 'SOURCE_POLICY_DENIED' }),
  );
});

test('refuses a policy that does not follow its schema, and says where', () => {
  const bad: readonly (readonly [unknown, string])[] = [
    [null, 'policy'],
    [{ rules: [{ name: 'x', action: 'maybe', match: { terms: 'public' } }] }, 'policy.rules[0].action'],
    [{ rules: [{ name: 'x', action: 'deny', match: { terms: 'free' } }] }, 'policy.rules[0].match.terms'],
    [{ rules: [{ name: 'x', action: 'deny', match: {} }] }, 'policy.rules[0].match'],
    [{ rules: [{ name: 'x', action: 'deny', match: { hots: 'a' } }] }, 'policy.rules[0].match'],
    [{ rules: [], otherwise: 'perhaps' }, 'policy.otherwise'],
  ];
  for (const [value, where] of bad) {
    expect(() => parsePolicy(value), where).toThrow(
      expect.objectContaining({ fault: expect.objectContaining({ code: 'SOURCE_BAD_CONFIG', where }) }),
    );
  }
});
