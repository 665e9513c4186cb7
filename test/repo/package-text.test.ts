import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import {
  createRepository,
  memoryStore,
  openRepository,
  openRepositoryAt,
  type PackageRecord,
  packagePaths,
  RepoError,
  recordFromFile,
  writeRepository,
} from '@distrokit/repo/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildPackages, plainSpec, type TemporaryFolder, temporaryFolder } from './fixture-packages.js';

const options = { revision: '1', timestamp: new Date(0), compression: 'none', checksum: 'sha256' } as const;

let packages: TemporaryFolder;
let record: PackageRecord;
beforeAll(async () => {
  packages = temporaryFolder();
  buildPackages(packages.path, [
    plainSpec('alpha', '1.0'),
    plainSpec('escape', '1').replace('%description\nescape.', "%description\nred %(printf '\\033')[31m text"),
  ]);
  record = await recordFromFile(join(packages.path, 'alpha-1.0-1.noarch.rpm'), 'alpha.rpm', { checksum: 'sha256' });
});
afterAll(() => packages.remove());

/** Every code unit that XML 1.0 cannot carry, and what looks like it but can. */
const forbidden = [
  ...Array.from({ length: 32 }, (_, code) => code).filter((code) => ![9, 10, 13].includes(code)),
  0xd800,
  0xdfff,
  0xfffe,
  0xffff,
];

/** Reads XML from standard input with expat, and fails where it is not well-formed. */
const expat = 'import sys, xml.parsers.expat as e; e.ParserCreate().Parse(sys.stdin.buffer.read(), True)';

const freeTexts = ['summary', 'description', 'packager', 'url', 'license', 'vendor', 'group', 'buildHost'] as const;
const machineTexts = ['name', 'version', 'release', 'arch', 'location', 'sourceRpm'] as const;

async function written(changed: PackageRecord, textPolicy: 'refuse' | 'replace'): Promise<string> {
  const store = memoryStore();
  await writeRepository([changed], store, { ...options, textPolicy, plainNames: true });
  return ['primary', 'filelists', 'other']
    .map((type) => new TextDecoder().decode(store.files.get(`repodata/${type}.xml`)))
    .join('\u0000');
}

test('each forbidden character in each text is refused, with the field, the index and the byte', async () => {
  for (const code of forbidden) {
    for (const field of [...freeTexts, ...machineTexts]) {
      const changed = { ...record, [field]: `é${String.fromCharCode(code)}x` };
      const failure = await written(changed, 'refuse').catch((error: unknown) => error);
      expect(failure, `${field} ${code}`).toBeInstanceOf(RepoError);
      expect((failure as RepoError).fault).toMatchObject({
        code: 'REPO_BAD_TEXT',
        index: 0,
        offset: 2,
        found: `U+${code.toString(16).toUpperCase().padStart(4, '0')}`,
      });
    }
  }
});

test('in free text a forbidden character can be replaced, in names, paths and dependencies it cannot', async () => {
  const all = forbidden.map((code) => `<${String.fromCharCode(code)}>`).join('');
  const free = Object.fromEntries(freeTexts.map((field) => [field, all]));
  const changed: PackageRecord = { ...record, ...free, changelogs: [{ author: all, date: new Date(0), text: all }] };
  const documents = (await written(changed, 'replace')).split('\u0000');
  for (const document of documents) execFileSync('/usr/bin/python3', ['-c', expat], { input: document });
  expect(documents[0]).toContain(`<summary>${'&lt;\ufffd&gt;'.repeat(forbidden.length)}</summary>`);
  for (const field of machineTexts) {
    await expect(written({ ...record, [field]: 'a\u0001' }, 'replace')).rejects.toMatchObject({
      code: 'REPO_BAD_TEXT',
    });
  }
  await expect(
    written({ ...record, requires: [{ name: 'ok' }, { name: 'ksym(\u0002)' }] }, 'replace'),
  ).rejects.toMatchObject({
    fault: { code: 'REPO_BAD_TEXT', field: 'requires', index: 1, offset: 5, found: 'U+0002' },
  });
  await expect(
    written({ ...record, files: [{ path: '/usr/share/\u0007', type: 'file' }] }, 'replace'),
  ).rejects.toMatchObject({ fault: { field: 'FILENAMES', index: 0 } });
});

test('what XML can carry comes back as it was: quotes, ends of CDATA, line ends, characters beyond the first plane', async () => {
  const text = `a"b'c&d<e>f ]]> \t x\n\r\n\ry \u0085\u2028 é€😀\ufffd`;
  const changed: PackageRecord = {
    ...record,
    // An absent epoch is written, and so read, as 0.
    epoch: 0,
    summary: text,
    changelogs: [{ author: text, date: new Date(0), text }],
    provides: [{ name: text }],
    files: [{ path: `/usr/bin/${text}`, type: 'file' }],
  };
  const store = memoryStore();
  await writeRepository([changed], store, options);
  const repository = await openRepository(store, { verifyRepomd: 'unsigned' });
  for await (const again of repository.packages({ files: true, changelogs: true })) expect(again).toEqual(changed);
});

test('a package of rpmbuild with an escape character is not left out in silence', async () => {
  const output = temporaryFolder();
  const create = (more: object) =>
    createRepository(packages.path, { revision: '1', timestamp: new Date(0), outputFolder: output.path, ...more });
  await expect(create({})).rejects.toMatchObject({
    fault: { code: 'REPO_BAD_TEXT', field: 'DESCRIPTION', offset: 4, found: 'U+001B' },
  });
  expect((await create({ textPolicy: 'replace' })).packages).toBe((await packagePaths(packages.path)).length);
  const repository = await openRepositoryAt(output.path, { verifyRepomd: 'unsigned' });
  const texts: string[] = [];
  for await (const each of repository.packages()) if (each.name === 'escape') texts.push(each.description);
  expect(texts).toEqual(['red \ufffd[31m text', 'red \ufffd[31m text']);
  output.remove();
});
