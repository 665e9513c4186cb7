/**
 * What a source tree carries, as a plain record: enough to compare, choose and look for fixes without the files.
 */
import { readFile, stat } from 'node:fs/promises';
import { type Abortable, type Nevr, quote } from '@distrokit/rpm';
import { SourceError } from './errors.js';
import type { SourceTree } from './origin.js';
import { type PatchIdentity, patchIdentity } from './patch-identity.js';
import { type FoundPatchOrigin, parsePatchOrigin } from './patch-origin.js';
import { readSmallFile } from './small-file.js';
import { mapFiles, readTreeSpec } from './source-tree.js';
import type { SpecEnvironment } from './spec-macro.js';

/** A patch of a source, with its identity. */
export interface DescribedPatch {
  readonly file: string;
  readonly number: number;
  /** Of the file, byte for byte. */
  readonly sha256: string;
  readonly identity: PatchIdentity;
  /** From the comment above the tag, else from the patch's own head. */
  readonly origin?: FoundPatchOrigin | undefined;
  /** From file name, comment and head; upper case, sorted. */
  readonly cves: readonly string[];
  /** What its own head says, whatever the spec says of it. */
  readonly head: { readonly origin?: FoundPatchOrigin | undefined; readonly cves: readonly string[] };
}

/** One entry of a changelog. */
export interface DescribedChange {
  readonly heading: string;
  readonly text: string;
  readonly cves: readonly string[];
}

/** A source tree in short. It can be stored and compared later. */
export interface SourceDescription {
  /** Who carries it, for reports: `CentOS Stream 9`. */
  readonly label: string;
  readonly nevr: Nevr | undefined;
  /** Source files without spec and patches: path's last part and sha256. */
  readonly sources: readonly { readonly file: string; readonly sha256: string }[];
  /** In the order of the spec. */
  readonly patches: readonly DescribedPatch[];
  readonly changelog: readonly DescribedChange[];
  readonly spec: string;
}

/** How a tree is described. */
export interface DescribeSourceOptions extends Abortable {
  readonly label: string;
  /** What `%{?dist}` and the like stand for. */
  readonly environment?: SpecEnvironment | undefined;
  /** The same package from elsewhere: patches that it has byte for byte are not read again. */
  readonly known?: readonly SourceDescription[] | undefined;
}

const maxPatchBytes = 64 * 2 ** 20;
const maxHeadBytes = 64 * 1024;
const cvePattern = /\bCVE-\d{4}-\d{4,}/gi;

/**
 * Reads the spec and the patches of a tree. Patches whose file name cannot be told, or that are not in the tree, are
 * left out: what is listed is there. Throws SOURCE_LIMIT for a patch above 64 MiB.
 */
export async function describeSource(tree: SourceTree, options: DescribeSourceOptions): Promise<SourceDescription> {
  const spec = await readTreeSpec(tree);
  const text = spec.toString();
  const lines = text.split('\n');
  const byName = new Map(tree.files.map((file) => [baseName(file.path), file]));
  const listed = spec.patches(options.environment).flatMap((patch) => {
    const file = patch.file.known ? byName.get(patch.file.value) : undefined;
    return file ? [{ patch, ...file }] : [];
  });
  const known = new Map(options.known?.flatMap(({ patches }) => patches).map((patch) => [patch.sha256, patch]));
  const patches = await mapFiles(
    listed,
    ({ patch, path, sha256, sizeBytes }): DescribedPatch | Promise<DescribedPatch> => {
      options.signal?.throwIfAborted();
      const file = baseName(path);
      const comment = commentAbove(lines, patch.line);
      const describe = ({ identity, head }: Pick<DescribedPatch, 'identity' | 'head'>): DescribedPatch => {
        const origin = parsePatchOrigin(comment) ?? head.origin;
        const cves = cvesIn(file, comment, ...head.cves, ...(origin?.cves ?? []));
        const described = { file, number: patch.number, sha256, identity, cves, head };
        return origin ? { ...described, origin } : described;
      };
      const seen = known.get(sha256);
      if (seen) return describe(seen);
      const place = `${tree.directory}/${path}`;
      // The shared bytes of a small file are used up before the next one is read.
      const small = readSmallFile(place, sizeBytes);
      return small ? describe(readPatch(small)) : readLargePatch(place).then((bytes) => describe(readPatch(bytes)));
    },
  );
  const patchNames = new Set(patches.map((patch) => patch.file));
  const sources = tree.files
    .filter((file) => file.path !== tree.spec && !patchNames.has(baseName(file.path)) && !isList(file.path))
    .map((file) => ({ file: baseName(file.path), sha256: file.sha256 }));
  const changelog = spec.changelog.map(({ heading, text: body, cves }) => ({ heading, text: body, cves }));
  const nevr = spec.nevr(options.environment) ?? tree.nevr;
  return { label: options.label, nevr, sources, patches, changelog, spec: text };
}

function readPatch(bytes: Buffer): Pick<DescribedPatch, 'identity' | 'head'> {
  const text = headOf(bytes);
  const origin = parsePatchOrigin(text);
  const cves = cvesIn(text);
  return { identity: patchIdentity(bytes), head: origin ? { origin, cves } : { cves } };
}

function cvesIn(...texts: readonly string[]): string[] {
  return [...new Set(texts.flatMap((text) => text.match(cvePattern) ?? []).map((cve) => cve.toUpperCase()))].sort();
}

async function readLargePatch(path: string): Promise<Buffer> {
  const { size } = await stat(path);
  if (size > maxPatchBytes) {
    throw new SourceError(
      { code: 'SOURCE_LIMIT', what: 'bytes of a patch', limit: maxPatchBytes, found: size },
      `patch ${quote(path, 200)}: ${size} bytes, at most ${maxPatchBytes} are read`,
    );
  }
  return readFile(path);
}

const diffStarts = ['diff --git ', '--- ', 'Index: '];

/** What stands before the diff, at most 64 KiB of it. */
function headOf(bytes: Buffer): string {
  let head = bytes.subarray(0, maxHeadBytes);
  for (const start of diffStarts) {
    if (head.toString('latin1', 0, start.length) === start) return '';
    const at = head.indexOf(`\n${start}`, 0, 'latin1');
    if (at >= 0) head = head.subarray(0, at);
  }
  return head.toString('utf8');
}

function commentAbove(lines: readonly string[], line: number): string {
  let start = line;
  while (start > 0 && /^\s*#/.test(lines[start - 1]!)) start--;
  return lines.slice(start, line).join('\n');
}

function isList(path: string): boolean {
  return path === 'sources' || path === '.gitignore' || /^\.[^/]+\.metadata$/.test(path);
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
