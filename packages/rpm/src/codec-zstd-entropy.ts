/**
 * The two entropy codes of Zstandard: finite-state (FSE) and Huffman tables, read from their descriptions.
 *
 * Reference: RFC 8878, 4.1 (FSE), 4.2 (Huffman)
 */

/** A decoding table as it is described: the kernel makes its states in a form of its own. */
export class FseTable {
  /** Of 2^log; −1 stands for a probability below one. They add up to it. */
  readonly probabilities: readonly number[];
  readonly log: number;
  #states: FseStates | undefined;

  constructor(probabilities: readonly number[], log: number) {
    this.probabilities = probabilities;
    this.log = log;
  }

  get states(): FseStates {
    this.#states ??= fseStates(this.probabilities, this.log);
    return this.#states;
  }
}

/** For each state the symbol, how many bits to read, and what to add to them for the next state. */
export interface FseStates {
  readonly symbols: Uint8Array;
  readonly bits: Uint8Array;
  readonly bases: Uint16Array;
}

/** For each value of the next `log` bits: symbol | length << 8. */
export interface HuffmanTable {
  readonly log: number;
  readonly entries: Uint16Array;
}

/** Longest Huffman code of literals. */
const maxHuffmanBits = 11;

/**
 * Reads a table's description. `next` is the first byte behind it. Throws when it is damaged or asks for more than
 * `maxLog` bits of state or a symbol above `maxSymbol`.
 */
export function readFseTable(
  bytes: Uint8Array,
  start: number,
  end: number,
  maxLog: number,
  maxSymbol: number,
): { readonly table: FseTable; readonly next: number } {
  let position = start * 8;
  const read = (count: number): number => {
    let value = 0;
    for (let i = 0; i < count; i++, position++) {
      if (position >= end * 8) throw new Error('a table description that ends early');
      value |= ((bytes[position >> 3]! >> (position & 7)) & 1) << i;
    }
    return value;
  };
  const log = read(4) + 5;
  if (log > maxLog) throw new Error('a table larger than allowed');
  const counts: number[] = [];
  let left = 1 << log;
  while (left > 0) {
    // Values up to left + 1, in the fewest bits: small ones need one bit less.
    const most = left + 1;
    const width = 32 - Math.clz32(most);
    const short = (1 << width) - 1 - most;
    let value = read(width - 1);
    if (value >= short) {
      value |= read(1) << (width - 1);
      if (value >= 1 << (width - 1)) value -= short;
    }
    const count = value - 1;
    counts.push(count);
    left -= Math.abs(count);
    if (count === 0) {
      for (let repeat = 3; repeat === 3; ) {
        repeat = read(2);
        for (let i = 0; i < repeat; i++) counts.push(0);
      }
    }
    if (counts.length > maxSymbol + 1) throw new Error('a table with more symbols than allowed');
  }
  if (left < 0) throw new Error('a table that adds up to too much');
  return { table: new FseTable(counts, log), next: (position + 7) >> 3 };
}

function fseStates(counts: readonly number[], log: number): FseStates {
  const size = 1 << log;
  const symbols = new Uint8Array(size);
  const bits = new Uint8Array(size);
  const bases = new Uint16Array(size);
  const nexts = new Uint16Array(counts.length);
  let high = size - 1;
  for (const [symbol, count] of counts.entries()) {
    if (count === -1) symbols[high--] = symbol;
    nexts[symbol] = Math.abs(count);
  }
  const step = (size >> 1) + (size >> 3) + 3;
  let position = 0;
  for (const [symbol, count] of counts.entries()) {
    for (let i = 0; i < count; i++) {
      symbols[position] = symbol;
      do position = (position + step) & (size - 1);
      while (position > high);
    }
  }
  for (let state = 0; state < size; state++) {
    const next = nexts[symbols[state]!]!++;
    const width = log - (31 - Math.clz32(next));
    bits[state] = width;
    bases[state] = (next << width) - size;
  }
  return { symbols, bits, bases };
}

/** The table of one symbol that costs no bits. */
export function singleSymbolTable(symbol: number): FseTable {
  return new FseTable([...new Array<number>(symbol).fill(0), 1], 0);
}

/** Reads the description of a Huffman table. `next` is the first byte behind it. */
export function readHuffmanTable(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly table: HuffmanTable; readonly next: number } {
  const head = bytes[start];
  if (start >= end || head === undefined) throw new Error('a table description that ends early');
  const weights = new Uint8Array(256);
  let count: number;
  let next: number;
  if (head >= 128) {
    count = head - 127;
    next = start + 1 + ((count + 1) >> 1);
    if (next > end) throw new Error('a table description that ends early');
    for (let i = 0; i < count; i++) {
      const pair = bytes[start + 1 + (i >> 1)]!;
      weights[i] = i % 2 === 0 ? pair >> 4 : pair & 15;
    }
  } else {
    next = start + 1 + head;
    if (next > end) throw new Error('a table description that ends early');
    count = readWeights(bytes, start + 1, next, weights);
  }
  return { table: huffmanTable(weights, count), next };
}

/** Weights as an FSE stream of two states in turn. */
function readWeights(bytes: Uint8Array, start: number, end: number, weights: Uint8Array): number {
  const { table, next } = readFseTable(bytes, start, end, 6, 255);
  let position = bitsBefore(bytes, next, end);
  const first = next * 8;
  const read = (count: number): number => {
    position -= count;
    let value = 0;
    for (let i = 0; i < count; i++) {
      const at = position + i;
      if (at >= first) value |= ((bytes[at >> 3]! >> (at & 7)) & 1) << i;
    }
    return value;
  };
  const { symbols, bits, bases } = table.states;
  const states = [read(table.log), read(table.log)];
  if (position < first) throw new Error('weights that end early');
  for (let count = 0; ; count++) {
    if (count >= 254) throw new Error('more weights than symbols');
    const turn = count & 1;
    const state = states[turn]!;
    weights[count] = symbols[state]!;
    const width = bits[state]!;
    if (position - first < width) {
      weights[count + 1] = symbols[states[1 - turn]!]!;
      return count + 2;
    }
    states[turn] = bases[state]! + read(width);
  }
}

function huffmanTable(weights: Uint8Array, count: number): HuffmanTable {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    if (weights[i]! > maxHuffmanBits) throw new Error('a code longer than allowed');
    if (weights[i]! > 0) sum += 1 << (weights[i]! - 1);
  }
  if (sum === 0) throw new Error('a Huffman table without symbols');
  // The last symbol's weight is what is missing to the next power of two.
  const log = 32 - Math.clz32(sum);
  const missing = (1 << log) - sum;
  if (log > maxHuffmanBits || (missing & (missing - 1)) !== 0) throw new Error('weights that do not add up');
  weights[count] = 32 - Math.clz32(missing);
  const entries = new Uint16Array(1 << log);
  let position = 0;
  for (let weight = 1; weight <= log; weight++) {
    const entry = (log + 1 - weight) << 8;
    for (let symbol = 0; symbol <= count; symbol++) {
      if (weights[symbol] !== weight) continue;
      entries.fill(symbol | entry, position, position + (1 << (weight - 1)));
      position += 1 << (weight - 1);
    }
  }
  return { log, entries };
}

/** Bit position of the end mark of a stream that is read backwards: the highest one bit of its last byte. */
export function bitsBefore(bytes: Uint8Array, start: number, end: number): number {
  const last = bytes[end - 1];
  if (end <= start || last === undefined || last === 0) throw new Error('a bit stream without its end mark');
  return (end - 1) * 8 + (31 - Math.clz32(last));
}
