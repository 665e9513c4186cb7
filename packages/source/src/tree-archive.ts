/**
 * A folder as a tar archive whose bytes depend on nothing but the files: same tree, same archive, on any machine.
 *
 * Names in byte order, one given time, owner 0, two modes (0644 and 0755). Paths longer than the old fields get a pax
 * record; that is all of pax that is written.
 *
 * Reference: POSIX.1-2001, pax interchange format (ustar header block)
 */
import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { type Abortable, quote } from '@distrokit/rpm';
import { SourceError } from './errors.js';
import { checkFileName } from './file-name.js';

/** What goes into an archive besides the files. */
export interface TreeArchiveOptions extends Abortable {
  /** First part of every path, for instance `hello-1.0`. */
  readonly prefix: string;
  /** Time of every entry, for instance that of the commit. */
  readonly modifiedAt: Date;
}

const block = 512;
const maxFiles = 1_000_000;

/**
 * The uncompressed archive of all files, links and folders below a folder, `.git` left out.
 * Throws SOURCE_BAD_TREE for sockets, devices and pipes, SOURCE_BAD_FILENAME for a prefix that is no plain name.
 */
export async function* archiveTree(directory: string, options: TreeArchiveOptions): AsyncGenerator<Uint8Array> {
  checkFileName(options.prefix);
  const seconds = Math.floor(options.modifiedAt.getTime() / 1000);
  if (!Number.isSafeInteger(seconds) || seconds < 0) throw new RangeError('"modifiedAt" must be a date after 1970');
  yield* entry({ path: `${options.prefix}/`, type: '5', mode: 0o755, size: 0, link: '', seconds });
  for (const path of await listTree(directory)) {
    options.signal?.throwIfAborted();
    const full = join(directory, path);
    const stats = await lstat(full);
    const name = `${options.prefix}/${path}`;
    if (stats.isDirectory()) yield* entry({ path: `${name}/`, type: '5', mode: 0o755, size: 0, link: '', seconds });
    else if (stats.isSymbolicLink()) {
      yield* entry({ path: name, type: '2', mode: 0o777, size: 0, link: await readlink(full), seconds });
    } else if (stats.isFile()) {
      const mode = (stats.mode & 0o100) === 0 ? 0o644 : 0o755;
      yield* entry({ path: name, type: '0', mode, size: stats.size, link: '', seconds });
      let size = 0;
      for await (const chunk of createReadStream(full)) {
        size += (chunk as Uint8Array).length;
        yield chunk as Uint8Array;
      }
      if (size !== stats.size)
        throw badTree(directory, `${stats.size} bytes of ${path}`, `${size}: it changed meanwhile`);
      if (size % block !== 0) yield new Uint8Array(block - (size % block));
    } else throw badTree(directory, 'files, links and folders', `${path}, which is none of them`);
  }
  yield new Uint8Array(2 * block);
}

/** An uncompressed archive of plain files held in memory, by name, in the given order. */
export function archiveFiles(files: ReadonlyMap<string, Uint8Array>, modifiedAt: Date): Uint8Array {
  const seconds = Math.floor(modifiedAt.getTime() / 1000);
  const pieces: Uint8Array[] = [];
  for (const [path, bytes] of files) {
    pieces.push(...entry({ path, type: '0', mode: 0o644, size: bytes.length, link: '', seconds }), bytes);
    pieces.push(new Uint8Array((block - (bytes.length % block)) % block));
  }
  return Buffer.concat([...pieces, new Uint8Array(2 * block)]);
}

/** {@link archiveTree} compressed with gzip; the header carries no time and no name. */
export function gzipTree(directory: string, options: TreeArchiveOptions): AsyncGenerator<Uint8Array> {
  return gzipChunks(archiveTree(directory, options));
}

/** gzip at its highest level, without time and name in the header. */
export async function* gzipChunks(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gzip = createGzip({ level: 9 });
  // An error of the source reaches the reader of `gzip`, which is destroyed with it.
  pipeline(Readable.from(chunks, { objectMode: false }), gzip, () => undefined);
  for await (const chunk of gzip) yield chunk as Uint8Array;
}

interface TarEntry {
  readonly path: string;
  readonly type: '0' | '2' | '5' | 'x';
  readonly mode: number;
  readonly size: number;
  readonly link: string;
  readonly seconds: number;
}

function* entry(e: TarEntry): Generator<Uint8Array> {
  const path = Buffer.from(e.path);
  const link = Buffer.from(e.link);
  if (path.length > 100 || link.length > 100 || e.size > 0o77777777777) {
    const records = [
      ...(path.length > 100 ? [record('path', e.path)] : []),
      ...(link.length > 100 ? [record('linkpath', e.link)] : []),
      ...(e.size > 0o77777777777 ? [record('size', String(e.size))] : []),
    ];
    const data = Buffer.concat(records);
    yield header({ path: 'pax', type: 'x', mode: 0o644, size: data.length, link: '', seconds: e.seconds });
    yield data;
    if (data.length % block !== 0) yield new Uint8Array(block - (data.length % block));
  }
  yield header(e);
}

function header(e: TarEntry): Uint8Array {
  const bytes = Buffer.alloc(block);
  const octal = (value: number, offset: number, width: number): void => {
    const fits = value < 8 ** (width - 1);
    bytes.write((fits ? value : 0).toString(8).padStart(width - 1, '0'), offset, 'latin1');
  };
  Buffer.from(e.path).subarray(0, 100).copy(bytes, 0);
  octal(e.mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(e.size, 124, 12);
  octal(e.seconds, 136, 12);
  bytes.fill(0x20, 148, 156);
  bytes.write(e.type, 156, 'latin1');
  Buffer.from(e.link).subarray(0, 100).copy(bytes, 157);
  bytes.write('ustar\u000000', 257, 'latin1');
  bytes.write('root', 265, 'latin1');
  bytes.write('root', 297, 'latin1');
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, 148, 'latin1');
  return bytes;
}

/** A pax record says its own length, which depends on how long that length is. */
function record(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + 1;
  while (String(length).length + rest !== length) length++;
  return Buffer.from(`${length} ${key}=${value}\n`);
}

async function listTree(directory: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (folder: string, prefix: string): Promise<void> => {
    for (const child of await readdir(folder, { withFileTypes: true })) {
      if (child.name === '.git') continue;
      found.push(prefix + child.name);
      if (found.length > maxFiles) throw badTree(directory, `at most ${maxFiles} files`, 'more');
      if (child.isDirectory()) await visit(join(folder, child.name), `${prefix}${child.name}/`);
    }
  };
  await visit(directory, '');
  return found.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

function badTree(where: string, wanted: string, found: string): SourceError {
  return new SourceError(
    { code: 'SOURCE_BAD_TREE', where, wanted, found },
    `archive of ${quote(where, 200)}: wanted ${wanted}, found ${quote(found, 200)}`,
  );
}
