import {
  checkDigests,
  dependencies,
  fileList,
  formatDependency,
  hardlinkSets,
  type ManifestFile,
  memorySource,
  type PackageManifest,
  packageFileName,
  RpmError,
  readPackage,
  scriptlets,
  triggers,
  type WritePackageOptions,
  writePackage,
} from '@distrokit/rpm';
import { expect, test } from 'vitest';
import { binaryManifest, sourceDate, utf8, v4, written } from '../fixtures/written-package.js';

const requiresOf = async (manifest: PackageManifest, options: WritePackageOptions = v4): Promise<string[]> => {
  const { header } = await readPackage(await written(manifest, options));
  return dependencies(header, 'requires').map(formatDependency);
};

function regular(path: string, content: string, more: Partial<ManifestFile> = {}): ManifestFile {
  return { type: 'regular', path, content: utf8(content), ...more } as ManifestFile;
}

test('writes a package whose digests are all verified, signed by nobody', async () => {
  for (const format of [4, 6] as const) {
    const pkg = await readPackage(await written(binaryManifest({ files: [regular('/a', 'a')] }), { ...v4, format }));
    const report = await checkDigests(pkg, { payload: true });
    expect(pkg.format).toBe(format);
    expect(report.ok).toBe(true);
    expect(report.header.sha256?.status).toBe('verified');
    expect(report.payload.sha256?.status).toBe('verified');
    if (format === 6) expect(report.payload['sha3-256']?.status).toBe('verified');
  }
});

test('gives the same bytes for the same arguments, whatever the order of files and the chunks of contents', async () => {
  const text = 'x'.repeat(1000);
  const inOnePiece = [regular('/b', text), regular('/a', 'a')];
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (const char of text) yield utf8(char);
  }
  const inPieces = (): ManifestFile[] => [regular('/a', 'a'), { type: 'regular', path: '/b', content: pieces() }];
  const fromSource: ManifestFile[] = [
    { type: 'regular', path: '/a', content: memorySource(utf8('a')) },
    { type: 'regular', path: '/b', content: { read: memorySource(utf8(text)).read } },
  ];
  for (const format of [4, 6] as const) {
    for (const type of ['gzip', 'xz', 'zstd', 'none'] as const) {
      const options = { ...v4, format, compression: { type } };
      const first = await written(binaryManifest({ files: inOnePiece }), options);
      expect(await written(binaryManifest({ files: inPieces() }), options)).toEqual(first);
      expect(await written(binaryManifest({ files: fromSource }), options)).toEqual(first);
    }
  }
});

test('never lets a file be newer than the source date', async () => {
  const files = [
    regular('/new', '', { modifiedAt: new Date('2040-01-01T00:00:00Z') }),
    regular('/none', ''),
    regular('/old', '', { modifiedAt: new Date('2001-01-01T00:00:00Z') }),
  ];
  const { header } = await readPackage(await written(binaryManifest({ files })));
  expect(fileList(header).map(({ modifiedAt }) => modifiedAt)).toEqual([
    sourceDate,
    sourceDate,
    new Date('2001-01-01T00:00:00Z'),
  ]);
});

test('provides itself, with the suffix of its arch, and its configuration', async () => {
  const manifest = binaryManifest({ epoch: 3, arch: 'aarch64', files: [regular('/etc/c', '', { flags: ['config'] })] });
  const { header, nevra } = await readPackage(await written(manifest));
  expect(dependencies(header, 'provides').map(formatDependency)).toEqual([
    'config(sample) = 3:1.0-1',
    'sample = 3:1.0-1',
    'sample(aarch-64) = 3:1.0-1',
  ]);
  expect(packageFileName(nevra)).toBe('sample-1.0-1.aarch64.rpm');
});

test('states each dependency once, in the order of their bytes', async () => {
  const list = ['zoo', 'Zoo', 'a >= 2', 'a >= 1', 'zoo', '(b or c)'];
  const manifest = binaryManifest({ dependencies: { recommends: list } });
  const { header } = await readPackage(await written(manifest));
  expect(dependencies(header, 'recommends').map(formatDependency)).toEqual([
    '(b or c)',
    'Zoo',
    'a >= 1',
    'a >= 2',
    'zoo',
  ]);
});

