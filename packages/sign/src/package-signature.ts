/**
 * Signatures of a package: list, make, add, replace, delete, detach to a file and attach again. The main header and
 * the payload keep their bytes; only the signature header, which no signature covers, is written anew.
 *
 * A v4 package takes one signature in RSA or DSA (the tag for every other algorithm), which all clients read; OPENPGP
 * takes any number, which rpm 6 reads, in v6 packages only there.
 *
 * Reference: rpm, sign/rpmgensig.cc; docs/manual/format_v4.md, format_v6.md
 */
import {
  type Abortable,
  type ByteRange,
  checkDigests,
  type DigestReport,
  decodeSignatureHeader,
  formatNevra,
  type Header,
  type HeaderEntry,
  LEAD_BYTES,
  quote,
  type RpmPackage,
  type SignatureTags,
  signatureTags,
} from '@distrokit/rpm';
import { decodeBase64, encodeBase64, equalBytes } from './bytes.js';
import { SignError } from './errors.js';
import { algorithmName, keyAlgorithmName, type SignaturePacket } from './packet.js';
import type { SignatureTag } from './report.js';
import { binaryEntry, padHeader, rewritten, textsEntry, withEntry } from './signature-header.js';
import { decodeSingleSignature, readSingleSignature } from './signature-status.js';
import { makeSignature, type Signer } from './signer.js';

/** One signature of a package, not verified: everything here is a claim. */
export interface PackageSignature {
  readonly tag: SignatureTag;
  readonly covers: 'header' | 'header+payload';
  /** The binary OpenPGP packet; empty when an OPENPGP text is no base64. */
  readonly bytes: Uint8Array;
  /** For instance `RSA/SHA256`; absent when the packet cannot be read. */
  readonly algorithm?: string;
  readonly version?: number;
  readonly keyId?: string;
  readonly fingerprint?: string;
  readonly signedAt?: Date;
}

/** A package with another signature header. */
export interface SignedPackage {
  readonly signatureHeader: Header<SignatureTags>;
  /** The new signature header is as long as the old one: patch the file, leave the payload. */
  readonly fitsInPlace: boolean;
  /**
   * The stretch of the old file that changes, and what takes its place: enough for an object store to put the new
   * file together from this and the untouched rest.
   */
  readonly splice: { readonly replaces: ByteRange; readonly bytes: Uint8Array };
  /** The whole file. */
  bytes(options?: Abortable): AsyncIterable<Uint8Array>;
}

/** Where a signature goes: the tag of the v4 format, OPENPGP, or the same signature in both. */
export type Placement = 'v4' | 'openpgp' | 'both';

/** Options of `signPackage`. */
export interface SignPackageOptions extends Abortable {
  /** Goes into the signature, in whole seconds. */
  readonly signedAt: Date;
  /** Default: `v4` for a v4 package, `openpgp` for a v6 package. */
  readonly placement?: Placement;
  /** Signatures that are there already: `replace` all of them (default), or `keep` them and add. */
  readonly existing?: 'replace' | 'keep';
}

/**
 * Signs the header of a package. Reads the payload once: a package whose bytes do not match its own digests is never
 * signed. IMA file signatures and everything else in the signature header stay.
 *
 * Throws SIGN_DIGEST_MISMATCH, SIGN_SIGNER_FAILED, SIGN_FORMAT (a v3 package; an algorithm that the tag cannot hold; a
 * second signature for the one place of v4), and what reading the payload throws.
 */
export async function signPackage(
  pkg: RpmPackage,
  signer: Signer,
  options: SignPackageOptions,
): Promise<SignedPackage> {
  refuseFormat3(pkg);
  const report = await checkDigests(pkg, { payload: true, ...(options.signal ? { signal: options.signal } : {}) });
  assertIntact(pkg, report);
  const { bytes } = await makeSignature(signer, pkg.header.bytes(), options);
  return attachSignature(pkg, bytes, options);
}

/**
 * Puts a signature over the header, made elsewhere, into the package. Needs lead and headers only, so a package need
 * not travel to its signer; checks no digest and not the signature itself.
 *
 * Throws SIGN_FORMAT as `signPackage` does, and when `signature` is not one binary signature packet.
 */
