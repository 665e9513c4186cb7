/**
 * From what is known of a source to its place in a plan: first from its spec or SRPM, later from the packages it
 * really made.
 *
 * A spec does not say all that its packages provide: sonames, `pkgconfig(…)` and files are found when they are built. A
 * plan that needs those is made again as packages appear, with `built` and `unresolved: 'defer'`.
 */
import { dependencies, filePaths, formatDependency, type RpmPackage } from '@distrokit/rpm';
import type { BuildNode, PlanPackage } from './build-graph.js';
import { buildRequiresOf, type GeneratedBuildRequires, type SpecExpansion } from './expand.js';

/** The node of a source, from its expanded spec (BuildRequires of that arch, packages) or its SRPM (BuildRequires only). */
export function sourceNode(source: SpecExpansion | RpmPackage, arch?: string): BuildNode {
  const placed = arch === undefined ? {} : { arch };
  if ('header' in source) {
    return { name: source.nevra.name, ...placed, buildRequires: buildRequiresOf(source), packages: [] };
  }
  const { packages } = source;
  return {
    name: source.name,
    ...placed,
    ...(packages.length > 0 && packages.every((pkg) => pkg.arch === 'noarch') ? { noarch: true } : {}),
    buildRequires: source.buildRequires,
    packages: packages.map(({ name, provides, requires }) => ({ name, provides, requires })),
  };
}

/** The node with the BuildRequires that the source's own scripts ask for. */
export function withGenerated(node: BuildNode, generated: GeneratedBuildRequires): BuildNode {
  return { ...node, buildRequires: [...new Set([...node.buildRequires, ...generated.buildRequires])].sort() };
}

/** The node with the packages that its build made in place of those its spec promised: all provides, files and requires. */
export function withBuilt(node: BuildNode, packages: readonly RpmPackage[]): BuildNode {
  const { noarch: _noarch, provides: _provides, ...rest } = node;
  const made = packages.map(
    ({ header, nevra }): PlanPackage => ({
      name: nevra.name,
      provides: [...dependencies(header, 'provides').map(formatDependency), ...filePaths(header)],
      requires: dependencies(header, 'requires')
        .filter(({ name }) => !name.startsWith('rpmlib('))
        .map(formatDependency),
    }),
  );
  const noarch = packages.length > 0 && packages.every((pkg) => pkg.nevra.arch === 'noarch');
  return { ...rest, ...(noarch ? { noarch: true } : {}), packages: made };
}
