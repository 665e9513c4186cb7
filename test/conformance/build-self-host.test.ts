/**
 * A distribution that makes itself: sources that need each other (one of them needs itself, one generates its BuildRequires, one needs a
 * file that nobody announced) are built in roots made by dnf, in the order of a plan that is made again as packages
 * appear; then everything twice more, in roots of what was built before. Nothing may change any more.
 */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import {
  type BuildNode,
  type BuildResult,
  type Buildroot,
  buildPackage,
  buildSourcePackage,
  chrootDriver,
  compareBuilds,
  expandRoot,
  expandSpec,
  generateBuildRequires,
  hostBuildroot,
  planBootstrap,
  planBuild,
  rpmbuildDriver,
  type SpecExpansion,
  sourceNode,
  withBuilt,
  withGenerated,
} from '@distrokit/build';
import type { PackageRecord } from '@distrokit/repo';
import { createRepository, openRepositoryAt } from '@distrokit/repo/node';
import { memorySource } from '@distrokit/rpm';
import { openPackage } from '@distrokit/rpm/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { scratchFolder } from '../build/fixture.js';
import { type MiniDistribution, makeMiniDistribution } from '../build/mini-distribution.js';

const run = promisify(execFile);
let scratch: Awaited<ReturnType<typeof scratchFolder>>;
let mini: MiniDistribution;
let records: PackageRecord[];
beforeAll(async () => {
  scratch = await scratchFolder();
  mini = await makeMiniDistribution(join(scratch.path, 'mini'));
  records = await packagesOf(mini.repository);
}, 240_000);
afterAll(() => scratch.remove());

/** Specs and their files, by name. */
const sources: Readonly<
  Record<string, { readonly spec: readonly string[]; readonly files: Readonly<Record<string, string>> }>
