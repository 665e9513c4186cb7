/**
 * Documents in the layout of createrepo_c are read line by line, all others as XML. Both must read the same, and refuse the
 * same: here each document, whole or damaged, is read both ways. Single quotes in the XML declaration are another layout.
 */
import {
  memoryFetcher,
  memoryStore,
  openRepository,
  type PackageRecord,
  parseRecord,
  type RepoError,
  writeRepository,
} from '@distrokit/repo';
import { digestBytes } from '@distrokit/rpm';
import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';

const utf8 = new TextEncoder();
const types = ['primary', 'filelists', 'other'] as const;

/** A package with something of everything; `seed` makes its digest, names and sizes. */
function record(seed: number): PackageRecord {
  const relations = [
    { name: `need-${seed}`, relation: 'GE', epoch: '0', version: '1', release: '2' },
    { name: '(a if b)' },
    { name: 'before', pre: true },
    { name: 'q"<&é', relation: 'EQ', version: '1' },
  ];
  return parseRecord(
    JSON.stringify({
      name: `package-${seed}`,
      ...(seed % 3 === 0 ? {} : { epoch: seed % 3 }),
      version: '1.0~rc1',
      release: `${seed}.el9`,
      arch: 'noarch',
      pkgid: { algorithm: 'sha256', hex: digestBytes('sha256', utf8.encode(String(seed))) },
      location: `Packages/package-${String(seed).padStart(4, '0')}.rpm`,
      ...(seed % 5 === 0 ? { locationBase: 'https://example.org/a?b&c' } : {}),
      summary: 'A <summary> & more',
      description: 'Première ligne\n\n  second "line" ]] end\ttab',
      packager: 'A <a@example.org>',
      url: '',
      license: 'MIT',
      vendor: 'Räksmörgås',
      group: '',
      buildHost: 'host',
      sourceRpm: 'package.src.rpm',
      fileTime: '2026-01-01T00:00:00.000Z',
      buildTime: '2025-01-01T00:00:00.000Z',
      sizeBytes: 1000 + seed,
      installedBytes: 0,
      archiveBytes: 9,
      headerRange: { start: 4504, end: 9000 },
      provides: relations,
      requires: relations.slice(0, seed % 4),
      conflicts: [],
      obsoletes: relations.slice(3),
      suggests: [],
      enhances: [],
      recommends: relations.slice(1, 2),
      supplements: [],
      files: [
        { path: '/usr/bin/naïve & <b>', type: 'file' },
        { path: '/etc/x]', type: 'dir' },
        { path: `/usr/lib/${seed}`, type: 'ghost' },
        { path: '/usr/share/doc', type: 'dir' },
        ...Array.from({ length: (seed * 7) % 40 }, (_, at) => ({ path: `/usr/share/${seed}/${at}`, type: 'file' })),
      ],
      filesComplete: true,
      changelogs: [
        {
          author: 'Zoë <z@example.org> - 1.0 😀',
          date: '2025-03-01T00:00:00.000Z',
          text: '- Change & <more>\n- naïve',
        },
        { author: 'B', date: '2025-03-02T00:00:00.000Z', text: '' },
      ].slice(0, seed % 3),
      changelogsComplete: true,
    }),
  );
}

type Documents = Readonly<Record<(typeof types)[number], string>>;

async function documentsOf(records: readonly PackageRecord[]): Promise<Documents> {
  const store = memoryStore();
  const options = { revision: '1', timestamp: new Date(0), compression: 'none', checksum: 'sha256' } as const;
  await writeRepository(records, store, { ...options, plainNames: true });
  const text = (type: string): string => new TextDecoder().decode(store.files.get(`repodata/${type}.xml`));
  return { primary: text('primary'), filelists: text('filelists'), other: text('other') };
}

/** All packages, or the fault: what was wrong, in which document, at which byte. */
async function read(documents: Documents, open = openRepository): Promise<unknown> {
  const files = new Map<string, Uint8Array>();
  let repomd = '<repomd>';
  for (const type of types) {
    // One character per byte: damage may leave what is not UTF-8.
    const bytes = new Uint8Array(Buffer.from(documents[type], 'latin1'));
    files.set(`repodata/${type}.xml`, bytes);
    repomd += `<data type="${type}"><checksum type="sha256">${digestBytes('sha256', bytes)}</checksum><location href="repodata/${type}.xml"/></data>`;
  }
  files.set('repodata/repomd.xml', utf8.encode(`${repomd}</repomd>`));
  const repository = await open(memoryFetcher(files), { verifyRepomd: 'unsigned' });
  const packages: PackageRecord[] = [];
  try {
    for await (const found of repository.packages({ files: true, changelogs: true })) packages.push(found);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'RepoError') throw error;
    // What was found is cut off where the text that is at hand ends.
    const { found: _, ...fault } = (error as RepoError).fault as unknown as Record<string, unknown>;
    return fault;
  }
  return packages;
}

