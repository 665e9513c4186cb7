/**
 * Says where sources break the law of the house: arrows, doors, reach into the world, dependencies, names.
 *
 * Each rule returns sentences, one per breach, with the reason; an empty list means that nothing was found.
 */
import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import { arrows, isomorphic, type PackageName, packages, reasonAgainst } from './architecture.js';
import type { ReachKind, SourceFile, SourceText } from './source-file.js';

/** A reach that the house allows, with its reason. One that no file makes use of is itself a breach. */
export interface Allowance {
  readonly path: string;
  readonly kind: ReachKind;
  readonly why: string;
}

/** Arrows: imports that leave a file's own package, and paths that go round a door. */
export function arrowBreaches(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => file.imports.flatMap((name) => arrowBreach(file, name) ?? []));
}

function arrowBreach(file: SourceFile, name: string): string | undefined {
  const from = packageOf(file.path);
  if (name.startsWith('.')) {
    const target = posix.join(posix.dirname(file.path), name);
    const home = from === undefined ? undefined : `packages/${from}/src/`;
    if (home !== undefined && !target.startsWith(home)) {
      return `${file.path} imports ${name}: outside its package's sources; packages import each other by name, through a door`;
    }
    if (home === undefined && target.startsWith('packages/') && !target.endsWith('tsup-door.js')) {
      return `${file.path} imports ${name}: only a door (@distrokit/…) leads into a package, so that tests and examples use what users use`;
    }
    return /\.(js|mjs|json)$/.test(name)
      ? undefined
      : `${file.path} imports ${name}: a relative import ends in .js, as it is called when compiled`;
  }
  if (isBuiltin(name) && !name.startsWith('node:'))
    return `${file.path} imports ${name}: Node's own modules are written node:${name}`;
  const door = /^@distrokit\/([^/]+)(\/.+)?$/.exec(name);
  if (door === null) return undefined;
  const to = door[1] as PackageName;
  if (!(to in packages)) return `${file.path} imports ${name}: there is no such package`;
  if (door[2] !== undefined && !(door[2] === '/node' && isomorphic.includes(to)))
    return `${file.path} imports ${name}: not a door of ${to}`;
  if (from === undefined) return undefined;
  if (from === to) return `${file.path} imports ${name}: its own door; import the file`;
  if (arrows.some((arrow) => arrow.from === from && arrow.to === to)) return undefined;
  return `${file.path} imports ${name}: no arrow from ${from} to ${to} (${reasonAgainst(from, to)})`;
}

/** Isomorphic doors: no file below `index.ts` may need Node, neither by import nor by a global. */
export function isomorphicBreaches(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const breaches: string[] = [];
  for (const name of isomorphic) {
    const seen = new Set<string>();
    const walk = (path: string, way: readonly string[]): void => {
      const file = byPath.get(path);
      if (file === undefined || seen.has(path)) return;
      seen.add(path);
      const route = [...way, posix.basename(path)];
      for (const imported of file.runtimeImports) {
        if (imported.startsWith('node:') || /^@distrokit\/.+\/node$/.test(imported)) {
          breaches.push(
            `@distrokit/${name} reaches ${imported} by ${route.join(' → ')}: this door runs in a browser; what needs Node belongs behind @distrokit/${name}/node`,
          );
        } else if (imported.startsWith('.'))
          walk(posix.join(posix.dirname(path), imported.replace(/\.js$/, '.ts')), route);
      }
      for (const { kind, what, line } of file.reaches) {
        if (kind === 'node global')
          breaches.push(`${path}:${line} uses ${what}: @distrokit/${name} runs in a browser, where it does not exist`);
      }
    };
    walk(`packages/${name}/src/index.ts`, []);
  }
  return breaches;
}

/** Reach: processes, sockets, clock, environment, randomness in packages' sources, but for the allowed ones. */
export function reachBreaches(files: readonly SourceFile[], allowances: readonly Allowance[]): string[] {
  const used = new Set<Allowance>();
  const breaches: string[] = [];
  for (const file of files) {
    for (const { kind, what, line } of file.reaches) {
      if (kind === 'node global') continue;
      const allowance = allowances.find((one) => one.path === file.path && one.kind === kind);
      if (allowance === undefined)
        breaches.push(`${file.path}:${line} takes ${what} (${kind}): it must come in as an argument`);
      else used.add(allowance);
    }
  }
  const unused = allowances.filter((one) => !used.has(one));
  return [
    ...breaches,
    ...unused.map((one) => `${one.path} is allowed its ${one.kind} and makes no use of it: remove the allowance`),
  ];
}

/** Dependencies: each declared, each used, each known by one file of its package only. */
export function dependencyBreaches(
  files: readonly SourceFile[],
  declared: Readonly<Record<PackageName, readonly string[]>>,
): string[] {
  const breaches: string[] = [];
  for (const name of Object.keys(packages) as PackageName[]) {
    const knownBy = new Map<string, Set<string>>(declared[name].map((dependency) => [dependency, new Set()]));
    for (const file of files) {
      if (packageOf(file.path) !== name) continue;
      for (const imported of file.imports) {
        if (imported.startsWith('.') || isBuiltin(imported)) continue;
        const dependency = imported
          .split('/')
          .slice(0, imported.startsWith('@') ? 2 : 1)
          .join('/');
        if (!knownBy.has(dependency))
          breaches.push(`${file.path} imports ${imported}: not a dependency of @distrokit/${name}`);
        knownBy.get(dependency)?.add(file.path);
      }
    }
    for (const [dependency, paths] of knownBy) {
      if (paths.size === 0)
        breaches.push(`packages/${name}/package.json declares ${dependency}, which no source imports`);
      if (paths.size > 1 && !dependency.startsWith('@distrokit/')) {
        breaches.push(
          `${dependency} is known by ${[...paths].join(', ')}: one file of a package knows a dependency, so that it can be replaced there`,
        );
      }
    }
  }
  return breaches;
}

/** Names and openings of files. A test file's subject is its name: its tests are sentences. */
export function fileBreaches(files: readonly SourceText[]): string[] {
  return files.flatMap(({ path, text }) => {
    const breaches: string[] = [];
    const words = path.replace(/\.[^/]*$/, '').split(/[/.-]/);
    const vague = words.find((word) => /^(utils?|helpers?|commons?|managers?)$/i.test(word));
    if (vague !== undefined) breaches.push(`${path}: "${vague}" names no concept; say what the file is about`);
    if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)+$/.test(posix.basename(path)))
      breaches.push(`${path}: file names are words-in-small-letters`);
    if (!path.endsWith('.test.ts') && !/^(#![^\n]*\n)?\/\*\*(?!\/)[\s*]*[^\s*/]/.test(text))
      breaches.push(`${path}: opens without a doc comment that says its subject`);
    return breaches;
  });
}

/** Tests that would not run, or would run alone. */
export function skippedTests(files: readonly SourceText[]): string[] {
  return files.flatMap(({ path, text }) =>
    [
      ...text.matchAll(
        /\b(?:test|it|describe|suite|expect)\.(skip|only|todo|skipIf|runIf|fails)\b|\bx(?:it|describe|test)\(/g,
      ),
    ].map((match) => `${path}: ${match[0]}: a test runs, or it is not there`),
  );
}

function packageOf(path: string): PackageName | undefined {
  return /^packages\/([^/]+)\/src\//.exec(path)?.[1] as PackageName | undefined;
}
