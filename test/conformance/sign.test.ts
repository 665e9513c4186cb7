/** Verdicts about the packages and keys of real distributions, held against rpm 4.18, gpg 2.2 and independent checks. */
import { type RpmPackage, readPackage } from '@distrokit/rpm';
import {
  allClients,
  attachSignature,
  checkKey,
  Keyring,
  listSignatures,
  type PackageSignatureStatus,
  verifyPackage,
} from '@distrokit/sign';
import { expect, test } from 'vitest';
import { corpusBytes, corpusPresent, keysOracle, mutate, mutations, verifyOracle, verifyV6Oracle } from './corpus.js';
import { recordConformance } from './recording.js';

const at = new Date('2026-11-22T00:00:00Z');

interface KeyOracle {
  readonly gpg?: { readonly rc: number; readonly certs?: readonly { readonly fingerprint: string }[] };
  readonly rpm418import?: { readonly rc: number; readonly message?: string };
}

if (!corpusPresent) {
  test('verdicts about real packages are not checked: the corpus does not lie beside the repository', () => {
    expect(corpusPresent).toBe(false);
  });
} else {
  const keys = keysOracle<KeyOracle>();
  /** The keys that rpm 4.18 had when it gave its verdicts. */
  const importable = (): Keyring =>
    Keyring.from(
      ...Object.entries(keys)
        .filter(([, key]) => key.rpm418import?.rc === 0)
        .map(([path]) => corpusBytes(path)),
    );

  /** What each verdict of rpm may be in our words: rpm 4.18 knows no expiry and refuses no algorithm. */
  const sameVerdict: Readonly<Record<string, readonly string[]>> = {
    OK: ['verified', 'rejected-algorithm', 'expired-key'],
    NOKEY: ['unknown-key'],
    BAD: ['bad-signature'],
  };

  /** A package as a plain record, so that one part can be another. */
  const whole = (pkg: RpmPackage): RpmPackage => ({
    format: pkg.format,
    lead: pkg.lead,
    signatureHeader: pkg.signatureHeader,
    header: pkg.header,
    nevra: pkg.nevra,
    isSource: pkg.isSource,
    signatureRange: pkg.signatureRange,
    headerRange: pkg.headerRange,
    source: pkg.source,
    payload: (options) => pkg.payload(options),
  });

  /** A status as the line that rpm prints for it. */
  const rpmLine = (one: PackageSignatureStatus): string => {
    const scope = one.covers === 'header' ? 'Header ' : '';
    return `${scope}V${one.version} ${one.algorithm} Signature, key ID ${one.keyId?.slice(-8)}`;
  };

  test('gives each signature of each package the verdict of rpmkeys, and is never the weaker judge', async () => {
    const keyring = importable();
    const wrong: string[] = [];
    let compared = 0;
    for (const [path, { allCorpusKeys }] of Object.entries(verifyOracle())) {
      const pkg = await readPackage(corpusBytes(path)).catch(() => undefined);
      if (!pkg) continue;
      const report = await verifyPackage(pkg, keyring, { at, payload: true });
      // rpm 4.18 does not look into OPENPGP.
      const ours = report.signatures.filter(({ tag }) => tag !== 'OPENPGP');
      const theirs = allCorpusKeys.lines.filter((line) => line.includes('Signature, key ID'));
      if (ours.length !== theirs.length) wrong.push(`${path}: ${ours.length} signatures, rpm has ${theirs.length}`);
      for (const line of theirs) {
        const [, what, verdict] = /^(.*): ([A-Z]+)$/.exec(line)!;
        const one = ours.find((status) => rpmLine(status) === what);
        compared++;
        if (!one || !sameVerdict[verdict!]?.includes(one.status)) wrong.push(`${path}: ${line}, ours: ${one?.status}`);
      }
      if (report.ok && allCorpusKeys.rc !== 0) wrong.push(`${path}: ok, and rpm refuses it`);
    }
    expect(wrong).toEqual([]);
    expect(compared).toBeGreaterThan(200);
    recordConformance({ what: 'signatures: the verdict', judge: 'rpmkeys 4.18.0', cases: compared, differences: 0 });
  });

  test('gives the same verdicts without the cryptography of Node, as in a browser', async () => {
    const keyring = importable();
    const statuses = async (): Promise<string[]> => {
      const all: string[] = [];
      for (const path of Object.keys(verifyOracle()).filter((_, i) => i % 3 === 0)) {
        const pkg = await readPackage(corpusBytes(path)).catch(() => undefined);
        if (!pkg) continue;
        const report = await verifyPackage(pkg, keyring, { at, payload: true });
        all.push(`${path}: ${report.ok} ${report.signatures.map(({ status }) => status).join()}`);
      }
      return all;
    };
    const withNode = await statuses();
    const { getBuiltinModule } = process;
    try {
      Object.assign(process, { getBuiltinModule: undefined });
      expect(await statuses()).toEqual(withNode);
    } finally {
      Object.assign(process, { getBuiltinModule });
    }
    expect(withNode.filter((line) => line.includes('verified')).length).toBeGreaterThan(5);
  });

  test('gives each damaged package a verdict that is not weaker than that of rpmkeys', async () => {
    const keyring = importable();
    const weaker: string[] = [];
    let refused = 0;
    let stricter = 0;
    for (const { base, name, ops, verify } of mutations()) {
      const bytes = mutate(corpusBytes(base), ops);
      const report = await readPackage(bytes)
        .then((pkg) => verifyPackage(pkg, keyring, { at, payload: true }))
        .catch(() => undefined);
      const signed = verify.rc === 0 && verify.lines.some((line) => /Signature.*: OK$/.test(line));
      if (report?.ok && !signed) weaker.push(`${base}, ${name}: ${verify.lines.join('; ')}`);
      if (!report?.ok) refused++;
      if (signed && !report?.ok) stricter++;
    }
    expect(weaker).toEqual([]);
    expect(refused).toBeGreaterThan(100);
    recordConformance({
      what: 'damaged packages: a verdict that is never weaker',
      judge: 'rpmkeys 4.18.0',
      cases: mutations().length,
      differences: stricter,
    });
  });

  test('verifies OpenPGP v6 signatures, ML-DSA composites with both halves included', async () => {
    const { signatures } = verifyV6Oracle<{ path: string; keyFile: string; issuerFingerprint: string }>();
    expect(signatures.length).toBe(3);
    for (const { path, keyFile, issuerFingerprint } of signatures) {
      const report = await verifyPackage(await readPackage(corpusBytes(path)), Keyring.from(corpusBytes(keyFile)), {
        at,
        payload: true,
      });
      expect(report.signatures, path).toMatchObject([
        { status: 'verified', fingerprint: issuerFingerprint, version: 6, tag: 'OPENPGP' },
      ]);
      expect(report.ok, path).toBe(true);
    }
  });

  test('a composite signature holds only when both of its halves do', async () => {
    const { signatures } = verifyV6Oracle<{ path: string; keyFile: string; pubkeyAlgo: number }>();
    const { path, keyFile } = signatures.find(({ pubkeyAlgo }) => pubkeyAlgo === 30)!;
    const pkg = await readPackage(corpusBytes(path));
    const keyring = Keyring.from(corpusBytes(keyFile));
    const { bytes } = listSignatures(pkg)[0]!;
    // The Ed25519 half is 64 bytes long, the ML-DSA half 3,309.
    const halves = { ed25519: bytes.length - 3309 - 10, mlDsa: bytes.length - 10, none: undefined };
    for (const [half, offset] of Object.entries(halves)) {
      const broken = bytes.slice();
      if (offset !== undefined) broken[offset]! ^= 1;
      const attached = attachSignature(pkg, broken, { placement: 'openpgp' });
      const report = await verifyPackage({ ...whole(pkg), signatureHeader: attached.signatureHeader }, keyring, { at });
      expect(report.signatures, half).toMatchObject([{ status: offset === undefined ? 'verified' : 'bad-signature' }]);
    }
  });

  test('verifies each of four signatures by three algorithms in one package', async () => {
    const pkg = await readPackage(corpusBytes('rpms/rpm-rs/RPMS/v4/signed/rpm-basic-with-ima-2.3.4-5.el9.noarch.rpm'));
    const own = Object.keys(keys).filter((path) => path.startsWith('keys/rpm-rs/v4/'));
    const report = await verifyPackage(pkg, Keyring.from(...own.map((path) => corpusBytes(path))), {
      at,
      payload: true,
    });
    expect(report.signatures.map(({ tag, algorithm, status }) => [tag, algorithm.split('/')[0], status])).toEqual([
      ['DSA', 'EdDSA', 'verified'],
      ['OPENPGP', 'EdDSA', 'verified'],
      ['OPENPGP', 'ECDSA', 'verified'],
      ['OPENPGP', 'RSA', 'verified'],
    ]);
    expect(report.ok).toBe(true);
  });

  test('keys that were made to fool rpm work for no client', () => {
    for (const name of ['CVE-2021-3521-badbind.asc', 'CVE-2021-3521-nosubsig.asc', 'type-confusion.asc']) {
      const key = corpusBytes('keys/rpm', name);
      expect(keys[`keys/rpm/${name}`]?.rpm418import?.rc, name).not.toBe(0);
      expect(
        checkKey(key, allClients, at).filter(({ works }) => works),
        name,
      ).toEqual([]);
    }
  });

  test('refuses no key that rpm 4.18 imports, but for a reason of EL9’s policy', () => {
    const wrong: string[] = [];
    let imported = 0;
    let stoppedByPolicy = 0;
    let compared = 0;
    for (const [path, { rpm418import, gpg }] of Object.entries(keys)) {
      if (!rpm418import || !gpg?.certs?.length) continue;
      const [verdict] = checkKey(corpusBytes(path), ['el9'], at);
      const stopped = verdict!.problems.filter(({ severity }) => severity === 'stops').map(({ kind }) => kind);
      compared++;
      // What EL9's policy refuses and the parser itself does not.
      const byPolicy = ['weak-self-signature', 'weak-key', 'algorithm', 'revoked', 'no-self-signature', 'cannot-sign'];
      if (rpm418import.rc !== 0) continue;
      imported++;
      if (stopped.length > 0) stoppedByPolicy++;
      if (stopped.some((kind) => !byPolicy.includes(kind))) wrong.push(`${path}: ${stopped}`);
    }
    expect(wrong).toEqual([]);
    expect(compared).toBeGreaterThan(150);
    recordConformance({
      what: 'keys that rpm imports: usable, but for policy',
      judge: 'rpm 4.18.0',
      cases: imported,
      differences: stoppedByPolicy,
    });
  });

  test('reads the same certificates as gpg from every key file, and says what it leaves out', () => {
    const wrong: string[] = [];
    for (const [path, { gpg }] of Object.entries(keys)) {
      if (!gpg?.certs) continue;
      const keyring = Keyring.from(corpusBytes(path));
      const ours = new Set(keyring.keys.map(({ fingerprint }) => fingerprint));
      const missing = gpg.certs.filter(({ fingerprint }) => !ours.has(fingerprint));
      for (const { fingerprint } of missing) {
        if (!keyring.skipped.some((one) => one.fingerprint === fingerprint)) wrong.push(`${path}: ${fingerprint}`);
      }
    }
    expect(wrong).toEqual([]);
  });
}
