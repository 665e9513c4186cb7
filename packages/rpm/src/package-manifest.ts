/**
 * What a package is to be made of: the argument of `writePackage`.
 *
 * Plain records. What `readPackage` and its views give (dependencies, scriptlets, triggers, changelog) fits in here.
 */
import type { ByteSource } from './byte-source.js';
import type { ChangelogEntry } from './changelog.js';
import type { Dependency, DependencyKind } from './dependency.js';
import type { FileFlag, verifyFlags } from './file-list.js';
import type { Nevra } from './nevra.js';
import type { ScriptFlags, ScriptletKind, TriggerEvent, TriggerFamily } from './scriptlet.js';

/** A text, or the same text in several languages by locale; `C` is the untranslated one. */
export type LocalizedText = string | { readonly C: string; readonly [locale: string]: string };

/** A package to be made. A source package has `source`; its `arch` then is that of the machine it was made on. */
export interface PackageManifest extends Nevra {
  readonly summary: LocalizedText;
  readonly description: LocalizedText;
  readonly license: string;
  /** Default `Unspecified`. */
  readonly group?: LocalizedText;
  readonly url?: string;
  readonly vendor?: string;
  readonly packager?: string;
  readonly distribution?: string;
  readonly distributionTag?: string;
  readonly bugUrl?: string;
  /** Where the package's own source is kept under version control. */
  readonly vcs?: string;
  /** `name:stream:version:context` of the module build this package belongs to. */
  readonly modularityLabel?: string;
  /** The source package that a binary package was built from. Default: one of the same name, version and release. */
  readonly sourcePackage?: Nevra;
  /** Present in source packages. */
  readonly source?: SourceFacts;
  /**
   * Dependencies as records or as text (`foo >= 1.0`, `(foo if bar)`). What every package states by itself is added:
   * the provide of itself (with the arch's suffix), `config(name)`, interpreters of scripts, `rpmlib(…)` features.
   * The requires of a source package are what building it needs.
   */
  readonly dependencies?: Readonly<Partial<Record<DependencyKind, readonly (Dependency | string)[]>>>;
  readonly scriptlets?: readonly ManifestScriptlet[];
  readonly triggers?: readonly ManifestTrigger[];
  /** Newest first. */
  readonly changelog?: readonly ChangelogEntry[];
  readonly files?: readonly ManifestFile[];
}

/** What only a source package says. Names of files are those in `files`. */
export interface SourceFacts {
  /** File names of `Source` lines, by ascending number. */
  readonly sources?: readonly string[];
  /** File names of `Patch` lines, by ascending number. */
  readonly patches?: readonly string[];
  /** Numbers of `Source` lines whose files are left out: the package then is a `nosrc` one. */
  readonly withoutSources?: readonly number[];
  readonly withoutPatches?: readonly number[];
  readonly buildArches?: readonly string[];
  readonly exclusiveArches?: readonly string[];
  readonly excludedArches?: readonly string[];
  /** The expanded spec file, for SPEC. */
  readonly expandedSpec?: string;
}

/** A scriptlet; one without a body only runs its interpreter. */
export interface ManifestScriptlet {
  readonly kind: ScriptletKind;
  /** Program and arguments. Default `/bin/sh`; `<lua>` is rpm's own interpreter. */
  readonly interpreter?: readonly string[];
  readonly body?: string;
  readonly flags?: Partial<ScriptFlags>;
}

/** A trigger. */
export interface ManifestTrigger {
  readonly family: TriggerFamily;
  readonly event: TriggerEvent;
  /** A program. Default `/bin/sh`. */
  readonly interpreter?: readonly string[];
  readonly body: string;
  readonly flags?: Partial<ScriptFlags>;
  /** Of file triggers; default 1,000,000. */
  readonly priority?: number;
  /** Packages with an EVR range, or path prefixes. */
  readonly conditions: readonly (Dependency | string)[];
}

/**
 * The bytes of a file. A source is read where it lies, once or (behind a payload too big to keep in memory) twice. An
 * iterable can be read only once and is kept in memory as a whole: give a `ByteSource` for what is big.
 */
export type FileContent = Uint8Array | ByteSource | AsyncIterable<Uint8Array>;

/** What every kind of file has. */
export interface ManifestFileFacts {
  /** Absolute in a binary package; a bare name in a source package. Without `.`, `..`, and empty parts. */
  readonly path: string;
  /** Permission bits. Default 0o644, for directories 0o755. */
  readonly mode?: number;
  /** Default `root`. */
  readonly user?: string;
  /** Default `root`. */
  readonly group?: string;
  /** Default, and the latest possible: `sourceDate`. */
  readonly modifiedAt?: Date;
  readonly flags?: readonly FileFlag[];
  /** As `getcap` writes them, for instance `cap_net_raw=ep`. */
  readonly capabilities?: string;
  /** Languages, `|` between them. */
  readonly language?: string;
  /** What `rpm -V` passes over. Ghosts always leave out digest, size, link and time. */
  readonly unverified?: readonly (keyof typeof verifyFlags)[];
  /** What libmagic says of it (v4) or its MIME type (v6). */
  readonly fileClass?: string;
}

/** One file to be packed. With the flag `ghost` it is described but not carried. */
export type ManifestFile = ManifestFileFacts &
  (
    | {
        readonly type: 'regular';
        /** Only a ghost may lack it. */
        readonly content?: FileContent;
      }
    | { readonly type: 'directory' | 'fifo' }
    | { readonly type: 'symlink'; readonly target: string }
    | {
        /** A further name of a regular file of this package; mode, owner, time and capabilities are those of `to`. */
        readonly type: 'hardlink';
        readonly to: string;
      }
    | { readonly type: 'character device' | 'block device'; readonly major: number; readonly minor: number }
  );
