/**
 * Applying an autopatch document to a tree: files in, files out.
 *
 * Two modes. `compatible` gives the bytes that AlmaLinux's tool gives, surprises included. `strict` reads the same
 * language over the spec's structure: counts hold for the file, `%pre` is not `%prep`, `Latest` is one more than the
 * highest number, an edit made before is not made again.
 *
 * Scripts of `run_script` are not run here: the caller passes a function for that, or the action fails.
 *
 * Reference: AlmaLinux, autopatch-tool, docs/configuration.md
 */
import type { Evr } from '@distrokit/rpm';
import type { AutopatchConfig } from './autopatch-config.js';
import { AutopatchRun } from './autopatch-run.js';
import { SourceError } from './errors.js';
import type { ModificationResult, TreeFiles } from './modification.js';

/** `compatible`: the bytes of the original tool. `strict`: the same language without its surprises. */
export type AutopatchMode = 'compatible' | 'strict';

/** A script that an action names. */
export interface AutopatchScript {
  readonly name: string;
  /** In which of the two folders it wants to run. */
  readonly cwd: 'rpms' | 'autopatch';
  readonly files: TreeFiles;
}

/** Everything that the outcome depends on besides tree and configuration. */
export interface ApplyAutopatchOptions {
  /** The day of the changelog entries, in UTC. */
  readonly at: Date;
  /**
   * For changelog entries: the EVR of the tree as it came, without the dist tag, or a function of the spec as it stands.
   * Default: what the spec tells without running macros; where it does not tell, the entry fails.
   */
  readonly evr?: Evr | ((spec: string) => Evr) | undefined;
  /** Git tags that exist, for `auto_increment`. */
  readonly existingTags?: readonly string[] | undefined;
  /** The tag of this change without its suffix, for instance `changed/a9/bash-5.1.8-6.el9`; needed for `auto_increment`. */
  readonly baseTag?: string | undefined;
  /** Default `strict`. */
  readonly mode?: AutopatchMode | undefined;
  /** Content of the configuration's `files/`, by name. */
  readonly payload?: TreeFiles | undefined;
  /** Default: the spec's file name without `.spec`. A package named `kernel` applies patches in its own way. */
  readonly packageName?: string | undefined;
  /** Runs a script and gives the files after it. Without it `run_script` fails: nothing is executed here. */
  readonly runScript?: ((script: AutopatchScript) => TreeFiles) | undefined;
}

/**
 * Applies a document. Pure: the given files are not changed, and the same arguments give the same result.
 *
 * Throws SOURCE_NOT_APPLIED, naming the action and its target, when an edit changes nothing or finds no place;
 * SOURCE_BAD_TREE when `spec` is not exactly one file; SOURCE_BAD_FILENAME for a name that leads out of the tree.
 */
export function applyAutopatch(
  files: TreeFiles,
  config: AutopatchConfig,
  options: ApplyAutopatchOptions,
): ModificationResult {
  const run = new AutopatchRun(files, config, options);
  for (const step of run.steps()) step.apply();
  return run.result();
}

/** An entry of a document that does not fit a tree any more. */
export interface AutopatchDrift {
  /** Where in the document: `actions[1].replace[0]`. */
  readonly where: string;
  readonly target: string;
  readonly wanted: string;
  readonly found: string;
}

/**
 * Which entries of a document no longer fit a tree, for instance a new import: each is tried, and one that fails does
 * not keep the next ones from being tried. Empty when the document applies as it is.
 *
 * Scripts are not run and count as fitting. Throws only for what is wrong with the tree as a whole.
 */
export function driftAutopatch(
  files: TreeFiles,
  config: AutopatchConfig,
  options: ApplyAutopatchOptions,
): AutopatchDrift[] {
  const run = new AutopatchRun(files, config, {
    ...options,
    runScript: options.runScript ?? (({ files: same }) => same),
  });
  const drift: AutopatchDrift[] = [];
  for (const step of run.steps()) {
    try {
      step.apply();
    } catch (error) {
      const fault = error instanceof SourceError ? error.fault : undefined;
      if (fault?.code === 'SOURCE_NOT_APPLIED') {
        const { target, wanted, found } = fault;
        drift.push({ where: step.where, target, wanted, found });
      } else if (fault?.code === 'SOURCE_EDIT_FAILED' || fault?.code === 'SOURCE_BAD_SPEC') {
        drift.push({ where: step.where, target: 'spec', wanted: fault.wanted, found: fault.found });
      } else throw error;
    }
  }
  return drift;
}
