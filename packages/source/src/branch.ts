/**
 * Branch and tag names of dist-git, as each distribution writes them.
 *
 *     c9  c10s  c9-beta  c8-stream-nodejs18   git.centos.org, CentOS Stream, AlmaLinux imports
 *     a9  a10s  a9-beta  a8-stream-18         AlmaLinux, changed
 *     r9  r8-stream-18                        Rocky Linux
 *     el9  el-9.2  el9-stream-20              OpenELA
 *     stream-nodejs-18-rhel-9.1.0             CentOS Stream, modular
 *     r9s-stream-nodejs-18_9.1.0              Rocky Linux, modular, from CentOS Stream
 *     imports/c9/bash-5.1.8-6.el9             tag of an import; changed/a9/… of a changed package
 */
import { compareEvr, formatNvr, type Nevr, parseNevr, quote } from '@distrokit/rpm';
import { SourceError } from './errors.js';

/** Whose way of writing a branch name it is. CentOS's own is also that of AlmaLinux's unchanged imports. */
export type BranchFamily = 'centos' | 'almalinux' | 'rocky' | 'openela';

/** A branch name taken apart. */
export interface DistGitBranch {
  readonly family: BranchFamily;
  readonly major: number;
  /** Only OpenELA pins minor releases. */
  readonly minor?: number | undefined;
  /** The `s` of `c10s`: ahead of the release. */
  readonly development: boolean;
  readonly beta: boolean;
  /** For a package of a module stream. */
  readonly module?:
    | {
        /** Only modular branches of CentOS Stream name the module. */
        readonly name?: string | undefined;
        readonly stream: string;
        /** The release that such a branch was made for, `9.1.0`. */
        readonly release?: string | undefined;
      }
    | undefined;
}

/** A tag of one source package. */
export interface ImportTag {
  readonly kind: 'imports' | 'changed';
  readonly branch: DistGitBranch;
  readonly nevr: Nevr;
}

const letters: Readonly<Record<BranchFamily, string>> = { centos: 'c', almalinux: 'a', rocky: 'r', openela: 'el' };
const families: Readonly<Record<string, BranchFamily>> = { c: 'centos', a: 'almalinux', r: 'rocky', el: 'openela' };
const word = '[A-Za-z0-9][A-Za-z0-9._+-]*';
const plainBranch = new RegExp(`^([car])(\\d{1,3})(s?)(-beta)?(?:-stream-(${word}))?$`);
const openelaBranch = new RegExp(`^el(?:(\\d{1,3})|-(\\d{1,3})\\.(\\d{1,3}))(?:-stream-(${word}))?$`);
const streamBranch = /^stream-([A-Za-z0-9][A-Za-z0-9_+.-]*)-([A-Za-z0-9_+.]+)-rhel-(\d{1,3})\.(\d+\.\d+)$/;
const rockyStreamBranch = /^r(\d{1,3})s-stream-([A-Za-z0-9][A-Za-z0-9_+.-]*)-([A-Za-z0-9+.]+)_(\d{1,3}\.\d+\.\d+)$/;

/** Takes a branch name apart. Throws SOURCE_BAD_BRANCH for one that follows no known rule. */
export function parseBranch(name: string): DistGitBranch {
  const stream = streamBranch.exec(name);
  if (stream) {
    const [, module = '', streamName = '', major = '', rest = ''] = stream;
    const parsed = { name: module, stream: streamName, release: `${major}.${rest}` };
    return { family: 'centos', major: Number(major), development: true, beta: false, module: parsed };
  }
  const rocky = rockyStreamBranch.exec(name);
  if (rocky) {
    const [, major = '', module = '', streamName = '', release = ''] = rocky;
    const parsed = { name: module, stream: streamName, release };
    return { family: 'rocky', major: Number(major), development: true, beta: false, module: parsed };
  }
  const openela = openelaBranch.exec(name);
  if (openela) {
    const [, plain, major = plain ?? '', minor, streamName] = openela;
    return {
      family: 'openela',
      major: Number(major),
      ...(minor === undefined ? {} : { minor: Number(minor) }),
      development: false,
      beta: false,
      ...(streamName === undefined ? {} : { module: { stream: streamName } }),
    };
  }
  const match = plainBranch.exec(name);
  if (!match) {
    throw new SourceError(
      { code: 'SOURCE_BAD_BRANCH', text: name, wanted: 'a branch such as c9, a10s, r8-stream-18, el-9.2' },
      `branch ${quote(name, 200)} follows no known distribution's rule`,
    );
  }
  const [, letter = '', major = '', s, beta, streamName] = match;
  return {
    family: families[letter]!,
    major: Number(major),
    development: s === 's',
    beta: beta !== undefined,
    ...(streamName === undefined ? {} : { module: { stream: streamName } }),
  };
}

