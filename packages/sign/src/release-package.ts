/**
 * A release package: the `.repo` file and the keys of a distribution, so that machines get both, and later changes to
 * them, through the package manager they trust already.
 *
 * Reference: dnf.conf(5), repository options; rpm, `%{_sysconfdir}/pki/rpm-gpg`
 */
import {
  type Abortable,
  type ManifestFile,
  type Nevra,
  type PackageManifest,
  type WritePackageOptions,
  writePackage,
} from '@distrokit/rpm';
import { SignError } from './errors.js';
import { Keyring } from './keyring.js';

/** A package repository as a `.repo` file lists it. */
export interface ReleaseRepository {
  /** Letters, digits and `-_.:`; unique in the file. */
  readonly id: string;
  readonly name: string;
  /** May hold dnf's variables, `$releasever` and `$basearch`. */
  readonly baseUrl?: string;
  readonly mirrorList?: string;
  readonly metalink?: string;
  /** Default true. */
  readonly enabled?: boolean;
  /** Whether repomd.xml is signed as well. Default true; packages always must be. */
  readonly checkRepodata?: boolean;
}

/** What a release package brings. */
export interface ReleaseContents {
  /** Name of the package and of its `.repo` file, for instance `example-release`. */
  readonly name: string;
  readonly version: string;
  readonly release: string;
  readonly summary: string;
  readonly license: string;
  readonly vendor?: string;
  readonly repositories: readonly ReleaseRepository[];
  /** Armored public keys, each in a file of its own: `RPM-GPG-KEY-<name>`. During a roll-over the old and the new one. */
  readonly keys: readonly { readonly name: string; readonly publicKey: string }[];
}

/**
 * The `.repo` file: every repository checks packages against all keys.
 *
 * Throws SIGN_BAD_KEY when there is no key or one cannot be read, TypeError on ids and values that would break the file.
 */
export function formatRepoFile(contents: Pick<ReleaseContents, 'repositories' | 'keys'>): string {
  const keyPaths = contents.keys.map(({ name, publicKey }) => {
    if (!/^[A-Za-z0-9._-]+$/.test(name)) throw new TypeError(`"keys" name ${JSON.stringify(name)} is no file name`);
    const { keys } = Keyring.from(publicKey);
    if (keys.length === 0) throw badKey(`a public key for ${name}`, 'none that can be used');
    return `file://${keyPath(name)}`;
  });
  if (keyPaths.length === 0) throw badKey('at least one public key', 'none');
  const ids = new Set<string>();
  const sections = contents.repositories.map((repository) => {
    const { id, name, enabled = true, checkRepodata = true } = repository;
    if (!/^[A-Za-z0-9_.:-]+$/.test(id) || ids.has(id)) throw new TypeError(`"repositories" id ${JSON.stringify(id)}`);
    ids.add(id);
    const places = [
      ['baseurl', repository.baseUrl],
      ['mirrorlist', repository.mirrorList],
      ['metalink', repository.metalink],
    ].filter(([, value]) => value !== undefined);
    if (places.length === 0) throw new TypeError(`"repositories" ${id} has no place to fetch from`);
    const lines = [
      ['name', name],
      ...places,
      ['enabled', enabled ? '1' : '0'],
      ['gpgcheck', '1'],
      ['repo_gpgcheck', checkRepodata ? '1' : '0'],
      ['gpgkey', keyPaths.join(' ')],
    ].map(([option, value]) => {
      // A line end in a value would begin an option of its own, gpgcheck=0 for instance.
      if (/[\r\n]/.test(value!)) throw new TypeError(`"repositories" ${id}: ${option} holds a line end`);
      return `${option}=${value}\n`;
    });
    return `[${id}]\n${lines.join('')}`;
  });
  return sections.join('\n');
}

/**
 * The bytes of the release package, unsigned: sign it with the key that machines have already. Same arguments, same
 * bytes. Throws what `formatRepoFile` and `writePackage` throw.
 */
export function writeReleasePackage(
  contents: ReleaseContents,
  options: Abortable & Pick<WritePackageOptions, 'sourceDate' | 'buildHost'>,
): AsyncIterable<Uint8Array> {
  const text = (content: string): Uint8Array => new TextEncoder().encode(content);
  const { sourceDate, buildHost, signal } = options;
  const files: ManifestFile[] = [
    {
      path: `/etc/yum.repos.d/${contents.name}.repo`,
      type: 'regular',
      content: text(formatRepoFile(contents)),
      // An administrator's own choice of mirror stays.
      flags: ['config', 'noReplace'],
    },
    ...contents.keys.map(
      ({ name, publicKey }): ManifestFile => ({ path: keyPath(name), type: 'regular', content: text(publicKey) }),
    ),
  ];
  const identity: Nevra = {
    name: contents.name,
    version: contents.version,
    release: contents.release,
    arch: 'noarch',
  };
  const manifest: PackageManifest = {
    ...identity,
    summary: contents.summary,
    description: `${contents.summary}: repositories and the keys that sign them.`,
    license: contents.license,
    ...(contents.vendor ? { vendor: contents.vendor } : {}),
    files,
  };
  return writePackage(manifest, {
    format: 4,
    // The one compression that every client reads.
    compression: { type: 'gzip' },
    sourceDate,
    buildHost,
    ...(signal ? { signal } : {}),
  });
}

function keyPath(name: string): string {
  return `/etc/pki/rpm-gpg/RPM-GPG-KEY-${name}`;
}

function badKey(wanted: string, found: string): SignError {
  return new SignError({ code: 'SIGN_BAD_KEY', wanted, found }, `release package: wanted ${wanted}, found ${found}`);
}