> = {
  // Macros that the other specs are written with.
  'mini-macros': {
    spec: [
      ...['BuildArch: noarch', '%description', 'Macros of this distribution.', '%install'],
      ...['install -D -m 644 %{SOURCE0} %{buildroot}/usr/lib/rpm/macros.d/macros.mini-build', '%files'],
      '/usr/lib/rpm/macros.d/macros.mini-build',
    ],
    files: {
      'macros.mini-build': '%mini_cc gcc -O2 -g\n%mini_program() install -D -m 755 %1 %{buildroot}/usr/bin/%1\n',
    },
  },
  // Turns lines into a C table; its own usage text is such a table, so that it is needed to build it.
  stamp: {
    spec: [
      ...[
        '%bcond_with bootstrap',
        'BuildRequires: gcc, mini-macros',
        '%if %{without bootstrap}',
        'BuildRequires: stamp',
      ],
      ...['%endif', '%description', 'A generator.', '%build', '%if %{with bootstrap}'],
      `echo 'const char *table[] = { "bootstrap", 0 };' > usage.c`,
      ...['%else', 'stamp < %{SOURCE1} > usage.c', '%endif', '%mini_cc -o stamp %{SOURCE0} usage.c'],
      ...['%install', '%mini_program stamp', '%check', 'echo one | ./stamp | grep -q one', '%files', '/usr/bin/stamp'],
    ],
    files: {
      'stamp.c':
        '#include <stdio.h>\n#include <string.h>\nextern const char *table[];\nint main(int argc, char **argv) {\n' +
        '  char line[256];\n  if (argc > 1) { for (int i = 0; table[i]; i++) puts(table[i]); return 0; }\n' +
        '  printf("const char *table[] = {");\n  while (fgets(line, sizeof line, stdin)) { line[strcspn(line, "\\n")] = 0; printf(" \\"%s\\",", line); }\n' +
        '  printf(" 0 };\\n");\n  return 0;\n}\n',
      'usage.txt': 'stamp: lines in, a table out\nno options\n',
    },
  },
  libtable: {
    spec: [
      ...['BuildRequires: gcc, mini-macros, stamp', '%description', 'Words.', '%package devel', 'Summary: Headers'],
      ...[
        'Requires: %{name} = %{version}-%{release}',
        'Provides: pkgconfig(table) = %{version}',
        '%description devel',
        'Headers.',
      ],
      ...['%build', 'stamp < %{SOURCE0} > words.c'],
      '%mini_cc -shared -fPIC -Wl,-soname,libtable.so.1 -o libtable.so.1 words.c %{SOURCE1}',
      ...['%install', 'install -D libtable.so.1 %{buildroot}/usr/lib64/libtable.so.1'],
      ...[
        'ln -s libtable.so.1 %{buildroot}/usr/lib64/libtable.so',
        'install -D -m 644 %{SOURCE2} %{buildroot}/usr/include/table.h',
      ],
      ...['%files', '/usr/lib64/libtable.so.1', '%files devel', '/usr/lib64/libtable.so', '/usr/include/table.h'],
    ],
    files: {
      'words.txt': 'greetings\nfarewell\n',
      'table.c': 'extern const char *table[];\nconst char *table_at(int at) { return table[at]; }\n',
      'table.h': 'const char *table_at(int at);\n',
    },
  },
  // What it needs it finds out while it is built.
  tabletool: {
    spec: [
      ...['BuildRequires: gcc, mini-macros', '%description', 'A program.', '%generate_buildrequires'],
      ...['sed -n "s/^needs //p" %{SOURCE1}', '%build'],
      '%mini_cc -o tabletool %{SOURCE0} -L/usr/lib64 -ltable -Wl,-rpath,/usr/lib64',
      ...[
        '%install',
        '%mini_program tabletool',
        '%check',
        './tabletool 1 | grep -qx farewell',
        '%files',
        '/usr/bin/tabletool',
      ],
    ],
    files: {
      'tabletool.c':
        '#include <stdio.h>\n#include <stdlib.h>\n#include <table.h>\nint main(int argc, char **argv) { puts(table_at(argc > 1 ? atoi(argv[1]) : 0)); return 0; }\n',
      needs: 'needs pkgconfig(table) >= 1\n',
    },
  },
  // A file that no spec announces, and a condition.
  tabledocs: {
    spec: [
      ...['BuildArch: noarch', 'BuildRequires: /usr/bin/tabletool, (mini-macros if stamp)', '%description', 'Texts.'],
      ...['%build', '(tabletool 0; tabletool 1) > words.txt', '%install'],
      ...[
        'install -D -m 644 words.txt %{buildroot}/usr/share/doc/table/words.txt',
        '%files',
        '/usr/share/doc/table/words.txt',
      ],
    ],
    files: { README: 'Words of the table.\n' },
  },
};
const names = Object.keys(sources).sort();

async function packagesOf(folder: string): Promise<PackageRecord[]> {
  const repository = await openRepositoryAt(folder, { verifyRepomd: 'unsigned' });
  const found: PackageRecord[] = [];
  for await (const record of repository.packages({ files: true })) found.push(record);
  return found;
}

async function publish(folder: string, results: readonly BuildResult[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const { packages } of results)
    for (const { path } of packages) await copyFile(path, join(folder, basename(path)));
  await createRepository(folder, { revision: '1', timestamp: new Date(0), compression: 'gz' });
}

const rootOf = (own: string): Buildroot => ({
  root: {
    kind: 'repositories',
    repositories: [
      { id: 'own', location: own, trust: 'unsigned' },
      { id: 'mini', location: mini.repository, trust: 'unsigned' },
    ],
    packages: mini.buildPackages,
    releasever: '1',
  },
});

const withDist: Buildroot = { ...hostBuildroot, macros: { dist: '.mini1' } };
const bootstrapping: Buildroot = { ...hostBuildroot, macros: { dist: '.mini1', _with_bootstrap: '1' } };

async function writeSource(name: string): Promise<string> {
  const folder = join(scratch.path, 'sources', name);
  await mkdir(folder, { recursive: true });
  const { spec, files } = sources[name] as (typeof sources)[string];
  const head = [`Name: ${name}`, 'Version: 1', 'Release: 1%{?dist}', `Summary: ${name}`, 'License: MIT'];
  const listed = Object.keys(files).map((file, at) => `Source${at}: ${file}`);
  const changelog = ['%changelog', '* Wed Nov 01 2023 A Packager <p@example.org> - 1-1', '- First', ''];
  await writeFile(join(folder, `${name}.spec`), [...head, ...listed, ...spec, ...changelog].join('\n'));
  for (const [file, content] of Object.entries(files)) await writeFile(join(folder, file), content);
  return folder;
}

