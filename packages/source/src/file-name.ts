/**
 * Names that input may give to files on our disk.
 *
 * A name from a list, an SRPM or a spec becomes a path only after it passed here: no way out of the folder, no
 * hidden control, nothing that git or rpm would read as something else.
 */
import { isAbsolute, join } from 'node:path';
import { quote } from '@distrokit/rpm';
import { SourceError } from './errors.js';

/** Longest name most file systems take, in bytes. */
const maxNameBytes = 255;

/**
 * Checks a plain file name. Throws SOURCE_BAD_FILENAME for an empty one, `.` and `..`, a slash or backslash, control
 * characters, lone surrogates, and more than 255 bytes. Blanks, `+` and letters of any language are fine.
 */
export function checkFileName(file: string): void {
  const wanted = problemOf(file);
  if (wanted) throw badName(file, wanted);
}

/**
 * Checks a relative path: one or more plain names joined by single slashes, none of them `.git`.
 *
 * Does not look at the disk: a symbolic link already in the folder is the caller's to refuse.
 */
export function checkRelativePath(path: string): void {
  if (isAbsolute(path)) throw badName(path, 'a relative path');
  for (const part of path.split('/')) {
    const wanted = problemOf(part);
    if (wanted) throw badName(path, wanted);
    if (part.toLowerCase() === '.git') throw badName(path, 'no part named .git');
  }
}

/** `directory` and a checked relative path, joined. Throws SOURCE_BAD_FILENAME. */
export function pathInside(directory: string, path: string): string {
  checkRelativePath(path);
  return join(directory, path);
}

function problemOf(name: string): string | undefined {
  if (name === '') return 'a name that is not empty';
  if (name === '.' || name === '..') return 'a name, not . or ..';
  if (name.includes('/') || name.includes('\\')) return 'a plain name without slashes';
  if (/[\u0000-\u001f\u007f]/.test(name)) return 'a name without control characters';
  if (/\p{Surrogate}/u.test(name)) return 'well-formed text';
  if (Buffer.byteLength(name) > maxNameBytes) return `at most ${maxNameBytes} bytes`;
  return undefined;
}

function badName(file: string, wanted: string): SourceError {
  return new SourceError(
    { code: 'SOURCE_BAD_FILENAME', file, wanted },
    `file name ${quote(file)} is refused: wanted ${wanted}`,
  );
}
