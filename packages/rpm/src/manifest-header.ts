/**
 * The main header of a package to be written: every tag that follows from the manifest, its files and its payload.
 *
 * Reference: rpm, docs/manual/tags.md, format_v4.md, format_v6.md; build/pack.cc, build/files.cc
 */
import { encodeHeader } from './header.js';
import { HeaderBuilder } from './header-builder.js';
import { formatNevr, formatNvra } from './nevra.js';
import type { LocalizedText, PackageManifest } from './package-manifest.js';
import type { MadePayload } from './payload-writer.js';
import { compareDependencies, type PlannedDependencies } from './planned-dependency.js';
import type { PlannedFile } from './planned-file.js';
import { HEADERIMMUTABLE } from './region.js';
import {
  type ScriptFlags,
  type Scriptlet,
  scriptFlagBits,
  scriptletTags,
  type Trigger,
  type TriggerFamily,
  triggerEventBits,
  triggerTags,
} from './scriptlet.js';
import { type MainTags, mainTags } from './tags.js';

/** Everything the header is made from. */
export interface HeaderFacts {
  readonly manifest: PackageManifest;
  readonly files: readonly PlannedFile[];
  readonly dependencies: PlannedDependencies;
  readonly scriptlets: readonly Scriptlet[];
  readonly triggers: readonly Trigger[];
  readonly payload: MadePayload;
  readonly format: 4 | 6;
  readonly compression: { readonly type: 'gzip' | 'xz' | 'zstd' | 'none'; readonly level: number };
  /** Seconds since 1970. */
  readonly buildTime: number;
  readonly buildHost: string;
}

/** The bytes of the main header. Throws RPM_BAD_HEADER and RPM_LIMIT where a value cannot be stored. */
export function encodeManifestHeader(facts: HeaderFacts): Uint8Array {
  const header = new HeaderBuilder<MainTags>(mainTags);
  setIdentity(header, facts);
  setTexts(header, facts.manifest);
  setSource(header, facts);
  setDependencies(header, facts.dependencies);
  setScriptlets(header, facts.scriptlets);
  for (const family of Object.keys(triggerTags) as TriggerFamily[]) setTriggers(header, family, facts.triggers);
  setChangelog(header, facts.manifest);
  setFiles(header, facts);
  setPayload(header, facts);
  return encodeHeader(header.entries(), { regionTag: HEADERIMMUTABLE });
}

type Builder = HeaderBuilder<MainTags>;

/** Who made the package: no rpm did, so no version of rpm is named. */
const WRITER = 'distrokit';

function setIdentity(header: Builder, { manifest, buildTime, buildHost, format }: HeaderFacts): void {
  header.set('NAME', manifest.name);
  header.set('VERSION', manifest.version);
  header.set('RELEASE', manifest.release);
  header.set('EPOCH', manifest.epoch);
  header.set('ARCH', manifest.arch);
  header.set('OS', 'linux');
  header.set('BUILDTIME', buildTime);
  header.set('BUILDHOST', buildHost);
  header.set('COOKIE', `${buildHost} ${buildTime}`);
  header.set('RPMVERSION', WRITER);
  header.set('ENCODING', 'utf-8');
  header.set('LICENSE', manifest.license);
  header.set('URL', manifest.url);
  header.set('VENDOR', manifest.vendor);
  header.set('PACKAGER', manifest.packager);
  header.set('DISTRIBUTION', manifest.distribution);
  header.set('DISTTAG', manifest.distributionTag);
  header.set('BUGURL', manifest.bugUrl);
  header.set('VCS', manifest.vcs);
  header.set('MODULARITYLABEL', manifest.modularityLabel);
  if (format === 6) header.set('RPMFORMAT', 6);
}

function setTexts(header: Builder, manifest: PackageManifest): void {
  const texts = {
    SUMMARY: manifest.summary,
    DESCRIPTION: manifest.description,
    GROUP: manifest.group ?? 'Unspecified',
  } as const satisfies Record<string, LocalizedText>;
  const translated = Object.values(texts).flatMap((text) => (typeof text === 'string' ? [] : Object.keys(text)));
  const locales = ['C', ...[...new Set(translated)].filter((locale) => locale !== 'C').sort()];
  header.set('HEADERI18NTABLE', locales);
  for (const [name, text] of Object.entries(texts) as ['SUMMARY' | 'DESCRIPTION' | 'GROUP', LocalizedText][]) {
    const list = typeof text === 'string' ? [text] : locales.map((locale) => text[locale] ?? '');
    // Languages after the last translation need not be stored: a reader falls back to the first text.
    while (list.length > 1 && list.at(-1) === '') list.pop();
    header.setTranslations(name, list);
  }
}

