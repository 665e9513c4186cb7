/**
 * Set-up of a machine for this repository: npm packages, system tools, compiled packages, in this order.
 *
 *   node scripts/setup.mjs start    what `npm start` needs
 *   node scripts/setup.mjs test     that, and what the tests need
 *
 * Plain JavaScript without dependencies, since it runs before there are any. A part that is already in
 * place is left alone; when all are, nothing is printed. A part that fails ends the run with one message
 * that says what failed and what to do, and exit status 1.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commandPresent, describeTool, missingTools } from './system-tools.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const oldestNode = [20, 19];

class SetupFailure extends Error {}

const goal = process.argv[2];
if (goal !== 'start' && goal !== 'test') {
  console.error('usage: node scripts/setup.mjs start|test');
  process.exit(2);
}
try {
  checkNode();
  installNpmPackages();
  installSystemTools(goal);
  buildPackages(goal);
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error;
  console.error(`set-up stopped: ${error.message}`);
  process.exit(1);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return;
  throw new SetupFailure(
    `this is Node ${process.versions.node} (${process.execPath}), ${oldestNode.join('.')} or later is needed.\n` +
      'Install a later Node and run the command again.',
  );
}

function installNpmPackages() {
  const reason = staleNpmPackages();
  if (reason === undefined) return;
  say(`npm packages: npm ci (${reason})`);
  const { status, output } = run('npm', ['ci', '--no-progress', '--loglevel=error'], { cwd: root });
  if (status === 0) return;
  const unreachable = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|network/.test(output);
  throw new SetupFailure(
    `npm packages: "npm ci" ended with status ${status}.\n${firstLines(output)}\n` +
      (unreachable
        ? 'The npm registry could not be reached. Check the network and `npm config get registry`, then run the command again.'
        : 'Run `npm ci` in the repository to see all of its output; when it passes, run the command again.'),
  );
}

/** Why node_modules is not what package-lock.json says, or undefined. npm writes what it installed into node_modules itself. */
function staleNpmPackages() {
  const installedPath = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedPath)) return 'node_modules is not there';
  const locked = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedPath, 'utf8')).packages;
  for (const [path, wanted] of Object.entries(locked)) {
    if (path === '' || wanted.link === true || !path.includes('node_modules/')) continue;
    const found = installed[path];
    // An optional package of another operating system or architecture is locked, but never installed here.
    if (found === undefined && wanted.optional === true) continue;
    if (found?.version !== wanted.version || found?.integrity !== wanted.integrity || !existsSync(join(root, path))) {
      return `${path} is ${found?.version ?? 'missing'}, ${wanted.version} is locked`;
    }
  }
  return undefined;
}

/** @param {'start' | 'test'} wantedGoal */
function installSystemTools(wantedGoal) {
  const missing = missingTools(wantedGoal);
  if (missing.length === 0) return;
  const names = missing.map(describeTool).join(', ');
  if (commandPresent('apt-get')) installDebianPackages(missing, names, wantedGoal);
  else if (commandPresent('dnf')) installFedoraPackages(missing, names, wantedGoal);
  else {
    throw new SetupFailure(
      `system tools are missing: ${names}.\n` +
        'This system has neither apt-get nor dnf. Install what brings these tools and run the command again; on Debian that is\n' +
        `  apt-get install -y --no-install-recommends ${packageNames(missing, 'debian')}`,
    );
  }
}

function installDebianPackages(missing, names, wantedGoal) {
  const packages = packageNames(missing, 'debian');
  requireRoot(names, `apt-get update && apt-get install -y --no-install-recommends ${packages}`);
  say(`system tools: apt-get install ${packages}`);
  // Runlevel 1: a package that brings a service does not start it.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8', RUNLEVEL: '1' };
  // Another apt may be at work on a fresh machine (unattended upgrades): wait for it.
  const lock = ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3'];
  const update = run('apt-get', [...lock, '-q', 'update'], { env });
  const install = run('apt-get', [...lock, '-q', 'install', '-y', '--no-install-recommends', ...packages.split(' ')], {
    env,
  });
  confirmInstalled(install.status, `${problems(update.output)}${problems(install.output)}`, wantedGoal, 'apt-get');
}

