/**
 * Results over HTTP, for workers that share no file system with the rest of the farm.
 *
 * A worker sends each file with its digest and the token of its claim; the receiver asks the farm whether the claim is
 * still good, at every file and once more when the result is to be published. So a worker that was given up can send
 * what it likes: it is refused. What broke off is sent again, what is there already is not.
 *
 * The handler is no server, like that of the status page: who runs it decides where it listens, and puts TLS before it. A token
 * lets its bearer upload for one task only, while he has it.
 *
 * Requests: `HEAD` and `PUT /file?task&attempt&path&size&sha256`, `POST /publish`, `GET /result?task`.
 */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Abortable, quote } from '@distrokit/rpm';
import { BuildError } from './errors.js';
import type { Farm } from './farm.js';
import {
  type DirectoryResults,
  listFiles,
  type PublishedResult,
  parseManifest,
  type RefusedResult,
  type ResultFile,
  type ResultStore,
  refused,
} from './result-store.js';

/** What is read of a request; an `http.IncomingMessage` is one. */
export interface UploadRequest extends AsyncIterable<Uint8Array> {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: { readonly authorization?: string | undefined };
}

/** What is done with a response; an `http.ServerResponse` is one. */
export interface UploadResponse {
  writeHead(status: number, headers: Readonly<Record<string, string>>): unknown;
  end(text?: string): unknown;
}

/** Ceilings of a receiver. */
export interface ReceiverOptions {
  /** On one file. Default 16 GiB. */
  readonly maxFileBytes?: number;
}

const maxManifestBytes = 64 * 2 ** 20;
const statusOf: Readonly<Record<RefusedResult, number>> = {
  fenced: 403,
  digest: 422,
  missing: 409,
  name: 400,
  limit: 413,
  transport: 502,
};

/** A handler for `http.createServer` that takes results for a farm and keeps them in a folder. */
export function resultReceiver(
  farm: Farm,
  results: DirectoryResults,
  options: ReceiverOptions = {},
): (request: UploadRequest, response: UploadResponse) => void {
  const maxFileBytes = options.maxFileBytes ?? 16 * 2 ** 30;
  const answer = async (request: UploadRequest): Promise<readonly [number, unknown]> => {
    const url = new URL(request.url ?? '/', 'http://receiver.invalid');
    const ask = (name: string): string => url.searchParams.get(name) ?? '';
    const task = ask('task');
    if (!/^[A-Za-z0-9][A-Za-z0-9._+~^-]{0,199}$/.test(task)) throw refused('?', 'name', 'a task id', quote(task));
    const what = `${request.method} ${url.pathname}`;
    if (what === 'GET /result') {
      const found = await results.published(task);
      return found === undefined ? [404, undefined] : [200, found];
    }
    const attempt = Number(ask('attempt'));
    if (!Number.isSafeInteger(attempt)) throw refused(task, 'name', 'the number of an attempt', quote(ask('attempt')));
    const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const assertHeld = async (): Promise<void> => {
      if (!(await farm.store.holds(task, token, attempt))) throw refused(task, 'fenced', 'the newest claim', 'another');
    };
    await assertHeld();
    if (what === 'POST /publish') {
      const manifest = parseManifest(await textOf(request, task));
      if (manifest.task !== task || manifest.attempt !== attempt)
        throw refused(task, 'name', `attempt ${attempt} of ${task}`, quote(`${manifest.attempt} of ${manifest.task}`));
      // The body may have been long under way.
      await assertHeld();
      return [200, { published: await results.seal(manifest) }];
    }
    const file: ResultFile = { path: ask('path'), sizeBytes: Number(ask('size')), sha256: ask('sha256') };
    if (!Number.isSafeInteger(file.sizeBytes) || file.sizeBytes < 0 || !/^[0-9a-f]{64}$/.test(file.sha256))
      throw refused(task, 'name', 'size and SHA-256 of a file', quote(`${ask('size')} ${file.sha256}`));
    if (file.sizeBytes > maxFileBytes)
      throw refused(task, 'limit', `at most ${maxFileBytes} bytes`, `${file.sizeBytes} of ${quote(file.path)}`);
    if (what === 'HEAD /file') return [(await results.has(task, attempt, file)) ? 200 : 404, undefined];
    if (what !== 'PUT /file') return [404, undefined];
    if (!(await results.has(task, attempt, file))) await results.receive(task, attempt, file, request);
    return [201, undefined];
  };
  return (request, response) => {
    const send = (status: number, value: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
      response.end(value === undefined ? '' : JSON.stringify(value));
    };
    answer(request).then(
      ([status, value]) => send(status, value),
      (cause: unknown) => {
        const fault = cause instanceof BuildError ? cause.fault : undefined;
        if (fault?.code === 'BUILD_RESULT_REFUSED') send(statusOf[fault.why], fault);
        else if (fault?.code === 'BUILD_BAD_DOCUMENT') send(400, fault);
        // A connection that broke, a full disk, a database that is away: worth another attempt.
        else send(503, undefined);
      },
    );
  };
}