test('requires the features of rpm that it needs, and no others', async () => {
  const features = async (manifest: PackageManifest, options?: WritePackageOptions): Promise<string[]> =>
    (await requiresOf(manifest, options)).filter((text) => text.startsWith('rpmlib('));
  const basic = [
    'rpmlib(CompressedFileNames) <= 3.0.4-1',
    'rpmlib(FileDigests) <= 4.6.0-1',
    'rpmlib(PayloadFilesHavePrefix) <= 4.0-1',
  ];
  expect(await features(binaryManifest())).toEqual(basic);
  expect(await features(binaryManifest(), { ...v4, format: 6 })).toEqual([]);
  const all = binaryManifest({
    version: '1~a^b',
    dependencies: { suggests: ['(a and b)'] },
    scriptlets: [
      { kind: 'pre', interpreter: ['<lua>'], body: '' },
      { kind: 'post', interpreter: ['/bin/sh', '-x'], body: '', flags: { queryFormat: true } },
    ],
    files: [regular('/a', 'a', { capabilities: 'cap_chown=p' }), { type: 'hardlink', path: '/b', to: '/a' }],
  });
  expect((await features(all, { ...v4, compression: { type: 'zstd' } })).map((text) => text.slice(7, -1))).toEqual([
    'BuiltinLuaScripts) <= 4.2.2-',
    'CaretInVersions) <= 4.15.0-',
    'CompressedFileNames) <= 3.0.4-',
    'FileCaps) <= 4.6.1-',
    'FileDigests) <= 4.6.0-',
    'PartialHardlinkSets) <= 4.0.4-',
    'PayloadFilesHavePrefix) <= 4.0-',
    'PayloadIsZstd) <= 5.4.18-',
    'RichDependencies) <= 4.12.0-',
    'ScriptletExpansion) <= 4.9.0-',
    'ScriptletInterpreterArgs) <= 4.0.3-',
    'TildeInVersions) <= 4.10.0-',
  ]);
  expect(await features(binaryManifest({ files: [regular('/a', '')] }), { ...v4, format: 6 })).toEqual([
    'rpmlib(LargeFiles) <= 4.12.0-1',
  ]);
});

test('gives all names of a hard-linked file one inode, one content, and the attributes of the file they name', async () => {
  const files: ManifestFile[] = [
    { type: 'hardlink', path: '/a', to: '/m' },
    regular('/m', 'content', { mode: 0o700, user: 'jane' }),
    { type: 'hardlink', path: '/z', to: '/m' },
    regular('/other', 'content'),
  ];
  for (const format of [4, 6] as const) {
    const { header } = await readPackage(await written(binaryManifest({ files }), { ...v4, format }));
    const list = fileList(header);
    expect(hardlinkSets(list).map((set) => set.map(({ path }) => path))).toEqual([['/a', '/m', '/z']]);
    for (const file of list.filter(({ path }) => path !== '/other')) {
      expect([file.mode & 0o777, file.user, file.sizeBytes]).toEqual([0o700, 'jane', 7]);
    }
    expect(new Set(list.map(({ digest }) => digest?.hex)).size).toBe(1);
    expect(header.get('SIZE') ?? header.get('LONGSIZE')).toBe(14);
  }
});

test('tells 32-bit and 64-bit programs apart from the rest', async () => {
  const elf = (width: number): Uint8Array => Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, width, 1, 1);
  const files: ManifestFile[] = [
    { type: 'regular', path: '/32', content: elf(1) },
    { type: 'regular', path: '/64', content: elf(2) },
    { type: 'regular', path: '/text', content: utf8('text') },
  ];
  const { header } = await readPackage(await written(binaryManifest({ files })));
  expect(fileList(header).map(({ color }) => color)).toEqual([1, 2, 0]);
});

