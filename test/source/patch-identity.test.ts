/** Patches as git makes them: `git patch-id` is the judge of which are the same, `git apply` of what they make. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { applyPatch, patchIdentity, patchSimilarity, type TreeFiles } from '@distrokit/source';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'source-identity-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

type Files = Readonly<Record<string, string | Uint8Array>>;
const git = (folder: string, args: readonly string[], input?: string | Uint8Array): Buffer =>
  execFileSync('git', ['-c', 'core.quotePath=false', ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: root, GIT_CONFIG_NOSYSTEM: '1', EMAIL: 't@example.org' },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(input === undefined ? {} : { input }),
  });

function write(folder: string, files: Files): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

/** A repository with `before` in its commit and `after` in its index. */
function repository(before: Files, after: Files): string {
  const folder = mkdtempSync(join(root, 'repository-'));
  git(folder, ['init', '-q']);
  write(folder, before);
  git(folder, ['add', '-A']);
  git(folder, ['commit', '-q', '--allow-empty', '-m', 'before']);
  for (const path of Object.keys(before)) if (!(path in after)) rmSync(join(folder, path));
  write(folder, after);
  git(folder, ['add', '-A']);
  return folder;
}

const diff = (folder: string, ...options: string[]): Buffer =>
  git(folder, ['diff', '--cached', '--binary', '--no-color', ...options]);
const id = (patch: string | Uint8Array): string => patchIdentity(Buffer.from(patch)).exact;
/** Bytes that git takes for binary. */
const noise = (seed: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i === 0 ? 0 : (Math.imul(i + seed, 2654435761) >>> 13) & 255));

test('two patches are the same exactly when git patch-id says so', () => {
  const line = fc.constantFrom<string>('a', 'b', 'c', '  indented', '\ttab', '-- dashes', '++ plus', 'é', '');
  const text = fc.array(line, { minLength: 3, maxLength: 12 });
  const edit = fc.tuple(
    text,
    fc.nat(20),
    fc.constantFrom('new', 'other', '-- new', ''),
    fc.constantFrom('x.c', 'dir/y.c'),
  );
  const patches: string[] = [];
  for (const [lines, at, added, name] of fc.sample(edit, { numRuns: 24, seed: 5 })) {
    const next = lines.with(at % lines.length, added);
    if (next.join() === lines.join()) continue;
    const body = (from: readonly string[]): string => `${from.join('\n')}\n`;
    patches.push(diff(repository({ [name]: body(lines) }, { [name]: body(next) })).toString('latin1'));
    // The same change further down: other numbers of lines, and where the context suffices the same patch.
    const lead = Array.from({ length: 7 }, (_, i) => `lead ${i}`);
    const moved = repository({ [name]: body([...lead, ...lines]) }, { [name]: body([...lead, ...next]) });
    patches.push(diff(moved).toString('latin1'));
  }
  const mailed = patches.map((patch) => `From 1234 Mon Sep 17 00:00:00 2001\nSubject: x\n\n---\n${patch}-- \n2.39\n`);
  const both = patches.slice(0, 20).map((patch, i) => patches[(i + 7) % 20]! + patch);
  const swapped = patches.slice(0, 20).map((patch, i) => patch + patches[(i + 7) % 20]!);
  const all = [...patches, ...mailed, ...both, ...swapped];
  const input = all.map((patch, i) => `commit ${String(i).padStart(40, '0')}\n${patch}`).join('');
  const answer = git(root, ['patch-id', '--verbatim'], Buffer.from(input, 'latin1')).toString().trim().split('\n');
  expect(answer).toHaveLength(all.length);
  const theirs = answer.map((text) => text.slice(0, 40));
  const ours = all.map((patch) => id(Buffer.from(patch, 'latin1')));
  const sameFor = (ids: readonly string[]): string[] =>
    all.map((_, i) => ids.flatMap((other, j) => (other === ids[i] ? [j] : [])).join());
  // One file twice in a patch is one file here, and two for git: such pairs are left out.
  const once = all.map(
    (patch) => new Set(patch.match(/^diff --git .*/gm)).size === patch.match(/^diff --git /gm)!.length,
  );
  expect(once.filter(Boolean).length).toBeGreaterThan(60);
  const kept = (ids: readonly string[]): string[] => ids.filter((_, i) => once[i]);
  expect(new Set(kept(ours)).size).toBeGreaterThan(15);
  expect(new Set(kept(ours)).size).toBeLessThan(kept(ours).length);
  expect(sameFor(ours).filter((_, i) => once[i])).toEqual(sameFor(theirs).filter((_, i) => once[i]));
});

test('a binary change is told by what it makes, not by how it was compressed', () => {
  const folder = repository({ 'logo.png': noise(1, 3000) }, { 'logo.png': noise(2, 5000) });
  const [loose, tight] = ['0', '9'].map((level) =>
    git(folder, ['-c', `core.compression=${level}`, 'diff', '--cached', '--binary']),
  );
  expect(loose!.equals(tight!)).toBe(false);
  const identity = patchIdentity(loose!);
  expect(identity.files).toEqual(['logo.png']);
  expect(identity).toMatchObject({ exact: id(tight!), changes: patchIdentity(tight!).changes });
  expect(patchSimilarity(identity, patchIdentity(tight!))).toBe(1);
  const other = diff(repository({ 'logo.png': noise(1, 3000) }, { 'logo.png': noise(3, 5000) }));
  const elsewhere = diff(repository({ 'icon.png': noise(1, 3000) }, { 'icon.png': noise(2, 5000) }));
  expect(new Set([loose!, other, elsewhere].map(id)).size).toBe(3);
  expect(patchSimilarity(identity, patchIdentity(other))).toBe(0);
});