function setSource(header: Builder, { manifest, format }: HeaderFacts): void {
  const { source } = manifest;
  if (source === undefined) {
    const origin = manifest.sourcePackage ?? { ...manifest, arch: 'src' };
    header.set('SOURCERPM', `${formatNvra(origin)}.rpm`);
    if (format === 6) header.set('SOURCENEVR', formatNevr(origin));
    return;
  }
  header.set('SOURCEPACKAGE', 1);
  // rpmbuild stores both lists from the last number to the first, and readers expect it.
  header.set('SOURCE', source.sources?.toReversed());
  header.set('PATCH', source.patches?.toReversed());
  header.set('NOSOURCE', source.withoutSources);
  header.set('NOPATCH', source.withoutPatches);
  header.set('BUILDARCHS', source.buildArches);
  header.set('EXCLUSIVEARCH', source.exclusiveArches);
  header.set('EXCLUDEARCH', source.excludedArches);
  header.set('SPEC', source.expandedSpec);
}

function setDependencies(header: Builder, dependencies: PlannedDependencies): void {
  for (const [kind, prefix] of dependencyPrefixes) {
    const list = dependencies[kind];
    header.set(
      `${prefix}NAME`,
      list.map(({ name }) => name),
    );
    header.set(
      `${prefix}FLAGS`,
      list.map(({ flags }) => flags),
    );
    header.set(
      `${prefix}VERSION`,
      list.map(({ evr }) => evr),
    );
  }
}

const dependencyPrefixes = [
  ['provides', 'PROVIDE'],
  ['requires', 'REQUIRE'],
  ['conflicts', 'CONFLICT'],
  ['obsoletes', 'OBSOLETE'],
  ['recommends', 'RECOMMEND'],
  ['suggests', 'SUGGEST'],
  ['supplements', 'SUPPLEMENT'],
  ['enhances', 'ENHANCE'],
  ['order', 'ORDER'],
] as const;

function setScriptlets(header: Builder, scriptlets: readonly Scriptlet[]): void {
  for (const { kind, interpreter, body, flags } of scriptlets) {
    const tags = scriptletTags[kind];
    header.set(tags.body, body);
    header.setProgram(tags.program, interpreter);
    header.set(tags.flags, flagWord(flags) || undefined);
  }
}

/** What rpm gives a file trigger without a priority. */
const DEFAULT_PRIORITY = 1_000_000;

function setTriggers(header: Builder, family: TriggerFamily, all: readonly Trigger[]): void {
  const triggers = all.filter((trigger) => trigger.family === family);
  const tags = triggerTags[family];
  const conditions = triggers
    .flatMap((trigger, index) =>
      trigger.conditions.map((each) => ({ ...each, flags: each.flags | triggerEventBits[trigger.event], index })),
    )
    .sort((a, b) => compareDependencies(a, b) || a.index - b.index);
  const flagWords = triggers.map(({ flags }) => flagWord(flags));
  header.set(
    tags.scripts,
    triggers.map(({ body }) => body),
  );
  header.set(
    tags.program,
    triggers.map(({ interpreter }) => interpreter[0] ?? '/bin/sh'),
  );
  header.set(tags.flags, flagWords.some((word) => word !== 0) ? flagWords : undefined);
  header.set(
    tags.name,
    conditions.map(({ name }) => name),
  );
  header.set(
    tags.version,
    conditions.map(({ evr }) => evr),
  );
  header.set(
    tags.sense,
    conditions.map(({ flags }) => flags),
  );
  header.set(
    tags.index,
    conditions.map(({ index }) => index),
  );
  if ('priority' in tags)
    header.set(
      tags.priority,
      triggers.map(({ priority }) => priority ?? DEFAULT_PRIORITY),
    );
}

function flagWord(flags: ScriptFlags): number {
  return (
    (flags.expand ? scriptFlagBits.expand : 0) |
    (flags.queryFormat ? scriptFlagBits.queryFormat : 0) |
    (flags.critical ? scriptFlagBits.critical : 0)
  );
}

function setChangelog(header: Builder, { changelog = [] }: PackageManifest): void {
  header.set(
    'CHANGELOGTIME',
    changelog.map(({ at }) => Math.floor(at.getTime() / 1000)),
  );
  header.set(
    'CHANGELOGNAME',
    changelog.map(({ author }) => author),
  );
  header.set(
    'CHANGELOGTEXT',
    changelog.map(({ text }) => text),
  );
}

const SHA256 = 8;
const largest32 = 0xffff_ffff;

