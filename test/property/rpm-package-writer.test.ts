import {
  checkDigests,
  dependencies,
  fileList,
  formatDependency,
  formatNevra,
  type ManifestFile,
  payloadArchive,
  readPackage,
} from '@distrokit/rpm';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { binaryManifest, sourceDate, v4, written } from '../fixtures/written-package.js';

const segment = fc.constantFrom('a', 'b', 'c.d', 'é', 'Z', '0', '日本', '\u{1f600}', '\uffee', '...', ' ');
const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join('/')}`);
const file: fc.Arbitrary<ManifestFile> = fc.oneof(
  fc.record({
    type: fc.constant('regular' as const),
    path,
    content: fc.uint8Array({ maxLength: 300 }),
    mode: fc.nat({ max: 0o7777 }),
    user: fc.constantFrom('root', 'jane'),
    modifiedAt: fc.date({ min: new Date(0), max: sourceDate, noInvalidDate: true }),
  }),
  fc.record({ type: fc.constant('directory' as const), path }),
  fc.record({ type: fc.constant('symlink' as const), path, target: fc.constantFrom('x', '../é', '/abs') }),
  fc.record({ type: fc.constant('regular' as const), path, flags: fc.constant(['ghost' as const]) }),
);
const files = fc.uniqueArray(file, { maxLength: 12, selector: (each) => each.path });
const options = fc.record({
  format: fc.constantFrom(4 as const, 6 as const),
  compression: fc.record({ type: fc.constantFrom('gzip' as const, 'zstd' as const, 'none' as const) }),
});

test('what is written is read back: identity, dependencies, files and digests', async () => {
  await fc.assert(
    fc.asyncProperty(files, options, async (list, chosen) => {
      const manifest = binaryManifest({ epoch: 1, files: list, dependencies: { requires: ['x >= 1'] } });
      const pkg = await readPackage(await written(manifest, { ...v4, ...chosen }));
      expect(formatNevra(pkg.nevra)).toBe('sample-1:1.0-1.noarch');
      expect((await checkDigests(pkg, { payload: true })).ok).toBe(true);
      expect(dependencies(pkg.header, 'requires').map(formatDependency)).toContain('x >= 1');
      const read = new Map(fileList(pkg.header).map((each) => [each.path, each]));
      expect(read.size).toBe(list.length);
      for (const given of list) {
        const found = read.get(given.path);
        expect(found?.type).toBe(given.type);
        if (given.type === 'symlink') expect(found?.linkTarget).toBe(given.target);
        if (given.type === 'regular' && given.content instanceof Uint8Array) {
          expect([found?.sizeBytes, (found?.mode ?? 0) & 0o7777]).toEqual([given.content.length, given.mode]);
        }
      }
      // Sorted as strcmp sorts, which is what rpm searches by.
      const bytes = [...read.keys()].map((each) => Buffer.from(each));
      expect([...bytes].sort(Buffer.compare)).toEqual(bytes);
    }),
    { numRuns: 150 },
  );
});

test('the same arguments give the same bytes, in whatever order the files are listed', async () => {
  await fc.assert(
    fc.asyncProperty(files, options, async (list, chosen) => {
      const first = await written(binaryManifest({ files: list }), { ...v4, ...chosen });
      const second = await written(binaryManifest({ files: [...list].reverse() }), { ...v4, ...chosen });
      expect(second).toEqual(first);
    }),
    { numRuns: 50 },
  );
});

test('the archive is as long as the package says, whatever compression it goes through', async () => {
  await fc.assert(
    fc.asyncProperty(files, async (list) => {
      const sizes = await Promise.all(
        (['gzip', 'xz', 'zstd', 'none'] as const).map(async (type) => {
          const pkg = await readPackage(
            await written(binaryManifest({ files: list }), { ...v4, compression: { type } }),
          );
          let size = 0;
          for await (const chunk of payloadArchive(pkg)) size += chunk.length;
          expect(pkg.signatureHeader.get('PAYLOADSIZE')).toBe(size);
          return size;
        }),
      );
      expect(new Set(sizes).size).toBe(1);
    }),
    { numRuns: 25 },
  );
});
