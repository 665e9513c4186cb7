/**
 * What changed between two builds of a package: tags, dependencies, files, scripts and, where the payload is read, what its
 * libraries export.
 */
import type { Abortable } from './byte-source.js';
import { type AbiReport, compareAbi } from './compare-abi.js';
import { type DependencyKind, dependencies, dependencyKinds, formatDependency } from './dependency.js';
import { decodeElf, type Elf, isElf } from './elf.js';
import { RpmError } from './errors.js';
import { fileList, type PackageFile } from './file-list.js';
import type { Header } from './header.js';
import type { Nevra } from './nevra.js';
import type { RpmPackage } from './package.js';
import { payloadEntries } from './payload-entries.js';
import { scriptlets, triggers } from './scriptlet.js';
import { type MainTags, mainTags } from './tags.js';

/** What can change about a file that both builds have. Times are not among it: every build changes them. */
export type FileAspect =
  | 'type'
  | 'permissions'
  | 'content'
  | 'size'
  | 'link target'
  | 'user'
  | 'group'
  | 'flags'
  | 'capabilities'
  | 'device number';

/** A shared library of either build. */
export interface LibraryComparison {
  /** Soname in the old build; in the new one where the library is new. */
  readonly soname: string;
  readonly oldPath?: string;
  readonly newPath?: string;
  /** Absent when only one build has the library. */
  readonly abi?: AbiReport;
}

/** Two lists of the same thing. */
export interface ListChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** The answer of `comparePackages`. Empty lists mean no change. */
export interface PackageComparison {
  readonly oldNevra: Nevra;
  readonly newNevra: Nevra;
  /**
   * Tags of the package as a whole whose value differs, in order of their numbers. Left out: what the other fields show,
   * and what differs between any two builds (times, host, digests and sizes of the payload).
   */
  readonly tags: readonly { readonly tag: keyof MainTags; readonly old: unknown; readonly new: unknown }[];
  /** As `formatDependency` writes them; kinds without a change are absent. */
  readonly dependencies: Readonly<Partial<Record<DependencyKind, ListChange>>>;
  readonly files: ListChange & {
    readonly changed: readonly { readonly path: string; readonly aspects: readonly FileAspect[] }[];
  };
  /** Scriptlets by their kind, triggers by family and event; changed means interpreter, flags or body. */
  readonly scripts: ListChange & { readonly changed: readonly string[] };
  /** Undefined unless the payload was read. In the order of the old build, then new libraries. */
  readonly libraries?: readonly LibraryComparison[];
}

/** Options of `comparePackages`. */
export interface ComparePackagesOptions extends Abortable {
  /** Also read both payloads and compare what shared libraries export. Default false. */
  readonly payload?: boolean;
}

/** Largest file that is taken for a library; it is held in memory. */
const maxLibraryBytes = 512 << 20;

/**
 * Compares two packages. Answers, judges nothing: what a change means depends on who asks.
 *
 * Throws what the views of the header throw and, with `payload`, what `payloadEntries` throws; RPM_LIMIT on a
 * library of more than 512 MiB. A damaged ELF file is no library.
 */
export async function comparePackages(
  oldPackage: RpmPackage,
  newPackage: RpmPackage,
  options: ComparePackagesOptions = {},
): Promise<PackageComparison> {
  const [oldHeader, newHeader] = [oldPackage.header, newPackage.header];
  const result = {
    oldNevra: oldPackage.nevra,
    newNevra: newPackage.nevra,
    tags: compareTags(oldHeader, newHeader),
    dependencies: compareDependencies(oldHeader, newHeader),
    files: compareFiles(fileList(oldHeader), fileList(newHeader)),
    scripts: compareScripts(oldHeader, newHeader),
  };
  if (options.payload !== true) return result;
  const oldLibraries = await readLibraries(oldPackage, options);
  const newLibraries = await readLibraries(newPackage, options);
  return { ...result, libraries: compareLibraries(oldLibraries, newLibraries) };
}

