/**
 * A module's source document: which packages it is built from, and at which commit each of them is pinned.
 *
 * Reference: libmodulemd, yaml_specs/modulemd_stream_v2.yaml (modulemd-packager, modulemd)
 */
import { formatBranch, parseBranch } from './branch.js';
import { SourceError } from './errors.js';
import type { GitRef } from './git.js';
import { badConfig, checkShape, z } from './schema.js';
import { readYaml, setYamlValues } from './yaml.js';

/** A package that a module is built from. */
export interface ModuleComponent {
  /** The key in the document. */
  readonly name: string;
  /** The real package, where a component is built twice to bootstrap another. Mostly equal to `name`. */
  readonly packageName: string;
  /** Branch, tag or commit; undefined where the document leaves it to the default. */
  readonly ref: string | undefined;
  readonly rationale: string;
  /** Lower ones are built first. Default 0. */
  readonly buildOrder: number;
  /** Names of components that are built before this one; a document has this or build orders, not both. */
  readonly buildAfter: readonly string[];
  readonly arches: readonly string[];
  readonly multilib: readonly string[];
}

/** A module as it is built. */
export interface ModuleSource {
  readonly name: string | undefined;
  readonly stream: string | undefined;
  readonly summary: string;
  /** In an order to build them: by build order or after each other, then by name. */
  readonly components: readonly ModuleComponent[];
}

/** The commit of one component, and the ref that was taken for it. */
export interface PinnedComponent {
  readonly name: string;
  readonly ref: string;
  readonly commit: string;
}

const words = z.array(z.string()).default([]);
const packageName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._+-]*$/);
const componentSchema = z.object({
  name: packageName.optional(),
  ref: z.string().optional(),
  rationale: z.string().default(''),
  buildorder: z
    .string()
    .regex(/^-?\d{1,9}$/)
    .optional(),
  buildafter: words,
  arches: words,
  multilib: words,
});
const schema = z.object({
  document: z.enum(['modulemd', 'modulemd-stream', 'modulemd-packager', 'modulemd-packager-v3']),
  data: z.object({
    name: z.string().optional(),
    stream: z.string().optional(),
    summary: z.string().default(''),
    components: z.object({ rpms: z.record(packageName, componentSchema).default({}) }).default({ rpms: {} }),
  }),
});
const commitPattern = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** Reads a module's source document; a stream named 1.10 stays 1.10. Throws SOURCE_BAD_CONFIG. */
export function parseModuleSource(text: string): ModuleSource {
  const { data } = checkShape(schema, readYaml(text, 'strings'), 'module');
  const { rpms } = data.components;
  const components = Object.entries(rpms).map(
    ([name, component]): ModuleComponent => ({
      name,
      packageName: component.name ?? name,
      ref: component.ref,
      rationale: component.rationale,
      buildOrder: Number(component.buildorder ?? 0),
      buildAfter: component.buildafter,
      arches: component.arches,
      multilib: component.multilib,
    }),
  );
  const ordered = Object.entries(rpms).find(([, component]) => component.buildorder !== undefined)?.[0];
  const after = components.find(({ buildAfter }) => buildAfter.length > 0)?.name;
  if (ordered !== undefined && after !== undefined)
    throw badConfig('data.components.rpms', 'buildorder or buildafter', `both, in ${ordered} and ${after}`);
  components.sort((a, b) => a.buildOrder - b.buildOrder || (a.name < b.name ? -1 : 1));
  return {
    name: data.name,
    stream: data.stream,
    summary: data.summary,
    components: after === undefined ? components : inOrder(components),
  };
}

/** Each component after those it names; of those that could be next, the first by name. */
function inOrder(components: readonly ModuleComponent[]): ModuleComponent[] {
  const left = new Map(components.map((component) => [component.name, component]));
  for (const { name, buildAfter } of components) {
    const missing = buildAfter.find((other) => !left.has(other));
    if (missing !== undefined) throw badConfig(`data.components.rpms.${name}.buildafter`, 'components', missing);
  }
  const order: ModuleComponent[] = [];
  while (left.size > 0) {
    const ready = [...left.values()].filter(({ buildAfter }) => !buildAfter.some((other) => left.has(other)));
    if (ready.length === 0)
      throw badConfig('data.components.rpms', 'an order to build in', `a circle: ${[...left.keys()].join(', ')}`);
    for (const component of ready) left.delete(component.name);
    order.push(...ready);
  }
  return order;
}

/**
 * Pins every component to a commit. `refsOf` lists the refs of a package's repository (`listGitRefs` does);
 * `branches` are tried in order before the component's own ref: put the branch of changed packages first, then the
 * branch of imports. A ref that is a commit already stays.
 *
 * Throws SOURCE_BAD_REF, with the component, when none of the branches is there; SOURCE_BAD_BRANCH for a branch name
 * that follows no rule.
 */
export async function pinComponents(
  module: ModuleSource,
  branches: readonly string[],
  refsOf: (packageName: string) => Promise<readonly GitRef[]>,
): Promise<PinnedComponent[]> {
  const wanted = branches.map((branch) => formatBranch(parseBranch(branch)));
  const pinned: PinnedComponent[] = [];
  for (const { name, packageName, ref } of module.components) {
    if (ref !== undefined && commitPattern.test(ref)) {
      pinned.push({ name, ref, commit: ref });
      continue;
    }
    const refs = new Map((await refsOf(packageName)).map((found) => [found.name, found.commit]));
    const tried = [...wanted, ...(ref === undefined ? [] : [ref])];
    const found = tried
      .flatMap((branch) => [`refs/heads/${branch}`, `refs/tags/${branch}`])
      .find((candidate) => refs.has(candidate));
    if (found === undefined) {
      throw new SourceError(
        { code: 'SOURCE_BAD_REF', text: name, wanted: tried.join(', ') },
        `module component ${JSON.stringify(name)}: none of the refs ${tried.join(', ')} is there`,
      );
    }
    pinned.push({ name, ref: found, commit: refs.get(found)! });
  }
  return pinned;
}

/** The document with each component's `ref` set to its commit; nothing else changes. Throws SOURCE_BAD_CONFIG. */
export function formatPinnedModule(text: string, pinned: readonly PinnedComponent[]): string {
  return setYamlValues(
    text,
    pinned.map(({ name, commit }) => ({ path: ['data', 'components', 'rpms', name, 'ref'], value: commit })),
  );
}
