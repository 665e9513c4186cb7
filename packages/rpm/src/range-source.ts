/**
 * Bytes over HTTP: reads become range requests through a `fetch` that the caller hands in.
 *
 * A package's headers cost three requests at most. Reads that follow each other in large steps, as those of a payload
 * do, are answered from requests that grow to 8 MiB.
 *
 * Reference: RFC 9110, 14 (range requests), 13.1.5 (If-Range)
 */
import { type Abortable, type ByteSource, checkRange } from './byte-source.js';
import { quote, RpmError } from './errors.js';

/** The part of `fetch` that is used. Retries, proxies, credentials and time limits are the business of who hands it in. */
export type RangeFetch = (
  url: string,
  init: { readonly headers: Readonly<Record<string, string>>; readonly signal?: AbortSignal },
) => Promise<Pick<Response, 'status' | 'headers' | 'body'>>;

/** Options of `rangeSource`. */
export interface RangeSourceOptions {
  /**
   * Most bytes read from the start of the file when the server ignores ranges. Default 64 MiB: enough for any header;
   * they are held in memory.
   */
  readonly maxPrefixBytes?: number;
}

// A first read of 1 KiB brings the lead and most signature headers without reserved space, and wastes nothing: hardly
// a package has smaller headers.
const firstRequestBytes = 1024;
const largeReadBytes = 128 * 1024;
const mostRequestBytes = 8 << 20;
const firstPrefixBytes = 256 * 1024;
const defaultMaxPrefixBytes = 64 << 20;

/**
 * A source over a file on an HTTP server. Nothing is requested before the first read.
 *
 * Reads throw RPM_SOURCE_FAILED: on a status that is neither 200 nor 206, on a body shorter or longer than announced, when
 * the file changes between two reads (ETag or Last-Modified), and when the server ignores ranges and the bytes lie
 * beyond `maxPrefixBytes`.
 */
export function rangeSource(fetch: RangeFetch, url: string, options: RangeSourceOptions = {}): ByteSource {
  return new RangeSource(fetch, url, options.maxPrefixBytes ?? defaultMaxPrefixBytes);
}

/** A stretch of the file that was fetched. */
interface Stretch {
  readonly start: number;
  readonly bytes: Uint8Array;
}

class RangeSource implements ByteSource {
  sizeBytes: number | undefined;
  readonly #fetch: RangeFetch;
  readonly #url: string;
  readonly #maxPrefixBytes: number;
  #held: Stretch = { start: 0, bytes: new Uint8Array(0) };
  #validator: string | undefined;
  /** The server has answered a range request with the whole file. */
  #ignoresRanges = false;
  #requestBytes = 0;
  /** End of the last read, where that was a large one: a read that begins there is one of a series. */
  #largeReadEnd = -1;

  constructor(fetch: RangeFetch, url: string, maxPrefixBytes: number) {
    checkRange(0, maxPrefixBytes);
    this.#fetch = fetch;
    this.#url = url;
    this.#maxPrefixBytes = maxPrefixBytes;
  }

  async read(offset: number, length: number, options?: Abortable): Promise<Uint8Array> {
    options?.signal?.throwIfAborted();
    checkRange(offset, length);
    const end = this.#clamp(offset + length);
    if (end <= offset) return new Uint8Array(0);
    const sequential = offset === this.#largeReadEnd && length >= largeReadBytes;
    this.#largeReadEnd = length >= largeReadBytes ? end : -1;
    const held = this.#held;
    const heldEnd = held.start + held.bytes.length;
    if (offset >= held.start && end <= heldEnd) return this.#view(offset, end);

    // The part that is held is not fetched again: the three reads of a header overlap.
    const overlaps = offset >= held.start && offset <= heldEnd && held.bytes.length > 0;
    const from = overlaps ? heldEnd : offset;
    this.#requestBytes = sequential ? Math.min(2 * Math.max(this.#requestBytes, length), mostRequestBytes) : 0;
    if (held.bytes.length === 0) this.#requestBytes = Math.max(this.#requestBytes, firstRequestBytes);
    const fetched = await this.#get(from, Math.max(end - from, this.#requestBytes), options);
    if (fetched.start !== from) {
      // The whole file from its start, since the server knows no ranges.
      this.#held = fetched;
    } else if (overlaps && offset < from) {
      const kept = held.bytes.subarray(offset - held.start);
      const joined = new Uint8Array(kept.length + fetched.bytes.length);
      joined.set(kept);
      joined.set(fetched.bytes, kept.length);
      this.#held = { start: offset, bytes: joined };
    } else {
      this.#held = fetched;
    }
    return this.#view(offset, end);
  }

