/** Every bit of a signed package turned over, one at a time: what `ok` still says yes to must be listed as not covered. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readPackage } from '@distrokit/rpm';
import { generateKey, Keyring, memorySigner, signPackage, verifyPackage } from '@distrokit/sign';
import { beforeAll, expect, test } from 'vitest';
import { buildPackage, collect, rpmkeysOfMany, temporaryFolder } from '../sign/judges.js';

const signedAt = new Date('2026-11-22T00:00:00Z');
const at = new Date('2026-11-23T00:00:00Z');

let folder: string;
let signed: Uint8Array;
let publicKey: string;
let keyring: Keyring;

beforeAll(async () => {
  folder = await temporaryFolder();
  // Incompressible text makes a payload with room for a thousand positions.
  const content = `${Array.from({ length: 900 }, (_, i) => Math.imul(i + 1, 2654435761).toString(36)).join('')}\n`;
  // Less reserved space than usual: its zeros are all alike, and each bit is turned over.
  const { binary } = await buildPackage(folder, { content, define: ['__gpg_reserved_space 512'] });
  const key = await generateKey({ userId: 'Flip', kind: 'rsa3072', createdAt: new Date('2026-01-01T00:00:00Z') });
  const pkg = await readPackage(new Uint8Array(await readFile(binary)));
  signed = await collect((await signPackage(pkg, await memorySigner(key.privateKey), { signedAt })).bytes());
  publicKey = key.publicKey;
  keyring = Keyring.from(publicKey);
});

/** Whether the package with this bit turned over is still ok, and its report's own opinion about that place. */
async function flipped(offset: number, bit: number): Promise<'refused' | 'ok, not covered' | 'ok, covered'> {
  signed[offset]! ^= 1 << bit;
  try {
    const report = await verifyPackage(await readPackage(signed), keyring, { at, payload: true });
    if (!report.ok) return 'refused';
    const listed = report.notCovered.some(({ start, end }) => offset >= start && offset < end);
    return listed ? 'ok, not covered' : 'ok, covered';
  } catch {
    return 'refused';
  } finally {
    signed[offset]! ^= 1 << bit;
  }
}

test('no bit of the header and none of a thousand payload positions can change unseen', async () => {
  const { headerRange } = await readPackage(signed);
  const unseen: string[] = [];
  for (let offset = headerRange.start; offset < headerRange.end; offset++) {
    for (let bit = 0; bit < 8; bit++) {
      if ((await flipped(offset, bit)) !== 'refused') unseen.push(`header byte ${offset} bit ${bit}`);
    }
  }
  const payloadBytes = signed.length - headerRange.end;
  expect(payloadBytes).toBeGreaterThan(1000);
  for (let i = 0; i < 1000; i++) {
    const offset = headerRange.end + Math.floor((i * payloadBytes) / 1000);
    if ((await flipped(offset, i % 8)) !== 'refused') unseen.push(`payload byte ${offset} bit ${i % 8}`);
  }
  expect(unseen).toEqual([]);
});

test('a bit of lead or signature header that changes nothing is listed as not covered, and rpmkeys takes it too', async () => {
  const { headerRange, signatureRange } = await readPackage(signed);
  const still: { readonly offset: number; readonly bit: number }[] = [];
  for (let offset = 0; offset < headerRange.start; offset++) {
    for (let bit = 0; bit < 8; bit++) {
      const answer = await flipped(offset, bit);
      expect(answer, `byte ${offset} bit ${bit}`).not.toBe('ok, covered');
      if (answer !== 'refused') still.push({ offset, bit });
    }
  }
  expect(still.length).toBeGreaterThan(0);
  // Of the reserved zeros one bit in a hundred goes to the judge, of everything else each.
  const isReserved = (offset: number): boolean =>
    offset > signatureRange.end - 16 - 80 && offset < signatureRange.end - 16;
  const judged = still.filter(({ offset }, i) => !isReserved(offset) || i % 100 === 0);
  const flips = join(folder, 'flips');
  await mkdir(flips);
  const paths: string[] = [];
  for (const { offset, bit } of judged) {
    const path = join(flips, `${offset}-${bit}.rpm`);
    const copy = signed.slice();
    copy[offset]! ^= 1 << bit;
    await writeFile(path, copy);
    paths.push(path);
  }
  const verdicts = await rpmkeysOfMany(folder, paths, [publicKey]);
  const weaker = paths.filter((path) => !verdicts.get(path));
  expect(weaker.map((path) => path.slice(flips.length))).toEqual([]);
});
