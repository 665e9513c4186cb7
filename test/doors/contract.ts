/**
 * The main functions as their callers may rely on them: names, arguments, answers.
 *
 * Nothing here runs. It is type-checked against the sources with everything else, and by `test/doors.test.ts` against
 * the compiled doors, as a user's own program would be. A function may take and give more than this; a change that
 * breaks a line here breaks callers.
 */
import type { BuildDriver, BuildNode, BuildPlan, BuildResult, Buildroot } from '@distrokit/build';
import * as build from '@distrokit/build';
import type { Advisory, Fetcher, Repository, RepositoryPackage, RepositoryStore } from '@distrokit/repo';
import * as repo from '@distrokit/repo';
import * as repoNode from '@distrokit/repo/node';
import type {
  Abortable,
  ByteSource,
  Deviation,
  Digest,
  DigestAlgorithm,
  DigestReport,
  DigestStatus,
  Evr,
  Header,
  MainTags,
  Nevra,
  PackageManifest,
  RpmFault,
  RpmPackage,
  SignatureTags,
} from '@distrokit/rpm';
import * as rpm from '@distrokit/rpm';
import * as rpmNode from '@distrokit/rpm/node';
import type { Keyring, SignatureStatus, SignedPackage, Signer, VerificationReport } from '@distrokit/sign';
import * as sign from '@distrokit/sign';
import * as signNode from '@distrokit/sign/node';
import type { Lookaside, SourceEntry, Spec } from '@distrokit/source';
import * as source from '@distrokit/source';

type Includes<Ours, Wanted> = [Wanted] extends [Ours] ? true : false;
type Has<Ours extends Wanted, Wanted> = Ours;

/** The records: each has at least these fields, of these types. */
export type Records = [
  Has<ByteSource, { read(offset: number, length: number, options?: Abortable): Promise<Uint8Array> }>,
  Has<ByteSource['sizeBytes'], number | undefined>,
  Has<Digest, { readonly algorithm: DigestAlgorithm; readonly hex: string }>,
  Has<Evr, { readonly version: string; readonly release: string }>,
  Has<Evr['epoch'], number | undefined>,
  Has<Nevra, Evr & { readonly name: string; readonly arch: string }>,
  Has<Header<MainTags>, { immutableBytes(): Uint8Array }>,
  Has<RpmPackage, { readonly format: 3 | 4 | 6; readonly nevra: Nevra }>,
  Has<RpmPackage, { readonly header: Header<MainTags>; readonly signatureHeader: Header<SignatureTags> }>,
  Has<RpmPackage, { readonly headerRange: { readonly start: number; readonly end: number } }>,
  Has<RpmPackage, { payload(): AsyncIterable<Uint8Array> }>,
  Has<DigestReport, { readonly ok: boolean }>,
  Has<DigestReport['header'], Readonly<Partial<Record<DigestAlgorithm, DigestStatus>>>>,
  Has<DigestReport['payload'], Readonly<Partial<Record<DigestAlgorithm, DigestStatus>>>>,
  Has<DigestStatus['status'], 'verified' | 'not-present' | 'not-checked' | 'mismatch'>,
  Has<SignedPackage, { readonly signatureHeader: Header<SignatureTags>; readonly fitsInPlace: boolean }>,
  Has<SignedPackage, { bytes(): AsyncIterable<Uint8Array> }>,
  Has<VerificationReport, { readonly digests: DigestReport; readonly ok: boolean }>,
  Has<VerificationReport, { readonly signatures: readonly { readonly status: string }[] }>,
  Has<Repository, { readonly revision: string }>,
  Has<Repository, { advisories(options?: Abortable): AsyncIterable<Advisory> }>,
  Has<Spec, { toString(): string }>,
];
export const digestAlgorithms: Includes<DigestAlgorithm, 'md5' | 'sha1' | 'sha256' | 'sha512' | 'sha3-256'> = true;
export const signatureStatuses: Includes<
  SignatureStatus['status'],
  | 'verified'
  | 'unknown-key'
  | 'expired-key'
  | 'revoked-key'
  | 'key-cannot-sign'
  | 'bad-signature'
  | 'rejected-algorithm'
  | 'unknown-format'
> = true;

