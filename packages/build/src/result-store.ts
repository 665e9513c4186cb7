/**
 * Where results of tasks lie: uploaded file by file, published in one step, never changed afterwards.
 *
 * An upload may be torn, repeated or late. A file gets its own name only after its digest matched; a result becomes visible
 * by the rename of a folder whose manifest lists every file; a second result of one task finds the name taken.
 *
 * The folder: `uploads/TASK.ATTEMPT` while files come in, then `results/TASK` with the manifest in it.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { type Abortable, quote } from '@distrokit/rpm';
import { BuildError } from './errors.js';

/** One file of a result. */
export interface ResultFile {
  /** Below the result's folder, parts joined by `/`. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** A finished attempt whose files wait in a folder of the worker. */
export interface FinishedAttempt {
  readonly task: string;
  readonly attempt: number;
  /** Of the claim; says to whom the task belongs. */
  readonly token: string;
  readonly folder: string;
  /** What the work returned. */
  readonly result: unknown;
}

/** The result of a task, as everybody sees it. */
export interface PublishedResult {
  readonly task: string;
  readonly attempt: number;
  readonly result: unknown;
  /** Sorted by path. */
  readonly files: readonly ResultFile[];
}

/** Keeps results. Every method may be called again after it failed, or when its answer was lost. */
export interface ResultStore {
  /** Brings the files of an attempt to the store. Resolves when all are there and their digests match. */
  upload(attempt: FinishedAttempt, options?: Abortable): Promise<void>;
  /** Makes an uploaded attempt the result of its task, in one step. False: the task has a result already, which stands. */
  publish(attempt: FinishedAttempt, options?: Abortable): Promise<boolean>;
  /** What is published for a task; undefined when nothing is. */
  published(task: string, options?: Abortable): Promise<PublishedResult | undefined>;
}

/** A folder as a store, with what a receiver of uploads needs beside. */
export interface DirectoryResults extends ResultStore {
  readonly folder: string;
  /** Where the published files of a task lie. */
  resultFolder(task: string): string;
  /** Whether a file of an upload is there, whole. */
  has(task: string, attempt: number, file: ResultFile): Promise<boolean>;
  /** Takes a file of an upload. Throws BUILD_RESULT_REFUSED for other bytes than announced; nothing has its name then. */
  receive(task: string, attempt: number, file: ResultFile, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** Publishes an upload of exactly these files. Throws BUILD_RESULT_REFUSED when one is missing. */
  seal(result: PublishedResult): Promise<boolean>;
}

const manifestName = 'farm-result.json';
/** Ceilings on one result. */
const maxResultFiles = 100_000;
const maxManifestBytes = 64 * 2 ** 20;

/** Results in a folder, shared by all who open it. Attempts on its own file system are published without a copy. */
export function directoryResults(folder: string): DirectoryResults {
  const uploadFolder = (task: string, attempt: number): string => join(folder, 'uploads', `${task}.${attempt}`);
  const resultFolder = (task: string): string => join(folder, 'results', task);
  let parts = 0;
  // What an upload has found out about its attempt, for its publication.
  const hashed = new WeakMap<FinishedAttempt, readonly ResultFile[]>();

  const has: DirectoryResults['has'] = async (task, attempt, file) => {
    const path = join(uploadFolder(task, attempt), checkedPath(task, file.path));
    const found = await digestOf(path).catch(missing);
    return found !== undefined && found.sha256 === file.sha256 && found.sizeBytes === file.sizeBytes;
  };
  const receive: DirectoryResults['receive'] = async (task, attempt, file, chunks) => {
    const path = join(uploadFolder(task, attempt), checkedPath(task, file.path));
    await mkdir(dirname(path), { recursive: true });
    // Two deliveries of one file at once must not write into each other.
    const part = `${path}.${process.pid}.${parts++}.part`;
    try {
      const found = await writeWhole(part, chunks, file.sizeBytes);
      if (found.sha256 !== file.sha256 || found.sizeBytes !== file.sizeBytes) {
        const wanted = `${file.sizeBytes} bytes with SHA-256 ${file.sha256}`;
        throw refused(task, 'digest', wanted, `${quote(file.path)}: ${found.sizeBytes} bytes with ${found.sha256}`);
      }
      await rename(part, path);
    } finally {
      await rm(part, { force: true });
    }
  };
  const seal: DirectoryResults['seal'] = async (result) => {
    const { task, attempt, files } = result;
    if ((await published(task)) !== undefined) return false;
    const from = uploadFolder(task, attempt);
    await mkdir(from, { recursive: true });
    const there = new Map((await filesBelow(from)).map((path) => [path, true]));
    for (const file of files) {
      if (!there.delete(checkedPath(task, file.path))) throw refused(task, 'missing', quote(file.path), 'no such file');
    }
    // What a torn upload has left beside the files is none of them.
    for (const path of there.keys()) await rm(join(from, path), { force: true });
    const taken = await takeName(from, result);
    // Of other attempts nobody will ask again.
    for (const name of await readdir(join(folder, 'uploads'))) {
      if (name.startsWith(`${task}.`) && /^\d+$/.test(name.slice(task.length + 1)))
        await rm(join(folder, 'uploads', name), { recursive: true, force: true });
    }
    return taken;
  };
  /** Writes the manifest and takes the result's name. */
  const takeName = async (from: string, result: PublishedResult): Promise<boolean> => {
    await writeDurably(join(from, manifestName), `${JSON.stringify(result)}\n`);
    await mkdir(join(folder, 'results'), { recursive: true });
    const target = resultFolder(result.task);
    const taken = await rename(from, target).then(
      () => false,
      async (cause: unknown) => {
        if ((await published(result.task)) === undefined) throw cause;
        return true;
      },
    );
    if (taken) return false;
    await syncFolder(join(folder, 'results'));
    return true;
  };
  const published: DirectoryResults['published'] = async (task) => {
    const text = await readFile(join(resultFolder(task), manifestName), 'utf8').catch(missing);
    return text === undefined ? undefined : parseManifest(text);
  };
  const filesOf = async (attempt: FinishedAttempt): Promise<readonly ResultFile[]> => {
    const known = hashed.get(attempt) ?? (await listFiles(attempt));
    hashed.set(attempt, known);
    return known;
  };
  /** A rename only works within one file system. */
  const isNear = async (attempt: FinishedAttempt): Promise<boolean> => {
    await mkdir(join(folder, 'results'), { recursive: true });
    return (await stat(attempt.folder)).dev === (await stat(join(folder, 'results'))).dev;
  };
  return {
    folder,
    resultFolder,
    has,
    receive,
    seal,
    published,
    upload: async (attempt, options = {}) => {
      const files = await filesOf(attempt);
      if (await isNear(attempt)) return;
      for (const file of files) {
        options.signal?.throwIfAborted();
        if (await has(attempt.task, attempt.attempt, file)) continue;
        const chunks = createReadStream(join(attempt.folder, file.path));
        try {
          await receive(attempt.task, attempt.attempt, file, chunks);
        } finally {
          chunks.destroy();
        }
      }
    },
    publish: async (attempt) => {
      const { task, attempt: number, result = null, folder: from } = attempt;
      const manifest: PublishedResult = { task, attempt: number, result, files: await filesOf(attempt) };
      if ((await published(task)) !== undefined) return false;
      return (await isNear(attempt)) ? takeName(from, manifest) : seal(manifest);
    },
  };
}

/** The files of an attempt with their digests, made durable. Throws BUILD_RESULT_REFUSED for what is no plain file. */
export async function listFiles(attempt: FinishedAttempt): Promise<readonly ResultFile[]> {
  const files: ResultFile[] = [];
  for (const path of await filesBelow(attempt.folder)) {
    if (path === manifestName) continue;
    files.push({ path: checkedPath(attempt.task, path), ...(await digestOf(join(attempt.folder, path))) });
    if (files.length > maxResultFiles) throw refused(attempt.task, 'limit', `${maxResultFiles} files`, 'more');
  }
  return files;
}

/** Reads a manifest. Throws BUILD_BAD_DOCUMENT. */
export function parseManifest(text: string): PublishedResult {
  const bad = (where: string, wanted: string): BuildError =>
    new BuildError(
      { code: 'BUILD_BAD_DOCUMENT', document: manifestName, where, wanted, found: quote(text.slice(0, 40)) },
      `${manifestName}: ${where}: ${wanted} wanted`,
    );
  if (text.length > maxManifestBytes) throw bad('length', `at most ${maxManifestBytes} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw bad('the document', 'JSON');
  }
  const { task, attempt, files, result } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof task !== 'string') throw bad('task', 'a text');
  if (!Number.isSafeInteger(attempt)) throw bad('attempt', 'a number');
  if (!Array.isArray(files) || files.length > maxResultFiles) throw bad('files', `at most ${maxResultFiles} files`);
  const listed = files.map((each: unknown, at): ResultFile => {
    const { path, sizeBytes, sha256 } = (each ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof path !== 'string') throw bad(`files[${at}].path`, 'a text');
    if (typeof sizeBytes !== 'number' || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0)
      throw bad(`files[${at}].sizeBytes`, 'a size');
    if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) throw bad(`files[${at}].sha256`, 'a SHA-256');
    return { path: checkedPath(task, path), sizeBytes, sha256 };
  });
  return { task, attempt: attempt as number, result: result ?? null, files: listed };
}

/** A result that is not taken. */
export function refused(task: string, why: RefusedResult, wanted: string, found: string): BuildError {
  return new BuildError(
    { code: 'BUILD_RESULT_REFUSED', task, why, wanted, found },
    `result of ${task}: ${why}: ${wanted} wanted, found ${found}`,
  );
}

/**
 * Why a result is not taken. `fenced`: the task is another's by now; `digest`: other bytes than announced; `missing`: a file was not
 * uploaded; `name`: a path that leads elsewhere, or no plain file; `limit`: too much; `transport`: the receiver does not answer as one.
 */
export type RefusedResult = 'fenced' | 'digest' | 'missing' | 'name' | 'limit' | 'transport';

/** A path that stays below its folder on every system. Throws BUILD_RESULT_REFUSED. */
function checkedPath(task: string, path: string): string {
  const parts = path.split('/');
  const plain = parts.every((part) => part !== '' && part !== '.' && part !== '..' && part.length <= 200);
  if (!plain || path.length > 1_024 || /[\0\\]/.test(path) || path === manifestName)
    throw refused(task, 'name', 'a path below the result', quote(path));
  return path;
}

async function filesBelow(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/');
    if (entry.isDirectory()) continue;
    if (!entry.isFile()) throw refused(folder, 'name', 'plain files', quote(path));
    paths.push(path);
  }
  return paths.sort();
}

/** Size and digest of a file, whose bytes are on the disk afterwards. */
async function digestOf(path: string): Promise<{ readonly sizeBytes: number; readonly sha256: string }> {
  const file = await open(path);
  try {
    const hash = createHash('sha256');
    let sizeBytes = 0;
    for await (const chunk of file.createReadStream({ autoClose: false })) {
      hash.update(chunk as Buffer);
      sizeBytes += (chunk as Buffer).length;
    }
    await file.datasync();
    return { sizeBytes, sha256: hash.digest('hex') };
  } finally {
    await file.close();
  }
}

/** Writes at most `limit` bytes, and one more when there are more: then the size tells. */
async function writeWhole(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  limit: number,
): Promise<{ readonly sizeBytes: number; readonly sha256: string }> {
  const file: FileHandle = await open(path, 'wx');
  try {
    const hash = createHash('sha256');
    let sizeBytes = 0;
    for await (const chunk of chunks) {
      const rest = chunk.subarray(0, limit - sizeBytes + 1);
      await file.writeFile(rest);
      hash.update(rest);
      sizeBytes += rest.length;
      if (sizeBytes > limit) break;
    }
    await file.datasync();
    return { sizeBytes, sha256: hash.digest('hex') };
  } finally {
    await file.close();
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function missing(cause: unknown): undefined {
  if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
  throw cause;
}
