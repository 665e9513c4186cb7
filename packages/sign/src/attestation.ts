/**
 * Statements about packages that somebody vouches for: an in-toto statement in a DSSE envelope.
 *
 * The subjects are named by digest, of the file as it is and of the file without its signatures: signing a package
 * again changes the one and not the other, so the statement stays with it. The signature in the envelope is an OpenPGP
 * signature, by the same signers and keyrings as packages.
 *
 * Reference: github.com/in-toto/attestation, spec/v1 (statement, resource descriptor); github.com/secure-systems-lab/dsse
 */
import { type Abortable, createHasher, formatNvra, type RpmPackage } from '@distrokit/rpm';
import { concatBytes, decodeBase64, encodeBase64 } from './bytes.js';
import { SignError } from './errors.js';
import type { Keyring } from './keyring.js';
import { deleteSignatures, listSignatures } from './package-signature.js';
import { beginSignature, type SignatureStatus } from './signature-status.js';
import { makeSignature, type Signer } from './signer.js';

/** Something a statement is about. */
export interface Subject {
  readonly name: string;
  /** By algorithm, lower-case hexadecimal. */
  readonly digest: Readonly<Record<string, string>>;
}

/** An in-toto statement of version 1. */
export interface Statement<Predicate = unknown> {
  readonly _type: 'https://in-toto.io/Statement/v1';
  readonly subject: readonly Subject[];
  /** A URI that says what the predicate means. */
  readonly predicateType: string;
  readonly predicate: Predicate;
}

/** A DSSE envelope. Plain JSON. */
export interface Envelope {
  readonly payloadType: string;
  /** Base64. */
  readonly payload: string;
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
}

/** The payload type of in-toto statements. */
export const IN_TOTO_PAYLOAD_TYPE = 'application/vnd.in-toto+json' as const;
/** Predicate types that this package makes. */
export const PREDICATE_TYPES = {
  provenance: 'https://slsa.dev/provenance/v1',
  cyclonedx: 'https://cyclonedx.org/bom',
  spdx: 'https://spdx.dev/Document',
} as const;

/** The answer about an envelope. */
export interface AttestationReport {
  readonly signatures: readonly SignatureStatus[];
  /** Believe it only when `ok`. Absent when the payload is no in-toto statement. */
  readonly statement?: Statement;
  /** The subject of the statement that is what was asked about. */
  readonly matched?: Subject;
  /** At least one signature verified by a key of the keyring AND one subject of the statement matches. */
  readonly ok: boolean;
}

const MAX_PAYLOAD_BYTES = 256 * 1024 * 1024;
const MAX_SIGNATURES = 64;

/** A statement. Throws TypeError without a subject: it would be about nothing. */
export function statementAbout<Predicate>(
  subjects: readonly Subject[],
  predicateType: string,
  predicate: Predicate,
): Statement<Predicate> {
  if (subjects.length === 0) throw new TypeError('"subjects" must hold at least one');
  return { _type: 'https://in-toto.io/Statement/v1', subject: subjects, predicateType, predicate };
}

/**
 * The subjects that name one package: the file as it is and, where it is signed, the file without signatures.
 *
 * Reads the whole package. The name of the second one ends in `#unsigned`.
 */
export async function packageSubjects(pkg: RpmPackage, options: Abortable = {}): Promise<Subject[]> {
  const name = `${formatNvra(pkg.nevra)}.rpm`;
  const current = await digestOfStream(deleteSignatures(pkg, () => false).bytes(options));
  const subjects: Subject[] = [{ name, digest: { sha256: current } }];
  if (listSignatures(pkg).length > 0) {
    const unsigned = await digestOfStream(deleteSignatures(pkg).bytes(options));
    subjects.push({ name: `${name}#unsigned`, digest: { sha256: unsigned } });
  } else {
    subjects.push({ name: `${name}#unsigned`, digest: { sha256: current } });
  }
  return subjects;
}

/** Signs a statement. Throws SIGN_SIGNER_FAILED. */
export async function attest(
  statement: Statement,
  signer: Signer,
  options: Abortable & { readonly signedAt: Date },
): Promise<Envelope> {
  const payload = new TextEncoder().encode(JSON.stringify(statement));
  const { bytes } = await makeSignature(signer, preAuthentication(IN_TOTO_PAYLOAD_TYPE, payload), options);
  return {
    payloadType: IN_TOTO_PAYLOAD_TYPE,
    payload: encodeBase64(payload),
    signatures: [{ keyid: signer.fingerprint, sig: encodeBase64(bytes) }],
  };
}

