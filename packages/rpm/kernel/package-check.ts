/**
 * Kernel (AssemblyScript): whether the first bytes of a package are lead, signature header and header without fault.
 */
import { soundHeaders } from './sound-headers';

export { typeTable } from './sound-headers';

/** Address of the room for a package's first bytes; it reaches to the end of the memory. */
export function room(): usize {
  return (__heap_base + 15) & ~15;
}

/**
 * Checks the first `length` bytes of a package, which lie in the room. The result is the byte where the header ends; or, as a
 * negative number, how many bytes have to be there for an answer; or 0 when the twin has to decide.
 */
export function acceptPackage(length: i32): i32 {
  return soundHeaders(room(), usize(length));
}
