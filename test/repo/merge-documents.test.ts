/**
 * Comps, advisories and modules of several repositories in one, and parts of them. libcomps judges the union of comps.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Advisory,
  type Comps,
  filterAdvisories,
  filterComps,
  filterModules,
  formatComps,
  formatModules,
  mergeAdvisories,
  mergeComps,
  mergeModules,
  moduleStreams,
  parseComps,
  parseModules,
} from '@distrokit/repo';
import { expect, test } from 'vitest';

const text = (value: string) => ({ '': value });
const group = (id: string, names: readonly string[], name = id) => ({
  id,
  name: text(name),
  description: text(''),
  isDefault: true,
  userVisible: true,
  packages: names.map((pkg) => ({ name: pkg, type: 'mandatory' as const })),
});
const left: Comps = {
  groups: [group('tools', ['a', 'b'], 'Old tools'), group('only-left', ['l'])],
  categories: [{ id: 'cat', name: text('cat'), description: text(''), groupIds: ['tools'] }],
  environments: [{ id: 'env', name: text('env'), description: text(''), groupIds: ['tools'], options: [] }],
  langpacks: [],
};
const right: Comps = {
  groups: [group('tools', ['b', 'c'], 'Tools'), group('only-right', ['r'])],
  categories: [{ id: 'cat', name: text('cat'), description: text(''), groupIds: ['only-right'] }],
  environments: [
    {
      id: 'env',
      name: text('env'),
      description: text(''),
      groupIds: ['only-right'],
      options: [{ groupId: 'only-left', isDefault: false }],
    },
  ],
  langpacks: [],
};

test('merged comps hold the groups, packages, categories and environments of the union that libcomps makes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'distrokit-comps-'));
  try {
    for (const [name, comps] of Object.entries({ left, right, merged: mergeComps(left, right) })) {
      writeFileSync(join(folder, `${name}.xml`), formatComps(comps));
    }
    const program = `
import json, libcomps, sys
def load(name):
    comps = libcomps.Comps()
    comps.fromxml_f(sys.argv[1] + "/" + name + ".xml")
    return comps
def told(comps):
    return {
        "groups": sorted([g.id, g.name, sorted(p.name for p in g.packages)] for g in comps.groups),
        "categories": sorted([c.id, sorted(i.name for i in c.group_ids)] for c in comps.categories),
        "environments": sorted([e.id, sorted(i.name for i in e.group_ids), sorted(i.name for i in e.option_ids)] for e in comps.environments),
    }
print(json.dumps([told(load("left") + load("right")), told(load("merged"))]))
`;
    const said = execFileSync('/usr/bin/python3', ['-c', program, folder], { encoding: 'utf8' });
    const [theirs, ours] = JSON.parse(said) as [{ groups: unknown[] }, unknown];
    expect(theirs.groups).toHaveLength(3);
    expect(theirs.groups).toContainEqual(['tools', 'Tools', ['a', 'b', 'c']]);
    expect(ours).toEqual(theirs);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('filtered comps lose packages, and on request the groups, categories and environments that are empty then', () => {
  const merged = mergeComps(left, right);
  const kept = filterComps(merged, (pkg) => pkg.name === 'c');
  expect(kept.groups.map(({ id, packages }) => [id, packages.length])).toEqual([
    ['tools', 1],
    ['only-left', 0],
    ['only-right', 0],
  ]);
  const dropped = filterComps(merged, (pkg) => pkg.name === 'c', { dropEmpty: true });
  expect(dropped.groups.map(({ id }) => id)).toEqual(['tools']);
  expect(dropped.categories.map(({ groupIds }) => groupIds)).toEqual([['tools']]);
  expect(dropped.environments.map(({ groupIds, options }) => [groupIds, options])).toEqual([[['tools'], []]]);
  expect(parseComps(new TextEncoder().encode(formatComps(dropped)))).toEqual(dropped);
});

const advisory = (id: string, title: string, names: readonly string[]): Advisory => ({
  id,
  type: 'security',
  title,
  references: [],
  collections: [
    { shortName: 'c', packages: names.map((name) => ({ name, epoch: 0, version: '1', release: '1', arch: 'noarch' })) },
  ],
});
const namesOf = (one: Advisory | undefined): string[] =>
  (one?.collections ?? []).flatMap(({ packages }) => packages.map(({ name }) => name));

test('an advisory of two repositories has the text of the later and the packages of both', () => {
  const merged = mergeAdvisories(
    [advisory('A', 'first', ['a', 'b']), advisory('B', 'other', ['b'])],
    [advisory('A', 'second', ['b', 'c'])],
  );
  expect(merged.map(({ id, title }) => [id, title])).toEqual([
    ['A', 'second'],
    ['B', 'other'],
  ]);
  expect(namesOf(merged[0])).toEqual(['a', 'b', 'c']);
  const kept = filterAdvisories(merged, (pkg) => pkg.name === 'c');
  expect(kept.map((one) => [one.id, namesOf(one)])).toEqual([['A', ['c']]]);
});

const stream = (version: number, name: string, more = ''): string => `---
document: modulemd
version: 2
data:
  name: ${name}
  stream: "1.10"
  version: ${version}
  context: abcdef
  arch: x86_64
  summary: Thing   # kept as written
  description: Thing
  license:
    module: [MIT]
${more}...
`;
const defaults = (module: string, modified: number, pick: string): string => `---
document: modulemd-defaults
version: 1
data:
  module: ${module}
  modified: ${modified}
  stream: "${pick}"
...
`;
const modulesOf = (yaml: string) => parseModules(new TextEncoder().encode(yaml));

test('merged modules hold each build once and the newest defaults, with the text that was read', () => {
  const merged = mergeModules(
    modulesOf(stream(1, 'thing') + stream(2, 'thing') + defaults('thing', 202602010000, 'new')),
    modulesOf(stream(2, 'thing') + defaults('thing', 202601010000, 'old') + stream(1, 'other')),
  );
  expect(moduleStreams(merged).map(({ name, version }) => `${name} ${version}`)).toEqual([
    'thing 1',
    'thing 2',
    'other 1',
  ]);
  expect(merged.filter(({ kind }) => kind === 'modulemd-defaults').map(({ data }) => data.stream)).toEqual(['new']);
  expect(formatModules(merged)).toContain('  summary: Thing   # kept as written\n');
  const kept = filterModules(merged, ({ name }) => name === 'other');
  expect(kept.map(({ kind }) => kind)).toEqual(['modulemd']);
  expect(formatModules(kept)).toBe(stream(1, 'other'));
});
