/**
 * Package files into XML, one after the other, with memory that is made once: what each thread of `createRepository` does.
 */

import { encodeHeaderFiles } from './header-files.js';
import { HeaderTexts } from './header-texts.js';
import { asPackage, chunkBytes, type PackageFileOptions, readPackageFile } from './package-file.js';
import type { PackageFileFacts, PackageRecord } from './package-record.js';
import { PackageStage } from './package-stage.js';
import type { TextPolicy } from './package-text.js';
import { type PackageHeaders, recordFromPackage, recordWithoutFiles } from './record-from-package.js';
import { type RenderedPackage, renderPackage } from './repository-writer.js';
import { borrowXmlKernel, type KernelPieces, returnXmlKernel, type XmlKernel } from './xml-kernel.js';

/** What decides a package's XML. */
export interface RenderOptions extends PackageFileOptions {
  readonly textPolicy?: TextPolicy;
  readonly locationBase?: string;
}

/** A package as XML. The record has no files where they went into XML without becoming objects (`filesComplete` is false). */
export interface RenderedFile {
  /** There only when asked for. */
  readonly record?: PackageRecord;
  readonly rendered: RenderedPackage;
}

/**
 * Renders packages: `gather` several into one memory, or `render` one. The two do not mix: what was gathered is taken with
 * `gathered` before anything else is rendered.
 */
export class PackageRenderer {
  readonly #options: RenderOptions;
  readonly #withRecords: boolean;
  readonly #kernel: XmlKernel | undefined;
  readonly #stage: PackageStage | undefined;
  #room: Uint8Array | undefined;

  constructor(options: RenderOptions, withRecords: boolean) {
    this.#options = options;
    this.#withRecords = withRecords;
    // The kernel makes no records, no files with digests, and has no opinion on texts that it leaves out.
    const wantsMore = withRecords || options.fileDigests === true || options.invalidUtf8 === 'refuse';
    this.#kernel = wantsMore ? undefined : borrowXmlKernel();
    this.#kernel?.begin();
    this.#stage = this.#kernel && new PackageStage(this.#kernel, options);
  }

  /** Renders a package behind those that were gathered. Its pkgid; undefined, and nothing done, where `renderAlone` has to do it. */
  gather(path: string, location: string): string | undefined {
    return this.#stage?.add(path, location);
  }

  /** Whether what was gathered has to be taken before more comes. */
  get isFull(): boolean {
    return this.#kernel?.isFull ?? false;
  }

  /** Of the package gathered last: bytes in primary, filelists and other, and its build time in seconds since 1970. */
  get last(): Uint32Array {
    return this.#kernel?.last ?? noFacts;
  }

  /** Takes what was gathered: views of memory that is overwritten when more comes, and NEVRAs, each with a NUL behind it. */
  gathered(): KernelPieces & { readonly nevras: string } {
    if (this.#kernel === undefined) return { primary: noBytes, filelists: noBytes, other: noBytes, nevras: '' };
    const pieces = { ...this.#kernel.documents(), nevras: this.#kernel.nevras() };
    this.#kernel.begin();
    return pieces;
  }

  /**
   * Renders one package. The XML may be views of memory that the next call overwrites. Throws what `recordFromFile` throws,
   * REPO_BAD_TEXT.
   */
  async render(path: string, location: string): Promise<RenderedFile> {
    const pkgid = this.gather(path, location);
    if (pkgid === undefined) return this.renderAlone(path, location);
    const { nevras, ...pieces } = this.gathered();
    const buildTime = (this.last[3] ?? 0) * 1000;
    return { rendered: { nevra: nevras.slice(0, -1), location, pkgid, buildTime, ...pieces } };
  }

  /** Renders one package without the kernel. Throws as `render` does. */
  async renderAlone(path: string, location: string): Promise<RenderedFile> {
    const { locationBase } = this.#options;
    this.#room ??= new Uint8Array(chunkBytes);
    const { pkg, facts } = await readPackageFile(path, location, this.#options, locationBase, this.#room);
    return asPackage(path, () => this.#byRecord(pkg, facts));
  }

  /** Gives its memory back: no piece of a package may be in use any more. */
  close(): void {
    if (this.#kernel !== undefined) returnXmlKernel(this.#kernel);
  }

  #byRecord(pkg: PackageHeaders, facts: PackageFileFacts): RenderedFile {
    const options = this.#options;
    const policy = options.textPolicy ?? 'refuse';
    const texts = new HeaderTexts(pkg.header);
    const files = options.fileDigests === true ? undefined : encodeHeaderFiles(texts);
    const record =
      files === undefined
        ? recordFromPackage(pkg, facts, options)
        : recordWithoutFiles(pkg, facts, options, () => files.primaryPaths, texts);
    return { ...(this.#withRecords ? { record } : {}), rendered: renderPackage(record, policy, files) };
  }
}

const noFacts = new Uint32Array(4);
const noBytes = new Uint8Array(0);
