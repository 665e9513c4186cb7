/** Whatever the pipeline: what passes a policy has no denied byte below it, and nothing else is held back. */
import { defaultPolicy, type Origin, Provenance, SourceError, type Terms } from '@distrokit/source';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const terms = fc.constantFrom<Terms>(
  'public',
  'own',
  'subscription',
  'unknown',
  'public',
  'public',
  'public',
  'public',
);
/** Each thing is made from some of the things before it, over any number of steps and in any order of recording. */
const pipeline = fc.record({
  files: fc.array(terms, { minLength: 1, maxLength: 12 }),
  steps: fc.array(fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 20 }),
  shuffled: fc.boolean(),
});

test('an artefact is published exactly when every file below it is allowed', () => {
  const seen = { published: 0, denied: 0 };
  fc.assert(
    fc.property(pipeline, ({ files, steps, shuffled }) => {
      const origin = (t: Terms): Origin => ({ kind: 'lookaside', where: `https://example.org/${t}`, terms: t });
      const below: Set<number>[] = files.map((_, i) => new Set([i]));
      const artifacts = steps.map((picks, step) => {
        const inputs = [...new Set(picks.map((pick) => pick % (files.length + step)))];
        below.push(new Set(inputs.flatMap((input) => [...below[input]!])));
        return { name: `step ${step}`, sha256: String(files.length + step), inputs: inputs.map(String) };
      });
      const provenance = new Provenance();
      const record = [
        ...files.map((t, i) => () => {
          const file = { path: `file ${i}`, sha256: String(i), sizeBytes: 1, from: origin(t) };
          provenance.addTree({
            origin: origin('public'),
            ref: '',
            directory: '',
            spec: '',
            nevr: undefined,
            files: [file],
          });
        }),
        ...artifacts.map((artifact) => () => provenance.addArtifact(artifact)),
      ];
      for (const add of shuffled ? record.reverse() : record) add();
      for (const artifact of artifacts) {
        const bad = [...below[Number(artifact.sha256)]!].filter((i) => files[i] !== 'public' && files[i] !== 'own');
        let fault: unknown;
        try {
          provenance.assertPublishable([artifact.sha256], defaultPolicy);
        } catch (error) {
          fault = error instanceof SourceError ? error.fault : error;
        }
        seen[fault === undefined ? 'published' : 'denied']++;
        if (bad.length === 0) expect(fault).toBeUndefined();
        else {
          const { code, path } = fault as { code: string; path: string[] };
          expect(code).toBe('SOURCE_POLICY_DENIED');
          expect(path[0]).toBe(artifact.name);
          expect(bad.map((i) => `file ${i}`)).toContain(path.at(-1));
        }
      }
    }),
    { numRuns: 1000 },
  );
  expect(Math.min(seen.published, seen.denied)).toBeGreaterThan(1000);
});
