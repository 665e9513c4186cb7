/**
 * Module builds: version, context and dist tag of a stream, and the macros that its components are built with.
 *
 * Reference: fedora-modularity, MBS (contexts); albs-web-server, alws/utils/modularity.py (digests, dist tag)
 */
import { createHash } from 'node:crypto';

/** What a stream is built with and runs with. */
export interface ModuleDependencies {
  /** Module name → the one stream it is built with. */
  readonly buildRequires: Readonly<Record<string, string>>;
  /** Module name → streams it may run with; empty for any. */
  readonly requires: Readonly<Record<string, readonly string[]>>;
}

/** A stream to build. */
export interface ModuleBuild extends ModuleDependencies {
  readonly name: string;
  readonly stream: string;
  /** Digits that come before the time, for instance `90600` for 9.6. */
  readonly versionPrefix: string;
  /** Start of the build; whole seconds count. */
  readonly builtAt: Date;
  readonly arch: string;
}

/** Name, stream, version, context, arch. */
export interface Nsvca {
  readonly name: string;
  readonly stream: string;
  readonly version: string;
  readonly context: string;
  readonly arch: string;
}

/** The identity of a module build. */
export function moduleIdentity(build: ModuleBuild): Nsvca {
  const time = build.builtAt.toISOString().replace(/\D/g, '').slice(0, 14);
  return {
    name: build.name,
    stream: build.stream,
    version: `${build.versionPrefix}${time}`,
    context: moduleContext(build),
    arch: build.arch,
  };
}

/** Eight hexadecimal digits that tell builds of one stream apart by what they were built and run with. */
export function moduleContext(dependencies: ModuleDependencies): string {
  const build = sha1(pythonJson(dependencies.buildRequires));
  const runtime = sha1(pythonJson(dependencies.requires));
  return sha1(`${build}:${runtime}`).slice(0, 8);
}

/** `.module_el9+7+1a2b3c4d`: the end of every component's release. `index` counts builds of the platform. */
export function moduleDistTag(
  identity: Omit<Nsvca, 'arch'>,
  options: { readonly prefix: string; readonly index: number },
): string {
  const { name, stream, version, context } = identity;
  return `.module_${options.prefix}+${options.index}+${sha1(`${name}.${stream}.${version}.${context}`).slice(0, 8)}`;
}

/** Macros of a component's buildroot: the dist tag, and the label that ties its packages to the stream. */
export function moduleMacros(identity: Nsvca, distTag: string): Record<string, string> {
  const { name, stream, version, context } = identity;
  return { dist: distTag, modularitylabel: `${name}:${stream}:${version}:${context}`, _module_build: '1' };
}

/** `name:stream:version:context:arch` */
export function formatNsvca({ name, stream, version, context, arch }: Nsvca): string {
  return `${name}:${stream}:${version}:${context}:${arch}`;
}

/** JSON as Python's `json.dumps(…, sort_keys=True)` writes it: the digest was defined over that text. */
function pythonJson(value: Readonly<Record<string, string | readonly string[]>>): string {
  const text = (each: string): string =>
    JSON.stringify(each).replace(
      /[\u007f-\uffff]/g,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
  const items = Object.keys(value)
    .sort((a, b) => (a < b ? -1 : 1))
    .map((key) => {
      const each = value[key] ?? '';
      return `${text(key)}: ${typeof each === 'string' ? text(each) : `[${each.map(text).join(', ')}]`}`;
    });
  return `{${items.join(', ')}}`;
}

function sha1(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}
