/** Every spec of the corpus: unchanged by reading, and edited in as few lines as the edit needs. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseSpec } from '@distrokit/source';
import { expect, test } from 'vitest';
import { corpusPath, corpusPresent } from './corpus.js';

function specFiles(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return specFiles(path);
    return /\.spec(\.in|\.expected)?$|^expected$/.test(name) ? [path] : [];
  });
}

if (!corpusPresent) {
  test('the corpus is absent: its specs are not read', () => expect(corpusPresent).toBe(false));
} else {
  const files = specFiles(corpusPath('specs'));

  test('reads and prints every spec byte for byte', () => {
    expect(files.length).toBeGreaterThan(250);
    for (const file of files) {
      const text = readFileSync(file, 'latin1');
      expect(parseSpec(text).toString() === text, file).toBe(true);
    }
  });
}
