/**
 * The WebAssembly kernel that finds the bytes of a text which a reader of XML has to do something about, and paths of files: its
 * memory, and what it does.
 *
 * Compiled from `../kernel/text-marks.ts`. Most values of repodata are plain, and asking each of them whether it is costs a
 * fifth of the time of reading. Most of them are paths.
 */
import { type KernelMemory, newKernel } from './kernel.js';
import { wasm } from './text-marks-wasm.js';

interface Exports {
  readonly memory: KernelMemory;
  room(): number;
  marks(length: number, positions: number): void;
  files(from: number, length: number, blanks: number, into: number): number;
}

/** Longer texts are rare: they hold a package of that size. */
const maxTextBytes = 4_194_304;
/** None is shorter than `  <file></file>` and a line break. */
const maxFiles = maxTextBytes / 16;

let kernel:
  | {
      readonly exports: Exports;
      readonly room: Uint8Array;
      readonly positions: Uint32Array;
      readonly files: Uint32Array;
    }
  | undefined;
let tried = false;

/**
 * Positions, in ascending order, of each `&` and `]`, control character but line breaks, and byte beyond ASCII; behind them
 * 2^32 − 1. The next call overwrites them. Undefined where there is no WebAssembly, and for long texts.
 */
export function textMarks(bytes: Uint8Array): Uint32Array | undefined {
  if (!tried) makeKernel();
  if (kernel === undefined || bytes.length > maxTextBytes) return undefined;
  kernel.room.set(bytes);
  kernel.exports.marks(bytes.length, kernel.positions.byteOffset);
  return kernel.positions;
}

/**
 * Elements of files that follow each other from a place on in the text that `textMarks` was asked about last, as far as each is on a
 * line of its own behind so many blanks, with nothing marked in its path. `found` has two numbers for each: where the path begins, and
 * where it ends, with what it is in the two highest bits: 0 a file, 1 a folder, 2 a ghost. The next call overwrites them.
 */
export function fileLines(
  from: number,
  length: number,
  blanks: 2 | 4,
): { readonly count: number; readonly found: Uint32Array } {
  const { exports, files } = kernel as NonNullable<typeof kernel>;
  return { count: exports.files(from, length, blanks, files.byteOffset), found: files };
}

function makeKernel(): void {
  tried = true;
  const positionsOf = ({ room }: Exports): number => room() + maxTextBytes + 16;
  const filesOf = (made: Exports): number => positionsOf(made) + (maxTextBytes + 1) * 4;
  const exports = newKernel<Exports>(wasm, (made) => filesOf(made) + maxFiles * 8);
  if (exports === undefined) return;
  const { buffer } = exports.memory;
  kernel = {
    exports,
    room: new Uint8Array(buffer, exports.room(), maxTextBytes),
    positions: new Uint32Array(buffer, positionsOf(exports), maxTextBytes + 1),
    files: new Uint32Array(buffer, filesOf(exports), maxFiles * 2),
  };
}
