/**
 * Damages packages at random and reads them with everything there is: each must end in an answer or a typed RpmError.
 *
 *   node --import tsx scripts/fuzz-campaign.ts [inputs] [seed]     default 1000000 1
 *
 * Starts from packages that `writePackage` makes and, where the corpus lies beside the repository, from its packages.
 * The last result stands in packages/rpm/README.md.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  changelog,
  checkDigests,
  dependencies,
  dependencyKinds,
  fileList,
  formatNevra,
  memorySource,
  type PackageManifest,
  payloadEntries,
  RpmError,
  type RpmPackage,
  readPackage,
  scriptlets,
  triggers,
  writePackage,
} from '@distrokit/rpm';

const inputs = Number(process.argv[2] ?? 1_000_000);
const seed = Number(process.argv[3] ?? 1);
/** Every so many inputs the payload is read too: that costs a hundred times as much. */
const payloadEvery = 200;
const maxSourceBytes = 64 * 1024;

/** A small generator of its own: the same seed finds the same failure again (mulberry32). */
let state = seed >>> 0;
function random(below: number): number {
  state = (state + 0x6d2b_79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
}

async function ownPackages(): Promise<Uint8Array[]> {
  const packages: Uint8Array[] = [];
  for (const format of [4, 6] as const) {
    for (const type of ['gzip', 'xz', 'zstd', 'none'] as const) {
      const chunks: Uint8Array[] = [];
      const manifest: PackageManifest = {
        name: 'fuzz',
        epoch: 1,
        version: '1.0~rc1',
        release: '2',
        arch: 'x86_64',
        summary: { C: 'A package', de: 'Ein Paket' },
        description: 'To be damaged.',
        license: 'MIT',
        dependencies: { requires: ['a >= 1', '(b if c)'], provides: ['d = 1:2-3'], recommends: ['e'] },
        changelog: [{ at: new Date(1_700_000_000_000), author: 'A Person <a@example.com> - 1-1', text: '- First' }],
        scriptlets: [{ kind: 'post' as const, body: 'true' }],
        files: [
          { path: '/etc/fuzz.conf', type: 'regular', content: new TextEncoder().encode('a=1\n'), flags: ['config'] },
          { path: '/usr/bin/fuzz', type: 'regular', mode: 0o755, content: new Uint8Array(3000) },
          { path: '/usr/bin/fuzz2', type: 'hardlink', to: '/usr/bin/fuzz' },
          { path: '/usr/lib/fuzz', type: 'directory' },
          { path: '/usr/lib/fuzz/link', type: 'symlink', target: '../../bin/fuzz' },
        ],
      };
      const options = { format, compression: { type }, sourceDate: new Date(1_700_000_000_000), buildHost: 'fuzz' };
      for await (const chunk of writePackage(manifest, options)) chunks.push(chunk);
      packages.push(Buffer.concat(chunks));
    }
  }
  return packages;
}

function corpusPackages(): Uint8Array[] {
  const folder = fileURLToPath(new URL('../../shared/corpus/rpms', import.meta.url));
  if (!existsSync(folder)) return [];
  return (
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.rpm'))
      .map((entry) => readFileSync(join(entry.parentPath, entry.name)))
      .filter((bytes) => bytes.length > 200)
      // Damage behind the headers is only seen where the payload is read: keep the headers and some of it.
      .map((bytes) => bytes.subarray(0, maxSourceBytes))
  );
}

const numbers = [
  0, 1, 2, 3, 15, 16, 17, 0x7f, 0xff, 0x100, 0xffff, 0x1_0000, 0xf_ffff, 0x0fff_ffff, 0x1000_0000,
].concat([0x3fff_ffff, 0x4000_0001, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff]);

/** One to four changes: a bit, a byte, a 32-bit number that means trouble, a stretch moved, the end cut off. */
function damaged(source: Uint8Array, headerEnd: number): Uint8Array {
  let bytes: Uint8Array = Uint8Array.from(source);
  for (let changes = 1 + random(4); changes > 0; changes--) {
    const at = random(random(4) === 0 ? bytes.length : Math.min(headerEnd, bytes.length));
    const kind = random(10);
    if (kind < 3) bytes[at] = (bytes[at] as number) ^ (1 << random(8));
    else if (kind < 5) bytes[at] = random(256);
    else if (kind < 8 && at + 4 <= bytes.length) {
      // Index entries and intros lie at multiples of 4 from the lead's end.
      new DataView(bytes.buffer).setUint32(at & ~3, numbers[random(numbers.length)] as number);
    } else if (kind === 8) bytes.copyWithin(at, random(bytes.length), random(bytes.length));
    else bytes = bytes.slice(0, at);
    if (bytes.length === 0) return bytes;
  }
  return bytes;
}

async function readEverything(bytes: Uint8Array, withPayload: boolean): Promise<void> {
  const pkg: RpmPackage = await readPackage(memorySource(bytes));
  formatNevra(pkg.nevra);
  fileList(pkg.header);
  for (const kind of dependencyKinds) dependencies(pkg.header, kind);
  scriptlets(pkg.header);
  triggers(pkg.header);
  changelog(pkg.header);
  await checkDigests(pkg, { payload: withPayload });
  if (!withPayload) return;
  for await (const entry of payloadEntries(pkg, { maxBytes: 1 << 24 })) {
    for await (const _ of entry.data());
  }
}

const sources = [...(await ownPackages()), ...corpusPackages()];
const ends = await Promise.all(
  sources.map(
    async (bytes) =>
      (await readPackage(bytes).then(
        (pkg) => pkg.headerRange.end,
        () => bytes.length,
      )) as number,
  ),
);
const endings = new Map<string, number>();
const failures: string[] = [];
const started = performance.now();
let mostMemory = 0;
for (let i = 0; i < inputs; i++) {
  const chosen = random(sources.length);
  const before = state;
  const bytes = damaged(sources[chosen] as Uint8Array, ends[chosen] as number);
  let ending = 'answer';
  try {
    await readEverything(bytes, i % payloadEvery === 0);
  } catch (error) {
    if (error instanceof RpmError) ending = error.code;
    else {
      ending = 'FAILURE';
      failures.push(`input ${i} (source ${chosen}, state ${before}): ${(error as Error).stack ?? error}`);
    }
  }
  endings.set(ending, (endings.get(ending) ?? 0) + 1);
  if (i % 10_000 === 0) mostMemory = Math.max(mostMemory, process.memoryUsage().rss);
  if (failures.length >= 5) break;
}
const total = [...endings.values()].reduce((sum, count) => sum + count, 0);
const seconds = ((performance.now() - started) / 1000).toFixed(0);
console.log(
  `${total} inputs from ${sources.length} packages, seed ${seed}, ${seconds} s, at most ${mostMemory >> 20} MiB`,
);
for (const [ending, count] of [...endings].sort((a, b) => b[1] - a[1])) console.log(`  ${ending.padEnd(20)} ${count}`);
for (const failure of failures) console.log(failure);
process.exitCode = failures.length === 0 ? 0 : 1;