/** The name of a branch, as its family writes it. */
export function formatBranch(branch: DistGitBranch): string {
  const { family, major, minor, module } = branch;
  if (module?.name !== undefined && module.release !== undefined) {
    if (family === 'rocky') return `r${major}s-stream-${module.name}-${module.stream}_${module.release}`;
    return `stream-${module.name}-${module.stream}-rhel-${module.release}`;
  }
  const stream = module === undefined ? '' : `-stream-${module.stream}`;
  if (family === 'openela') return `el${minor === undefined ? major : `-${major}.${minor}`}${stream}`;
  return `${letters[family]}${major}${branch.development ? 's' : ''}${branch.beta ? '-beta' : ''}${stream}`;
}

/** The branch of another distribution that carries the same release: `c9-beta` of CentOS is `a9-beta` of AlmaLinux. */
export function mapBranch(branch: DistGitBranch, family: BranchFamily): DistGitBranch {
  return { ...branch, family };
}

/** Reads `imports/<branch>/<name-version-release>` or `changed/…`, with or without `refs/tags/`. Throws SOURCE_BAD_TAG. */
export function parseImportTag(tag: string): ImportTag {
  const match = /^(?:refs\/tags\/)?(imports|changed)\/([^/]+)\/([^/]+)$/i.exec(tag);
  try {
    if (match) {
      const [, kind = '', branch = '', nvr = ''] = match;
      return { kind: kind.toLowerCase() as ImportTag['kind'], branch: parseBranch(branch), nevr: parseNevr(nvr) };
    }
  } catch (cause) {
    throw badTag(tag, cause);
  }
  throw badTag(tag);
}

/** The tag's name; what git does not allow in one (`~`, `^`, `%` in Rocky's rule) becomes `_`. */
export function formatImportTag(tag: ImportTag): string {
  return `${tag.kind}/${formatBranch(tag.branch)}/${formatNvr(tag.nevr).replace(/[~^:?*[\\%\s]/g, '_')}`;
}

/**
 * Among tag names, the import of a branch with the highest EVR; undefined without one. Tags of other branches, and names
 * that are no import tags, are passed over. Dates are not looked at: they say when somebody tagged, not what is newest.
 */
export function newestImportTag(
  tags: readonly string[],
  branch: string,
  kind: ImportTag['kind'] = 'imports',
): string | undefined {
  let newest: { tag: string; nevr: Nevr } | undefined;
  for (const tag of tags) {
    let parsed: ImportTag;
    try {
      parsed = parseImportTag(tag);
    } catch {
      continue;
    }
    if (parsed.kind !== kind || formatBranch(parsed.branch) !== branch) continue;
    if (!newest || compareEvr(parsed.nevr, newest.nevr) > 0) newest = { tag, nevr: parsed.nevr };
  }
  return newest?.tag;
}

function badTag(tag: string, cause?: unknown): SourceError {
  return new SourceError(
    { code: 'SOURCE_BAD_TAG', text: tag, wanted: 'imports/<branch>/<name-version-release>' },
    `tag ${quote(tag, 200)}: wanted imports/<branch>/<name-version-release>`,
    cause === undefined ? undefined : { cause },
  );
}
