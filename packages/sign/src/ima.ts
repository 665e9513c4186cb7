/**
 * IMA signatures: one per file of a package, which the kernel checks when the file is used. They lie in the signature
 * header and become the files' `security.ima` attribute on installation.
 *
 * Reference: rpm, sign/rpmsignfiles.cc, docs/manual/tags.md (FILESIGNATURES); linux, security/integrity/integrity.h
 * (signature_v2_hdr)
 */
import { type Abortable, formatNevra, type HeaderEntry, type RpmPackage, signatureTags } from '@distrokit/rpm';
import { concatBytes, fromHex, toHex } from './bytes.js';
import { SignError } from './errors.js';
import { type SignedPackage, signedPackage } from './package-signature.js';
import { textsEntry, withEntry } from './signature-header.js';

/** Makes IMA signatures. The key is none of OpenPGP: the kernel has its certificate. */
export interface ImaSigner {
  /** Last four bytes of the SHA-1 of the public key, as the kernel names keys; eight hexadecimal digits. */
  readonly keyId: string;
  /** A raw signature over the digest of a file: for RSA PKCS #1 v1.5, for ECDSA in DER. */
  sign(request: Abortable & { readonly hash: ImaHash; readonly digest: Uint8Array }): Promise<Uint8Array>;
}

/** Digests of files that IMA signatures are made over. */
export type ImaHash = 'sha256' | 'sha384' | 'sha512';

/** FILEDIGESTALGO → the kernel's number of the hash. */
const imaHashes: Readonly<Record<number, readonly [ImaHash, number]>> = {
  8: ['sha256', 4],
  9: ['sha384', 5],
  10: ['sha512', 6],
};

/** What the kernel finds first: a digital signature, version 2. */
const DIGITAL_SIGNATURE = 3;
const VERSION = 2;

/**
 * Signs every regular file by its digest in the header; the payload is not read. Earlier file signatures are replaced,
 * the OpenPGP signatures stay good.
 *
 * Throws SIGN_FORMAT when the package has no files, or digests that are too weak; SIGN_SIGNER_FAILED.
 */
export async function signFiles(pkg: RpmPackage, signer: ImaSigner, options: Abortable = {}): Promise<SignedPackage> {
  if (!/^[0-9a-f]{8}$/.test(signer.keyId)) throw new TypeError('"keyId" must be eight lower-case hexadecimal digits');
  const digests = pkg.header.get('FILEDIGESTS') ?? [];
  const hash = imaHashes[pkg.header.get('FILEDIGESTALGO') ?? 1];
  if (digests.length === 0) throw badFormat(pkg, 'files to sign', 'none');
  if (!hash) throw badFormat(pkg, 'file digests of SHA-256 or better', 'weaker ones');
  const signatures: string[] = [];
  for (const hex of digests) {
    options.signal?.throwIfAborted();
    signatures.push(hex === '' ? '' : toHex(await signDigest(signer, hash, fromHex(hex), options)));
  }
  const tag = signatureTags.FILESIGNATURES[0];
  let header = withEntry(pkg.signatureHeader, tag, textsEntry(tag, signatures));
  if (pkg.format !== 6) {
    const longest = Math.max(...signatures.map((text) => text.length / 2));
    header = withEntry(header, signatureTags.FILESIGNATURELENGTH[0], lengthEntry(longest));
  }
  return signedPackage(pkg, header);
}

/** The IMA signature of each file, in file order, as hexadecimal; empty texts for files without one. */
export function fileSignatures(pkg: RpmPackage): readonly string[] {
  return pkg.signatureHeader.get('FILESIGNATURES') ?? pkg.header.get('FILESIGNATURES') ?? [];
}

async function signDigest(
  signer: ImaSigner,
  [hash, number]: readonly [ImaHash, number],
  digest: Uint8Array,
  options: Abortable,
): Promise<Uint8Array> {
  const raw = await signer.sign({ hash, digest, ...(options.signal ? { signal: options.signal } : {}) });
  if (!(raw instanceof Uint8Array) || raw.length === 0 || raw.length > 0xffff) {
    throw new SignError(
      { code: 'SIGN_SIGNER_FAILED', fingerprint: signer.keyId, wanted: 'a raw signature', found: 'something else' },
      `IMA signer ${signer.keyId}: wanted a raw signature, found something else`,
    );
  }
  const head = new Uint8Array([DIGITAL_SIGNATURE, VERSION, number]);
  return concatBytes(head, fromHex(signer.keyId), new Uint8Array([raw.length >> 8, raw.length & 0xff]), raw);
}

function lengthEntry(bytes: number): HeaderEntry {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, bytes);
  return { tag: signatureTags.FILESIGNATURELENGTH[0], type: 4, count: 1, data };
}

function badFormat(pkg: RpmPackage, wanted: string, found: string): SignError {
  const name = formatNevra(pkg.nevra);
  return new SignError(
    { code: 'SIGN_FORMAT', package: name, wanted, found },
    `${name}: wanted ${wanted}, found ${found}`,
  );
}
