/** One package in two real trees: patches renumbered, rebased, moved and dropped; the choice among them; the fix found. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  candidateOf,
  choose,
  compareSources,
  comparisonHtml,
  describeSource,
  findFix,
  fixTimeline,
  formatComparison,
  type Origin,
  patchIdentity,
  patchSimilarity,
  readSourceTree,
  replayDecision,
  type SourceDescription,
  timelineSvg,
} from '@distrokit/source';
import { afterAll, beforeAll, expect, test } from 'vitest';

let root: string;
let a: SourceDescription;
let b: SourceDescription;
const origin: Origin = { kind: 'directory', where: 'here', terms: 'public' };
const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `line ${i}`);

/** A real diff of two texts, made by git in a folder of its own. */
function diff(name: string, before: readonly string[], after: readonly string[], ...options: string[]): string {
  const folder = mkdtempSync(join(root, 'diff-'));
  for (const side of ['a', 'b']) mkdirSync(join(folder, side));
  writeFileSync(join(folder, 'a', name), `${before.join('\n')}\n`);
  writeFileSync(join(folder, 'b', name), `${after.join('\n')}\n`);
  try {
    execFileSync('git', ['diff', '--no-index', '--no-color', ...options, `a/${name}`, `b/${name}`], {
      cwd: folder,
      encoding: 'utf8',
    });
  } catch (error) {
    // git exits with 1 when there is a difference.
    return (error as { stdout: string }).stdout.replaceAll(`a/a/`, 'a/').replaceAll('b/b/', 'b/');
  }
  throw new Error('the two texts are equal');
}

async function describe(
  label: string,
  version: string,
  patches: Readonly<Record<string, string>>,
  extra = '',
): Promise<SourceDescription> {
  const directory = mkdtempSync(join(root, 'tree-'));
  const tags = Object.keys(patches).map((key) => key.replace(':', ': '));
  const spec = `Name: hello\nVersion: ${version}\nRelease: 1\nSource0: hello-${version}.tar.gz\n${extra}${tags.join('\n')}\n\n%changelog\n* Mon Jan 01 2024 A <a@b> - 1\n- Fix CVE-2024-1111\n`;
  writeFileSync(join(directory, 'hello.spec'), spec);
  writeFileSync(join(directory, `hello-${version}.tar.gz`), `archive ${version}`);
  for (const [key, text] of Object.entries(patches)) writeFileSync(join(directory, key.split(':')[1]!), text);
  const tree = await readSourceTree(directory, { origin, ref: label });
  return describeSource(tree, { label });
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'source-compare-'));
  const base = numbers(60);
  const changed = (at: number, text: string, from = base): string[] => from.map((line, i) => (i === at ? text : line));
  const same = diff('one.c', base, changed(5, 'fixed one'));
  const renumbered = diff('two.c', base, changed(9, 'fixed two'));
  const moved = ['new first', ...base];
  const context = diff('three.c', base, changed(20, 'fixed three'));
  const contextMoved = diff(
    'three.c',
    changed(19, 'other neighbour'),
    changed(20, 'fixed three', changed(19, 'other neighbour')),
  );
  const big = base.map((line, i) => (i >= 30 && i < 40 ? `rewritten ${i}` : line));
  const rebased = diff('four.c', base, big);
  const rebasedNext = diff('four.c', moved, [
    'new first',
    ...big.map((line, i) => (i === 35 ? 'rewritten otherwise' : line)),
  ]);
  a = await describe('Alpha', '1.0', {
    'Patch1:same.patch': same,
    'Patch2:renumbered.patch': renumbered,
    'Patch3:context.patch': context,
    'Patch4:rebased.patch': rebased,
    'Patch5:CVE-2024-2222.patch': diff('five.c', base, changed(2, 'safe')),
  });
  b = await describe('Beta', '1.1', {
    'Patch1:same.patch': same,
    'Patch7:0007-other-name.patch': `From 1234 Mon Sep 17 00:00:00 2001\nDate: Tue, 2 Jan 2024\nSubject: x\n---\n${renumbered.replace(/^index .*$/m, 'index 0..1')}`,
    'Patch8:context.patch': contextMoved,
    'Patch9:rebased.patch': rebasedNext,
    'Patch10:unnamed.patch': diff('five.c', base, changed(2, 'safe'), '-U1'),
    'Patch11:only.patch': diff('six.c', base, changed(2, 'new')),
  });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('tells same, renumbered, context only, rebased and lonely patches apart', () => {
  const comparison = compareSources(a, b);
  expect(comparison.patches.map((patch) => [patch.relation, patch.a?.file, patch.b?.file])).toEqual([
    ['same', 'same.patch', 'same.patch'],
    ['renumbered', 'renumbered.patch', '0007-other-name.patch'],
    ['context', 'context.patch', 'context.patch'],
    ['rebased', 'rebased.patch', 'rebased.patch'],
    ['context', 'CVE-2024-2222.patch', 'unnamed.patch'],
    ['only-b', undefined, 'only.patch'],
  ]);
  expect(comparison.evr).toEqual({ a: '1.0-1', b: '1.1-1', order: -1 });
  expect(comparison.sources).toEqual([
    { file: 'hello-1.0.tar.gz', relation: 'only-a' },
    { file: 'hello-1.1.tar.gz', relation: 'only-b' },
  ]);
  expect(comparison.cves).toEqual({ both: ['CVE-2024-1111'], onlyA: ['CVE-2024-2222'], onlyB: [] });
  expect(comparison.specDiff).toContain('-Version: 1.0\n+Version: 1.1\n');
});

