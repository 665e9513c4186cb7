/**
 * The seam to private keys: one method. The key may be in memory, behind gpg-agent, in a token or on another machine.
 *
 * Reference: RFC 9580, section 5.2
 */
import type { Abortable } from '@distrokit/rpm';
import { SignError } from './errors.js';
import { isBrokenHash } from './hash.js';
import { algorithmName, type SignaturePacket } from './packet.js';
import { decodeSingleSignature } from './signature-status.js';

/** Options of `Signer.sign`. */
export interface SignOptions extends Abortable {
  /** Goes into the signature, in whole seconds. */
  readonly signedAt: Date;
  /**
   * Make a signature of type 0x01 (over text with CRLF line ends) instead of 0x00. Default false. Only clear-signing
   * asks for it; `data` then already has those line ends.
   */
  readonly text?: boolean;
}

/** Makes signatures with one key. */
export interface Signer {
  /** Of the key (or subkey) that signs; lower-case hexadecimal. */
  readonly fingerprint: string;
  /** One binary OpenPGP signature over `data`. The private key may be anywhere. */
  sign(data: Uint8Array, options: SignOptions): Promise<Uint8Array>;
}

/** One signature, as bytes and read. */
export interface MadeSignature {
  readonly bytes: Uint8Array;
  readonly packet: SignaturePacket;
}

/**
 * Asks a signer and looks at what it gives: exactly one signature packet, of the right type, with algorithms that
 * clients still accept. Does not check the signature itself: that needs the public key.
 *
 * Throws SIGN_SIGNER_FAILED; an aborted call rejects with the signal's own reason.
 */
export async function makeSignature(signer: Signer, data: Uint8Array, options: SignOptions): Promise<MadeSignature> {
  options.signal?.throwIfAborted();
  let bytes: Uint8Array;
  try {
    bytes = await signer.sign(data, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof SignError) throw error;
    throw signerFailed(signer, 'a signature', error instanceof Error ? error.name : 'an error', error);
  }
  let packet: SignaturePacket;
  try {
    packet = decodeSingleSignature(bytes);
  } catch (error) {
    throw signerFailed(signer, 'one binary signature packet', `${bytes?.length ?? 0} other bytes`, error);
  }
  const type = options.text ? 0x01 : 0x00;
  if (packet.type !== type) throw signerFailed(signer, `a signature of type ${type}`, `type ${packet.type}`);
  if (isBrokenHash(packet.hashAlgorithm) || packet.keyAlgorithm === 17) {
    const found = algorithmName(packet.keyAlgorithm, packet.hashAlgorithm);
    throw signerFailed(signer, 'SHA-256 or better, and no DSA', found);
  }
  if (packet.version === 3) throw signerFailed(signer, 'a signature of version 4 or 6', 'version 3');
  if (packet.createdAt?.getTime() !== wholeSeconds(options.signedAt).getTime()) {
    const found = packet.createdAt?.toISOString() ?? 'no time';
    throw signerFailed(signer, `a signature of ${wholeSeconds(options.signedAt).toISOString()}`, found);
  }
  return { bytes, packet };
}

/** Signatures hold whole seconds. Throws RangeError when `instant` does not fit into 32 bits of them. */
export function wholeSeconds(instant: Date): Date {
  const seconds = Math.floor(instant.getTime() / 1000);
  if (!(seconds >= 0 && seconds <= 0xffff_ffff)) throw new RangeError('"signedAt" must be between 1970 and 2106');
  return new Date(seconds * 1000);
}

/** An error that names the signer, what was wanted and what was found; never what the signer printed or held. */
export function signerFailed(
  signer: { readonly fingerprint: string },
  wanted: string,
  found: string,
  cause?: unknown,
): SignError {
  return new SignError(
    { code: 'SIGN_SIGNER_FAILED', fingerprint: signer.fingerprint, wanted, found },
    `signer ${signer.fingerprint}: wanted ${wanted}, found ${found}`,
    cause === undefined ? undefined : { cause },
  );
}
