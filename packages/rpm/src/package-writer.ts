/**
 * Writes a package: v4 and v6, binary and source, with no rpm on the machine.
 *
 * Every package carries SHA-256 digests of its header, its payload and each file; v6 adds SHA-512 and SHA3-256. MD5 and
 * SHA-1 are not made. The package is unsigned; `reservedBytes` leaves room for a signature.
 *
 * Reference: rpm, docs/manual/format_v4.md, format_v6.md; build/pack.cc (writeRPM)
 */
import { leadArchNumber } from './arch.js';
import type { Abortable } from './byte-source.js';
import { quote, RpmError } from './errors.js';
import { fileFlags } from './file-list.js';
import { type DigestAlgorithm, digestBytes } from './hasher.js';
import { encodeHeader, signaturePadding } from './header.js';
import { HeaderBuilder } from './header-builder.js';
import { encodeLead } from './lead.js';
import { MAX_HEADER_DATA_BYTES, MAX_SIGNATURE_DATA_BYTES } from './limits.js';
import { encodeManifestHeader } from './manifest-header.js';
import { formatNevr } from './nevra.js';
import type { ManifestScriptlet, ManifestTrigger, PackageManifest } from './package-manifest.js';
import { type MadePayload, makePayload } from './payload-writer.js';
import { checkedDependency, planDependencies } from './planned-dependency.js';
import { planFiles } from './planned-file.js';
import { HEADERSIGNATURES } from './region.js';
import type { ScriptFlags, Scriptlet, Trigger } from './scriptlet.js';
import { type SignatureTags, signatureTags } from './signature-tags.js';

/** Options of `writePackage`. */
export interface WritePackageOptions extends Abortable {
  readonly format: 4 | 6;
  readonly compression: {
    readonly type: 'gzip' | 'xz' | 'zstd' | 'none';
    /** gzip and xz 0 to 9 (default 9 and 6), zstd 1 to 22 (default 19). */
    readonly level?: number;
  };
  /** Build time, and the latest file time. Required: the clock is never read. */
  readonly sourceDate: Date;
  readonly buildHost: string;
  /** Room left in the signature header for a later signature. Default 4128, as rpm leaves. */
  readonly reservedBytes?: number;
}

/**
 * The bytes of a package. Same arguments, same bytes, however contents come in chunks.
 *
 * Nothing is yielded before all contents were read once. A compressed payload of up to 64 MiB is kept in memory; a
 * bigger one is made twice, so that its contents must be readable twice (`ByteSource`).
 *
 * Throws RPM_BAD_NEVRA, RPM_BAD_HEADER, RPM_BAD_PATH, RPM_BAD_DEPENDENCY and RPM_BAD_SCRIPTLET on a manifest that no
 * rpm would read back, RPM_LIMIT on what does not fit the format, RPM_NO_CODEC for xz in a browser, RPM_SOURCE_FAILED
 * when a content changes in between, TypeError and RangeError on wrong options.
 */
export async function* writePackage(
  manifest: PackageManifest,
  options: WritePackageOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const { format, buildHost, reservedBytes = DEFAULT_RESERVED_BYTES } = options;
  const buildTime = checkOptions(options);
  checkIdentity(manifest);
  const isSource = manifest.source !== undefined;
  const { type } = options.compression;
  const compression = { type, level: options.compression.level ?? defaultLevels[type] };
  const files = await planFiles(manifest, options.sourceDate, options);
  const hasLargeFiles = files.some(({ content }) => (content?.sizeBytes ?? 0) > largest32);
  const payload = await makePayload(files, {
    compression,
    stripped: format === 6 || hasLargeFiles,
    dotted: !isSource,
    algorithms: format === 6 ? ['sha256', 'sha512', 'sha3-256'] : ['sha256'],
    signal: options.signal,
  });
  const scriptlets = (manifest.scriptlets ?? []).map(completeScriptlet);
  const triggers = (manifest.triggers ?? []).map(completeTrigger);
  checkScriptletKinds(scriptlets);
  const dependencies = planDependencies(manifest, {
    format,
    compression: type,
    hasFiles: files.length > 0,
    hasLargeFiles,
    hasHardlinks: files.some(({ links }) => links !== undefined),
    hasCapabilities: files.some(({ capabilities }) => capabilities !== ''),
    hasConfig: files.some(({ flags }) => (flags & fileFlags.config) !== 0),
    scriptlets,
    triggers,
  });
  const header = encodeManifestHeader({
    manifest,
    files,
    dependencies,
    scriptlets,
    triggers,
    payload,
    format,
    compression,
    buildTime,
    buildHost,
  });
  if (header.length > MAX_HEADER_DATA_BYTES)
    throw tooLarge('bytes of the header', MAX_HEADER_DATA_BYTES, header.length);
  const signatureHeader = encodeSignatureHeader(header, payload, format, reservedBytes);

  yield encodeLead({
    major: format === 6 ? 4 : 3,
    minor: 0,
    type: isSource ? 'source' : 'binary',
    // rpm 6 no longer writes numbers for arch and operating system; 1 is Linux.
    archNumber: format === 6 ? 0 : (leadArchNumber(manifest.arch) ?? NOARCH_NUMBER),
    name: formatNevr(manifest),
    osNumber: format === 6 ? 0 : 1,
  });
  yield signatureHeader;
  const padding = signaturePadding(signatureHeader.length);
  if (padding > 0) yield new Uint8Array(padding);
  yield header;
  for await (const chunk of payload.bytes()) {
    options.signal?.throwIfAborted();
    yield chunk;
  }
}

