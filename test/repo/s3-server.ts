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
      const { 'if-match': match, 'if-none-match': none } = request.headers;
      if (match !== undefined && file === undefined) {
        refuse(response, 404, 'NoSuchKey');
        return;
      }
      if ((match !== undefined && match !== file?.etag) || (none === '*' && file !== undefined)) {
        refuse(response, 412, 'PreconditionFailed');
        return;
      }
      const etag = `"${createHash('md5').update(body).digest('hex')}"`;
      files.set(key, { body, etag, changed: new Date(0) });
      response.writeHead(200, { etag }).end();
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
  return {
    bucketUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/bucket`,
    credentials,
    requests,
    bytesRead,
    headers: seenHeaders,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
