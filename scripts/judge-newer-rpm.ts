/**
 * rpm 6 as the judge of signatures that the rpm of this machine cannot judge: v6 packages, OPENPGP, ECDSA, several
 * signatures, post-quantum ones.
 *
 * In the root of a newer Debian: packages of ours in v4 and v6, signed with every kind of key, good and damaged. Verdicts
 * are compared; ours must not be weaker. Where the corpus lies beside the repository, its signed packages are judged too.
 *
 *     node --import tsx scripts/judge-newer-rpm.ts [ROOT]        needs root, mmdebstrap and the apt mirror
 *
 * Exit status 0 when all verdicts agree, 1 when one does not, 2 when there is no judge on this machine.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readPackage, writePackage } from '@distrokit/rpm';
import {
  attachSignature,
  type GeneratedKey,
  generateKey,
  type KeyKind,
  Keyring,
  listSignatures,
  memorySigner,
  type Placement,
  type SignedPackage,
  signPackage,
  verifyPackage,
} from '@distrokit/sign';
import { newerDebian } from './newer-debian.js';

const debian = newerDebian(process.argv[2]);
const root = debian.path;
const inRoot = debian.run;
const createdAt = new Date('2026-01-01T00:00:00Z');
const signedAt = new Date('2026-11-22T00:00:00Z');
const at = new Date('2026-11-23T00:00:00Z');

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return new Uint8Array(Buffer.concat(all));
}

const unsigned = (format: 4 | 6): Promise<Uint8Array> =>
  collect(
    writePackage(
      {
        name: `judged-v${format}`,
        version: '1.0',
        release: '1',
        arch: 'noarch',
        summary: 'A package to be judged',
        description: 'A package to be judged.',
        license: 'MIT',
        files: [
          { path: '/usr/share/judged', type: 'regular', content: new TextEncoder().encode('judged\n'.repeat(200)) },
        ],
      },
      { format, compression: { type: 'gzip' }, sourceDate: signedAt, buildHost: 'host.example' },
    ),
  );

interface Case {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Public keys that both judges get. */
  readonly keys: readonly string[];
  /** What ours must say; absent where only agreement counts. */
  readonly ok?: boolean;
}

async function ownCases(): Promise<Case[]> {
  const kinds: KeyKind[] = ['rsa3072', 'eddsa', 'ecdsa-p256', 'ecdsa-p384', 'v6-ed25519', 'v6-rsa4096'];
  const keys = new Map<KeyKind, GeneratedKey>();
  for (const kind of kinds) keys.set(kind, await generateKey({ userId: `Judge ${kind}`, kind, createdAt }));
  const cases: Case[] = [];
  const sign = async (bytes: Uint8Array, kind: KeyKind, placement: Placement): Promise<Uint8Array> => {
    const signer = await memorySigner(keys.get(kind)!.privateKey);
    const options = { signedAt, placement, existing: 'keep' } as const;
    const signed: SignedPackage = await signPackage(await readPackage(bytes), signer, options);
    return collect(signed.bytes());
  };
  for (const format of [4, 6] as const) {
    const plain = await unsigned(format);
    cases.push({ name: `v${format} unsigned`, bytes: plain, keys: [keys.get('rsa3072')!.publicKey], ok: false });
    for (const kind of kinds) {
      const { publicKey } = keys.get(kind)!;
      const stranger = keys.get(kind === 'rsa3072' ? 'eddsa' : 'rsa3072')!.publicKey;
      const placements: Placement[] = kind.startsWith('v6-')
        ? ['openpgp']
        : format === 6
          ? ['openpgp', 'both']
          : ['v4', 'openpgp'];
      for (const placement of placements) {
        const bytes = await sign(plain, kind, placement);
        const name = `v${format} ${kind} ${placement}`;
        cases.push({ name, bytes, keys: [publicKey], ok: true });
        cases.push({ name: `${name}, other key`, bytes, keys: [stranger], ok: false });
        const changed = bytes.slice();
        changed[changed.length - 20]! ^= 1;
        cases.push({ name: `${name}, payload changed`, bytes: changed, keys: [publicKey], ok: false });
      }
    }
    const twice = await sign(await sign(plain, 'rsa3072', 'openpgp'), 'v6-ed25519', 'openpgp');
    const [one, two] = [keys.get('rsa3072')!.publicKey, keys.get('v6-ed25519')!.publicKey];
    cases.push({ name: `v${format} two signatures`, bytes: twice, keys: [one, two], ok: true });
    cases.push({ name: `v${format} two signatures, one key`, bytes: twice, keys: [one] });
    const text = await memorySigner(keys.get('rsa3072')!.privateKey);
    const wrongType = await text.sign((await readPackage(plain)).header.bytes(), { signedAt, text: true });
    const attached = attachSignature(await readPackage(plain), wrongType, { placement: 'openpgp' });
    cases.push({
      name: `v${format} signature of the wrong type`,
      bytes: await collect(attached.bytes()),
      keys: [one],
      ok: false,
    });
  }
  return cases;
}

