/**
 * The edit language of srpmproc, which Rocky Linux and OpenELA keep beside their imports (`PATCHES/*.cfg`).
 *
 * Kinds of directives run in a fixed order, whatever the order in the file: replace, delete, add, patch, lookaside,
 * spec_change. The result is that of any other modification; blobs that leave the tree come with it.
 *
 * Reference: rocky-linux/srpmproc, proto/cfg.proto
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { quote } from '@distrokit/rpm';
import { SourceError } from './errors.js';
import { checkFileName, checkRelativePath } from './file-name.js';
import type { AddedFile, ModificationResult, ModificationStep, TreeFiles } from './modification.js';
import { applyPatch } from './patch-apply.js';
import { algorithmOfHex, formatSources, parseSources, type SourceEntry } from './sources-file.js';
import { parseSpec, type Spec } from './spec.js';
import type { SrpmprocConfig, SrpmprocSpecChange } from './srpmproc-config.js';
import { archiveFiles } from './tree-archive.js';

/** Everything that the outcome depends on besides tree and configuration. */
export interface ApplySrpmprocOptions {
  /** The day of changelog entries, in UTC. */
  readonly at: Date;
  /** Content of blobs that the configuration names by digest. */
  readonly blobs?: ReadonlyMap<string, Uint8Array> | undefined;
}

/** A modification, and the blobs that it moved out of the tree, by path. */
export interface SrpmprocResult extends ModificationResult {
  readonly movedToLookaside: TreeFiles;
}

/**
 * Applies a configuration. Pure. `with_file` and `add` take files from the tree itself (`PATCHES/…`).
 *
 * The changelog line carries the version as it is written and what was appended to the release, as srpmproc's do.
 * Throws SOURCE_NOT_APPLIED, naming directive and target; SOURCE_EDIT_FAILED for an edit of the spec that finds no place.
 */
export function applySrpmproc(files: TreeFiles, config: SrpmprocConfig, options: ApplySrpmprocOptions): SrpmprocResult {
  const log: ModificationStep[] = [];
  const added: AddedFile[] = [];
  const moved = new Map<string, Uint8Array>();
  let tree = new Map(files);
  const note = (where: string, what: string): void => {
    log.push({ where, what });
  };
  const find = (path: string, where: string, folder = 'SOURCES/'): string => {
    checkRelativePath(path);
    const found = [path, folder + path].find((candidate) => tree.has(candidate));
    if (found === undefined) throw notApplied(where, path, 'a file of that name', 'none');
    return found;
  };
  const blobs = new Map<string, SourceEntry>();
  /** A blob that a file of the tree becomes: it is listed, and not part of the tree. */
  const placeBlob = (path: string, hex: string, where: string): void => {
    const bytes = options.blobs?.get(hex);
    if (!bytes) throw notApplied(where, hex, 'the blob', 'none of that digest');
    const algorithm = algorithmOfHex(hex);
    const found = algorithm && createHash(algorithm).update(bytes).digest('hex');
    if (!algorithm || found !== hex.toLowerCase())
      throw notApplied(where, hex, 'a blob of that digest', found ?? 'no digest');
    blobs.set(path, { file: path, digest: { algorithm, hex: found } });
    moved.set(path, bytes);
    tree.delete(path);
  };
  const move = (path: string, bytes: Uint8Array): void => {
    const hex = createHash('sha256').update(bytes).digest('hex');
    blobs.set(path, { file: path, digest: { algorithm: 'sha256', hex } });
    moved.set(path, bytes);
    tree.delete(path);
  };

  for (const [i, entry] of config.replace.entries()) {
    const where = `replace[${i}]`;
    const path = find(entry.file, where);
    if ('lookaside' in entry.with) placeBlob(path, entry.with.lookaside, where);
    else if ('inline' in entry.with) tree.set(path, Buffer.from(entry.with.inline));
    else tree.set(path, tree.get(find(entry.with.file, where))!);
    note(where, `replaced ${path}`);
  }
  for (const [i, file] of config.delete.entries()) {
    const path = find(file, `delete[${i}]`);
    tree.delete(path);
    note(`delete[${i}]`, `deleted ${path}`);
  }
  for (const [i, entry] of config.add.entries()) {
    const where = `add[${i}]`;
    const name = entry.name ?? baseName(entry.file ?? entry.lookaside ?? '');
    checkFileName(name);
    const path = `SOURCES/${name}`;
    if (tree.has(path) || blobs.has(path)) throw notApplied(where, path, 'a path that is free', 'a file');
    if (entry.file === undefined) placeBlob(path, entry.lookaside ?? '', where);
    else tree.set(path, tree.get(find(entry.file, where))!);
    added.push({ path });
    note(where, `added ${path}`);
  }
  for (const [i, entry] of config.patch.entries()) {
    const where = `patch[${i}]`;
    const text = Buffer.from(tree.get(find(entry.file, where))!).toString('latin1');
    tree = new Map(applyPatch(tree, text, where, entry.strict ? '' : 'SOURCES/'));
    note(where, `applied ${entry.file}`);
  }
  for (const [i, entry] of config.lookaside.entries()) {
    const where = `lookaside[${i}]`;
    const paths = entry.file.map((file) => find(file, where, entry.fromPatchTree ? 'PATCHES/' : 'SOURCES/'));
    if (entry.archiveName !== undefined) {
      const path = `SOURCES/${entry.archiveName}.tar.gz`;
      checkFileName(`${entry.archiveName}.tar.gz`);
      const files = paths.map((found): [string, Uint8Array] => [baseName(found), tree.get(found)!]);
      move(path, gzipSync(archiveFiles(new Map(files), options.at), { level: 9 }));
      note(where, `made ${path} of ${paths.length} files for the lookaside store`);
      continue;
    }
    for (const path of paths) {
      const target = entry.fromPatchTree ? `SOURCES/${baseName(path)}` : path;
      move(target, tree.get(path)!);
      note(where, `moved ${path} to the lookaside store`);
    }
  }
  if (blobs.size > 0) listBlobs(tree, blobs);
  const change = config.specChange;
  let suffix = '';
  if (change) {
    const specs = [...tree.keys()].filter((path) => /^(?:SPECS\/)?[^/]+\.spec$/.test(path));
    const [path] = specs;
    if (path === undefined || specs.length > 1)
      throw notApplied('spec_change', 'spec', 'one spec', String(specs.length));
    suffix = change.append
      .filter(({ field }) => field.toLowerCase() === 'release')
      .map(({ value }) => value)
      .join('');
    const spec = parseSpec(Buffer.from(tree.get(path)!).toString('utf8'));
    tree.set(path, Buffer.from(changeSpec(spec, change, suffix, options.at).toString()));
    note('spec_change', `changed ${path}`);
  }
  const messages = change?.changelog.flatMap((entry) => entry.message) ?? [];
  const author = change?.changelog[0] && { name: change.changelog[0].name, email: change.changelog[0].email };
  return {
    files: tree,
    commitMessage: messages.join('\n'),
    author,
    tagSuffix: suffix,
    added,
    log,
    movedToLookaside: moved,
  };
}

