/**
 * NEVRA: name, epoch, version, release, arch; the identity of a package, and its shorter forms.
 *
 * | form | text | used in |
 * |---|---|---|
 * | NEVRA | `name-[epoch:]version-release.arch` | queries, logs |
 * | NVRA | without epoch | file names |
 * | NEVR | without arch | SOURCENEVR |
 * | NVR | without epoch and arch | a build's identity |
 *
 * Reference: rpm, docs/manual/tags.md (NEVRA, NVRA, NEVR, NVR extensions)
 */
import { quote, RpmError } from './errors.js';
import { compareEvr, type Evr, epochEnd } from './evr.js';

/** Name, epoch, version, release, arch. A source package's arch is `src` or `nosrc`. */
export interface Nevra extends Evr {
  readonly name: string;
  readonly arch: string;
}

/** Name, epoch, version, release: a package without its arch. */
export interface Nevr extends Evr {
  readonly name: string;
}

/**
 * `name-[epoch:]version-release.arch`, or `epoch:name-version-release.arch` as older tools write it.
 *
 * Whatever follows the last dot is the arch: the caller knows that there is one. Throws RPM_BAD_NEVRA.
 */
export function parseNevra(text: string): Nevra {
  const dot = text.lastIndexOf('.');
  // A dot before the last dash is part of the version, not the arch's.
  if (dot <= text.lastIndexOf('-') || dot === text.length - 1) {
    throw badNevra(text, 'name-[epoch:]version-release.arch');
  }
  return { ...splitNevr(text, text.slice(0, dot)), arch: text.slice(dot + 1) };
}

/** `name-[epoch:]version-release`, as SOURCENEVR holds it. Throws RPM_BAD_NEVRA. */
export function parseNevr(text: string): Nevr {
  return splitNevr(text, text);
}

/**
 * The NEVRA in a package's file name, without an epoch unless the name shows one. Folders before it are ignored.
 *
 * Throws RPM_BAD_NEVRA when the name does not end in `.rpm` or holds no NVRA. A file may have any name: what is
 * inside decides.
 */
export function parsePackageFileName(fileName: string): Nevra {
  const base = fileName.slice(fileName.lastIndexOf('/') + 1);
  if (!base.endsWith('.rpm')) throw badNevra(fileName, 'name-version-release.arch.rpm');
  return parseNevra(base.slice(0, -4));
}

/** `name-[epoch:]version-release.arch` */
export function formatNevra(nevra: Nevra): string {
  return `${formatNevr(nevra)}.${nevra.arch}`;
}

/** `name-version-release.arch` */
export function formatNvra(nevra: Nevra): string {
  return `${formatNvr(nevra)}.${nevra.arch}`;
}

/** `name-[epoch:]version-release` */
export function formatNevr(nevr: Nevr): string {
  const epoch = nevr.epoch === undefined ? '' : `${nevr.epoch}:`;
  return `${nevr.name}-${epoch}${nevr.version}-${nevr.release}`;
}

/** `name-version-release` */
export function formatNvr(nevr: Nevr): string {
  return `${nevr.name}-${nevr.version}-${nevr.release}`;
}

/** `name-version-release.arch.rpm`, the name under which a package is published. */
export function packageFileName(nevra: Nevra): string {
  return `${formatNvra(nevra)}.rpm`;
}

/** Order for lists: by name (code points), then EVR, then arch (code points). A total order; not rpm's install order. */
export function compareNevra(a: Nevra, b: Nevra): -1 | 0 | 1 {
  return (
    compareText(a.name, b.name) ||
    compareEvr(a, b) ||
    // vercmp calls some different strings equal (1.0 and 1_0): without this the order would depend on the input's.
    compareText(a.version, b.version) ||
    compareText(a.release, b.release) ||
    compareText(a.arch, b.arch)
  );
}

function splitNevr(text: string, nevr: string): Nevr {
  const releaseDash = nevr.lastIndexOf('-');
  const versionDash = nevr.lastIndexOf('-', releaseDash - 1);
  if (releaseDash < 0 || versionDash <= 0) throw badNevra(text, 'name-[epoch:]version-release');
  let name = nevr.slice(0, versionDash);
  let version = nevr.slice(versionDash + 1, releaseDash);
  const release = nevr.slice(releaseDash + 1);
  let epochText: string | undefined;
  const colon = epochEnd(version);
  if (colon > 0) {
    epochText = version.slice(0, colon);
    version = version.slice(colon + 1);
  } else {
    const nameColon = epochEnd(name);
    if (nameColon > 0) {
      epochText = name.slice(0, nameColon);
      name = name.slice(nameColon + 1);
    }
  }
  if (name === '' || version === '' || release === '') throw badNevra(text, 'a name, a version and a release');
  if (epochText === undefined) return { name, version, release };
  const epoch = Number(epochText);
  if (epoch > 0xffff_ffff) throw badNevra(text, 'an epoch of at most 4294967295');
  return { name, epoch, version, release };
}

function compareText(a: string, b: string): -1 | 0 | 1 {
  return a === b ? 0 : a < b ? -1 : 1;
}

function badNevra(text: string, wanted: string): RpmError {
  return new RpmError({ code: 'RPM_BAD_NEVRA', text, wanted }, `NEVRA ${quote(text)}: ${wanted} wanted`);
}
