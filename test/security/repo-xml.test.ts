import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  memoryFetcher,
  memoryStore,
  openRepository,
  openRepositoryAt,
  RepoError,
  type RepoFault,
  writeRepository,
  XmlReader,
} from '@distrokit/repo/node';
import { compressBytes, digestBytes } from '@distrokit/rpm';
import { expect, test } from 'vitest';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function faultOf(action: () => unknown): RepoFault {
  try {
    action();
  } catch (error) {
    if (error instanceof RepoError) return error.fault;
    throw error;
  }
  throw new Error('nothing was thrown');
}

function read(text: string | Uint8Array): void {
  const reader = new XmlReader('hostile.xml', { open: () => undefined, close: () => undefined });
  reader.write(typeof text === 'string' ? bytes(text) : text);
  reader.end();
}

test.each([
  ['a document type', '<!DOCTYPE a><a/>'],
  ['an entity declaration', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
  ['an external entity', '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'],
  ['an undeclared entity', '<a>&b;</a>'],
  ['a bare ampersand', '<a>a & b</a>'],
  ['a reference to a control character', '<a>&#0;</a>'],
  ['a reference to a surrogate', '<a>&#xD800;</a>'],
  ['a reference past the last character', '<a>&#x110000;</a>'],
  ['a control character in text', '<a>\u0001</a>'],
  ['a control character in an attribute', '<a b="\u001b"/>'],
  ['an attribute twice', '<a b="1" b="2"/>'],
  ['an attribute without quotes', '<a b=1/>'],
  ['a second root', '<a/><b/>'],
  ['text outside the root', '<a/>x'],
  ['a wrong closing tag', '<a><b></a></b>'],
  ['an end inside an element', '<a><b>'],
  ['an end inside a tag', '<a b="'],
  ['nothing', ''],
  ['an encoding other than UTF-8', '<?xml version="1.0" encoding="UTF-16"?><a/>'],
])('refuses %s', (_, text) => {
  expect(faultOf(() => read(text))).toMatchObject({ code: 'REPO_BAD_XML', document: 'hostile.xml' });
});

test('refuses bytes that are not UTF-8, and says at which byte the text begins', () => {
  const text = bytes('<a><b>ok</b><c>xx</c></a>');
  text[15] = 0xff;
  expect(faultOf(() => read(text))).toMatchObject({ code: 'REPO_BAD_XML', offset: 15, wanted: 'UTF-8' });
});

test('refuses elements in elements beyond the ceiling, at once', () => {
  const fault = faultOf(() => read('<a>'.repeat(1_000_000)));
  expect(fault).toMatchObject({ code: 'REPO_BAD_XML', offset: 64 * 3 });
});

test('refuses an attribute and a text that do not end', () => {
  const reader = new XmlReader('hostile.xml', { open: () => undefined, close: () => undefined });
  reader.write(bytes('<a b="'));
  const chunk = bytes('x'.repeat(65_536));
  expect(
    faultOf(() => {
      for (let at = 0; at < 1000; at++) reader.write(chunk);
    }),
  ).toMatchObject({ code: 'REPO_BAD_XML', wanted: 'a value of at most 1048576 bytes' });
  const other = new XmlReader('hostile.xml', { open: () => undefined, close: () => undefined });
  other.write(bytes('<a>'));
  expect(
    faultOf(() => {
      for (let at = 0; at < 1000; at++) other.write(chunk);
    }),
  ).toMatchObject({ code: 'REPO_BAD_XML', wanted: 'a token of at most 10000000 bytes' });
});

test('refuses more attributes than any element has', () => {
  const many = Array.from({ length: 100_000 }, (_, at) => ` a${at}=""`).join('');
  expect(faultOf(() => read(`<a${many}/>`))).toMatchObject({ code: 'REPO_BAD_XML' });
});

test('a name from the prototype of objects is an ordinary name', () => {
  const seen: string[] = [];
  const reader = new XmlReader('odd.xml', {
    open: (name, attributes) =>
      seen.push(name, attributes.get('constructor') ?? 'none', attributes.get('__proto__') ?? 'none'),
    close: () => undefined,
  });
  reader.write(bytes('<__proto__ __proto__="x"/>'));
  reader.end();
  expect(seen).toEqual(['__proto__', 'none', 'x']);
  expect(faultOf(() => read('<a>&constructor;</a>'))).toMatchObject({ code: 'REPO_BAD_XML' });
});

/** A repository of one document, whose record says what the test wants it to say. */
async function repositoryOf(document: Uint8Array, record: (hex: string) => string) {
  const files = new Map([
    ['repodata/primary.xml', document],
    [
      'repodata/repomd.xml',
      bytes(
        `<repomd><data type="primary">${record(digestBytes('sha256', document))}<location href="repodata/primary.xml"/></data></repomd>`,
      ),
    ],
  ]);
  return openRepository(memoryFetcher(files), { verifyRepomd: 'unsigned' });
}

async function drain(packages: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of packages) count++;
  return count;
}

