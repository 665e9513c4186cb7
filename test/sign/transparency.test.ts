import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  appendToLog,
  consistencyProof,
  type GeneratedKey,
  generateKey,
  inclusionProof,
  Keyring,
  leafHash,
  memorySigner,
  proveGrowth,
  readLog,
  rootHash,
  verifyConsistency,
  verifyEntry,
  verifyGrowth,
  verifyInclusion,
} from '@distrokit/sign/node';
import { beforeAll, expect, test } from 'vitest';
import { temporaryFolder, tool } from './judges.js';

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const text = (content: string) => new TextEncoder().encode(content);
const signedAt = new Date('2026-11-22T00:00:00Z');
const at = new Date('2026-11-23T00:00:00Z');

let folder: string;
let key: GeneratedKey;
beforeAll(async () => {
  folder = await temporaryFolder();
  key = await generateKey({ userId: 'Log', kind: 'eddsa', createdAt: new Date('2026-01-01T00:00:00Z') });
});

// The test vectors that logs of RFC 6962 share: eight entries, the roots of the first n of them.
const entries = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const roots = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

test('roots and an inclusion proof are those of RFC 6962', () => {
  const leaves = entries.map((entry) => leafHash(hex(entry)));
  for (const [size, root] of roots.entries()) expect(toHex(rootHash(leaves.slice(0, size)))).toBe(root);
  expect(inclusionProof(leaves, 0).map(toHex)).toEqual([
    '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
    '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
    '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
  ]);
});

test('every entry of every tree has a proof that holds for it and for nothing else', () => {
  const leaves = Array.from({ length: 33 }, (_, i) => leafHash(text(`entry ${i}`)));
  for (let size = 1; size <= leaves.length; size++) {
    const tree = leaves.slice(0, size);
    const root = rootHash(tree);
    for (let index = 0; index < size; index++) {
      const proof = inclusionProof(tree, index);
      expect(verifyInclusion(tree[index]!, index, size, proof, root)).toBe(true);
      expect(verifyInclusion(leafHash(text('other')), index, size, proof, root)).toBe(false);
      if (size > 1) expect(verifyInclusion(tree[index]!, (index + 1) % size, size, proof, root)).toBe(false);
      expect(verifyInclusion(tree[index]!, index, size, [...proof, root], root)).toBe(false);
      if (proof.length > 0) expect(verifyInclusion(tree[index]!, index, size, proof.slice(1), root)).toBe(false);
    }
  }
});

test('every tree shows that it grew out of every smaller one, and no changed tree can', () => {
  const leaves = Array.from({ length: 20 }, (_, i) => leafHash(text(`entry ${i}`)));
  const changed = leaves.with(0, leafHash(text('rewritten')));
  for (let size = 1; size <= leaves.length; size++) {
    for (let old = 0; old <= size; old++) {
      const [before, now] = [rootHash(leaves.slice(0, old)), rootHash(leaves.slice(0, size))];
      const proof = consistencyProof(leaves.slice(0, size), old);
      expect(verifyConsistency(old, size, before, now, proof), `${old} to ${size}`).toBe(true);
      if (old === 0) continue;
      const forged = rootHash(changed.slice(0, size));
      expect(verifyConsistency(old, size, before, forged, consistencyProof(changed.slice(0, size), old))).toBe(false);
    }
  }
});

