/**
 * Features of rpm that a package needs from whoever installs it: its `rpmlib(…)` requires.
 *
 * An rpm that does not know one refuses the package instead of installing it wrongly.
 *
 * Reference: rpm, lib/rpmds.cc (rpmlibProvides); build/files.cc, build/pack.cc, build/parseScript.cc
 */
import { type Dependency, dependencyFlags } from './dependency.js';
import { isRichDependency } from './rich-dependency.js';
import type { Scriptlet, Trigger } from './scriptlet.js';

/** What decides which features a package needs. */
export interface FeatureFacts {
  readonly format: 4 | 6;
  readonly isSource: boolean;
  readonly hasFiles: boolean;
  /** Some file is 4 GiB or larger. */
  readonly hasLargeFiles: boolean;
  readonly hasHardlinks: boolean;
  readonly hasCapabilities: boolean;
  readonly compression: 'gzip' | 'xz' | 'zstd' | 'none';
  /** Of all kinds. */
  readonly dependencies: readonly Dependency[];
  readonly scripts: readonly Pick<Scriptlet | Trigger, 'interpreter' | 'flags'>[];
}

/** The requires, in no order. */
export function rpmlibRequires(facts: FeatureFacts): readonly Dependency[] {
  const { dependencies, scripts } = facts;
  const needs: (readonly [feature: string, evr: string, needed: boolean])[] = [
    // v6 takes for granted what every package has needed since 2000.
    ['CompressedFileNames', '3.0.4-1', facts.format === 4],
    ['PayloadFilesHavePrefix', '4.0-1', facts.format === 4 && !facts.isSource],
    ['FileDigests', '4.6.0-1', facts.format === 4],
    ['PartialHardlinkSets', '4.0.4-1', facts.format === 4 && facts.hasHardlinks],
    ['LargeFiles', '4.12.0-1', facts.hasLargeFiles || (facts.format === 6 && facts.hasFiles)],
    ['FileCaps', '4.6.1-1', facts.hasCapabilities],
    ['PayloadIsXz', '5.2-1', facts.compression === 'xz'],
    ['PayloadIsZstd', '5.4.18-1', facts.compression === 'zstd'],
    ['BuiltinLuaScripts', '4.2.2-1', scripts.some(({ interpreter }) => interpreter[0] === '<lua>')],
    ['ScriptletInterpreterArgs', '4.0.3-1', scripts.some(({ interpreter }) => interpreter.length > 1)],
    ['ScriptletExpansion', '4.9.0-1', scripts.some(({ flags }) => flags.expand || flags.queryFormat)],
    ['RichDependencies', '4.12.0-1', dependencies.some(({ name }) => isRichDependency(name))],
    ['TildeInVersions', '4.10.0-1', dependencies.some((dependency) => hasInVersion(dependency, '~'))],
    ['CaretInVersions', '4.15.0-1', dependencies.some((dependency) => hasInVersion(dependency, '^'))],
  ];
  const flags = dependencyFlags.rpmlib | dependencyFlags.less | dependencyFlags.equal;
  return needs.filter(([, , needed]) => needed).map(([feature, evr]) => ({ name: `rpmlib(${feature})`, flags, evr }));
}

/** A rich dependency has its versions in the name. */
function hasInVersion({ name, evr }: Dependency, char: string): boolean {
  return evr.includes(char) || (isRichDependency(name) && name.includes(char));
}