/** Whether dnf can install everything that a source wants. */
async function dnfSolves(srpm: string, own: string): Promise<boolean> {
  const home = join(scratch.path, 'dnf');
  await mkdir(home, { recursive: true });
  const { stdout, stderr } = await run(
    'dnf',
    [
      ...['--assumeno', `--installroot=${home}/root`, '--releasever=1', '--setopt=reposdir=/dev/null', '--nogpgcheck'],
      ...[
        `--setopt=cachedir=${home}/cache`,
        '--setopt=metadata_expire=0',
        '--disableplugin=*',
        '--enableplugin=builddep',
      ],
      ...[`--repofrompath=mini,${mini.repository}`, `--repofrompath=own,${own}`, 'builddep', '--srpm', srpm],
    ],
    { env: { ...process.env, HOME: home, LC_ALL: 'C.UTF-8' }, maxBuffer: 2 ** 26 },
  ).catch((cause: { readonly stdout: string; readonly stderr: string }) => cause);
  const solved = /Operation aborted|Nothing to do/.test(`${stdout}${stderr}`);
  const refused = /nothing provides|No matching package|Unable to find a match|Not all dependencies satisfied/.test(
    stderr,
  );
  if (solved === refused) throw new Error(`dnf said neither yes nor no:\n${stdout}${stderr}`);
  return solved;
}

