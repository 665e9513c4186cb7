/** The views over a header against librpm 4.18, for every package of the corpus that it reads. */
import {
  changelog,
  dependencies,
  fileList,
  hardlinkSets,
  type PackageFile,
  type RpmPackage,
  readPackage,
  relationOf,
  type ScriptletKind,
  scriptlets,
  type Trigger,
  type TriggerFamily,
  triggers,
} from '@distrokit/rpm';
import { expect, test } from 'vitest';
import {
  corpusBytes,
  corpusPresent,
  corpusRpms,
  hasPackageOracle,
  type OracleDependency,
  type OracleString,
  packageOracle,
} from './corpus.js';
import { recordConformance } from './recording.js';

interface Oracle {
  readonly deps: Readonly<Record<string, readonly OracleDependency[]>>;
  readonly files?: readonly (readonly unknown[])[];
  readonly filesColumns?: readonly string[];
  readonly changelogs?: readonly (readonly [number, OracleString, OracleString])[];
  readonly scriptlets?: Readonly<Record<string, { readonly body?: OracleString; readonly prog?: readonly string[] }>>;
  readonly triggers?: OracleTriggers;
  readonly filetriggers?: OracleTriggers;
  readonly transfiletriggers?: OracleTriggers;
}
interface OracleTriggers {
  readonly scripts: readonly OracleString[];
  readonly prog: readonly string[];
  readonly name: readonly string[];
  readonly flags: readonly number[];
  readonly version: readonly string[];
  readonly index: readonly number[];
}

/** Packages of the oldest format that state the provide of themselves: rpm 4.18 adds it a second time all the same. */
const doubledByRpm: ReadonlySet<string> = new Set([
  'rpms/rpm5/simplestRPMv3-1.0-2.aix5.3.noarch.rpm',
  'rpms/rpm/RPMS/hello-1.0-1.x86_64.rpm-v3',
]);

/** A string of the oracle as this library reads it: bytes that are not UTF-8 are Latin-1. */
function text(value: OracleString): string {
  return typeof value === 'string' ? value : Buffer.from(value.$hex, 'hex').toString('latin1');
}

const dependencyKinds = [
  'provides',
  'requires',
  'conflicts',
  'obsoletes',
  'recommends',
  'suggests',
  'supplements',
  'enhances',
  'order',
] as const;

const scriptletNames: Readonly<Record<string, ScriptletKind>> = {
  prein: 'pre',
  postin: 'post',
  preun: 'preun',
  postun: 'postun',
  pretrans: 'pretrans',
  posttrans: 'posttrans',
  preuntrans: 'preuntrans',
  postuntrans: 'postuntrans',
  verify: 'verify',
};

const fileColumns: Readonly<Record<string, (file: PackageFile, links: ReadonlyMap<number, number>) => unknown>> = {
  name: (file) => file.path,
  mode: (file) => file.mode,
  size: (file) => file.sizeBytes,
  mtime: (file) => file.modifiedAt.getTime() / 1000,
  digest: (file) => file.digest?.hex ?? '',
  flags: (file) => file.flags,
  user: (file) => file.user,
  group: (file) => file.group,
  linkto: (file) => file.linkTarget,
  inode: (file) => file.inode,
  color: (file) => file.color,
  lang: (file) => file.language,
  nlink: (file, links) => links.get(file.index) ?? 1,
  verifyflags: (file) => file.verify,
  rdev: (file) => file.deviceNumber,
  caps: (file) => file.capabilities,
};

async function eachPackage(look: (pkg: RpmPackage, oracle: Oracle, path: string) => void): Promise<number> {
  let count = 0;
  for (const path of corpusRpms('')) {
    if (!hasPackageOracle(path)) continue;
    look(await readPackage(corpusBytes(path)), packageOracle<Oracle>(path), path);
    count++;
  }
  return count;
}

