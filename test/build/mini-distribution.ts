/**
 * A small RPM distribution made from the files of this Debian machine, or of a Debian tree for another arch, with no network:
 * enough of it to fill a root in which C programs are built.
 *
 * dpkg says which package owns which file and what it depends on; one generated spec with a subpackage for each
 * package, built by the real rpmbuild, makes the RPMs. Nothing is compiled. Maintainer scripts are not run: what
 * they would have made (links of alternatives, user databases) is written down here.
 */
import { execFile } from 'node:child_process';
import { copyFile, link, lstat, mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What a root for building C programs starts from; dependencies follow. */
export const seeds: readonly string[] = [
  ...['bash', 'dash', 'coreutils', 'diffutils', 'findutils', 'grep', 'sed', 'mawk', 'tar', 'gzip', 'bzip2', 'xz-utils'],
  ...[
    'zstd',
    'make',
    'patch',
    'cpio',
    'file',
    'gcc',
    'libc6-dev',
    'binutils',
    'debugedit',
    'rpm',
    'hostname',
    'base-files',
  ],
];

/** Debian's own machinery, and large parts that compiling C does not touch. */
const leftOut = new Set([
  ...[
    'dpkg',
    'debconf',
    'perl',
    'perl-base',
    'init-system-helpers',
    'install-info',
    'libpam-runtime',
    'libpam-modules',
  ],
  ...[
    'libasan8',
    'liblsan0',
    'libtsan2',
    'libubsan1',
    'libhwasan0',
    'libitm1',
    'libquadmath0',
    'libnsl-dev',
    'libtirpc-dev',
    'rpcsvc-proto',
  ],
]);
const leftOutPaths =
  /^\/usr\/share\/(?!file|misc|zoneinfo)|\/(?:lto1|lto-dump)$|lib(?:a|l|t|ub|hwa)san|\/lib[a-z]+-?[\d.]*\.a$(?<!libgcc\.a|libgcc_eh\.a|nonshared\.a|libpthread\.a|libdl\.a)|^\/usr\/lib\/(?:debug|systemd)\/|^\/etc\/(?:cron|init\.d|apt|pam\.d|default)/;
const links: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  dash: [['/usr/bin/sh', 'dash']],
  mawk: [['/usr/bin/awk', 'mawk']],
  gcc: [['/usr/bin/cc', 'gcc']],
};
const moreProvides: Readonly<Record<string, readonly string[]>> = {
  dash: ['/bin/sh'],
  bash: ['/bin/bash'],
  libc6: ['rtld(GNU_HASH)', 'glibc'],
  'libc6-dev': ['glibc-devel'],
  rpm: ['rpm-build'],
};
const folders =
  'dev etc etc/rpm home proc root run srv sys tmp usr usr/bin usr/include usr/lib usr/lib64 usr/sbin usr/share var var/cache var/lib var/log var/tmp'.split(
    ' ',
  );
const merged = ['bin', 'sbin', 'lib', 'lib64'];

interface DebianPackage {
  readonly name: string;
  readonly list: string;
  readonly version: string;
  readonly noarch: boolean;
  readonly depends: string;
  readonly provides: string;
}

/** Where the distribution was made. */
export interface MiniDistribution {
  /** Folder with the packages and `repodata`. */
  readonly repository: string;
  /** Names that make a root to build in. */
  readonly buildPackages: readonly string[];
}

/** A tree of another arch than this machine's. */
export interface DebianTree {
  readonly path: string;
  /** As rpm names it. */
  readonly arch: string;
}

