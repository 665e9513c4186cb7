/**
 * The WebAssembly kernel that turns a package's header into XML: its memory, and the one thing it does.
 *
 * Compiled from `../kernel/package-xml.ts`. JavaScript that does the same is fast only when it has run for a second or two,
 * and each thread begins anew; the kernel is fast from its first package. Where there is no WebAssembly, and for every
 * package that it does not want, `renderPackage` does the work: the bytes are the same.
 */
import { type KernelMemory, newKernel } from './kernel.js';
import { wasm } from './package-xml-wasm.js';
import { escapeAttribute, indexOfForbidden } from './xml.js';

interface Exports {
  readonly memory: KernelMemory;
  args(): number;
  room(): number;
  roomBytes(): number;
  memoryBytes(): number;
  documentStart(document: number): number;
  documentLength(document: number): number;
  render(
    headerStart: number,
    headerEnd: number,
    fileTime: number,
    sizeBytes: number,
    archiveBytes: number,
    changelogLimit: number,
  ): number;
}

/** What the three documents say of a package beside its header. Sizes in bytes, times in seconds since 1970. */
export interface KernelFacts {
  readonly pkgid: string;
  /** As primary spells it, for instance `sha256`. */
  readonly checksumType: string;
  readonly location: string;
  readonly locationBase: string | undefined;
  readonly fileTime: number;
  readonly sizeBytes: number;
  /** Of the signature header, for a header that does not say it. */
  readonly archiveBytes: number;
  readonly changelogLimit: number;
  /** Where the header lies in the room. */
  readonly headerRange: { readonly start: number; readonly end: number };
}

/** The elements of a package, views of the kernel's memory: the next package overwrites them. */
export interface KernelPieces {
  readonly primary: Uint8Array;
  readonly filelists: Uint8Array;
  readonly other: Uint8Array;
}

const argumentBytes = 16_384;

/** The kernel and its memory. */
export class XmlKernel {
  /** Room for the first bytes of a package. */
  readonly room: Uint8Array;
  readonly #exports: Exports;
  readonly #arguments: Uint8Array;
  readonly #encoder = new TextEncoder();

  constructor(exports: Exports) {
    const { memory } = exports;
    this.#exports = exports;
    this.#arguments = new Uint8Array(memory.buffer, exports.args(), argumentBytes);
    this.room = new Uint8Array(memory.buffer, exports.room(), exports.roomBytes());
  }

  /** A package whose first bytes, up to the end of its header at least, are in the room. Undefined: the kernel does not want it. */
  render(facts: KernelFacts): KernelPieces | undefined {
    const { pkgid, checksumType, location, locationBase, headerRange } = facts;
    if (indexOfForbidden(location) >= 0 || indexOfForbidden(locationBase ?? '') >= 0) return undefined;
    const base = locationBase === undefined ? '' : ` xml:base="${escapeAttribute(locationBase)}"`;
    const texts = `${pkgid}\0${checksumType}\0${base} href="${escapeAttribute(location)}"\0`;
    // In the arguments a text is ASCII: what is not was escaped.
    if (texts.length > argumentBytes) return undefined;
    this.#encoder.encodeInto(texts, this.#arguments);
    const limit = Math.min(facts.changelogLimit, 0x7fff_ffff);
    const { fileTime, sizeBytes, archiveBytes } = facts;
    const done = this.#exports.render(headerRange.start, headerRange.end, fileTime, sizeBytes, archiveBytes, limit);
    return done === 0 ? undefined : { primary: this.#piece(0), filelists: this.#piece(1), other: this.#piece(2) };
  }

  #piece(document: number): Uint8Array {
    const { memory, documentStart, documentLength } = this.#exports;
    return new Uint8Array(memory.buffer, documentStart(document), documentLength(document));
  }
}

/** Kernels that nobody works with: making one costs as much as some hundred packages. */
const idle: XmlKernel[] = [];

/** A kernel for oneself until `returnXmlKernel`; undefined where there can be none: no WebAssembly, no vectors in it, or it is forbidden. */
export function borrowXmlKernel(): XmlKernel | undefined {
  const kernel = idle.pop();
  if (kernel !== undefined) return kernel;
  // A page more: a vector that begins within the last bytes ends behind them.
  const exports = newKernel<Exports>(wasm, (made) => made.memoryBytes() + 65_536);
  return exports && new XmlKernel(exports);
}

/** Gives a kernel to the next borrower. Nothing may view its memory any more. */
export function returnXmlKernel(kernel: XmlKernel): void {
  if (idle.length === 0) idle.push(kernel);
}
