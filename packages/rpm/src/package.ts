/**
 * A package as a whole: lead, signature header, header, payload.
 *
 *     lead (96) | signature header | 0 to 7 zero bytes | header | payload to the end of the file
 *
 * Reference: rpm, lib/package.cc (rpmpkgRead), lib/rpmlead.cc; docs/manual/format_v4.md, format_v6.md
 */
import { type Abortable, asByteSource, type ByteSource, readExactly } from './byte-source.js';
import { RpmError } from './errors.js';
import {
  acceptedHeaders,
  decodeHeaderIntro,
  decodeMainHeader,
  decodeSignatureHeader,
  type Header,
  signaturePadding,
} from './header.js';
import { decodeLead, LEAD_BYTES, type Lead } from './lead.js';
import type { Nevra } from './nevra.js';
import { packageKernel } from './package-kernel.js';
import { ENTRY_BYTES, INTRO_BYTES } from './region.js';
import { checkSignatureMerge } from './signature-merge.js';
import type { SignatureTags } from './signature-tags.js';
import type { MainTags } from './tags.js';

/** A stretch of the file. Bytes from its start; `end` is the first byte after. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Something the reference accepts as well, but a strict reader may want to refuse. */
export interface Deviation {
  readonly code: 'RPM_UNSORTED_INDEX' | 'RPM_DUPLICATE_TAG' | 'RPM_DRIBBLE' | 'RPM_NONZERO_PADDING' | 'RPM_NO_REGION';
  readonly section: 'signature header' | 'header';
  /** The tag it concerns, where there is one. */
  readonly tag?: number;
}

/** A package whose two headers are in memory; the payload is read when asked for. */
export interface RpmPackage {
  /** 6 when RPMFORMAT says so, else 4 when the header has a region, else 3. */
  readonly format: 3 | 4 | 6;
  readonly lead: Lead;
  readonly signatureHeader: Header<SignatureTags>;
  readonly header: Header<MainTags>;
  /** Arch is `src` or `nosrc` for a source package. Throws RPM_BAD_HEADER when name, version, release or arch is missing. */
  readonly nevra: Nevra;
  readonly isSource: boolean;
  /** The signature header without its padding. */
  readonly signatureRange: ByteRange;
  /** Offsets in bytes from the start of the file; `end` is the payload's first byte. */
  readonly headerRange: ByteRange;
  /** Where the package was read from. */
  readonly source: ByteSource;
  /** The payload as stored (compressed), in chunks of 256 KiB. */
  payload(options?: Abortable): AsyncIterable<Uint8Array>;
}

/** Options of `readPackage`. */
export interface ReadPackageOptions extends Abortable {
  /** Ceiling on one header's data section in bytes. Default 268,435,455, the reference's own. */
  readonly maxHeaderBytes?: number;
  /** Hears what the reference also tolerates. Throw in it to be strict. */
  readonly onDeviation?: (deviation: Deviation) => void;
}

const PAYLOAD_CHUNK_BYTES = 256 * 1024;

/**
 * Reads lead and both headers in three reads; never touches the payload, and verifies neither digests nor
 * signatures: see `checkDigests` and `@distrokit/sign`.
 *
 * Throws RPM_TRUNCATED, RPM_BAD_MAGIC, RPM_BAD_ENTRY, RPM_BAD_REGION, RPM_LIMIT; RangeError on a negative ceiling.
 */
export async function readPackage(
  source: ByteSource | Uint8Array,
  options: ReadPackageOptions = {},
): Promise<RpmPackage> {
  return new PackageOverSource(await readParts(source, options));
}

/** @internal What a package is made of; see `readPackage`. */
export interface PackageParts {
  readonly source: ByteSource;
  /** Whole and sound. */
  readonly leadBytes: Uint8Array;
  readonly signatureHeader: Header<SignatureTags>;
  readonly header: Header<MainTags>;
  readonly headerStart: number;
}