function setFiles(header: Builder, { manifest, files, payload, format }: HeaderFacts): void {
  const sizes = files.map(sizeInHeader);
  // Each hard-link set counts once.
  const total = files.reduce(
    (sum, file, i) => (file.links === undefined || file.links[0] === i ? sum + (sizes[i] as number) : sum),
    0,
  );
  if (format === 6 || total > largest32) header.set('LONGSIZE', total);
  else header.set('SIZE', total);
  header.set('FILEDIGESTALGO', SHA256);
  if (files.length === 0) return;
  if (format === 6 || sizes.some((size) => size > largest32)) header.set('LONGFILESIZES', sizes);
  else header.set('FILESIZES', sizes);

  const folders = new Map<string, number>();
  const folderIndexes = files.map(({ path }) => {
    const folder = path.slice(0, path.lastIndexOf('/') + 1);
    const index = folders.get(folder) ?? folders.size;
    folders.set(folder, index);
    return index;
  });
  header.set('DIRNAMES', [...folders.keys()]);
  header.set('DIRINDEXES', folderIndexes);
  header.set(
    'BASENAMES',
    files.map(({ path }) => path.slice(path.lastIndexOf('/') + 1)),
  );
  header.set(
    'FILEMODES',
    files.map(({ mode }) => mode),
  );
  header.set(
    'FILERDEVS',
    files.map(({ deviceNumber }) => deviceNumber),
  );
  header.set(
    'FILEMTIMES',
    files.map(({ modifiedSeconds }) => modifiedSeconds),
  );
  header.set(
    'FILEDIGESTS',
    files.map(({ index }) => payload.files.get(index)?.sha256 ?? ''),
  );
  header.set(
    'FILELINKTOS',
    files.map(({ linkTarget }) => linkTarget),
  );
  header.set(
    'FILEFLAGS',
    files.map(({ flags }) => flags),
  );
  header.set(
    'FILEUSERNAME',
    files.map(({ user }) => user),
  );
  header.set(
    'FILEGROUPNAME',
    files.map(({ group }) => group),
  );
  header.set(
    'FILEVERIFYFLAGS',
    files.map(({ verify }) => verify),
  );
  header.set(
    'FILEDEVICES',
    files.map(() => 1),
  );
  header.set(
    'FILEINODES',
    files.map(({ inode }) => inode),
  );
  header.set(
    'FILELANGS',
    files.map(({ language }) => language),
  );
  // Colors decide between packages of two arches: nothing to decide about sources.
  const colors = files.map(({ index }) => payload.files.get(index)?.color ?? 0);
  header.set('FILECOLORS', manifest.source === undefined ? colors : undefined);
  if (files.some(({ capabilities }) => capabilities !== '')) {
    header.set(
      'FILECAPS',
      files.map(({ capabilities }) => capabilities),
    );
  }
  if (files.some(({ fileClass }) => fileClass !== '')) {
    const dictionary = new Map<string, number>();
    const indexes = files.map(({ fileClass }) => {
      const index = dictionary.get(fileClass) ?? dictionary.size;
      dictionary.set(fileClass, index);
      return index;
    });
    header.set(format === 6 ? 'MIMEDICT' : 'CLASSDICT', [...dictionary.keys()]);
    header.set(format === 6 ? 'FILEMIMEINDEX' : 'FILECLASS', indexes);
  }
}

const textEncoder = new TextEncoder();

function sizeInHeader(file: PlannedFile): number {
  return file.linkTarget === '' ? (file.content?.sizeBytes ?? 0) : textEncoder.encode(file.linkTarget).length;
}

function setPayload(header: Builder, { payload, compression, format }: HeaderFacts): void {
  const { archive, compressed } = payload;
  const digest = (text: string | undefined): readonly string[] => (text === undefined ? [] : [text]);
  header.set('PAYLOADFORMAT', 'cpio');
  header.set('PAYLOADFLAGS', compression.type === 'none' ? '' : String(compression.level));
  if (compression.type !== 'none') header.set('PAYLOADCOMPRESSOR', compression.type);
  header.set('PAYLOADSHA256', digest(compressed.digests.sha256));
  header.set('PAYLOADSHA256ALT', digest(archive.digests.sha256));
  if (format === 4) {
    header.set('PAYLOADSHA256ALGO', SHA256);
    return;
  }
  header.set('PAYLOADSIZE', compressed.sizeBytes);
  header.set('PAYLOADSIZEALT', archive.sizeBytes);
  header.set('PAYLOADSHA512', compressed.digests.sha512);
  header.set('PAYLOADSHA512ALT', archive.digests.sha512);
  header.set('PAYLOADSHA3_256', compressed.digests['sha3-256']);
  header.set('PAYLOADSHA3_256ALT', archive.digests['sha3-256']);
}
