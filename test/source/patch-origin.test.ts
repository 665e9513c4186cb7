/** The comment that links a patch to its origin: written, read in many spellings, and missed where it is not there. */
import {
  commitOfLink,
  formatPatchHeader,
  formatPatchOrigin,
  lintPatchOrigins,
  type PatchOrigin,
  parsePatchOrigin,
} from '@distrokit/source';
import { expect, test } from 'vitest';

const url = 'https://example.org/project/commit/0123abc';
const origin: PatchOrigin = { kind: 'backport', url, cves: ['CVE-2024-0001', 'CVE-2024-0002'], note: '100% ours' };

test('what is written reads back the same, in a spec and in the head of a patch', () => {
  expect(formatPatchOrigin(origin)).toEqual([
    `# Origin: backport, ${url}`,
    '# CVE: CVE-2024-0001, CVE-2024-0002',
    '# Note: 100%% ours',
  ]);
  for (const text of [
    formatPatchOrigin(origin).join('\n'),
    `${formatPatchHeader(origin).join('\n')}\n--- a/x\n+++ b/x\n`,
  ]) {
    expect(parsePatchOrigin(text)).toEqual({ ...origin, spelling: 'origin' });
  }
});

const spellings: Readonly<Record<string, readonly [kind: string, spelling: string]>> = {
  [`Origin: ${url}`]: ['other', 'origin'],
  [`Origin: upstream, ${url}`]: ['upstream', 'origin'],
  [`Upstream-reference: ${url}`]: ['upstream', 'upstream reference'],
  [`Upstream Reference : ${url}`]: ['upstream', 'upstream reference'],
  [`Upstream Patch Reference: ${url}`]: ['upstream', 'upstream patch reference'],
  [`Upstream Patch reference: ${url}.`]: ['upstream', 'upstream patch reference'],
  [`AI Backport of ${url}`]: ['backport', 'ai backport of'],
  [`Backported from ${url}`]: ['backport', 'backported from'],
  [`# Upstream: ${url}`]: ['upstream', 'upstream'],
  [`# From ${url}`]: ['upstream', 'from'],
  [`#   Bug: ${url}`]: ['other', 'bug'],
  [`Link: <${url}>`]: ['other', ''],
  [`# ${url}`]: ['other', ''],
  [`Something that says nothing (${url})`]: ['other', ''],
};
for (const [text, [kind, spelling]] of Object.entries(spellings)) {
  test(`reads ${JSON.stringify(text.replace(url, 'URL'))}`, () => {
    expect(parsePatchOrigin(text)).toMatchObject({ kind, url, spelling });
  });
}

test('a named field wins over a bare link, a cherry-pick note makes it upstream’s, a diff is not read', () => {
  expect(parsePatchOrigin(`See https://example.org/bug\nUpstream: ${url}`)?.url).toBe(url);
  expect(parsePatchOrigin(`(cherry picked from commit 0123)\n${url}`)).toMatchObject({ kind: 'upstream' });
  expect(parsePatchOrigin(`Fix it\n--- a/x\n+++ b/x\n+// ${url}\n`)).toBeUndefined();
  expect(parsePatchOrigin('nothing')).toBeUndefined();
  expect(parsePatchOrigin('x '.repeat(1_000_000))).toBeUndefined();
});

test('refuses a link that is no web address', () => {
  for (const bad of ['javascript:alert(1)', 'https://a b', 'https://x\n%prep', '', 'file:///etc']) {
    expect(() => formatPatchOrigin({ ...origin, url: bad }), bad).toThrow(
      expect.objectContaining({ code: 'SOURCE_BAD_URL' }),
    );
  }
});

test('lint names patches without a link, with a bare one, and backports that call themselves upstream’s', () => {
  const found = (kind: 'upstream' | 'backport', spelling = 'origin') => ({ kind, url, cves: [], spelling });
  const patches = [
    { file: 'a.patch', changes: '1' },
    { file: 'b.patch', changes: '1', origin: found('upstream', '') },
    { file: 'c.patch', changes: '1', origin: found('upstream') },
    { file: 'd.patch', changes: '2', origin: found('upstream') },
    { file: 'e.patch', changes: '2', origin: found('backport') },
  ];
  expect(lintPatchOrigins(patches, { upstreamChanges: () => '1' })).toEqual([
    { file: 'a.patch', rule: 'missing' },
    { file: 'b.patch', rule: 'bare' },
    { file: 'd.patch', rule: 'changed' },
  ]);
  expect(lintPatchOrigins(patches).map((finding) => finding.file)).toEqual(['a.patch', 'b.patch']);
});

test('tells which commit a link names, and lint finds links to commits that are gone', () => {
  const hex = '0123abc'.padEnd(40, '4');
  for (const link of [
    `https://example.org/p/commit/${hex}.patch`,
    `https://example.org/p/-/commit/${hex}`,
    `https://example.org/p.git/c/${hex}`,
    `https://example.org/p.git/commit/?id=${hex}`,
    `https://example.org/p.git;a=commit;h=${hex.toUpperCase()}`,
    `https://example.org/p/+/${hex}`,
  ]) {
    expect(commitOfLink(link), link).toBe(hex);
  }
  for (const link of [
    'https://example.org/commit/abc',
    'https://example.org/pull/1234567',
    url.replace('abc', 'xyz'),
  ]) {
    expect(commitOfLink(link), link).toBeUndefined();
  }
  const patch = {
    file: 'a.patch',
    changes: '1',
    origin: { kind: 'backport', url, cves: [], spelling: 'origin' },
  } as const;
  expect(lintPatchOrigins([patch], { hasCommit: () => false })).toEqual([{ file: 'a.patch', rule: 'dead' }]);
  expect(lintPatchOrigins([patch], { hasCommit: () => undefined })).toEqual([]);
});
