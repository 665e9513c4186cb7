/**
 * A transform stream of Node, driven as an async iterable.
 *
 * Node's own iteration over a stream drops what is buffered when the stream fails; a payload with rubbish behind its
 * last frame would then lose its end. Here data is handed out first and the failure after it, in the order of the input.
 */
import type { ChunkReader } from './chunk-reader.js';

/** The part of a Node transform stream that is used; spelt out so that nothing of Node is imported. */
export interface NodeTransform {
  write(chunk: Uint8Array): boolean;
  end(): void;
  destroy(): void;
  pause(): unknown;
  resume(): unknown;
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end' | 'close' | 'drain', listener: () => void): unknown;
}

/** A decompressor that stops at the end of its member and says how much it took. */
export interface MemberTransform extends NodeTransform {
  /** Bytes it has used up. */
  readonly bytesWritten: number;
}

/** Chunks waiting for the reader before the stream is paused: enough to keep both sides busy, little enough to be nothing. */
const maxWaitingChunks = 4;

/** Writes `input` through the stream and yields what comes out. Destroys the stream when the reader stops early. */
export async function* runTransform(
  stream: NodeTransform,
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  const waiting: Uint8Array[] = [];
  let ended = false;
  let failure: { readonly error: unknown } | undefined;
  let wakeReader: (() => void) | undefined;
  let wakeWriter: (() => void) | undefined;
  const changed = () => {
    wakeReader?.();
    wakeReader = undefined;
  };
  const stop = () => {
    ended = true;
    changed();
    wakeWriter?.();
    wakeWriter = undefined;
  };
  stream.on('data', (chunk) => {
    waiting.push(chunk);
    if (waiting.length >= maxWaitingChunks) stream.pause();
    changed();
  });
  stream.on('error', (error) => {
    failure ??= { error };
    stop();
  });
  stream.on('end', stop);
  stream.on('close', stop);
  stream.on('drain', () => {
    wakeWriter?.();
    wakeWriter = undefined;
  });

  const feed = async () => {
    for await (const chunk of input) {
      if (ended) return;
      if (chunk.length === 0 || stream.write(chunk)) continue;
      await new Promise<void>((resolve) => {
        wakeWriter = resolve;
        if (ended) resolve();
      });
    }
    if (!ended) stream.end();
  };
  const feeding = feed().catch((error: unknown) => {
    failure ??= { error };
    stop();
  });

  try {
    for (;;) {
      const chunk = waiting.shift();
      if (chunk !== undefined) {
        yield chunk;
        if (waiting.length === 0) stream.resume();
        continue;
      }
      if (ended) break;
      await new Promise<void>((resolve) => {
        wakeReader = resolve;
      });
    }
    if (failure !== undefined) throw failure.error;
    await feeding;
  } finally {
    stop();
    stream.destroy();
  }
}

/** One member of a chain: runs the stream over the reader's bytes and gives back those that it did not use. */
export async function* runMember(stream: MemberTransform, reader: ChunkReader): AsyncGenerator<Uint8Array, void, void> {
  const given: Uint8Array[] = [];
  let givenStart = 0;
  const input = async function* (): AsyncGenerator<Uint8Array, void, void> {
    for (let part = await reader.some(); part !== undefined; part = await reader.some()) {
      while (given[0] !== undefined && givenStart + given[0].length <= stream.bytesWritten) {
        givenStart += given.shift()!.length;
      }
      given.push(part);
      yield part;
    }
  };
  yield* runTransform(stream, input());
  for (let used = stream.bytesWritten - givenStart; given[0] !== undefined && used > 0; ) {
    const part = given[0].subarray(used);
    used -= given[0].length;
    if (part.length > 0) given[0] = part;
    else given.shift();
  }
  reader.unread(given);
}