/** As rpm: `%__gpg_reserved_space` and 32 bytes more. */
const DEFAULT_RESERVED_BYTES = 4128;
const largest32 = 0xffff_ffff;
/** rpm writes the number of the machine it runs on for noarch: no fact of the package, so always the same one here. */
const NOARCH_NUMBER = 1;

const defaultLevels = { gzip: 9, xz: 6, zstd: 19, none: 0 } as const;

/** Build time in seconds. */
function checkOptions({ format, compression, sourceDate, buildHost, reservedBytes = 0 }: WritePackageOptions): number {
  if (format !== 4 && format !== 6) throw new TypeError(`"format" must be 4 or 6, not ${String(format)}`);
  if (!Object.hasOwn(defaultLevels, compression.type)) {
    throw new TypeError(`"compression.type" must be gzip, xz, zstd or none, not ${quote(String(compression.type))}`);
  }
  const seconds = Math.floor(sourceDate.getTime() / 1000);
  if (!(seconds >= 0 && seconds <= largest32)) {
    throw new RangeError('"sourceDate" must be a time from 1970 to 2106');
  }
  if (buildHost === '') throw new TypeError('"buildHost" must not be empty');
  if (!Number.isInteger(reservedBytes) || reservedBytes < 0 || reservedBytes > MAX_SIGNATURE_DATA_BYTES / 2) {
    throw new RangeError(`"reservedBytes" must be from 0 to ${MAX_SIGNATURE_DATA_BYTES / 2}, not ${reservedBytes}`);
  }
  return seconds;
}

function checkIdentity(manifest: PackageManifest): void {
  const rules = [
    ['name', /^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/],
    ['version', /^[A-Za-z0-9._+~^]+$/],
    ['release', /^[A-Za-z0-9._+~^]+$/],
    ['arch', /^[A-Za-z0-9_]+$/],
  ] as const;
  for (const [field, rule] of rules) {
    const value = manifest[field];
    if (rule.test(value)) continue;
    const wanted = `a ${field} that matches ${rule.source}`;
    throw new RpmError(
      { code: 'RPM_BAD_NEVRA', text: value, wanted },
      `manifest: ${wanted} wanted, found ${quote(value)}`,
    );
  }
  if (manifest.arch === 'src' || manifest.arch === 'nosrc') {
    const wanted = 'the arch of a machine, and "source" in a source package';
    throw new RpmError({ code: 'RPM_BAD_NEVRA', text: manifest.arch, wanted }, `manifest: ${wanted} wanted as "arch"`);
  }
}

function completeScriptlet(given: ManifestScriptlet): Scriptlet {
  const { kind, body } = given;
  const interpreter = given.interpreter ?? (body === undefined ? [] : ['/bin/sh']);
  if (interpreter.length === 0) throw badScript(kind, 'a body or an interpreter', 'neither');
  const flags = completeFlags(given.flags);
  return body === undefined ? { kind, interpreter, flags } : { kind, interpreter, body, flags };
}

function completeTrigger(given: ManifestTrigger): Trigger {
  const { family, event, body, priority, interpreter = ['/bin/sh'] } = given;
  if (given.conditions.length === 0) throw badScript(`${family} trigger`, 'a condition', 'none');
  if (interpreter.length !== 1)
    throw badScript(`${family} trigger`, 'a program without arguments', interpreter.join(' '));
  return {
    family,
    event,
    interpreter,
    body,
    flags: completeFlags(given.flags),
    ...(priority === undefined ? {} : { priority }),
    conditions: given.conditions.map((each) => checkedDependency(each)),
  };
}

function completeFlags({
  expand = false,
  queryFormat = false,
  critical = false,
}: Partial<ScriptFlags> = {}): ScriptFlags {
  return { expand, queryFormat, critical };
}

function checkScriptletKinds(scriptlets: readonly Scriptlet[]): void {
  const kinds = scriptlets.map(({ kind }) => kind);
  const second = kinds.find((kind, i) => kinds.indexOf(kind) !== i);
  if (second !== undefined) throw badScript(second, 'one scriptlet of a kind', 'two');
}

/** Tags by number, as rpm writes them; what does not fit 32 bits goes into the LONG tags of v4. */
function encodeSignatureHeader(
  header: Uint8Array,
  payload: MadePayload,
  format: 4 | 6,
  reservedBytes: number,
): Uint8Array {
  const signature = new HeaderBuilder<SignatureTags>(signatureTags);
  const digest = (algorithm: DigestAlgorithm): string => digestBytes(algorithm, header);
  signature.set('SHA256', digest('sha256'));
  const reserved = new Uint8Array(reservedBytes);
  if (format === 6) {
    signature.set('SHA3_256', digest('sha3-256'));
    signature.set('RESERVED', reserved);
  } else {
    const sizeBytes = header.length + payload.compressed.sizeBytes;
    signature.set(sizeBytes > largest32 ? 'LONGSIZE' : 'SIZE', sizeBytes);
    const archiveBytes = payload.archive.sizeBytes;
    signature.set(archiveBytes > largest32 ? 'LONGARCHIVESIZE' : 'PAYLOADSIZE', archiveBytes);
    signature.set('RESERVEDSPACE', reserved);
  }
  return encodeHeader(signature.entries(), { regionTag: HEADERSIGNATURES });
}

function tooLarge(what: string, limit: number, found: number): RpmError {
  return new RpmError({ code: 'RPM_LIMIT', what, limit, found }, `${what}: at most ${limit} wanted, found ${found}`);
}

function badScript(tag: string, wanted: string, found: string): RpmError {
  return new RpmError(
    { code: 'RPM_BAD_SCRIPTLET', tag, wanted, found },
    `manifest: ${tag}: ${wanted} wanted, found ${quote(found)}`,
  );
}
