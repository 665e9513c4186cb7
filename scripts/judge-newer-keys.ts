/**
 * rpm 4.20 and rpm 6 as judges of `checkKey`: for keys in every state, whether a machine imports the file and accepts a
 * package that the key signed must be what the verdict says about the client family.
 *
 * EL10 (rpm 4.19) is judged by rpm 4.20 of Debian 13, Fedora by rpm 6 of a newer Debian; both verify with Sequoia. Debian has
 * no crypto policy of its own, so the rules of the Red Hat family are given to it as a policy file: what their DEFAULT
 * policies allow of keys and hashes.
 *
 *     node --import tsx scripts/judge-newer-keys.ts        needs root, mmdebstrap and the apt mirror
 *
 * Exit status 0 when all verdicts agree, 1 when one does not, 2 when there is no judge on this machine.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPackage, writePackage } from '@distrokit/rpm';
import {
  attachSignature,
  type Client,
  checkKey,
  generateKey,
  gpgSigner,
  memorySigner,
  type Signer,
} from '@distrokit/sign/node';
import { packet, packetsOfArmor } from '../test/sign/raw-packets.js';
import { type NewerDebian, newerDebian, run } from './newer-debian.js';

const judges: readonly { readonly client: Client; readonly debian: NewerDebian }[] = [
  {
    client: 'el10',
    debian: newerDebian('/var/cache/distrokit/debian-13', ['rpm', 'librpm-sequoia-1'], 'trixie'),
  },
  { client: 'fedora', debian: newerDebian() },
];

/** No SHA-1, RSA from 2048 bits, the NIST curves and those of RFC 7748, neither DSA nor brainpool. */
const policy = `[hash_algorithms]
sha256.collision_resistance = "always"
sha256.second_preimage_resistance = "always"
sha384.collision_resistance = "always"
sha384.second_preimage_resistance = "always"
sha512.collision_resistance = "always"
sha512.second_preimage_resistance = "always"
sha224.collision_resistance = "always"
sha224.second_preimage_resistance = "always"
default_disposition = "never"

[asymmetric_algorithms]
rsa2048 = "always"
rsa3072 = "always"
rsa4096 = "always"
nistp256 = "always"
nistp384 = "always"
nistp521 = "always"
cv25519 = "always"
x25519 = "always"
ed25519 = "always"
eddsa = "always"
x448 = "always"
ed448 = "always"
default_disposition = "never"
ignore_invalid = ["x25519", "ed25519", "eddsa", "x448", "ed448"]
`;

const now = new Date();
const day = 86_400_000;
const ago = (days: number): Date => new Date(Math.floor(now.getTime() / 1000) * 1000 - days * day);
const gpgTime = (instant: Date): string => instant.toISOString().slice(0, 19).replace(/[-:]/g, '');
const work = mkdtempSync(join(tmpdir(), 'distrokit-judge-keys-'));

/** A key file as users would get it, and a package signed by the key. */
interface Case {
  readonly name: string;
  readonly key: string | Uint8Array;
  readonly signed: Uint8Array;
  /**
   * The key ended after it had signed: rpm goes by the time of the signature and takes the package, where `checkKey` is asked
   * whether the key works now. Its reason must say so.
   */
  readonly signedBeforeItsEnd?: true;
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return new Uint8Array(Buffer.concat(all));
}

const unsigned = await collect(
  writePackage(
    {
      name: 'judged',
      version: '1',
      release: '1',
      arch: 'noarch',
      summary: 'Judged',
      description: 'Judged.',
      license: 'MIT',
    },
    { format: 4, compression: { type: 'gzip' }, sourceDate: ago(1000), buildHost: 'host.example' },
  ),
);

async function signedBy(signer: Signer, signedAt: Date, placement: 'v4' | 'openpgp' = 'v4'): Promise<Uint8Array> {
  const pkg = await readPackage(unsigned);
  // Not by signPackage: that refuses to sign with keys as weak as some of these.
  const signature = await signer.sign(pkg.header.bytes(), { signedAt });
  return collect(attachSignature(pkg, signature, { placement }).bytes());
}