if (corpusPresent) {
  test('sees the dependencies that librpm sees, in its order', async () => {
    const seen = new Set<string>();
    let doubled = 0;
    const count = await eachPackage((pkg, oracle, path) => {
      for (const kind of dependencyKinds) {
        const ours = dependencies(pkg.header, kind).map((d) => [d.name, relationOf(d.flags), d.evr, d.flags]);
        const theirs = (oracle.deps[kind] ?? []).map(([name, ...rest]) => [text(name), ...rest]);
        if (kind === 'provides' && doubledByRpm.has(path)) {
          theirs.pop();
          doubled += 1;
        }
        expect(ours, `${path}: ${kind}`).toEqual(theirs);
        if (ours.length > 0) seen.add(kind);
      }
      const unknown = Object.keys(oracle.deps).filter((kind) => !(dependencyKinds as readonly string[]).includes(kind));
      expect(unknown).toEqual([]);
    });
    expect(count).toBeGreaterThan(500);
    recordConformance({
      what: 'packages whose dependencies are seen alike',
      judge: 'librpm 4.18.0',
      cases: count,
      differences: doubled,
    });
    expect([...seen].sort()).toEqual([...dependencyKinds].sort());
  });

  test('sees the files that librpm sees, with every attribute', async () => {
    let files = 0;
    await eachPackage((pkg, oracle, path) => {
      const ours = fileList(pkg.header);
      const links = new Map(hardlinkSets(ours).flatMap((set) => set.map((file) => [file.index, set.length] as const)));
      const columns = oracle.filesColumns ?? [];
      const rows = ours.map((file) => columns.map((column) => fileColumns[column]?.(file, links)));
      const wanted = (oracle.files ?? []).map((row) =>
        row.map((value) => (typeof value === 'object' ? text(value as OracleString) : value)),
      );
      expect(rows, path).toEqual(wanted);
      files += rows.length;
    });
    expect(files).toBeGreaterThan(20_000);
    recordConformance({
      what: 'files with all their attributes',
      judge: 'librpm 4.18.0',
      cases: files,
      differences: 0,
    });
  });

  test('sees the changelogs that librpm sees', async () => {
    let entries = 0;
    await eachPackage((pkg, oracle, path) => {
      const ours = changelog(pkg.header).map((entry) => [entry.at.getTime() / 1000, entry.author, entry.text]);
      expect(ours, path).toEqual((oracle.changelogs ?? []).map(([at, author, body]) => [at, text(author), text(body)]));
      entries += ours.length;
    });
    expect(entries).toBeGreaterThan(1000);
  });

  test('sees the scriptlets that librpm sees', async () => {
    let seen = 0;
    await eachPackage((pkg, oracle, path) => {
      const ours = scriptlets(pkg.header).map(({ kind, interpreter, body }) => ({ kind, interpreter, body }));
      const wanted = Object.entries(oracle.scriptlets ?? {}).map(([name, { body, prog }]) => ({
        kind: scriptletNames[name],
        interpreter: prog ?? ['/bin/sh'],
        body: body === undefined ? undefined : text(body),
      }));
      const byKind = (a: { kind?: string | undefined }, b: { kind?: string | undefined }): number =>
        String(a.kind).localeCompare(String(b.kind));
      expect([...ours].sort(byKind), path).toEqual(wanted.sort(byKind));
      seen += ours.length;
    });
    expect(seen).toBeGreaterThan(80);
  });

  test('sees the triggers of all three families that librpm sees', async () => {
    const seen = { package: 0, file: 0, 'transaction file': 0 };
    await eachPackage((pkg, oracle, path) => {
      const families: [TriggerFamily, OracleTriggers | undefined][] = [
        ['package', oracle.triggers],
        ['file', oracle.filetriggers],
        ['transaction file', oracle.transfiletriggers],
      ];
      const all = triggers(pkg.header);
      for (const [family, wanted] of families) {
        const ours: Trigger[] = all.filter((trigger) => trigger.family === family);
        expect(
          ours.map(({ body }) => body),
          path,
        ).toEqual((wanted?.scripts ?? []).map(text));
        expect(
          ours.map(({ interpreter }) => interpreter[0]),
          path,
        ).toEqual(wanted?.prog ?? []);
        const conditions = ours.flatMap((trigger, i) => trigger.conditions.map((d) => [i, d.name, d.flags, d.evr]));
        const rows = (wanted?.name ?? []).map((name, i) => [
          wanted?.index[i],
          name,
          wanted?.flags[i],
          wanted?.version[i],
        ]);
        expect(conditions, path).toEqual(rows.sort((a, b) => Number(a[0]) - Number(b[0])));
        seen[family] += ours.length;
      }
    });
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(2);
  });
} else {
  test('cannot compare views with the corpus: it is not beside this repository', () => {
    expect(corpusPresent).toBe(false);
  });
}