test('a log grows, each entry is proven offline, and gpg reads the checkpoint', async () => {
  const log = join(folder, 'log');
  const signer = await memorySigner(key.privateKey);
  const keyring = Keyring.from(key.publicKey);
  const first = await appendToLog(log, 'log.example.org', [text('a'), text('b')], signer, { signedAt });
  const earlier = (await readLog(log)).checkpoint!;
  const second = await appendToLog(log, 'log.example.org', [text('c')], signer, { signedAt });
  const { entries: stored, checkpoint } = await readLog(log);
  expect(stored.map((entry) => Buffer.from(entry).toString())).toEqual(['a', 'b', 'c']);
  for (const [content, proof] of [
    ['a', first[0]!],
    ['b', first[1]!],
    ['c', second[0]!],
  ] as const) {
    const carried = JSON.parse(JSON.stringify(proof)) as typeof proof;
    expect(verifyEntry(text(content), carried, keyring, { at })).toMatchObject({
      ok: true,
      included: true,
      checkpoint: { origin: 'log.example.org' },
    });
    expect(verifyEntry(text('x'), carried, keyring, { at })).toMatchObject({ ok: false, included: false });
    expect(verifyEntry(text(content), carried, Keyring.from(), { at })).toMatchObject({ ok: false, included: true });
  }
  const growth = proveGrowth(stored, earlier);
  expect(verifyGrowth(earlier, checkpoint!, growth, keyring, { at })).toBe(true);
  expect(verifyGrowth(checkpoint!, earlier, growth, keyring, { at })).toBe(false);
  const home = join(folder, 'gpg');
  await tool('mkdir', ['-m', '700', home]);
  await writeFile(join(home, 'key.asc'), key.publicKey);
  await tool('gpg', ['--homedir', home, '--batch', '--import', join(home, 'key.asc')]);
  const judged = await tool('gpg', [
    '--homedir',
    home,
    '--batch',
    '--status-fd',
    '1',
    '--verify',
    join(log, 'checkpoint'),
  ]);
  expect(judged.stdout).toContain('VALIDSIG');
});

test('an entry that was removed, changed or moved is found out', async () => {
  const log = join(folder, 'tampered');
  const signer = await memorySigner(key.privateKey);
  await appendToLog(log, 'o', [text('a'), text('b'), text('c')], signer, { signedAt });
  const earlier = (await readLog(log)).checkpoint!;
  const good = await readFile(join(log, 'entries'), 'utf8');
  const [a, b, c] = good.split('\n');
  for (const bad of [`${a}\n${c}\n`, `${b}\n${a}\n${c}\n`, `${a}\n${b}\nZA==\n`, `${a}\n!\n${c}\n`]) {
    await writeFile(join(log, 'entries'), bad);
    await expect(appendToLog(log, 'o', [text('d')], signer, { signedAt })).rejects.toMatchObject({
      code: 'SIGN_BAD_LOG',
    });
  }
  await writeFile(join(log, 'entries'), good);
  expect(() => proveGrowth([text('b'), text('a'), text('c')], earlier)).toThrow(
    expect.objectContaining({ code: 'SIGN_BAD_LOG' }),
  );
});

test('what a killed run left after the checkpoint is not part of the log, and the next run starts there', async () => {
  const log = join(folder, 'killed');
  const signer = await memorySigner(key.privateKey);
  await appendToLog(log, 'o', [text('a')], signer, { signedAt });
  await appendFile(join(log, 'entries'), 'Yg==\nhalf a li');
  expect((await readLog(log)).entries.length).toBe(1);
  await appendToLog(log, 'o', [text('c')], signer, { signedAt });
  expect((await readLog(log)).entries.map((entry) => Buffer.from(entry).toString())).toEqual(['a', 'c']);
});

test('a second writer is refused while the first one writes', async () => {
  const log = join(folder, 'two-writers');
  const signer = await memorySigner(key.privateKey);
  const outcomes = await Promise.allSettled(
    ['a', 'b'].map((content) => appendToLog(log, 'o', [text(content)], signer, { signedAt })),
  );
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  expect((await readLog(log)).entries.length).toBe(1);
});

test('a proof that is no proof is a negative answer', () => {
  const proof = { format: 'distrokit-log-proof-1', index: -1, hashes: ['zz'], checkpoint: 'x' } as const;
  expect(verifyEntry(text('a'), proof, Keyring.from(key.publicKey), { at })).toEqual({
    signatures: [],
    included: false,
    ok: false,
  });
});