/** A gpg home with one key, made at a time. */
class Gpg {
  readonly home: string;
  constructor(
    name: string,
    madeAt: Date,
    usage = 'sign,cert',
    expires = 'never',
    algorithm = 'rsa2048',
    ...options: string[]
  ) {
    this.home = join(work, name);
    mkdirSync(this.home, { mode: 0o700 });
    this.run(madeAt, ...options, '--quick-generate-key', `${name} <${name}@example.org>`, algorithm, usage, expires);
  }
  run(time: Date, ...args: string[]): string {
    const clock = ['--faked-system-time', `${gpgTime(time)}!`];
    const base = ['--homedir', this.home, '--batch', '--yes', '--pinentry-mode', 'loopback', '--passphrase', ''];
    const { status, text } = run('gpg', ['--quiet', '--no-permission-warning', ...base, ...clock, ...args]);
    if (status !== 0) throw new Error(`gpg ${args.join(' ')}: ${text}`);
    return text;
  }
  fingerprints(): string[] {
    const list = this.run(now, '--with-colons', '--list-keys', '--with-subkey-fingerprint');
    return [...list.matchAll(/^fpr:.*:([0-9A-F]{40}):/gm)].map(([, fingerprint]) => fingerprint!.toLowerCase());
  }
  publicKey(): string {
    const path = join(this.home, 'exported.asc');
    this.run(now, '--armor', '--output', path, '--export');
    return readFileSync(path, 'utf8');
  }
  /** Signed by the key or, for 1, by its first subkey. */
  signs(time: Date, part = 0): Promise<Uint8Array> {
    return signedBy(gpgSigner({ fingerprint: this.fingerprints()[part]!, homeFolder: this.home }), time);
  }
  revoke(time: Date, reason: '0' | '1'): void {
    const [fingerprint] = this.fingerprints();
    const path = join(this.home, 'revocation');
    const args = ['--homedir', this.home, '--no-tty', '--pinentry-mode', 'loopback', '--passphrase', ''];
    const clock = ['--faked-system-time', `${gpgTime(time)}!`, '--command-fd', '0', '--output', path];
    run('gpg', [...args, ...clock, '--gen-revoke', fingerprint!], `y\n${reason}\n\ny\n`);
    this.run(time, '--import', path);
  }
  [Symbol.dispose](): void {
    run('gpgconf', ['--homedir', this.home, '--kill', 'all']);
  }
}

const armor = (packets: readonly { readonly bytes: Uint8Array }[]): string =>
  `-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n${Buffer.concat(packets.map(({ bytes }) => bytes))
    .toString('base64')
    .replace(/.{1,64}/g, '$&\n')}-----END PGP PUBLIC KEY BLOCK-----\n`;

async function cases(): Promise<Case[]> {
  const all: Case[] = [];
  const add = (name: string, key: string | Uint8Array, signed: Uint8Array, more: Partial<Case> = {}): void => {
    all.push({ name, key, signed, ...more });
  };
  const publicKeys: string[] = [];
  for (const kind of ['rsa4096', 'rsa3072', 'eddsa', 'ecdsa-p256', 'ecdsa-p384', 'v6-ed25519', 'v6-rsa4096'] as const) {
    const key = await generateKey({ userId: kind, kind, createdAt: ago(400) });
    const signed = await signedBy(
      await memorySigner(key.privateKey),
      ago(10),
      kind.startsWith('v6-') ? 'openpgp' : 'v4',
    );
    publicKeys.push(key.publicKey);
    add(kind, key.publicKey, signed);
    if (kind === 'rsa3072') {
      add('two keys in a file', publicKeys.join(''), signed);
      add(
        'a binary file',
        new Uint8Array(Buffer.concat(packetsOfArmor(key.publicKey).map(({ bytes }) => bytes))),
        signed,
      );
    }
    if (kind === 'v6-ed25519') {
      add('an RSA key and a version 6 key in a file', publicKeys[0]! + key.publicKey, all[0]!.signed);
      add('a version 6 key and an RSA key in a file', key.publicKey + publicKeys[0]!, all[0]!.signed);
    }
  }
  const homes: Gpg[] = [];
  const gpg = (...args: ConstructorParameters<typeof Gpg>): Gpg => {
    const made = new Gpg(...args);
    homes.push(made);
    return made;
  };
  try {
    for (const algorithm of ['rsa2048', 'rsa1024', 'dsa2048', 'brainpoolP256r1', 'nistp521', 'ed25519']) {
      const one = gpg(algorithm, ago(400), 'sign,cert', 'never', algorithm);
      add(`${algorithm} by gpg`, one.publicKey(), await one.signs(ago(10)));
    }
    for (const [hash, days] of [
      ['SHA1', 400],
      ['SHA1', 4000],
      ['RIPEMD160', 4000],
      ['SHA224', 400],
      ['SHA512', 400],
    ] as const) {
      const one = gpg(`${hash}-${days}`, ago(days), 'sign,cert', 'never', 'rsa2048', '--cert-digest-algo', hash);
      add(`self-signature with ${hash}, ${days} days old`, one.publicKey(), await one.signs(ago(10)));
    }
    const expired = gpg('expired', ago(400), 'sign,cert', gpgTime(ago(5)));
    const signedBefore = await expired.signs(ago(10));
    add('expired since it signed', expired.publicKey(), signedBefore, { signedBeforeItsEnd: true });
    const late = gpg('late', ago(400));
    const signedAfter = await late.signs(ago(2));
    late.run(ago(6), '--quick-set-expire', late.fingerprints()[0]!, gpgTime(ago(5)));
    add('expired before it signed', late.publicKey(), signedAfter);
    expired.run(ago(4), '--quick-set-expire', expired.fingerprints()[0]!, gpgTime(ago(-400)));
    add('prolonged after its end', expired.publicKey(), signedBefore);
    const ending = gpg('ending', ago(400), 'sign,cert', gpgTime(ago(-30)));
    add('ends in 30 days', ending.publicKey(), await ending.signs(ago(10)));
    const future = gpg('future', ago(-30));
    add('made in the future', future.publicKey(), await future.signs(ago(-31)));
    for (const [name, reason] of [
      ['revoked as compromised', '1'],
      ['revoked without a reason', '0'],
    ] as const) {
      const revoked = gpg(name.replaceAll(' ', '-'), ago(400));
      const signed = await revoked.signs(ago(10));
      revoked.revoke(ago(5), reason);
      add(name, revoked.publicKey(), signed);
    }
    const parted = gpg('parted', ago(400), 'cert');
    parted.run(ago(399), '--quick-add-key', parted.fingerprints()[0]!, 'rsa2048', 'sign', 'never');
    const bySubkey = await parted.signs(ago(10), 1);
    add('a signing subkey', parted.publicKey(), bySubkey);
    const packets = packetsOfArmor(parted.publicKey());
    add(
      'a signing subkey without a signature back',
      armor([...packets.slice(0, 4), { bytes: packet(2, withoutUnhashed(packets[4]!.body)) }]),
      bySubkey,
    );
    add('a subkey without its binding', armor(packets.slice(0, 4)), bySubkey);
    add('no self-signature', armor([packets[0]!, packets[1]!, ...packets.slice(3)]), bySubkey);
    const shortLived = gpg('short-lived', ago(400), 'cert');
    shortLived.run(ago(399), '--quick-add-key', shortLived.fingerprints()[0]!, 'rsa2048', 'sign', gpgTime(ago(5)));
    add('a signing subkey that expired since', shortLived.publicKey(), await shortLived.signs(ago(10), 1), {
      signedBeforeItsEnd: true,
    });
    // gpg makes no signature back with SHA-1: a subkey for encryption needs none.
    const mixed = gpg('mixed', ago(400));
    const [primary] = mixed.fingerprints();
    mixed.run(ago(399), '--cert-digest-algo', 'SHA1', '--quick-add-key', primary!, 'rsa2048', 'encr', 'never');
    add('a subkey bound with SHA-1 beside a primary key that signs', mixed.publicKey(), await mixed.signs(ago(10)));
  } finally {
    for (const home of homes) home[Symbol.dispose]();
  }
  return all;
}

