/** The isomorphic door of @distrokit/rpm in a real browser, over packages that rpmbuild made. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BrowserPage, openPage } from './browser-page.js';

const payloads: Readonly<Record<string, string>> = {
  gzip: 'w9.gzdio',
  bzip2: 'w9.bzdio',
  xz: 'w6.xzdio',
  lzma: 'w6.lzdio',
  zstd: 'w3.zstdio',
  none: 'w.ufdio',
};
const work = mkdtempSync(join(tmpdir(), 'distrokit-browser-rpm-'));
const files: Record<string, Uint8Array> = {};
let browser: BrowserPage;

beforeAll(async () => {
  const spec = join(work, 'sample.spec');
  writeFileSync(
    spec,
    `Name: sample
Version: 1.0
Release: 1
Summary: A sample
License: MIT
BuildArch: noarch
%description
A sample.
%install
mkdir -p %{buildroot}/usr/share/sample
seq 1 40000 > %{buildroot}/usr/share/sample/numbers
ln -s numbers %{buildroot}/usr/share/sample/link
%files
/usr/share/sample
`,
  );
  for (const [name, payload] of Object.entries(payloads)) {
    const top = join(work, name);
    execFileSync(
      'rpmbuild',
      ['-bb', '--quiet', '--define', `_topdir ${top}`, '--define', `_binary_payload ${payload}`, spec],
      {
        stdio: 'ignore',
      },
    );
    const folder = join(top, 'RPMS', 'noarch');
    files[`${name}.rpm`] = readFileSync(join(folder, readdirSync(folder)[0]!));
  }
  browser = await openPage(['rpm'], files);
});
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
});

interface Seen {
  readonly nevra: string;
  readonly digestsOk: boolean;
  readonly payloadSha256: string | undefined;
  readonly files: readonly string[];
  readonly archiveBytes: number;
}

test.for(Object.keys(payloads))('reads a package with %s payload: digests, file list, archive', async (name) => {
  const seen = await browser.page.evaluate(async (file): Promise<Seen> => {
    const { rpm } = globalThis as unknown as { readonly rpm: typeof import('@distrokit/rpm') };
    const blob = await (await fetch(`/${file}`)).blob();
    const pkg = await rpm.readPackage(rpm.blobSource(blob));
    const report = await rpm.checkDigests(pkg, { payload: true });
    let archiveBytes = 0;
    for await (const chunk of rpm.payloadArchive(pkg)) archiveBytes += chunk.length;
    return {
      nevra: rpm.formatNevra(pkg.nevra),
      digestsOk: report.ok,
      payloadSha256: report.payload.sha256?.status,
      files: [...rpm.filePaths(pkg.header)],
      archiveBytes,
    };
  }, `${name}.rpm`);
  const expectedBytes = execFileSync('rpm2cpio', [join(work, name, 'RPMS/noarch/sample-1.0-1.noarch.rpm')], {
    maxBuffer: 1 << 28,
  }).length;
  expect(seen).toEqual({
    nevra: 'sample-1.0-1.noarch',
    digestsOk: true,
    payloadSha256: 'verified',
    files: ['/usr/share/sample', '/usr/share/sample/link', '/usr/share/sample/numbers'],
    archiveBytes: expectedBytes,
  });
});

test('reads a remote header by ranges: at most three requests and 1.2 times the header’s bytes', async () => {
  browser.requests.length = 0;
  const { name, end } = await browser.page.evaluate(async () => {
    const { rpm } = globalThis as unknown as { readonly rpm: typeof import('@distrokit/rpm') };
    const source = rpm.rangeSource((url, init) => fetch(url, init), '/none.rpm');
    const pkg = await rpm.readPackage(source);
    return { name: pkg.nevra.name, end: pkg.headerRange.end };
  });
  const asked = browser.requests.filter(({ path }) => path === 'none.rpm');
  expect(name).toBe('sample');
  expect(asked.length).toBeLessThanOrEqual(3);
  expect(asked.reduce((sum, { sentBytes }) => sum + sentBytes, 0)).toBeLessThanOrEqual(end * 1.2);
});
