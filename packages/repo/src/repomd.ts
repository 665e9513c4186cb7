/**
 * repomd.xml: the signed index of a repository's documents, with its revision and tags.
 *
 * Bytes are createrepo_c's. Reference: createrepo_c, src/xml_dump_repomd.c, src/xml_parser_repomd.c, src/repomd.c
 */
import { type Digest, type DigestAlgorithm, quote } from '@distrokit/rpm';
import { RepoError } from './errors.js';
import { escapeAttribute, escapeText, type XmlAttributes, XmlReader } from './xml.js';
import { badValue, dateOf, requiredAttribute, wholeNumber } from './xml-values.js';

/** A digest in a repository document. */
export type RepomdDigest = Digest;

/** One document of the repository. */
export interface RepomdRecord {
  /** `primary`, `filelists`, `other`, `group`, `updateinfo`, `modules`, `productid`, `primary_db` or anything else. */
  readonly type: string;
  /** Relative to the repository's root, or to `locationBase`. */
  readonly location: string;
  readonly locationBase?: string;
  /** Of the file as it lies there. */
  readonly checksum: Digest;
  /** Of the document within; absent when the file is not compressed. */
  readonly openChecksum?: Digest;
  readonly timestamp: Date;
  readonly sizeBytes?: number;
  readonly openSizeBytes?: number;
  /** zchunk only. */
  readonly headerChecksum?: Digest;
  readonly headerSizeBytes?: number;
  /** sqlite only. */
  readonly databaseVersion?: number;
}

/** Words about a repository that clients show or match. */
export interface RepomdTags {
  readonly content: readonly string[];
  readonly repo: readonly string[];
  readonly distro: readonly { readonly name: string; readonly cpeId?: string }[];
}

/** repomd.xml as a value. */
export interface Repomd {
  /** The repository's own version word; empty where there is none. */
  readonly revision: string;
  readonly tags: RepomdTags;
  readonly records: readonly RepomdRecord[];
}

/** Tags of a repository that has none. */
export const noTags: RepomdTags = { content: [], repo: [], distro: [] };

/** repomd.xml's text, records in the order given: `sortRepomdRecords` gives createrepo_c's. */
export function formatRepomd(repomd: Repomd): string {
  let out = `<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
  <revision>${escapeText(repomd.revision)}</revision>
`;
  const { content, repo, distro } = repomd.tags;
  if (content.length + repo.length + distro.length > 0) {
    out += '  <tags>\n';
    for (const word of content) out += `    <content>${escapeText(word)}</content>\n`;
    for (const word of repo) out += `    <repo>${escapeText(word)}</repo>\n`;
    for (const { name, cpeId } of distro) {
      const cpe = cpeId === undefined ? '' : ` cpeid="${escapeAttribute(cpeId)}"`;
      out += `    <distro${cpe}>${escapeText(name)}</distro>\n`;
    }
    out += '  </tags>\n';
  }
  for (const record of repomd.records) out += formatRecordElement(record);
  return `${out}</repomd>\n`;
}

function formatRecordElement(record: RepomdRecord): string {
  const base = record.locationBase === undefined ? '' : ` xml:base="${escapeAttribute(record.locationBase)}"`;
  let out = `  <data type="${escapeAttribute(record.type)}">\n${digestElement('checksum', record.checksum)}`;
  if (record.openChecksum !== undefined) out += digestElement('open-checksum', record.openChecksum);
  if (record.headerChecksum !== undefined) out += digestElement('header-checksum', record.headerChecksum);
  out += `    <location${base} href="${escapeAttribute(record.location)}"/>\n`;
  out += `    <timestamp>${Math.floor(record.timestamp.getTime() / 1000)}</timestamp>\n`;
  if (record.sizeBytes !== undefined) out += `    <size>${record.sizeBytes}</size>\n`;
  if (record.openSizeBytes !== undefined) out += `    <open-size>${record.openSizeBytes}</open-size>\n`;
  if (record.headerSizeBytes !== undefined) out += `    <header-size>${record.headerSizeBytes}</header-size>\n`;
  if (record.databaseVersion !== undefined) {
    out += `    <database_version>${record.databaseVersion}</database_version>\n`;
  }
  return `${out}  </data>\n`;
}

function digestElement(name: string, digest: Digest): string {
  return `    <${name} type="${formatChecksumType(digest.algorithm)}">${digest.hex}</${name}>\n`;
}

const recordOrder = [
  'primary',
  'filelists',
  'other',
  'primary_db',
  'filelists_db',
  'other_db',
  'primary_zck',
  'filelists_zck',
  'other_zck',
];

/** createrepo_c's order: the three documents, their databases, their zchunk forms, then the rest by name. */
export function sortRepomdRecords(records: readonly RepomdRecord[]): RepomdRecord[] {
  const rank = (record: RepomdRecord): number => {
    const index = recordOrder.indexOf(record.type);
    return index < 0 ? recordOrder.length : index;
  };
  return [...records].sort((a, b) => rank(a) - rank(b) || (a.type < b.type ? -1 : a.type > b.type ? 1 : 0));
}

