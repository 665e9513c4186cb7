/**
 * Is this package what a trusted key signed: every digest, every signature, and whether a client would take it.
 *
 * Frame first (`readPackage` refuses what rpm refuses), then digests and signatures, then trust. Nothing of the
 * signature header is ever taken for a property of the package.
 *
 * Reference: rpm, lib/rpmvs.cc (rpmvsVerify) at `%_pkgverify_level all`
 */
import { type Abortable, checkDigests, type DigestReport, LEAD_BYTES, type RpmPackage } from '@distrokit/rpm';
import type { Keyring } from './keyring.js';
import { type PackageSignature, readSignatures } from './package-signature.js';
import type { SignaturePacket } from './packet.js';
import type { PackageSignatureStatus, VerificationReport } from './report.js';
import { beginSignature, isObstacle, type SignatureStatus } from './signature-status.js';
import { find, SUBPACKET } from './subpacket.js';

/** Options of `verifyPackage`. */
export interface VerifyPackageOptions extends Abortable {
  /** The instant the question is about: keys must be good then, and no signature may be dated after it. */
  readonly at: Date;
  /** Also read the payload. Default false: the report then vouches for the header alone. */
  readonly payload?: boolean;
  /**
   * Whether the MD5 over header and payload is checked with the payload. Default true, as rpm 4 does: it refuses a package
   * for a wrong one. It counts for nothing beside a SHA-256 and takes twice its time: false leaves it 'not-checked' where
   * the header has a better digest of the payload, as rpm 6 does.
   */
  readonly legacy?: boolean;
}

const knownOptions: ReadonlySet<string> = new Set(['at', 'payload', 'legacy', 'signal']);

/**
 * Verifies digests and signatures of a package against the keys of a keyring.
 *
 * An answer is a report, whatever the package: only damage that `readPackage` or reading the payload meets throws.
 * Throws TypeError on an unknown option and on an `at` that is no date: a misspelt check must not be a skipped check.
 */
export async function verifyPackage(
  pkg: RpmPackage,
  keyring: Keyring,
  options: VerifyPackageOptions,
): Promise<VerificationReport> {
  const { at, payload = false, legacy = true, signal } = checkVerifyOptions(options);
  const digests = await checkDigests(pkg, { payload, legacy, ...(signal ? { signal } : {}) });
  const pending = readSignatures(pkg).map(({ signature, packet }) => ({
    signature,
    check: beginSignature(signature.bytes, undefined, packet),
  }));
  for (const { check } of pending) check.update(pkg.header.bytes());
  const overPayload = pending.filter(({ signature }) => signature.covers === 'header+payload');
  if (payload && overPayload.length > 0) {
    for await (const chunk of pkg.payload(options)) for (const { check } of overPayload) check.update(chunk);
  }
  const signatures = pending.map(({ signature, check }): PackageSignatureStatus => {
    const { tag, covers } = signature;
    if (covers === 'header+payload' && !payload) return { ...unchecked(signature), tag, covers };
    const status = check.finish(keyring, at);
    return { ...(lacksKeyId(tag, check.packet) ? nameless(status) : status), tag, covers };
  });
  const signed = signatures.some(({ status, covers }) => status === 'verified' && covers === 'header');
  const ok =
    digests.ok && signed && isPayloadBound(pkg, digests, payload) && !signatures.some((one) => stopsClients(one));
  return { digests, signatures, notCovered: notCovered(pkg, ok, payload), ok };
}

/** @internal Throws TypeError on an option that is unknown or of the wrong kind. */
export function checkVerifyOptions(options: VerifyPackageOptions): VerifyPackageOptions {
  for (const name of Object.keys(options ?? {})) {
    if (!knownOptions.has(name)) throw new TypeError(`"${name}" is no option of verifyPackage`);
  }
  if (!(options?.at instanceof Date) || Number.isNaN(options.at.getTime())) {
    throw new TypeError('"at" must be a valid Date');
  }
  for (const name of ['payload', 'legacy'] as const) {
    if (options[name] !== undefined && typeof options[name] !== 'boolean') {
      throw new TypeError(`"${name}" must be true or false`);
    }
  }
  return options;
}

function unchecked(signature: PackageSignature): PackageSignatureStatus {
  const { keyId, signedAt, version, algorithm = 'unknown' } = signature;
  return {
    status: 'not-checked',
    algorithm,
    tag: signature.tag,
    covers: signature.covers,
    reason: 'it covers the payload, which was not read',
    ...(keyId === undefined ? {} : { keyId }),
    ...(signedAt === undefined ? {} : { signedAt }),
    ...(version === undefined ? {} : { version }),
  };
}

/** rpm 4 finds the key of a v4 signature by its key id alone, which newer signers may leave out. */
function lacksKeyId(tag: PackageSignature['tag'], packet: SignaturePacket | undefined): boolean {
  if (tag === 'OPENPGP' || packet?.version !== 4) return false;
  return find([...packet.hashed, ...packet.unhashed], SUBPACKET.issuer, 8) === undefined;
}

function nameless(status: SignatureStatus): SignatureStatus {
  if (status.status !== 'verified') return status;
  const { fingerprint: _, ...rest } = status;
  return {
    ...rest,
    status: 'unknown-key',
    keyId: '',
    reason: 'it does not give the key id by which rpm 4 finds its key',
  };
}

/** rpm refuses on a bad signature and on one without a key, and on what it cannot read in the tags of v4. */
function stopsClients(one: PackageSignatureStatus): boolean {
  return isObstacle(one) || (one.status === 'unknown-format' && one.tag !== 'OPENPGP');
}

/** A signed header without a digest of the payload says nothing about the payload. */
function isPayloadBound(pkg: RpmPackage, digests: DigestReport, payload: boolean): boolean {
  const { header } = pkg;
  if (!payload) {
    return header.has('PAYLOADSHA256') || header.has('PAYLOADSHA512') || header.has('PAYLOADSHA3_256');
  }
  return [...Object.entries(digests.payload), ...Object.entries(digests.archive)].some(
    ([name, { status }]) => status === 'verified' && name !== 'md5' && name !== 'sha1',
  );
}

function notCovered(pkg: RpmPackage, ok: boolean, payload: boolean): VerificationReport['notCovered'] {
  const { headerRange } = pkg;
  const end = pkg.source.sizeBytes ?? Number.MAX_SAFE_INTEGER;
  return [
    { what: 'lead', start: 0, end: LEAD_BYTES },
    { what: 'signature header', start: LEAD_BYTES, end: headerRange.start },
    ...(ok ? [] : [{ what: 'header' as const, ...headerRange }]),
    ...(ok && payload ? [] : [{ what: 'payload' as const, start: headerRange.end, end }]),
  ];
}