/**
 * Verifies an envelope: is it signed by a key of the keyring, and is it about one of these subjects (their digests
 * decide, names do not)? Offline. An envelope that is damaged gives a negative answer.
 */
export function verifyAttestation(
  envelope: Envelope,
  keyring: Keyring,
  options: { readonly at: Date; readonly subjects: readonly Subject[] },
): AttestationReport {
  const payload = typeof envelope.payload === 'string' ? decodeBase64(envelope.payload) : undefined;
  if (!payload || payload.length > MAX_PAYLOAD_BYTES || !Array.isArray(envelope.signatures)) {
    return { signatures: [], ok: false };
  }
  const covered = preAuthentication(String(envelope.payloadType), payload);
  const signatures = envelope.signatures.slice(0, MAX_SIGNATURES).map(({ sig }: { readonly sig?: unknown }) => {
    const check = beginSignature((typeof sig === 'string' && decodeBase64(sig)) || new Uint8Array(0));
    check.update(covered);
    return check.finish(keyring, options.at);
  });
  const statement = envelope.payloadType === IN_TOTO_PAYLOAD_TYPE ? parseStatement(payload) : undefined;
  const matched = statement?.subject.find((subject) => options.subjects.some((one) => sameDigest(subject, one)));
  const signed = signatures.some(({ status }) => status === 'verified');
  return {
    signatures,
    ...(statement ? { statement } : {}),
    ...(matched ? { matched } : {}),
    ok: signed && matched !== undefined,
  };
}

/** Throws SIGN_NOT_VERIFIED when the report is not ok. `what` names the thing in the message. */
export function assertAttested(report: AttestationReport, what = 'attestation'): void {
  if (report.ok) return;
  const statuses = report.signatures.map(({ status }) => status);
  const about = report.matched ? 'it is about this subject' : 'it is not about this subject';
  throw new SignError(
    { code: 'SIGN_NOT_VERIFIED', what, statuses },
    `${what}: not verified: ${statuses.join('; ') || 'no signature'}; ${about}`,
  );
}

/** What a record of a build holds: SLSA's own shape, as `provenance` of `@distrokit/build` gives it. */
export interface BuildRecord {
  readonly subject: readonly Subject[];
  readonly buildDefinition: {
    readonly buildType: string;
    readonly externalParameters: Readonly<Record<string, unknown>> | object;
    readonly internalParameters?: Readonly<Record<string, unknown>> | object;
    readonly resolvedDependencies?: readonly object[];
  };
  readonly runDetails: {
    readonly builder: { readonly id: string };
    readonly metadata?: { readonly invocationId?: string; readonly startedOn?: string; readonly finishedOn?: string };
  };
}

/** SLSA provenance v1 of a build as a statement. `subjects` replace those of the record, for instance signed packages. */
export function provenanceStatement(
  record: BuildRecord,
  subjects: readonly Subject[] = record.subject,
): Statement<{ readonly buildDefinition: object; readonly runDetails: object }> {
  const { buildDefinition, runDetails } = record;
  return statementAbout(subjects, PREDICATE_TYPES.provenance, { buildDefinition, runDetails });
}

/** What a DSSE signature covers: lengths before type and payload, so that neither can pass for the other. */
function preAuthentication(type: string, payload: Uint8Array): Uint8Array {
  const typeBytes = new TextEncoder().encode(type);
  return concatBytes(
    new TextEncoder().encode(`DSSEv1 ${typeBytes.length} `),
    typeBytes,
    new TextEncoder().encode(` ${payload.length} `),
    payload,
  );
}

function parseStatement(payload: Uint8Array): Statement | undefined {
  try {
    const value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)) as Partial<Statement> | null;
    if (value?._type !== 'https://in-toto.io/Statement/v1' || typeof value.predicateType !== 'string') return undefined;
    const isSubject = (one: Partial<Subject> | null): boolean =>
      typeof one?.digest === 'object' &&
      one.digest !== null &&
      Object.values(one.digest).every((hex) => typeof hex === 'string');
    if (!Array.isArray(value.subject) || !value.subject.every(isSubject)) return undefined;
    return value as Statement;
  } catch {
    return undefined;
  }
}

/** At least one strong algorithm in common, and no algorithm on which they differ. */
function sameDigest(a: Subject, b: Subject): boolean {
  const shared = Object.keys(a.digest).filter((name) => Object.hasOwn(b.digest, name));
  const strong = shared.some((name) => name === 'sha256' || name === 'sha512');
  return strong && shared.every((name) => a.digest[name]?.toLowerCase() === b.digest[name]?.toLowerCase());
}

async function digestOfStream(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hasher = createHasher('sha256');
  for await (const chunk of chunks) hasher.update(chunk);
  return hasher.digest();
}
