/**
 * The corpus: packages, metadata, keys and specs of real distributions, and what reference tools say about them.
 *
 * It lies beside the repository (`../shared/corpus`), never in it. Where it is absent, tests over it are not
 * defined at all; a test file then says so with one test whose name says why. Every path is relative to the
 * corpus, as its own MANIFEST.json writes it (`rpms/rpm/RPMS/hello-2.0-1.x86_64.rpm`).
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root: string = fileURLToPath(new URL('../../../shared/corpus', import.meta.url));

/** Whether the corpus lies beside the repository. */
export const corpusPresent: boolean = existsSync(join(root, 'MANIFEST.json'));

/** Absolute path of a file or folder of the corpus. */
export function corpusPath(...parts: string[]): string {
  return join(root, ...parts);
}

/** The bytes of one file of the corpus. */
export function corpusBytes(...parts: string[]): Uint8Array {
  const bytes = readFileSync(corpusPath(...parts));
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** One JSON file of the corpus; the caller names the shape it relies on. */
export function corpusJson<Shape>(...parts: string[]): Shape {
  return JSON.parse(readFileSync(corpusPath(...parts), 'utf8')) as Shape;
}

/** One line of MANIFEST.json. */
export interface CorpusFile {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
  /** Where it was taken from, or `generated: …` for an oracle file. */
  readonly origin: string;
  readonly kind: CorpusKind;
  readonly notes?: string;
}
export type CorpusKind =
  | 'buildconf'
  | 'comps'
  | 'keys'
  | 'modules'
  | 'oracle'
  | 'pes'
  | 'repodata'
  | 'rpms'
  | 'specs'
  | 'updateinfo';

let manifest: readonly CorpusFile[] | undefined;

/** The files of one kind, in MANIFEST.json's order; empty where the corpus is absent. */
export function corpusFiles(kind: CorpusKind): readonly CorpusFile[] {
  manifest ??= corpusPresent ? corpusJson<CorpusFile[]>('MANIFEST.json') : [];
  return manifest.filter((file) => file.kind === kind);
}

/** Paths of the files below `rpms/` whose name ends in `suffix`; other suffixes there are delta packages, bare headers and texts. */
export function corpusRpms(suffix = '.rpm'): readonly string[] {
  return corpusFiles('rpms')
    .map((file) => file.path)
    .filter((path) => path.endsWith(suffix));
}

/** A dependency as librpm prints it: name, relation, EVR, flags. */
export type OracleDependency = readonly [name: string, relation: string, evr: string, flags: number];

/** A string, or the bytes of one that is not UTF-8. */
export type OracleString = string | { readonly $hex: string };

/** What librpm 4.18 says about one package, with the corpus's own byte layout. Fields beyond these stay reachable by name. */
export interface PackageOracle {
  readonly bytes: number;
  readonly sha256: string;
  readonly nevra: string;
  readonly isSource: boolean;
  readonly name: OracleString;
  readonly epoch: number | null;
  readonly version: OracleString;
  readonly release: OracleString;
  readonly arch: OracleString;
  readonly [field: string]: unknown;
}

/** Whether librpm could read this package of the corpus; the refused ones are in `unreadablePackages()`. */
export function hasPackageOracle(rpm: string): boolean {
  return existsSync(corpusPath('oracle', `${rpm}.json`));
}

/** librpm's view of `rpms/…/x.rpm`. */
export function packageOracle<Shape = PackageOracle>(rpm: string): Shape {
  return corpusJson<Shape>('oracle', `${rpm}.json`);
}

/** Packages that rpm 4.18 refuses, with its message. */
export function unreadablePackages(): Readonly<Record<string, string>> {
  return corpusJson('oracle', 'unreadable.json');
}

/** One run of a reference tool: exit status and its lines. */
export interface OracleRun {
  readonly rc: number;
  readonly lines: readonly string[];
}

/** `rpmkeys -Kv` of one package, and gpg's second opinion per signature tag. */
export interface VerifyOracle {
  readonly noKeys: OracleRun;
  readonly allCorpusKeys: OracleRun;
  readonly gpg?: readonly {
    readonly tag: string;
    /** GOODSIG, EXPKEYSIG (good, key expired today), REVKEYSIG, BADSIG, ERRSIG (no key). */
    readonly status: string;
    readonly keyid?: string;
    readonly fingerprint?: string;
    /** Unix seconds. */
    readonly created?: number;
  }[];
  readonly keyids?: readonly string[];
  /** The key files that hold the signing key. */
  readonly keyFiles?: readonly string[];
}

/** Per package, what `rpmkeys -Kv` says without keys and with every key of the corpus. */
export function verifyOracle(): Readonly<Record<string, VerifyOracle>> {
  return corpusJson('oracle', 'verify.json');
}

/** OpenPGP v6 signatures, checked independently of any reader of packages. */
export function verifyV6Oracle<Shape = unknown>(): { readonly oracle: string; readonly signatures: readonly Shape[] } {
  return corpusJson('oracle', 'verify-v6.json');
}

/** Per key file, what gpg 2.2 lists and whether rpm 4.18 imports it. */
export function keysOracle<Shape = unknown>(): Readonly<Record<string, Shape>> {
  return corpusJson('oracle', 'keys.json');
}

/** One change of bytes in a damage recipe. */
export type MutationOperation =
  | { readonly op: 'write'; readonly offset: number; readonly hex: string }
  | { readonly op: 'xor'; readonly offset: number; readonly value: number }
  | { readonly op: 'truncate'; readonly length: number }
  | { readonly op: 'append'; readonly hex: string };

/** A damaged package as a recipe, with the reference's verdict. */
export interface Mutation {
  readonly base: string;
  readonly name: string;
  readonly ops: readonly MutationOperation[];
  readonly resultSha256: string;
  readonly query: { readonly rc: number; readonly [field: string]: unknown };
  readonly verify: OracleRun;
}

/** The damage recipes. */
export function mutations(): readonly Mutation[] {
  return corpusJson('oracle', 'mutations.json');
}

/** A copy of a package with a recipe's changes applied. */
export function mutate(base: Uint8Array, ops: readonly MutationOperation[]): Uint8Array {
  let bytes = base.slice();
  for (const op of ops) {
    if (op.op === 'write') bytes.set(Buffer.from(op.hex, 'hex'), op.offset);
    else if (op.op === 'xor') bytes[op.offset]! ^= op.value;
    else if (op.op === 'truncate') bytes = bytes.slice(0, op.length);
    else bytes = new Uint8Array(Buffer.concat([bytes, Buffer.from(op.hex, 'hex')]));
  }
  return bytes;
}

/** Epoch, version and release as texts; an empty release is an absent one. */
export type OracleEvr = readonly [epoch: string, version: string, release: string];

/** rpm's own order of version strings and of epoch-version-release texts. */
export function versionOracle(): {
  readonly oracle: string;
  readonly version: readonly (readonly [string, string, -1 | 0 | 1])[];
  readonly evr: readonly (readonly [OracleEvr, OracleEvr, -1 | 0 | 1])[];
} {
  return corpusJson('oracle', 'vercmp.json');
}
