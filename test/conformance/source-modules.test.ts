/** Source documents of modules: libmodulemd is the judge of what is read, and of what pinning changed. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  formatPinnedModule,
  type ModuleSource,
  parseModuleSource,
  pinComponents,
  SourceError,
} from '@distrokit/source';
import { expect, test } from 'vitest';
import { corpusFiles, corpusPath, corpusPresent } from './corpus.js';

interface Verdict {
  readonly refused?: string;
  readonly name: string | null;
  readonly stream: string | null;
  readonly components: readonly unknown[][];
  /** The document as libmodulemd writes it, refs of components left out. */
  readonly rest: string;
}

function libmodulemd(texts: readonly string[]): Verdict[] {
  const program = fileURLToPath(new URL('read-modules.py', import.meta.url));
  const output = execFileSync('/usr/bin/python3', [program], { input: JSON.stringify(texts), maxBuffer: 1 << 28 });
  return JSON.parse(output.toString()) as Verdict[];
}

/** Our reading in the judge's words: it takes a missing ref for none, and names components in their own order. */
function inItsWords(module: ModuleSource): unknown[][] {
  return [...module.components]
    .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
    .map((c) => [
      c.name,
      c.packageName,
      c.ref ?? null,
      c.rationale,
      c.buildOrder,
      [...c.buildAfter].sort(),
      [...c.arches].sort(),
      [...c.multilib].sort(),
    ]);
}

const head =
  'document: modulemd\nversion: 2\ndata:\n  name: web\n  stream: "1.10"\n  version: 10\n  context: abcdef01\n';
const body = '  summary: A server\n  description: Serves.\n  license:\n    module: [MIT]\n  components:\n    rpms:\n';
const documents: readonly string[] = [
  `${head}${body}      b: {rationale: x, ref: main, buildorder: 3, arches: [x86_64]}\n      a: {rationale: y}\n`,
  `${head}${body}      bootstrap-z:\n        name: z\n        rationale: "first: z"\n        ref: 1.10\n      z:\n        rationale: again\n        buildafter: [bootstrap-z]\n        multilib: [x86_64]\n`,
  `${head}${body}      a:\n        rationale: >-\n          folded\n          text\n        buildorder: -5 # early\n`,
];

async function pinAll(module: ModuleSource): Promise<Awaited<ReturnType<typeof pinComponents>>> {
  const commit = (name: string): string => Buffer.from(name).toString('hex').padEnd(40, '0').slice(0, 40);
  return pinComponents(module, ['a9-stream-1'], async (name) => [
    { name: 'refs/heads/a9-stream-1', commit: commit(name) },
  ]);
}

async function compare(texts: readonly string[]): Promise<number> {
  const verdicts = libmodulemd(texts);
  const accepted = texts.flatMap((text, i) =>
    verdicts[i]!.refused === undefined ? [{ text, verdict: verdicts[i]! }] : [],
  );
  const pinned = await Promise.all(
    accepted.map(async ({ text, verdict }) => {
      const module = parseModuleSource(text);
      expect(inItsWords(module), text.slice(0, 2000)).toEqual(verdict.components);
      expect([module.name ?? null, module.stream ?? null]).toEqual([verdict.name, verdict.stream]);
      const pins = await pinAll(module);
      return { text: formatPinnedModule(text, pins), pins, verdict };
    }),
  );
  for (const [i, after] of libmodulemd(pinned.map(({ text }) => text)).entries()) {
    const { pins, verdict } = pinned[i]!;
    expect(after.refused).toBeUndefined();
    expect(new Map(after.components.map(([name, , ref]) => [name, ref]))).toEqual(
      new Map(pins.map(({ name, commit }) => [name, commit])),
    );
    // Nothing but the refs is another.
    expect(after.rest).toBe(verdict.rest);
  }
  return accepted.length;
}

test('reads components as libmodulemd does, and pinning changes their refs alone', async () => {
  expect(await compare(documents)).toBe(documents.length);
});

test('refuses what libmodulemd refuses: orders of both kinds', () => {
  const mixed = `${head}${body}      a: {rationale: x, buildorder: 1}\n      b: {rationale: y, buildafter: [a]}\n`;
  expect(libmodulemd([mixed])[0]!.refused).toContain('build');
  expect(() => parseModuleSource(mixed)).toThrow(SourceError);
});

/** An accepted difference: what a document looks like, and why it is refused here. */
const quoteInFirstColumn = {
  fits: (text: string): boolean => /^'$/m.test(text),
  why: 'a quoted text that ends left of its parent: YAML forbids it, libyaml (2018’s module build service too) takes it',
};

if (!corpusPresent) {
  test('the corpus is absent: module documents of distributions are not compared', () => {});
} else {
  test('reads and pins every module document of the corpus as libmodulemd does', async () => {
    const texts = corpusFiles('modules')
      .filter(({ path }) => /\.(yaml|txt)$/.test(path))
      .flatMap(({ path }) => readFileSync(corpusPath(path), 'utf8').split(/^(?=---)/m))
      .filter(
        (text) => /^document: (modulemd|modulemd-packager)$/m.test(text) && /^version: ["']?[23]["']?$/m.test(text),
      );
    const { fits } = quoteInFirstColumn;
    const differing = texts.filter(fits);
    expect(differing.length).toBeGreaterThan(0);
    for (const text of differing) expect(() => parseModuleSource(text)).toThrow(SourceError);
    expect(await compare([...new Set(texts.filter((text) => !fits(text)))])).toBeGreaterThan(30);
  });
}