export function attachSignature(
  pkg: RpmPackage,
  signature: Uint8Array,
  options: Pick<SignPackageOptions, 'placement' | 'existing'> = {},
): SignedPackage {
  refuseFormat3(pkg);
  const packet = readSignature(pkg, signature);
  const placement = options.placement ?? (pkg.format === 6 ? 'openpgp' : 'v4');
  let header = pkg.signatureHeader;
  if (options.existing !== 'keep') header = withoutSignatures(header, listSignatures(pkg));
  if (placement !== 'openpgp') {
    const tag = v4Tag(pkg, packet);
    if (header.has('RSA') || header.has('DSA')) {
      const taken = header.has('RSA') ? 'RSA' : 'DSA';
      throw badFormat(pkg, 'no header signature yet, since v4 has one place', `one in ${taken}`);
    }
    header = withEntry(header, signatureTags[tag][0], binaryEntry(signatureTags[tag][0], signature));
  }
  if (placement !== 'v4') {
    const texts = openPgpTexts(header);
    const text = encodeBase64(signature);
    if (!texts.includes(text)) header = withEntry(header, ...openPgpEntry([...texts, text]));
  }
  return signedPackage(pkg, header);
}

/** Every signature, in the order of the signature header. Empty when there is none. */
export function listSignatures(pkg: RpmPackage): PackageSignature[] {
  return readSignatures(pkg).map(({ signature }) => signature);
}

/** Every signature with its packet, or the reason why it is none. */
export function readSignatures(
  pkg: RpmPackage,
): { readonly signature: PackageSignature; readonly packet: SignaturePacket | string }[] {
  const all: ReturnType<typeof readSignatures> = [];
  for (const entry of pkg.signatureHeader.contents()) {
    const tag = signatureTagOf(entry.tag);
    if (!tag) continue;
    const covers = tag === 'PGP' || tag === 'GPG' ? 'header+payload' : 'header';
    const values =
      tag === 'OPENPGP' ? textsOf(entry).map((text) => decodeBase64(text) ?? new Uint8Array(0)) : [entry.data];
    for (const bytes of values) {
      const packet = readSingleSignature(bytes);
      all.push({ signature: { tag, covers, bytes, ...claims(packet) }, packet });
    }
  }
  return all;
}

/**
 * The package without its signatures, or without those that `which` picks. Digests, IMA file signatures and the rest
 * stay. A signature that was added before, by rpm or by us, leaves no trace: the bytes are those of before.
 */
export function deleteSignatures(
  pkg: RpmPackage,
  which: (signature: PackageSignature) => boolean = () => true,
): SignedPackage {
  return signedPackage(pkg, withoutSignatures(pkg.signatureHeader, listSignatures(pkg).filter(which)));
}

/** The signature header as it is, to be kept beside an unsigned package; `attachSignatures` puts it back. A view. */
export function detachSignatures(pkg: RpmPackage): Uint8Array {
  return pkg.signatureHeader.bytes();
}

/**
 * The package under a signature header that `detachSignatures` gave, for instance the one of another key.
 *
 * Throws SIGN_FORMAT when its digests are not those of this package: it belongs to another one. Throws what
 * `decodeSignatureHeader` throws.
 */
export function attachSignatures(pkg: RpmPackage, signatureHeader: Uint8Array): SignedPackage {
  const header = decodeSignatureHeader(signatureHeader);
  const digests = ['SHA256', 'SHA1', 'SHA3_256'] as const;
  const shared = digests.filter((name) => header.has(name) && pkg.signatureHeader.has(name));
  const other = shared.find((name) => header.get(name) !== pkg.signatureHeader.get(name));
  if (shared.length === 0 || other) {
    throw badFormat(pkg, 'the signature header of this package', `one of another package (${other ?? 'no digest'})`);
  }
  return signedPackage(pkg, header);
}

/** Throws SIGN_DIGEST_MISMATCH unless every digest matches and one that counts is there. */
export function assertIntact(pkg: RpmPackage, report: DigestReport): void {
  if (report.ok) return;
  const parts = { header: report.header, payload: report.payload, archive: report.archive };
  const wrong = Object.entries(parts).flatMap(([part, statuses]) =>
    Object.entries(statuses).flatMap(([name, one]) => (one.status === 'mismatch' ? [`${part} ${name}`] : [])),
  );
  // Nothing present is not intact either: rpm before 4.14 wrote no digest that is still worth signing.
  const digests = wrong.length > 0 ? wrong : ['header sha256 (not present)'];
  const name = formatNevra(pkg.nevra);
  throw new SignError(
    { code: 'SIGN_DIGEST_MISMATCH', package: name, digests },
    `${quote(name)} is not signed: its bytes do not match ${digests.join(', ')}`,
  );
}

