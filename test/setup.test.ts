/**
 * `scripts/setup.mjs` on machines that lack something: a copy of the repository's frame, a PATH of our own making,
 * and a user and a Node that it is told of.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';

const repository = fileURLToPath(new URL('..', import.meta.url));
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A machine with the repository's frame in `root` and nothing on PATH but the given shell scripts. */
function machine(commands: Readonly<Record<string, string>>, workspaces: readonly string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), 'distrokit-setup-'));
  folders.push(folder);
  const root = join(folder, 'root');
  const bin = join(folder, 'bin');
  mkdirSync(join(root, 'scripts'), { recursive: true });
  mkdirSync(bin);
  for (const name of ['setup.mjs', 'system-tools.mjs', 'tsup-door.ts']) {
    cpSync(join(repository, 'scripts', name), join(root, 'scripts', name));
  }
  for (const name of ['package-lock.json', 'tsconfig.json']) cpSync(join(repository, name), join(root, name));
  writeFileSync(join(root, 'package.json'), JSON.stringify({ type: 'module', workspaces }));
  for (const [name, body] of Object.entries(commands)) command(bin, name, body);
  return { folder, root, bin };
}

function command(bin: string, name: string, body: string): void {
  writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
}

function setUp(
  at: { readonly root: string; readonly bin: string },
  person: { readonly uid?: number; readonly node?: string; readonly goal?: 'start' | 'test' } = {},
) {
  const versions = `{ ...process.versions, node: '${person.node ?? process.versions.node}' }`;
  const pretend = `process.getuid = () => ${person.uid ?? 0}; Object.defineProperty(process, 'versions', { value: ${versions} });`;
  const run = spawnSync(
    process.execPath,
    ['--import', `data:text/javascript,${pretend}`, join(at.root, 'scripts/setup.mjs'), person.goal ?? 'start'],
    { env: { PATH: at.bin }, encoding: 'utf8' },
  );
  return { status: run.status, told: run.stderr, said: run.stdout };
}

/** node_modules as the lock wants it: this repository's own. */
function withNpmPackages<At extends { readonly root: string }>(at: At): At {
  symlinkSync(join(repository, 'node_modules'), join(at.root, 'node_modules'));
  return at;
}

const commandsOf = (goal: 'start' | '(?:start|test)'): Record<string, string> => {
  const list = readFileSync(join(repository, 'scripts/system-tools.mjs'), 'utf8');
  const found = [...list.matchAll(new RegExp(`for: '${goal}',\\s+command: '([^']+)'`, 'g'))];
  return Object.fromEntries(found.map((match) => [match[1]!, 'exit 0']));
};
/** Every command that `npm start` looks for, as an empty script; and those that `npm test` looks for. */
const startCommands = commandsOf('start');
const allCommands = commandsOf('(?:start|test)');

test('says that the npm registry could not be reached when npm ci has no network', () => {
  const at = machine({
    npm: 'echo "npm error code ENOTFOUND" >&2; echo "npm error network request to the registry failed" >&2; exit 1',
  });
  const { status, told } = setUp(at);
  expect(status).toBe(1);
  expect(told).toContain('set-up stopped: npm packages: "npm ci" ended with status 1.');
  expect(told).toContain('npm error code ENOTFOUND');
  expect(told).toContain('The npm registry could not be reached. Check the network');
});

test('says that npm is missing when it is not on PATH', () => {
  const { status, told } = setUp(machine({}));
  expect(status).toBe(1);
  expect(told).toContain('npm packages: "npm ci" ended with status spawnSync npm ENOENT');
});

test('runs npm ci again when an installed package is not the locked one', () => {
  const at = machine({ npm: 'exit 1' });
  mkdirSync(join(at.root, 'node_modules'));
  const installed = JSON.parse(readFileSync(join(repository, 'node_modules/.package-lock.json'), 'utf8'));
  installed.packages['node_modules/vitest'].version = '0.0.1';
  writeFileSync(join(at.root, 'node_modules/.package-lock.json'), JSON.stringify(installed));
  for (const path of Object.keys(installed.packages)) mkdirSync(join(at.root, path), { recursive: true });
  expect(setUp(at).said).toMatch(/npm ci \(node_modules\/vitest is 0\.0\.1, \d+\.\d+\.\d+ is locked\)/);
});

test('the lock names the optional packages of every system, without which npm ci refuses it', () => {
  const { packages } = JSON.parse(readFileSync(join(repository, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { optionalDependencies?: Record<string, string> }>;
  };
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) =>
        packages[`node_modules/${name}`] === undefined && packages[`${path}/node_modules/${name}`] === undefined,
    ),
  );
  expect(missing).toEqual([]);
});

test('names the missing tools and what apt said when packages cannot be fetched', () => {
  const at = withNpmPackages(
    machine({ 'apt-get': 'echo "E: Failed to fetch the package: Temporary failure resolving the host"; exit 100' }),
  );
  const { status, told } = setUp(at);
  expect(status).toBe(1);
  expect(told).toContain('"apt-get install" ended with status 100; still missing: git, rpmbuild,');
  expect(told).toContain('E: Failed to fetch the package');
  expect(told).toContain('Check the network');
});