/** Arrays that the other fields show, and facts of one build. */
const otherTags =
  /^(HEADER|FILE|LONGFILE|DIR(NAMES|INDEXES)|BASENAMES|OLDFILENAMES|CLASSDICT|MIME|DEPENDSDICT|(PROVIDE|REQUIRE|CONFLICT|OBSOLETE|RECOMMEND|SUGGEST|SUPPLEMENT|ENHANCE|ORDER)(NAME|VERSION|FLAGS)$|(PRE|POST|VERIFY)(IN|UN|TRANS|SCRIPT)|(PRE|POST)UNTRANS|TRIGGER|TRANSFILETRIGGER|CHANGELOG|PAYLOAD(?!COMPRESSOR|FORMAT)|BUILDTIME|BUILDHOST|COOKIE|SOURCEPKGID|SIZE|LONGSIZE|ARCHIVESIZE|LONGARCHIVESIZE|PACKAGEDIGEST|SIG|LONGSIG|DSA|RSA|SHA|OPENPGP|VERITY)/;

function compareTags(oldHeader: Header<MainTags>, newHeader: Header<MainTags>): PackageComparison['tags'] {
  const changes: { tag: keyof MainTags; old: unknown; new: unknown }[] = [];
  for (const tag of Object.keys(mainTags) as (keyof MainTags)[]) {
    if (otherTags.test(tag)) continue;
    const [old, now] = [oldHeader.get(tag), newHeader.get(tag)];
    if (textOf(old) !== textOf(now)) changes.push({ tag, old, new: now });
  }
  return changes;
}

function textOf(value: unknown): string {
  return JSON.stringify(value instanceof Uint8Array ? [...value] : value) ?? '';
}

function compareDependencies(
  oldHeader: Header<MainTags>,
  newHeader: Header<MainTags>,
): PackageComparison['dependencies'] {
  const changes: Partial<Record<DependencyKind, ListChange>> = {};
  for (const kind of dependencyKinds) {
    const texts = (header: Header<MainTags>) => dependencies(header, kind).map(formatDependency);
    const change = compareLists(texts(oldHeader), texts(newHeader));
    if (change.added.length + change.removed.length > 0) changes[kind] = change;
  }
  return changes;
}

function compareFiles(oldFiles: readonly PackageFile[], newFiles: readonly PackageFile[]): PackageComparison['files'] {
  const news = new Map(newFiles.map((file) => [file.path, file]));
  const changed: { path: string; aspects: readonly FileAspect[] }[] = [];
  for (const file of oldFiles) {
    const other = news.get(file.path);
    const aspects = other === undefined ? [] : changedAspects(file, other);
    if (aspects.length > 0) changed.push({ path: file.path, aspects });
  }
  const paths = (files: readonly PackageFile[]) => files.map(({ path }) => path);
  return { ...compareLists(paths(oldFiles), paths(newFiles)), changed };
}

function changedAspects(a: PackageFile, b: PackageFile): readonly FileAspect[] {
  const regular = a.type === 'regular' && b.type === 'regular';
  const checks: readonly (readonly [FileAspect, boolean])[] = [
    ['type', a.type !== b.type],
    ['permissions', (a.mode & 0o7777) !== (b.mode & 0o7777)],
    // Digests of two algorithms cannot be compared: size is then all that tells.
    ['content', a.digest?.algorithm === b.digest?.algorithm && a.digest?.hex !== b.digest?.hex],
    ['size', regular && a.sizeBytes !== b.sizeBytes],
    ['link target', a.linkTarget !== b.linkTarget],
    ['user', a.user !== b.user],
    ['group', a.group !== b.group],
    ['flags', a.flags !== b.flags],
    ['capabilities', a.capabilities !== b.capabilities],
    ['device number', a.deviceNumber !== b.deviceNumber],
  ];
  return checks.filter(([, differs]) => differs).map(([aspect]) => aspect);
}

