/**
 * The WebAssembly kernel that finds the bytes of a text which a reader of XML has to do something about: its memory, and the one
 * thing it does.
 *
 * Compiled from `../kernel/text-marks.ts`. Most values of repodata are plain, and asking each of them whether it is costs a
 * fifth of the time of reading.
 */
import { type KernelMemory, newKernel } from './kernel.js';
import { wasm } from './text-marks-wasm.js';

interface Exports {
  readonly memory: KernelMemory;
  room(): number;
  marks(length: number, positions: number): void;
}

/** Longer texts are rare: they hold a package of that size. */
const maxTextBytes = 1_048_576;

let kernel: { readonly exports: Exports; readonly room: Uint8Array; readonly positions: Uint32Array } | undefined;
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

function makeKernel(): void {
  tried = true;
  const positionsOf = ({ room }: Exports): number => room() + maxTextBytes + 16;
  const exports = newKernel<Exports>(wasm, (made) => positionsOf(made) + (maxTextBytes + 1) * 4);
  if (exports === undefined) return;
  const { buffer } = exports.memory;
  kernel = {
    exports,
    room: new Uint8Array(buffer, exports.room(), maxTextBytes),
    positions: new Uint32Array(buffer, positionsOf(exports), maxTextBytes + 1),
  };
}
