/**
 * What the WebAssembly kernels of this package have in common: modules that lie here as text, and memory that grows.
 */

/** A kernel's memory; the part of the interface that is used. */
export interface KernelMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

const pageBytes = 65_536;
const modules = new Map<string, WebAssembly.Module>();

/**
 * A new instance of a kernel, with memory for so many bytes. Undefined where there can be none: no WebAssembly, no vectors in it, a
 * policy that forbids it, no memory.
 */
export function newKernel<Exports extends { readonly memory: KernelMemory }>(
  wasm: string,
  memoryBytes: (exports: Exports) => number,
): Exports | undefined {
  try {
    const module = modules.get(wasm) ?? new WebAssembly.Module(bytesOf(wasm));
    modules.set(wasm, module);
    const exports = new WebAssembly.Instance(module).exports as unknown as Exports;
    return growMemory(exports.memory, memoryBytes(exports)) ? exports : undefined;
  } catch {
    return undefined;
  }
}

/** Sees to it that memory has at least so many bytes; false when there are none to be had. What is not touched takes no memory. */
export function growMemory(memory: KernelMemory, bytes: number): boolean {
  const missing = bytes - memory.buffer.byteLength;
  if (missing <= 0) return true;
  try {
    memory.grow(Math.ceil(missing / pageBytes));
    return true;
  } catch {
    return false;
  }
}

/** Node's own decoder takes microseconds, the way that browsers have too a millisecond for each kernel, in each thread. */
function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  if (typeof Buffer === 'function') return Buffer.from(base64, 'base64');
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
