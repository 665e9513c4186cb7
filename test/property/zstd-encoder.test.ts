import { decompress, init } from '@bokuweb/zstd-wasm';
import { type BlockCodec, blockCodec } from '@distrokit/rpm';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { compressible } from './compressible.js';
import { decodedByUs } from './zstd-decoders.js';

test('what level 3 of zstd compresses, zstd itself and our decoders open to what it was', async () => {
  await init();
  const codec = (await blockCodec('zstd', 3)) as BlockCodec;
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (seed) => {
      const bytes = compressible(seed, 400_000);
      const frame = codec.compress(bytes);
      expect(Buffer.compare(decompress(frame, { defaultHeapSize: bytes.length }), bytes)).toBe(0);
      const { whole, blocks } = await decodedByUs(frame);
      expect(Buffer.compare(whole, bytes)).toBe(0);
      expect(Buffer.compare(blocks, bytes)).toBe(0);
    }),
    { numRuns: 400, seed: 3 },
  );
});