test('patches that another description has byte for byte are not read again, and described the same', async () => {
  const patch = 'From 1\nSee https://example.org/commit/1 for CVE-2024-3333\n\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n';
  const known = await describe('Known', '1', {
    'Patch1:one.patch': patch,
    'Patch2:two.patch': patch.replace('+b', '+c'),
  });
  const directory = mkdtempSync(join(root, 'tree-'));
  const spec =
    'Name: hello\nVersion: 1\nRelease: 1\n# Origin: vendor, https://example.org/vendor\nPatch7: CVE-2024-4444.patch\n';
  writeFileSync(join(directory, 'hello.spec'), spec);
  writeFileSync(join(directory, 'CVE-2024-4444.patch'), patch);
  const tree = await readSourceTree(directory, { origin, ref: 'x' });
  const read = await describeSource(tree, { label: 'x' });
  // Whoever reads it now finds something else.
  writeFileSync(join(directory, 'CVE-2024-4444.patch'), 'gone');
  const reused = await describeSource(tree, { label: 'x', known: [known] });
  expect(reused).toEqual(read);
  expect(reused.patches[0]).toMatchObject({
    origin: { kind: 'vendor', url: 'https://example.org/vendor' },
    cves: ['CVE-2024-3333', 'CVE-2024-4444'],
    head: { origin: { url: 'https://example.org/commit/1' }, cves: ['CVE-2024-3333'] },
  });
});

test('a source is the same as itself', () => {
  const comparison = compareSources(a, a);
  expect(new Set(comparison.patches.map((patch) => patch.relation))).toEqual(new Set(['same']));
  expect(comparison.evr.order).toBe(0);
  expect(comparison.specDiff).toBe('');
});

test('identity does not depend on file order, numbers of lines, dates or line ends of mail', () => {
  const one = diff('x.c', numbers(20), numbers(20).with(4, 'q'));
  const two = diff('y.c', numbers(20), numbers(20).with(7, 'r'));
  const id = (text: string): string => patchIdentity(Buffer.from(text)).exact;
  expect(id(one + two)).toBe(id(two + one));
  expect(id(one.replace(/@@ -\d+,/, '@@ -90,'))).toBe(id(one));
  expect(id(one.replaceAll('\n', '\r\n'))).toBe(id(one));
  expect(id(one.replace('a/x.c', 'old/x.c').replace('b/x.c', 'new/x.c'))).toBe(id(one));
  expect(id(one)).not.toBe(id(two));
  expect(id(one.replace('+q', '+Q'))).not.toBe(id(one));
  expect(patchSimilarity(patchIdentity(Buffer.from(one)), patchIdentity(Buffer.from(two)))).toBe(0);
  expect(id('')).not.toBe(id('binary\0'));
});

test('finds who carries a fix, also under another name', () => {
  expect(findFix('cve-2024-2222', [a, b])).toEqual([
    { label: 'Alpha', carries: true, patches: [{ file: 'CVE-2024-2222.patch', number: 5 }] },
    {
      label: 'Beta',
      carries: true,
      patches: [{ file: 'unnamed.patch', number: 10 }],
      sameChangeAs: 'Alpha: CVE-2024-2222.patch',
    },
  ]);
  expect(findFix('CVE-2024-1111', [a])).toEqual([
    { label: 'Alpha', carries: true, patches: [], since: 'Mon Jan 01 2024 A <a@b> - 1' },
  ]);
  expect(findFix('CVE-2099-1', [a, b]).map((fix) => fix.carries)).toEqual([false, false]);
});

