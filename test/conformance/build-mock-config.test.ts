import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  BuildError,
  buildPackage,
  buildSourcePackage,
  formatMockConfig,
  hashMockConfig,
  hostBuildroot,
  type MockConfig,
  type MockValue,
  mockConfigOf,
  mockDriver,
  parseMockConfig,
  rpmbuildDriver,
} from '@distrokit/build';
import { memorySource } from '@distrokit/rpm';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { scratchFolder, sourceFolder } from '../build/fixture.js';
import { corpusPath, corpusPresent } from './corpus.js';

let scratch: Awaited<ReturnType<typeof scratchFolder>>;
beforeAll(async () => {
  scratch = await scratchFolder();
});
afterAll(() => scratch.remove());

/** What Python makes of configurations: each is run with the names that mock gives it. */
function evaluate(texts: readonly string[]): unknown[] {
  const program = [
    'import json, sys',
    'class Options(dict):',
    '    def __missing__(self, key):',
    '        self[key] = Options()',
    '        return self[key]',
    '    def __iadd__(self, text):',
    '        return text',
    'result = []',
    'for text in json.load(sys.stdin):',
    '    options, includes = Options(), []',
    '    try:',
    '        exec(text, {"config_opts": options, "include": includes.append})',
    '        result.append({"includes": includes, "options": options})',
    '    except Exception as error:',
    '        result.append(str(error))',
    'json.dump(result, sys.stdout)',
  ].join('\n');
  return JSON.parse(
    execFileSync('python3', ['-c', program], { input: JSON.stringify(texts), maxBuffer: 2 ** 28 }).toString(),
  ) as unknown[];
}

/** Appended texts as Python holds them: added to nothing. */
const asPython = ({ includes, options, appended }: MockConfig): unknown => ({
  includes,
  options: { ...options, ...appended },
});

const value: fc.Arbitrary<MockValue> = fc.letrec<{ value: MockValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: fc.constantFrom('\\', "'", '"', '\n', '\t', '\0', '\x1f', '#', '{', 'x', '0') }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.stringMatching(/^[a-z%_]{1,6}$/), tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
})).value;

test('what is rendered means the same to Python and to the parser', () => {
  const config = fc.record({
    includes: fc.array(fc.string(), { maxLength: 2 }),
    options: fc.dictionary(fc.stringMatching(/^[a-z_.]{1,8}$/), value, { maxKeys: 5, noNullPrototype: true }),
  });
  // A dictionary without a key is rendered as nothing at all: there is nothing to set.
  const configs = fc.sample(config, { numRuns: 300, seed: 7 }).map(({ includes, options }) => ({
    includes,
    options: Object.fromEntries(Object.entries(options).filter(([, each]) => JSON.stringify(each) !== '{}')),
  }));
  const texts = configs.map(formatMockConfig);
  const evaluated = evaluate(texts);
  for (const [at, each] of configs.entries()) {
    expect(evaluated[at]).toEqual(JSON.parse(JSON.stringify(asPython(each))));
    expect(parseMockConfig(texts[at] as string)).toEqual(each);
  }
});

test('reads the forms that people write as Python does', () => {
  const text = `# comment
include('templates/a.tpl')
config_opts['root'] = "x-{{ target_arch }}"  # trailing
config_opts['legal_host_arches'] = ('x86_64',
    'i686',)
config_opts['one'] = ('grouped')
config_opts['releasever'] = '9'; config_opts['number'] = -5
config_opts['macros']['%x'] = r'raw\\d' ' and' " joined"
config_opts['macros'].update({'%y': 0o17, '%z': None})
config_opts['plugin_conf']['a']['b'] = True
config_opts['dnf.conf'] = """
[main]
path=\\x2fetc\\
/yum
"""
config_opts['dnf.conf'] += '''[repo]
name="q"
'''
config_opts['yum.conf'] += 'later'
`;
  expect(asPython(parseMockConfig(text))).toEqual(evaluate([text])[0]);
});

