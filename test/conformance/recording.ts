/**
 * What the conformance tests found, written down for the README: `npm run conformance` renews `docs/conformance.json` and
 * the table made of it. Any other run writes nothing: how many cases there are depends on the corpus beside the checkout.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** One line of the table. */
export interface ConformanceResult {
  /** What was compared, as a reader says it. */
  readonly what: string;
  /** Tool and version. */
  readonly judge: string;
  readonly cases: number;
  /** Differences that are accepted; each stands with its reason in the test. */
  readonly differences: number;
}

const folder = fileURLToPath(new URL('../../docs/', import.meta.url));
const path = `${folder}conformance.json`;

/** Called at the end of a test that has passed all its cases. */
export function recordConformance(result: ConformanceResult): void {
  if (process.env.ACCEPT !== '1') return;
  const known: ConformanceResult[] = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : [];
  const results = [...known.filter(({ what }) => what !== result.what), result];
  results.sort((a, b) => (a.what < b.what ? -1 : 1));
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, `${JSON.stringify(results, null, 2)}\n`);
}
