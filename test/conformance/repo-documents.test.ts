/**
 * comps, updateinfo and modules of the corpus, beside what libcomps and createrepo_c read.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  type Advisory,
  type Comps,
  formatComps,
  formatModules,
  formatUpdateinfo,
  type ModuleDocument,
  mergeModules,
  moduleStreams,
  parseComps,
  parseModules,
  parseUpdateinfo,
  RepoError,
} from '@distrokit/repo';
import { decompressBytes, detectCompression } from '@distrokit/rpm';
import { expect, test } from 'vitest';
import { corpusBytes, corpusFiles, corpusPath, corpusPresent } from './corpus.js';

/** Files that we refuse and the reference does not, with our reason; the reference's own refusals need no entry. */
const refusedByUs: Readonly<Record<string, string>> = {
  // A package without a name.
  'updateinfo/createrepo_c/updateinfo_02.xml.xz': 'REPO_BAD_VALUE',
  // A date that is none: createrepo_c carries dates as text.
  'updateinfo/createrepo_c/updateinfo_03.xml': 'REPO_BAD_VALUE',
};

/** libcomps 0.1.18 crashes when asked for the texts of these: they are only read and written by us. */
const crashesReference: ReadonlySet<string> = new Set([
  'comps/pubtools-pulplib/sample-comps.xml',
  'comps/pubtools-pulplib/sparse-comps.xml',
]);

async function open(path: string): Promise<Uint8Array> {
  const bytes = corpusBytes(path);
  return decompressBytes(bytes, detectCompression(bytes), { maxBytes: 2 ** 30 });
}

async function outcome<Value>(read: () => Value | Promise<Value>): Promise<Value | string> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof RepoError) return error.code;
    throw error;
  }
}