test.each([
  ['a condition', "config_opts['a'] = 1\nif True:\n    pass\n", 'line 2'],
  ['a call', "config_opts['a'] = open('/etc/passwd').read()\n", 'line 1'],
  ['a variable', "config_opts['a'] = name\n", 'line 1'],
  ['a string without end', "\n\nconfig_opts['a'] = 'x\n", 'line 3'],
  ['brackets without end', `config_opts['a'] = ${'['.repeat(2_000)}`, 'line 1'],
  ['an import', 'import os\n', 'line 1'],
])('refuses %s, with its line, and runs nothing', (_what, text, where) => {
  try {
    parseMockConfig(text);
  } catch (cause) {
    if (!(cause instanceof BuildError)) throw cause;
    expect(cause.fault).toMatchObject({ code: 'BUILD_BAD_DOCUMENT', where });
    return;
  }
  throw new Error('nothing was thrown');
});

test('the order in which a configuration is written down does not change its hash; a value does', () => {
  const one = parseMockConfig("config_opts['a'] = 1\nconfig_opts['macros'] = {'%x': '1', '%y': '2'}\n");
  const two = parseMockConfig(
    "config_opts['macros']['%y'] = '2'\nconfig_opts['macros']['%x'] = '1'\nconfig_opts['a'] = 1\n",
  );
  expect(hashMockConfig(two)).toBe(hashMockConfig(one));
  expect(hashMockConfig({ ...one, options: { ...one.options, a: 2 } })).not.toBe(hashMockConfig(one));
});

const buildroot = {
  root: {
    kind: 'repositories' as const,
    repositories: [
      { id: 'base', location: 'https://repo.example.org/base/', trust: { keyFiles: ['/etc/pki/key.asc'] } },
    ],
    packages: ['@buildsys-build'],
    releasever: '10',
  },
  macros: { dist: '.el10' },
};

test('a buildroot becomes a configuration without network, bootstrap or outside caches', () => {
  const [options] = evaluate([formatMockConfig(mockConfigOf(buildroot, 'x86_64', new Date(1_700_000_000_000)))]) as [
    { options: Record<string, unknown> },
  ];
  expect(options.options).toMatchObject({
    target_arch: 'x86_64',
    chroot_setup_cmd: 'install @buildsys-build',
    rpmbuild_networking: false,
    use_host_resolv: false,
    use_bootstrap: false,
    macros: { '%dist': '.el10', '%_buildhost': 'build.invalid', '%clamp_mtime_to_source_date_epoch': '1' },
    environment: { SOURCE_DATE_EPOCH: '1700000000' },
  });
  expect(options.options['dnf.conf']).toContain(
    '[base]\nname=base\nbaseurl=https://repo.example.org/base/\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file:///etc/pki/key.asc\n',
  );
});

test('where mock is missing the probe says which package has it', async () => {
  const probing = mockDriver({ workFolder: scratch.path }).probe();
  await expect(probing).rejects.toMatchObject({
    code: 'BUILD_TOOL_MISSING',
    fault: { tool: 'mock', install: { fedora: 'mock' } },
  });
});

/**
 * Stands in for mock, which Debian does not have: takes the words that mock takes, leaves what mock leaves (packages, the SRPM
 * again, root.log, build.log, buildroot_lock.json), with the statuses that mock has.
 */