/** Reads repomd.xml. Throws REPO_BAD_XML, REPO_BAD_VALUE. */
export function parseRepomd(bytes: Uint8Array): Repomd {
  const document = 'repomd.xml';
  let revision = '';
  const tags = { content: [] as string[], repo: [] as string[], distro: [] as { name: string; cpeId?: string }[] };
  const records: RepomdRecord[] = [];
  let draft: Draft | undefined;
  let cpeId: string | undefined;
  let checksumType: string | undefined;
  let inTags = false;
  let depth = 0;
  const reader = new XmlReader(document, {
    open(name: string, attributes: XmlAttributes, offset: number): void {
      depth++;
      if (depth === 1 && name !== 'repomd') throw badValue(document, offset, 'root element', 'repomd', name);
      if (name === 'data') draft = { type: requiredAttribute(document, offset, 'data', attributes, 'type') };
      else if (name === 'tags') inTags = true;
      else if (name === 'distro') cpeId = attributes.get('cpeid');
      else if (draft !== undefined) {
        if (name === 'location') {
          draft.location = requiredAttribute(document, offset, 'location', attributes, 'href');
          const base = attributes.get('xml:base');
          if (base !== undefined) draft.locationBase = base;
        } else if (name.endsWith('checksum')) checksumType = attributes.get('type') ?? '';
      }
    },
    close(name: string, text: string, offset: number): void {
      depth--;
      if (draft === undefined) {
        if (name === 'revision') revision = text;
        else if (name === 'tags') inTags = false;
        else if (inTags && (name === 'content' || name === 'repo')) tags[name].push(text);
        else if (inTags && name === 'distro')
          tags.distro.push({ name: text, ...(cpeId === undefined ? {} : { cpeId }) });
        return;
      }
      if (name === 'checksum') draft.checksum = parseChecksumType(document, offset, checksumType ?? '', text);
      else if (name === 'open-checksum') {
        draft.openChecksum = parseChecksumType(document, offset, checksumType ?? '', text);
      } else if (name === 'header-checksum') {
        draft.headerChecksum = parseChecksumType(document, offset, checksumType ?? '', text);
      } else if (name === 'timestamp') draft.timestamp = dateOf(document, offset, 'timestamp', text);
      else if (name === 'size') draft.sizeBytes = wholeNumber(document, offset, 'size', text);
      else if (name === 'open-size') draft.openSizeBytes = wholeNumber(document, offset, 'open-size', text);
      else if (name === 'header-size') draft.headerSizeBytes = wholeNumber(document, offset, 'header-size', text);
      else if (name === 'database_version') {
        draft.databaseVersion = wholeNumber(document, offset, 'database_version', text);
      } else if (name === 'data') {
        records.push(finished(draft, document, offset));
        draft = undefined;
      }
    },
  });
  reader.write(bytes);
  reader.end();
  return { revision, tags, records };
}

type Draft = { -readonly [Key in keyof RepomdRecord]?: RepomdRecord[Key] } & { type: string };

function finished(draft: Draft, document: string, offset: number): RepomdRecord {
  const { location, checksum } = draft;
  if (location === undefined) throw badValue(document, offset, `data[${draft.type}]/location`, 'one', 'none');
  if (checksum === undefined) throw badValue(document, offset, `data[${draft.type}]/checksum`, 'one', 'none');
  return { ...draft, location, checksum, timestamp: draft.timestamp ?? new Date(0) };
}

const checksumTypes: Readonly<Record<string, readonly [DigestAlgorithm, hexLength: number]>> = {
  md5: ['md5', 32],
  sha: ['sha1', 40],
  sha1: ['sha1', 40],
  sha224: ['sha224', 56],
  sha256: ['sha256', 64],
  sha384: ['sha384', 96],
  sha512: ['sha512', 128],
};

/** A digest from `type=` and the content of a checksum element. Throws REPO_BAD_VALUE. */
export function parseChecksumType(document: string, offset: number, type: string, text: string): Digest {
  const known = Object.hasOwn(checksumTypes, type.toLowerCase()) ? checksumTypes[type.toLowerCase()] : undefined;
  if (known === undefined)
    throw badValue(document, offset, 'checksum/@type', Object.keys(checksumTypes).join(', '), type);
  const hex = text.trim().toLowerCase();
  if (hex.length !== known[1] || !/^[0-9a-f]*$/.test(hex)) {
    throw badValue(document, offset, 'checksum', `${known[1]} hexadecimal digits`, text);
  }
  return { algorithm: known[0], hex };
}

/** `type=` of a checksum element: repodata says `sha` for SHA-1. */
export function formatChecksumType(algorithm: DigestAlgorithm): string {
  return algorithm === 'sha1' ? 'sha' : algorithm;
}

/** The record of a type. Throws REPO_MISSING_RECORD. */
export function repomdRecord(repomd: Repomd, type: string): RepomdRecord {
  const record = repomd.records.find((candidate) => candidate.type === type);
  if (record === undefined) {
    const found = repomd.records.map((candidate) => candidate.type);
    throw new RepoError(
      { code: 'REPO_MISSING_RECORD', type, found },
      `repomd.xml: a record of type ${quote(type)} wanted, found ${found.join(', ') || 'none'}`,
    );
  }
  return record;
}