  #view(start: number, end: number): Uint8Array {
    const held = this.#held;
    return held.bytes.subarray(Math.max(0, start - held.start), Math.max(0, end - held.start));
  }

  #clamp(end: number): number {
    return this.sizeBytes === undefined ? end : Math.min(end, this.sizeBytes);
  }

  async #get(from: number, length: number, options: Abortable | undefined): Promise<Stretch> {
    if (this.#ignoresRanges) return this.#getPrefix(from + length, options);
    const end = this.#clamp(from + length);
    const response = await this.#request(`bytes=${from}-${end - 1}`, options);
    if (response.status === 416) {
      // Beyond the end: an answer, not a failure.
      await cancel(response);
      this.sizeBytes ??= totalOf(response.headers.get('content-range')) ?? undefined;
      return { start: from, bytes: new Uint8Array(0) };
    }
    this.#checkUnchanged(response);
    if (response.status === 200) {
      this.#ignoresRanges = true;
      return this.#takePrefix(response, from + length, options);
    }
    if (response.status !== 206) {
      await cancel(response);
      throw this.#failed('status 206 or 200', `status ${response.status}`);
    }
    const range = parseContentRange(response.headers.get('content-range'));
    if (range === undefined || range.start !== from || range.end > end) {
      await cancel(response);
      throw this.#failed(
        `bytes ${from}-${end - 1}`,
        quote(response.headers.get('content-range') ?? 'no Content-Range'),
      );
    }
    if (range.total !== undefined) {
      if (this.sizeBytes !== undefined && this.sizeBytes !== range.total) {
        await cancel(response);
        throw this.#failed(`a file of ${this.sizeBytes} bytes, as before`, `${range.total} bytes`);
      }
      this.sizeBytes = range.total;
    }
    const bytes = await this.#body(response, range.end - from, options);
    if (bytes.length !== range.end - from) {
      throw this.#failed(`${range.end - from} bytes from offset ${from}`, `${bytes.length} bytes`);
    }
    // A server may send less than asked for; at the end of the file that is all there is.
    if (range.end < end && range.end !== range.total)
      throw this.#failed(`bytes up to ${end - 1}`, `up to ${range.end - 1}`);
    return { start: from, bytes };
  }

  /** The file from its start up to `end`: all that a server without ranges can give. */
  async #getPrefix(end: number, options: Abortable | undefined): Promise<Stretch> {
    const response = await this.#request(undefined, options);
    this.#checkUnchanged(response);
    if (response.status !== 200) {
      await cancel(response);
      throw this.#failed('status 200', `status ${response.status}`);
    }
    return this.#takePrefix(response, end, options);
  }

  async #takePrefix(
    response: Pick<Response, 'headers' | 'body'>,
    end: number,
    options: Abortable | undefined,
  ): Promise<Stretch> {
    if (end > this.#maxPrefixBytes) {
      await cancel(response);
      throw this.#failed(`a server that honours ranges, for bytes up to ${end}`, 'the whole file');
    }
    // Twice what was held: the sum of all restarts stays below twice the last one.
    const wanted = Math.min(this.#maxPrefixBytes, Math.max(end, firstPrefixBytes, 2 * this.#held.bytes.length));
    const bytes = await this.#body(response, wanted, options, true);
    if (bytes.length < wanted) this.sizeBytes = bytes.length;
    return { start: 0, bytes };
  }

  async #request(range: string | undefined, options: Abortable | undefined) {
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    if (range !== undefined) headers.range = range;
    // A weak ETag must not be sent here.
    if (range !== undefined && this.#validator?.startsWith('"')) headers['if-range'] = this.#validator;
    try {
      return await this.#fetch(this.#url, {
        headers,
        ...(options?.signal === undefined ? {} : { signal: options.signal }),
      });
    } catch (cause) {
      options?.signal?.throwIfAborted();
      throw this.#failed('an answer', 'none', cause);
    }
  }

  #checkUnchanged(response: Pick<Response, 'status' | 'headers' | 'body'>): void {
    if (response.status !== 200 && response.status !== 206) return;
    const validator = response.headers.get('etag') ?? response.headers.get('last-modified') ?? undefined;
    if (this.#validator !== undefined && validator !== undefined && validator !== this.#validator) {
      cancel(response).catch(() => undefined);
      throw this.#failed(`the file as it was, ${quote(this.#validator)}`, quote(validator));
    }
    this.#validator ??= validator;
  }

  /** The body, at most `most` bytes of it. A longer one is cut when `cut` says so, else refused. */
  async #body(
    response: Pick<Response, 'body'>,
    most: number,
    options: Abortable | undefined,
    cut = false,
  ): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    const reader = response.body?.getReader();
    try {
      while (reader !== undefined && !(cut && length >= most)) {
        const { done, value } = await reader.read();
        if (done) break;
        options?.signal?.throwIfAborted();
        length += value.length;
        chunks.push(value);
        if (length > most && !cut) throw this.#failed(`at most ${most} bytes`, 'more');
      }
    } catch (cause) {
      options?.signal?.throwIfAborted();
      throw cause instanceof RpmError ? cause : this.#failed('the whole body', `${length} bytes of it`, cause);
    } finally {
      await reader?.cancel().catch(() => undefined);
    }
    const bytes = new Uint8Array(Math.min(length, most));
    let position = 0;
    for (const chunk of chunks) {
      bytes.set(chunk.subarray(0, bytes.length - position), position);
      position += chunk.length;
    }
    return bytes;
  }

  #failed(wanted: string, found: string, cause?: unknown): RpmError {
    // A query may hold a token: it does not go into messages.
    const source = this.#url.replace(/[?#].*$/s, '').replace(/\/\/[^/@]*@/, '//');
    return new RpmError(
      { code: 'RPM_SOURCE_FAILED', source, wanted, found },
      `${source}: ${wanted} wanted, found ${found}`,
      cause === undefined ? undefined : { cause },
    );
  }
}

async function cancel(response: Pick<Response, 'body'>): Promise<void> {
  await response.body?.cancel().catch(() => undefined);
}

/** `bytes 0-99/1234` → 0, 100, 1234; `*` for an unknown total. */
function parseContentRange(
  text: string | null,
): { readonly start: number; readonly end: number; readonly total: number | undefined } | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(text?.trim() ?? '');
  if (match === null) return undefined;
  const [, start, last, total] = match;
  return { start: Number(start), end: Number(last) + 1, total: total === '*' ? undefined : Number(total) };
}

function totalOf(text: string | null): number | undefined {
  const match = /^bytes \*\/(\d{1,15})$/.exec(text?.trim() ?? '');
  return match === null ? undefined : Number(match[1]);
}