test('chooses by rules, says why, and the record replays to the same answer after storage', () => {
  const candidates = [
    candidateOf(a, 'public', new Date('2026-01-01T00:00:00Z')),
    candidateOf(b, 'public', new Date('2026-02-01T00:00:00Z')),
    { ...candidateOf(b, 'subscription'), label: 'Portal' },
  ];
  const decision = choose(candidates, [
    { rule: 'terms', allow: ['public', 'own'] },
    { rule: 'published-after', date: new Date('2025-01-01T00:00:00Z') },
    { rule: 'closest-version', to: { version: '1.1', release: '9' } },
    { rule: 'newest' },
  ]);
  expect(decision).toMatchObject({
    chosen: 'Beta',
    reasons: ['terms: Alpha, Beta of 3', 'closest-version: Beta of 2'],
    rejected: [
      { label: 'Portal', rule: 'terms', why: 'terms are subscription' },
      { label: 'Alpha', rule: 'closest-version', why: 'Beta is preferred' },
    ],
  });
  expect(replayDecision(JSON.parse(JSON.stringify(decision)))).toBe(true);
  expect(replayDecision({ ...decision, chosen: 'Alpha' })).toBe(false);
  const fixes = choose(candidates, [{ rule: 'fixes', cve: 'CVE-2024-2222' }]);
  expect([fixes.chosen, fixes.rejected.map((r) => r.label)]).toEqual(['Alpha', ['Beta', 'Portal']]);
  expect(choose(candidates, [{ rule: 'version', version: '9' }]).chosen).toBeUndefined();
  expect(choose(candidates, [{ rule: 'prefer', labels: ['Portal'] }]).chosen).toBe('Portal');
  expect(choose(candidates, [{ rule: 'fewest-patches' }]).chosen).toBe('Alpha');
  expect(choose(candidates, [{ rule: 'not-older-than', evr: { version: '1.1', release: '1' } }]).chosen).toBe('Beta');
  expect(() => choose([candidates[0]!, candidates[0]!], [])).toThrow(TypeError);
});

test('reports as text and as HTML in which nothing from the sources is markup', () => {
  const hostile: SourceDescription = {
    ...b,
    label: '<script>alert(1)</script>',
    patches: [{ ...b.patches[5]!, file: '"><img src=x>\u001b[2J' }],
  };
  const text = formatComparison(compareSources(a, hostile));
  expect(text).toContain('newer: <script>');
  expect(text).not.toContain('\u001b');
  expect(formatComparison(compareSources(a, b))).toContain(
    '  renumbered: Patch2 renumbered.patch and Patch7 0007-other-name.patch\n',
  );
  const html = comparisonHtml(compareSources(a, hostile));
  expect(html).not.toMatch(/<script|<img|\u001b/);
  expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  // Void elements apart, the page is well-formed XML: nothing in it opened what it did not close.
  const xml = html.replace('<!doctype html>', '').replaceAll(/<(meta[^>]*|br)>/g, '<$1/>');
  execFileSync('python3', ['-c', 'import sys, xml.dom.minidom as m; m.parseString(sys.stdin.buffer.read())'], {
    input: xml,
  });
});

test('the timeline of a fix is data, and a picture that parses', () => {
  const timeline = fixTimeline('CVE-2023-20593', [
    { at: new Date('2023-07-26T12:00:00Z'), who: 'own build', what: 'released' },
    { at: new Date('2023-07-24T12:00:00Z'), who: 'up<stream> & co', what: 'fixed', url: 'https://example.org' },
    { at: new Date('2023-07-28T15:00:00Z'), who: 'reference', what: 'released' },
  ]);
  expect(timeline.events.map((event) => [event.who, event.afterMs / 3_600_000])).toEqual([
    ['up<stream> & co', 0],
    ['own build', 48],
    ['reference', 99],
  ]);
  const svg = timelineSvg(timeline);
  expect(svg).toContain('4 d 3 h');
  const count =
    'import sys, xml.dom.minidom as m; print(len(m.parseString(sys.stdin.buffer.read()).getElementsByTagName("circle")))';
  expect(execFileSync('python3', ['-c', count], { input: svg, encoding: 'utf8' }).trim()).toBe('3');
  expect(timelineSvg(fixTimeline('CVE-1', []))).toContain('0 events');
  expect(svg).toContain('2023-07-26 12:00 UTC');
});
