/**
 * Compresses many made inputs with our encoder of zstd 3 and opens them with zstd's own decoder (compiled to WebAssembly, in this
 * process) and with both of ours; the first difference, or an input that grows by more than its headers, ends it with status 1.
 *
 *     node --import tsx scripts/zstd-campaign.ts [inputs = 100000] [seed = 1] [most bytes = 400000]
 */
import { init, decompress as reference } from '@bokuweb/zstd-wasm';
import { blockCodec } from '@distrokit/rpm';
import { compressible } from '../test/property/compressible.js';
import { decodedByUs } from '../test/property/zstd-decoders.js';

const [inputs = 100_000, seed = 1, most = 400_000] = process.argv.slice(2).map(Number);
await init();
const codec = await blockCodec('zstd', 3);
if (codec === undefined) throw new Error('no encoder');
let openBytes = 0;
let storedBytes = 0;
let largest = 0;
for (let i = 0; i < inputs; i++) {
  const bytes = compressible(seed * 1_000_003 + i, most);
  const frame = codec.compress(bytes);
  const fault = await faultOf(bytes, frame).catch(String);
  if (fault !== undefined) {
    console.error(`input ${i} of seed ${seed}, ${bytes.length} bytes: ${fault}`);
    process.exit(1);
  }
  openBytes += bytes.length;
  storedBytes += frame.length;
  largest = Math.max(largest, bytes.length);
}
const [open, stored] = [openBytes, storedBytes].map((bytes) => `${(bytes / 1e6).toFixed(0)} MB`);
console.log(
  `${inputs} inputs of up to ${largest} bytes, seed ${seed}: each opens to what it was; ${open} became ${stored}`,
);

async function faultOf(bytes: Uint8Array, frame: Uint8Array): Promise<string | undefined> {
  const { whole, blocks } = await decodedByUs(frame);
  const theirs = reference(frame, { defaultHeapSize: bytes.length });
  const wrong = Object.entries({ theirs, whole, blocks }).find(([, open]) => Buffer.compare(open, bytes) !== 0);
  if (wrong !== undefined) return `does not open to what it was (${wrong[0]})`;
  // A header of at most 10 bytes, and three for each block.
  const most = bytes.length + 10 + 3 * Math.max(1, Math.ceil(bytes.length / 131_072));
  return frame.length > most ? `grew to ${frame.length}` : undefined;
}