/** @internal Reads and checks the parts; see `readPackage`. */
export async function readParts(source: ByteSource | Uint8Array, options: ReadPackageOptions): Promise<PackageParts> {
  const maxHeaderBytes = checkedCeiling(options);
  const bytes = asByteSource(source);
  if (source instanceof Uint8Array) {
    options.signal?.throwIfAborted();
    const parts = acceptedBytes(source, bytes, options) ?? partsOfBytes(source, bytes, options);
    if (parts) return parts;
  }
  const start = await bytes.read(0, LEAD_BYTES + INTRO_BYTES, options);
  decodeLead(start);
  const signatureIntro = decodeHeaderIntro(start.subarray(LEAD_BYTES), 'signature', maxHeaderBytes);
  const signatureEnd = LEAD_BYTES + signatureIntro.totalBytes;
  const headerStart = signatureEnd + signaturePadding(signatureIntro.totalBytes);
  // One read from the signature header to the main header's intro: on a remote source each read is a request.
  const middle = await bytes.read(LEAD_BYTES, headerStart + INTRO_BYTES - LEAD_BYTES, options);
  const signatureHeader = decodeSignatureHeader(middle.subarray(0, signatureIntro.totalBytes));
  const intro = decodeHeaderIntro(middle.subarray(headerStart - LEAD_BYTES), 'main', maxHeaderBytes);
  const headerBytes = await readExactly(bytes, 'header', headerStart, headerStart, intro.totalBytes, options);
  const padding = middle.subarray(signatureEnd - LEAD_BYTES, headerStart - LEAD_BYTES);
  const header = decodeMainHeader(headerBytes);
  checkSignatureMerge(signatureHeader, header);
  const leadBytes = start.subarray(0, LEAD_BYTES);
  return reported({ source: bytes, leadBytes, signatureHeader, header, headerStart }, padding, options);
}

/** The parts of a package in memory, where the kernel is there and accepts it. */
function acceptedBytes(bytes: Uint8Array, source: ByteSource, options: ReadPackageOptions): PackageParts | undefined {
  const kernel = options.maxHeaderBytes === undefined ? packageKernel() : undefined;
  if (kernel === undefined) return undefined;
  const end = kernel.headerEnd((from, to) => {
    const part = bytes.subarray(from, to);
    kernel.room.set(part, from);
    return from + part.length;
  });
  return end === 0 ? undefined : acceptedParts(bytes.subarray(0, end), source, options);
}

/** @internal The parts of a package that the kernel has accepted: its bytes up to the end of the header. */
export function acceptedParts(bytes: Uint8Array, source: ByteSource, options: ReadPackageOptions): PackageParts {
  const intro = new DataView(bytes.buffer, bytes.byteOffset + LEAD_BYTES, INTRO_BYTES);
  const signatureBytes = INTRO_BYTES + intro.getUint32(8) * ENTRY_BYTES + intro.getUint32(12);
  const headerStart = LEAD_BYTES + signatureBytes + signaturePadding(signatureBytes);
  const { signatureHeader, header } = acceptedHeaders(bytes, LEAD_BYTES, headerStart);
  const parts = { source, leadBytes: bytes, signatureHeader, header, headerStart };
  if (options.onDeviation === undefined) return parts;
  return reported(parts, bytes.subarray(LEAD_BYTES + signatureBytes, headerStart), options);
}

/** The parts of a package in memory, looked at without the kernel; undefined when it ends before its headers do. */
function partsOfBytes(prefix: Uint8Array, source: ByteSource, options: ReadPackageOptions): PackageParts | undefined {
  const maxHeaderBytes = checkedCeiling(options);
  if (prefix.length < LEAD_BYTES + INTRO_BYTES) return undefined;
  decodeLead(prefix);
  const signatureIntro = decodeHeaderIntro(prefix.subarray(LEAD_BYTES), 'signature', maxHeaderBytes);
  const signatureEnd = LEAD_BYTES + signatureIntro.totalBytes;
  const headerStart = signatureEnd + signaturePadding(signatureIntro.totalBytes);
  if (prefix.length < headerStart + INTRO_BYTES) return undefined;
  const intro = decodeHeaderIntro(prefix.subarray(headerStart), 'main', maxHeaderBytes);
  const end = headerStart + intro.totalBytes;
  if (prefix.length < end) return undefined;
  const signatureHeader = decodeSignatureHeader(prefix.subarray(LEAD_BYTES, signatureEnd));
  const header = decodeMainHeader(prefix.subarray(headerStart, end));
  checkSignatureMerge(signatureHeader, header);
  const padding = prefix.subarray(signatureEnd, headerStart);
  return reported({ source, leadBytes: prefix, signatureHeader, header, headerStart }, padding, options);
}

function checkedCeiling({ maxHeaderBytes }: ReadPackageOptions): number | undefined {
  if (maxHeaderBytes !== undefined && (!Number.isSafeInteger(maxHeaderBytes) || maxHeaderBytes < 0)) {
    throw new RangeError(`"maxHeaderBytes" must be a whole number, not ${maxHeaderBytes}`);
  }
  return maxHeaderBytes;
}

