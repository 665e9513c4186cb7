/**
 * The rehearsal: does a machine on which nothing was installed by hand run `npm start` and `npm test`?
 *
 *   node scripts/rehearse.mjs [--keep] [command …]
 *
 * Makes a minimal Debian 12 root, copies Node and npm and this machine's way to the registries into it, clones the last
 * commit of this repository beside nothing, and runs the commands there, each given as one argument: unless told
 * otherwise `npm start`, `npm test` and `npm run setup`, which then has nothing left to do. Prints how long each took; exit
 * status 1 when one failed. Needs root, mmdebstrap and git.
 * `--keep` leaves the root where it is, to look into it.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('..', import.meta.url));
const keep = process.argv.includes('--keep');
const given = process.argv.slice(2).filter((argument) => argument !== '--keep');
const commands = given.length > 0 ? given : ['npm start', 'npm test', 'npm run setup'];
/** Where the clone lies in the root: alone in its folder, without a corpus beside it. */
const clone = '/srv/clone/distrokit';

const root = mkdtempSync(join(tmpdir(), 'distrokit-rehearsal-'));
let failed = false;
try {
  timed('make a Debian 12 root', () => makeRoot());
  timed('copy Node, npm and their configuration', () => copyNode());
  timed('clone the repository', () => {
    mkdirSync(dirname(join(root, clone)), { recursive: true });
    must('git', ['clone', '--quiet', `file://${repository}`, join(root, clone)]);
  });
  for (const command of commands) {
    try {
      timed(command, () => inside(command));
    } catch (error) {
      failed = true;
      console.error(`=== ${command}: ${error.message}`);
    }
  }
} catch (error) {
  failed = true;
  console.error(`rehearsal stopped: ${error.message}`);
} finally {
  if (keep) console.log(`root kept: ${root}`);
  else rmSync(root, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);

function makeRoot() {
  const sources = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'].filter((path) =>
    existsSync(path),
  );
  must('mmdebstrap', [
    '--mode=root',
    '--variant=minbase',
    '--include=ca-certificates',
    '--quiet',
    'bookworm',
    root,
    ...sources,
  ]);
}

/** Node with npm, and what on this machine says where the registries are and whom to trust. */
function copyNode() {
  cpSync(realpathSync(process.execPath), join(root, 'usr/bin/node'));
  const npm = dirname(dirname(realpathSync(which('npm'))));
  cpSync(npm, join(root, 'usr/lib/node_modules/npm'), { recursive: true });
  for (const name of ['npm', 'npx'])
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(root, 'usr/bin', name));
  const configured = ['globalconfig', 'userconfig'].map((name) => output('npm', ['config', 'get', name]));
  const paths = [
    '/etc/ssl/certs',
    '/usr/local/share/ca-certificates',
    '/etc/resolv.conf',
    '/etc/hosts',
    '/etc/apt/apt.conf.d',
  ];
  for (const path of [...configured, ...paths].filter((one) => existsSync(one))) {
    rmSync(join(root, path), { recursive: true, force: true });
    // resolv.conf may be a link to a place that the root does not have: its content counts.
    const file = path === '/etc/resolv.conf' ? realpathSync(path) : path;
    cpSync(file, join(root, path), { recursive: true, verbatimSymlinks: true });
  }
}

/** Runs a command in the root as its own machine would: own mounts and processes, an empty environment. */
function inside(command) {
  const enter = [
    'set -e',
    'mount --bind "$1" "$1"',
    'cd "$1"',
    'mount --rbind /dev dev && mount --rbind /sys sys && mount -t proc proc proc && mount -t tmpfs tmpfs run',
    'mkdir -p mnt && pivot_root . mnt && umount -l mnt',
    // One shell line from here on, since /bin/sh is now the root's own.
    `cd ${clone} && exec /bin/sh -c "$2"`,
  ].join('\n');
  const passed = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'http_proxy', 'https_proxy', 'no_proxy'];
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LANG: 'C.UTF-8', CI: '1' };
  for (const name of passed) if (process.env[name] !== undefined) env[name] = process.env[name];
  const unshare = ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', enter, 'sh', root, command];
  must('unshare', unshare, { env, stdio: ['ignore', 'inherit', 'inherit'] });
}

function timed(what, work) {
  console.log(`\n=== ${what}`);
  const start = performance.now();
  try {
    work();
  } finally {
    console.log(`=== ${what}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  }
}

function must(command, args, options = { stdio: ['ignore', 'ignore', 'inherit'] }) {
  const { status, signal, error } = spawnSync(command, args, options);
  if (status !== 0) throw new Error(`${command} ${args[0]} …: ${error?.message ?? `status ${status ?? signal}`}`);
}

function output(command, args) {
  return spawnSync(command, args, { encoding: 'utf8' }).stdout.trim();
}

function which(command) {
  return output('sh', ['-c', `command -v ${command}`]);
}
