/**
 * What is in a package, a build or a repository: one model, written as CycloneDX 1.6 and as SPDX 2.3.
 *
 * Both documents are made from the same components, so that tools that read the one or the other find the same things.
 * Nothing is random: identifiers are made from what they name, and the time is the caller's.
 *
 * Reference: cyclonedx.org/docs/1.6; spdx.github.io/spdx-spec/v2.3; github.com/package-url/purl-spec (rpm)
 */
import { formatEvr, formatNvra, type Nevra, type RpmPackage } from '@distrokit/rpm';
import { toHex } from './bytes.js';
import { digestOf, SHA256 } from './hash.js';

/** A package as a part of something. */
export interface Component extends Nevra {
  /** SHA-256 of the package file, lower-case hexadecimal. */
  readonly sha256?: string;
  /** The License tag as it is written. */
  readonly license?: string;
  readonly summary?: string;
  readonly vendor?: string;
  /** File name of its source package. */
  readonly sourcePackage?: string;
  readonly files?: readonly { readonly path: string; readonly sha256?: string }[];
}

/** What is described: a package, what a build used and made, or what a repository holds. */
export interface BillOfMaterials {
  readonly subject:
    | { readonly kind: 'package'; readonly component: Component }
    | { readonly kind: 'build' | 'repository'; readonly name: string; readonly version?: string };
  /** Everything inside; for a package the packages it was built from, where known. */
  readonly components: readonly Component[];
  readonly createdAt: Date;
  /** The `distro` and namespace of package URLs, for instance `almalinux` and `almalinux-9`. */
  readonly distribution?: { readonly namespace: string; readonly distro?: string };
}

/** A package as a component, with its files and their digests where the package has SHA-256 ones. */
export function componentOf(pkg: RpmPackage, sha256?: string): Component {
  const { header } = pkg;
  const texts = {
    license: header.get('LICENSE'),
    summary: header.get('SUMMARY'),
    vendor: header.get('VENDOR'),
    sourcePackage: header.get('SOURCERPM'),
  };
  const names = header.get('BASENAMES') ?? [];
  const folders = header.get('DIRNAMES') ?? [];
  const places = header.get('DIRINDEXES') ?? [];
  const digests = header.get('FILEDIGESTALGO') === 8 ? (header.get('FILEDIGESTS') ?? []) : [];
  const files = names.map((name, i) => ({
    path: `${folders[places[i] ?? 0] ?? ''}${name}`,
    ...(digests[i] ? { sha256: digests[i] } : {}),
  }));
  return {
    ...pkg.nevra,
    ...(sha256 === undefined ? {} : { sha256 }),
    ...Object.fromEntries(Object.entries(texts).filter(([, text]) => text)),
    ...(files.length > 0 ? { files } : {}),
  };
}

/** `pkg:rpm/namespace/name@version-release?arch=…&epoch=…&distro=…`. */
export function packageUrl(component: Nevra, distribution?: BillOfMaterials['distribution']): string {
  const { name, epoch, arch } = component;
  const encode = (text: string): string => encodeURIComponent(text).replace(/%3A/g, ':');
  const namespace = distribution ? `${encode(distribution.namespace.toLowerCase())}/` : '';
  const qualifiers = [
    `arch=${encode(arch)}`,
    ...(distribution?.distro ? [`distro=${encode(distribution.distro)}`] : []),
    ...(epoch ? [`epoch=${epoch}`] : []),
  ];
  const version = encode(`${component.version}-${component.release}`);
  return `pkg:rpm/${namespace}${encode(name)}@${version}?${qualifiers.join('&')}`;
}