function changeSpec(spec: Spec, change: SrpmprocSpecChange, suffix: string, at: Date): Spec {
  let edited = spec;
  for (const file of change.file) {
    if (file.change === 'delete')
      edited = file.type === 'Patch' ? edited.removePatch(file.name) : edited.removeSource(file.name);
    else if (file.type === 'Source') edited = edited.addSource({ file: file.name });
    else {
      edited = edited.addPatch({ file: file.name, apply: false });
      const number = edited.patches().find(({ file: name }) => name.known && name.value === file.name)?.number;
      // srpmproc puts it at the end of %prep, not after the last patch.
      const lines = [`%patch${number} -p${file.nPath}`];
      if (file.addToPrep) edited = edited.insertIntoSection({ section: 'prep', at: 'bottom', lines });
    }
  }
  for (const entry of change.append) {
    if (entry.field.startsWith('%')) {
      const section = entry.field.slice(1);
      edited = edited.insertIntoSection({ section, at: 'bottom', lines: entry.value.split('\n') });
      continue;
    }
    const [tag] = edited.tags.filter((found) => found.name.toLowerCase() === entry.field.toLowerCase());
    if (!tag) throw notApplied('spec_change.append', entry.field, 'a tag of that name', 'none');
    if (!tag.value.endsWith(entry.value)) edited = edited.setTag(entry.field, tag.value + entry.value);
  }
  for (const { key, value } of change.newField) {
    edited = edited.insertIntoSection({ section: 'preamble', at: 'top', lines: [`${key}: ${value}`] });
  }
  for (const entry of change.searchAndReplace) edited = searchAndReplace(edited, entry);
  const version = edited.tags.find((tag) => tag.name.toLowerCase() === 'version')?.value ?? '';
  for (const { name, email, message } of [...change.changelog].reverse()) {
    edited = edited.addChangelogEntry({ date: at, name, email, evr: `${version}${suffix}`, lines: message });
  }
  return edited;
}

function searchAndReplace(spec: Spec, entry: SrpmprocSpecChange['searchAndReplace'][number]): Spec {
  let left = entry.n < 0 ? Number.POSITIVE_INFINITY : entry.n;
  const place = entry.in;
  const tagLines =
    typeof place === 'object'
      ? new Set(spec.tags.filter((t) => t.name.toLowerCase() === place.field.toLowerCase()).map((t) => t.line))
      : undefined;
  const lines = spec.toString().split('\n');
  const edited = lines.map((line, i) => {
    if (left <= 0 || (tagLines && !tagLines.has(i))) return line;
    if (
      place === 'starts_with'
        ? !line.startsWith(entry.find)
        : place === 'ends_with'
          ? !line.endsWith(entry.find)
          : !line.includes(entry.find)
    ) {
      return line;
    }
    const parts = line.split(entry.find);
    const count = Math.min(parts.length - 1, left);
    left -= count;
    return (
      parts.slice(0, count + 1).join(entry.replace) +
      (count + 1 < parts.length ? entry.find + parts.slice(count + 1).join(entry.find) : '')
    );
  });
  return parseSpec(edited.join('\n'));
}

/** The list of blobs with these in it, in place of what it said about the same paths. */
function listBlobs(tree: Map<string, Uint8Array>, blobs: ReadonlyMap<string, SourceEntry>): void {
  const list = [...tree.keys()].find((path) => /^\.[^/]+\.metadata$/.test(path));
  if (list === undefined) throw notApplied('lookaside', '.metadata', 'a list of blobs', 'none');
  const entries = parseSources(Buffer.from(tree.get(list)!).toString('utf8')).filter(({ file }) => !blobs.has(file));
  tree.set(list, Buffer.from(formatSources([...entries, ...blobs.values()], 'metadata')));
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function notApplied(where: string, target: string, wanted: string, found: string): SourceError {
  return new SourceError(
    { code: 'SOURCE_NOT_APPLIED', where, target, wanted, found },
    `${where} on ${quote(target, 200)}: wanted ${wanted}, found ${found}`,
  );
}
