/**
 * The files of a header straight into XML, for repositories made from package files: no object and no string is made
 * for a file that is only written down.
 *
 * The result is what `encodeFile` makes of `recordFromPackage`'s files; where that is not certain at a glance (a
 * character to escape, text beyond ASCII, an odd layout), there is no result, and the caller goes that way.
 */
import type { HeaderTexts } from './header-texts.js';
import { isPrimaryPath } from './package-record.js';

/** File elements of two documents, and the paths that primary names. */
export interface HeaderFiles {
  readonly primary: string;
  readonly filelists: string;
  readonly primaryPaths: ReadonlySet<string>;
}

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const FILE_GHOST = 1 << 6;
const plain = /^[\x20-\x25\x27-\x3b\x3d\x3f-\x7e]*$/;

/** Undefined when the files need a closer look. */
export function encodeHeaderFiles(texts: HeaderTexts): HeaderFiles | undefined {
  const { header } = texts;
  const names = texts.list('BASENAMES');
  const folders = texts.list('DIRNAMES');
  const indexes = header.get('DIRINDEXES');
  const modes = header.get('FILEMODES');
  const flags = header.get('FILEFLAGS');
  if (names === undefined) return header.has('OLDFILENAMES') ? undefined : none;
  if (folders === undefined || indexes === undefined || modes === undefined || flags === undefined) return undefined;
  const count = names.length;
  if (indexes.length < count || modes.length !== count || flags.length !== count) return undefined;
  const inPrimary = new Uint8Array(folders.length);
  for (let at = 0; at < folders.length; at++) {
    const folder = folders[at] as string;
    // A path's folder decides, if the name brings no slash of its own.
    if (!folder.endsWith('/') || !plain.test(folder)) return undefined;
    inPrimary[at] = isPrimaryPath(folder) ? 1 : folder === '/usr/lib/' ? 2 : 0;
  }
  let primary = '';
  let filelists = '';
  const primaryPaths = new Set<string>();
  for (let at = 0; at < count; at++) {
    const name = names[at] as string;
    const index = indexes[at] as number;
    if (index >= folders.length || !plain.test(name) || name.includes('/')) return undefined;
    const open =
      ((modes[at] as number) & S_IFMT) === S_IFDIR
        ? '<file type="dir">'
        : ((flags[at] as number) & FILE_GHOST) !== 0
          ? '<file type="ghost">'
          : '<file>';
    filelists += `  ${open}${folders[index]}${name}</file>\n`;
    if (inPrimary[index] === 0 || (inPrimary[index] === 2 && name !== 'sendmail')) continue;
    primary += `    ${open}${folders[index]}${name}</file>\n`;
    primaryPaths.add(`${folders[index]}${name}`);
  }
  return { primary, filelists, primaryPaths };
}

const none: HeaderFiles = { primary: '', filelists: '', primaryPaths: new Set() };
