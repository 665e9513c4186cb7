/** OpenELA's trees: what its configurations changed is taken out and put in again, and the committed spec comes back. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { applySrpmproc, parseSources, parseSrpmproc } from '@distrokit/source';
import { expect, test } from 'vitest';
import { corpusPath, corpusPresent } from './corpus.js';

/** How to undo a configuration by hand: each line is one that its directives wrote. */
const undo: Readonly<Record<string, readonly (readonly [RegExp, string])[]>> = {
  'dnf/el9': [[/^Patch12: .*\n/m, '']],
  'dnf/el8': [[/^Patch45: .*\n/m, '']],
  'python3/el8': [
    [/^Patch416: .*\n/m, ''],
    [/^%patch416 .*\n/m, ''],
    [/^(Release: .*)\.openela\.0$/m, '$1'],
  ],
  'redhat-rpm-config/el9': [],
};

if (!corpusPresent) {
  test('the corpus is absent: OpenELA’s trees are not compared', () => expect(corpusPresent).toBe(false));
} else {
  const root = corpusPath('specs', 'openela');
  const branches = readdirSync(root).flatMap((name) =>
    readdirSync(join(root, name)).map((branch) => `${name}/${branch}`),
  );

  test('reads every configuration and every list of blobs', () => {
    let configs = 0;
    for (const branch of branches) {
      const patches = join(root, branch, 'PATCHES');
      for (const file of existsSync(patches) ? readdirSync(patches).filter((name) => name.endsWith('.cfg')) : []) {
        const config = parseSrpmproc(readFileSync(join(patches, file), 'utf8'));
        expect(config.add.length + config.replace.length + config.patch.length).toBeGreaterThan(0);
        configs++;
      }
      const list = readdirSync(join(root, branch)).find((name) => name.endsWith('.metadata'))!;
      const text = readFileSync(join(root, branch, list), 'utf8');
      expect(parseSources(text).length).toBe(text.split('\n').filter((line) => line !== '').length);
    }
    expect(configs).toBeGreaterThan(6);
  });

  for (const [branch, steps] of Object.entries(undo)) {
    test(`${branch}: the configuration makes the committed spec out of the import`, () => {
      const [name = ''] = branch.split('/');
      const folder = join(root, branch);
      const specPath = `SPECS/${name}.spec`;
      const committed = readFileSync(join(folder, specPath), 'utf8');
      const entry = /^\* (\w{3} \w{3} \d{2} \d{4}) Release Engineering [\s\S]*?\n\n/m.exec(committed)!;
      const imported = steps.reduce((text, [from, to]) => text.replace(from, to), committed.replace(entry[0], ''));
      expect(imported).not.toBe(committed);
      const config = parseSrpmproc(readFileSync(join(folder, 'PATCHES', `${name}.cfg`), 'utf8'));
      const files = new Map<string, Uint8Array>([[specPath, Buffer.from(imported)]]);
      for (const { file } of config.add) files.set(file!, Buffer.from('x'));
      for (const { file, with: other } of config.replace) {
        files.set(`SOURCES/${file}`, Buffer.from('old'));
        if ('file' in other) files.set(other.file, Buffer.from('new'));
      }
      const result = applySrpmproc(files, config, { at: new Date(`${entry[1]} UTC`) });
      expect(Buffer.from(result.files.get(specPath)!).toString()).toBe(committed);
    });
  }
}