test('a distribution with a cycle, generated BuildRequires and unannounced files builds itself, and again to the same bytes', async () => {
  const host = rpmbuildDriver({ workFolder: join(scratch.path, 'host') });
  const chroot = chrootDriver({ workFolder: join(scratch.path, 'roots') });
  const expansions = new Map<string, SpecExpansion>();
  const srpms = new Map<string, string>();
  for (const name of names) {
    const folder = await writeSource(name);
    expansions.set(name, await expandSpec(folder, withDist, host));
    srpms.set(name, (await buildSourcePackage(folder, withDist, host)).srpm.path);
  }
  const bootstrapSrpm = (await buildSourcePackage(join(scratch.path, 'sources', 'stamp'), bootstrapping, host)).srpm
    .path;
  const provided = new Set(records.flatMap((record) => [record.name, ...record.provides.map((each) => each.name)]));
  const has = (dependency: string): boolean => provided.has(dependency.split(' ')[0] ?? '');
  const build = async (
    path: string,
    own: string,
    macros: Readonly<Record<string, string>> = {},
  ): Promise<BuildResult> => buildPackage(memorySource(await readFile(path)), { ...rootOf(own), macros }, chroot);

  // First pass: what the seed lends, and nothing else.
  const first = join(scratch.path, 'first');
  await publish(first, []);
  const firstResults = new Map<string, BuildResult>();
  let nodes: BuildNode[] = names.map((name) => sourceNode(expansions.get(name) as SpecExpansion));
  const built = new Set<string>();
  const order: string[][] = [];
  for (;;) {
    const plan = planBuild(nodes, has, { built, unresolved: 'defer', cycles: 'break' });
    const [wave] = plan.waves;
    if (wave === undefined) {
      expect(plan.deferred).toEqual([]);
      break;
    }
    let waits = false;
    for (const name of wave) {
      if (expansions.get(name)?.generatesBuildRequires !== true) continue;
      const srpm = memorySource(await readFile(srpms.get(name) as string));
      // Its written BuildRequires are there, or it would not stand in this wave.
      const generated = await generateBuildRequires(srpm, rootOf(first), chroot);
      nodes = nodes.map((node) => (node.name === name ? withGenerated(node, generated) : node));
      if (!generated.complete) waits = true;
    }
    if (waits) continue;
    const without = new Set(plan.bootstrap.map((each) => each.node));
    const chosen = (name: string): string => (without.has(name) ? bootstrapSrpm : (srpms.get(name) as string));
    // dnf is the judge of the order: it can install what this wave wants, and not what any later source does.
    for (const name of names.filter(
      (each) => !built.has(each) && expansions.get(each)?.generatesBuildRequires !== true,
    ))
      expect([order.length, name, await dnfSolves(chosen(name), first)]).toEqual([
        order.length,
        name,
        wave.includes(name),
      ]);
    const results = await Promise.all(
      wave.map((name) => build(chosen(name), first, without.has(name) ? { _with_bootstrap: '1' } : {})),
    );
    await publish(first, results);
    for (const [at, name] of wave.entries()) {
      const result = results[at] as BuildResult;
      firstResults.set(name, result);
      built.add(name);
      const made = await Promise.all(result.packages.map(({ path }) => openPackage(path)));
      nodes = nodes.map((node) => (node.name === name ? withBuilt(node, made) : node));
      for (const pkg of made) await pkg[Symbol.asyncDispose]();
    }
    order.push([...wave]);
  }
  expect(order).toEqual([['mini-macros'], ['stamp'], ['libtable'], ['tabletool'], ['tabledocs']]);

  // Our own expansion of what a build wants is the root that dnf made for it.
  const docs = firstResults.get('tabledocs');
  const all = [...records, ...(await packagesOf(first))];
  const wants = nodes.find((node) => node.name === 'tabledocs')?.buildRequires ?? [];
  const expansion = expandRoot(all, [...mini.buildPackages, ...wants]);
  if (!expansion.ok) throw new Error(JSON.stringify(expansion.problems));
  expect(expansion.packages.map((each) => each.name)).toEqual(docs?.rootPackages?.map((each) => each.name));

  // Second and third pass, as planned: roots of what the pass before has made.
  const bootstrap = planBootstrap(nodes, has);
  expect(bootstrap.passes.map((pass) => pass.name)).toEqual(['seed', 'own', 'proof']);
  const passes = [firstResults];
  let own = first;
  for (const pass of bootstrap.passes.slice(1)) {
    const results = new Map<string, BuildResult>();
    for (const wave of pass.waves) {
      for (let at = 0; at < wave.length; at += 2) {
        const pair = wave.slice(at, at + 2);
        const ended = await Promise.all(pair.map((name) => build(srpms.get(name) as string, own)));
        for (const [place, name] of pair.entries()) results.set(name, ended[place] as BuildResult);
      }
    }
    own = join(scratch.path, pass.name);
    await publish(own, [...results.values()]);
    passes.push(results);
  }
  const packagesAt = (pass: number) => names.flatMap((name) => passes[pass]?.get(name)?.packages ?? []);
  expect(await compareBuilds(packagesAt(1), packagesAt(2))).toEqual({ ok: true, differences: [] });
  expect(packagesAt(2)).toHaveLength(6);
  // The generator was built without itself at first: that shows, by tag and by file, and nowhere else.
  const { ok, differences } = await compareBuilds(packagesAt(0), packagesAt(1));
  expect(ok).toBe(false);
  expect(differences.map((each) => [each.package, each.files.filter((file) => file.what.includes('content'))])).toEqual(
    [['stamp-1-1.mini1.x86_64.rpm', [{ path: '/usr/bin/stamp', what: expect.arrayContaining(['content']) }]]],
  );

  // What came out works: dnf installs it, and the program speaks.
  const target = join(scratch.path, 'installed');
  await run(
    'dnf',
    [
      ...['-y', '-q', '--disableplugin=*', `--installroot=${target}`, '--releasever=1', '--setopt=reposdir=/dev/null'],
      ...['--setopt=install_weak_deps=0', '--nogpgcheck', `--setopt=cachedir=${scratch.path}/dnf-cache`],
      ...[
        `--repofrompath=mini,${mini.repository}`,
        `--repofrompath=own,${own}`,
        'install',
        'tabletool',
        'tabledocs',
        'bash',
      ],
    ],
    { maxBuffer: 2 ** 26 },
  );
  expect((await run('chroot', [target, '/usr/bin/tabletool', '1'])).stdout).toBe('farewell\n');
  expect(await readFile(join(target, 'usr/share/doc/table/words.txt'), 'utf8')).toBe('greetings\nfarewell\n');
}, 600_000);
