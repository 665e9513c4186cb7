/**
 * Signatures beside what they cover: `repomd.xml.asc`, source archives, and clear-signed texts such as CHECKSUM.
 *
 * Reference: RFC 9580, sections 7 and 10.4
 */
import type { Abortable } from '@distrokit/rpm';
import { encodeArmor, packetsOf } from './armor.js';
import { SignError } from './errors.js';
import { hashName } from './hash.js';
import type { Keyring } from './keyring.js';
import { decodePackets, encodePacket, TAG_SIGNATURE } from './packet.js';
import { beginSignature, type SignatureStatus } from './signature-status.js';
import { makeSignature, type Signer } from './signer.js';

/** The answer about data with detached signatures. */
export interface DetachedReport {
  /** One status per signature. */
  readonly signatures: readonly SignatureStatus[];
  /** At least one signature verified by a key of the keyring. No signature is not ok. */
  readonly ok: boolean;
}

/** Signatures that are looked at in one `.asc`: more is a flood. */
const MAX_SIGNATURES = 64;

/**
 * An armored detached signature over `data`, as `repomd.xml.asc` holds it.
 *
 * Throws SIGN_SIGNER_FAILED.
 */
export async function signDetached(
  data: Uint8Array,
  signer: Signer,
  options: Abortable & { readonly signedAt: Date },
): Promise<string> {
  const { bytes } = await makeSignature(signer, data, options);
  return encodeArmor('SIGNATURE', bytes);
}

/**
 * Verifies detached signatures, armored or binary, against a keyring at an instant.
 *
 * Signatures by unknown keys do not count against a verified one: a repository may be signed with an old and a new
 * key. Never throws for what `signature` holds: bytes that are no signature give no verified one.
 */
export function verifyDetached(
  data: Uint8Array,
  signature: Uint8Array | string,
  keyring: Keyring,
  options: { readonly at: Date },
): DetachedReport {
  return verifyAll(splitSignatures(signature), [0x00, 0x01], keyring, options.at, (type) =>
    type === 0x01 ? canonicalText(data) : data,
  );
}

/**
 * A verifier for `openRepository`: resolves when one signature over repomd.xml is verified, else rejects with
 * SIGN_NOT_VERIFIED and a status per signature.
 */
export function repomdVerifier(
  keyring: Keyring,
  options: { readonly at: Date },
): (repomd: Uint8Array, signature: Uint8Array) => Promise<void> {
  return async (repomd, signature) => {
    const report = verifyDetached(repomd, signature, keyring, options);
    if (!report.ok) throw notVerified('repomd.xml', report);
  };
}

/**
 * A clear-signed text (CHECKSUM): readable, with its signature below. Line ends become `\n`; white space at the end of
 * a line is not covered, as the format has it.
 *
 * Throws SIGN_SIGNER_FAILED when the signer cannot make signatures over text.
 */
export async function clearSign(
  text: string,
  signer: Signer,
  options: Abortable & { readonly signedAt: Date },
): Promise<string> {
  const lines = splitLines(text);
  const { bytes, packet } = await makeSignature(signer, clearText(lines), { ...options, text: true });
  const escaped = lines.map((line) => (line.startsWith('-') ? `- ${line}` : line));
  return [
    '-----BEGIN PGP SIGNED MESSAGE-----',
    `Hash: ${hashName(packet.hashAlgorithm)}`,
    '',
    ...escaped,
    encodeArmor('SIGNATURE', bytes),
  ].join('\n');
}

/** The answer about a clear-signed text. */
export interface ClearSignedReport extends DetachedReport {
  /** The covered text, unescaped; white space at line ends is not covered, so it is left out. Believe it only when `ok`. */
  readonly text: string;
}

/**
 * Verifies a clear-signed text. What stands before or after the signed part is not covered and not returned; a second
 * signed part is refused.
 *
 * Throws SIGN_BAD_ARMOR when it is no clear-signed text.
 */