/** Makes the distribution below `folder`. Takes some ten seconds. */
export async function makeMiniDistribution(folder: string, tree?: DebianTree): Promise<MiniDistribution> {
  const from = tree?.path ?? '';
  const root = join(folder, 'root');
  const repository = join(folder, 'repository');
  await mkdir(root, { recursive: true });
  await mkdir(repository, { recursive: true });
  const installed = await debianPackages(from);
  const chosen = closure(installed, seeds);
  const spec: string[] = [
    ...[
      '%global debug_package %{nil}',
      '%global __os_install_post %{nil}',
      '%global _build_id_links none',
      '%global __check_files %{nil}',
    ],
    ...['%undefine _missing_build_ids_terminate_build', '%global _binary_payload w1.gzdio', 'AutoReq: no'],
    ...[
      'Name: mini',
      'Version: 1',
      'Release: 1',
      'Summary: A small distribution',
      'License: various',
      '%description',
      'Files of a Debian machine.',
    ],
    ...[
      '%package -n filesystem',
      'Summary: Folders and databases',
      'BuildArch: noarch',
      '%description -n filesystem',
      'Folders.',
    ],
  ];
  const files: string[] = ['%files -n filesystem', ...(await makeFilesystem(root))];
  const owned = new Set([...merged.map((name) => `/${name}`), '/etc/passwd', '/etc/group', '/lib32', '/libx32']);
  for (const name of [...chosen.keys()].sort()) {
    const pkg = chosen.get(name) as DebianPackage;
    const paths = await stage(pkg, from, root, owned);
    const list = join(folder, `${name}.list`);
    await writeFile(
      list,
      `${paths.map((path) => (/[ []/.test(path) ? `"${path.replaceAll('[', '?')}"` : path)).join('\n')}\n`,
    );
    const { epoch, version, release } = evrOf(pkg.version);
    spec.push(`%package -n ${name}`, `Summary: ${name} of Debian`, `Version: ${version}`, `Release: ${release}`);
    if (epoch !== '') spec.push(`Epoch: ${epoch}`);
    if (pkg.noarch) spec.push('BuildArch: noarch');
    spec.push('AutoReq: no', 'Requires: filesystem');
    for (const alternatives of clauses(pkg.depends)) {
      const known = alternatives.find((each) => chosen.has(each));
      if (known !== undefined) spec.push(`Requires: ${known}`);
    }
    for (const [provided] of clauses(pkg.provides))
      if (provided !== undefined && !chosen.has(provided)) spec.push(`Provides: ${provided}`);
    for (const provided of moreProvides[name] ?? []) spec.push(`Provides: ${provided}`);
    spec.push(`%description -n ${name}`, `${name} of Debian.`);
    files.push(`%files -n ${name} ${paths.length === 0 ? '' : `-f ${list}`}`);
  }
  const specPath = join(folder, 'mini.spec');
  await writeFile(specPath, [...spec, ...files, ''].join('\n'));
  const define = (name: string, value: string): string[] => ['--define', `${name} ${value}`];
  await run(
    'rpmbuild',
    [
      ...['-bb', '--quiet', '--nodeps', '--noclean', '--buildroot', root],
      ...(tree === undefined ? [] : ['--target', `${tree.arch}-linux`]),
      ...define('_topdir', join(folder, 'top')),
      ...define('_rpmdir', repository),
      ...define('_build_name_fmt', '%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm'),
      ...define('use_source_date_epoch_as_buildtime', '1'),
      ...define('clamp_mtime_to_source_date_epoch', '1'),
      ...define('_buildhost', 'mini.invalid'),
      specPath,
    ],
    {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: folder, SOURCE_DATE_EPOCH: '1700000000', LC_ALL: 'C.UTF-8' },
      maxBuffer: 2 ** 26,
    },
  );
  await run('createrepo_c', ['--quiet', '--revision', '1', repository]);
  await rm(root, { recursive: true });
  return { repository, buildPackages: ['filesystem', ...seeds] };
}

async function debianPackages(from: string): Promise<Map<string, DebianPackage>> {
  const database = `${from}/var/lib/dpkg`;
  const lists = new Set(await readdir(join(database, 'info')));
  const format = [
    'Package',
    'binary:Package',
    'Version',
    'Architecture',
    'Pre-Depends',
    'Depends',
    'Provides',
    'db:Status-Status',
  ];
  const { stdout } = await run(
    'dpkg-query',
    ['--admindir', database, '-W', '-f', `${format.map((field) => `\${${field}}`).join('\\t')}\\n`],
    { maxBuffer: 2 ** 26 },
  );
  const found = new Map<string, DebianPackage>();
  for (const line of stdout.split('\n')) {
    const [name = '', binary = '', version = '', arch, before = '', depends = '', provides = '', status] =
      line.split('\t');
    if (status !== 'installed') continue;
    found.set(name, {
      name,
      // In a tree of another arch a list bears the arch where this machine's dpkg does not say so.
      list: join(database, 'info', lists.has(`${binary}.list`) ? `${binary}.list` : `${name}.list`),
      version,
      noarch: arch === 'all',
      depends: `${before}, ${depends}`,
      provides,
    });
  }
  return found;
}