/** The bill as a CycloneDX 1.6 document: plain JSON. Throws RangeError when the same component is given twice. */
export function formatCycloneDx(bill: BillOfMaterials): Readonly<Record<string, unknown>> {
  const { subject, components, distribution } = bill;
  const main =
    subject.kind === 'package'
      ? cycloneComponent(subject.component, distribution)
      : {
          type: subject.kind === 'build' ? 'application' : 'data',
          'bom-ref': `${subject.kind}:${subject.name}`,
          name: subject.name,
          ...(subject.version === undefined ? {} : { version: subject.version }),
        };
  const parts = components.map((component) => cycloneComponent(component, distribution));
  refuseDoubles([main, ...parts].map((part) => part['bom-ref'] as string));
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(bill)}`,
    version: 1,
    metadata: { timestamp: seconds(bill.createdAt), component: main },
    components: parts,
    dependencies: [{ ref: main['bom-ref'], dependsOn: parts.map((part) => part['bom-ref']) }],
  };
}

/** The bill as an SPDX 2.3 document: plain JSON. Throws RangeError when the same component is given twice. */
export function formatSpdx(bill: BillOfMaterials): Readonly<Record<string, unknown>> {
  const { subject, components, distribution } = bill;
  const inside = components.map((component) => spdxPackage(component, distribution));
  const main =
    subject.kind === 'package'
      ? spdxPackage(subject.component, distribution)
      : {
          SPDXID: spdxId(subject.kind, subject.name),
          name: subject.name,
          ...(subject.version === undefined ? {} : { versionInfo: subject.version }),
          downloadLocation: 'NOASSERTION',
          filesAnalyzed: false,
        };
  refuseDoubles([main, ...inside].map(({ SPDXID }) => SPDXID as string));
  const licences = new Map<string, string>();
  for (const one of subject.kind === 'package' ? [subject.component, ...components] : components) {
    if (one.license) licences.set(licenseRef(one.license), one.license);
  }
  const name = subject.kind === 'package' ? formatNvra(subject.component) : subject.name;
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name,
    documentNamespace: `https://distrokit.invalid/spdx/${encodeURIComponent(name)}-${uuidOf(bill)}`,
    creationInfo: { created: seconds(bill.createdAt), creators: ['Tool: distrokit'] },
    packages: [main, ...inside],
    ...(licences.size > 0
      ? {
          hasExtractedLicensingInfos: [...licences].map(([licenseId, extractedText]) => ({ licenseId, extractedText })),
        }
      : {}),
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: main.SPDXID },
      ...inside.map(({ SPDXID }) => ({
        spdxElementId: main.SPDXID,
        relationshipType: subject.kind === 'repository' ? 'CONTAINS' : 'DEPENDS_ON',
        relatedSpdxElement: SPDXID,
      })),
    ],
  };
}

function cycloneComponent(
  component: Component,
  distribution: BillOfMaterials['distribution'],
): Record<string, unknown> {
  const { name, sha256, license, summary, vendor, sourcePackage, files } = component;
  const purl = packageUrl(component, distribution);
  return {
    type: 'library',
    'bom-ref': sha256 === undefined ? purl : `${purl}#${sha256}`,
    ...(vendor ? { supplier: { name: vendor } } : {}),
    name,
    version: formatEvr(component),
    ...(summary ? { description: summary } : {}),
    ...(sha256 === undefined ? {} : { hashes: [{ alg: 'SHA-256', content: sha256 }] }),
    // By name: the License tag is no SPDX expression in most packages.
    ...(license ? { licenses: [{ license: { name: license } }] } : {}),
    purl,
    ...(sourcePackage ? { properties: [{ name: 'rpm:sourcerpm', value: sourcePackage }] } : {}),
    ...(files && files.length > 0
      ? {
          components: files.map((file, i) => ({
            type: 'file',
            'bom-ref': `${purl}#file-${i}`,
            name: file.path,
            ...(file.sha256 === undefined ? {} : { hashes: [{ alg: 'SHA-256', content: file.sha256 }] }),
          })),
        }
      : {}),
  };
}

function spdxPackage(component: Component, distribution: BillOfMaterials['distribution']): Record<string, unknown> {
  const { name, sha256, license, summary, vendor, sourcePackage } = component;
  return {
    SPDXID: spdxId('package', `${formatNvra(component)}-${component.epoch ?? 0}-${sha256 ?? ''}`),
    name,
    versionInfo: formatEvr(component),
    packageFileName: `${formatNvra(component)}.rpm`,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    ...(vendor ? { supplier: `Organization: ${vendor}` } : {}),
    ...(summary ? { summary } : {}),
    ...(sha256 === undefined ? {} : { checksums: [{ algorithm: 'SHA256', checksumValue: sha256 }] }),
    ...(license ? { licenseDeclared: licenseRef(license) } : {}),
    ...(sourcePackage ? { sourceInfo: `built from ${sourcePackage}` } : {}),
    externalRefs: [
      {
        referenceCategory: 'PACKAGE-MANAGER',
        referenceType: 'purl',
        referenceLocator: packageUrl(component, distribution),
      },
    ],
  };
}

/** Letters, digits, dots and dashes only; a digest keeps different names apart. */
function spdxId(kind: string, name: string): string {
  const readable = name.slice(0, 80).replace(/[^A-Za-z0-9.-]+/g, '-');
  return `SPDXRef-${kind}-${readable}-${shortDigest(name)}`;
}

function licenseRef(license: string): string {
  return `LicenseRef-${shortDigest(license)}`;
}

function shortDigest(text: string): string {
  return toHex(digestOf(SHA256, new TextEncoder().encode(text))).slice(0, 16);
}

/** A UUID of version 8 out of the content: the same bill has the same one. */
function uuidOf(bill: BillOfMaterials): string {
  const hex = toHex(digestOf(SHA256, new TextEncoder().encode(JSON.stringify(bill)))).slice(0, 32);
  const variant = ((Number.parseInt(hex[16]!, 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}

function refuseDoubles(ids: readonly string[]): void {
  const seen = new Set<string>();
  const double = ids.find((id) => seen.has(id) || !seen.add(id));
  if (double !== undefined) throw new RangeError(`"components" holds ${JSON.stringify(double)} twice`);
}

function seconds(instant: Date): string {
  return `${instant.toISOString().slice(0, 19)}Z`;
}
