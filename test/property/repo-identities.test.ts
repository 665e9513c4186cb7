/**
 * What an update takes from primary.xml about packages that are there, it takes alike with and without its kernel, whatever
 * was done to the document: the same packages are read again, or all of them are.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRepository } from '@distrokit/repo/node';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { buildPackages, plainSpec, temporaryFolder } from '../repo/fixture-packages.js';

type Create = typeof createRepository;

const top = temporaryFolder();
const base = { revision: '1', timestamp: new Date(0), compression: 'none', plainNames: true } as const;
let twin: Create;
let primary: string;
let repomd: string;

beforeAll(async () => {
  buildPackages(top.path, [plainSpec('alpha', '1.0'), plainSpec('beta', '2.0'), plainSpec('gamma', '3.0')]);
  await createRepository(top.path, base);
  primary = readFileSync(join(top.path, 'repodata/primary.xml'), 'latin1');
  repomd = readFileSync(join(top.path, 'repodata/repomd.xml'), 'utf8');
  vi.stubGlobal('WebAssembly', undefined);
  vi.resetModules();
  twin = (await import('@distrokit/repo/node')).createRepository;
});
afterAll(() => {
  vi.unstubAllGlobals();
  top.remove();
});

/** Packages that an update reads, over a primary.xml of these bytes (one character each) that repomd.xml vouches for. */
async function readAgain(create: Create, document: string): Promise<unknown> {
  const bytes = Buffer.from(document, 'latin1');
  const folder = join(top.path, 'repodata');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'primary.xml'), bytes);
  const [digest, size] = [sha256(bytes), bytes.length];
  writeFileSync(
    join(folder, 'repomd.xml'),
    repomd
      .replaceAll(sha256(Buffer.from(primary, 'latin1')), digest)
      .replaceAll(`size>${primary.length}<`, `size>${size}<`),
  );
  try {
    const { packages, packagesRead } = await create(top.path, { ...base, update: true });
    return { packages, packagesRead };
  } catch (error) {
    return (error as { fault?: unknown }).fault ?? String(error);
  }
}

async function withKernel(document: string): Promise<unknown> {
  vi.unstubAllGlobals();
  return readAgain(createRepository, document);
}

async function withoutKernel(document: string): Promise<unknown> {
  vi.stubGlobal('WebAssembly', undefined);
  return readAgain(twin, document);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const inserted = fc.constantFrom(
  ...['', '0', 'f', '"', '<', '>', '&', '&amp;', '&#xE9;', '&#x110000;', '\u00c3\u00a9', '\u00e9', '\0', '\n', ' '],
  ...['\n  ', '\n</package>\n', '</package>', '\n  <time file="7"', '\n  <size package="7"', '\n  <location href="x"'],
  ...['<package type="rpm">\n  <name>', ' xml:base="b"', ' xml:base=""', '\n  <checksum type="sha256" pkgid="YES">0'],
);

test('packages are known alike, wherever bytes of primary.xml are lost, changed or put in', async () => {
  expect(await withKernel(primary)).toEqual({ packages: 6, packagesRead: 0 });
  expect(await withoutKernel(primary)).toEqual({ packages: 6, packagesRead: 0 });
  // Where an element says who it is; the rest of it is long, and the same to both.
  const places = [...primary.matchAll(/<package |<checksum |<time |<size |<location /g)].map(({ index }) => index);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...places),
      fc.nat(90),
      fc.nat(3),
      inserted,
      async (place, further, removed, text) => {
        const at = place + further;
        const document = primary.slice(0, at) + text + primary.slice(at + removed);
        expect(await withKernel(document)).toEqual(await withoutKernel(document));
      },
    ),
    { numRuns: 300 },
  );
}, 120_000);