/** Sends one request; `fetch` of Node or a browser is one. */
export type UploadFetch = (
  url: string,
  init: {
    readonly method: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: ReadableStream<Uint8Array> | string;
    readonly duplex?: 'half';
    readonly signal?: AbortSignal;
  },
) => Promise<{ readonly status: number; text(): Promise<string> }>;

/** One request to a receiver. */
interface Call {
  readonly method: 'HEAD' | 'PUT' | 'POST' | 'GET';
  readonly path: string;
  readonly task: string;
  readonly token?: string;
  readonly query?: Readonly<Record<string, string | number>>;
  /** Made anew for every try. */
  readonly body?: () => Readable | string;
}

/** Tries of one request, with longer and longer waits between them: 6 s in all. Every request may be sent twice. */
const maxTries = 7;

/**
 * Results in the keeping of a receiver. `url` is where its handler answers, with or without a `/` at the end.
 *
 * What breaks off, is falsified under way or is not answered is sent again. Throws BUILD_RESULT_REFUSED (`fenced` when the task is
 * another's by now, `transport` when the receiver does not answer as one), and what `fetch` throws.
 */
export function httpResults(options: { readonly url: string; readonly fetch: UploadFetch }): ResultStore {
  const base = options.url.endsWith('/') ? options.url : `${options.url}/`;
  const once = async (
    call: Call,
    { signal }: Abortable,
  ): Promise<{ readonly status: number; readonly text: string }> => {
    const url = new URL(call.path, base);
    for (const [name, value] of Object.entries({ task: call.task, ...call.query }))
      url.searchParams.set(name, String(value));
    const body = call.body?.();
    const init = {
      method: call.method,
      headers: call.token === undefined ? {} : { authorization: `Bearer ${call.token}` },
      ...(signal === undefined ? {} : { signal }),
    };
    let status: number;
    let text: string;
    try {
      const sent =
        body instanceof Readable
          ? { ...init, body: Readable.toWeb(body) as ReadableStream<Uint8Array>, duplex: 'half' as const }
          : { ...init, ...(body === undefined ? {} : { body }) };
      const response = await options.fetch(url.href, sent);
      status = response.status;
      text = call.method === 'HEAD' ? '' : await response.text();
    } finally {
      if (body instanceof Readable) body.destroy();
    }
    const what = `${call.method} ${call.path}`;
    const why = (Object.keys(statusOf) as RefusedResult[]).find((each) => statusOf[each] === status);
    if (why !== undefined) throw refused(call.task, why, `a good answer to ${what}`, quote(text.slice(0, 300)));
    if (status >= 400 && status !== 404)
      throw refused(call.task, 'transport', `an answer to ${what}`, `status ${status}`);
    return { status, text };
  };
  const send = async (
    call: Call,
    abortable: Abortable,
  ): Promise<{ readonly status: number; readonly text: string }> => {
    for (let round = 1; ; round += 1) {
      try {
        return await once(call, abortable);
      } catch (cause) {
        if (round === maxTries || abortable.signal?.aborted === true || !isPassing(cause)) throw cause;
        await sleep(50 * 2 ** round, undefined, abortable.signal === undefined ? {} : { signal: abortable.signal });
      }
    }
  };
  return {
    upload: async ({ task, attempt, token, ...rest }, abortable = {}) => {
      for (const { path, sizeBytes, sha256 } of await listFiles({ task, attempt, token, ...rest })) {
        abortable.signal?.throwIfAborted();
        const about = { task, token, path: 'file', query: { attempt, path, size: sizeBytes, sha256 } };
        if ((await send({ ...about, method: 'HEAD' }, abortable)).status === 200) continue;
        const body = (): Readable => createReadStream(join(rest.folder, path));
        await send({ ...about, method: 'PUT', body }, abortable);
      }
    },
    publish: async (finished, abortable = {}) => {
      const { task, attempt, token, result = null } = finished;
      const manifest: PublishedResult = { task, attempt, result, files: await listFiles(finished) };
      const body = (): string => JSON.stringify(manifest);
      const { text } = await send(
        { task, token, method: 'POST', path: 'publish', query: { attempt }, body },
        abortable,
      );
      return (JSON.parse(text) as { readonly published: boolean }).published;
    },
    published: async (task, abortable = {}) => {
      const { status, text } = await send({ task, method: 'GET', path: 'result' }, abortable);
      return status === 404 ? undefined : parseManifest(text);
    },
  };
}

/** What another try may change: a connection that broke, a receiver that is away, bytes that were falsified. */
function isPassing(cause: unknown): boolean {
  if (!(cause instanceof BuildError)) return true;
  return cause.fault.code === 'BUILD_RESULT_REFUSED' && ['digest', 'transport'].includes(cause.fault.why);
}

async function textOf(request: UploadRequest, task: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of request) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxManifestBytes) throw refused(task, 'limit', `at most ${maxManifestBytes} bytes`, 'more');
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}