async function recordedMock(folder: string, built: string, status: number): Promise<string> {
  await mkdir(folder, { recursive: true });
  const program = join(folder, 'mock');
  const lock = { version: '1.1.0', buildroot: { rpms: [] }, config: { target_arch: 'x86_64' } };
  const script = [
    '#!/bin/sh',
    'if [ "$1" = --version ]; then echo 6.7; exit 0; fi',
    'while [ $# -gt 0 ]; do case $1 in --root) config=$2; shift;; --resultdir) results=$2; shift;; --rebuild) srpm=$2; shift;; esac; shift; done',
    `python3 -c 'import sys; o = type("O", (dict,), {"__missing__": lambda s, k: s.setdefault(k, {})})(); exec(open(sys.argv[1]).read(), {"config_opts": o}); assert o["rpmbuild_networking"] is False' "$config" || exit 4`,
    'echo "INFO: mock.py version 6.7 starting (python version = 3.11)"',
    'echo "Start(bootstrap): init" > "$results/root.log"',
    ...(status === 0
      ? [
          `cp ${built} "$results/"`,
          'cp "$srpm" "$results/hello-1.0-1.src.rpm"',
          `echo '${JSON.stringify(lock)}' > "$results/buildroot_lock.json"`,
          'echo "Finish: rpmbuild hello" > "$results/build.log"',
        ]
      : [
          'echo "error: Bad exit status from /var/tmp/rpm-tmp.x (%build)" > "$results/build.log"',
          'echo "ERROR: Command failed"',
        ]),
    `exit ${status}`,
  ];
  await writeFile(program, `${script.join('\n')}\n`);
  await chmod(program, 0o755);
  return program;
}

test('hands a build to mock, takes the packages and not the SRPM, reads the failure from its logs', async () => {
  const host = rpmbuildDriver({ workFolder: join(scratch.path, 'host') });
  const { srpm } = await buildSourcePackage(await sourceFolder(scratch.path, 'source'), hostBuildroot, host);
  const bytes = new Uint8Array(await readFile(srpm.path));
  const real = (await buildPackage(memorySource(bytes), hostBuildroot, host)).packages[0]?.path ?? '';
  const good = mockDriver({
    workFolder: join(scratch.path, 'work'),
    program: await recordedMock(join(scratch.path, 'good'), real, 0),
  });
  const result = await buildPackage(memorySource(bytes), buildroot, good);
  expect(result.packages.map((pkg) => basename(pkg.path))).toEqual([basename(real)]);
  expect(result).toMatchObject({ rootPackages: [], driver: { tools: ['mock 6.7'] } });
  const bad = mockDriver({
    workFolder: join(scratch.path, 'work'),
    program: await recordedMock(join(scratch.path, 'bad'), real, 10),
  });
  await expect(buildPackage(memorySource(bytes), buildroot, bad)).rejects.toMatchObject({
    fault: { code: 'BUILD_FAILED', exitStatus: 10, failureClass: 'build-failed' },
  });
});

if (corpusPresent) {
  test('reads real configurations as Python does, or refuses them for what only running would tell', async () => {
    const folder = corpusPath('buildconf/mock');
    const names = (await readdir(folder, { recursive: true })).filter((name) => /\.(?:cfg|tpl)$/.test(name)).sort();
    const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
    const koji = corpusPath('buildconf/koji-mock');
    for (const name of (await readdir(koji)).filter((each) => each.endsWith('.out')))
      texts.push(await readFile(join(koji, name), 'utf8'));
    const evaluated = evaluate(texts);
    let read = 0;
    for (const [at, text] of texts.entries()) {
      let config: MockConfig;
      try {
        config = parseMockConfig(text);
      } catch (cause) {
        if (!(cause instanceof BuildError)) throw cause;
        expect(text).toMatch(
          /^\s*(?:if|for|import|from|def|try|config_opts\.|[a-z_]+ *=)|\bconfig_opts\[[^\]]*\] *=[^=].*(?:config_opts|%|\+|\()/m,
        );
        continue;
      }
      read += 1;
      expect([names[at], asPython(config)]).toEqual([names[at], evaluated[at]]);
      expect(parseMockConfig(formatMockConfig(config))).toEqual(config);
    }
    expect(texts.length).toBeGreaterThan(100);
    expect(read / texts.length).toBeGreaterThan(0.9);
  });
} else {
  test('the corpus of real mock configurations is absent: nothing was compared with it', () => {
    expect(corpusPresent).toBe(false);
  });
}