test('a document with another digest than announced is refused', async () => {
  const repository = await repositoryOf(
    bytes('<metadata/>'),
    () => `<checksum type="sha256">${'0'.repeat(64)}</checksum>`,
  );
  await expect(drain(repository.packages())).rejects.toMatchObject({ code: 'REPO_CHECKSUM' });
});

test('a document longer than announced is not read to its end', async () => {
  const repository = await repositoryOf(
    bytes(`<metadata>${' '.repeat(1_000_000)}</metadata>`),
    (hex) => `<checksum type="sha256">${hex}</checksum><size>100</size>`,
  );
  await expect(drain(repository.packages())).rejects.toMatchObject({
    code: 'REPO_TOO_LARGE',
    fault: { limitBytes: 100 },
  });
});

test('a small file that opens to more than announced is stopped at what was announced', async () => {
  const bomb = await compressBytes(new Uint8Array(50_000_000), { type: 'gzip' });
  const repository = await repositoryOf(
    bomb,
    (hex) => `<checksum type="sha256">${hex}</checksum><open-size>1000</open-size>`,
  );
  await expect(drain(repository.packages())).rejects.toMatchObject({
    code: 'REPO_TOO_LARGE',
    fault: { limitBytes: 1000 },
  });
});

test('compressed data that is damaged is refused with the document', async () => {
  const gz = await compressBytes(bytes('<metadata/>'.padEnd(5000)), { type: 'gzip' });
  gz[gz.length - 10] = (gz[gz.length - 10] as number) ^ 0xff;
  const repository = await repositoryOf(gz, (hex) => `<checksum type="sha256">${hex}</checksum>`);
  await expect(drain(repository.packages())).rejects.toMatchObject({ code: 'REPO_BAD_COMPRESSION' });
});

test('a location that leads out of the repository is not followed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'distrokit-repo-'));
  const inside = join(folder, 'repository');
  mkdirSync(join(inside, 'repodata'), { recursive: true });
  writeFileSync(join(folder, 'secret.xml'), '<metadata/>');
  const hex = digestBytes('sha256', bytes('<metadata/>'));
  const record = (href: string): string =>
    `<repomd><data type="primary"><checksum type="sha256">${hex}</checksum><location href="${href}"/></data></repomd>`;
  for (const href of ['../secret.xml', `${folder}/secret.xml`, 'repodata/../../secret.xml', 'repodata/./repomd.xml']) {
    writeFileSync(join(inside, 'repodata/repomd.xml'), record(href));
    const repository = await openRepositoryAt(inside, { verifyRepomd: 'unsigned' });
    await expect(drain(repository.packages())).rejects.toMatchObject({ code: 'REPO_NOT_FOUND', fault: { href } });
  }
  rmSync(folder, { recursive: true });
});

test('the signature is judged before one byte of repomd.xml is believed', async () => {
  const files = new Map([
    ['repodata/repomd.xml', bytes('<not even xml')],
    ['repodata/repomd.xml.asc', bytes('sig')],
  ]);
  const seen: string[] = [];
  const refusal = new Error('not by this key');
  await expect(
    openRepository(memoryFetcher(files), {
      verifyRepomd: async (repomd, signature) => {
        seen.push(new TextDecoder().decode(repomd), new TextDecoder().decode(signature));
        throw refusal;
      },
    }),
  ).rejects.toBe(refusal);
  expect(seen).toEqual(['<not even xml', 'sig']);
});

test('a repository without a signature is refused when one is asked for', async () => {
  const store = memoryStore();
  await writeRepository([], store, { revision: '1', timestamp: new Date(0), compression: 'none', checksum: 'sha256' });
  await expect(openRepository(store, { verifyRepomd: async () => undefined })).rejects.toMatchObject({
    code: 'REPO_NOT_FOUND',
    fault: { href: 'repodata/repomd.xml.asc' },
  });
});

test('an option that is misspelt is refused, not skipped', async () => {
  // @ts-expect-error: what a caller without types may write
  await expect(openRepository(memoryStore(), { verifyRepomd: 'no' })).rejects.toThrow(TypeError);
});
