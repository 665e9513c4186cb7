/**
 * A git tag object: what it names, what its signature covers, and the signature.
 *
 * Reference: git, Documentation/gitformat-signature.txt; gpg-interface.c (parse_signature)
 */
import { quote } from '@distrokit/rpm';
import { SourceError } from './errors.js';

/**
 * Resolves when the signature is good, rejects when it is not. `payload` is what git signs, `signature` the armored
 * signature (OpenPGP, SSH or X.509) as it stands in the tag.
 */
export type GitTagVerifier = (payload: Uint8Array, signature: Uint8Array) => Promise<void>;

/** The parts of a tag object. */
export interface DecodedGitTag {
  readonly commit: string;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array | undefined;
}

/**
 * Takes a tag object apart. Throws SOURCE_UNVERIFIED when it is no tag of a commit, or was made under another name than
 * `name`: the name is part of what is signed, the ref that points to the object is not.
 */
export function decodeGitTag(name: string, bytes: Uint8Array): DecodedGitTag {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  const head = /^object ([0-9a-f]{40}|[0-9a-f]{64})\ntype (\w+)\ntag ([^\n]*)\n/.exec(text);
  if (!head) throw unverifiedTag(name, 'a tag object', 'something else');
  const [, commit = '', type = '', made = ''] = head;
  if (type !== 'commit') throw unverifiedTag(name, 'a tag of a commit', `a tag of a ${type}`);
  const madeName = Buffer.from(made, 'latin1').toString();
  if (madeName !== name) throw unverifiedTag(name, 'a tag made under this name', madeName);
  // As git does, the last line that begins a signature counts: what stands above it is signed text.
  const start = [...text.matchAll(/^-----BEGIN (?:PGP SIGNATURE|PGP MESSAGE|SSH SIGNATURE|SIGNED MESSAGE)-----/gm)].at(
    -1,
  )?.index;
  if (start === undefined) return { commit, payload: bytes, signature: undefined };
  return { commit, payload: bytes.subarray(0, start), signature: bytes.subarray(start) };
}

/** The error for a tag that is not signed as it must be. */
export function unverifiedTag(tag: string, wanted: string, found: string, cause?: unknown): SourceError {
  return new SourceError(
    { code: 'SOURCE_UNVERIFIED', what: tag, wanted, found },
    `git tag ${quote(tag, 200)}: wanted ${wanted}, found ${quote(found, 300)}`,
    cause === undefined ? undefined : { cause },
  );
}