test('stores what files are, where the manifest says it', async () => {
  const files = [
    regular('/a', 'a', { fileClass: 'text/plain' }),
    regular('/b', 'b'),
    regular('/c', 'c', { fileClass: 'text/plain' }),
  ];
  for (const format of [4, 6] as const) {
    const { header } = await readPackage(await written(binaryManifest({ files }), { ...v4, format }));
    expect(fileList(header).map(({ fileClass }) => fileClass)).toEqual(['text/plain', '', 'text/plain']);
    expect(header.get(format === 6 ? 'MIMEDICT' : 'CLASSDICT')).toEqual(['text/plain', '']);
  }
});

test('gives back scriptlets and triggers as they were given', async () => {
  const flags = { expand: false, queryFormat: false, critical: false };
  const given = [
    { kind: 'pre', interpreter: ['/bin/sh'], body: 'true', flags },
    { kind: 'post', interpreter: ['/usr/bin/python3', '-s'], body: 'pass', flags: { ...flags, expand: true } },
    { kind: 'postun', interpreter: ['/sbin/ldconfig'], flags },
    { kind: 'preuntrans', interpreter: ['<lua>'], body: 'x = 1', flags },
  ] as const;
  const fired = [
    { family: 'package', event: 'un', body: 'one', conditions: ['b < 2', 'a'] },
    { family: 'package', event: 'postun', body: 'two', conditions: ['c'] },
    { family: 'file', event: 'in', body: 'three', priority: 5, conditions: ['/usr'] },
    { family: 'transaction file', event: 'un', body: 'four', conditions: ['/etc', '/opt'] },
  ] as const;
  const { header } = await readPackage(await written(binaryManifest({ scriptlets: given, triggers: fired })));
  expect(scriptlets(header)).toEqual(given);
  expect(
    triggers(header).map(({ family, event, body, conditions }) => [
      family,
      event,
      body,
      conditions.map(formatDependency),
    ]),
  ).toEqual([
    ['package', 'un', 'one', ['a', 'b < 2']],
    ['package', 'postun', 'two', ['c']],
    ['file', 'in', 'three', ['/usr']],
    ['transaction file', 'un', 'four', ['/etc', '/opt']],
  ]);
  // What was read can be written again.
  const again = binaryManifest({ scriptlets: scriptlets(header), triggers: triggers(header) });
  expect(triggers((await readPackage(await written(again))).header)).toEqual(triggers(header));
});

test('leaves as much room for a signature as asked for', async () => {
  const plain = binaryManifest();
  for (const format of [4, 6] as const) {
    const tag = format === 4 ? 'RESERVEDSPACE' : 'RESERVED';
    const room = async (reservedBytes?: number): Promise<number | undefined> => {
      const options = reservedBytes === undefined ? { ...v4, format } : { ...v4, format, reservedBytes };
      return (await readPackage(await written(plain, options))).signatureHeader.get(tag)?.length;
    };
    expect([await room(), await room(0), await room(1000)]).toEqual([4128, undefined, 1000]);
  }
});

test('makes a source package of bare file names, with what is needed to build it', async () => {
  const manifest = binaryManifest({
    arch: 'x86_64',
    source: { sources: ['a.tar.gz', 'big.bin'], withoutSources: [1], exclusiveArches: ['x86_64'] },
    dependencies: { requires: ['gcc >= 4'] },
    files: [regular('a.tar.gz', 'x'), regular('sample.spec', 'Name: sample', { flags: ['specFile'] })],
  });
  const pkg = await readPackage(await written(manifest));
  expect(pkg.nevra.arch).toBe('nosrc');
  expect(pkg.header.get('SOURCE')).toEqual(['big.bin', 'a.tar.gz']);
  expect(pkg.header.get('EXCLUSIVEARCH')).toEqual(['x86_64']);
  expect(pkg.header.get('SOURCERPM')).toBeUndefined();
  expect(fileList(pkg.header).map(({ path }) => path)).toEqual(['a.tar.gz', 'sample.spec']);
  expect(await requiresOf(manifest)).toEqual([
    'gcc >= 4',
    'rpmlib(CompressedFileNames) <= 3.0.4-1',
    'rpmlib(FileDigests) <= 4.6.0-1',
  ]);
});

