/**
 * The WebAssembly kernel that reads the identities of packages from primary.xml: its memory, and the one thing it does.
 *
 * Compiled from `../kernel/package-identities.ts`. An update reads every package of a repository, once, and code that is not
 * warm takes longer for that than for all the rest of an update in which nothing changed.
 */
import { growMemory, type KernelMemory, newKernel } from './kernel.js';
import { wasm } from './package-identities-wasm.js';
import type { PackageIdentity } from './package-identity.js';
import { latin1 } from './xml.js';

interface Exports {
  readonly memory: KernelMemory;
  room(): number;
  identify(length: number): number;
}

const slackBytes = 128;
/** Longer runs are left to the code without a kernel: memory that grew once stays. */
const maxRunBytes = 16 << 20;
const textsEach = 8;

let kernel: Exports | undefined;
let tried = false;

/**
 * The packages of whole elements of primary, one after the other. Undefined when `identityOf` has to read them: no WebAssembly,
 * another layout, texts that have to be decoded.
 */
export function identitiesByKernel(run: Uint8Array): PackageIdentity[] | undefined {
  if (!tried) kernel = newKernel<Exports>(wasm, ({ room }) => room());
  tried = true;
  if (kernel === undefined || run.length > maxRunBytes) return undefined;
  const { memory } = kernel;
  const start = kernel.room();
  if (!growMemory(memory, start + 2 * run.length + slackBytes)) return undefined;
  new Uint8Array(memory.buffer, start, run.length).set(run);
  const length = kernel.identify(run.length);
  if (length < 0) return undefined;
  const texts = latin1(new Uint8Array(memory.buffer, start, length)).split('\0');
  const identities: PackageIdentity[] = [];
  for (let at = 0; at + textsEach <= texts.length; at += textsEach) {
    const base = texts[at + 4] as string;
    identities.push({
      nevra: texts[at + 1] as string,
      location: texts[at] as string,
      locationBase: base === '' ? undefined : base,
      pkgid: texts[at + 2] as string,
      checksumType: texts[at + 3] as string,
      fileTime: Number(texts[at + 5]),
      sizeBytes: Number(texts[at + 6]),
      elementBytes: Number(texts[at + 7]),
    });
  }
  return identities;
}