/** The name of a signature's tag, `undefined` for tags that hold none. */
export function signatureTagOf(tag: number): SignatureTag | undefined {
  return tagNames.find((name) => signatureTags[name][0] === tag);
}

/** The texts of a STRING_ARRAY entry; an entry of another type has none. */
export function textsOf(entry: HeaderEntry): string[] {
  if (entry.type !== 8 && entry.type !== 6) return [''];
  return new TextDecoder('latin1').decode(entry.data).split('\0').slice(0, entry.count);
}

const tagNames: readonly SignatureTag[] = ['RSA', 'DSA', 'OPENPGP', 'PGP', 'GPG'];

function withoutSignatures(
  header: Header<SignatureTags>,
  unwanted: readonly PackageSignature[],
): Header<SignatureTags> {
  let result = header;
  for (const name of tagNames) {
    const ours = unwanted.filter(({ tag }) => tag === name);
    if (ours.length === 0) continue;
    if (name !== 'OPENPGP') {
      result = withEntry(result, signatureTags[name][0], undefined);
      continue;
    }
    // One after the other: each gives back just what it took.
    for (const { bytes } of ours) {
      const texts = openPgpTexts(result);
      const index = texts.findIndex((text) => equalBytes(decodeBase64(text) ?? new Uint8Array(0), bytes));
      result = withEntry(result, ...openPgpEntry(texts.toSpliced(index, 1)));
    }
  }
  return result;
}

function openPgpTexts(header: Header<SignatureTags>): string[] {
  const entry = header.contents().find(({ tag }) => tag === signatureTags.OPENPGP[0]);
  return entry ? textsOf(entry) : [];
}

function openPgpEntry(texts: readonly string[]): [number, HeaderEntry | undefined] {
  const tag = signatureTags.OPENPGP[0];
  return [tag, texts.length > 0 ? textsEntry(tag, texts) : undefined];
}

/** A package under another signature header. */
export function signedPackage(pkg: RpmPackage, header: Header<SignatureTags>): SignedPackage {
  const { padded, fits } = rewritten(pkg.signatureHeader, header);
  const replaces = { start: LEAD_BYTES, end: pkg.headerRange.start };
  return {
    signatureHeader: header,
    fitsInPlace: fits,
    splice: { replaces, bytes: padded },
    async *bytes(options) {
      yield await pkg.source.read(0, LEAD_BYTES, options);
      yield padHeader(header.bytes());
      yield pkg.header.bytes();
      yield* pkg.payload(options);
    },
  };
}

function claims(packet: SignaturePacket | string): Partial<PackageSignature> {
  if (typeof packet === 'string') return {};
  return {
    algorithm: algorithmName(packet.keyAlgorithm, packet.hashAlgorithm),
    version: packet.version,
    ...(packet.keyId === undefined ? {} : { keyId: packet.keyId }),
    ...(packet.issuerFingerprint === undefined ? {} : { fingerprint: packet.issuerFingerprint }),
    ...(packet.createdAt === undefined ? {} : { signedAt: packet.createdAt }),
  };
}

function v4Tag(pkg: RpmPackage, packet: SignaturePacket): 'RSA' | 'DSA' {
  const isRsa = packet.keyAlgorithm === 1 || packet.keyAlgorithm === 3;
  const isOther = [17, 19, 22].includes(packet.keyAlgorithm);
  if (packet.version > 4 || !(isRsa || isOther)) {
    const found = `version ${packet.version}, ${keyAlgorithmName(packet.keyAlgorithm)}`;
    throw badFormat(pkg, 'an RSA, ECDSA or EdDSA signature of version 4 for the v4 tags', found);
  }
  return isRsa ? 'RSA' : 'DSA';
}

function readSignature(pkg: RpmPackage, signature: Uint8Array): SignaturePacket {
  try {
    return decodeSingleSignature(signature);
  } catch (cause) {
    throw badFormat(pkg, 'one binary OpenPGP signature', 'other bytes', cause);
  }
}

function refuseFormat3(pkg: RpmPackage): void {
  if (pkg.format === 3) throw badFormat(pkg, 'a package of format 4 or 6', 'format 3');
}

function badFormat(pkg: RpmPackage, wanted: string, found: string, cause?: unknown): SignError {
  const name = formatNevra(pkg.nevra);
  return new SignError(
    { code: 'SIGN_FORMAT', package: name, wanted, found },
    `${quote(name)}: wanted ${wanted}, found ${found}`,
    cause === undefined ? undefined : { cause },
  );
}
