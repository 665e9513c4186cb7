/**
 * The system tools this repository needs, by name, and where a machine gets them.
 *
 * Each line is one need: a command on PATH, a file, or a Python module of the system's own Python.
 * `for: 'start'` is what the main job runs with; `for: 'test'` comes on top and judges our results.
 * A need is looked up in the file system, without starting a process, so that a set-up with nothing
 * to do ends at once.
 */
import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs';
import { delimiter, join, sep } from 'node:path';

/**
 * @typedef {object} SystemTool
 * @property {'start' | 'test'} for
 * @property {string} [command] Name of a command on PATH.
 * @property {string | string[]} [file] Absolute path; of several, one is enough.
 * @property {string} [python] Name of a module of the system's Python.
 * @property {string} debian Package that brings it on Debian and Ubuntu.
 * @property {string} fedora Package that brings it on Fedora and Enterprise Linux.
 * @property {string} why What is done with it here.
 */

/** @type {readonly SystemTool[]} */
export const systemTools = [
  { for: 'start', command: 'git', debian: 'git', fedora: 'git-core', why: 'reads and makes dist-git repositories' },
  { for: 'start', command: 'rpmbuild', debian: 'rpm', fedora: 'rpm-build', why: 'builds packages' },
  { for: 'start', command: 'rpmkeys', debian: 'rpm', fedora: 'rpm', why: 'checks the signed packages' },
  { for: 'start', command: 'dnf', debian: 'dnf', fedora: 'dnf', why: 'installs from the finished repository' },
  { for: 'start', command: 'gpg', debian: 'gnupg', fedora: 'gnupg2', why: 'dnf checks signed metadata with it' },
  { for: 'start', command: 'gcc', debian: 'gcc', fedora: 'gcc', why: 'compiles the example package' },
  {
    for: 'start',
    file: '/usr/include/stdio.h',
    debian: 'libc6-dev',
    fedora: 'glibc-devel',
    why: 'compiles the example package',
  },
  { for: 'start', command: 'make', debian: 'make', fedora: 'make', why: 'builds the example package' },
  { for: 'start', command: 'patch', debian: 'patch', fedora: 'patch', why: 'rpmbuild applies patches with it' },
  { for: 'start', command: 'cpio', debian: 'cpio', fedora: 'cpio', why: 'rpmbuild and rpm2cpio take archives apart' },
  { for: 'start', command: 'file', debian: 'file', fedora: 'file', why: 'rpmbuild classifies files with it' },
  { for: 'start', command: 'gawk', debian: 'gawk', fedora: 'gawk', why: 'find-debuginfo is written in it' },
  { for: 'start', command: 'xz', debian: 'xz-utils', fedora: 'xz', why: 'unpacks source archives' },
  { for: 'start', command: 'zstd', debian: 'zstd', fedora: 'zstd', why: 'unpacks source archives' },
  { for: 'start', command: 'bzip2', debian: 'bzip2', fedora: 'bzip2', why: 'unpacks source archives' },
  { for: 'start', command: 'eu-strip', debian: 'elfutils', fedora: 'elfutils', why: 'find-debuginfo splits with it' },
  { for: 'test', command: 'createrepo_c', debian: 'createrepo-c', fedora: 'createrepo_c', why: 'judge of repodata' },
  { for: 'test', command: 'installcheck', debian: 'libsolv-tools', fedora: 'libsolv-tools', why: 'judge of closures' },
  { for: 'test', command: 'sq', debian: 'sq', fedora: 'sequoia-sq', why: 'judge of OpenPGP keys and signatures' },
  { for: 'test', command: 'sqv', debian: 'sqv', fedora: 'sequoia-sqv', why: 'judge of detached signatures' },
  { for: 'test', command: 'zck', debian: 'zchunk', fedora: 'zchunk', why: 'judge of zchunk documents' },
  { for: 'test', command: 'rpmlint', debian: 'rpmlint', fedora: 'rpmlint', why: 'judge of packages and specs' },
  { for: 'start', command: 'bwrap', debian: 'bubblewrap', fedora: 'bubblewrap', why: 'isolates builds in a root' },
  {
    for: 'test',
    command: 'abidiff',
    debian: 'abigail-tools',
    fedora: 'libabigail',
    why: 'judge of library interfaces',
  },
  { for: 'test', command: 'readelf', debian: 'binutils', fedora: 'binutils', why: 'judge of ELF files' },
  { for: 'test', command: 'bsdtar', debian: 'libarchive-tools', fedora: 'bsdtar', why: 'second reader of payloads' },
  { for: 'test', command: 'chromium', debian: 'chromium', fedora: 'chromium', why: 'runs the isomorphic doors' },
  { for: 'test', command: 'openssl', debian: 'openssl', fedora: 'openssl', why: 'judge of raw signatures' },
  { for: 'test', command: 'pgrep', debian: 'procps', fedora: 'procps-ng', why: 'sees that no process was left behind' },
  {
    for: 'test',
    command: 'mmdebstrap',
    debian: 'mmdebstrap',
    fedora: 'mmdebstrap',
    why: 'makes the root of a newer Debian, whose rpm 6 is a judge',
  },
  {
    for: 'test',
    file: '/usr/lib/obs-build/expanddeps',
    debian: 'obs-build',
    fedora: 'obs-build',
    why: 'judge of buildroot expansion',
  },
  {
    for: 'test',
    command: 'aarch64-linux-gnu-gcc',
    debian: 'gcc-aarch64-linux-gnu',
    fedora: 'gcc-aarch64-linux-gnu',
    why: 'cross builds',
  },
  {
    for: 'test',
    file: ['/usr/aarch64-linux-gnu/include/stdio.h', '/usr/aarch64-linux-gnu/sys-root/usr/include/stdio.h'],
    debian: 'libc6-dev-arm64-cross',
    fedora: 'sysroot-aarch64-fc-glibc',
    why: 'cross builds',
  },
  { for: 'test', command: 'podman', debian: 'podman', fedora: 'podman', why: 'builds in containers' },
  { for: 'test', command: 'runc', debian: 'runc', fedora: 'runc', why: 'runs them under any kind of control groups' },
  {
    for: 'test',
    file: ['/usr/lib/postgresql', '/usr/bin/postgres'],
    debian: 'postgresql',
    fedora: 'postgresql-server',
    why: 'the store of a build farm with many machines',
  },
  {
    for: 'test',
    command: 'faketime',
    debian: 'faketime',
    fedora: 'libfaketime',
    why: 'lets that store see a wrong clock',
  },
  { for: 'test', command: 'python3', debian: 'python3', fedora: 'python3', why: 'asks the reference libraries' },
  { for: 'test', python: 'rpm', debian: 'python3-rpm', fedora: 'python3-rpm', why: 'librpm, asked directly' },
  {
    for: 'test',
    python: 'createrepo_c',
    debian: 'python3-createrepo-c',
    fedora: 'python3-createrepo_c',
    why: 'reference reader of repodata',
  },
  { for: 'test', python: 'solv', debian: 'python3-solv', fedora: 'python3-solv', why: 'reference solver' },
  { for: 'test', python: 'libcomps', debian: 'python3-libcomps', fedora: 'python3-libcomps', why: 'reads comps' },
  { for: 'test', python: 'gi', debian: 'python3-gi', fedora: 'python3-gobject-base', why: 'asks libmodulemd' },
  {
    for: 'test',
    file: [
      '/usr/lib/x86_64-linux-gnu/girepository-1.0/Modulemd-2.0.typelib',
      '/usr/lib/aarch64-linux-gnu/girepository-1.0/Modulemd-2.0.typelib',
      '/usr/lib64/girepository-1.0/Modulemd-2.0.typelib',
    ],
    debian: 'gir1.2-modulemd-2.0',
    fedora: 'libmodulemd',
    why: 'judge of module documents',
  },
  {
    for: 'test',
    python: 'dnfpluginscore',
    debian: 'dnf-plugins-core',
    fedora: 'python3-dnf-plugins-core',
    why: 'dnf repoclosure',
  },
];

