/**
 * The signature of a request to an S3-compatible store, in which packages, repodata and sources alike may lie.
 *
 * Reference: AWS Signature Version 4, "Authenticating Requests: Using the Authorization Header"
 */
import { digestBytes } from './hasher.js';

/** Who asks. Never part of a message. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of credentials that expire. */
  readonly sessionToken?: string;
}

/** A request before it is signed. */
export interface S3Request {
  readonly method: string;
  /** Escaped as the signature wants it: all but letters, digits and `-._~`; the query in the order of its names. */
  readonly url: URL;
  /** Lower-case names. All of them are signed. */
  readonly headers: Readonly<Record<string, string>>;
  /** SHA-256 of the body in hexadecimal. */
  readonly bodySha256: string;
}

/**
 * The headers of a signed request: those given, `x-amz-*` and `authorization`. `host` is signed and left to `fetch`.
 *
 * `at` is the time of the request; stores refuse what is more than some minutes off their own. Throws TypeError for
 * credentials that no header can carry.
 */
export async function signS3Request(
  request: S3Request,
  credentials: S3Credentials,
  options: { readonly region: string; readonly at: Date },
): Promise<Record<string, string>> {
  checkCredentials(credentials);
  const time = options.at.toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = `${time.slice(0, 8)}/${options.region}/s3/aws4_request`;
  const headers: Record<string, string> = {
    ...request.headers,
    'x-amz-content-sha256': request.bodySha256,
    'x-amz-date': time,
    ...(credentials.sessionToken === undefined ? {} : { 'x-amz-security-token': credentials.sessionToken }),
  };
  const signed = Object.entries({ ...headers, host: request.url.host }).sort(([a], [b]) => (a < b ? -1 : 1));
  const names = signed.map(([name]) => name).join(';');
  const canonical = [
    request.method,
    request.url.pathname,
    request.url.search.slice(1),
    ...signed.map(([name, value]) => `${name}:${value.trim().replace(/ +/g, ' ')}`),
    '',
    names,
    request.bodySha256,
  ].join('\n');
  const toSign = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${digestBytes('sha256', utf8.encode(canonical))}`;
  let key: Uint8Array = utf8.encode(`AWS4${credentials.secretAccessKey}`);
  for (const part of scope.split('/')) key = await hmac(key, part);
  const signature = hexOf(await hmac(key, toSign));
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope},SignedHeaders=${names},Signature=${signature}`;
  return headers;
}

/** A key as the path of a URL: every byte escaped but letters, digits, `-._~` and `/`. */
export function s3Path(key: string): string {
  return key.split('/').map(escaped).join('/');
}

/** A query in the order and form in which it is signed. */
export function s3Query(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${escaped(name)}=${escaped(value)}`)
    .sort()
    .join('&');
}

const utf8 = new TextEncoder();

/** `encodeURIComponent` leaves five characters that the signature wants escaped. */
function escaped(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}

async function hmac(key: Uint8Array, text: string): Promise<Uint8Array> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const imported = await crypto.subtle.importKey('raw', new Uint8Array(key), algorithm, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, utf8.encode(text)));
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Refused here, without their values: the platform's own refusal of a header would quote it. */
function checkCredentials({ accessKeyId, secretAccessKey, sessionToken }: S3Credentials): void {
  for (const [name, value] of Object.entries({ accessKeyId, secretAccessKey, sessionToken })) {
    if (value === undefined && name === 'sessionToken') continue;
    if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) {
      throw new TypeError(`"credentials.${name}" must be a word of printable ASCII`);
    }
  }
}
