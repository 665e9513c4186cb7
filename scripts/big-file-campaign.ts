/**
 * Writes packages with a file of 4 GiB and one byte, and lets rpm read them: sizes of 64 bits, stripped archive,
 * digests. Prints time and memory; exits 1 when rpm disagrees.
 *
 * node --import tsx scripts/big-file-campaign.ts [folder = the system's temporary folder]
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ByteSource, writePackage } from '@distrokit/rpm';

const sizeBytes = 2 ** 32 + 1;
const zeros = new Uint8Array(1 << 20);
const sparse: ByteSource = {
  sizeBytes,
  read: async (offset, length) => zeros.subarray(0, Math.min(length, sizeBytes - offset)),
};

const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'big-file-'));
let failed = false;
try {
  for (const format of [4, 6] as const) {
    const path = join(folder, `big-${format}.rpm`);
    const started = performance.now();
    const peak = await write(path, format);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const query = [
      '--dbpath',
      join(folder, 'db'),
      '-qp',
      '--qf',
      '%{longsize} %{longarchivesize} [%{longfilesizes} ]',
      path,
    ];
    const sizes = execFileSync('rpm', query, { encoding: 'utf8' }).trim();
    const digests = execFileSync('rpmkeys', ['--dbpath', join(folder, 'db'), '-Kv', path], { encoding: 'utf8' });
    const listed = execFileSync('sh', ['-c', 'rpm2archive -n - < "$1" | tar -tv', 'sh', path], { encoding: 'utf8' });
    const right =
      sizes.endsWith(`${sizeBytes} 5`) &&
      /Payload SHA256 digest: OK/.test(digests) &&
      !/BAD|NOTFOUND/.test(digests) &&
      listed.includes(` ${sizeBytes} `);
    failed ||= !right;
    console.log(`v${format}: ${seconds} s, at most ${peak} MiB, ${right ? 'rpm agrees' : 'rpm disagrees'}: ${sizes}`);
    if (!right) console.log(digests, listed);
  }
} finally {
  rmSync(folder, { recursive: true });
}
process.exitCode = failed ? 1 : 0;

/** Returns the largest resident size seen, in MiB. */
async function write(path: string, format: 4 | 6): Promise<number> {
  const file = openSync(path, 'w');
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 100);
  const manifest = {
    name: 'big',
    version: '1',
    release: '1',
    arch: 'noarch',
    summary: 'Big',
    description: 'A file beyond 4 GiB.',
    license: 'MIT',
    files: [
      { type: 'regular', path: '/srv/big', content: sparse },
      { type: 'regular', path: '/srv/small', content: new TextEncoder().encode('small') },
    ],
  } as const;
  const options = {
    format,
    compression: { type: 'gzip', level: 1 },
    sourceDate: new Date('2023-11-14T22:13:20Z'),
    buildHost: 'builder.example',
  } as const;
  for await (const chunk of writePackage(manifest, options)) writeSync(file, chunk);
  clearInterval(watch);
  closeSync(file);
  return Math.round(peak / (1 << 20));
}