/** Signed packages of the corpus that rpm 4 cannot judge, each with its key. */
async function corpusCases(): Promise<Case[]> {
  const corpus = fileURLToPath(new URL('../../shared/corpus', import.meta.url));
  const oracle = join(corpus, 'oracle/verify-v6.json');
  if (!existsSync(oracle)) return [];
  const { signatures } = JSON.parse(readFileSync(oracle, 'utf8')) as {
    signatures: readonly { readonly path: string; readonly keyFile: string }[];
  };
  const good = signatures.map(({ path, keyFile }) => ({
    name: `corpus ${basename(path)}`,
    bytes: new Uint8Array(readFileSync(join(corpus, path))),
    keys: [readFileSync(join(corpus, keyFile), 'utf8')],
    ok: true,
  }));
  // The same with one bit of the signature turned over: for a composite once in each half.
  const bad: Case[] = [];
  for (const one of good) {
    const pkg = await readPackage(one.bytes);
    const { bytes } = listSignatures(pkg)[0]!;
    for (const back of [20, bytes.length - 120]) {
      const broken = bytes.slice();
      broken[broken.length - back]! ^= 1;
      const attached = await collect(attachSignature(pkg, broken, { placement: 'openpgp' }).bytes());
      bad.push({ name: `${one.name}, bit ${back} bytes from the end`, bytes: attached, keys: one.keys, ok: false });
    }
  }
  return [...good, ...bad];
}

/** rpm's verdict: a good signature line and exit status 0 at level `all`. */
function judge(folder: string, one: Case, index: number): { readonly ok: boolean; readonly lines: string } {
  const here = join(folder, String(index));
  mkdirSync(here);
  writeFileSync(join(here, 'x.rpm'), one.bytes);
  const inside = here.slice(root.length);
  inRoot('rpmdb', '--dbpath', `${inside}/db`, '--initdb');
  for (const [i, key] of one.keys.entries()) {
    writeFileSync(join(here, `${i}.asc`), key);
    inRoot('rpmkeys', '--dbpath', `${inside}/db`, '--import', `${inside}/${i}.asc`);
  }
  const level = ['--define', '_pkgverify_level all'];
  const { status, text } = inRoot('rpmkeys', '--dbpath', `${inside}/db`, ...level, '-Kv', `${inside}/x.rpm`);
  return { ok: status === 0 && /[Ss]ignature.*: OK$/m.test(text), lines: text.trim().replace(/\s*\n\s*/g, '; ') };
}

/** Whether gosop accepts the first signature as a detached one over the header. */
async function gosop(folder: string, one: Case): Promise<boolean> {
  const pkg = await readPackage(one.bytes);
  writeFileSync(join(folder, 'header'), pkg.header.bytes());
  writeFileSync(join(folder, 'signature'), listSignatures(pkg)[0]!.bytes);
  const inside = folder.slice(root.length);
  return inRoot('sh', '-c', `gosop verify ${inside}/signature ${inside}/0.asc < ${inside}/header`).status === 0;
}

console.log(inRoot('rpm', '--version').text.trim());
const work = mkdtempSync(join(root, 'tmp/judge-'));
let differences = 0;
try {
  copyFileSync('/dev/null', join(work, 'empty'));
  const cases = [...(await ownCases()), ...(await corpusCases())];
  for (const [index, one] of cases.entries()) {
    const theirs = judge(work, one, index);
    const report = await readPackage(one.bytes)
      .then((pkg) => verifyPackage(pkg, Keyring.from(...one.keys), { at, payload: true }))
      .catch(() => undefined);
    const ours = report?.ok ?? false;
    // rpm of that root has no ML-DSA: gosop judges those signatures instead.
    const beyond = report?.signatures.some(({ algorithm }) => algorithm.startsWith('ML-DSA')) ?? false;
    const judged = beyond ? await gosop(join(work, String(index)), one) : theirs.ok;
    const fine = ours === judged && (one.ok === undefined || ours === one.ok);
    if (!fine) differences++;
    const statuses = report?.signatures.map(({ status }) => status).join() ?? 'refused';
    console.log(
      `${fine ? 'same     ' : 'DIFFERENT'} ours ${ours} (${statuses}), ${beyond ? 'gosop' : 'rpm'} ${judged}: ${one.name}`,
    );
    if (!fine) console.log(`          ${theirs.lines}`);
  }
  console.log(`${cases.length} cases, ${differences} differences`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
process.exitCode = differences === 0 ? 0 : 1;