/** The names in each clause of a Debian relation, versions dropped. */
function clauses(relation: string): string[][] {
  return relation
    .split(',')
    .map((clause) => clause.split('|').flatMap((each) => /^\s*([a-z0-9][a-z0-9+.-]*)/.exec(each)?.[1] ?? []))
    .filter((names) => names.length > 0);
}

function closure(installed: ReadonlyMap<string, DebianPackage>, start: readonly string[]): Map<string, DebianPackage> {
  const virtual = new Map<string, string>();
  for (const pkg of installed.values())
    for (const [name] of clauses(pkg.provides)) if (name !== undefined) virtual.set(name, pkg.name);
  const found = new Map<string, DebianPackage>();
  const queue = [...start];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (leftOut.has(name) || found.has(name)) continue;
    const pkg = installed.get(name);
    if (pkg === undefined) throw new Error(`the mini distribution needs the Debian package ${name}`);
    found.set(name, pkg);
    for (const alternatives of clauses(pkg.depends)) {
      const known =
        alternatives.find((each) => installed.has(each)) ??
        virtual.get(alternatives.find((each) => virtual.has(each)) ?? '');
      if (known !== undefined) queue.push(known);
    }
  }
  return found;
}

function evrOf(text: string): { readonly epoch: string; readonly version: string; readonly release: string } {
  const match = /^(?:(\d+):)?(.+?)(?:-([^-]*))?$/.exec(text);
  return { epoch: match?.[1] ?? '', version: (match?.[2] ?? '').replaceAll('-', '.'), release: match?.[3] ?? '0' };
}

/** Puts a package's files into the tree, each at its place in a merged /usr; hard links, since nothing is changed. */
async function stage(pkg: DebianPackage, from: string, root: string, owned: Set<string>): Promise<string[]> {
  const paths: string[] = [];
  const made = links[pkg.name] ?? [];
  for (const source of (await readFile(pkg.list, 'utf8')).split('\n')) {
    const [, top = '', ...rest] = source.split('/');
    const path = merged.includes(top) && rest.length > 0 ? `/usr${source}` : source;
    if (owned.has(path) || leftOutPaths.test(path) || made.some(([at]) => at === path)) continue;
    const entry = await lstat(from + (source || '/')).catch(() => undefined);
    if (entry === undefined || entry.isDirectory()) continue;
    const target = join(root, path);
    await mkdir(dirname(target), { recursive: true });
    if (entry.isSymbolicLink()) await symlink(await readlink(from + source), target);
    else if (entry.isFile()) await link(from + source, target).catch(() => copyFile(from + source, target));
    else continue;
    owned.add(path);
    paths.push(path);
  }
  for (const [at, to] of made) {
    await mkdir(dirname(join(root, at)), { recursive: true });
    await symlink(to, join(root, at));
    owned.add(at);
    paths.push(at);
  }
  return paths;
}

async function makeFilesystem(root: string): Promise<string[]> {
  for (const folder of folders) await mkdir(join(root, folder), { recursive: true });
  for (const name of merged) await symlink(`usr/${name}`, join(root, name));
  const texts: Readonly<Record<string, string>> = {
    '/etc/passwd': 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n',
    '/etc/group': 'root:x:0:\ntty:x:5:\nmail:x:8:\nnogroup:x:65534:\n',
    // Debian's rpm would keep its database in HOME, where a build with another HOME sees none.
    '/etc/rpm/macros.mini': '%_dbpath /var/lib/rpm\n%dist .mini1\n%debug_package %{nil}\n',
  };
  for (const [path, text] of Object.entries(texts)) await writeFile(join(root, path), text);
  return [
    ...folders.map((folder) => `${/tmp$/.test(folder) ? '%attr(1777,root,root) ' : ''}%dir /${folder}`),
    ...merged.map((name) => `/${name}`),
    ...Object.keys(texts).map((path) => `%config(noreplace) ${path}`),
  ];
}
