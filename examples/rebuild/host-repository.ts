/**
 * A repository of one package with the libraries and programs of this machine that the built packages need.
 *
 * A distribution has them as packages of its own. Here the machine may be a Debian, whose C library no RPM repository
 * offers: so its files are packed as they are, with the provides that their ELF headers prove. `writePackage` needs no
 * rpmbuild for that.
 */
import { createWriteStream } from 'node:fs';
import { lstat, mkdir, readFile, readlink, realpath, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createRepository } from '@distrokit/repo/node';
import {
  clientProfiles,
  decodeElf,
  dependencies,
  type Elf,
  isElf,
  type ManifestFile,
  packageFileName,
  writePackage,
} from '@distrokit/rpm';
import { openPackage } from '@distrokit/rpm/node';
import { type MemorySigner, signDetached } from '@distrokit/sign';
import { signPackageFile } from '@distrokit/sign/node';

/** Where this machine's loader finds libraries. */
const libraryFolders: readonly string[] = [
  '/lib64',
  '/usr/lib64',
  '/lib/x86_64-linux-gnu',
  '/usr/lib/x86_64-linux-gnu',
  '/lib/aarch64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib',
];
/** Old names of folders, as every merged system has them. */
const mergedFolders: Readonly<Record<string, string>> = {
  '/bin': 'usr/bin',
  '/lib': 'usr/lib',
  '/lib64': 'usr/lib64',
  '/sbin': 'usr/sbin',
};

/** Writes the signed repository into `folder` and returns it. What this machine does not have, dnf will name. */
export async function writeHostRepository(
  packages: readonly string[],
  folder: string,
  signer: MemorySigner,
  at: Date,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const needs = await unmetRequires(packages);
  const host = new HostFiles();
  for (const name of needs) {
    if (name.startsWith('/')) await host.addProgram(name);
    else if (/^[^()]+\.so[^()]*\(/.test(name)) await host.addLibrary(name.slice(0, name.indexOf('(')));
  }
  const arch = process.arch === 'x64' ? 'x86_64' : process.arch === 'arm64' ? 'aarch64' : process.arch;
  const nevra = { name: 'host-files', version: '1', release: '1', arch };
  const path = join(folder, packageFileName(nevra));
  const bytes = writePackage(
    {
      ...nevra,
      summary: 'Files of the machine that runs the example',
      description: 'Libraries and programs that the rebuilt packages need, as this machine has them.',
      license: 'Various',
      dependencies: { provides: [...host.provides].sort() },
      files: [...host.files.values()].sort((a, b) => (a.path < b.path ? -1 : 1)),
    },
    { ...clientProfiles.el9, compression: { type: 'zstd', level: 1 }, sourceDate: at, buildHost: 'localhost' },
  );
  await pipeline(bytes, createWriteStream(path));
  await signPackageFile(path, signer, { signedAt: at });
  const { repomdBytes } = await createRepository(folder, { revision: '1', timestamp: at, compression: 'gz' });
  await writeFile(
    join(folder, 'repodata', 'repomd.xml.asc'),
    await signDetached(repomdBytes, signer, { signedAt: at }),
  );
  return folder;
}

/** What the packages require and none of them provides. */
async function unmetRequires(packages: readonly string[]): Promise<string[]> {
  const required = new Set<string>();
  const provided = new Set<string>();
  for (const path of packages) {
    await using pkg = await openPackage(path);
    for (const { name } of dependencies(pkg.header, 'requires')) required.add(name);
    for (const { name } of dependencies(pkg.header, 'provides')) provided.add(name);
  }
  return [...required].filter((name) => !provided.has(name)).sort();
}

/** Files of this machine on their way into a package, with what they provide. */
class HostFiles {
  readonly files = new Map<string, ManifestFile>();
  readonly provides = new Set<string>();

  constructor() {
    for (const [path, target] of Object.entries(mergedFolders)) this.files.set(path, { path, type: 'symlink', target });
  }

  /** A library by its soname, with all that it needs itself. Does nothing when this machine has none. */
  async addLibrary(soname: string): Promise<void> {
    for (const folder of libraryFolders) {
      const path = join(folder, soname);
      if (await this.#add(path)) return;
    }
  }

  /** A program by its path, with the libraries it needs. */
  async addProgram(path: string): Promise<void> {
    if (await this.#add(path)) this.provides.add(path);
  }

  /** Adds a file and the links that lead to it; an ELF file's libraries and loader come along. */
  async #add(path: string): Promise<boolean> {
    const folder = await realpath(dirname(path)).catch(() => undefined);
    if (folder === undefined) return false;
    const here = join(folder, path.slice(path.lastIndexOf('/') + 1));
    if (this.files.has(here)) return true;
    const stat = await lstat(here).catch(() => undefined);
    if (stat?.isSymbolicLink()) {
      const target = await readlink(here);
      this.files.set(here, { path: here, type: 'symlink', target });
      return this.#add(absolute(folder, target));
    }
    if (!stat?.isFile()) return false;
    const content = await readFile(here);
    this.files.set(here, { path: here, type: 'regular', mode: stat.mode & 0o777, content });
    if (isElf(content)) await this.#addNeeded(decodeElf(content));
    return true;
  }

  async #addNeeded(elf: Elf): Promise<void> {
    const mark = elf.bits === 64 ? '(64bit)' : '';
    if (elf.soname !== undefined) {
      this.provides.add(`${elf.soname}()${mark}`);
      for (const version of elf.definedVersions) this.provides.add(`${elf.soname}(${version})${mark}`);
      // Every loader of today reads the GNU hash table.
      if (elf.soname.startsWith('ld-linux')) this.provides.add('rtld(GNU_HASH)');
    }
    if (elf.interpreter !== undefined) await this.#add(elf.interpreter);
    for (const soname of elf.needed) await this.addLibrary(soname);
  }
}

function absolute(folder: string, target: string): string {
  return target.startsWith('/') ? target : join(folder, target);
}
