/**
 * Compresses many made inputs with our encoder of gzip 6 and opens them with zlib (that of Node) and with our own reader of blocks;
 * the first difference, or an input that grows by more than the heads of stored blocks, ends it with status 1.
 *
 *     node --import tsx scripts/gzip-campaign.ts [inputs = 100000] [seed = 1] [most bytes = 400000]
 */
import { constants, inflateRawSync } from 'node:zlib';
import { type BlockCodec, blockCodec, storedBlocks } from '@distrokit/rpm';
import { compressible } from '../test/property/compressible.js';

const [inputs = 100_000, seed = 1, most = 400_000] = process.argv.slice(2).map(Number);
const codec = await gzipCodec();
let openBytes = 0;
let storedLength = 0;
let largest = 0;
for (let i = 0; i < inputs; i++) {
  const bytes = compressible(seed * 1_000_003 + i, most);
  if (bytes.length === 0) continue;
  const block = codec.compress(bytes);
  const fault = faultOf(bytes, block);
  if (fault !== undefined) {
    console.error(`input ${i} of seed ${seed}, ${bytes.length} bytes: ${fault}`);
    process.exit(1);
  }
  openBytes += bytes.length;
  storedLength += block.length;
  largest = Math.max(largest, bytes.length);
}
const [open, stored] = [openBytes, storedLength].map((bytes) => `${(bytes / 1e6).toFixed(0)} MB`);
console.log(
  `${inputs} inputs of up to ${largest} bytes, seed ${seed}: each opens to what it was; ${open} became ${stored}`,
);

async function gzipCodec(): Promise<BlockCodec> {
  const made = await blockCodec('gzip', 6);
  if (made === undefined) throw new Error('no encoder');
  return made;
}

function faultOf(bytes: Uint8Array, block: Uint8Array): string | undefined {
  const theirs = inflateRawSync(block, { finishFlush: constants.Z_SYNC_FLUSH });
  if (Buffer.compare(theirs, bytes) !== 0) return 'zlib opens something else';
  const stream = codec.stream();
  stream.update(bytes);
  const ours = storedBlocks('gzip', Buffer.concat([stream.head, block, stream.tail()]));
  const first = ours.next();
  if (first === undefined || Buffer.compare(first.open, bytes) !== 0) return 'our reader opens something else';
  if (first.stored.length !== block.length || ours.next() !== undefined) return 'it does not end where it ends';
  const most = bytes.length + 5 * Math.ceil(bytes.length / 32_768) + 16;
  return block.length > most ? `grew to ${block.length}` : undefined;
}
