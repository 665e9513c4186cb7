/**
 * WebAssembly modules that lie in the sources as text: their bytes.
 */

/** Node's own decoder takes microseconds, the way that browsers have too a millisecond for each kernel, in each thread. */
export function wasmBytes(base64: string): Uint8Array<ArrayBuffer> {
  if (typeof Buffer === 'function') return Buffer.from(base64, 'base64');
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
