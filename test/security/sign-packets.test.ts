/** Signature packets put together by hand, each good in its numbers: versions, types, makers and algorithms that are not what they should be. */
import { constants, createHash, createPrivateKey, type KeyObject, privateEncrypt } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestBytes, encodeHeader, type HeaderEntry, LEAD_BYTES, readPackage, signaturePadding } from '@distrokit/rpm';
import {
  attachSignature,
  type GeneratedKey,
  generateKey,
  Keyring,
  listSignatures,
  memorySigner,
  type VerificationReport,
  verifyPackage,
} from '@distrokit/sign';
import { readPrivateKey } from 'openpgp';
import { beforeAll, expect, test } from 'vitest';
import { buildPackage, collect, rpmkeys, temporaryFolder, tool } from '../sign/judges.js';
import { packet } from '../sign/raw-packets.js';

const createdAt = new Date('2026-01-01T00:00:00Z');
const signedAt = new Date('2026-11-22T00:00:00Z');
const at = new Date('2026-11-23T00:00:00Z');

let folder: string;
let unsigned: Uint8Array;
let header: Uint8Array;
let key: GeneratedKey;
let other: GeneratedKey;
let secret: KeyObject;

beforeAll(async () => {
  folder = await temporaryFolder();
  unsigned = new Uint8Array(await readFile((await buildPackage(folder)).binary));
  header = (await readPackage(unsigned)).header.bytes();
  key = await generateKey({ userId: 'Maker', kind: 'rsa3072', createdAt });
  other = await generateKey({ userId: 'Other', kind: 'rsa3072', createdAt });
  secret = await secretKey(key);
});

/** The private numbers, for signatures that no library would make. */
async function secretKey({ privateKey }: GeneratedKey): Promise<KeyObject> {
  const { keyPacket } = await readPrivateKey({ armoredKey: privateKey });
  const open = keyPacket.publicParams as { n: Uint8Array; e: Uint8Array };
  const { d, p, q, u } = (keyPacket as unknown as { privateParams: Record<'d' | 'p' | 'q' | 'u', Uint8Array> })
    .privateParams;
  const big = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
  const rest = (prime: Uint8Array): string => {
    const hex = (big(d) % (big(prime) - 1n)).toString(16);
    return text(Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex'));
  };
  // OpenPGP keeps 1/p mod q: the primes change places.
  const jwk = {
    kty: 'RSA',
    n: text(open.n),
    e: text(open.e),
    d: text(d),
    p: text(q),
    q: text(p),
    dp: rest(q),
    dq: rest(p),
    qi: text(u),
  };
  return createPrivateKey({ key: jwk, format: 'jwk' });
}

const keyIdOf = ({ fingerprint }: GeneratedKey): Buffer => Buffer.from(fingerprint.slice(-16), 'hex');
const fourBytes = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const seconds = fourBytes(signedAt.getTime() / 1000);

/** The first two bytes of the digest, and the number that RSA makes of it. */
function rsa(...covered: readonly Uint8Array[]): Buffer {
  const digest = createHash('sha256').update(Buffer.concat(covered)).digest();
  const info = Buffer.concat([Buffer.from('3031300d060960864801650304020105000420', 'hex'), digest]);
  const number = privateEncrypt({ key: secret, padding: constants.RSA_PKCS1_PADDING }, info);
  const start = number.findIndex((byte) => byte !== 0);
  const bits = (number.length - start) * 8 - (Math.clz32(number[start]!) - 24);
  return Buffer.concat([digest.subarray(0, 2), Buffer.from([bits >> 8, bits & 0xff]), number.subarray(start)]);
}

const subpacket = (type: number, data: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([data.length + 1, type]), data]);
const area = (...subpackets: readonly Buffer[]): Buffer => {
  const bytes = Buffer.concat(subpackets);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
};

/** A version 4 signature over the header. */
function version4(options: {
  readonly type?: number;
  readonly algorithm?: number;
  readonly hash?: number;
  readonly hashed?: readonly Buffer[];
  readonly unhashed?: readonly Buffer[];
}): Uint8Array {
  const { type = 0, algorithm = 1, hash = 8 } = options;
  const hashed = options.hashed ?? [subpacket(2, seconds), issuerFingerprint(key)];
  const unhashed = options.unhashed ?? [subpacket(16, keyIdOf(key))];
  const signed = Buffer.concat([Buffer.from([4, type, algorithm, hash]), area(...hashed)]);
  const trailer = Buffer.concat([Buffer.from([4, 0xff]), fourBytes(signed.length)]);
  return packet(2, Buffer.concat([signed, area(...unhashed), rsa(header, signed, trailer)]));
}

const issuerFingerprint = ({ fingerprint }: GeneratedKey): Buffer =>
  subpacket(33, Buffer.concat([Buffer.from([4]), Buffer.from(fingerprint, 'hex')]));