test('does not believe an installer that reports success and brought nothing', () => {
  const { status, told } = setUp(withNpmPackages(machine({ 'apt-get': 'exit 0' })));
  expect(status).toBe(1);
  expect(told).toContain('ended with status 0; still missing: git, rpmbuild,');
});

test('installs by name what is missing, without recommended packages, and does nothing the second time', () => {
  const { git: _, ...others } = startCommands;
  const at = withNpmPackages(machine(others));
  const made = `printf '#!/bin/sh\\n' > ${at.bin}/git; /bin/chmod 755 ${at.bin}/git`;
  command(at.bin, 'apt-get', `echo "$@" >> ${at.folder}/calls; case "$*" in *install*) ${made};; esac`);
  const first = setUp(at);
  expect(first).toEqual({ status: 0, told: '', said: 'set-up: system tools: apt-get install git\n' });
  const calls = readFileSync(join(at.folder, 'calls'), 'utf8');
  expect(calls).toMatch(/-q update\n.* -q install -y --no-install-recommends git\n$/);
  expect(setUp(at)).toEqual({ status: 0, told: '', said: '' });
  expect(readFileSync(join(at.folder, 'calls'), 'utf8')).toBe(calls);
});

test('prints the exact command and stops when it is not root', () => {
  const { status, told } = setUp(withNpmPackages(machine({ 'apt-get': 'exit 9' })), { uid: 1000 });
  expect(status).toBe(1);
  expect(told).toMatch(
    /needs root\. Run\n {2}sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends git rpm /,
  );
});

test('uses dnf where there is no apt-get', () => {
  const { git: _, ...others } = startCommands;
  const at = withNpmPackages(machine({ ...others, dnf: 'echo "Error: Unable to find a match: git-core"; exit 1' }));
  const { status, told, said } = setUp(at);
  expect(status).toBe(1);
  expect(said).toContain('dnf install git-core');
  expect(told).toContain('Unable to find a match');
});

test('lists what to install on a system that has neither apt-get nor dnf', () => {
  const { status, told } = setUp(withNpmPackages(machine({})));
  expect(status).toBe(1);
  expect(told).toContain('neither apt-get nor dnf');
  expect(told).toContain('--no-install-recommends git rpm ');
});

/** The repository's frame with one package, whose only source is `text`. */
function withSource(commands: Readonly<Record<string, string>>, text: string) {
  const at = withNpmPackages(machine(commands, ['packages/only']));
  const folder = join(at.root, 'packages/only');
  mkdirSync(join(folder, 'src'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: '@distrokit/only', type: 'module' }));
  for (const name of ['tsconfig.json', 'tsup.config.ts']) {
    cpSync(join(repository, 'packages/build', name), join(folder, name));
  }
  writeFileSync(join(folder, 'src/index.ts'), text);
  return { ...at, source: join(folder, 'src/index.ts'), dist: join(folder, 'dist') };
}

test('compiles code for running, declaration files for testing, and again only what changed', () => {
  const at = withSource(allCommands, 'export const count: number = 3;\n');
  const compiled = { status: 0, told: '', said: 'set-up: compile @distrokit/only\n' };
  const nothing = { status: 0, told: '', said: '' };
  expect(setUp(at)).toEqual(compiled);
  expect(readdirSync(at.dist)).toContain('index.js');
  expect(readdirSync(at.dist)).not.toContain('index.d.ts');
  expect(setUp(at)).toEqual(nothing);
  expect(setUp(at, { goal: 'test' })).toEqual(compiled);
  expect(readdirSync(at.dist)).toContain('index.d.ts');
  expect(setUp(at, { goal: 'test' })).toEqual(nothing);
  expect(setUp(at)).toEqual(nothing);
  writeFileSync(at.source, 'export const count: number = 4;\n');
  expect(setUp(at)).toEqual(compiled);
});

test('shows the compiler message of a package that does not compile', () => {
  const at = withSource(allCommands, "export const count: number = 'three';\n");
  const { status, told } = setUp(at, { goal: 'test' });
  expect(status).toBe(1);
  expect(told).toContain('set-up stopped: @distrokit/only does not compile.');
  expect(told).toContain("Type 'string' is not assignable to type 'number'");
});

test('refuses a Node that is too old, naming both versions', () => {
  const { status, told } = setUp(machine({}), { node: '18.20.4' });
  expect(status).toBe(1);
  expect(told).toContain('this is Node 18.20.4');
  expect(told).toContain('20.19 or later is needed');
});

test('explains itself when it is called without a goal', () => {
  const run = spawnSync(process.execPath, [join(repository, 'scripts/setup.mjs')], { encoding: 'utf8' });
  expect(run.status).toBe(2);
  expect(run.stderr).toBe('usage: node scripts/setup.mjs start|test\n');
});
