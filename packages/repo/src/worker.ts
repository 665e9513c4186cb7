/**
 * A thread of `PackageThreads`: takes the next block of packages, reads, renders and compresses it, hands it over.
 *
 * Compiled into a file of its own beside the doors; not a door.
 */
import { join } from 'node:path';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { blockCodec } from '@distrokit/rpm';
import { compressBlock, type DocumentBlock } from './document-writer.js';
import { cutBlocks } from './package-blocks.js';
import type { PackageRecord } from './package-record.js';
import { PackageRenderer } from './package-renderer.js';
import {
  blocksAhead,
  blocksTaken,
  nextBlock,
  type PackageEntry,
  type SkippedDependency,
  type ThreadBlock,
  type ThreadTask,
} from './package-threads.js';

/** Open bytes of one document of a block. */
class OpenBlock {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #filled = 0;
  /** A block is as large as the one before, more or less. */
  #usual = 256 * 1024;
  /** Memory that the caller has given back: new memory costs more than what is written into it. */
  readonly #spare: ArrayBuffer[] = [];

  begin(): void {
    const spare = this.#spare.pop();
    this.#bytes = spare === undefined ? new Uint8Array(this.#usual) : new Uint8Array(spare);
    this.#filled = 0;
  }

  add(piece: Uint8Array): void {
    const end = this.#filled + piece.length;
    if (end > this.#bytes.length) {
      const longer = new Uint8Array(Math.ceil(end * 1.5));
      longer.set(this.#bytes.subarray(0, this.#filled));
      this.#bytes = longer;
    }
    this.#bytes.set(piece, this.#filled);
    this.#filled = end;
  }

  end(): Uint8Array<ArrayBuffer> {
    this.#usual = Math.ceil(this.#filled * 1.5);
    return this.#bytes.subarray(0, this.#filled);
  }

  reuse(buffer: ArrayBuffer): void {
    this.#spare.push(buffer);
  }
}

const task = workerData as ThreadTask;
const codec = task.compression && (await blockCodec(task.compression.type, task.compression.level));
const blocks = cutBlocks(entriesOf(task));
const open = [new OpenBlock(), new OpenBlock(), new OpenBlock()] as const;
let skipped: SkippedDependency[] = [];
const renderer = new PackageRenderer(
  {
    ...task.options,
    ...(task.withSkipped
      ? { onSkippedDependency: (...dependency: SkippedDependency) => skipped.push(dependency) }
      : {}),
  },
  task.withRecords,
);

for (;;) {
  const index = Atomics.add(task.state, nextBlock, 1);
  const entries = blocks[index];
  if (entries === undefined) break;
  let taken = Atomics.load(task.state, blocksTaken);
  while (index >= taken + blocksAhead) {
    Atomics.wait(task.state, blocksTaken, taken);
    taken = Atomics.load(task.state, blocksTaken);
  }
  takeBack();
  const block = await renderBlock(index, entries);
  parentPort?.postMessage(
    block,
    block.documents.map((document) => document.open.buffer as ArrayBuffer),
  );
}

async function renderBlock(index: number, entries: readonly PackageEntry[]): Promise<ThreadBlock> {
  const buildTimes = new Float64Array(entries.length);
  const lengths = new Uint32Array(entries.length * 3);
  const records: PackageRecord[] = [];
  let nevras = '';
  let pkgids = '';
  let documents: readonly DocumentBlock[] = [];
  skipped = [];
  for (const document of open) document.begin();
  try {
    for (const [at, { path, location }] of entries.entries()) {
      const { record, rendered } = await renderer.render(join(task.folder, path), location);
      const pieces = [rendered.primary, rendered.filelists, rendered.other] as const;
      for (const [n, piece] of pieces.entries()) open[n]?.add(piece);
      lengths.set(
        pieces.map((piece) => piece.length),
        at * 3,
      );
      buildTimes[at] = rendered.buildTime;
      nevras += `${rendered.nevra}\0`;
      pkgids += `${rendered.pkgid}\0`;
      if (record !== undefined) records.push(record);
    }
    documents = open.map((document): DocumentBlock => {
      const bytes = document.end();
      return { open: bytes, compressed: codec === undefined ? [] : compressBlock(codec, bytes) };
    });
  } catch {
    // The caller reads this block again and has the error itself.
    skipped = [];
  }
  return { index, nevras, pkgids, buildTimes, lengths, records, skipped, documents };
}

/** Memory that came back since the last block. */
function takeBack(): void {
  if (parentPort === null) return;
  for (;;) {
    const received = receiveMessageOnPort(parentPort) as { readonly message: readonly ArrayBuffer[] } | undefined;
    if (received === undefined) return;
    for (const [n, buffer] of received.message.entries()) open[n]?.reuse(buffer);
  }
}

function entriesOf({ paths, locations }: ThreadTask): PackageEntry[] {
  const places = locations.split('\0');
  return paths
    .split('\0')
    .slice(0, -1)
    .map((path, at) => ({ path, location: places[at] as string }));
}
