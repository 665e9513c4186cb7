/**
 * The compiled doors, as a program outside this repository meets them: found by package name, run by plain Node,
 * type-checked against the declaration files that ship.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { beforeAll, expect, test } from 'vitest';
import { isomorphic, type PackageName, packages } from '../scripts/architecture.js';
import { readSource } from '../scripts/source-file.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = (name: string, ...parts: string[]): string => join(root, 'packages', name, 'dist', ...parts);

/** Names that callers elsewhere rely on, by door. Doors may export more. */
const promised: Readonly<Record<string, readonly string[]>> = {
  '@distrokit/rpm': [
    'readPackage',
    'writePackage',
    'compareEvr',
    'checkDigests',
    'memorySource',
    'blobSource',
    'rangeSource',
    'CodedError',
    'RpmError',
  ],
  '@distrokit/rpm/node': ['openPackage', 'extractPackage', 'fileSource'],
  '@distrokit/sign': ['signPackage', 'verifyPackage', 'assertVerified', 'SignError'],
  '@distrokit/sign/node': ['signPackageFile', 'verifyPackageFile'],
  '@distrokit/repo': ['openRepository', 'writeRepository', 'RepoError'],
  '@distrokit/repo/node': ['createRepository', 'openRepositoryAt'],
  '@distrokit/source': ['parseSpec', 'fetchSources', 'parseAutopatch', 'applyAutopatch', 'SourceError'],
  '@distrokit/build': ['planBuild', 'planArches', 'buildPackage', 'BuildError'],
};

beforeAll(() => {
  for (const name of Object.keys(packages)) {
    if (!existsSync(dist(name, 'index.d.ts')))
      throw new Error(`packages/${name} is not compiled: run \`npm run setup\``);
  }
});

/** Runs a module in plain Node at the repository's root, where package names lead to `dist`. */
function inPlainNode<Answer>(program: string): Answer {
  const text = execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: root, encoding: 'utf8' });
  return JSON.parse(text) as Answer;
}

test('each compiled door exports the promised functions and classes', () => {
  const exported = inPlainNode<Record<string, string[]>>(`
    const found = {};
    for (const door of ${JSON.stringify(Object.keys(promised))}) {
      const module = await import(door);
      found[door] = Object.keys(module).filter((name) => typeof module[name] === 'function');
    }
    console.log(JSON.stringify(found));`);
  for (const [door, names] of Object.entries(promised)) {
    expect(
      names.filter((name) => !exported[door]?.includes(name)),
      `missing from ${door}`,
    ).toEqual([]);
  }
});

test('the declaration files that ship fit the calls and records that callers rely on', () => {
  const path = join(root, 'test/doors/contract.ts');
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config,
    ts.sys,
    root,
  );
  const { paths: _, ...asElsewhere } = options;
  const program = ts.createProgram([path], { ...asElsewhere, noEmit: true });
  const typed = program.getSourceFiles().filter((file) => file.fileName.includes('/packages/'));
  expect(typed.length).toBeGreaterThanOrEqual(Object.keys(promised).length);
  expect(typed.filter((file) => !file.fileName.includes('/dist/')).map((file) => file.fileName)).toEqual([]);
  const messages = ts
    .getPreEmitDiagnostics(program)
    .map((one) => ts.flattenDiagnosticMessageText(one.messageText, '\n'));
  expect(messages).toEqual([]);
}, 120_000);

test('the compiled isomorphic doors import nothing of Node, in code or in types', () => {
  for (const name of isomorphic) {
    for (const door of ['index.js', 'index.d.ts']) expect(nodeModulesBelow(name, door), `${name}/${door}`).toEqual([]);
  }
});

test('a damaged package is a coded error also across the compiled doors', () => {
  const answer = inPlainNode<{ code: string; own: boolean; coded: boolean }>(`
    import { CodedError, readPackage, RpmError } from '@distrokit/rpm';
    import * as node from '@distrokit/rpm/node';
    const cut = Uint8Array.of(0xed, 0xab, 0xee, 0xdb, 3, 0, 0, 0);
    const error = await readPackage(cut).catch((error) => error);
    console.log(JSON.stringify({
      code: error.code,
      own: error instanceof RpmError && (node.RpmError === undefined || node.RpmError === RpmError),
      coded: error instanceof CodedError,
    }));`);
  expect(answer).toEqual({ code: 'RPM_TRUNCATED', own: true, coded: true });
});

test('a published package holds its code, its types, its README and its list of exports, and nothing else', () => {
  for (const name of Object.keys(packages) as PackageName[]) {
    const packed = execFileSync('npm', ['pack', '--dry-run', '--json', '-w', `packages/${name}`], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [{ files }] = JSON.parse(packed) as [{ files: { path: string }[] }];
    const kinds = new Set(
      files.map(({ path }) => path.replace(/^dist\/.*?(\.d\.ts|\.js|\.js\.map|\.wasm)$/, 'dist/*$1')),
    );
    const expected = ['README.md', 'api.md', 'dist/*.d.ts', 'dist/*.js', 'dist/*.js.map', 'package.json'];
    expect([...kinds].sort(), name).toEqual(expected);
  }
}, 120_000);

/** Modules of Node that a compiled file imports, itself or through chunks beside it. */
function nodeModulesBelow(name: string, file: string, seen = new Set<string>()): string[] {
  if (seen.has(file)) return [];
  seen.add(file);
  const declaration = file.endsWith('.d.ts');
  const { imports, runtimeImports } = readSource({ path: file, text: readFileSync(dist(name, file), 'utf8') });
  return (declaration ? imports : runtimeImports).flatMap((imported) => {
    if (imported.startsWith('node:')) return [`${file}: ${imported}`];
    if (!imported.startsWith('./')) return [];
    const beside = declaration ? imported.slice(2).replace(/\.js$/, '.d.ts') : imported.slice(2);
    expect(readdirSync(dist(name))).toContain(beside);
    return nodeModulesBelow(name, beside, seen);
  });
}