function compareScripts(oldHeader: Header<MainTags>, newHeader: Header<MainTags>): PackageComparison['scripts'] {
  const byName = (header: Header<MainTags>): Map<string, string> => {
    const scripts = new Map<string, string>();
    for (const scriptlet of scriptlets(header)) scripts.set(scriptlet.kind, JSON.stringify(scriptlet));
    for (const trigger of triggers(header)) {
      const conditions = trigger.conditions.map(formatDependency).join(', ');
      const name = `${trigger.family} trigger${trigger.event} ${conditions}`;
      scripts.set(name, (scripts.get(name) ?? '') + JSON.stringify(trigger));
    }
    return scripts;
  };
  const olds = byName(oldHeader);
  const news = byName(newHeader);
  const changed = [...olds].filter(([name, text]) => news.has(name) && news.get(name) !== text).map(([name]) => name);
  return { ...compareLists([...olds.keys()], [...news.keys()]), changed };
}

interface Library {
  readonly path: string;
  readonly soname: string;
  readonly elf: Elf;
}

async function readLibraries(pkg: RpmPackage, options: Abortable): Promise<readonly Library[]> {
  const libraries: Library[] = [];
  for await (const { file, sizeBytes, data } of payloadEntries(pkg, { signal: options.signal })) {
    if (file.type !== 'regular' || sizeBytes === 0) continue;
    const bytes = await elfBytes(data(), sizeBytes);
    if (bytes === undefined) continue;
    const elf = decodeElfOrNothing(bytes);
    if (elf?.soname !== undefined) libraries.push({ path: file.path, soname: elf.soname, elf });
  }
  return libraries;
}

/** The whole content when it begins like ELF. */
async function elfBytes(data: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<Uint8Array | undefined> {
  const start = new Uint8Array(4);
  let whole: Uint8Array | undefined;
  let filled = 0;
  for await (const chunk of data) {
    if (whole === undefined) {
      // A chunk may be shorter than the magic.
      start.set(chunk.subarray(0, Math.max(0, 4 - filled)), Math.min(filled, 4));
      if (filled + chunk.length >= 4) {
        if (!isElf(start)) return undefined;
        if (sizeBytes > maxLibraryBytes) throw tooLarge(sizeBytes);
        whole = new Uint8Array(sizeBytes);
        whole.set(start);
      }
    }
    whole?.set(chunk, filled);
    filled += chunk.length;
  }
  return whole;
}

function tooLarge(sizeBytes: number): RpmError {
  return new RpmError(
    { code: 'RPM_LIMIT', what: 'bytes of a library', limit: maxLibraryBytes, found: sizeBytes },
    `payload: a library of ${sizeBytes} bytes`,
  );
}

/** Undefined for what begins like ELF and is none: packages of tools for ELF files carry such test data. */
function decodeElfOrNothing(bytes: Uint8Array): Elf | undefined {
  try {
    return decodeElf(bytes);
  } catch (error) {
    if (error instanceof RpmError && error.code === 'RPM_BAD_ELF') return undefined;
    throw error;
  }
}

/** Pairs by soname, then by path: a library with a new soname often keeps none of both, and is then gone and new. */
function compareLibraries(olds: readonly Library[], news: readonly Library[]): readonly LibraryComparison[] {
  const left = new Set(news);
  const take = (matches: (library: Library) => boolean): Library | undefined => {
    for (const library of left) {
      if (!matches(library)) continue;
      left.delete(library);
      return library;
    }
    return undefined;
  };
  const paired = new Map<Library, Library>();
  for (const match of ['soname', 'path'] as const) {
    for (const old of olds) {
      if (paired.has(old)) continue;
      const found = take((library) => library[match] === old[match] && library.elf.bits === old.elf.bits);
      if (found !== undefined) paired.set(old, found);
    }
  }
  const compared = olds.map((old): LibraryComparison => {
    const found = paired.get(old);
    if (found === undefined) return { soname: old.soname, oldPath: old.path };
    return { soname: old.soname, oldPath: old.path, newPath: found.path, abi: compareAbi(old.elf, found.elf) };
  });
  return [...compared, ...[...left].map(({ soname, path }) => ({ soname, newPath: path }))];
}

function compareLists(olds: readonly string[], news: readonly string[]): ListChange {
  const oldSet = new Set(olds);
  const newSet = new Set(news);
  return { added: news.filter((value) => !oldSet.has(value)), removed: olds.filter((value) => !newSet.has(value)) };
}