/** What we and what rpm say of the package with this signature in the place of v4 signatures, or in OPENPGP. */
async function judged(
  signature: Uint8Array,
  tag: 'RSA' | 'OPENPGP' = 'RSA',
): Promise<{ readonly report: VerificationReport; readonly rpm: boolean; readonly lines: string }> {
  const pkg = await readPackage(unsigned);
  let bytes: Uint8Array;
  if (tag === 'OPENPGP') bytes = await collect(attachSignature(pkg, signature, { placement: 'openpgp' }).bytes());
  else {
    const entries = pkg.signatureHeader.contents();
    const entry = { tag: 268, type: 7, count: signature.length, data: signature };
    const after = entries.findIndex((one) => one.tag > 268);
    bytes = withSignatureHeader(entries.toSpliced(after, 0, entry), header, unsigned.subarray(pkg.headerRange.end));
  }
  const path = join(folder, 'judged.rpm');
  await writeFile(path, bytes);
  const report = await verifyPackage(await readPackage(bytes), Keyring.from(key.publicKey, other.publicKey), {
    at,
    payload: true,
  });
  const { ok, lines } = await rpmkeys(folder, path, [key.publicKey, other.publicKey]);
  return { report, rpm: ok && lines.some((line) => /Signature, key ID .*: OK$/.test(line)), lines: lines.join('\n') };
}

function withSignatureHeader(entries: readonly HeaderEntry[], main: Uint8Array, payload: Uint8Array): Uint8Array {
  const signatureHeader = encodeHeader(entries, { regionTag: 62 });
  const padding = Buffer.alloc(signaturePadding(signatureHeader.length));
  return new Uint8Array(Buffer.concat([unsigned.subarray(0, LEAD_BYTES), signatureHeader, padding, main, payload]));
}

test('a version 4 signature put together here is good for us and for rpm, so that what follows fails for its own reason', async () => {
  const { report, rpm } = await judged(version4({}));
  expect(report.signatures).toMatchObject([{ status: 'verified', version: 4, fingerprint: key.fingerprint }]);
  expect([report.ok, rpm]).toEqual([true, true]);
});

test('a version 3 signature is verified, as rpm does', async () => {
  const covered = Buffer.concat([Buffer.from([0]), seconds]);
  const body = Buffer.concat([Buffer.from([3, 5]), covered, keyIdOf(key), Buffer.from([1, 8]), rsa(header, covered)]);
  const { report, rpm, lines } = await judged(packet(2, body));
  expect(report.signatures).toMatchObject([{ status: 'verified', version: 3, hash: 'SHA256', signedAt }]);
  expect([report.ok, rpm]).toEqual([true, true]);
  expect(lines).toContain('Header V3 RSA/SHA256 Signature');
});

test('a signature over text, over a key or of no known type does not count', async () => {
  for (const type of [0x01, 0x02, 0x10, 0x18, 0x1f, 0x20, 0x40, 0x50]) {
    const { report } = await judged(version4({ type }));
    expect([type, report.ok, report.signatures[0]?.status]).toEqual([type, false, 'bad-signature']);
  }
});

test('a signature that names two makers, no maker or no time does not count', async () => {
  const two = await judged(version4({ unhashed: [subpacket(16, keyIdOf(other))] }));
  expect(two.report).toMatchObject({
    ok: false,
    signatures: [{ status: 'bad-signature', reason: expect.stringContaining('two different keys') }],
  });
  expect(two.rpm).toBe(false);
  const none = await judged(version4({ hashed: [subpacket(2, seconds)], unhashed: [] }));
  expect(none.report).toMatchObject({ ok: false, signatures: [{ status: 'unknown-key' }] });
  expect(none.rpm).toBe(false);
  const timeless = await judged(version4({ hashed: [issuerFingerprint(key)] }));
  expect(timeless.report).toMatchObject({ ok: false, signatures: [{ status: 'bad-signature' }] });
  expect(timeless.rpm).toBe(false);
});

test('a signature that names another key of the keyring than the one that made it is bad', async () => {
  const { report, rpm } = await judged(
    version4({ hashed: [subpacket(2, seconds), issuerFingerprint(other)], unhashed: [subpacket(16, keyIdOf(other))] }),
  );
  expect(report).toMatchObject({
    ok: false,
    signatures: [{ status: 'bad-signature', fingerprint: other.fingerprint }],
  });
  expect(rpm).toBe(false);
});

test('a field that is vital to the signer and unknown, or an expired signature, does not count', async () => {
  const vital = await judged(
    version4({ hashed: [subpacket(2, seconds), issuerFingerprint(key), subpacket(0x80 | 100, Buffer.from('x'))] }),
  );
  expect(vital.report).toMatchObject({ ok: false, signatures: [{ status: 'unknown-format' }] });
  const expired = await judged(
    version4({ hashed: [subpacket(2, seconds), issuerFingerprint(key), subpacket(3, fourBytes(60))] }),
  );
  expect(expired.report).toMatchObject({
    ok: false,
    signatures: [{ status: 'bad-signature', reason: expect.stringContaining('expired 2026-11-22T00:01:00') }],
  });
});

