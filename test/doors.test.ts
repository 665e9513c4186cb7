/**
 * The compiled doors, as a program outside this repository meets them: found by package name, run by plain Node,
 * type-checked against the declaration files that ship.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'tsup';
import ts from 'typescript';
import { afterAll, beforeAll, expect, test } from 'vitest';
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

/** A folder where no npm package is found. */
const elsewhere = mkdtempSync(join(tmpdir(), 'distrokit-doors-'));
afterAll(() => rmSync(elsewhere, { recursive: true, force: true }));

beforeAll(() => {
  for (const name of Object.keys(packages)) {
    if (!existsSync(dist(name, 'index.d.ts')))
      throw new Error(`packages/${name} is not compiled: run \`npm run setup\``);
  }
});

/** Runs a module in plain Node, by default at the repository's root, where package names lead to `dist`. */
function inPlainNode<Answer>(program: string, cwd = root): Answer {
  const text = execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd, encoding: 'utf8' });
  return JSON.parse(text) as Answer;
}

interface Signed {
  readonly publicKey: string;
  readonly signature: string;
}

/** One signature of each kind over three bytes, made and verified by `door`. */
const signs = (door: string): string => `
  import { generateKey, Keyring, memorySigner, signDetached, verifyDetached } from '${door}';
  const data = Uint8Array.of(1, 2, 3);
  const at = new Date('2026-11-22T00:00:00Z');
  const verdict = ({ publicKey, signature }) =>
    verifyDetached(data, signature, Keyring.from(publicKey), { at }).signatures[0].status;
  const signed = [];
  for (const kind of ['rsa3072', 'ecdsa-p256', 'eddsa']) {
    const { privateKey, publicKey } = await generateKey({ userId: 'Door', kind, createdAt: at });
    signed.push({ publicKey, signature: await signDetached(data, await memorySigner(privateKey), { signedAt: at }) });
  }`;

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

test('a compiled door verifies without noble in Node, and loads it where Node’s own cryptography is not there', () => {
  const { signed, verdicts } = inPlainNode<{ signed: Signed[]; verdicts: string[] }>(`
    ${signs('@distrokit/sign')}
    const verdicts = signed.map(verdict);
    Object.assign(process, { getBuiltinModule: undefined });
    console.log(JSON.stringify({ signed, verdicts: [...verdicts, ...signed.map(verdict)] }));`);
  expect(verdicts).toEqual(Array(6).fill('verified'));
  for (const name of ['rpm', 'sign']) {
    for (const part of ['dist', 'package.json']) {
      const target = join(elsewhere, 'node_modules/@distrokit', name, part);
      cpSync(join(root, 'packages', name, part), target, { recursive: true });
    }
  }
  const answers = inPlainNode<string[]>(
    `
    import { Keyring, verifyDetached } from '@distrokit/sign/node';
    const statuses = ${JSON.stringify(signed)}.map(({ publicKey, signature }) =>
      verifyDetached(Uint8Array.of(1, 2, 3), signature, Keyring.from(publicKey), { at: new Date('2026-11-22T00:00:00Z') })
        .signatures[0].status);
    const noble = await import('@noble/curves/nist.js').catch((error) => error.code);
    console.log(JSON.stringify([...statuses, noble]));`,
    elsewhere,
  );
  expect(answers).toEqual(['verified', 'verified', 'verified', 'ERR_MODULE_NOT_FOUND']);
});

test('a bundle of a door for Node holds all that it may need', async () => {
  await build({
    config: false,
    silent: true,
    dts: false,
    entry: { bundle: dist('sign', 'index.js') },
    format: 'esm',
    platform: 'node',
    noExternal: [/^[^n]/],
    outDir: join(elsewhere, 'bundled'),
  });
  const name = readdirSync(join(elsewhere, 'bundled')).find((one) => one.startsWith('bundle.'));
  const verdicts = inPlainNode<string[]>(
    `
    ${signs(`./bundled/${name}`)}
    const verdicts = signed.map(verdict);
    Object.assign(process, { getBuiltinModule: undefined });
    console.log(JSON.stringify([...verdicts, ...signed.map(verdict)]));`,
    elsewhere,
  );
  expect(verdicts).toEqual(Array(6).fill('verified'));
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

/** What `imports` of package.json makes of a name in a browser. */
function forBrowsers(name: string, imported: string): string {
  const { imports } = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')) as {
    imports: Record<string, { default: string }>;
  };
  return imports[imported]!.default;
}

/** Modules of Node that a compiled file imports, itself or through chunks beside it. */
function nodeModulesBelow(name: string, file: string, seen = new Set<string>()): string[] {
  if (seen.has(file)) return [];
  seen.add(file);
  const declaration = file.endsWith('.d.ts');
  const { imports, runtimeImports } = readSource({ path: file, text: readFileSync(dist(name, file), 'utf8') });
  return (declaration ? imports : runtimeImports).flatMap((imported) => {
    // tsup writes them without `node:`.
    if (isBuiltin(imported)) return [`${file}: ${imported}`];
    const own = imported.startsWith('#') ? forBrowsers(name, imported) : imported.replace(/^\.\//, './dist/');
    if (!own.startsWith('./dist/')) return [];
    const beside = own.slice('./dist/'.length).replace(/\.js$/, declaration ? '.d.ts' : '.js');
    expect(readdirSync(dist(name))).toContain(beside);
    return nodeModulesBelow(name, beside, seen);
  });
}
