/**
 * What was built, from what, in what: the record behind an attestation.
 *
 * A plain record of SLSA's shape. It holds no time of day and no random number unless the caller gives one, so the same
 * build gives the same record; `@distrokit/sign` puts it into an in-toto statement and signs it.
 *
 * Reference: slsa.dev, provenance v1; in-toto, statement v1 (subject, resource descriptor)
 */
import { formatNevra } from '@distrokit/rpm';
import type { SourceTree, Terms } from '@distrokit/source';
import type { BuildResult } from './build-package.js';
import type { LockedPackage, RootPackage } from './buildroot-lock.js';

/** The word for how these builds are described. */
export const buildType = 'https://distrokit.invalid/build/rpm/v1' as const;

/** Something a build used. */
export interface ResolvedDependency {
  readonly uri: string;
  readonly digest: Readonly<Record<string, string>>;
  readonly name?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The record of one build. */
export interface ProvenanceRecord {
  readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[];
  readonly buildDefinition: {
    readonly buildType: typeof buildType;
    /** What the caller decided. */
    readonly externalParameters: {
      readonly source: string;
      readonly arch: string;
      readonly macros: Readonly<Record<string, string>>;
      readonly sourceDateEpoch: number;
      readonly buildHost: string;
    };
    /** What the driver added. */
    readonly internalParameters: {
      readonly driver: string;
      readonly tools: readonly string[];
      readonly isolation: string;
      readonly buildRequires: string;
      readonly foreign?: string;
      readonly command: readonly string[];
    };
    /** Sources with their terms first, then the packages of the root. */
    readonly resolvedDependencies: readonly ResolvedDependency[];
  };
  readonly runDetails: {
    readonly builder: { readonly id: string };
    readonly metadata: { readonly invocationId?: string; readonly startedOn?: string; readonly finishedOn?: string };
  };
  /** The strictest terms of all sources: who may see the result. */
  readonly terms: Terms;
}

/** What the record says beside the result itself. */
export interface ProvenanceInput {
  /** Where the sources came from, file by file. */
  readonly source?: SourceTree;
  /** SHA-256 of the SRPM, hexadecimal. */
  readonly srpmSha256: string;
  /** The packages of the root with their digests, from `buildrootLock`. */
  readonly rootPackages?: readonly LockedPackage[];
  /** URI that names who runs this builder. */
  readonly builderId: string;
  readonly invocationId?: string;
  readonly startedAt?: Date;
  readonly finishedAt?: Date;
}

/** From the most open to the most closed. */
const strictness: readonly Terms[] = ['public', 'own', 'unknown', 'subscription'];

/** Makes the record of a build. Pure. */
export function provenanceOf(result: BuildResult, input: ProvenanceInput): ProvenanceRecord {
  const sources: ResolvedDependency[] = (input.source?.files ?? []).map((file) => ({
    uri: file.from.where,
    name: file.path,
    digest: { sha256: file.sha256 },
    annotations: { kind: file.from.kind, terms: file.from.terms },
  }));
  const rootPackages: readonly (RootPackage & Partial<LockedPackage>)[] =
    input.rootPackages ?? result.rootPackages ?? [];
  const root = rootPackages.map(
    (pkg): ResolvedDependency => ({
      uri: pkg.url ?? `pkg:rpm/${pkg.name}@${pkg.version}-${pkg.release}?arch=${pkg.arch}`,
      name: formatNevra(pkg),
      digest: pkg.sha256 === undefined ? { md5: pkg.sigmd5 } : { sha256: pkg.sha256 },
    }),
  );
  const terms = (input.source?.files ?? []).map((file) => file.from.terms);
  const strictest = strictness[Math.max(...terms.map((each) => strictness.indexOf(each)))] ?? 'unknown';
  return {
    subject: result.packages.map((pkg) => ({
      name: pkg.path.slice(pkg.path.lastIndexOf('/') + 1),
      digest: { sha256: pkg.sha256 },
    })),
    buildDefinition: {
      buildType,
      externalParameters: {
        source: formatNevra(result.source),
        arch: result.buildroot.arch ?? result.driver.arch,
        macros: result.buildroot.macros ?? {},
        sourceDateEpoch: Math.floor(result.sourceDate.getTime() / 1000),
        buildHost: result.buildroot.buildHost ?? 'build.invalid',
      },
      internalParameters: {
        driver: result.driver.driver,
        tools: result.driver.tools,
        isolation: result.driver.isolation,
        buildRequires: result.driver.buildRequires,
        ...(result.foreign === undefined ? {} : { foreign: result.foreign }),
        command: result.command,
      },
      resolvedDependencies: [
        {
          uri:
            input.source === undefined
              ? `pkg:rpm/${result.source.name}@${result.source.version}-${result.source.release}?arch=src`
              : input.source.origin.where,
          name: `${formatNevra(result.source)}.rpm`,
          digest: { sha256: input.srpmSha256 },
          ...(input.source === undefined
            ? {}
            : { annotations: { ref: input.source.ref, terms: input.source.origin.terms } }),
        },
        ...sources,
        ...root,
      ],
    },
    runDetails: {
      builder: { id: input.builderId },
      metadata: {
        ...(input.invocationId === undefined ? {} : { invocationId: input.invocationId }),
        ...(input.startedAt === undefined ? {} : { startedOn: input.startedAt.toISOString() }),
        ...(input.finishedAt === undefined ? {} : { finishedOn: input.finishedAt.toISOString() }),
      },
    },
    terms: strictest,
  };
}