/** A version 4 signature without its unhashed subpackets, among which the signature back lies. */
function withoutUnhashed(body: Uint8Array): Uint8Array {
  const hashedEnd = 6 + ((body[4]! << 8) | body[5]!);
  const unhashed = (body[hashedEnd]! << 8) | body[hashedEnd + 1]!;
  return Buffer.concat([body.subarray(0, hashedEnd), Buffer.from([0, 0]), body.subarray(hashedEnd + 2 + unhashed)]);
}

/** Whether a machine with nothing but this key file accepts the package at level `all`. */
function accepts(
  { path, run: inRoot }: NewerDebian,
  folder: string,
  one: Case,
): { readonly ok: boolean; readonly lines: string } {
  mkdirSync(folder);
  const inside = folder.slice(path.length);
  writeFileSync(join(folder, 'key.asc'), one.key);
  writeFileSync(join(folder, 'x.rpm'), one.signed);
  writeFileSync(join(folder, 'policy'), policy);
  const rpmkeys = (...args: string[]): ReturnType<typeof inRoot> =>
    inRoot('env', `RPM_SEQUOIA_CRYPTO_POLICY=${inside}/policy`, 'rpmkeys', '--dbpath', `${inside}/db`, ...args);
  inRoot('rpmdb', '--dbpath', `${inside}/db`, '--initdb');
  const imported = rpmkeys('--import', `${inside}/key.asc`);
  const { status, text } = rpmkeys('--define', '_pkgverify_level all', '-Kv', `${inside}/x.rpm`);
  const ok = status === 0 && /[Ss]ignature.*: OK$/m.test(text);
  return { ok, lines: `${imported.text} ${text}`.trim().replace(/\s*\n\s*/g, '; ') };
}

let [judged, differences] = [0, 0];
try {
  const all = await cases();
  for (const { client, debian } of judges) {
    const folder = mkdtempSync(join(debian.path, 'tmp/judge-'));
    try {
      for (const [i, one] of all.entries()) {
        const theirs = accepts(debian, join(folder, String(i)), one);
        const [verdict] = checkKey(one.key, [client], now);
        const says = verdict!.problems.some(({ reason }) => reason.includes('that it signed before are still taken'));
        const same = one.signedBeforeItsEnd ? theirs.ok && !verdict!.works && says : verdict!.works === theirs.ok;
        judged++;
        if (!same) differences++;
        const kinds = verdict!.problems.map(({ kind, severity }) => `${kind} ${severity}`).join(', ');
        console.log(
          `${same ? 'same     ' : 'DIFFERENT'} ${client}: ours ${verdict!.works} (${kinds}), rpm ${theirs.ok}: ${one.name}`,
        );
        if (!same) console.log(`          ${theirs.lines}`);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  console.log(`${judged} verdicts, ${differences} differences`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
process.exitCode = differences === 0 ? 0 : 1;