test('names the source package it was built from', async () => {
  const sourcePackage = { name: 'origin', epoch: 1, version: '2', release: '3', arch: 'src' };
  const { header } = await readPackage(await written(binaryManifest({ sourcePackage }), { ...v4, format: 6 }));
  expect(header.get('SOURCERPM')).toBe('origin-2-3.src.rpm');
  expect(header.get('SOURCENEVR')).toBe('origin-1:2-3');
});

test.each([
  ['..', 'relative parts'],
  ['/a/../b', 'a part that leads out'],
  ['/a/./b', 'a part that leads nowhere'],
  ['/a//b', 'an empty part'],
  ['/a/', 'a slash at the end'],
  ['a', 'no slash in front'],
  ['', 'nothing'],
  ['/a\0b', 'a NUL'],
  [`/${'a'.repeat(4094)}`, 'more bytes than an archive takes'],
])('refuses the path %j: it has %s', async (path) => {
  await expect(written(binaryManifest({ files: [regular(path, '')] }))).rejects.toMatchObject({ code: 'RPM_BAD_PATH' });
});

test('refuses a path that comes twice, a link to what it does not carry, and a folder in a source package', async () => {
  const refused = (files: ManifestFile[], more: Partial<PackageManifest> = {}): Promise<void> =>
    expect(written(binaryManifest({ files, ...more }))).rejects.toMatchObject({ code: 'RPM_BAD_PATH' });
  await refused([regular('/a', ''), regular('/a', '')]);
  await refused([{ type: 'symlink', path: '/a', target: '' }]);
  await refused([{ type: 'hardlink', path: '/a', to: '/b' }]);
  await refused([
    { type: 'hardlink', path: '/a', to: '/b' },
    { type: 'regular', path: '/b', flags: ['ghost'] },
  ]);
  await refused([regular('a/b', '')], { source: {} });
  await refused([regular('/b', '')], { source: {} });
});

test.each([
  { name: 'a b' },
  { name: '-a' },
  { name: '' },
  { version: '1-2' },
  { version: '' },
  { release: '1:2' },
  { arch: 'x86-64' },
  { arch: 'src' },
])('refuses the identity %j', async (changes) => {
  await expect(written(binaryManifest(changes))).rejects.toMatchObject({ code: 'RPM_BAD_NEVRA' });
});

test.each([
  { requires: ['a b'] },
  { requires: [{ name: 'a', flags: 8, evr: '' }] },
  { requires: [{ name: 'a', flags: 0, evr: '1' }] },
  { requires: [{ name: 'a\nb', flags: 0, evr: '' }] },
  { requires: ['a = 1:2:3'] },
  { requires: ['(a and'] },
  { requires: ['(a unless b)'] },
  { provides: ['(a and b)'] },
  { obsoletes: ['(a or b)'] },
] as PackageManifest['dependencies'][])('refuses the dependencies %j', async (wrong) => {
  await expect(written(binaryManifest({ dependencies: wrong! }))).rejects.toMatchObject({ code: 'RPM_BAD_DEPENDENCY' });
});

test('refuses a scriptlet that does nothing, two of a kind, and a trigger that nothing fires', async () => {
  const refused = (changes: Partial<PackageManifest>): Promise<void> =>
    expect(written(binaryManifest(changes))).rejects.toMatchObject({ code: 'RPM_BAD_SCRIPTLET' });
  await refused({ scriptlets: [{ kind: 'pre' }] });
  await refused({
    scriptlets: [
      { kind: 'pre', body: 'a' },
      { kind: 'pre', body: 'b' },
    ],
  });
  await refused({ triggers: [{ family: 'file', event: 'in', body: '', conditions: [] }] });
});

test('refuses text with a NUL, which would hide what follows it', async () => {
  const manifest = binaryManifest({ summary: 'harmless\0not' });
  await expect(written(manifest)).rejects.toMatchObject({ code: 'RPM_BAD_HEADER', fault: { tag: 'SUMMARY' } });
});

