/** The views over damaged packages of the corpus: an answer or a typed error, whatever byte is wrong. */
import {
  changelog,
  dependencies,
  dependencyKinds,
  fileList,
  type Header,
  hardlinkSets,
  isRichDependency,
  type MainTags,
  parseRichDependency,
  RpmError,
  readPackage,
  satisfies,
  scriptlets,
  triggers,
} from '@distrokit/rpm';
import { expect, test } from 'vitest';
import { corpusBytes, corpusFiles, corpusPresent, corpusRpms, hasPackageOracle, mutate, mutations } from './corpus.js';

const views: readonly ((header: Header<MainTags>) => unknown)[] = [
  (header) => hardlinkSets(fileList(header)),
  changelog,
  scriptlets,
  triggers,
  ...dependencyKinds.map((kind) => (header: Header<MainTags>) => {
    for (const dependency of dependencies(header, kind)) {
      satisfies(dependency, dependency);
      if (isRichDependency(dependency.name)) parseRichDependency(dependency.name);
    }
  }),
];

/** Looks at a package through every view; counts answers and typed errors, and lets everything else through. */
async function look(bytes: Uint8Array, counts: { answers: number; errors: number }): Promise<void> {
  const attempt = async (work: () => unknown): Promise<void> => {
    try {
      await work();
      counts.answers++;
    } catch (error) {
      if (!(error instanceof RpmError)) throw error;
      counts.errors++;
    }
  };
  await attempt(async () => {
    const { header } = await readPackage(bytes);
    for (const view of views) await attempt(() => view(header));
  });
}

if (corpusPresent) {
  test('every damage recipe ends in answers or typed errors', async () => {
    const counts = { answers: 0, errors: 0 };
    for (const { base, ops } of mutations()) await look(mutate(corpusBytes(base), ops), counts);
    expect(counts.answers).toBeGreaterThan(100);
    expect(counts.errors).toBeGreaterThan(20);
  });

  test('a wrong byte anywhere in the headers of 60 packages ends in answers or typed errors', async () => {
    const sizes = new Map(corpusFiles('rpms').map(({ path, bytes }) => [path, bytes]));
    const small = corpusRpms().filter((path) => hasPackageOracle(path) && (sizes.get(path) ?? 0) < 20_000);
    const chosen = small.filter((_, i) => i % Math.ceil(small.length / 60) === 0);
    expect(chosen.length).toBeGreaterThan(40);
    const counts = { answers: 0, errors: 0 };
    let state = 20_261_122;
    const next = (below: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (const path of chosen) {
      const base = corpusBytes(path);
      const { headerRange } = await readPackage(base);
      for (let round = 0; round < 100; round++) {
        const bytes = base.slice(0, headerRange.end);
        const at = headerRange.start + next(headerRange.end - headerRange.start);
        bytes[at] = round % 2 === 0 ? next(256) : (bytes[at] as number) ^ (1 << next(8));
        await look(bytes, counts);
      }
    }
    expect(counts.answers).toBeGreaterThan(1000);
    expect(counts.errors).toBeGreaterThan(100);
  });
} else {
  test('cannot damage packages of the corpus: it is not beside this repository', () => {
    expect(corpusPresent).toBe(false);
  });
}
