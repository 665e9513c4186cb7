/**
 * A bucket over HTTP on loopback that checks every signature and honours If-Match and If-None-Match.
 *
 * The S3-compatible servers of the registry that run here do neither; this one does nothing else. Its signatures are
 * computed from what came over the wire.
 */
import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { S3Credentials } from '@distrokit/rpm';

export interface SignedBucket {
  readonly bucketUrl: string;
  readonly credentials: S3Credentials;
  /** `METHOD path` of every request that was let in. */
  readonly requests: string[];
  /** Bytes of every body that was given out, by path. */
  readonly bytesRead: Map<string, number>;
  readonly headers: Map<string, Readonly<Record<string, string | string[] | undefined>>>;
  /** Uploads in parts that were begun and neither completed nor given up, by name. */
  readonly uploads: ReadonlyMap<string, { readonly parts: readonly Buffer[] }>;
  /** Answers a request in the bucket's place when it gives a status and a body. Reset it when done. */
  intercept?: ((method: string, url: URL) => readonly [status: number, body: string] | undefined) | undefined;
  close(): Promise<void>;
}

const sha256 = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: Buffer | string, text: string): Buffer => createHmac('sha256', key).update(text).digest();

export async function signedBucket(pageSize = 1000): Promise<SignedBucket> {
  const credentials: S3Credentials = {
    accessKeyId: 'AKIDTEST',
    secretAccessKey: 'a secret/with+signs'.replace(' ', '_'),
    sessionToken: 'token==/+',
  };
  const files = new Map<string, { readonly body: Buffer; readonly etag: string; readonly changed: Date }>();
  const uploads = new Map<string, { readonly key: string; readonly parts: Buffer[] }>();
  const requests: string[] = [];
  const bytesRead = new Map<string, number>();
  const seenHeaders: SignedBucket['headers'] = new Map();

  const refuse = (response: ServerResponse, status: number, code: string): void => {
    response.writeHead(status, { 'content-type': 'application/xml' });
    // As Amazon's does, it repeats what was signed, token included.
    response.end(`<Error><Code>${code}</Code><Canonical>${credentials.sessionToken}</Canonical></Error>`);
  };

  const isSigned = (request: IncomingMessage, body: Buffer): boolean => {
    const given = /Credential=([^/]+)\/(\d+)\/([^/]+)\/s3\/aws4_request,SignedHeaders=([^,]+),Signature=(\w+)$/.exec(
      request.headers.authorization ?? '',
    );
    if (given === null || given[1] !== credentials.accessKeyId) return false;
    const [, , day = '', region = '', names = '', signature = ''] = given;
    for (const wanted of ['host', 'x-amz-content-sha256', 'x-amz-date', 'x-amz-security-token']) {
      if (!names.split(';').includes(wanted)) return false;
    }
    for (const name of ['if-match', 'if-none-match', 'cache-control']) {
      if (request.headers[name] !== undefined && !names.split(';').includes(name) && request.method === 'PUT')
        return false;
    }
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const lines = names.split(';').map((name) => `${name}:${request.headers[name]}\n`);
    const sorted = query.split('&').sort().join('&');
    const canonical = `${request.method}\n${path}\n${sorted}\n${lines.join('')}\n${names}\n${sha256(body)}`;
    const scope = `${day}/${region}/s3/aws4_request`;
    const text = `AWS4-HMAC-SHA256\n${request.headers['x-amz-date']}\n${scope}\n${sha256(canonical)}`;
    const key = [day, region, 's3', 'aws4_request'].reduce<Buffer | string>(hmac, `AWS4${credentials.secretAccessKey}`);
    return hmac(key as Buffer, text).toString('hex') === signature;
  };

  const etagOf = (body: Buffer): string => `"${createHash('md5').update(body).digest('hex')}"`;

  /** Stores a file when its conditions hold; else answers that they do not. */
  const put = (request: IncomingMessage, response: ServerResponse, key: string, body: Buffer): boolean => {
    const file = files.get(key);
    const { 'if-match': match, 'if-none-match': none } = request.headers;
    if (match !== undefined && file === undefined) refuse(response, 404, 'NoSuchKey');
    else if ((match !== undefined && match !== file?.etag) || (none === '*' && file !== undefined)) {
      refuse(response, 412, 'PreconditionFailed');
    } else {
      files.set(key, { body, etag: etagOf(body), changed: new Date(0) });
      return true;
    }
    return false;
  };

  const answer = (request: IncomingMessage, response: ServerResponse, body: Buffer): void => {
    if (!isSigned(request, body)) {
      refuse(response, 403, 'SignatureDoesNotMatch');
      return;
    }
    const url = new URL(request.url ?? '', 'http://bucket');
    const key = decodeURIComponent(url.pathname.replace(/^\/bucket\//, ''));
    requests.push(`${request.method} ${key}`);
    seenHeaders.set(`${request.method} ${key}`, request.headers);
    const file = files.get(key);
    const intercepted = bucket.intercept?.(request.method ?? '', url);
    if (intercepted !== undefined) {
      response.writeHead(intercepted[0]).end(intercepted[1]);
      return;
    }
    const uploadId = url.searchParams.get('uploadId');
    if (request.method === 'POST' && url.searchParams.has('uploads')) {
      const id = `upload-${requests.length}`;
      uploads.set(id, { key, parts: [] });
      response.end(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
      return;
    }
    if (uploadId !== null) {
      const upload = uploads.get(uploadId);
      if (upload?.key !== key) {
        refuse(response, 404, 'NoSuchUpload');
        return;
      }
      if (request.method === 'DELETE') {
        uploads.delete(uploadId);
        response.writeHead(204).end();
      } else if (request.method === 'PUT') {
        upload.parts[Number(url.searchParams.get('partNumber')) - 1] = body;
        response.writeHead(200, { etag: etagOf(body) }).end();
      } else {
        const named = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>([^<]+)<\/ETag>/g)];
        const wrong =
          named.length !== upload.parts.length ||
          named.some(
            ([, number, etag], at) => Number(number) !== at + 1 || etag !== etagOf(upload.parts[at] as Buffer),
          );
        if (wrong) refuse(response, 400, 'InvalidPart');
        else if (upload.parts.slice(0, -1).some((part) => part.length < 5 * 2 ** 20))
          refuse(response, 400, 'EntityTooSmall');
        else {
          uploads.delete(uploadId);
          const whole = Buffer.concat(upload.parts);
          if (!put(request, response, key, whole)) return;
          const etag = files.get(key)?.etag.replaceAll('"', '&quot;');
          response.end(`<CompleteMultipartUploadResult><ETag>${etag}</ETag></CompleteMultipartUploadResult>`);
        }
      }
      return;
    }
    if (key === '' && request.method === 'GET') {
      const after = url.searchParams.get('continuation-token') ?? '';
      const names = [...files.keys()]
        .filter((name) => name.startsWith(url.searchParams.get('prefix') ?? '') && name > after)
        .sort();
      const page = names.slice(0, pageSize);
      const more = names.length > page.length;
      const entries = page.map((name) => {
        const { body: content, etag, changed } = files.get(name) as NonNullable<typeof file>;
        const text = name.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
        return `<Contents><Key>${text}</Key><LastModified>${changed.toISOString()}</LastModified><ETag>${etag.replaceAll('"', '&quot;')}</ETag><Size>${content.length}</Size></Contents>`;
      });
      const token = more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : '';
      response.end(
        `<ListBucketResult><IsTruncated>${more}</IsTruncated>${token}${entries.join('')}</ListBucketResult>`,
      );
    } else if (request.method === 'PUT') {
      if (put(request, response, key, body)) response.writeHead(200, { etag: etagOf(body) }).end();
    } else if (request.method === 'DELETE') {
      files.delete(key);
      response.writeHead(204).end();
    } else if (file === undefined) refuse(response, 404, 'NoSuchKey');
    else {
      if (request.method === 'GET') bytesRead.set(key, (bytesRead.get(key) ?? 0) + file.body.length);
      response.writeHead(200, {
        etag: file.etag,
        'content-length': file.body.length,
        'last-modified': file.changed.toUTCString(),
      });
      response.end(request.method === 'GET' ? file.body : undefined);
    }
  };

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => answer(request, response, Buffer.concat(chunks)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bucket: SignedBucket = {
    bucketUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/bucket`,
    credentials,
    requests,
    bytesRead,
    headers: seenHeaders,
    uploads,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return bucket;
}
