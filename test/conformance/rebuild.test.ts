/** The main job over cases of the corpus: source packages and checkouts that nobody wrote for it. */
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { rebuild } from '../pipelines/rebuild-run.js';
import { corpusPath, corpusPresent } from './corpus.js';

if (!corpusPresent) {
  test('the corpus is not beside this checkout: the main job is not tried on its cases', () => {
    expect(corpusPresent).toBe(false);
  });
} else {
  const work = mkdtempSync(join(tmpdir(), 'distrokit-corpus-rebuild-'));
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  const cases: readonly (readonly [option: string, path: string, built: RegExp])[] = [
    ['--srpm', 'rpms/rpm/SRPMS/foo-1.0-1.src.rpm', /^foo-1\.0-1.*\.noarch\.rpm$/],
    ['--srpm', 'rpms/mock/test-A-1.1-0.src.rpm', /^test-A-1\.1-0.*\.rpm$/],
    ['--package', 'specs/rpm-rs/rpm-hardlinks.spec', /^rpm-hardlinks-1\.0-1.*\.noarch\.rpm$/],
  ];

  test.for(cases)('%s %s becomes a signed repository', async ([option, path, built]) => {
    const output = join(work, path.replaceAll('/', '-'));
    // Specs of the corpus lie many to a folder: a checkout holds one.
    const checkout = mkdtempSync(join(work, 'checkout-'));
    if (option === '--package') copyFileSync(corpusPath(path), join(checkout, basename(path)));
    const input = option === '--package' ? checkout : corpusPath(path);
    const { status, stderr } = await rebuild([option, input, '--output', output]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const repository = join(output, 'repository');
    expect(readdirSync(join(repository, 'Packages')).some((name) => built.test(name))).toBe(true);
    expect(existsSync(join(repository, 'repodata', 'repomd.xml.asc'))).toBe(true);
    expect(existsSync(join(output, 'rebuild.repo'))).toBe(true);
  });
}