export function verifyClearSigned(
  message: string,
  keyring: Keyring,
  options: { readonly at: Date },
): ClearSignedReport {
  const all = splitLines(message);
  const start = all.findIndex((line) => line.trimEnd() === '-----BEGIN PGP SIGNED MESSAGE-----');
  if (start === -1) throw badClearText(1, '-----BEGIN PGP SIGNED MESSAGE-----', 'no such line');
  let body = start + 1;
  // Only Hash headers: any other text up here would look signed to a person and is not.
  while (/^Hash: [A-Za-z0-9, -]+$/.test(all[body] ?? '')) body++;
  if (all[body]?.trim() !== '') throw badClearText(body + 1, 'Hash headers and an empty line', 'another line');
  const end = all.findIndex((line, i) => i > body && line.trimEnd() === '-----BEGIN PGP SIGNATURE-----');
  if (end === -1) throw badClearText(all.length, '-----BEGIN PGP SIGNATURE-----', 'the end of the text');
  const lines = all.slice(body + 1, end).map((line, i) => {
    if (line.startsWith('-') && !line.startsWith('- ')) {
      throw badClearText(body + 2 + i, 'a line that begins with "- "', 'a bare dash');
    }
    return withoutSpace(line.startsWith('- ') ? line.slice(2) : line);
  });
  const rest = all.slice(end);
  const again = rest.findIndex((line) => line.startsWith('-----BEGIN PGP SIGNED MESSAGE-----'));
  if (again !== -1) throw badClearText(end + again + 1, 'one signed text', 'another');
  const report = verifyAll(splitSignatures(rest.join('\n')), [0x00, 0x01], keyring, options.at, () => clearText(lines));
  return { ...report, text: lines.map((line) => `${line}\n`).join('') };
}

/** Throws SIGN_NOT_VERIFIED with every status when the report is not ok. `what` names the thing in the message. */
export function assertDetached(report: DetachedReport, what = 'data'): void {
  if (!report.ok) throw notVerified(what, report);
}

function verifyAll(
  packets: readonly Uint8Array[],
  types: readonly number[],
  keyring: Keyring,
  at: Date,
  covered: (type: number) => Uint8Array,
): DetachedReport {
  const signatures = packets.slice(0, MAX_SIGNATURES).map((bytes) => {
    const check = beginSignature(bytes, types);
    check.update(covered(check.packet?.type ?? 0));
    return check.finish(keyring, at);
  });
  return { signatures, ok: signatures.some(({ status }) => status === 'verified') };
}

/** Each signature packet on its own. Anything that is none is handed on, to get a status that says so. */
function splitSignatures(signature: Uint8Array | string): Uint8Array[] {
  let blocks: Uint8Array[];
  try {
    blocks = packetsOf(signature, ['SIGNATURE']);
  } catch {
    return [new Uint8Array(0)];
  }
  return blocks.flatMap((block) => {
    try {
      return [...decodePackets(block, 'signature')].map(({ tag, body }) =>
        tag === TAG_SIGNATURE ? encodePacket(tag, body) : new Uint8Array(0),
      );
    } catch {
      return [new Uint8Array(0)];
    }
  });
}

function splitLines(text: string): string[] {
  const lines = text.split(/\r\n|\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** What a signature over clear text covers: no white space at line ends, CRLF between lines, none after the last. */
function clearText(lines: readonly string[]): Uint8Array {
  return new TextEncoder().encode(lines.map(withoutSpace).join('\r\n'));
}

/** Not by a regular expression: on a long run of spaces inside a line it would begin anew at each of them. */
function withoutSpace(line: string): string {
  let end = line.length;
  while (end > 0 && ' \t\r'.includes(line[end - 1]!)) end--;
  return line.slice(0, end);
}

/** A detached signature over text covers CRLF line ends. */
function canonicalText(data: Uint8Array): Uint8Array {
  const text = new TextDecoder('latin1').decode(data).replace(/\r?\n/g, '\r\n');
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function notVerified(what: string, report: DetachedReport): SignError {
  const statuses = report.signatures.map((one) => `${one.status}${one.reason ? ` (${one.reason})` : ''}`);
  return new SignError(
    { code: 'SIGN_NOT_VERIFIED', what, statuses },
    `${what}: not verified: ${statuses.join('; ') || 'no signature'}`,
  );
}

function badClearText(line: number, wanted: string, found: string): SignError {
  return new SignError(
    { code: 'SIGN_BAD_ARMOR', line, wanted, found },
    `clear-signed text: line ${line}: wanted ${wanted}, found ${found}`,
  );
}