/** The same document in a layout that is not read by lines; each byte stands where it stood. */
const asXml = (documents: Documents): Documents => {
  const other = (text: string): string => text.replace('<?xml version="1.0"', "<?xml version='1.0'");
  return { primary: other(documents.primary), filelists: other(documents.filelists), other: other(documents.other) };
};

const latin1 = (text: string): string => Buffer.from(text).toString('latin1');

test('what is read line by line is what is read as XML, and what was written', async () => {
  const records = Array.from({ length: 300 }, (_, seed) => record(seed));
  const written = await documentsOf(records);
  const documents = {
    primary: latin1(written.primary),
    filelists: latin1(written.filelists),
    other: latin1(written.other),
  };
  const found = await read(documents);
  expect(found).toEqual(records.map((one) => ({ ...one, epoch: one.epoch ?? 0 })));
  expect(await read(asXml(documents))).toEqual(found);
});

test('a package longer than any window is read, between short ones', async () => {
  const files = Array.from(
    { length: 9000 },
    (_, at) => ({ path: `/usr/src/kernels/include/long-name-${at}`, type: 'file' }) as const,
  );
  const records = [record(1), { ...record(2), files }, record(3)];
  const documents = await documentsOf(records);
  expect(documents.filelists.length).toBeGreaterThan(400_000);
  const found = (await read({
    primary: latin1(documents.primary),
    filelists: latin1(documents.filelists),
    other: latin1(documents.other),
  })) as PackageRecord[];
  expect(found.map((one) => one.files.length)).toEqual(records.map((one) => one.files.length));
});

test.each(['&#xE9', '&#xE9x', 'x&#x1F600y', '&#xE9 &#233'])(
  'a reference that nothing ends (%s) is refused',
  async (text) => {
    const written = await documentsOf([record(4)]);
    const documents: Documents = {
      primary: latin1(written.primary).replace('<rpm:license>MIT<', `<rpm:license>${text}<`),
      filelists: latin1(written.filelists),
      other: latin1(written.other),
    };
    expect(documents.primary).toContain(text);
    expect(await read(documents)).toMatchObject({ code: 'REPO_BAD_XML', document: 'repodata/primary.xml' });
  },
);

afterEach(() => vi.unstubAllGlobals());

test.each(['with', 'without'])(
  '%s WebAssembly a document with any damage is read or refused as XML is, with the same fault at the same byte',
  async (kernels) => {
    let open = openRepository;
    if (kernels === 'without') {
      vi.stubGlobal('WebAssembly', undefined);
      vi.resetModules();
      open = (await import('@distrokit/repo')).openRepository;
    }
    const written = await documentsOf([4, 5, 6].map(record));
    const good: Documents = {
      primary: latin1(written.primary),
      filelists: latin1(written.filelists),
      other: latin1(written.other),
    };
    const outcomes = { read: 0, refused: 0 };
    const splice = fc.constantFrom(
      ...['', '<', '>', '&', '"', "'", '/', ' ', '\n', '\t', '\r', 'x', '9', '-', ']]>', '\u0000', '\u001b', '\u00ff'],
      ...[
        '<!-- -->',
        '<![CDATA[x]]>',
        '<x/>',
        '<x>',
        '&#0;',
        '&#xD800;',
        '&#xE9;',
        '&#233;',
        '&apos;',
        '&nbsp;',
        ' a="b"',
        '\u00ef\u00bf\u00bf',
        '</package>\n',
        '<package ',
      ],
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...types), fc.nat(), fc.nat(3), splice, async (type, place, removed, added) => {
        const text = good[type];
        // Behind the declaration: it is what tells the two layouts apart.
        const at = 39 + (place % (text.length - 39));
        const damaged = { ...good, [type]: text.slice(0, at) + added + text.slice(at + removed) };
        const byLines = await read(damaged, open);
        expect(byLines).toEqual(await read(asXml(damaged)));
        outcomes[Array.isArray(byLines) ? 'read' : 'refused']++;
      }),
      { numRuns: 3000 },
    );
    expect(Math.min(outcomes.read, outcomes.refused)).toBeGreaterThan(300);
  },
);
