/**
 * mock's configuration as data: rendered, parsed, hashed; never run.
 *
 * A configuration is Python text that sets `config_opts`. What people write in it are assignments of literals and
 * includes; those are read. Anything else (conditions, calls, variables) is refused with its line, since only
 * running it would tell what it means. Templates (`{{ target_arch }}`) stay text, as mock expands them later.
 *
 * Reference: mock, mock/docs/site-defaults.cfg; mock, py/mockbuild/config.py
 */
import { createHash } from 'node:crypto';
import { quote } from '@distrokit/rpm';
import type { Buildroot } from './buildroot.js';
import { BuildError } from './errors.js';
import { formatPython, type MockValue, PythonReader, PythonSyntax } from './python-literal.js';
import { dnfConfiguration } from './root-maker.js';

/** A configuration: files it includes first, then what it sets. */
export interface MockConfig {
  readonly includes: readonly string[];
  readonly options: { readonly [name: string]: MockValue };
  /** Texts that are added to what an include has set, as `config_opts['dnf.conf'] += …` does. */
  readonly appended?: { readonly [name: string]: string };
}

/** The configuration as text: includes, then options by name, groups of options (`macros`, `plugin_conf`) one by one. */
export function formatMockConfig(config: MockConfig): string {
  const lines = config.includes.map((file) => `include(${formatPython(file)})`);
  for (const name of Object.keys(config.options).sort()) {
    const value = config.options[name] as MockValue;
    const path = `config_opts[${formatPython(name)}]`;
    if (isGroup(value)) {
      // Not one assignment: the group may hold what mock or an include has set.
      for (const key of Object.keys(value).sort())
        lines.push(`${path}[${formatPython(key)}] = ${formatPython(value[key] as MockValue)}`);
    } else lines.push(`${path} = ${formatPython(value)}`);
  }
  for (const name of Object.keys(config.appended ?? {}).sort()) {
    lines.push(`config_opts[${formatPython(name)}] += ${formatPython(config.appended?.[name] ?? '')}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Reads a configuration. Throws BUILD_BAD_DOCUMENT with the line of what is not an assignment of literals or an include. */
export function parseMockConfig(text: string): MockConfig {
  const reader = new PythonReader(text);
  const includes: string[] = [];
  const options: Record<string, MockValue> = Object.create(null);
  const appended: Record<string, string> = Object.create(null);
  try {
    for (;;) {
      reader.skip(true);
      if (reader.at >= text.length) break;
      statement(reader, { includes, options, appended });
      reader.skip(false);
      if (reader.at < text.length && !reader.take(';')) reader.expect('\n');
    }
  } catch (cause) {
    if (!(cause instanceof PythonSyntax)) throw cause;
    const before = text.slice(0, cause.at).split('\n');
    const found = quote(text.slice(cause.at, cause.at + 40));
    throw new BuildError(
      {
        code: 'BUILD_BAD_DOCUMENT',
        document: 'mock configuration',
        where: `line ${before.length}`,
        wanted: cause.wanted,
        found,
      },
      `mock configuration: line ${before.length}: ${cause.wanted} wanted, found ${found}`,
    );
  }
  return {
    includes,
    options: { ...options },
    ...(Object.keys(appended).length === 0 ? {} : { appended: { ...appended } }),
  };
}

/** Names an environment: equal configurations, in whatever order they were written down, have equal hashes. SHA-256, hexadecimal. */
export function hashMockConfig(config: MockConfig): string {
  return createHash('sha256').update(formatMockConfig(config)).digest('hex');
}

/**
 * The configuration for a buildroot from repositories: sealed (no network in builds, no bootstrap image, no cache that
 * outlives a build), with the buildroot's clock, host name and macros.
 *
 * Throws TypeError for the host itself and for a lock, which mock takes as `buildroot_lock.json` and a local repository.
 */
export function mockConfigOf(buildroot: Buildroot, arch: string, sourceDate: Date): MockConfig {
  const { root } = buildroot;
  if (root.kind !== 'repositories')
    throw new TypeError(`"buildroot": mock makes roots from repositories, not from a ${root.kind}`);
  const macros: Record<string, MockValue> = {
    '%_buildhost': buildroot.buildHost ?? 'build.invalid',
    '%use_source_date_epoch_as_buildtime': '1',
    '%clamp_mtime_to_source_date_epoch': '1',
  };
  for (const [name, value] of Object.entries(buildroot.macros ?? {})) macros[`%${name}`] = value;
  return {
    includes: [],
    options: {
      root: `distrokit-${arch}`,
      target_arch: arch,
      legal_host_arches: [arch],
      chroot_setup_cmd: `install ${root.packages.join(' ')}`,
      package_manager: 'dnf',
      releasever: root.releasever,
      use_bootstrap: false,
      use_host_resolv: false,
      rpmbuild_networking: false,
      hostname: buildroot.buildHost ?? 'build.invalid',
      'dnf.conf': dnfConfiguration(root.repositories),
      environment: { SOURCE_DATE_EPOCH: String(Math.floor(sourceDate.getTime() / 1000)), TZ: 'UTC', LC_ALL: 'C.UTF-8' },
      macros,
      plugin_conf: { ccache_enable: false, root_cache_enable: false, yum_cache_enable: false, tmpfs_enable: false },
    },
  };
}

interface Parsed {
  readonly includes: string[];
  readonly options: Record<string, MockValue>;
  readonly appended: Record<string, string>;
}

function statement(reader: PythonReader, parsed: Parsed): void {
  const start = reader.at;
  const word = reader.word();
  if (word === 'include') {
    reader.skip(false);
    reader.expect('(');
    reader.skip(true);
    const file = reader.value();
    if (typeof file !== 'string') throw new PythonSyntax(start, 'a file name');
    parsed.includes.push(file);
    reader.skip(true);
    reader.expect(')');
    return;
  }
  if (word !== 'config_opts') throw new PythonSyntax(start, 'config_opts or include');
  const path: string[] = [];
  for (reader.skip(false); reader.take('['); reader.skip(false)) {
    reader.skip(true);
    const key = reader.value();
    if (typeof key !== 'string') throw new PythonSyntax(reader.at, 'a text as key');
    path.push(key);
    reader.skip(true);
    reader.expect(']');
  }
  const [name, ...rest] = path;
  if (reader.take('.')) {
    const method = reader.word();
    if (method !== 'update') throw new PythonSyntax(reader.at - method.length, 'update');
    reader.expect('(');
    reader.skip(true);
    const value = reader.value();
    if (!isGroup(value)) throw new PythonSyntax(reader.at, 'a dictionary');
    reader.skip(true);
    reader.expect(')');
    for (const [key, each] of Object.entries(value)) assign(parsed, [...path, key], each, start);
    return;
  }
  if (name === undefined) throw new PythonSyntax(reader.at, '[');
  const adds = reader.take('+=');
  if (!adds) reader.expect('=');
  if (!adds && reader.text[reader.at] === '=') throw new PythonSyntax(reader.at, 'a literal');
  reader.skip(false);
  const value = reader.value();
  if (!adds) assign(parsed, path, value, start);
  else if (rest.length > 0 || typeof value !== 'string') throw new PythonSyntax(start, 'a text added to an option');
  else {
    const before = parsed.options[name];
    if (typeof before === 'string') parsed.options[name] = before + value;
    else if (before === undefined) parsed.appended[name] = (parsed.appended[name] ?? '') + value;
    else throw new PythonSyntax(start, 'a text to add to');
  }
}

/** Sets a value; an assignment to a whole option forgets what was added to it before. */
function assign(parsed: Parsed, path: readonly string[], value: MockValue, at: number): void {
  const [name, ...rest] = path;
  if (name === undefined) return;
  if (rest.length === 0) delete parsed.appended[name];
  const set = (holder: MockValue | undefined, keys: readonly string[]): MockValue => {
    const [key, ...more] = keys;
    if (key === undefined) return value;
    if (holder !== undefined && !isGroup(holder)) throw new PythonSyntax(at, 'a dictionary to set a key in');
    return { ...holder, [key]: set(holder?.[key], more) };
  };
  parsed.options[name] = set(parsed.options[name], rest);
}

function isGroup(value: MockValue): value is { readonly [key: string]: MockValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
