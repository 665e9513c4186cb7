/**
 * The WebAssembly kernel that looks through a package's headers: its memory, and the one question it answers.
 *
 * Looking for the ends of texts is most of what opening a package costs, and vector instructions do it sixteen bytes at a
 * time. The kernel only says yes: without it (no WebAssembly, a policy of the page against it) and wherever it doubts,
 * the code of this package decides, and names the fault.
 */
import { knownTypes } from './header-index.js';
import { wasm } from './package-check-wasm.js';
import { wasmBytes } from './wasm-bytes.js';

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  typeTable(): number;
  room(): number;
  acceptPackage(length: number): number;
}

/** What of a file is looked at first: it holds the headers of nearly every package. */
export const FIRST_BYTES: number = 64 * 1024;
/** Longer headers are left to the code without a kernel: they are rare, and memory that grew once stays. */
const roomBytes = 4 << 20;
/** A vector that begins within the room may end behind it. */
const slackBytes = 64;
const pageBytes = 65_536;

/** The kernel and its room. One for all packages: what a call puts there, the next one writes over. */
export class PackageKernel {
  readonly room: Uint8Array;
  readonly #exports: Exports;

  constructor(exports: Exports) {
    const start = exports.room();
    exports.memory.grow(
      Math.ceil((start + roomBytes + slackBytes) / pageBytes) - exports.memory.buffer.byteLength / pageBytes,
    );
    new Uint8Array(exports.memory.buffer, exports.typeTable(), knownTypes.length).set(knownTypes);
    this.room = new Uint8Array(exports.memory.buffer, start, roomBytes);
    this.#exports = exports;
  }

  /**
   * Where the header of a package ends whose first bytes are sound; 0 when that is not certain. `fill(from, to)` puts the
   * bytes of the file from `from` to `to` there into the room, fewer at the end of the file, and says where they end.
   */
  headerEnd(fill: (from: number, to: number) => number): number {
    let length = fill(0, FIRST_BYTES);
    // Twice at most: first the place of the header may be unknown, then its length.
    for (let more = 0; ; more++) {
      const answer = this.#exports.acceptPackage(length);
      if (answer >= 0) return answer;
      if (more === 2 || length < FIRST_BYTES || -answer > roomBytes) return 0;
      length = fill(length, -answer);
    }
  }
}

let kernel: PackageKernel | undefined;
let tried = false;

/** The kernel, made at the first call; undefined where there can be none. */
export function packageKernel(): PackageKernel | undefined {
  if (tried) return kernel;
  tried = true;
  try {
    const bytes = wasmBytes(wasm);
    kernel = new PackageKernel(new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as unknown as Exports);
  } catch {
    // No WebAssembly, no vectors in it, or a page that forbids it.
  }
  return kernel;
}
