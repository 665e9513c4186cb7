/**
 * The law of the house, held against the sources: arrows between packages, isomorphic doors, who reaches into the
 * world, who knows a dependency, how files are named and opened. The data is in `scripts/architecture.ts`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { type PackageName, packages } from '../scripts/architecture.js';
import {
  type Allowance,
  arrowBreaches,
  dependencyBreaches,
  fileBreaches,
  isomorphicBreaches,
  reachBreaches,
  skippedTests,
} from '../scripts/architecture-rules.js';
import { readSource, type SourceFile } from '../scripts/source-file.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const names = Object.keys(packages) as PackageName[];
const sources = names.flatMap((name) => filesBelow(`packages/${name}/src`)).map(readSource);
const around = ['examples', 'bench', 'scripts', 'test'].flatMap(filesBelow);

/** Who may reach into the world, and why. */
const allowances: readonly Allowance[] = [
  {
    path: 'packages/build/src/command.ts',
    kind: 'process',
    why: 'the one file through which build drivers start programs',
  },
  { path: 'packages/source/src/git.ts', kind: 'process', why: 'runs git' },
  { path: 'packages/sign/src/external-signer.ts', kind: 'process', why: 'asks gpg or another command to sign' },
  {
    path: 'packages/build/src/root-driver.ts',
    kind: 'clock',
    why: 'how long making the root took is part of the report; measured by the monotonic clock',
  },
  {
    path: 'packages/build/src/farm.ts',
    kind: 'clock',
    why: 'how long a worker has been silent is counted by the monotonic clock: no clock that can be set decides about a lease',
  },
  {
    path: 'packages/build/src/build-package.ts',
    kind: 'clock',
    why: 'how long a build took is part of its report, never of its packages; measured by the monotonic clock',
  },
  {
    path: 'packages/build/src/source-package.ts',
    kind: 'clock',
    why: 'how long it took is part of the report, never of the package; measured by the monotonic clock',
  },
];

/** A check that found no file to look at would pass for ever. */
test('looks at the sources of every package', () => {
  for (const name of names) expect(sources.map((file) => file.path)).toContain(`packages/${name}/src/index.ts`);
});

test('packages import each other only along the arrows of the house, and only through doors', () => {
  expect(arrowBreaches([...sources, ...around.map(readSource)])).toEqual([]);
});

test('the main doors of rpm, sign and repo reach nothing that only Node has', () => {
  expect(isomorphicBreaches(sources)).toEqual([]);
});

test('no source starts a process, opens a socket, reads clock, environment or chance, but where the house allows it', () => {
  expect(reachBreaches(sources, allowances)).toEqual([]);
});

test('each dependency is declared, used, and known by one file of its package', () => {
  expect(dependencyBreaches(sources, declaredDependencies())).toEqual([]);
});

test('each file is named after a concept and opens with its subject', () => {
  expect(fileBreaches([...sources, ...around])).toEqual([]);
});

test('no test is switched off or runs alone', () => {
  expect(skippedTests(around.filter((file) => file.path.startsWith('test/')))).toEqual([]);
});

const written = (path: string, text: string): SourceFile => readSource({ path, text });

