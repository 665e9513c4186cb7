/**
 * The WebAssembly kernel that turns the first bytes of packages into XML: its memory, and what it does.
 *
 * Compiled from `../kernel/package-xml.ts`. JavaScript that does the same is fast only when it has run for a second or two,
 * and each thread begins anew; the kernel is fast from its first package. Where there is no WebAssembly, and for every
 * package that it does not want, `renderPackage` does the work: the bytes are the same.
 */
import { knownTypes } from '@distrokit/rpm';
import { type KernelMemory, newKernel } from './kernel.js';
import { wasm } from './package-xml-wasm.js';
import { escapeAttribute, indexOfForbidden } from './xml.js';

interface Exports {
  readonly memory: KernelMemory;
  args(): number;
  room(): number;
  roomBytes(): number;
  memoryBytes(): number;
  typeTable(): number;
  results(): number;
  begin(): void;
  accept(length: number): number;
  render(fileTime: number, sizeBytes: number, changelogLimit: number): number;
  documentStart(document: number): number;
  documentLength(document: number): number;
}

/** What the three documents say of a package beside its headers. Sizes in bytes, times in seconds since 1970. */
export interface KernelFacts {
  readonly pkgid: string;
  /** As primary spells it, for instance `sha256`. */
  readonly checksumType: string;
  readonly location: string;
  readonly locationBase: string | undefined;
  /** Not before 1970. */
  readonly fileTime: number;
  readonly sizeBytes: number;
  readonly changelogLimit: number;
}

/** Elements of packages, views of the kernel's memory. */
export interface KernelPieces {
  readonly primary: Uint8Array;
  readonly filelists: Uint8Array;
  readonly other: Uint8Array;
}

const argumentBytes = 16_384;
/** What the kernel holds of a document before it wants to be emptied. */
const fullBytes = 4 << 20;

/** The kernel and its memory. Packages go into its documents one behind the other, until `begin`. */
export class XmlKernel {
  /** Room for the first bytes of a package. */
  readonly room: Uint8Array;
  /** Of the package that was rendered last: bytes in primary, filelists and other, and its build time in seconds since 1970. */
  readonly last: Uint32Array;
  readonly #exports: Exports;
  readonly #arguments: Uint8Array;
  readonly #encoder = new TextEncoder();

  constructor(exports: Exports) {
    const { memory } = exports;
    this.#exports = exports;
    this.#arguments = new Uint8Array(memory.buffer, exports.args(), argumentBytes);
    this.room = new Uint8Array(memory.buffer, exports.room(), exports.roomBytes());
    this.last = new Uint32Array(memory.buffer, exports.results(), 4);
    new Uint8Array(memory.buffer, exports.typeTable(), knownTypes.length).set(knownTypes);
  }

  /** Begins the documents anew. */
  begin(): void {
    this.#exports.begin();
  }

  /**
   * Whether the first `length` bytes of a package, which are in the room, are its headers without fault: where the header ends;
   * or, as a negative number, how many bytes have to be there for an answer; or 0 when that is not certain.
   */
  accept(length: number): number {
    return this.#exports.accept(length);
  }

  /** Appends the package that was accepted. False when the kernel does not want it: then nothing was appended. */
  render({ pkgid, checksumType, location, locationBase, ...facts }: KernelFacts): boolean {
    if (indexOfForbidden(location) >= 0 || indexOfForbidden(locationBase ?? '') >= 0) return false;
    const base = locationBase === undefined ? '' : ` xml:base="${escapeAttribute(locationBase)}"`;
    const texts = `${pkgid}\0${checksumType}\0${base} href="${escapeAttribute(location)}"\0`;
    // In the arguments a text is ASCII: what is not was escaped.
    if (texts.length > argumentBytes) return false;
    this.#encoder.encodeInto(texts, this.#arguments);
    const limit = Math.min(facts.changelogLimit, 0x7fff_ffff);
    return this.#exports.render(facts.fileTime, facts.sizeBytes, limit) !== 0;
  }

  /** Whether there is so much in the documents that the next package may not fit. */
  get isFull(): boolean {
    const { documentLength } = this.#exports;
    return documentLength(0) + documentLength(1) + documentLength(2) + documentLength(3) > fullBytes;
  }

  /** The packages since `begin`, until something is rendered again. */
  documents(): KernelPieces {
    return { primary: this.#piece(0), filelists: this.#piece(1), other: this.#piece(2) };
  }

  /** Their NEVRAs, each with a NUL behind it. */
  nevras(): string {
    return utf8.decode(this.#piece(3));
  }

  #piece(document: number): Uint8Array {
    const { memory, documentStart, documentLength } = this.#exports;
    return new Uint8Array(memory.buffer, documentStart(document), documentLength(document));
  }
}

const utf8 = new TextDecoder();

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