test('refuses numbers that do not fit: an epoch beyond 32 bits, a device number beyond 8', async () => {
  await expect(written(binaryManifest({ epoch: 2 ** 32 }))).rejects.toMatchObject({ code: 'RPM_LIMIT' });
  const device: ManifestFile = { type: 'block device', path: '/d', major: 256, minor: 0 };
  await expect(written(binaryManifest({ files: [device] }))).rejects.toMatchObject({ code: 'RPM_LIMIT' });
});

test.each([
  { format: 5 },
  { compression: { type: 'bzip2' } },
  { sourceDate: new Date(Number.NaN) },
  { sourceDate: new Date(-1000) },
  { buildHost: '' },
  { reservedBytes: -1 },
  { reservedBytes: 1.5 },
])('refuses the options %j as the caller’s mistake', async (wrong) => {
  const options = { ...v4, ...wrong } as WritePackageOptions;
  const error: unknown = await written(binaryManifest(), options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(Error);
  expect(error).not.toBeInstanceOf(RpmError);
  expect((error as Error).name).toMatch(/^(TypeError|RangeError)$/);
});

test('refuses a regular file without content unless it is a ghost', async () => {
  const file: ManifestFile = { type: 'regular', path: '/a' };
  await expect(written(binaryManifest({ files: [file] }))).rejects.toThrow(TypeError);
  const { header } = await readPackage(await written(binaryManifest({ files: [{ ...file, flags: ['ghost'] }] })));
  expect(fileList(header)).toHaveLength(1);
});

test('takes as much of a content as its source said, and refuses one that is shorter', async () => {
  for (const sizeBytes of [3, 5]) {
    const content = { sizeBytes, read: memorySource(utf8('four')).read };
    const result = written(binaryManifest({ files: [{ type: 'regular', path: '/a', content }] }));
    if (sizeBytes === 5) await expect(result).rejects.toMatchObject({ code: 'RPM_BAD_PAYLOAD' });
    else expect(fileList((await readPackage(await result)).header)[0]?.sizeBytes).toBe(3);
  }
});

/** 80 MiB that do not compress, made when they are read; the third reading may give other bytes. */
function bigSource(changesAfterReads = Number.POSITIVE_INFINITY) {
  const sizeBytes = 80 << 20;
  let starts = 0;
  return {
    sizeBytes,
    read: async (offset: number, length: number): Promise<Uint8Array> => {
      if (offset === 0) starts++;
      const words = new Uint32Array(length / 4);
      const seed = offset + (starts > changesAfterReads ? 1 : 0);
      for (let i = 0; i < words.length; i++) words[i] = Math.imul(seed + i * 4, 0x9e3779b1) ^ (i >>> 3);
      return new Uint8Array(words.buffer);
    },
  };
}

test('makes a payload too big to keep in memory a second time, with the same bytes', async () => {
  const options = { ...v4, compression: { type: 'none' } } as const;
  const manifest = binaryManifest({ files: [{ type: 'regular', path: '/big', content: bigSource() }] });
  const pkg = await readPackage(await written(manifest, options));
  expect((await checkDigests(pkg, { payload: true })).ok).toBe(true);
});

test('stops when a content has changed between the two times', async () => {
  const options = { ...v4, compression: { type: 'none' } } as const;
  const manifest = binaryManifest({ files: [{ type: 'regular', path: '/big', content: bigSource(1) }] });
  const drain = async (): Promise<void> => {
    for await (const _ of writePackage(manifest, options));
  };
  await expect(drain()).rejects.toMatchObject({ code: 'RPM_SOURCE_FAILED' });
});

test('ends with the reason of an aborted signal', async () => {
  const reason = new Error('enough');
  const options = { ...v4, signal: AbortSignal.abort(reason) };
  const files = [{ type: 'regular', path: '/a', content: memorySource(utf8('a')) }] as const;
  await expect(written(binaryManifest({ files }), options)).rejects.toBe(reason);
});