test('refuses build → sign, and says that keys must be out of reach', () => {
  const file = written('packages/build/src/farm.ts', "import { signPackage } from '@distrokit/sign';");
  expect(arrowBreaches([file])).toEqual([
    expect.stringMatching(
      /^packages\/build\/src\/farm\.ts imports @distrokit\/sign: no arrow from build to sign \(keys: /,
    ),
  ]);
});

test('refuses every arrow that is not in the table, however it is written', () => {
  const forms = (door: string): readonly string[] => [
    `import { a } from '${door}';`,
    `import type { A } from '${door}';`,
    `export * from '${door}';`,
    `const a = await import('${door}');`,
    `type A = import('${door}').A;`,
  ];
  const forbidden = names.flatMap((from) =>
    names
      .filter((to) => to !== from && !['build source', 'build repo'].includes(`${from} ${to}`) && to !== 'rpm')
      .map((to) => [from, to] as const),
  );
  expect(forbidden).toHaveLength(14);
  for (const [from, to] of forbidden) {
    for (const text of forms(`@distrokit/${to}`)) {
      expect(arrowBreaches([written(`packages/${from}/src/x.ts`, text)]), `${from}: ${text}`).toHaveLength(1);
    }
  }
});

test('refuses ways round a door', () => {
  const wayRound = [
    ['packages/sign/src/x.ts', '../../rpm/src/header.js'],
    ['packages/sign/src/x.ts', '@distrokit/rpm/src/header.js'],
    ['packages/build/src/x.ts', '@distrokit/source/node'],
    ['packages/rpm/src/x.ts', '@distrokit/rpm'],
    ['packages/rpm/src/x.ts', '@distrokit/core'],
    ['packages/rpm/src/x.ts', './header'],
    ['packages/source/src/x.ts', 'fs'],
    ['test/rpm/x.test.ts', '../../packages/rpm/src/header.js'],
    ['examples/rebuild/main.ts', '../../packages/rpm/src/index.js'],
  ] as const;
  for (const [path, name] of wayRound) {
    expect(arrowBreaches([written(path, `import { a } from '${name}';`)]), `${path}: ${name}`).toHaveLength(1);
  }
});

test('refuses a node: import below an isomorphic door, and names the way to it', () => {
  const files = [
    written('packages/repo/src/index.ts', "export * from './primary.js';"),
    written('packages/repo/src/primary.ts', "import { x } from './xml.js';"),
    written(
      'packages/repo/src/xml.ts',
      "import { inflateSync } from 'node:zlib'; import { o } from '@distrokit/rpm/node';",
    ),
    written('packages/repo/src/store.ts', "import { open } from 'node:fs/promises';"),
  ];
  const breaches = isomorphicBreaches(files);
  expect(breaches).toHaveLength(2);
  expect(breaches[0]).toContain('@distrokit/repo reaches node:zlib by index.ts → primary.ts → xml.ts');
  expect(breaches[1]).toContain('@distrokit/rpm/node');
});

test('lets types of Node through below an isomorphic door, since they are gone when it runs', () => {
  const text =
    "import type { Hash } from 'node:crypto'; const zlib = undefined as typeof import('node:zlib') | undefined;";
  expect(isomorphicBreaches([written('packages/rpm/src/index.ts', text)])).toEqual([]);
  const kept = "import { type Hash, createHash } from 'node:crypto'; export * from 'node:zlib';";
  expect(isomorphicBreaches([written('packages/rpm/src/index.ts', kept)])).toHaveLength(2);
});

test('refuses a global that only Node has below an isomorphic door', () => {
  const text = 'export const a = Buffer.from("x"); const b = { Buffer: 1 }; b.Buffer;';
  expect(isomorphicBreaches([written('packages/rpm/src/index.ts', text)])).toEqual([
    expect.stringContaining('packages/rpm/src/index.ts:1 uses Buffer'),
  ]);
  const guarded = "export const a = typeof Buffer === 'undefined' ? slow() : Buffer.from('x');";
  expect(isomorphicBreaches([written('packages/rpm/src/index.ts', guarded)])).toEqual([]);
});

test('finds each way to reach into the world', () => {
  const ways = [
    "import { spawn } from 'node:child_process';",
    "import { execa } from 'execa';",
    "import { connect } from 'node:net';",
    "const { request } = await import('node:https');",
    "const name = 'undici'; const { request } = await import(name);",
    'const page = await fetch(url);',
    'const page = await globalThis.fetch(url);',
    'const options = { fetch };',
    'const socket = new WebSocket(url);',
    'const now = Date.now();',
    'const now = new Date();',
    'const now = new Date;',
    'const now = Date();',
    'const now = performance.now();',
    'const now = globalThis.performance.now();',
    "import { performance } from 'node:perf_hooks';",
    'const home = process.env.HOME;',
    'const { env } = process.env;',
    "import { env } from 'node:process';",
    "import { tmpdir } from 'node:os';",
    'const dice = Math.random();',
    "import { randomBytes as bytes } from 'node:crypto';",
    'crypto.getRandomValues(view);',
  ];
  for (const text of ways) {
    expect(reachBreaches([written('packages/source/src/x.ts', text)], []), text).toHaveLength(1);
  }
});

test('lets through what only looks like a reach', () => {
  const innocent = [
    'export function open(fetch: typeof globalThis.fetch): void { fetch(url); }',
    'export interface Fetcher { fetch(href: string): void; readonly now: Date }',
    'const page = await fetcher.fetch(href);',
    'const at = new Date(seconds * 1000);',
    '// Date.now() and process.env are not for us',
    "const text = 'new Date() fetch(x) Math.random()';",
    'const least = Math.min(1, 2);',
  ];
  for (const text of innocent) {
    expect(reachBreaches([written('packages/source/src/x.ts', text)], []), text).toEqual([]);
  }
});

test('an allowance covers its own file and kind only, and must be made use of', () => {
  const allowance: Allowance = { path: 'packages/source/src/git.ts', kind: 'process', why: 'runs git' };
  const text = "import { simpleGit } from 'simple-git';";
  expect(reachBreaches([written('packages/source/src/git.ts', text)], [allowance])).toEqual([]);
  expect(reachBreaches([written('packages/source/src/spec.ts', text)], [allowance])).toHaveLength(2);
  expect(reachBreaches([written('packages/source/src/git.ts', 'Date.now();')], [allowance])).toHaveLength(2);
});

test('refuses dependencies that are undeclared, unused or known by two files', () => {
  const declared = {
    ...Object.fromEntries(names.map((name) => [name, []])),
    rpm: ['fflate', 'fzstd'],
  } as unknown as Record<PackageName, readonly string[]>;
  const files = [
    written('packages/rpm/src/codec.ts', "import { gunzip } from 'fflate/esm'; import x from '@scope/other/deep';"),
    written('packages/rpm/src/cpio.ts', "import { zip } from 'fflate';"),
  ];
  expect(dependencyBreaches(files, declared)).toEqual([
    'packages/rpm/src/codec.ts imports @scope/other/deep: not a dependency of @distrokit/rpm',
    expect.stringContaining('fflate is known by packages/rpm/src/codec.ts, packages/rpm/src/cpio.ts'),
    'packages/rpm/package.json declares fzstd, which no source imports',
  ]);
});

test('refuses vague names, odd spellings and files without a subject', () => {
  const subject = '/** The subject. */\n';
  const named = (path: string, text = subject): number => fileBreaches([{ path, text }]).length;
  expect(named('packages/rpm/src/file-list.ts')).toBe(0);
  expect(named('packages/rpm/src/tsup.config.ts')).toBe(0);
  expect(named('packages/rpm/src/utils.ts')).toBe(1);
  expect(named('packages/rpm/src/header-helpers.ts')).toBe(1);
  expect(named('packages/rpm/src/common/header.ts')).toBe(1);
  expect(named('packages/rpm/src/fileList.ts')).toBe(1);
  expect(named('packages/rpm/src/header.ts', "import x from './x.js';\n/** Late. */")).toBe(1);
  expect(named('packages/rpm/src/header.ts', '/** */\nexport {};')).toBe(1);
  expect(named('examples/rebuild/main.ts', `#!/usr/bin/env node\n${subject}`)).toBe(0);
});

test('finds tests that are switched off', () => {
  // Assembled, so that this file does not find itself.
  const off = ['skip', 'only', 'todo', 'skipIf', 'runIf'].map((word) => `test${'.'}${word}('x')`);
  for (const text of off) expect(skippedTests([{ path: 'test/x.test.ts', text }]), text).toHaveLength(1);
  expect(skippedTests([{ path: 'test/x.test.ts', text: "test('skips the lead', () => {});" }])).toEqual([]);
});

function filesBelow(folder: string): { path: string; text: string }[] {
  return (
    readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && /\.(ts|mjs|mts|js)$/.test(entry.name))
      .map((entry) => `${entry.parentPath.slice(root.length)}/${entry.name}`)
      // Nor in a folder that a test makes for itself, which is gone when this one looks into it.
      .filter((path) => !/(^|\/)(node_modules|dist|\.[^/]+)\//.test(path))
      .sort()
      .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
  );
}

function declaredDependencies(): Record<PackageName, readonly string[]> {
  const declared = names.map((name) => {
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(
      readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'),
    ) as Record<'dependencies' | 'optionalDependencies', Record<string, string> | undefined>;
    return [name, [...Object.keys(dependencies), ...Object.keys(optionalDependencies)]] as const;
  });
  return Object.fromEntries(declared) as Record<PackageName, readonly string[]>;
}
