/**
 * Package files into the documents of the XML kernel: opened, read, hashed and rendered without an object in between.
 *
 * What JavaScript does for each package, every thread compiles anew, and V8 optimises it beside the work: in a run of a second
 * that costs more than the work itself. So there is little of it here.
 */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { digestBytes } from '@distrokit/rpm';
import { chunkBytes, digestOf, type PackageFileOptions, readFlags, readFully } from './package-file.js';
import { formatChecksumType } from './repomd.js';
import type { XmlKernel } from './xml-kernel.js';

/** What decides about it. */
export interface StageOptions extends Pick<PackageFileOptions, 'checksum' | 'changelogLimit'> {
  readonly locationBase?: string;
}

/** Puts one package behind the other. */
export class PackageStage {
  readonly #kernel: XmlKernel;
  readonly #options: StageOptions;
  readonly #checksumType: string;
  readonly #changelogLimit: number;

  constructor(kernel: XmlKernel, options: StageOptions) {
    this.#kernel = kernel;
    this.#options = options;
    this.#checksumType = formatChecksumType(options.checksum);
    this.#changelogLimit = options.changelogLimit ?? 10;
  }

  /** Renders a package file. Its pkgid; undefined, and nothing done, where another way has to be gone: a fault is named there. */
  add(path: string, location: string): string | undefined {
    let file: number;
    try {
      file = openSync(path, readFlags);
    } catch {
      return undefined;
    }
    try {
      const { mtimeMs, size } = fstatSync(file);
      const filled = this.#read(file, size);
      return filled === 0 || mtimeMs < 0 ? undefined : this.#render(file, filled, size, mtimeMs, location);
    } catch {
      return undefined;
    } finally {
      closeSync(file);
    }
  }

  /** The first bytes of a file into the room, up to the end of its header at least: how many. 0 when the kernel does not want them. */
  #read(file: number, size: number): number {
    const { room } = this.#kernel;
    let filled = readFully(file, room, 0, Math.min(chunkBytes, size));
    // Twice at most: first the place of the header may be unknown, then its length.
    for (let more = 0; ; more++) {
      const end = this.#kernel.accept(filled);
      if (end > 0) return filled;
      if (end === 0 || more === 2 || -end > Math.min(room.length, size)) return 0;
      filled += readFully(file, room, filled, -end);
    }
  }

  #render(file: number, filled: number, size: number, mtimeMs: number, location: string): string | undefined {
    const { checksum, locationBase } = this.#options;
    const first = this.#kernel.room.subarray(0, filled);
    let pkgid: string;
    let sizeBytes = filled;
    if (filled >= size) pkgid = digestBytes(checksum, first);
    else ({ hex: pkgid, sizeBytes } = digestOf(file, first, checksum));
    const done = this.#kernel.render({
      pkgid,
      checksumType: this.#checksumType,
      location,
      locationBase,
      fileTime: Math.floor(mtimeMs / 1000),
      sizeBytes,
      changelogLimit: this.#changelogLimit,
    });
    return done ? pkgid : undefined;
  }
}
