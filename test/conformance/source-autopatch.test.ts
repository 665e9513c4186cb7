/** Every case of AlmaLinux's own tool: the spec and the other files must come out byte for byte, dates aside. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Evr, formatEvr, parseEvr } from '@distrokit/rpm';
import { type AutopatchConfig, applyAutopatch, parseAutopatch, parseSpec, type TreeFiles } from '@distrokit/source';
import { afterAll, expect, test } from 'vitest';
import { corpusPath, corpusPresent } from './corpus.js';
import { recordConformance } from './recording.js';

/** Today’s date is not part of the case: both sides get the same one. */
function withoutDates(text: string): string {
  return text.replace(/^\* \w{3} \w{3} \d{2} \d{4} /gm, '* DATE ');
}

function treeOf(folder: string): TreeFiles {
  const files = new Map<string, Uint8Array>();
  for (const file of readdirSync(folder)) {
    if (file === 'expected' || file.endsWith('.expected') || !statSync(join(folder, file)).isFile()) continue;
    files.set(file, readFileSync(join(folder, file)));
  }
  return files;
}

/** Files that a case deletes and does not carry. */
function deletedFiles(config: AutopatchConfig, tree: TreeFiles): [string, Uint8Array][] {
  if ([...tree.keys()].some((path) => path.endsWith('.metadata'))) return [];
  const names = config.actions.flatMap((action) =>
    action.name === 'delete_files' ? action.entries.map((entry) => entry.file_name) : [],
  );
  return names.map((name) => [name, new Uint8Array([10])]);
}

/** The cases name files that they do not carry: any content will do, for only the spec is compared. */
function payloadOf(config: AutopatchConfig): TreeFiles {
  const names = config.actions.flatMap((action) =>
    action.name === 'add_files' ? action.entries.map((e) => e.name) : [],
  );
  return new Map(names.map((name) => [name, new Uint8Array([10])]));
}

/** The EVR that the original took from rpmspec stands in the first new entry. */
function expectedEvr(expected: string, before: string): Evr | undefined {
  const old = new Set(before.split('\n'));
  const heading = expected.split('\n').find((line) => line.startsWith('* ') && !old.has(line));
  const text = /> - (\S+)\s*$/.exec(heading ?? '')?.[1];
  return text === undefined ? undefined : parseEvr(text);
}

if (!corpusPresent) {
  test('the corpus is absent: autopatch cases are not compared', () => expect(corpusPresent).toBe(false));
} else {
  const root = corpusPath('specs', 'autopatch');
  let told = 0;
  let applied = 0;
  afterAll(() =>
    recordConformance({
      what: 'autopatch documents applied to the same bytes, dates aside',
      judge: 'autopatch',
      cases: applied,
      differences: 0,
    }),
  );
  for (const name of readdirSync(root).sort()) {
    const folder = join(root, name);
    for (const yaml of readdirSync(join(folder, 'autopatch')).filter((file) => file.endsWith('.yaml'))) {
      test(`${name}: ${yaml} gives the bytes that the original gives`, () => {
        const config = parseAutopatch(readFileSync(join(folder, 'autopatch', yaml), 'utf8'));
        const given = treeOf(folder);
        const tree = new Map([...given, ...deletedFiles(config, given)]);
        const spec = [...tree.keys()].find((path) => path.endsWith('.spec'))!;
        const before = Buffer.from(tree.get(spec)!).toString('utf8');
        const expected = readFileSync(join(folder, 'expected'), 'utf8');
        const wanted = expectedEvr(expected, before);
        const result = applyAutopatch(tree, config, {
          at: new Date('2025-01-14T12:00:00Z'),
          mode: 'compatible',
          evr: (text) => {
            // Where the static evaluator has an answer, it must be the original’s.
            const own = parseSpec(text).nevr({ macros: { dist: null } });
            if (own) {
              told++;
              expect(`${own.epoch === undefined ? '' : `${own.epoch}:`}${own.version}-${own.release}`).toBe(
                formatEvr(wanted!),
              );
            }
            return wanted!;
          },
          payload: payloadOf(config),
          packageName: name.replace(/-a\d+s?$/, ''),
        });
        const after = (path: string): string => Buffer.from(result.files.get(path)!).toString('utf8');
        expect(withoutDates(after(spec))).toBe(withoutDates(expected));
        applied += 1;
        for (const path of tree.keys()) {
          const other = join(folder, `${path}.expected`);
          if (existsSync(other)) expect(after(path), path).toBe(readFileSync(other, 'utf8'));
        }
        expect(config.actions.every((action) => action.name !== 'modify_release') || result.tagSuffix !== '').toBe(
          true,
        );
      });
    }
  }

  /** Where strict mode refuses what the original passes over in silence. */
  const refused: Readonly<Record<string, string>> = {
    // The number is taken until a later action deletes the line that has it.
    'fwupd-efi-a10s': 'actions[1].add_files[0]',
    // Neither a file of that name nor a line in the list.
    'shim-a9': 'actions[4].delete_files[0]',
  };
  test('strict mode applies every document too, but for what does not fit', () => {
    const found: Record<string, string> = {};
    for (const name of readdirSync(root)) {
      const folder = join(root, name);
      for (const yaml of readdirSync(join(folder, 'autopatch')).filter((file) => file.endsWith('.yaml'))) {
        const config = parseAutopatch(readFileSync(join(folder, 'autopatch', yaml), 'utf8'));
        const given = treeOf(folder);
        const options = { at: new Date(0), evr: { version: '1', release: '1' }, payload: payloadOf(config) };
        try {
          applyAutopatch(new Map([...given, ...deletedFiles(config, given)]), config, options);
        } catch (error) {
          found[name] = (error as { fault: { where: string } }).fault.where;
        }
      }
    }
    expect(found).toEqual(refused);
  });

  test('most versions are told without running the spec', () => {
    expect(told).toBeGreaterThan(20);
  });
}