/** @param {'start' | 'test'} goal @returns {SystemTool[]} The needs of a goal that this machine does not meet. */
export function missingTools(goal) {
  return systemTools.filter((tool) => (goal === 'test' || tool.for === 'start') && !isPresent(tool));
}

/** @param {SystemTool} tool */
export function describeTool(tool) {
  return tool.command ?? tool.file?.toString() ?? `python3 module ${tool.python}`;
}

/** @param {string} name @returns {boolean} Whether a command of this name is on PATH, npm's own folders left out. */
export function commandPresent(name) {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '' && !folder.includes(`${sep}node_modules${sep}`))
    .some((folder) => isExecutable(join(folder, name)));
}

/** @param {SystemTool} tool */
function isPresent(tool) {
  if (tool.command !== undefined) return commandPresent(tool.command);
  if (tool.file !== undefined) return [tool.file].flat().some((path) => existsSync(path));
  return pythonFolders().some((folder) => ['', '.py'].some((end) => existsSync(join(folder, `${tool.python}${end}`))));
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Where a distribution's packages put Python modules: one folder on Debian, one per version and word size on Fedora. */
function pythonFolders() {
  const folders = ['/usr/lib/python3/dist-packages'];
  for (const lib of ['/usr/lib', '/usr/lib64']) {
    if (!existsSync(lib)) continue;
    for (const name of readdirSync(lib))
      if (/^python3\.\d+$/.test(name)) folders.push(join(lib, name, 'site-packages'));
  }
  return folders;
}