if (!corpusPresent) {
  test('the corpus is absent: comps, updateinfo and modules are not compared with what the references read', () => {
    expect(corpusFiles('comps')).toEqual([]);
  });
} else {
  const comps = corpusFiles('comps')
    .map((file) => file.path)
    .filter((path) => path.endsWith('.xml'));
  const updates = corpusFiles('updateinfo')
    .map((file) => file.path)
    .filter(
      (path) => /updateinfo[^/]*\.xml(\.xz|\.gz)?$/.test(path) && !/invalid|corrupt|with_updateinfo|repomd/.test(path),
    );
  const script = fileURLToPath(new URL('./read-documents.py', import.meta.url));
  const named = [
    ...comps.filter((path) => !crashesReference.has(path)).map((path) => `comps:${corpusPath(path)}`),
    ...updates.map((path) => `updateinfo:${corpusPath(path)}`),
  ];
  const answers = execFileSync('/usr/bin/python3', [script, ...named], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const asked = [...comps.filter((path) => !crashesReference.has(path)), ...updates];
  const reference = new Map<string, unknown>();
  // createrepo_c 0.17 gives `&#38;` for an ampersand that an attribute holds: its parser leaves that one undecoded.
  for (const [index, line] of answers.trim().split('\n').entries()) {
    reference.set(asked[index] as string, JSON.parse(line.replaceAll('&#38;', '&')));
  }

  test.each(comps)('%s is read as libcomps reads it, and written without loss', async (path) => {
    const theirs = reference.get(path) ?? { refused: true };
    const ours = await outcome(async () => parseComps(await open(path)));
    if (typeof ours === 'string') {
      expect(refusedByUs[path] ?? (theirs as { refused?: boolean }).refused).toBe(
        refusedByUs[path] === undefined ? true : ours,
      );
      return;
    }
    if ((theirs as { refused?: boolean }).refused !== true) expect(describedComps(ours)).toEqual(theirs);
    expect(parseComps(new TextEncoder().encode(formatComps(ours)))).toEqual(ours);
  });

  test.each(updates)('%s is read as createrepo_c reads it, and written without loss', async (path) => {
    const theirs = reference.get(path);
    const ours = await outcome(async () => parseUpdateinfo(await open(path)));
    if (typeof ours === 'string') {
      expect(refusedByUs[path] ?? (theirs as { refused?: boolean }).refused).toBe(
        refusedByUs[path] === undefined ? true : ours,
      );
      return;
    }
    if (!isRefused(theirs)) expect(describedAdvisories(ours)).toEqual(theirs);
    expect(await parseUpdateinfo(new TextEncoder().encode(formatUpdateinfo(ours)))).toEqual(ours);
  });

  const modules = corpusFiles('modules')
    .map((file) => file.path)
    .filter((path) => /\.ya?ml(\.\w+)?$/.test(path) && !path.endsWith('.zck'));
  test('every modules file of the corpus is read and written without loss, or refused with a typed error', async () => {
    const refused: string[] = [];
    let streams = 0;
    for (const path of modules) {
      const ours = await outcome(async () => parseModules(await open(path)));
      if (typeof ours === 'string') {
        refused.push(path);
        continue;
      }
      const withoutOffsets = (documents: readonly ModuleDocument[]) =>
        documents.map(({ kind, version, data, text }) => ({ kind, version, data, text: text.trimEnd() }));
      expect(withoutOffsets(parseModules(new TextEncoder().encode(formatModules(ours))))).toEqual(withoutOffsets(ours));
      expect(mergeModules(ours, ours).length).toBeLessThanOrEqual(ours.length);
      streams += moduleStreams(ours).length;
    }
    expect(modules.length).toBeGreaterThan(40);
    expect(streams).toBeGreaterThan(50);
    expect(refused.sort()).toEqual(refusedModules);
  });
}

/** Broken YAML, or pieces of module documents and other formats that lie among them. */
const refusedModules: readonly string[] = [
  'modules/libmodulemd/broken_stream.yaml',
  'modules/libmodulemd/buildconfig/good_bc.yaml',
  'modules/libmodulemd/buildconfig/long_context.yaml',
  'modules/libmodulemd/buildconfig/no_context.yaml',
  'modules/libmodulemd/buildconfig/nonalphanum_context.yaml',
  'modules/libmodulemd/buildconfig/short_context.yaml',
  'modules/libmodulemd/buildconfig/unknown_key.yaml',
  'modules/libmodulemd/cm.yaml',
  'modules/libmodulemd/component-rpm/cr.yaml',
  'modules/libmodulemd/component-rpm/cr_buildafter.yaml',
  'modules/libmodulemd/d.yaml',
  'modules/libmodulemd/good_and_bad.yaml',
  'modules/libmodulemd/p.yaml',
  'modules/libmodulemd/rpm-map/missing-version.yaml',
  'modules/libmodulemd/rpm-map/valid.yaml',
  'modules/libmodulemd/rpm-map/wrong-nevra.yaml',
  'modules/libmodulemd/te.yaml',
  'modules/pushsource/errata/data/RHEA-2020_0346-no-cdn-list.yaml',
  'modules/pushsource/errata/data/RHEA-2020_0346-no-module-ftp-paths.yaml',
  'modules/pushsource/errata/data/RHEA-2020_0346.yaml',
];

function isRefused(answer: unknown): boolean {
  return (answer as { refused?: boolean }).refused === true;
}

function describedComps(comps: Comps): unknown {
  return {
    groups: comps.groups.map((g) => [
      g.id,
      g.name[''] ?? '',
      g.description[''] ?? '',
      g.packages.map((p) => [p.name, p.type]),
    ]),
    categories: comps.categories.map((c) => [c.id, c.name[''] ?? '', c.groupIds]),
    environments: comps.environments.map((e) => [e.id, e.name[''] ?? '', e.groupIds, e.options.map((o) => o.groupId)]),
  };
}

function describedAdvisories(advisories: readonly Advisory[]): unknown {
  return advisories.map((u) => [
    u.id,
    u.type,
    u.from ?? '',
    u.status ?? '',
    u.version ?? '',
    u.title ?? '',
    u.severity ?? '',
    u.summary ?? '',
    u.description ?? '',
    u.solution ?? '',
    u.rights ?? '',
    u.release ?? '',
    u.pushCount ?? '',
    u.references.map((r) => [r.href ?? '', r.id ?? '', r.type, r.title ?? '']),
    u.collections.map((c) => [
      c.shortName ?? '',
      c.name ?? '',
      c.packages.map((p) => [
        p.name,
        p.version,
        p.release,
        p.epoch === undefined ? '' : String(p.epoch),
        p.arch,
        p.sourceRpm ?? '',
        p.fileName ?? '',
        p.digest?.hex ?? '',
        p.rebootSuggested === true,
      ]),
    ]),
  ]);
}
