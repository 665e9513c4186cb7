import { inflateRawSync } from 'node:zlib';
import { type BlockCodec, blockCodec, storedBlocks } from '@distrokit/rpm';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { compressible } from './compressible.js';

test('what level 6 of gzip compresses, zlib and our kernel open to what it was', async () => {
  const codec = (await blockCodec('gzip', 6)) as BlockCodec;
  const { head } = codec.stream();
  const tail = Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const bytes = compressible(seed, 400_000);
      fc.pre(bytes.length > 0);
      const block = codec.compress(bytes);
      const stream = Buffer.concat([head, block, tail]);
      expect(inflateRawSync(stream.subarray(head.length)).equals(bytes)).toBe(true);
      const blocks = storedBlocks('gzip', stream);
      expect(Buffer.compare(blocks.next()?.open as Uint8Array, bytes)).toBe(0);
      expect(blocks.next()).toBeUndefined();
      expect(block.length).toBeLessThanOrEqual(bytes.length + 5 + 6 * Math.ceil(bytes.length / 32_768));
    }),
    { numRuns: 600, seed: 6 },
  );
});
