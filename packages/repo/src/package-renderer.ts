/**
 * Package files into XML, one after the other, with memory that is made once: what each thread of `createRepository` does.
 */

import { formatNevra } from '@distrokit/rpm';
import { encodeHeaderFiles } from './header-files.js';
import { HeaderTexts } from './header-texts.js';
import { asPackage, type PackageFileOptions, readPackageFile } from './package-file.js';
import type { PackageFileFacts, PackageRecord } from './package-record.js';
import type { TextPolicy } from './package-text.js';
import { type PackageHeaders, recordFromPackage, recordWithoutFiles } from './record-from-package.js';
import { formatChecksumType } from './repomd.js';
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

const roomBytes = 256 * 1024;

/** Renders one package at a time. */
export class PackageRenderer {
  readonly #options: RenderOptions;
  readonly #withRecords: boolean;
  readonly #kernel: XmlKernel | undefined;
  readonly #room: Uint8Array;

  constructor(options: RenderOptions, withRecords: boolean) {
    this.#options = options;
    this.#withRecords = withRecords;
    // The kernel makes no records, and no files with digests.
    this.#kernel = withRecords || options.fileDigests === true ? undefined : borrowXmlKernel();
    this.#room = this.#kernel?.room ?? new Uint8Array(roomBytes);
  }

  /** The XML is a view of memory that the next call overwrites. Throws what `recordFromFile` throws, REPO_BAD_TEXT. */
  async render(path: string, location: string): Promise<RenderedFile> {
    const { locationBase } = this.#options;
    const { pkg, facts } = await readPackageFile(path, location, this.#options, locationBase, this.#room);
    const pieces = this.#byKernel(pkg, facts);
    return pieces === undefined
      ? asPackage(path, () => this.#byRecord(pkg, facts))
      : { rendered: { ...identityOf(pkg, facts), ...pieces } };
  }

  /** Gives its memory back: no piece of a package may be in use any more. */
  close(): void {
    if (this.#kernel !== undefined) returnXmlKernel(this.#kernel);
  }

  #byKernel(pkg: PackageHeaders, facts: PackageFileFacts): KernelPieces | undefined {
    const { header, signatureHeader, headerRange } = pkg;
    // A v3 header has no region, and its own rules; one that is not in the room is a long one.
    if (this.#kernel === undefined || pkg.format === 3 || headerRange.end > this.#room.length) return undefined;
    const fileTime = facts.fileTime.getTime() / 1000;
    if (fileTime < 0) return undefined;
    return this.#kernel.render({
      pkgid: facts.pkgid.hex,
      checksumType: formatChecksumType(facts.pkgid.algorithm),
      location: facts.location,
      locationBase: facts.locationBase,
      fileTime,
      sizeBytes: facts.sizeBytes,
      archiveBytes: header.has('ARCHIVESIZE')
        ? 0
        : (signatureHeader.get('LONGARCHIVESIZE') ?? signatureHeader.get('PAYLOADSIZE') ?? 0),
      changelogLimit: this.#options.changelogLimit ?? 10,
      headerRange,
    });
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

/** What is needed to order packages and to find doubles, as `renderPackage` gives it. */
function identityOf({ header }: PackageHeaders, facts: PackageFileFacts): Omit<RenderedPackage, keyof KernelPieces> {
  const nevra = {
    name: header.get('NAME') ?? '',
    epoch: header.get('EPOCH') ?? 0,
    version: header.get('VERSION') ?? '',
    release: header.get('RELEASE') ?? '',
    arch: header.has('SOURCERPM') ? (header.get('ARCH') ?? '') : 'src',
  };
  return {
    nevra: formatNevra(nevra),
    location: facts.location,
    pkgid: facts.pkgid.hex,
    buildTime: (header.get('BUILDTIME') ?? 0) * 1000,
  };
}
