/** Every spec of the corpus: unchanged by reading, and read as rpmspec reads it wherever there is an answer. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { parseSpec, type Spec, type SpecSource } from '@distrokit/source';
import { expect, test } from 'vitest';
import { corpusPath, corpusPresent } from './corpus.js';
import { recordConformance } from './recording.js';

interface SpecOracle {
  readonly source: {
    readonly name: string;
    readonly epoch: string;
    readonly version: string;
    readonly release: string;
    readonly sources: readonly string[];
    readonly patches: readonly string[];
  };
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });
}

const isSpec = (path: string): boolean =>
  /\.spec(\.in|\.expected)?$|\/expected$/.test(path) && !path.includes('oracle');

/** As the oracle was made: one macro given, the arch known. */
const environment = { macros: { dist: '.el9' }, arch: 'x86_64' };

if (!corpusPresent) {
  test('the corpus is absent: its specs are not read', () => expect(corpusPresent).toBe(false));
} else {
  const files = filesBelow(corpusPath('specs')).filter(isSpec);
  const root = corpusPath('oracle', 'specs');
  const judged = filesBelow(root)
    .filter((path) => path.endsWith('.spec.json'))
    .map((path) => {
      const name = path.slice(root.length + 1, -'.json'.length);
      const { source } = JSON.parse(readFileSync(path, 'utf8')) as SpecOracle;
      return { name, source, spec: parseSpec(readFileSync(corpusPath('specs', name), 'latin1')) };
    })
    .filter(({ source }) => source !== undefined && source !== null);

  test('reads and prints every spec byte for byte', () => {
    expect(files.length).toBeGreaterThan(400);
    for (const file of files) {
      const text = readFileSync(file, 'latin1');
      expect(parseSpec(text).toString() === text, file).toBe(true);
    }
    recordConformance({
      what: 'specs printed byte for byte',
      judge: 'the specs themselves',
      cases: files.length,
      differences: 0,
    });
  });

  test('every section, tag and changelog entry of every spec lies inside it', () => {
    for (const file of files) {
      const text = readFileSync(file, 'latin1');
      const spec = parseSpec(text);
      const lines = text.split('\n').length;
      expect(
        spec.sections.map((section) => section.end - section.start).reduce((a, b) => a + b, 0),
        file,
      ).toBe(spec.sections.at(-1)!.end);
      for (const tag of spec.tags) expect(tag.line, file).toBeLessThan(lines);
    }
  });

  test('names, versions and releases agree with rpmspec wherever they are told', () => {
    let told = 0;
    for (const { name, source, spec } of judged) {
      const nevr = spec.nevr(environment);
      if (!nevr) continue;
      told++;
      expect({ spec: name, ...nevr, epoch: String(nevr.epoch ?? 0) }).toEqual({
        spec: name,
        name: source.name,
        epoch: source.epoch,
        version: source.version,
        release: source.release,
      });
    }
    expect(told / judged.length).toBeGreaterThan(0.9);
  });

  test('sources and patches agree with rpmspec wherever they are told', () => {
    let told = 0;
    let complete = 0;
    for (const { name, source, spec } of judged) {
      for (const kind of ['sources', 'patches'] as const) {
        const wanted = [...source[kind]].reverse();
        const found: readonly SpecSource[] = spec[kind](environment);
        const sure = found.filter((item) => item.active === true && item.file.known);
        told += sure.length;
        for (const item of sure) {
          expect(wanted, name).toContain(item.file.known ? item.file.value : '');
        }
        if (sure.length < found.length) continue;
        complete++;
        const names = [...found]
          .sort((a, b) => a.number - b.number)
          .map((item) => (item.file.known ? item.file.value : ''));
        expect([name, ...names].sort()).toEqual([name, ...wanted].sort());
      }
    }
    expect(told).toBeGreaterThan(200);
    recordConformance({
      what: 'sources and patches of specs, where they are told',
      judge: 'rpmspec 4.18.0',
      cases: told,
      differences: 0,
    });
    expect(complete / (2 * judged.length)).toBeGreaterThan(0.9);
  });

  const entry = { date: new Date('2026-11-22T00:00:00Z'), name: 'A B', email: 'a@example.org', lines: ['One change'] };
  const edits: Readonly<Record<string, (spec: Spec) => Spec>> = {
    'a patch': (spec) =>
      spec.addPatch({ file: 'zz-new.patch', apply: spec.sections.some((section) => section.name === 'prep') }),
    'a release suffix': (spec) => spec.suffixRelease('.alma.1'),
    'a changelog entry': (spec) => spec.addChangelogEntry(entry),
  };
  for (const [what, edit] of Object.entries(edits)) {
    test(`${what} changes a few lines of any spec, and a second time none`, () => {
      let edited = 0;
      for (const file of files) {
        const text = readFileSync(file, 'latin1');
        const spec = parseSpec(text);
        let once: Spec;
        try {
          once = edit(spec);
        } catch (error) {
          expect((error as { code: string }).code, file).toMatch(/^SOURCE_(BAD_SPEC|EDIT_FAILED)$/);
          continue;
        }
        edited++;
        expect(edit(once), file).toBe(once);
        const kept = new Map<string, number>();
        for (const line of once.toString().split('\n')) kept.set(line, (kept.get(line) ?? 0) + 1);
        const lost = text.split('\n').filter((line) => {
          const left = kept.get(line) ?? 0;
          kept.set(line, left - 1);
          return left === 0;
        });
        // Only a Release line may be another one than before; several where conditions choose among them.
        if (what === 'a release suffix')
          expect(
            lost.every((line) => /^\s*release/i.test(line)),
            file,
          ).toBe(true);
        else expect(lost, file).toEqual([]);
      }
      expect(edited / files.length).toBeGreaterThan(0.7);
    });
  }
  const judgedEdits: Readonly<Record<string, readonly [edit: (spec: Spec) => Spec, fits: (line: string) => boolean]>> =
    {
      'a patch': [
        edits['a patch']!,
        (line) => /zz-new\.patch|^\s*(Patch|%?patch)\s*-?P?\s*\d|^echo "Patch #\d/.test(line),
      ],
      'a release suffix': [edits['a release suffix']!, (line) => line.includes('.alma.1')],
      'a changelog entry': [
        edits['a changelog entry']!,
        (line) => /^(\* Sun Nov 22 2026 A B|- One change$|%changelog)/.test(line),
      ],
      'new numbers of patches': [(spec) => spec.renumberPatches(4000), (line) => /4[0-9]\d\d/.test(line)],
    };
  test('rpmspec -P accepts every edited spec that it accepted before, and sees nothing but the edit', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'source-rpmspec-'));
    const expand = async (name: string, text: string): Promise<string[] | undefined> => {
      const path = join(folder, name);
      writeFileSync(path, text, 'latin1');
      try {
        const words = ['-P', '--define', 'dist .el9', '--define', `_sourcedir ${folder}`, path];
        const { stdout } = await promisify(execFile)('rpmspec', words, {
          cwd: folder,
          encoding: 'latin1',
          maxBuffer: 1 << 26,
        });
        // Some specs ask for the time of day.
        const still = stdout.replace(/\d{4}-\d\d-\d\d-\d\d:\d\d:\d\d|\d\d:\d\d:\d\d/g, 'TIME');
        return still.split('\n').filter((line) => line.trim() !== '');
      } catch {
        return undefined;
      }
    };
    const counts: Record<string, number> = {};
    const specs = files.filter((path) => path.endsWith('.spec'));
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let i = next++; i < specs.length; i = next++) {
        const text = readFileSync(specs[i]!, 'latin1');
        const name = `${i}-${basename(specs[i]!)}`;
        const before = await expand(name, text);
        if (before === undefined) continue;
        for (const [what, [edit, fits]] of Object.entries(judgedEdits)) {
          let edited: string;
          try {
            edited = edit(parseSpec(text)).toString();
          } catch {
            // Which specs have no place for an edit is counted by the tests above.
            continue;
          }
          if (edited === text) continue;
          const after = await expand(name, edited);
          expect(after, `${specs[i]}: ${what}`).toBeDefined();
          const known = new Map<string, number>();
          for (const line of before) known.set(line, (known.get(line) ?? 0) + 1);
          const gained = after!.filter((line) => {
            const left = known.get(line) ?? 0;
            known.set(line, left - 1);
            return left <= 0;
          });
          expect(
            gained.filter((line) => !fits(line)),
            `${specs[i]}: ${what}`,
          ).toEqual([]);
          counts[what] = (counts[what] ?? 0) + 1;
        }
      }
    };
    try {
      await Promise.all([worker(), worker()]);
    } finally {
      rmSync(folder, { recursive: true });
    }
    for (const what of Object.keys(judgedEdits))
      expect(counts[what], what).toBeGreaterThan(what.startsWith('new') ? 20 : 150);
    recordConformance({
      what: 'edited specs, expanded',
      judge: 'rpmspec 4.18.0',
      cases: Object.values(counts).reduce((a, b) => a + b, 0),
      differences: 0,
    });
  });
}
