/**
 * A file that goes up in parts: begun, sent part by part, and completed in one request, before which nobody sees it.
 *
 * Whatever goes wrong, the upload is given up, so that the bucket does not keep, and bill, parts of a file that never was.
 *
 * Reference: Amazon S3 API, CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload
 */
import type { Abortable } from '@distrokit/rpm';
import { bodyOf, concatenated, storeFailed, tooLarge } from './fetcher.js';
import { escapeText } from './xml.js';
import { childText, parseXmlTree, type XmlElement } from './xml-tree.js';

/** Sizes that the protocol allows. */
export const minPartBytes: number = 5 * 1024 * 1024;
export const maxPartBytes: number = 5 * 1024 ** 3;
const maxParts = 10_000;

/** One signed request about the file: `query` comes after its address. */
export type SendRequest = (
  method: 'POST' | 'PUT' | 'DELETE',
  query: Readonly<Record<string, string>>,
  request: Abortable & { body?: Uint8Array; headers?: Record<string, string> },
) => Promise<Response>;

/** What is the same for all requests of an upload. */
export interface MultipartUpload extends Abortable {
  /** For errors. */
  readonly path: string;
  readonly send: SendRequest;
  /** What the file shall be served with. */
  readonly headers: Record<string, string>;
  /** If-Match or If-None-Match, where there is one. */
  readonly conditions: Record<string, string>;
  /** Makes an error of an answer that is no success. */
  readonly refused: (response: Response) => Promise<Error>;
}

/**
 * Sends parts, the next one asked for when the last has arrived. Resolves with the ETag of the file.
 *
 * Throws what the parts, the requests and `refused` throw; the upload is given up first. Where giving up fails as well,
 * the parts stay until the bucket's own rules remove them.
 */
export async function uploadParts(parts: AsyncIterable<Uint8Array>, upload: MultipartUpload): Promise<string> {
  const { path, send, signal } = upload;
  const abortable = signal === undefined ? {} : { signal };
  const begun = await send('POST', { uploads: '' }, { ...abortable, headers: upload.headers });
  if (begun.status !== 200) throw await upload.refused(begun);
  const uploadId = childText(await answer(begun, 'InitiateMultipartUploadResult', upload), 'UploadId');
  if (uploadId === undefined || uploadId === '') throw storeFailed(path, 'write', 'an upload without a name');
  try {
    let list = '';
    let partNumber = 0;
    for await (const body of parts) {
      partNumber++;
      if (partNumber > maxParts) throw tooLarge(path, maxParts * body.length);
      const response = await send('PUT', { partNumber: String(partNumber), uploadId }, { ...abortable, body });
      if (response.status !== 200) throw await upload.refused(response);
      await response.body?.cancel();
      const etag = response.headers.get('etag');
      if (etag === null || etag === '') throw storeFailed(path, 'write', 'an answer without ETag');
      list += `<Part><PartNumber>${partNumber}</PartNumber><ETag>${escapeText(etag)}</ETag></Part>`;
    }
    const body = new TextEncoder().encode(`<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`);
    const response = await send('POST', { uploadId }, { ...abortable, body, headers: upload.conditions });
    if (response.status !== 200) throw await upload.refused(response);
    // The status is sent before the work is done: what became of it stands in the body.
    const etag = childText(await answer(response, 'CompleteMultipartUploadResult', upload), 'ETag');
    if (etag === undefined || etag === '') throw storeFailed(path, 'write', 'an answer without ETag');
    return etag;
  } catch (error) {
    // Without the signal: an upload that the caller gave up is to be given up here too.
    await send('DELETE', { uploadId }, {}).then(
      (response) => response.body?.cancel(),
      () => undefined,
    );
    throw error;
  }
}

/** Cuts bytes into parts of one size, the last one shorter. At least one part, which may be empty. */
export async function* partsOf(
  path: string,
  data: AsyncIterable<Uint8Array> | Uint8Array,
  partBytes: number,
  maxBytes: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  let held: Uint8Array[] = [];
  let length = 0;
  let total = 0;
  const cut = (): Uint8Array => {
    const part = concatenated(held, length);
    held = [];
    length = 0;
    return part;
  };
  for await (const chunk of data instanceof Uint8Array ? [data] : data) {
    signal?.throwIfAborted();
    total += chunk.length;
    if (total > maxBytes) throw tooLarge(path, maxBytes);
    for (let at = 0; at < chunk.length; ) {
      // A full part goes when there is more: the last one is known as such.
      if (length === partBytes) yield cut();
      const piece = chunk.subarray(at, at + partBytes - length);
      at += piece.length;
      length += piece.length;
      // The source may write over its chunk when it is asked for the next one.
      held.push(data instanceof Uint8Array ? piece : piece.slice());
    }
  }
  yield cut();
}

const maxAnswerBytes = 1024 * 1024;

async function answer(response: Response, root: string, { path, signal }: MultipartUpload): Promise<XmlElement> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of bodyOf(response, path, 'write', maxAnswerBytes, signal)) {
    chunks.push(chunk);
    length += chunk.length;
  }
  const bytes = concatenated(chunks, length);
  const code = /<Error>[\s\S]*<Code>([A-Za-z0-9]{1,64})<\/Code>/.exec(new TextDecoder().decode(bytes))?.[1];
  if (code !== undefined) throw storeFailed(path, 'write', `status 200 (${code})`);
  return parseXmlTree('answer of the bucket', bytes, root);
}