/** The main functions, called in every way that the sketch allows. */
export async function calls(given: {
  readonly source: ByteSource;
  readonly bytes: Uint8Array;
  readonly signal: AbortSignal;
  readonly at: Date;
  readonly manifest: PackageManifest;
  readonly signer: Signer;
  readonly keyring: Keyring;
  readonly fetcher: Fetcher;
  readonly store: RepositoryStore;
  readonly packages: AsyncIterable<RepositoryPackage>;
  readonly entries: readonly SourceEntry[];
  readonly lookaside: Lookaside;
  readonly nodes: readonly BuildNode[];
  readonly buildroot: Buildroot;
  readonly driver: BuildDriver;
}): Promise<void> {
  const { signal, at } = given;
  const pkg: RpmPackage = await rpm.readPackage(given.source);
  await rpm.readPackage(given.bytes, {
    signal,
    maxHeaderBytes: 1024,
    onDeviation: (deviation: Deviation) => void deviation,
  });
  const names: readonly string[] | string | undefined = pkg.header.get('NAME');
  const written: AsyncIterable<Uint8Array> = rpm.writePackage(given.manifest, {
    format: 4,
    compression: { type: 'zstd', level: 19 },
    sourceDate: at,
    buildHost: 'localhost',
    reservedBytes: 4128,
    signal,
  });
  const order: -1 | 0 | 1 = rpm.compareEvr({ version: '1', release: '1' }, pkg.nevra);
  const digests: DigestReport = await rpm.checkDigests(pkg, { payload: true, signal });
  const memory: ByteSource = rpm.memorySource(given.bytes);
  const blob: ByteSource = rpm.blobSource(new Blob([]));
  const range: ByteSource = rpm.rangeSource(fetch, 'https://example.org/x.rpm');
  const file: ByteSource = await rpmNode.fileSource('x.rpm');
  await using opened = await rpmNode.openPackage('x.rpm');
  const alsoPackage: RpmPackage = opened;
  await rpmNode.extractPackage('x.rpm', 'folder');

  const signed: SignedPackage = await sign.signPackage(pkg, given.signer, { signedAt: at, signal });
  const report: VerificationReport = await sign.verifyPackage(pkg, given.keyring, { at, payload: true, signal });
  sign.assertVerified(report);
  const signature: Uint8Array = await given.signer.sign(given.bytes, { signedAt: at, signal });
  const fingerprint: string = given.signer.fingerprint;
  await signNode.signPackageFile('x.rpm', given.signer, { signedAt: at });
  await signNode.verifyPackageFile('x.rpm', given.keyring, { at });

  const chunks: AsyncIterable<Uint8Array> = given.fetcher.fetch('repodata/repomd.xml', { maxBytes: 1024, signal });
  const repository: Repository = await repo.openRepository(given.fetcher, { verifyRepomd: 'unsigned', signal });
  await repo.openRepository(given.fetcher, {
    verifyRepomd: async (repomd: Uint8Array, detached: Uint8Array) => void [repomd, detached],
  });
  const listed: AsyncIterable<RepositoryPackage> = repository.packages({ files: true, changelogs: true, signal });
  const repomd: Uint8Array = await repo.writeRepository(given.packages, given.store, {
    revision: '1',
    timestamp: at,
    compression: 'gz',
    checksum: 'sha256',
    signal,
  });
  const summary: { readonly packages: number; readonly revision: string } = await repoNode.createRepository('folder', {
    revision: '1',
    timestamp: at,
  });
  await repoNode.openRepositoryAt('folder', { verifyRepomd: 'unsigned' });

  const spec: Spec = source.parseSpec('Name: x\n');
  await source.fetchSources(given.entries, given.lookaside, 'folder', { maxConcurrent: 4, signal });

  const autopatch = source.parseAutopatch('actions: []\n');
  source.applyAutopatch(new Map(), autopatch, { at, evr: pkg.nevra, existingTags: [] });

  const plan: BuildPlan = build.planBuild(given.nodes, (dependency: string) => dependency === 'gcc');
  const built: BuildResult = await build.buildPackage(given.source, given.buildroot, given.driver, {
    timeoutMs: 60_000,
    onLog: (line: string) => void line,
    signal,
  });
  void [names, written, order, digests, memory, blob, range, file, alsoPackage, signed, signature, fingerprint];
  void [chunks, listed, repomd, summary, spec, plan, built];
}

/** Faults are told apart by their code, and the code decides the other fields. */
export function faults(error: unknown): number | undefined {
  if (error instanceof rpm.RpmError && error.fault.code === 'RPM_TRUNCATED') return error.fault.wantedBytes;
  const fault: RpmFault | undefined = error instanceof rpm.RpmError ? error.fault : undefined;
  const classes: readonly (abstract new (...given: never[]) => rpm.CodedError<{ readonly code: string }>)[] = [
    rpm.RpmError,
    sign.SignError,
    repo.RepoError,
    source.SourceError,
    build.BuildError,
  ];
  return fault === undefined ? undefined : classes.length;
}