test('binary and text changes of one patch both count, in any order', () => {
  const before = { 'a.bin': noise(1, 100), 'b.txt': 'one\n' };
  const both = diff(repository(before, { 'a.bin': noise(2, 100), 'b.txt': 'two\n' })).toString('latin1');
  const other = diff(repository(before, { 'a.bin': noise(3, 100), 'b.txt': 'two\n' }));
  expect(id(both)).not.toBe(id(other));
  const [first = '', second = ''] = both.split(/^(?=diff --git )/m);
  expect(id(second + first)).toBe(id(first + second));
  expect(id(first)).not.toBe(id(both));
});

test('a binary change that cannot be read is the same only as its own bytes', () => {
  const patch = diff(repository({}, { x: noise(1, 200) })).toString('latin1');
  const damaged = patch.replace(/^z./m, 'z~');
  expect(id(damaged)).not.toBe(id(patch));
  expect(id(damaged)).not.toBe(id(patch.replace(/^z./m, 'z!')));
  const bomb = patch.replace(/literal \d+/, 'literal 99999999');
  expect(id(bomb)).not.toBe(id(patch));
  const without = 'diff --git a/x b/x\nindex 1234..5678 100644\nBinary files a/x and b/x differ\n';
  expect(id(without)).not.toBe(id(without.replace('5678', '5679')));
});

test('renames and changes of mode are changes too', () => {
  const rename = diff(repository({ old: 'same\ntext\n' }, { next: 'same\ntext\n' }), '-M');
  expect(rename.toString()).toContain('rename from old');
  expect(patchIdentity(rename).files).toEqual(['next']);
  const mail = `From 1234 Mon Sep 17 00:00:00 2001\n\n---\n${rename}`;
  expect(id(mail)).toBe(id(rename));
  expect(id(rename.toString().replace('rename from old', 'rename from other'))).not.toBe(id(rename));
});

function treeOf(folder: string): TreeFiles {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => !path.startsWith('.git') && statSync(join(folder, path)).isFile())
    .sort();
  return new Map(paths.map((path) => [path, new Uint8Array(readFileSync(join(folder, path)))]));
}
const sorted = (files: TreeFiles): [string, string][] =>
  [...files].map(([path, bytes]): [string, string] => [path, Buffer.from(bytes).toString('hex')]).sort();

const long = Buffer.concat([noise(1, 70_000), noise(9, 70_000)]);
const trees: Readonly<Record<string, readonly [Files, Files]>> = {
  'a new binary file': [{}, { 'dir/x.bin': noise(4, 777) }],
  'a binary file that goes': [{ x: noise(4, 777), keep: 'k\n' }, { keep: 'k\n' }],
  'a changed binary file, as a delta': [{ x: long }, { x: Buffer.concat([long.subarray(70_000), noise(7, 50), long]) }],
  'a renamed file': [{ 'a b.txt': 'one\ntwo\nthree\n' }, { 'c d.txt': 'one\ntwo\nthree\n' }],
  'a renamed file with a change': [{ a: 'one\ntwo\nthree\nfour\n' }, { b: 'one\ntwo\nTHREE\nfour\n' }],
  'empty files that come and go': [{ gone: '' }, { come: '' }],
  'text and binary together': [
    { t: 'x\n', b: noise(1, 50) },
    { t: 'y\n', b: noise(2, 50), n: 'new' },
  ],
};
for (const [what, [before, after]] of Object.entries(trees)) {
  test(`makes of ${what} what git apply makes`, () => {
    const patch = diff(repository(before, after), '-M');
    if (what.includes('delta')) expect(patch.toString('latin1')).toContain('\ndelta ');
    const folder = mkdtempSync(join(root, 'applied-'));
    write(folder, before);
    git(folder, ['init', '-q']);
    const old = treeOf(folder);
    git(folder, ['apply'], patch);
    const ours = applyPatch(old, patch.toString('latin1'), 'test');
    expect(sorted(ours)).toEqual(sorted(treeOf(folder)));
    expect(sorted(ours)).not.toEqual(sorted(old));
  });
}

test('a binary change does not touch a file that it was not made for', () => {
  for (const what of ['a changed binary file, as a delta', 'text and binary together']) {
    const [before, after] = trees[what]!;
    const patch = diff(repository(before, after)).toString('latin1');
    const name = 'x' in before ? 'x' : 'b';
    const same = (before[name] as Uint8Array).length;
    const other = new Map([
      ['t', Buffer.from('x\n')],
      [name, Buffer.from(noise(33, same))],
    ]);
    expect(() => applyPatch(other, patch, 'test'), what).toThrow(
      expect.objectContaining({ code: 'SOURCE_NOT_APPLIED', fault: expect.objectContaining({ target: name }) }),
    );
  }
});