test('an algorithm, a hash or a version that nobody knows is reported as unknown, and never as no signature', async () => {
  const unknown = {
    'SLH-DSA-SHAKE-256s/SHA256': version4({ algorithm: 34 }),
    'algorithm 99/SHA256': version4({ algorithm: 99 }),
    'RSA/hash 77': version4({ hash: 77 }),
    'OpenPGP signature of version 9': packet(2, Buffer.from([9, 0, 1, 8, 0, 0, 0, 0, 1, 2, 0, 8, 1])),
  };
  for (const [algorithm, signature] of Object.entries(unknown)) {
    // Nobody can attach what nobody can read: it lies where a newer signer put it.
    const pkg = await readPackage(unsigned);
    const text = Buffer.from(`${Buffer.from(signature).toString('base64')}\0`);
    const entries = [...pkg.signatureHeader.contents()];
    entries.splice(
      entries.findIndex((one) => one.tag > 278),
      0,
      { tag: 278, type: 8, count: 1, data: text },
    );
    const bytes = withSignatureHeader(entries, header, unsigned.subarray(pkg.headerRange.end));
    const read = await readPackage(bytes);
    expect(listSignatures(read)).toHaveLength(1);
    const report = await verifyPackage(read, Keyring.from(key.publicKey), { at, payload: true });
    expect([report.ok, report.signatures]).toEqual([
      false,
      [expect.objectContaining({ status: 'unknown-format', algorithm })],
    ]);
  }
});

test('a packet before or after the signature makes it no signature', async () => {
  const good = version4({});
  const marker = packet(10, Buffer.from('PGP'));
  for (const junk of [Buffer.concat([good, marker]), Buffer.concat([marker, good]), Buffer.concat([good, good])]) {
    const pkg = await readPackage(unsigned);
    const entries = pkg.signatureHeader.contents();
    const entry = { tag: 268, type: 7, count: junk.length, data: new Uint8Array(junk) };
    const bytes = withSignatureHeader(
      entries.toSpliced(
        entries.findIndex((one) => one.tag > 268),
        0,
        entry,
      ),
      header,
      unsigned.subarray(pkg.headerRange.end),
    );
    const report = await verifyPackage(await readPackage(bytes), Keyring.from(key.publicKey), { at, payload: true });
    expect(report).toMatchObject({ ok: false, signatures: [{ status: 'bad-signature' }] });
  }
});

test('a signature tag in the main header is refused, as rpm does, with all digests right', async () => {
  const pkg = await readPackage(unsigned);
  const signature = await (await memorySigner(key.privateKey)).sign(header, { signedAt });
  // 268 is RSAHEADER among the main header's numbers; an entry of the region like any other.
  const main = pkg.header.contents();
  const rsaHeader = { tag: 268, type: 7, count: signature.length, data: signature };
  const changed = encodeHeader([rsaHeader, ...main], { regionTag: 63 });
  const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(`${value}\0`));
  const digests: Readonly<Record<number, string>> = {
    269: digestBytes('sha1', changed),
    273: digestBytes('sha256', changed),
  };
  const own = await (await memorySigner(key.privateKey)).sign(changed, { signedAt });
  const entries = pkg.signatureHeader
    .contents()
    .filter(({ tag }) => ![1000, 1004].includes(tag))
    .map((one) => (digests[one.tag] === undefined ? one : { ...one, data: text(digests[one.tag]!) }));
  const payload = unsigned.subarray(pkg.headerRange.end);
  const withOwn = entries.toSpliced(
    entries.findIndex((one) => one.tag > 268),
    0,
    { tag: 268, type: 7, count: own.length, data: own },
  );
  const bytes = withSignatureHeader(withOwn, changed, payload);
  await expect(readPackage(bytes)).rejects.toMatchObject({ code: expect.stringMatching(/^RPM_/) });
  const path = join(folder, 'wrong-header.rpm');
  await writeFile(path, bytes);
  // rpmkeys looks at the signatures only; what reads a package does not take it.
  const queried = await tool('rpm', ['--dbpath', join(folder, 'none'), '-qp', path]);
  expect(queried.code).not.toBe(0);
  // The same without the misplaced entry is fine: nothing else is wrong with a package put together like this.
  const plainDigests: Readonly<Record<number, string>> = {
    269: digestBytes('sha1', header),
    273: digestBytes('sha256', header),
  };
  const plain = entries.map((one) =>
    plainDigests[one.tag] === undefined ? one : { ...one, data: text(plainDigests[one.tag]!) },
  );
  const fine = plain.toSpliced(
    plain.findIndex((one) => one.tag > 268),
    0,
    { ...rsaHeader },
  );
  const good = withSignatureHeader(fine, header, payload);
  await writeFile(path, good);
  expect((await tool('rpm', ['--dbpath', join(folder, 'none'), '-qp', path])).code).toBe(0);
  expect((await rpmkeys(folder, path, [key.publicKey])).ok).toBe(true);
  expect((await verifyPackage(await readPackage(good), Keyring.from(key.publicKey), { at, payload: true })).ok).toBe(
    true,
  );
});
