/**
 * Our repodata of every folder of the corpus, beside what createrepo_c made of it.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { createRepository } from '@distrokit/repo/node';
import { afterAll, expect, test } from 'vitest';
import { corpusPath, corpusPresent, corpusRpms } from './corpus.js';
import { recordConformance } from './recording.js';

if (!corpusPresent) {
  test('the corpus is absent: repodata is not compared with that of the reference', () => {
    expect(corpusRpms()).toEqual([]);
  });
} else {
  const origins = readdirSync(corpusPath('oracle', 'repodata'));
  let documents = 0;
  afterAll(() =>
    recordConformance({
      what: 'repository documents, byte for byte',
      judge: 'createrepo_c 0.17.3',
      cases: documents,
      differences: 0,
    }),
  );
  test.each(origins)(
    'primary, filelists, other and the order of packages of %s are those of createrepo_c',
    async (origin) => {
      const folder = mkdtempSync(join(tmpdir(), 'distrokit-corpus-'));
      try {
        cpSync(corpusPath('rpms', origin), folder, { recursive: true });
        for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
          if (entry.isFile()) utimesSync(join(entry.parentPath, entry.name), 1_700_000_000, 1_700_000_000);
        }
        const bad: string[] = [];
        await createRepository(folder, {
          revision: '1700000000',
          timestamp: new Date(1_700_000_000_000),
          compression: 'none',
          plainNames: true,
          // The corpus holds the same build several times, as createrepo_c lets it.
          duplicates: 'keep',
          onBadPackage: (path) => bad.push(path),
        });
        for (const type of ['primary', 'filelists', 'other']) {
          const theirs = gunzipSync(readFileSync(corpusPath('oracle', 'repodata', origin, `${type}.xml.gz`)));
          expect(readFileSync(join(folder, 'repodata', `${type}.xml`), 'utf8')).toBe(theirs.toString());
          documents += 1;
        }
        expect(bad.sort()).toEqual(refusedByReference(origin));
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  );
}

/** Packages that createrepo_c left out, by its own warnings. */
function refusedByReference(origin: string): string[] {
  const warnings = readdirSync(corpusPath('oracle', 'repodata', origin)).includes('warnings.json')
    ? (JSON.parse(readFileSync(corpusPath('oracle', 'repodata', origin, 'warnings.json'), 'utf8')) as string[])
    : [];
  const refused = new Set<string>();
  for (const line of warnings) {
    const unreadable = /Cannot read package: (.*\.rpm): /.exec(line)?.[1];
    if (unreadable !== undefined) refused.add(unreadable);
    const undumpable = /Cannot dump XML for (\S+) \(/.exec(line)?.[1];
    if (undumpable !== undefined) {
      const file = readdirSync(corpusPath('rpms', origin)).find((name) => name.startsWith(`${undumpable}-`));
      if (file !== undefined) refused.add(file);
    }
  }
  return [...refused].sort();
}
