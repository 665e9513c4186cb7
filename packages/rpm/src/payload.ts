/**
 * The payload of a package, decompressed: the cpio archive that `cpio.ts` reads.
 *
 * Reference: rpm, lib/rpmarchive.h, tools/rpm2cpio.c, rpmio/rpmio.cc (gzdio)
 */
import { type Compression, type DecompressOptions, decompress, detectCompression } from './codec.js';
import { quote, RpmError } from './errors.js';
import type { Header } from './header.js';
import { MAX_PAYLOAD_BYTES } from './limits.js';
import type { RpmPackage } from './package.js';
import type { MainTags } from './tags.js';

/**
 * The compression that PAYLOADCOMPRESSOR names, undefined where the tag is absent: the payload then is gzip or not
 * compressed at all, which only its first bytes tell. Throws RPM_NO_CODEC on a name that no rpm knows.
 */
export function payloadCompression(header: Header<MainTags>): Compression | undefined {
  const name = header.get('PAYLOADCOMPRESSOR');
  if (name === undefined) return undefined;
  const known = compressions.find((compression) => compression === name);
  if (known === undefined) {
    throw new RpmError(
      { code: 'RPM_NO_CODEC', compressor: name, task: 'decompress' },
      `header: PAYLOADCOMPRESSOR ${compressions.join(', ')} wanted, found ${quote(name)}`,
    );
  }
  return known;
}

const compressions: readonly Compression[] = ['gzip', 'xz', 'lzma', 'zstd', 'bzip2', 'none'];

/**
 * The uncompressed archive in chunks. Default ceiling: 64 GiB, and the ratio of `decompress`.
 *
 * A payload that should be gzip but does not begin like it is passed through as it is, as rpm does. Throws what
 * `decompress` throws.
 */
export async function* payloadArchive(
  pkg: RpmPackage,
  options: DecompressOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const named = payloadCompression(pkg.header);
  const payload = pkg.payload(options)[Symbol.asyncIterator]();
  const first = await payload.next();
  if (first.done) return;
  const compression = named === undefined || named === 'gzip' ? gzipOrNone(first.value) : named;
  yield* decompress(readAhead(first.value, payload), compression, { maxBytes: MAX_PAYLOAD_BYTES, ...options });
}

/** The next chunk is read while the one before it is decompressed. */
async function* readAhead(
  first: Uint8Array,
  payload: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let chunk = first;
  for (;;) {
    const next = payload.next();
    // Awaited later: until then a failure must not count as unhandled.
    next.catch(() => undefined);
    try {
      yield chunk;
    } finally {
      // Also when the reader stops: the file is closed next.
      await next.catch(() => undefined);
    }
    const { done, value } = await next;
    if (done) return;
    chunk = value;
  }
}

function gzipOrNone(start: Uint8Array): Compression {
  return detectCompression(start) === 'gzip' ? 'gzip' : 'none';
}