function installFedoraPackages(missing, names, wantedGoal) {
  const packages = packageNames(missing, 'fedora');
  requireRoot(names, `dnf install -y --setopt=install_weak_deps=False ${packages}`);
  say(`system tools: dnf install ${packages}`);
  const install = run('dnf', ['install', '-y', '--setopt=install_weak_deps=False', ...packages.split(' ')], {});
  confirmInstalled(install.status, install.output, wantedGoal, 'dnf');
}

/** An installer's exit status is its word; the tools themselves are the fact. */
function confirmInstalled(status, output, wantedGoal, installer) {
  const missing = missingTools(wantedGoal).map(describeTool).join(', ');
  if (status === 0 && missing === '') return;
  throw new SetupFailure(
    `system tools: "${installer} install" ended with status ${status}${missing === '' ? '' : `; still missing: ${missing}`}.\n` +
      `${lastLines(output)}\nCheck the network and the package sources of this machine, then run the command again.`,
  );
}

function requireRoot(names, command) {
  if (process.getuid?.() === 0) return;
  throw new SetupFailure(
    `system tools are missing: ${names}.\nInstalling them needs root. Run\n  sudo sh -c '${command}'\nand then the command again.`,
  );
}

/**
 * Compiles the packages whose sources changed since they were last compiled, dependencies first.
 *
 * Running needs no declaration files, and they take most of the time: `start` leaves them out, `test` makes them.
 *
 * @param {'start' | 'test'} wantedGoal
 */
function buildPackages(wantedGoal) {
  const folders = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).workspaces;
  const digests = new Map();
  for (const folder of folders) {
    const { name, dependencies = {} } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    const digest = sourceDigest(
      folder,
      Object.keys(dependencies).map((dependency) => digests.get(dependency) ?? ''),
    );
    digests.set(name, digest);
    const stamp = join(root, folder, 'dist/.sources');
    const compiled = existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';
    if (compiled === `${digest} code and types` || (wantedGoal === 'start' && compiled === `${digest} code`)) continue;
    say(`compile ${name}`);
    const compiler = [join(root, 'node_modules/tsup/dist/cli-default.js'), '--silent'];
    const { status, output } = run(process.execPath, wantedGoal === 'start' ? [...compiler, '--no-dts'] : compiler, {
      cwd: join(root, folder),
    });
    if (status !== 0) {
      throw new SetupFailure(
        `${name} does not compile.\n${lastLines(output, 30)}\nMend the sources in ${folder}/src and run the command again.`,
      );
    }
    mkdirSync(join(root, folder, 'dist'), { recursive: true });
    writeFileSync(stamp, `${digest} code${wantedGoal === 'start' ? '' : ' and types'}`);
  }
}

/** @param {string} folder @param {readonly string[]} dependencyDigests */
function sourceDigest(folder, dependencyDigests) {
  const hash = createHash('sha256');
  const shared = ['package-lock.json', 'tsconfig.json', 'scripts/tsup-door.ts'].map((path) => join(root, path));
  const own = ['package.json', 'tsconfig.json', 'tsup.config.ts'].map((path) => join(root, folder, path));
  for (const path of [...shared, ...own, ...filesBelow(join(root, folder, 'src'))]) {
    hash
      .update(`${path.slice(root.length)}\0`)
      .update(readFileSync(path))
      .update('\0');
  }
  return hash.update(dependencyDigests.join(' ')).digest('hex');
}

/** @param {string} folder @returns {string[]} */
function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)]));
}

/** Runs a program to its end, keeping its output for the case that it fails. */
function run(command, args, options) {
  const result = spawnSync(command, args, {
    ...options,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 28,
  });
  return {
    status: result.status ?? result.signal ?? result.error?.message,
    output: `${result.stdout ?? ''}${result.stderr ?? ''}`,
  };
}

/** The lines in which apt says what went wrong; its progress is of no use afterwards. */
function problems(output) {
  return output
    .split('\n')
    .filter((line) => /^(E:|W:|Err:|dpkg: )/.test(line))
    .map((line) => `${line}\n`)
    .join('');
}

/** npm says first what is wrong, and then at length how it is used. */
function firstLines(output, count = 12) {
  return lastLines(
    output
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(0, count)
      .join('\n'),
    count,
  );
}

function lastLines(output, count = 12) {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  return lines
    .slice(-count)
    .map((line) => `  ${line}`)
    .join('\n');
}

function packageNames(tools, system) {
  return [...new Set(tools.map((tool) => tool[system]))].join(' ');
}

function say(text) {
  console.log(`set-up: ${text}`);
}
