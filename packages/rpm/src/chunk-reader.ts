/**
 * Bytes of a stream in order, whatever the chunks they come in: for decoders that need a few at a time.
 */
export class ChunkReader {
  readonly #input: AsyncIterator<Uint8Array>;
  #waiting: Uint8Array[] = [];
  #chunk: Uint8Array = new Uint8Array(0);
  #position = 0;

  constructor(input: AsyncIterable<Uint8Array>) {
    this.#input = input[Symbol.asyncIterator]();
  }

  /** A view of at least one byte and at most `most`; undefined at the end. */
  async some(most: number = Number.POSITIVE_INFINITY): Promise<Uint8Array | undefined> {
    while (this.#position >= this.#chunk.length) {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) {
        const next = await this.#input.next();
        if (next.done) return undefined;
        this.#chunk = next.value;
      } else {
        this.#chunk = waiting;
      }
      this.#position = 0;
    }
    return this.someNow(most);
  }

  /** The same without waiting: undefined where the next chunk has not come yet. */
  someNow(most: number): Uint8Array | undefined {
    if (this.#position >= this.#chunk.length) return undefined;
    const start = this.#position;
    this.#position = Math.min(start + most, this.#chunk.length);
    return this.#chunk.subarray(start, this.#position);
  }

  /** Exactly `length` bytes as a view, where they lie in the chunk at hand. */
  takeNow(length: number): Uint8Array | undefined {
    if (this.#chunk.length - this.#position < length) return undefined;
    this.#position += length;
    return this.#chunk.subarray(this.#position - length, this.#position);
  }

  /** Exactly `length` bytes, fewer only at the end. */
  async take(length: number): Promise<Uint8Array> {
    const view = this.takeNow(length);
    if (view !== undefined) return view;
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const part = await this.some(length - filled);
      if (part === undefined) return bytes.subarray(0, filled);
      bytes.set(part, filled);
      filled += part.length;
    }
    return bytes;
  }

  /** Puts bytes back in front of what was not read yet. */
  unread(chunks: readonly Uint8Array[]): void {
    this.#waiting.unshift(...chunks, this.#chunk.subarray(this.#position));
    this.#chunk = new Uint8Array(0);
    this.#position = 0;
  }

  /** Ends the stream early. */
  async close(): Promise<void> {
    await this.#input.return?.();
  }
}