/** The parts, after the deviations in them were told to whoever wants to hear of them. */
function reported(parts: PackageParts, padding: Uint8Array, { onDeviation }: ReadPackageOptions): PackageParts {
  if (onDeviation) {
    const { signatureHeader, header } = parts;
    reportDeviations(signatureHeader, 'signature header', onDeviation);
    if (padding.some((byte) => byte !== 0)) onDeviation({ code: 'RPM_NONZERO_PADDING', section: 'signature header' });
    reportDeviations(header, 'header', onDeviation);
  }
  return parts;
}

/** @internal A package over the source it was read from. */
export class PackageOverSource implements RpmPackage {
  readonly source: ByteSource;
  readonly signatureHeader: Header<SignatureTags>;
  readonly header: Header<MainTags>;
  readonly signatureRange: ByteRange;
  readonly headerRange: ByteRange;
  readonly #leadBytes: Uint8Array;

  constructor({ source, leadBytes, signatureHeader, header, headerStart }: PackageParts) {
    this.source = source;
    this.#leadBytes = leadBytes;
    this.signatureHeader = signatureHeader;
    this.header = header;
    this.signatureRange = { start: LEAD_BYTES, end: LEAD_BYTES + signatureHeader.bytes().length };
    this.headerRange = { start: headerStart, end: headerStart + header.bytes().length };
  }

  get lead(): Lead {
    return decodeLead(this.#leadBytes);
  }

  get format(): 3 | 4 | 6 {
    if (this.header.get('RPMFORMAT') === 6) return 6;
    return this.header.region ? 4 : 3;
  }

  get isSource(): boolean {
    return isSourceHeader(this.header);
  }

  get nevra(): Nevra {
    return headerNevra(this.header);
  }

  async *payload(options?: Abortable): AsyncIterable<Uint8Array> {
    let offset = this.headerRange.end;
    for (;;) {
      const chunk = await this.source.read(offset, PAYLOAD_CHUNK_BYTES, options);
      if (chunk.length > 0) yield chunk;
      if (chunk.length < PAYLOAD_CHUNK_BYTES) return;
      offset += chunk.length;
    }
  }
}

/**
 * Whether a header is that of a source package: SOURCEPACKAGE says so, and where neither it nor SOURCERPM is there,
 * a file list of names without folders does.
 */
export function isSourceHeader(header: Header<MainTags>): boolean {
  if (header.has('SOURCEPACKAGE')) return true;
  if (header.has('SOURCERPM')) return false;
  const folders = header.get('DIRNAMES');
  if (folders) return folders.length === 1 && folders[0] === '';
  const paths = header.get('OLDFILENAMES');
  return paths?.every((path) => !path.includes('/')) ?? false;
}

/** NEVRA of a header. Throws RPM_BAD_HEADER when name, version, release or arch is missing. */
export function headerNevra(header: Header<MainTags>): Nevra {
  const epoch = header.get('EPOCH');
  const arch = isSourceHeader(header)
    ? header.has('NOSOURCE') || header.has('NOPATCH')
      ? 'nosrc'
      : 'src'
    : required(header, 'ARCH');
  return {
    name: required(header, 'NAME'),
    ...(epoch === undefined ? {} : { epoch }),
    version: required(header, 'VERSION'),
    release: required(header, 'RELEASE'),
    arch,
  };
}

function required(header: Header<MainTags>, tag: 'NAME' | 'VERSION' | 'RELEASE' | 'ARCH'): string {
  const value = header.get(tag);
  if (value === undefined) {
    throw new RpmError(
      { code: 'RPM_BAD_HEADER', tag, wanted: 'a string', found: 'nothing' },
      `header: ${tag} wanted, found nothing`,
    );
  }
  return value;
}

function reportDeviations<Tags>(
  header: Header<Tags>,
  section: Deviation['section'],
  onDeviation: (deviation: Deviation) => void,
): void {
  if (!header.region) onDeviation({ code: 'RPM_NO_REGION', section });
  const regionEntries = header.region?.entryCount ?? header.entryCount;
  let previous = 0;
  for (const [i, { tag }] of header.entries().entries()) {
    if (i >= regionEntries) onDeviation({ code: 'RPM_DRIBBLE', section, tag });
    else if (tag < previous) onDeviation({ code: 'RPM_UNSORTED_INDEX', section, tag });
    else if (tag === previous) onDeviation({ code: 'RPM_DUPLICATE_TAG', section, tag });
    previous = tag;
  }
}
