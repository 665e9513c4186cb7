/** Module documents: components in build order, pinned to commits, everything else untouched. */
import { formatPinnedModule, type GitRef, parseModuleSource, pinComponents } from '@distrokit/source';
import { expect, test } from 'vitest';

const document = `# The module of our web server
document: modulemd
version: 2
data:
  name: web
  stream: 1.10   # stays a text
  version: 010
  summary: A server
  license:
    module: [MIT]
  components:
    rpms:
      zlib:
        rationale: needed
        buildorder: 1
      nginx:
        ref: stream-web-1.10   # ours
        rationale: "the server"
        buildorder: 10
        arches: [x86_64, aarch64]
      perl:
        ref: ${'a'.repeat(40)}
        buildorder: 10
...
`;
const commit = (letter: string): string => letter.repeat(40);
const refs: Readonly<Record<string, readonly GitRef[]>> = {
  zlib: [
    { name: 'refs/heads/c8-stream-1.10', commit: commit('b') },
    { name: 'refs/heads/a8-stream-1.10', commit: commit('c') },
  ],
  nginx: [{ name: 'refs/heads/stream-web-1.10', commit: commit('d') }],
};

test('reads name, stream and components in build order', () => {
  const module = parseModuleSource(document);
  expect([module.name, module.stream, module.summary]).toEqual(['web', '1.10', 'A server']);
  expect(module.components.map((component) => [component.name, component.buildOrder, component.ref])).toEqual([
    ['zlib', 1, undefined],
    ['nginx', 10, 'stream-web-1.10'],
    ['perl', 10, commit('a')],
  ]);
  expect(module.components[1]).toMatchObject({ rationale: 'the server', arches: ['x86_64', 'aarch64'], multilib: [] });
});

test('pins each component to the first branch that is there, and writes only the refs', async () => {
  const module = parseModuleSource(document);
  const pinned = await pinComponents(module, ['a8-stream-1.10', 'c8-stream-1.10'], async (name) => refs[name] ?? []);
  expect(pinned).toEqual([
    { name: 'zlib', ref: 'refs/heads/a8-stream-1.10', commit: commit('c') },
    { name: 'nginx', ref: 'refs/heads/stream-web-1.10', commit: commit('d') },
    { name: 'perl', ref: commit('a'), commit: commit('a') },
  ]);
  const text = formatPinnedModule(document, pinned);
  expect(text).toBe(
    document
      .replace('        rationale: needed', `        ref: ${commit('c')}\n        rationale: needed`)
      .replace('ref: stream-web-1.10   # ours', `ref: ${commit('d')}   # ours`),
  );
  expect(parseModuleSource(text).components.map((component) => component.ref)).toEqual(['c', 'd', 'a'].map(commit));
  expect(formatPinnedModule(text, pinned)).toBe(text);
});

test('names the component whose branch is nowhere', async () => {
  const module = parseModuleSource(document);
  await expect(pinComponents(module, ['a8-stream-1.10'], async () => [])).rejects.toMatchObject({
    code: 'SOURCE_BAD_REF',
    fault: { text: 'zlib', wanted: 'a8-stream-1.10' },
  });
});

test('refuses what is no module, and component names that lead elsewhere', () => {
  const bad = [
    '- a',
    'document: other\ndata: {}',
    'document: modulemd\ndata: {components: {rpms: {../x: {}}}}',
    'document: modulemd\ndata: {components: {rpms: {a: {buildorder: x}}}}',
    '[',
  ];
  for (const text of bad)
    expect(() => parseModuleSource(text), text).toThrow(expect.objectContaining({ code: 'SOURCE_BAD_CONFIG' }));
  expect(() => formatPinnedModule(document, [{ name: 'none', ref: 'x', commit: commit('a') }])).toThrow(
    expect.objectContaining({ code: 'SOURCE_BAD_CONFIG' }),
  );
});
